//! Answers that do not fit: whole records up to the limit, in CoreDNS's order, and TC.
//!
//! The counts are those that a running CoreDNS gave, for names of the lengths used here.

use hickory_proto::op::Message;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};
use tenantdns::answer::{Outcome, Transport, respond};
use tenantdns::model::Object;
use tenantdns::snapshot::Snapshot;
use tenantdns::testing::{Cluster, ask, objects, query, query_edns, request};
use tenantdns::wire::RType;

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 244, 0, 7));

/// Counts of a reply by section, OPT left out, and whether TC is set; its length.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    answers: usize,
    additionals: usize,
    cut: bool,
    len: usize,
}

fn shape(bytes: &[u8]) -> Shape {
    let message = Message::from_vec(bytes).unwrap_or_else(|e| panic!("{e}: {bytes:02x?}"));
    Shape {
        answers: message.answers.len(),
        additionals: message.additionals.len(),
        cut: message.truncation,
        len: bytes.len(),
    }
}

fn address(n: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(
        u32::from(Ipv4Addr::new(10, 244, 0, 1)) + n as u32,
    ))
}

/// A headless service `x/name` with this many endpoints, in zones beside cluster.local.
fn endpoints(name: &str, count: usize, zone: &str) -> Snapshot {
    let objects: Vec<Object> = vec![
        objects::headless("x", name),
        objects::slice("x", name, (0..count).map(address)),
    ];
    let config = format!("[tenancy]\nmode = \"off\"\n[kubernetes]\nzones = [{zone:?}]\n");
    Cluster::of(objects, &config).snapshot()
}

fn asked(snapshot: &Snapshot, transport: Transport, bytes: &[u8]) -> Shape {
    shape(&ask(snapshot, CLIENT, transport, bytes).expect("a reply"))
}

#[test]
fn addresses_in_512_octets_are_29() {
    let snapshot = endpoints("hl", 40, "cluster.local");
    let got = asked(
        &snapshot,
        Transport::Udp,
        &query("hl.x.svc.cluster.local", RType::A),
    );
    let len = 12 + 24 + 4 + 29 * 16;
    assert_eq!(
        got,
        Shape {
            answers: 29,
            additionals: 0,
            cut: true,
            len
        }
    );
}

#[test]
fn srv_records_in_512_octets_are_8_and_in_1232_are_22() {
    let snapshot = endpoints("hl", 40, "cluster.local");
    let name = "hl.x.svc.cluster.local";
    let got = asked(&snapshot, Transport::Udp, &query(name, RType::SRV));
    assert_eq!((got.answers, got.additionals, got.cut), (8, 0, true));
    let got = asked(
        &snapshot,
        Transport::Udp,
        &query_edns(name, RType::SRV, 1232),
    );
    assert_eq!((got.answers, got.additionals, got.cut), (22, 0, true));
}

#[test]
fn tc_is_set_where_only_additional_records_are_left_out() {
    let snapshot = endpoints("hl", 20, "cluster.local");
    let query = query_edns("hl.x.svc.cluster.local", RType::SRV, 1232);
    let got = asked(&snapshot, Transport::Udp, &query);
    assert_eq!((got.answers, got.additionals, got.cut), (20, 6, true));
    let whole = asked(&snapshot, Transport::Tcp, &query);
    assert_eq!(
        (whole.answers, whole.additionals, whole.cut),
        (20, 20, false)
    );
}

#[test]
fn five_thousand_addresses_over_tcp_are_cut_to_4093() {
    let full = Shape {
        answers: 4093,
        additionals: 0,
        cut: true,
        len: 65_532,
    };
    let snapshot = endpoints("hl-big", 5000, "cluster.local");
    let plain = query("hl-big.x.svc.cluster.local", RType::A);
    assert_eq!(plain.len(), 12 + 28 + 4);
    assert_eq!(asked(&snapshot, Transport::Tcp, &plain), full);
    // The name and the OPT record of the measured case: 17 octets and 11.
    let snapshot = endpoints("large", 5000, "k8s");
    let name = "large.x.svc.k8s";
    let edns = query_edns(name, RType::A, 1232);
    assert_eq!(edns.len(), 12 + 17 + 4 + 11);
    assert_eq!(asked(&snapshot, Transport::Tcp, &edns), full);
    let udp = Shape {
        answers: 74,
        additionals: 0,
        cut: true,
        len: 1228,
    };
    assert_eq!(asked(&snapshot, Transport::Udp, &edns), udp);
}

#[test]
fn five_thousand_srv_records_over_tcp_fill_the_message() {
    let snapshot = endpoints("hl", 5000, "cluster.local");
    let name = "hl.x.svc.cluster.local";
    let got = asked(&snapshot, Transport::Tcp, &query(name, RType::SRV));
    assert!(got.cut && got.additionals == 0);
    // Targets are a label of 11 to 14 octets and the name: 53 to 56 octets a record.
    assert!(got.len <= 65_535 && got.len > 65_535 - 56, "{got:?}");
}

/// Owners of additional records stand too far back for a pointer there, and are written in full.
#[test]
fn additional_records_behind_16_kib_have_the_right_owners() {
    let snapshot = endpoints("hl", 500, "cluster.local");
    let bytes = query("hl.x.svc.cluster.local", RType::SRV);
    let reply = ask(&snapshot, CLIENT, Transport::Tcp, &bytes).expect("a reply");
    assert!(reply.len() > 0x4000);
    let message = Message::from_vec(&reply).unwrap();
    assert!(!message.truncation);
    assert_eq!(
        (message.answers.len(), message.additionals.len()),
        (500, 500)
    );
    for record in &message.additionals {
        let hickory_proto::rr::RData::A(a) = &record.data else {
            panic!("{record}");
        };
        let label = a.0.to_string().replace('.', "-");
        assert_eq!(
            record.name.to_string(),
            format!("{label}.hl.x.svc.cluster.local.")
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the sizes are: whole records, in order, as many as fit, and TC where any is missing.
    #[test]
    fn a_cut_answer_is_the_longest_beginning_that_fits(
        count in 1usize..120,
        payload in prop::option::of(0u16..2000),
        name in "[a-z]{1,40}",
        srv in any::<bool>(),
        entropy in any::<u64>(),
    ) {
        let snapshot = endpoints(&name, count, "cluster.local");
        let name = format!("{name}.x.svc.cluster.local");
        let rtype = if srv { RType::SRV } else { RType::A };
        let bytes = match payload {
            Some(payload) => query_edns(&name, rtype, payload),
            None => query(&name, rtype),
        };
        let limit = usize::from(payload.unwrap_or(512).clamp(512, 1232));
        let mut request = request(CLIENT, Transport::Udp, &bytes);
        request.entropy = entropy;
        let mut reply = |transport| {
            request.transport = transport;
            let mut out = vec![0; 65_535];
            match respond(&snapshot, &request, &mut out) {
                Outcome::Reply(len, _) => out[..len].to_vec(),
                other => panic!("{other:?}"),
            }
        };
        let (cut, whole) = (reply(Transport::Udp), reply(Transport::Tcp));
        prop_assert!(cut.len() <= limit, "{} octets of {limit}", cut.len());
        let message = Message::from_vec(&cut).unwrap();
        let all = Message::from_vec(&whole).unwrap();
        prop_assert!(!all.truncation);
        let records = |m: &Message| [m.answers.clone(), m.additionals.clone()].concat();
        let (some, every) = (records(&message), records(&all));
        prop_assert!(every.starts_with(&some));
        prop_assert_eq!(message.truncation, some.len() < every.len());
        prop_assert_eq!(message.truncation, whole.len() > limit);
        if message.truncation {
            // The next record would not have fit: an address is 16 octets, the longest SRV fewer than 100.
            let next = if some.len() < all.answers.len() && srv { 18 + 16 + name.len() + 2 } else { 16 };
            prop_assert!(cut.len() + next > limit);
        }
        prop_assert_eq!(message.edns.is_some(), payload.is_some());
    }
}
