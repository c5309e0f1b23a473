//! Which addresses are forwarders because a Service has them: its ready endpoints that are pods of
//! its own namespace. A slice may list any address, so that the pods decide; a node's address is
//! shared by whatever runs there, so that it never counts.

use super::Index;
use super::dirty::Dirty;
use crate::tenancy::{Forwarders, NsId, Owner, Peer, ServiceId, ServiceRef};
use crate::zone::SliceInput;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The port where a slice names none.
const DNS_PORT: u16 = 53;
/// The name of DNS over UDP in the DNS service's ports.
const DNS_PORT_NAME: &str = "dns";

/// The forwarders, and what they depend on.
pub(super) struct Peers {
    forwarders: Forwarders,
    /// The Services that the tables name, each with its table.
    services: Vec<(u16, ServiceRef)>,
    /// Every ready address of theirs, whoever has it.
    candidates: BTreeSet<IpAddr>,
}

impl Peers {
    pub(super) fn new(forwarders: Forwarders) -> Self {
        let tables = (0..).zip(forwarders.tables());
        let services = tables.flat_map(|(at, table)| table.services.iter().map(move |s| (at, s)));
        Self {
            services: services.map(|(at, s)| (at, s.clone())).collect(),
            candidates: BTreeSet::new(),
            forwarders,
        }
    }

    /// Returns who may speak for others now.
    pub(super) fn forwarders(&self) -> &Forwarders {
        &self.forwarders
    }
}

impl Index {
    /// Finds the forwarders anew where something has changed that they depend on. Owners are rebuilt
    /// by then.
    pub(super) fn rebuild_peers(&mut self, dirty: &Dirty) {
        if self.peers.services.is_empty() {
            return;
        }
        let named: Vec<(u16, NsId, ServiceId)> = {
            let services = self.peers.services.iter();
            let found = services.filter_map(|(table, service)| {
                let ns = self.objects.numbers.find_ns(&service.namespace)?;
                let id = self.objects.numbers.find_service(ns, &service.name)?;
                Some((*table, ns, id))
            });
            found.collect()
        };
        let by_service = named.iter().any(|(.., id)| dirty.services.contains(id));
        let moved = |address: &IpAddr| self.peers.candidates.contains(address);
        if !by_service && !dirty.owners.iter().any(moved) {
            return;
        }
        let (mut candidates, mut peers) = (BTreeSet::new(), Vec::new());
        for (table, ns, id) in named {
            if self.objects.services.get(id).is_none() {
                continue;
            }
            for slice in self.objects.slices.of(id, false) {
                let port = port_of(&slice);
                let ready = slice.endpoints.iter().filter(|endpoint| endpoint.ready);
                for address in ready.flat_map(|endpoint| endpoint.addresses.iter()) {
                    let address = address.to_canonical();
                    candidates.insert(address);
                    if self.is_own_pod(address, ns) {
                        let peer = Peer {
                            address,
                            table,
                            port,
                        };
                        peers.push(peer);
                    }
                }
            }
        }
        self.work.addresses += candidates.len() as u64;
        self.peers.candidates = candidates;
        self.peers.forwarders.set_peers(peers);
    }

    /// Returns whether an address is a pod's of this namespace, and no node's.
    fn is_own_pod(&self, address: IpAddr, ns: NsId) -> bool {
        self.clients.owner(address) == Some(Owner::Pod(ns))
            && self.objects.nodes.with_address(address).next().is_none()
    }
}

/// Returns the port at which a slice's endpoints take DNS over UDP.
fn port_of(slice: &SliceInput<'_>) -> u16 {
    let over_udp = || slice.ports.iter().filter(|port| *port.protocol == *"UDP");
    let named = over_udp().find(|port| *port.name == *DNS_PORT_NAME);
    let port = named.or_else(|| over_udp().next());
    port.and_then(|port| port.number).unwrap_or(DNS_PORT)
}
