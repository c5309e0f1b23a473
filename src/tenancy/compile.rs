//! Turns decisions into rows, and keeps them true when namespaces or services change. Writer's
//! side: no query comes here.
//!
//! Clients whose namespaces differ in nothing that [`decide`] reads of a client, but for which one
//! is their own, are of one class and share a row: thousands of namespaces are as many classes as
//! they have tenants.

use super::decide::{Asker, Target, decide};
use super::options::Options;
use super::policy::{ClassId, Policy};
use super::row::ClassRow;
use super::tenant::{NamespaceFacts, ServiceFacts, Tenant};
use super::{NsId, ServiceId};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The mutable side of a [`Policy`].
pub struct Compiler {
    policy: Policy,
    numbers: BTreeMap<ClassKey, ClassId>,
    /// By number.
    classes: Vec<Class>,
    free: Vec<ClassId>,
    exceptions: BTreeMap<ServiceId, (NsId, ServiceFacts)>,
    dirty: BTreeSet<NsId>,
    exceptions_dirty: bool,
    decisions: Cell<u64>,
}

/// What [`decide`] reads of a client that is a pod, but for its own namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ClassKey {
    tenant: Tenant,
    platform: bool,
}

impl ClassKey {
    fn of(facts: &NamespaceFacts) -> Self {
        Self {
            tenant: facts.tenant.clone(),
            platform: facts.platform,
        }
    }
}

struct Class {
    /// A namespace of the class that does not exist.
    facts: NamespaceFacts,
    members: usize,
}

impl Compiler {
    /// Returns the compiler of these settings, before any namespace is known.
    pub fn new(options: Options) -> Self {
        Self {
            policy: Policy::new(options),
            numbers: BTreeMap::new(),
            classes: Vec::new(),
            free: Vec::new(),
            exceptions: BTreeMap::new(),
            dirty: BTreeSet::new(),
            exceptions_dirty: false,
            decisions: Cell::new(0),
        }
    }

    /// Returns the policy as last compiled.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Returns what a namespace was last said to be.
    pub fn facts(&self, ns: NsId) -> Option<&NamespaceFacts> {
        self.policy.facts(ns)
    }

    /// Returns how many decisions were made so far: what compiling costs.
    pub fn decisions(&self) -> u64 {
        self.decisions.get()
    }

    /// Says what a namespace is now, or that it is gone.
    pub fn set_namespace(&mut self, ns: NsId, facts: Option<NamespaceFacts>) {
        if self.facts(ns) == facts.as_ref() {
            return;
        }
        let class = facts.as_ref().map(|facts| self.join(ClassKey::of(facts)));
        if let Some(before) = self.policy.class_of(ns) {
            self.leave(before);
        }
        if class != self.policy.class_of(ns) {
            self.policy.classes.set(ns.0, class);
        }
        self.policy.facts.set(ns.0, facts.map(Arc::new));
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

    /// Compiles what has changed. A changed namespace costs a decision for each class; the first of
    /// a class one for each namespace.
    pub fn refresh(&mut self) {
        let dirty = std::mem::take(&mut self.dirty);
        let exceptions = std::mem::take(&mut self.exceptions_dirty)
            || self.exceptions.values().any(|(ns, _)| dirty.contains(ns));
        if dirty.is_empty() && !exceptions {
            return;
        }
        let columns = || dirty.iter().copied();
        for at in 0..self.classes.len() {
            let Some(class) = self.classes.get(at) else {
                continue;
            };
            let number = ClassId(at as u32);
            let before = self.policy.class_row(number);
            let next = match before {
                _ if class.members == 0 => None,
                Some(row) => {
                    let asker = Asker::Pod(&class.facts);
                    Some(self.refreshed(asker, row, columns(), exceptions))
                }
                None => {
                    let all = self.policy.facts.iter().map(|(ns, _)| NsId(ns));
                    let asker = Asker::Pod(&class.facts);
                    Some(self.refreshed(asker, &Arc::default(), all, true))
                }
            };
            let same = match (before, &next) {
                (Some(before), Some(next)) => Arc::ptr_eq(before, next),
                (before, next) => before.is_none() && next.is_none(),
            };
            if next.is_none() && !same {
                self.free.push(number);
            }
            if !same {
                self.policy.rows.set(number.0, next);
            }
        }
        let (node, unknown) = (&self.policy.node, &self.policy.unknown);
        let node = self.refreshed(Asker::Node, node, columns(), exceptions);
        let unknown = self.refreshed(Asker::Unknown, unknown, columns(), exceptions);
        (self.policy.node, self.policy.unknown) = (node, unknown);
    }

    /// Returns a row with these columns decided anew, and where `exceptions` with the single
    /// services; the same one where nothing differs.
    fn refreshed(
        &self,
        asker: Asker<'_>,
        before: &Arc<ClassRow>,
        columns: impl Iterator<Item = NsId>,
        exceptions: bool,
    ) -> Arc<ClassRow> {
        let mut row = before.clone();
        let sees = |ns: NsId, service: ServiceFacts| {
            self.facts(ns).is_some_and(|namespace| {
                self.decisions.set(self.decisions.get() + 1);
                let target = Target { namespace, service };
                decide(&self.policy.options, asker, target).visible
            })
        };
        for ns in columns {
            let whole = sees(ns, ServiceFacts::default());
            if row.sees_whole(ns) != whole {
                Arc::make_mut(&mut row).set_whole(ns, whole);
            }
        }
        if exceptions {
            let all = self.exceptions.iter();
            let visible = all.filter(|&(_, &(ns, facts))| sees(ns, facts));
            let mut next = ClassRow::clone(&row);
            next.set_services(visible.map(|(id, (ns, _))| (*id, *ns)));
            if next != *row {
                row = Arc::new(next);
            }
        }
        row
    }

    /// Returns the class of one namespace more.
    fn join(&mut self, key: ClassKey) -> ClassId {
        if let Some(&number) = self.numbers.get(&key) {
            if let Some(class) = self.classes.get_mut(number.0 as usize) {
                class.members += 1;
            }
            return number;
        }
        let class = Class {
            facts: NamespaceFacts {
                name: "".into(),
                tenant: key.tenant.clone(),
                platform: key.platform,
                shared: false,
                private: false,
                reserved: false,
            },
            members: 1,
        };
        let next = ClassId(self.classes.len() as u32);
        let number = self.free.pop().unwrap_or(next);
        match self.classes.get_mut(number.0 as usize) {
            Some(free) => *free = class,
            None => self.classes.push(class),
        }
        self.numbers.insert(key, number);
        number
    }

    /// Takes a namespace out of its class. The number is free once the row is.
    fn leave(&mut self, number: ClassId) {
        let Some(class) = self.classes.get_mut(number.0 as usize) else {
            return;
        };
        class.members -= 1;
        if class.members == 0 {
            let key = ClassKey::of(&class.facts);
            self.numbers.remove(&key);
            if self.policy.class_row(number).is_none() {
                self.free.push(number);
            }
        }
    }
}
