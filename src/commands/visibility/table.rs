//! The table for terminals: a line for each tenant and what it sees besides itself and besides what
//! every pod sees. Not a matrix: with 30 tenants that has no room, and says less than a list of the
//! few names that differ.

use super::super::plain::{lines, plain};
use super::super::relation::{Extent, Path};
use super::{Entry, Group, Visibility, paths};
use crate::tenancy::Mode;
use std::collections::BTreeSet;
use std::fmt::{self, Display, Write};

/// Columns: whose, its namespaces, what else it sees.
const WIDTHS: [usize; 3] = [20, 30, 48];
/// The widest line of a list that has no columns.
const WIDTH: usize = 100;

impl Display for Visibility<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.mode != Mode::Enforce {
            writeln!(f, "The mode hides nothing from anybody.\n")?;
        }
        let common = self.common();
        list(f, "Every pod sees", &self.names(&common, &[]), "nothing")?;
        let mut rows = Vec::new();
        let mut alone = Vec::new();
        for entry in &self.entries {
            let mut besides = self.sees(entry);
            match entry.who {
                Group::Others(_) | Group::Ranges(_) => continue,
                _ => subtract(&mut besides, entry, &common),
            }
            let aside = [&entry.namespaces[..], &common.namespaces];
            let names = self.names(&besides, &aside);
            match entry.who {
                Group::Alone(name) if names.is_empty() => alone.push(plain(name)),
                Group::Alone(name) => {
                    rows.push(row(&format!("{} (none)", plain(name)), entry, &names))
                }
                who => rows.push(row(&plain(who.name()), entry, &names)),
            }
        }
        if !rows.is_empty() {
            let head = ["TENANT", "NAMESPACES", "SEES BESIDES"].map(|text| vec![text.to_owned()]);
            writeln!(f)?;
            std::iter::once(head)
                .chain(rows)
                .try_for_each(|row| write_row(f, &row))?;
        }
        if !alone.is_empty() {
            writeln!(f)?;
            let title = "Namespaces without a tenant that see nothing besides";
            list(f, title, &alone, "none")?;
        }
        writeln!(f)?;
        for entry in &self.entries {
            let title = match entry.who {
                Group::Others("node") => "Nodes see".to_owned(),
                Group::Others(_) => "Unknown clients see".to_owned(),
                Group::Ranges(_) => format!("Clients in {} see", entry.ranges()),
                _ => continue,
            };
            list(f, &title, &self.names(&self.sees(entry), &[]), "nothing")?;
        }
        Ok(())
    }
}

impl<'a> Visibility<'a> {
    /// Returns what every pod sees.
    fn common(&self) -> Extent<'a> {
        let pods = self.entries.iter().filter(|entry| !entry.who.is_no_pod());
        let places: BTreeSet<usize> = pods.map(|entry| entry.extent).collect();
        let extents = places
            .iter()
            .filter_map(|place| self.relation.extents.get(*place));
        let extents: Vec<&Extent<'a>> = extents.collect();
        let Some(first) = extents.first() else {
            return Extent::default();
        };
        let everywhere = |name: &&str| extents.iter().all(|e| e.has_all_of(name));
        let namespaces = first
            .namespaces
            .iter()
            .copied()
            .filter(|name| everywhere(name));
        let namespaces: Vec<&str> = namespaces.collect();
        let mut services: Vec<Path<'a>> =
            extents.iter().flat_map(|e| &e.services).copied().collect();
        services.sort_unstable();
        services.dedup();
        services.retain(|path| {
            namespaces.binary_search(&path.0).is_err() && extents.iter().all(|e| sees(e, path))
        });
        Extent {
            namespaces,
            services,
            hides: Vec::new(),
        }
    }

    /// Returns an extent in as few words as there are; `aside` is seen, too, and said elsewhere.
    fn names(&self, extent: &Extent<'a>, aside: &[&[&str]]) -> Vec<String> {
        let aside = |name: &str| aside.iter().any(|list| list.binary_search(&name).is_ok());
        let seen = |name: &&str| extent.namespaces.binary_search(name).is_ok() || aside(name);
        let all = self.relation.targets.namespaces();
        let hidden: Vec<&str> = all.filter(|name| !seen(name)).collect();
        let mut names: Vec<String> = Vec::new();
        if extent.namespaces.len() > hidden.len() + 2 {
            let others = if hidden.len() + extent.namespaces.len()
                < self.relation.targets.namespaces().len()
            {
                "every other namespace"
            } else {
                "every namespace"
            };
            names.push(others.to_owned());
            names.extend(hidden.iter().map(|name| format!("but not {}", plain(name))));
        } else {
            names.extend(extent.namespaces.iter().map(|name| plain(name)));
        }
        names.extend(paths(&extent.services).iter().map(|path| plain(path)));
        let hidden = paths(&extent.hides);
        names.extend(hidden.iter().map(|path| format!("but not {}", plain(path))));
        names
    }
}

impl Entry<'_> {
    /// Returns the ranges, and whose they are.
    pub(super) fn ranges(&self) -> String {
        let cidrs: Vec<String> = self.cidrs.iter().map(ToString::to_string).collect();
        let cidrs = cidrs.join(", ");
        match self.who.name() {
            "" => cidrs,
            tenant => format!("{cidrs} (tenant {})", plain(tenant)),
        }
    }
}

fn sees(extent: &Extent<'_>, path: &Path<'_>) -> bool {
    match extent.namespaces.binary_search(&path.0) {
        Ok(_) => extent.hides.binary_search(path).is_err(),
        Err(_) => extent.services.binary_search(path).is_ok(),
    }
}

/// Takes out what is an entry's own, and what every pod sees. A namespace stays where single
/// services of it are all that every pod sees.
fn subtract<'a>(extent: &mut Extent<'a>, entry: &Entry<'a>, common: &Extent<'a>) {
    let own = |name: &&str| entry.namespaces.binary_search(name).is_ok();
    let shared = |name: &&str| common.namespaces.binary_search(name).is_ok();
    extent.namespaces.retain(|name| !own(name) && !shared(name));
    extent
        .services
        .retain(|path| common.services.binary_search(path).is_err());
}

fn row(who: &str, entry: &Entry<'_>, names: &[String]) -> [Vec<String>; 3] {
    let own: Vec<String> = entry.namespaces.iter().map(|name| plain(name)).collect();
    let nothing = ["-".to_owned()];
    let names = if names.is_empty() {
        &nothing[..]
    } else {
        names
    };
    [
        vec![who.to_owned()],
        lines(&own, ",", WIDTHS[1]),
        lines(names, ",", WIDTHS[2]),
    ]
}

fn write_row(f: &mut fmt::Formatter<'_>, row: &[Vec<String>; 3]) -> fmt::Result {
    // A cell that is too wide for its column stands alone on its line.
    let mut places = [0; 3];
    while row
        .iter()
        .zip(places)
        .any(|(cell, place)| place < cell.len())
    {
        let mut line = String::new();
        for (column, (cell, place)) in row.iter().zip(&mut places).enumerate() {
            let start: usize = WIDTHS[..column].iter().map(|width| width + 2).sum();
            let Some(text) = cell.get(*place) else {
                continue;
            };
            let length = line.chars().count();
            if length > 0 && length + 1 > start {
                break;
            }
            let _ = write!(line, "{:1$}{text}", "", start - length);
            *place += 1;
        }
        writeln!(f, "{line}")?;
    }
    Ok(())
}

fn list(f: &mut fmt::Formatter<'_>, title: &str, names: &[String], none: &str) -> fmt::Result {
    if names.is_empty() {
        return writeln!(f, "{title}: {none}");
    }
    writeln!(f, "{title}:")?;
    lines(names, ",", WIDTH - 4)
        .iter()
        .try_for_each(|line| writeln!(f, "    {line}"))
}
