//! Forwarders: the peers that may speak for their clients, and how each names them. Not reading what
//! they say, which is [`crate::answer`]'s and the server's.

use super::{Client, Directory, Policy, ServiceRef};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The port of a forwarder that only `cidrs` name.
const DNS_PORT: u16 = 53;

/// One `[[tenancy.forwarder]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwarderOptions {
    /// `peers.cidrs`.
    pub cidrs: Vec<IpNet>,
    /// `peers.services`: their ready endpoints that are pods of the Service's own namespace.
    pub services: Vec<ServiceRef>,
    /// `identity`, with `option`.
    pub identity: Identity,
    /// `udp_size`: octets of a reply over UDP at most.
    pub udp_size: u16,
}

/// How a forwarder names its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// By address in the EDNS option of this code.
    EdnsLocal(u16),
    /// By namespace in the EDNS option of this code. Never one of the platform's: what a client can
    /// make a forwarder say must not widen.
    EdnsNamespace(u16),
    /// By address in a client subnet of full length (RFC 7871).
    Ecs,
    /// By address in a header of the PROXY protocol, version 2.
    ProxyV2,
}

/// An address that is a forwarder's by its Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peer {
    /// The address, canonical.
    pub address: IpAddr,
    /// The number of the `[[tenancy.forwarder]]` table.
    pub table: u16,
    /// Where it takes queries over UDP.
    pub port: u16,
}

/// Every forwarder at one instant. A clone shares everything.
#[derive(Clone)]
pub struct Forwarders {
    tables: Arc<[ForwarderOptions]>,
    /// By address, the first table that names it.
    peers: Arc<[Peer]>,
    speak_proxy: bool,
}

impl Forwarders {
    /// Returns the forwarders that these tables name by address.
    pub fn new(tables: &[ForwarderOptions]) -> Self {
        let proxy = |table: &ForwarderOptions| table.identity == Identity::ProxyV2;
        Self {
            tables: tables.into(),
            peers: Arc::default(),
            speak_proxy: tables.iter().any(proxy),
        }
    }

    /// Returns whether anybody at all may speak for others. Then whoever is not known is told
    /// REFUSED, not SERVFAIL, which caches keep.
    pub fn is_stub(&self) -> bool {
        !self.tables.is_empty()
    }

    /// Returns whether some forwarder names its clients in PROXY headers.
    pub fn speak_proxy(&self) -> bool {
        self.speak_proxy
    }

    /// Returns the tables, in the order of the configuration.
    pub fn tables(&self) -> &[ForwarderOptions] {
        &self.tables
    }

    /// Replaces the addresses that are forwarders by their Service.
    pub fn set_peers(&mut self, mut peers: Vec<Peer>) {
        peers.sort_unstable();
        peers.dedup_by_key(|peer| peer.address);
        if *self.peers != *peers {
            self.peers = peers.into();
        }
    }

    /// Returns the addresses that are forwarders by their Service, sorted.
    pub fn peers(&self) -> &[Peer] {
        &self.peers
    }

    /// Returns the forwarder that an address is: of several tables the first. `by_service` says
    /// whether those of Services count.
    pub fn find(&self, address: IpAddr, by_service: bool) -> Option<&ForwarderOptions> {
        let address = address.to_canonical();
        let holds = |table: &ForwarderOptions| table.cidrs.iter().any(|net| net.contains(&address));
        let by_cidr = self.tables.iter().position(holds);
        let place = self.peers.binary_search_by_key(&address, |p| p.address);
        let peer = place.ok().and_then(|at| self.peers.get(at));
        let peer = peer.filter(|_| by_service);
        let by_service = peer.map(|peer| usize::from(peer.table));
        let table = by_cidr.into_iter().chain(by_service).min()?;
        self.tables.get(table)
    }

    /// Returns where forwarders take queries themselves: those of Services at the port of their
    /// slice, single addresses at port 53.
    pub fn fronts(&self) -> impl Iterator<Item = SocketAddr> + use<'_> {
        let peers = self.peers.iter();
        let peers = peers.map(|peer| SocketAddr::new(peer.address, peer.port));
        let nets = self.tables.iter().flat_map(|table| &table.cidrs);
        let single = nets.filter(|net| net.prefix_len() == net.max_prefix_len());
        peers.chain(single.map(|net| SocketAddr::new(net.addr(), DNS_PORT)))
    }
}

impl Directory {
    /// Returns the client that a namespace's label (lower case) stands for: a pod of it, or nobody
    /// where there is none, or where its pods see everything.
    pub fn client_of(&self, policy: &Policy, label: &[u8]) -> Client {
        let found = self.find(label);
        let ns = Some(found.number).filter(|_| found.is_own);
        let known = ns.filter(|ns| policy.facts(*ns).is_some_and(|facts| !facts.platform));
        known.map_or(Client::Unknown, Client::Pod)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(cidrs: &[&str]) -> ForwarderOptions {
        ForwarderOptions {
            cidrs: cidrs.iter().map(|net| net.parse().unwrap()).collect(),
            services: Vec::new(),
            identity: Identity::Ecs,
            udp_size: 1232,
        }
    }

    fn peer(address: &str, table: u16) -> Peer {
        Peer {
            address: address.parse().unwrap(),
            table,
            port: 5353,
        }
    }

    #[test]
    fn the_first_table_that_names_an_address_counts() {
        let mut forwarders = Forwarders::new(&[
            table(&["10.1.0.0/16"]),
            table(&["fd00::/64", "192.0.2.7/32"]),
        ]);
        forwarders.set_peers(vec![
            peer("10.2.0.1", 1),
            peer("10.1.0.1", 1),
            peer("10.2.0.1", 0),
            peer("fd00::9", 0),
        ]);
        for (address, by_service, expected) in [
            ("10.1.0.1", true, Some(0)),
            ("10.1.255.255", true, Some(0)),
            ("::ffff:10.1.0.1", true, Some(0)),
            ("10.2.0.1", true, Some(0)),
            ("10.2.0.1", false, None),
            ("10.2.0.2", true, None),
            ("fd00::9", true, Some(0)),
            ("fd00::9", false, Some(1)),
            ("fd00:0:0:1::9", true, None),
            ("192.0.2.7", true, Some(1)),
            ("192.0.2.6", true, None),
        ] {
            let found = forwarders.find(address.parse().unwrap(), by_service);
            let expected = expected.map(|at: usize| &forwarders.tables()[at]);
            assert!(
                found.map(std::ptr::from_ref) == expected.map(std::ptr::from_ref),
                "{address}"
            );
        }
        let fronts: Vec<String> = forwarders.fronts().map(|f| f.to_string()).collect();
        assert_eq!(
            fronts,
            [
                "10.1.0.1:5353",
                "10.2.0.1:5353",
                "[fd00::9]:5353",
                "192.0.2.7:53"
            ]
        );
    }

    #[test]
    fn without_tables_nobody_is_a_forwarder() {
        let forwarders = Forwarders::new(&[]);
        assert!(!forwarders.is_stub() && !forwarders.speak_proxy());
        assert!(forwarders.find("10.0.0.1".parse().unwrap(), true).is_none());
        assert_eq!(forwarders.fronts().count(), 0);
    }
}
