//! Every object as of one instant, copied page by page while events go on. What changes behind the
//! copy is noted by its key, and given at the end as it is then: pages and changes together are the
//! state at the end. Not what becomes of the copy.

use super::Index;
use super::objects::Objects;
use crate::model::{Kind, Object, ObjectKey};
use std::collections::HashSet;

/// Changes during one copy at most: they are given all at once, which must not take long. More of
/// them means that something is listed anew.
const CHANGES: usize = 10_000;

/// A step of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Copied {
    /// Objects as they were when the copy came by.
    Objects(Vec<Object>),
    /// The end: what has changed since the copy came by, as it is now; `None` for what is gone.
    Changes(Vec<(Kind, ObjectKey, Option<Object>)>),
}

/// A copy that is under way.
#[derive(Default)]
pub(super) struct Copy {
    /// Kinds that have been copied whole.
    kinds: usize,
    /// The next row of the kind after those.
    row: u32,
    changed: HashSet<(Kind, ObjectKey)>,
}

impl Index {
    /// Begins a copy, and drops one that is under way. None is begun while something that is read, or is
    /// about to be, is not known.
    pub fn begin_copy(&mut self) {
        // A copy without labels that are read would be served from as if it had them.
        let whole = self.unlabeled.is_empty() && self.wanted.is_empty();
        self.copy = whole.then(Copy::default);
    }

    /// Returns the next step of the copy, with about `limit` objects; [`Copied::Changes`] ends it.
    /// `None` where none is under way: none was begun, it has ended, or too much has changed since.
    pub fn copy(&mut self, limit: usize) -> Option<Copied> {
        let copy = self.copy.as_mut()?;
        while let Some(&kind) = Kind::ALL.get(copy.kinds) {
            let (objects, next) = self.objects.page(kind, copy.row, limit);
            copy.row = next.unwrap_or(0);
            copy.kinds += usize::from(next.is_none());
            if !objects.is_empty() {
                return Some(Copied::Objects(objects));
            }
        }
        let changed = self.copy.take()?.changed;
        let now = |(kind, key): (Kind, ObjectKey)| {
            let object = self.objects.object(kind, &key);
            (kind, key, object)
        };
        Some(Copied::Changes(changed.into_iter().map(now).collect()))
    }

    /// Notes that an object is about to change.
    pub(super) fn note_change(&mut self, kind: Kind, key: &ObjectKey) {
        if let Some(copy) = &mut self.copy {
            copy.changed.insert((kind, key.clone()));
            if copy.changed.len() > CHANGES {
                self.copy = None;
            }
        }
    }
}

impl Objects {
    /// Returns some objects of a kind from a row on, and the row to go on from, unless there is none.
    pub(super) fn page(&self, kind: Kind, row: u32, limit: usize) -> (Vec<Object>, Option<u32>) {
        match kind {
            // Few, and in no numbered rows.
            Kind::Namespace => {
                let all = self.namespaces.values().cloned().map(Object::Namespace);
                (all.collect(), None)
            }
            Kind::DnsGrant => {
                let all = self.policies.grants().cloned().map(Object::DnsGrant);
                (all.collect(), None)
            }
            Kind::DnsExport => {
                let all = self.policies.exports().cloned().map(Object::DnsExport);
                (all.collect(), None)
            }
            Kind::DnsImport => {
                let all = self.policies.imports().cloned().map(Object::DnsImport);
                (all.collect(), None)
            }
            Kind::Node => page(self.nodes.from(row), limit, |node| {
                Object::Node(node.clone())
            }),
            Kind::Service => page(self.services.from(row), limit, |service| {
                Object::Service(service.clone())
            }),
            Kind::ServiceImport => page(self.imports.from(row), limit, |import| {
                Object::ServiceImport(import.clone())
            }),
            Kind::EndpointSlice => page(self.slices.from(row), limit, |slice| {
                Object::EndpointSlice(self.slice_of(slice))
            }),
            Kind::Pod => page(self.pods.from(row), limit, |pod| {
                Object::Pod(self.pod_of(pod))
            }),
        }
    }

    /// Returns an object as it is kept.
    fn object(&self, kind: Kind, key: &ObjectKey) -> Option<Object> {
        match kind {
            Kind::Namespace => {
                let namespace = self.namespaces.get(&key.name)?;
                Some(Object::Namespace(namespace.clone()))
            }
            Kind::Node => {
                let node = self.nodes.get(self.numbers.find_node(&key.name)?)?;
                Some(Object::Node(node.clone()))
            }
            Kind::Service => {
                let service = self.services.get(self.service_id(key)?)?;
                Some(Object::Service(service.clone()))
            }
            Kind::ServiceImport => {
                let import = self.imports.get(self.service_id(key)?)?;
                Some(Object::ServiceImport(import.clone()))
            }
            Kind::EndpointSlice => {
                let ns = self.numbers.find_ns(&key.namespace)?;
                let slice = self.slices.get(ns, &key.name)?;
                Some(Object::EndpointSlice(self.slice_of(slice)))
            }
            Kind::Pod => Some(Object::Pod(self.pod_of(self.pod(key)?))),
            Kind::DnsGrant => {
                let grant = self.policies.grant(&key.name)?;
                Some(Object::DnsGrant(grant.clone()))
            }
            Kind::DnsExport => {
                let export = self.policies.export(key)?;
                Some(Object::DnsExport(export.clone()))
            }
            Kind::DnsImport => {
                let import = self.policies.import(key)?;
                Some(Object::DnsImport(import.clone()))
            }
        }
    }
}

fn page<'r, T: 'r>(
    rows: impl Iterator<Item = (u32, &'r T)>,
    limit: usize,
    object: impl Fn(&T) -> Object,
) -> (Vec<Object>, Option<u32>) {
    let mut rows = rows.peekable();
    let mut objects = Vec::new();
    while objects.len() < limit
        && let Some((_, row)) = rows.next()
    {
        objects.push(object(row));
    }
    (objects, rows.peek().map(|(number, _)| *number))
}
