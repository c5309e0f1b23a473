//! What a configuration gives the server's threads beside the snapshots. What stays the same is kept,
//! with what it has counted. Whom the server asks: [`crate::app::upstream`].

use super::observation::Observed;
use crate::config::Config;
use crate::drain::Drain;
use crate::limits::Limits;
use crate::server::{Setup, Timeouts, Upstream};
use crate::snapshot::SnapshotReader;
use std::sync::Arc;

/// What one configuration gives.
#[derive(Clone)]
pub(super) struct Means {
    limits: Option<Arc<Limits>>,
}

impl Means {
    /// Returns those of the first configuration.
    pub(super) fn first(config: &Config) -> Self {
        Self {
            limits: Limits::new(&config.limits).map(Arc::new),
        }
    }

    /// Returns those of another configuration.
    pub(super) fn next(&self, before: &Config, next: &Config) -> Self {
        match before.limits == next.limits {
            // Nobody gets a fresh allowance by it.
            true => self.clone(),
            false => Self::first(next),
        }
    }

    /// Returns what the server's threads are made from.
    pub(super) fn setup(
        &self,
        config: &Config,
        answerer: Observed,
        upstream: Option<Arc<dyn Upstream>>,
        (reader, drain): (&SnapshotReader, &Drain),
    ) -> Setup<Observed> {
        Setup {
            options: config.server.clone(),
            timeouts: Timeouts::default(),
            reader: reader.clone(),
            drain: drain.clone(),
            upstream,
            limits: self.limits.clone(),
            answerer,
        }
    }
}
