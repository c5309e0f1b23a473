//! What the administrator's pages say: every series, what is served in numbers, and explanations.
//! Unlike [`super::pages`] they name tenants and namespaces.

use super::pages::Pages;
use super::questions::Asking;
use crate::admin::{self, Refusal};
use crate::commands::{Condition, Summary, summary};
use crate::metrics::{self, Details as Series};
use crate::observe::Gathered;
use crate::snapshot::SnapshotReader;
use std::sync::{Arc, Mutex, PoisonError};

/// What the pages are made of.
pub(super) struct Details {
    pub(super) pages: Arc<Pages>,
    pub(super) reader: SnapshotReader,
    pub(super) asking: Asking,
    /// The last summary, for as long as its snapshot is served.
    pub(super) last: Mutex<Option<Summary>>,
}

impl Details {
    fn summary(&self) -> Summary {
        let snapshot = self.reader.load();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let same = last.take().filter(|it| {
            // Identities expire without a new generation.
            let trusted = snapshot.identities == crate::snapshot::Identities::Trusted;
            it.generation == snapshot.generation && it.identities_trusted == trusted
        });
        let mut summary = last
            .insert(same.unwrap_or_else(|| summary(&snapshot)))
            .clone();
        let policies = self.pages.progress.state().policies.0.into_iter();
        let policies = policies.map(|((kind, reason), count)| Condition {
            kind,
            reason,
            count,
        });
        summary.conditions.extend(policies);
        summary
    }
}

impl admin::Details for Details {
    fn metrics(&self) -> String {
        let gathered = self.pages.gathered.read();
        let readings = self.pages.readings(gathered.as_ref());
        let series = series(gathered.as_ref(), &self.summary());
        metrics::detailed_text(&readings, &series)
    }

    fn snapshot(&self) -> String {
        let text = serde_json::to_string_pretty(&self.summary());
        text.expect("numbers and words are JSON")
    }

    fn explain(&self, from: &str, name: &str, rtype: &str) -> Result<String, Refusal> {
        let from = from.parse().map_err(Refusal::Wrong)?;
        let wrong = |error: &dyn std::fmt::Display| Refusal::Wrong(error.to_string());
        let name = name.parse().map_err(|error| wrong(&error))?;
        let rtype = rtype.parse().map_err(|error| wrong(&error))?;
        match self.asking.ask(from, name, rtype) {
            Some(explained) => explained.map_err(Refusal::Wrong),
            None => Err(Refusal::Busy(
                "the index has no time to explain; ask again".to_owned(),
            )),
        }
    }
}

fn series(gathered: Option<&Gathered>, summary: &Summary) -> Series {
    let mut series = Series {
        visible_pairs: vec![
            ("whole", summary.visible_pairs.whole),
            ("some", summary.visible_pairs.some),
        ],
        conditions: summary
            .conditions
            .iter()
            .map(|each| (each.kind, each.reason, each.count))
            .collect(),
        ..Series::default()
    };
    let Some(gathered) = gathered else {
        return series;
    };
    series.clients = gathered.classes().collect();
    series.node_hidden = gathered.node_hidden;
    for (tenant, counts) in gathered.tenants() {
        let answers = counts.answers();
        series
            .tenants
            .extend(answers.map(|(result, count)| (tenant.into(), result, count)));
        let sweeps = counts.sweeps();
        series
            .sweeps
            .extend(sweeps.map(|(kind, count)| (tenant.into(), kind, count)));
    }
    let networks = gathered.networks();
    series.networks = networks
        .map(|(network, count)| (network.into(), count))
        .collect();
    series
}
