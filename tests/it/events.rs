//! Events: their order across objects leaves no trace, and neither does the way to a state.

use crate::random::{OWN, TENANCY, check, cluster, object, objects};
use proptest::prelude::*;
use proptest::sample::{Index as Pick, select};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use tenantdns::index::{Event, Index};
use tenantdns::model::{Kind, Object, ObjectKey, ServiceKind, SliceOwner};
use tenantdns::snapshot::Snapshot;
use tenantdns::tenancy::{
    self, Asker, Client, NamespaceFacts, NsId, ServiceFacts, ServiceId, Sight, Target, Tenant,
    decide,
};
use tenantdns::testing::{Cluster, dump};

fn settings() -> impl Strategy<Value = String> {
    (
        select(vec!["enforce", "off"]),
        select(vec!["isolated", "open", "platform"]),
        select(vec!["shared", "unknown", "platform", "deny"]),
        select(vec!["isolate", "first"]),
        select(vec!["disabled", "verified"]),
    )
        .prop_map(|(mode, untenanted, node, conflict, pods)| {
            format!(
                "[tenancy]\nmode = {mode:?}\nuntenanted = {untenanted:?}\nnode = {node:?}\n\
                 conflict = {conflict:?}\nsoa_serial = \"static\"\n{TENANCY}[kubernetes]\n\
                 pods = {pods:?}\nzones = [\"cluster.local\", \"clusterset.local\", \
                 \"in-addr.arpa\", \"ip6.arpa\"]\nmulticluster = [\"clusterset.local\"]\n"
            )
        })
}

fn empty(config: &str) -> Cluster {
    Cluster::of(Vec::new(), config).own_addresses(&[OWN])
}

/// The versions of each object in their order, `None` where it is deleted.
type Histories = BTreeMap<(Kind, ObjectKey), Vec<Option<Object>>>;

fn histories() -> impl Strategy<Value = Histories> {
    let step = (object(), prop::bool::weighted(0.25));
    prop::collection::vec(step, 0..80).prop_map(|steps| {
        let mut histories = Histories::new();
        for object in cluster([]) {
            let key = (object.kind(), object.key());
            histories.entry(key).or_default().push(Some(object));
        }
        for (object, delete) in steps {
            let versions = histories.entry((object.kind(), object.key())).or_default();
            versions.push(Some(object));
            if delete {
                versions.push(None);
            }
        }
        histories
    })
}

fn finals(histories: &Histories) -> Vec<Object> {
    let last = |versions: &Vec<Option<Object>>| versions.last().cloned().flatten();
    histories.values().filter_map(last).collect()
}

fn event(key: &(Kind, ObjectKey), version: &Option<Object>) -> Event {
    match version {
        Some(object) => Event::Apply(object.clone()),
        None => Event::Delete(key.0, key.1.clone()),
    }
}

/// Applies each object's versions in their order, and everything else in the order that `picks`
/// says; takes a snapshot where `picks` says so too.
fn apply_shuffled(index: &mut Index, histories: &Histories, picks: &[(Pick, bool)]) {
    let mut left: Vec<_> = histories.iter().map(|(k, v)| (k, v.as_slice())).collect();
    let mut picks = picks.iter().cycle();
    while !left.is_empty() {
        let (pick, look) = picks.next().unwrap();
        let at = pick.index(left.len());
        let (key, versions) = left[at];
        index.apply(event(key, &versions[0]));
        if versions.len() > 1 {
            left[at].1 = &versions[1..];
        } else {
            left.swap_remove(at);
        }
        if *look {
            index.snapshot(7);
        }
    }
}

fn sync(index: &mut Index) {
    for kind in Kind::ALL {
        index.apply(Event::Synced(kind));
    }
}

fn fresh(config: &str, objects: Vec<Object>) -> Snapshot {
    let mut index = empty(config).empty_index();
    for object in objects {
        index.apply(Event::Apply(object));
    }
    sync(&mut index);
    index.snapshot(7)
}

/// Says what only one of two snapshots holds.
fn difference(a: &Snapshot, b: &Snapshot) -> Option<String> {
    let (a, b): (BTreeSet<_>, BTreeSet<_>) =
        (dump(a).into_iter().collect(), dump(b).into_iter().collect());
    let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| {
        let lines: Vec<String> = a.difference(b).cloned().collect();
        lines.join("\n")
    };
    (a != b).then(|| {
        format!(
            "first only:\n{}\nsecond only:\n{}",
            only(&a, &b),
            only(&b, &a)
        )
    })
}

fn picks() -> impl Strategy<Value = Vec<(Pick, bool)>> {
    prop::collection::vec((any::<Pick>(), prop::bool::weighted(0.2)), 40..80)
}

#[test]
fn i5_any_interleaving_of_events_gives_an_equal_snapshot() {
    let facts = Cell::new(0usize);
    let strategy = (histories(), settings(), picks(), picks());
    check(96, file!(), &strategy, |(histories, config, one, other)| {
        let snapshot = |picks: &[(Pick, bool)]| {
            let mut index = empty(&config).empty_index();
            apply_shuffled(&mut index, &histories, picks);
            sync(&mut index);
            index.snapshot(7)
        };
        let (a, b) = (snapshot(&one), snapshot(&other));
        facts.set(facts.get() + dump(&a).len());
        let difference = difference(&a, &b);
        prop_assert!(difference.is_none(), "{}", difference.unwrap());
        Ok(())
    });
    assert!(facts.get() >= 5_000, "only {facts:?} facts compared");
}

#[test]
fn i6_a_relist_or_a_restart_equals_the_incremental_result() {
    let vanished = Cell::new(0usize);
    let strategy = (histories(), settings(), picks(), objects());
    check(
        96,
        file!(),
        &strategy,
        |(histories, config, picks, next)| {
            let mut index = empty(&config).empty_index();
            apply_shuffled(&mut index, &histories, &picks);
            sync(&mut index);
            let objects = finals(&histories);
            let restarted = difference(&index.snapshot(7), &fresh(&config, objects.clone()));
            prop_assert!(restarted.is_none(), "restart: {}", restarted.unwrap());

            // A re-list: everything that is there is given again, what is gone is deleted.
            let kept: BTreeSet<_> = next.iter().map(|o| (o.kind(), o.key())).collect();
            for object in &next {
                index.apply(Event::Apply(object.clone()));
            }
            for object in objects {
                if !kept.contains(&(object.kind(), object.key())) {
                    vanished.set(vanished.get() + 1);
                    index.apply(Event::Delete(object.kind(), object.key()));
                }
            }
            let relisted = difference(&index.snapshot(7), &fresh(&config, next));
            prop_assert!(relisted.is_none(), "re-list: {}", relisted.unwrap());
            Ok(())
        },
    );
    assert!(vanished.get() >= 100, "only {vanished:?} objects vanished");
}

// === policy ===

/// Says from the objects alone what makes a service an exception.
fn exception(
    options: &tenancy::Options,
    objects: &[Object],
    namespace: &NamespaceFacts,
    name: &str,
) -> ServiceFacts {
    let key = ObjectKey::new(namespace.name.clone(), name);
    let service = objects.iter().find_map(|object| match object {
        Object::Service(service) if service.key == key => Some(service),
        _ => None,
    });
    let imported = objects
        .iter()
        .any(|o| matches!(o, Object::ServiceImport(i) if i.key == key));
    let Some(service) = service else {
        return if imported {
            options.service_facts(&key.namespace, name, false)
        } else {
            ServiceFacts::default()
        };
    };
    let labeled = service
        .labels
        .get("k8s-app")
        .is_some_and(|v| v == "kube-dns");
    let own = |addresses: &[IpAddr]| addresses.contains(&OWN);
    let by_address = matches!(&service.kind, ServiceKind::ClusterIp(list) if own(list));
    let by_slice = objects.iter().any(|object| match object {
        Object::EndpointSlice(slice) => {
            slice.key.namespace == key.namespace
                && slice.owner == SliceOwner::Service(name.into())
                && slice
                    .endpoints
                    .iter()
                    .any(|e| e.ready && e.addresses.contains(OWN))
        }
        _ => false,
    });
    let dns = (labeled && &*key.namespace == "kube-system")
        || namespace.platform && (by_address || by_slice);
    options.service_facts(&key.namespace, name, dns)
}

/// Compares each bit of the rows with the decision, and returns how many were compared.
fn rows_equal_decisions(
    snapshot: &Snapshot,
    options: &tenancy::Options,
    objects: &[Object],
) -> Result<usize, TestCaseError> {
    let facts: BTreeMap<Box<str>, NamespaceFacts> = objects
        .iter()
        .filter_map(|object| match object {
            Object::Namespace(ns) => Some((ns.name.clone(), options.namespace_facts(ns))),
            _ => None,
        })
        .collect();
    let text = |label: &[u8]| Box::<str>::from(std::str::from_utf8(label).unwrap());
    let numbers: Vec<(NsId, &NamespaceFacts)> = (0..64)
        .map(NsId)
        .filter_map(|id| Some((id, facts.get(&text(snapshot.directory.namespace(id)?))?)))
        .collect();
    prop_assert_eq!(numbers.len(), facts.len());
    let services: Vec<(ServiceId, NsId, Box<str>)> = (0..256)
        .map(ServiceId)
        .filter_map(|id| {
            let (ns, label) = snapshot.directory.service(id)?;
            Some((id, ns, text(label)))
        })
        .collect();
    let pods = numbers
        .iter()
        .map(|(id, facts)| (Client::Pod(*id), Asker::Pod(facts)));
    let others = [
        (Client::Node, Asker::Node),
        (Client::Unknown, Asker::Unknown),
    ];
    let mut compared = 0;
    for (client, asker) in pods.chain(others) {
        let row = snapshot.policy.row(client);
        for &(id, namespace) in &numbers {
            let decided = |service| decide(options, asker, Target { namespace, service });
            let whole = decided(ServiceFacts::default());
            let mut some = false;
            for (service, _, name) in services.iter().filter(|(_, ns, _)| *ns == id) {
                let single = decided(exception(options, objects, namespace, name));
                compared += 1;
                some |= single.visible;
                prop_assert_eq!(
                    row.permits(id, *service),
                    single.visible,
                    "{:?} and {}/{}: {:?}",
                    client,
                    namespace.name,
                    name,
                    single.step
                );
                prop_assert_eq!(snapshot.policy.decide(client, id, Some(*service)), single);
            }
            compared += 1;
            let sight = match (whole.visible, some) {
                (true, _) => Sight::Whole,
                (false, true) => Sight::Some,
                (false, false) => Sight::Hidden,
            };
            prop_assert_eq!(
                row.namespace(id),
                sight,
                "{:?} and {}",
                client,
                namespace.name
            );
            prop_assert_eq!(snapshot.policy.decide(client, id, None), whole);
        }
    }
    Ok(compared)
}

#[test]
fn compiled_rows_equal_the_decision_for_every_client_and_service() {
    let compared = Cell::new(0usize);
    let strategy = (histories(), settings(), picks());
    check(96, file!(), &strategy, |(histories, config, picks)| {
        let config = config.replace("\"off\"", "\"enforce\"");
        let cluster = empty(&config);
        let options = &cluster.config.tenancy;
        let mut index = cluster.empty_index();
        let mut now: BTreeMap<(Kind, ObjectKey), Object> = BTreeMap::new();
        let mut left: Vec<_> = histories.iter().map(|(k, v)| (k, v.as_slice())).collect();
        let mut picks = picks.iter().cycle();
        while !left.is_empty() {
            let (pick, look) = picks.next().unwrap();
            let at = pick.index(left.len());
            let (key, versions) = left[at];
            index.apply(event(key, &versions[0]));
            match &versions[0] {
                Some(object) => now.insert(key.clone(), object.clone()),
                None => now.remove(key),
            };
            if versions.len() > 1 {
                left[at].1 = &versions[1..];
            } else {
                left.swap_remove(at);
            }
            if *look || left.is_empty() {
                let objects: Vec<Object> = now.values().cloned().collect();
                let rows = rows_equal_decisions(&index.snapshot(7), options, &objects)?;
                compared.set(compared.get() + rows);
            }
        }
        Ok(())
    });
    assert!(compared.get() >= 20_000, "only {compared:?} bits compared");
}

#[test]
fn namespaces_whose_sources_disagree_belong_to_no_tenant() {
    let cluster = empty(&format!("[tenancy]\nmode = \"enforce\"\n{TENANCY}"));
    let (objects, _) = tenantdns::manifests::parse_str(
        "{apiVersion: v1, kind: Namespace, metadata: {name: x, labels: {tenant: a, owner: b, \
         tenantdns.io/visibility: shared, tenantdns.io/role: platform}}}",
    );
    let [Object::Namespace(ns)] = objects.as_slice() else {
        panic!("{objects:?}");
    };
    let facts = cluster.config.tenancy.namespace_facts(ns);
    assert_eq!(facts.tenant, Tenant::Conflict);
    assert!(!facts.platform && !facts.shared, "{facts:?}");
}
