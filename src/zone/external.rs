//! The look-up below the zones of `k8s_external`: `S.NS` with where a service is reached from outside,
//! as CoreDNS's plugin of that name has it, and the zones' own records. Like [`Zone::lookup`] it takes a
//! view, and hidden and absent names take the same ways.

use super::apex::{NameServers, Soa};
use super::endpoint::EndpointRef;
use super::exposed::ExposedNode;
use super::lookup::Absent;
use super::ports::Selector;
use super::reverse::{Pointers, address_of};
use super::service::{Body, ServiceNode};
use super::target::without_underscore;
use super::{ExternalOptions, Origin, Zone};
use crate::tenancy::{Sight, View};
use crate::wire::{QName, RType};

/// What a name below a zone of `k8s_external` gives.
pub enum Outside<'a> {
    /// The zone's SOA.
    Soa(Soa),
    /// The zone's one name server, `ns1` below the apex label.
    NameServer(&'a NameServers),
    /// The addresses of that.
    ServerAddresses(&'a NameServers),
    /// Where a service is reached from outside.
    Exposed(ExposedNode<'a>, Selector<'a>),
    /// The endpoints of a headless service that is not.
    Endpoints(ServiceNode<'a>, Selector<'a>),
    /// One endpoint of a service that is not.
    Endpoint(ServiceNode<'a>, EndpointRef<'a>),
    /// Reverse records.
    Pointers(Pointers<'a>),
    /// The name exists, without records of this type.
    NoData,
    /// The name is not in the view.
    Absent(Absent),
    /// No such name is below the apex label, for anybody; no step behind is asked.
    Nothing,
}

/// The labels in front of a service.
#[derive(Clone, Copy)]
enum Part<'q> {
    Ports(Selector<'q>),
    Endpoint(&'q [u8]),
}

impl Zone {
    /// Returns the longest zone of `k8s_external` that `qname` is at or below.
    pub fn external_origin(&self, qname: &QName<'_>) -> Option<(&ExternalOptions, &Origin)> {
        let options = self.options.external.as_ref()?;
        let origins = self.external_origins.iter();
        let holds = |origin: &&Origin| qname.is_at_or_below(&origin.name, origin.labels);
        let longest = origins.filter(holds).max_by_key(|origin| origin.labels)?;
        Some((options, longest))
    }

    /// Looks up `qname`, which is at or below a zone of `k8s_external`, as `view` sees it.
    pub fn look_outside<'a>(
        &'a self,
        view: &View<'a>,
        origin: &Origin,
        qname: &'a QName<'_>,
        qtype: RType,
    ) -> Outside<'a> {
        let Some(options) = &self.options.external else {
            return Outside::Absent(Absent::Impossible);
        };
        let own = qname.label_count() - origin.labels.min(qname.label_count());
        // From the right: 1 is the label next to the origin.
        let label = |n: usize| own.checked_sub(n).and_then(|at| qname.label(at));
        let Some(first) = label(1) else {
            return match qtype {
                RType::SOA => Outside::Soa(self.external_soa(options.ttl)),
                RType::NS => Outside::NameServer(&self.name_servers),
                _ => Outside::NoData,
            };
        };
        if first == options.apex.as_bytes() {
            return match (own, label(2), qtype) {
                (1, ..) => Outside::NoData,
                (2, Some(b"ns1"), RType::A | RType::AAAA) => {
                    Outside::ServerAddresses(&self.name_servers)
                }
                (2, Some(b"ns1"), _) => Outside::NoData,
                _ => Outside::Nothing,
            };
        }
        if qtype == RType::PTR
            && let Some(address) = address_of(qname)
        {
            let pointers = self.pointers_outside(view, address);
            return pointers.map_or(Outside::Absent(Absent::Missing), Outside::Pointers);
        }
        let part = match own {
            1 | 2 => Part::Ports(Selector::ANY),
            3 => Part::Endpoint(without_underscore(label(3).unwrap_or(b""))),
            4 => Part::Ports(Selector {
                protocol: without_underscore(label(3).unwrap_or(b"")),
                port: without_underscore(label(4).unwrap_or(b"")),
            }),
            _ => return Outside::Absent(Absent::Impossible),
        };
        let found = match label(2) {
            Some(service) => self.service_outside(view, options.headless, [first, service], part),
            None => match self.see(view, first).sight {
                Sight::Hidden => None,
                Sight::Some | Sight::Most | Sight::Whole => Some(Outside::NoData),
            },
        };
        match found {
            None if view.is_unknown() && view.is_reserved(first) => {
                Outside::Absent(Absent::Impossible)
            }
            None => Outside::Absent(Absent::Missing),
            Some(_) if !matches!(qtype, RType::A | RType::AAAA | RType::SRV) => Outside::NoData,
            Some(found) => found,
        }
    }

    /// Returns the SOA of the zones of `k8s_external`: theirs is not bounded as the cluster's is.
    pub fn external_soa(&self, ttl: u32) -> Soa {
        Soa {
            ttl,
            ..Soa::new(ttl, self.serial)
        }
    }

    /// Returns whether a name below a zone of `k8s_external` that is absent goes on to the next step.
    pub fn falls_through_outside(&self, qname: &QName<'_>) -> bool {
        let external = self.options.external.as_ref();
        external.is_some_and(|options| qname.longest_suffix(&options.fallthrough).is_some())
    }

    fn service_outside<'a>(
        &'a self,
        view: &View<'a>,
        headless: bool,
        [namespace, service]: [&'a [u8]; 2],
        part: Part<'a>,
    ) -> Option<Outside<'a>> {
        let seen = self.see(view, namespace);
        let id = view.service(seen, service);
        let exposed = self.exposed_node(id);
        let node = self.any_service(id);
        if let Some(exposed) = exposed {
            // As in CoreDNS: whatever stands in the place of an endpoint counts for nothing.
            let selector = match part {
                Part::Ports(selector) => selector,
                Part::Endpoint(_) => Selector::ANY,
            };
            let exists = exposed.ports().any(&selector);
            return exists.then_some(Outside::Exposed(exposed, selector));
        }
        // Not as in CoreDNS: an alias has no endpoints here either.
        let stands = |node: &ServiceNode<'_>| !matches!(node.body(), Body::Absent | Body::Alias(_));
        let node = node.filter(|node| headless && stands(node))?;
        match part {
            Part::Ports(selector) if node.body() == Body::Headless => {
                node.addresses(&selector)?;
                Some(Outside::Endpoints(node, selector))
            }
            Part::Ports(_) => None,
            Part::Endpoint(label) => {
                let endpoint = self.endpoint_named(node, &[label])?;
                Some(Outside::Endpoint(node, endpoint))
            }
        }
    }
}
