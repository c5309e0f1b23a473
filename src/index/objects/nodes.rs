//! Nodes by the number of their name, and the addresses that are theirs.

use super::pods::NodeId;
use super::slab::{ByHash, Slab};
use crate::cow::Seed;
use crate::model::Node;
use ipnet::IpNet;
use std::net::IpAddr;

/// Every Node.
pub struct Nodes {
    seed: Seed,
    rows: Slab<Node>,
    by_address: ByHash,
    len: usize,
}

impl Nodes {
    pub(super) fn new(seed: Seed) -> Self {
        Self {
            seed,
            rows: Slab::default(),
            by_address: ByHash::default(),
            len: 0,
        }
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns every Node, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Node> {
        self.rows.iter().map(|(_, node)| node)
    }

    pub(in crate::index) fn from(&self, row: u32) -> impl Iterator<Item = (u32, &Node)> {
        self.rows.from(row)
    }

    pub(in crate::index) fn get(&self, id: NodeId) -> Option<&Node> {
        self.rows.get(id.0)
    }

    /// Returns the nodes that have an address, and whether it is only derived for each of them.
    pub(in crate::index) fn with_address(
        &self,
        address: IpAddr,
    ) -> impl Iterator<Item = (NodeId, bool)> {
        let numbers = self.by_address.get(self.seed.hash(&address));
        numbers.filter_map(move |number| {
            let all = node_addresses(self.rows.get(number)?);
            let own = all.iter().filter(|(other, _)| *other == address);
            let derived = own.map(|(_, derived)| *derived).min()?;
            Some((NodeId(number), derived))
        })
    }

    /// Puts a Node in the place of the one with its number, or takes that one out, and returns it.
    pub(in crate::index) fn replace(&mut self, id: NodeId, next: Option<Node>) -> Option<Node> {
        let before = self.rows.take(id.0);
        for (node, add) in [(before.as_ref(), false), (next.as_ref(), true)] {
            let mut addresses: Vec<IpAddr> = node
                .into_iter()
                .flat_map(node_addresses)
                .map(|(ip, _)| ip)
                .collect();
            addresses.sort_unstable();
            addresses.dedup();
            for address in addresses {
                let hash = self.seed.hash(&address);
                if add {
                    self.by_address.insert(hash, id.0);
                } else {
                    self.by_address.remove(hash, id.0);
                }
            }
        }
        self.len = self.len + usize::from(next.is_some()) - usize::from(before.is_some());
        if let Some(node) = next {
            self.rows.set(id.0, node);
        }
        before
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

/// Returns whether an annotation of a Node is read.
pub(in crate::index) fn is_address_annotation(key: &str) -> bool {
    ADDRESS_ANNOTATIONS.contains(&key)
}

/// Returns a node's addresses, each with whether it is only derived: the first two of its pod
/// ranges (the bridge's), and those of its tunnels.
pub(in crate::index) fn node_addresses(node: &Node) -> Vec<(IpAddr, bool)> {
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
        .filter_map(|key| node.annotations.get(key))
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
