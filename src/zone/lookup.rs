//! The one look-up: a name and a type, as one client sees them. What each type does with a name is
//! CoreDNS's `backend_lookup.go` and `kubernetes.go`, quirks included (docs/compatibility.md lists
//! where it differs).

use super::addresses::Addresses;
use super::apex::{DNS_VERSION, MULTICLUSTER_VERSION, NameServers, Soa};
use super::endpoint::EndpointRef;
use super::label::{spelled_address, spells_canonically};
use super::options::PodMode;
use super::ports::Selector;
use super::reverse::{Pointers, address_of};
use super::service::{Body, ServiceNode};
use super::target::{Part, ServiceTarget, Target, ZonalTarget};
use super::walk::{Pattern, Walk};
use super::{Origin, Zone};
use crate::tenancy::{NsId, Seen, Sight, View};
use crate::wire::{QName, RType};
use std::net::IpAddr;

/// What a look-up finds.
pub enum Lookup<'a> {
    /// Records.
    Found(Found<'a>),
    /// The name exists, without records of this type.
    NoData,
    /// The name is not in the view.
    Absent(Absent),
}

/// Why a name is not in the view; the same for hidden and absent ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// No cluster could hold it for this client, now or later: its shape is wrong, or its namespace
    /// is reserved.
    Impossible,
    /// It may exist for somebody else, or later.
    Missing,
}

/// Records, not put together yet.
pub enum Found<'a> {
    /// The addresses of a service.
    Addresses(Addresses<'a>),
    /// The addresses of one endpoint.
    Endpoint(EndpointRef<'a>),
    /// One address: a pod's.
    Address(IpAddr),
    /// SRV records of a service.
    Services(ServiceNode<'a>, Selector<'a>),
    /// SRV records of one endpoint of a service.
    EndpointServices(ServiceNode<'a>, EndpointRef<'a>),
    /// The SRV record of a pod: the labels of its name (pod, namespace), and its address.
    PodService([&'a [u8]; 2], IpAddr),
    /// Another name, in wire form: the answer to CNAME, and where A and AAAA go on.
    Alias(&'a [u8]),
    /// Reverse records.
    Pointers(Pointers<'a>),
    /// The zone's SOA.
    Soa(Soa),
    /// The zone's name servers.
    NameServers(&'a NameServers),
    /// The addresses of the zone's name servers.
    ServerAddresses(&'a NameServers),
    /// `dns-version`.
    Version(&'static [u8]),
    /// `whoami`.
    Whoami,
    /// Records of every service that a pattern matches.
    Wild(Walk<'a>),
}

/// What a name resolves to, before the type is looked at.
enum Resolved<'a> {
    /// It exists and has no records.
    Empty,
    /// It exists for every type, TXT too, and has no records: a topology zone without endpoints.
    Void,
    Absent(Absent),
    Service(ServiceNode<'a>, Selector<'a>),
    Endpoint(ServiceNode<'a>, EndpointRef<'a>),
    Pod([&'a [u8]; 2], IpAddr),
    Wild(Walk<'a>),
}

/// A part of a service that exists.
enum Piece<'a> {
    Ports(Selector<'a>),
    Endpoint(EndpointRef<'a>),
}

const MISSING: Lookup<'static> = Lookup::Absent(Absent::Missing);

impl Zone {
    /// Looks up `qname`, which is at or below `origin`, as `view` sees it.
    pub fn lookup<'a>(
        &'a self,
        view: &View<'a>,
        origin: &'a Origin,
        qname: &'a QName<'_>,
        qtype: RType,
    ) -> Lookup<'a> {
        let own_labels = qname.label_count() - origin.labels.min(qname.label_count());
        let at_apex = own_labels == 0;
        // Some of CoreDNS's tests compare with the zone as the client spelled it.
        let plain_zone = || is_lower(qname, origin.labels);
        if view.tells_who_asks() && own_labels == 2 && is_whoami(qname) {
            return match qtype {
                RType::TXT => Lookup::Found(Found::Whoami),
                _ => Lookup::NoData,
            };
        }
        match qtype {
            RType::SOA if at_apex => return Lookup::Found(Found::Soa(self.apex_soa())),
            RType::SOA if !view.is_unknown() => return Lookup::NoData,
            RType::NS if at_apex && plain_zone() => {
                return match self.name_servers.visible(view).next() {
                    Some(_) => Lookup::Found(Found::NameServers(&self.name_servers)),
                    None => Lookup::NoData,
                };
            }
            RType::TXT => return self.text(view, origin, qname),
            RType::PTR => {
                if let Some(address) = address_of(qname) {
                    let pointers = self.pointers(view, address).map(Found::Pointers);
                    return pointers.map_or(MISSING, Lookup::Found);
                }
            }
            _ if own_labels == 2 && is_ns_dns(qname) && plain_zone() => {
                return match qtype {
                    RType::A | RType::AAAA => {
                        Lookup::Found(Found::ServerAddresses(&self.name_servers))
                    }
                    _ => Lookup::NoData,
                };
            }
            _ => {}
        }
        match self.resolve(view, origin, qname) {
            Resolved::Empty | Resolved::Void => Lookup::NoData,
            // Types other than the zone's own exist below the apex without being looked for.
            Resolved::Absent(Absent::Impossible) if qtype == RType::SOA => Lookup::NoData,
            Resolved::Absent(absent) => Lookup::Absent(absent),
            Resolved::Service(node, selector) => of_service(node, selector, qtype),
            Resolved::Endpoint(node, endpoint) => match qtype {
                RType::A | RType::AAAA => Lookup::Found(Found::Endpoint(endpoint)),
                RType::SRV => Lookup::Found(Found::EndpointServices(node, endpoint)),
                _ => Lookup::NoData,
            },
            Resolved::Pod(labels, address) => match qtype {
                RType::A | RType::AAAA => Lookup::Found(Found::Address(address)),
                RType::SRV => Lookup::Found(Found::PodService(labels, address)),
                _ => Lookup::NoData,
            },
            Resolved::Wild(walk) => match qtype {
                RType::A | RType::AAAA | RType::SRV | RType::CNAME => {
                    Lookup::Found(Found::Wild(walk))
                }
                _ => Lookup::NoData,
            },
        }
    }

    /// TXT: `dns-version` and `whoami`. Names without entries of their own are NXDOMAIN for this
    /// type alone, the apex among them.
    fn text<'a>(&'a self, view: &View<'a>, origin: &'a Origin, qname: &'a QName<'_>) -> Lookup<'a> {
        let own_labels = qname.label_count() - origin.labels.min(qname.label_count());
        if own_labels == 1 && qname.label(0) == Some(b"dns-version") {
            let version = if origin.multicluster {
                MULTICLUSTER_VERSION
            } else {
                DNS_VERSION
            };
            return Lookup::Found(Found::Version(version));
        }
        match self.resolve(view, origin, qname) {
            Resolved::Empty => Lookup::Absent(Absent::Impossible),
            Resolved::Absent(absent) => Lookup::Absent(absent),
            _ => Lookup::NoData,
        }
    }

    fn resolve<'a>(
        &'a self,
        view: &View<'a>,
        origin: &'a Origin,
        qname: &'a QName<'_>,
    ) -> Resolved<'a> {
        let target = Target::parse(qname, origin, self.options.zonal);
        if origin.reverse && !matches!(target, Target::Apex | Target::Root) {
            let spells = address_of(qname).is_some();
            return Resolved::Absent(if spells {
                Absent::Missing
            } else {
                Absent::Impossible
            });
        }
        match target {
            Target::Apex | Target::Root => Resolved::Empty,
            Target::Impossible => Resolved::Absent(Absent::Impossible),
            Target::Namespace(label) => {
                if self.wildcards && is_wild(label) && self.see(view, label).ns == NsId::NONE {
                    return Resolved::Empty;
                }
                match self.see(view, label).sight {
                    Sight::Hidden => self.absent(view, label),
                    Sight::Some | Sight::Most | Sight::Whole => Resolved::Empty,
                }
            }
            Target::PodNamespace(label) => match self.see(view, label).sight {
                sight if sight.is_whole() && self.options.pods != PodMode::Disabled => {
                    Resolved::Empty
                }
                _ => self.absent(view, label),
            },
            Target::Pod(namespace, label) => self.pod(view, namespace, label),
            Target::Service(target) => self.service(view, origin, &target),
            Target::Zonal(target) => self.zonal(view, origin, &target),
        }
    }

    fn service<'a>(
        &'a self,
        view: &View<'a>,
        origin: &'a Origin,
        target: &ServiceTarget<'a>,
    ) -> Resolved<'a> {
        if self.wildcards
            && let Some(pattern) = Pattern::of(target)
        {
            let walk = Walk::new(self, view, origin, pattern);
            if walk.matches().next().is_some() {
                return Resolved::Wild(walk);
            }
            let named = self.see(view, target.namespace).sight != Sight::Hidden;
            let whole_service = is_wild(target.service) && named;
            return if whole_service {
                Resolved::Empty
            } else {
                self.absent(view, target.namespace)
            };
        }
        let seen = self.see(view, target.namespace);
        let service = view.service(seen, target.service);
        let found = self.service_node(origin, service);
        match found.and_then(|node| Some((node, self.part_of(node, target.part)?))) {
            Some((node, Piece::Ports(selector))) => Resolved::Service(node, selector),
            Some((node, Piece::Endpoint(endpoint))) => Resolved::Endpoint(node, endpoint),
            None => self.absent(view, target.namespace),
        }
    }

    /// The endpoints of a headless service in one topology zone. Whatever else the service is, it has
    /// no such name.
    fn zonal<'a>(
        &'a self,
        view: &View<'a>,
        origin: &'a Origin,
        target: &ZonalTarget<'a>,
    ) -> Resolved<'a> {
        let seen = self.see(view, target.namespace);
        let service = view.service(seen, target.service);
        let found = self.service_node(origin, service);
        let Some(node) = found.filter(|node| node.body() == Body::Headless) else {
            return self.absent(view, target.namespace);
        };
        match self.zonal_node(service, target.zone) {
            Some(within) => Resolved::Service(within, Selector::ANY),
            None if target.prefers && !node.endpoints().is_empty() => {
                Resolved::Service(node, Selector::ANY)
            }
            None => Resolved::Void,
        }
    }

    fn pod<'a>(&'a self, view: &View<'a>, namespace: &'a [u8], label: &'a [u8]) -> Resolved<'a> {
        let seen = self.see(view, namespace);
        let address = spelled_address(label).filter(|_| seen.sight.is_whole());
        let exists = match (self.options.pods, address) {
            (PodMode::Disabled, _) | (_, None) => false,
            (PodMode::Insecure, Some(_)) => !view.is_enforced_by_label(seen.ns),
            (PodMode::Verified, Some(address)) => {
                let namespaces = self.pods.get(key(address));
                spells_canonically(label, address) && namespaces.contains(&seen.ns.0)
            }
        };
        match address {
            Some(address) if exists => Resolved::Pod([label, namespace], address.to_canonical()),
            _ if is_wild(label)
                && self.wildcards
                && self.options.pods == PodMode::Verified
                && seen.sight.is_whole() =>
            {
                Resolved::Empty
            }
            _ => self.absent(view, namespace),
        }
    }

    /// Returns what a part of a service resolves to, or `None` where the service has no such part.
    fn part_of<'a>(&self, node: ServiceNode<'a>, part: Part<'a>) -> Option<Piece<'a>> {
        match part {
            Part::Ports(port, protocol) => {
                let selector = Selector { port, protocol };
                let exists = match node.body() {
                    Body::Alias(_) => selector.is_any(),
                    _ => node.addresses(&selector).is_some(),
                };
                exists.then_some(Piece::Ports(selector))
            }
            Part::Endpoint(label) => self.endpoint_of(node, &[label]),
            Part::ClusterEndpoint(endpoint, cluster) => {
                self.endpoint_of(node, &[endpoint, cluster])
            }
        }
    }

    fn endpoint_of<'a>(&self, node: ServiceNode<'a>, labels: &[&[u8]]) -> Option<Piece<'a>> {
        if !node.names_endpoints() || matches!(node.body(), Body::Alias(_)) {
            return None;
        }
        self.endpoint_named(node, labels).map(Piece::Endpoint)
    }

    /// Finds an endpoint by its labels, lower case.
    pub(super) fn endpoint_named<'a>(
        &self,
        node: ServiceNode<'a>,
        labels: &[&[u8]],
    ) -> Option<EndpointRef<'a>> {
        let mut name = arrayvec::ArrayVec::<u8, 128>::new();
        for label in labels {
            name.try_push(u8::try_from(label.len()).ok()?).ok()?;
            name.try_extend_from_slice(label).ok()?;
        }
        node.endpoints().find(&self.seed, &name)
    }

    /// Finds a namespace that both the view and the zone's options show.
    #[inline]
    pub(super) fn see(&self, view: &View<'_>, label: &[u8]) -> Seen {
        self.narrow(view.namespace(label))
    }

    #[inline]
    pub(super) fn narrow(&self, seen: Seen) -> Seen {
        if self.exposed.contains(seen.ns.0) {
            seen
        } else {
            Seen {
                ns: NsId::NONE,
                sight: Sight::Hidden,
            }
        }
    }

    fn absent<'a>(&self, view: &View<'_>, namespace: &[u8]) -> Resolved<'a> {
        // Only a client that we don't know is told the two apart.
        let impossible = view.is_unknown() && view.is_reserved(namespace);
        Resolved::Absent(if impossible {
            Absent::Impossible
        } else {
            Absent::Missing
        })
    }
}

fn of_service<'a>(node: ServiceNode<'a>, selector: Selector<'a>, qtype: RType) -> Lookup<'a> {
    match (node.body(), qtype) {
        (Body::Alias(target), RType::A | RType::AAAA | RType::CNAME) => {
            Lookup::Found(Found::Alias(target))
        }
        (Body::Alias(_), _) => Lookup::NoData,
        (_, RType::A | RType::AAAA) => match node.addresses(&selector) {
            Some(addresses) => Lookup::Found(Found::Addresses(addresses)),
            None => MISSING,
        },
        (_, RType::SRV) => Lookup::Found(Found::Services(node, selector)),
        _ => Lookup::NoData,
    }
}

/// The key of an address in the zone's maps: IPv4 as IPv4-mapped IPv6.
pub(super) fn key(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// Returns whether a label is one of the two that were wildcards before CoreDNS 1.9.
#[inline(always)]
pub(super) fn is_wild(label: &[u8]) -> bool {
    label == b"*" || label == b"any"
}

fn is_lower(qname: &QName<'_>, labels: usize) -> bool {
    let zone = qname
        .suffix_offset(labels)
        .and_then(|start| qname.as_wire().get(start..));
    zone.is_some_and(|zone| !zone.iter().any(u8::is_ascii_uppercase))
}

fn is_ns_dns(qname: &QName<'_>) -> bool {
    qname.label(0) == Some(b"ns") && qname.label(1) == Some(b"dns")
}

fn is_whoami(qname: &QName<'_>) -> bool {
    qname.label(0) == Some(b"whoami") && qname.label(1) == Some(b"tenantdns")
}
