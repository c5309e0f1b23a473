//! Whose an address is: one function of the pods and nodes that have it (design section 8,
//! "Identity"). Where two could be meant, neither is.

use super::objects::{Objects, PodRow};
use crate::model::Node;
use crate::tenancy::{NsId, Owner};
use ipnet::IpNet;
use std::net::IpAddr;

impl Objects {
    /// Returns whose an address is now.
    pub fn owner(&self, address: IpAddr) -> Option<Owner> {
        let keys = self.pod_addresses.get(&address);
        let rows = keys
            .into_iter()
            .flatten()
            .filter_map(|key| self.pods.get(key));
        let (on_host, mut pods): (Vec<&PodRow>, Vec<&PodRow>) = rows
            .filter(|row| row.owns_addresses())
            .partition(|row| row.pod.host_network);
        let nodes = || self.node_addresses.get(&address).into_iter().flatten();
        let own_nodes: Vec<&str> = nodes().filter(|n| !n.1).map(|n| &*n.0).collect();
        if pods.is_empty() {
            let node = !on_host.is_empty() || nodes().next().is_some();
            return node.then_some(Owner::Node);
        }
        if !own_nodes.is_empty() || !on_host.is_empty() {
            // A pod that is alone on its own node and shares its address (Fargate).
            return match (pods.as_slice(), own_nodes.as_slice()) {
                ([row], [node]) if *row.pod.node == **node && !self.runs_on_host(node) => {
                    Some(Owner::Pod(row.ns))
                }
                _ => Some(Owner::Conflict),
            };
        }
        prefer(&mut pods, |row| {
            self.nodes.get(&row.pod.node).is_some_and(|node| node.ready)
        });
        prefer(&mut pods, |row| !row.pod.terminating);
        match pods.split_first() {
            Some((first, rest)) if rest.iter().all(|row| row.ns == first.ns) => {
                Some(Owner::Pod(first.ns))
            }
            _ => Some(Owner::Conflict),
        }
    }

    /// Returns the namespaces of the pods that have an address of their own, each once.
    pub(super) fn claimants(&self, address: IpAddr) -> Vec<NsId> {
        let keys = self.pod_addresses.get(&address).into_iter().flatten();
        let rows = keys.filter_map(|key| self.pods.get(key));
        let own = rows.filter(|row| row.owns_addresses() && !row.pod.host_network);
        let mut namespaces: Vec<NsId> = own.map(|row| row.ns).collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        namespaces
    }

    /// Returns whether a pod on this node's network exists.
    fn runs_on_host(&self, node: &str) -> bool {
        let keys = self.pods_on.get(node).into_iter().flatten();
        keys.filter_map(|key| self.pods.get(key))
            .any(|row| row.pod.host_network && row.owns_addresses())
    }
}

/// Keeps those for which `better` holds, if there are any.
fn prefer(rows: &mut Vec<&PodRow>, better: impl Fn(&PodRow) -> bool) {
    if rows.iter().any(|row| better(row)) {
        rows.retain(|row| better(row));
    }
}

/// Annotations with addresses of a node beside those of its status.
const ADDRESS_ANNOTATIONS: [&str; 6] = [
    "projectcalico.org/IPv4IPIPTunnelAddr",
    "projectcalico.org/IPv4VXLANTunnelAddr",
    "projectcalico.org/IPv6VXLANTunnelAddr",
    "projectcalico.org/IPv4WireguardInterfaceAddr",
    "network.cilium.io/ipv4-cilium-host",
    "network.cilium.io/ipv6-cilium-host",
];

/// Returns a node's addresses, each with whether it is only derived: the first two of its pod
/// ranges (the bridge's), and those of its tunnels.
pub(super) fn node_addresses(node: &Node) -> Vec<(IpAddr, bool)> {
    let own = node.addresses.iter().map(|a| (a.to_canonical(), false));
    let bridge = node.pod_cidrs.iter().flat_map(|range| {
        let first = range.network();
        [Some(first), next(first)]
            .into_iter()
            .flatten()
            .filter(move |a| range.contains(a))
    });
    let tunnels = ADDRESS_ANNOTATIONS
        .iter()
        .filter_map(|key| node.annotations.get(*key))
        .filter_map(|text| match text.parse::<IpNet>() {
            Ok(net) => Some(net.addr()),
            Err(_) => text.parse().ok(),
        });
    own.chain(bridge.chain(tunnels).map(|a| (a.to_canonical(), true)))
        .collect()
}

fn next(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => u32::from(v4)
            .checked_add(1)
            .map(|bits| IpAddr::V4(bits.into())),
        IpAddr::V6(v6) => u128::from(v6)
            .checked_add(1)
            .map(|bits| IpAddr::V6(bits.into())),
    }
}
