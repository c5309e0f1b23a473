//! How objects of our own kinds fare: their conditions as a function of the objects alone, so that all
//! replicas of one configuration say the same. What they say must not tell an owner what other tenants
//! have: whether a namespace or a service of another exists is in none of them.

use super::Index;
use crate::model::{
    DnsExport, DnsGrant, DnsImport, GrantEffect, Kind, ObjectKey, PolicyCondition, PolicyMeta,
    PolicyStatus,
};
use crate::tenancy::{Exporting, Mode, NamespaceFacts, Options, rules_of};
use std::collections::BTreeMap;

/// Parts of an object that one message tells of at most.
const TOLD: usize = 5;

/// The namespaces of each tenant.
type Tenants<'a> = BTreeMap<&'a str, Vec<&'a NamespaceFacts>>;

impl Index {
    /// Returns how each DnsGrant, DnsExport and DnsImport fares, as of the last snapshot. The work is
    /// that of looking once at each namespace and at each destination.
    pub fn policy_statuses(&self) -> Vec<PolicyStatus> {
        let policies = &self.objects.policies;
        if policies.is_empty() {
            return Vec::new();
        }
        let options = self.compiler.policy().options();
        let mut tenants = Tenants::new();
        for name in self.objects.namespaces.keys() {
            let facts = self.facts_of(name);
            if let Some((tenant, facts)) = facts.and_then(|f| Some((f.tenant.assigned()?, f))) {
                tenants.entry(tenant).or_default().push(facts);
            }
        }
        let grants = policies.grants().map(|grant| of_grant(options, grant));
        let exports = policies.exports();
        let exports = exports.map(|export| self.of_export(options, export, &tenants));
        let imports = policies.imports().map(|import| of_import(options, import));
        grants.chain(exports).chain(imports).collect()
    }

    fn facts_of(&self, namespace: &str) -> Option<&NamespaceFacts> {
        self.compiler
            .facts(self.objects.numbers.find_ns(namespace)?)
    }

    fn of_export(
        &self,
        options: &Options,
        export: &DnsExport,
        tenants: &Tenants<'_>,
    ) -> PolicyStatus {
        let to_nobody = export.tenants.is_empty() && export.namespaces.is_empty();
        let gives = !(export.services.is_empty() || to_nobody);
        let mut accepted = entries_accepted(&export.meta, gives);
        let unknown: Vec<&str> = {
            let names = export.tenants.iter().map(|name| &**name);
            names.filter(|name| !tenants.contains_key(name)).collect()
        };
        if accepted.holds && !unknown.is_empty() {
            accepted.reason = "EntriesIgnored";
            let more = format!("no namespace belongs to the tenant {}", listed(&unknown));
            accepted.message = joined(&accepted.message, &more);
        }
        let programmed = if let Some(off) = switched_off(options, &accepted) {
            off
        } else {
            self.export_programmed(options, export, tenants)
        };
        status(Kind::DnsExport, &export.meta, accepted, programmed)
    }

    fn export_programmed(
        &self,
        options: &Options,
        export: &DnsExport,
        tenants: &Tenants<'_>,
    ) -> PolicyCondition {
        let namespace = &export.meta.key.namespace;
        let own = self.facts_of(namespace);
        if own.is_some_and(|own| own.reserved) {
            let text = format!("the name {namespace} is reserved: nothing is exported from it");
            return fails("ReservedNamespace", text);
        }
        let key = |name: &str| ObjectKey::new(namespace.clone(), name);
        let (found, missing): (Vec<&str>, Vec<&str>) = {
            let names = export.services.iter().map(|name| &**name);
            names.partition(|name| self.objects.has_service(&key(name)))
        };
        let missing_text = match missing.is_empty() {
            true => String::new(),
            false => format!("there is no Service {} here", listed(&missing)),
        };
        if found.is_empty() {
            return fails("ServiceNotFound", missing_text);
        }
        let to_tenants = export.tenants.iter().map(|name| &**name);
        let to_tenants: Vec<&str> = to_tenants
            .filter(|name| tenants.contains_key(name))
            .collect();
        if to_tenants.is_empty() && export.namespaces.is_empty() {
            return fails("NoDestination", "nobody is meant".to_owned());
        }
        let mut message = missing_text;
        if options.exports == Exporting::Mutual {
            let tenant = own.and_then(|own| own.tenant.assigned());
            let takes = |facts: &NamespaceFacts| {
                let mut found = found.iter();
                found.any(|name| facts.imports.takes(tenant, namespace, name))
            };
            let of_tenant = |name: &str| tenants.get(name).into_iter().flatten();
            let waiting = to_tenants
                .iter()
                .filter(|name| !of_tenant(name).any(|facts| takes(facts)))
                .map(|name| format!("tenant {name}"));
            let alone = export.namespaces.iter();
            let alone = alone.filter(|name| !self.facts_of(name).is_some_and(takes));
            let waiting: Vec<String> = waiting
                .chain(alone.map(|name| format!("namespace {name}")))
                .collect();
            if !waiting.is_empty() {
                let names: Vec<&str> = waiting.iter().map(String::as_str).collect();
                let text = format!("no consent yet of {}", listed(&names));
                if waiting.len() == to_tenants.len() + export.namespaces.len() {
                    return fails("PendingConsent", joined(&message, &text));
                }
                message = joined(&message, &text);
            }
        }
        PolicyCondition {
            holds: true,
            reason: "Programmed",
            message,
        }
    }
}

fn of_grant(options: &Options, grant: &DnsGrant) -> PolicyStatus {
    let deny = grant.effect == Some(GrantEffect::Deny);
    let rules = rules_of(grant);
    let mut accepted = if grant.meta.flaws.is_empty() {
        holds("Accepted")
    } else {
        fails("Invalid", flaws(&grant.meta))
    };
    if accepted.holds && deny && grant.to.iter().any(|to| to.service_selector.is_some()) {
        accepted.message =
            "an owner escapes this denial by dropping the label that serviceSelector selects"
                .to_owned();
    }
    let programmed = if options.mode == Mode::Off {
        fails("TenancyOff", "tenancy is off".to_owned())
    } else if rules.is_empty() {
        fails("NotAccepted", "nothing of it is in force".to_owned())
    } else if accepted.holds {
        holds("Programmed")
    } else {
        PolicyCondition {
            holds: true,
            reason: "InPart",
            message: "it hides what could be read of it, and what it would have narrowed by what \
                      could not"
                .to_owned(),
        }
    };
    status(Kind::DnsGrant, &grant.meta, accepted, programmed)
}

fn of_import(options: &Options, import: &DnsImport) -> PolicyStatus {
    let takes = !(import.tenants.is_empty() && import.services.is_empty());
    let accepted = entries_accepted(&import.meta, takes);
    let programmed = match switched_off(options, &accepted) {
        Some(off) => off,
        None if options.exports == Exporting::Named => fails(
            "NotNeeded",
            "exports need no consent in this cluster".to_owned(),
        ),
        None => holds("Programmed"),
    };
    status(Kind::DnsImport, &import.meta, accepted, programmed)
}

/// Says of an object whose entries count each for itself whether any does.
fn entries_accepted(meta: &PolicyMeta, any: bool) -> PolicyCondition {
    match (meta.flaws.is_empty(), any) {
        (true, _) => holds("Accepted"),
        (false, true) => PolicyCondition {
            holds: true,
            reason: "EntriesIgnored",
            message: flaws(meta),
        },
        (false, false) => fails("Invalid", flaws(meta)),
    }
}

/// Says why what owners and receivers say is not in force at all.
fn switched_off(options: &Options, accepted: &PolicyCondition) -> Option<PolicyCondition> {
    let (reason, message) = if options.mode == Mode::Off {
        ("TenancyOff", "tenancy is off")
    } else if !accepted.holds {
        ("NotAccepted", "nothing of it is in force")
    } else if options.exports == Exporting::Off {
        ("ExportsOff", "owners export nothing in this cluster")
    } else {
        return None;
    };
    Some(fails(reason, message.to_owned()))
}

fn status(
    kind: Kind,
    meta: &PolicyMeta,
    accepted: PolicyCondition,
    programmed: PolicyCondition,
) -> PolicyStatus {
    PolicyStatus {
        kind,
        key: meta.key.clone(),
        observed_generation: meta.generation,
        accepted,
        programmed,
    }
}

fn holds(reason: &'static str) -> PolicyCondition {
    PolicyCondition {
        holds: true,
        reason,
        message: String::new(),
    }
}

fn fails(reason: &'static str, message: String) -> PolicyCondition {
    PolicyCondition {
        holds: false,
        reason,
        message,
    }
}

fn flaws(meta: &PolicyMeta) -> String {
    let texts: Vec<String> = meta.flaws.iter().map(ToString::to_string).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    few(&texts, "; ")
}

fn listed(names: &[&str]) -> String {
    few(names, ", ")
}

fn few(texts: &[&str], between: &str) -> String {
    let told = texts.iter().take(TOLD).copied().collect::<Vec<_>>();
    let more = texts.len() - told.len();
    let told = told.join(between);
    match more {
        0 => told,
        more => format!("{told}{between}and {more} more"),
    }
}

fn joined(before: &str, more: &str) -> String {
    match before.is_empty() {
        true => more.to_owned(),
        false => format!("{before}; {more}"),
    }
}
