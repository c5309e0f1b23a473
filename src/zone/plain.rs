//! The short way to what nearly every question asks for: the addresses or ports of a service by its
//! name, or that there is no such name. It finds what [`Zone::lookup`] finds, in fewer steps, or
//! leaves it to that.

use super::lookup::is_wild;
use super::ports::Selector;
use super::service::{self, Head, ServiceNode};
use super::target::without_underscore;
use super::{Origin, Zone};
use crate::tenancy::View;
use crate::wire::{Front, Name, RType, has_uppercase, is_equal};
use std::hint::black_box;

/// What the short way finds.
pub enum Plain<'a> {
    /// Addresses of the type asked for, one behind the other; there is at least one.
    Addresses(&'a [u8]),
    /// A service with cluster addresses, and the number of the one port that was asked for.
    Service(ServiceNode<'a>, u16),
    /// The name exists, without records of this type.
    NoData,
    /// The name is not in the view.
    Absent,
}

/// Where the short way leads.
#[derive(Debug, Clone)]
pub(super) struct ShortWay {
    /// The place of the one origin that it is for.
    pub(super) origin: usize,
    /// What the names of services end in: `svc` in front of it.
    pub(super) services: Name,
}

/// What is read in the stead of a service that a zone doesn't have.
static NOTHING: [u8; Head::LEN] = [0; Head::LEN];

impl Zone {
    /// Looks up a name in wire form as `view` sees it, where that is somebody's whom we know. Returns
    /// what was found and the origin that the name is below, or `None` where [`Zone::lookup`] is to be
    /// asked.
    #[inline(always)]
    pub fn plain<'a>(
        &'a self,
        view: &View<'a>,
        qname: &[u8],
        qtype: RType,
    ) -> Option<(Plain<'a>, &'a Origin)> {
        let way = self.short_way.as_ref()?;
        let origin = self.origins.get(way.origin)?;
        if !matches!(qtype, RType::A | RType::AAAA | RType::SRV | RType::HTTPS) {
            return None;
        }
        let (front, found) = match Front::of(qname, way.services.as_wire()) {
            Some(front) => {
                let found = self.below_services(view, &front?, (qname, qtype))?;
                (front?, found)
            }
            None => {
                let front = Front::of(qname, origin.name.as_wire())??;
                (front, beside_services(&front)?)
            }
        };
        // What is stored is in lower case: what is found was asked for so.
        let differs = matches!(found, Plain::Absent) && has_uppercase(front.as_wire());
        (!differs).then_some((found, origin))
    }

    #[inline(always)]
    fn below_services<'a>(
        &'a self,
        view: &View<'a>,
        front: &Front<'_>,
        (qname, qtype): (&[u8], RType),
    ) -> Option<Plain<'a>> {
        // Labels in front of the service's.
        let more = match front.count() {
            0 | 1 => return None,
            count @ 2..=4 => count - 2,
            _ => return Some(Plain::Absent),
        };
        if self.wildcards && has_wild(front) {
            return None;
        }
        let name = front.from(more)?;
        let whole = qname.get(front.as_wire().len() - name.len()..)?;
        let whole = whole.get(..name.len() + b"\x03svc".len())?;
        let found = view.service_named(name, |number| {
            let block = self.services.get(number.0).and_then(Option::as_deref);
            let block = block.unwrap_or(&NOTHING);
            // A block is never shorter than what it starts with.
            let node = ServiceNode::read(block).unwrap_or(ServiceNode::NOTHING);
            let ns = node.namespace();
            let is_own = is_same(node.suffix(), whole) & self.exposed.contains(ns.0);
            (node, ns, is_own)
        });
        let Some(node) = found.ok()? else {
            return Some(Plain::Absent);
        };
        match (node.kind(), more, qtype) {
            (service::ABSENT, ..) => Some(Plain::Absent),
            (service::CLUSTER, 0, RType::A | RType::AAAA) => {
                row(node.cluster_row(qtype), node.has_cluster_addresses())
            }
            (service::CLUSTER, 2, RType::SRV) => {
                let selector = Selector {
                    port: without_underscore(front.label(0)?),
                    protocol: without_underscore(front.label(1)?),
                };
                let mut ports = node.ports().iter().filter(|port| selector.matches(port));
                match (ports.next(), ports.next()) {
                    (Some(port), None) if node.has_cluster_addresses() => {
                        Some(Plain::Service(node, port.number?))
                    }
                    (None, _) => Some(Plain::Absent),
                    _ => None,
                }
            }
            (service::HEADLESS, 0, RType::A | RType::AAAA) => {
                let endpoints = node.endpoints();
                row(endpoints.in_row(qtype)?, !endpoints.is_empty())
            }
            _ => None,
        }
    }
}

/// Returns what is found of a name of the zone that is not below `svc`.
#[inline(always)]
fn beside_services<'a>(front: &Front<'_>) -> Option<Plain<'a>> {
    let count = front.count();
    match front.label(count.checked_sub(1)?)? {
        b"svc" => None,
        b"pod" => (count > 5).then_some(Plain::Absent),
        // Few names of the zone itself have other labels there: one, or two that end in these.
        b"dns" | b"tenantdns" => None,
        _ => (count > 1).then_some(Plain::Absent),
    }
}

/// Returns whether a label may stand for any.
#[inline(always)]
fn has_wild(front: &Front<'_>) -> bool {
    let longest = b"_any".len();
    (0..front.count()).any(|at| {
        let short = |label: &&[u8]| label.len() <= longest;
        let label = front.label(at).filter(short);
        label.is_some_and(|label| is_wild(without_underscore(label)))
    })
}

/// Compares names by the same work, whatever the one is that is stored.
#[inline(always)]
fn is_same(stored: &[u8], name: &[u8]) -> bool {
    let same_length = stored.len() == name.len();
    let stored = if same_length { stored } else { name };
    black_box(is_equal(stored, name)) & same_length
}

fn row(octets: &[u8], exists: bool) -> Option<Plain<'_>> {
    Some(match (octets.is_empty(), exists) {
        (false, _) => Plain::Addresses(octets),
        (true, true) => Plain::NoData,
        (true, false) => Plain::Absent,
    })
}
