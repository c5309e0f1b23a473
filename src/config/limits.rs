//! `[limits]`: how much clients and tenants may ask, and what is taken for a sweep.

use super::document::Section;
use crate::limits::{Options, Rate};
use crate::observe;
use std::num::NonZeroU32;

const QPS: &str = "it is 0 (no limit) to 1000000 queries a second";
const BURST: &str = "it is 0 (as many as a second's) to 10000000 queries";
const NAMES: &str = "it is 0 (never) to 2000 names a minute";

/// Reads the table.
pub(super) fn read(mut table: Section<'_>, observe: &mut observe::Options) -> Options {
    let client = read_rate(&mut table, ["client_qps", "client_burst"]);
    let tenant = read_rate(&mut table, ["tenant_qps", "tenant_burst"]);
    let most = u64::from(observe::Options::MOST_NAMES);
    table.number(
        "sweep_ptr_names",
        &mut observe.reverse_names,
        0..=most,
        NAMES,
    );
    table.number(
        "sweep_nxdomain_names",
        &mut observe.absent_names,
        0..=most,
        NAMES,
    );
    table.finish(&[]);
    Options { client, tenant }
}

fn read_rate(table: &mut Section<'_>, [qps_key, burst_key]: [&'static str; 2]) -> Option<Rate> {
    let (mut qps, mut burst) = (0u32, 0u32);
    table.number(qps_key, &mut qps, 0..=1_000_000, QPS);
    if let Some(field) = table.number(burst_key, &mut burst, 0..=10_000_000, BURST) {
        if burst > 0 && qps == 0 {
            field.problem(format_args!("has no meaning without `{qps_key}`"));
        } else if burst > 0 && burst < qps.div_ceil(100) {
            // Time is counted in milliseconds, and taken once for what arrives together.
            field.problem(format_args!(
                "{burst} is less than a hundredth of `{qps_key}`: the rate could not be reached"
            ));
        }
    }
    let burst = if burst == 0 { qps } else { burst };
    Some(Rate {
        qps: NonZeroU32::new(qps)?,
        burst: NonZeroU32::new(burst)?,
    })
}
