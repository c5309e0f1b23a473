//! Who is a forwarder: addresses that are configured, and the pods behind a configured Service.

use crate::stub::{A, FRONT, ip, naming};
use std::net::IpAddr;
use tenantdns::index::{Event, Index};
use tenantdns::model::{Kind, Object, ObjectKey};
use tenantdns::snapshot::{Identities, Snapshot};
use tenantdns::testing::{Cluster, dump, objects};

const CONFIG: &str = "[tenancy]\n[[tenancy.forwarder]]\n\
                      peers = { cidrs = [\"192.0.2.0/28\"], services = [\"kube-system/kube-dns\"] }\n";
const OTHER: &str = "127.9.0.2";
const NODE: &str = "127.9.0.3";

fn slice(addresses: &[&str]) -> Object {
    let addresses: Vec<IpAddr> = addresses.iter().map(|a| ip(a)).collect();
    objects::slice("kube-system", "kube-dns", addresses)
}

fn base() -> Vec<Object> {
    vec![
        objects::namespace("kube-system"),
        objects::namespace("b"),
        objects::service("kube-system", "kube-dns", &[ip("10.96.0.10")]),
        slice(&[FRONT]),
        objects::pod("kube-system", "dns", ip(FRONT)),
    ]
}

/// Returns the addresses among those of interest that are forwarders.
fn forwarders(snapshot: &Snapshot) -> Vec<&'static str> {
    let all = [A, FRONT, OTHER, NODE, "192.0.2.1", "192.0.2.16"];
    all.into_iter()
        .filter(|address| snapshot.forwarder(ip(address)).is_some())
        .collect()
}

fn of(objects: Vec<Object>) -> Vec<&'static str> {
    forwarders(&Cluster::of(objects, CONFIG).snapshot())
}

fn with(more: impl IntoIterator<Item = Object>) -> Vec<Object> {
    base().into_iter().chain(more).collect()
}

#[test]
fn a_service_has_the_ready_endpoints_that_are_its_own_pods() {
    assert_eq!(of(base()), [FRONT, "192.0.2.1"]);
    for (fact, objects, expected) in [
        (
            "an address of another namespace's pod",
            with([slice(&[FRONT, OTHER]), objects::pod("b", "p", ip(OTHER))]),
            vec![FRONT, "192.0.2.1"],
        ),
        (
            "an address of nobody",
            with([slice(&[FRONT, OTHER])]),
            vec![FRONT, "192.0.2.1"],
        ),
        (
            "an address that another namespace's pod has too",
            with([objects::pod("b", "p", ip(FRONT))]),
            vec!["192.0.2.1"],
        ),
        (
            "a node's",
            with([slice(&[FRONT, NODE]), objects::node("n", ip(NODE), true)]),
            vec![FRONT, "192.0.2.1"],
        ),
        (
            // Alone on its node, it is who has the address (Fargate).
            "a node's that is a pod's as well",
            with([
                objects::pod_on("kube-system", "dns", ip(FRONT), "n"),
                objects::node("n", ip(FRONT), true),
            ]),
            vec!["192.0.2.1"],
        ),
        (
            "another pod of the namespace",
            with([objects::pod("kube-system", "other", ip(OTHER))]),
            vec![FRONT, "192.0.2.1"],
        ),
        (
            "a slice of another namespace's service of that name",
            with([
                objects::service("b", "kube-dns", &[ip("10.96.0.11")]),
                objects::slice("b", "kube-dns", [ip(OTHER)]),
                objects::pod("b", "p", ip(OTHER)),
            ]),
            vec![FRONT, "192.0.2.1"],
        ),
    ] {
        assert_eq!(of(objects), expected, "{fact}");
    }
    let without = |kind: Kind| {
        let objects = base().into_iter().filter(|o| o.kind() != kind);
        of(objects.collect())
    };
    for kind in [Kind::Service, Kind::EndpointSlice, Kind::Pod] {
        assert_eq!(without(kind), ["192.0.2.1"], "without {kind:?}");
    }
}

#[test]
fn an_endpoint_that_is_not_ready_is_no_forwarder() {
    let manifests = format!(
        "{{apiVersion: v1, kind: Service, metadata: {{namespace: kube-system, name: kube-dns}}, \
         spec: {{clusterIP: 10.96.0.10}}}}\n---\n\
         {{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, \
         metadata: {{namespace: kube-system, name: s, labels: \
         {{kubernetes.io/service-name: kube-dns}}}}, \
         ports: [{{name: metrics, protocol: TCP, port: 9153}}, \
         {{name: other, protocol: UDP, port: 1}}, {{name: dns, protocol: UDP, port: 5353}}], \
         endpoints: [{{addresses: [{FRONT}], conditions: {{ready: false}}}}, \
         {{addresses: [{OTHER}], conditions: {{ready: true}}}}]}}\n---\n\
         {{apiVersion: v1, kind: Pod, metadata: {{namespace: kube-system, name: p}}, \
         status: {{phase: Running, podIPs: [{{ip: {FRONT}}}]}}}}\n---\n\
         {{apiVersion: v1, kind: Pod, metadata: {{namespace: kube-system, name: q}}, \
         status: {{phase: Running, podIPs: [{{ip: {OTHER}}}]}}}}\n"
    );
    let snapshot = Cluster::new(&manifests, CONFIG).snapshot();
    assert_eq!(forwarders(&snapshot), [OTHER, "192.0.2.1"]);
    let fronts: Vec<String> = snapshot
        .forwarders
        .fronts()
        .map(|f| f.to_string())
        .collect();
    assert_eq!(fronts, [format!("{OTHER}:5353")], "at the port named dns");
}

fn changes() -> Vec<(&'static str, Event, Vec<&'static str>)> {
    let apply = Event::Apply;
    let key = |namespace: &str, name: &str| ObjectKey::new(namespace, name);
    vec![
        (
            "the pod goes",
            Event::Delete(Kind::Pod, key("kube-system", "dns")),
            vec![],
        ),
        (
            "another tenant gets the address",
            apply(objects::pod("b", "p", ip(FRONT))),
            vec![],
        ),
        (
            "and gives it back",
            Event::Delete(Kind::Pod, key("b", "p")),
            vec![],
        ),
        (
            "the pod comes back",
            apply(objects::pod("kube-system", "dns", ip(FRONT))),
            vec![FRONT],
        ),
        (
            "a second endpoint",
            apply(slice(&[FRONT, OTHER])),
            vec![FRONT],
        ),
        (
            "its pod",
            apply(objects::pod("kube-system", "dns2", ip(OTHER))),
            vec![FRONT, OTHER],
        ),
        (
            "a node takes its address",
            apply(objects::node("n", ip(OTHER), true)),
            vec![FRONT],
        ),
        (
            "the node goes",
            Event::Delete(Kind::Node, key("", "n")),
            vec![FRONT, OTHER],
        ),
        (
            "the service goes",
            Event::Delete(Kind::Service, key("kube-system", "kube-dns")),
            vec![],
        ),
        (
            "and comes back",
            apply(objects::service("kube-system", "kube-dns", &[])),
            vec![FRONT, OTHER],
        ),
        (
            "the first endpoint goes",
            apply(slice(&[OTHER])),
            vec![OTHER],
        ),
        (
            "the slice goes",
            Event::Delete(Kind::EndpointSlice, key("kube-system", "kube-dns")),
            vec![],
        ),
    ]
}

#[test]
fn forwarders_follow_each_change() {
    let mut index: Index = Cluster::of(base(), CONFIG).index();
    let by_service = |snapshot: &Snapshot| {
        let mut found = forwarders(snapshot);
        assert_eq!(found.pop(), Some("192.0.2.1"));
        found
    };
    assert_eq!(by_service(&index.snapshot(0)), [FRONT]);
    for (fact, event, expected) in changes() {
        index.apply(event);
        assert_eq!(by_service(&index.snapshot(0)), expected, "{fact}");
    }
}

#[test]
fn forwarders_are_a_function_of_the_objects_alone() {
    let objects = with([
        slice(&[FRONT, OTHER, NODE]),
        objects::pod("b", "p", ip(OTHER)),
        objects::node("n", ip(NODE), true),
    ]);
    let cluster = Cluster::of(objects.clone(), CONFIG);
    let expected = dump(&cluster.snapshot());
    assert!(expected.iter().any(|line| line.starts_with("forwarder ")));
    for start in 0..objects.len() {
        for step in [1, 3, 5] {
            let mut index = cluster.empty_index();
            let order = (0..objects.len()).map(|at| (start + at * step) % objects.len());
            // The base's slice first, so that the one that replaces it is the last word.
            let mut order: Vec<usize> = order.collect();
            order.sort_by_key(|at| *at == 5);
            for at in order {
                index.apply(Event::Apply(objects[at].clone()));
                index.snapshot(cluster.serial);
            }
            Kind::ALL
                .into_iter()
                .for_each(|kind| index.apply(Event::Synced(kind)));
            assert_eq!(
                dump(&index.snapshot(cluster.serial)),
                expected,
                "{start}, {step}"
            );
        }
    }
}

#[test]
fn when_addresses_are_too_old_forwarders_by_service_are_none() {
    let mut snapshot = Cluster::of(base(), CONFIG).snapshot();
    snapshot.identities = Identities::Expired;
    assert_eq!(forwarders(&snapshot), ["192.0.2.1"]);
    let bytes = naming("web.b.svc.cluster.local", &[(65_001, &[127, 1, 0, 1])]);
    for from in [FRONT, "192.0.2.1"] {
        let transport = tenantdns::answer::Transport::Udp;
        let reply = tenantdns::testing::ask(&snapshot, ip(from), transport, &bytes).unwrap();
        assert_eq!(reply[3] & 0xf, 5, "{from}: REFUSED");
    }
}

#[test]
fn a_change_elsewhere_costs_forwarders_nothing() {
    let work = |config: &str| {
        let mut index = Cluster::of(base(), config).index();
        index.snapshot(0);
        let before = index.work().addresses;
        index.apply(Event::Apply(objects::pod("b", "p", ip("127.5.0.1"))));
        index.apply(Event::Apply(objects::service("b", "web", &[])));
        index.snapshot(0);
        index.work().addresses - before
    };
    assert_eq!(work(CONFIG), work(""));
}
