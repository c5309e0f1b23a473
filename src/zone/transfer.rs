//! A whole zone, record by record, as one client sees it: what CoreDNS's `kubernetes` plugin gives its
//! `transfer` plugin (`xfr.go`) between the name servers and the last SOA. The services stand in the
//! order of their own names, those of one name in the order of their namespaces.
//!
//! Where it has come to is plain data ([`Services`]), so that a transfer can stop after any record and
//! goes on later over the same snapshot. It keeps a few octets for each namespace that is seen, and
//! nothing for a service.

use super::endpoint::EndpointName;
use super::ports::{Port, Selector};
use super::service::{Body, ServiceNode};
use super::{Origin, Zone};
use crate::tenancy::{NsId, ServiceId, View};
use std::net::IpAddr;

/// The number in SRV records of what has none, as CoreDNS has it.
const NO_PORT: u16 = 65_535;

/// The services that are still to come, and how far the first of them has been given.
#[derive(Debug, Clone)]
pub struct Services {
    /// The next service of each namespace that is seen and has one; a heap, so that the first in
    /// order is in front.
    next: Vec<Next>,
    place: Place,
}

/// How far a service has been given.
#[derive(Debug, Clone, Default)]
struct Place {
    entry: u32,
    part: u32,
    counted: Counted,
}

/// How many entries have the ports of one group, as far as that was counted: each of its entries says it.
#[derive(Debug, Clone, Default)]
struct Counted {
    group: u16,
    ports: Vec<(u32, usize)>,
}

/// A service, and where it stands among those of its namespace.
#[derive(Debug, Clone, Copy)]
struct Next {
    ns: NsId,
    service: ServiceId,
    position: u32,
}

/// One record of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferRecord<'z> {
    /// `S.NS.svc` in wire form, without the origin.
    pub service: &'z [u8],
    /// What stands there.
    pub data: TransferData<'z>,
}

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferData<'z> {
    /// An address: of the service, or of the endpoint with this name.
    Address(Option<EndpointName<'z>>, IpAddr),
    /// SRV: of a port with a name, or of the service itself.
    Service {
        /// The port's name and its protocol; none for the service's own name.
        port: Option<[&'z [u8]; 2]>,
        /// Among how many entries 100 is shared.
        entries: usize,
        /// The port's number.
        number: u16,
        /// The endpoint that it leads to; none for the service itself.
        target: Option<EndpointName<'z>>,
    },
    /// CNAME, to this name in wire form.
    Alias(&'z [u8]),
}

impl Zone {
    /// Returns the origin that a transfer of this name, in lower case, is for: names below it have no
    /// zone of their own, and reverse names stand in no order that could be gone through.
    pub fn transferable(&self, zone: &[u8]) -> Option<&Origin> {
        let mut origins = self.origins.iter().filter(|origin| !origin.reverse);
        origins.find(|origin| origin.name.as_wire() == zone)
    }

    /// Returns every service that `view` shows below `origin`, to be given by [`Zone::transfer`].
    pub fn services(&self, view: &View<'_>, origin: &Origin) -> Services {
        let seen = view.namespaces().map(|seen| self.narrow(seen).ns);
        let next = seen.filter_map(|ns| self.next_of(view, origin, ns, 0));
        let mut services = Services {
            next: next.collect(),
            place: Place::default(),
        };
        for at in (0..services.next.len() / 2).rev() {
            services.sink(view, at);
        }
        services
    }

    /// Returns the next record, or `None` behind the last. View, origin and zone are those that
    /// `services` is of.
    pub fn transfer<'z>(
        &'z self,
        view: &View<'z>,
        origin: &Origin,
        services: &mut Services,
    ) -> Option<TransferRecord<'z>> {
        loop {
            let first = *services.next.first()?;
            let node = self.service_node(origin, first.service);
            if let Some(node) = node
                && let Some(data) = services.place.data(&node)
            {
                services.place.part += 1;
                let service = node.suffix();
                return Some(TransferRecord { service, data });
            }
            services.place = Place::default();
            match self.next_of(view, origin, first.ns, first.position + 1) {
                Some(next) => {
                    if let Some(front) = services.next.first_mut() {
                        *front = next;
                    }
                }
                None => {
                    services.next.swap_remove(0);
                }
            }
            services.sink(view, 0);
        }
    }

    /// Returns the first service of a namespace that is seen, from a position on.
    fn next_of(&self, view: &View<'_>, origin: &Origin, ns: NsId, position: u32) -> Option<Next> {
        let members = self.members_of(origin, ns)?;
        let mut positions = (position..).map_while(|at| Some((at, members.get(at)?)));
        positions.find_map(|(position, number)| {
            let service = ServiceId(number);
            let shown = view.permits(ns, service) && self.service_node(origin, service).is_some();
            shown.then_some(Next {
                ns,
                service,
                position,
            })
        })
    }
}

impl Services {
    /// Lets a service go down the heap to its place.
    fn sink(&mut self, view: &View<'_>, mut at: usize) {
        let order = |next: &Next| {
            let label = view.service_key(next.service).map(|(_, label)| label);
            (label, view.namespace_label(next.ns))
        };
        loop {
            let below = [2 * at + 1, 2 * at + 2].into_iter();
            let below = below.filter_map(|at| Some((at, self.next.get(at)?)));
            let least = below.min_by_key(|(_, next)| order(next));
            match (self.next.get(at), least) {
                (Some(own), Some((below, next))) if order(next) < order(own) => {
                    self.next.swap(at, below);
                    at = below;
                }
                _ => return,
            }
        }
    }
}

impl Place {
    /// Returns the record at this place, or at the next one where there is one; `None` behind the last.
    fn data<'z>(&mut self, node: &ServiceNode<'z>) -> Option<TransferData<'z>> {
        match node.body() {
            Body::Absent => None,
            Body::Alias(target) => (self.part == 0).then_some(TransferData::Alias(target)),
            Body::Cluster => {
                let addresses = node.cluster_address_count();
                let at = self.part as usize;
                match at.checked_sub(addresses) {
                    None => {
                        let address = node.cluster_addresses().nth(at);
                        address.map(|address| TransferData::Address(None, address))
                    }
                    Some(_) if addresses == 0 => None,
                    Some(at) => self.of_port(node, at),
                }
            }
            Body::Headless => loop {
                if self.entry >= node.endpoints().len() {
                    return None;
                }
                if let Some(data) = self.of_entry(node) {
                    return Some(data);
                }
                (self.entry, self.part) = (self.entry + 1, 0);
            },
        }
    }

    /// Returns SRV records of a service with cluster addresses: of each port one of the service's own
    /// name, and one of the port's, where that has one.
    fn of_port<'z>(&mut self, node: &ServiceNode<'z>, mut at: usize) -> Option<TransferData<'z>> {
        let service = |port, number: Option<u16>| TransferData::Service {
            port,
            entries: 1,
            number: number.unwrap_or(NO_PORT),
            target: None,
        };
        loop {
            let port: Port<'z> = node.ports().iter().nth(at / 2)?;
            match at % 2 {
                0 => return Some(service(None, port.number)),
                _ if port.name.is_empty() => (at, self.part) = (at + 1, self.part + 1),
                _ => return Some(service(Some([port.name, port.protocol]), port.number)),
            }
        }
    }

    /// Returns a record of one endpoint's address: that of the service's name, that of the endpoint's,
    /// and SRV of each port that has a name.
    fn of_entry<'z>(&mut self, node: &ServiceNode<'z>) -> Option<TransferData<'z>> {
        let table = node.endpoints().0;
        let address = table.address(self.entry)?;
        let name = EndpointName::of(table, self.entry);
        match self.part {
            0 => return Some(TransferData::Address(None, address)),
            1 if node.names_endpoints() => return Some(TransferData::Address(Some(name), address)),
            1 => return None,
            _ => {}
        }
        let group = table.group_of(self.entry);
        loop {
            let port = table.group(group).iter().nth(self.part as usize - 2)?;
            if port.name.is_empty() {
                self.part += 1;
                continue;
            }
            let selector = Selector {
                port: port.name,
                protocol: port.protocol,
            };
            let part = self.part;
            let count = || node.entries(&selector);
            return Some(TransferData::Service {
                port: Some([port.name, port.protocol]),
                entries: self.counted.entries(group, part, count),
                number: port.number.unwrap_or(NO_PORT),
                target: Some(name),
            });
        }
    }
}

impl Counted {
    fn entries(&mut self, group: u16, part: u32, count: impl FnOnce() -> usize) -> usize {
        if self.group != group {
            (self.group, self.ports) = (group, Vec::new());
        }
        match self.ports.iter().find(|(known, _)| *known == part) {
            Some((_, entries)) => *entries,
            None => {
                let entries = count();
                self.ports.push((part, entries));
                entries
            }
        }
    }
}
