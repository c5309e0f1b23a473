//! Whose a namespace is: the places where tenants are written, read one after the other.
//!
//! Everything that could mean two things means the least: a value that can't be read, a tree without
//! a root, two places that disagree.

use super::options::{Conflict, Options, Parentage, TenantSource};
use super::tenant::Tenant;
use crate::model::Namespace;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The label that names a tenant where the configuration names no place.
pub const TENANT_LABEL: &str = "tenantdns.io/tenant";

/// The other namespaces, as far as a tree of them is asked for.
pub trait Kin {
    /// Returns a namespace.
    fn namespace(&self, name: &str) -> Option<&Namespace>;

    /// Returns whether some namespace names this one as its parent with this label.
    fn has_children(&self, label: &str, name: &str) -> bool;
}

/// What one place says.
enum Said {
    Nothing,
    Tenant(Arc<str>),
    /// Something that can't be meant: the namespace is alone.
    Unclear,
}

impl Options {
    /// Returns whose a namespace is under these settings.
    pub(super) fn tenant_of(&self, namespace: &Namespace, kin: &dyn Kin) -> Tenant {
        if self.tenant_from.is_empty() {
            let label = namespace.labels.get(TENANT_LABEL).filter(|v| !v.is_empty());
            return label.map_or(Tenant::Untenanted, |v| Tenant::Assigned(Arc::from(v)));
        }
        let mut found: Option<Arc<str>> = None;
        for source in &self.tenant_from {
            match (source.read(namespace, kin), &found) {
                (Said::Nothing, _) => {}
                (Said::Tenant(tenant), None) => found = Some(tenant),
                (Said::Tenant(tenant), Some(first)) if tenant == *first => {}
                (Said::Unclear, None) => return Tenant::Conflict,
                (Said::Tenant(_) | Said::Unclear, Some(_)) if self.conflict == Conflict::First => {}
                (Said::Tenant(_) | Said::Unclear, Some(_)) => return Tenant::Conflict,
            }
        }
        found.map_or(Tenant::Untenanted, Tenant::Assigned)
    }
}

impl TenantSource {
    fn read(&self, namespace: &Namespace, kin: &dyn Kin) -> Said {
        let value = match self {
            Self::Label(key) => namespace.labels.get(key),
            Self::Annotation(key) => namespace.annotations.get(key),
            Self::AnnotationAfterColon(key) => {
                let value = namespace.annotations.get(key);
                value.map(|v| v.split_once(':').map_or(v, |(_, project)| project))
            }
            Self::Name(regex) => {
                let captures = regex.captures(&namespace.name);
                return said(captures.and_then(|c| Some(c.name("tenant")?.as_str().to_owned())));
            }
            Self::OwnName { label, value } => {
                let is_one = namespace.labels.get(label) == Some(value);
                Some(&*namespace.name).filter(|_| is_one)
            }
            Self::LabelSuffix { suffix, level } => return ancestor(namespace, suffix, *level),
            Self::ParentLabel(parentage) => return root(namespace, parentage, kin),
        };
        said(value)
    }
}

fn said(value: Option<impl AsRef<str>>) -> Said {
    match value {
        Some(value) if !value.as_ref().is_empty() => Said::Tenant(value.as_ref().into()),
        _ => Said::Nothing,
    }
}

/// Returns the ancestor that is `level` below the one with the greatest depth, or the namespace
/// itself where it is above that.
fn ancestor(namespace: &Namespace, suffix: &str, level: u32) -> Said {
    let labels = namespace.labels.iter();
    let ancestors = labels.filter_map(|(key, depth)| {
        let name = key.strip_suffix(suffix).filter(|name| !name.is_empty())?;
        Some((name, depth.parse::<u32>()))
    });
    let mut by_depth = Vec::new();
    for (name, depth) in ancestors {
        match depth {
            Ok(depth) => by_depth.push((depth, name)),
            Err(_) => return Said::Unclear,
        }
    }
    let Some(greatest) = by_depth.iter().map(|(depth, _)| *depth).max() else {
        return Said::Nothing;
    };
    let Some(depth) = greatest.checked_sub(level) else {
        return said(Some(&*namespace.name));
    };
    let mut at = by_depth.iter().filter(|(d, _)| *d == depth);
    match (at.next(), at.next()) {
        (Some((_, name)), None) => said(Some(name)),
        // None there, or two: the labels are not a tree's.
        _ => Said::Unclear,
    }
}

/// Returns the root of the tree that a namespace is in.
fn root(namespace: &Namespace, parentage: &Parentage, kin: &dyn Kin) -> Said {
    let kind = |namespace: &Namespace| {
        let (label, root, alone) = parentage.kind.as_ref()?;
        let value = namespace.labels.get(label)?;
        Some((value == &**root, value == &**alone))
    };
    let parent = |namespace: &Namespace| -> Option<Box<str>> {
        let value = namespace.labels.get(&parentage.label)?;
        (!value.is_empty()).then(|| value.into())
    };
    if let Some((_, true)) = kind(namespace) {
        return Said::Unclear;
    }
    let mut seen = BTreeSet::new();
    let mut at = namespace;
    while let Some(name) = parent(at) {
        if !seen.insert(at.name.clone()) {
            return Said::Unclear;
        }
        match kin.namespace(&name) {
            Some(next) => at = next,
            None => return Said::Unclear,
        }
    }
    let is_root = match (&parentage.kind, kind(at)) {
        (Some(_), said) => said == Some((true, false)),
        (None, _) => kin.has_children(&parentage.label, &at.name),
    };
    match (is_root, at.name == namespace.name) {
        (true, _) => said(Some(&*at.name)),
        (false, true) => Said::Nothing,
        // It has a parent, and what that leads to is no root.
        (false, false) => Said::Unclear,
    }
}
