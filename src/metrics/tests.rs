//! The page, and that docs/metrics.md says what is on it.

use super::*;
use std::collections::BTreeSet;
use std::time::Duration;

/// Readings in which nothing is left out.
fn everything() -> Readings {
    Readings {
        version: "1.2.3",
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
        // Kinds, reasons, results and protocols are words of ours.
        let known = ["kind", "protocol", "reason", "result", "version"];
        assert!(known.contains(&label), "{label}");
    }
    assert_eq!(all.len() - public.len(), 7);
}

#[test]
fn values_are_samples_with_their_labels() {
    let text = text(&everything());
    for line in [
        "tenantdns_build_info{version=\"1.2.3\"} 1",
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
        let start = format!("{name}{{");
        let labels = lines().find_map(|line| line.strip_prefix(&start));
        let labels = labels.map_or_else(String::new, |labels| {
            let keys = labels
                .split('"')
                .step_by(2)
                .filter_map(|part| part.split_once('='));
            let keys = keys.map(|(key, _)| key.trim_start_matches(','));
            keys.collect::<Vec<_>>().join(", ")
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
