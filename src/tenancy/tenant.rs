//! What a namespace's labels, annotations and name say about it, and what makes a service an
//! exception.

use super::options::{Conflict, NamePattern, Options, TenantSource, Untenanted};
use crate::model::Namespace;
use std::sync::Arc;

/// Whose a namespace is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tenant {
    /// A configured source, or the label `tenantdns.io/tenant`, names this one.
    Assigned(Arc<str>),
    /// No source matches.
    Untenanted,
    /// Two sources disagree: the namespace is alone, whatever else its labels say.
    Conflict,
}

/// What the policy needs to know of a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
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
}

/// What makes a service an exception from its namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServiceFacts {
    /// Everybody sees it: `default/kubernetes` and the DNS service.
    pub mandatory: bool,
    /// `shared.services` lists it.
    pub shared: bool,
}

impl ServiceFacts {
    /// Returns whether the service is as visible as its namespace.
    pub fn is_ordinary(self) -> bool {
        self == Self::default()
    }
}

const TENANT_LABEL: &str = "tenantdns.io/tenant";
const VISIBILITY_LABEL: &str = "tenantdns.io/visibility";

impl Options {
    /// Returns what a namespace's metadata says under these settings.
    ///
    /// Only the configuration and sources that it names widen: a selector does not count for a
    /// namespace that `tenant_from` assigned to a tenant, because whoever owns the namespace may be
    /// able to label it.
    pub fn namespace_facts(&self, namespace: &Namespace) -> NamespaceFacts {
        let tenant = self.tenant_of(namespace);
        let name = &*namespace.name;
        let listed = |patterns: &[NamePattern]| patterns.iter().any(|p| p.matches(name));
        let assigned = !self.tenant_from.is_empty() && tenant != Tenant::Untenanted;
        let selected =
            |s: &crate::model::Selector| !assigned && !s.is_empty() && s.matches(&namespace.labels);
        let of_platform_tenant = match &tenant {
            Tenant::Assigned(t) => self.platform.tenants.iter().any(|p| **p == **t),
            _ => false,
        };
        let open_platform = tenant == Tenant::Untenanted && self.untenanted == Untenanted::Platform;
        NamespaceFacts {
            platform: listed(&self.platform.namespaces)
                || of_platform_tenant
                || selected(&self.platform.selector)
                || open_platform,
            shared: listed(&self.shared.namespaces) || selected(&self.shared.selector),
            private: namespace
                .labels
                .get(VISIBILITY_LABEL)
                .is_some_and(|v| v == "private"),
            reserved: self
                .reserved_namespaces
                .iter()
                .any(|reserved| **reserved == *name),
            name: name.into(),
            tenant,
        }
    }

    /// Returns what makes a service of this namespace and name an exception; `dns` says that it is
    /// the DNS service.
    pub fn service_facts(&self, namespace: &str, name: &str, dns: bool) -> ServiceFacts {
        let is = |s: &super::ServiceRef| *s.namespace == *namespace && *s.name == *name;
        ServiceFacts {
            mandatory: dns || (namespace == "default" && name == "kubernetes"),
            shared: self.shared.services.iter().any(is),
        }
    }

    fn tenant_of(&self, namespace: &Namespace) -> Tenant {
        if self.tenant_from.is_empty() {
            let label = namespace.labels.get(TENANT_LABEL).filter(|v| !v.is_empty());
            return label.map_or(Tenant::Untenanted, |v| Tenant::Assigned(Arc::from(v)));
        }
        let mut found: Option<Arc<str>> = None;
        for source in &self.tenant_from {
            let value = match source {
                TenantSource::Label(key) => namespace.labels.get(key),
                TenantSource::Annotation(key) => namespace.annotations.get(key),
                TenantSource::Name(regex) => regex
                    .captures(&namespace.name)
                    .and_then(|c| c.name("tenant"))
                    .map(|m| m.as_str()),
            };
            let Some(value) = value.filter(|v| !v.is_empty()) else {
                continue;
            };
            match &found {
                None => found = Some(value.into()),
                Some(first) if **first == *value => {}
                Some(_) if self.conflict == Conflict::First => {}
                Some(_) => return Tenant::Conflict,
            }
        }
        found.map_or(Tenant::Untenanted, Tenant::Assigned)
    }
}
