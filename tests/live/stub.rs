//! The real CoreDNS in front of tenantdns, with the files of deploy/stub: two tenants, what they forge,
//! and caches in front that merge them.

use crate::apiserver::ApiServer;
use crate::coredns::{CoreDns, LEASH};
use crate::decode::{Response, decode};
use crate::parts::{grant, pod};
use crate::process::{Folder, Peers, Process, free_port, peers, printed, until};
use serde_json::json;
use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;
use tenantdns::testing::query;
use tenantdns::wire::RType;

const PATIENCE: Duration = Duration::from_secs(60);
const COREFILE: &str = include_str!("../../deploy/stub/Corefile");
const CONFIG: &str = include_str!("../../deploy/stub/tenantdns.toml");

/// Pods of two tenants, and an address of nobody.
const A: &str = "127.1.0.1";
const B: &str = "127.1.0.2";
const NOBODY: &str = "127.2.0.1";
/// Where CoreDNS's queries to 127.0.0.1 come from, and tenantdns's own.
const FRONT: &str = "127.0.0.1";

const OF_A: &str = "web.a.svc.cluster.local";
const OF_B: &str = "web.b.svc.cluster.local";

// === the parts ===

/// The cluster but for the slice that makes CoreDNS's pod one of the DNS service.
fn manifests() -> String {
    let mut text = String::new();
    for (namespace, name, address) in [
        ("a", "p", A),
        ("b", "p", B),
        ("kube-system", "coredns", FRONT),
    ] {
        text += &format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {namespace}}}}}\n---\n\
             {{apiVersion: v1, kind: Pod, metadata: {{namespace: {namespace}, name: {name}}}, \
             status: {{phase: Running, podIPs: [{{ip: {address}}}]}}}}\n---\n"
        );
    }
    for (namespace, name, address) in [
        ("a", "web", "10.96.1.1"),
        ("b", "web", "10.96.1.2"),
        ("kube-system", "kube-dns", "10.96.0.10"),
        ("a", "big", "None"),
    ] {
        text += &format!(
            "{{apiVersion: v1, kind: Service, metadata: {{namespace: {namespace}, name: {name}}}, \
             spec: {{clusterIP: {address}, ports: [{{name: dns, port: 53, protocol: UDP}}]}}}}\n---\n"
        );
    }
    let endpoints: Vec<String> = (0..100)
        .map(|n| format!("{{addresses: [10.1.0.{n}]}}"))
        .collect();
    text + &slice("a", "big", 80, &endpoints.join(", "))
}

fn slice(namespace: &str, service: &str, port: u16, endpoints: &str) -> String {
    format!(
        "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, \
         metadata: {{namespace: {namespace}, name: {service}-1, labels: \
         {{kubernetes.io/service-name: {service}}}}}, \
         ports: [{{name: dns, protocol: UDP, port: {port}}}], endpoints: [{endpoints}]}}\n"
    )
}

/// A tenantdns with a CoreDNS in front of it.
struct Stub {
    tenantdns: SocketAddr,
    coredns: SocketAddr,
    metrics: u16,
    // Before what they read.
    _coredns: CoreDns,
    _process: Process,
    folder: Folder,
}

impl Stub {
    /// Starts both, CoreDNS with the Corefile that `edit` makes of the deployed one, and tenantdns
    /// with the deployed configuration but for the word of `identity`.
    fn start(peers: &Peers, identity: &str, edit: impl Fn(String) -> String) -> Self {
        let folder = Folder::new("stub");
        let objects = folder.path("objects");
        std::fs::create_dir(&objects).unwrap();
        folder.write("objects/base.yaml", &manifests());
        let metrics = free_port();
        let more = format!(
            "\n[health]\nlisten = \"\"\n[ready]\nlisten = \"\"\n[admin]\nlisten = \"\"\n\
             [metrics]\nlisten = \"127.0.0.1:{metrics}\"\n"
        );
        let config = match identity {
            "edns_local" => CONFIG.to_owned(),
            other => CONFIG
                .replace(
                    "identity = \"edns_local\"",
                    &format!("identity = \"{other}\""),
                )
                .replace("option = 65001\n", ""),
        };
        let config = config + &more;
        let mut command = Command::new("sh");
        command
            .args(["-c", LEASH, "leash", env!("CARGO_BIN_EXE_tenantdns")])
            .args(["serve", "--listen", "127.0.0.1:0", "--manifests"])
            .arg(&objects)
            .arg("--config")
            .arg(folder.write("tenantdns.toml", &config));
        let log = folder.path("log");
        let mut process = Process::spawn("tenantdns", &mut command, &log);
        let listening = process.wait(PATIENCE, || {
            let text = printed(&log);
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("listening on "))?;
            line.split(' ').next()?.parse().ok()
        });
        let tenantdns: SocketAddr = listening.unwrap_or_else(|| panic!("{}", printed(&log)));

        let coredns = CoreDns::start(peers, &edit(deployed(tenantdns)));
        let front = coredns.any;
        let stub = Self {
            tenantdns,
            coredns: front,
            metrics,
            _coredns: coredns,
            _process: process,
            folder,
        };
        // CoreDNS runs and is no endpoint of the service yet: its pod would see everything, and so
        // would whoever asks it.
        for name in [OF_A, OF_B] {
            assert_eq!(stub.data(front, A, name), "REFUSED", "{name}");
        }
        let endpoint = format!("{{addresses: [{FRONT}]}}");
        let endpoints = slice("kube-system", "kube-dns", front.port(), &endpoint);
        stub.folder.write("objects/slice.yaml", &endpoints);
        // Nobody has asked for this name, so that no cache has it.
        // Over UDP alone: the snapshot may change between two questions.
        let unseen = query("kubernetes.default.svc.cluster.local", RType::A);
        until("CoreDNS is no forwarder", PATIENCE, || {
            (data(&decode(&over_udp(front, A, &unseen))) == "NXDOMAIN").then_some(())
        });
        stub
    }

    fn log(&self) -> String {
        printed(&self.folder.path("log"))
    }

    fn ask(&self, server: SocketAddr, source: &str, bytes: &[u8]) -> Response {
        let udp = decode(&over_udp(server, source, bytes));
        let tcp = decode(&over_tcp(server, source, bytes));
        assert_eq!(udp.rcode, tcp.rcode, "over UDP and TCP");
        assert!(udp.tc || udp.answer == tcp.answer, "over UDP and TCP");
        udp
    }

    /// The data of a name's first address, or the response code.
    fn data(&self, server: SocketAddr, source: &str, name: &str) -> String {
        data(&self.ask(server, source, &query(name, RType::A)))
    }

    /// The value of a series at tenantdns.
    fn metric(&self, series: &str) -> u64 {
        let mut stream = TcpStream::connect(("127.0.0.1", self.metrics)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request).unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        let line = page.lines().find_map(|line| line.strip_prefix(series));
        let value = line.unwrap_or_else(|| panic!("{series} is not in {page}"));
        value.trim().parse().unwrap()
    }
}

/// The deployed Corefile with the addresses of the test.
fn deployed(tenantdns: SocketAddr) -> String {
    let http = [(); 2].map(|()| free_port());
    let mut text = COREFILE.to_owned();
    for (deployed, here) in [
        ("cluster.local:53", "cluster.local:{$ANY_PORT}".to_owned()),
        ("in-addr.arpa:53", "in-addr.arpa:{$ANY_PORT}".to_owned()),
        ("ip6.arpa:53", "ip6.arpa:{$ANY_PORT}".to_owned()),
        ("\n.:53", "\n.:{$ANY_PORT}".to_owned()),
        ("forward . 10.96.0.53", format!("forward . {tenantdns}")),
        // Nobody is there, and nobody is asked.
        ("/etc/resolv.conf", "127.0.0.1:1".to_owned()),
        ("health {", format!("health 127.0.0.1:{} {{", http[0])),
        (":9153", format!("127.0.0.1:{}", http[1])),
        ("    ready", "    ready 127.0.0.1:{$READY_PORT}".to_owned()),
    ] {
        assert_eq!(text.matches(deployed).count(), 1, "{deployed}");
        text = text.replace(deployed, &here);
    }
    text
}

/// The Corefile with one more line in the cluster's block.
fn with_line(line: &str) -> impl Fn(String) -> String + '_ {
    move |text| text.replacen("    errors\n", &format!("    errors\n    {line}\n"), 1)
}

// === questions ===

fn data(got: &Response) -> String {
    let first = got.answer.first();
    let data = first.and_then(|line| line.rsplit(' ').next());
    data.unwrap_or(&got.rcode).to_owned()
}

fn over_udp(server: SocketAddr, source: &str, bytes: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind((source, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(server).unwrap();
    socket.send(bytes).unwrap();
    let mut answer = vec![0; 65_535];
    let length = socket.recv(&mut answer).expect("an answer");
    answer.truncate(length);
    answer
}

fn over_tcp(server: SocketAddr, source: &str, bytes: &[u8]) -> Vec<u8> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let source: IpAddr = source.parse().unwrap();
    socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = (bytes.len() as u16).to_be_bytes();
    stream.write_all(&[&length, bytes].concat()).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("an answer");
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer).unwrap();
    answer
}

/// A query with an OPT record for each list of options.
fn with_opts(name: &str, opts: &[&[(u16, &[u8])]]) -> Vec<u8> {
    let mut bytes = query(name, RType::A);
    bytes[11] = opts.len() as u8;
    for options in opts {
        let mut rdata = Vec::new();
        for (code, value) in *options {
            rdata.extend(code.to_be_bytes());
            rdata.extend((value.len() as u16).to_be_bytes());
            rdata.extend(*value);
        }
        bytes.extend(b"\0\0\x29\x04\xd0\0\0\0\0");
        bytes.extend((rdata.len() as u16).to_be_bytes());
        bytes.extend(rdata);
    }
    bytes
}

const LOCAL: u16 = 65_001;
const ECS: u16 = 8;
const OCTETS_OF_B: &[u8] = &[127, 1, 0, 2];

#[test]
fn tenants_behind_coredns_see_their_own_and_forge_nothing() {
    let Some(peers) = peers() else { return };
    let stub = Stub::start(&peers, "edns_local", |text| text);
    let (front, direct) = (stub.coredns, stub.tenantdns);
    // In both orders, so that an answer that was kept would show.
    for _ in 0..2 {
        for (source, name, expected) in [
            (A, OF_A, "10.96.1.1"),
            (B, OF_A, "NXDOMAIN"),
            (B, OF_B, "10.96.1.2"),
            (A, OF_B, "NXDOMAIN"),
            (NOBODY, OF_A, "REFUSED"),
            (A, "absent.a.svc.cluster.local", "NXDOMAIN"),
        ] {
            assert_eq!(stub.data(front, source, name), expected, "{source} {name}");
            let at_tenantdns = stub.data(direct, source, name);
            assert_eq!(at_tenantdns, expected, "{source} {name}, directly");
        }
        let reverse = query("2.1.96.10.in-addr.arpa", RType::PTR);
        let owner = stub.ask(front, B, &reverse);
        assert_eq!(data(&owner), "web.b.svc.cluster.local.");
        assert_eq!(data(&stub.ask(front, A, &reverse)), "NXDOMAIN");
    }
    let whoami = query("whoami.tenantdns.cluster.local", RType::TXT);
    let told = stub.ask(front, A, &whoami).answer;
    assert!(
        told[0].contains(&format!("\"ip={A}\" \"class=pod\" \"namespace=a\"")),
        "{told:?}"
    );

    let subnet = [&b"\0\x01\x20\0"[..], OCTETS_OF_B].concat();
    let mapped = [&[0; 10][..], &[0xff, 0xff], OCTETS_OF_B].concat();
    let mut many = vec![(12, &b""[..]); 70];
    many.insert(0, (LOCAL, OCTETS_OF_B));
    for (fact, options) in [
        ("octets", vec![(LOCAL, OCTETS_OF_B)]),
        ("mapped", vec![(LOCAL, &mapped[..])]),
        ("text", vec![(LOCAL, B.as_bytes())]),
        ("a namespace", vec![(LOCAL, b"kube-system")]),
        ("empty", vec![(LOCAL, b"")]),
        ("twice", vec![(LOCAL, OCTETS_OF_B); 2]),
        ("in front of many", many),
        ("a client subnet", vec![(ECS, &subnet)]),
        ("both", vec![(ECS, &subnet), (LOCAL, OCTETS_OF_B)]),
    ] {
        for (name, expected) in [(OF_A, "10.96.1.1"), (OF_B, "NXDOMAIN")] {
            let bytes = with_opts(name, &[&options]);
            assert_eq!(
                data(&stub.ask(front, A, &bytes)),
                expected,
                "{fact}: {name}"
            );
            let at_tenantdns = data(&stub.ask(direct, A, &bytes));
            assert_eq!(at_tenantdns, expected, "{fact}: {name}, directly");
        }
    }
    let of_nobody = with_opts(OF_B, &[&[(LOCAL, OCTETS_OF_B)]]);
    assert_eq!(data(&stub.ask(front, NOBODY, &of_nobody)), "REFUSED");
    // CoreDNS rewrites one of two OPT records and passes both on.
    let forged: &[(u16, &[u8])] = &[(LOCAL, OCTETS_OF_B)];
    for opts in [&[forged, &[]][..], &[&[], forged], &[forged, forged]] {
        let bytes = with_opts(OF_B, opts);
        assert_eq!(data(&stub.ask(front, A, &bytes)), "FORMERR", "{opts:?}");
        assert_eq!(
            data(&stub.ask(direct, A, &bytes)),
            "FORMERR",
            "{opts:?}, directly"
        );
    }

    // CoreDNS asks with EDNS for 4096 octets whoever asks it, and writes names out in full: 512 octets
    // become more, but no fragments.
    let big = query("big.a.svc.cluster.local", RType::A);
    let udp = over_udp(front, A, &big);
    assert!(udp.len() <= 1232 && decode(&udp).tc, "{} octets", udp.len());
    let short = over_udp(
        direct,
        FRONT,
        &with_opts("big.a.svc.cluster.local", &[&[(LOCAL, &[127, 1, 0, 1])]]),
    );
    assert!(
        short.len() <= 512 && decode(&short).tc,
        "{} octets",
        short.len()
    );
    assert_eq!(decode(&over_tcp(front, A, &big)).answer.len(), 100);

    until("the canary has not come through", PATIENCE, || {
        (stub.metric("tenantdns_canary_looks_total{result=\"clear\"}") >= 6).then_some(())
    });
    assert_eq!(stub.metric("tenantdns_shared_cache_detected"), 0);
    assert_eq!(
        stub.metric("tenantdns_canary_looks_total{result=\"cached\"}"),
        0
    );
    assert!(!stub.log().contains("from a cache"), "{}", stub.log());
    let forwarded = |result| {
        stub.metric(&format!(
            "tenantdns_forwarded_queries_total{{result=\"{result}\"}}"
        ))
    };
    assert!(forwarded("known") > 0 && forwarded("unknown") > 0 && forwarded("ignored") > 0);
    assert_eq!(forwarded("nobody"), 0);
}

/// Waits for the canary's verdict and checks that it is said once, of this zone.
fn expect_warning(stub: &Stub, zone: &str, answers: &str) {
    until("the cache is not noticed", PATIENCE, || {
        (stub.metric("tenantdns_shared_cache_detected") == 1).then_some(())
    });
    let log = stub.log();
    let lines: Vec<&str> = log.lines().filter(|l| l.contains("from a cache")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    // The log may be colored, between a key and its value.
    for word in ["WARN", &stub.coredns.to_string(), zone, answers] {
        assert!(lines[0].contains(word), "{word}: {}", lines[0]);
    }
}

#[test]
fn a_cache_that_merges_tenants_is_noticed() {
    let Some(peers) = peers() else { return };
    let stub = Stub::start(&peers, "edns_local", with_line("cache 30"));
    // What it does: whoever asks first has asked for everybody.
    assert_eq!(stub.data(stub.coredns, A, OF_A), "10.96.1.1");
    assert_eq!(stub.data(stub.coredns, B, OF_A), "10.96.1.1", "a leak");
    assert_eq!(stub.data(stub.coredns, A, OF_B), "NXDOMAIN");
    assert_eq!(stub.data(stub.coredns, B, OF_B), "NXDOMAIN", "a denial");
    expect_warning(&stub, "cluster.local", "existing names");
}

#[test]
fn a_cache_of_denials_alone_is_noticed() {
    let Some(peers) = peers() else { return };
    let line = "cache 30 {\n        disable success\n    }";
    let stub = Stub::start(&peers, "edns_local", with_line(line));
    expect_warning(&stub, "cluster.local", "absent names");
}

#[test]
fn a_cache_of_reverse_names_alone_is_noticed() {
    let Some(peers) = peers() else { return };
    // What kubeadm disables.
    let line = "cache 30 {\n        disable success cluster.local\n        \
                disable denial cluster.local\n    }";
    let stub = Stub::start(&peers, "edns_local", with_line(line));
    assert_eq!(stub.data(stub.coredns, A, OF_A), "10.96.1.1");
    assert_eq!(stub.data(stub.coredns, B, OF_A), "NXDOMAIN");
    expect_warning(&stub, "in-addr.arpa", "existing names");
}

#[test]
fn coredns_names_clients_in_a_client_subnet_too() {
    let Some(peers) = peers() else { return };
    let stub = Stub::start(&peers, "ecs", |text| {
        let text = text.replace("edns0 local unset 0xfde9", "edns0 subnet unset");
        text.replace(
            "edns0 local set 0xfde9 {client_ip}",
            "edns0 subnet set 32 128",
        )
    });
    let subnet = [&b"\0\x01\x20\0"[..], OCTETS_OF_B].concat();
    for options in [
        &[][..],
        &[(ECS, &subnet[..])],
        &[(ECS, &subnet), (ECS, &subnet)],
        &[(LOCAL, OCTETS_OF_B)],
    ] {
        for (name, expected) in [(OF_A, "10.96.1.1"), (OF_B, "NXDOMAIN")] {
            let bytes = with_opts(name, &[options]);
            assert_eq!(
                data(&stub.ask(stub.coredns, A, &bytes)),
                expected,
                "{options:?}"
            );
        }
    }
}

#[test]
fn coredns_names_clients_by_their_namespace_too() {
    let Some(peers) = peers() else { return };
    let api = ApiServer::start(&peers);
    grant(&api, "dns");
    for (namespace, address) in [("a", A), ("b", B)] {
        api.create(
            &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
        );
        api.create_with_status(&pod(namespace, "p", address));
    }
    let kubeconfig = api.kubeconfig("dns");
    // The plugin knows the pods and answers for a zone that nobody asks for.
    let plugins = format!(
        "metadata\n    kubernetes none.invalid {{\n        kubeconfig {}\n        pods verified\n    }}",
        kubeconfig.display()
    );
    let stub = Stub::start(&peers, "edns_namespace", |text| {
        let text = text.replace("{client_ip}", "{kubernetes/client-namespace}");
        with_line(&plugins)(text)
    });
    let forged = |value| with_opts(OF_B, &[&[(LOCAL, value)]]);
    for value in [&b"b"[..], b"kube-system", b""] {
        assert_eq!(data(&stub.ask(stub.coredns, A, &forged(value))), "NXDOMAIN");
        assert_eq!(
            data(&stub.ask(stub.coredns, NOBODY, &forged(value))),
            "REFUSED"
        );
    }
    for (source, name, expected) in [
        (A, OF_A, "10.96.1.1"),
        (A, OF_B, "NXDOMAIN"),
        (B, OF_B, "10.96.1.2"),
        (B, OF_A, "NXDOMAIN"),
        (NOBODY, OF_A, "REFUSED"),
    ] {
        assert_eq!(
            stub.data(stub.coredns, source, name),
            expected,
            "{source} {name}"
        );
    }
}
