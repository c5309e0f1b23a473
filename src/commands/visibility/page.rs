//! The page: one file without anything from elsewhere. It holds who sees what as JSON, each extent
//! once, and a script that draws the part of the matrix that the window shows: 500 tenants by 2,000
//! namespaces are a million cells, and no markup.

use super::super::plain::plain;
use super::super::relation::{Extent, Path};
use super::{Group, Visibility};
use crate::tenancy::Mode;
use serde::Serialize;
use std::collections::HashMap;

const PAGE: &str = include_str!("page.html");
/// Where the page has its values.
const PLACE: &str = "@DATA@";

/// What the script reads. Namespaces and services are numbers of their lists.
#[derive(Serialize)]
struct Values {
    enforced: bool,
    namespaces: Vec<String>,
    /// Those that somebody sees or misses singly: namespace and name.
    services: Vec<(usize, String)>,
    extents: Vec<ExtentValues>,
    /// Kind, name, namespaces, and the extent of the class. The name of ranges says them all.
    rows: Vec<(&'static str, String, Vec<usize>, usize)>,
}

#[derive(Serialize)]
struct ExtentValues {
    /// Runs of numbers: the first and how many, one run after the other.
    whole: Vec<usize>,
    services: Vec<usize>,
    hides: Vec<usize>,
}

impl Visibility<'_> {
    /// Returns the page.
    ///
    /// # Errors
    /// None that a name could cause.
    pub fn to_html(&self) -> serde_json::Result<String> {
        let json = serde_json::to_string(&self.values())?;
        let (before, after) = PAGE.split_once(PLACE).unwrap_or((PAGE, ""));
        Ok([before, &inert(&json), after].concat())
    }

    fn values(&self) -> Values {
        let names: Vec<&str> = self.relation.targets.namespaces().collect();
        let number = |name: &&str| names.binary_search(name).ok();
        let extents = &self.relation.extents;
        let each = |e: &Extent<'_>| e.services.len() + e.hides.len();
        let mut single: Vec<Path<'_>> = Vec::with_capacity(extents.iter().map(each).sum());
        for extent in extents {
            single.extend(extent.services.iter().chain(&extent.hides));
        }
        single.sort_unstable();
        single.dedup();
        let places: HashMap<Path<'_>, usize> = single.iter().copied().zip(0..).collect();
        let numbers = |list: &[Path<'_>]| {
            list.iter()
                .filter_map(|path| places.get(path).copied())
                .collect()
        };
        let extents = extents.iter().map(|extent| ExtentValues {
            whole: runs(extent.namespaces.iter().filter_map(number)),
            services: numbers(&extent.services),
            hides: numbers(&extent.hides),
        });
        let rows = self.entries.iter().map(|entry| {
            let kind = match entry.who {
                Group::Tenant(_) => "tenant",
                Group::Alone(_) => "alone",
                Group::Others(_) => "client",
                Group::Ranges(_) => "range",
            };
            let own = entry.namespaces.iter().filter_map(number).collect();
            let name = match entry.who {
                Group::Ranges(_) => entry.ranges(),
                who => plain(who.name()),
            };
            (kind, name, own, entry.extent)
        });
        let path = |(ns, name): &Path<'_>| Some((number(ns)?, plain(name)));
        Values {
            enforced: self.mode == Mode::Enforce,
            extents: extents.collect(),
            rows: rows.collect(),
            services: single.iter().filter_map(path).collect(),
            namespaces: names.iter().map(|name| plain(name)).collect(),
        }
    }
}

/// Returns ascending numbers as runs.
fn runs(numbers: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut runs: Vec<usize> = Vec::new();
    for number in numbers {
        match runs.as_mut_slice() {
            [.., first, count] if *first + *count == number => *count += 1,
            _ => runs.extend([number, 1]),
        }
    }
    runs
}

/// Returns JSON in which nothing can end a `script` element or begin markup. These characters stand
/// in JSON only within texts, where an escape means the same.
fn inert(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            _ => text.push(c),
        }
    }
    text
}
