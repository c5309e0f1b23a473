//! Trees of namespaces, where tenants are read from them: which namespace names which one as its
//! parent, so that a change in a tree reaches all of it. Not whose a namespace is.

use crate::model::Namespace;
use crate::tenancy::{Kin, Options, TenantSource};
use std::collections::{BTreeMap, BTreeSet};

/// The children of each namespace, by each label that names parents.
pub(super) struct Family {
    labels: Vec<Box<str>>,
    children: BTreeMap<(usize, Box<str>), BTreeSet<Box<str>>>,
}

impl Family {
    pub(super) fn new(options: &Options) -> Self {
        let labels = options
            .tenant_from
            .iter()
            .filter_map(|source| match source {
                TenantSource::ParentLabel(parentage) => Some(parentage.label.clone()),
                _ => None,
            });
        Self {
            labels: labels.collect(),
            children: BTreeMap::new(),
        }
    }

    /// Notes that a namespace has come, changed or gone. Returns the others whose tenant may be
    /// another now: its parents, and everything below it.
    pub(super) fn change(
        &mut self,
        before: Option<&Namespace>,
        after: Option<&Namespace>,
    ) -> BTreeSet<Box<str>> {
        let mut touched = BTreeSet::new();
        let Some(name) = before.or(after).map(|namespace| namespace.name.clone()) else {
            return touched;
        };
        for at in 0..self.labels.len() {
            if let Some(parent) = self.parent(at, before) {
                let key = (at, parent.clone());
                if let Some(children) = self.children.get_mut(&key) {
                    children.remove(&name);
                    if children.is_empty() {
                        self.children.remove(&key);
                    }
                }
                touched.insert(parent);
            }
            if let Some(parent) = self.parent(at, after) {
                let key = (at, parent.clone());
                self.children.entry(key).or_default().insert(name.clone());
                touched.insert(parent);
            }
            let mut below = vec![name.clone()];
            while let Some(next) = below.pop() {
                let children = self.children.get(&(at, next)).into_iter().flatten();
                // A ring is gone round once.
                below.extend(children.filter(|c| touched.insert((*c).clone())).cloned());
            }
        }
        touched
    }

    fn parent(&self, at: usize, namespace: Option<&Namespace>) -> Option<Box<str>> {
        let parent = namespace?.labels.get(self.labels.get(at)?)?;
        (!parent.is_empty()).then(|| parent.into())
    }

    fn has_children(&self, label: &str, name: &str) -> bool {
        let at = self.labels.iter().position(|known| **known == *label);
        at.is_some_and(|at| self.children.contains_key(&(at, name.into())))
    }
}

/// The namespaces that there are, with their trees.
pub(super) struct Relatives<'a> {
    pub(super) namespaces: &'a BTreeMap<Box<str>, Namespace>,
    pub(super) family: &'a Family,
}

impl Kin for Relatives<'_> {
    fn namespace(&self, name: &str) -> Option<&Namespace> {
        self.namespaces.get(name)
    }

    fn has_children(&self, label: &str, name: &str) -> bool {
        self.family.has_children(label, name)
    }
}
