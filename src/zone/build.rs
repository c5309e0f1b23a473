//! The index's side of a zone: what it says of each service and namespace becomes the value that
//! queries read. Everything is checked for the wire here, so that writing an answer can't fail for
//! a name.

use super::apex::NameServers;
use super::exposed;
use super::lookup::key;
use super::plain::ShortWay;
use super::service::{Body, ServiceNode};
use super::{Members, Nodes, Options, Origin, PodMode, Zone};
use crate::cow::{CowBits, CowPages, CowVec, Seed};
use crate::model::{EndpointPort, Endpoints, Labels, Namespace, Service, ServiceImport};
use crate::tenancy::{NsId, ServiceId};
use crate::wire::{MAX_LABEL, Name, labels};
use arrayvec::ArrayVec;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

/// Everything that a service's records are made of.
#[derive(Debug, Clone)]
pub struct ServiceInput<'a> {
    /// Its namespace.
    pub ns: NsId,
    /// Its number.
    pub id: ServiceId,
    /// The namespace's label, lower case.
    pub namespace: &'a [u8],
    /// The service's label, lower case.
    pub label: &'a [u8],
    /// Its slices, by name.
    pub slices: Vec<SliceInput<'a>>,
}

/// What of an EndpointSlice its service's records are made of.
#[derive(Debug, Clone, Copy)]
pub struct SliceInput<'a> {
    /// `metadata.name`, by which a service's slices are in order.
    pub name: &'a str,
    /// `metadata.labels`.
    pub labels: &'a Labels,
    /// The cluster that a ServiceImport's endpoints are in; empty where it is not said.
    pub cluster: &'a str,
    /// `endpoints`.
    pub endpoints: &'a Endpoints,
    /// `ports`; empty when the slice declares none.
    pub ports: &'a [EndpointPort],
}

/// `S.NS.svc` in wire form.
pub(super) type Suffix = ArrayVec<u8, { 2 * (MAX_LABEL + 1) + 4 }>;

/// Returns the short way to the one origin that services have names under, where no other, none of
/// `k8s_external` and no `fallthrough` has to do with names below it.
fn short_way(origins: &[Origin], options: &Options) -> Option<ShortWay> {
    let forward = origins.iter().enumerate();
    let mut forward = forward.filter(|(_, o)| !o.reverse && !o.multicluster);
    let (place, origin) = forward.next()?;
    let apart =
        |other: &Name| !other.is_at_or_below(&origin.name) && !origin.name.is_at_or_below(other);
    let others = origins.iter().filter(|other| other.name != origin.name);
    let external = options.external.iter().flat_map(|table| &table.origins);
    let plain = forward.next().is_none()
        && others.map(|other| &other.name).all(apart)
        && options.fallthrough.iter().chain(external).all(apart);
    let services = origin.name.prefixed([&b"svc"[..]]).ok()?;
    plain.then_some(ShortWay {
        origin: place,
        services,
    })
}

impl ServiceInput<'_> {
    pub(super) fn suffix(&self) -> Suffix {
        let mut wire = Suffix::new();
        for label in [self.label, self.namespace, b"svc"] {
            let label = label.get(..MAX_LABEL).unwrap_or(label);
            wire.extend(std::iter::once(label.len() as u8).chain(label.iter().copied()));
        }
        wire
    }
}

/// The mutable side of a [`Zone`].
pub struct ZoneWriter {
    pub(super) zone: Zone,
    pub(super) longest_origin: usize,
    namespaces: BTreeSet<Box<str>>,
    /// Services that one of the server's addresses is an endpoint of.
    pub(super) servers: BTreeSet<ServiceId>,
}

impl ZoneWriter {
    /// Returns the writer of a zone without data.
    pub fn new(options: Options, wildcards: bool, seed: &Seed) -> Self {
        let origins: Arc<[Origin]> = options
            .origins
            .iter()
            .map(|name| Origin::new(name, options.multicluster.contains(name)))
            .collect();
        let longest_origin = origins
            .iter()
            .map(|o| o.name.as_wire().len())
            .max()
            .unwrap_or(1);
        let namespaces = options
            .namespaces
            .iter()
            .map(|n| n.to_lowercase().into())
            .collect();
        let external_origins = exposed::origins_of(options.external.as_ref());
        let zone = Zone {
            short_way: short_way(&origins, &options),
            name_servers: Arc::new(NameServers::outside(&options.own_addresses)),
            options: Arc::new(options),
            origins,
            wildcards,
            serial: 0,
            services: CowVec::default(),
            imports: CowVec::default(),
            service_members: CowVec::default(),
            import_members: CowVec::default(),
            exposed: CowBits::default(),
            reverse: CowPages::new(seed.clone()),
            pods: CowPages::new(seed.clone()),
            zonal: CowVec::default(),
            external_origins,
            exposed_services: CowVec::default(),
            reverse_outside: CowPages::new(seed.clone()),
            seed: seed.clone(),
        };
        Self {
            zone,
            longest_origin,
            namespaces,
            servers: BTreeSet::new(),
        }
    }

    /// Returns the zone as it is now.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Sets the SOA's serial.
    pub fn set_serial(&mut self, serial: u32) {
        self.zone.serial = serial;
    }

    /// Says what a namespace's object says, or that there is none.
    pub fn set_namespace(&mut self, ns: NsId, namespace: Option<&Namespace>) {
        let listed = |n: &Namespace| {
            self.namespaces.is_empty() || self.namespaces.contains(&*n.name.to_lowercase())
        };
        let selected = |n: &Namespace| {
            self.zone
                .options
                .namespace_labels
                .as_ref()
                .is_none_or(|s| s.matches(&n.labels))
        };
        let exposed = namespace.is_some_and(|n| listed(n) && selected(n));
        self.zone.exposed.set(ns.0, exposed);
    }

    /// Says what a Service is now with its slices, or that there is none: slices without a Service
    /// have reverse names, too.
    pub fn set_service(&mut self, input: &ServiceInput<'_>, service: Option<&Service>) {
        let service = service.filter(|s| self.selects(&s.labels));
        let block = self.service_block(input, service);
        self.set_server(input, service);
        self.point_to(input, block.as_deref());
        self.set_zonal(input, service);
        self.set_exposed(input, service);
        let Zone {
            services,
            service_members,
            ..
        } = &mut self.zone;
        replace(services, service_members, input, block);
    }

    /// Says what a ServiceImport is now with its slices, or that there is none.
    pub fn set_import(&mut self, input: &ServiceInput<'_>, import: Option<&ServiceImport>) {
        let block = import.and_then(|import| self.import_block(input, import));
        let Zone {
            imports,
            import_members,
            ..
        } = &mut self.zone;
        replace(imports, import_members, input, block);
    }

    /// Says in which namespaces an address is a pod's: those of `pods`, each with its labels, that
    /// the options select.
    pub fn set_pods(&mut self, address: IpAddr, pods: &[(NsId, Labels)]) {
        if self.zone.options.pods != PodMode::Verified {
            return;
        }
        let selected = pods.iter().filter(|(_, labels)| self.selects(labels));
        let mut namespaces: Vec<u32> = selected.map(|(ns, _)| ns.0).collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        self.zone.pods.set(key(address), &namespaces);
    }

    /// Returns whether the options read an object with these labels.
    pub(super) fn selects(&self, labels: &Labels) -> bool {
        self.zone.options.labels.matches(labels)
    }

    /// Returns whether the options read a slice.
    pub(super) fn uses(&self, slice: &SliceInput<'_>) -> bool {
        !self.zone.options.noendpoints && self.selects(slice.labels)
    }
}

/// Puts a service's block in the place of the one before, and the service in or out of its
/// namespace's list.
fn replace(
    nodes: &mut Nodes,
    members: &mut Members,
    input: &ServiceInput<'_>,
    block: Option<Arc<[u8]>>,
) {
    let before = nodes.get(input.id.0).and_then(Option::as_ref);
    if before == block.as_ref() {
        return;
    }
    let exists = |block: Option<&Arc<[u8]>>| {
        let node = block.and_then(|block| ServiceNode::read(block));
        node.is_some_and(|node| node.body() != Body::Absent)
    };
    let (existed, exists) = (exists(before), exists(block.as_ref()));
    if existed != exists {
        // By name, so that neither the order of events nor what is hidden shows in an answer.
        let order = |other: u32| {
            let block = nodes.get(other).and_then(Option::as_ref);
            let other = block.and_then(|block| ServiceNode::read(block));
            let label = other.and_then(|other| labels(other.suffix()).next());
            label.unwrap_or(&[]).cmp(input.label)
        };
        let mut list = members.get(input.ns.0).cloned().unwrap_or_default();
        if exists {
            list.insert(input.id.0, order);
        } else {
            list.remove(order);
        }
        members.set(input.ns.0, list);
    }
    nodes.set(input.id.0, block);
}
