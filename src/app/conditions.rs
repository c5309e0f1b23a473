//! What `check` and the log say of objects of our own kinds that come from files, where nothing else
//! can be told: the API's are told on the objects themselves.

use super::offline::Offline;
use super::progress::{PolicyCounts, Progress};
use crate::model::PolicyStatus;
use std::collections::BTreeSet;

/// A condition that somebody should know of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Finding {
    /// It does not hold, so that something is not in force.
    pub(super) fails: bool,
    /// The condition in words, with the file and the line where the object is.
    pub(super) text: String,
}

/// Returns what there is to say, as of the last snapshot.
pub(super) fn findings(offline: &Offline) -> Vec<Finding> {
    of(&offline.index.policy_statuses(), offline)
}

fn of(statuses: &[PolicyStatus], offline: &Offline) -> Vec<Finding> {
    let mut findings = Vec::new();
    for status in statuses {
        let place = offline.source.place(status.kind, &status.key);
        let place = place.map_or_else(String::new, |(file, line)| {
            format!("{}:{line}: ", file.display())
        });
        // That nothing of it is in force follows from what is wrong with it.
        let told = status.findings().filter(|(_, c)| c.reason != "NotAccepted");
        for (name, condition) in told {
            let (kind, key) = (status.kind.as_str(), &status.key);
            let not = if condition.holds { "" } else { "not " };
            let (name, reason) = (name.to_lowercase(), condition.reason);
            let message = &condition.message;
            findings.push(Finding {
                fails: !condition.holds,
                text: format!("{place}{kind} {key}: {not}{name} ({reason}): {message}"),
            });
        }
    }
    findings
}

/// What has been said, so that it is said once.
#[derive(Default)]
pub(super) struct Said(BTreeSet<Finding>);

impl Said {
    /// Logs what is new, and counts what there is.
    pub(super) fn tell(&mut self, offline: &Offline, progress: &Progress) {
        let statuses = offline.index.policy_statuses();
        progress.update(|state| state.policies = PolicyCounts::of(&statuses));
        let now: BTreeSet<Finding> = of(&statuses, offline).into_iter().collect();
        for finding in now.difference(&self.0) {
            tracing::warn!("{}", finding.text);
        }
        self.0 = now;
    }
}
