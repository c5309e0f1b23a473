//! The resolvers that pods have, in pods: glibc's, musl's, Go's and Java's, and kdig. Each looks names up
//! by its search list of five dots, with tenancy enforced: services, outside names, pairs of addresses,
//! what is cut and comes over TCP, and what is not there.

#[path = "clients/cluster.rs"]
mod cluster;
#[path = "clients/programs.rs"]
mod programs;

use cluster::{BANK, Cluster, SHOP};
use programs::Lookup;
use std::collections::BTreeSet;

/// Addresses of an outside name that fit no datagram.
const LARGE: u8 = 200;

/// Who looks up what, and finds what: nothing where it is not there.
const CASES: [(&str, &str, &[&str]); 19] = [
    (SHOP, "web", &["10.96.0.21", "fd00:96::21"]),
    (SHOP, "web.shop", &["10.96.0.21", "fd00:96::21"]),
    (SHOP, "web.shop.svc", &["10.96.0.21", "fd00:96::21"]),
    (
        SHOP,
        "web.shop.svc.cluster.local",
        &["10.96.0.21", "fd00:96::21"],
    ),
    (
        SHOP,
        "web.shop.svc.cluster.local.",
        &["10.96.0.21", "fd00:96::21"],
    ),
    (SHOP, "old", &["10.96.0.22"]),
    (SHOP, "new", &["fd00:96::23"]),
    (SHOP, "db", &["10.99.1.31", "10.99.1.32"]),
    (SHOP, "one.db", &["10.99.1.31"]),
    (SHOP, "alias", &["192.0.2.1", "2001:db8::1"]),
    (SHOP, "www.outside.example", &["192.0.2.1", "2001:db8::1"]),
    (SHOP, "four.outside.example", &["192.0.2.4"]),
    (SHOP, "six.outside.example", &["2001:db8::6"]),
    (SHOP, "ledger.bank", &[]),
    (SHOP, "ledger.bank.svc.cluster.local", &[]),
    (SHOP, "nothing", &[]),
    (SHOP, "nothing.outside.example", &[]),
    (BANK, "ledger", &["10.96.0.31"]),
    (BANK, "web.shop", &[]),
];

/// Has a resolver look everything up. `whole` is whether it asks over TCP for what was cut.
fn looks_up(cluster: &Cluster, lookup: &Lookup<'_>, whole: bool) {
    for (pod, name, expected) in CASES {
        let expected: BTreeSet<String> = expected.iter().map(|&text| text.to_owned()).collect();
        let found = lookup.addresses(cluster, pod, name);
        assert_eq!(
            found,
            expected,
            "{} in {pod} looks up {name}",
            lookup.name()
        );
    }
    let all: BTreeSet<String> = (1..=LARGE).map(|n| format!("198.51.100.{n}")).collect();
    let found = lookup.addresses(cluster, SHOP, "large.outside.example");
    match whole {
        true => assert_eq!(found, all, "{}", lookup.name()),
        false => assert!(
            !found.is_empty() && found.is_subset(&all),
            "{}",
            lookup.name()
        ),
    }
}

#[test]
fn glibc_looks_names_up_in_a_pod() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let lookups = [Lookup::getent(), Lookup::python()];
    for lookup in lookups.iter().flatten() {
        looks_up(&cluster, lookup, true);
    }
    // And the other way round: whose address it is, unless it is another tenant's.
    let Some(getent) = &lookups[0] else { return };
    for (pod, address, expected) in [
        (SHOP, "10.96.0.21", "web.shop.svc.cluster.local"),
        (SHOP, "fd00:96::21", "web.shop.svc.cluster.local"),
        (BANK, "10.96.0.31", "ledger.bank.svc.cluster.local"),
        (SHOP, "10.96.0.31", ""),
    ] {
        let found = getent.name_of(&cluster, pod, address);
        assert_eq!(found, expected, "{address} in {pod}");
    }
}

#[test]
fn musl_looks_names_up_in_a_pod() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let Some(lookup) = Lookup::musl(&cluster) else {
        return;
    };
    // It asks over TCP from 1.2.4 on, and has room for 48 addresses. Once somebody else has asked over TCP,
    // it gets as many as fit: what is kept is cut record by record.
    if let Some(getent) = Lookup::getent() {
        let whole = getent.addresses(&cluster, SHOP, "large.outside.example");
        assert_eq!(whole.len(), usize::from(LARGE));
        looks_up(&cluster, &lookup, false);
    }
}

#[test]
fn gos_own_resolver_looks_names_up_in_a_pod() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let Some(lookup) = Lookup::go(&cluster, "go") else {
        return;
    };
    looks_up(&cluster, &lookup, true);
}

#[test]
fn gos_resolver_by_glibc_looks_names_up_in_a_pod() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let Some(lookup) = Lookup::go(&cluster, "cgo") else {
        return;
    };
    looks_up(&cluster, &lookup, true);
}

#[test]
fn java_looks_names_up_in_a_pod() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let Some(lookup) = Lookup::java(&cluster) else {
        return;
    };
    looks_up(&cluster, &lookup, true);
}

#[test]
fn kdig_looks_names_up_in_a_pod() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let Some(lookup) = Lookup::kdig() else {
        return;
    };
    // It has no search list.
    let whole = |name: &str| name.ends_with(".local") || name.ends_with(".example");
    for (pod, name, expected) in CASES.into_iter().filter(|(_, name, _)| whole(name)) {
        let expected: BTreeSet<String> = expected.iter().map(|&text| text.to_owned()).collect();
        let found = lookup.addresses(&cluster, pod, name);
        assert_eq!(found, expected, "kdig in {pod} looks up {name}");
    }
    let found = lookup.addresses(&cluster, SHOP, "large.outside.example");
    assert_eq!(found.len(), usize::from(LARGE), "over TCP, once it is cut");
}
