//! Events: their order across objects leaves no trace, and neither does the way to a state.

use crate::random::{EXCEPTIONS, OWN, TENANCY, check, cluster, object, objects};
use proptest::prelude::*;
use proptest::sample::{Index as Pick, select};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use tenantdns::index::{Event, Index};
use tenantdns::model::{
    DnsExport, Kind, Labels, Namespace, Object, ObjectKey, ServiceKind, SliceOwner,
};
use tenantdns::snapshot::Snapshot;
use tenantdns::tenancy::{
    self, Asker, Client, ExternalFacts, From, Kin, Mode, NamespaceFacts, NsId, Offer, Rule,
    RuleSet, ServiceFacts, ServiceId, ServiceTraits, Sight, Target, Tenant, decide, rules_of,
};
use tenantdns::testing::{Cluster, dump};

fn settings() -> impl Strategy<Value = String> {
    (
        select(vec!["enforce", "off", "audit"]),
        select(vec!["isolated", "open", "platform"]),
        select(vec!["shared", "unknown", "platform", "deny"]),
        select(vec!["isolate", "first"]),
        select(vec!["disabled", "verified"]),
        select(vec!["off", "named", "named", "mutual"]),
        select(&EXCEPTIONS),
    )
        .prop_map(
            |(mode, untenanted, node, conflict, pods, exports, exceptions)| {
                format!(
                    "[tenancy]\nmode = {mode:?}\nuntenanted = {untenanted:?}\nnode = {node:?}\n\
                 conflict = {conflict:?}\nexports = {exports:?}\nsoa_serial = \"static\"\n\
                 audit = {{ namespaces = [\"a2\"] }}\n{TENANCY}{exceptions}[kubernetes]\n\
                 pods = {pods:?}\nzones = [\"cluster.local\", \"clusterset.local\", \
                 \"in-addr.arpa\", \"ip6.arpa\"]\nmulticluster = [\"clusterset.local\"]\n"
                )
            },
        )
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
            (index.snapshot(7), index.policy_statuses())
        };
        let ((a, fare), (b, other)) = (snapshot(&one), snapshot(&other));
        prop_assert_eq!(fare, other);
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
            let mut again = empty(&config).empty_index();
            for object in &next {
                again.apply(Event::Apply(object.clone()));
            }
            let relisted = difference(&index.snapshot(7), &fresh(&config, next));
            again.snapshot(7);
            prop_assert_eq!(index.policy_statuses(), again.policy_statuses());
            prop_assert!(relisted.is_none(), "re-list: {}", relisted.unwrap());
            Ok(())
        },
    );
    assert!(vanished.get() >= 100, "only {vanished:?} objects vanished");
}

// === policy ===

/// The namespaces among some objects.
struct Namespaces<'o>(&'o [Object]);

impl Kin for Namespaces<'_> {
    fn namespace(&self, name: &str) -> Option<&Namespace> {
        self.0.iter().find_map(|object| match object {
            Object::Namespace(namespace) if *namespace.name == *name => Some(namespace),
            _ => None,
        })
    }

    fn has_children(&self, label: &str, name: &str) -> bool {
        self.0.iter().any(|object| match object {
            Object::Namespace(namespace) => namespace.labels.get(label) == Some(name),
            _ => false,
        })
    }
}

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
    let imported = objects.iter().find_map(|object| match object {
        Object::ServiceImport(import) if import.key == key => Some(&import.labels),
        _ => None,
    });
    let nothing = Labels::new();
    let exports = objects.iter().filter_map(|object| match object {
        Object::DnsExport(export) => Some(export),
        _ => None,
    });
    let of_it = |export: &&DnsExport| {
        export.meta.key.namespace == key.namespace && export.services.iter().any(|s| **s == *name)
    };
    let offers: Vec<Offer> = match &service {
        Some(_) => exports.filter(of_it).map(Offer::of).collect(),
        None => Vec::new(),
    };
    let facts = |labels, annotations, dns| {
        let traits = ServiceTraits {
            name,
            labels,
            labels_known: true,
            annotations,
            offers: &offers,
            dns,
        };
        options.service_facts(namespace, traits)
    };
    let Some(service) = service else {
        return imported.map_or_else(ServiceFacts::default, |labels| {
            facts(labels, &nothing, false)
        });
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
    facts(&service.labels, &service.annotations, dns)
}

/// Whether the policy is applied to a client and a namespace.
fn is_enforced(mode: Mode, asker: Asker<'_>, target: &NamespaceFacts) -> bool {
    let own = match asker {
        Asker::Pod(own) => Some(own),
        _ => None,
    };
    let listed = own.is_some_and(|own| own.audited);
    match mode {
        Mode::Off => false,
        Mode::Audit => !listed && (target.enforce || own.is_some_and(|own| own.enforce)),
        Mode::Enforce => !listed,
    }
}

/// Compares each bit of the rows with the decision, and returns how many were compared.
fn rows_equal_decisions(
    snapshot: &Snapshot,
    options: &tenancy::Options,
    objects: &[Object],
) -> Result<usize, TestCaseError> {
    let kin = Namespaces(objects);
    let facts: BTreeMap<Box<str>, NamespaceFacts> = objects
        .iter()
        .filter_map(|object| match object {
            Object::Namespace(ns) => {
                let imports = objects.iter().filter_map(|object| match object {
                    Object::DnsImport(import) if import.meta.key.namespace == ns.name => {
                        Some(import)
                    }
                    _ => None,
                });
                Some((ns.name.clone(), options.namespace_facts(ns, &kin, imports)))
            }
            _ => None,
        })
        .collect();
    let text = |label: &[u8]| Box::<str>::from(std::str::from_utf8(label).unwrap());
    let numbers: Vec<(NsId, &NamespaceFacts)> = (0..64)
        .map(NsId)
        .filter_map(|id| Some((id, facts.get(&text(snapshot.directory.namespace(id)?))?)))
        .collect();
    prop_assert_eq!(numbers.len(), facts.len());
    let services: Vec<(ServiceId, NsId, ServiceFacts)> = (0..256)
        .map(ServiceId)
        .filter_map(|id| {
            let (ns, label) = snapshot.directory.service(id)?;
            let namespace = numbers.iter().find(|(number, _)| *number == ns)?.1;
            Some((id, ns, exception(options, objects, namespace, &text(label))))
        })
        .collect();
    let pods = numbers
        .iter()
        .map(|(id, facts)| (Client::Pod(*id), Asker::Pod(facts)));
    let mut clients: Vec<(Client, Asker<'_>)> = pods.collect();
    clients.extend([
        (Client::Node, Asker::Node),
        (Client::Unknown, Asker::Unknown),
    ]);
    let policy = &snapshot.policy;
    let office = policy.external("203.0.113.1".parse::<IpAddr>().unwrap());
    let tenant = options.clients.first().map(|client| client.tenant.clone());
    let speaks = |rule: &Rule| {
        let From { tenants, cidrs, .. } = &rule.from;
        let named = tenant
            .as_ref()
            .is_some_and(|tenant| tenants.names.contains(tenant));
        tenants.all || named || !cidrs.is_empty()
    };
    let outside = office.map(|_| ExternalFacts {
        tenant: tenant.clone(),
        from: RuleSet::of(options.rules.list(), speaks),
    });
    clients.extend(
        office
            .zip(outside.as_ref())
            .map(|(range, facts)| (Client::External(range), Asker::External(facts))),
    );
    let mut compared = 0;
    for (client, asker) in clients {
        for &(id, namespace) in &numbers {
            let judged = |service| decide(options, asker, Target { namespace, service });
            let ordinary = ServiceFacts::default();
            let open = !is_enforced(options.mode, asker, namespace);
            for (row, shown) in [
                (policy.row(client), true),
                (policy.judged_row(client), false),
            ] {
                let whole = (shown && open) || judged(&ordinary).visible;
                let mut differs = false;
                for (service, _, exception) in services.iter().filter(|(_, ns, _)| *ns == id) {
                    let single = judged(exception);
                    let visible = (shown && open) || single.visible;
                    compared += 1;
                    differs |= visible != whole && client != Client::Pod(id);
                    prop_assert_eq!(
                        row.permits(id, *service),
                        visible,
                        "{:?} and {:?} of {}: {:?}",
                        client,
                        exception,
                        namespace.name,
                        single.step
                    );
                    prop_assert_eq!(policy.judge(client, id, Some(*service)), single);
                    let decided = policy.decide(client, id, Some(*service));
                    prop_assert_eq!(decided.visible, open || single.visible);
                }
                compared += 1;
                let sight = match (whole, differs) {
                    (true, false) => Sight::Whole,
                    (true, true) => Sight::Most,
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
            }
            prop_assert_eq!(policy.judge(client, id, None), judged(&ordinary));
        }
    }
    Ok(compared)
}

#[test]
fn compiled_rows_equal_the_decision_for_every_client_and_service() {
    let compared = Cell::new(0usize);
    let strategy = (histories(), settings(), picks());
    check(96, file!(), &strategy, |(histories, config, picks)| {
        let config = config.replace("mode = \"off\"", "mode = \"enforce\"");
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
                // By kind and key, as the index has them.
                let grants = objects.iter().filter_map(|object| match object {
                    Object::DnsGrant(grant) => Some(grant),
                    _ => None,
                });
                let options = tenancy::Options {
                    rules: options.rules.with_grants(grants.flat_map(rules_of)),
                    ..options.clone()
                };
                let rows = rows_equal_decisions(&index.snapshot(7), &options, &objects)?;
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
    let facts = cluster
        .config
        .tenancy
        .namespace_facts(ns, &Namespaces(&objects), []);
    assert_eq!(facts.tenant, Tenant::Conflict);
    assert!(!facts.platform && !facts.shared, "{facts:?}");
}
