//! Who an address is.

use super::NsId;
use super::range::RangeId;
use crate::cow::{CowPages, Seed};
use std::net::IpAddr;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// A pod of this namespace.
    Pod(NsId),
    /// A node, or a pod on its network.
    Node,
    /// A client of a configured range that is neither.
    External(RangeId),
    /// Nobody that we know, or nobody that we can tell.
    Unknown,
}

/// Whose an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Pods of this namespace, and of no other.
    Pod(NsId),
    /// A node.
    Node,
    /// Several, of which none can be told to be the right one.
    Conflict,
}

/// The owner of each address.
#[derive(Clone)]
pub struct ClientIndex {
    /// The owner, and the namespaces of all pods that have the address where those are not its
    /// owner alone.
    owners: CowPages,
}

const NOBODY: u32 = 0;
const NODE: u32 = 1;
const CONFLICT: u32 = 2;
const FIRST_POD: u32 = 3;

impl ClientIndex {
    /// Returns an index in which every address is nobody's.
    pub fn new(seed: Seed) -> Self {
        Self {
            owners: CowPages::new(seed),
        }
    }

    /// Returns who an address is. IPv4-mapped addresses are IPv4.
    pub fn identify(&self, address: IpAddr) -> Client {
        match self.owner(address) {
            Some(Owner::Pod(ns)) => Client::Pod(ns),
            Some(Owner::Node) => Client::Node,
            Some(Owner::Conflict) | None => Client::Unknown,
        }
    }

    /// Returns whose an address is, or `None` where it is nobody's.
    #[inline]
    pub fn owner(&self, address: impl Into<AddressKey>) -> Option<Owner> {
        owner(&self.owners.first(address.into().0)?)
    }

    /// Returns how many addresses are several's, of whom none can be told to be the right one. Looks at
    /// every address.
    pub fn conflicts(&self) -> usize {
        let conflicts = self.owners.iter();
        conflicts
            .filter(|(_, list)| list.first() == Some(&CONFLICT))
            .count()
    }

    /// Returns every address with an owner, for dumps.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (IpAddr, Owner)> {
        self.owners.iter().filter_map(|(bits, list)| {
            let address = IpAddr::V6(bits.into()).to_canonical();
            Some((address, owner(list.first()?)?))
        })
    }

    /// Returns whether a pod of this namespace has an address, whoever else has it too: what other
    /// tenants' pods claim must not show in an answer.
    pub fn is_pod_of(&self, address: IpAddr, ns: NsId) -> bool {
        let pod = ns.0.saturating_add(FIRST_POD);
        self.owners.get(bits(address)).contains(&pod)
    }

    /// Sets whose an address is, and the namespaces of all pods that have it.
    pub fn set(&mut self, address: IpAddr, owner: Option<Owner>, claimants: &[NsId]) {
        let pod = |ns: &NsId| ns.0.saturating_add(FIRST_POD);
        let first = match &owner {
            None => NOBODY,
            Some(Owner::Node) => NODE,
            Some(Owner::Conflict) => CONFLICT,
            Some(Owner::Pod(ns)) => pod(ns),
        };
        match (owner, claimants) {
            (None, []) => self.owners.set(bits(address), &[]),
            (Some(Owner::Pod(ns)), [only]) if ns == *only => {
                self.owners.set(bits(address), &[first]);
            }
            _ => {
                let all = std::iter::once(first).chain(claimants.iter().map(pod));
                let all: Vec<u32> = all.collect();
                self.owners.set(bits(address), &all);
            }
        }
    }
}

#[inline]
fn owner(value: &u32) -> Option<Owner> {
    match *value {
        NOBODY => None,
        NODE => Some(Owner::Node),
        CONFLICT => Some(Owner::Conflict),
        pod => Some(Owner::Pod(NsId(pod - FIRST_POD))),
    }
}

/// An address as a key: an IPv4 one is what it is where it is mapped into IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressKey(pub(super) u128);

impl From<IpAddr> for AddressKey {
    #[inline]
    fn from(address: IpAddr) -> Self {
        Self(match address {
            IpAddr::V4(v4) => 0xffff_0000_0000 | u128::from(u32::from(v4)),
            IpAddr::V6(v6) => u128::from(v6),
        })
    }
}

fn bits(address: IpAddr) -> u128 {
    AddressKey::from(address).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_whose_it_was_last_said_to_be() {
        let mut clients = ClientIndex::new(Seed::random());
        let v4: IpAddr = "10.244.1.5".parse().unwrap();
        let mapped: IpAddr = "::ffff:10.244.1.5".parse().unwrap();
        let neighbor: IpAddr = "10.244.1.6".parse().unwrap();
        assert_eq!(clients.identify(v4), Client::Unknown);
        clients.set(v4, Some(Owner::Pod(NsId(0))), &[NsId(0)]);
        assert_eq!(
            clients.identify(mapped),
            Client::Pod(NsId(0)),
            "mapped sources are IPv4"
        );
        assert_eq!(clients.identify(neighbor), Client::Unknown);
        assert!(clients.is_pod_of(v4, NsId(0)) && !clients.is_pod_of(v4, NsId(1)));
        clients.set(v4, Some(Owner::Conflict), &[NsId(0), NsId(1)]);
        assert!(clients.is_pod_of(v4, NsId(0)) && clients.is_pod_of(v4, NsId(1)));
        assert_eq!(clients.identify(v4), Client::Unknown);
        assert_eq!(clients.owner(v4), Some(Owner::Conflict));
        clients.set(v4, Some(Owner::Node), &[]);
        assert!(!clients.is_pod_of(v4, NsId(0)));
        assert_eq!(clients.identify(v4), Client::Node);
        clients.set(v4, None, &[]);
        assert_eq!(clients.owner(v4), None);
        assert_eq!(clients.iter().count(), 0);
    }
}
