//! Queries that others ask on behalf of their clients: what a forwarder may say and what is refused,
//! over UDP and TCP. Not here: who is a forwarder (stub_peers.rs).

use crate::decode::{Response, decode};
use crate::live::{Live, receive};
use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;
use tenantdns::answer::{Forwarded, Outcome, Transport, respond};
use tenantdns::index::Event;
use tenantdns::snapshot::Snapshot;
use tenantdns::testing::{Cluster, ask, objects, query, request};
use tenantdns::wire::RType;

/// Pods of two tenants, and of the platform: the one that forwards among them.
pub(crate) const A: &str = "127.1.0.1";
const B: &str = "127.1.0.2";
pub(crate) const FRONT: &str = "127.9.0.1";
const NODE: &str = "127.9.0.3";
/// Of pods of both tenants.
const TWICE: &str = "127.1.0.9";
const NOBODY: &str = "127.2.0.1";

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A server with these keys in the one table of its forwarder.
fn cluster(mode: &str, forwarder: &str) -> Cluster {
    let peers = format!("peers = {{ cidrs = [\"{FRONT}/32\"] }}");
    of_config(&format!(
        "[tenancy]\nmode = \"{mode}\"\nunknown_wait = \"20ms\"\n[[tenancy.forwarder]]\n{peers}\n{forwarder}\n"
    ))
}

fn of_config(config: &str) -> Cluster {
    let many = (0..200).map(|n| IpAddr::from([10, 1, 0, n]));
    let objects = vec![
        objects::service("a", "web", &[ip("10.96.1.1")]),
        objects::service("b", "web", &[ip("10.96.1.2")]),
        objects::headless("a", "big"),
        objects::slice("a", "big", many),
        objects::service("default", "kubernetes", &[ip("10.96.0.1")]),
        objects::pod("a", "p", ip(A)),
        objects::pod("a", "v6", ip("fd00::a")),
        objects::pod("b", "p", ip(B)),
        objects::pod("a", "twice", ip(TWICE)),
        objects::pod("b", "twice", ip(TWICE)),
        objects::pod("kube-system", "dns", ip(FRONT)),
        objects::node("n1", ip(NODE), true),
    ];
    Cluster::of(objects, config)
}

// === queries ===

/// An OPT record with these options.
fn opt(options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut rdata = Vec::new();
    for (code, value) in options {
        rdata.extend(code.to_be_bytes());
        rdata.extend((value.len() as u16).to_be_bytes());
        rdata.extend(*value);
    }
    let mut record = b"\0\0\x29\x10\0\0\0\0\0".to_vec();
    record.extend((rdata.len() as u16).to_be_bytes());
    record.extend(rdata);
    record
}

/// A query with these additional records.
fn with_records(name: &str, rtype: RType, records: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = query(name, rtype);
    bytes[11] = records.len() as u8;
    bytes.extend(records.concat());
    bytes
}

/// A query for an address record with these options.
pub(crate) fn naming(name: &str, options: &[(u16, &[u8])]) -> Vec<u8> {
    with_records(name, RType::A, &[opt(options)])
}

fn octets(address: &str) -> Vec<u8> {
    match ip(address) {
        IpAddr::V4(v4) => v4.octets().into(),
        IpAddr::V6(v6) => v6.octets().into(),
    }
}

const LOCAL: u16 = 65_001;
const ECS: u16 = 8;
const OF_A: &str = "web.a.svc.cluster.local";
const OF_B: &str = "web.b.svc.cluster.local";
const PUBLIC: &str = "kubernetes.default.svc.cluster.local";

/// What is answered: the data of the first record, or the response code, without AA as `-CODE`.
fn said(reply: &[u8]) -> String {
    let Response {
        rcode, aa, answer, ..
    } = decode(reply);
    let first = answer.first().and_then(|line| line.rsplit(' ').next());
    match (first, aa) {
        (Some(data), _) => data.to_owned(),
        (None, true) => rcode,
        (None, false) => format!("-{rcode}"),
    }
}

fn asked(snapshot: &Snapshot, from: &str, bytes: &[u8]) -> String {
    let answers = [Transport::Udp, Transport::Tcp].map(|transport| {
        let reply = ask(snapshot, ip(from), transport, bytes).expect("a reply");
        said(&reply)
    });
    let [udp, tcp] = answers;
    assert_eq!(udp, tcp, "over UDP and TCP");
    udp
}

// === EDNS ===

#[test]
fn a_forwarder_asks_as_the_client_that_it_names() {
    let snapshot = cluster("enforce", "").snapshot();
    let mapped = format!("::ffff:{A}");
    for value in [
        octets(A),
        octets(&mapped),
        octets("fd00::a"),
        A.into(),
        mapped.into(),
        "fd00::a".into(),
    ] {
        for (name, expected) in [
            (OF_A, "10.96.1.1"),
            (OF_B, "NXDOMAIN"),
            (PUBLIC, "10.96.0.1"),
        ] {
            let bytes = naming(name, &[(LOCAL, &value)]);
            assert_eq!(
                asked(&snapshot, FRONT, &bytes),
                expected,
                "{value:02x?} {name}"
            );
        }
    }
    let as_node = naming(OF_A, &[(LOCAL, &octets(NODE))]);
    assert_eq!(asked(&snapshot, FRONT, &as_node), "NXDOMAIN");
    let whoami = "whoami.tenantdns.cluster.local";
    let bytes = with_records(whoami, RType::TXT, &[opt(&[(LOCAL, &octets(A))])]);
    let reply = decode(&ask(&snapshot, ip(FRONT), Transport::Udp, &bytes).unwrap());
    let expected = format!("{whoami}. 0 TXT \"ip={A}\" \"class=pod\" \"namespace=a\" \"tenant=a\"");
    assert_eq!(reply.answer, [expected]);
}

/// What a client makes a forwarder pass on, or sends in its place, and what a server makes of it
/// whose forwarder names its clients in option 65001.
fn forgeries() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let (a, b) = (octets(A), octets(B));
    let (a, b) = (&a[..], &b[..]);
    let subnet = [&b"\0\x01\x20\0"[..], a].concat();
    let two_opts = [opt(&[(LOCAL, a)]), opt(&[(LOCAL, b)])];
    let mut many = vec![(12, &b""[..]); 70];
    many.insert(0, (LOCAL, b));
    many.push((LOCAL, a));
    let mut cut = naming(OF_A, &[(LOCAL, a)]);
    let length = cut.len() - 5;
    cut[length] = 9;
    vec![
        ("twice", naming(OF_A, &[(LOCAL, b), (LOCAL, a)]), "-FORMERR"),
        (
            "twice alike",
            naming(OF_A, &[(LOCAL, a), (LOCAL, a)]),
            "-FORMERR",
        ),
        ("twice, far apart", naming(OF_A, &many), "-FORMERR"),
        (
            "two OPT",
            with_records(OF_A, RType::A, &two_opts),
            "-FORMERR",
        ),
        ("empty", naming(OF_A, &[(LOCAL, b"")]), "-FORMERR"),
        (
            "three octets",
            naming(OF_A, &[(LOCAL, &a[..3])]),
            "-FORMERR",
        ),
        (
            "five octets",
            naming(OF_A, &[(LOCAL, b"\x7f\x01\0\x01\0")]),
            "-FORMERR",
        ),
        (
            "a namespace",
            naming(OF_A, &[(LOCAL, b"kube-system")]),
            "-FORMERR",
        ),
        (
            "a range",
            naming(OF_A, &[(LOCAL, b"127.1.0.0/16")]),
            "-FORMERR",
        ),
        ("runs past the end", cut, "-FORMERR"),
        ("no EDNS", query(OF_A, RType::A), "-REFUSED"),
        ("no option", naming(OF_A, &[]), "-REFUSED"),
        ("another code", naming(OF_A, &[(65_518, a)]), "-REFUSED"),
        (
            "a client subnet",
            naming(OF_A, &[(ECS, &subnet)]),
            "-REFUSED",
        ),
        (
            "nobody's",
            naming(OF_A, &[(LOCAL, &octets(NOBODY))]),
            "-REFUSED",
        ),
        (
            "two owners'",
            naming(OF_A, &[(LOCAL, &octets(TWICE))]),
            "-REFUSED",
        ),
        ("unspecified", naming(OF_A, &[(LOCAL, &[0; 4])]), "-REFUSED"),
        ("no option, public name", naming(PUBLIC, &[]), "-REFUSED"),
        (
            "nobody's, public name",
            naming(PUBLIC, &[(LOCAL, &octets(NOBODY))]),
            "-REFUSED",
        ),
        (
            "no option, absent name",
            naming("x.y.svc.cluster.local", &[]),
            "-REFUSED",
        ),
        (
            "no option, out of every zone",
            naming("example.org", &[]),
            "-REFUSED",
        ),
        (
            "option 8 beside it",
            naming(OF_A, &[(ECS, b"junk"), (LOCAL, a)]),
            "10.96.1.1",
        ),
        (
            "octets of PROXY",
            b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec(),
            "-NOTIMP",
        ),
    ]
}

#[test]
fn forgeries_through_a_forwarder_are_refused_in_every_mode() {
    for mode in ["off", "audit", "enforce"] {
        let cluster = cluster(mode, "");
        let (snapshot, live) = (cluster.snapshot(), Live::start(&cluster));
        for (fact, bytes, expected) in forgeries() {
            assert_eq!(asked(&snapshot, FRONT, &bytes), expected, "{fact}, {mode}");
            for transport in [Transport::Udp, Transport::Tcp] {
                let reply = live.ask(ip(FRONT), transport, &bytes);
                assert_eq!(said(&reply), expected, "{fact}, {mode}, {transport:?}");
            }
        }
    }
}

#[test]
fn what_anybody_else_says_of_a_client_counts_for_nothing() {
    let (a, front) = (octets(A), octets(FRONT));
    let subnet = [&b"\0\x01\x20\0"[..], &a].concat();
    for identity in ["edns_local", "edns_namespace", "ecs", "proxy_v2"] {
        let forwarder = format!("identity = \"{identity}\"");
        let snapshot = cluster("enforce", &forwarder).snapshot();
        let plain = |from, name| asked(&snapshot, from, &query(name, RType::A));
        for from in [B, NODE, NOBODY] {
            for options in [
                &[(LOCAL, &a[..])][..],
                &[(LOCAL, &front)],
                &[(LOCAL, b"a")],
                &[(LOCAL, b"kube-system")],
                &[(LOCAL, &a), (LOCAL, &a)],
                &[(LOCAL, b"\x01")],
                &[(ECS, &subnet)],
                &[(ECS, &subnet), (ECS, b"junk")],
            ] {
                for name in [OF_A, OF_B, PUBLIC] {
                    let got = asked(&snapshot, from, &naming(name, options));
                    assert_eq!(
                        got,
                        plain(from, name),
                        "{identity}: {from} {options:02x?} {name}"
                    );
                }
            }
        }
        assert_eq!(plain(B, OF_B), "10.96.1.2");
        assert_eq!(plain(B, OF_A), "NXDOMAIN");
    }
}

#[test]
fn who_sees_everything_and_names_a_client_is_refused() {
    const OTHER: &str = "127.9.0.9";
    let of = |tenancy: &str, identity: &str| {
        let mut cluster = of_config(&format!(
            "[tenancy]\n{tenancy}\n[[tenancy.forwarder]]\nidentity = \"{identity}\"\n\
             peers = {{ cidrs = [\"{FRONT}/32\"] }}\n"
        ));
        let platform = objects::pod("kube-system", "other", ip(OTHER));
        cluster.objects.push(platform);
        cluster.snapshot()
    };
    let local = naming(OF_A, &[(LOCAL, &octets(B))]);
    let subnet = naming(OF_A, &[(ECS, b"\0\x01\x20\0\x7f\x01\0\x02")]);
    let plain = query(OF_A, RType::A);
    let of_b = octets(B);
    // What the client sent comes first.
    let mut many = vec![(12, &b""[..]); 70];
    many.push((LOCAL, &of_b));
    let many = naming(OF_A, &many);
    for (fact, tenancy, identity, from, bytes, expected) in [
        (
            "behind many options",
            "",
            "edns_local",
            OTHER,
            &many,
            "-REFUSED",
        ),
        (
            "a platform pod",
            "",
            "edns_local",
            OTHER,
            &local,
            "-REFUSED",
        ),
        (
            "by namespace",
            "",
            "edns_namespace",
            OTHER,
            &local,
            "-REFUSED",
        ),
        ("by subnet", "", "ecs", OTHER, &subnet, "-REFUSED"),
        (
            "another option",
            "",
            "edns_local",
            OTHER,
            &subnet,
            "10.96.1.1",
        ),
        ("itself", "", "edns_local", OTHER, &plain, "10.96.1.1"),
        (
            "a node",
            "node = \"platform\"",
            "edns_local",
            NODE,
            &local,
            "-REFUSED",
        ),
        (
            "a node itself",
            "node = \"platform\"",
            "edns_local",
            NODE,
            &plain,
            "10.96.1.1",
        ),
        (
            "all see it",
            "mode = \"audit\"",
            "edns_local",
            OTHER,
            &local,
            "10.96.1.1",
        ),
    ] {
        let snapshot = of(tenancy, identity);
        assert_eq!(asked(&snapshot, from, bytes), expected, "{fact}");
    }
}

#[test]
fn what_came_of_naming_a_client_is_told() {
    let snapshot = cluster("enforce", "").snapshot();
    let forwarded = |from: &str, bytes: &[u8]| {
        let mut out = vec![0; 1232];
        match respond(
            &snapshot,
            &request(ip(from), Transport::Udp, bytes),
            &mut out,
        ) {
            Outcome::Reply(_, verdict) => verdict.forwarded,
            other => panic!("{other:?}"),
        }
    };
    let local = |address: &str| naming(OF_A, &[(LOCAL, &octets(address))]);
    for (from, bytes, expected) in [
        (FRONT, local(A), Some(Forwarded::Known)),
        (FRONT, local(NOBODY), Some(Forwarded::ForUnknown)),
        (FRONT, naming(OF_A, &[]), Some(Forwarded::ForNobody)),
        (
            FRONT,
            naming(OF_A, &[(LOCAL, b"")]),
            Some(Forwarded::Malformed),
        ),
        (B, local(A), Some(Forwarded::Ignored)),
        (B, naming(OF_A, &[(ECS, b"")]), None),
        (B, query(OF_A, RType::A), None),
    ] {
        assert_eq!(forwarded(from, &bytes), expected, "{from} {bytes:02x?}");
    }
}

#[test]
fn what_is_refused_to_everybody_is_refused_to_forwarders() {
    let snapshot = cluster("enforce", "").snapshot();
    let of_a = octets(A);
    for options in [&[(LOCAL, &of_a[..])][..], &[]] {
        let mut version_1 = naming(OF_A, options);
        let at = query(OF_A, RType::A).len() + 6;
        version_1[at] = 1;
        let reply = ask(&snapshot, ip(FRONT), Transport::Udp, &version_1).unwrap();
        assert_eq!(reply[3] & 0xf, 0, "the lower bits of BADVERS");
        assert_eq!(decode(&reply).rcode, "BADVERS", "{options:?}");
        let transfer = with_records("cluster.local", RType::AXFR, &[opt(options)]);
        assert_eq!(asked(&snapshot, FRONT, &transfer), "-REFUSED");
        let mut chaos = naming(OF_A, options);
        let class = query(OF_A, RType::A).len() - 1;
        chaos[class] = 3;
        assert_eq!(asked(&snapshot, FRONT, &chaos), "-REFUSED");
    }
}

#[test]
fn a_client_subnet_names_a_client_where_it_is_one_address() {
    let snapshot = cluster("enforce", "identity = \"ecs\"").snapshot();
    let v6 = [&b"\0\x02\x80\0"[..], &octets("fd00::a")].concat();
    let mapped = [&b"\0\x02\x80\0"[..], &octets("::ffff:127.1.0.1")].concat();
    let local = octets(A);
    for (fact, options, expected) in [
        (
            "IPv4",
            vec![(ECS, &b"\0\x01\x20\0\x7f\x01\0\x01"[..])],
            "10.96.1.1",
        ),
        ("IPv6", vec![(ECS, &v6)], "10.96.1.1"),
        ("mapped", vec![(ECS, &mapped)], "10.96.1.1"),
        (
            "another tenant's",
            vec![(ECS, b"\0\x01\x20\0\x7f\x01\0\x02")],
            "NXDOMAIN",
        ),
        ("a /24", vec![(ECS, b"\0\x01\x18\0\x7f\x01\0")], "-REFUSED"),
        (
            "a /64",
            vec![(ECS, b"\0\x02\x40\0\xfd\0\0\0\0\0\0\0")],
            "-REFUSED",
        ),
        ("opted out", vec![(ECS, b"\0\x01\0\0")], "-REFUSED"),
        (
            "nobody's",
            vec![(ECS, b"\0\x01\x20\0\x7f\x02\0\x01")],
            "-REFUSED",
        ),
        ("none", vec![], "-REFUSED"),
        ("option 65001", vec![(LOCAL, &local)], "-REFUSED"),
        (
            "twice",
            vec![(ECS, b"\0\x01\x20\0\x7f\x01\0\x01"); 2],
            "-FORMERR",
        ),
        ("cut", vec![(ECS, b"\0\x01\x20\0\x7f\x01")], "-FORMERR"),
        (
            "bits behind the prefix",
            vec![(ECS, b"\0\x01\x17\0\x7f\x01\x01")],
            "-FORMERR",
        ),
        (
            "a scope",
            vec![(ECS, b"\0\x01\x20\x20\x7f\x01\0\x01")],
            "-FORMERR",
        ),
        (
            "a family",
            vec![(ECS, b"\0\x07\x20\0\x7f\x01\0\x01")],
            "-FORMERR",
        ),
    ] {
        let got = asked(&snapshot, FRONT, &naming(OF_A, &options));
        assert_eq!(got, expected, "{fact}");
    }
}

#[test]
fn a_namespace_is_a_client_but_never_of_the_platform() {
    let snapshot = cluster("enforce", "identity = \"edns_namespace\"").snapshot();
    for (value, expected) in [
        (&b"a"[..], "10.96.1.1"),
        (b"b", "NXDOMAIN"),
        (b"kube-system", "-REFUSED"),
        (b"absent", "-REFUSED"),
        (b"A", "-FORMERR"),
        (b"", "-FORMERR"),
        (b"127.1.0.1", "-FORMERR"),
        (b"\x7f\x01\0\x01", "-FORMERR"),
    ] {
        let got = asked(&snapshot, FRONT, &naming(OF_A, &[(LOCAL, value)]));
        assert_eq!(got, expected, "{value:02x?}");
    }
    let twice = naming(OF_A, &[(LOCAL, b"a"), (LOCAL, b"a")]);
    assert_eq!(asked(&snapshot, FRONT, &twice), "-FORMERR");
    assert_eq!(asked(&snapshot, FRONT, &naming(OF_A, &[])), "-REFUSED");
    let whoami = "whoami.tenantdns.cluster.local";
    let bytes = with_records(whoami, RType::TXT, &[opt(&[(LOCAL, b"a")])]);
    let reply = decode(&ask(&snapshot, ip(FRONT), Transport::Udp, &bytes).unwrap());
    let expected = format!("{whoami}. 0 TXT \"ip=\" \"class=pod\" \"namespace=a\" \"tenant=a\"");
    assert_eq!(reply.answer, [expected]);
}

// === PROXY ===

/// A PROXY header: version and command, family and transport, addresses.
fn proxy(version_command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = (block.len() as u16).to_be_bytes();
    [
        &b"\r\n\r\n\0\r\nQUIT\n"[..],
        &[version_command, family],
        &length,
        block,
    ]
    .concat()
}

/// The header of a client that asks over UDP or TCP, by IPv4.
fn client(address: &str) -> Vec<u8> {
    let block = [
        &octets(address)[..],
        &octets("127.0.0.1"),
        &[0x10, 0, 0, 53],
    ]
    .concat();
    proxy(0x21, 0x12, &block)
}

/// Writes octets to a connection from an address, in pieces, and reads one answer; `None` where the
/// server closes without.
fn over_tcp(server: SocketAddr, from: &str, pieces: &[&[u8]]) -> Option<Vec<u8>> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(ip(from), 0).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_nodelay(true).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    for piece in pieces {
        stream.write_all(piece).unwrap();
    }
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer).unwrap();
    Some(answer)
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes(), message].concat()
}

#[test]
fn a_proxy_header_names_the_client_over_udp_and_tcp() {
    let live = Live::start(&cluster("enforce", "identity = \"proxy_v2\""));
    let v6 = [&octets("fd00::a")[..], &[0; 20]].concat();
    let mapped = [&octets("::ffff:127.1.0.1")[..], &[0; 20]].concat();
    let local = naming(OF_A, &[(LOCAL, &octets(A))]);
    let plain = query(OF_A, RType::A);
    for (fact, header, message, expected) in [
        ("IPv4", client(A), &plain, "10.96.1.1"),
        ("IPv6", proxy(0x21, 0x21, &v6), &plain, "10.96.1.1"),
        ("mapped", proxy(0x21, 0x22, &mapped), &plain, "10.96.1.1"),
        ("another tenant's", client(B), &plain, "NXDOMAIN"),
        ("EDNS beside it", client(B), &local, "NXDOMAIN"),
        ("nobody's", client(NOBODY), &plain, "-REFUSED"),
        ("no header", Vec::new(), &plain, "-REFUSED"),
        ("no header, option 65001", Vec::new(), &local, "-REFUSED"),
        ("the proxy itself", proxy(0x20, 0, b""), &plain, "-REFUSED"),
        ("no addresses", proxy(0x21, 0, b""), &plain, "-REFUSED"),
    ] {
        let udp = live.ask(ip(FRONT), Transport::Udp, &[&header[..], message].concat());
        assert_eq!(said(&udp), expected, "{fact}");
        let whole = [&header[..], &framed(message)].concat();
        let tcp = over_tcp(live.address, FRONT, &[&whole]).expect(fact);
        assert_eq!(said(&tcp), expected, "{fact}, TCP");
        let octets: Vec<&[u8]> = whole.chunks(1).collect();
        let tcp = over_tcp(live.address, FRONT, &octets).expect(fact);
        assert_eq!(said(&tcp), expected, "{fact}, TCP, octet by octet");
    }
}

#[test]
fn proxy_headers_that_cannot_be_read_are_refused() {
    let live = Live::start(&cluster("enforce", "identity = \"proxy_v2\""));
    let message = query(OF_A, RType::A);
    for (fact, header) in [
        ("a command", proxy(0x22, 0x12, &[0; 12])),
        ("a family", proxy(0x21, 0x42, &[0; 12])),
        ("cut addresses", proxy(0x21, 0x12, &octets(A))),
    ] {
        for bytes in [&message[..], &naming(OF_A, &[(LOCAL, &octets(A))])] {
            let udp = live.ask(ip(FRONT), Transport::Udp, &[&header[..], bytes].concat());
            // The header's four octets of flags and the rest of a header: nothing else.
            assert_eq!((udp.len(), udp[3] & 0xf), (12, 1), "{fact}: FORMERR");
            let tcp = over_tcp(live.address, FRONT, &[&header, &framed(bytes)]).expect(fact);
            assert_eq!(
                (tcp.len(), tcp[3] & 0xf),
                (12, 1),
                "{fact}: FORMERR over TCP"
            );
        }
    }
    // Where the message starts can't be told: nothing over UDP, the end of a connection.
    let version_1 = proxy(0x11, 0x12, &[0; 12]);
    assert_eq!(
        over_tcp(live.address, FRONT, &[&version_1, &framed(&message)]),
        None
    );
    let socket = live.send(ip(FRONT), &[&version_1[..], &message].concat());
    socket.send(&[&client(A)[..20], &[]].concat()).unwrap();
    socket.send(&[&client(A)[..], &message].concat()).unwrap();
    assert_eq!(said(&receive(&socket)), "10.96.1.1", "the only answer");
}

#[test]
fn a_proxy_header_from_anybody_else_is_no_header() {
    for identity in ["proxy_v2", "edns_local"] {
        let live = Live::start(&cluster("enforce", &format!("identity = \"{identity}\"")));
        let message = query(OF_A, RType::A);
        let with_header = [&client(A)[..], &message].concat();
        let udp = live.ask(ip(B), Transport::Udp, &with_header);
        assert_eq!(said(&udp), "-NOTIMP", "{identity}");
        // Over TCP the header's first octets are the length of a message that never ends.
        let tcp = over_tcp(live.address, B, &[&client(A), &framed(&message)]);
        assert_eq!(tcp, None, "{identity}");
        // On the next connection it is itself.
        let tcp = over_tcp(live.address, B, &[&framed(&message)]).unwrap();
        assert_eq!(said(&tcp), "NXDOMAIN", "{identity}");
    }
}

// === what is told instead of SERVFAIL, and how much of it ===

#[test]
fn with_a_forwarder_nobody_is_told_servfail() {
    let unsynced = |mut cluster: Cluster| {
        cluster.synced = false;
        cluster.snapshot()
    };
    let mode = |mode, more: &str| {
        of_config(&format!(
            "[tenancy]\nmode = \"{mode}\"\n{more}\n[[tenancy.forwarder]]\n\
             peers = {{ cidrs = [\"{FRONT}/32\"] }}\n"
        ))
    };
    let absent = "x.a.svc.cluster.local";
    let next = "[kubernetes]\nfallthrough = [\".\"]";
    for (fact, snapshot, from, name, expected) in [
        (
            "unknown",
            mode("enforce", "").snapshot(),
            NOBODY,
            OF_A,
            "-REFUSED",
        ),
        (
            "unknown, public name",
            mode("enforce", "").snapshot(),
            NOBODY,
            PUBLIC,
            "10.96.0.1",
        ),
        (
            "strict",
            mode("enforce", "unknown = \"strict\"").snapshot(),
            NOBODY,
            PUBLIC,
            "-REFUSED",
        ),
        (
            "a node as unknown",
            mode("enforce", "node = \"unknown\"").snapshot(),
            NODE,
            OF_A,
            "-REFUSED",
        ),
        (
            "before the first sync",
            unsynced(mode("enforce", "")),
            A,
            OF_A,
            "-REFUSED",
        ),
        (
            "before, tenancy off",
            unsynced(mode("off", "")),
            A,
            absent,
            "-REFUSED",
        ),
        (
            "before, off, found",
            unsynced(mode("off", "")),
            A,
            OF_A,
            "10.96.1.1",
        ),
        (
            "passed on to nobody",
            mode("enforce", next).snapshot(),
            A,
            absent,
            "-REFUSED",
        ),
    ] {
        assert_eq!(
            asked(&snapshot, from, &query(name, RType::A)),
            expected,
            "{fact}"
        );
    }
    let direct = Live::start(&of_config("[tenancy]\nunknown_wait = \"50ms\"\n"));
    let reply = direct.ask(ip(NOBODY), Transport::Udp, &query(OF_A, RType::A));
    assert_eq!(said(&reply), "-SERVFAIL", "without a forwarder");
}

#[test]
fn replies_to_a_forwarder_have_no_more_octets_than_it_says() {
    let name = "big.a.svc.cluster.local";
    let of_a = octets(A);
    let bytes = naming(name, &[(LOCAL, &of_a)]);
    for (udp_size, limit) in [(512, 512), (700, 700), (1232, 1232)] {
        let snapshot = cluster("enforce", &format!("udp_size = {udp_size}")).snapshot();
        let reply = |from, transport| ask(&snapshot, ip(from), transport, &bytes).unwrap();
        let udp = reply(FRONT, Transport::Udp);
        assert!(
            udp.len() <= limit && udp.len() + 16 > limit,
            "{}",
            udp.len()
        );
        assert!(decode(&udp).tc);
        let tcp = decode(&reply(FRONT, Transport::Tcp));
        assert_eq!((tcp.tc, tcp.answer.len()), (false, 200));
        let direct = reply(A, Transport::Udp);
        assert!(direct.len() > 1216, "others get what their OPT allows");
    }
}

// === waiting ===

#[test]
fn a_forwarders_query_waits_for_the_client_that_it_names() {
    let config = format!(
        "[tenancy]\nunknown_wait = \"60s\"\n[[tenancy.forwarder]]\n\
         peers = {{ cidrs = [\"{FRONT}/32\"] }}\n"
    );
    let mut live = Live::start(&of_config(&config));
    let new = "127.1.7.7";
    let named = |name| naming(name, &[(LOCAL, &octets(new))]);
    let held = live.send(ip(FRONT), &named(OF_A));
    // More than one address may keep waiting, and none of them is the forwarder's.
    let others: Vec<_> = (1..=20u8)
        .map(|n| live.send(ip(FRONT), &naming(OF_B, &[(LOCAL, &[127, 1, 8, n])])))
        .collect();
    // Outside of the zones nobody waits.
    let outside = live.ask(ip(FRONT), Transport::Udp, &named("example.org"));
    assert_eq!(said(&outside), "-REFUSED");
    live.index
        .apply(Event::Apply(objects::pod("a", "new", ip(new))));
    live.index
        .apply(Event::Apply(objects::pod("b", "new", ip("127.1.8.20"))));
    live.publish();
    assert_eq!(said(&receive(&held)), "10.96.1.1");
    assert_eq!(said(&receive(others.last().unwrap())), "10.96.1.2");
}

#[test]
fn a_client_that_nobody_ever_knows_is_refused_after_the_wait() {
    let config = format!(
        "[tenancy]\nunknown_wait = \"50ms\"\n[[tenancy.forwarder]]\n\
         peers = {{ cidrs = [\"{FRONT}/32\"] }}\n"
    );
    let live = Live::start(&of_config(&config));
    for transport in [Transport::Udp, Transport::Tcp] {
        let bytes = naming(OF_A, &[(LOCAL, &octets(NOBODY))]);
        assert_eq!(said(&live.ask(ip(FRONT), transport, &bytes)), "-REFUSED");
        let direct = live.ask(ip(NOBODY), transport, &query(OF_A, RType::A));
        assert_eq!(said(&direct), "-REFUSED");
    }
}

// === the canary ===

#[test]
fn a_canary_differs_each_time_and_is_seen_through_forwarders_alone() {
    let origins = ["cluster.local", "in-addr.arpa", "ip6.arpa"];
    let of_a = octets(A);
    let through = |snapshot: &Snapshot, name: &str, from: &str, entropy| {
        let bytes = with_records(name, RType::TXT, &[opt(&[(LOCAL, &of_a)])]);
        let mut request = request(ip(from), Transport::Udp, &bytes);
        request.entropy = entropy;
        let mut out = vec![0; 1232];
        match respond(snapshot, &request, &mut out) {
            Outcome::Reply(len, _) => decode(&out[..len]),
            other => panic!("{other:?}"),
        }
    };
    let entropy = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210];
    for mode in ["enforce", "audit", "off"] {
        let snapshot = cluster(mode, "").snapshot();
        for origin in origins {
            let name = format!("x1.canary.tenantdns.{origin}");
            let absent = format!("x1.no-canary.tenantdns.{origin}");
            let [first, second] = entropy.map(|e| through(&snapshot, &name, FRONT, e));
            let [gone, gone_again] = entropy.map(|e| through(&snapshot, &absent, FRONT, e));
            if mode == "off" {
                assert_eq!((&*first.rcode, &*gone.rcode), ("NXDOMAIN", "NXDOMAIN"));
                assert_eq!((&first, &gone), (&second, &gone_again));
                continue;
            }
            assert_eq!(
                first.answer,
                [format!("{name}. 5 TXT \"0123456789abcdef\"")]
            );
            assert_eq!(
                second.answer,
                [format!("{name}. 5 TXT \"fedcba9876543210\"")]
            );
            assert_eq!(
                (&*gone.rcode, gone.aa, gone.answer.len()),
                ("NXDOMAIN", true, 0)
            );
            assert_eq!(gone.authority.len(), 1);
            assert_ne!(gone.authority, gone_again.authority, "the serial");
            for name in [&name, &absent] {
                let direct = entropy.map(|e| through(&snapshot, name, A, e));
                assert_eq!(direct[0], direct[1]);
                assert_eq!(direct[0].rcode, "NXDOMAIN", "{name} {mode}");
            }
        }
        for other in [
            "canary.tenantdns.cluster.local",
            "a.b.canary.tenantdns.cluster.local",
        ] {
            let [first, second] = entropy.map(|e| through(&snapshot, other, FRONT, e));
            assert_eq!((&*first.rcode, &first), ("NXDOMAIN", &second), "{other}");
        }
    }
}
