//! deploy/dashboard.json reads series that the program has, by labels that they have. That they are scraped
//! is in tests/live/deploy/series.rs.

use crate::deploy::read;
use crate::expressions::series;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The series of docs/metrics.md that every listener has, which a test holds equal to the program's, by
/// name, with their types and labels.
fn public_series() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let text = read("docs/metrics.md");
    let mut found = BTreeMap::new();
    let mut administrators = false;
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            administrators = heading == "The administrator's";
        }
        if !line.starts_with("| `") || administrators {
            continue;
        }
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let labels = cells[2]
            .split(',')
            .map(|label| label.trim().trim_matches('`'));
        let labels = labels.filter(|label| !label.is_empty()).map(str::to_owned);
        let name = cells[0].trim_matches('`').to_owned();
        found.insert(name, (cells[1].to_owned(), labels.collect()));
    }
    found
}

#[test]
fn the_dashboard_reads_series_that_are_there_and_none_of_a_tenant() {
    let board: Value = serde_json::from_str(&read("deploy/dashboard.json")).unwrap();
    let known = public_series();
    let mut ids = BTreeSet::new();
    let mut used = BTreeSet::new();
    for panel in board["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id");
        if panel["type"] == "row" {
            continue;
        }
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title}: reads nothing");
        for target in targets {
            let expression = target["expr"].as_str().unwrap();
            for name in series(expression) {
                let parts = ["_bucket", "_count", "_sum"].map(|part| name.strip_suffix(part));
                let histogram = parts.into_iter().flatten().find(|base| {
                    known
                        .get(*base)
                        .is_some_and(|(kind, _)| kind == "histogram")
                });
                let base = histogram.unwrap_or(&name);
                let (kind, labels) = known
                    .get(base)
                    .unwrap_or_else(|| panic!("{title}: no series {name}"));
                assert_eq!(kind == "histogram", histogram.is_some(), "{title}: {name}");
                assert!(!labels.contains("tenant"), "{title}: {name}");
                let wanted = labels_of(target["legendFormat"].as_str().unwrap());
                for label in wanted.into_iter().filter(|label| label != "instance") {
                    assert!(labels.contains(&label), "{title}: {name} has no {label}");
                }
                used.insert(base.to_owned());
            }
        }
    }
    assert!(used.len() > 30, "{used:?}");
}

/// The labels that a legend shows.
fn labels_of(legend: &str) -> Vec<String> {
    let parts = legend.split("{{").skip(1);
    let labels = parts.filter_map(|part| part.split_once("}}"));
    labels.map(|(label, _)| label.to_owned()).collect()
}
