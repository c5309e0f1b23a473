//! The offline source with its index: manifests in, snapshots out.

use crate::config::Config;
use crate::cow::Seed;
use crate::index::Index;
use crate::manifests::Source;
use crate::model::Kind;
use crate::snapshot::Snapshot;

/// Manifests and what they add up to.
pub(super) struct Offline {
    pub(super) source: Source,
    pub(super) index: Index,
}

impl Offline {
    /// Reads the configured manifests once.
    ///
    /// # Errors
    /// A path does not exist, or nothing in them can be used.
    pub(super) fn open(config: &Config) -> anyhow::Result<Self> {
        let source = Source::open(&config.source.manifests)?;
        let blocks = super::blocks_with_own_addresses(config)?;
        let index = Index::new(&blocks, config.tenancy.clone(), Kind::ALL, &Seed::random());
        let mut offline = Self { source, index };
        offline.poll();
        Ok(offline)
    }

    /// Takes in what has changed on disk, and returns whether anything has.
    pub(super) fn poll(&mut self) -> bool {
        let events = self.source.poll();
        let changed = !events.is_empty();
        events.into_iter().for_each(|event| self.index.apply(event));
        changed
    }

    /// Returns the snapshot of now.
    pub(super) fn snapshot(&mut self) -> Snapshot {
        self.index.snapshot(super::now())
    }
}
