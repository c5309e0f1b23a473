//! Turns decisions into rows, and keeps them true when namespaces or services change. Writer's
//! side: no query comes here.
//!
//! Clients whose namespaces differ in nothing that [`decide`] reads of a client, but for which one
//! is their own, are of one class and share a row: thousands of namespaces are as many classes as
//! they have tenants.

use super::class::{ClassKey, Classes};
use super::decide::{Asker, Target, decide};
use super::options::{Options, Rule};
use super::policy::{Policy, Rows};
use super::row::ClassRow;
use super::tenant::{NamespaceFacts, ServiceFacts};
use super::{NsId, ServiceId};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The mutable side of a [`Policy`].
pub struct Compiler {
    policy: Arc<Policy>,
    classes: Classes,
    /// The services that are exceptions, by namespace.
    exceptions: BTreeMap<NsId, BTreeSet<ServiceId>>,
    /// Namespaces that owners of services write out, and how many do.
    mentions: BTreeMap<Box<str>, usize>,
    by_name: BTreeMap<Box<str>, NsId>,
    /// What has changed: namespaces, and services of them.
    dirty: Dirty,
    /// Everything has.
    anew: bool,
    decisions: Cell<u64>,
}

impl Compiler {
    /// Returns the compiler of these settings, before any namespace is known.
    pub fn new(options: Options) -> Self {
        Self {
            policy: Arc::new(Policy::new(options)),
            classes: Classes::default(),
            exceptions: BTreeMap::new(),
            mentions: BTreeMap::new(),
            by_name: BTreeMap::new(),
            dirty: BTreeMap::new(),
            anew: false,
            decisions: Cell::new(0),
        }
    }

    /// Returns the policy as last compiled.
    pub fn policy(&self) -> &Arc<Policy> {
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

    /// Puts these rules behind the configured ones, in the place of those that were, and returns whether
    /// that changed anything. If so, what every namespace and every service is has to be said again.
    pub fn set_grants(&mut self, grants: impl IntoIterator<Item = Rule>) -> bool {
        let rules = self.policy.options().rules.with_grants(grants);
        if rules == self.policy.options().rules {
            return false;
        }
        Arc::make_mut(&mut self.policy).set_rules(rules);
        self.anew = true;
        true
    }

    /// Says what a namespace is now, or that it is gone.
    pub fn set_namespace(&mut self, ns: NsId, facts: Option<NamespaceFacts>) {
        if self.facts(ns) == facts.as_ref() {
            return;
        }
        if let Some(before) = self.policy.facts(ns) {
            self.by_name.remove(&before.name);
        }
        if let Some(facts) = &facts {
            self.by_name.insert(facts.name.clone(), ns);
        }
        let brakes = facts.as_ref().is_some_and(|facts| facts.brakes);
        let audited = facts.as_ref().is_some_and(|facts| facts.audited);
        let policy = Arc::make_mut(&mut self.policy);
        let was_audited = policy.facts(ns).is_some_and(|facts| facts.audited);
        policy.audited += u32::from(audited);
        policy.audited -= u32::from(was_audited);
        if policy.brake(ns, brakes) {
            self.anew = true;
        }
        policy.facts.set(ns.0, facts.map(Arc::new));
        self.classify(ns);
        self.dirty.entry(ns).or_default();
    }

    /// Says what makes a service an exception now; the default: nothing.
    pub fn set_service(&mut self, ns: NsId, service: ServiceId, facts: ServiceFacts) {
        let before = self.policy.service(service);
        if *before == facts {
            return;
        }
        let before = before.clone();
        if facts.is_ordinary() {
            if let Some(services) = self.exceptions.get_mut(&ns) {
                services.remove(&service);
                if services.is_empty() {
                    self.exceptions.remove(&ns);
                }
            }
        } else {
            self.exceptions.entry(ns).or_default().insert(service);
        }
        let added: Vec<Box<str>> = facts.exports.mentions().cloned().collect();
        Arc::make_mut(&mut self.policy).set_service(service, facts);
        for name in added {
            let count = self.mentions.entry(name.clone()).or_default();
            *count += 1;
            if *count == 1 {
                self.reclassify(&name);
            }
        }
        for name in before.exports.mentions() {
            if let Some(count) = self.mentions.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    self.mentions.remove(name);
                    self.reclassify(name);
                }
            }
        }
        self.dirty.entry(ns).or_default().insert(service);
    }

    fn reclassify(&mut self, name: &str) {
        if let Some(&ns) = self.by_name.get(name) {
            self.classify(ns);
        }
    }

    /// Puts a namespace's pods into their class.
    fn classify(&mut self, ns: NsId) {
        let class = self.policy.facts(ns).map(|facts| {
            let mentioned = self.mentions.contains_key(&facts.name);
            self.classes.join(ClassKey::of(facts, mentioned))
        });
        if let Some(before) = self.policy.class_of(ns) {
            let compiled = self.policy.class_rows(before).is_some();
            self.classes.leave(before, compiled);
        }
        if class != self.policy.class_of(ns) {
            Arc::make_mut(&mut self.policy).classes.set(ns.0, class);
        }
    }

    /// Compiles what has changed. A changed namespace costs a decision for each class and for each
    /// of its exceptions; the first of a class one for each namespace.
    pub fn refresh(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        let anew = std::mem::take(&mut self.anew);
        if dirty.is_empty() && !anew {
            return;
        }
        for (ns, services) in &mut dirty {
            services.extend(self.exceptions.get(ns).into_iter().flatten());
        }
        for number in self.classes.numbers() {
            let before = self.policy.class_rows(number);
            let next = match (self.classes.facts(number), before) {
                (None, None) => continue,
                (None, Some(_)) => None,
                (Some(facts), Some(rows)) if !anew => {
                    Some(self.refreshed(Asker::Pod(facts), rows, Some(&dirty)))
                }
                (Some(facts), _) => Some(self.refreshed(Asker::Pod(facts), &Rows::default(), None)),
            };
            if next.is_none() {
                self.classes.free(number);
            }
            if before != next.as_ref() {
                Arc::make_mut(&mut self.policy).rows.set(number.0, next);
            }
        }
        let policy = &self.policy;
        let dirty = (!anew).then_some(&dirty);
        // Made anew from nothing, so that no bit of a namespace that is gone stays.
        let nothing = Rows::default();
        let base = |rows| if anew { &nothing } else { rows };
        let node = self.refreshed(Asker::Node, base(&policy.node), dirty);
        let unknown = self.refreshed(Asker::Unknown, base(&policy.unknown), dirty);
        let externals = policy.externals.iter();
        let externals: Vec<Rows> = externals
            .zip(policy.ranges.facts())
            .map(|(rows, facts)| self.refreshed(Asker::External(facts), base(rows), dirty))
            .collect();
        let policy = Arc::make_mut(&mut self.policy);
        (policy.node, policy.unknown) = (node, unknown);
        if *policy.externals != *externals {
            policy.externals = externals.into();
        }
    }

    /// Returns rows with these namespaces decided anew, and these services of them; all of them where
    /// none are given. The same rows where nothing differs.
    fn refreshed(&self, asker: Asker<'_>, before: &Rows, dirty: Option<&Dirty>) -> Rows {
        let mut rows = before.clone();
        let mut differs = Vec::new();
        match dirty {
            Some(dirty) => {
                for (ns, services) in dirty {
                    self.decide(
                        asker,
                        &mut rows,
                        *ns,
                        services.iter().copied(),
                        &mut differs,
                    );
                }
            }
            None => {
                let facts = self.policy.facts.iter();
                for (ns, _) in facts.filter(|(_, facts)| facts.is_some()) {
                    let ns = NsId(ns);
                    let services = self.exceptions.get(&ns).into_iter().flatten().copied();
                    self.decide(asker, &mut rows, ns, services, &mut differs);
                }
            }
        }
        let same =
            Arc::ptr_eq(&rows.judged, &before.judged) && Arc::ptr_eq(&rows.shown, &before.shown);
        if !same && rows.shown == rows.judged {
            rows.shown = rows.judged.clone();
        }
        rows.platform = matches!(asker, Asker::Pod(own) if own.platform);
        rows
    }

    /// Decides about a namespace and about those of its services that may differ from it.
    fn decide(
        &self,
        asker: Asker<'_>,
        rows: &mut Rows,
        ns: NsId,
        services: impl Iterator<Item = ServiceId>,
        differs: &mut Vec<(ServiceId, bool)>,
    ) {
        let namespace = self.facts(ns);
        let enforced = namespace.is_none_or(|facts| self.policy.enforces(asker, facts));
        let sees = |service: &ServiceFacts| {
            namespace.is_some_and(|namespace| {
                self.decisions.set(self.decisions.get() + 1);
                let target = Target { namespace, service };
                decide(self.policy.options(), asker, target).visible
            })
        };
        let whole = sees(&ServiceFacts::default());
        differs.clear();
        differs.extend(services.map(|id| (id, sees(self.policy.service(id)) != whole)));
        let mixed = differs.iter().any(|(_, differs)| *differs);
        update(&mut rows.judged, ns, whole, differs, mixed);
        if !enforced {
            differs.iter_mut().for_each(|(_, differs)| *differs = false);
        }
        update(
            &mut rows.shown,
            ns,
            whole || !enforced,
            differs,
            mixed && enforced,
        );
    }
}

/// Namespaces, and services of them.
type Dirty = BTreeMap<NsId, BTreeSet<ServiceId>>;

/// Sets a namespace in a row, where it is not so already.
fn update(
    row: &mut Arc<ClassRow>,
    ns: NsId,
    whole: bool,
    services: &[(ServiceId, bool)],
    mixed: bool,
) {
    if !row.is(ns, whole, services, mixed) {
        Arc::make_mut(row).set(ns, whole, services, mixed);
    }
}
