//! What events cost, in things looked at instead of time: the same in a small and a large cluster.

use tenantdns::index::{Event, Work};
use tenantdns::model::{Kind, Object};
use tenantdns::testing::{Cluster, sized};

const CONFIG: &str = "[tenancy]\nmode = \"enforce\"\n[kubernetes]\npods = \"verified\"\n";

/// Returns what each change costs in a cluster of this size.
fn costs(services: usize) -> Vec<(&'static str, Work)> {
    let own = "10.128.0.0".parse().unwrap();
    let cluster = Cluster::of(sized::cluster(services), CONFIG).own_addresses(&[own]);
    let mut index = cluster.index();
    index.snapshot(1);
    let changes = sized::changes(services).into_iter();
    changes
        .map(|change| {
            let before = index.work();
            index.apply(Event::Apply(change.object));
            index.snapshot(1);
            let after = index.work();
            let cost = Work {
                services: after.services - before.services,
                addresses: after.addresses - before.addresses,
                decisions: after.decisions - before.decisions,
            };
            (change.name, cost)
        })
        .collect()
}

/// What changes | services made anew | addresses whose owner was looked for, names under `pod`
/// counted too | decisions of who sees what: one for each class of clients, of which nodes and
/// unknown clients are two; one for each namespace where a class is new.
const COSTS: &str = "\
slice: one endpoint less | 1 | 0  | 0
slice: one endpoint more | 1 | 0  | 0
service: another address | 1 | 0  | 0
service: headless        | 1 | 0  | 0
pod: another address     | 0 | 4  | 0
pod: a new one           | 0 | 2  | 0
namespace: shared        | 0 | 0  | 3
node: not ready          | 0 | 25 | 0
node: ready              | 0 | 25 | 0";

#[test]
fn i9_work_per_event_is_that_of_what_it_touched() {
    let (small, large) = (costs(100), costs(10_000));
    for line in COSTS.lines() {
        let words: Vec<&str> = line.split('|').map(str::trim).collect();
        let [name, counts @ ..] = &words[..] else {
            panic!("{line}");
        };
        let [services, addresses, decisions] = counts else {
            panic!("{line}");
        };
        let expected = Work {
            services: services.parse().unwrap(),
            addresses: addresses.parse().unwrap(),
            decisions: decisions.parse().unwrap(),
        };
        for costs in [&small, &large] {
            let cost = costs.iter().find(|(change, _)| change == name).unwrap();
            assert_eq!(cost.1, expected, "{name}");
        }
    }
}

/// An export touches the service that it names, an import its namespace; a grant is weighed for every
/// class and namespace. None of them makes a service anew or looks for an address.
#[test]
fn objects_of_our_own_kinds_make_rows_anew_and_no_zone() {
    let cost = |services: usize, text: &str| {
        let config = CONFIG.replace("[kubernetes]", "exports = \"mutual\"\n[kubernetes]");
        let cluster = Cluster::of(sized::cluster(services), &config);
        let mut index = cluster.index();
        index.snapshot(1);
        let before = index.work();
        let (objects, _) = tenantdns::manifests::parse_str(text);
        assert_eq!(objects.len(), 1, "{text}");
        for object in objects {
            index.apply(Event::Apply(object));
        }
        index.snapshot(1);
        let after = index.work();
        assert_eq!(after.services, before.services, "{text}");
        assert_eq!(after.addresses, before.addresses, "{text}");
        after.decisions - before.decisions
    };
    let of = |kind: &str, meta: &str, spec: &str| {
        format!(
            "{{apiVersion: tenantdns.io/v1alpha1, kind: {kind}, metadata: {{{meta}}}, spec: {{{spec}}}}}"
        )
    };
    let home = {
        let service = |object: &Object| match object {
            Object::Service(service) => Some(service.key.clone()),
            _ => None,
        };
        sized::cluster(100).iter().find_map(service).unwrap()
    };
    let meta = format!("namespace: {}, name: e", home.namespace);
    let export = of(
        "DnsExport",
        &meta,
        &format!("services: [{}], to: [{{tenant: x}}]", home.name),
    );
    let import = of("DnsImport", &meta, "from: [{tenant: x}]");
    let grant = of(
        "DnsGrant",
        "name: g",
        r#"effect: Deny, from: [{tenants: [x]}], to: [{tenants: ["*"]}]"#,
    );
    let small = [&export, &import].map(|text| cost(100, text));
    let large = [&export, &import].map(|text| cost(10_000, text));
    // An import makes a class of its namespace, which is weighed with every other one.
    assert!(small[0] == large[0] && small[0] < 10, "{small:?} {large:?}");
    assert!(small[1] > 0 && cost(100, &grant) > 0);
}

#[test]
fn the_first_sync_looks_at_each_thing_once_a_batch() {
    let objects = sized::cluster(1_000);
    let count = |is: fn(&Object) -> bool| objects.iter().filter(|o| is(o)).count() as u64;
    let services = count(|o| o.kind() == Kind::Service);
    let namespaces = count(|o| o.kind() == Kind::Namespace);
    let mut index = Cluster::of(Vec::new(), CONFIG).empty_index();
    for batch in objects.chunks(500) {
        for object in batch {
            index.apply(Event::Apply(object.clone()));
        }
        index.snapshot(1);
    }
    let work = index.work();
    // Once for the Service and once for its slices, which come in the same or the next batch.
    assert!(work.services <= 3 * services, "{work:?}");
    // One class of pods, nodes and unknown clients, and each of the exceptions.
    assert!(work.decisions <= 4 * namespaces, "{work:?}");
}
