//! Answers to wildcards: records of everything that matches, put together from the view alone.

use super::Transport;
use super::kubernetes::Written;
use super::records::Writer;
use super::services::weight;
use crate::wire::{Full, NameParts, Owner, RType};
use crate::zone::{Body, Match, Selector, Walk};
use std::net::IpAddr;

impl Writer<'_, '_> {
    /// Writes what a wildcard matches.
    pub(super) fn wild(&mut self, walk: Walk<'_>) -> Written {
        match self.asked.query.qtype {
            RType::SRV => {
                let full = self.wild_services(walk);
                self.written(full)
            }
            RType::CNAME => {
                let alias = walk.matches().find_map(|m| match m {
                    Match::Service(node, _) => match node.body() {
                        Body::Alias(target) => Some(target),
                        _ => None,
                    },
                    Match::Endpoint(..) => None,
                });
                let ttl = self.zone.options().ttl;
                let full = alias.map_or(Ok(()), |target| {
                    let target = NameParts(&[target]);
                    self.builder
                        .push_name_record(Owner::QName, RType::CNAME, ttl, target)
                });
                self.written(full)
            }
            // As many slots as twice the addresses that a message of the transport can hold.
            _ => match self.asked.request.transport {
                Transport::Udp => self.wild_addresses::<256>(walk),
                Transport::Tcp | Transport::Exchange => self.wild_addresses::<8192>(walk),
            },
        }
    }

    // Its table is not on the stack of answers without wildcards, which would touch each page of it.
    #[inline(never)]
    fn wild_addresses<const N: usize>(&mut self, walk: Walk<'_>) -> Written {
        let mut seen = Seen::<N>::new();
        for found in walk.matches() {
            let full = match &found {
                Match::Service(node, selector) => match (node.body(), node.addresses(selector)) {
                    (Body::Alias(target), _) => match self.alias(target) {
                        // One alias among many does not stop for an upstream; its CNAME is left out.
                        Written::Records | Written::Nothing | Written::Ask(_) => Ok(()),
                        Written::Unknown => continue,
                    },
                    (_, Some(addresses)) => self.new_addresses(&mut seen, addresses.iter()),
                    (_, None) => Ok(()),
                },
                Match::Endpoint(_, endpoint) => self.new_addresses(
                    &mut seen,
                    endpoint.addresses(Selector::ANY, self.asked.query.qtype),
                ),
            };
            if full.is_err() || self.builder.is_full() {
                break;
            }
        }
        let full = if self.builder.is_full() {
            Err(Full)
        } else {
            Ok(())
        };
        self.written(full)
    }

    fn new_addresses<const N: usize>(
        &mut self,
        seen: &mut Seen<N>,
        addresses: impl Iterator<Item = IpAddr>,
    ) -> Result<(), Full> {
        let (qtype, ttl) = (self.asked.query.qtype, self.zone.options().ttl);
        let of_type = addresses.filter(|a| a.is_ipv4() == (qtype == RType::A));
        let new = of_type.filter(|address| seen.insert(*address));
        self.addresses(Owner::QName, Some(qtype), ttl, new)
    }

    fn wild_services(&mut self, walk: Walk<'_>) -> Result<(), Full> {
        let entries: usize = walk.matches().map(|found| found.entries()).sum();
        let weight = weight(entries);
        let start = self.builder.position();
        for found in walk.matches() {
            match found {
                Match::Service(node, selector) => {
                    let shared = node.shared_ports(&selector);
                    self.push_services(&node, &selector, &shared, weight)?;
                }
                Match::Endpoint(node, endpoint) => {
                    self.push_endpoint(&node, &endpoint, &Selector::ANY, weight)?;
                }
            }
        }
        self.additional();
        let mut at = start;
        for found in walk.matches() {
            at = match found {
                Match::Service(node, selector) => {
                    let shared = node.shared_ports(&selector);
                    self.push_service_addresses(&node, &selector, &shared, at)?
                }
                Match::Endpoint(node, endpoint) => {
                    self.push_endpoint_addresses(&node, &endpoint, &Selector::ANY, at)?
                }
            };
        }
        Ok(())
    }
}

/// The addresses that are already in the answer, in a table on the stack that is never full: a
/// message holds at most half as many as it has slots.
struct Seen<const N: usize> {
    slots: [u128; N],
}

impl<const N: usize> Seen<N> {
    fn new() -> Self {
        Self { slots: [0; N] }
    }

    /// Remembers an address; returns whether it is new.
    fn insert(&mut self, address: IpAddr) -> bool {
        // Never 0, which is an empty slot, but for `::`, which is nobody's address.
        let bits = match address {
            IpAddr::V4(v4) => u128::from(v4.to_ipv6_mapped()),
            IpAddr::V6(v6) => u128::from(v6),
        };
        let mixed = (bits as u64 ^ (bits >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let start = (mixed >> 40) as usize;
        for step in 0..N {
            match self.slots.get_mut((start + step) % N) {
                Some(slot) if *slot == bits => return false,
                Some(slot) if *slot == 0 => {
                    *slot = bits;
                    return true;
                }
                _ => {}
            }
        }
        true
    }
}
