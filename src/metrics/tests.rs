//! The page, and that docs/metrics.md says what is on it.

use super::coredns::{Acl, Api, Block, Cache, CoreDns, Forward, Health, Hosts, Reload, Upstream};
use super::*;
use std::collections::BTreeSet;
use std::time::Duration;

/// Readings in which nothing is left out.
fn everything() -> Readings {
    Readings {
        version: "1.2.3",
        in_force: ["c0".into(), "b0".into()],
        published: 7,
        trusted: true,
        objects: vec![("Pod", 3)],
        invalid: vec![("Service", "malformed".into(), 1)],
        watched: vec![Watched {
            kind: "Pod",
            synced: true,
            age: Some(Duration::from_millis(1500)),
            relists: 2,
            errors: vec![("forbidden", 4)],
            repairs: 5,
        }],
        observed: Some(Observed {
            sweeps: vec![("ptr", 14)],
            denied: vec![("hidden", 31)],
            overlooked: 15,
            lost: 16,
        }),
        checkpoint: Some(Checkpoint {
            age: Some(Duration::from_secs(60)),
            writes: 8,
            errors: 9,
        }),
        canary: Some(Canary {
            detected: true,
            clear: 13,
            cached: 14,
            silent: 15,
        }),
        queries: Queries {
            forwarded_known: 16,
            claims_ignored: 17,
            udp: 10,
            tcp: 11,
            held_expired: 12,
            limited: vec![("tenant", "dropped", 13)],
            ..Queries::default()
        },
        unwritten: [18, 19, 20],
        coredns: coredns(),
    }
}

/// Two values: one in the second bucket, one above the last.
fn two() -> Histogram {
    Histogram {
        bounds: vec![0.5, 100.0],
        counts: vec![0, 1, 1],
        sum: 1234.5,
    }
}

/// CoreDNS's series, none of which is left out.
fn coredns() -> CoreDns {
    let server = || Box::from("dns://:53");
    CoreDns {
        https: vec![("https://:443".into(), "200".to_owned(), 78)],
        quic: vec![("quic://:853".into(), "0x0".to_owned(), 79)],
        blocks: vec![Block {
            server: server(),
            zone: ".".into(),
            requests: vec![("udp", "1", "A".to_owned(), 41)],
            dnssec_ok: 42,
            times: two(),
            request_sizes: vec![("udp", two())],
            response_sizes: vec![("tcp", two())],
            responses: vec![("NXDOMAIN".to_owned(), "kubernetes", 43)],
            acl: Some(Acl {
                blocked: 44,
                filtered: 45,
                dropped: 46,
                allowed: 47,
            }),
            templates: vec![("IN".into(), "ANY".into(), 48)],
        }],
        plugins: vec![(server(), ".".into(), "kubernetes".into())],
        caches: vec![Cache {
            server: server(),
            zones: ".".into(),
            entries: [51, 52],
            hits: [53, 54],
            misses: 55,
            requests: 162,
            ..Cache::default()
        }],
        forward: Some(Forward {
            broken: 61,
            rejects: 62,
            upstreams: vec![Upstream {
                to: "192.0.2.1:53".into(),
                replies: vec![("NOERROR".to_owned(), two())],
                connection_hits: vec![("udp", 63)],
                connection_misses: vec![("tcp", 64)],
                ..Upstream::default()
            }],
        }),
        api: Some(Api {
            host: "10.96.0.1:443".into(),
            times: vec![("GET", two())],
            requests: vec![("200".into(), "GET", 71)],
            programming: vec![("cluster_ip", two())],
        }),
        health: Some(Health {
            times: two(),
            failures: 72,
        }),
        reload: Some(Reload {
            failed: 73,
            hash: "sha512",
            value: "abc".into(),
        }),
        hosts: Some(Hosts {
            entries: vec![("/etc/hosts".into(), 74)],
            reloaded: 75.0,
        }),
        autopath: vec![(server(), 76)],
        localhost: Some(77),
    }
}

#[test]
fn corednss_series_are_written_as_it_writes_them() {
    let text = text(&everything());
    for line in [
        "coredns_build_info{version=\"1.2.3\",revision=\"\",goversion=\"rust\"} 1",
        "coredns_panics_total 0",
        "coredns_dns_https_responses_total{server=\"https://:443\",status=\"200\"} 78",
        "coredns_dns_quic_responses_total{server=\"quic://:853\",status=\"0x0\"} 79",
        "coredns_plugin_enabled{server=\"dns://:53\",zone=\".\",view=\"\",name=\"kubernetes\"} 1",
        "coredns_dns_requests_total{server=\"dns://:53\",zone=\".\",view=\"\",proto=\"udp\",family=\"1\",type=\"A\"} 41",
        "coredns_dns_do_requests_total{server=\"dns://:53\",zone=\".\",view=\"\"} 42",
        "coredns_dns_responses_total{server=\"dns://:53\",zone=\".\",view=\"\",rcode=\"NXDOMAIN\",plugin=\"kubernetes\"} 43",
        "coredns_dns_request_duration_seconds_bucket{server=\"dns://:53\",zone=\".\",view=\"\",le=\"0.5\"} 0",
        "coredns_dns_request_duration_seconds_bucket{server=\"dns://:53\",zone=\".\",view=\"\",le=\"100\"} 1",
        "coredns_dns_request_duration_seconds_bucket{server=\"dns://:53\",zone=\".\",view=\"\",le=\"+Inf\"} 2",
        "coredns_dns_request_duration_seconds_sum{server=\"dns://:53\",zone=\".\",view=\"\"} 1234.5",
        "coredns_dns_request_duration_seconds_count{server=\"dns://:53\",zone=\".\",view=\"\"} 2",
        "coredns_dns_response_size_bytes_count{server=\"dns://:53\",zone=\".\",view=\"\",proto=\"tcp\"} 2",
        "coredns_acl_allowed_requests_total{server=\"dns://:53\",view=\"\"} 47",
        "coredns_cache_hits_total{server=\"dns://:53\",type=\"denial\",zones=\".\",view=\"\"} 54",
        "coredns_cache_requests_total{server=\"dns://:53\",zones=\".\",view=\"\"} 162",
        "coredns_proxy_request_duration_seconds_count{proxy_name=\"forward\",to=\"192.0.2.1:53\",rcode=\"NOERROR\"} 2",
        "coredns_forward_responses_total{to=\"192.0.2.1:53\",rcode=\"NOERROR\"} 2",
        "coredns_kubernetes_dns_programming_duration_seconds_count{service_kind=\"cluster_ip\"} 2",
        "coredns_kubernetes_rest_client_requests_total{code=\"200\",method=\"GET\",host=\"10.96.0.1:443\"} 71",
        "coredns_health_request_failures_total 72",
        "coredns_reload_version_info{hash=\"sha512\",value=\"abc\"} 1",
        "coredns_hosts_entries{hostsfile=\"/etc/hosts\"} 74",
        "coredns_template_matches_total{server=\"dns://:53\",zone=\".\",view=\"\",class=\"IN\",type=\"ANY\"} 48",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}

/// Details in which nothing is left out.
fn details() -> Details {
    Details {
        clients: vec![("pod", "noerror", 21)],
        tenants: vec![("acme".into(), "noerror", 22)],
        sweeps: vec![("acme".into(), "ptr", 23)],
        networks: vec![("203.0.113.0/24".into(), 24)],
        node_hidden: 25,
        visible_pairs: vec![("whole", 26)],
        conditions: vec![("Namespace", "TenantConflict", 27)],
    }
}

#[test]
fn tenants_are_named_to_the_administrator_alone() {
    let detailed = detailed_text(&everything(), &details());
    for line in [
        "tenantdns_client_answers_total{class=\"pod\",result=\"noerror\"} 21",
        "tenantdns_tenant_answers_total{tenant=\"acme\",result=\"noerror\"} 22",
        "tenantdns_tenant_sweeps_suspected_total{tenant=\"acme\",kind=\"ptr\"} 23",
        "tenantdns_unknown_client_answers_total{network=\"203.0.113.0/24\"} 24",
        "tenantdns_node_hidden_answers_total 25",
        "tenantdns_visible_pairs{sight=\"whole\"} 26",
        "tenantdns_condition{kind=\"Namespace\",reason=\"TenantConflict\"} 27",
        "tenantdns_queries_total{protocol=\"udp\"} 10",
    ] {
        assert!(
            detailed.lines().any(|l| l == line),
            "{line} is not in\n{detailed}"
        );
    }
    let public = described(&text(&everything()));
    let all = described(&detailed);
    assert!(public.is_subset(&all));
    let labels = public
        .iter()
        .flat_map(|[_, _, labels, _]| labels.split(", "));
    for label in labels.filter(|label| !label.is_empty()) {
        // Kinds, reasons, results and protocols are words of ours; servers, zones, files and upstreams
        // the administrator's; the rest is the protocol's.
        let known = "kind protocol reason result version revision goversion server zone zones view name \
                     proto family type rcode plugin class proxy_name to service_kind verb host code method \
                     hash value hostsfile status configuration policy";
        assert!(known.split(' ').any(|known| known == label), "{label}");
    }
    assert_eq!(all.len() - public.len(), 7);
}

#[test]
fn values_are_samples_with_their_labels() {
    let text = text(&everything());
    for line in [
        "tenantdns_build_info{version=\"1.2.3\"} 1",
        "tenantdns_config_info{configuration=\"c0\",policy=\"b0\"} 1",
        "tenantdns_queries_total{protocol=\"udp\"} 10",
        "tenantdns_queries_total{protocol=\"tcp\"} 11",
        "tenantdns_held_answers_total{reason=\"expired\"} 12",
        "tenantdns_forwarded_queries_total{result=\"known\"} 16",
        "tenantdns_forwarded_queries_total{result=\"nobody\"} 0",
        "tenantdns_forwarded_queries_total{result=\"ignored\"} 17",
        "tenantdns_shared_cache_detected 1",
        "tenantdns_canary_looks_total{result=\"clear\"} 13",
        "tenantdns_canary_looks_total{result=\"cached\"} 14",
        "tenantdns_canary_looks_total{result=\"silent\"} 15",
        "tenantdns_limited_queries_total{reason=\"tenant\",result=\"dropped\"} 13",
        "tenantdns_panics_total 0",
        "tenantdns_unwritten_answers_total{kind=\"log\"} 18",
        "tenantdns_unwritten_answers_total{kind=\"dnstap\"} 19",
        "tenantdns_unwritten_answers_total{kind=\"spans\"} 20",
        "tenantdns_snapshots_published_total 7",
        "tenantdns_identities_trusted 1",
        "tenantdns_index_objects{kind=\"Pod\"} 3",
        "tenantdns_invalid_objects_total{kind=\"Service\",reason=\"malformed\"} 1",
        "tenantdns_watch_synced{kind=\"Pod\"} 1",
        "tenantdns_watch_age_seconds{kind=\"Pod\"} 1.5",
        "tenantdns_watch_relists_total{kind=\"Pod\"} 2",
        "tenantdns_watch_errors_total{kind=\"Pod\",reason=\"forbidden\"} 4",
        "tenantdns_index_repairs_total{kind=\"Pod\"} 5",
        "tenantdns_denied_total{reason=\"hidden\"} 31",
        "tenantdns_sweeps_suspected_total{kind=\"ptr\"} 14",
        "tenantdns_sweep_names_overlooked_total 15",
        "tenantdns_records_lost_total 16",
        "tenantdns_checkpoint_age_seconds 60",
        "tenantdns_checkpoint_writes_total 8",
        "tenantdns_checkpoint_errors_total 9",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}

#[test]
fn what_is_not_known_has_no_sample() {
    let text = text(&Readings {
        watched: vec![Watched {
            kind: "Pod",
            ..Watched::default()
        }],
        ..Readings::default()
    });
    for absent in [
        "watch_age",
        "checkpoint",
        "invalid_objects",
        "canary",
        "cache",
        "coredns_forward",
        "coredns_proxy",
        "coredns_health",
        "coredns_reload",
        "coredns_hosts",
        "sweep",
        "records_lost",
    ] {
        assert!(!text.contains(absent), "{absent} is in\n{text}");
    }
    assert!(
        text.contains("tenantdns_watch_synced{kind=\"Pod\"} 0"),
        "{text}"
    );
}

/// Returns name, type, labels and meaning of each series on a page.
fn described(text: &str) -> BTreeSet<[String; 4]> {
    let lines = || text.lines();
    let rest = |prefix: &str, name: &str| {
        let start = format!("# {prefix} {name} ");
        let found = lines().find_map(|line| line.strip_prefix(&start));
        found
            .unwrap_or_else(|| panic!("no {prefix} of {name}"))
            .to_owned()
    };
    let names = lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let series = |name: &str| {
        let labels = ["", "_bucket"].into_iter().find_map(|end| {
            let start = format!("{name}{end}{{");
            lines().find_map(|line| line.strip_prefix(&start))
        });
        let labels = labels.map_or_else(String::new, |labels| {
            let keys = labels
                .split('"')
                .step_by(2)
                .filter_map(|part| part.split_once('='));
            let keys = keys.map(|(key, _)| key.trim_start_matches(','));
            let own = keys.filter(|key| *key != "le");
            own.collect::<Vec<_>>().join(", ")
        });
        [
            name.to_owned(),
            rest("TYPE", name),
            labels,
            rest("HELP", name),
        ]
    };
    names.map(series).collect()
}

#[test]
fn the_documentation_lists_each_series_and_no_other() {
    let rows = include_str!("../../docs/metrics.md")
        .lines()
        .filter(|line| line.starts_with("| `"));
    let documented: BTreeSet<[String; 4]> = rows
        .map(|row| {
            let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
            let [name, kind, labels, meaning] = cells[..] else {
                panic!("{row}: not four cells");
            };
            let bare = |cell: &str| cell.replace('`', "");
            [bare(name), bare(kind), bare(labels), meaning.to_owned()]
        })
        .collect();
    let scraped = described(&detailed_text(&everything(), &details()));
    assert!(scraped.len() > 20, "{scraped:?}");
    let missing: Vec<_> = scraped.difference(&documented).collect();
    let unknown: Vec<_> = documented.difference(&scraped).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "to add: {missing:#?}\nto drop: {unknown:#?}"
    );
}

#[test]
fn the_process_has_its_series() {
    let text = text(&Readings::default());
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
        "process_open_fds",
        "process_max_fds",
        "process_start_time_seconds",
    ] {
        let sample = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name} ")));
        let value = sample.and_then(|value| value.parse::<f64>().ok());
        assert!(
            value.is_some_and(|value| value >= 0.0),
            "{name}: {sample:?}"
        );
    }
}
