//! DnsGrants as rules: the same ones that `[[tenancy.rule]]` makes. What of a grant could not be read
//! makes it show less, never more.

use super::options::{Effect, From, NamePattern, Rule, ServiceRef, Tenants, To};
use crate::model::{DnsGrant, GrantEffect, GrantTo, ObjectKey};

/// Returns the rules that a grant stands for: one for each entry of `to`.
///
/// One that shows is in force as a whole or not at all. One that hides is in force as far as it could
/// be read: an entry that could not is left out, and a `serviceSelector` that could not hides what it
/// would have narrowed.
pub fn rules_of(grant: &DnsGrant) -> Vec<Rule> {
    let effect = match grant.effect {
        Some(GrantEffect::Allow) if grant.meta.flaws.is_empty() => Effect::Allow,
        Some(GrantEffect::Deny) => Effect::Deny,
        Some(GrantEffect::Allow) | None => return Vec::new(),
    };
    let from = clients(grant);
    if from == From::default() {
        return Vec::new();
    }
    let name = ["DnsGrant ", &grant.meta.key.name].concat();
    let rule = |to: &GrantTo| Rule {
        name: name.as_str().into(),
        effect,
        from: from.clone(),
        to: To {
            tenants: tenants(&to.tenants),
            namespaces: to.namespaces.iter().map(|name| pattern(name)).collect(),
            services: to.services.iter().map(service).collect(),
            selector: to.selector.clone(),
            service_selector: to.service_selector.clone(),
        },
    };
    grant.to.iter().map(rule).collect()
}

fn clients(grant: &DnsGrant) -> From {
    let mut from = From::default();
    for entry in &grant.from {
        let more = tenants(&entry.tenants);
        from.tenants.all |= more.all;
        from.tenants.names.extend(more.names);
        from.namespaces
            .extend(entry.namespaces.iter().map(|name| pattern(name)));
        from.selectors.extend(entry.selector.clone());
        from.cidrs.extend(entry.cidrs.iter().copied());
        from.nodes |= entry.nodes;
        from.unknown |= entry.unknown;
    }
    from
}

fn tenants(names: &[Box<str>]) -> Tenants {
    let all = names.iter().any(|name| **name == *"*");
    let names = names.iter().filter(|name| ***name != *"*");
    Tenants {
        all,
        names: names.cloned().collect(),
    }
}

fn pattern(text: &str) -> NamePattern {
    match text.strip_suffix('*') {
        Some(prefix) => NamePattern::Prefix(prefix.into()),
        None => NamePattern::Exact(text.into()),
    }
}

pub(super) fn service(key: &ObjectKey) -> ServiceRef {
    ServiceRef {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
    }
}
