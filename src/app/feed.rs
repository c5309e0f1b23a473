//! Where objects come from, as one thing to start and to follow.

use super::changes::{Change, Changes, Next};
use super::conditions::Said;
#[cfg(feature = "kubernetes")]
use super::live::Live;
use super::offline::Offline;
use super::progress::Progress;
use super::questions::Questions;
use crate::commands::findings;
use crate::config::Config;
use crate::drain::Drain;
use crate::snapshot::{Publisher, Snapshot};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;

/// How often manifests are looked at: a change is served within two seconds with room to spare.
const POLL: Duration = Duration::from_millis(500);

/// A source with its index.
pub(super) enum Feed {
    /// Files.
    Manifests(Box<Offline>),
    /// The API.
    #[cfg(feature = "kubernetes")]
    Api(Box<Live>),
}

impl Feed {
    /// Opens the configured source.
    ///
    /// # Errors
    /// Manifests that can't be read. The API need not be there yet.
    pub(super) fn open(config: &Config) -> anyhow::Result<Self> {
        #[cfg(feature = "kubernetes")]
        if config.follows_api() {
            return Ok(Self::Api(Box::new(Live::new(config)?)));
        }
        let offline = Offline::open(config)?;
        for finding in findings(&config.tenancy, offline.index.objects()) {
            tracing::warn!("{finding}");
        }
        Ok(Self::Manifests(Box::new(offline)))
    }

    /// Returns what the index is made for by another configuration of the same source.
    ///
    /// # Errors
    /// The host's addresses can't be read.
    pub(super) fn next(config: &Config) -> anyhow::Result<Next> {
        #[cfg(feature = "kubernetes")]
        if config.follows_api() {
            return super::live::next(config);
        }
        super::offline::next(config)
    }

    /// Returns the snapshot of what has been read so far.
    pub(super) fn snapshot(&mut self) -> Snapshot {
        match self {
            Self::Manifests(offline) => offline.snapshot(),
            #[cfg(feature = "kubernetes")]
            Self::Api(live) => live.index.snapshot(super::now()),
        }
    }

    /// Publishes what changes, until `drain` is set. `synced` is told when everything has been read
    /// once.
    ///
    /// # Errors
    /// The source can't be followed at all.
    pub(super) fn follow(
        self,
        publisher: Publisher,
        drain: &Drain,
        progress: &Progress,
        synced: oneshot::Sender<()>,
        (questions, changes): (Questions, Changes),
    ) -> anyhow::Result<()> {
        match self {
            Self::Manifests(offline) => {
                progress.update(|state| {
                    state.published(offline.index.objects());
                    state.ready = true;
                });
                let mut said = Said::default();
                said.tell(&offline, progress);
                // Whoever waited may have been told to stop instead.
                let _ = synced.send(());
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_time()
                    .build()?;
                let asked = (questions, changes);
                let follow = follow_manifests(*offline, publisher, drain, (progress, said), asked);
                runtime.block_on(follow);
                Ok(())
            }
            #[cfg(feature = "kubernetes")]
            Self::Api(live) => {
                live.follow(publisher, drain, progress, synced, (questions, changes))
            }
        }
    }
}

async fn follow_manifests(
    mut offline: Offline,
    mut publisher: Publisher,
    drain: &Drain,
    (progress, mut said): (&Progress, Said),
    (mut questions, mut changes): (Questions, Changes),
) {
    let mut next: Option<Box<Next>> = None;
    let mut poll = tokio::time::interval(POLL);
    // After a pause that was too long there is one look, not many.
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = drain.started() => return,
            question = questions.next() => {
                questions.answer(question, &offline.index);
                continue;
            }
            change = changes.next() => {
                match change {
                    Change::Prepare(prepared, done) => {
                        if offline.prepare(&prepared.configuration) {
                            publisher.publish(offline.snapshot());
                        }
                        next = Some(prepared);
                        // Whoever waits may have been told to stop instead.
                        let _ = done.send(());
                    }
                    Change::Exchange(done) => {
                        if let Some(next) = next.take() {
                            let tenancy = next.configuration.tenancy.clone();
                            offline.index.exchange(next.configuration);
                            publisher.publish(offline.snapshot());
                            progress.update(|state| state.published(offline.index.objects()));
                            for finding in findings(&tenancy, offline.index.objects()) {
                                tracing::warn!("{finding}");
                            }
                            said.tell(&offline, progress);
                        }
                        let _ = done.send(());
                    }
                }
                continue;
            }
            _ = poll.tick() => {}
        }
        if offline.poll() {
            publisher.publish(offline.snapshot());
            progress.update(|state| state.published(offline.index.objects()));
            said.tell(&offline, progress);
        } else {
            publisher.reap();
        }
    }
}
