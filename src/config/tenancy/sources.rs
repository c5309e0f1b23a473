//! `presets` and `tenant_from`: where a namespace's tenant is written.

use super::unknown_word;
use crate::config::document::{Field, Section};
use crate::config::text::{label_suffix, metadata_key, tenant_expression};
use crate::tenancy::{Parentage, Preset, TenantSource};

const WANT: &str = "{ label = \"…\" }, { annotation = \"…\" }, { label_suffix = \"…\" }, \
                    { parent_label = \"…\" } or { name = \"…\" }";
const KEY: &str = "a label or annotation key";

/// Reads both keys: what is written out comes first, because the first source wins where
/// `conflict = "first"`.
pub(super) fn read(table: &mut Section<'_>) -> Vec<TenantSource> {
    let mut sources: Vec<TenantSource> = Vec::new();
    if let Some(field) = table.field("tenant_from") {
        for item in field
            .items(&format!("a list of {WANT}"))
            .into_iter()
            .flatten()
        {
            if let Some(source) = read_source(&item) {
                add(&mut sources, &item, source);
            }
        }
    }
    let word = |text: &str| {
        let found = Preset::ALL.into_iter().find(|(name, _)| *name == text);
        found
            .map(|(_, preset)| preset)
            .ok_or_else(|| unknown_word(text, Preset::ALL.into_iter().map(|(name, _)| name)))
    };
    let presets = table.field("presets");
    let presets = presets.and_then(|field| field.placed("presets", word));
    for preset in presets.into_iter().flatten() {
        for source in preset.value.sources() {
            add(&mut sources, &preset.field, source);
        }
    }
    sources
}

/// Adds a source; one that is there already could never say anything else.
fn add(sources: &mut Vec<TenantSource>, field: &Field<'_>, source: TenantSource) {
    if sources.contains(&source) {
        field.problem(format_args!(
            "{source} is read already; leave out one of the two"
        ));
    } else {
        sources.push(source);
    }
}

fn read_source(item: &Field<'_>) -> Option<TenantSource> {
    let mut table = item.table(WANT)?;
    let label = table.field("label");
    let annotation = table.field("annotation");
    let suffix = table.field("label_suffix");
    let parent = table.field("parent_label");
    let name = table.field("name");
    let all = [&label, &annotation, &suffix, &parent, &name];
    let written = all.into_iter().flatten().count();
    let mut level = 0;
    if suffix.is_some() {
        table.number(
            "level",
            &mut level,
            0..=32,
            "a level is 0 (the root of the tree) to 32",
        );
    }
    // An entry with other keys is told about those.
    if written > 1 || table.is_empty() {
        table.problem(format_args!("needs exactly one key: {WANT}"));
    }
    let source = label
        .and_then(|field| field.parsed(KEY, metadata_key))
        .map(TenantSource::Label);
    let source = source.or_else(|| {
        let key = annotation?.parsed(KEY, metadata_key)?;
        // Rancher's has the cluster in front.
        Some(match &*key {
            RANCHER => TenantSource::AnnotationAfterColon(key),
            _ => TenantSource::Annotation(key),
        })
    });
    let source = source.or_else(|| {
        let suffix = suffix?.parsed("the end of a label's key", label_suffix)?;
        Some(TenantSource::LabelSuffix { suffix, level })
    });
    let source = source.or_else(|| {
        let label = parent?.parsed(KEY, metadata_key)?;
        Some(TenantSource::ParentLabel(Parentage::of(label)))
    });
    let source = source.or_else(|| {
        let expression = name?.parsed("a regular expression", tenant_expression)?;
        Some(TenantSource::Name(expression))
    });
    table.finish(&[]);
    source
}

const RANCHER: &str = "field.cattle.io/projectId";
