//! What a namespace's labels, annotations and name say about it, and what makes a service an
//! exception.

use super::assign::Kin;
use super::exports::{Exports, Imports, Offer};
use super::options::{Exporting, NamePattern, Options, Rule, Untenanted};
use super::rules::RuleSet;
use crate::model::{DnsImport, Labels, Namespace, Selector};
use std::sync::Arc;

/// Whose a namespace is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Tenant {
    /// A configured source, or the label `tenantdns.io/tenant`, names this one.
    Assigned(Arc<str>),
    /// No source matches.
    #[default]
    Untenanted,
    /// Two sources disagree: the namespace is alone, whatever else its labels say.
    Conflict,
}

impl Tenant {
    /// Returns the tenant's name, where there is one.
    pub fn assigned(&self) -> Option<&str> {
        match self {
            Self::Assigned(tenant) => Some(tenant),
            Self::Untenanted | Self::Conflict => None,
        }
    }
}

/// What the policy needs to know of a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NamespaceFacts {
    /// Its name.
    pub name: Box<str>,
    /// Whose it is.
    pub tenant: Tenant,
    /// Its pods see everything.
    pub platform: bool,
    /// Everybody sees its services.
    pub shared: bool,
    /// Its owner shows it to its own pods alone (`tenantdns.io/visibility=private`).
    pub private: bool,
    /// Its name is one that tenants must not answer for.
    pub reserved: bool,
    /// It is enforced although the rest is in audit (`tenantdns.io/mode=enforce`).
    pub enforce: bool,
    /// Its pods are left in audit although the rest is enforced (`[tenancy] audit`).
    pub audited: bool,
    /// It is the server's own, and its owner puts all replicas into audit
    /// (`tenantdns.io/mode=audit`).
    pub brakes: bool,
    /// The rules that speak of its pods.
    pub from: RuleSet,
    /// The rules that speak of all of it.
    pub to: RuleSet,
    /// The rules that speak of those of its services that they select.
    pub to_selected: RuleSet,
    /// The rules that write its name in full.
    pub named: RuleSet,
    /// What it agrees to see of others.
    pub imports: Imports,
}

/// What makes a service an exception from its namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceFacts {
    /// Everybody sees it: `default/kubernetes` and the DNS service.
    pub mandatory: bool,
    /// `shared.services` lists it.
    pub shared: bool,
    /// The rules that speak of it and not of all of its namespace.
    pub to: RuleSet,
    /// The rules that write it in full.
    pub named: RuleSet,
    /// Its name, where an import may write it.
    pub name: Option<Box<str>>,
    /// What its owner says of who may see it.
    pub exports: Exports,
}

impl ServiceFacts {
    /// Returns whether the service is as visible as its namespace.
    pub fn is_ordinary(&self) -> bool {
        *self == Self::default()
    }
}

/// A Service, as far as the policy reads it.
#[derive(Debug, Clone, Copy)]
pub struct ServiceTraits<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its labels.
    pub labels: &'a Labels,
    /// Whether those are all that it has. What is denied by labels that are not known is denied.
    pub labels_known: bool,
    /// Its annotations.
    pub annotations: &'a Labels,
    /// What DnsExports of its namespace say of it, by their names.
    pub offers: &'a [Offer],
    /// It is the DNS service.
    pub dns: bool,
}

/// On a Namespace: who sees its services.
pub const VISIBILITY_LABEL: &str = "tenantdns.io/visibility";
const MODE_LABEL: &str = "tenantdns.io/mode";

impl Options {
    /// Returns what a namespace's metadata says under these settings.
    ///
    /// Only the configuration and sources that it names widen: a selector does not count for a
    /// namespace that `tenant_from` assigned to a tenant, because whoever owns the namespace may be
    /// able to label it. `imports` are the DnsImports of the namespace, by their names.
    pub fn namespace_facts<'i>(
        &self,
        namespace: &Namespace,
        kin: &dyn Kin,
        imports: impl IntoIterator<Item = &'i DnsImport>,
    ) -> NamespaceFacts {
        let tenant = self.tenant_of(namespace, kin);
        let (name, labels) = (&*namespace.name, &namespace.labels);
        let listed = |patterns: &[NamePattern]| patterns.iter().any(|p| p.matches(name));
        let assigned = !self.tenant_from.is_empty() && tenant != Tenant::Untenanted;
        let selected = |s: &Selector| !assigned && !s.is_empty() && s.matches(labels);
        let of_platform_tenant = match &tenant {
            Tenant::Assigned(t) => self.platform.tenants.iter().any(|p| **p == **t),
            _ => false,
        };
        let open_platform = tenant == Tenant::Untenanted && self.untenanted == Untenanted::Platform;
        // What narrows may be selected by anybody; what widens not by whom it would widen.
        let counts = |rule: &Rule| rule.is_deny() || !assigned;
        let mode = labels.get(MODE_LABEL);
        let to = |rule: &Rule| rule.to.has_namespace(name, &tenant, labels, counts(rule));
        let rules = |which: &dyn Fn(&Rule) -> bool| RuleSet::of(self.rules.list(), which);
        NamespaceFacts {
            platform: listed(&self.platform.namespaces)
                || of_platform_tenant
                || selected(&self.platform.selector)
                || open_platform,
            shared: listed(&self.shared.namespaces) || selected(&self.shared.selector),
            private: labels.get(VISIBILITY_LABEL).is_some_and(|v| v == "private"),
            reserved: self.reserves(name),
            enforce: mode == Some("enforce"),
            audited: listed(&self.audit.namespaces) || selected(&self.audit.selector),
            brakes: mode == Some("audit") && self.own_namespace.as_deref() == Some(name),
            from: rules(&|rule| rule.from.has_namespace(name, &tenant, labels, counts(rule))),
            to: rules(&|rule| rule.to.service_selector.is_none() && to(rule)),
            to_selected: rules(&|rule| rule.to.service_selector.is_some() && to(rule)),
            named: rules(&|rule| rule.to.names_namespace(name)),
            imports: match self.exports {
                Exporting::Mutual => {
                    let mut read = Imports::read(&namespace.annotations, |_| {});
                    imports.into_iter().for_each(|import| read.add(import));
                    read
                }
                Exporting::Off | Exporting::Named => Imports::default(),
            },
            name: name.into(),
            tenant,
        }
    }

    /// Returns what makes a service of a namespace an exception.
    pub fn service_facts(&self, ns: &NamespaceFacts, service: ServiceTraits<'_>) -> ServiceFacts {
        let (namespace, name) = (&*ns.name, service.name);
        let is = |s: &super::ServiceRef| *s.namespace == *namespace && *s.name == *name;
        let means = |index: usize, rule: &Rule| {
            let whole = ns.to_selected.has(index);
            let labels = service.labels_known.then_some(service.labels);
            let denies = rule.is_deny();
            rule.to
                .has_service((namespace, name), labels, whole, denies)
        };
        let exports = match self.exports {
            Exporting::Off => Exports::read_narrowing(service.annotations, namespace),
            Exporting::Named | Exporting::Mutual => Exports {
                offers: service.offers.to_vec(),
                ..Exports::read(service.annotations, namespace, |_| {})
            },
        };
        ServiceFacts {
            mandatory: service.dns || (namespace == "default" && name == "kubernetes"),
            shared: self.shared.services.iter().any(is),
            to: RuleSet::of_indexed(self.rules.list(), means),
            named: RuleSet::of(self.rules.list(), |rule| {
                rule.to.names_service(namespace, name)
            }),
            name: (!exports.is_empty()).then(|| name.into()),
            exports,
        }
    }
}
