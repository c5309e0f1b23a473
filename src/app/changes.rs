//! Another configuration on its way to the thread that owns the index: first what it reads beside what
//! is known is read, while the one before stays in force; then the two are exchanged.

use crate::index::Configuration;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Changes that wait at most: the next one is sent when the last one is done.
const WAITING: usize = 2;

/// What the index's thread has to know of a configuration.
#[derive(Debug, Clone)]
pub(super) struct Next {
    pub(super) configuration: Configuration,
    /// How long the API has at the start.
    pub(super) startup_timeout: Duration,
    /// How old identities may get.
    pub(super) identity_max_age: Option<Duration>,
}

/// A step of a change.
#[derive(Debug)]
pub(super) enum Change {
    /// Read what this needs, and say when it is known. It takes the place of one that is prepared.
    Prepare(Box<Next>, oneshot::Sender<()>),
    /// Put what was prepared in force, and say when its first snapshot is published.
    Exchange(oneshot::Sender<()>),
}

/// The receiving end.
pub(super) struct Changes(mpsc::Receiver<Change>);

/// The sending end.
#[derive(Clone)]
pub(super) struct Changing(mpsc::Sender<Change>);

/// Returns both ends.
pub(super) fn changes() -> (Changing, Changes) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Changing(sender), Changes(receiver))
}

impl Changes {
    /// Returns the next step; never where nobody changes anything any more.
    pub(super) async fn next(&mut self) -> Change {
        match self.0.recv().await {
            Some(change) => change,
            None => std::future::pending().await,
        }
    }
}

impl Changing {
    /// Has a configuration prepared, and returns once it is; `None` where the thread has ended.
    pub(super) async fn prepare(&self, next: Next) -> Option<()> {
        let (done, is_done) = oneshot::channel();
        let change = Change::Prepare(Box::new(next), done);
        self.0.send(change).await.ok()?;
        is_done.await.ok()
    }

    /// Puts in force what was prepared, and returns once it is published.
    pub(super) async fn exchange(&self) -> Option<()> {
        let (done, is_done) = oneshot::channel();
        self.0.send(Change::Exchange(done)).await.ok()?;
        is_done.await.ok()
    }
}
