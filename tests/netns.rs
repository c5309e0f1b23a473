//! Attacks that need packets between hosts, in network namespaces: who a source address is taken for
//! when it is rewritten, forged, or of another interface. Left out where the machine does not allow
//! them, and said to be.
#![allow(clippy::unwrap_used, reason = "a test ends where it is wrong")]

#[path = "it/decode.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod decode;
#[path = "netns/hosts.rs"]
mod hosts;

use decode::decode;
use hosts::{Network, get, receive, skip};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::process::Command;
use tenantdns::testing::query;
use tenantdns::wire::RType;

/// Two tenants: `a` has the pod at .11, `b` the one at .12. The server's host is a node.
const CLUSTER: &str = r#"
{apiVersion: v1, kind: Namespace, metadata: {name: kube-system}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: a, labels: {tenantdns.io/tenant: a}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: b, labels: {tenantdns.io/tenant: b}}}
---
{apiVersion: v1, kind: Node, metadata: {name: router}, status: {addresses: [{type: InternalIP, address: 10.99.0.2}]}}
---
{apiVersion: v1, kind: Pod, metadata: {namespace: a, name: p},
 status: {phase: Running, podIPs: [{ip: 10.99.0.11}, {ip: "fd00:99::11"}, {ip: "fe80::11"}]}}
---
{apiVersion: v1, kind: Pod, metadata: {namespace: a, name: routed}, status: {phase: Running, podIP: 10.98.0.11}}
---
{apiVersion: v1, kind: Pod, metadata: {namespace: b, name: p}, status: {phase: Running, podIP: 10.99.0.12}}
---
{apiVersion: v1, kind: Service, metadata: {namespace: a, name: web}, spec: {clusterIP: 10.96.0.11}}
---
{apiVersion: v1, kind: Service, metadata: {namespace: b, name: web}, spec: {clusterIP: 10.96.0.12}}
"#;

const CONFIG: &str = "[tenancy]\nmode = \"enforce\"\nunknown_wait = \"0ms\"\n";

const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 99, 0, 1));
const A: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 99, 0, 11));
const B: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 99, 0, 12));
/// Behind the node.
const ROUTED: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 98, 0, 11));

fn whoami() -> Vec<u8> {
    query("whoami.tenantdns.cluster.local.", RType::TXT)
}

fn web(namespace: &str) -> Vec<u8> {
    query(&format!("web.{namespace}.svc.cluster.local."), RType::A)
}

/// Asks over UDP and TCP, which agree, and returns the response code, or the data of the only record.
fn said(network: &Network, host: &str, from: SocketAddr, server: IpAddr, bytes: &[u8]) -> String {
    let server = match (server, from) {
        (IpAddr::V6(server), SocketAddr::V6(from)) => {
            SocketAddrV6::new(server, 53, 0, from.scope_id()).into()
        }
        _ => SocketAddr::new(server, 53),
    };
    let [udp, tcp] = network
        .ask(host, from, server, bytes)
        .map(|reply| answer(&reply));
    assert_eq!(udp, tcp, "over UDP and over TCP");
    udp
}

fn answer(reply: &[u8]) -> String {
    let reply = decode(reply);
    match &reply.answer[..] {
        [line] => line.splitn(4, ' ').last().unwrap().to_owned(),
        _ => reply.rcode,
    }
}

fn is(ip: &str, class: &str, namespace: &str) -> String {
    format!("\"ip={ip}\" \"class={class}\" \"namespace={namespace}\" \"tenant={namespace}\"")
}

fn port_0(address: IpAddr) -> SocketAddr {
    SocketAddr::new(address, 0)
}

/// The server's host, with the two pods' hosts on one network.
fn pods_beside_the_server() -> Option<Network> {
    let network = Network::of(&["server", "a", "b"])?;
    network.ip("server", "link add br0 type bridge");
    network.ip("server", "link set br0 addrgenmode none up");
    network.ip("server", "addr add 10.99.0.1/24 dev br0");
    network.ip("server", "addr add fd00:99::1/64 dev br0 nodad");
    network.ip("server", "addr add fe80::1/64 dev br0 nodad");
    let a: &[&str] = &["10.99.0.11/24", "fd00:99::11/64", "fe80::11/64"];
    for (host, port, addresses) in [("a", "to-a", a), ("b", "to-b", &["10.99.0.12/24"])] {
        network.wire([("server", port, &[]), (host, "eth0", addresses)]);
        network.ip("server", &format!("link set {port} master br0"));
    }
    Some(network)
}

#[test]
fn what_is_masked_as_the_node_is_the_node() {
    let Some(network) = Network::of(&["server", "router", "a"]) else {
        return;
    };
    network.wire([
        ("router", "out", &["10.99.0.2/24"]),
        ("server", "eth0", &["10.99.0.1/24"]),
    ]);
    network.wire([
        ("router", "in", &["10.98.0.1/24"]),
        ("a", "eth0", &["10.98.0.11/24"]),
    ]);
    network.ip("a", "route add default via 10.98.0.1");
    network.ip("server", "route add 10.98.0.0/24 via 10.99.0.2");
    network.on("router", || {
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap()
    });
    let _serving = network.serve("server", "10.99.0.1:53", CONFIG, CLUSTER);
    let ask = |bytes: &[u8]| said(&network, "a", port_0(ROUTED), SERVER, bytes);
    assert_eq!(ask(&whoami()), is("10.98.0.11", "pod", "a"), "as it is");
    assert_eq!(ask(&web("a")), "10.96.0.11");
    if !network.on("router", mask) {
        return skip::<()>("masking needs nft or iptables").unwrap_or_default();
    }
    assert_eq!(ask(&whoami()), is("10.99.0.2", "node", ""), "masked");
    assert_eq!([ask(&web("a")), ask(&web("b"))], ["NXDOMAIN"; 2]);
}

/// Rewrites the source address of what leaves this host; returns whether there is a tool for it.
fn mask() -> bool {
    let nft = "add table ip t; add chain ip t c { type nat hook postrouting priority 100; }; \
               add rule ip t c oifname out masquerade";
    let iptables = "-t nat -A POSTROUTING -o out -j MASQUERADE";
    let tools = [
        ("nft", vec![nft]),
        ("iptables", iptables.split(' ').collect()),
    ];
    tools.into_iter().any(|(tool, arguments)| {
        let status = Command::new(tool).args(arguments).status();
        status.is_ok_and(|status| status.success())
    })
}

#[test]
fn a_mapped_source_and_one_with_a_zone_are_the_pods() {
    let Some(network) = pods_beside_the_server() else {
        return;
    };
    // One socket for both families: IPv4 arrives as ::ffff:10.99.0.11.
    let _serving = network.serve("server", "[::]:53", CONFIG, CLUSTER);
    let scope = network.on("a", || {
        let index = std::fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap();
        let line = index.lines().find(|line| line.starts_with("fe80")).unwrap();
        u32::from_str_radix(line.split(' ').nth(1).unwrap(), 16).unwrap()
    });
    let ip = |text: &str| text.parse().unwrap();
    for (text, server, scope) in [
        ("10.99.0.11", "10.99.0.1", 0),
        ("fd00:99::11", "fd00:99::1", 0),
        ("fe80::11", "fe80::1", scope),
    ] {
        let from = match ip(text) {
            IpAddr::V6(v6) => SocketAddrV6::new(v6, 0, 0, scope).into(),
            v4 => port_0(v4),
        };
        let ask = |bytes: &[u8]| said(&network, "a", from, ip(server), bytes);
        assert_eq!(ask(&whoami()), is(text, "pod", "a"));
        let seen = [ask(&web("a")), ask(&web("b"))];
        assert_eq!(seen, ["10.96.0.11", "NXDOMAIN"], "from {text}");
    }
}

#[test]
fn what_is_asked_with_anothers_address_goes_to_the_other() {
    let Some(network) = pods_beside_the_server() else {
        return;
    };
    let _serving = network.serve("server", "10.99.0.1:53", CONFIG, CLUSTER);
    let [of_a, of_b] = [("a", A), ("b", B)]
        .map(|(host, address)| network.on(host, || UdpSocket::bind((address, 4242)).unwrap()));
    network.on("a", || forge(&web("b"), (B, 4242), (SERVER, 53)));
    assert_eq!(
        answer(&receive(&of_b)),
        "10.96.0.12",
        "b is told what b sees"
    );
    // What a hears is the answer to what it asked by its own name, and nothing before it.
    of_a.send_to(&web("b"), (SERVER, 53)).unwrap();
    assert_eq!(answer(&receive(&of_a)), "NXDOMAIN");
    of_a.set_nonblocking(true).unwrap();
    let more = of_a.recv(&mut [0; 512]).map_err(|error| error.kind());
    assert_eq!(more, Err(ErrorKind::WouldBlock));
}

/// Sends a datagram with a source address of our choice.
fn forge(payload: &[u8], from: (IpAddr, u16), to: (IpAddr, u16)) {
    use socket2::{Domain, Protocol, Socket, Type};
    const IPPROTO_RAW: i32 = 255;
    let octets = |address| match address {
        IpAddr::V4(v4) => v4.octets(),
        IpAddr::V6(_) => unreachable!("IPv4 is forged"),
    };
    let length = u16::try_from(payload.len()).unwrap();
    let mut packet = vec![0x45, 0];
    packet.extend((28 + length).to_be_bytes());
    // No fragments, 64 hops, UDP; the kernel fills the checksum in.
    packet.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    packet.extend([octets(from.0), octets(to.0)].concat());
    for number in [from.1, to.1, 8 + length, 0] {
        packet.extend(number.to_be_bytes());
    }
    packet.extend(payload);
    let raw = Some(Protocol::from(IPPROTO_RAW));
    let socket = Socket::new(Domain::IPV4, Type::RAW, raw).unwrap();
    let sent = socket.send_to(&packet, &SocketAddr::from(to).into());
    assert_eq!(sent.unwrap(), packet.len());
}

#[test]
fn what_leaves_by_a_second_interface_is_nobodys() {
    let Some(network) = pods_beside_the_server() else {
        return;
    };
    network.wire([
        ("server", "second", &["10.77.0.1/24"]),
        ("a", "net1", &["10.77.0.11/24"]),
    ]);
    let _serving = network.serve("server", "0.0.0.0:53", CONFIG, CLUSTER);
    let first = |bytes: &[u8]| said(&network, "a", port_0(A), SERVER, bytes);
    assert_eq!(
        [first(&web("a")), first(&web("b"))],
        ["10.96.0.11", "NXDOMAIN"]
    );
    let (from, server) = (Ipv4Addr::new(10, 77, 0, 11), Ipv4Addr::new(10, 77, 0, 1));
    let second = |bytes: &[u8]| said(&network, "a", port_0(from.into()), server.into(), bytes);
    assert_eq!([second(&web("a")), second(&web("b"))], ["SERVFAIL"; 2]);
    assert_eq!(second(&whoami()), is("10.77.0.11", "unknown", ""));
}

#[test]
fn a_pod_reaches_no_page_that_names_tenants() {
    let Some(network) = pods_beside_the_server() else {
        return;
    };
    let _serving = network.serve("server", "10.99.0.1:53", CONFIG, CLUSTER);
    for (port, path) in [(9153, "/metrics"), (8080, "/health"), (8181, "/ready")] {
        let page = network.on("a", || get(SERVER, port, path)).unwrap();
        assert!(page.starts_with("HTTP/1.1 200"), "{path}: {page}");
        for name in ["tenant=", "namespace=", "10.99.0.11", "10.99.0.12", "web"] {
            assert!(!page.contains(name), "{path} says {name}: {page}");
        }
    }
    let of_administrators = (9154, "/metrics");
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let (port, path) = of_administrators;
    assert!(network.on("server", || get(loopback, port, path)).is_some());
    assert!(network.on("a", || get(SERVER, port, path)).is_none());
}
