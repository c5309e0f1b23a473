//! The objects of our own kinds. There are few of them; which services they name is kept beside, so
//! that a change costs what it touches.

use crate::model::{DnsExport, DnsGrant, DnsImport, ObjectKey};
use crate::tenancy::Offer;
use std::collections::{BTreeMap, BTreeSet};

/// Every DnsGrant, DnsExport and DnsImport.
#[derive(Default)]
pub struct Policies {
    grants: BTreeMap<Box<str>, DnsGrant>,
    exports: BTreeMap<ObjectKey, DnsExport>,
    imports: BTreeMap<ObjectKey, DnsImport>,
    /// The names of the DnsExports that name a Service.
    offers: BTreeMap<ObjectKey, BTreeSet<Box<str>>>,
}

impl Policies {
    /// Returns every DnsGrant, by name.
    pub fn grants(&self) -> impl ExactSizeIterator<Item = &DnsGrant> {
        self.grants.values()
    }

    /// Returns every DnsExport, by namespace and name.
    pub fn exports(&self) -> impl ExactSizeIterator<Item = &DnsExport> {
        self.exports.values()
    }

    /// Returns every DnsImport, by namespace and name.
    pub fn imports(&self) -> impl ExactSizeIterator<Item = &DnsImport> {
        self.imports.values()
    }

    /// Returns whether there is none of them.
    pub fn is_empty(&self) -> bool {
        self.grants.is_empty() && self.exports.is_empty() && self.imports.is_empty()
    }

    /// Returns a DnsGrant.
    pub fn grant(&self, name: &str) -> Option<&DnsGrant> {
        self.grants.get(name)
    }

    /// Returns a DnsExport.
    pub fn export(&self, key: &ObjectKey) -> Option<&DnsExport> {
        self.exports.get(key)
    }

    /// Returns a DnsImport.
    pub fn import(&self, key: &ObjectKey) -> Option<&DnsImport> {
        self.imports.get(key)
    }

    /// Returns the DnsImports of a namespace, by name.
    pub(in crate::index) fn imports_of(&self, namespace: &str) -> impl Iterator<Item = &DnsImport> {
        // Not even a key is made where there are none.
        let any = !self.imports.is_empty();
        let of = any.then(|| self.imports.range(ObjectKey::new(namespace, "")..));
        of.into_iter()
            .flatten()
            .take_while(move |(key, _)| *key.namespace == *namespace)
            .map(|(_, import)| import)
    }

    /// Returns what DnsExports say of a Service, by their names.
    pub(in crate::index) fn offers_of(&self, service: &ObjectKey) -> Vec<Offer> {
        let names = self.offers.get(service).into_iter().flatten();
        let exports = names.filter_map(|name| {
            let key = ObjectKey::new(service.namespace.clone(), name.clone());
            self.exports.get(&key)
        });
        exports.map(Offer::of).collect()
    }

    /// Replaces a grant, and returns the one before.
    pub(in crate::index) fn put_grant(
        &mut self,
        name: &str,
        next: Option<DnsGrant>,
    ) -> Option<DnsGrant> {
        match next {
            Some(grant) => self.grants.insert(name.into(), grant),
            None => self.grants.remove(name),
        }
    }

    /// Replaces an export, and returns the one before.
    pub(in crate::index) fn put_export(
        &mut self,
        key: &ObjectKey,
        next: Option<DnsExport>,
    ) -> Option<DnsExport> {
        let service = |name: &str| ObjectKey::new(key.namespace.clone(), name);
        for name in self.exports.get(key).into_iter().flat_map(|e| &e.services) {
            let service = service(name);
            if let Some(names) = self.offers.get_mut(&service) {
                names.remove(&key.name);
                if names.is_empty() {
                    self.offers.remove(&service);
                }
            }
        }
        for name in next.iter().flat_map(|export| &export.services) {
            let names = self.offers.entry(service(name)).or_default();
            names.insert(key.name.clone());
        }
        match next {
            Some(export) => self.exports.insert(key.clone(), export),
            None => self.exports.remove(key),
        }
    }

    /// Replaces an import, and returns the one before.
    pub(in crate::index) fn put_import(
        &mut self,
        key: &ObjectKey,
        next: Option<DnsImport>,
    ) -> Option<DnsImport> {
        match next {
            Some(import) => self.imports.insert(key.clone(), import),
            None => self.imports.remove(key),
        }
    }
}
