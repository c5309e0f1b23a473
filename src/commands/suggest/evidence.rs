//! What a suggestion rests on: how often, on which days, and who.

use super::super::audit_log::Denial;
use super::super::plain::plain;
use std::collections::BTreeSet;
use std::fmt::{self, Display};

/// Clients that are named.
const NAMED: usize = 5;
/// Octets of a date in RFC 3339.
const DATE: usize = "2026-01-01".len();

/// What was seen of clients that asked for the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Evidence {
    count: u64,
    first: String,
    last: String,
    days: BTreeSet<String>,
    types: BTreeSet<String>,
    /// Pods' names; the addresses of those whose name nobody knows.
    clients: BTreeSet<String>,
}

impl Evidence {
    /// Adds a line.
    pub(super) fn add(&mut self, denial: &Denial) {
        self.saw(&denial.ts, &denial.ts, denial.count);
        let day = denial.ts.get(..DATE).unwrap_or(&denial.ts);
        self.days.insert(day.to_owned());
        self.types.insert(denial.qtype.clone());
        let client = &denial.client;
        let pod = client.pod.clone();
        self.clients
            .insert(pod.unwrap_or_else(|| client.ip.to_string()));
    }

    /// Adds what was seen of another client.
    pub(super) fn merge(&mut self, other: &Self) {
        self.saw(&other.first, &other.last, other.count);
        self.days.extend(other.days.iter().cloned());
        self.types.extend(other.types.iter().cloned());
        self.clients.extend(other.clients.iter().cloned());
    }

    fn saw(&mut self, first: &str, last: &str, count: u64) {
        self.count = self.count.saturating_add(count);
        if self.first.is_empty() || *self.first > *first {
            first.clone_into(&mut self.first);
        }
        if *self.last < *last {
            last.clone_into(&mut self.last);
        }
    }
}

impl Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = match self.count {
            1 => "once".to_owned(),
            many => format!("{many} times"),
        };
        let days = match self.days.len() {
            1 => "1 day".to_owned(),
            many => format!("{many} days"),
        };
        let types: Vec<&str> = self.types.iter().map(String::as_str).collect();
        let (first, last) = (plain(&self.first), plain(&self.last));
        write!(f, "{times} on {days}, first {first}, last {last}; ")?;
        write!(f, "{}; by ", plain(&types.join(", ")))?;
        let named = self.clients.iter().take(NAMED).map(|name| plain(name));
        f.write_str(&named.collect::<Vec<_>>().join(", "))?;
        match self.clients.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
