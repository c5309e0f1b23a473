//! `[tenancy]`: who may see what. Not the decision itself, which is [`crate::tenancy`]'s.

use super::document::{Field, Section, unavailable};
use super::kubernetes::SELECTOR;
use super::text::{metadata_key, object_name, pattern, service, tenant, tenant_expression};
use crate::tenancy::{
    Conflict, Mode, NodeView, Options, SoaSerial, TenantSource, Unknown, Untenanted, Wildcard,
};
use std::time::Duration;

/// Keys of the contract that this version does not have.
const LATER: &[&str] = &["profile", "presets", "exports", "audit", "rule", "client"];
const LATER_PLATFORM: &[&str] = &["presets", "except"];
const LATER_SHARED: &[&str] = &["presets"];
const LATER_TENANT_FROM: &[&str] = &["label_suffix", "level", "parent_label"];
/// Names of whole lists that `reserved_namespaces` takes by contract.
const LATER_RESERVED: &[&str] = &["tlds", "special-use"];

/// Reads the table.
pub(super) fn read(mut table: Section<'_>) -> Options {
    let mut options = Options::default();
    read_words(&mut table, &mut options);
    if let Some(field) = table.field("tenant_from") {
        options.tenant_from = read_sources(&field);
    }
    table.duration(
        "unknown_wait",
        &mut options.unknown_wait,
        Duration::ZERO..=Duration::from_secs(60),
        "a query waits `0` to `1m`",
    );
    table.list(
        "reserved_namespaces",
        &mut options.reserved_namespaces,
        "namespaces",
        |text| match text {
            _ if LATER_RESERVED.contains(&text) => Err(unavailable(text)),
            _ => object_name(text),
        },
    );

    let mut platform = table.table("platform");
    let to = &mut options.platform;
    platform.list("namespaces", &mut to.namespaces, "namespaces", pattern);
    platform.list("tenants", &mut to.tenants, "tenants", tenant);
    platform.parsed("selector", &mut to.selector, SELECTOR, str::parse);
    platform.finish(LATER_PLATFORM);

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
    shared.finish(LATER_SHARED);

    options.forwarders = super::forwarders::read(&mut table);
    table.finish(LATER);
    options
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

fn read_sources(field: &Field<'_>) -> Vec<TenantSource> {
    const WANT: &str = "{ label = \"…\" }, { annotation = \"…\" } or { name = \"…\" }";
    let items = field.items(&format!("a list of {WANT}"));
    let sources = items.into_iter().flatten().filter_map(|item| {
        let mut table = item.table(WANT)?;
        let key = "a label or annotation key";
        let label = table.field("label");
        let annotation = table.field("annotation");
        let name = table.field("name");
        let written = [&label, &annotation, &name].into_iter().flatten().count();
        // An entry with other keys is told about those.
        if written > 1 || table.is_empty() {
            table.problem(format_args!("needs exactly one key: {WANT}"));
        }
        let source = label
            .and_then(|f| f.parsed(key, metadata_key))
            .map(TenantSource::Label);
        let source = source.or_else(|| {
            let text = annotation?.parsed(key, metadata_key)?;
            Some(TenantSource::Annotation(text))
        });
        let source = source.or_else(|| {
            let expression = name?.parsed("a regular expression", tenant_expression)?;
            Some(TenantSource::Name(expression))
        });
        table.finish(LATER_TENANT_FROM);
        source
    });
    sources.collect()
}
