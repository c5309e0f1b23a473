//! The thread that owns the index, from its start to its end.

use crate::app::changes::Changes;
use crate::app::feed::Feed;
use crate::app::progress::Progress;
use crate::app::questions::Questions;
use crate::drain::Drain;
use crate::snapshot::Publisher;
use anyhow::Context;
use std::thread::{self, JoinHandle};
use tokio::sync::oneshot;

/// The running thread.
pub(super) struct IndexThread(JoinHandle<anyhow::Result<()>>);

impl IndexThread {
    /// Starts to follow the source. `synced` is told when everything has been read once.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn start(
        feed: Feed,
        publisher: Publisher,
        drain: &Drain,
        progress: Progress,
        synced: oneshot::Sender<()>,
        asked: (Questions, Changes),
    ) -> anyhow::Result<Self> {
        let drain = drain.clone();
        let body = move || {
            let result = feed.follow(publisher, &drain, &progress, synced, asked);
            // Without its source the server would serve the past for ever.
            drain.start();
            result
        };
        let thread = thread::Builder::new()
            .name("index".into())
            .spawn(body)
            .context("starting a thread")?;
        Ok(Self(thread))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// The source could not be followed, or the thread ended with a panic.
    pub(super) fn join(self) -> anyhow::Result<()> {
        match self.0.join() {
            Ok(result) => result,
            Err(_) => anyhow::bail!("the index's thread ended with a panic"),
        }
    }
}
