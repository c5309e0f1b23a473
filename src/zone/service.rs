//! One service as a zone answers for it: address RRsets in wire form, and the endpoints that names
//! and SRV records are made of.

use super::endpoints::{EndpointTable, Selector};
use crate::tenancy::ServiceId;
use crate::wire::{Name, RType};
use std::net::IpAddr;

/// Octets of an A record whose owner is a pointer.
pub const A_LEN: usize = 16;
/// Octets of an AAAA record whose owner is a pointer.
pub const AAAA_LEN: usize = 28;

/// The A and AAAA RRsets of one name, each record in wire form with the QNAME as owner.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AddressSet {
    a: Box<[u8]>,
    aaaa: Box<[u8]>,
}

impl AddressSet {
    /// Encodes each address once, in the order given.
    pub fn encode(addresses: impl IntoIterator<Item = IpAddr>, ttl: u32) -> Self {
        let mut seen = std::collections::BTreeSet::new();
        let (mut a, mut aaaa) = (Vec::new(), Vec::new());
        for address in addresses {
            if seen.insert(address) {
                match address {
                    IpAddr::V4(v4) => encode(&mut a, RType::A, ttl, &v4.octets()),
                    IpAddr::V6(v6) => encode(&mut aaaa, RType::AAAA, ttl, &v6.octets()),
                }
            }
        }
        Self {
            a: a.into(),
            aaaa: aaaa.into(),
        }
    }

    /// Returns the records of a type and the length of each: A and AAAA; every other type has none.
    pub fn records(&self, rtype: RType) -> (&[u8], usize) {
        match rtype {
            RType::A => (&self.a, A_LEN),
            RType::AAAA => (&self.aaaa, AAAA_LEN),
            _ => (&[], A_LEN),
        }
    }

    /// Returns the addresses of both RRsets.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let v4 = self
            .a
            .chunks_exact(A_LEN)
            .filter_map(|r| r.last_chunk::<4>().map(|octets| IpAddr::from(*octets)));
        let v6 = self
            .aaaa
            .chunks_exact(AAAA_LEN)
            .filter_map(|r| r.last_chunk::<16>().map(|octets| IpAddr::from(*octets)));
        v4.chain(v6)
    }
}

fn encode(out: &mut Vec<u8>, rtype: RType, ttl: u32, octets: &[u8]) {
    out.extend([0xc0, 0x0c]);
    out.extend(rtype.0.to_be_bytes());
    out.extend([0, 1]);
    out.extend(ttl.to_be_bytes());
    out.extend([0, octets.len() as u8]);
    out.extend(octets);
}

/// A port of a service, for SRV.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServicePort {
    /// Its name in lower case; may be empty.
    pub name: Box<[u8]>,
    /// Its protocol in lower case; may be empty.
    pub protocol: Box<[u8]>,
    /// Its number; `None` answers addresses but no SRV.
    pub number: Option<u16>,
}

/// What the name of a service stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Cluster addresses, the same for each port.
    Cluster {
        /// The addresses.
        addresses: AddressSet,
        /// Its ports; one without number where it declares none.
        ports: Box<[ServicePort]>,
    },
    /// Its endpoints.
    Headless,
    /// Another name.
    Alias(Name),
}

/// A service as a zone answers for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceNode {
    /// Its number.
    pub id: ServiceId,
    /// `S.NS.svc` in wire form, without the origin: what targets end in.
    pub suffix: Box<[u8]>,
    /// What the bare name stands for.
    pub body: Body,
    /// Its ready endpoints.
    pub endpoints: EndpointTable,
    /// Whether endpoints have names of their own (a ClusterSetIP import's have none).
    pub names_endpoints: bool,
}

impl ServiceNode {
    /// Returns how many entries the bare name has under a selector: what SRV weights divide by (past 50, where they
    /// stay 1, some number past 50).
    /// 0 means that the name does not exist.
    pub fn entries(&self, selector: &Selector<'_>) -> usize {
        match &self.body {
            Body::Cluster { addresses, ports } => {
                let ports = ports.iter().filter(|p| selector.matches(p)).count();
                ports * addresses.addresses().count()
            }
            Body::Headless => self.endpoints.entries(selector),
            Body::Alias(_) => usize::from(selector.is_any()),
        }
    }

    /// Returns the address RRsets of the bare name under a selector, or `None` where it selects
    /// nothing.
    pub fn addresses(&self, selector: &Selector<'_>) -> Option<&AddressSet> {
        match &self.body {
            Body::Cluster { addresses, ports } => ports
                .iter()
                .any(|p| selector.matches(p))
                .then_some(addresses),
            Body::Headless => self.endpoints.addresses(selector),
            Body::Alias(_) => None,
        }
    }
}
