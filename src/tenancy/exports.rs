//! What an owner gives away and what a receiver takes: annotations on Services and Namespaces, and
//! the kinds DnsExport and DnsImport, which say the same.
//!
//! Owners can give away only their own services, one by one, and what is not understood gives
//! nothing away.

use super::grant::service;
use super::options::ServiceRef;
use crate::model::{DnsExport, DnsImport, Labels};
use std::collections::BTreeSet;

/// On a Service: whom it is shown to, beside its own tenant.
pub const EXPORT_TO: &str = "tenantdns.io/export-to";
/// On a Namespace: what its pods agree to see of other tenants.
pub const IMPORT_FROM: &str = "tenantdns.io/import-from";
/// Istio's annotation on a Service; it only narrows.
pub const ISTIO_EXPORT_TO: &str = "networking.istio.io/exportTo";

/// What a Service's annotations say of who may see it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exports {
    /// The tenants that it is exported to.
    pub tenants: Vec<Box<str>>,
    /// The namespaces that it is exported to.
    pub namespaces: Vec<Box<str>>,
    /// The only namespaces that its owner lets see it, whatever else would show it; `.` stands for
    /// its own. `None` narrows nothing.
    pub only: Option<BTreeSet<Box<str>>>,
    /// What DnsExports give away beside, by their names.
    pub offers: Vec<Offer>,
}

/// What one DnsExport says of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The DnsExport's name.
    pub name: Box<str>,
    /// The tenants that it exports to.
    pub tenants: Vec<Box<str>>,
    /// The namespaces that it exports to.
    pub namespaces: Vec<Box<str>>,
}

impl Offer {
    /// Returns what a DnsExport says of each Service that it names.
    pub fn of(export: &DnsExport) -> Self {
        Self {
            name: export.meta.key.name.clone(),
            tenants: export.tenants.clone(),
            namespaces: export.namespaces.clone(),
        }
    }

    fn reaches(&self, namespace: &str, tenant: Option<&str>) -> bool {
        is_among(&self.namespaces, namespace) || tenant.is_some_and(|t| is_among(&self.tenants, t))
    }
}

fn is_among(names: &[Box<str>], name: &str) -> bool {
    names.iter().any(|other| **other == *name)
}

/// What a Namespace agrees to see.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Imports {
    /// Everything that these tenants export to it.
    pub tenants: Vec<Box<str>>,
    /// These services.
    pub services: Vec<ServiceRef>,
}

/// An entry of an annotation that means nothing, and why.
pub type Ignored = (Box<str>, &'static str);

impl Exports {
    /// Reads a Service's annotations. What is not understood is left out, and given to `ignored`.
    pub fn read(annotations: &Labels, namespace: &str, mut ignored: impl FnMut(Ignored)) -> Self {
        let mut exports = Self::default();
        for entry in entries(annotations.get(EXPORT_TO)) {
            match entry.split_once(':') {
                Some(("tenant", name)) if !name.is_empty() && name != "*" => {
                    exports.tenants.push(name.into());
                }
                Some(("ns", name)) if !name.is_empty() && name != "*" => {
                    exports.namespaces.push(name.into());
                }
                None if entry == "." || entry == "~" => {
                    exports.narrow(BTreeSet::from([namespace.into()]));
                }
                _ if entry.contains('*') => {
                    ignored((entry.into(), "nothing is exported to everybody"));
                }
                _ => ignored((entry.into(), "write `tenant:NAME`, `ns:NAME` or `.`")),
            }
        }
        let istio: Vec<&str> = entries(annotations.get(ISTIO_EXPORT_TO)).collect();
        if !istio.is_empty() && !istio.contains(&"*") {
            let own = |entry: &&str| matches!(*entry, "." | "~");
            let names = istio.iter().map(|entry| match own(entry) {
                true => namespace.into(),
                false => (*entry).into(),
            });
            exports.narrow(names.collect());
        }
        exports
    }

    /// Reads what narrows alone: nothing is exported.
    pub fn read_narrowing(annotations: &Labels, namespace: &str) -> Self {
        Self {
            only: Self::read(annotations, namespace, |_| {}).only,
            ..Self::default()
        }
    }

    /// Returns whether they say nothing.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the namespaces that they write out.
    pub(super) fn mentions(&self) -> impl Iterator<Item = &Box<str>> {
        let offered = self.offers.iter().flat_map(|offer| &offer.namespaces);
        let own = self.namespaces.iter().chain(self.only.iter().flatten());
        own.chain(offered)
    }

    fn narrow(&mut self, to: BTreeSet<Box<str>>) {
        self.only = Some(match self.only.take() {
            Some(before) => before.intersection(&to).cloned().collect(),
            None => to,
        });
    }

    /// Returns whether the owner lets a namespace see it at all.
    pub(super) fn lets(&self, namespace: &str) -> bool {
        let listed = |only: &BTreeSet<Box<str>>| only.iter().any(|name| **name == *namespace);
        self.only.as_ref().is_none_or(listed)
    }

    /// Returns whether a namespace of a tenant is exported to.
    pub(super) fn reaches(&self, namespace: &str, tenant: Option<&str>) -> bool {
        is_among(&self.namespaces, namespace)
            || tenant.is_some_and(|tenant| is_among(&self.tenants, tenant))
            || self.offer_for(namespace, tenant).is_some()
    }

    /// Returns the first DnsExport that exports it to a namespace of a tenant.
    pub fn offer_for(&self, namespace: &str, tenant: Option<&str>) -> Option<&Offer> {
        let mut offers = self.offers.iter();
        offers.find(|offer| offer.reaches(namespace, tenant))
    }
}

impl Imports {
    /// Reads a Namespace's annotations. What is not understood is left out, and given to `ignored`.
    pub fn read(annotations: &Labels, mut ignored: impl FnMut(Ignored)) -> Self {
        let mut imports = Self::default();
        for entry in entries(annotations.get(IMPORT_FROM)) {
            match entry.split_once(':') {
                Some(("tenant", name)) if !name.is_empty() && name != "*" => {
                    imports.tenants.push(name.into());
                }
                Some(("service", service))
                    if let Some((namespace, name)) = service.split_once('/') =>
                {
                    imports.services.push(ServiceRef {
                        namespace: namespace.into(),
                        name: name.into(),
                    });
                }
                _ => ignored((
                    entry.into(),
                    "write `tenant:NAME` or `service:NAMESPACE/NAME`",
                )),
            }
        }
        imports
    }

    /// Adds what a DnsImport of the namespace agrees to.
    pub fn add(&mut self, import: &DnsImport) {
        self.tenants.extend(import.tenants.iter().cloned());
        self.services.extend(import.services.iter().map(service));
    }

    /// Returns whether a service of a tenant is agreed to.
    pub fn takes(&self, tenant: Option<&str>, namespace: &str, name: &str) -> bool {
        let of_tenant = |tenant: &str| self.tenants.iter().any(|t| **t == *tenant);
        let is_it = |s: &ServiceRef| *s.namespace == *namespace && *s.name == *name;
        tenant.is_some_and(of_tenant) || self.services.iter().any(is_it)
    }
}

fn entries(value: Option<&str>) -> impl Iterator<Item = &str> {
    let entries = value.unwrap_or_default().split(',');
    entries.map(str::trim).filter(|entry| !entry.is_empty())
}
