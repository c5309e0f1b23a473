//! What came of a probe: rows for people and for programs.

use super::Found;
use serde::Serialize;
use std::fmt;

/// Lines of detail that people are shown; programs are shown all.
const LINES: usize = 4;

/// What came of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing is given away.
    Pass,
    /// Something is, or the row can't be believed.
    Fail,
    /// It can't be tried here.
    Untried,
}

/// One attack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its id in the checklist; `control` where it shows that the rest means something.
    pub id: &'static str,
    /// What is tried.
    pub attack: &'static str,
    /// What came of it.
    pub verdict: Verdict,
    /// What was seen.
    pub detail: String,
}

impl Row {
    pub(super) fn new(id: &'static str, attack: &'static str, found: Found) -> Self {
        let (verdict, detail) = match found {
            Ok(detail) => (Verdict::Pass, detail),
            Err(detail) => (Verdict::Fail, detail),
        };
        Self {
            id,
            attack,
            verdict,
            detail,
        }
    }

    pub(super) fn untried(id: &'static str, attack: &'static str, why: &str) -> Self {
        Self {
            id,
            attack,
            verdict: Verdict::Untried,
            detail: why.to_owned(),
        }
    }
}

/// All rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The server that was asked.
    pub server: String,
    /// The cluster's zone.
    pub zone: String,
    /// The prober's namespace.
    pub namespace: Option<String>,
    /// What came of each row.
    pub rows: Vec<Row>,
}

impl Report {
    /// Returns whether nothing was given away.
    pub fn passes(&self) -> bool {
        self.count(Verdict::Fail) == 0
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.rows
            .iter()
            .filter(|row| row.verdict == verdict)
            .count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = self.namespace.as_deref().unwrap_or("no namespace");
        writeln!(f, "{} from {of}, zone {}\n", self.server, self.zone)?;
        for row in &self.rows {
            let verdict = match row.verdict {
                Verdict::Pass => "pass",
                Verdict::Fail => "FAIL",
                Verdict::Untried => "-",
            };
            writeln!(f, "{verdict:<4}  {:<7}  {}", row.id, row.attack)?;
            if row.verdict != Verdict::Pass {
                let lines: Vec<&str> = row.detail.split("; ").collect();
                for line in lines.iter().take(LINES) {
                    writeln!(f, "               {}", printable(line))?;
                }
                if lines.len() > LINES {
                    writeln!(f, "               and {} more", lines.len() - LINES)?;
                }
            }
        }
        let [pass, fail, untried] =
            [Verdict::Pass, Verdict::Fail, Verdict::Untried].map(|verdict| self.count(verdict));
        write!(f, "\n{pass} pass, {fail} fail, {untried} not tried")
    }
}

/// What a server sent must not steer a terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
