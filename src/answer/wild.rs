//! Answers to wildcards: records of everything that matches, put together from the view alone.

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
                    Match::Service(node, _) => match &node.body {
                        Body::Alias(target) => Some(target),
                        _ => None,
                    },
                    Match::Endpoint(..) => None,
                });
                let ttl = self.zone.options().ttl;
                let full = alias.map_or(Ok(()), |target| {
                    let target = NameParts(&[target.as_wire()]);
                    self.builder
                        .push_name_record(Owner::QName, RType::CNAME, ttl, target)
                });
                self.written(full)
            }
            _ => self.wild_addresses(walk),
        }
    }

    fn wild_addresses(&mut self, walk: Walk<'_>) -> Written {
        let mut seen = Seen::new();
        for found in walk.matches() {
            let full = match &found {
                Match::Service(node, _) if matches!(node.body, Body::Alias(_)) => {
                    let Body::Alias(target) = &node.body else {
                        continue;
                    };
                    match self.alias(target) {
                        // One alias among many does not stop for an upstream; its CNAME is left out.
                        Written::Records | Written::Nothing | Written::Ask(_) => Ok(()),
                        Written::Unknown => continue,
                    }
                }
                Match::Service(node, selector) => match node.addresses(selector) {
                    Some(set) => self.new_addresses(&mut seen, set.addresses()),
                    None => Ok(()),
                },
                Match::Endpoint(_, endpoint) => {
                    self.new_addresses(&mut seen, endpoint.addresses(Selector::ANY))
                }
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

    fn new_addresses(
        &mut self,
        seen: &mut Seen,
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
                Match::Service(node, selector) => self.push_services(node, &selector, weight)?,
                Match::Endpoint(node, endpoint) => {
                    self.push_endpoint(node, &endpoint, &Selector::ANY, weight)?;
                }
            }
        }
        self.additional();
        let mut at = start;
        for found in walk.matches() {
            at = match found {
                Match::Service(node, selector) => {
                    self.push_service_addresses(node, &selector, at)?
                }
                Match::Endpoint(node, endpoint) => {
                    self.push_endpoint_addresses(node, &endpoint, &Selector::ANY, at)?
                }
            };
        }
        Ok(())
    }
}

/// The addresses that are already in the answer. A message holds at most 4,096 of them, so that a
/// table of twice that on the stack is never full.
struct Seen {
    slots: [Option<IpAddr>; 8192],
}

impl Seen {
    fn new() -> Self {
        Self {
            slots: [None; 8192],
        }
    }

    /// Remembers an address; returns whether it is new.
    fn insert(&mut self, address: IpAddr) -> bool {
        let bits = match address {
            IpAddr::V4(v4) => u128::from(u32::from(v4)),
            IpAddr::V6(v6) => u128::from(v6),
        };
        let mixed = (bits as u64 ^ (bits >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let start = (mixed >> 51) as usize;
        for step in 0..self.slots.len() {
            match self.slots.get_mut((start + step) % 8192) {
                Some(Some(there)) if *there == address => return false,
                Some(Some(_)) => {}
                Some(slot) => {
                    *slot = Some(address);
                    return true;
                }
                None => return true,
            }
        }
        true
    }
}
