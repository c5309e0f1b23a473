//! Clusters of any size whose parts are all alike, and changes of one part: what a change costs in
//! a large one must be what it costs in a small one (invariant I9).

use super::objects;
use crate::model::Object;
use std::net::{IpAddr, Ipv4Addr};

/// Services of a namespace; every fifth one is headless.
const PER_NAMESPACE: usize = 10;
/// Pods of a service: its endpoints, in two slices.
const ENDPOINTS: usize = 6;
/// Pods of a node, which are those of two services.
const PER_NODE: usize = 12;

/// A change of one object.
pub struct Change {
    /// What changes.
    pub name: &'static str,
    /// The object as it is afterwards.
    pub object: Object,
}

/// Returns a cluster with this many services, in the order in which a source gives it.
pub fn cluster(services: usize) -> Vec<Object> {
    let mut all: Vec<Object> = (0..services / PER_NAMESPACE)
        .map(|n| objects::namespace(&namespace(n * PER_NAMESPACE)))
        .collect();
    all.extend((0..services * ENDPOINTS / PER_NODE).map(|n| node(n, true)));
    all.extend((0..services).map(service));
    all.extend((0..services).flat_map(|n| [0, 1].map(|half| slice(n, half, 0))));
    all.extend((0..services * ENDPOINTS).map(pod));
    all
}

/// Returns changes of the parts of one service in the middle of a cluster of this size, and of the
/// namespace and the node that it is on.
pub fn changes(services: usize) -> Vec<Change> {
    // Neither the first nor the last of a namespace, of a node or of a page of 64.
    let n = services / 2 + 7;
    let first_pod = n * ENDPOINTS;
    let change = |name, object| Change { name, object };
    vec![
        change("slice: one endpoint less", slice(n, 0, 1)),
        change("slice: one endpoint more", slice(n, 0, 0)),
        change(
            "service: another address",
            objects::service(&namespace(n), &name(n), &[address([10, 112, 0, 1], 0)]),
        ),
        change(
            "service: headless",
            objects::headless(&namespace(n), &name(n)),
        ),
        change(
            "pod: another address",
            objects::pod_on(
                &namespace(n),
                &pod_name(first_pod),
                address([10, 192, 0, 1], 0),
                &node_name(first_pod / PER_NODE),
            ),
        ),
        change(
            "pod: a new one",
            objects::pod_on(&namespace(n), "new", address([10, 192, 0, 2], 0), ""),
        ),
        change(
            "namespace: shared",
            objects::labeled_namespace(&namespace(n), &[("tenantdns.io/visibility", "shared")]),
        ),
        change(
            "namespace: of a tenant",
            objects::labeled_namespace(&namespace(n), &[("tenantdns.io/tenant", "a")]),
        ),
        change("node: not ready", node(first_pod / PER_NODE, false)),
        change("node: ready", node(first_pod / PER_NODE, true)),
    ]
}

/// Returns a slice of each of so many services, which stand evenly far apart and of which as many are headless
/// as of all, without so many of its endpoints.
pub fn slices(services: usize, count: usize, without: usize) -> Vec<Object> {
    let apart = services / count;
    let service = |n| n * apart + n % apart.min(PER_NAMESPACE);
    (0..count).map(|n| slice(service(n), 0, without)).collect()
}

fn address(base: [u8; 4], n: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(u32::from(Ipv4Addr::from(base)) + n as u32))
}

fn namespace(service: usize) -> String {
    format!("team-{:05}", service / PER_NAMESPACE)
}

fn name(service: usize) -> String {
    format!("service-{:02}", service % PER_NAMESPACE)
}

fn pod_name(n: usize) -> String {
    format!("pod-{n:06}")
}

fn node_name(n: usize) -> String {
    format!("node-{n:05}")
}

fn is_headless(service: usize) -> bool {
    service.is_multiple_of(5)
}

fn service(n: usize) -> Object {
    if is_headless(n) {
        objects::headless(&namespace(n), &name(n))
    } else {
        objects::service(&namespace(n), &name(n), &[address([10, 96, 0, 1], n)])
    }
}

/// One half of a service's endpoints, without so many of them.
fn slice(n: usize, half: usize, without: usize) -> Object {
    let size = ENDPOINTS / 2;
    let endpoints = (0..size - without).map(|e| {
        let pod = n * ENDPOINTS + half * size + e;
        let hostname = is_headless(n).then(|| pod_name(pod));
        (address([10, 128, 0, 0], pod), hostname)
    });
    let slice = format!("{}-{half}", name(n));
    objects::named_slice(&namespace(n), &name(n), &slice, endpoints)
}

fn pod(n: usize) -> Object {
    let node = node_name(n / PER_NODE);
    let namespace = namespace(n / ENDPOINTS);
    objects::pod_on(&namespace, &pod_name(n), address([10, 128, 0, 0], n), &node)
}

fn node(n: usize, ready: bool) -> Object {
    objects::node(&node_name(n), address([10, 64, 0, 1], n), ready)
}
