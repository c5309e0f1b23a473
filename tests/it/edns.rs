//! EDNS on answers: how large they may be, what of the query's OPT comes back, what ours says.

use std::net::{IpAddr, Ipv4Addr};
use tenantdns::answer::Transport;
use tenantdns::snapshot::Snapshot;
use tenantdns::testing::{Cluster, ask, objects, query, query_edns};
use tenantdns::wire::RType;

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 244, 0, 7));
/// `big.x.svc.cluster.local` as a question.
const QUESTION: usize = 25 + 4;
const BIG: &str = "big.x.svc.cluster.local";

fn snapshot() -> Snapshot {
    let addresses = (0..200).map(|n| IpAddr::from([10, 1, 0, n]));
    let objects = vec![
        objects::headless("x", "big"),
        objects::slice("x", "big", addresses),
        objects::service("x", "small", &["10.96.1.1".parse().unwrap()]),
    ];
    Cluster::of(objects, "[tenancy]\nmode = \"off\"\n").snapshot()
}

fn reply(snapshot: &Snapshot, transport: Transport, bytes: &[u8]) -> Vec<u8> {
    ask(snapshot, CLIENT, transport, bytes).expect("a reply")
}

/// A query whose OPT has these flags and options.
fn with_opt(name: &str, flags: u16, options: &[u8]) -> Vec<u8> {
    let mut bytes = query_edns(name, RType::A, 4096);
    bytes.truncate(bytes.len() - 4);
    bytes.extend(flags.to_be_bytes());
    bytes.extend((options.len() as u16).to_be_bytes());
    bytes.extend(options);
    bytes
}

/// The OPT record at the end of a reply to an EDNS query: root, OPT, 1232, code 0, version 0.
fn our_opt(flags: u16) -> Vec<u8> {
    let [high, low] = flags.to_be_bytes();
    vec![0, 0, 41, 0x04, 0xd0, 0, 0, high, low, 0, 0]
}

#[test]
fn udp_answers_hold_what_the_client_takes_between_512_and_1232() {
    let snapshot = snapshot();
    for (sent, limit) in [
        (0, 512),
        (1, 512),
        (511, 512),
        (512, 512),
        (513, 513),
        (527, 527),
        (1000, 1000),
        (1231, 1231),
        (1232, 1232),
        (1233, 1232),
        (4096, 1232),
        (65_535, 1232),
    ] {
        let got = reply(&snapshot, Transport::Udp, &query_edns(BIG, RType::A, sent));
        let records = (limit - 12 - QUESTION - 11) / 16;
        assert_eq!(got[6..8], (records as u16).to_be_bytes(), "size {sent}");
        assert_eq!(got.len(), 12 + QUESTION + records * 16 + 11, "size {sent}");
        assert_ne!(got[2] & 2, 0, "size {sent}: TC");
        assert!(
            got.ends_with(&our_opt(0)),
            "size {sent}: a cut answer keeps OPT"
        );
    }
}

#[test]
fn an_answer_without_edns_has_512_octets_at_most_and_no_opt() {
    let snapshot = snapshot();
    let cut = reply(&snapshot, Transport::Udp, &query(BIG, RType::A));
    assert_eq!(cut.len(), 12 + QUESTION + 29 * 16);
    assert_eq!(cut[10..12], [0, 0], "additional records");
    let whole = reply(&snapshot, Transport::Tcp, &query(BIG, RType::A));
    assert_eq!(whole.len(), 12 + QUESTION + 200 * 16);
    assert_eq!((whole[2] & 2, &whole[10..12]), (0, &[0, 0][..]));
}

#[test]
fn a_tcp_answer_is_not_cut_at_the_udp_payload_size() {
    let got = reply(&snapshot(), Transport::Tcp, &query_edns(BIG, RType::A, 512));
    assert_eq!(got.len(), 12 + QUESTION + 200 * 16 + 11);
    assert_eq!(got[2] & 2, 0);
}

#[test]
fn do_is_echoed_and_nothing_else_of_the_querys_opt() {
    let snapshot = snapshot();
    let option = |code: u16, len: u16| {
        let mut bytes = [code.to_be_bytes(), len.to_be_bytes()].concat();
        bytes.extend(vec![7; usize::from(len)]);
        bytes
    };
    // NSID, client subnet, cookie, keepalive, padding, codes for local use.
    let options: Vec<u8> = [
        (3, 0),
        (8, 8),
        (10, 8),
        (11, 0),
        (12, 40),
        (65_001, 3),
        (65_535, 0),
    ]
    .into_iter()
    .flat_map(|(code, len)| option(code, len))
    .collect();
    for name in [
        "small.x.svc.cluster.local",
        "absent.x.svc.cluster.local",
        "example.org",
    ] {
        for (flags, echoed) in [(0, 0), (0x8000, 0x8000), (0xffff, 0x8000), (0x7fff, 0)] {
            let got = reply(&snapshot, Transport::Udp, &with_opt(name, flags, &options));
            assert!(
                got.ends_with(&our_opt(echoed)),
                "{name} {flags:04x}: {got:02x?}"
            );
            let plain = reply(&snapshot, Transport::Udp, &with_opt(name, flags, b""));
            assert_eq!(got, plain, "{name} {flags:04x}: options change nothing");
        }
    }
}

#[test]
fn options_behind_the_64th_are_not_read() {
    let snapshot = snapshot();
    let name = "small.x.svc.cluster.local";
    let bad_cookie = [0, 10, 0, 1, 9];
    let with = |empty: usize| {
        let options = [[0xfd, 0xe9, 0, 0].repeat(empty), bad_cookie.to_vec()].concat();
        reply(&snapshot, Transport::Udp, &with_opt(name, 0, &options))[3] & 0xf
    };
    assert_eq!((with(63), with(64)), (1, 0), "FORMERR, NOERROR");
}
