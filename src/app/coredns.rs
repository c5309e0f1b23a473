//! CoreDNS's series from what everybody counts.

use crate::chain::{BlockOptions, Plugin};
use crate::config::Config;
use crate::metrics::Histogram;
use crate::metrics::coredns::{Acl, Block};
use crate::observe::{Counts, RCODES, SIZES, TIMES, TYPES, TrafficReader, WAYS, server_text};
use crate::wire::Rcode;
use std::net::SocketAddr;

/// A table of a server block: server, zone, plugin.
pub(super) type Enabled = (Box<str>, Box<str>, Box<str>);

/// Returns what each server and zone was asked.
pub(super) fn blocks(traffic: &TrafficReader, enabled: &[Enabled]) -> Vec<Block> {
    let counts = traffic.read();
    counts
        .iter()
        .map(|((server, zone), counts)| {
            let has = |plugin: Plugin| {
                enabled.iter().any(|(s, z, name)| {
                    **s == **server && **z == **zone && **name == *plugin.as_str()
                })
            };
            Block {
                acl: has(Plugin::Acl).then(|| acl(counts)),
                ..block(server, zone, counts)
            }
        })
        .collect()
}

/// Returns the tables of each server block that are CoreDNS's plugins, under the names of the servers.
pub(super) fn enabled(config: &Config, servers: &[SocketAddr]) -> Vec<Enabled> {
    let mut enabled = Vec::new();
    for block in &config.blocks {
        for listener in &block.listeners {
            let Some(address) = servers.get(usize::from(listener.0)) else {
                continue;
            };
            for zone in &block.zones {
                let row = |plugin: &'static str| {
                    let server = server_text(*address);
                    (server.into(), zone.to_string().into(), plugin.into())
                };
                enabled.extend(plugins(config, block).into_iter().map(row));
            }
        }
    }
    enabled
}

fn plugins(config: &Config, block: &BlockOptions) -> Vec<&'static str> {
    let mut plugins = Vec::new();
    let mut has = |name, is: bool| plugins.extend(is.then_some(name));
    has("prometheus", config.admin.metrics.is_some());
    has("kubernetes", block.kubernetes.is_some());
    has("forward", !block.forward.is_empty());
    plugins
}

fn block(server: &str, zone: &str, counts: &Counts) -> Block {
    let mut requests = Vec::new();
    for ((stream, v6), by_type) in WAYS.into_iter().zip(&counts.requests) {
        for (place, count) in by_type.iter().enumerate().filter(|(_, count)| **count > 0) {
            let rtype = TYPES
                .get(place)
                .map_or_else(|| "other".to_owned(), ToString::to_string);
            let family = if v6 { "2" } else { "1" };
            requests.push((protocol(stream), family, rtype, *count));
        }
    }
    let mut responses = Vec::new();
    for (place, by_rcode) in counts.responses.iter().enumerate() {
        let plugin = place.checked_sub(1).and_then(|at| Plugin::ALL.get(at));
        let plugin = plugin.map_or("", |plugin| plugin.as_str());
        for (rcode, count) in (0..).zip(by_rcode).filter(|(_, count)| **count > 0) {
            responses.push((rcode_text(rcode), plugin, *count));
        }
    }
    let sizes = |sizes: &[[u64; SIZES.len() + 2]; 2]| {
        let each = [false, true]
            .into_iter()
            .zip(sizes)
            .map(|(stream, places)| {
                let bounds = SIZES.iter().map(|bound| *bound as f64);
                (protocol(stream), histogram(bounds.collect(), places, 1.0))
            });
        each.filter(|(_, sizes)| sizes.count() > 0).collect()
    };
    Block {
        server: server.into(),
        zone: zone.into(),
        requests,
        dnssec_ok: counts.dnssec_ok,
        times: histogram(
            TIMES.iter().map(|ns| seconds(*ns)).collect(),
            &counts.times,
            1e9,
        ),
        request_sizes: sizes(&counts.request_sizes),
        response_sizes: sizes(&counts.response_sizes),
        responses,
        acl: None,
        templates: Vec::new(),
    }
}

fn acl(counts: &Counts) -> Acl {
    let by = &counts.responses[Plugin::Acl as usize + 1];
    let blocked = by[usize::from(Rcode::REFUSED.0)];
    let filtered = by[usize::from(Rcode::NOERROR.0)];
    let all: u64 = counts.requests.as_flattened().iter().sum();
    Acl {
        blocked,
        filtered,
        dropped: 0,
        allowed: all.saturating_sub(blocked + filtered),
    }
}

/// Returns a histogram of `places`: one a bound, one for what is above, and the sum, which has so many
/// units in one of the bounds'.
pub(super) fn histogram(bounds: Vec<f64>, places: &[u64], units: f64) -> Histogram {
    let (counts, sum) = places.split_at(bounds.len() + 1);
    Histogram {
        bounds,
        counts: counts.to_vec(),
        // Exact up to 2^53, as every value of Prometheus.
        sum: sum.first().copied().unwrap_or_default() as f64 / units,
    }
}

fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

fn protocol(stream: bool) -> &'static str {
    if stream { "tcp" } else { "udp" }
}

/// Returns what CoreDNS calls a response code (miekg/dns `RcodeToString`).
fn rcode_text(rcode: u16) -> String {
    if usize::from(rcode) == RCODES - 1 {
        // All that are greater, which no server sends.
        return "other".to_owned();
    }
    rcode_name(Rcode(rcode))
}

/// Returns the name of a response code, or `RCODE` and its number.
pub(super) fn rcode_name(rcode: Rcode) -> String {
    let name = match rcode.0 {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        7 => "YXRRSET",
        8 => "NXRRSET",
        9 => "NOTAUTH",
        10 => "NOTZONE",
        16 => "BADSIG",
        other => return format!("RCODE{other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_has_all_its_values_and_their_sum() {
        let made = histogram(vec![1.0, 2.0], &[5, 6, 7, 90], 10.0);
        assert_eq!((made.count(), made.sum), (18, 9.0));
        assert_eq!(made.counts, [5, 6, 7]);
    }

    #[test]
    fn response_codes_have_coredns_names() {
        for (rcode, name) in [
            (0, "NOERROR"),
            (3, "NXDOMAIN"),
            (11, "RCODE11"),
            (17, "other"),
        ] {
            assert_eq!(rcode_text(rcode), name);
        }
    }
}
