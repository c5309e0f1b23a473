//! What a configuration gives every thread beside its snapshots: what answers, whom to ask, how much
//! clients may ask. A thread takes those of the snapshot's configuration with the first snapshot of it,
//! so that no query is answered by half of one configuration and half of another.

use super::Setup;
use super::held::Upstream;
use crate::limits::Limits;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Configurations that threads may be about to take: the one in force, and the next.
const KEPT: usize = 2;

/// What one configuration gives.
#[derive(Clone)]
pub(super) struct Means<A> {
    pub(super) answerer: A,
    pub(super) upstream: Option<Arc<dyn Upstream>>,
    pub(super) limits: Option<Arc<Limits>>,
    pub(super) unknown_wait: Duration,
}

impl<A: Clone> Means<A> {
    pub(super) fn of(setup: &Setup<A>) -> Self {
        Self {
            answerer: setup.answerer.clone(),
            upstream: setup.upstream.clone(),
            limits: setup.limits.clone(),
            unknown_wait: setup.options.unknown_wait,
        }
    }
}

/// What threads take from: cheap to clone, all clones are one.
#[derive(Clone)]
pub(super) struct Supply<A> {
    kept: Arc<Mutex<VecDeque<Numbered<A>>>>,
}

/// The means of the configuration of this number.
type Numbered<A> = (u32, Means<A>);

impl<A: Clone> Supply<A> {
    pub(super) fn new(configuration: u32, means: Means<A>) -> Self {
        Self {
            kept: Arc::new(Mutex::new(VecDeque::from([(configuration, means)]))),
        }
    }

    /// Keeps what the next configuration gives, before its first snapshot is published.
    pub(super) fn put(&self, configuration: u32, means: Means<A>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(number, _)| *number != configuration);
        kept.push_back((configuration, means));
        while kept.len() > KEPT {
            kept.pop_front();
        }
    }

    /// Returns whom the configurations that are kept ask.
    pub(super) fn upstreams(&self) -> Vec<Arc<dyn Upstream>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter()
            .filter_map(|(_, means)| means.upstream.clone())
            .collect()
    }

    /// Gives what a configuration does to `take`; of one that is long gone, what the oldest that is
    /// kept does.
    pub(super) fn take<T>(&self, configuration: u32, take: impl FnOnce(&Means<A>) -> T) -> T {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let means = kept.iter().find(|(number, _)| *number == configuration);
        let (_, means) = means.or_else(|| kept.front()).expect("one is always kept");
        take(means)
    }
}
