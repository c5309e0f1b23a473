//! The gate before enforcing: how many of the queries come from whom enforcing would wrong, because
//! nobody knows who asks. An answer that a pod loses is the policy's will; one that is lost to an
//! address that is nobody's, or to a node that asks for its pods, is a mistake of the network or of
//! the configuration.

use super::audit_log::{Entry, Read, read};
use crate::audit::Counts;
use std::fmt::{self, Display};
use std::io::{self, BufRead};

/// Millionths of a whole.
const WHOLE: u128 = 1_000_000;

/// What a log says of the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// The greatest share, in millionths.
    most: u32,
    counts: Counts,
    /// The ends of the first and the last window.
    span: Option<(String, String)>,
    read: Read,
}

impl Gate {
    /// Returns a gate that lets at most so many millionths pass.
    pub fn new(most: u32) -> Self {
        Self {
            most,
            counts: Counts::default(),
            span: None,
            read: Read::default(),
        }
    }

    /// Takes in a log.
    ///
    /// # Errors
    /// It can't be read.
    pub fn read(&mut self, log: impl BufRead) -> io::Result<()> {
        let read = read(log, |entry| {
            let Entry::Closing(ts, counts) = entry else {
                return;
            };
            let sum = &mut self.counts;
            for (sum, count) in [
                (&mut sum.judged, counts.judged),
                (&mut sum.unknown, counts.unknown),
                (&mut sum.node_hidden, counts.node_hidden),
                (&mut sum.unlisted, counts.unlisted),
                (&mut sum.lost, counts.lost),
            ] {
                *sum = sum.saturating_add(count);
            }
            self.span = Some(match self.span.take() {
                None => (ts.clone(), ts),
                Some((first, last)) => (first.min(ts.clone()), last.max(ts)),
            });
        })?;
        self.read.entries += read.entries;
        self.read.unread += read.unread;
        Ok(())
    }

    /// Returns whether enforcing is safe as far as the log tells.
    pub fn passes(&self) -> bool {
        // Nothing says nothing.
        self.counts.judged > 0
            && u128::from(self.unidentified()) * WHOLE
                <= u128::from(self.most) * u128::from(self.counts.judged)
    }

    fn unidentified(&self) -> u64 {
        self.counts.unknown.saturating_add(self.counts.node_hidden)
    }
}

impl Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts {
            judged,
            unknown,
            node_hidden,
            lost,
            ..
        } = self.counts;
        let word = if self.passes() { "pass" } else { "FAIL" };
        if self.read.unread > 0 {
            writeln!(
                f,
                "note: {} lines of the audit log can't be read",
                self.read.unread
            )?;
        }
        let Some((first, last)) = &self.span else {
            return writeln!(
                f,
                "{word}  audit log: it says of no query that it was judged; let an audit run first"
            );
        };
        if lost > 0 {
            writeln!(
                f,
                "note: {lost} queries came faster than they could be judged, and don't count"
            )?;
        }
        writeln!(
            f,
            "audit log: {judged} queries judged, in windows that ended {first} to {last}"
        )?;
        writeln!(
            f,
            "  {unknown} of addresses that are nobody's, or several pods'"
        )?;
        writeln!(
            f,
            "  {node_hidden} of nodes, for names that nodes don't see"
        )?;
        let percent = |share: f64| format!("{share:.4}%");
        let share = self.unidentified() as f64 * 100.0 / judged.max(1) as f64;
        let most = f64::from(self.most) / 10_000.0;
        let (share, most) = (percent(share), percent(most));
        match self.passes() {
            true => writeln!(f, "{word}  {share} of the queries, at most {most}"),
            false => writeln!(
                f,
                "{word}  {share} of the queries, at most {most}: enforcing would leave them without \
                 answers that they get now. Find out who they are first: the log's lines with the \
                 reasons unknown_client, conflict and node_client name them"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closing(judged: u64, unknown: u64, node_hidden: u64) -> String {
        format!(
            "{{\"ts\":\"2026-01-01T00:00:{:02}Z\",\"queries\":{{\"judged\":{judged},\"unknown\":{unknown},\"node_hidden\":{node_hidden}}}}}\n",
            judged % 60
        )
    }

    #[test]
    fn the_gate_counts_those_that_nobody_knows() {
        for (what, log, most, passes, says) in [
            ("nothing", String::new(), 1_000_000, false, "no query"),
            (
                "no closing lines",
                "{}\n".into(),
                1_000_000,
                false,
                "1 lines of the audit log",
            ),
            (
                "everybody known",
                closing(1000, 0, 0),
                0,
                true,
                "pass  0.0000%",
            ),
            (
                "at the threshold",
                closing(1000, 1, 0),
                1_000,
                true,
                "pass  0.1000% of the queries, at most 0.1000%",
            ),
            (
                "above it",
                closing(999, 1, 0),
                1_000,
                false,
                "FAIL  0.1001%",
            ),
            (
                "nodes count, too",
                closing(1000, 1, 1),
                1_000,
                false,
                "FAIL  0.2000%",
            ),
            (
                "over several windows",
                closing(1000, 2, 0) + &closing(1000, 0, 0),
                1_000,
                true,
                "2000 queries",
            ),
            (
                "more than there can be",
                closing(u64::MAX / 2, u64::MAX / 2, u64::MAX / 2),
                1_000,
                false,
                "FAIL",
            ),
            (
                "all may",
                closing(10, 10, 0),
                1_000_000,
                true,
                "pass  100.0000%",
            ),
        ] {
            let mut gate = Gate::new(most);
            gate.read(log.as_bytes()).unwrap();
            let text = gate.to_string();
            assert_eq!(gate.passes(), passes, "{what}: {text}");
            assert!(text.contains(says), "{what}: {text}");
        }
    }
}
