//! The ready endpoints of one service, compact: names in one run of bytes, addresses in another.
//!
//! Entries that two slices both have are kept twice, because SRV weights count them twice, as
//! CoreDNS does; records are made of each address once.

use super::service::{AddressSet, ServicePort};
use crate::wire::RType;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A choice among a service's ports: an empty name or protocol matches every one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selector<'q> {
    /// The port's name, lower case.
    pub port: &'q [u8],
    /// The protocol, lower case.
    pub protocol: &'q [u8],
}

impl Selector<'_> {
    /// Every port.
    pub const ANY: Self = Self {
        port: b"",
        protocol: b"",
    };

    /// Returns whether every port is selected.
    pub fn is_any(&self) -> bool {
        self.port.is_empty() && self.protocol.is_empty()
    }

    /// Returns whether a port is selected.
    pub fn matches(&self, port: &ServicePort) -> bool {
        (self.port.is_empty() || *self.port == *port.name)
            && (self.protocol.is_empty() || *self.protocol == *port.protocol)
    }
}

/// One endpoint of one slice, on the way into a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointInput {
    /// Its labels in wire form, without what follows; the stored spelling.
    pub name: Box<[u8]>,
    /// Its address.
    pub address: IpAddr,
    /// Which of the port lists is its slice's.
    pub group: u16,
}

/// The ready endpoints of one service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndpointTable {
    names: Box<[u8]>,
    /// In the order of the slices, as CoreDNS answers, so that what is cut is cut alike.
    endpoints: Box<[Endpoint]>,
    /// Their positions, by name in lower case.
    by_name: Box<[u32]>,
    addresses: Box<[(IpAddr, u16)]>,
    groups: Box<[Box<[ServicePort]>]>,
    all: AddressSet,
    /// Address sets of the ports that only some slices have, by port groups.
    partial: BTreeMap<Box<[u16]>, AddressSet>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Endpoint {
    name: u32,
    address: u32,
}

impl EndpointTable {
    /// Builds the table of a service. `inputs` are in the order of the slices; `groups` are their
    /// port lists. Address sets are made only where bare names stand for endpoints (`headless`).
    pub fn build(
        mut inputs: Vec<EndpointInput>,
        groups: Vec<Box<[ServicePort]>>,
        headless: bool,
        ttl: u32,
    ) -> Self {
        let (mut all, mut partial) = (AddressSet::default(), BTreeMap::new());
        if headless {
            all = AddressSet::encode(inputs.iter().map(|i| i.address), ttl);
            for subset in group_subsets(&groups) {
                let chosen = inputs.iter().filter(|i| subset.contains(&i.group));
                let set = AddressSet::encode(chosen.map(|i| i.address), ttl);
                partial.insert(subset, set);
            }
        }
        let lower = |input: &EndpointInput| input.name.to_ascii_lowercase();
        let mut first = BTreeMap::new();
        for (at, input) in inputs.iter().enumerate() {
            first.entry(lower(input)).or_insert(at);
        }
        let place = |i: &EndpointInput| first.get(&lower(i)).copied().unwrap_or_default();
        inputs.sort_by_cached_key(|i| (place(i), i.group, i.address));
        let (mut names, mut endpoints) = (Vec::new(), Vec::<Endpoint>::new());
        let mut last: Option<&EndpointInput> = None;
        for (at, input) in inputs.iter().enumerate() {
            if last.is_none_or(|l| !l.name.eq_ignore_ascii_case(&input.name)) {
                endpoints.push(Endpoint {
                    name: names.len() as u32,
                    address: at as u32,
                });
                names.extend(&input.name);
            }
            last = Some(input);
        }
        // Positions in the order of first appearance are those of the map's values.
        let mut rank: Vec<usize> = first.values().copied().collect();
        rank.sort_unstable();
        let position = |at: &usize| rank.binary_search(at).unwrap_or_default() as u32;
        let by_name = first.values().map(position).collect();
        Self {
            names: names.into(),
            endpoints: endpoints.into(),
            by_name,
            addresses: inputs.iter().map(|i| (i.address, i.group)).collect(),
            groups: groups.into(),
            all,
            partial,
        }
    }

    /// Returns whether the service has no ready endpoint.
    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// Returns the address RRsets of the endpoints that a selector selects, or `None` where it
    /// selects none.
    pub(super) fn addresses(&self, selector: &Selector<'_>) -> Option<&AddressSet> {
        if self.is_empty() {
            return None;
        }
        let chosen = || {
            let selects = |ports: &[ServicePort]| ports.iter().any(|p| selector.matches(p));
            (0u16..)
                .zip(&self.groups)
                .filter(move |(_, ports)| selects(ports))
                .map(|(g, _)| g)
        };
        match chosen().count() {
            0 => None,
            n if n == self.groups.len() => Some(&self.all),
            _ => {
                let subset = self
                    .partial
                    .iter()
                    .find(|(s, _)| s.iter().copied().eq(chosen()));
                subset
                    .map(|(_, set)| set)
                    .filter(|set| set.addresses().next().is_some())
            }
        }
    }

    /// Returns how many entries a selector selects, address by address and port by port; past 50
    /// it is some number past 50.
    pub(super) fn entries(&self, selector: &Selector<'_>) -> usize {
        let ports = |(_, group): &(IpAddr, u16)| self.selected(*group, selector).count();
        count(self.addresses.iter().map(ports))
    }

    /// Finds an endpoint by its labels in wire form, lower case.
    pub fn find(&self, name: &[u8]) -> Option<EndpointRef<'_>> {
        let place = self.by_name.binary_search_by(|&at| {
            let endpoint = self.endpoints.get(at as usize);
            let start = endpoint.map_or(0, |endpoint| endpoint.name as usize);
            let stored = wire_labels(self.names.get(start..).unwrap_or(&[]), name);
            stored
                .iter()
                .map(u8::to_ascii_lowercase)
                .cmp(name.iter().copied())
        });
        let at = place.ok().and_then(|place| self.by_name.get(place))?;
        Some(self.at(*at as usize))
    }

    /// Returns every endpoint, in the order of the slices.
    pub fn iter(&self) -> impl Iterator<Item = EndpointRef<'_>> {
        (0..self.endpoints.len()).map(|index| self.at(index))
    }

    fn at(&self, index: usize) -> EndpointRef<'_> {
        let bounds = |next: Option<&Endpoint>| {
            next.map_or((self.names.len(), self.addresses.len()), |e| {
                (e.name as usize, e.address as usize)
            })
        };
        let start = bounds(self.endpoints.get(index));
        let end = bounds(self.endpoints.get(index + 1));
        EndpointRef {
            table: self,
            name: self.names.get(start.0..end.0).unwrap_or(&[]),
            addresses: self.addresses.get(start.1..end.1).unwrap_or(&[]),
        }
    }

    fn selected<'a>(
        &'a self,
        group: u16,
        selector: &'a Selector<'_>,
    ) -> impl Iterator<Item = &'a ServicePort> {
        let ports = self
            .groups
            .get(usize::from(group))
            .map_or(&[][..], |ports| ports);
        ports.iter().filter(|port| selector.matches(port))
    }
}

/// Adds up until SRV weights are all 1: counting on would change nothing.
fn count(parts: impl Iterator<Item = usize>) -> usize {
    const ENOUGH: usize = 51;
    let mut total = 0;
    for part in parts {
        total += part;
        if total >= ENOUGH {
            break;
        }
    }
    total
}

/// Takes as many octets as a name that could equal `name` has, or the first label of another one.
fn wire_labels<'a>(stored: &'a [u8], name: &[u8]) -> &'a [u8] {
    // Names in a table have one label, or two in a multicluster zone; all have the same number.
    let count = crate::wire::labels(name).count().max(1);
    let len: usize = crate::wire::labels(stored)
        .take(count)
        .map(|label| label.len() + 1)
        .sum();
    stored.get(..len).unwrap_or(stored)
}

/// Returns the sets of port groups that some port name or protocol selects, other than all.
fn group_subsets(groups: &[Box<[ServicePort]>]) -> Vec<Box<[u16]>> {
    if groups.len() < 2 {
        return Vec::new();
    }
    let mut subsets = std::collections::BTreeSet::new();
    for port in groups.iter().flat_map(|ports| ports.iter()) {
        for (name, protocol) in [
            (&*port.name, &*port.protocol),
            (&port.name, b""),
            (b"", &port.protocol),
        ] {
            let selector = Selector {
                port: name,
                protocol,
            };
            let chosen: Box<[u16]> = (0u16..)
                .zip(groups)
                .filter(|(_, ports)| ports.iter().any(|p| selector.matches(p)))
                .map(|(group, _)| group)
                .collect();
            if chosen.len() < groups.len() {
                subsets.insert(chosen);
            }
        }
    }
    subsets.into_iter().collect()
}

/// One endpoint's name with everything that has it.
#[derive(Clone, Copy)]
pub struct EndpointRef<'s> {
    table: &'s EndpointTable,
    name: &'s [u8],
    addresses: &'s [(IpAddr, u16)],
}

impl<'s> EndpointRef<'s> {
    /// Returns its labels in wire form, as stored.
    pub fn name(&self) -> &'s [u8] {
        self.name
    }

    /// Returns how many entries a selector selects of it.
    pub fn entries(&self, selector: &Selector<'_>) -> usize {
        let ports = |(_, group): &(IpAddr, u16)| self.table.selected(*group, selector).count();
        count(self.addresses.iter().map(ports))
    }

    /// Returns each of its addresses of a type, A or AAAA, once.
    pub fn addresses(&self, selector: Selector<'_>, rtype: RType) -> impl Iterator<Item = IpAddr> {
        // By type before anything is compared: what is compared is soon in the message, which ends.
        let of_type = move |address: IpAddr| address.is_ipv4() == (rtype == RType::A);
        self.addresses_where(of_type, move |port| selector.matches(port))
    }

    /// Returns each of its addresses once that has a port with a number.
    pub fn numbered_addresses(&self, selector: Selector<'_>) -> impl Iterator<Item = IpAddr> {
        let numbered = move |port: &ServicePort| port.number.is_some() && selector.matches(port);
        self.addresses_where(|_| true, numbered)
    }

    fn addresses_where(
        &self,
        wanted: impl Fn(IpAddr) -> bool,
        selects: impl Fn(&ServicePort) -> bool + Copy,
    ) -> impl Iterator<Item = IpAddr> {
        let chosen = move |group: u16| {
            let ports = self.table.groups.get(usize::from(group));
            ports.is_some_and(|ports| ports.iter().any(selects))
        };
        self.addresses
            .iter()
            .enumerate()
            .filter(move |(_, (address, _))| wanted(*address))
            .filter_map(move |(at, &(address, group))| {
                // Sorted by group, then address: an earlier group may hold the address as well.
                let earlier = self.addresses.get(..at).unwrap_or(&[]);
                let seen = earlier.last() == Some(&(address, group))
                    || earlier.first().is_some_and(|first| first.1 != group)
                        && earlier.iter().any(|&(a, g)| a == address && chosen(g));
                (chosen(group) && !seen).then_some(address)
            })
    }

    /// Returns each of its port numbers once.
    pub fn ports<'a>(&'a self, selector: &'a Selector<'_>) -> impl Iterator<Item = u16> + 'a {
        let groups = move || {
            self.addresses
                .chunk_by(|a, b| a.1 == b.1)
                .filter_map(|run| run.first().map(|r| r.1))
        };
        let numbers = move || {
            groups()
                .flat_map(move |g| self.table.selected(g, selector))
                .filter_map(|p| p.number)
        };
        numbers()
            .enumerate()
            .filter(move |&(at, number)| !numbers().take(at).any(|earlier| earlier == number))
            .map(|(_, number)| number)
    }
}
