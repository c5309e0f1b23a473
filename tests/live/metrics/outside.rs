//! Names outside, and other tables than the cluster's: what CoreDNS and tenantdns count of them is the same
//! for the same questions to the same upstream.

use super::scrape::{Labels, Scrape, get};
use super::{Question, ask, differences};
use crate::coredns::CoreDns;
use crate::process::{Folder, Peers, free_port, until};
use crate::serving::{PATIENCE, Serving};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

/// The world outside: answers of every kind.
const UPSTREAM: &str = r#"outside.test:{$DNS_PORT} short.test:{$DNS_PORT} {
    bind 127.0.0.1
    ready 127.0.0.1:{$READY_PORT}
    template ANY ANY outside.test {
        match "^fails"
        rcode SERVFAIL
    }
    template ANY ANY outside.test {
        match "^refused"
        rcode REFUSED
    }
    template ANY ANY outside.test {
        match "^nothing"
        rcode NXDOMAIN
        authority "outside.test. 300 IN SOA ns.outside.test. host.outside.test. 1 2 3 4 300"
    }
    template IN A outside.test {
        answer "{{ .Name }} 300 IN A 192.0.2.1"
    }
    template IN TXT outside.test {
        answer "{{ .Name }} 300 IN TXT \"0123456789012345678901234567890123456789012345678901234567890123456789\""
    }
    template IN ANY outside.test {
        authority "outside.test. 300 IN SOA ns.outside.test. host.outside.test. 1 2 3 4 300"
    }
    template IN A short.test {
        answer "{{ .Name }} 1 IN A 192.0.2.1"
    }
}
"#;

fn corefile([metrics, health]: [u16; 2], hosts: &Path, upstream: SocketAddr) -> String {
    let hosts = hosts.display();
    format!(
        "outside.test:{{$ANY_PORT}} {{
    ready 127.0.0.1:{{$READY_PORT}}
    health 127.0.0.1:{health}
    reload
    prometheus 127.0.0.1:{metrics}
    cache 60 {{
        servfail 1m
    }}
    forward . {upstream} {{
        max_fails 0
    }}
}}
short.test:{{$ANY_PORT}} {{
    prometheus 127.0.0.1:{metrics}
    cache {{
        success 1024 1 1
        denial 1024 1 1
        prefetch 1 1m 90%
        serve_stale 1h
    }}
    forward . {upstream} {{
        max_fails 0
    }}
}}
plain.test:{{$ANY_PORT}} {{
    prometheus 127.0.0.1:{metrics}
    local
    acl {{
        block type TXT net *
        filter type MX net *
        drop type NS net *
    }}
    template IN AAAA plain.test {{
        rcode NXDOMAIN
    }}
    template IN SRV plain.test {{
        match \"^broken\"
        answer \"{{{{ .Name }}}} 60 IN SRV no numbers here.\"
        fallthrough
    }}
    hosts {hosts} {{
        192.0.2.2 two.plain.test
        fallthrough
    }}
    forward . {upstream} {{
        max_fails 0
    }}
}}
dead.test:{{$ANY_PORT}} {{
    prometheus 127.0.0.1:{metrics}
    forward . 127.0.0.1:{{$NOBODY}} {{
        max_connect_attempts 1
    }}
}}
"
    )
}

fn ours([metrics, health]: [u16; 2], hosts: &Path, upstream: SocketAddr, nobody: u16) -> String {
    let hosts = hosts.display();
    format!(
        r#"
[metrics]
listen = "127.0.0.1:{metrics}"
[health]
listen = "127.0.0.1:{health}"
[ready]
listen = ""
[admin]
listen = ""
[tenancy]
mode = "off"
[[block]]
zones = ["outside.test"]
[block.cache]
servfail = "1m"
success = {{ ttl = 60 }}
denial = {{ ttl = 60 }}
[[block.forward]]
to = ["{upstream}"]
max_fails = 0
[[block]]
zones = ["short.test"]
[block.cache]
success = {{ capacity = 1024, ttl = 1, min_ttl = 1 }}
denial = {{ capacity = 1024, ttl = 1, min_ttl = 1 }}
prefetch = {{ amount = 1, percentage = 90 }}
serve_stale = {{ for = "1h" }}
[[block.forward]]
to = ["{upstream}"]
max_fails = 0
[[block]]
zones = ["plain.test"]
[block.local]
[[block.acl]]
rules = [
    {{ action = "block", types = ["TXT"], nets = ["0.0.0.0/0", "::/0"] }},
    {{ action = "filter", types = ["MX"], nets = ["0.0.0.0/0", "::/0"] }},
    {{ action = "drop", types = ["NS"], nets = ["0.0.0.0/0", "::/0"] }},
]
[[block.template]]
type = "AAAA"
rcode = "NXDOMAIN"
[[block.template]]
type = "SRV"
match = ["^broken"]
answer = ["{{{{ .Name }}}} 60 IN SRV no numbers here."]
fallthrough = ["."]
[block.hosts]
file = "{hosts}"
inline = ["192.0.2.2 two.plain.test"]
fallthrough = ["."]
[[block.forward]]
to = ["{upstream}"]
max_fails = 0
[[block]]
zones = ["dead.test"]
[[block.forward]]
to = ["127.0.0.1:{nobody}"]
max_connect_attempts = 1
"#
    )
}

/// What is asked of both, once each, in this order.
const QUESTIONS: &[Question<'_>] = &[
    // Not there, there, and there for whoever asks otherwise.
    ("udp", "127.0.0.1", false, "www.outside.test.", 1),
    ("udp", "127.0.0.1", false, "www.outside.test.", 1),
    ("udp", "127.0.0.1", false, "WWW.outside.test.", 1),
    ("tcp", "127.0.0.1", false, "www.outside.test.", 1),
    ("udp", "::1", true, "www.outside.test.", 1),
    ("udp", "::1", true, "www.outside.test.", 1),
    ("tcp", "127.0.0.1", false, "other.outside.test.", 1),
    ("tcp", "::1", true, "third.outside.test.", 16),
    ("udp", "127.0.0.1", false, "www.outside.test.", 16),
    // No such type, no such name, failures: kept; REFUSED is not.
    ("udp", "127.0.0.1", false, "www.outside.test.", 28),
    ("udp", "127.0.0.1", false, "www.outside.test.", 28),
    ("udp", "127.0.0.1", false, "nothing.outside.test.", 1),
    ("udp", "127.0.0.1", false, "nothing.outside.test.", 1),
    ("tcp", "127.0.0.1", false, "nothing.outside.test.", 1),
    ("udp", "127.0.0.1", false, "fails.outside.test.", 1),
    ("udp", "127.0.0.1", false, "fails.outside.test.", 1),
    ("udp", "127.0.0.1", false, "refused.outside.test.", 1),
    ("udp", "127.0.0.1", false, "refused.outside.test.", 1),
    // Who answers is the plugin that writes the answer.
    ("udp", "127.0.0.1", false, "one.plain.test.", 1),
    ("udp", "127.0.0.1", false, "two.plain.test.", 1),
    ("udp", "127.0.0.1", false, "two.plain.test.", 28),
    ("udp", "127.0.0.1", false, "two.plain.test.", 16),
    ("udp", "127.0.0.1", false, "two.plain.test.", 15),
    ("udp", "127.0.0.1", false, "broken.plain.test.", 33),
    ("udp", "127.0.0.1", false, "localhost.plain.test.", 1),
    ("udp", "127.0.0.1", false, "missing.plain.test.", 1),
];

/// Series whose values are the same where the queries are; of the cache, that of names that stay.
const EQUAL: &[&str] = &[
    "coredns_panics_total",
    "coredns_plugin_enabled",
    "coredns_dns_requests_total",
    "coredns_dns_request_duration_seconds_count",
    "coredns_dns_request_size_bytes_bucket",
    "coredns_dns_do_requests_total",
    "coredns_acl_blocked_requests_total",
    "coredns_acl_filtered_requests_total",
    "coredns_acl_dropped_requests_total",
    "coredns_acl_allowed_requests_total",
    "coredns_template_matches_total",
    "coredns_local_localhost_requests_total",
    "coredns_hosts_entries",
    "coredns_cache_entries",
    "coredns_cache_hits_total",
    "coredns_cache_misses_total",
    "coredns_cache_requests_total",
    "coredns_proxy_request_duration_seconds_count",
    "coredns_proxy_conn_cache_hits_total",
    "coredns_proxy_conn_cache_misses_total",
    "coredns_forward_max_concurrent_rejects_total",
    "coredns_forward_healthcheck_broken_total",
    "coredns_reload_failed_total",
];

/// Who answered what in plain.test, as ours are counted; CoreDNS names whoever is next to `prometheus`.
const ANSWERED: [(&str, &str, f64); 8] = [
    // The query that is dropped.
    ("", "NOERROR", 1.0),
    ("acl", "NOERROR", 1.0),
    ("acl", "REFUSED", 1.0),
    ("forward", "REFUSED", 1.0),
    ("hosts", "NOERROR", 2.0),
    ("local", "NOERROR", 1.0),
    ("template", "NXDOMAIN", 1.0),
    ("template", "SERVFAIL", 1.0),
];

/// CoreDNS and tenantdns beside each other, and the upstream of both.
pub(super) struct Outside {
    _upstream: CoreDns,
    _folder: Folder,
    coredns: CoreDns,
    ours: Serving,
    metrics: [SocketAddr; 2],
}

impl Outside {
    pub(super) fn start(peers: &Peers, kubeconfig: &Path) -> Self {
        let upstream = CoreDns::start(peers, UPSTREAM);
        let folder = Folder::new("outside");
        let hosts = folder.write("hosts", "192.0.2.1 one.plain.test first.plain.test\n");
        let nobody = free_port();
        let ports = [(); 4].map(|()| free_port());
        let [own, theirs] = [[ports[0], ports[1]], [ports[2], ports[3]]];
        let text = corefile(theirs, &hosts, upstream.address);
        let coredns = CoreDns::start(peers, &text.replace("{$NOBODY}", &nobody.to_string()));
        let text = ours(own, &hosts, upstream.address, nobody);
        let ours = Serving::start_as_it_is("outside", kubeconfig, "[::]:0", &text);
        Self {
            _upstream: upstream,
            _folder: folder,
            coredns,
            ours,
            metrics: [theirs[0], own[0]].map(|port| SocketAddr::from(([127, 0, 0, 1], port))),
        }
    }

    fn scrapes(&self) -> [Scrape; 2] {
        self.metrics.map(|at| Scrape::parse(&get(at, "/metrics")))
    }

    /// Asks both the same, compares what they count, and then brings about what is seldom; returns both
    /// pages as they are then: CoreDNS's and ours.
    pub(super) fn compare(mut self) -> [Scrape; 2] {
        let servers = [self.coredns.any, self.ours.address()];
        let mut sizes = [Vec::new(), Vec::new()];
        for question in QUESTIONS {
            for (server, sizes) in servers.into_iter().zip(&mut sizes) {
                sizes.push(ask(server, question) as f64);
            }
        }
        let dropped = ("udp", "127.0.0.1", false, "two.plain.test.", 2);
        for server in servers {
            super::send(server, &dropped);
        }
        let dropped = "coredns_acl_dropped_requests_total";
        until("nothing is dropped", PATIENCE, || {
            let counts = self.scrapes().map(|scrape| scrape.sum(dropped));
            (counts == [1.0, 1.0]).then_some(())
        });
        let [theirs, own] = self.scrapes();
        for name in EQUAL {
            let differ = differences(&theirs, &own, name, |_| true);
            assert!(differ.is_empty(), "{name}, CoreDNS's and ours: {differ:#?}");
        }
        let name = "coredns_dns_responses_total";
        let by_rcode = |scrape: &Scrape| super::without("plugin", scrape.samples(name));
        assert_eq!(by_rcode(&theirs), by_rcode(&own));
        let samples = own.samples(name);
        let plain = samples
            .iter()
            .filter(|(labels, _)| labels["zone"] == "plain.test.");
        let plain = plain.map(|(labels, count)| (&*labels["plugin"], &*labels["rcode"], *count));
        assert_eq!(plain.collect::<Vec<_>>(), ANSWERED);
        // Ours are those of what arrives.
        let [_, mut sizes] = sizes;
        // What is dropped has none.
        sizes.push(0.0);
        let name = "coredns_dns_response_size_bytes";
        assert_eq!(own.sum(&format!("{name}_sum")), sizes.iter().sum::<f64>());
        let mut buckets = BTreeMap::<String, f64>::new();
        for (labels, count) in own.samples(&format!("{name}_bucket")) {
            *buckets.entry(labels["le"].clone()).or_default() += count;
        }
        for (bound, count) in buckets {
            let bound = bound.parse().unwrap_or(f64::INFINITY);
            let expected = sizes.iter().filter(|size| **size <= bound).count();
            assert_eq!(count, expected as f64, "up to {bound}");
        }
        old_names_say_what_new_ones_say(&own);
        self.seldom(servers)
    }

    /// Brings about what CoreDNS shows only once it has happened.
    fn seldom(&self, servers: [SocketAddr; 2]) -> [Scrape; 2] {
        let all = |series: &str| {
            let counts = self.scrapes().map(|scrape| scrape.sum(series));
            counts.iter().all(|count| *count > 0.0).then_some(())
        };
        let ask_both = |name: &str| {
            for server in servers {
                ask(server, &by_udp(name));
            }
        };
        until("nothing is asked for again", PATIENCE, || {
            ask_both("www.short.test.");
            all("coredns_cache_prefetch_total")
        });
        // Each name twice, a hundred rounds apart: its TTL is over by then.
        let mut round = 0;
        until("nothing stale is served", PATIENCE, || {
            round += 1;
            ask_both(&format!("old-{round}.short.test."));
            if round > 100 {
                ask_both(&format!("old-{}.short.test.", round - 100));
            }
            all("coredns_cache_served_stale_total")
        });
        until("no health check fails", PATIENCE, || {
            ask_both("www.dead.test.");
            all("coredns_proxy_healthcheck_failures_total")
        });
        let mut number = 0;
        until("nothing is evicted", PATIENCE, || {
            for _ in 0..256 {
                number += 1;
                ask_both(&format!("name-{number}.short.test."));
            }
            all("coredns_cache_evictions_total")
        });
        self.scrapes()
    }
}

fn by_udp(name: &str) -> Question<'_> {
    ("udp", "127.0.0.1", false, name, 1)
}

fn old_names_say_what_new_ones_say(own: &Scrape) {
    let new = "coredns_proxy_request_duration_seconds";
    let old = "coredns_forward_request_duration_seconds";
    for part in ["_bucket", "_sum", "_count"] {
        let mut samples = own.samples(&format!("{new}{part}"));
        samples = samples
            .into_iter()
            .map(|(mut labels, value)| {
                assert_eq!(labels.remove("proxy_name").as_deref(), Some("forward"));
                (labels, value)
            })
            .collect();
        assert_eq!(samples, own.samples(&format!("{old}{part}")));
    }
    let replies = own.samples("coredns_forward_responses_total");
    assert_eq!(replies, own.samples(&format!("{old}_count")));
    let mut asked = BTreeMap::<Labels, f64>::new();
    for (mut labels, value) in replies {
        labels.remove("rcode");
        *asked.entry(labels).or_default() += value;
    }
    let mut requests = own.samples("coredns_forward_requests_total");
    requests.retain(|_, count| *count > 0.0);
    assert_eq!(asked, requests);
}
