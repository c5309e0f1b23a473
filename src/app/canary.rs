//! The thread that looks for caches in front. What it does is [`crate::canary`]'s.

use crate::canary::{Sightings, watch};
use crate::config::Config;
use crate::drain::Drain;
use crate::snapshot::SnapshotReader;
use crate::tenancy::Mode;
use anyhow::Context;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// What it needs, before it is started.
pub(super) struct Canary {
    pub(super) sightings: Arc<Sightings>,
    reader: SnapshotReader,
}

/// Prepares to look, where there are forwarders and something may be hidden from somebody.
pub(super) fn begin(config: &Config, reader: &SnapshotReader) -> Option<Canary> {
    let tenancy = &config.tenancy;
    let wanted = !tenancy.forwarders.is_empty() && tenancy.mode != Mode::Off;
    wanted.then(|| Canary {
        sightings: Arc::default(),
        reader: reader.clone(),
    })
}

impl Canary {
    /// Looks until the drain is started.
    ///
    /// # Errors
    /// There is no thread, or no runtime for it, to be had.
    pub(super) fn start(self, drain: &Drain) -> anyhow::Result<JoinHandle<()>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .context("starting the canary's runtime")?;
        let (drain, guard) = (drain.clone(), drain.guard());
        let Self { sightings, reader } = self;
        thread::Builder::new()
            .name("canary".into())
            .spawn(move || {
                let _guard = guard;
                runtime.block_on(watch(reader, drain, &sightings));
            })
            .context("starting the canary's thread")
    }
}
