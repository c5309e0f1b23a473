//! The thread that notifies secondaries, where there are any to notify. What it does is
//! [`crate::server::notify`]'s.

use crate::config::Config;
use crate::drain::Drain;
use crate::server::{NotHeard, Notice, notify};
use crate::snapshot::SnapshotReader;
use anyhow::Context;
use std::thread::{self, JoinHandle};

/// The running thread.
pub(super) struct Notifier {
    stop: Drain,
    thread: JoinHandle<()>,
}

/// Returns whether there is anybody to notify, and a serial that moves.
pub(super) fn is_wanted(config: &Config) -> bool {
    let mut transfers = config.blocks.iter().filter_map(|it| it.transfer.as_ref());
    config.tenancy.serial_follows_changes() && transfers.any(|it| it.notified().next().is_some())
}

fn say(notice: &Notice, result: Result<(), NotHeard>) {
    let (zone, secondary, serial) = (&notice.zone, notice.secondary, notice.serial);
    match result {
        Ok(()) => tracing::debug!(%zone, %secondary, serial, "notified a secondary"),
        Err(error) => tracing::warn!(
            %zone, %secondary, %error,
            "a secondary takes no notifications: it sees changes when it looks at the SOA by itself"
        ),
    }
}

impl Notifier {
    /// Starts to notify, where that is wanted: by whatever configuration the snapshots are of.
    ///
    /// # Errors
    /// There is no thread, or no runtime for it, to be had.
    pub(super) fn start(
        config: &Config,
        reader: &SnapshotReader,
        drain: &Drain,
    ) -> anyhow::Result<Option<Self>> {
        if !is_wanted(config) {
            return Ok(None);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .context("starting the notifier's runtime")?;
        let stop = drain.child();
        let (reader, stopped, guard) = (reader.clone(), stop.clone(), drain.guard());
        let thread = thread::Builder::new()
            .name("notifier".into())
            .spawn(move || {
                let _guard = guard;
                runtime.block_on(notify(reader, stopped, say));
            })
            .context("starting the notifier's thread")?;
        Ok(Some(Self { stop, thread }))
    }

    /// Ends it, and returns whether it did in good order.
    pub(super) fn stop(self) -> bool {
        self.stop.start();
        self.thread.join().is_ok()
    }
}
