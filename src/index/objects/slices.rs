//! EndpointSlices, by name and by the service that they belong to.

use super::slab::{ByHash, Slab};
use super::stamp::Stamp;
use crate::cow::Seed;
use crate::model::EndpointSlice;
use crate::tenancy::{NsId, ServiceId};

/// The service that a slice belongs to: its number, and whether it is a ServiceImport's.
pub(in crate::index) type SliceOf = (ServiceId, bool);

struct Row {
    slice: EndpointSlice,
    ns: NsId,
    of: Option<SliceOf>,
    stamp: Stamp,
}

/// Every EndpointSlice.
pub struct Slices {
    seed: Seed,
    rows: Slab<Row>,
    len: usize,
    by_key: ByHash,
    by_owner: ByHash,
}

impl Slices {
    pub(super) fn new(seed: Seed) -> Self {
        Self {
            seed,
            rows: Slab::default(),
            len: 0,
            by_key: ByHash::default(),
            by_owner: ByHash::default(),
        }
    }

    /// Returns a slice.
    pub fn get(&self, ns: NsId, name: &str) -> Option<&EndpointSlice> {
        let row = self.rows.get(self.find(ns, name)?);
        row.map(|row| &row.slice)
    }

    /// Returns every slice, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &EndpointSlice> {
        self.rows.iter().map(|(_, row)| &row.slice)
    }

    pub(in crate::index) fn from(&self, row: u32) -> impl Iterator<Item = (u32, &EndpointSlice)> {
        let rows = self.rows.from(row);
        rows.map(|(number, row)| (number, &row.slice))
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the slices of a service, by name.
    pub(in crate::index) fn of(&self, service: ServiceId, import: bool) -> Vec<&EndpointSlice> {
        let of = (service, import);
        let numbers = self.by_owner.get(self.seed.hash(&of));
        let rows = numbers.filter_map(|number| self.rows.get(number));
        let own = rows.filter(|row| row.of == Some(of));
        let mut slices: Vec<&EndpointSlice> = own.map(|row| &row.slice).collect();
        slices.sort_unstable_by(|a, b| a.key.name.cmp(&b.key.name));
        slices
    }

    /// Puts a slice in the place of the one with its name, if there is one; returns whose
    /// that was.
    pub(in crate::index) fn put(
        &mut self,
        ns: NsId,
        of: Option<SliceOf>,
        slice: EndpointSlice,
    ) -> Option<Option<SliceOf>> {
        let before = self.take(ns, &slice.key.name);
        let key = self.seed.hash(&(ns, &*slice.key.name));
        let stamp = before.as_ref().map(|row| row.stamp).unwrap_or_default();
        let row = Row {
            slice,
            ns,
            of,
            stamp,
        };
        let number = self.rows.add(row);
        self.len += 1;
        self.by_key.insert(key, number);
        if let Some(of) = of {
            self.by_owner.insert(self.seed.hash(&of), number);
        }
        before.map(|row| row.of)
    }

    /// Takes a slice out, and returns whose it was.
    pub(in crate::index) fn remove(&mut self, ns: NsId, name: &str) -> Option<Option<SliceOf>> {
        self.take(ns, name).map(|row| row.of)
    }

    fn take(&mut self, ns: NsId, name: &str) -> Option<Row> {
        let number = self.find(ns, name)?;
        let row = self.rows.remove(number)?;
        self.len -= 1;
        self.by_key.remove(self.seed.hash(&(ns, name)), number);
        if let Some(of) = row.of {
            self.by_owner.remove(self.seed.hash(&of), number);
        }
        Some(row)
    }

    pub(super) fn stamp_mut(&mut self, ns: NsId, name: &str) -> Option<&mut Stamp> {
        let number = self.find(ns, name)?;
        self.rows.get_mut(number).map(|row| &mut row.stamp)
    }

    pub(super) fn stamps_mut(&mut self) -> impl Iterator<Item = &mut Stamp> {
        self.rows.iter_mut().map(|row| &mut row.stamp)
    }

    pub(super) fn stamps(&self) -> impl Iterator<Item = (&EndpointSlice, Stamp)> {
        self.rows.iter().map(|(_, row)| (&row.slice, row.stamp))
    }

    fn find(&self, ns: NsId, name: &str) -> Option<u32> {
        let mut numbers = self.by_key.get(self.seed.hash(&(ns, name)));
        let is_it = |row: &Row| row.ns == ns && *row.slice.key.name == *name;
        numbers.find(|&number| self.rows.get(number).is_some_and(is_it))
    }
}
