//! Dense numbers for namespaces and services, so that policy is a row of bits.

use crate::cow::{CowNumbers, CowSorted, CowStrings, Seed};

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

/// The numbers that are in use, and their names. Each name is kept once, under its number; the
/// tables that lead from a name to its number hold numbers alone.
#[derive(Clone)]
pub struct Directory {
    seed: Seed,
    namespaces: CowStrings,
    /// Those that exist, by the hash of their label.
    by_name: CowNumbers,
    /// Those that exist, in the order of their labels.
    sorted: CowSorted,
    /// A namespace's number in four octets, and the service's label.
    services: CowStrings,
    /// By the hash of both.
    by_label: CowNumbers,
}

impl Directory {
    /// Returns an empty directory.
    pub fn new(seed: Seed) -> Self {
        Self {
            seed,
            namespaces: CowStrings::default(),
            by_name: CowNumbers::default(),
            sorted: CowSorted::default(),
            services: CowStrings::default(),
            by_label: CowNumbers::default(),
        }
    }

    /// Returns the number of the namespace that exists with this label (lower case).
    #[inline]
    pub(super) fn find(&self, label: &[u8]) -> Option<NsId> {
        let is_label = |ns| self.namespaces.get(ns) == label;
        let hash = self.seed.hash_octets(0, label);
        self.by_name.find(hash, is_label).map(NsId)
    }

    /// Returns the number of the service with this label (lower case) in a namespace.
    #[inline]
    pub(super) fn find_service(&self, ns: NsId, label: &[u8]) -> Option<ServiceId> {
        let is_key = |service| self.service(ServiceId(service)) == Some((ns, label));
        let hash = self.seed.hash_octets(ns.0, label);
        self.by_label.find(hash, is_key).map(ServiceId)
    }

    /// Returns the label of a namespace that has a number.
    pub fn namespace(&self, ns: NsId) -> Option<&[u8]> {
        Some(self.namespaces.get(ns.0)).filter(|label| !label.is_empty())
    }

    /// Returns the namespace and the label of a service that has a number.
    pub fn service(&self, service: ServiceId) -> Option<(NsId, &[u8])> {
        let (ns, label) = self.services.get(service.0).split_first_chunk()?;
        Some((NsId(u32::from_le_bytes(*ns)), label))
    }

    /// Returns the namespaces that exist, by name.
    pub(crate) fn namespaces(&self) -> impl Iterator<Item = NsId> + use<'_> {
        self.sorted.iter().map(NsId)
    }

    /// Gives a namespace its number, or takes the number back.
    pub fn name_namespace(&mut self, ns: NsId, label: Option<&[u8]>) {
        self.namespaces.set(ns.0, label.unwrap_or(&[]));
    }

    /// Gives a service its number, or takes the number back.
    pub fn name_service(&mut self, service: ServiceId, key: Option<(NsId, &[u8])>) {
        if let Some((ns, label)) = self.service(service) {
            let hash = self.seed.hash_octets(ns.0, label);
            self.by_label.remove(hash, service.0);
        }
        let Some((ns, label)) = key else {
            self.services.set(service.0, &[]);
            return;
        };
        let hash = self.seed.hash_octets(ns.0, label);
        self.by_label.insert(hash, service.0);
        let key = [&ns.0.to_le_bytes(), label].concat();
        self.services.set(service.0, &key);
    }

    /// Says whether the Namespace with this number exists.
    pub fn set_exists(&mut self, ns: NsId, exists: bool) {
        let Self {
            seed,
            namespaces,
            by_name,
            sorted,
            ..
        } = self;
        let label = namespaces.get(ns.0);
        let hash = seed.hash_octets(0, label);
        let existed = by_name.find(hash, |other| other == ns.0).is_some();
        if label.is_empty() || existed == exists {
            return;
        }
        let order = |other: u32| namespaces.get(other).cmp(label);
        if exists {
            by_name.insert(hash, ns.0);
            sorted.insert(ns.0, order);
        } else {
            by_name.remove(hash, ns.0);
            sorted.remove(order);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_numbers_and_back() {
        let mut directory = Directory::new(Seed::random());
        let [shop, bank] = [NsId(7), NsId(0)];
        for (ns, label) in [(shop, b"shop"), (bank, b"bank")] {
            directory.name_namespace(ns, Some(label));
            assert_eq!(directory.find(label), None, "it does not exist yet");
            directory.set_exists(ns, true);
            directory.set_exists(ns, true);
            assert_eq!(directory.find(label), Some(ns));
            directory.name_service(ServiceId(ns.0 + 1), Some((ns, b"web")));
        }
        assert!(directory.namespaces().eq([bank, shop]), "by name");
        let find = |d: &Directory, ns| d.find_service(ns, b"web");
        assert_eq!(find(&directory, shop), Some(ServiceId(8)));
        assert_eq!(find(&directory, bank), Some(ServiceId(1)));
        assert_eq!(find(&directory, NsId::NONE), None);
        assert_eq!(directory.service(ServiceId(8)), Some((shop, &b"web"[..])));

        let before = directory.clone();
        directory.name_service(ServiceId(8), Some((bank, b"db")));
        directory.name_service(ServiceId(1), None);
        directory.set_exists(shop, false);
        assert_eq!(find(&directory, shop), None);
        assert_eq!(find(&directory, bank), None);
        assert_eq!(directory.find_service(bank, b"db"), Some(ServiceId(8)));
        assert_eq!(directory.service(ServiceId(1)), None);
        assert!(directory.namespaces().eq([bank]));
        assert_eq!(directory.namespace(shop), Some(&b"shop"[..]));
        assert_eq!(find(&before, shop), Some(ServiceId(8)));
        assert!(before.namespaces().eq([bank, shop]));
    }
}
