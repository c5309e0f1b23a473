//! Services, and likewise ServiceImports: rows by the number of the name, so that a row needs no
//! table that leads to it.

use super::slab::{ByHash, Slab};
use super::stamp::Stamp;
use crate::cow::Seed;
use crate::model::{Service, ServiceImport, ServiceKind};
use crate::tenancy::{NsId, ServiceId};
use std::net::IpAddr;

/// Objects whose name has a [`ServiceId`], of one kind.
pub struct Numbered<T> {
    rows: Slab<(T, Stamp)>,
    members: Vec<Vec<ServiceId>>,
    len: usize,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self {
            rows: Slab::default(),
            members: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Numbered<T> {
    /// Returns the object of a name.
    pub fn get(&self, id: ServiceId) -> Option<&T> {
        self.rows.get(id.0).map(|(object, _)| object)
    }

    /// Returns every object, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.rows.iter().map(|(_, (object, _))| object)
    }

    pub(in crate::index) fn from(&self, row: u32) -> impl Iterator<Item = (u32, &T)> {
        let rows = self.rows.from(row);
        rows.map(|(number, (object, _))| (number, object))
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the names in a namespace that have an object, in no order.
    pub(in crate::index) fn members(&self, ns: NsId) -> &[ServiceId] {
        self.members.get(ns.0 as usize).map_or(&[], |list| list)
    }

    /// Puts an object in the place of the one with its name, if there is one.
    pub(in crate::index) fn put(&mut self, ns: NsId, id: ServiceId, object: T) {
        let before = self.remove(ns, id);
        self.len += 1;
        let stamp = before.map(|(_, stamp)| stamp).unwrap_or_default();
        self.rows.set(id.0, (object, stamp));
        if self.members.len() <= ns.0 as usize {
            self.members.resize_with(ns.0 as usize + 1, Vec::new);
        }
        if let Some(list) = self.members.get_mut(ns.0 as usize) {
            list.push(id);
        }
    }

    /// Takes an object out.
    pub(in crate::index) fn remove(&mut self, ns: NsId, id: ServiceId) -> Option<(T, Stamp)> {
        let row = self.rows.take(id.0)?;
        self.len -= 1;
        if let Some(list) = self.members.get_mut(ns.0 as usize)
            && let Some(at) = list.iter().rposition(|&other| other == id)
        {
            list.swap_remove(at);
        }
        Some(row)
    }

    pub(super) fn stamp_mut(&mut self, id: ServiceId) -> Option<&mut Stamp> {
        self.rows.get_mut(id.0).map(|(_, stamp)| stamp)
    }

    pub(super) fn stamps_mut(&mut self) -> impl Iterator<Item = &mut Stamp> {
        self.rows.iter_mut().map(|(_, stamp)| stamp)
    }

    pub(super) fn stamps(&self) -> impl Iterator<Item = (ServiceId, Stamp)> {
        let rows = self.rows.iter();
        rows.map(|(id, (_, stamp))| (ServiceId(id), *stamp))
    }
}

/// Every Service, and which have an address as cluster address.
pub struct Services {
    seed: Seed,
    by_name: Numbered<Service>,
    by_address: ByHash,
}

/// Every ServiceImport.
pub type Imports = Numbered<ServiceImport>;

impl std::ops::Deref for Services {
    type Target = Numbered<Service>;

    fn deref(&self) -> &Self::Target {
        &self.by_name
    }
}

impl Services {
    pub(super) fn new(seed: Seed) -> Self {
        Self {
            seed,
            by_name: Numbered::default(),
            by_address: ByHash::default(),
        }
    }

    /// Returns the Services with a cluster address, in no order.
    pub(in crate::index) fn with_address(
        &self,
        address: IpAddr,
    ) -> impl Iterator<Item = (ServiceId, &Service)> {
        let numbers = self.by_address.get(self.seed.hash(&address)).map(ServiceId);
        let rows = numbers.filter_map(|id| Some((id, self.get(id)?)));
        rows.filter(move |(_, service)| cluster_addresses(service).contains(&address))
    }

    /// Puts a Service in the place of the one with its name, or takes that one out.
    pub(in crate::index) fn replace(&mut self, ns: NsId, id: ServiceId, next: Option<Service>) {
        let addresses = |service: Option<&Service>| service.map_or(Vec::new(), cluster_addresses);
        for address in addresses(self.get(id)) {
            self.by_address.remove(self.seed.hash(&address), id.0);
        }
        for address in addresses(next.as_ref()) {
            self.by_address.insert(self.seed.hash(&address), id.0);
        }
        match next {
            Some(service) => self.by_name.put(ns, id, service),
            None => {
                self.by_name.remove(ns, id);
            }
        }
    }

    pub(super) fn stamp_mut(&mut self, id: ServiceId) -> Option<&mut Stamp> {
        self.by_name.stamp_mut(id)
    }

    pub(super) fn stamps_mut(&mut self) -> impl Iterator<Item = &mut Stamp> {
        self.by_name.stamps_mut()
    }
}

/// Returns a Service's cluster addresses as a source is written, each once.
pub(in crate::index) fn cluster_addresses(service: &Service) -> Vec<IpAddr> {
    let ServiceKind::ClusterIp(list) = &service.kind else {
        return Vec::new();
    };
    let mut list: Vec<IpAddr> = list.iter().map(IpAddr::to_canonical).collect();
    list.sort_unstable();
    list.dedup();
    list
}
