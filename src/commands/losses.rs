//! What enforcing would take away from whom, added up: the summary that `audit` ends with. Bounded,
//! however many ask for however much.

use super::plain::plain;
use crate::audit::{Denial, Target};
use crate::tenancy::{ClientClass, View};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::net::IpAddr;

/// Different losses, and different clients, that are told apart at most.
const CAPACITY: usize = 10_000;
/// Columns: who, of what, why.
const WIDTHS: [usize; 3] = [36, 36, 14];

/// Losses by client tenant and target.
#[derive(Debug, Default)]
pub struct Losses {
    /// Queries for names of the zones.
    judged: u64,
    /// Those for other names.
    outside: u64,
    /// Queries of which it was not said what they ask.
    pub wordless: u64,
    /// What could not be read, and should have been.
    pub garbled: u64,
    /// Queries that would be answered less.
    losing: u64,
    by_key: BTreeMap<(Who, Target, &'static str), Loss>,
    /// Record sets that found no place in `by_key`.
    more: u64,
    /// Clients that are in some entry of `by_key`, by address.
    clients: usize,
}

#[derive(Debug, Default)]
struct Loss {
    count: u64,
    clients: BTreeSet<IpAddr>,
}

/// Whose a client is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    /// Pods of a namespace, with the tenant that it has.
    Pods(Box<str>, Option<Box<str>>),
    /// Clients of a range.
    External(Option<Box<str>>),
    Nodes,
    Unknown,
}

impl Losses {
    /// Adds what a query would lose; `None` where it is for a name of no zone.
    pub fn add(&mut self, client: IpAddr, view: &View<'_>, denials: Option<&[Denial]>) {
        let Some(denials) = denials else {
            self.outside += 1;
            return;
        };
        self.judged += 1;
        self.losing += u64::from(!denials.is_empty());
        for denial in denials {
            let key = (Who::of(view), denial.target.clone(), denial.reason.as_str());
            if self.by_key.len() >= CAPACITY && !self.by_key.contains_key(&key) {
                self.more += 1;
                continue;
            }
            let loss = self.by_key.entry(key).or_default();
            loss.count += 1;
            if self.clients < CAPACITY && loss.clients.insert(client) {
                self.clients += 1;
            }
        }
    }
}

impl Who {
    fn of(view: &View<'_>) -> Self {
        let tenant = view.own_tenant().map(Into::into);
        let namespace = view.own_namespace().map(String::from_utf8_lossy);
        match (namespace, view.class()) {
            (Some(namespace), _) => Self::Pods(namespace.into(), tenant),
            (None, ClientClass::External) => Self::External(tenant),
            (None, ClientClass::Node) => Self::Nodes,
            (None, _) => Self::Unknown,
        }
    }
}

impl Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queries = |count: u64| match count {
            1 => "1 query".to_owned(),
            count => format!("{count} queries"),
        };
        writeln!(
            f,
            "{} judged; {} would be answered less.",
            queries(self.judged),
            queries(self.losing)
        )?;
        for (count, what) in [
            (
                self.outside,
                "for names of no zone, of which nothing is hidden",
            ),
            (
                self.wordless,
                "came without what they ask, and were not judged: `dnstap ADDRESS full` sends it",
            ),
        ] {
            if count > 0 {
                writeln!(f, "{} {what}.", queries(count))?;
            }
        }
        if self.garbled > 0 {
            writeln!(f, "{} lines or frames could not be read.", self.garbled)?;
        }
        if self.by_key.is_empty() {
            return Ok(());
        }
        let mut rows: Vec<_> = self.by_key.iter().collect();
        // Who loses most stands first; equals by name.
        rows.sort_by_key(|((who, target, _), loss)| {
            (who.tenant(), std::cmp::Reverse(loss.count), target)
        });
        writeln!(f)?;
        row(f, ["CLIENT", "LOSES", "WHY"], "RECORD SETS  CLIENTS")?;
        for ((who, target, reason), loss) in rows {
            let clients = match loss.clients.len() {
                0 => "?".to_owned(),
                many => many.to_string(),
            };
            let counts = format!("{:>11}  {clients:>7}", loss.count);
            row(f, [&who.to_string(), &named(target), reason], &counts)?;
        }
        if self.more > 0 {
            writeln!(f, "and {} record sets more, of others", self.more)?;
        }
        Ok(())
    }
}

impl Who {
    /// Returns what rows are sorted by: pods by tenant, then those that are none.
    fn tenant(&self) -> (u8, &str, &Self) {
        let (kind, tenant) = match self {
            Self::Pods(namespace, tenant) => (0, tenant.as_deref().unwrap_or(namespace)),
            Self::External(tenant) => (1, tenant.as_deref().unwrap_or_default()),
            Self::Nodes => (2, ""),
            Self::Unknown => (3, ""),
        };
        (kind, tenant, self)
    }
}

impl Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pods(namespace, Some(tenant)) if namespace != tenant => {
                write!(f, "{} (tenant {})", plain(namespace), plain(tenant))
            }
            Self::Pods(namespace, _) => f.write_str(&plain(namespace)),
            Self::External(Some(tenant)) => write!(f, "clients of {}", plain(tenant)),
            Self::External(None) => f.write_str("clients of a rule's range"),
            Self::Nodes => f.write_str("nodes"),
            Self::Unknown => f.write_str("unknown clients"),
        }
    }
}

/// Returns a target as people write it.
fn named(target: &Target) -> String {
    let service = target.service.as_deref().unwrap_or("(pods)");
    plain(&format!("{}/{service}", target.namespace))
}

fn row(f: &mut fmt::Formatter<'_>, cells: [&str; 3], last: &str) -> fmt::Result {
    for (cell, width) in cells.iter().zip(WIDTHS) {
        write!(f, "{cell:width$}  ")?;
    }
    writeln!(f, "{last}")
}
