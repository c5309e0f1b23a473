//! Services, and likewise ServiceImports: rows by the number of the name, so that a row needs no
//! table that leads to it.

use super::slab::Slab;
use super::stamp::Stamp;
use crate::model::{Service, ServiceImport};
use crate::tenancy::ServiceId;

/// Objects whose name has a [`ServiceId`], of one kind.
pub struct Numbered<T> {
    rows: Slab<(T, Stamp)>,
    len: usize,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self {
            rows: Slab::default(),
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

    /// Puts an object in the place of the one with its name, if there is one.
    pub(in crate::index) fn put(&mut self, id: ServiceId, object: T) {
        let before = self.remove(id);
        self.len += 1;
        let stamp = before.map(|(_, stamp)| stamp).unwrap_or_default();
        self.rows.set(id.0, (object, stamp));
    }

    /// Takes an object out.
    pub(in crate::index) fn remove(&mut self, id: ServiceId) -> Option<(T, Stamp)> {
        let row = self.rows.take(id.0)?;
        self.len -= 1;
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

/// Every Service.
pub type Services = Numbered<Service>;

/// Every ServiceImport.
pub type Imports = Numbered<ServiceImport>;
