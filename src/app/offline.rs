//! The offline source with its index: manifests in, snapshots out.

use super::changes::Next;
use super::files::TableFiles;
use crate::config::Config;
use crate::cow::Seed;
use crate::index::{Configuration, Index};
use crate::manifests::Source;
use crate::model::Kind;
use crate::snapshot::Snapshot;
use std::time::{Duration, Instant};

/// Manifests and what they add up to.
pub(super) struct Offline {
    pub(super) source: Source,
    pub(super) index: Index,
    files: TableFiles,
}

impl Offline {
    /// Reads the configured manifests once.
    ///
    /// # Errors
    /// A path does not exist, or nothing in them can be used.
    pub(super) fn open(config: &Config) -> anyhow::Result<Self> {
        let source = match config.needs_objects() || !config.source.manifests.is_empty() {
            true => Source::open(&config.source.manifests)?,
            false => Source::of_nothing(),
        };
        let Configuration {
            blocks,
            tenancy,
            kinds,
        } = next(config)?.configuration;
        let index = Index::new(&blocks, tenancy, kinds, &Seed::random());
        let files = TableFiles::default();
        let mut offline = Self {
            source,
            index,
            files,
        };
        offline.poll();
        Ok(offline)
    }

    /// Takes in what has changed on disk, and returns whether anything has.
    pub(super) fn poll(&mut self) -> bool {
        let events = self.source.poll();
        let read = self.files.poll(&mut self.index, Instant::now());
        let changed = !events.is_empty() | read;
        events.into_iter().for_each(|event| self.index.apply(event));
        changed
    }

    /// Reads what `next` needs of the objects beside what is known of them.
    pub(super) fn prepare(&mut self, next: &Configuration) -> bool {
        let changed = self.poll();
        loop {
            let kinds = self.index.prepare(next);
            if kinds.is_empty() {
                return changed;
            }
            let events = self.source.everything().into_iter();
            events
                .filter(|event| kinds.contains(&event.kind()))
                .for_each(|event| self.index.apply(event));
            for kind in kinds {
                self.index.given_anew(kind);
            }
        }
    }

    /// Returns the snapshot of now.
    pub(super) fn snapshot(&mut self) -> Snapshot {
        self.files.poll(&mut self.index, Instant::now());
        self.index.snapshot(super::now())
    }
}

/// Returns what the index is made for by a configuration.
///
/// # Errors
/// The host's addresses can't be read.
pub(super) fn next(config: &Config) -> anyhow::Result<Next> {
    Ok(Next {
        configuration: Configuration {
            blocks: super::blocks_with_own_addresses(config)?,
            tenancy: config.tenancy.clone(),
            kinds: Kind::ALL.into(),
        },
        startup_timeout: Duration::ZERO,
        identity_max_age: None,
    })
}
