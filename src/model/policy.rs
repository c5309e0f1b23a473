//! The kinds of `tenantdns.io/v1alpha1`: what administrators, owners and receivers say, as objects of
//! the cluster. What it means is decided in [`crate::tenancy`].

use super::{Kind, ObjectKey, Selector};
use ipnet::IpNet;
use std::fmt;

/// What is wrong with a part of an object of these kinds; that part does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFlaw {
    /// The field: `spec.to[0].serviceSelector`.
    pub field: Box<str>,
    /// What is wrong with it, and what would be right.
    pub message: Box<str>,
}

impl fmt::Display for PolicyFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// What all three kinds have beside what they say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyMeta {
    /// Namespace and name; a DnsGrant has no namespace.
    pub key: ObjectKey,
    /// `metadata.generation`: counts the changes of `spec`; 0 where objects come from files.
    pub generation: i64,
    /// `spec` as JSON, so that the object can be written down and read again.
    pub spec: Box<str>,
    /// What of `spec` could not be read.
    pub flaws: Vec<PolicyFlaw>,
}

/// An administrator's exception, as a `[[tenancy.rule]]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DnsGrant {
    /// What every kind has.
    pub meta: PolicyMeta,
    /// `spec.effect`; `None` where it is neither.
    pub effect: Option<GrantEffect>,
    /// The clients that are meant: all that one of the entries names.
    pub from: Vec<GrantFrom>,
    /// What is shown or hidden, entry by entry.
    pub to: Vec<GrantTo>,
}

/// What a grant does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantEffect {
    /// It shows.
    Allow,
    /// It hides.
    Deny,
}

/// Clients of a grant: all that one of the keys names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GrantFrom {
    /// `tenants`; `*` is everybody.
    pub tenants: Vec<Box<str>>,
    /// `namespaces`, exact or `prefix-*`.
    pub namespaces: Vec<Box<str>>,
    /// `namespaceSelector`.
    pub selector: Option<Selector>,
    /// `cidrs` of clients that are neither pods nor nodes.
    pub cidrs: Vec<IpNet>,
    /// `nodes`: node addresses and hostNetwork pods.
    pub nodes: bool,
    /// `unknown`: addresses that are nobody's.
    pub unknown: bool,
}

/// What a grant shows or hides: all that one of the keys names, and of that only what
/// `serviceSelector` selects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GrantTo {
    /// `tenants`; `*` is everybody.
    pub tenants: Vec<Box<str>>,
    /// `namespaces`, exact or `prefix-*`.
    pub namespaces: Vec<Box<str>>,
    /// `services`, as `namespace/name`.
    pub services: Vec<ObjectKey>,
    /// `namespaceSelector`.
    pub selector: Option<Selector>,
    /// `serviceSelector`; `None` where there is none, or it could not be read.
    pub service_selector: Option<Selector>,
}

/// What an owner gives away: services of the object's own namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DnsExport {
    /// What every kind has.
    pub meta: PolicyMeta,
    /// The names of the services.
    pub services: Vec<Box<str>>,
    /// The tenants that they are given to.
    pub tenants: Vec<Box<str>>,
    /// The namespaces that they are given to.
    pub namespaces: Vec<Box<str>>,
}

/// What a receiver agrees to see, for the object's own namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DnsImport {
    /// What every kind has.
    pub meta: PolicyMeta,
    /// Everything that these tenants export to it.
    pub tenants: Vec<Box<str>>,
    /// These services.
    pub services: Vec<ObjectKey>,
}

/// How an object of these kinds fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyStatus {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace and name.
    pub key: ObjectKey,
    /// The `metadata.generation` that the conditions are about.
    pub observed_generation: i64,
    /// `Accepted`: whether it could be read as a whole.
    pub accepted: PolicyCondition,
    /// `Programmed`: whether it is in force.
    pub programmed: PolicyCondition,
}

/// One condition of a [`PolicyStatus`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyCondition {
    /// `status`.
    pub holds: bool,
    /// `reason`: one word.
    pub reason: &'static str,
    /// `message`: what to do, where there is something.
    pub message: String,
}

impl PolicyStatus {
    /// Returns both conditions with their types.
    pub fn conditions(&self) -> [(&'static str, &PolicyCondition); 2] {
        [
            ("Accepted", &self.accepted),
            ("Programmed", &self.programmed),
        ]
    }

    /// Returns the conditions that say that something is not as its author may think.
    pub fn findings(&self) -> impl Iterator<Item = (&'static str, &PolicyCondition)> {
        let conditions = self.conditions().into_iter();
        conditions.filter(|(_, condition)| !condition.holds || !condition.message.is_empty())
    }
}
