//! The endpoints of a slice in one run of bytes: a hundred thousand of them, mostly one IPv4 address
//! and the name of a pod, must not cost an allocation for each of their fields.

use super::Endpoint;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The entries of `endpoints`, in their order.
///
/// Layout of each: a byte of flags (`READY` and so on), the addresses, then hostname, target and
/// topology zone as far as the flags say that they are there. Without `ADDRESSES` there is one
/// IPv4 address of four octets, else a count and each address with 4 or 6 in front. Counts and
/// lengths of texts are `u32` in LEB128.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Endpoints {
    bytes: Box<[u8]>,
}

const READY: u8 = 1;
const ADDRESSES: u8 = 2;
const HOSTNAME: u8 = 4;
const TARGET: u8 = 8;
const ZONE: u8 = 16;

/// One entry of `endpoints`, borrowed; see [`Endpoint`] for its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EndpointView<'a> {
    /// `addresses`: those that are IP addresses.
    pub addresses: Addresses<'a>,
    /// `conditions.ready`; unset counts as ready.
    pub ready: bool,
    /// `hostname`.
    pub hostname: Option<&'a str>,
    /// `targetRef.name`.
    pub target: Option<&'a str>,
    /// `zone`.
    pub topology_zone: Option<&'a str>,
}

impl Endpoints {
    /// Returns whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns each entry, in the slice's order.
    pub fn iter(&self) -> impl Iterator<Item = EndpointView<'_>> + Clone {
        let mut rest = Reader(&self.bytes);
        std::iter::from_fn(move || rest.endpoint())
    }
}

impl Endpoints {
    /// Returns the same endpoints without what nobody reads of them: the pods that they name, and
    /// their topology zones, unless those are wanted.
    #[must_use]
    pub fn trimmed(&self, targets: bool, zones: bool) -> Self {
        let mut bytes = Vec::with_capacity(self.bytes.len());
        for view in self.iter() {
            let texts = [
                (HOSTNAME, view.hostname),
                (TARGET, view.target.filter(|_| targets)),
                (ZONE, view.topology_zone.filter(|_| zones)),
            ];
            let lone = view.addresses.lone;
            write_flags(
                &mut bytes,
                view.ready,
                lone,
                texts.map(|(f, t)| (f, t.is_some())),
            );
            if !lone {
                write_number(&mut bytes, view.addresses.iter().count());
            }
            bytes.extend(view.addresses.bytes);
            write_texts(&mut bytes, texts.map(|(_, text)| text));
        }
        Self {
            bytes: bytes.into(),
        }
    }
}

impl<E: std::borrow::Borrow<Endpoint>> FromIterator<E> for Endpoints {
    fn from_iter<I: IntoIterator<Item = E>>(endpoints: I) -> Self {
        let mut packed = Packer::with_capacity(0);
        for endpoint in endpoints {
            let endpoint = endpoint.borrow();
            packed.push(&EndpointRef {
                addresses: &endpoint.addresses,
                ready: endpoint.ready,
                hostname: endpoint.hostname.as_deref(),
                target: endpoint.target.as_deref(),
                topology_zone: endpoint.topology_zone.as_deref(),
            });
        }
        packed.finish()
    }
}

impl From<Vec<Endpoint>> for Endpoints {
    fn from(endpoints: Vec<Endpoint>) -> Self {
        endpoints.into_iter().collect()
    }
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// One entry to be packed; see [`Endpoint`] for its fields.
pub(crate) struct EndpointRef<'a> {
    pub(crate) addresses: &'a [IpAddr],
    pub(crate) ready: bool,
    pub(crate) hostname: Option<&'a str>,
    pub(crate) target: Option<&'a str>,
    pub(crate) topology_zone: Option<&'a str>,
}

/// Makes [`Endpoints`] of entries as they come.
pub(crate) struct Packer {
    bytes: Vec<u8>,
}

impl Packer {
    /// Returns one with room for so many entries of the usual sort.
    pub(crate) fn with_capacity(entries: usize) -> Self {
        // An IPv4 address and the name of a pod.
        Self {
            bytes: Vec::with_capacity(entries * 48),
        }
    }

    pub(crate) fn push(&mut self, endpoint: &EndpointRef<'_>) {
        let bytes = &mut self.bytes;
        let texts = [
            (HOSTNAME, endpoint.hostname),
            (TARGET, endpoint.target),
            (ZONE, endpoint.topology_zone),
        ];
        let lone = matches!(endpoint.addresses, [IpAddr::V4(_)]);
        let there = texts.map(|(flag, text)| (flag, text.is_some()));
        write_flags(bytes, endpoint.ready, lone, there);
        match endpoint.addresses {
            [IpAddr::V4(address)] => bytes.extend(address.octets()),
            addresses => {
                write_number(bytes, addresses.len());
                for address in addresses {
                    match address {
                        IpAddr::V4(v4) => {
                            bytes.push(4);
                            bytes.extend(v4.octets());
                        }
                        IpAddr::V6(v6) => {
                            bytes.push(6);
                            bytes.extend(v6.octets());
                        }
                    }
                }
            }
        }
        write_texts(bytes, texts.map(|(_, text)| text));
    }

    pub(crate) fn finish(self) -> Endpoints {
        Endpoints {
            bytes: self.bytes.into(),
        }
    }
}

fn write_flags(bytes: &mut Vec<u8>, ready: bool, lone: bool, texts: [(u8, bool); 3]) {
    let mut flags = if ready { READY } else { 0 };
    flags |= if lone { 0 } else { ADDRESSES };
    for (flag, there) in texts {
        flags |= if there { flag } else { 0 };
    }
    bytes.push(flags);
}

fn write_texts(bytes: &mut Vec<u8>, texts: [Option<&str>; 3]) {
    for text in texts.into_iter().flatten() {
        write_number(bytes, text.len());
        bytes.extend(text.as_bytes());
    }
}

fn write_number(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// The addresses of one endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Addresses<'a> {
    /// As in [`Endpoints`], without the count; four octets where it is a lone IPv4 address.
    bytes: &'a [u8],
    lone: bool,
}

impl Addresses<'_> {
    /// Returns each address.
    pub fn iter(self) -> impl Iterator<Item = IpAddr> + Clone {
        let mut rest = Reader(self.bytes);
        let lone = self.lone;
        std::iter::from_fn(move || {
            if lone {
                return rest.v4();
            }
            match rest.byte()? {
                4 => rest.v4(),
                _ => rest.v6(),
            }
        })
    }

    /// Returns whether an address is among them.
    pub fn contains(self, address: IpAddr) -> bool {
        match (address, self.lone) {
            (IpAddr::V4(v4), true) => self.bytes == v4.octets(),
            (IpAddr::V6(_), true) => false,
            _ => self.iter().any(|other| other == address),
        }
    }
}

impl fmt::Debug for Addresses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// What is left to read. It reads what [`Packer`] wrote: where that were cut, the entries would end.
#[derive(Clone)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn endpoint(&mut self) -> Option<EndpointView<'a>> {
        let flags = self.byte()?;
        let lone = flags & ADDRESSES == 0;
        let addresses = if lone {
            self.take(4)?
        } else {
            let (count, start) = (self.number()?, self.0);
            for _ in 0..count {
                let length = if self.byte()? == 4 { 4 } else { 16 };
                self.take(length)?;
            }
            start.get(..start.len() - self.0.len())?
        };
        let mut text = |flag| match flags & flag {
            0 => None,
            _ => self
                .number()
                .and_then(|length| std::str::from_utf8(self.take(length)?).ok()),
        };
        Some(EndpointView {
            addresses: Addresses {
                bytes: addresses,
                lone,
            },
            ready: flags & READY != 0,
            hostname: text(HOSTNAME),
            target: text(TARGET),
            topology_zone: text(ZONE),
        })
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<usize> {
        let mut number = 0;
        for shift in (0..usize::BITS).step_by(7) {
            let byte = self.byte()?;
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        Some(number)
    }

    fn v4(&mut self) -> Option<IpAddr> {
        let octets: [u8; 4] = self.take(4)?.try_into().ok()?;
        Some(Ipv4Addr::from(octets).into())
    }

    fn v6(&mut self) -> Option<IpAddr> {
        let octets: [u8; 16] = self.take(16)?.try_into().ok()?;
        Some(Ipv6Addr::from(octets).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_read_again() {
        let text = |length: usize| Some("x".repeat(length).into());
        let [v4, v6]: [IpAddr; 2] = ["10.244.1.7".parse().unwrap(), "fd00::7".parse().unwrap()];
        let endpoint = |addresses: &[IpAddr], ready, hostname, target| Endpoint {
            addresses: addresses.to_vec(),
            ready,
            hostname,
            target,
            topology_zone: None,
        };
        let all = vec![
            endpoint(&[v4], true, None, None),
            endpoint(&[], false, text(1), None),
            endpoint(&[v6], true, None, text(63)),
            endpoint(&[v4, v6, v4], false, text(200), text(20_000)),
            Endpoint {
                topology_zone: Some("".into()),
                ..endpoint(&[v4], true, None, None)
            },
        ];
        let packed: Endpoints = all.iter().collect();
        assert_eq!(packed.iter().count(), all.len());
        for (view, endpoint) in packed.iter().zip(&all) {
            let addresses: Vec<IpAddr> = view.addresses.iter().collect();
            assert_eq!(addresses, endpoint.addresses);
            assert_eq!(view.ready, endpoint.ready);
            assert_eq!(view.hostname, endpoint.hostname.as_deref());
            assert_eq!(view.target, endpoint.target.as_deref());
            assert_eq!(view.topology_zone, endpoint.topology_zone.as_deref());
            for address in [v4, v6] {
                let has = endpoint.addresses.contains(&address);
                assert_eq!(view.addresses.contains(address), has);
            }
        }
        assert_eq!(packed.trimmed(true, true), packed);
        let trimmed: Endpoints = all
            .iter()
            .map(|endpoint| Endpoint {
                target: None,
                topology_zone: None,
                ..endpoint.clone()
            })
            .collect();
        assert_eq!(packed.trimmed(false, false), trimmed);
        let lone = 5;
        let first: Endpoints = all.iter().take(1).collect();
        assert_eq!(
            first.bytes.len(),
            lone,
            "one IPv4 address costs four octets and a flag"
        );
    }
}
