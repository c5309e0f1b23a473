//! The short way to what nearly every question asks for: the addresses or ports of a service by its
//! name, or that there is no such name. It finds what [`Zone::lookup`] finds, in fewer steps, or
//! leaves it to that.

use super::lookup::is_wild;
use super::ports::Selector;
use super::service::{Body, ServiceNode};
use super::target::without_underscore;
use super::{Origin, Zone};
use crate::tenancy::View;
use crate::wire::{QName, RType};

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

impl Zone {
    /// Looks up `qname` as `view` sees it, where that is somebody's whom we know. Returns what was
    /// found and the origin that the name is below, or `None` where [`Zone::lookup`] is to be asked.
    #[inline(always)]
    pub fn plain<'a>(
        &'a self,
        view: &View<'a>,
        qname: &QName<'a>,
        qtype: RType,
    ) -> Option<(Plain<'a>, &'a Origin)> {
        let origin = self.origins.get(self.plain_origin?)?;
        let start = qname.suffix_offset(origin.labels)?;
        if qname.lower().get(start..)? != origin.name.as_wire() {
            return None;
        }
        let own = qname.label_count() - origin.labels;
        Some((self.below(view, own, qname, qtype)?, origin))
    }

    #[inline(always)]
    fn below<'a>(
        &'a self,
        view: &View<'a>,
        own: usize,
        qname: &QName<'a>,
        qtype: RType,
    ) -> Option<Plain<'a>> {
        if !matches!(qtype, RType::A | RType::AAAA | RType::SRV | RType::HTTPS) {
            return None;
        }
        // From the right: 1 is the label next to the origin.
        let label = |from_right: usize| qname.label(own.checked_sub(from_right)?);
        match label(1)? {
            b"svc" if own >= 3 => {}
            b"svc" | b"pod" => return (own > 5).then_some(Plain::Absent),
            // Few names of the zone itself have other labels there: one, or two that end in these.
            b"dns" | b"tenantdns" => return None,
            _ => return (own > 1).then_some(Plain::Absent),
        }
        if own > 5 {
            // With `zonal`, there are names that long.
            return (!self.options.zonal).then_some(Plain::Absent);
        }
        let (namespace, service) = (label(2)?, label(3)?);
        if self.wildcards && (is_wild(namespace) || is_wild(service)) {
            return None;
        }
        let selector = match own {
            3 => Selector::ANY,
            4 => Selector {
                port: label(4)?,
                ..Selector::ANY
            },
            _ => Selector {
                port: without_underscore(label(5)?),
                protocol: without_underscore(label(4)?),
            },
        };
        if self.wildcards && own > 3 && (is_wild(selector.port) || is_wild(selector.protocol)) {
            return None;
        }
        let seen = self.see(view, namespace);
        let block = self.services.get(view.service(seen, service).0);
        let Some(node) = block.and_then(|block| ServiceNode::read(block.as_deref()?)) else {
            return Some(Plain::Absent);
        };
        match (node.body(), own, qtype) {
            (Body::Absent, ..) => Some(Plain::Absent),
            (Body::Cluster, 3, RType::A | RType::AAAA) => {
                row(node.cluster_row(qtype), node.has_cluster_addresses())
            }
            (Body::Cluster, 5, RType::SRV) => {
                let mut ports = node.ports().iter().filter(|port| selector.matches(port));
                match (ports.next(), ports.next()) {
                    (Some(port), None) if node.has_cluster_addresses() => {
                        Some(Plain::Service(node, port.number?))
                    }
                    (None, _) => Some(Plain::Absent),
                    _ => None,
                }
            }
            (Body::Headless, 3, RType::A | RType::AAAA) => {
                let endpoints = node.endpoints();
                row(endpoints.in_row(qtype)?, !endpoints.is_empty())
            }
            _ => None,
        }
    }
}

fn row(octets: &[u8], exists: bool) -> Option<Plain<'_>> {
    Some(match (octets.is_empty(), exists) {
        (false, _) => Plain::Addresses(octets),
        (true, true) => Plain::NoData,
        (true, false) => Plain::Absent,
    })
}
