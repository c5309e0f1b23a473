//! Keeps reverse names true when a service changes: which addresses it has no more, and which it
//! has now. No other service of an address is looked at but for its place among its owners.

use super::build::{ServiceInput, ZoneWriter};
use super::lookup::key;
use super::reverse::Owner;
use super::service::ServiceNode;
use crate::wire::labels;
use std::cmp::Ordering;
use std::net::IpAddr;

impl ZoneWriter {
    /// Makes the addresses of a service lead to it that this block has, and no longer those that
    /// only the block before had.
    pub(super) fn point_to(&mut self, input: &ServiceInput<'_>, block: Option<&[u8]>) {
        let before = self
            .zone
            .services
            .get(input.id.0)
            .and_then(Option::as_deref);
        let [old, new] = [before, block].map(|block| block.and_then(ServiceNode::read));
        let gone = only_first(old, new).map(|(address, owner)| (address, owner, false));
        let come = only_first(new, old).map(|(address, owner)| (address, owner, true));
        let changes: Vec<_> = gone.chain(come).collect();
        for (address, by_endpoint, add) in changes {
            let owner = Owner {
                service: input.id,
                by_endpoint,
            };
            self.point(address, owner, [input.namespace, input.label], add);
        }
    }

    fn point(&mut self, address: IpAddr, owner: Owner, name: [&[u8]; 2], add: bool) {
        let owners = self.zone.reverse.get(key(address));
        let place = owners.binary_search_by(|word| {
            let other = Owner::of_word(*word);
            let by_name = || match other.service == owner.service {
                true => Ordering::Equal,
                false => self.name_of(other).cmp(&name),
            };
            let by_sort = other.by_endpoint.cmp(&owner.by_endpoint);
            by_sort.then_with(by_name)
        });
        let mut next = owners.to_vec();
        match (place, add) {
            (Err(at), true) => next.insert(at, owner.to_word()),
            (Ok(at), false) => drop(next.remove(at)),
            _ => return,
        }
        self.zone.reverse.set(key(address), &next);
    }

    /// Returns the labels of an owner's namespace and of itself.
    fn name_of(&self, owner: Owner) -> [&[u8]; 2] {
        let node = self.zone.any_service(owner.service);
        let mut labels = labels(node.map_or(&[], |node| node.suffix()));
        let service = labels.next().unwrap_or(&[]);
        [labels.next().unwrap_or(&[]), service]
    }
}

/// Returns the addresses that only the first of two states of a service has, and whether by
/// endpoint.
fn only_first<'a>(
    first: Option<ServiceNode<'a>>,
    second: Option<ServiceNode<'a>>,
) -> impl Iterator<Item = (IpAddr, bool)> + use<'a> {
    let cluster = first.into_iter().flat_map(|node| node.cluster_addresses());
    let kept = move |address: &IpAddr| {
        let mut others = second.into_iter().flat_map(|n| n.cluster_addresses());
        others.any(|other| other == *address)
    };
    let cluster = cluster.filter(move |address| !kept(address));
    let endpoints = first.into_iter().flat_map(move |node| {
        let (endpoints, other) = (node.endpoints(), second.map(|node| node.endpoints()));
        let changed = other.map_or(0..endpoints.len(), |other| endpoints.changed_from(other));
        let addresses = changed.filter_map(move |at| endpoints.address(at));
        addresses.filter(move |address| other.is_none_or(|other| !other.has_address(*address)))
    });
    let cluster = cluster.map(|address| (address, false));
    cluster.chain(endpoints.map(|address| (address, true)))
}
