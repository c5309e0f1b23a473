//! `[[tenancy.rule]]` and `[[tenancy.client]]`: what the administrator says beside the tenants.
//! DnsGrants become the same rules.

use super::{NamePattern, ServiceRef};
use crate::model::{Labels, Selector};
use crate::tenancy::rules::RuleSet;
use crate::tenancy::tenant::Tenant;
use ipnet::IpNet;

/// An exception: whom it lets see what, or keeps from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// `name`: what `explain` and logs call it.
    pub name: Box<str>,
    /// `effect`.
    pub effect: Effect,
    /// `from`: the clients that it speaks of.
    pub from: From,
    /// `to`: what it shows or hides.
    pub to: To,
}

/// What a rule does. Where one allows and another denies, the denial counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It shows.
    Allow,
    /// It hides.
    Deny,
}

/// The clients that a rule speaks of: all that one of the keys names.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct From {
    /// `tenants`: their pods, and the clients of their ranges.
    pub tenants: Tenants,
    /// `namespaces` whose pods are meant.
    pub namespaces: Vec<NamePattern>,
    /// `selector` over the labels of namespaces; of several, what any selects.
    pub selectors: Vec<Selector>,
    /// `cidrs` of clients that are neither pods nor nodes.
    pub cidrs: Vec<IpNet>,
    /// `nodes`: node addresses and hostNetwork pods.
    pub nodes: bool,
    /// `unknown`: addresses that are nobody's.
    pub unknown: bool,
}

/// What a rule shows or hides: all that `tenants`, `namespaces`, `services` or `selector` names,
/// and of that only what `service_selector` selects.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct To {
    /// `tenants`.
    pub tenants: Tenants,
    /// `namespaces`.
    pub namespaces: Vec<NamePattern>,
    /// `services`, as `namespace/name`.
    pub services: Vec<ServiceRef>,
    /// `selector` over the labels of namespaces; `None` selects none.
    pub selector: Option<Selector>,
    /// `service_selector` over the labels of Services; `None` narrows nothing.
    pub service_selector: Option<Selector>,
}

/// The rules, with those that speak of clients who have no namespace.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rules {
    list: Vec<Rule>,
    /// How many of them the configuration has; grants follow.
    configured: usize,
    node: RuleSet,
    unknown: RuleSet,
}

impl Rules {
    /// Returns these rules.
    pub fn new(list: Vec<Rule>) -> Self {
        Self {
            node: RuleSet::of(&list, |rule| rule.from.nodes || rule.hides_from_all()),
            unknown: RuleSet::of(&list, |rule| rule.from.unknown || rule.hides_from_all()),
            configured: list.len(),
            list,
        }
    }

    /// Returns the configured rules with these behind them, in the place of those that were.
    pub fn with_grants(&self, grants: impl IntoIterator<Item = Rule>) -> Self {
        let configured = self.list.get(..self.configured).unwrap_or_default();
        let list = configured.iter().cloned().chain(grants).collect();
        Self {
            configured: self.configured,
            ..Self::new(list)
        }
    }

    /// Returns the rules in their order.
    pub fn list(&self) -> &[Rule] {
        &self.list
    }

    /// Returns those that speak of nodes.
    pub fn of_nodes(&self) -> &RuleSet {
        &self.node
    }

    /// Returns those that speak of addresses that are nobody's.
    pub fn of_unknown(&self) -> &RuleSet {
        &self.unknown
    }

    /// Returns those that speak of the clients of a range that are neither pods nor nodes, and
    /// which tenant's they are.
    pub(in crate::tenancy) fn of_range(&self, range: &IpNet, tenant: Option<&str>) -> RuleSet {
        RuleSet::of(&self.list, |rule| {
            let From { tenants, cidrs, .. } = &rule.from;
            tenants.all
                || tenant.is_some_and(|tenant| tenants.lists(tenant))
                || cidrs.iter().any(|cidr| cidr.contains(range))
        })
    }
}

impl Rule {
    /// Returns whether it hides.
    pub fn is_deny(&self) -> bool {
        self.effect == Effect::Deny
    }

    /// Returns whether it hides something from everybody: nodes and unknown addresses too, which
    /// it would show something only by `nodes` and `unknown`.
    fn hides_from_all(&self) -> bool {
        self.is_deny() && self.from.tenants.all
    }
}

/// A list of tenants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tenants {
    /// `*` is among them: everybody, namespaces without a tenant too.
    pub all: bool,
    /// The others.
    pub names: Vec<Box<str>>,
}

impl Tenants {
    fn has(&self, tenant: &Tenant) -> bool {
        self.all || matches!(tenant, Tenant::Assigned(t) if self.lists(t))
    }

    fn lists(&self, tenant: &str) -> bool {
        self.names.iter().any(|name| **name == *tenant)
    }
}

impl From {
    /// Returns whether the pods of a namespace are meant. `selectors` says whether its labels may
    /// count, as those of a namespace may not that could thereby see more.
    pub(in crate::tenancy) fn has_namespace(
        &self,
        name: &str,
        tenant: &Tenant,
        labels: &Labels,
        selectors: bool,
    ) -> bool {
        let selectors = self.selectors.iter().filter(|_| selectors);
        is_named(
            &self.tenants,
            &self.namespaces,
            selectors,
            (name, tenant, labels),
        )
    }
}

/// Returns whether a namespace, by its name, tenant and labels, is among those that a rule names.
fn is_named<'s>(
    tenants: &Tenants,
    namespaces: &[NamePattern],
    selectors: impl IntoIterator<Item = &'s Selector>,
    (name, tenant, labels): (&str, &Tenant, &Labels),
) -> bool {
    tenants.has(tenant)
        || namespaces.iter().any(|pattern| pattern.matches(name))
        || selectors
            .into_iter()
            .any(|selector| selector.matches(labels))
}

impl To {
    /// Returns whether all of a namespace is meant, but for what `service_selector` takes away.
    pub(in crate::tenancy) fn has_namespace(
        &self,
        name: &str,
        tenant: &Tenant,
        labels: &Labels,
        selectors: bool,
    ) -> bool {
        let selector = self.selector.as_ref().filter(|_| selectors);
        is_named(
            &self.tenants,
            &self.namespaces,
            selector,
            (name, tenant, labels),
        )
    }

    /// Returns whether the namespace is written out in full: what is reserved is shown, and what is
    /// mandatory hidden, by a rule that names it so and by no other.
    pub(in crate::tenancy) fn names_namespace(&self, name: &str) -> bool {
        let exact = |p: &NamePattern| matches!(p, NamePattern::Exact(exact) if **exact == *name);
        self.service_selector.is_none() && self.namespaces.iter().any(exact)
    }

    /// Returns whether the service is written out in full.
    pub(in crate::tenancy) fn names_service(&self, namespace: &str, name: &str) -> bool {
        self.service_selector.is_none() && self.lists_service(namespace, name)
    }

    fn lists_service(&self, namespace: &str, name: &str) -> bool {
        let is_it = |s: &ServiceRef| *s.namespace == *namespace && *s.name == *name;
        self.services.iter().any(is_it)
    }

    /// Returns whether a service is meant, in a namespace that is meant as a whole or not. `unlabeled`
    /// says whether labels that are not known count as selected.
    pub(in crate::tenancy) fn has_service(
        &self,
        (namespace, name): (&str, &str),
        labels: Option<&Labels>,
        whole: bool,
        unlabeled: bool,
    ) -> bool {
        let selected = self
            .service_selector
            .as_ref()
            .is_none_or(|selector| labels.map_or(unlabeled, |labels| selector.matches(labels)));
        (whole || self.lists_service(namespace, name)) && selected
    }
}

/// `[[tenancy.client]]`: clients that are not pods, and whose they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRange {
    /// `cidr`.
    pub cidr: IpNet,
    /// `tenant`.
    pub tenant: Box<str>,
}
