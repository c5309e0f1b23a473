//! How far the index's thread has come, for whoever asks over HTTP. Written after each batch, read by
//! a probe or a scrape; queries know nothing of it.

use crate::index::Objects;
use crate::model::{Kind, PolicyStatus};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Cheap to clone: all clones are one.
#[derive(Clone, Default)]
pub(super) struct Progress {
    state: Arc<Mutex<State>>,
}

/// What is known at one moment.
#[derive(Clone, Default)]
pub(super) struct State {
    /// Everything that is needed has been read once. Never taken back.
    pub(super) ready: bool,
    /// Snapshots published.
    pub(super) published: u64,
    /// Whether identities have expired.
    pub(super) expired: bool,
    /// Objects known.
    pub(super) objects: BTreeMap<Kind, usize>,
    /// Objects that differed from the API's without an event saying so.
    pub(super) repairs: BTreeMap<Kind, u64>,
    /// Objects of our own kinds that are not in force.
    pub(super) policies: PolicyCounts,
    /// The checkpoint, where one is kept.
    pub(super) checkpoint: Option<Checkpoint>,
    /// Kinds that are known from a checkpoint alone, and how old it was when it was read.
    pub(super) restored: BTreeMap<Kind, Aged>,
    /// How long changes of endpoints took to be served, by the kind of service.
    pub(super) programming: BTreeMap<&'static str, ProgrammingTimes>,
    /// Says what has been asked of the API.
    pub(super) asked: Option<Arc<dyn Fn() -> Asked + Send + Sync>>,
    /// Says how each watched kind is doing.
    pub(super) watched: Option<Arc<dyn Fn() -> BTreeMap<Kind, KindState> + Send + Sync>>,
}

/// How many objects of our own kinds have a condition that does not hold, by kind and reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PolicyCounts(pub(super) BTreeMap<(&'static str, &'static str), u64>);

impl PolicyCounts {
    /// Returns the counts of these. That one is not in force because it was not accepted is said once.
    pub(super) fn of(statuses: &[PolicyStatus]) -> Self {
        let mut counts = Self::default();
        for status in statuses {
            let conditions = status.conditions().into_iter();
            let failing = conditions.filter(|(_, condition)| !condition.holds);
            if let Some((_, condition)) = failing.take(1).next() {
                let key = (status.kind.as_str(), condition.reason);
                *counts.0.entry(key).or_default() += 1;
            }
        }
        counts
    }
}

/// How long changes took to be served.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ProgrammingTimes {
    /// Those below each bound, and above the last one.
    pub(super) places: [u64; Self::BOUNDS + 1],
    pub(super) sum: Duration,
}

impl ProgrammingTimes {
    /// How many bounds there are.
    pub(super) const BOUNDS: usize = 20;

    /// Returns the bounds in seconds: CoreDNS's, from a millisecond to some nine minutes.
    pub(super) fn bounds() -> impl Iterator<Item = f64> {
        (0..Self::BOUNDS).map(|power| 0.001 * f64::from(1_u32 << power))
    }

    #[cfg(any(test, feature = "kubernetes"))]
    pub(super) fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let place = Self::bounds().filter(|bound| *bound < seconds).count();
        self.places[place] += 1;
        self.sum += took;
    }
}

/// What has been asked of the API: by method and outcome, and how long answers took to begin.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) host: Box<str>,
    pub(super) outcomes: Vec<(&'static str, Box<str>, u64)>,
    pub(super) bounds: Vec<f64>,
    /// Those below each bound and above the last one, and the sum in seconds.
    pub(super) times: Vec<(&'static str, Vec<u64>, f64)>,
}

/// What became of the checkpoint file.
#[derive(Debug, Clone, Default)]
pub(super) struct Checkpoint {
    /// How old the state in it is; `None` while none is known to be there.
    pub(super) age: Option<Aged>,
    pub(super) writes: u64,
    pub(super) errors: u64,
}

/// An age that was told at one moment, and grows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Aged {
    at: Instant,
    age: Duration,
}

impl Aged {
    #[cfg(any(test, feature = "kubernetes"))]
    pub(super) fn new(at: Instant, age: Duration) -> Self {
        Self { at, age }
    }

    /// Returns the age by now.
    pub(super) fn by(self, now: Instant) -> Duration {
        self.age + now.saturating_duration_since(self.at)
    }
}

/// How well one kind is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KindState {
    /// The API has given every object once.
    pub(super) synced: bool,
    /// What is known comes from a checkpoint.
    pub(super) restored: bool,
    /// How old what is known is; `None` while nothing is.
    pub(super) age: Option<Duration>,
    /// What is wrong, while something is: one of few words, and no name.
    pub(super) trouble: Option<&'static str>,
    /// Lists begun after the first.
    pub(super) relists: u64,
    /// Failures by reason.
    pub(super) errors: Vec<(&'static str, u64)>,
    /// Objects skipped by reason.
    pub(super) invalid: Vec<(Box<str>, u64)>,
}

impl Progress {
    /// Changes what is known.
    pub(super) fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
    }

    /// Returns what is known.
    pub(super) fn state(&self) -> State {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Whole after every change, whatever happened to who made it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Notes a snapshot that has been published, and what it was made of.
    pub(super) fn published(&mut self, objects: &Objects) {
        self.published += 1;
        for kind in Kind::ALL {
            self.objects.insert(kind, objects.count(kind));
        }
    }

    /// Returns how well each watched kind is known; none where objects come from files.
    pub(super) fn kinds(&self, now: Instant) -> BTreeMap<Kind, KindState> {
        let mut kinds = self
            .watched
            .as_ref()
            .map_or_else(BTreeMap::new, |say| say());
        for (kind, age) in &self.restored {
            // The watch may have given everything before the index has taken it in.
            if let Some(state) = kinds.get_mut(kind) {
                (state.synced, state.restored) = (false, true);
                state.age = Some(age.by(now));
            }
        }
        kinds
    }
}
