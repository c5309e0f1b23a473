//! CoreDNS and tenantdns, with configurations that mean the same, asked the same: their series and
//! their logs say the same.

#[cfg(feature = "encrypted")]
#[path = "metrics/encrypted.rs"]
mod encrypted;
#[path = "metrics/listed.rs"]
mod listed;
#[path = "metrics/outside.rs"]
mod outside;
#[path = "metrics/scrape.rs"]
pub(crate) mod scrape;

use crate::apiserver::ApiServer;
use crate::coredns::CoreDns;
use crate::parts::{grant, namespace, service, slice};
use crate::process::{free_port, peers, printed, until};
use crate::serving::{PATIENCE, Serving};
use outside::Outside;
use scrape::{Labels, Scrape, get};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use tenantdns::testing::{query, query_edns};
use tenantdns::wire::RType;

/// What is asked of both: over which protocol, from which family's loopback address, with the DO bit or
/// not, for which name and type.
type Question<'q> = (&'q str, &'q str, bool, &'q str, u16);

const QUESTIONS: &[Question<'_>] = &[
    ("udp", "127.0.0.1", false, "web.shop.svc.cluster.local.", 1),
    ("udp", "127.0.0.1", false, "Web.Shop.svc.Cluster.Local.", 1),
    ("udp", "127.0.0.1", true, "web.shop.svc.cluster.local.", 1),
    ("udp", "127.0.0.1", true, "web.shop.svc.cluster.local.", 28),
    ("udp", "::1", false, "web.shop.svc.cluster.local.", 28),
    ("udp", "::1", true, "web.shop.svc.cluster.local.", 33),
    ("tcp", "127.0.0.1", false, "web.shop.svc.cluster.local.", 1),
    ("tcp", "::1", false, "web.shop.svc.cluster.local.", 33),
    ("tcp", "::1", true, "nothing.shop.svc.cluster.local.", 1),
    (
        "udp",
        "127.0.0.1",
        false,
        "nothing.shop.svc.cluster.local.",
        1,
    ),
    ("udp", "127.0.0.1", false, "web.shop.svc.cluster.local.", 15),
    ("udp", "127.0.0.1", false, "web.shop.svc.cluster.local.", 16),
    ("udp", "127.0.0.1", false, "web.shop.svc.cluster.local.", 65),
    ("udp", "127.0.0.1", false, "web.shop.svc.cluster.local.", 99),
    (
        "udp",
        "127.0.0.1",
        false,
        "web.shop.svc.cluster.local.",
        4000,
    ),
    ("udp", "127.0.0.1", false, "cluster.local.", 6),
    ("udp", "127.0.0.1", false, "cluster.local.", 2),
    ("udp", "127.0.0.1", false, "dns-version.cluster.local.", 16),
    ("udp", "127.0.0.1", false, "7.1.244.10.in-addr.arpa.", 12),
    ("udp", "127.0.0.1", false, "9.1.244.10.in-addr.arpa.", 12),
    ("udp", "127.0.0.1", false, "a.example.test.", 1),
    ("udp", "127.0.0.1", false, "a.example.test.", 28),
    ("udp", "127.0.0.1", false, "blocked.example.test.", 16),
    ("udp", "127.0.0.1", false, "www.example.org.", 1),
    ("tcp", "::1", true, "www.example.org.", 28),
    (
        "udp",
        "127.0.0.1",
        false,
        "a-name-that-is-so-long-that-the-query.takes-more-than-a-hundred.octets-of-a-datagram.and-is-absent.cluster.local.",
        1,
    ),
];

/// Series whose values are the same where the queries are.
const EQUAL: &[&str] = &[
    "coredns_panics_total",
    "coredns_plugin_enabled",
    "coredns_dns_requests_total",
    "coredns_dns_request_duration_seconds_count",
    "coredns_dns_request_size_bytes_bucket",
    "coredns_dns_request_size_bytes_count",
    "coredns_dns_request_size_bytes_sum",
    "coredns_dns_response_size_bytes_count",
    "coredns_dns_do_requests_total",
    "coredns_acl_blocked_requests_total",
    "coredns_acl_allowed_requests_total",
    "coredns_template_matches_total",
    "coredns_health_request_failures_total",
];

fn corefile(kubeconfig: &Path, [metrics, health]: [u16; 2]) -> String {
    let kubeconfig = kubeconfig.display();
    format!(
        "cluster.local:{{$ANY_PORT}} 10.in-addr.arpa:{{$ANY_PORT}} {{
    ready 127.0.0.1:{{$READY_PORT}}
    health 127.0.0.1:{health}
    errors
    log
    prometheus 127.0.0.1:{metrics}
    kubernetes cluster.local 10.in-addr.arpa {{
        kubeconfig {kubeconfig}
    }}
}}
example.test:{{$ANY_PORT}} {{
    prometheus 127.0.0.1:{metrics}
    log example.test \"{{remote}} {{name}} {{/log/class}} {{>opcode}}\" {{
        class denial error
    }}
    metadata
    acl {{
        block type TXT net *
    }}
    kubernetes k.example.test {{
        kubeconfig {kubeconfig}
    }}
    template IN A {{
        answer \"{{{{ .Name }}}} 60 IN A 192.0.2.1\"
    }}
    template IN AAAA {{
        rcode NXDOMAIN
    }}
}}
"
    )
}

const OURS: &str = r#"
[metrics]
listen = "127.0.0.1:0"
[health]
listen = "127.0.0.1:0"
[ready]
listen = ""
[admin]
listen = ""
[tenancy]
mode = "off"
[[block]]
zones = ["cluster.local", "10.in-addr.arpa"]
[block.errors]
[[block.log]]
[block.kubernetes]
zones = ["cluster.local", "10.in-addr.arpa"]
[[block]]
zones = ["example.test"]
[block.kubernetes]
zones = ["k.example.test"]
[[block.log]]
zones = ["example.test"]
format = "{remote} {name} {/log/class} {>opcode}"
class = ["denial", "error"]
[[block.acl]]
rules = [{ action = "block", types = ["TXT"], nets = ["0.0.0.0/0", "::/0"] }]
[[block.template]]
type = "A"
answer = ["{{ .Name }} 60 IN A 192.0.2.1"]
[[block.template]]
type = "AAAA"
rcode = "NXDOMAIN"
"#;

/// The kinds of services whose changes are timed.
const KINDS: [&str; 2] = ["cluster_ip", "headless_with_selector"];

/// The kinds whose changes have been.
fn kinds(scrape: &Scrape) -> Vec<String> {
    let counts = scrape.samples("coredns_kubernetes_dns_programming_duration_seconds_count");
    let kinds = counts
        .into_keys()
        .map(|labels| labels["service_kind"].clone());
    kinds.collect()
}

/// Returns the octets of a question.
fn message(&(_, _, dnssec_ok, name, rtype): &Question<'_>) -> Vec<u8> {
    let mut message = match dnssec_ok {
        false => query(name, RType(rtype)),
        true => query_edns(name, RType(rtype), 1232),
    };
    if dnssec_ok {
        let flags = message.len() - 4;
        message[flags] |= 0x80;
    }
    message
}

/// Asks over UDP.
fn send(server: SocketAddr, question: &Question<'_>) -> UdpSocket {
    let source: IpAddr = question.1.parse().unwrap();
    let socket = UdpSocket::bind(SocketAddr::new(source, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let server = SocketAddr::new(source, server.port());
    socket.connect(server).unwrap();
    socket.send(&message(question)).unwrap();
    socket
}

/// Asks, waits for the answer, and returns how many octets it has.
fn ask(server: SocketAddr, question: &Question<'_>) -> usize {
    let mut answer = vec![0; 4096];
    if question.0 == "udp" {
        let socket = send(server, question);
        return socket.recv(&mut answer).expect("an answer");
    }
    let source: IpAddr = question.1.parse().unwrap();
    let mut stream = TcpStream::connect(SocketAddr::new(source, server.port())).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let message = message(question);
    let length = u16::try_from(message.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length[..], &message].concat()).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let length = usize::from(u16::from_be_bytes(length));
    stream.read_exact(&mut answer[..length]).unwrap();
    length
}

/// Returns the samples of a series that differ, of those whose labels are to be looked at. What is not
/// there is 0: CoreDNS shows many a count only once it has counted.
fn differences(
    theirs: &Scrape,
    own: &Scrape,
    name: &str,
    is_looked_at: impl Fn(&Labels) -> bool,
) -> BTreeMap<Labels, [f64; 2]> {
    let (theirs, own) = (theirs.samples(name), own.samples(name));
    assert!(!theirs.is_empty(), "{name}");
    let all: BTreeSet<_> = theirs.keys().chain(own.keys()).cloned().collect();
    all.into_iter()
        .filter(is_looked_at)
        .map(|labels| {
            let values = [&theirs, &own].map(|of| of.get(&labels).copied().unwrap_or_default());
            (labels, values)
        })
        .filter(|(_, [theirs, own])| theirs != own)
        .collect()
}

/// A slice that says when the change began that made it.
fn changed(service: &str, address: &str) -> serde_json::Value {
    let mut slice = slice("shop", service, address);
    let moment = jiff::Timestamp::now().to_string();
    slice["metadata"]["annotations"] =
        json!({"endpoints.kubernetes.io/last-change-trigger-time": moment});
    slice
}

#[test]
fn corednss_series_and_log_are_ours_too() {
    let Some(peers) = peers() else { return };
    let api = ApiServer::start(&peers);
    grant(&api, "dns");
    api.create(&namespace("shop"));
    api.create(&service("shop", "web"));
    api.create(&slice("shop", "web", "10.244.1.7"));
    let mut headless = service("shop", "db");
    headless["spec"]["clusterIP"] = "None".into();
    api.create(&headless);
    api.create(&slice("shop", "db", "10.244.1.9"));
    let kubeconfig = api.kubeconfig("dns");
    let ports = [free_port(), free_port()];
    let coredns = CoreDns::start(&peers, &corefile(&kubeconfig, ports));
    let mut ours = Serving::start_as_it_is("metrics", &kubeconfig, "[::]:0", OURS);
    let address = ours.address();
    let line = ours.wait_for_line(&["/metrics", "address="]);
    let metrics = line
        .split("address=")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let metrics: SocketAddr = metrics.unwrap().parse().unwrap();

    // What it said while it waited for the API is not compared.
    for question in QUESTIONS {
        ask(coredns.any, question);
        ask(address, question);
    }
    api.replace(&changed("web", "10.244.1.8"));
    api.replace(&changed("db", "10.244.1.10"));
    let theirs_at = SocketAddr::from(([127, 0, 0, 1], ports[0]));
    let scraped = |at| Scrape::parse(&get(at, "/metrics"));
    for (what, at) in [("CoreDNS", theirs_at), ("tenantdns", metrics)] {
        until(
            &format!("{what} has no programming latency"),
            PATIENCE,
            || {
                let scrape = scraped(at);
                let health = "coredns_health_request_duration_seconds_count";
                let asked = scrape.sum(health) > 0.0;
                (asked && kinds(&scrape) == KINDS).then_some(())
            },
        );
    }
    let (theirs, own) = (scraped(theirs_at), scraped(metrics));

    // What the log's labels need there.
    let is_shared = |labels: &Labels| labels.get("name").is_none_or(|name| name != "metadata");
    for name in EQUAL {
        let differ = differences(&theirs, &own, name, is_shared);
        assert!(differ.is_empty(), "{name}, CoreDNS's and ours: {differ:#?}");
    }
    // CoreDNS names the plugin next to `prometheus`, and not the one that answers.
    let responses = "coredns_dns_responses_total";
    let by_rcode = |scrape: &Scrape| without("plugin", scrape.samples(responses));
    assert_eq!(by_rcode(&theirs), by_rcode(&own));
    let outside = Outside::start(&peers, &kubeconfig);
    let [their_outside, own_outside] = outside.compare();
    listed::check(&[&theirs, &their_outside], &[&own, &own_outside]);

    let answered = own.samples("coredns_dns_responses_total");
    let plugins: BTreeSet<&str> = answered.keys().map(|labels| &*labels["plugin"]).collect();
    assert_eq!(
        plugins,
        BTreeSet::from(["", "acl", "kubernetes", "template"])
    );

    let theirs = lines(&printed(&coredns.log()));
    assert!(theirs.len() > QUESTIONS.len() / 2, "{theirs:#?}");
    until("the log lacks lines", PATIENCE, || {
        (lines(&ours.log()).len() >= theirs.len()).then_some(())
    });
    assert_eq!(lines(&ours.log()), theirs);
}

/// The samples by their other labels than this one.
fn without(label: &str, samples: BTreeMap<Labels, f64>) -> BTreeMap<Labels, f64> {
    let mut sums = BTreeMap::new();
    for (mut labels, value) in samples {
        labels.remove(label);
        *sums.entry(labels).or_default() += value;
    }
    sums
}

/// The log's lines, sorted, without what differs from one program to the other: the client's port, the
/// ID, how long it took, and the answer's size, which is CoreDNS's before it compresses.
fn lines(log: &str) -> Vec<String> {
    let lines = log.lines().filter(|line| line.starts_with("[INFO] "));
    // CoreDNS says more than that at this level.
    let lines = lines.filter(|line| {
        line.contains("cluster.local.") || line.contains("arpa.") || line.contains("example.test.")
    });
    let mut lines: Vec<String> = lines
        .filter(|line| !line.contains("plugin/"))
        .map(|line| {
            let Some((head, tail)) = line.split_once('"') else {
                return line.to_owned();
            };
            let mut head: Vec<_> = head.split(' ').map(str::to_owned).collect();
            if let Some((address, port)) = head[1].rsplit_once(':') {
                assert!(port.parse::<u16>().is_ok(), "{line}");
                head[1] = address.to_owned();
            }
            assert!(head[3].parse::<u16>().is_ok(), "{line}");
            head[3] = "ID".to_owned();
            let mut words: Vec<_> = tail.split(' ').collect();
            let took = words
                .pop()
                .and_then(|took| took.strip_suffix('s')?.parse::<f64>().ok());
            assert!(took.is_some_and(|took| took < 60.0), "{line}");
            assert!(
                words.pop().is_some_and(|size| size.parse::<u16>().is_ok()),
                "{line}"
            );
            format!("{}\"{}", head.join(" "), words.join(" "))
        })
        .collect();
    lines.sort();
    lines
}
