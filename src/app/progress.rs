//! How far the index's thread has come, for whoever asks over HTTP. Written after each batch, read by
//! a scrape or a probe; queries know nothing of it.

use crate::index::Objects;
use crate::model::Kind;
#[cfg(feature = "kubernetes")]
use crate::watch::Health;
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
    /// Objects known.
    pub(super) objects: Vec<(Kind, usize)>,
    /// How the watch is doing, where there is one.
    #[cfg(feature = "kubernetes")]
    pub(super) health: Option<Health>,
}

/// How well one kind is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KindState {
    pub(super) kind: Kind,
    /// The API has given every object once.
    pub(super) synced: bool,
    /// How long ago the API was last heard of.
    pub(super) age: Option<Duration>,
    /// What is wrong, while something is.
    pub(super) trouble: Option<&'static str>,
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
        self.objects = vec![
            (Kind::Namespace, objects.namespaces.len()),
            (Kind::Service, objects.services.len()),
            (Kind::EndpointSlice, objects.slices.len()),
            (Kind::Pod, objects.pods.len()),
            (Kind::Node, objects.nodes.len()),
            (Kind::ServiceImport, objects.imports.len()),
        ];
    }

    /// Returns how well each watched kind is known; none where objects come from files.
    #[cfg(feature = "kubernetes")]
    pub(super) fn kinds(&self, now: Instant) -> Vec<KindState> {
        let statuses = self.health.as_ref().map(Health::statuses);
        let state = |(kind, status): (Kind, crate::watch::Status)| KindState {
            kind,
            synced: status.synced,
            age: status
                .heard
                .map(|heard| now.saturating_duration_since(heard)),
            // The API's own words name users and namespaces.
            trouble: status.trouble.map(|_| "in trouble, which the log names"),
        };
        statuses
            .unwrap_or_else(BTreeMap::new)
            .into_iter()
            .map(state)
            .collect()
    }

    /// Returns how well each watched kind is known: none is.
    #[cfg(not(feature = "kubernetes"))]
    pub(super) fn kinds(&self, _now: Instant) -> Vec<KindState> {
        Vec::new()
    }
}
