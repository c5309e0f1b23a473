//! The series of forwarding and of the cache.

use super::server_name;
use crate::cache;
use crate::config::Config;
use crate::forward::{self, BOUNDS, Durations, Forwarder, Proto, ToReadings};
use crate::metrics::Histogram;
use crate::metrics::coredns::{Cache, Forward, Upstream};
use crate::server::Endpoint;
use crate::wire::Rcode;

/// The labels of one cache: its zones, and the listeners of its block by their numbers and names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::app) struct CacheLabels {
    zones: Box<str>,
    servers: Vec<(u16, Box<str>)>,
}

/// Returns the labels of each cache, in the order of the configuration.
pub(in crate::app) fn cache_labels(config: &Config, servers: &[Endpoint]) -> Vec<CacheLabels> {
    let labels = (0..)
        .zip(&config.caches)
        .map(|(number, options): (u16, _)| {
            let block = config.blocks.iter().find(|block| {
                block.forward.iter().any(|table| {
                    let table = config.forward.get(usize::from(table.upstream.0));
                    table.is_some_and(|table| table.cache == Some(number))
                })
            });
            let listeners = block.iter().flat_map(|block| &block.listeners);
            let servers = listeners.filter_map(|id| {
                let server = servers.get(usize::from(id.0))?;
                Some((id.0, server_name(*server).into()))
            });
            let zones = match (options.zones.is_empty(), block) {
                (true, Some(block)) => &block.zones,
                _ => &options.zones,
            };
            let zones: Vec<_> = zones.iter().map(ToString::to_string).collect();
            CacheLabels {
                zones: zones.join(",").into(),
                servers: servers.collect(),
            }
        });
    labels.collect()
}

/// Returns what each cache counts, for each server that its block has.
pub(in crate::app) fn caches(forwarder: &Forwarder, labels: &[CacheLabels]) -> Vec<Cache> {
    let caches = forwarder.caches().iter().zip(labels);
    caches
        .flat_map(|(kept, labels)| {
            let servers = labels.servers.iter().enumerate();
            servers.map(|(place, (listener, server))| Cache {
                zones: labels.zones.clone(),
                ..cache(server, place == 0, &kept.read_of(*listener))
            })
        })
        .collect()
}

/// Returns a server's share of a cache. What it keeps it keeps for all of them: CoreDNS shows it under
/// each that had something kept. What has no server is the first one's.
fn cache(server: &str, is_first: bool, read: &cache::Readings) -> Cache {
    let both = |of: fn(&cache::Part) -> u64| [of(&read.success), of(&read.denial)];
    let of_first = |count: u64| if is_first { count } else { 0 };
    Cache {
        server: server.into(),
        zones: "".into(),
        entries: match read.misses > 0 {
            true => both(|part| part.entries),
            false => [0; 2],
        },
        hits: both(|part| part.hits),
        misses: read.misses,
        requests: read.requests,
        prefetches: read.prefetches,
        drops: of_first(read.drops),
        stale: read.served_stale,
        evictions: both(|part| part.evictions).map(of_first),
    }
}

/// Returns what is counted of upstreams.
pub(in crate::app) fn forward(read: &forward::Readings) -> Forward {
    Forward {
        broken: read.healthcheck_broken,
        rejects: read.max_concurrent_rejects,
        upstreams: read.to.iter().map(upstream).collect(),
    }
}

fn upstream(read: &ToReadings) -> Upstream {
    let by_protocol = |counts: &[u64; Proto::ALL.len()]| {
        let each = Proto::ALL.into_iter().zip(counts);
        let used = each.filter(|(_, count)| **count > 0);
        used.map(|(proto, count)| (proto.as_str(), *count))
            .collect()
    };
    let replies = read.durations.iter();
    Upstream {
        to: read.to.to_string().into(),
        replies: replies
            .map(|(rcode, times)| (rcode_text(*rcode), histogram(times)))
            .collect(),
        requests: read.durations.iter().map(|(_, times)| times.count()).sum(),
        failures: read.healthcheck_failures,
        connection_hits: by_protocol(&read.conn_cache_hits),
        connection_misses: by_protocol(&read.conn_cache_misses),
        sockets: read.sockets_open,
    }
}

/// Returns the name of a response code, or its number: not what blocks call it.
fn rcode_text(rcode: Rcode) -> String {
    let name = rcode.coredns_name().map(str::to_owned);
    name.unwrap_or_else(|| rcode.0.to_string())
}

fn histogram(times: &Durations) -> Histogram {
    Histogram {
        bounds: BOUNDS.to_vec(),
        counts: times.buckets.to_vec(),
        sum: times.sum,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_codes_of_upstreams_without_a_name_are_numbers() {
        assert_eq!(rcode_text(Rcode::SERVFAIL), "SERVFAIL");
        assert_eq!(rcode_text(Rcode(12)), "12");
    }
}
