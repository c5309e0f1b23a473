//! The wildcard grammar of CoreDNS before 1.9, over what one client may see: `*` and `any` stand
//! for any namespace, service, endpoint, port or protocol. An object of that name is only itself.

use super::endpoint::EndpointRef;
use super::label::AddressLabel;
use super::lookup::is_wild;
use super::ports::Selector;
use super::service::{Body, ServiceNode};
use super::target::{Part, ServiceTarget};
use super::{Origin, Zone};
use crate::tenancy::{Seen, View};

/// A question with a wildcard in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pattern<'q> {
    namespace: Option<&'q [u8]>,
    service: Option<&'q [u8]>,
    part: WildPart<'q>,
    /// Which of namespace and service are `any`, and the part as asked where it has an `any`.
    any: (bool, bool, Option<WildPart<'q>>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WildPart<'q> {
    Ports(Selector<'q>),
    Endpoint(Option<&'q [u8]>),
}

const ANY: &[u8] = b"any";

impl<'q> Pattern<'q> {
    /// Returns the pattern that a target is, or `None` where it has no wildcard.
    pub(super) fn of(target: &ServiceTarget<'q>) -> Option<Self> {
        let literal = |label: &'q [u8]| (!is_wild(label)).then_some(label);
        let open = |label: &'q [u8]| if is_wild(label) { &b""[..] } else { label };
        let (part, wild_part) = match target.part {
            Part::Ports(port, protocol) => (
                WildPart::Ports(Selector {
                    port: open(port),
                    protocol: open(protocol),
                }),
                is_wild(port) || is_wild(protocol),
            ),
            Part::Endpoint(label) => (WildPart::Endpoint(literal(label)), is_wild(label)),
            Part::ClusterEndpoint(..) => return None,
        };
        let wild = wild_part || is_wild(target.namespace) || is_wild(target.service);
        let as_asked = match target.part {
            Part::Ports(port, protocol) if port == ANY || protocol == ANY => {
                Some(WildPart::Ports(Selector { port, protocol }))
            }
            Part::Endpoint(label) if label == ANY => Some(WildPart::Endpoint(Some(label))),
            _ => None,
        };
        wild.then(|| Self {
            namespace: literal(target.namespace),
            service: literal(target.service),
            part,
            any: (target.namespace == ANY, target.service == ANY, as_asked),
        })
    }
}

/// The services that a pattern matches, in the order of their names.
#[derive(Clone, Copy)]
pub struct Walk<'a> {
    zone: &'a Zone,
    view: View<'a>,
    origin: &'a Origin,
    pattern: Pattern<'a>,
}

/// One match: a service, and which part of it.
pub enum Match<'a> {
    /// The service under a selector.
    Service(ServiceNode<'a>, Selector<'a>),
    /// One of its endpoints.
    Endpoint(ServiceNode<'a>, EndpointRef<'a>),
}

impl Match<'_> {
    /// Returns how many entries the match is: what SRV weights divide by. Aliases count for none.
    pub fn entries(&self) -> usize {
        match self {
            Self::Service(node, _) if matches!(node.body(), Body::Alias(_)) => 0,
            Self::Service(node, selector) => node.entries(selector),
            Self::Endpoint(_, endpoint) => endpoint.entries(&Selector::ANY),
        }
    }
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        zone: &'a Zone,
        view: &View<'a>,
        origin: &'a Origin,
        pattern: Pattern<'a>,
    ) -> Self {
        let mut walk = Self {
            zone,
            view: *view,
            origin,
            pattern,
        };
        walk.prefer_objects();
        walk
    }

    /// Returns every match.
    pub fn matches(self) -> impl Iterator<Item = Match<'a>> {
        self.services().flat_map(move |node| {
            let (ports, endpoints) = match self.pattern.part {
                WildPart::Ports(selector) => {
                    let exists = match node.body() {
                        // An alias has no ports; a wildcard in front of it is not a port's name.
                        Body::Alias(_) => selector.is_any(),
                        _ => node.entries(&selector) > 0,
                    };
                    (exists.then_some(Match::Service(node, selector)), None)
                }
                WildPart::Endpoint(_) if matches!(node.body(), Body::Alias(_)) => (None, None),
                WildPart::Endpoint(label) => (None, Some(label)),
            };
            let named = endpoints
                .filter(|_| node.names_endpoints())
                .into_iter()
                .flat_map(move |l| {
                    node.endpoints().iter().filter(move |e| {
                        let mut spelled = AddressLabel::default();
                        let name = e.name().wire(&mut spelled).get(1..).unwrap_or(&[]);
                        l.is_none_or(|label| name.eq_ignore_ascii_case(label))
                    })
                });
            ports
                .into_iter()
                .chain(named.map(move |e| Match::Endpoint(node, e)))
        })
    }

    /// A visible object that is called `any` is that object and no wildcard.
    fn prefer_objects(&mut self) {
        let (namespace, service, part) = self.pattern.any;
        let wild = *self;
        if namespace {
            self.pattern.namespace = Some(ANY);
            if self.namespaces().next().is_none() {
                self.pattern.namespace = wild.pattern.namespace;
            }
        }
        if service {
            self.pattern.service = Some(ANY);
            if self.services().next().is_none() {
                self.pattern.service = wild.pattern.service;
            }
        }
        if let Some(part) = part {
            self.pattern.part = part;
            if self.matches().next().is_none() {
                self.pattern.part = wild.pattern.part;
            }
        }
    }

    fn services(self) -> impl Iterator<Item = ServiceNode<'a>> {
        self.namespaces().flat_map(move |seen| {
            let label = self.pattern.service;
            let named = label.map(|label| self.view.service(seen, label));
            let all = label
                .is_none()
                .then(|| self.zone.members(self.origin, seen.ns));
            let all = all.into_iter().flatten();
            let permitted = all.filter(move |s| self.view.permits(seen.ns, *s));
            let services = named.into_iter().chain(permitted);
            services.filter_map(move |id| self.zone.service_node(self.origin, id))
        })
    }

    fn namespaces(self) -> impl Iterator<Item = Seen> {
        let named = self
            .pattern
            .namespace
            .map(|label| self.view.namespace(label));
        let all = self
            .pattern
            .namespace
            .is_none()
            .then(|| self.view.namespaces());
        named
            .into_iter()
            .chain(all.into_iter().flatten())
            .map(move |seen| self.zone.narrow(seen))
            .filter(|seen| seen.ns != crate::tenancy::NsId::NONE)
    }
}
