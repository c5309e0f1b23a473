//! What is doubtful about the administrator's rules: one that can be escaped, and those that speak of
//! nobody or of nothing, now.

use super::pattern_text;
use crate::index::{Index, Objects};
use crate::model::{Namespace, ObjectKey};
use crate::snapshot::Snapshot;
use crate::tenancy::{NamePattern, Options, Rule};
use std::collections::BTreeSet;

/// Returns a line for each rule that names a tenant which no namespace and no range has. Whose a
/// namespace is, the snapshot's policy says.
pub fn absent_tenants(index: &Index, snapshot: &Snapshot) -> Vec<String> {
    let policy = &snapshot.policy;
    let names = index.objects().namespaces.keys();
    let facts = names.filter_map(|name| policy.facts(index.namespace_id(name)?));
    let of_namespaces = facts.filter_map(|facts| facts.tenant.assigned());
    let of_ranges = policy.externals().filter_map(|(.., tenant)| tenant);
    let tenants: BTreeSet<&str> = of_namespaces.chain(of_ranges).collect();
    let mut lines = Vec::new();
    for (place, rule) in policy.options().rules.list().iter().enumerate() {
        for (key, named) in [("from", &rule.from.tenants), ("to", &rule.to.tenants)] {
            let names = named.names.iter();
            lines.extend(
                names
                    .filter(|name| !tenants.contains(&***name))
                    .map(|name| {
                        let of = called(place, rule);
                        format!("{of}: {key}.tenants: nothing is of tenant {name:?}")
                    }),
            );
        }
    }
    lines
}

/// Returns what lines call a rule.
fn called(place: usize, rule: &Rule) -> String {
    match &*rule.name {
        "" => format!("tenancy.rule {} (without a name)", place + 1),
        grant if grant.starts_with("DnsGrant ") => grant.to_owned(),
        name => format!("tenancy.rule {name:?}"),
    }
}

/// Returns a line for each doubt that the objects alone can settle.
pub(super) fn findings(options: &Options, objects: &Objects) -> Vec<String> {
    let mut lines = Vec::new();
    for (place, rule) in options.rules.list().iter().enumerate() {
        let of = called(place, rule);
        if rule.is_deny() && rule.to.service_selector.is_some() {
            lines.push(format!(
                "{of}: to.service_selector: whoever owns a Service escapes this denial by dropping \
                 the label; name services, or deny the namespace"
            ));
        }
        let missing = Named { objects }.missing(rule);
        lines.extend(missing.into_iter().map(|what| format!("{of}: {what}")));
    }
    lines
}

/// What there is for rules to name.
struct Named<'o> {
    objects: &'o Objects,
}

impl Named<'_> {
    /// Returns what a rule names that does not exist.
    fn missing(&self, rule: &Rule) -> Vec<String> {
        let (from, to) = (&rule.from, &rule.to);
        let mut missing = Vec::new();
        for (key, patterns) in [("from", &from.namespaces), ("to", &to.namespaces)] {
            missing.extend(self.namespaces(key, patterns));
        }
        let selectors = from.selectors.iter().map(|selector| ("from", selector));
        for (key, selector) in selectors.chain(to.selector.iter().map(|s| ("to", s))) {
            if !self.all().any(|ns| selector.matches(&ns.labels)) {
                missing.push(format!("{key}.selector: it selects no namespace"));
            }
        }
        for service in &to.services {
            let key = ObjectKey::new(&*service.namespace, &*service.name);
            if !self.objects.has_service(&key) && !self.objects.has_import(&key) {
                missing.push(format!("to.services: there is no Service {key}"));
            }
        }
        if let Some(selector) = &to.service_selector {
            let mut services = self.objects.services.iter();
            if !services.any(|service| selector.matches(&service.labels)) {
                missing.push("to.service_selector: it selects no Service".to_owned());
            }
        }
        missing
    }

    fn all(&self) -> impl Iterator<Item = &Namespace> {
        self.objects.namespaces.values()
    }

    fn namespaces(&self, key: &str, patterns: &[NamePattern]) -> Vec<String> {
        let missing = patterns
            .iter()
            .filter(|pattern| !self.all().any(|namespace| pattern.matches(&namespace.name)));
        missing
            .map(|pattern| {
                let pattern = pattern_text(pattern);
                format!(
                    "{key}.namespaces: no namespace matches {pattern}; whoever creates one is meant"
                )
            })
            .collect()
    }
}
