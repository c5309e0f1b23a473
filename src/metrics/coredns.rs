//! What CoreDNS's series say, as plain values. Which series each one is, `series` has.

mod series;

use super::page::{Histogram, Page};
use std::collections::BTreeMap;

/// The values of one scrape.
#[derive(Debug, Clone, Default)]
pub struct CoreDns {
    /// What each server and zone was asked.
    pub blocks: Vec<Block>,
    /// Responses over HTTPS: by listener and status.
    pub https: Vec<(Box<str>, String, u64)>,
    /// Queries over QUIC: by listener and the code that ended them.
    pub quic: Vec<(Box<str>, String, u64)>,
    /// The tables of each server block: server, zone, plugin.
    pub plugins: Vec<(Box<str>, Box<str>, Box<str>)>,
    /// The cache of each server block that has one.
    pub caches: Vec<Cache>,
    /// What is asked of upstreams, where there are any.
    pub forward: Option<Forward>,
    /// What is asked of the API, where it is followed.
    pub api: Option<Api>,
    /// How long the health page takes, where there is one.
    pub health: Option<Health>,
    /// The configuration in force, where it can change.
    pub reload: Option<Reload>,
    /// The hosts files.
    pub hosts: Option<Hosts>,
    /// Queries that were answered with a name further down a search path, by server.
    pub autopath: Vec<(Box<str>, u64)>,
    /// Queries for `localhost.<domain>`, where it is answered here.
    pub localhost: Option<u64>,
}

/// What one server and zone was asked.
#[derive(Debug, Clone, Default)]
pub struct Block {
    /// The listener, as CoreDNS calls it.
    pub server: Box<str>,
    /// The zone of the server block.
    pub zone: Box<str>,
    /// Queries by protocol, family and type.
    pub requests: Vec<(&'static str, &'static str, String, u64)>,
    /// Queries with the DO bit.
    pub dnssec_ok: u64,
    /// How long they took.
    pub times: Histogram,
    /// Their sizes by protocol.
    pub request_sizes: Vec<(&'static str, Histogram)>,
    /// The answers' sizes by protocol.
    pub response_sizes: Vec<(&'static str, Histogram)>,
    /// Answers by response code and plugin.
    pub responses: Vec<(String, &'static str, u64)>,
    /// What an acl did, where there is one.
    pub acl: Option<Acl>,
    /// Queries answered by templates, by class and type.
    pub templates: Vec<(Box<str>, Box<str>, u64)>,
}

/// What an acl did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Acl {
    /// Queries refused.
    pub blocked: u64,
    /// Queries answered with nothing.
    pub filtered: u64,
    /// Queries left unanswered.
    pub dropped: u64,
    /// Queries let pass.
    pub allowed: u64,
}

/// What a cache did; pairs are of success and denial.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    /// The listener, as CoreDNS calls it.
    pub server: Box<str>,
    /// The zones of the cache, with commas between them.
    pub zones: Box<str>,
    /// Answers that are kept.
    pub entries: [u64; 2],
    /// Queries answered from it.
    pub hits: [u64; 2],
    /// Queries that it had no answer for.
    pub misses: u64,
    /// Queries looked up.
    pub requests: u64,
    /// Answers asked for again before they expired.
    pub prefetches: u64,
    /// Replies that were not kept.
    pub drops: u64,
    /// Queries answered with an expired answer.
    pub stale: u64,
    /// Answers that others took the room of.
    pub evictions: [u64; 2],
}

/// What is asked of upstreams.
#[derive(Debug, Clone, Default)]
pub struct Forward {
    /// Queries for which every upstream was down.
    pub broken: u64,
    /// Queries refused because too many were on their way.
    pub rejects: u64,
    /// Each upstream.
    pub upstreams: Vec<Upstream>,
}

/// What is asked of one upstream.
#[derive(Debug, Clone, Default)]
pub struct Upstream {
    /// Its address and port.
    pub to: Box<str>,
    /// Its replies by response code, and how long they took.
    pub replies: Vec<(String, Histogram)>,
    /// Queries sent to it.
    pub requests: u64,
    /// Health checks that it failed.
    pub failures: u64,
    /// Queries for which a connection was at hand, by protocol.
    pub connection_hits: Vec<(&'static str, u64)>,
    /// Queries for which none was.
    pub connection_misses: Vec<(&'static str, u64)>,
    /// Connections that are open.
    pub sockets: u64,
}

/// What is asked of the API.
#[derive(Debug, Clone, Default)]
pub struct Api {
    /// Its host and port.
    pub host: Box<str>,
    /// How long requests took, by verb.
    pub times: Vec<(&'static str, Histogram)>,
    /// Requests by code and method.
    pub requests: Vec<(Box<str>, &'static str, u64)>,
    /// How long changes of endpoints took to be served, by the kind of service.
    pub programming: Vec<(&'static str, Histogram)>,
}

/// How long the health page takes.
#[derive(Debug, Clone, Default)]
pub struct Health {
    /// Times asked.
    pub times: Histogram,
    /// Times that it could not be had.
    pub failures: u64,
}

/// The configuration in force.
#[derive(Debug, Clone, Default)]
pub struct Reload {
    /// Configurations that were not taken over.
    pub failed: u64,
    /// The hash's name.
    pub hash: &'static str,
    /// The hash.
    pub value: Box<str>,
}

/// The hosts files.
#[derive(Debug, Clone, Default)]
pub struct Hosts {
    /// Entries by file.
    pub entries: Vec<(Box<str>, u64)>,
    /// When one was written last, in seconds since 1970.
    pub reloaded: f64,
}

impl CoreDns {
    pub(super) fn write(&self, version: &str, panics: u64, page: &mut Page) {
        page.count(&series::BUILD, &[version, "", "rust"], 1);
        page.count(&series::PANICS, &[], panics);
        for (server, zone, plugin) in &self.plugins {
            page.count(&series::PLUGIN_ENABLED, &[server, zone, VIEW, plugin], 1);
        }
        let mut allowed = BTreeMap::<&str, u64>::new();
        for block in &self.blocks {
            block.write(page);
            if let Some(acl) = &block.acl {
                *allowed.entry(&block.server).or_default() += acl.allowed;
            }
        }
        for (server, count) in allowed {
            page.count(&series::ACL_ALLOWED, &[server, VIEW], count);
        }
        for cache in &self.caches {
            cache.write(page);
        }
        if let Some(forward) = &self.forward {
            forward.write(page);
        }
        if let Some(api) = &self.api {
            api.write(page);
        }
        if let Some(health) = &self.health {
            page.observe(&series::HEALTH_DURATION, &[], &health.times);
            page.count(&series::HEALTH_FAILURES, &[], health.failures);
        }
        if let Some(reload) = &self.reload {
            page.count(&series::RELOAD_FAILED, &[], reload.failed);
            page.count(&series::RELOAD_VERSION, &[reload.hash, &reload.value], 1);
        }
        if let Some(hosts) = &self.hosts {
            for (file, count) in &hosts.entries {
                page.count(&series::HOSTS_ENTRIES, &[file], *count);
            }
            page.add(&series::HOSTS_RELOADED, &[], hosts.reloaded);
        }
        for (server, status, count) in &self.https {
            page.count(&series::HTTPS_RESPONSES, &[server, status], *count);
        }
        for (server, code, count) in &self.quic {
            page.count(&series::QUIC_RESPONSES, &[server, code], *count);
        }
        for (server, count) in &self.autopath {
            page.count(&series::AUTOPATH, &[server], *count);
        }
        if let Some(count) = self.localhost {
            page.count(&series::LOCALHOST, &[], count);
        }
    }
}

/// The label `view`: there are no names of views here.
const VIEW: &str = "";

impl Block {
    fn write(&self, page: &mut Page) {
        let Self { server, zone, .. } = self;
        for (protocol, family, rtype, count) in &self.requests {
            let labels = [server, zone, VIEW, protocol, family, rtype];
            page.count(&series::REQUESTS, &labels, *count);
        }
        page.observe(&series::DURATION, &[server, zone, VIEW], &self.times);
        for (protocol, sizes) in &self.request_sizes {
            page.observe(
                &series::REQUEST_SIZE,
                &[server, zone, VIEW, protocol],
                sizes,
            );
        }
        for (protocol, sizes) in &self.response_sizes {
            page.observe(
                &series::RESPONSE_SIZE,
                &[server, zone, VIEW, protocol],
                sizes,
            );
        }
        if self.dnssec_ok > 0 {
            page.count(&series::DO_REQUESTS, &[server, zone, VIEW], self.dnssec_ok);
        }
        for (rcode, plugin, count) in &self.responses {
            page.count(
                &series::RESPONSES,
                &[server, zone, VIEW, rcode, plugin],
                *count,
            );
        }
        if let Some(acl) = &self.acl {
            for (series, count) in [
                (&series::ACL_BLOCKED, acl.blocked),
                (&series::ACL_FILTERED, acl.filtered),
                (&series::ACL_DROPPED, acl.dropped),
            ] {
                if count > 0 {
                    page.count(series, &[server, zone, VIEW], count);
                }
            }
        }
        for (class, rtype, count) in &self.templates {
            page.count(
                &series::TEMPLATE_MATCHES,
                &[server, zone, VIEW, class, rtype],
                *count,
            );
        }
    }
}

impl Cache {
    fn write(&self, page: &mut Page) {
        let Self { server, zones, .. } = self;
        for (at, kind) in ["success", "denial"].into_iter().enumerate() {
            let labels = [server, kind, zones, VIEW];
            page.count(&series::CACHE_ENTRIES, &labels, self.entries[at]);
            page.count(&series::CACHE_HITS, &labels, self.hits[at]);
            page.count(&series::CACHE_EVICTIONS, &labels, self.evictions[at]);
        }
        for (series, count) in [
            (&series::CACHE_MISSES, self.misses),
            (&series::CACHE_REQUESTS, self.requests),
            (&series::CACHE_PREFETCH, self.prefetches),
            (&series::CACHE_DROPS, self.drops),
            (&series::CACHE_STALE, self.stale),
        ] {
            page.count(series, &[server, zones, VIEW], count);
        }
    }
}

impl Forward {
    fn write(&self, page: &mut Page) {
        /// The label `proxy_name`: the plugin that asks.
        const NAME: &str = "forward";
        page.count(&series::FORWARD_BROKEN, &[], self.broken);
        page.count(&series::FORWARD_REJECTS, &[], self.rejects);
        for upstream in &self.upstreams {
            let to = &*upstream.to;
            for (rcode, times) in &upstream.replies {
                page.observe(&series::PROXY_DURATION, &[NAME, to, rcode], times);
                page.observe(&series::FORWARD_DURATION, &[to, rcode], times);
                page.count(&series::FORWARD_RESPONSES, &[to, rcode], times.count());
            }
            page.count(&series::PROXY_FAILURES, &[NAME, to], upstream.failures);
            page.count(&series::FORWARD_FAILURES, &[to], upstream.failures);
            page.count(&series::FORWARD_REQUESTS, &[to], upstream.requests);
            page.count(&series::FORWARD_SOCKETS, &[to], upstream.sockets);
            for (protocol, count) in &upstream.connection_hits {
                page.count(&series::PROXY_HITS, &[NAME, to, protocol], *count);
            }
            for (protocol, count) in &upstream.connection_misses {
                page.count(&series::PROXY_MISSES, &[NAME, to, protocol], *count);
            }
        }
    }
}

impl Api {
    fn write(&self, page: &mut Page) {
        for (kind, times) in &self.programming {
            page.observe(&series::PROGRAMMING, &[kind], times);
        }
        for (verb, times) in &self.times {
            page.observe(&series::REST_DURATION, &[verb, &self.host], times);
        }
        for (code, method, count) in &self.requests {
            page.count(&series::REST_REQUESTS, &[code, method, &self.host], *count);
        }
    }
}
