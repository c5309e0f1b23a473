//! Forwarding to real upstreams: Unbound over UDP, TCP and TLS, Knot, and CoreDNS. What they say comes
//! through as they say it.

use crate::coredns::{CoreDns, LEASH};
use crate::decode::{Response, decode};
use crate::process::{Folder, Process, free_port, peers, until};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tenantdns::chain::ListenerId;
use tenantdns::drain::Drain;
use tenantdns::forward::{Forwarder, Proto};
use tenantdns::server::{
    Core, ListenAddress, Options, Scheme, Server, Setup, Timeouts, Upstream, bind,
};
use tenantdns::snapshot::cell;
use tenantdns::testing::{Cluster, query, self_signed};
use tenantdns::wire::RType;

const START: Duration = Duration::from_secs(30);

/// Finds a program of Debian's, or says that the test is skipped.
///
/// # Panics
/// Where it is missing in CI: .ci/run installs it.
pub(crate) fn program(name: &str) -> Option<String> {
    let found = ["/usr/sbin", "/usr/local/sbin", "/usr/bin"]
        .iter()
        .map(|folder| format!("{folder}/{name}"))
        .find(|path| Path::new(path).exists());
    if found.is_none() {
        let must = std::env::var_os("CI").is_some_and(|ci| !ci.is_empty());
        assert!(!must, "{name} is not installed");
        let line = format!("skipped: {name} is not installed\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    found
}

/// An upstream that runs. Ends when dropped.
struct Peer {
    address: SocketAddr,
    /// Where it answers over TLS, if it does.
    tls: SocketAddr,
    _process: Process,
    folder: Folder,
}

/// Starts a program with the configuration that `text` makes of its ports and its folder.
fn start(
    name: &'static str,
    program: &str,
    arguments: &[&str],
    text: impl Fn(u16, u16, &Folder) -> String,
) -> Peer {
    for _ in 0..5 {
        let [port, tls] = [(); 2].map(|()| free_port());
        let folder = Folder::new(name);
        let config = folder.write("config", &text(port, tls, &folder));
        let mut command = Command::new("sh");
        command
            .args(["-c", LEASH, "leash", program])
            .args(arguments)
            .arg(config);
        let log = folder.path("log");
        let mut process = Process::spawn(name, &mut command, &log);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let answers = || {
            let reply = ask_udp(address, &query("www.outside.example", RType::A))?;
            (decode(&reply).answer.len() == 1).then_some(())
        };
        if process.wait(START, answers).is_some() {
            return Peer {
                address,
                tls: (Ipv4Addr::LOCALHOST, tls).into(),
                _process: process,
                folder,
            };
        }
        let said = process.log();
        assert!(said.contains("in use"), "{name} ended:\n{said}");
    }
    panic!("five free ports were all taken by others");
}

fn ask_udp(to: SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    socket.send_to(bytes, to).unwrap();
    let mut reply = vec![0; 65_535];
    let length = socket.recv(&mut reply).ok()?;
    reply.truncate(length);
    Some(reply)
}

const RECORDS: [&str; 4] = [
    "www.outside.example. 300 IN A 192.0.2.1",
    "alias.outside.example. 300 IN CNAME www.outside.example.",
    "mail.outside.example. 300 IN MX 10 www.outside.example.",
    "text.outside.example. 300 IN TXT \"one\" \"two\"",
];

fn unbound() -> Option<Peer> {
    let program = program("unbound")?;
    let pair = self_signed("upstream");
    Some(start(
        "unbound",
        &program,
        &["-d", "-p", "-c"],
        |port, tls, folder| {
            let certificate = folder.write("certificate", &pair.certificate);
            let key = folder.write("key", &pair.key);
            let records: String = RECORDS
                .iter()
                .map(|record| format!("  local-data: '{record}'\n"))
                .collect();
            format!(
                "server:\n  interface: 127.0.0.1@{port}\n  interface: 127.0.0.1@{tls}\n  tls-port: {tls}\n  \
             tls-service-pem: {}\n  tls-service-key: {}\n  num-threads: 1\n  do-daemonize: no\n  \
             username: \"\"\n  chroot: \"\"\n  directory: \"{}\"\n  use-syslog: no\n  module-config: \"iterator\"\n  \
             local-zone: outside.example. static\n{records}",
                certificate.display(),
                key.display(),
                folder.path("").display(),
            )
        },
    ))
}

fn knot() -> Option<Peer> {
    let program = program("knotd")?;
    Some(start("knot", &program, &["-c"], |port, _, folder| {
        let soa = "outside.example. 300 IN SOA ns.outside.example. h.outside.example. 1 2 3 4 60";
        let zone = folder.write("zone", &format!("{soa}\n{}\n", RECORDS.join("\n")));
        let path = folder.path("").display().to_string();
        format!(
            "server:\n  listen: 127.0.0.1@{port}\n  rundir: {path}\ndatabase:\n  storage: {path}\n\
             log:\n  - target: stderr\n    any: warning\nzone:\n  - domain: outside.example\n    file: {}\n    \
             semantic-checks: off\n",
            zone.display()
        )
    }))
}

/// A server that forwards.
pub(crate) struct Forwarding {
    pub(crate) address: SocketAddr,
    forwarder: Arc<Forwarder>,
    drain: Drain,
    server: Option<Server>,
}

impl Forwarding {
    pub(crate) fn start(config: &str) -> Self {
        let cluster = Cluster::of(Vec::new(), config);
        let listen = ListenAddress {
            id: ListenerId(0),
            address: "127.0.0.1:0".parse().unwrap(),
            scheme: Scheme::Dns,
        };
        let options = Options {
            listen: vec![listen],
            threads: 1,
            ..cluster.config.server.clone()
        };
        let (publisher, reader) = cell(cluster.snapshot());
        drop(publisher);
        let bound = bind(&options).unwrap();
        let (_, address) = bound.listeners().next().unwrap();
        let tables = (&cluster.config.forward, &cluster.config.caches);
        let forwarder = Arc::new(Forwarder::new(tables.0, tables.1, &[]).unwrap());
        let drain = Drain::new();
        let setup = Setup {
            options,
            timeouts: Timeouts::default(),
            reader,
            drain: drain.clone(),
            upstream: Some(forwarder.clone() as Arc<dyn Upstream>),
            limits: None,
            answerer: Core,
        };
        Self {
            address,
            forwarder,
            drain,
            server: Some(Server::start_with(bound, &setup).unwrap()),
        }
    }

    fn udp(&self, bytes: &[u8]) -> Response {
        let patience = Duration::from_secs(10);
        let reply = until("an answer", patience, || ask_udp(self.address, bytes));
        decode(&reply)
    }

    fn tcp(&self, bytes: &[u8]) -> Response {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let length = (bytes.len() as u16).to_be_bytes();
        stream.write_all(&[&length, bytes].concat()).unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut reply).unwrap();
        decode(&reply)
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        self.drain.start();
        let ended = self.server.take().is_none_or(Server::join);
        assert!(ended || std::thread::panicking(), "a thread panicked");
    }
}

/// What a server behind `to` says to each question is what the upstream itself says.
fn says_the_same(fact: &str, upstream: SocketAddr, to: &str, lines: &str) -> Forwarding {
    let forwarding = Forwarding::start(&format!("[[forward]]\nto = [\"{to}\"]\n{lines}\n"));
    for (name, rtype) in [
        ("www.outside.example", RType::A),
        ("www.outside.example", RType::AAAA),
        ("alias.outside.example", RType::A),
        ("alias.outside.example", RType::CNAME),
        ("mail.outside.example", RType::MX),
        ("text.outside.example", RType::TXT),
        ("absent.outside.example", RType::A),
    ] {
        let question = query(name, rtype);
        let direct = until("the upstream's own answer", START, || {
            ask_udp(upstream, &question)
        });
        let direct = decode(&direct);
        for (transport, said) in [
            ("UDP", forwarding.udp(&question)),
            ("TCP", forwarding.tcp(&question)),
        ] {
            let about = format!("{fact}: {name} {rtype} over {transport}");
            assert_eq!(said.rcode, direct.rcode, "{about}");
            assert_eq!(said.ra, direct.ra, "{about}");
            assert_eq!(said.answer, direct.answer, "{about}");
            assert_eq!(said.authority, direct.authority, "{about}");
        }
    }
    forwarding
}

#[test]
fn unbound_is_asked_over_udp_and_tcp() {
    let Some(peer) = unbound() else { return };
    let to = peer.address.to_string();
    for lines in ["", "force_tcp = true", "prefer_udp = true"] {
        let forwarding = says_the_same("Unbound", peer.address, &to, lines);
        let counts = forwarding.forwarder.stats().read();
        let opened = |proto: Proto| counts.to[0].conn_cache_misses[proto as usize] > 0;
        let expected = (lines != "force_tcp = true", lines != "prefer_udp = true");
        assert_eq!(
            (opened(Proto::Udp), opened(Proto::Tcp)),
            expected,
            "{lines}"
        );
        assert_eq!(counts.to[0].lies, [0; 5], "{lines}");
    }
}

#[test]
fn unbound_is_asked_over_tls_by_who_trusts_its_certificate_for_that_name() {
    let Some(peer) = unbound() else { return };
    let ca = peer.folder.path("certificate");
    let tls = format!("tls = {{ ca = \"{}\" }}", ca.display());
    let named = format!("tls://{}%localhost", peer.tls);
    let forwarding = says_the_same("over TLS", peer.address, &named, &tls);
    let counts = forwarding.forwarder.stats().read();
    let proto = Proto::Tls as usize;
    assert_eq!(
        counts.to[0].conn_cache_misses[proto], 1,
        "one connection for all"
    );
    assert!(counts.to[0].conn_cache_hits[proto] >= 13);

    let by_table = format!("{tls}\ntls_servername = \"localhost\"");
    let bare = format!("tls://{}", peer.tls);
    says_the_same("the name in the table", peer.address, &bare, &by_table);
    says_the_same("its address is in it, too", peer.address, &bare, &tls);
    for (fact, to, lines) in [
        (
            "another name",
            format!("tls://{}%other.example", peer.tls),
            tls,
        ),
        ("nobody trusts it", named, String::new()),
    ] {
        let config = format!("[[forward]]\nto = [\"{to}\"]\nmax_connect_attempts = 1\n{lines}\n");
        let forwarding = Forwarding::start(&config);
        let said = forwarding.tcp(&query("www.outside.example", RType::A));
        assert_eq!(
            (said.rcode.as_str(), said.answer.len()),
            ("SERVFAIL", 0),
            "{fact}"
        );
    }
}

#[test]
fn knot_is_asked_and_the_other_upstream_where_it_has_ended() {
    let (Some(first), Some(second)) = (knot(), unbound()) else {
        return;
    };
    let to = first.address.to_string();
    says_the_same("Knot", first.address, &to, "");
    let lines = format!(
        "policy = \"sequential\"\nmax_fails = 1\nhealth_check = {{ interval = \"20ms\" }}\n\
         to = [\"{}\", \"{}\"]",
        first.address, second.address
    );
    let forwarding = Forwarding::start(&format!("[[forward]]\n{lines}\n"));
    let question = query("www.outside.example", RType::A);
    assert_eq!(forwarding.udp(&question).answer.len(), 1);
    drop(first);
    for number in 0..20 {
        let said = forwarding.udp(&question);
        assert_eq!(said.answer.len(), 1, "question {number} after it ended");
    }
    until("it is down", Duration::from_secs(10), || {
        let counts = forwarding.forwarder.stats().read();
        (counts.to[0].healthcheck_failures >= 2).then_some(())
    });
}

#[test]
fn coredns_is_asked_and_what_is_kept_is_what_it_said() {
    let Some(peers) = peers() else { return };
    let records: String = RECORDS.iter().map(|record| format!("{record}\n")).collect();
    let folder = Folder::new("zone");
    let soa = "outside.example. 300 IN SOA ns.outside.example. h.outside.example. 1 2 3 4 60";
    let zone = folder.write("zone", &format!("{soa}\n{records}"));
    let corefile = format!(
        ".:{{$DNS_PORT}} {{\n bind 127.0.0.1\n ready 127.0.0.1:{{$READY_PORT}}\n \
         file {} outside.example\n}}\n",
        zone.display()
    );
    let upstream = CoreDns::start(&peers, &corefile);
    let to = upstream.address.to_string();
    says_the_same("CoreDNS", upstream.address, &to, "");
    let forwarding = Forwarding::start(&format!("[[forward]]\nto = [\"{to}\"]\n[cache]\n"));
    let question = query("www.outside.example", RType::A);
    let first = forwarding.udp(&question);
    assert_eq!(first.answer, ["www.outside.example. 300 A 192.0.2.1"]);
    drop(upstream);
    let kept = forwarding.udp(&question);
    assert!(kept.aa);
    assert!(
        kept.answer[0].ends_with(" A 192.0.2.1"),
        "{:?}",
        kept.answer
    );
}
