//! `[cache]`: what is kept of upstreams' answers, with the words of CoreDNS's `cache`.

use super::document::Section;
use super::text::shown;
use super::zones::zone;
use crate::cache::{Half, Isolation, Options};
use crate::wire::Name;
use std::time::Duration;

const SECONDS: &str = "it is seconds, 1 to 4294967295";
const LONGEST: Duration = Duration::from_secs(u32::MAX as u64);

/// Reads the table of one block; without it nothing is kept.
pub(super) fn read(mut table: Section<'_>, isolation: Isolation) -> Option<Options> {
    let is_present = table.is_present();
    let mut options = Options {
        isolation,
        ..Options::default()
    };
    read_zones(&mut table, "zones", &mut options.zones);
    read_half(table.table("success"), &mut options.success);
    read_half(table.table("denial"), &mut options.denial);
    table.duration(
        "servfail",
        &mut options.servfail,
        Duration::ZERO..=Duration::from_secs(300),
        "it is `0` to `5m` (RFC 2308 section 7.1)",
    );
    let mut prefetch = table.table("prefetch");
    let most = u64::from(u32::MAX);
    let target = &mut options.prefetch;
    prefetch.number(
        "amount",
        &mut target.amount,
        0..=most,
        "it is 0 (never) to 4294967295",
    );
    let zero = Duration::ZERO;
    prefetch.duration(
        "duration",
        &mut target.duration,
        zero..=LONGEST,
        "it is `0` and more",
    );
    prefetch.number(
        "percentage",
        &mut target.percentage,
        10..=90,
        "it is 10 to 90",
    );
    prefetch.finish(&[]);
    let mut stale = table.table("serve_stale");
    let target = &mut options.serve_stale;
    stale.duration(
        "for",
        &mut target.up_to,
        zero..=LONGEST,
        "it is `0` (not at all) and more",
    );
    stale.choice(
        "mode",
        &mut target.verify,
        &[("immediate", false), ("verify", true)],
    );
    stale.duration(
        "verify_timeout",
        &mut target.verify_timeout,
        zero..=LONGEST,
        "it is `0` (as long as a query has) and more",
    );
    let mut ttl = zero;
    let field = stale.field("response_ttl");
    stale.duration(
        "response_ttl",
        &mut ttl,
        zero..=LONGEST,
        "it is `0` and more",
    );
    match (u32::try_from(ttl.as_secs()), ttl.subsec_nanos()) {
        (Ok(seconds), 0) => target.response_ttl = seconds,
        _ => field
            .into_iter()
            .for_each(|f| f.problem("is not a whole number of seconds")),
    }
    stale.duration(
        "failure_recheck",
        &mut target.failure_recheck,
        zero..=Duration::from_secs(300),
        "it is `0` (the usual five seconds) to `5m` (RFC 8767 section 5)",
    );
    let preferred = stale.field("prefer_positive");
    stale.flag("prefer_positive", &mut target.prefer_positive);
    if !target.verify
        && !target.verify_timeout.is_zero()
        && let Some(field) = stale.field("verify_timeout")
    {
        field.problem("is for `mode = \"verify\"`");
    }
    if target.prefer_positive
        && target.up_to.is_zero()
        && let Some(field) = preferred
    {
        field.problem("needs `for`: without it nothing is answered after its time");
    }
    stale.finish(&[]);
    table.flag("keepttl", &mut options.keepttl);
    let mut disable = table.table("disable");
    read_zones(&mut disable, "success", &mut options.disable_success);
    read_zones(&mut disable, "denial", &mut options.disable_denial);
    disable.finish(&[]);
    table.parsed("bytes", &mut options.bytes, "a size, as in \"32MiB\"", size);
    table.choice(
        "isolation",
        &mut options.isolation,
        &[("shared", Isolation::Shared), ("tenant", Isolation::Tenant)],
    );
    table.finish(&[]);
    is_present.then_some(options)
}

fn read_half(mut table: Section<'_>, half: &mut Half) {
    let most = u64::from(u32::MAX);
    table.number(
        "capacity",
        &mut half.capacity,
        0..=most,
        "it is 0 to 4294967295 entries",
    );
    read_seconds(&mut table, "ttl", &mut half.ttl, 1);
    read_seconds(&mut table, "min_ttl", &mut half.min_ttl, 0);
    table.finish(&[]);
}

fn read_seconds(table: &mut Section<'_>, key: &'static str, target: &mut Duration, least: u64) {
    let mut seconds = target.as_secs();
    table.number(key, &mut seconds, least..=u64::from(u32::MAX), SECONDS);
    *target = Duration::from_secs(seconds);
}

fn read_zones(table: &mut Section<'_>, key: &'static str, target: &mut Vec<Name>) {
    if let Some(zones) = table
        .field(key)
        .and_then(|field| field.placed("zones", zone))
    {
        *target = zones.into_iter().flat_map(|placed| placed.value).collect();
    }
}

/// Parses a number of octets, with a unit.
fn size(text: &str) -> Result<u64, String> {
    let wrong = || {
        format!(
            "`{}` is not a size of 64KiB to 64GiB, as in `32MiB`",
            shown(text)
        )
    };
    let units = [("KiB", 1u64 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    let (number, unit) = units
        .iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))
        .ok_or_else(wrong)?;
    let number: u64 = number.trim_end().parse().map_err(|_| wrong())?;
    let octets = number.checked_mul(*unit).ok_or_else(wrong)?;
    let range = (64 << 10)..=(64 << 30);
    range.contains(&octets).then_some(octets).ok_or_else(wrong)
}
