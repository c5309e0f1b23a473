//! Real answers are counted where CoreDNS counts them.

use super::*;
use crate::answer::{Outcome, Shortcut, respond};
use crate::chain::{ListenerId, Plugin};
use crate::testing::{Cluster, objects, query, query_edns, request};
use crate::wire::RType;
use std::thread;

const ONE: &str = "[tenancy]\nmode = \"off\"\n";
const SEVERAL: &str = "[tenancy]\nmode = \"off\"\n[kubernetes]\nzones = [\"top.example\"]\n\
     [[block]]\nzones = [\"cluster.local\", \"10.in-addr.arpa\"]\n[block.kubernetes]\n\
     zones = [\"cluster.local\", \"10.in-addr.arpa\"]\n";

fn snapshot(config: &str) -> Snapshot {
    let web = objects::service("shop", "web", &["10.96.0.1".parse().unwrap()]);
    Cluster::of(vec![web], config).snapshot()
}

fn traffic() -> Traffic {
    Traffic::new([server_text("dns", "[::]:53".parse().unwrap())])
}

/// Asks, and counts the answer.
fn ask(traffic: &mut Traffic, snapshot: &Snapshot, message: &[u8], transport: Transport) {
    let request = request("10.244.0.7".parse().unwrap(), transport, message);
    let mut out = [0; 1232];
    match respond(snapshot, &request, &mut out) {
        Outcome::Reply(length, verdict) => traffic.saw(snapshot, &request, &verdict, length),
        other => panic!("{other:?}"),
    }
}

/// The zones that were counted, with how many queries of each.
fn zones(traffic: &Traffic) -> Vec<(String, u64)> {
    let counts = traffic.reader().read();
    let zones = counts.iter().map(|((server, zone), counts)| {
        assert_eq!(&**server, "dns://:53");
        (
            zone.to_string(),
            counts.requests.as_flattened().iter().sum(),
        )
    });
    zones.collect()
}

const WEB: &str = "web.shop.svc.cluster.local.";

#[test]
fn what_all_threads_counted_is_added_up() {
    let (first, snapshot) = (traffic(), snapshot(ONE));
    let (mut a, mut b) = (first.clone(), first.clone());
    ask(&mut a, &snapshot, &query(WEB, RType::A), Transport::Udp);
    ask(
        &mut a,
        &snapshot,
        &query("no.shop.svc.cluster.local.", RType::A),
        Transport::Udp,
    );
    ask(
        &mut b,
        &snapshot,
        &query_edns(WEB, RType::SRV, 1232),
        Transport::Tcp,
    );
    assert_eq!(zones(&first), [(".".to_owned(), 3)]);
    let counts = first.reader().read();
    let counts = counts.values().next().unwrap();
    let kubernetes = &counts.responses[Plugin::Kubernetes as usize + 1];
    assert_eq!((kubernetes[0], kubernetes[3]), (2, 1));
    // A is the first type, SRV the third; UDP and TCP over IPv4.
    assert_eq!((counts.requests[0][0], counts.requests[2][2]), (2, 1));
    assert_eq!(counts.dnssec_ok, 0);
}

#[test]
fn a_block_of_several_zones_is_told_by_each() {
    let (first, snapshot) = (traffic(), snapshot(SEVERAL));
    let mut own = first.clone();
    for (name, rtype) in [
        (WEB, RType::A),
        ("1.0.96.10.in-addr.arpa.", RType::PTR),
        ("a.top.example.", RType::A),
        ("www.example.org.", RType::A),
    ] {
        ask(&mut own, &snapshot, &query(name, rtype), Transport::Udp);
    }
    let expected = [(".", 2), ("10.in-addr.arpa.", 1), ("cluster.local.", 1)];
    assert_eq!(
        zones(&first),
        expected.map(|(zone, count)| (zone.to_owned(), count))
    );
}

#[test]
fn what_is_for_no_block_is_dropped_and_what_cant_be_read_is_nobodys() {
    let (first, snapshot) = (traffic(), snapshot(ONE));
    let mut own = first.clone();
    let mut chaos = query("version.bind.", RType::TXT);
    let length = chaos.len();
    chaos[length - 1] = 3;
    ask(&mut own, &snapshot, &chaos, Transport::Udp);
    let mut broken = query(WEB, RType::A);
    broken.truncate(20);
    ask(&mut own, &snapshot, &broken, Transport::Udp);
    let mut future = query_edns(WEB, RType::A, 1232);
    let version = future.len() - 5;
    future[version] = 1;
    ask(&mut own, &snapshot, &future, Transport::Udp);
    assert_eq!(zones(&first), [("dropped".to_owned(), 1)]);
    // A listener that nobody has named counts nothing.
    let message = query(WEB, RType::A);
    let mut stray = request("10.244.0.7".parse().unwrap(), Transport::Udp, &message);
    let Outcome::Reply(_, verdict) = respond(&snapshot, &stray, &mut [0; 1232]) else {
        panic!("no reply")
    };
    stray.listener = ListenerId(9);
    own.saw(&snapshot, &stray, &verdict, 12);
    assert_eq!(zones(&first), [("dropped".to_owned(), 1)]);
}

#[test]
fn counts_go_on_under_another_configuration() {
    let first = traffic();
    let mut own = first.clone();
    for config in [ONE, SEVERAL, ONE] {
        let snapshot = snapshot(config);
        ask(&mut own, &snapshot, &query(WEB, RType::A), Transport::Udp);
        own.sent();
    }
    let expected = [(".", 2), ("cluster.local.", 1)];
    assert_eq!(
        zones(&first),
        expected.map(|(zone, count)| (zone.to_owned(), count))
    );
}

/// Whatever else was counted before, by which snapshot, and in how many zones.
#[test]
fn what_the_short_way_answers_is_counted_as_the_long_one_s() {
    let names = ["[::]:53", "10.96.0.10:53"];
    let names = names.map(|listen| server_text("dns", listen.parse().unwrap()));
    let snapshots = [ONE, SEVERAL, ONE].map(snapshot);
    let counted = [false, true].map(|short| {
        let first = Traffic::new(names.clone());
        let (mut own, mut plainly) = (first.clone(), 0);
        for (n, snapshot) in snapshots.iter().cycle().take(12).enumerate() {
            let listener = ListenerId((n / 4 % 2) as u16);
            own.turn_to(snapshot, listener);
            own.received(Instant::now());
            for (name, rtype) in [
                (WEB, RType::A),
                ("no.shop.svc.cluster.local.", RType::AAAA),
                ("1.0.96.10.in-addr.arpa.", RType::PTR),
            ] {
                let message = query_edns(name, rtype, 1232);
                let mut request = request("fd00::7".parse().unwrap(), Transport::Udp, &message);
                request.listener = listener;
                let mut out = [0; 1232];
                let way = Shortcut::of(snapshot, listener).filter(|_| short && n % 3 != 2);
                let plain = way.and_then(|way| way.respond((&request).into(), || 0, &mut out));
                plainly += usize::from(plain.is_some());
                match (plain, respond(snapshot, &request, &mut out)) {
                    (Some((length, verdict)), _) => {
                        own.saw_plainly(snapshot, (&request).into(), &verdict, length);
                    }
                    (None, Outcome::Reply(length, verdict)) => {
                        own.saw(snapshot, &request, &verdict, length);
                    }
                    (None, other) => panic!("{name}: {other:?}"),
                }
            }
            own.sent();
        }
        let mut counts = first.reader().read();
        let times = counts.values_mut().map(|counts| {
            let times = std::mem::replace(&mut counts.times, [0; TIMES.len() + 2]);
            times[..=TIMES.len()].iter().sum::<u64>()
        });
        assert_eq!(times.sum::<u64>(), 36, "each takes its time once");
        assert_eq!(plainly > 0, short);
        counts
    });
    assert!(counted[0] == counted[1] && counted[0].len() > 3);
}

#[test]
fn queries_of_a_batch_take_as_long_as_the_batch() {
    let (first, snapshot) = (traffic(), snapshot(ONE));
    let mut own = first.clone();
    own.received(Instant::now());
    for _ in 0..3 {
        ask(&mut own, &snapshot, &query(WEB, RType::A), Transport::Udp);
    }
    let times = |traffic: &Traffic| {
        let counts = traffic.reader().read();
        counts.values().next().map(|counts| counts.times)
    };
    let sum = |times: [u64; TIMES.len() + 2]| times[..=TIMES.len()].iter().sum::<u64>();
    assert_eq!(times(&first).map(sum), Some(0));
    own.sent();
    let counted = times(&first).unwrap();
    assert_eq!(sum(counted), 3);
    let all = counted[TIMES.len() + 1];
    assert!(all > 0 && all % 3 == 0, "{all}");
    // They are counted once.
    own.sent();
    assert_eq!(times(&first), Some(counted));
    // A thread that has ended is still counted.
    thread::spawn(move || drop(own)).join().unwrap();
    assert_eq!(times(&first), Some(counted));
}

#[test]
fn listeners_are_called_as_coredns_calls_them() {
    for (scheme, address, name) in [
        ("dns", "[::]:53", "dns://:53"),
        ("dns", "0.0.0.0:5353", "dns://:5353"),
        ("dns", "10.96.0.10:53", "dns://10.96.0.10:53"),
        ("tls", "[fd00::a]:853", "tls://[fd00::a]:853"),
    ] {
        assert_eq!(server_text(scheme, address.parse().unwrap()), name);
    }
}
