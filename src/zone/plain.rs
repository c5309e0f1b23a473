//! The short way to what nearly every question asks for: the addresses or ports of a service by its
//! name, or that there is no such name. It finds what [`Zone::lookup`] finds, in fewer steps, or
//! leaves it to that.

use super::lookup::is_wild;
use super::ports::{Only, Selector};
use super::service::{self, Head, ServiceNode};
use super::target::without_underscore;
use super::{Origin, Zone};
use crate::tenancy::{NameNumber, View};
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
    /// The name is not in the view; `None` where no cluster could hold it
    /// ([`super::Absent::Impossible`]).
    Absent(Option<NameNumber>),
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

/// A zone whose names have a short way.
#[derive(Clone, Copy)]
pub struct PlainZone<'a> {
    zone: &'a Zone,
    services: &'a [u8],
    origin: &'a Origin,
}

impl Zone {
    /// Returns the zone by its short way, where it has one.
    pub fn plain(&self) -> Option<PlainZone<'_>> {
        let way = self.short_way.as_ref()?;
        Some(PlainZone {
            zone: self,
            services: way.services.as_wire(),
            origin: self.origins.get(way.origin)?,
        })
    }
}

impl<'a> PlainZone<'a> {
    /// Returns the zone.
    pub fn zone(&self) -> &'a Zone {
        self.zone
    }

    /// Returns the name of the origin that its names are below, in wire form.
    pub fn origin(&self) -> &'a [u8] {
        self.origin.name.as_wire()
    }

    /// Looks up a name in wire form as `view` sees it, where that is somebody's whom we know. Returns
    /// `None` where [`Zone::lookup`] is to be asked.
    #[inline(always)]
    pub fn lookup(&self, view: &View<'a>, qname: &[u8], qtype: RType) -> Option<Plain<'a>> {
        if !matches!(qtype, RType::A | RType::AAAA | RType::SRV | RType::HTTPS) {
            return None;
        }
        match Front::of(qname, self.services) {
            Some(front) => self.below_services(view, &front?, (qname, qtype)),
            None => beside_services(&Front::of(qname, self.origin())??),
        }
    }

    #[inline(always)]
    fn below_services(
        &self,
        view: &View<'a>,
        front: &Front<'_>,
        (qname, qtype): (&[u8], RType),
    ) -> Option<Plain<'a>> {
        // Labels in front of the service's.
        let more = match front.count() {
            0 | 1 => return None,
            count @ 2..=4 => count - 2,
            // With `zonal`, there are names that long.
            _ => return (!self.zone.options.zonal).then_some(Plain::Absent(None)),
        };
        let zone = self.zone;
        let (name, at) = front.last_two()?;
        let whole = qname.get(at..)?.get(..name.len() + b"\x03svc".len())?;
        let candidate = view.candidate(name).ok()?;
        let absent = Plain::Absent(Some(candidate.name()));
        let block = zone.services.get(candidate.number().0);
        let block = block.and_then(Option::as_deref).unwrap_or(&NOTHING);
        let node = ServiceNode::read(block)?;
        let ns = node.namespace();
        let has_name = is_same(node.suffix(), whole) & zone.exposed.contains(ns.0);
        if !view.shows(candidate, ns, has_name) {
            let is_wild = |labels: [&[u8]; 2]| labels.into_iter().any(is_wild);
            let may_be_others = zone.wildcards && front.last_labels().is_none_or(is_wild);
            // What is stored is in lower case: what is found was asked for so, and the rest may be.
            return (!may_be_others && !has_uppercase(name)).then_some(absent);
        }
        if zone.wildcards && node.is_wild() {
            return None;
        }
        match (node.kind(), more, qtype) {
            (service::ABSENT, ..) => Some(absent),
            (service::CLUSTER, 0, RType::A | RType::AAAA) => {
                row(node.cluster_row(qtype), node.has_cluster_addresses()).or(Some(absent))
            }
            (service::CLUSTER, 2, RType::SRV) => {
                let [port, protocol] = front.first_labels()?;
                let selector = Selector {
                    port: without_underscore(port),
                    protocol: without_underscore(protocol),
                };
                if zone.wildcards && (is_wild(selector.port) || is_wild(selector.protocol)) {
                    return None;
                }
                match node.ports().only(&selector) {
                    Only::One(port) if node.has_cluster_addresses() => {
                        Some(Plain::Service(node, port?))
                    }
                    // Ports' names are stored in lower case, too.
                    Only::Nothing => (!has_uppercase(front.as_wire())).then_some(absent),
                    Only::One(_) | Only::Several => None,
                }
            }
            (service::HEADLESS, 0, RType::A | RType::AAAA) => {
                let endpoints = node.endpoints();
                row(endpoints.in_row(qtype)?, !endpoints.is_empty()).or(Some(absent))
            }
            _ => None,
        }
    }
}

/// Returns what is found of a name of the zone that is not below `svc`.
#[inline(always)]
fn beside_services<'a>(front: &Front<'_>) -> Option<Plain<'a>> {
    let (count, last) = (front.count(), front.last_label()?);
    match last {
        b"svc" => None,
        b"pod" => (count > 5).then_some(Plain::Absent(None)),
        // Few names of the zone itself have other labels there: one, or two that end in these.
        b"dns" | b"tenantdns" => None,
        _ => (count > 1 && !has_uppercase(last)).then_some(Plain::Absent(None)),
    }
}

/// Compares names by the same work, whatever the one is that is stored.
#[inline(always)]
fn is_same(stored: &[u8], name: &[u8]) -> bool {
    let same_length = stored.len() == name.len();
    let stored = if same_length { stored } else { name };
    black_box(is_equal(stored, name)) & same_length
}

/// Returns a row of addresses, or that there are none of their type; `None` where there are none at all.
#[inline(always)]
fn row(octets: &[u8], exists: bool) -> Option<Plain<'_>> {
    match octets {
        [_, ..] => Some(Plain::Addresses(octets)),
        [] => exists.then_some(Plain::NoData),
    }
}
