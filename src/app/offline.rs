//! The offline source with its index: manifests in, snapshots out.

use super::hosts::HostsFiles;
use crate::config::Config;
use crate::cow::Seed;
use crate::index::Index;
use crate::manifests::Source;
use crate::model::Kind;
use crate::snapshot::Snapshot;
use std::time::Instant;

/// Manifests and what they add up to.
pub(super) struct Offline {
    pub(super) source: Source,
    pub(super) index: Index,
    hosts: HostsFiles,
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
        let hosts = HostsFiles::default();
        let mut offline = Self {
            source,
            index,
            hosts,
        };
        offline.poll();
        Ok(offline)
    }

    /// Takes in what has changed on disk, and returns whether anything has.
    pub(super) fn poll(&mut self) -> bool {
        let events = self.source.poll();
        let read = self.hosts.poll(&mut self.index, Instant::now());
        let changed = !events.is_empty() | read;
        events.into_iter().for_each(|event| self.index.apply(event));
        changed
    }

    /// Returns the snapshot of now.
    pub(super) fn snapshot(&mut self) -> Snapshot {
        self.hosts.poll(&mut self.index, Instant::now());
        self.index.snapshot(super::now())
    }
}
