//! Dense numbers for namespaces and services, so that policy is a row of bits.

use crate::cow::{CowNumbers, CowSorted, CowStrings, Seed, Several};
use arrayvec::ArrayVec;
use std::hint::black_box;
use std::num::NonZeroU64;

/// Octets of a label at most (RFC 1035 section 2.3.4).
const MAX_LABEL: usize = 63;

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

/// What stands for a name where only how many different ones there are is asked: a keyed hash, so that
/// nobody can choose names that count as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameNumber(NonZeroU64);

impl NameNumber {
    #[inline(always)]
    fn of(hash: u64) -> Self {
        Self(NonZeroU64::MIN | hash)
    }

    /// Returns the number.
    #[inline(always)]
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

/// What a name leads to. Where nobody has the name, it is some other number that was read in its
/// stead, so that both cases do the same work (invariant I3); which one follows from the name, so
/// that it is in memory where a number of the name's own would be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<T> {
    pub(super) number: T,
    /// Whether the number is the name's.
    pub(super) is_own: bool,
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
    /// By the hash of both labels in wire form, as they follow each other in a question.
    by_label: CowNumbers,
    /// All numbers of namespaces are below this, and those of services below the other.
    namespace_count: u32,
    service_count: u32,
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
            namespace_count: 0,
            service_count: 0,
        }
    }

    /// Finds the namespace that exists with this label (lower case).
    #[inline]
    pub(super) fn find(&self, label: &[u8]) -> Found<NsId> {
        let hash = self.seed.hash_octets(label);
        let is_label = |ns| is_same(self.namespaces.get(ns), label);
        let found = found(&self.by_name, hash, self.namespace_count, is_label);
        Found {
            number: NsId(found.number),
            is_own: found.is_own,
        }
    }

    /// Finds the service with this label (lower case) in a namespace.
    #[inline]
    pub(super) fn find_service(&self, ns: NsId, label: &[u8]) -> Found<ServiceId> {
        let hash = self.hash_service(ns, label);
        let is_key = |service| {
            let key = self.service(ServiceId(service));
            let (other, stored) = key.unwrap_or((NsId::NONE, &[]));
            is_same(stored, label) & (other == ns)
        };
        let found = found(&self.by_label, hash, self.service_count, is_key);
        Found {
            number: ServiceId(found.number),
            is_own: found.is_own,
        }
    }

    /// Returns the number that has the hash of `name`, a service's label and its namespace's in wire
    /// form and lower case. Whether the name is its own, whoever asks has to look.
    ///
    /// # Errors
    /// Several have this hash.
    #[inline(always)]
    pub(super) fn candidate(&self, name: &[u8]) -> Result<(Found<ServiceId>, NameNumber), Several> {
        let hash = self.seed.hash_octets(name);
        let other = below(hash, self.service_count);
        let (number, is_own) = self.by_label.candidate(hash, other)?;
        let found = Found {
            number: ServiceId(number),
            is_own,
        };
        Ok((found, NameNumber::of(hash)))
    }

    /// Returns what stands for a name: a service's label and its namespace's in wire form and lower case,
    /// or any other octets.
    pub fn name_number(&self, name: &[u8]) -> NameNumber {
        NameNumber::of(self.seed.hash_octets(name))
    }

    /// Returns the hash of a service's label and its namespace's.
    fn hash_service(&self, ns: NsId, label: &[u8]) -> u64 {
        let mut name = ArrayVec::<u8, { 2 * (MAX_LABEL + 1) }>::new();
        for label in [label, self.namespaces.get(ns.0)] {
            // Labels in wire form always fit.
            let label = label.get(..MAX_LABEL).unwrap_or(label);
            let _ = name.try_push(label.len() as u8);
            let _ = name.try_extend_from_slice(label);
        }
        self.seed.hash_octets(&name)
    }

    /// Returns some service of those that have a number, which follows from `key`.
    pub(crate) fn any_service(&self, key: u128) -> ServiceId {
        ServiceId(below(self.seed.hash(&key), self.service_count))
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

    /// Gives a namespace its number, or takes the number back. Services of it have theirs only in
    /// between.
    pub fn name_namespace(&mut self, ns: NsId, label: Option<&[u8]>) {
        self.namespaces.set(ns.0, label.unwrap_or(&[]));
        self.namespace_count = self.namespace_count.max(ns.0.saturating_add(1));
    }

    /// Gives a service its number, or takes the number back.
    pub fn name_service(&mut self, service: ServiceId, key: Option<(NsId, &[u8])>) {
        if let Some((ns, label)) = self.service(service) {
            let hash = self.hash_service(ns, label);
            self.by_label.remove(hash, service.0);
        }
        let Some((ns, label)) = key else {
            self.services.set(service.0, &[]);
            return;
        };
        let hash = self.hash_service(ns, label);
        self.by_label.insert(hash, service.0);
        self.service_count = self.service_count.max(service.0.saturating_add(1));
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
        let hash = seed.hash_octets(label);
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

/// Finds a number of which `is_key` holds; where there is none, asks it of another one.
#[inline]
fn found(numbers: &CowNumbers, hash: u64, count: u32, is_key: impl Fn(u32) -> bool) -> Found<u32> {
    let other = below(hash, count);
    let (number, is_own) = numbers.find_evenly(hash, other, is_key);
    Found { number, is_own }
}

/// Returns a number below `count`, or 0.
#[inline(always)]
fn below(hash: u64, count: u32) -> u32 {
    (((hash >> 32) * u64::from(count)) >> 32) as u32
}

/// Compares labels by the same work, however long the one is that is stored.
#[inline]
fn is_same(stored: &[u8], label: &[u8]) -> bool {
    let same_length = stored.len() == label.len();
    let stored = black_box(if same_length { stored } else { label });
    (stored == label) & same_length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_numbers_and_back() {
        let namespace = |d: &Directory, label: &[u8]| {
            let found = d.find(label);
            found.is_own.then_some(found.number)
        };
        let service = |d: &Directory, ns, label: &[u8]| {
            let found = d.find_service(ns, label);
            found.is_own.then_some(found.number)
        };
        let mut directory = Directory::new(Seed::random());
        let [shop, bank] = [NsId(7), NsId(0)];
        for (ns, label) in [(shop, b"shop"), (bank, b"bank")] {
            directory.name_namespace(ns, Some(label));
            assert!(!directory.find(label).is_own, "it does not exist yet");
            directory.set_exists(ns, true);
            directory.set_exists(ns, true);
            assert_eq!(namespace(&directory, label), Some(ns));
            directory.name_service(ServiceId(ns.0 + 1), Some((ns, b"web")));
        }
        assert!(directory.namespaces().eq([bank, shop]), "by name");
        let find = |d: &Directory, ns| service(d, ns, b"web");
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
        assert_eq!(service(&directory, bank, b"db"), Some(ServiceId(8)));
        assert_eq!(directory.service(ServiceId(1)), None);
        assert!(directory.namespaces().eq([bank]));
        assert_eq!(directory.namespace(shop), Some(&b"shop"[..]));
        assert_eq!(find(&before, shop), Some(ServiceId(8)));
        assert!(before.namespaces().eq([bank, shop]));
    }
}
