//! The zone's own records: SOA, the name servers, `dns-version`.

use crate::tenancy::{NsId, ServiceId, View};
use std::net::IpAddr;

/// TTL of the `dns-version` TXT record, whatever the zone's is.
pub const VERSION_TTL: u32 = 28_800;
/// What `dns-version` says: the version of the Kubernetes DNS specification.
pub(super) const DNS_VERSION: &[u8] = b"1.1.0";
/// What it says in a multicluster zone: the version of that specification (KEP-1645).
pub(super) const MULTICLUSTER_VERSION: &[u8] = b"1.0.0";
/// The most that the TTL of a SOA record is.
const MAX_SOA_TTL: u32 = 300;
/// Refresh, retry and expire of the SOA, CoreDNS's numbers.
const SOA_TIMERS: [u32; 3] = [7200, 1800, 86_400];

/// The numbers of a SOA record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Soa {
    /// Its TTL.
    pub ttl: u32,
    /// Serial, refresh, retry, expire, minimum.
    pub numbers: [u32; 5],
}

impl Soa {
    /// Returns the SOA of a zone with this TTL and serial.
    pub fn new(ttl: u32, serial: u32) -> Self {
        let [refresh, retry, expire] = SOA_TIMERS;
        Self {
            ttl: ttl.min(MAX_SOA_TTL),
            numbers: [serial, refresh, retry, expire, ttl],
        }
    }
}

/// One name of the NS RRset, with its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerName {
    pub(super) ns: NsId,
    pub(super) service: ServiceId,
    /// The labels in front of the origin, in wire form.
    pub labels: Box<[u8]>,
    /// Its addresses, each once.
    pub addresses: Box<[IpAddr]>,
}

/// The names that this server has in the cluster: the services whose endpoints have its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameServers {
    /// Services that a slice with one of the server's addresses belongs to, whether they exist or
    /// not.
    pub(super) owners: Box<[(NsId, ServiceId)]>,
    pub(super) names: Box<[ServerName]>,
    /// `ns.dns` with the server's own addresses: the name where no slice has them.
    pub(super) fallback: ServerName,
}

impl NameServers {
    /// Returns the names for a zone whose server has these addresses and that no slice holds.
    pub fn outside(own: &[IpAddr]) -> Self {
        Self {
            owners: Box::default(),
            names: Box::default(),
            fallback: fallback(own),
        }
    }

    /// Returns the names that `view` may see; a hidden service is never one of them, and counts
    /// for nothing.
    pub fn visible<'a>(
        &'a self,
        view: &View<'a>,
    ) -> impl Iterator<Item = &'a ServerName> + use<'a> {
        let view = *view;
        let inside = self
            .owners
            .iter()
            .any(|(ns, service)| view.permits(*ns, *service));
        let (names, fallback) = if inside {
            (&*self.names, None)
        } else {
            let known = !self.fallback.addresses.is_empty();
            (&[][..], known.then_some(&self.fallback))
        };
        names
            .iter()
            .filter(move |name| view.permits(name.ns, name.service))
            .chain(fallback)
    }
}

fn fallback(own: &[IpAddr]) -> ServerName {
    ServerName {
        ns: NsId::NONE,
        service: ServiceId::NONE,
        labels: b"\x02ns\x03dns".as_slice().into(),
        addresses: own.into(),
    }
}
