//! `tenantdns probe` as people run it: against this server, against one that hides nothing, and
//! through something that answers in its stead.

use crate::live::{Live, ask_tcp};
use crate::program::program;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tenantdns::testing::Cluster;

/// The prober's address: towards a server on loopback it is this one.
const CLUSTER: &str = r#"
{apiVersion: v1, kind: Namespace, metadata: {name: kube-public}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: kube-node-lease}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: tools, labels: {tenantdns.io/visibility: shared}}}
---
{apiVersion: v1, kind: Service, metadata: {namespace: default, name: kubernetes}, spec: {clusterIP: 10.96.0.1}}
---
{apiVersion: v1, kind: Service, metadata: {namespace: kube-system, name: metrics-server}, spec: {clusterIP: 10.96.0.20}}
---
{apiVersion: v1, kind: Service, metadata: {namespace: shop, name: web}, spec: {clusterIP: 10.96.0.40}}
---
{apiVersion: v1, kind: Service, metadata: {namespace: bank, name: ledger},
 spec: {clusterIP: 10.96.0.30, ports: [{name: http, port: 80, protocol: TCP}]}}
---
{apiVersion: v1, kind: Service, metadata: {namespace: tools, name: registry},
 spec: {clusterIP: 10.96.0.50, ports: [{name: http, port: 5000, protocol: TCP}]}}
---
{apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: p}, status: {phase: Running, podIP: 127.0.0.1}}
---
{apiVersion: v1, kind: Pod, metadata: {namespace: bank, name: p}, status: {phase: Running, podIP: 127.0.0.2}}
"#;

fn serve(mode: &str) -> Live {
    let config =
        format!("[tenancy]\nmode = {mode:?}\nwildcard = \"filtered\"\nunknown_wait = \"0ms\"\n");
    Live::start(&Cluster::new(CLUSTER, &config))
}

/// Probes from shop, and returns the exit status, the rows that fail, and what is said of them.
fn probe(server: SocketAddr, more: &[&str]) -> (Option<i32>, BTreeSet<String>, String) {
    let server = server.to_string();
    let arguments = [
        "probe",
        "--server",
        &server,
        "--zone",
        "cluster.local",
        "--namespace",
        "shop",
    ];
    let output = program(&[&arguments[..], &["--output", "json"], more].concat())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    let rows = report["rows"].as_array().unwrap();
    assert!(rows.len() >= 25, "{text}");
    let fails = rows.iter().filter(|row| row["verdict"] == "fail");
    let fails = fails.map(|row| row["id"].as_str().unwrap().to_owned());
    (output.status.code(), fails.collect(), text)
}

fn of(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

const EXPECTED: [&str; 4] = ["--hidden", "ledger.bank", "--visible", "tools"];

#[test]
fn a_server_that_hides_passes_every_row() {
    let live = serve("enforce");
    let (status, fails, text) = probe(live.address, &EXPECTED);
    assert_eq!((status, fails), (Some(0), of(&[])), "{text}");
    assert!(text.contains("a pod of shop at 127.0.0.1"), "{text}");
}

#[test]
fn what_is_seen_and_was_not_named_is_a_failure() {
    let live = serve("enforce");
    let (status, fails, text) = probe(live.address, &["--hidden", "ledger.bank"]);
    assert_eq!((status, fails), (Some(1), of(&["E01", "R01"])), "{text}");
    assert!(
        text.contains("shows registry.tools.svc.cluster.local."),
        "{text}"
    );
    let (status, fails, text) = probe(live.address, &["--visible", "ledger.bank"]);
    assert!(fails.contains("control"), "{text}");
    assert_eq!(status, Some(1));
}

#[test]
fn a_server_that_hides_nothing_fails_the_rows_that_show_it() {
    let live = serve("off");
    let (status, fails, text) = probe(live.address, &EXPECTED);
    let expected = of(&["I01", "E01", "E07", "E09", "O04", "S01", "R01"]);
    assert_eq!((status, fails), (Some(1), expected), "{text}");
}

#[test]
fn a_report_for_people_names_each_row_and_counts_them() {
    let live = serve("enforce");
    let server = live.address.to_string();
    let arguments = [
        "probe",
        "--server",
        &server,
        "--zone",
        "cluster.local.",
        "--namespace",
        "bank",
    ];
    let output = program(&arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("FAIL  I01      who we are taken for\n"),
        "{text}"
    );
    assert!(text.contains("a pod of shop, and not of bank\n"), "{text}");
    assert!(
        text.contains("pass  E05      transfers of the zone\n"),
        "{text}"
    );
    assert_eq!(output.status.code(), Some(1), "{text}");
}

/// The Job of deploy/probe, but for where the server is, which a pod reads in its resolv.conf.
#[test]
fn the_job_that_is_deployed_passes() {
    let job: Value = serde_saphyr::from_str(include_str!("../../deploy/probe/job.yaml")).unwrap();
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    let arguments = container["args"].as_array().unwrap().iter();
    let arguments: Vec<&str> = arguments.map(|text| text.as_str().unwrap()).collect();
    assert_eq!(
        (arguments[0], &job["metadata"]["namespace"]),
        ("probe", &"shop".into())
    );
    let live = serve("enforce");
    let (status, fails, text) = probe(live.address, &arguments[1..]);
    assert_eq!((status, fails), (Some(0), of(&[])), "{text}");
}

#[test]
fn wrong_usage_has_a_status_of_its_own() {
    for arguments in [
        &["probe", "--server", "nowhere"][..],
        &["probe", "--hidden", "ledger"],
        &["probe", "--zone", "a..b"],
        &["probe", "--output", "html"],
    ] {
        let output = program(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_server_that_is_away_fails_soon() {
    let closed = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (status, fails, text) = probe(closed, &EXPECTED);
    assert_eq!(status, Some(1));
    assert!(fails.contains("control"), "{text}");
}

// === something in between ===

/// Takes UDP queries and puts them itself, from an address of its own, as a mesh's proxy does; what
/// comes over TCP it passes on.
#[test]
fn what_answers_in_the_servers_stead_is_noticed() {
    let live = serve("enforce");
    let (server, over) = (live.address, AtomicBool::new(false));
    let (udp, tcp) = both();
    let address = udp.local_addr().unwrap();
    tcp.set_nonblocking(true).unwrap();
    udp.set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let (status, fails, text) = thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                relay_udp(&udp, server)
            }
        });
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                relay_tcp(&tcp, server)
            }
        });
        let probed = probe(address, &EXPECTED);
        over.store(true, Ordering::Relaxed);
        probed
    });
    assert_eq!(status, Some(1));
    assert!(fails.contains("mesh") && fails.contains("I01"), "{text}");
    for sign in [
        "the server sees 127.0.0.2, our address is 127.0.0.1",
        "offer recursion (RA)",
        "UDP and TCP deny a name differently",
    ] {
        assert!(text.contains(sign), "{sign}: {text}");
    }
}

/// Sockets on one port; another test may have the TCP port of the first that is tried.
fn both() -> (UdpSocket, TcpListener) {
    let pairs = (0..64).map(|_| {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let tcp = TcpListener::bind(udp.local_addr().unwrap());
        tcp.ok().map(|tcp| (udp, tcp))
    });
    pairs.flatten().next().expect("a port that is free twice")
}

fn relay_udp(udp: &UdpSocket, server: SocketAddr) {
    let mut bytes = vec![0; 65_535];
    let Ok((len, client)) = udp.recv_from(&mut bytes) else {
        return;
    };
    let upstream = UdpSocket::bind("127.0.0.2:0").unwrap();
    upstream
        .set_read_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    upstream.send_to(&bytes[..len], server).unwrap();
    if let Ok(len) = upstream.recv(&mut bytes) {
        bytes[3] |= 0x80;
        udp.send_to(&bytes[..len], client).unwrap();
    }
}

fn relay_tcp(tcp: &TcpListener, server: SocketAddr) {
    let mut stream = match tcp.accept() {
        Ok((stream, _)) => stream,
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            thread::park_timeout(Duration::from_millis(1));
            return;
        }
        Err(error) => panic!("{error}"),
    };
    stream.set_nonblocking(false).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut query).unwrap();
    let reply = ask_tcp(server, IpAddr::from([127, 0, 0, 1]), &query);
    let length = u16::try_from(reply.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length, &reply[..]].concat()).unwrap();
}
