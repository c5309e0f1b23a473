//! `policy suggest`: the grants that keep what an audit saw working, for whoever writes the policy to
//! read, and to take or leave one by one. Each names single services, and each stands under what was
//! seen of it. Who may be looking for names, and whom nobody knows, is granted nothing.
//!
//! Prose begins with `##`, and what is configuration with `# `: uncommented, the one is a comment and
//! the other a rule.

mod evidence;
mod text;

use super::audit_log::{Client, Denial, Entry, Read, Target, read};
use evidence::Evidence;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead};
use std::net::IpAddr;

/// What to suggest.
#[derive(Debug, Clone)]
pub struct Suggestions {
    /// Different targets from which on a client is suspected of a sweep.
    sweep: usize,
    denials: BTreeMap<(Who, Target), BTreeMap<IpAddr, Evidence>>,
    /// What clients without an identity were denied, by reason.
    nobodys: BTreeMap<(String, IpAddr), Unidentified>,
    targets: BTreeMap<IpAddr, BTreeSet<Target>>,
    read: Read,
    span: Option<(String, String)>,
}

#[derive(Debug, Clone, Default)]
struct Unidentified {
    count: u64,
    targets: BTreeSet<Target>,
}

/// Whom a rule can name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    /// The pods of a namespace, whose tenant it was then.
    Namespace(String, Option<String>),
    /// Clients of a configured range, and its tenant.
    Range(Option<String>),
}

/// A rule, and what it rests on.
struct Grant<'s> {
    who: &'s Who,
    services: BTreeMap<&'s Target, Evidence>,
    addresses: BTreeSet<IpAddr>,
}

impl Suggestions {
    /// Returns no suggestions. A client that was denied more than `sweep` different targets is
    /// suspected of looking for names.
    pub fn new(sweep: u32) -> Self {
        Self {
            sweep: sweep as usize,
            denials: BTreeMap::new(),
            nobodys: BTreeMap::new(),
            targets: BTreeMap::new(),
            read: Read::default(),
            span: None,
        }
    }

    /// Takes in a log.
    ///
    /// # Errors
    /// It can't be read.
    pub fn read(&mut self, log: impl BufRead) -> io::Result<()> {
        let read = read(log, |entry| match entry {
            Entry::Denial(denial) => self.take(denial),
            Entry::Closing(ts, _) => self.saw(&ts),
        })?;
        self.read.entries += read.entries;
        self.read.unread += read.unread;
        Ok(())
    }

    fn saw(&mut self, ts: &str) {
        self.span = Some(match self.span.take() {
            None => (ts.to_owned(), ts.to_owned()),
            Some((first, last)) if *first > *ts => (ts.to_owned(), last),
            Some((first, last)) if *last < *ts => (first, ts.to_owned()),
            Some(span) => span,
        });
    }

    fn take(&mut self, denial: Denial) {
        self.saw(&denial.ts);
        let Client { ip, .. } = denial.client;
        if denial.reason != "hidden" {
            let entry = self.nobodys.entry((denial.reason, ip)).or_default();
            entry.count = entry.count.saturating_add(denial.count);
            entry.targets.insert(denial.target);
            return;
        }
        let seen = self.targets.entry(ip).or_default();
        seen.insert(denial.target.clone());
        let who = match &denial.client.namespace {
            Some(namespace) => Who::Namespace(namespace.clone(), denial.client.tenant.clone()),
            None => Who::Range(denial.client.tenant.clone()),
        };
        let by_client = self
            .denials
            .entry((who, denial.target.clone()))
            .or_default();
        by_client.entry(ip).or_default().add(&denial);
    }

    /// Returns those that were denied more different things than a client that knows what it wants.
    fn suspects(&self) -> BTreeMap<IpAddr, usize> {
        let many = self
            .targets
            .iter()
            .map(|(ip, targets)| (*ip, targets.len()));
        many.filter(|(_, targets)| *targets > self.sweep).collect()
    }

    /// Returns the grants in the order of their clients, and what can't be granted by one.
    fn grants<'s>(
        &'s self,
        suspects: &BTreeMap<IpAddr, usize>,
    ) -> (Vec<Grant<'s>>, Vec<(&'s Who, &'s Target, Evidence)>) {
        let mut grants: BTreeMap<&Who, Grant<'s>> = BTreeMap::new();
        let mut others = Vec::new();
        for ((who, target), by_client) in &self.denials {
            let honest = by_client
                .iter()
                .filter(|(ip, _)| !suspects.contains_key(ip));
            let mut evidence = Evidence::default();
            let mut addresses = BTreeSet::new();
            for (ip, seen) in honest {
                evidence.merge(seen);
                addresses.insert(*ip);
            }
            if addresses.is_empty() {
                continue;
            }
            if !who.is_named() || !target.is_service() {
                others.push((who, target, evidence));
                continue;
            }
            let grant = grants.entry(who).or_insert_with(|| Grant {
                who,
                services: BTreeMap::new(),
                addresses: BTreeSet::new(),
            });
            grant.services.insert(target, evidence);
            grant.addresses.extend(addresses);
        }
        (grants.into_values().collect(), others)
    }
}

impl Who {
    /// Returns whether a rule can name it: what the log says may be anything.
    fn is_named(&self) -> bool {
        match self {
            Self::Namespace(name, _) => is_label(name),
            Self::Range(_) => true,
        }
    }
}

impl Target {
    /// Returns whether it is one service, of a name that a rule can hold.
    fn is_service(&self) -> bool {
        is_label(&self.namespace) && self.service.as_deref().is_some_and(is_label)
    }
}

/// Returns whether a text is a name of a namespace or of a service, as the configuration takes it.
fn is_label(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&name.len())
        && name.chars().all(legal)
        && !name.starts_with('-')
        && !name.ends_with('-')
}
