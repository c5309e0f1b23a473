//! The same questions over UDP, TCP, TLS, HTTPS and QUIC, asked by kdig: counted and logged as CoreDNS does.

use super::scrape::{Labels, Scrape, get};
use super::{differences, lines, without};
use crate::coredns::{CoreDns, LEASH};
use crate::process::{Folder, Process, free_port, peers, printed, until};
use crate::serving::PATIENCE;
use crate::upstreams::program;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Command;
use tenantdns::testing::self_signed;

const COREFILE: &str = r#"example.test:{$ANY_PORT} tls://example.test:TLS https://example.test:HTTPS quic://example.test:QUIC {
    tls FOLDER/tls.crt FOLDER/tls.key
    ready 127.0.0.1:{$READY_PORT}
    prometheus 127.0.0.1:METRICS
    log
    template IN A {
        answer "{{ .Name }} 60 IN A 192.0.2.1"
    }
}
outside.test:{$ANY_PORT} tls://outside.test:TLS https://outside.test:HTTPS quic://outside.test:QUIC {
    tls FOLDER/tls.crt FOLDER/tls.key
    prometheus 127.0.0.1:METRICS
    cache
    forward . UPSTREAM
}
"#;

/// Those of the cache, which there is one of: by the server that was asked.
const CACHE: [&str; 4] = [
    "coredns_cache_requests_total",
    "coredns_cache_misses_total",
    "coredns_cache_hits_total",
    "coredns_cache_entries",
];

/// Who is asked by both.
const UPSTREAM: &str = r#"outside.test:{$DNS_PORT} {
    bind 127.0.0.1
    ready 127.0.0.1:{$READY_PORT}
    template IN A {
        answer "{{ .Name }} 300 IN A 192.0.2.1"
    }
}
"#;

const OURS: &str = r#"
[server]
listen = ["[::]:0", "tls://[::]:0", "https://[::]:0", "quic://[::]:0"]
[tls]
certificate = "FOLDER/tls.crt"
key = "FOLDER/tls.key"
[metrics]
listen = "127.0.0.1:METRICS"
[health]
listen = ""
[ready]
listen = ""
[admin]
listen = ""
[tenancy]
mode = "off"
[[block]]
zones = ["example.test"]
[[block.log]]
[[block.template]]
type = "A"
answer = ["{{ .Name }} 60 IN A 192.0.2.1"]
[[block]]
zones = ["outside.test"]
[block.cache]
[[block.forward]]
to = ["UPSTREAM"]
"#;

const SCHEMES: [&str; 4] = ["", "tls://", "https://", "quic://"];

const NAMES: [&str; 2] = ["www.example.test", "www.outside.test"];

/// What kdig is told, and which of the ports it asks.
const WAYS: [(usize, &[&str]); 6] = [
    (0, &[]),
    (0, &["+tcp"]),
    (1, &["+tls"]),
    (2, &["+https"]),
    (2, &["+https-get"]),
    (3, &["+quic"]),
];

const EQUAL: [&str; 8] = [
    "coredns_dns_requests_total",
    "coredns_dns_request_duration_seconds_count",
    "coredns_dns_request_size_bytes_bucket",
    "coredns_dns_response_size_bytes_count",
    "coredns_dns_do_requests_total",
    "coredns_dns_https_responses_total",
    "coredns_dns_quic_responses_total",
    "coredns_template_matches_total",
];

#[test]
fn over_every_transport_the_same_is_counted_and_logged() {
    let (Some(peers), Some(kdig)) = (peers(), program("kdig", "knot-dnsutils")) else {
        return;
    };
    let folder = Folder::new("metrics-encrypted");
    let pair = self_signed("localhost");
    folder.write("tls.crt", &pair.certificate);
    folder.write("tls.key", &pair.key);
    let place = folder.path("").display().to_string();
    let place = place.trim_end_matches('/');
    let [tls, https, quic, own, theirs] = [(); 5].map(|()| free_port());
    let upstream = CoreDns::start(&peers, UPSTREAM);
    let filled = |text: &str, metrics: u16| {
        let text = text.replace("FOLDER", place);
        let text = text.replace("UPSTREAM", &upstream.address.to_string());
        let text = text.replace("METRICS", &metrics.to_string());
        let text = text.replace("HTTPS", &https.to_string());
        let text = text.replace("TLS", &tls.to_string());
        text.replace("QUIC", &quic.to_string())
    };
    let coredns = CoreDns::start(&peers, &filled(COREFILE, theirs));
    let config = folder.write("tenantdns.toml", &filled(OURS, own));
    let mut command = Command::new("sh");
    let tenantdns = env!("CARGO_BIN_EXE_tenantdns");
    command.args(["-c", LEASH, "leash", tenantdns, "serve", "--config"]);
    let log = folder.path("log");
    let mut process = Process::spawn("tenantdns", command.arg(config), &log);
    let ready = process.wait(PATIENCE, || {
        printed(&log).contains("listening on quic://").then_some(())
    });
    assert!(ready.is_some(), "{}", process.log());
    let said = printed(&log);
    let own_ports = SCHEMES.map(|scheme| {
        let start = format!("listening on {scheme}[::]:");
        let rest = said.lines().find_map(|line| line.strip_prefix(&start));
        rest.unwrap().split(' ').next().unwrap().parse().unwrap()
    });
    let their_ports = [coredns.any.port(), tls, https, quic];

    for (at, options) in WAYS {
        for (ports, name) in [their_ports, own_ports]
            .into_iter()
            .flat_map(|ports| NAMES.map(|name| (ports, name)))
        {
            let mut command = Command::new(&kdig);
            command.args(["@127.0.0.1", "-p", &ports[at].to_string()]);
            command.args(options).args(["+retry=0", "+dnssec"]);
            let output = command.args([name, "A"]).output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(text.contains("192.0.2.1"), "{options:?}: {text}");
        }
    }
    let scraped = |port| {
        let at = SocketAddr::from(([127, 0, 0, 1], port));
        Scrape::parse(&get(at, "/metrics"))
    };
    // What is counted behind the answer may come after it.
    until("QUIC is not counted", PATIENCE, || {
        let counted = |port| scraped(port).sum("coredns_dns_quic_responses_total");
        (counted(theirs) > 0.0 && counted(own) > 0.0).then_some(())
    });
    let (theirs, own) = (scraped(theirs), scraped(own));
    for name in EQUAL {
        // CoreDNS says it of a connection that its client has ended.
        let is_an_end = |labels: &Labels| labels.get("status").is_some_and(|code| code == "0x1");
        let differ = differences(&theirs, &own, name, |labels| !is_an_end(labels));
        assert!(differ.is_empty(), "{name}, CoreDNS's and ours: {differ:#?}");
    }
    for name in CACHE {
        // CoreDNS names a zone once for each listener of its block.
        let counts = |scrape: &Scrape| {
            let mut counts = without("zones", scrape.samples(name));
            counts.retain(|_, count| *count > 0.0);
            counts
        };
        assert_eq!(counts(&theirs), counts(&own), "{name}");
    }
    let requests = own.samples("coredns_dns_requests_total").into_keys();
    let ways: BTreeSet<_> = requests
        .map(|labels| (labels["server"].clone(), labels["proto"].clone()))
        .collect();
    let pair = |(server, proto): (&str, &str)| (server.to_owned(), proto.to_owned());
    let expected = [
        ("dns://", "tcp"),
        ("dns://", "udp"),
        ("https://", "tcp"),
        ("quic://", "udp"),
        ("tls://", "tcp"),
    ];
    assert_eq!(ways, expected.map(pair).into());

    let theirs = lines(&printed(&coredns.log()));
    assert_eq!(theirs.len(), WAYS.len(), "{theirs:#?}");
    until("the log lacks lines", PATIENCE, || {
        (lines(&printed(&log)).len() >= theirs.len()).then_some(())
    });
    assert_eq!(lines(&printed(&log)), theirs);
}
