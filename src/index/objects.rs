//! The objects as last seen, with the tables that lead from an address or a service to them.

use crate::model::{EndpointSlice, Namespace, Node, ObjectKey, Pod, Service, ServiceImport};
use crate::tenancy::{NsId, ServiceId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

/// Every object that the index holds.
#[derive(Default)]
pub struct Objects {
    /// Namespaces by name.
    pub namespaces: BTreeMap<Box<str>, Namespace>,
    /// Services.
    pub services: BTreeMap<ObjectKey, Service>,
    /// ServiceImports.
    pub imports: BTreeMap<ObjectKey, ServiceImport>,
    /// EndpointSlices.
    pub slices: BTreeMap<ObjectKey, EndpointSlice>,
    /// Pods.
    pub pods: BTreeMap<ObjectKey, PodRow>,
    /// Nodes by name.
    pub nodes: BTreeMap<Box<str>, Node>,

    /// Slices of a Service, and of a ServiceImport.
    pub(super) slices_of: HashMap<(ServiceId, bool), BTreeSet<ObjectKey>>,
    /// Services by cluster address.
    pub(super) cluster_addresses: HashMap<IpAddr, BTreeSet<ObjectKey>>,
    /// Slices of Services by endpoint address.
    pub(super) endpoint_addresses: HashMap<IpAddr, BTreeSet<ObjectKey>>,
    /// Pods by each of their addresses.
    pub(super) pod_addresses: HashMap<IpAddr, BTreeSet<ObjectKey>>,
    /// Pods by node.
    pub(super) pods_on: HashMap<Box<str>, BTreeSet<ObjectKey>>,
    /// Nodes by own and by derived address.
    pub(super) node_addresses: HashMap<IpAddr, BTreeSet<(Box<str>, bool)>>,
}

/// A Pod, and what the index knows beside its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodRow {
    /// The object.
    pub pod: Pod,
    /// Its namespace's number.
    pub ns: NsId,
    /// Its node has started again since the object was written: its addresses may be another's.
    pub stale: bool,
}

impl PodRow {
    /// Returns whether the pod has the addresses that its status names, as a function of state
    /// alone.
    pub fn owns_addresses(&self) -> bool {
        use crate::model::Phase;
        let alive = match self.pod.phase {
            Phase::Pending | Phase::Running | Phase::Unknown => true,
            Phase::Succeeded | Phase::Failed => false,
        };
        let ended = self.pod.terminating && self.pod.containers_ended;
        alive && !ended && !self.pod.sandbox_gone && !self.stale
    }
}

/// Adds `value` to or removes it from the set of `key`; empty sets are given back.
pub(super) fn relate<K: std::hash::Hash + Eq, V: Ord>(
    table: &mut HashMap<K, BTreeSet<V>>,
    key: K,
    value: V,
    add: bool,
) {
    if add {
        table.entry(key).or_default().insert(value);
    } else if let Some(set) = table.get_mut(&key) {
        set.remove(&value);
        if set.is_empty() {
            table.remove(&key);
        }
    }
}
