//! One kind: its list, then its watch, and what to do when either goes wrong.
//!
//! Nothing is kept here of an object once it is sent to the index, which knows what it has, what a
//! list has not named, and what is older than what it knows. What stays is one version: where the
//! watch goes on.

mod mend;

use super::conditions::Conditions;
use super::decode::{self, Change, Entry, Seen};
use super::fault::{Fault, Refusal};
use super::frames::Frames;
use super::health::Health;
use super::link::{Answer, Due, Link};
use super::list::Items;
use super::pace::{Pace, Timers};
use super::resource::{Ask, Since, Verb};
use crate::index::{Event, Trust, Version};
use crate::model::Kind;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

/// How often a server may say that it is behind before its history counts as replaced.
const BEHIND: u32 = 5;
/// How often what can't be read is asked for again before it counts as an object of no use.
const CORRUPT: u32 = 2;
/// A watch that ends sooner, without an event, is no watch.
const SHORTEST: Duration = Duration::from_secs(1);

/// How far a kind's watch has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Progress {
    /// Everything up to this version has been sent to the index,
    pub(super) version: Version,
    /// and no list is under way.
    pub(super) settled: bool,
}

/// Follows one kind.
pub(super) struct Follower {
    link: Link,
    timers: Timers,
    sender: mpsc::Sender<Event>,
    health: Health,
    progress: watch::Sender<Progress>,
    /// Somebody wants a list.
    wanted: mpsc::Receiver<()>,
    next: Next,
    /// The last version seen; requests never ask for anything older.
    position: Version,
    /// The next list is a plain one: the last one could not be streamed.
    plain: bool,
    /// The next watch has to begin within the grace.
    prompt: bool,
    pace: Pace,
    /// Objects of the list under way.
    listed: usize,
    /// Lists refused in a row because the server is behind.
    behind: u32,
    /// Answers in a row that could not be read.
    corrupt: u32,
    /// Watches refused in a row.
    futile: u32,
    /// It has been said that the cluster does without this kind.
    missed: bool,
    /// The index has been told that there are no objects of this kind, which the cluster does not know.
    absent: bool,
    /// The conditions that objects of our own kinds have.
    conditions: Conditions,
}

/// What to ask for next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    List,
    Watch,
}

/// Why a request ends before its time.
enum Stop {
    /// The index is gone: nobody wants events any more.
    Closed,
    Fault(Fault),
}

impl<F: Into<Fault>> From<F> for Stop {
    fn from(fault: F) -> Self {
        Self::Fault(fault.into())
    }
}

impl Follower {
    pub(super) fn new(
        link: Link,
        timers: Timers,
        sender: mpsc::Sender<Event>,
        health: Health,
        progress: watch::Sender<Progress>,
        wanted: mpsc::Receiver<()>,
    ) -> Self {
        Self {
            link,
            timers,
            sender,
            health,
            progress,
            wanted,
            next: Next::List,
            position: Version::UNKNOWN,
            plain: false,
            prompt: false,
            pace: Pace::default(),
            listed: 0,
            behind: 0,
            corrupt: 0,
            futile: 0,
            missed: false,
            absent: false,
            conditions: Conditions::default(),
        }
    }

    /// Has the conditions noted that objects of our own kinds have.
    pub(super) fn with_conditions(self, conditions: Conditions) -> Self {
        Self { conditions, ..self }
    }

    /// Lists and watches until nobody wants events.
    pub(super) async fn run(mut self) {
        loop {
            if self.wanted.try_recv().is_ok() {
                self.next = Next::List;
            }
            let done = match self.next {
                Next::Watch => self.watch().await,
                Next::List if self.plain => self.list().await,
                Next::List => self.streamed_list().await,
            };
            let done = match done {
                Err(Stop::Fault(fault)) => self.mend(fault).await,
                other => other,
            };
            if matches!(done, Err(Stop::Closed)) {
                return;
            }
        }
    }

    fn kind(&self) -> Kind {
        self.link.resource.kind
    }

    // === lists ===

    /// Returns what a list has to be like. Where the server has said again and again that it does
    /// not know of the last version seen, it has another history (etcd was restored from a backup),
    /// and what it has now is the truth.
    fn since(&self) -> (Since, Trust) {
        if self.behind < BEHIND {
            (Since::Version(self.position), Trust::Newer)
        } else {
            (Since::Now, Trust::Anew)
        }
    }

    async fn begin(&mut self, trust: Trust) -> Result<(), Stop> {
        let kind = self.kind();
        self.health.count(kind, |counts| counts.lists += 1);
        // Whoever wanted one gets this one.
        while self.wanted.try_recv().is_ok() {}
        self.progress
            .send_modify(|progress| progress.settled = false);
        self.send(Event::Listing(kind, trust)).await
    }

    async fn finish(&mut self, version: Version) -> Result<(), Stop> {
        let kind = self.kind();
        let (before, now) = (self.position.0, version.0);
        if version == Version::UNKNOWN {
            return Err(Fault::Corrupt("a list without a resourceVersion".to_owned()).into());
        }
        if self.behind < BEHIND && now < before {
            // What it does not name may be younger than it.
            let text = format!("a list of version {now} where {before} was asked for");
            return Err(Fault::Corrupt(text).into());
        }
        if self.behind >= BEHIND {
            tracing::warn!(
                kind = kind.as_str(),
                before,
                now,
                "the API's history has been replaced: what it has now counts, whatever it had"
            );
        }
        self.send(Event::Synced(kind)).await?;
        let objects = self.listed;
        tracing::info!(kind = kind.as_str(), objects, version = now, "listed");
        self.position = version;
        self.absent = false;
        self.plain = false;
        self.behind = 0;
        self.progressed();
        if self.health.synced(kind) {
            self.recovered();
        }
        self.next = Next::Watch;
        Ok(())
    }

    /// Lists what there is, item by item as the answer comes.
    async fn list(&mut self) -> Result<(), Stop> {
        let (since, trust) = self.since();
        let mut page = Box::default();
        let mut begun = false;
        loop {
            let ask = Ask::List(since, page);
            let mut answer = self.link.ask(&ask, self.silence()).await?;
            if !std::mem::replace(&mut begun, true) {
                self.begin(trust).await?;
            }
            let mut items = Items::new(answer.encoding);
            while let Some(chunk) = answer.next(self.silence()).await? {
                self.came(chunk.as_ref().len());
                items.push(chunk.as_ref());
                while let Some(item) = items.next()? {
                    let entry = decode::entry(self.kind(), answer.encoding, item);
                    self.put(entry).await?;
                }
            }
            let head = items.finish()?;
            if head.next.is_empty() {
                return self.finish(head.version).await;
            }
            page = head.next;
        }
    }

    async fn streamed_list(&mut self) -> Result<(), Stop> {
        let (since, trust) = self.since();
        let answer = self
            .link
            .ask(&Ask::StreamedList(since), self.silence())
            .await?;
        self.begin(trust).await?;
        self.events(answer, true, None).await
    }

    // === watches ===

    async fn watch(&mut self) -> Result<(), Stop> {
        let time = self.timers.watch();
        let due = Due::after(time + self.timers.grace);
        let first = if std::mem::take(&mut self.prompt) {
            Due::after(self.timers.grace)
        } else {
            due
        };
        let began = Instant::now();
        let before = self.position;
        let answer = self
            .link
            .ask(&Ask::Watch(self.position, time), first)
            .await?;
        self.heard();
        self.events(answer, false, Some(due)).await?;
        if self.next == Next::Watch && self.position == before && began.elapsed() < SHORTEST {
            sleep(self.pace.backoff(self.timers.silence())).await;
        }
        Ok(())
    }

    /// Takes the events of one answer: first the list that it may begin with, then what changes.
    /// Without `due` the list's end sets it.
    async fn events(
        &mut self,
        mut answer: Answer,
        mut listing: bool,
        mut due: Option<Due>,
    ) -> Result<(), Stop> {
        let kind = self.kind();
        let mut frames = Frames::new(answer.encoding);
        // The server ends a watch when it was told to. A streamed list has no such time, because
        // nobody knows how long it takes: we end it.
        let ours = due.is_none();
        loop {
            let chunk = tokio::select! {
                chunk = answer.next(due.unwrap_or_else(|| self.silence())) => chunk,
                Some(()) = self.wanted.recv(), if !listing => {
                    self.next = Next::List;
                    return Ok(());
                }
            };
            let chunk = match chunk {
                // What is silent now may have been so from the start: the next one has to be quick.
                Err(Fault::Silent(_)) if ours && !listing => {
                    self.prompt = true;
                    return Ok(());
                }
                other => other?,
            };
            let Some(chunk) = chunk else {
                return self.ended(&frames, listing);
            };
            self.came(chunk.as_ref().len());
            frames.push(chunk.as_ref());
            while let Some(frame) = frames.next()? {
                match decode::change(kind, answer.encoding, frame)? {
                    Change::Put(entry) => {
                        let version = entry.version;
                        self.put(entry).await?;
                        self.reached(version, listing);
                    }
                    Change::Gone(key, version) => {
                        self.conditions.gone(kind, &key);
                        self.send(Event::DeleteAt(kind, key, version)).await?;
                        self.reached(version, listing);
                    }
                    Change::Mark { version, listed } if listing && listed => {
                        self.finish(version).await?;
                        listing = false;
                        due = Some(Due::after(self.timers.watch()));
                    }
                    Change::Mark { version, .. } => self.reached(version, listing),
                    Change::Failed(status) => {
                        return Err(Stop::Fault(Fault::Refused(Refusal {
                            verb: Verb::Watch,
                            retry_after: status.retry_after(),
                            status,
                        })));
                    }
                    Change::Other => {}
                }
            }
            if !listing {
                frames.shrink();
                self.progressed();
                self.heard();
            }
        }
    }

    fn ended(&mut self, frames: &Frames, listing: bool) -> Result<(), Stop> {
        if listing {
            return Err(Fault::Cut("before the end of the list".to_owned()).into());
        }
        if !frames.is_complete() {
            return Err(Fault::Cut("within an event".to_owned()).into());
        }
        self.heard();
        Ok(())
    }

    /// Notes that everything up to a version has come. In a list versions are those of its items.
    fn reached(&mut self, version: Version, listing: bool) {
        if !listing {
            self.position = self.position.max(version);
            self.pace.reset();
            self.corrupt = 0;
            self.futile = 0;
        }
    }

    // === what both do ===

    async fn put(&mut self, entry: Entry) -> Result<(), Stop> {
        let kind = self.kind();
        self.listed += 1;
        if entry.corrupt && self.corrupt < CORRUPT {
            let flaws = entry.flaws.into_iter();
            let text: Vec<_> = flaws.map(|flaw| flaw.message).collect();
            return Err(Fault::Corrupt(text.join(", ")).into());
        }
        for flaw in &entry.flaws {
            if self.health.invalid(kind, &flaw.reason()) {
                let name = match &entry.seen {
                    Seen::Object(object) => object.key().to_string(),
                    Seen::Void(key) => key.to_string(),
                    Seen::Unnamed => "without a name".to_owned(),
                };
                let skipped = !matches!(entry.seen, Seen::Object(_));
                tracing::warn!(
                    kind = kind.as_str(),
                    object = name,
                    field = flaw.field,
                    flaw = flaw.message,
                    skipped,
                    "an object is malformed; more with the same flaw are counted"
                );
            }
        }
        if let (Some(observed), Seen::Object(object)) = (entry.observed, &entry.seen) {
            self.conditions.saw(kind, object.key(), observed);
        }
        match entry.seen {
            Seen::Object(object) => self.send(Event::ApplyAt(object, entry.version)).await,
            Seen::Void(key) => self.send(Event::Void(kind, key, entry.version)).await,
            // As if it did not exist.
            Seen::Unnamed => Ok(()),
        }
    }

    async fn send(&self, event: Event) -> Result<(), Stop> {
        self.sender.send(event).await.map_err(|_| Stop::Closed)
    }

    fn silence(&self) -> Due {
        Due::after(self.timers.silence())
    }

    fn came(&self, bytes: usize) {
        self.health
            .count(self.kind(), |counts| counts.bytes += bytes as u64);
    }

    /// Tells how far the watch has come.
    fn progressed(&mut self) {
        let version = self.position;
        self.progress.send_replace(Progress {
            version,
            settled: true,
        });
    }

    fn heard(&self) {
        if self.health.heard(self.kind()) {
            self.recovered();
        }
    }

    fn recovered(&self) {
        tracing::info!(kind = self.kind().as_str(), "the API answers again");
    }
}
