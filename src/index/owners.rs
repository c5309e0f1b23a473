//! Whose an address is: one function of the pods and nodes that have it (design section 8,
//! "Identity"). Where two could be meant, neither is.

use super::objects::{NodeId, Objects, PodRow};
use crate::tenancy::{NsId, Owner};
use std::net::IpAddr;

impl Objects {
    /// Returns whose an address is now.
    pub fn owner(&self, address: IpAddr) -> Option<Owner> {
        let rows = self.pods.with_address(address);
        let (on_host, mut pods): (Vec<&PodRow>, Vec<&PodRow>) = rows
            .filter(|row| row.owns_addresses())
            .partition(|row| row.host_network());
        let nodes: Vec<(NodeId, bool)> = self.nodes.with_address(address).collect();
        if pods.is_empty() {
            let node = !on_host.is_empty() || !nodes.is_empty();
            return node.then_some(Owner::Node);
        }
        let own_nodes: Vec<NodeId> = nodes.iter().filter(|n| !n.1).map(|n| n.0).collect();
        if !own_nodes.is_empty() || !on_host.is_empty() {
            // A pod that is alone on its own node and shares its address (Fargate).
            return match (pods.as_slice(), own_nodes.as_slice()) {
                ([row], [node]) if row.node() == *node && !self.runs_on_host(*node) => {
                    Some(Owner::Pod(row.ns()))
                }
                _ => Some(Owner::Conflict),
            };
        }
        prefer(&mut pods, |row| {
            self.nodes.get(row.node()).is_some_and(|node| node.ready)
        });
        prefer(&mut pods, |row| !row.terminating());
        match pods.split_first() {
            Some((first, rest)) if rest.iter().all(|row| row.ns() == first.ns()) => {
                Some(Owner::Pod(first.ns()))
            }
            _ => Some(Owner::Conflict),
        }
    }

    /// Returns the name of the pod of a namespace that has an address of its own; `None` where no pod
    /// has it, or several have.
    pub fn pod_with_address(&self, ns: NsId, address: IpAddr) -> Option<&str> {
        let rows = self.pods.with_address(address.to_canonical());
        let mut own =
            rows.filter(|row| row.ns() == ns && row.owns_addresses() && !row.host_network());
        let only = own.next()?;
        own.next().is_none().then(|| self.pods.name(only))
    }

    /// Returns the namespaces of the pods that have an address of their own, each once.
    pub(super) fn claimants(&self, address: IpAddr) -> Vec<NsId> {
        let rows = self.pods.with_address(address);
        let own = rows.filter(|row| row.owns_addresses() && !row.host_network());
        let mut namespaces: Vec<NsId> = own.map(PodRow::ns).collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        namespaces
    }

    /// Returns whether a pod on this node's network exists.
    fn runs_on_host(&self, node: NodeId) -> bool {
        let mut pods = self.pods.on_node(node);
        pods.any(|row| row.host_network() && row.owns_addresses())
    }
}

/// Keeps those for which `better` holds, if there are any.
fn prefer(rows: &mut Vec<&PodRow>, better: impl Fn(&PodRow) -> bool) {
    if rows.iter().any(|row| better(row)) {
        rows.retain(|row| better(row));
    }
}
