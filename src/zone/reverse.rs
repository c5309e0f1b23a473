//! Reverse names: the address that one spells, and the services that an address answers for.

use super::Zone;
use super::endpoint::EndpointName;
use super::lookup::key;
use crate::cow::CowPages;
use crate::tenancy::{NsId, ServiceId, View};
use crate::wire::QName;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The reverse records of one address, as one client sees them: at least one.
#[derive(Clone, Copy)]
pub struct Pointers<'s> {
    address: IpAddr,
    /// The first service that is seen.
    first: Seen<'s>,
    /// The owners behind it, as words of [`Owner`]: none where it has the address as its cluster
    /// address, because that is then the only record.
    rest: &'s [u32],
}

/// An owner that is seen.
#[derive(Clone, Copy)]
struct Seen<'s> {
    owner: Owner,
    ns: NsId,
    label: &'s [u8],
}

/// One PTR record: the labels in front of `svc` and the origin, to be put together when written.
#[derive(Clone, Copy)]
pub struct Pointer<'s> {
    /// The endpoint's labels; `None` for a service.
    pub endpoint: Option<EndpointName<'s>>,
    /// The service's label.
    pub service: &'s [u8],
    /// The namespace's label.
    pub namespace: &'s [u8],
}

/// A service that has an address. The owners of an address are in the order in which they are
/// answered: those by cluster address, then those by endpoint, each by namespace and name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) service: ServiceId,
    pub(super) by_endpoint: bool,
}

impl Owner {
    pub(super) fn to_word(self) -> u32 {
        self.service.0 << 1 | u32::from(self.by_endpoint)
    }

    pub(super) fn of_word(word: u32) -> Self {
        Self {
            service: ServiceId(word >> 1),
            by_endpoint: word & 1 != 0,
        }
    }
}

impl Zone {
    /// Returns the reverse records of an address, or `None` where `view` sees none: the first visible
    /// service with it as cluster address, else every visible service that has it as endpoint.
    ///
    /// An address that nobody has costs what one costs that a hidden service has: some owner is
    /// looked at in its stead. Each further hidden owner costs a look more.
    pub(super) fn pointers<'a>(&'a self, view: &View<'a>, address: IpAddr) -> Option<Pointers<'a>> {
        self.pointers_in(&self.reverse, false, view, address)
    }

    /// Returns the reverse records of an address outside, likewise: every visible service with it.
    pub(super) fn pointers_outside<'a>(
        &'a self,
        view: &View<'a>,
        address: IpAddr,
    ) -> Option<Pointers<'a>> {
        self.pointers_in(&self.reverse_outside, true, view, address)
    }

    fn pointers_in<'a>(
        &'a self,
        addresses: &'a CowPages,
        are_all: bool,
        view: &View<'a>,
        address: IpAddr,
    ) -> Option<Pointers<'a>> {
        let owners = addresses.get_evenly(key(address));
        let other = Owner {
            service: view.any_service(key(address)),
            by_endpoint: false,
        };
        let other = black_box([other.to_word()]);
        let looked_at = if owners.is_empty() { &other } else { owners };
        let mut place = 0;
        let first = loop {
            let word = looked_at.get(place)?;
            place += 1;
            let seen = self.owner_seen(view, Owner::of_word(*word), address);
            // What was looked at in an owner's stead is not there.
            if let Some(seen) = seen.filter(|_| place <= owners.len()) {
                break seen;
            }
        };
        let rest = owners.get(place..);
        let rest = rest.filter(|_| are_all || first.owner.by_endpoint);
        Some(Pointers {
            address,
            first,
            rest: rest.unwrap_or(&[]),
        })
    }

    /// Gives each of the records to `write`, until that fails.
    ///
    /// # Errors
    /// That of `write`.
    pub fn each_pointer<E>(
        &self,
        view: &View<'_>,
        pointers: Pointers<'_>,
        mut write: impl FnMut(&Pointer<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Pointers {
            address,
            first,
            rest,
        } = pointers;
        let rest = rest.iter().map(|word| Owner::of_word(*word));
        let rest = rest.filter_map(|owner| self.owner_seen(view, owner, address));
        for seen in std::iter::once(first).chain(rest) {
            let mut pointer = Pointer {
                endpoint: None,
                service: seen.label,
                namespace: view.namespace_label(seen.ns),
            };
            if !seen.owner.by_endpoint {
                write(&pointer)?;
            } else if let Some(node) = self.any_service(seen.owner.service) {
                for name in node.endpoints().names_of(address) {
                    pointer.endpoint = Some(name);
                    write(&pointer)?;
                }
            }
        }
        Ok(())
    }

    /// Returns an owner that `view` sees, and the options its namespace.
    fn owner_seen<'a>(&self, view: &View<'a>, owner: Owner, address: IpAddr) -> Option<Seen<'a>> {
        let (ns, label) = view.service_key(owner.service)?;
        let permitted = view.permits_evenly(ns, owner.service);
        let seen = permitted && (!owner.by_endpoint || view.shows_endpoint(ns, address));
        (self.exposed.contains(ns.0) && seen).then_some(Seen { owner, ns, label })
    }

    /// Gives the services of each address outside, for dumps.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn owners_outside(&self) -> impl Iterator<Item = (IpAddr, Vec<ServiceId>)> {
        self.reverse_outside.iter().map(|(key, owners)| {
            let services = owners.iter().map(|word| Owner::of_word(*word).service);
            (IpAddr::V6(key.into()).to_canonical(), services.collect())
        })
    }

    /// Gives the owners of each address, for dumps.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn owners(&self) -> impl Iterator<Item = (IpAddr, Vec<(ServiceId, Vec<String>)>)> {
        self.reverse.iter().map(|(key, owners)| {
            let address = IpAddr::V6(key.into()).to_canonical();
            let names = |owner: Owner| {
                let node = self
                    .any_service(owner.service)
                    .filter(|_| owner.by_endpoint);
                let names = node
                    .into_iter()
                    .flat_map(|n| n.endpoints().names_of(address));
                names
                    .map(|name| {
                        let mut spelled = super::label::AddressLabel::default();
                        name.wire(&mut spelled).escape_ascii().to_string()
                    })
                    .collect()
            };
            let owners = owners.iter().map(|word| Owner::of_word(*word));
            (address, owners.map(|o| (o.service, names(o))).collect())
        })
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
    use crate::wire::{Name, QNameBuffer};

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
            let mut buffer = QNameBuffer::default();
            let (qname, _) = QName::parse(wire.as_wire(), &mut buffer).unwrap();
            assert_eq!(
                address_of(&qname),
                expected.map(|e| e.parse().unwrap()),
                "{name}"
            );
        }
    }
}
