//! What deploy/dashboard.json and deploy/alerts.yaml name is there to be scraped, from the program as it
//! is deployed.

use super::OUTSIDE;
use super::run::Deployed;
use crate::coredns::CoreDns;
use crate::expressions::series;
use crate::process::peers;
use crate::rbac::documents;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const DASHBOARD: &str = include_str!("../../../deploy/dashboard.json");
const ALERTS: &str = include_str!("../../../deploy/alerts.yaml");

/// What Prometheus itself makes.
const OF_PROMETHEUS: [&str; 1] = ["up"];

#[test]
fn every_series_that_the_dashboard_and_the_alerts_name_is_scraped() {
    let Some(peers) = peers() else { return };
    let outside = CoreDns::start(&peers, OUTSIDE);
    let mut scraped = BTreeMap::new();
    // Those of forwarders are there where there are forwarders.
    for mode in ["replace", "stub"] {
        let mut deployed = Deployed::start(&peers, mode, outside.address);
        deployed.follows_the_cluster();
        deployed.knows_nodes();
        if mode == "replace" {
            deployed.forwards("www.example.org", "192.0.2.1");
            deployed.sees_trouble();
        }
        scraped.extend(kinds(&deployed.scrape()));
    }
    let named = named();
    let missing: Vec<_> = named
        .iter()
        .filter(|name| !is_scraped(name, &scraped))
        .collect();
    assert!(
        missing.is_empty(),
        "not scraped: {missing:#?}\nscraped: {scraped:#?}"
    );
    assert!(!is_scraped("coredns_dns_requests", &scraped), "a control");
}

/// The series of every expression.
fn named() -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    let board: Value = serde_json::from_str(DASHBOARD).unwrap();
    for panel in board["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            named.extend(series(target["expr"].as_str().unwrap()));
        }
    }
    let before = named.len();
    for document in documents(ALERTS) {
        for group in document["groups"].as_array().unwrap() {
            for rule in group["rules"].as_array().unwrap() {
                named.extend(series(rule["expr"].as_str().unwrap()));
            }
        }
    }
    assert!(before > 30 && named.len() > before, "{named:?}");
    named.retain(|name| !OF_PROMETHEUS.contains(&name.as_str()));
    named
}

/// The series of a page that have samples, with their types.
fn kinds(page: &str) -> BTreeMap<String, String> {
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let kinds = types.filter_map(|line| line.split_once(' '));
    kinds
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect()
}

/// Whether a scrape has samples of this name; a histogram's are those of its parts.
fn is_scraped(name: &str, scraped: &BTreeMap<String, String>) -> bool {
    let part = ["_bucket", "_count", "_sum"]
        .iter()
        .find_map(|part| scraped.get(name.strip_suffix(part)?));
    match (scraped.get(name), part) {
        (Some(kind), _) => kind != "histogram",
        (None, part) => part.is_some_and(|kind| kind == "histogram"),
    }
}
