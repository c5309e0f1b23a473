//! Dense numbers for namespaces and services, so that policy is a row of bits.

use crate::cow::{CowMap, CowVec, Seed};
use std::sync::Arc;

/// A namespace's number: dense, reused after the namespace is gone and nothing mentions it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NsId(pub u32);

impl NsId {
    /// No namespace: hidden and absent ones look up like this, and so do the same work.
    pub const NONE: Self = Self(u32::MAX);
}

/// A service's number, within the whole cluster; given to a name, whether or not a Service of that
/// name exists (a slice may name one).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceId(pub u32);

impl ServiceId {
    /// No service.
    pub const NONE: Self = Self(u32::MAX);
}

/// The numbers that are in use, and their names.
#[derive(Clone)]
pub struct Directory {
    by_name: CowMap<Arc<[u8]>, NsId>,
    names: CowVec<Option<Arc<[u8]>>>,
    services: CowVec<Option<(NsId, Arc<[u8]>)>>,
    by_label: CowMap<(NsId, Arc<[u8]>), ServiceId>,
    sorted: Arc<Vec<NsId>>,
}

impl Directory {
    /// Returns an empty directory.
    pub fn new(seed: Seed) -> Self {
        Self {
            by_name: CowMap::new(seed.clone()),
            names: CowVec::default(),
            services: CowVec::default(),
            by_label: CowMap::new(seed),
            sorted: Arc::default(),
        }
    }

    /// Returns the number of the namespace that exists with this label (lower case).
    pub(super) fn find(&self, label: &[u8]) -> Option<NsId> {
        self.by_name.get_by(label, |name| **name == *label).copied()
    }

    /// Returns the number of the service with this label (lower case) in a namespace.
    pub(super) fn find_service(&self, ns: NsId, label: &[u8]) -> Option<ServiceId> {
        self.by_label
            .get_by(&(ns, label), |key| key.0 == ns && *key.1 == *label)
            .copied()
    }

    /// Returns the label of a namespace that has a number.
    pub fn namespace(&self, ns: NsId) -> Option<&[u8]> {
        self.names.get(ns.0)?.as_deref()
    }

    /// Returns the namespace and the label of a service that has a number.
    pub fn service(&self, service: ServiceId) -> Option<(NsId, &[u8])> {
        self.services
            .get(service.0)?
            .as_ref()
            .map(|(ns, label)| (*ns, &**label))
    }

    /// Returns the namespaces that exist, by name.
    pub(super) fn namespaces(&self) -> &[NsId] {
        &self.sorted
    }

    /// Returns the namespaces that exist, by name, for dumps.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn existing(&self) -> &[NsId] {
        &self.sorted
    }

    /// Gives a namespace its number, or takes the number back.
    pub fn name_namespace(&mut self, ns: NsId, label: Option<Arc<[u8]>>) {
        self.names.set(ns.0, label);
    }

    /// Gives a service its number, or takes the number back.
    pub fn name_service(&mut self, service: ServiceId, key: Option<(NsId, Arc<[u8]>)>) {
        if let Some(before) = self.services.get(service.0).and_then(Clone::clone) {
            self.by_label.remove(&before);
        }
        if let Some(key) = key.clone() {
            self.by_label.insert(key, service);
        }
        self.services.set(service.0, key);
    }

    /// Says whether the Namespace with this number exists.
    pub fn set_exists(&mut self, ns: NsId, exists: bool) {
        let Some(label) = self.names.get(ns.0).and_then(Clone::clone) else {
            return;
        };
        let sorted = Arc::make_mut(&mut self.sorted);
        let names = &self.names;
        let place = sorted.binary_search_by(|&other| {
            names
                .get(other.0)
                .and_then(Option::as_deref)
                .unwrap_or(&[])
                .cmp(&label)
        });
        match (exists, place) {
            (true, Err(at)) => {
                sorted.insert(at, ns);
                self.by_name.insert(label, ns);
            }
            (false, Ok(at)) => {
                sorted.remove(at);
                self.by_name.remove(&label);
            }
            _ => {}
        }
    }
}
