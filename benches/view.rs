//! Who an address is and what that client sees, over clusters of three sizes, tenancy enforced: what comes
//! before a name is looked up, and of the look-up what the view decides. Not records and answers, which are
//! respond.rs's. See benches/README.md.
#![allow(clippy::unwrap_used, reason = "a benchmark ends where it is wrong")]

#[path = "clusters/sizes.rs"]
mod sizes;
#[path = "clusters/snapshots.rs"]
mod snapshots;

use divan::{Bencher, black_box};
use sizes::{SERVICES, enforcing};
use snapshots::snapshot;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use tenantdns::model::{Object, ObjectKey};
use tenantdns::tenancy::{Client, ServiceId, View};
use tenantdns::testing::{Cluster, sized};

/// Clients or names that take turns.
const TURNS: usize = 1_024;
/// From each to the next in the order of the cluster, so that neighbors don't help each other.
const STRIDE: usize = 7_919;
/// Where every client asks from.
const PORT: u16 = 40_000;

fn main() {
    divan::main();
}

fn cluster(services: usize) -> Cluster {
    enforcing(sized::cluster(services))
}

/// Returns those of `all` that take turns.
fn turns<T: Clone>(all: &[T]) -> Vec<T> {
    let turns = (0..TURNS).map(|n| all[n * STRIDE % all.len()].clone());
    turns.collect()
}

// === who an address is ===

fn identify(
    bencher: Bencher<'_, '_>,
    services: usize,
    addresses: fn(&Object) -> Option<IpAddr>,
    is: fn(Client) -> bool,
) {
    let snapshot = snapshot(services, cluster);
    let all: Vec<IpAddr> = sized::cluster(services)
        .iter()
        .filter_map(addresses)
        .collect();
    let sources: Vec<SocketAddr> = turns(&all)
        .into_iter()
        .map(|address| SocketAddr::new(address, PORT))
        .collect();
    for source in &sources {
        let client = snapshot.view_from(source).client();
        assert!(is(client), "{source}: {client:?}");
    }
    let mut sources = sources.iter().cycle();
    bencher
        .with_inputs(|| *sources.next().unwrap())
        .bench_local_values(|source| black_box(snapshot).view_from(&source));
}

fn pod(object: &Object) -> Option<IpAddr> {
    match object {
        Object::Pod(pod) => pod.pod_ip,
        _ => None,
    }
}

fn node(object: &Object) -> Option<IpAddr> {
    match object {
        Object::Node(node) => node.addresses.first().copied(),
        _ => None,
    }
}

/// Beside a pod's address one that nobody has.
fn nobody(object: &Object) -> Option<IpAddr> {
    match pod(object)? {
        IpAddr::V4(v4) => Some(IpAddr::from((v4.to_bits() ^ 1 << 20).to_be_bytes())),
        IpAddr::V6(_) => None,
    }
}

#[divan::bench(args = SERVICES)]
fn view_of_a_pod(bencher: Bencher<'_, '_>, services: usize) {
    identify(bencher, services, pod, |is| matches!(is, Client::Pod(_)));
}

#[divan::bench(args = SERVICES)]
fn view_of_a_node(bencher: Bencher<'_, '_>, services: usize) {
    identify(bencher, services, node, |is| is == Client::Node);
}

#[divan::bench(args = SERVICES)]
fn view_of_nobody_known(bencher: Bencher<'_, '_>, services: usize) {
    identify(bencher, services, nobody, |is| is == Client::Unknown);
}

// === what it sees ===

/// A service's name and who looks for it.
type Look = (View<'static>, ObjectKey);

fn find((view, name): &Look) -> ServiceId {
    let namespace = view.namespace(name.namespace.as_bytes());
    view.service(namespace, name.name.as_bytes())
}

/// Returns each service with a pod of the namespace of the one that stands `away` places from it. Its own
/// namespace starts with `team` if it is to be the one that there is.
fn looks(services: usize, away: usize, team: &str) -> Vec<Look> {
    let snapshot = snapshot(services, cluster);
    let (mut names, mut pods) = (Vec::new(), BTreeMap::new());
    for object in sized::cluster(services) {
        match object {
            Object::Service(service) => names.push(service.key),
            Object::Pod(pod) => pods.extend(pod.pod_ip.map(|ip| (pod.key.namespace, ip))),
            _ => {}
        }
    }
    let look = |(at, name): (usize, &ObjectKey)| {
        let other = &names[(at + away) % names.len()];
        let address = pods[&other.namespace];
        let view = snapshot.view_from(&SocketAddr::new(address, PORT));
        // Made alike for all, so that names lie alike in memory.
        let namespace = name.namespace.replace("team", team);
        (view, ObjectKey::new(namespace, name.name.clone()))
    };
    names.iter().enumerate().map(look).collect()
}

fn look_up(bencher: Bencher<'_, '_>, looks: &[Look], is_seen: bool) {
    for look in looks {
        assert_eq!(find(look) != ServiceId::NONE, is_seen, "{:?}", look.1);
    }
    let looks = turns(looks);
    let mut next = looks.iter().cycle();
    bencher
        .with_inputs(|| next.next().unwrap())
        .bench_local_values(find);
}

#[divan::bench(args = SERVICES)]
fn service_seen(bencher: Bencher<'_, '_>, services: usize) {
    look_up(bencher, &looks(services, 0, "team"), true);
}

#[divan::bench(args = SERVICES)]
fn service_hidden(bencher: Bencher<'_, '_>, services: usize) {
    look_up(bencher, &looks(services, services / 2, "team"), false);
}

/// The names of `service_hidden`, in namespaces that nobody has and that are written as long.
#[divan::bench(args = SERVICES)]
fn service_absent(bencher: Bencher<'_, '_>, services: usize) {
    look_up(bencher, &looks(services, services / 2, "many"), false);
}
