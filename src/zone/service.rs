//! One service as a zone answers for it: one block of octets, read in place.

use super::addresses::Addresses;
use super::endpoints::Endpoints;
use super::ports::{Ports, Selector};
use super::table::Table;
use crate::tenancy::NsId;
use crate::wire::RType;
use arrayvec::ArrayVec;
use std::fmt;
use std::net::IpAddr;

/// Port numbers of SRV records.
pub type SharedPorts = ArrayVec<u16, 16>;

/// What the name of a service stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'s> {
    /// Nothing: there is no such service, though slices or an address name it.
    Absent,
    /// Cluster addresses, the same for each port.
    Cluster,
    /// Its endpoints.
    Headless,
    /// Another name, in wire form.
    Alias(&'s [u8]),
}

/// A service as a zone answers for it.
#[derive(Clone, Copy)]
pub struct ServiceNode<'s> {
    head: &'s [u8; Head::LEN],
    rest: &'s [u8],
}

/// What a block starts with. Behind it: the suffix, the service's ports, the cluster addresses, the
/// alias's target, and what [`Table`] reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Head {
    pub(super) kind: u8,
    /// Of [`Table`], and [`NAMES_ENDPOINTS`].
    pub(super) flags: u8,
    /// Octets of the suffix.
    pub(super) suffix: u8,
    /// Octets of the alias's target.
    pub(super) target: u8,
    /// Cluster addresses.
    pub(super) v4: u16,
    pub(super) v6: u16,
    /// Octets of the service's ports.
    pub(super) ports: u32,
    /// Octets of the endpoints' port lists.
    pub(super) groups: u32,
    /// Entries of the table of endpoints.
    pub(super) endpoints: u32,
    /// The number of its namespace.
    pub(super) namespace: u32,
}

pub(super) const ABSENT: u8 = 0;
pub(super) const CLUSTER: u8 = 1;
pub(super) const HEADLESS: u8 = 2;
pub(super) const ALIAS: u8 = 3;

/// Endpoints have names of their own.
pub(super) const NAMES_ENDPOINTS: u8 = 1 << 7;

/// The service's label, or its namespace's, is one that stands for any where wildcards are on.
pub(super) const WILD: u8 = 1 << 6;

impl Head {
    pub(super) const LEN: usize = 24;

    pub(super) fn to_octets(self) -> [u8; Self::LEN] {
        let [a, b] = self.v4.to_le_bytes();
        let [c, d] = self.v6.to_le_bytes();
        let [e, f, g, h] = self.ports.to_le_bytes();
        let [i, j, k, l] = self.groups.to_le_bytes();
        let [m, n, o, p] = self.endpoints.to_le_bytes();
        let [q, r, s, t] = self.namespace.to_le_bytes();
        let (kind, flags, suffix, target) = (self.kind, self.flags, self.suffix, self.target);
        [
            kind, flags, suffix, target, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t,
        ]
    }

    /// Reads each part by itself, so that those that nobody asks for are not read.
    #[inline(always)]
    fn of_octets(octets: &[u8; Self::LEN]) -> Self {
        let [kind, flags, suffix, target, ..] = *octets;
        Self {
            kind,
            flags,
            suffix,
            target,
            v4: u16::from_le_bytes(at(octets, 4)),
            v6: u16::from_le_bytes(at(octets, 6)),
            ports: u32::from_le_bytes(at(octets, 8)),
            groups: u32::from_le_bytes(at(octets, 12)),
            endpoints: u32::from_le_bytes(at(octets, 16)),
            namespace: u32::from_le_bytes(at(octets, 20)),
        }
    }

    #[inline(always)]
    fn ports_at(self) -> usize {
        usize::from(self.suffix)
    }

    #[inline(always)]
    fn addresses_at(self) -> usize {
        self.ports_at() + self.ports as usize
    }

    fn target_at(self) -> usize {
        self.addresses_at() + 4 * usize::from(self.v4) + 16 * usize::from(self.v6)
    }

    fn endpoints_at(self) -> usize {
        self.target_at() + usize::from(self.target)
    }
}

/// Returns the octets at a place that is known to be there.
#[inline(always)]
fn at<const N: usize>(octets: &[u8; Head::LEN], place: usize) -> [u8; N] {
    let octets = octets.get(place..).and_then(<[u8]>::first_chunk);
    octets.copied().unwrap_or([0; N])
}

impl<'s> ServiceNode<'s> {
    /// Reads a service from its block.
    #[inline(always)]
    pub(super) fn read(block: &'s [u8]) -> Option<Self> {
        let (head, rest) = block.split_first_chunk()?;
        Some(Self { head, rest })
    }

    #[inline(always)]
    fn head(&self) -> Head {
        Head::of_octets(self.head)
    }

    /// Returns the sort of what the bare name stands for.
    #[inline(always)]
    pub(super) fn kind(&self) -> u8 {
        self.head().kind
    }

    /// Returns what the bare name stands for.
    #[inline(always)]
    pub fn body(&self) -> Body<'s> {
        let head = self.head();
        match head.kind {
            CLUSTER => Body::Cluster,
            HEADLESS => Body::Headless,
            ALIAS => Body::Alias(self.part(head.target_at(), usize::from(head.target))),
            _ => Body::Absent,
        }
    }

    /// Returns `S.NS.svc` in wire form, without the origin: what targets end in.
    #[inline(always)]
    pub fn suffix(&self) -> &'s [u8] {
        self.part(0, usize::from(self.head().suffix))
    }

    /// Returns whether its name may stand for others, too.
    #[inline(always)]
    pub(super) fn is_wild(&self) -> bool {
        self.head().flags & WILD != 0
    }

    /// Returns the number of its namespace.
    #[inline(always)]
    pub(super) fn namespace(&self) -> NsId {
        NsId(self.head().namespace)
    }

    /// Returns the ports of a service with cluster addresses: one without number where it declares
    /// none.
    pub fn ports(&self) -> Ports<'s> {
        let head = self.head();
        Ports(self.part(head.ports_at(), head.ports as usize))
    }

    /// Returns its ready endpoints.
    pub fn endpoints(&self) -> Endpoints<'s> {
        let head = self.head();
        Endpoints(Table::read(self.rest, head.endpoints_at(), &head))
    }

    /// Returns whether endpoints have names of their own (a ClusterSetIP import's have none).
    pub fn names_endpoints(&self) -> bool {
        self.head().flags & NAMES_ENDPOINTS != 0
    }

    /// Returns the service's cluster addresses, IPv4 first.
    pub fn cluster_addresses(&self) -> impl Iterator<Item = IpAddr> + use<'s> {
        let v4 = self.cluster_row(RType::A).as_chunks::<4>().0.iter();
        let v6 = self.cluster_row(RType::AAAA).as_chunks::<16>().0.iter();
        let v4 = v4.map(|octets| IpAddr::from(*octets));
        v4.chain(v6.map(|octets| IpAddr::from(*octets)))
    }

    /// Returns the octets of the service's cluster addresses of a type, A or AAAA.
    #[inline(always)]
    pub(super) fn cluster_row(&self, rtype: RType) -> &'s [u8] {
        let head = self.head();
        let v4 = 4 * usize::from(head.v4);
        let at = head.addresses_at();
        if rtype == RType::A {
            self.part(at, v4)
        } else {
            self.part(at + v4, 16 * usize::from(head.v6))
        }
    }

    /// Returns the one cluster address that it has, by its type and octets; `None` where it has several
    /// or none.
    #[inline(always)]
    pub fn only_address(&self) -> Option<(RType, &'s [u8])> {
        let head = self.head();
        let rtype = match (head.v4, head.v6) {
            (1, 0) => RType::A,
            (0, 1) => RType::AAAA,
            _ => return None,
        };
        Some((rtype, self.cluster_row(rtype)))
    }

    /// Returns how many there are.
    #[inline(always)]
    pub fn cluster_address_count(&self) -> usize {
        let head = self.head();
        usize::from(head.v4) + usize::from(head.v6)
    }

    /// Returns whether it has any.
    #[inline(always)]
    pub fn has_cluster_addresses(&self) -> bool {
        self.cluster_address_count() > 0
    }

    /// Returns how many entries the bare name has under a selector: what SRV weights divide by
    /// (past 50, where they stay 1, some number past 50). 0 means that the name does not exist.
    pub fn entries(&self, selector: &Selector<'_>) -> usize {
        let head = self.head();
        match head.kind {
            CLUSTER => {
                let addresses = usize::from(head.v4) + usize::from(head.v6);
                self.ports().count(selector) * addresses
            }
            HEADLESS => self.endpoints().entries(selector),
            ALIAS => usize::from(selector.is_any()),
            _ => 0,
        }
    }

    /// Returns the port numbers of SRV records under a selector, each once, where they are the same
    /// for each endpoint and few: of nearly every service.
    pub fn shared_ports(&self, selector: &Selector<'_>) -> Option<SharedPorts> {
        let ports = match self.head().kind {
            CLUSTER => self.ports(),
            _ => self.endpoints().only_ports()?,
        };
        let mut shared = SharedPorts::new();
        let mut numbers = ports.numbers(selector);
        let few = numbers.all(|number| shared.try_push(number).is_ok());
        few.then_some(shared)
    }

    /// Returns the addresses of the bare name under a selector, or `None` where it selects none.
    pub fn addresses(&self, selector: &Selector<'s>) -> Option<Addresses<'s>> {
        match self.head().kind {
            CLUSTER => {
                let selects = selector.is_any() || self.ports().any(selector);
                (selects && self.has_cluster_addresses()).then(|| Addresses::of_cluster(*self))
            }
            HEADLESS => {
                let selector = self.endpoints().choice(selector)?;
                Some(Addresses::of_endpoints(*self, selector))
            }
            _ => None,
        }
    }

    #[inline(always)]
    fn part(&self, at: usize, len: usize) -> &'s [u8] {
        self.rest.get(at..at + len).unwrap_or(&[])
    }
}

impl fmt::Debug for ServiceNode<'_> {
    /// Everything that can be answered, whatever the layout.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceNode")
            .field("suffix", &self.suffix().escape_ascii())
            .field("body", &self.body())
            .field("addresses", &self.cluster_addresses().collect::<Vec<_>>())
            .field("ports", &self.ports())
            .field("endpoints", &self.endpoints())
            .field("names_endpoints", &self.names_endpoints())
            .finish()
    }
}
