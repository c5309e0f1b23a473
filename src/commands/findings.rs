//! What is legal in a configuration and probably not meant, given the objects: names that do not
//! exist. Whoever creates one later gets the role that waits for it. And rules that can be escaped.

mod rules;

pub use rules::absent_tenants;

use crate::index::Objects;
use crate::model::ObjectKey;
use crate::tenancy::{Mode, NamePattern, Options};

/// Returns a line for each configured name that no object has, and for each rule that is doubtful
/// otherwise. Without tenancy only forwarders have a role. Tenants are not looked for:
/// [`absent_tenants`] does that.
pub fn findings(options: &Options, objects: &Objects) -> Vec<String> {
    let mut lines = Vec::new();
    for service in options.forwarders.iter().flat_map(|table| &table.services) {
        let key = ObjectKey::new(&*service.namespace, &*service.name);
        if !objects.has_service(&key) {
            lines.push(format!(
                "tenancy.forwarder.peers.services: there is no Service {key}; the pods of whoever \
                 creates it may ask as anybody"
            ));
        }
    }
    if options.mode == Mode::Off {
        return lines;
    }
    for (key, patterns) in [
        ("tenancy.platform.namespaces", &options.platform.namespaces),
        ("tenancy.shared.namespaces", &options.shared.namespaces),
    ] {
        for pattern in patterns {
            if !objects.namespaces.keys().any(|name| pattern.matches(name)) {
                lines.push(format!(
                    "{key}: no namespace matches {}; whoever creates one gets the role",
                    pattern_text(pattern)
                ));
            }
        }
    }
    for service in &options.shared.services {
        let key = ObjectKey::new(&*service.namespace, &*service.name);
        if !objects.has_service(&key) {
            lines.push(format!(
                "tenancy.shared.services: there is no Service {key}; whoever creates it shows it \
                 to every tenant"
            ));
        }
    }
    for source in &options.tenant_from {
        if !objects
            .namespaces
            .values()
            .any(|namespace| source.is_written_on(namespace))
        {
            lines.push(format!(
                "tenancy.tenant_from: no namespace has a tenant by {source}"
            ));
        }
    }
    lines.extend(rules::findings(options, objects));
    lines
}

fn pattern_text(pattern: &NamePattern) -> String {
    match pattern {
        NamePattern::Exact(name) => name.to_string(),
        NamePattern::Prefix(prefix) => format!("{prefix}*"),
    }
}
