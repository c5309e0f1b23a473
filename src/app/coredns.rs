//! CoreDNS's series from what everybody counts.

mod upstreams;

pub(super) use upstreams::{CacheLabels, cache_labels, caches, forward};

use super::progress::{ProgrammingTimes, State};
use crate::chain::{BlockOptions, HostsTable, Plugin};
use crate::config::{Config, Written};
use crate::metrics::Histogram;
use crate::metrics::coredns::{Acl, Api, Block, Hosts};
use crate::observe::{Counts, RCODES, Rare, SIZES, TIMES, TYPES, TrafficReader, WAYS, server_text};
use crate::querylog::type_name;
use crate::server::{Endpoint, Scheme, Stats};
use crate::snapshot::Snapshot;
use crate::wire::Rcode;
use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

/// A table of a server block that is one of CoreDNS's plugins, for one listener and zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Enabled {
    server: Box<str>,
    zone: Box<str>,
    plugin: &'static str,
    /// Of the block's zones it is the first one.
    is_first: bool,
}

/// Returns what each server and zone was asked.
pub(super) fn blocks(traffic: &TrafficReader, enabled: &[Enabled]) -> Vec<Block> {
    let counts = traffic.read();
    counts
        .iter()
        .map(|((server, zone), counts)| {
            let has = |plugin: Plugin| {
                enabled.iter().any(|table| {
                    let here = *table.server == **server && *table.zone == **zone;
                    here && table.plugin == plugin.as_str()
                })
            };
            Block {
                acl: has(Plugin::Acl).then(|| acl(counts)),
                ..block(server, zone, counts)
            }
        })
        .collect()
}

/// Returns the queries that were answered with a name of the client's search list, by server, where an
/// `autopath` table is.
pub(super) fn searched(traffic: &TrafficReader, enabled: &[Enabled]) -> Vec<(Box<str>, u64)> {
    let mut servers = BTreeMap::<Box<str>, u64>::new();
    let tables = enabled.iter().filter(|table| table.plugin == "autopath");
    servers.extend(tables.map(|table| (table.server.clone(), 0)));
    for ((server, _), counts) in traffic.read() {
        if let Some(sum) = servers.get_mut(&*server) {
            *sum += counts.rare[Rare::Searched as usize];
        }
    }
    servers.into_iter().collect()
}

/// Returns the queries for names of the host's own, where a `local` table is.
pub(super) fn local(blocks: &[Block], enabled: &[Enabled]) -> Option<u64> {
    let is_local = |(_, plugin, _): &&(String, &str, u64)| *plugin == Plugin::Local.as_str();
    let answers = blocks.iter().flat_map(|block| &block.responses);
    let count = answers.filter(is_local).map(|(.., count)| count).sum();
    enabled
        .iter()
        .any(|table| table.plugin == Plugin::Local.as_str())
        .then_some(count)
}

/// Returns what hosts files list, where there are any.
pub(super) fn hosts(snapshot: &Snapshot) -> Option<Hosts> {
    let mut hosts = Hosts::default();
    for (id, options) in snapshot.chain.hosts_files() {
        let count = snapshot.hosts(id).map_or(0, HostsTable::len);
        let inline = options.table(&options.inline.join("\n")).len();
        hosts
            .entries
            .push((options.file.clone(), (count + inline) as u64));
        let written = std::fs::metadata(&*options.file).and_then(|file| file.modified());
        let since = written.map(|at| at.duration_since(UNIX_EPOCH).unwrap_or_default());
        if let Ok(since) = since {
            hosts.reloaded = hosts.reloaded.max(since.as_secs_f64());
        }
    }
    (!hosts.entries.is_empty()).then_some(hosts)
}

/// Returns the tables as CoreDNS shows them: a block of several zones has those of the first one.
pub(super) fn shown(enabled: &[Enabled]) -> Vec<(Box<str>, Box<str>, Box<str>)> {
    let first = enabled.iter().filter(|table| table.is_first);
    first
        .map(|table| {
            (
                table.server.clone(),
                table.zone.clone(),
                table.plugin.into(),
            )
        })
        .collect()
}

/// Returns the tables of each server block that are CoreDNS's plugins, under the names of the servers.
pub(super) fn enabled(config: &Config, servers: &[Endpoint]) -> Vec<Enabled> {
    let mut enabled = Vec::new();
    let nothing = Written::default();
    for (at, block) in config.blocks.iter().enumerate() {
        let written = config.written.get(at).unwrap_or(&nothing);
        for listener in &block.listeners {
            let Some(address) = servers.get(usize::from(listener.0)) else {
                continue;
            };
            for (place, zone) in block.zones.iter().enumerate() {
                let row = |plugin| Enabled {
                    server: server_name(*address).into(),
                    zone: zone.to_string().into(),
                    plugin,
                    is_first: place == 0,
                };
                enabled.extend(plugins(config, block, written).into_iter().map(row));
            }
        }
    }
    enabled
}

fn plugins(config: &Config, block: &BlockOptions, written: &Written) -> Vec<&'static str> {
    let mut plugins = Vec::new();
    let mut has = |name, is: bool| plugins.extend(is.then_some(name));
    has("prometheus", config.admin.metrics.is_some());
    has("kubernetes", block.kubernetes.is_some());
    has("nsid", block.nsid.is_some());
    has("bufsize", block.bufsize.is_some());
    has("local", block.local);
    has("dns64", block.dns64.is_some());
    has("any", block.any);
    has("chaos", block.chaos.is_some());
    has("loadbalance", block.loadbalance.is_some());
    has("rewrite", !block.rewrite.is_empty());
    has("autopath", block.autopath.is_some());
    has("acl", !block.acl.is_empty());
    has("header", block.header.is_some());
    has("minimal", block.minimal);
    has("template", !block.template.is_empty());
    has("transfer", block.transfer.is_some());
    has("hosts", block.hosts.is_some());
    has("k8s_external", block.external.is_some());
    has("forward", !block.forward.is_empty());
    let tables = block.forward.iter();
    let mut tables = tables.filter_map(|table| config.forward.get(usize::from(table.upstream.0)));
    has("cache", tables.any(|table| table.cache.is_some()));
    has("log", !written.log.is_empty());
    has("errors", written.errors.is_some());
    has("dnstap", written.dnstap.is_some());
    plugins
}

fn block(server: &str, zone: &str, counts: &Counts) -> Block {
    let mut requests = Vec::new();
    for ((stream, v6), by_type) in WAYS.into_iter().zip(&counts.requests) {
        for (place, count) in by_type.iter().enumerate().filter(|(_, count)| **count > 0) {
            let rtype = type_text(place);
            let family = if v6 { "2" } else { "1" };
            requests.push((protocol(server, stream), family, rtype, *count));
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
    let templates = counts.templates.iter().enumerate();
    let templates = templates.filter(|(_, count)| **count > 0);
    let templates = templates.map(|(place, count)| ("IN".into(), type_text(place).into(), *count));
    let sizes = |sizes: &[[u64; SIZES.len() + 2]; 2]| {
        let each = [false, true]
            .into_iter()
            .zip(sizes)
            .map(|(stream, places)| {
                let bounds = SIZES.iter().map(|bound| *bound as f64);
                (
                    protocol(server, stream),
                    histogram(bounds.collect(), places, 1.0),
                )
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
        templates: templates.collect(),
    }
}

fn acl(counts: &Counts) -> Acl {
    let by = &counts.responses[Plugin::Acl as usize + 1];
    let blocked = by[usize::from(Rcode::REFUSED.0)];
    let filtered = by[usize::from(Rcode::NOERROR.0)];
    let dropped = counts.rare[Rare::Dropped as usize];
    let all: u64 = counts.requests.as_flattened().iter().sum();
    // What is answered in front of it never came there.
    let before = [Plugin::Local, Plugin::Any, Plugin::Chaos];
    let before = before.map(|plugin| counts.responses[plugin as usize + 1].iter().sum::<u64>());
    let before: u64 = before.iter().sum();
    Acl {
        blocked,
        filtered,
        dropped,
        allowed: all.saturating_sub(before + blocked + filtered + dropped),
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

/// Returns what was asked of the API, and how long changes took to be served; `None` where it is not
/// followed.
pub(super) fn api(state: &State) -> Option<Api> {
    let asked = state.asked.as_ref()?();
    let times = asked.times.into_iter().map(|(verb, counts, sum)| {
        let bounds = asked.bounds.clone();
        (
            verb,
            Histogram {
                bounds,
                counts,
                sum,
            },
        )
    });
    let outcomes = asked.outcomes.into_iter();
    let programming = state.programming.iter().map(|(kind, times)| {
        let times = Histogram {
            bounds: ProgrammingTimes::bounds().collect(),
            counts: times.places.to_vec(),
            sum: times.sum.as_secs_f64(),
        };
        (*kind, times)
    });
    Some(Api {
        host: asked.host,
        times: times.collect(),
        requests: outcomes
            .map(|(method, code, count)| (code, method, count))
            .collect(),
        programming: programming.collect(),
    })
}

fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

/// Returns the type that is counted at a place.
fn type_text(place: usize) -> String {
    let rtype = TYPES.get(place);
    rtype.map_or_else(
        || "other".to_owned(),
        |rtype| type_name(*rtype).into_owned(),
    )
}

/// Returns what CoreDNS calls the protocol of a server's queries: the one below, of what is encrypted.
fn protocol(server: &str, stream: bool) -> &'static str {
    match stream && !server.starts_with("quic://") {
        true => "tcp",
        false => "udp",
    }
}

/// Returns what CoreDNS calls a listener.
pub(super) fn server_name(endpoint: Endpoint) -> String {
    server_text(endpoint.scheme.as_str(), endpoint.address)
}

/// Returns how queries over HTTPS and QUIC ended: by listener, and by status or code.
pub(super) fn replies(stats: &Stats) -> [Vec<(Box<str>, String, u64)>; 2] {
    let mut all = [Vec::new(), Vec::new()];
    for replies in stats.replies() {
        let endpoint = replies.endpoint();
        let server: Box<str> = server_name(endpoint).into();
        for (code, count) in replies.counts() {
            let (at, code) = match endpoint.scheme {
                Scheme::Quic => (1, format!("{code:#x}")),
                _ => (0, code.to_string()),
            };
            all[at].push((server.clone(), code, count));
        }
    }
    all
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
fn rcode_name(rcode: Rcode) -> String {
    let name = rcode.coredns_name().map(str::to_owned);
    name.unwrap_or_else(|| format!("RCODE{}", rcode.0))
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
            (11, "DSOTYPENI"),
            (12, "RCODE12"),
            (16, "BADSIG"),
            (17, "other"),
        ] {
            assert_eq!(rcode_text(rcode), name);
        }
    }
}
