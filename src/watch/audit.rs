//! Now and then, what there is of a kind, for the index to compare with what it knows: a server, or
//! something before it, may lose an event and never say so.

use super::decode::named;
use super::fault::Fault;
use super::follow::Progress;
use super::health::Health;
use super::link::{Due, Link};
use super::list::Items;
use super::pace::{Pace, Timers};
use super::resource::{Ask, Since};
use crate::index::{Audit, Event, Version};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

/// How often a list is tried before the next turn is waited for.
const TRIES: usize = 3;

/// Compares one kind.
pub(super) struct Auditor {
    pub(super) link: Link,
    pub(super) timers: Timers,
    pub(super) sender: mpsc::Sender<Event>,
    pub(super) health: Health,
    pub(super) progress: watch::Receiver<Progress>,
    /// Has the follower list again.
    pub(super) want: mpsc::Sender<()>,
}

impl Auditor {
    /// Compares again and again until nobody wants events.
    pub(super) async fn run(mut self) {
        let resource = self.link.resource;
        while !self.sender.is_closed() {
            sleep(self.timers.audit()).await;
            let mut pace = Pace::default();
            for attempt in 1..=TRIES {
                let Err(fault) = self.audit().await else {
                    break;
                };
                // Of the connection, which is the same for both, the watch tells.
                if matches!(fault, Fault::Refused(_) | Fault::Corrupt(_)) {
                    let text = format!("{} (while comparing)", fault.text(resource));
                    if self.health.doubt(resource.kind, &fault, text.clone()) {
                        tracing::warn!("{text}");
                    }
                }
                // Behind what has been seen, for so long: the follower finds out why.
                if attempt == TRIES && is_too_new(&fault) {
                    let _ = self.want.try_send(());
                }
                sleep(pace.pause(&fault)).await;
            }
        }
    }

    async fn audit(&mut self) -> Result<(), Fault> {
        let from = *self.progress.borrow();
        // A list under way, or still to come, says more than a comparison.
        if !from.settled {
            return Ok(());
        }
        let mut progress = self.progress.clone();
        let (at, listed) = tokio::select! {
            list = self.list(from.version) => list?,
            // One list of a kind at a time, and the follower's comes first.
            _ = progress.wait_for(|progress| !progress.settled) => return Ok(()),
        };
        let kind = self.link.resource.kind;
        self.health.certain(kind);
        let caught_up = |progress: &Progress| progress.settled && progress.version >= at;
        // The watch tells how far it has come at its end at the latest.
        let wait = timeout(self.timers.silence(), self.progress.wait_for(caught_up));
        if !matches!(wait.await, Ok(Ok(_))) {
            return Ok(());
        }
        let audit = Audit { kind, at, listed };
        self.health.count(kind, |counts| counts.audits += 1);
        // Nobody wants it any more: the loop ends.
        let _ = self.sender.send(Event::Audit(Box::new(audit))).await;
        Ok(())
    }

    /// Lists what there is: the version, and each object's digest and version.
    async fn list(&self, from: Version) -> Result<(Version, Vec<(u64, Version)>), Fault> {
        let kind = self.link.resource.kind;
        let silence = || Due::after(self.timers.silence());
        let mut listed = Vec::new();
        let mut page = Box::default();
        loop {
            let ask = Ask::Metadata(Since::Version(from), page);
            let mut answer = self.link.ask(&ask, silence()).await?;
            let mut items = Items::new(answer.encoding);
            while let Some(chunk) = answer.next(silence()).await? {
                let bytes = chunk.as_ref();
                self.health
                    .count(kind, |counts| counts.bytes += bytes.len() as u64);
                items.push(bytes);
                while let Some(item) = items.next()? {
                    let (key, version) = named(kind, answer.encoding, item)?;
                    listed.push((key.digest(), version));
                }
            }
            let head = items.finish()?;
            if head.next.is_empty() {
                return Ok((head.version, listed));
            }
            page = head.next;
        }
    }
}

fn is_too_new(fault: &Fault) -> bool {
    matches!(fault, Fault::Refused(refusal) if refusal.status.is_too_new())
}
