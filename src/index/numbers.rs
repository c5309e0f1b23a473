//! Gives namespaces, services and nodes their dense numbers, and takes them back when nothing
//! mentions them any more.

use super::objects::{ByHash, NodeId, Slab};
use crate::cow::Seed;
use crate::tenancy::{NsId, ServiceId};
use std::collections::BTreeSet;

/// The numbers in use.
pub(super) struct Numbers {
    seed: Seed,
    namespaces: Table<Box<str>>,
    services: Table<(NsId, Box<str>)>,
    nodes: Table<Box<str>>,
}

impl Numbers {
    pub(super) fn new(seed: Seed) -> Self {
        Self {
            seed,
            namespaces: Table::default(),
            services: Table::default(),
            nodes: Table::default(),
        }
    }

    /// Returns the number of a namespace's name, a new one where it has none, and counts one more
    /// mention.
    pub(super) fn take_ns(&mut self, name: &str) -> NsId {
        let hash = self.seed.hash(name);
        NsId(self.namespaces.take(hash, |k| **k == *name, || name.into()))
    }

    /// Counts one mention less. The number stays until it is freed.
    pub(super) fn give_back_ns(&mut self, ns: NsId) {
        self.namespaces.give_back(ns.0);
    }

    /// Returns the number of a namespace that something mentions.
    pub(super) fn find_ns(&self, name: &str) -> Option<NsId> {
        let hash = self.seed.hash(name);
        self.namespaces.find(hash, |k| **k == *name).map(NsId)
    }

    /// Returns a namespace's name.
    pub(super) fn ns(&self, ns: NsId) -> Option<&str> {
        self.namespaces.key(ns.0).map(|name| &**name)
    }

    /// Frees a number that nothing mentions, and returns whether it did.
    pub(super) fn free_ns(&mut self, ns: NsId) -> bool {
        let hash = self.ns(ns).map(|name| self.seed.hash(name));
        hash.is_some_and(|hash| self.namespaces.free_unused(hash, ns.0))
    }

    /// As [`Numbers::take_ns`] for a service.
    pub(super) fn take_service(&mut self, ns: NsId, name: &str) -> ServiceId {
        let hash = self.seed.hash(&(ns, name));
        let is_it = |key: &(NsId, Box<str>)| key.0 == ns && *key.1 == *name;
        ServiceId(self.services.take(hash, is_it, || (ns, name.into())))
    }

    /// As [`Numbers::give_back_ns`] for a service.
    pub(super) fn give_back_service(&mut self, service: ServiceId) {
        self.services.give_back(service.0);
    }

    /// Returns the number of a service that something mentions.
    pub(super) fn find_service(&self, ns: NsId, name: &str) -> Option<ServiceId> {
        let hash = self.seed.hash(&(ns, name));
        let is_it = |key: &(NsId, Box<str>)| key.0 == ns && *key.1 == *name;
        self.services.find(hash, is_it).map(ServiceId)
    }

    /// Returns a service's namespace and name.
    pub(super) fn service(&self, service: ServiceId) -> Option<(NsId, &str)> {
        let (ns, name) = self.services.key(service.0)?;
        Some((*ns, name))
    }

    /// As [`Numbers::free_ns`] for a service.
    pub(super) fn free_service(&mut self, service: ServiceId) -> bool {
        let hash = self.service(service).map(|key| self.seed.hash(&key));
        hash.is_some_and(|hash| self.services.free_unused(hash, service.0))
    }

    /// As [`Numbers::take_ns`] for a node; the empty name has no number.
    pub(super) fn take_node(&mut self, name: &str) -> NodeId {
        if name.is_empty() {
            return NodeId::NONE;
        }
        let hash = self.seed.hash(name);
        NodeId(self.nodes.take(hash, |k| **k == *name, || name.into()))
    }

    /// Returns the number of a node that something mentions.
    pub(super) fn find_node(&self, name: &str) -> Option<NodeId> {
        let hash = self.seed.hash(name);
        self.nodes.find(hash, |k| **k == *name).map(NodeId)
    }

    /// Returns a node's name.
    pub(super) fn node(&self, node: NodeId) -> Option<&str> {
        self.nodes.key(node.0).map(|name| &**name)
    }

    /// Counts one mention of a node less, and frees its number after the last.
    pub(super) fn give_back_node(&mut self, node: NodeId) {
        self.nodes.give_back(node.0);
        if let Some(name) = self.nodes.key(node.0) {
            let hash = self.seed.hash(&**name);
            self.nodes.free_unused(hash, node.0);
        }
    }
}

/// Numbers for keys of one sort, the lowest free one first.
struct Table<K> {
    by_key: ByHash,
    used: Slab<(K, u32)>,
    free: BTreeSet<u32>,
    next: u32,
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self {
            by_key: ByHash::default(),
            used: Slab::default(),
            free: BTreeSet::new(),
            next: 0,
        }
    }
}

impl<K> Table<K> {
    fn take(&mut self, hash: u64, is_key: impl Fn(&K) -> bool, key: impl FnOnce() -> K) -> u32 {
        if let Some(id) = self.find(hash, is_key) {
            if let Some((_, mentions)) = self.used.get_mut(id) {
                *mentions += 1;
            }
            return id;
        }
        let id = self.free.pop_first().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        });
        self.by_key.insert(hash, id);
        self.used.set(id, (key(), 1));
        id
    }

    fn find(&self, hash: u64, is_key: impl Fn(&K) -> bool) -> Option<u32> {
        let mut numbers = self.by_key.get(hash);
        numbers.find(|&id| self.key(id).is_some_and(&is_key))
    }

    fn key(&self, id: u32) -> Option<&K> {
        self.used.get(id).map(|(key, _)| key)
    }

    fn give_back(&mut self, id: u32) {
        if let Some((_, mentions)) = self.used.get_mut(id) {
            *mentions = mentions.saturating_sub(1);
        }
    }

    fn free_unused(&mut self, hash: u64, id: u32) -> bool {
        let unused = self
            .used
            .get(id)
            .is_some_and(|(_, mentions)| *mentions == 0);
        if unused {
            self.used.take(id);
            self.by_key.remove(hash, id);
            self.free.insert(id);
        }
        unused
    }
}
