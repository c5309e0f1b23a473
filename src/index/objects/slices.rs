//! EndpointSlices, packed: by name and by the service that they belong to.

use super::names::{NameId, Names};
use super::slab::{ByHash, Slab};
use super::stamp::Stamp;
use crate::cow::Seed;
use crate::model::{EndpointPort, EndpointSlice, Endpoints, Labels, ObjectKey, SliceOwner};
use crate::tenancy::{NsId, ServiceId};
use crate::zone::SliceInput;
use std::sync::Arc;

/// The service that a slice belongs to: its number, and whether it is a ServiceImport's.
pub(in crate::index) type SliceOf = (ServiceId, bool);

/// What the index keeps of an EndpointSlice. 64 octets, its name, its endpoints, and for the few that
/// need more a box of the rest.
#[derive(Debug)]
pub(in crate::index) struct SliceRow {
    endpoints: Endpoints,
    ports: Arc<[EndpointPort]>,
    extra: Option<Box<Extra>>,
    stamp: Stamp,
    of: Option<SliceOf>,
    ns: NsId,
    name: NameId,
}

/// What only few slices have: labels that a selector reads, and the cluster that a ServiceImport's
/// endpoints are in.
#[derive(Debug, PartialEq, Eq, Default)]
struct Extra {
    labels: Labels,
    cluster: Box<str>,
}

impl SliceRow {
    /// Packs a slice. Its labels are kept as they are: whoever needs none has taken them out.
    fn new(slice: EndpointSlice, ns: NsId, of: Option<SliceOf>, name: NameId) -> Self {
        let extra = Extra {
            cluster: cluster_of(&slice.owner).into(),
            labels: slice.labels,
        };
        Self {
            endpoints: slice.endpoints,
            ports: slice.ports,
            extra: (extra != Extra::default()).then(|| Box::new(extra)),
            stamp: Stamp::default(),
            of,
            ns,
            name,
        }
    }

    /// Returns the slice with the name and namespace of `key`, and that of the service that it belongs
    /// to, as [`service_of`] says it.
    pub(in crate::index) fn unpack(
        &self,
        key: ObjectKey,
        service: Option<(&str, bool)>,
    ) -> EndpointSlice {
        let extra = self.extra.as_deref();
        let cluster = extra.map_or("", |extra| &extra.cluster);
        EndpointSlice {
            key,
            labels: extra.map_or_else(Labels::new, |extra| extra.labels.clone()),
            owner: match service {
                Some((name, false)) => SliceOwner::Service(name.into()),
                Some((name, true)) => SliceOwner::Import(name.into(), cluster.into()),
                None => SliceOwner::Nobody,
            },
            endpoints: self.endpoints.clone(),
            ports: self.ports.clone(),
            triggered: None,
        }
    }

    /// Returns the service that it belongs to.
    pub(in crate::index) fn of(&self) -> Option<SliceOf> {
        self.of
    }

    /// Returns its namespace's number.
    pub(in crate::index) fn ns(&self) -> NsId {
        self.ns
    }

    /// Returns `endpoints`.
    pub(in crate::index) fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    pub(super) fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Returns whether a slice says the same, but for its name and that of the service that it belongs
    /// to.
    pub(super) fn is_same(&self, slice: &EndpointSlice) -> bool {
        let cluster = cluster_of(&slice.owner);
        let extra = match self.extra.as_deref() {
            Some(extra) => extra.labels == slice.labels && *extra.cluster == *cluster,
            None => slice.labels.is_empty() && cluster.is_empty(),
        };
        extra && self.endpoints == slice.endpoints && self.ports == slice.ports
    }
}

/// Returns the name of the service that a slice belongs to, and whether that is a ServiceImport.
pub(in crate::index) fn service_of(owner: &SliceOwner) -> Option<(&str, bool)> {
    match owner {
        SliceOwner::Service(name) => Some((name, false)),
        SliceOwner::Import(name, _) => Some((name, true)),
        SliceOwner::Nobody => None,
    }
}

fn cluster_of(owner: &SliceOwner) -> &str {
    match owner {
        SliceOwner::Import(_, cluster) => cluster,
        SliceOwner::Service(_) | SliceOwner::Nobody => "",
    }
}

/// Every EndpointSlice.
pub struct Slices {
    seed: Seed,
    rows: Slab<SliceRow>,
    names: Names,
    /// What a row has that needs no box.
    plain: Extra,
    len: usize,
    by_key: ByHash,
    by_owner: ByHash,
}

impl Slices {
    pub(super) fn new(seed: Seed) -> Self {
        Self {
            seed,
            rows: Slab::default(),
            names: Names::default(),
            plain: Extra::default(),
            len: 0,
            by_key: ByHash::default(),
            by_owner: ByHash::default(),
        }
    }

    /// Returns a slice.
    pub(in crate::index) fn get(&self, ns: NsId, name: &str) -> Option<&SliceRow> {
        self.rows.get(self.find(ns, name)?)
    }

    /// Returns every slice, in no order.
    pub(in crate::index) fn iter(&self) -> impl Iterator<Item = &SliceRow> {
        self.rows.iter().map(|(_, row)| row)
    }

    pub(in crate::index) fn from(&self, row: u32) -> impl Iterator<Item = (u32, &SliceRow)> {
        self.rows.from(row)
    }

    /// Returns a slice's name.
    pub(in crate::index) fn name(&self, row: &SliceRow) -> &str {
        self.names.get(row.name)
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
    pub(in crate::index) fn of(&self, service: ServiceId, import: bool) -> Vec<SliceInput<'_>> {
        let of = (service, import);
        let numbers = self.by_owner.get(self.seed.hash(&of));
        let rows = numbers.filter_map(|number| self.rows.get(number));
        let own = rows.filter(|row| row.of == Some(of));
        let mut slices: Vec<SliceInput<'_>> = own.map(|row| self.input(row)).collect();
        slices.sort_unstable_by_key(|slice| slice.name);
        slices
    }

    fn input<'a>(&'a self, row: &'a SliceRow) -> SliceInput<'a> {
        let extra = row.extra.as_deref().unwrap_or(&self.plain);
        SliceInput {
            name: self.name(row),
            labels: &extra.labels,
            cluster: &extra.cluster,
            endpoints: &row.endpoints,
            ports: &row.ports,
        }
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
        let (name, stamp) = match &before {
            Some(before) => (before.name, before.stamp),
            None => (self.names.add(&slice.key.name), Stamp::default()),
        };
        let mut row = SliceRow::new(slice, ns, of, name);
        row.stamp = stamp;
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
        let row = self.take(ns, name)?;
        self.names.remove(row.name);
        Some(row.of)
    }

    /// Takes a row out, and leaves its name.
    fn take(&mut self, ns: NsId, name: &str) -> Option<SliceRow> {
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

    fn find(&self, ns: NsId, name: &str) -> Option<u32> {
        let mut numbers = self.by_key.get(self.seed.hash(&(ns, name)));
        let is_it = |row: &SliceRow| row.ns == ns && self.name(row) == name;
        numbers.find(|&number| self.rows.get(number).is_some_and(is_it))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_64_octets() {
        assert_eq!(size_of::<SliceRow>(), 64);
        assert_eq!(size_of::<Option<SliceRow>>(), 64);
    }

    #[test]
    fn a_slice_is_given_back_as_it_was_and_leaves_no_name() {
        let labels: Labels = [("tier", "web")].into_iter().collect();
        let import = || SliceOwner::Import("web".into(), "west".into());
        for (owner, labels) in [
            (SliceOwner::Nobody, Labels::new()),
            (SliceOwner::Service("web".into()), Labels::new()),
            (SliceOwner::Service("web".into()), labels.clone()),
            (SliceOwner::Import("web".into(), "".into()), Labels::new()),
            (import(), Labels::new()),
            (import(), labels),
        ] {
            let slice = EndpointSlice {
                key: ObjectKey::new("shop", "web-1"),
                labels,
                owner,
                endpoints: Endpoints::default(),
                ports: Arc::default(),
                triggered: None,
            };
            let service = service_of(&slice.owner);
            let of = service.map(|(_, import)| (ServiceId(3), import));
            let mut slices = Slices::new(Seed::fixed(1));
            for before in [None, Some(of)] {
                assert_eq!(slices.put(NsId(0), of, slice.clone()), before);
                let row = slices.get(NsId(0), "web-1").unwrap();
                assert!(row.is_same(&slice));
                assert_eq!((slices.name(row), row.of()), ("web-1", of));
                assert_eq!(row.unpack(slice.key.clone(), service), slice);
            }
            assert_eq!(slices.remove(NsId(0), "web-1"), Some(of));
            assert_eq!((slices.len(), slices.names.octets()), (0, 0));
        }
    }
}
