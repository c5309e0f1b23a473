//! `[kubernetes]` and `[block.kubernetes]`: the words of CoreDNS's `kubernetes` block. Not who may
//! see what they answer, which is [`super::tenancy`]'s.

use super::document::{Field, Placed, Section};
use super::text::object_name;
use super::zones::{is_reverse, zone};
use crate::model::Selector;
use crate::tenancy::Mode;
use crate::wire::Name;
use crate::zone::{Options, PodMode};
use std::time::Duration;

/// What a table depends on beside its own keys.
pub(super) struct Around<'b> {
    /// `zones` of its block.
    pub(super) block_zones: &'b [Name],
    /// `[tenancy] mode`.
    pub(super) mode: Mode,
}

/// Reads one table. `options` holds what is not written.
pub(super) fn read(mut table: Section<'_>, mut options: Options, around: &Around<'_>) -> Options {
    let written = table.filled(
        "zones",
        ("zones", "without a zone nothing is answered"),
        zone,
    );
    if let Some(zones) = &written {
        options.origins = flat(zones);
        report_repeated(zones);
        report_unreachable(zones, around.block_zones);
    }
    let only_reverse = options.origins.iter().all(is_reverse);
    if table.is_present() && !options.origins.is_empty() && only_reverse {
        let message = "has reverse zones only; at least one zone for the services' names is needed";
        match written.as_ref().and_then(|zones| zones.first()) {
            Some(first) => first.field.problem(message),
            None => table.problem(message),
        }
    }
    let rule = "a TTL is 0 to 3600 seconds";
    table.number("ttl", &mut options.ttl, 0..=3600, rule);
    options.pods = read_pods(&mut table, around.mode);
    table.flag("endpoint_pod_names", &mut options.endpoint_pod_names);
    table.list(
        "namespaces",
        &mut options.namespaces,
        "namespaces",
        object_name,
    );
    read_namespace_labels(&mut table, &mut options);
    table.parsed("labels", &mut options.labels, SELECTOR, str::parse);
    table.flag("noendpoints", &mut options.noendpoints);
    table.flag("ignore_empty_service", &mut options.ignore_empty_service);
    let zonal = table.said("zonal");
    table.flag("zonal", &mut options.zonal);
    if let Some(field) = zonal.filter(|_| options.zonal && options.noendpoints) {
        field.problem("can't stand beside `noendpoints`: no zone would have an endpoint");
    }
    if let Some(zones) = list_of_zones(table.field("multicluster")) {
        let origins_known = written.is_some() || !table.has("zones");
        for Placed { value, field } in zones.iter().filter(|_| origins_known) {
            if let Some(other) = value.iter().find(|name| !options.origins.contains(name)) {
                field.problem(format_args!("`{other}` is not one of this table's `zones`"));
            }
        }
        options.multicluster = flat(&zones);
    }
    table.duration(
        "startup_timeout",
        &mut options.startup_timeout,
        Duration::ZERO..=Duration::from_secs(3600),
        "it is `0` to `1h`",
    );
    if let Some(zones) = list_of_zones(table.field("fallthrough")) {
        options.fallthrough = flat(&zones);
    }
    table.finish(&[]);
    options
}

/// What a selector looks like, for the errors.
pub(super) const SELECTOR: &str = "a label selector, as in \"tier in (web, api)\"";

fn read_pods(table: &mut Section<'_>, mode: Mode) -> PodMode {
    let mut pods = PodMode::Disabled;
    let words = [
        ("disabled", PodMode::Disabled),
        ("insecure", PodMode::Insecure),
        ("verified", PodMode::Verified),
    ];
    let field = table.choice("pods", &mut pods, &words);
    if let Some(field) = field.filter(|_| pods == PodMode::Insecure && mode == Mode::Enforce) {
        field.problem(
            "`insecure` answers for any address in any namespace, hidden ones too; \
             while tenancy.mode is \"enforce\" it is `disabled` or `verified`",
        );
    }
    pods
}

fn read_namespace_labels(table: &mut Section<'_>, options: &mut Options) {
    let Some(field) = table.field("namespace_labels") else {
        return;
    };
    let Some(selector) = field.parsed(SELECTOR, str::parse::<Selector>) else {
        return;
    };
    if selector.is_empty() {
        return;
    }
    if !options.namespaces.is_empty() {
        field.problem("can't stand beside `namespaces`; name the namespaces or select them");
    }
    options.namespace_labels = Some(selector);
}

pub(super) fn list_of_zones(field: Option<Field<'_>>) -> Option<Vec<Placed<'_, Vec<Name>>>> {
    // CoreDNS's `fallthrough /.`, as some write it, is the root as well.
    field?.placed("zones", |text| match text {
        "/." => zone("."),
        _ => zone(text),
    })
}

/// Returns every name of a list, in which one text may stand for several.
pub(super) fn flat(zones: &[Placed<'_, Vec<Name>>]) -> Vec<Name> {
    zones
        .iter()
        .flat_map(|placed| &placed.value)
        .cloned()
        .collect()
}

/// Reports what a list of zones holds twice.
pub(super) fn report_repeated(zones: &[Placed<'_, Vec<Name>>]) {
    let mut seen: Vec<&Name> = Vec::new();
    for Placed { value, field } in zones {
        if let Some(name) = value.iter().find(|name| seen.contains(name)) {
            field.problem(format_args!("`{name}` is in the list already"));
        }
        seen.extend(value);
    }
}

/// Reports a zone whose names the block never gets.
pub(super) fn report_unreachable(zones: &[Placed<'_, Vec<Name>>], block_zones: &[Name]) {
    for Placed { value, field } in zones {
        let reached = |name: &&Name| {
            let meets = |zone: &Name| name.is_at_or_below(zone) || zone.is_at_or_below(name);
            !block_zones.is_empty() && !block_zones.iter().any(meets)
        };
        if let Some(name) = value.iter().find(reached) {
            field.problem(format_args!(
                "`{name}` is outside of the block's `zones`, so no query for it comes here"
            ));
        }
    }
}
