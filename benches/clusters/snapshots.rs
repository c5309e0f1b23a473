//! Snapshots of clusters, each made once for all that a program measures.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock};
use tenantdns::snapshot::Snapshot;
use tenantdns::testing::Cluster;

/// Returns the snapshot of the cluster with this many services, which `cluster` makes: the same function
/// for all of a program.
pub(crate) fn snapshot(services: usize, cluster: fn(usize) -> Cluster) -> &'static Snapshot {
    static MADE: OnceLock<Mutex<BTreeMap<usize, &'static Snapshot>>> = OnceLock::new();
    let made = MADE.get_or_init(Mutex::default);
    made.lock()
        .unwrap()
        .entry(services)
        .or_insert_with(|| Box::leak(Box::new(cluster(services).snapshot())))
}
