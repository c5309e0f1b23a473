//! `policy diff`: which clients see which names under one policy and not under the other. Clients
//! whose views change alike are said together, so that a change of one tenant is a few lines.

mod ranges;

use super::plain::{lines, plain};
use super::relation::{Extent, Path, Relation, Targets, Who, of_namespace};
use super::visibility::paths;
use crate::index::Index;
use crate::snapshot::Snapshot;
use ranges::{Ranges, ranges_of};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};

/// What differs between two policies; its JSON form is the command's contract: `changes [{tenants
/// [{tenant, namespaces []}], clients [], ranges [{tenant, cidrs []}], visible, hidden}]`, `visible`
/// and `hidden` as `{namespaces [], services [], except []}`.
///
/// A client's own namespace is no change: its pods see it in any case. Of clients that change alike,
/// those whose own namespace is among the names see only the others anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    changes: Vec<Change>,
}

/// What changes for clients for which the same does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Change {
    tenants: Vec<Tenant>,
    /// Those that are no pods: `node`, `unknown`.
    clients: Vec<&'static str>,
    /// Those of configured ranges.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ranges: Vec<Ranges>,
    /// What they see from now on.
    visible: Names,
    /// What they don't see any longer.
    hidden: Names,
}

/// Namespaces of a tenant, or one without a tenant under its own name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Tenant {
    tenant: String,
    namespaces: Vec<String>,
    /// Whether these are all that it has.
    #[serde(skip)]
    whole: bool,
    /// Whether it is a tenant, and not a namespace without one.
    #[serde(skip)]
    assigned: bool,
}

/// Names that become visible or hidden.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Names {
    /// Whole ones.
    namespaces: Vec<String>,
    /// Single services of other namespaces.
    services: Vec<String>,
    /// Services of `namespaces` for which it is not so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    except: Vec<String>,
}

/// Two extents' difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Delta<'a> {
    visible: Half<'a>,
    hidden: Half<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Half<'a> {
    namespaces: Vec<&'a str>,
    services: Vec<Path<'a>>,
    except: Vec<Path<'a>>,
}

impl Difference {
    /// Compares two snapshots, each given with its index.
    pub fn between(old: (&Index, &Snapshot), new: (&Index, &Snapshot)) -> Self {
        let (old, new) = (Relation::of(old.0, old.1), Relation::of(new.0, new.1));
        let mut members: BTreeMap<(&str, bool), usize> = BTreeMap::new();
        // A client of both is of the tenant that it has now.
        let mut clients: BTreeMap<Option<&str>, BTreeMap<Option<&str>, Both<'_>>> = BTreeMap::new();
        for (relation, is_new) in [(&old, false), (&new, true)] {
            let others = relation.clients.iter();
            for client in others.filter(|client| !matches!(client.who, Who::Range { .. })) {
                let by_kind = clients.entry(client.who.word()).or_default();
                let both = by_kind.entry(client.who.namespace()).or_insert(Both {
                    who: client.who,
                    old: None,
                    new: None,
                });
                both.who = client.who;
                let side = if is_new { &mut both.new } else { &mut both.old };
                *side = Some(client.extent);
            }
        }
        let clients = clients.into_values().flat_map(BTreeMap::into_values);
        let clients: Vec<Both<'_>> = clients.chain(ranges_of(&old, &new)).collect();
        for both in &clients {
            if let Who::Pods {
                tenant, assigned, ..
            } = both.who
            {
                *members.entry((tenant, assigned)).or_default() += 1;
            }
        }

        let mut deltas: BTreeMap<(Option<usize>, Option<usize>), Delta<'_>> = BTreeMap::new();
        let mut changes: BTreeMap<Delta<'_>, Vec<Who<'_>>> = BTreeMap::new();
        for both in clients {
            let delta = deltas.entry((both.old, both.new)).or_insert_with(|| {
                let (a, b) = (extent_at(&old, both.old), extent_at(&new, both.new));
                Delta::of((&a, &old.targets), (&b, &new.targets))
            });
            if !delta.is_within(both.who.namespace()) {
                changes.entry(delta.clone()).or_default().push(both.who);
            }
        }
        let changes = changes.into_iter().map(|(delta, who)| match &*who {
            [only] => Change::of(&delta.without(only.namespace()), &who, &members),
            _ => Change::of(&delta, &who, &members),
        });
        let mut changes: Vec<Change> = changes.collect();
        changes.sort_by_cached_key(|change| (change.tenants.is_empty(), change.who()));
        Self { changes }
    }

    /// Returns whether nobody sees anything else.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// Returns what a client sees: nothing where it does not exist.
fn extent_at<'a>(relation: &Relation<'a>, at: Option<usize>) -> Extent<'a> {
    let extent = at.and_then(|at| relation.extents.get(at));
    extent.cloned().unwrap_or_default()
}

/// A client under both policies, with what its class sees.
struct Both<'a> {
    who: Who<'a>,
    old: Option<usize>,
    new: Option<usize>,
}

impl<'a> Delta<'a> {
    fn of((old, was): (&Extent<'a>, &Targets<'a>), (new, is): (&Extent<'a>, &Targets<'a>)) -> Self {
        let mut delta = Self::default();
        let mut namespaces: BTreeSet<&str> = BTreeSet::new();
        for extent in [old, new] {
            namespaces.extend(&extent.namespaces);
            namespaces.extend(extent.services.iter().map(|(namespace, _)| *namespace));
        }
        for ns in namespaces {
            let has = |extent: &Extent<'a>| extent.namespaces.binary_search(&ns).is_ok();
            let hides = [old, new].map(|extent| of_namespace(&extent.hides, ns));
            let services = [old, new].map(|extent| of_namespace(&extent.services, ns));
            let both = |a: &[Path<'a>], b: &[Path<'a>]| -> Vec<Path<'a>> {
                a.iter().filter(|path| b.contains(path)).copied().collect()
            };
            let less = |a: &[Path<'a>], b: &[Path<'a>]| -> Vec<Path<'a>> {
                a.iter().filter(|path| !b.contains(path)).copied().collect()
            };
            let (visible, hidden) = (&mut delta.visible, &mut delta.hidden);
            match (has(old), has(new)) {
                (false, false) => {
                    visible.services.extend(less(services[1], services[0]));
                    hidden.services.extend(less(services[0], services[1]));
                }
                (true, true) => {
                    visible.services.extend(less(hides[0], hides[1]));
                    hidden.services.extend(less(hides[1], hides[0]));
                }
                (false, true) => {
                    visible.namespaces.push(ns);
                    visible.except.extend(less(hides[1], services[0]));
                    hidden.services.extend(both(services[0], hides[1]));
                }
                (true, false) => {
                    hidden.namespaces.push(ns);
                    hidden.except.extend(less(services[1], hides[0]));
                    visible.services.extend(both(hides[0], services[1]));
                }
            }
        }
        // What does not exist is not seen, and what did not exist was not.
        delta.visible.services.retain(|path| is.has(*path));
        delta.hidden.services.retain(|path| was.has(*path));
        delta
    }

    /// Returns what differs outside of a namespace.
    fn without(&self, own: Option<&str>) -> Self {
        let mut delta = self.clone();
        for half in [&mut delta.visible, &mut delta.hidden] {
            half.namespaces.retain(|ns| Some(*ns) != own);
            half.services.retain(|(ns, _)| Some(*ns) != own);
            half.except.retain(|(ns, _)| Some(*ns) != own);
        }
        delta
    }

    /// Returns whether nothing outside of a namespace differs.
    fn is_within(&self, own: Option<&str>) -> bool {
        [&self.visible, &self.hidden].iter().all(|half| {
            half.namespaces.iter().all(|ns| Some(*ns) == own)
                && half.services.iter().all(|(ns, _)| Some(*ns) == own)
        })
    }
}

impl Change {
    fn of(delta: &Delta<'_>, who: &[Who<'_>], members: &BTreeMap<(&str, bool), usize>) -> Self {
        let mut tenants: BTreeMap<(&str, bool), Vec<String>> = BTreeMap::new();
        for client in who {
            if let Who::Pods {
                tenant,
                assigned,
                namespace,
            } = *client
            {
                let namespaces = tenants.entry((tenant, assigned)).or_default();
                namespaces.push(namespace.to_owned());
            }
        }
        let tenants = tenants.into_iter().map(|(key, namespaces)| Tenant {
            tenant: key.0.to_owned(),
            whole: members.get(&key) == Some(&namespaces.len()),
            assigned: key.1,
            namespaces,
        });
        Self {
            tenants: tenants.collect(),
            clients: who.iter().filter_map(|client| client.word()).collect(),
            ranges: Ranges::of(who),
            visible: Names::of(&delta.visible),
            hidden: Names::of(&delta.hidden),
        }
    }

    /// Returns whose view changes.
    fn who(&self) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        if self.tenants.len() > FEW {
            let tenants = self.tenants.iter().filter(|tenant| tenant.assigned);
            let (many, all) = tenants.fold((0, 0), |(n, all), t| (n + 1, all + t.namespaces.len()));
            let alone = self.tenants.len() - many;
            if many > 0 {
                words.push(format!(
                    "{} with {}",
                    count(many, "tenant"),
                    count(all, "namespace")
                ));
            }
            if alone > 0 {
                words.push(format!("{} without a tenant", count(alone, "namespace")));
            }
        } else {
            words.extend(self.tenants.iter().map(Tenant::to_string));
        }
        words.extend(self.clients.iter().map(|client| match *client {
            "node" => "nodes".to_owned(),
            other => format!("{other} clients"),
        }));
        words.extend(self.ranges.iter().map(Ranges::to_string));
        words
    }
}

impl Names {
    fn of(half: &Half<'_>) -> Self {
        Self {
            namespaces: half
                .namespaces
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
            services: paths(&half.services),
            except: paths(&half.except),
        }
    }
}

// === as text ===

/// How many names are written out; JSON has all of them.
const FEW: usize = 8;
/// The widest line.
const WIDTH: usize = 100;

impl Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.changes.is_empty() {
            return writeln!(f, "nobody sees anything else");
        }
        for change in &self.changes {
            let mut who = lines(&change.who(), ";", WIDTH).into_iter();
            who.try_for_each(|line| writeln!(f, "{line}"))?;
            for (sign, names) in [("  + ", &change.visible), ("  - ", &change.hidden)] {
                let namespaces = names.namespaces.iter().map(|name| plain(name));
                let services = names.services.iter().map(|path| plain(path));
                write_names(f, sign, namespaces.chain(services).collect())?;
                let except = names.except.iter().map(|path| plain(path));
                write_names(f, "      but not ", except.collect())?;
            }
        }
        Ok(())
    }
}

fn write_names(f: &mut fmt::Formatter<'_>, before: &str, mut names: Vec<String>) -> fmt::Result {
    let more = names.len().saturating_sub(3 * FEW);
    if more > 0 {
        names.truncate(3 * FEW);
        names.push(format!("and {more} more"));
    }
    let mut lines = lines(&names, ",", WIDTH - before.len()).into_iter();
    lines.try_for_each(|line| writeln!(f, "{before}{line}"))
}

fn count(many: usize, what: &str) -> String {
    format!("{many} {what}{}", if many == 1 { "" } else { "s" })
}

impl Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenant = plain(&self.tenant);
        if !self.assigned {
            return write!(f, "namespace {tenant}");
        }
        let many = self.namespaces.len();
        if self.whole && many > FEW / 2 {
            return write!(f, "tenant {tenant} (all {many} namespaces)");
        }
        let names = self.namespaces.iter().take(FEW).map(|name| plain(name));
        let names = names.collect::<Vec<_>>().join(", ");
        match many.saturating_sub(FEW) {
            0 => write!(f, "tenant {tenant} ({names})"),
            more => write!(f, "tenant {tenant} ({names} and {more} more)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns an extent written as in `a b/x c-c/y`: all of a, the service x of b, all of c but y.
    fn extent(text: &'static str) -> Extent<'static> {
        let mut extent = Extent::default();
        for word in text.split_whitespace() {
            match (word.split_once('-'), word.split_once('/')) {
                (Some((ns, path)), _) => {
                    extent.namespaces.push(ns);
                    extent.hides.extend(path.split_once('/'));
                }
                (None, Some(path)) => extent.services.push(path),
                (None, None) => extent.namespaces.push(word),
            }
        }
        extent
    }

    #[test]
    fn a_delta_says_what_becomes_visible_and_what_hidden() {
        let targets = Targets::named(&[("a", "x"), ("a", "y"), ("b", "x")]);
        let gone = Targets::named(&[("a", "y"), ("b", "x")]);
        let said = |half: &Half<'_>| {
            let namespaces = half.namespaces.iter().map(|ns| (*ns).to_owned());
            let except = paths(&half.except)
                .into_iter()
                .map(|path| format!("-{path}"));
            let words = namespaces.chain(paths(&half.services)).chain(except);
            words.collect::<Vec<_>>().join(" ")
        };
        for (old, new, visible, hidden) in [
            ("a", "a", "", ""),
            ("", "a", "a", ""),
            ("a b", "b", "", "a"),
            ("", "b/x", "b/x", ""),
            ("a/x b/x", "a/y b/x", "a/y", "a/x"),
            ("a", "a-a/x", "", "a/x"),
            ("a-a/x", "a-a/y", "a/x", "a/y"),
            ("a/x", "a", "a", ""),
            ("a", "a/x", "", "a -a/x"),
            ("", "a-a/x", "a -a/x", ""),
            ("a/x", "a-a/x", "a", "a/x"),
            ("a-a/x", "a/x", "a/x", "a"),
        ] {
            let (a, b) = (extent(old), extent(new));
            let delta = Delta::of((&a, &targets), (&b, &targets));
            let got = (said(&delta.visible), said(&delta.hidden));
            assert_eq!(
                got,
                (visible.to_owned(), hidden.to_owned()),
                "{old} to {new}"
            );
        }
        let (a, b) = (extent("a-a/x"), extent("a"));
        let delta = Delta::of((&a, &targets), (&b, &gone));
        assert_eq!(
            delta,
            Delta::default(),
            "what is gone does not become visible"
        );
    }

    #[test]
    fn what_is_within_its_own_namespace_is_no_change_of_a_client() {
        let targets = Targets::named(&[("a", "x"), ("b", "x")]);
        for (old, new, own, expected) in [
            ("", "a", Some("a"), true),
            ("a/x", "", Some("a"), true),
            ("", "a b", Some("a"), false),
            ("", "a", None, false),
            ("a", "a", None, true),
        ] {
            let (a, b) = (extent(old), extent(new));
            let delta = Delta::of((&a, &targets), (&b, &targets));
            assert_eq!(delta.is_within(own), expected, "{old} to {new}");
        }
    }
}
