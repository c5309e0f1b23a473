//! Labels of Services that are left out until a grant selects by them: what is denied by them is denied
//! until they are known, and what is shown by them is not shown.

use tenantdns::index::{Event, Index, Trust, Version};
use tenantdns::model::{Kind, Object};
use tenantdns::tenancy::Client;
use tenantdns::testing::{Cluster, objects};

const CONFIG: &str = "[tenancy]\ntenant_from = [{ label = \"team\" }]\n";

fn services() -> [Object; 2] {
    [("inner", &[("tier", "inner")][..]), ("web", &[])].map(|(name, labels)| {
        let mut service = objects::service("b", name, &[]);
        if let Object::Service(service) = &mut service {
            service.labels = labels.iter().copied().collect();
        }
        service
    })
}

/// Services as the API lists them, the same at every turn.
fn list(index: &mut Index, end: bool) {
    index.apply(Event::Listing(Kind::Service, Trust::Newer));
    for (service, version) in services().into_iter().zip([5, 6]) {
        index.apply(Event::ApplyAt(service, Version(version)));
    }
    if end {
        index.apply(Event::Synced(Kind::Service));
    }
}

/// An index without labels of Services that knows `a`, and `b` of a tenant of its own or of the same.
fn index(team: &str) -> Index {
    let cluster = Cluster::of(Vec::new(), CONFIG);
    let mut index = cluster.empty_index().with_labels_on_demand();
    for (name, team) in [("a", "x"), ("b", team)] {
        let namespace = objects::labeled_namespace(name, &[("team", team)]);
        index.apply(Event::Apply(namespace));
    }
    list(&mut index, true);
    let others = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Service);
    others.for_each(|kind| index.apply(Event::Synced(kind)));
    index
}

fn grant(effect: &str) -> Object {
    let (mut objects, _) = tenantdns::manifests::parse_str(&format!(
        "{{apiVersion: tenantdns.io/v1alpha1, kind: DnsGrant, metadata: {{name: g}}, spec: \
         {{effect: {effect}, from: [{{tenants: [x]}}], to: [{{namespaces: [b], \
         serviceSelector: {{matchLabels: {{tier: inner}}}}}}]}}}}"
    ));
    objects.pop().unwrap()
}

/// Which of the services the pods of `a` see.
fn seen(index: &mut Index) -> Vec<&'static str> {
    let snapshot = index.snapshot(1);
    let [a, b] = ["a", "b"].map(|name| index.namespace_id(name).unwrap());
    let sees = |name: &&str| {
        let service = index.service_id(b, name);
        snapshot.policy.decide(Client::Pod(a), b, service).visible
    };
    ["inner", "web"].into_iter().filter(sees).collect()
}

#[test]
fn what_is_denied_by_labels_that_are_not_known_is_denied() {
    let mut index = index("x");
    assert!(!index.kept().service_labels);
    assert_eq!(seen(&mut index), ["inner", "web"]);
    assert!(index.take_lists().is_empty());
    // A list is under way already, and has named what it has without labels.
    list(&mut index, false);
    index.apply(Event::Apply(grant("Deny")));
    assert_eq!(index.take_lists(), [Kind::Service]);
    assert!(seen(&mut index).is_empty());
    index.apply(Event::Synced(Kind::Service));
    assert!(seen(&mut index).is_empty());
    // No copy of such a state is worth anything.
    index.begin_copy();
    assert_eq!(index.copy(100), None);
    list(&mut index, false);
    assert!(seen(&mut index).is_empty());
    index.apply(Event::Synced(Kind::Service));
    assert_eq!(seen(&mut index), ["web"]);
    assert!(index.take_lists().is_empty() && index.kept().service_labels);
    index.begin_copy();
    assert!(index.copy(100).is_some());
}

#[test]
fn what_is_shown_by_labels_that_are_not_known_is_not_shown() {
    let mut index = index("y");
    index.apply(Event::Apply(grant("Allow")));
    assert!(seen(&mut index).is_empty());
    list(&mut index, true);
    assert_eq!(seen(&mut index), ["inner"]);
}

#[test]
fn a_copy_under_way_ends_where_labels_are_wanted() {
    let mut index = index("x");
    index.begin_copy();
    assert!(index.copy(1).is_some());
    index.apply(Event::Apply(grant("Deny")));
    assert_eq!(index.copy(1), None);
}
