//! The list of CoreDNS's series, tests/cases/series.yaml, held against both programs' pages.

use super::scrape::Scrape;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    buckets: BTreeMap<String, Vec<f64>>,
    series: Vec<Listed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    labels: String,
    buckets: Option<String>,
    #[serde(default)]
    used: bool,
    here: Option<String>,
    there: Option<String>,
}

/// Checks each of the list on each program's pages, on one of which it has to be.
pub(super) fn check(theirs: &[&Scrape], own: &[&Scrape]) {
    let text = include_str!("../../cases/series.yaml");
    let list: List = serde_saphyr::from_str(text).unwrap();
    let documented = documented();
    let absent = list
        .series
        .iter()
        .filter(|series| series.used && series.here.is_some());
    let absent: Vec<_> = absent.map(|series| &*series.name).collect();
    assert_eq!(absent, ["go_goroutines"], "boards and alerts use it");
    for series in &list.series {
        let name = &*series.name;
        let bounds = series.buckets.as_ref().map(|name| &list.buckets[name]);
        assert_eq!(bounds.is_some(), series.kind == "histogram", "{name}");
        let is_here = series.here.is_none();
        for (what, pages) in [("CoreDNS", theirs), ("tenantdns", own)] {
            let shown: Vec<_> = pages
                .iter()
                .filter(|page| page.labels(name).is_some())
                .collect();
            let is_due = is_here && series.there.is_none();
            assert!(!is_due || !shown.is_empty(), "{name} of {what}");
            let may_be = is_here || what == "CoreDNS";
            assert!(may_be || shown.is_empty(), "{name} of {what}");
            for page in shown {
                let labels = page.labels(name);
                assert_eq!(labels.as_deref(), Some(&*series.labels), "{name} of {what}");
                assert_eq!(page.kind(name), Some(&*series.kind), "{name} of {what}");
                let mut expected = bounds.cloned().unwrap_or_default();
                expected.extend(bounds.map(|_| f64::INFINITY));
                assert_eq!(page.bounds(name), expected, "{name} of {what}");
            }
        }
        // What no page here shows is in the documentation, which is held to be what is written.
        let row = documented.get(name);
        match &series.here {
            Some(_) => assert!(row.is_none(), "{name}"),
            None => assert_eq!(
                row,
                Some(&(series.kind.clone(), series.labels.clone())),
                "{name} in docs/metrics.md"
            ),
        }
    }
    let listed: BTreeSet<&str> = list.series.iter().map(|series| &*series.name).collect();
    for (what, pages) in [("CoreDNS", theirs), ("tenantdns", own)] {
        let names = pages.iter().flat_map(|page| page.names());
        let unknown: Vec<_> = names
            .filter(|name| name.starts_with("coredns_") && !listed.contains(name))
            .collect();
        assert!(unknown.is_empty(), "{unknown:?} of {what} are in no list");
    }
}

/// Type and labels of each series in docs/metrics.md.
fn documented() -> BTreeMap<String, (String, String)> {
    let rows = include_str!("../../../docs/metrics.md").lines();
    rows.filter(|line| line.starts_with("| `"))
        .map(|row| {
            let cells: Vec<_> = row.split('|').map(|cell| cell.replace('`', "")).collect();
            let mut labels: Vec<&str> = cells[3].split(',').map(str::trim).collect();
            labels.sort_unstable();
            let kind = cells[2].trim().to_owned();
            (cells[1].trim().to_owned(), (kind, labels.join(" ")))
        })
        .collect()
}
