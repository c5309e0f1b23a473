//! Reverse names: the address that one spells, and the services that an address answers for.

use crate::cow::CowBits;
use crate::tenancy::{NsId, ServiceId, View};
use crate::wire::QName;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A service that an address answers for by endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EndpointOwner {
    pub(super) ns: NsId,
    pub(super) service: ServiceId,
    /// The endpoint's label in wire form.
    pub(super) name: Box<[u8]>,
}

/// The services that one address answers for, each list by namespace and name of the service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReverseNode {
    /// Services with this cluster address.
    pub(super) services: Box<[(NsId, ServiceId)]>,
    /// Services with this endpoint address.
    pub(super) endpoints: Box<[EndpointOwner]>,
}

/// One PTR record: the labels in front of `svc` and the origin, to be put together when written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pointer<'s> {
    /// The endpoint's label in wire form; empty for a service.
    pub endpoint: &'s [u8],
    /// The service's label.
    pub service: &'s [u8],
    /// The namespace's label.
    pub namespace: &'s [u8],
}

impl ReverseNode {
    /// Returns whether nothing has the address.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty() && self.endpoints.is_empty()
    }

    /// Returns what `view` sees of the address: the first visible service with it as cluster
    /// address, else every visible service that has it as endpoint.
    pub(super) fn pointers<'s>(
        &'s self,
        view: &View<'s>,
        exposed: &'s CowBits,
        address: IpAddr,
    ) -> impl Iterator<Item = Pointer<'s>> + use<'s> {
        let view = *view;
        let pointer = move |service: ServiceId, endpoint: &'s [u8]| {
            let (ns, service) = view.service_key(service)?;
            Some(Pointer {
                endpoint,
                service,
                namespace: view.namespace_label(ns),
            })
        };
        let cluster = self
            .services
            .iter()
            .find(|(ns, service)| exposed.contains(ns.0) && view.permits(*ns, *service))
            .and_then(|(_, service)| pointer(*service, &[]));
        let endpoints = if cluster.is_some() {
            &[]
        } else {
            &*self.endpoints
        };
        cluster.into_iter().chain(
            endpoints
                .iter()
                .filter(move |e| exposed.contains(e.ns.0))
                .filter(move |e| view.permits_endpoint(e.ns, e.service, address))
                .filter_map(move |e| pointer(e.service, &e.name)),
        )
    }
}

/// Returns the address that a name under in-addr.arpa or ip6.arpa spells.
///
/// As in CoreDNS, one to three labels in front of the 32 nibbles are ignored. Not as in CoreDNS, an
/// IPv6 spelling in a label under in-addr.arpa is no address.
pub fn address_of(qname: &QName<'_>) -> Option<IpAddr> {
    let count = qname.label_count();
    let from_right = |n: usize| count.checked_sub(n).and_then(|i| qname.label(i));
    if from_right(1)? != b"arpa" {
        return None;
    }
    match from_right(2)? {
        b"in-addr" if count == 6 => {
            let mut octets = [0u8; 4];
            for (n, octet) in octets.iter_mut().enumerate() {
                *octet = decimal(from_right(n + 3)?)?;
            }
            Some(IpAddr::V4(Ipv4Addr::from(octets)))
        }
        b"ip6" if (34..=37).contains(&count) => {
            let mut bits = 0u128;
            for n in 0..32 {
                bits = bits << 4 | u128::from(nibble(from_right(n + 3)?)?);
            }
            let address = Ipv6Addr::from(bits);
            Some(IpAddr::V6(address).to_canonical())
        }
        _ => None,
    }
}

fn decimal(label: &[u8]) -> Option<u8> {
    let canonical = label.len() == 1 || label.first() != Some(&b'0');
    let digits = (1..=3).contains(&label.len()) && label.iter().all(u8::is_ascii_digit);
    (canonical && digits).then_some(())?;
    label
        .iter()
        .try_fold(0u16, |value, digit| {
            Some(value * 10 + u16::from(digit - b'0'))
        })
        .and_then(|value| u8::try_from(value).ok())
}

fn nibble(label: &[u8]) -> Option<u8> {
    match label {
        [digit @ b'0'..=b'9'] => Some(digit - b'0'),
        [letter @ b'a'..=b'f'] => Some(letter - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Name;

    #[test]
    fn reverse_names_spell_addresses() {
        let nibbles = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa";
        for (name, expected) in [
            ("1.1.96.10.in-addr.arpa".to_owned(), Some("10.96.1.1")),
            ("1.1.96.10.IN-ADDR.ARPA".to_owned(), Some("10.96.1.1")),
            ("1.96.10.in-addr.arpa".to_owned(), None),
            ("x.1.1.96.10.in-addr.arpa".to_owned(), None),
            ("01.1.96.10.in-addr.arpa".to_owned(), None),
            ("256.1.96.10.in-addr.arpa".to_owned(), None),
            ("1.1.96.::ffff:10.in-addr.arpa".to_owned(), None),
            (nibbles.to_owned(), Some("fd00:96::1")),
            (format!("x.y.z.{nibbles}"), Some("fd00:96::1")),
            (format!("w.x.y.z.{nibbles}"), None),
            (nibbles.get(2..).unwrap().to_owned(), None),
            (format!("g{}", nibbles.get(1..).unwrap()), None),
        ] {
            let wire: Name = name.parse().unwrap();
            let (qname, _) = QName::parse(wire.as_wire()).unwrap();
            assert_eq!(
                address_of(&qname),
                expected.map(|e| e.parse().unwrap()),
                "{name}"
            );
        }
    }
}
