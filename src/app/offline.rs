//! The offline source with its index: manifests in, snapshots out.

use crate::config::Config;
use crate::cow::Seed;
use crate::index::Index;
use crate::manifests::Source;
use crate::model::Kind;
use crate::server::interface_addresses;
use crate::snapshot::Snapshot;
use anyhow::Context;
use std::time::{SystemTime, UNIX_EPOCH};

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
        let mut blocks = config.blocks.clone();
        for block in &mut blocks {
            let wildcard = block.listeners.iter().any(|id| {
                let listen = config.server.listen.iter().find(|l| l.id == *id);
                listen.is_some_and(|l| l.address.ip().is_unspecified())
            });
            if let Some(zone) = block.kubernetes.as_mut().filter(|_| wildcard) {
                let host = interface_addresses().context("reading the host's addresses")?;
                zone.own_addresses.extend(host);
                zone.own_addresses.sort_unstable();
                zone.own_addresses.dedup();
            }
        }
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
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        self.index.snapshot(since_epoch.as_secs() as u32)
    }
}
