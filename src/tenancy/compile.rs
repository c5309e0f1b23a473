//! Turns decisions into rows, and keeps them true when namespaces or services change. Writer's
//! side: no query comes here.

use super::decide::{Asker, Target, decide};
use super::options::Options;
use super::policy::{Policy, Row};
use super::tenant::{NamespaceFacts, ServiceFacts};
use super::{NsId, ServiceId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The mutable side of a [`Policy`].
pub struct Compiler {
    policy: Policy,
    namespaces: BTreeMap<NsId, Arc<NamespaceFacts>>,
    exceptions: BTreeMap<ServiceId, (NsId, ServiceFacts)>,
    dirty: BTreeSet<NsId>,
    exceptions_dirty: bool,
}

impl Compiler {
    /// Returns the compiler of these settings, before any namespace is known.
    pub fn new(options: Options) -> Self {
        Self {
            policy: Policy::new(options),
            namespaces: BTreeMap::new(),
            exceptions: BTreeMap::new(),
            dirty: BTreeSet::new(),
            exceptions_dirty: false,
        }
    }

    /// Returns the policy as last compiled.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Returns what a namespace was last said to be.
    pub fn facts(&self, ns: NsId) -> Option<&NamespaceFacts> {
        self.namespaces.get(&ns).map(|facts| &**facts)
    }

    /// Says what a namespace is now, or that it is gone.
    pub fn set_namespace(&mut self, ns: NsId, facts: Option<NamespaceFacts>) {
        if self.namespaces.get(&ns).map(|f| &**f) == facts.as_ref() {
            return;
        }
        match facts.map(Arc::new) {
            Some(facts) => self.namespaces.insert(ns, facts),
            None => self.namespaces.remove(&ns),
        };
        self.dirty.insert(ns);
    }

    /// Says what makes a service an exception now; the default: nothing.
    pub fn set_service(&mut self, ns: NsId, service: ServiceId, facts: ServiceFacts) {
        let before = self.exceptions.get(&service).copied();
        if before.map(|(_, f)| f).unwrap_or_default() == facts {
            return;
        }
        if facts.is_ordinary() {
            self.exceptions.remove(&service);
        } else {
            self.exceptions.insert(service, (ns, facts));
        }
        self.policy.services.set(service.0, facts);
        self.exceptions_dirty = true;
    }

    /// Compiles what has changed. A changed namespace costs its own row and one bit in each other.
    pub fn refresh(&mut self) {
        let dirty = std::mem::take(&mut self.dirty);
        if dirty.is_empty() && !self.exceptions_dirty {
            return;
        }
        for ns in &dirty {
            self.policy
                .facts
                .set(ns.0, self.namespaces.get(ns).cloned());
            if !self.namespaces.contains_key(ns) {
                self.policy.pods.set(ns.0, None);
            }
        }
        for (own, facts) in &self.namespaces {
            let row = if dirty.contains(own) {
                self.row(
                    Asker::Pod(facts),
                    Row::default(),
                    self.namespaces.keys().copied(),
                )
            } else {
                let before = self.policy.pods.get(own.0).and_then(Clone::clone);
                let before = before.map(Arc::unwrap_or_clone).unwrap_or_default();
                self.row(Asker::Pod(facts), before, dirty.iter().copied())
            };
            if self.policy.pods.get(own.0).and_then(Option::as_deref) != Some(&row) {
                self.policy.pods.set(own.0, Some(Arc::new(row)));
            }
        }
        let all = || self.namespaces.keys().copied();
        self.policy.node = Arc::new(self.row(Asker::Node, Row::default(), all()));
        self.policy.unknown = Arc::new(self.row(Asker::Unknown, Row::default(), all()));
        self.exceptions_dirty = false;
    }

    fn row(&self, asker: Asker<'_>, mut row: Row, columns: impl Iterator<Item = NsId>) -> Row {
        let options = &self.policy.options;
        for ns in columns {
            let whole = self.namespaces.get(&ns).is_some_and(|namespace| {
                let target = Target {
                    namespace,
                    service: ServiceFacts::default(),
                };
                decide(options, asker, target).visible
            });
            row.set_namespace(ns, whole);
        }
        let services = self
            .exceptions
            .iter()
            .filter_map(|(&service, &(ns, facts))| {
                let namespace = self.namespaces.get(&ns)?;
                let visible = decide(
                    options,
                    asker,
                    Target {
                        namespace,
                        service: facts,
                    },
                )
                .visible;
                visible.then_some((ns, service))
            });
        row.set_services(services.collect());
        row
    }
}
