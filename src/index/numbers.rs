//! Gives namespaces and services their dense numbers, and takes them back when nothing mentions
//! them any more.

use crate::tenancy::{NsId, ServiceId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

/// Numbers in use for both.
#[derive(Default)]
pub(super) struct Numbers {
    pub(super) namespaces: Table<Box<str>>,
    pub(super) services: Table<(NsId, Box<str>)>,
}

/// Numbers for keys of one sort, the lowest free one first.
pub(super) struct Table<K> {
    ids: HashMap<K, u32>,
    used: BTreeMap<u32, (K, u32)>,
    free: BTreeSet<u32>,
    next: u32,
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self {
            ids: HashMap::new(),
            used: BTreeMap::new(),
            free: BTreeSet::new(),
            next: 0,
        }
    }
}

impl<K: Clone + Eq + Hash> Table<K> {
    /// Returns the number of a key, a new one where it has none, and counts one more mention.
    pub(super) fn take(&mut self, key: &K) -> u32 {
        if let Some(&id) = self.ids.get(key) {
            if let Some((_, mentions)) = self.used.get_mut(&id) {
                *mentions += 1;
            }
            return id;
        }
        let id = self.free.pop_first().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        });
        self.ids.insert(key.clone(), id);
        self.used.insert(id, (key.clone(), 1));
        id
    }

    /// Returns the number of a key that has one.
    pub(super) fn find(&self, key: &K) -> Option<u32> {
        self.ids.get(key).copied()
    }

    /// Returns the key of a number that is in use.
    pub(super) fn key(&self, id: u32) -> Option<&K> {
        self.used.get(&id).map(|(key, _)| key)
    }

    /// Counts one mention less. The number stays until [`Table::free_unused`].
    pub(super) fn give_back(&mut self, id: u32) {
        if let Some((_, mentions)) = self.used.get_mut(&id) {
            *mentions = mentions.saturating_sub(1);
        }
    }

    /// Frees a number that nothing mentions, and returns whether it did.
    pub(super) fn free_unused(&mut self, id: u32) -> bool {
        let unused = self
            .used
            .get(&id)
            .is_some_and(|(_, mentions)| *mentions == 0);
        if unused && let Some((key, _)) = self.used.remove(&id) {
            self.ids.remove(&key);
            self.free.insert(id);
        }
        unused
    }
}

impl Numbers {
    pub(super) fn take_ns(&mut self, name: &str) -> NsId {
        NsId(self.namespaces.take(&name.into()))
    }

    pub(super) fn take_service(&mut self, ns: NsId, name: &str) -> ServiceId {
        ServiceId(self.services.take(&(ns, name.into())))
    }
}
