//! `[tenancy]`: who may see what. Not the decision itself, which is [`crate::tenancy`]'s.

mod presets;
mod reserved;
mod rules;
mod sources;

use super::document::Section;
use super::kubernetes::SELECTOR;
use super::text::{object_name, pattern, service, tenant};
use crate::model::Selector;
use crate::tenancy::{
    Conflict, Exporting, Mode, NodeView, Options, Profile, SoaSerial, Unknown, Untenanted, Wildcard,
};
use crate::wire::{Name, labels};
use std::time::Duration;

/// Keys of the contract that this version does not have.
const LATER: &[&str] = &[];

/// Reads the table.
pub(super) fn read(mut table: Section<'_>) -> Options {
    let mut options = Options::default();
    let mut profile = None;
    table.choice(
        "profile",
        &mut profile,
        &[
            ("", None),
            ("enterprise", Some(Profile::Enterprise)),
            ("kaas", Some(Profile::Kaas)),
            ("saas", Some(Profile::Saas)),
        ],
    );
    if let Some(profile) = profile {
        options = Options::of(profile);
        if profile == Profile::Kaas {
            options.reserved_namespaces.extend(reserved::everything());
        }
    }
    read_words(&mut table, &mut options);
    options.tenant_from = sources::read(&mut table);
    table.duration(
        "unknown_wait",
        &mut options.unknown_wait,
        Duration::ZERO..=Duration::from_secs(60),
        "a query waits `0` to `1m`",
    );
    if let Some(field) = table.field("reserved_namespaces")
        && let Some(lists) = field.placed("namespaces", reserved::names)
    {
        options.reserved_namespaces = lists.into_iter().flat_map(|list| list.value).collect();
    }
    options.reserved_namespaces.sort_unstable();
    options.reserved_namespaces.dedup();

    let mut platform = table.table("platform");
    let to = &mut options.platform;
    platform.list("namespaces", &mut to.namespaces, "namespaces", pattern);
    platform.list("tenants", &mut to.tenants, "tenants", tenant);
    platform.parsed("selector", &mut to.selector, SELECTOR, str::parse);
    let mut except = Selector::default();
    platform.parsed("except", &mut except, SELECTOR, str::parse);
    to.except.extend((!except.is_empty()).then_some(except));
    for preset in chosen(&mut platform, presets::PLATFORM) {
        to.namespaces.extend(preset.patterns());
        to.except.extend(preset.except());
    }
    platform.finish(&[]);

    let mut shared = table.table("shared");
    let to = &mut options.shared;
    shared.list("namespaces", &mut to.namespaces, "namespaces", pattern);
    shared.list(
        "services",
        &mut to.services,
        "services, as in \"default/kubernetes\"",
        service,
    );
    shared.parsed("selector", &mut to.selector, SELECTOR, str::parse);
    for preset in chosen(&mut shared, presets::SHARED) {
        to.services.extend(preset.services());
    }
    shared.finish(&[]);

    options.forwarders = super::forwarders::read(&mut table);
    let mut audit = table.table("audit");
    let to = &mut options.audit;
    audit.list("namespaces", &mut to.namespaces, "namespaces", pattern);
    audit.parsed("selector", &mut to.selector, SELECTOR, str::parse);
    audit.finish(&[]);

    options.rules = rules::read(&mut table);
    options.clients = rules::read_clients(&mut table);
    table.finish(LATER);
    options
}

/// Reserves the last label of each `[[forward]]` zone where names for special use are: a tenant's
/// namespace of that name would answer for what is asked there.
pub(super) fn reserve_stub_domains<'a>(
    options: &mut Options,
    zones: impl Iterator<Item = &'a Name>,
) {
    let names = &mut options.reserved_namespaces;
    if !reserved::has_special_use(names) {
        return;
    }
    for zone in zones {
        let last = labels(zone.as_wire()).last().map(String::from_utf8_lossy);
        if let Some(Ok(name)) = last.map(|label| object_name(&label)) {
            names.push(name);
        }
    }
    names.sort();
    names.dedup();
}

/// Reads which lists of names a table takes.
fn chosen<'p, T>(table: &mut Section<'_>, all: &'p [(&'static str, T)]) -> Vec<&'p T> {
    let mut chosen = Vec::new();
    table.list("presets", &mut chosen, "presets", |text| {
        let found = all.iter().find(|(name, _)| *name == text);
        found
            .map(|(_, preset)| preset)
            .ok_or_else(|| unknown_word(text, all.iter().map(|(name, _)| *name)))
    });
    chosen
}

fn unknown_word(text: &str, words: impl Iterator<Item = &'static str>) -> String {
    let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    let shown = super::text::shown(text);
    format!("`{shown}` is not one of {}", words.join(", "))
}

/// Reads the keys that take one of several words.
fn read_words(table: &mut Section<'_>, options: &mut Options) {
    table.choice(
        "mode",
        &mut options.mode,
        &[
            ("off", Mode::Off),
            ("audit", Mode::Audit),
            ("enforce", Mode::Enforce),
        ],
    );
    table.choice(
        "conflict",
        &mut options.conflict,
        &[("isolate", Conflict::Isolate), ("first", Conflict::First)],
    );
    table.choice(
        "untenanted",
        &mut options.untenanted,
        &[
            ("isolated", Untenanted::Isolated),
            ("open", Untenanted::Open),
            ("platform", Untenanted::Platform),
        ],
    );
    table.choice(
        "unknown",
        &mut options.unknown,
        &[
            ("servfail", Unknown::Servfail),
            ("strict", Unknown::Strict),
            ("refused", Unknown::Refused),
            ("allow", Unknown::Allow),
        ],
    );
    table.choice(
        "node",
        &mut options.node,
        &[
            ("shared", NodeView::Shared),
            ("unknown", NodeView::Unknown),
            ("platform", NodeView::Platform),
            ("deny", NodeView::Deny),
        ],
    );
    table.choice(
        "exports",
        &mut options.exports,
        &[
            ("off", Exporting::Off),
            ("named", Exporting::Named),
            ("mutual", Exporting::Mutual),
        ],
    );
    table.choice(
        "wildcard",
        &mut options.wildcard,
        &[
            ("auto", Wildcard::Auto),
            ("off", Wildcard::Off),
            ("filtered", Wildcard::Filtered),
        ],
    );
    table.choice(
        "soa_serial",
        &mut options.soa_serial,
        &[
            ("auto", SoaSerial::Auto),
            ("static", SoaSerial::Static),
            ("coredns", SoaSerial::Coredns),
        ],
    );
}
