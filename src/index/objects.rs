//! The objects as last seen, with the tables that lead from a name or an address to them.

mod names;
mod nodes;
mod pods;
mod policies;
mod services;
mod slab;
mod slices;
mod stamp;

pub use nodes::Nodes;
pub(super) use nodes::{is_address_annotation, node_addresses};
pub(super) use pods::NodeId;
pub use pods::{PodRow, Pods};
pub use policies::Policies;
pub use services::{Imports, Numbered, Services};
pub(super) use slab::{ByHash, Slab};
pub use slices::Slices;
pub(super) use slices::{SliceOf, SliceRow, service_of};
pub(super) use stamp::Stamp;

use super::numbers::Numbers;
use crate::cow::Seed;
use crate::model::{EndpointSlice, EndpointView, Kind, Namespace, ObjectKey, Pod, ServiceKind};
use crate::tenancy::ServiceId;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

/// Every object that the index holds.
pub struct Objects {
    /// Namespaces by name.
    pub namespaces: BTreeMap<Box<str>, Namespace>,
    /// Services.
    pub services: Services,
    /// ServiceImports.
    pub imports: Imports,
    /// EndpointSlices.
    pub slices: Slices,
    /// Pods.
    pub pods: Pods,
    /// Nodes.
    pub nodes: Nodes,
    /// DnsGrants, DnsExports and DnsImports.
    pub policies: Policies,

    pub(super) numbers: Numbers,
    /// Stamps of objects that have no row to keep it in: kinds of which there are few, and objects
    /// that answer for nothing.
    others: HashMap<(Kind, ObjectKey), Stamp>,
}

impl Objects {
    pub(super) fn new(seed: &Seed) -> Self {
        Self {
            namespaces: BTreeMap::new(),
            services: Services::default(),
            imports: Imports::default(),
            slices: Slices::new(seed.clone()),
            pods: Pods::new(seed.clone()),
            nodes: Nodes::new(seed.clone()),
            policies: Policies::default(),
            numbers: Numbers::new(seed.clone()),
            others: HashMap::new(),
        }
    }

    /// Returns how many objects of a kind there are.
    pub fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Namespace => self.namespaces.len(),
            Kind::Service => self.services.len(),
            Kind::EndpointSlice => self.slices.len(),
            Kind::Pod => self.pods.len(),
            Kind::Node => self.nodes.len(),
            Kind::ServiceImport => self.imports.len(),
            Kind::DnsGrant => self.policies.grants().len(),
            Kind::DnsExport => self.policies.exports().len(),
            Kind::DnsImport => self.policies.imports().len(),
        }
    }

    /// Returns whether a Service exists.
    pub fn has_service(&self, key: &ObjectKey) -> bool {
        let id = self.service_id(key);
        id.is_some_and(|id| self.services.get(id).is_some())
    }

    /// Returns whether a Service is headless; `None` where there is none.
    pub fn is_headless(&self, key: &ObjectKey) -> Option<bool> {
        let service = self.services.get(self.service_id(key)?)?;
        Some(service.kind == ServiceKind::Headless)
    }

    /// Returns whether a ServiceImport exists.
    pub fn has_import(&self, key: &ObjectKey) -> bool {
        let id = self.service_id(key);
        id.is_some_and(|id| self.imports.get(id).is_some())
    }

    /// Returns a pod.
    pub fn pod(&self, key: &ObjectKey) -> Option<&PodRow> {
        self.pods
            .get(self.numbers.find_ns(&key.namespace)?, &key.name)
    }

    /// Returns a pod's namespace and name.
    pub fn pod_key(&self, row: &PodRow) -> ObjectKey {
        let namespace = self.numbers.ns(row.ns()).unwrap_or_default();
        ObjectKey::new(namespace, self.pods.name(row))
    }

    /// Returns a pod as far as it is kept.
    pub(super) fn pod_of(&self, row: &PodRow) -> Pod {
        let node = self.numbers.node(row.node()).unwrap_or_default();
        row.unpack(self.pod_key(row), node)
    }

    /// Returns a slice as far as it is kept.
    pub(super) fn slice_of(&self, row: &SliceRow) -> EndpointSlice {
        let namespace = self.numbers.ns(row.ns()).unwrap_or_default();
        row.unpack(
            ObjectKey::new(namespace, self.slices.name(row)),
            self.owner_of(row),
        )
    }

    /// Returns whether a slice of the same name says the same.
    pub(super) fn is_same_slice(&self, row: &SliceRow, slice: &EndpointSlice) -> bool {
        self.owner_of(row) == service_of(&slice.owner) && row.is_same(slice)
    }

    /// Returns the name of the service that a slice belongs to, and whether that is a ServiceImport.
    fn owner_of(&self, row: &SliceRow) -> Option<(&str, bool)> {
        let (id, import) = row.of()?;
        let (_, name) = self.numbers.service(id)?;
        Some((name, import))
    }

    /// Returns the Services that, as slices say, have a ready endpoint at an address.
    pub fn services_with_endpoint(&self, address: IpAddr) -> BTreeSet<ObjectKey> {
        let has = |e: EndpointView<'_>| e.ready && e.addresses.contains(address);
        let slices = self.slices.iter();
        let with_it = slices.filter(|row| row.endpoints().iter().any(has));
        let services = with_it.filter_map(|row| {
            let (service, _) = self.owner_of(row).filter(|(_, import)| !import)?;
            Some(ObjectKey::new(self.numbers.ns(row.ns())?, service))
        });
        services.collect()
    }

    pub(super) fn service_id(&self, key: &ObjectKey) -> Option<ServiceId> {
        let ns = self.numbers.find_ns(&key.namespace)?;
        self.numbers.find_service(ns, &key.name)
    }

    /// Returns what is known of an object beside itself.
    pub(super) fn stamp(&mut self, kind: Kind, key: &ObjectKey) -> Option<Stamp> {
        self.stamp_mut(kind, key).copied()
    }

    /// Sets what is known of an object beside itself, whether or not it has a row.
    pub(super) fn set_stamp(&mut self, kind: Kind, key: &ObjectKey, stamp: Stamp) {
        if let Some(place) = self.stamp_of_row(kind, key) {
            *place = stamp;
            self.others.remove(&(kind, key.clone()));
        } else {
            self.others.insert((kind, key.clone()), stamp);
        }
    }

    /// Forgets an object that is gone.
    pub(super) fn drop_stamp(&mut self, kind: Kind, key: &ObjectKey) {
        self.others.remove(&(kind, key.clone()));
    }

    fn stamp_mut(&mut self, kind: Kind, key: &ObjectKey) -> Option<&mut Stamp> {
        if self.stamp_of_row(kind, key).is_some() {
            return self.stamp_of_row(kind, key);
        }
        self.others.get_mut(&(kind, key.clone()))
    }

    fn stamp_of_row(&mut self, kind: Kind, key: &ObjectKey) -> Option<&mut Stamp> {
        let ns = self.numbers.find_ns(&key.namespace)?;
        match kind {
            Kind::Pod => self.pods.stamp_mut(ns, &key.name),
            Kind::EndpointSlice => self.slices.stamp_mut(ns, &key.name),
            Kind::Service => {
                let id = self.numbers.find_service(ns, &key.name)?;
                self.services.stamp_mut(id)
            }
            Kind::ServiceImport => {
                let id = self.numbers.find_service(ns, &key.name)?;
                self.imports.stamp_mut(id)
            }
            Kind::Namespace | Kind::Node | Kind::DnsGrant | Kind::DnsExport | Kind::DnsImport => {
                None
            }
        }
    }

    /// Changes every stamp of a kind.
    pub(super) fn restamp(&mut self, kind: Kind, change: impl Fn(Stamp) -> Stamp) {
        let change = |stamp: &mut Stamp| *stamp = change(*stamp);
        match kind {
            Kind::Pod => self.pods.stamps_mut().for_each(change),
            Kind::EndpointSlice => self.slices.stamps_mut().for_each(change),
            Kind::Service => self.services.stamps_mut().for_each(change),
            Kind::ServiceImport => self.imports.stamps_mut().for_each(change),
            Kind::Namespace | Kind::Node | Kind::DnsGrant | Kind::DnsExport | Kind::DnsImport => {}
        }
        let others = self.others.iter_mut().filter(|((k, _), _)| *k == kind);
        others.for_each(|(_, stamp)| change(stamp));
    }

    /// Gives the namespace, name and stamp of every object of a kind, of those without a row too, in
    /// no order.
    pub(super) fn for_each_stamp(&self, kind: Kind, mut visit: impl FnMut(&str, &str, Stamp)) {
        let numbers = &self.numbers;
        let mut by_service = |id, stamp| {
            let Some((ns, name)) = numbers.service(id) else {
                return;
            };
            visit(numbers.ns(ns).unwrap_or_default(), name, stamp);
        };
        match kind {
            Kind::Service => self.services.stamps().for_each(|(id, s)| by_service(id, s)),
            Kind::ServiceImport => self.imports.stamps().for_each(|(id, s)| by_service(id, s)),
            Kind::Pod => self.pods.iter().for_each(|row| {
                let namespace = numbers.ns(row.ns()).unwrap_or_default();
                visit(namespace, self.pods.name(row), row.stamp());
            }),
            Kind::EndpointSlice => self.slices.iter().for_each(|row| {
                let namespace = numbers.ns(row.ns()).unwrap_or_default();
                visit(namespace, self.slices.name(row), row.stamp());
            }),
            Kind::Namespace | Kind::Node | Kind::DnsGrant | Kind::DnsExport | Kind::DnsImport => {}
        }
        for ((_, key), stamp) in self.others.iter().filter(|((k, _), _)| *k == kind) {
            visit(&key.namespace, &key.name, *stamp);
        }
    }
}
