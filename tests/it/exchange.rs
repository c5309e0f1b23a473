//! An index that goes on with another configuration is the one that was made for it: whatever was in
//! force before, and whatever of the objects that had left out.

use crate::random::{OWN, TENANCY, check, objects};
use proptest::prelude::*;
use std::collections::BTreeSet;
use tenantdns::index::{Configuration, Event, Index, Trust, Version};
use tenantdns::model::{Kind, Object};
use tenantdns::testing::{Cluster, dump};

const ZONES: &str = "zones = [\"cluster.local\", \"clusterset.local\", \"in-addr.arpa\", \"ip6.arpa\"]\n\
                     multicluster = [\"clusterset.local\"]\n";

/// Configurations that read different things of the same objects.
fn configurations() -> Vec<Cluster> {
    let texts = [
        format!("[tenancy]\nmode = \"off\"\nsoa_serial = \"static\"\n[kubernetes]\n{ZONES}"),
        format!(
            "[tenancy]\nmode = \"off\"\n[kubernetes]\nlabels = \"tier=inner\"\n\
             endpoint_pod_names = true\n{ZONES}"
        ),
        format!(
            "[tenancy]\nsoa_serial = \"static\"\n{TENANCY}[kubernetes]\npods = \"verified\"\n{ZONES}"
        ),
        format!(
            "[tenancy]\nmode = \"audit\"\nsoa_serial = \"static\"\nuntenanted = \"open\"\n\
             tenant_from = [{{ parent_label = \"hnc\" }}]\n\
             platform = {{ namespaces = [\"a1\"], except = \"tier=inner\" }}\n[kubernetes]\n{ZONES}"
        ),
        String::from(
            "[tenancy]\nsoa_serial = \"static\"\n[[tenancy.rule]]\neffect = \"allow\"\n\
             from = { tenants = [\"*\"] }\n\
             to = { namespaces = [\"u1\", \"shared\", \"a1\"], service_selector = \"tier=inner\" }\n[kubernetes]\n\
             noendpoints = true\nzones = [\"cluster.local\", \"in-addr.arpa\"]\n",
        ),
        format!(
            "[tenancy]\nmode = \"off\"\nsoa_serial = \"static\"\n[kubernetes]\nzonal = true\n{ZONES}\
             [k8s_external]\nzones = [\"lb.test\", \"198.51.100.0/24\"]\nheadless = true\n"
        ),
        format!(
            "[tenancy]\nsoa_serial = \"static\"\n{TENANCY}[kubernetes]\n{ZONES}\
             [k8s_external]\nzones = [\"lb.test\"]\n"
        ),
    ];
    let cluster = |text: &String| Cluster::of(Vec::new(), text).own_addresses(&[OWN]);
    texts.iter().map(cluster).collect()
}

fn configuration(cluster: &Cluster) -> Configuration {
    let off = cluster.config.tenancy.mode == tenantdns::tenancy::Mode::Off;
    let read = |kind: &Kind| !off || !(kind.is_policy() || *kind == Kind::Node);
    Configuration {
        blocks: cluster.config.blocks.clone(),
        tenancy: cluster.config.tenancy.clone(),
        kinds: Kind::ALL.into_iter().filter(read).collect(),
    }
}

/// Lists what there is of a kind.
fn list(index: &mut Index, kind: Kind, objects: &[Object]) {
    index.apply(Event::Listing(kind, Trust::Newer));
    for object in objects.iter().filter(|object| object.kind() == kind) {
        index.apply(Event::ApplyAt(object.clone(), Version(7)));
    }
    index.apply(Event::Synced(kind));
}

fn index(cluster: &Cluster, objects: &[Object], on_demand: bool) -> Index {
    let made_for = configuration(cluster);
    let seed = tenantdns::cow::Seed::random();
    let kinds = made_for.kinds.clone();
    let index = Index::new(&made_for.blocks, made_for.tenancy, kinds.clone(), &seed);
    let mut index = match on_demand {
        true => index.with_labels_on_demand(),
        false => index,
    };
    kinds
        .iter()
        .for_each(|kind| list(&mut index, *kind, objects));
    for kind in index.take_lists() {
        list(&mut index, kind, objects);
    }
    index
}

/// What only one of two snapshots holds.
fn differing(a: &[String], b: &[String]) -> Vec<String> {
    let (a, b): (BTreeSet<_>, BTreeSet<_>) = (a.iter().collect(), b.iter().collect());
    a.symmetric_difference(&b)
        .map(|line| (*line).clone())
        .collect()
}

#[test]
fn an_exchanged_configuration_is_the_one_that_the_index_would_have_been_made_for() {
    let all = configurations();
    let places = (0..all.len(), 0..all.len(), any::<bool>());
    check(
        96,
        file!(),
        &(places, objects()),
        |((from, to, on_demand), objects)| {
            let expected = dump(&index(&all[to], &objects, on_demand).snapshot(7));
            let mut changed = index(&all[from], &objects, on_demand);
            let before = dump(&changed.snapshot(7));
            let next = configuration(&all[to]);
            // As the source does: what is wanted is listed until nothing more is.
            loop {
                let lists = changed.prepare(&next);
                if lists.is_empty() {
                    break;
                }
                prop_assert!(!changed.is_prepared());
                lists
                    .iter()
                    .for_each(|kind| list(&mut changed, *kind, &objects));
            }
            prop_assert!(changed.is_prepared());
            let prepared = dump(&changed.snapshot(7));
            if configuration(&all[from]).kinds.is_superset(&next.kinds) {
                // What is in force does not change by what is kept for another.
                prop_assert_eq!(differing(&prepared, &before), Vec::<String>::new());
            }
            let exchanged = changed.exchange(next.clone());
            prop_assert!(exchanged.lists.is_empty());
            let idle = configuration(&all[from]).kinds;
            let idle: BTreeSet<Kind> = idle.difference(&next.kinds).copied().collect();
            prop_assert_eq!(&exchanged.idle, &idle);
            let snapshot = changed.snapshot(7);
            prop_assert_eq!(snapshot.configuration, 1);
            prop_assert!(snapshot.synced);
            prop_assert_eq!(differing(&dump(&snapshot), &expected), Vec::<String>::new());
            // Late events of what is not watched any more change nothing.
            idle.iter()
                .for_each(|kind| list(&mut changed, *kind, &objects));
            let late = dump(&changed.snapshot(7));
            prop_assert_eq!(differing(&late, &expected), Vec::<String>::new());
            Ok(())
        },
    );
}

#[test]
fn before_the_first_sync_another_configuration_waits_for_what_it_reads() {
    let all = configurations();
    let mut index = index(&all[2], &[], true);
    let next = configuration(&all[0]);
    assert!(index.exchange(next).idle.contains(&Kind::DnsGrant));
    // The other way: kinds that were not read come first.
    let exchanged = index.exchange(configuration(&all[2]));
    assert!(exchanged.lists.contains(&Kind::DnsGrant));
    assert!(!index.is_synced());
    exchanged
        .lists
        .iter()
        .for_each(|kind| list(&mut index, *kind, &[]));
    assert!(index.is_synced() && index.is_prepared());
}
