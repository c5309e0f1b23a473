//! `[k8s_external]` and `[block.k8s_external]`: the words of that plugin of CoreDNS. What its zones
//! answer from is the `kubernetes` table beside it.

use super::document::Section;
use super::kubernetes::{flat, list_of_zones, report_repeated, report_unreachable};
use super::text::shown;
use crate::wire::{MAX_LABEL, Name};
use crate::zone::ExternalOptions;

/// Reads one table; `has_data` says whether a `kubernetes` table stands beside it.
pub(super) fn read(
    mut table: Section<'_>,
    block_zones: &[Name],
    has_data: bool,
) -> Option<ExternalOptions> {
    let is_present = table.is_present();
    if is_present && !has_data {
        table.problem("needs [block.kubernetes] beside it, whose services it answers for");
    }
    let mut options = ExternalOptions::default();
    if let Some(zones) = list_of_zones(table.field("zones")) {
        report_repeated(&zones);
        report_unreachable(&zones, block_zones);
        options.origins = flat(&zones);
    }
    if options.origins.is_empty() {
        // As in CoreDNS: without zones of its own the table takes its block's.
        options.origins = block_zones.to_vec();
    }
    table.parsed("apex", &mut options.apex, "a label", apex);
    let rule = "a TTL is 0 to 3600 seconds";
    table.number("ttl", &mut options.ttl, 0..=3600, rule);
    table.flag("headless", &mut options.headless);
    if let Some(zones) = list_of_zones(table.field("fallthrough")) {
        options.fallthrough = flat(&zones);
    }
    table.finish(&[]);
    is_present.then_some(options)
}

fn apex(text: &str) -> Result<Box<str>, String> {
    let is_label = (1..=MAX_LABEL).contains(&text.len());
    let odd = |octet: u8| octet == b'.' || octet == b'\\' || !octet.is_ascii_graphic();
    match is_label && !text.bytes().any(odd) {
        true => Ok(text.to_ascii_lowercase().into()),
        false => Err(format!("`{}` is not one label, as in \"dns\"", shown(text))),
    }
}
