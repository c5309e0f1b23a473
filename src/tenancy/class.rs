//! Classes of clients: the pods of namespaces that see the same, their own namespaces aside. Not
//! what they see.

use super::exports::Imports;
use super::rules::RuleSet;
use super::tenant::{NamespaceFacts, Tenant};
use std::collections::BTreeMap;

/// The number of a class: the clients that see the same, their own namespaces aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClassId(pub(super) u32);

/// What [`super::decide`] reads of a client that is a pod, but for its own namespace. Whatever it
/// comes to read has to be here: two namespaces of one class have one row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ClassKey {
    tenant: Tenant,
    platform: bool,
    enforce: bool,
    audited: bool,
    from: RuleSet,
    imports: Imports,
    /// Its name, where the owner of some service writes it.
    name: Option<Box<str>>,
}

impl ClassKey {
    pub(super) fn of(facts: &NamespaceFacts, mentioned: bool) -> Self {
        Self {
            tenant: facts.tenant.clone(),
            platform: facts.platform,
            enforce: facts.enforce,
            audited: facts.audited,
            from: facts.from.clone(),
            imports: facts.imports.clone(),
            name: mentioned.then(|| facts.name.clone()),
        }
    }
}

/// The classes that there are, by number.
#[derive(Default)]
pub(super) struct Classes {
    numbers: BTreeMap<ClassKey, ClassId>,
    classes: Vec<Option<Class>>,
    free: Vec<ClassId>,
}

struct Class {
    key: ClassKey,
    /// A namespace of the class that does not exist.
    facts: NamespaceFacts,
    members: usize,
}

impl Classes {
    /// Returns the class of one namespace more.
    pub(super) fn join(&mut self, key: ClassKey) -> ClassId {
        if let Some(&number) = self.numbers.get(&key) {
            if let Some(Some(class)) = self.classes.get_mut(number.0 as usize) {
                class.members += 1;
            }
            return number;
        }
        let next = ClassId(self.classes.len() as u32);
        let number = self.free.pop().unwrap_or(next);
        self.numbers.insert(key.clone(), number);
        let class = Class {
            facts: NamespaceFacts {
                name: key.name.clone().unwrap_or_default(),
                tenant: key.tenant.clone(),
                platform: key.platform,
                enforce: key.enforce,
                audited: key.audited,
                from: key.from.clone(),
                imports: key.imports.clone(),
                ..NamespaceFacts::default()
            },
            key,
            members: 1,
        };
        match self.classes.get_mut(number.0 as usize) {
            Some(free) => *free = Some(class),
            None => self.classes.push(Some(class)),
        }
        number
    }

    /// Takes a namespace out of its class. The number is free at once where no row was compiled for
    /// it, and else once that is gone ([`Classes::free`]).
    pub(super) fn leave(&mut self, number: ClassId, compiled: bool) {
        let Some(place) = self.classes.get_mut(number.0 as usize) else {
            return;
        };
        let Some(class) = place else { return };
        class.members -= 1;
        if class.members == 0 {
            self.numbers.remove(&class.key);
            *place = None;
            if !compiled {
                self.free.push(number);
            }
        }
    }

    /// Gives back the number of a class without members.
    pub(super) fn free(&mut self, number: ClassId) {
        self.free.push(number);
    }

    /// Returns the numbers that are in use, and some that are not.
    pub(super) fn numbers(&self) -> impl Iterator<Item = ClassId> + use<> {
        (0..self.classes.len() as u32).map(ClassId)
    }

    /// Returns a namespace that stands for the class, where it has members.
    pub(super) fn facts(&self, number: ClassId) -> Option<&NamespaceFacts> {
        Some(&self.classes.get(number.0 as usize)?.as_ref()?.facts)
    }
}
