//! Real answers, through a witness, to the gatherer.

use super::*;
use crate::answer::{Outcome, Transport, respond};
use crate::testing::{Cluster, objects, query, request};
use std::net::IpAddr;

const SHOP: &str = "10.244.0.7";
const BANK: &str = "10.244.0.8";
const NODE: &str = "192.0.2.10";
const STRANGER: &str = "203.0.113.9";
const WEB: &str = "web.shop.svc.cluster.local";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn snapshot(config: &str) -> Snapshot {
    let objects = vec![
        objects::service("shop", "web", &[ip("10.96.0.1")]),
        objects::service("bank", "ledger", &[ip("10.96.0.2")]),
        objects::pod("shop", "client", ip(SHOP)),
        objects::pod("bank", "client", ip(BANK)),
        objects::node("node", ip(NODE), true),
    ];
    Cluster::of(objects, config).snapshot()
}

/// Asks and has the answer seen.
fn ask(witness: &mut Witness, snapshot: &Snapshot, source: &str, name: &str, rtype: RType) {
    let bytes = query(name, rtype);
    let request = request(ip(source), Transport::Udp, &bytes);
    let mut out = [0; 1232];
    match respond(snapshot, &request, &mut out) {
        Outcome::Reply(_, verdict) => witness.saw(snapshot, &request, &verdict),
        other => panic!("{name}: {other:?}"),
    }
}

/// Asks for that many names of a sort.
fn sweep(witness: &mut Witness, snapshot: &Snapshot, source: &str, sort: Sort, names: u32) {
    for n in 0..names {
        let (name, rtype) = match sort {
            Sort::Reverse => (
                format!("{}.{}.96.10.in-addr.arpa", n % 256, n / 256),
                RType::PTR,
            ),
            Sort::Absent => (format!("a{n}.bank.svc.cluster.local"), RType::A),
        };
        ask(witness, snapshot, source, &name, rtype);
    }
}

fn observed(options: Options) -> (Witness, Gatherer) {
    let (first, gatherer) = observe(options, 11);
    (first.next(), gatherer)
}

#[test]
fn answers_are_counted_by_class_tenant_and_result_over_all_threads() {
    let snapshot = snapshot("");
    let (mut first, mut gatherer) = observed(Options::default());
    let mut second = first.next();
    for witness in [&mut first, &mut second] {
        ask(witness, &snapshot, SHOP, WEB, RType::A);
        ask(witness, &snapshot, BANK, WEB, RType::A);
        ask(
            witness,
            &snapshot,
            NODE,
            "kubernetes.default.svc.cluster.local",
            RType::A,
        );
        ask(witness, &snapshot, STRANGER, WEB, RType::A);
        ask(witness, &snapshot, SHOP, "example.org", RType::A);
    }
    gatherer.gather(&snapshot, 0);
    // What has been counted stays when its thread ends.
    drop(second);
    for now in [1, 2] {
        gatherer.gather(&snapshot, now);
    }
    let gathered = gatherer.reader()();
    let classes: Vec<_> = gathered
        .classes()
        .filter(|(.., count)| *count > 0)
        .collect();
    assert_eq!(
        classes,
        [
            ("pod", "noerror", 2),
            ("pod", "nxdomain", 2),
            ("pod", "refused", 2),
            ("node", "nxdomain", 2),
            ("unknown", "servfail", 2),
        ]
    );
    let tenants: Vec<(String, Vec<_>)> = gathered
        .tenants()
        .map(|(tenant, counts)| {
            let counts = counts.answers().filter(|(_, count)| *count > 0);
            (tenant.to_owned(), counts.collect())
        })
        .collect();
    let expected = [
        ("bank", vec![("nxdomain", 2)]),
        ("shop", vec![("noerror", 2), ("refused", 2)]),
        ("other", vec![]),
    ];
    assert_eq!(
        tenants,
        expected.map(|(tenant, counts)| (tenant.to_owned(), counts))
    );
    assert!(gathered.networks().eq([("203.0.113.0/24", 2)]));
}

#[test]
fn different_names_that_a_cluster_could_hold_are_a_sweep() {
    let searching = snapshot("[autopath]\n");
    let snapshot = snapshot("");
    for (fact, shape, suspected) in [
        ("services", "a{}.bank.svc.cluster.local", true),
        ("namespaces", "bank.a{}.svc.cluster.local", true),
        ("pods", "10-0-0-{}.bank.pod.cluster.local", true),
        (
            "parts of one service",
            "a{}.web.bank.svc.cluster.local",
            false,
        ),
        (
            "names of the outside in a search list",
            "www.a{}.example.org.shop.svc.cluster.local",
            false,
        ),
        ("the same", "a{}.example.org.cluster.local", false),
        ("what is no namespace's", "a{}.cluster.local", false),
        (
            "names that the server looks for in the search list",
            "a{}.bank.shop.svc.cluster.local",
            true,
        ),
    ] {
        let searches = fact.contains("looks for");
        let snapshot = if searches { &searching } else { &snapshot };
        let (mut witness, mut gatherer) = observed(Options::default());
        let suspicions = (0..1_000).filter(|n| {
            let name = shape.replace("{}", &n.to_string());
            ask(&mut witness, snapshot, SHOP, &name, RType::A);
            let round = gatherer.gather(snapshot, 0);
            !round.suspicions.is_empty()
        });
        assert_eq!(
            suspicions.count(),
            usize::from(suspected),
            "{fact}: {shape}"
        );
    }
}

#[test]
fn what_the_short_way_answers_is_noted_as_the_long_one_s() {
    let audits = |audited| Options {
        audited,
        ..Options::default()
    };
    let audited = "[tenancy.audit]\nnamespaces = [\"bank\"]\n";
    for (options, config) in [
        (Options::default(), ""),
        (audits(Audited::Open), ""),
        (audits(Audited::Open), audited),
        (audits(Audited::Open), "[tenancy]\nmode = \"audit\"\n"),
        (audits(Audited::All), ""),
    ] {
        let snapshot = snapshot(config);
        let observed = [false, true].map(|short| {
            let (mut witness, mut gatherer) = observed(options);
            witness.turn_to(&snapshot);
            let mut said = Vec::new();
            for source in [SHOP, BANK, NODE, STRANGER] {
                for n in 0..600 {
                    let name = match n % 3 {
                        0 => WEB.to_owned(),
                        1 => "ledger.bank.svc.cluster.local".to_owned(),
                        _ => format!("a{n}.bank.svc.cluster.local"),
                    };
                    let bytes = query(&name, RType::A);
                    let request = request(ip(source), Transport::Udp, &bytes);
                    let mut out = [0; 1232];
                    let Outcome::Reply(_, verdict) = respond(&snapshot, &request, &mut out) else {
                        panic!("{name}");
                    };
                    match (short, verdict.client) {
                        (true, Some(class)) => {
                            witness.saw_plainly(&snapshot, (&request).into(), (&verdict, class));
                        }
                        _ => witness.saw(&snapshot, &request, &verdict),
                    }
                }
                said.push(format!("{:?}", gatherer.gather(&snapshot, 0)));
            }
            (said, format!("{:?}", gatherer.reader()()))
        });
        assert!(observed[0] == observed[1], "{options:?} {config}");
    }
}

#[test]
fn tenants_beyond_the_cap_are_other() {
    let snapshot = snapshot("");
    let (mut witness, mut gatherer) = observed(Options {
        tenants: 1,
        ..Options::default()
    });
    for source in [SHOP, BANK, BANK] {
        ask(&mut witness, &snapshot, source, WEB, RType::A);
    }
    gatherer.gather(&snapshot, 0);
    let gathered = gatherer.reader()();
    let sums: Vec<(&str, u64)> = gathered
        .tenants()
        .map(|(tenant, counts)| (tenant, counts.answers().map(|(_, count)| count).sum()))
        .collect();
    // The first number is that of the namespace that was named first.
    assert_eq!(sums.iter().map(|(_, sum)| sum).sum::<u64>(), 3, "{sums:?}");
    assert_eq!((sums.len(), sums[1].0), (2, "other"));
    assert!(sums[1].1 > 0);
}

#[test]
fn a_sweep_is_suspected_with_namespace_and_tenant() {
    let snapshot = snapshot("");
    for sort in [Sort::Reverse, Sort::Absent] {
        let (mut witness, mut gatherer) = observed(Options::default());
        sweep(&mut witness, &snapshot, SHOP, sort, 900);
        let round = gatherer.gather(&snapshot, 5);
        let names = if sort == Sort::Reverse { 256 } else { 500 };
        let suspicion = Suspicion {
            client: ip(SHOP),
            class: ClientClass::Pod,
            namespace: Some("shop".into()),
            tenant: Some("shop".into()),
            sort,
            names,
        };
        assert_eq!(round.suspicions, [suspicion]);
        let gathered = gatherer.reader()();
        assert_eq!(gathered.sweeps().map(|(_, count)| count).sum::<u64>(), 1);
        let shop = gathered.tenants().find(|(tenant, _)| *tenant == "shop");
        let counts: Vec<_> = shop
            .unwrap()
            .1
            .sweeps()
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(counts, [(sort.as_str(), 1)]);
    }
}

#[test]
fn reverse_names_that_are_found_are_swept_as_well() {
    let snapshot = snapshot("[tenancy]\nmode = \"off\"\n");
    let (mut witness, mut gatherer) = observed(Options {
        reverse_names: 1,
        ..Options::default()
    });
    for last in [1, 2, 1, 2] {
        let name = format!("{last}.0.96.10.in-addr.arpa");
        ask(&mut witness, &snapshot, SHOP, &name, RType::PTR);
    }
    // With tenancy off an address is all that is known.
    let round = gatherer.gather(&snapshot, 0);
    assert_eq!(round.suspicions.len(), 1);
    assert_eq!(round.suspicions[0].client, ip(SHOP));
}

#[test]
fn searching_and_asking_again_are_no_sweep() {
    let snapshot = snapshot("");
    let (mut witness, mut gatherer) = observed(Options::default());
    for round in 0..200 {
        for host in 0..20 {
            for search in ["shop.svc.", "svc.", ""] {
                let name = format!("h{host}.example.org.{search}cluster.local");
                ask(&mut witness, &snapshot, SHOP, &name, RType::A);
                ask(&mut witness, &snapshot, SHOP, &name, RType::AAAA);
            }
        }
        assert!(gatherer.gather(&snapshot, round).suspicions.is_empty());
    }
    assert_eq!(gatherer.reader()().lost, 0);
}

#[test]
fn strangers_are_one_network() {
    let snapshot = snapshot("");
    let (mut witness, mut gatherer) = observed(Options::default());
    for n in 0..900 {
        let source = format!("203.0.113.{}", n % 256);
        let name = format!("{}.{}.96.10.in-addr.arpa", n % 256, n / 256);
        ask(&mut witness, &snapshot, &source, &name, RType::PTR);
    }
    ask(&mut witness, &snapshot, "2001:db8:1:2::3", WEB, RType::A);
    let round = gatherer.gather(&snapshot, 0);
    assert_eq!(round.suspicions.len(), 1);
    assert_eq!(round.suspicions[0].client, ip("203.0.113.0"));
    assert_eq!(round.suspicions[0].namespace, None);
    let gathered = gatherer.reader()();
    assert!(
        gathered
            .networks()
            .eq([("2001:db8:1::/48", 1), ("203.0.113.0/24", 900)])
    );
}

#[test]
fn networks_beyond_the_cap_are_other() {
    let snapshot = snapshot("");
    let (mut witness, mut gatherer) = observed(Options::default());
    for n in 0..150 {
        ask(
            &mut witness,
            &snapshot,
            &format!("198.51.{n}.1"),
            WEB,
            RType::A,
        );
    }
    gatherer.gather(&snapshot, 0);
    let gathered = gatherer.reader()();
    let networks: Vec<_> = gathered.networks().collect();
    assert_eq!(
        (networks.len(), networks.last()),
        (101, Some(&("other", 50)))
    );
}

#[test]
fn what_nodes_ask_and_do_not_see_is_told_from_what_is_absent() {
    let snapshot = snapshot("");
    let (mut witness, mut gatherer) = observed(Options::default());
    for (source, name) in [
        (NODE, "ledger.bank.svc.cluster.local"),
        (NODE, "10-96-0-2.ledger.bank.svc.cluster.local"),
        (NODE, "absent.bank.svc.cluster.local"),
        (NODE, "bank.svc.cluster.local"),
        (SHOP, "ledger.bank.svc.cluster.local"),
    ] {
        ask(&mut witness, &snapshot, source, name, RType::A);
    }
    ask(
        &mut witness,
        &snapshot,
        NODE,
        "2.0.96.10.in-addr.arpa",
        RType::PTR,
    );
    gatherer.gather(&snapshot, 0);
    // A service, its namespace, and its reverse name.
    assert_eq!(gatherer.reader()().node_hidden, 3);
}

#[test]
fn what_a_full_ring_loses_is_counted_and_the_next_round_comes_soon() {
    let snapshot = snapshot("");
    let (mut witness, mut gatherer) = observed(Options::default());
    let idle = gatherer.gather(&snapshot, 0).pause;
    sweep(&mut witness, &snapshot, SHOP, Sort::Reverse, 10);
    let busy = gatherer.gather(&snapshot, 1).pause;
    let more = 5;
    // The first ten tell nothing new.
    let names = 10 + SIGHTINGS as u32 + more;
    sweep(&mut witness, &snapshot, SHOP, Sort::Reverse, names);
    let pressed = gatherer.gather(&snapshot, 2).pause;
    assert!(
        idle > busy && busy > pressed,
        "{idle:?} {busy:?} {pressed:?}"
    );
    let gathered = gatherer.reader()();
    assert_eq!(gathered.lost, u64::from(more));
    let pods: u64 = gathered.classes().map(|(.., count)| count).sum();
    assert_eq!(pods, u64::from(10 + names), "counts are never lost");
}

#[test]
fn where_counts_by_client_are_not_wanted_only_sweeps_are_seen() {
    let snapshot = snapshot("");
    let (mut witness, mut gatherer) = observed(Options {
        tenants: 0,
        ..Options::default()
    });
    sweep(&mut witness, &snapshot, SHOP, Sort::Reverse, 600);
    ask(&mut witness, &snapshot, STRANGER, WEB, RType::A);
    ask(
        &mut witness,
        &snapshot,
        NODE,
        "ledger.bank.svc.cluster.local",
        RType::A,
    );
    assert_eq!(gatherer.gather(&snapshot, 0).suspicions.len(), 1);
    let gathered = gatherer.reader()();
    assert_eq!(
        (gathered.tenants().count(), gathered.networks().count()),
        (1, 0)
    );
    assert_eq!(gathered.node_hidden, 0);
}
