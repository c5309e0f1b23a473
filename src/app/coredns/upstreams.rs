//! The series of forwarding and of the cache.

use super::server_name;
use crate::cache;
use crate::config::Config;
use crate::forward::{self, BOUNDS, Durations, Forwarder, Proto, ToReadings};
use crate::metrics::Histogram;
use crate::metrics::coredns::{Cache, Forward, Upstream};
use crate::server::Endpoint;
use crate::wire::Rcode;

/// The labels of each cache, in the order of the configuration: server and zones.
pub(in crate::app) type CacheLabels = Vec<(Box<str>, Box<str>)>;

/// Returns the labels of each cache. One whose block has several listeners is the first one's: what it
/// keeps it keeps for all of them.
pub(in crate::app) fn cache_labels(config: &Config, servers: &[Endpoint]) -> CacheLabels {
    let labels = (0..)
        .zip(&config.caches)
        .map(|(number, options): (u16, _)| {
            let block = config.blocks.iter().find(|block| {
                block.forward.iter().any(|table| {
                    let table = config.forward.get(usize::from(table.upstream.0));
                    table.is_some_and(|table| table.cache == Some(number))
                })
            });
            let listener = block.and_then(|block| block.listeners.first());
            let server = listener.and_then(|id| servers.get(usize::from(id.0)));
            let server = server.map_or_else(String::new, |server| server_name(*server));
            let zones = match (options.zones.is_empty(), block) {
                (true, Some(block)) => &block.zones,
                _ => &options.zones,
            };
            let zones: Vec<_> = zones.iter().map(ToString::to_string).collect();
            (server.into(), zones.join(",").into())
        });
    labels.collect()
}

/// Returns what each cache counts.
pub(in crate::app) fn caches(forwarder: &Forwarder, labels: &CacheLabels) -> Vec<Cache> {
    let caches = forwarder.caches().iter().zip(labels);
    caches
        .map(|(kept, labels)| cache(labels, &kept.read()))
        .collect()
}

fn cache((server, zones): &(Box<str>, Box<str>), read: &cache::Readings) -> Cache {
    let both = |of: fn(&cache::Part) -> u64| [of(&read.success), of(&read.denial)];
    Cache {
        server: server.clone(),
        zones: zones.clone(),
        entries: both(|part| part.entries),
        hits: both(|part| part.hits),
        misses: read.misses,
        requests: read.requests,
        prefetches: read.prefetches,
        drops: read.drops,
        stale: read.served_stale,
        evictions: both(|part| part.evictions),
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
    let by_protocol = |counts: &[u64; 3]| {
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
