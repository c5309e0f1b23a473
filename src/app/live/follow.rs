//! The index's thread while the API is followed: events in, snapshots out, and what time brings:
//! the end of the patience at the start, identities that grow too old, a checkpoint that is due.
//! Not where events come from.

use super::change::Preparing;
use super::freshness::{Freshness, Judgment, News};
use super::programming::Programming;
use super::restore::Restore;
use super::save::{Saver, Step};
use super::source::{Settings, Source};
use crate::app::changes::{Change, Changes};
use crate::app::files::TableFiles;
use crate::app::pages::Ago;
use crate::app::progress::{Aged, Checkpoint, KindState, PolicyCounts, Progress};
use crate::app::questions::{Question, Questions};
use crate::checkpoint::Header;
use crate::commands::findings;
use crate::drain::Drain;
use crate::index::{Event, Index};
use crate::model::Kind;
use crate::snapshot::{Identities, Publisher};
use std::collections::BTreeMap;
use std::pin::pin;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Events that one snapshot takes in at most: it shows at once when the API is quiet, and gathers
/// when it is not.
const BATCH: usize = 4096;
/// Events there is room for between two batches.
const ROOM: usize = 64;
/// How often a snapshot is published before everything has been read: nobody is answered much of it.
const UNSYNCED: Duration = Duration::from_millis(250);
/// How often it is looked what time has brought.
const LOOK: Duration = Duration::from_secs(1);
/// How long the last checkpoint may take once the program is to stop.
const LAST: Duration = Duration::from_secs(10);
/// The kinds that say who asks.
const IDENTITY: [Kind; 2] = [Kind::Namespace, Kind::Pod];

/// What the thread works with.
pub(super) struct Follower {
    pub(super) index: Index,
    publisher: Publisher,
    pub(super) progress: Progress,
    /// Told when queries are answered.
    serving: Option<oneshot::Sender<()>>,
    pub(super) settings: Settings,
    questions: Option<Questions>,
    changes: Option<Changes>,
    /// The configuration that is prepared.
    pub(super) next: Option<Preparing>,
    /// Who is told when the one that was exchanged is published.
    pub(super) exchanged: Option<oneshot::Sender<()>>,
    pub(super) restore: Option<Restore>,
    pub(super) saver: Option<Saver>,
    programming: Programming,
    pub(super) freshness: Freshness,
    identities: Identities,
    files: TableFiles,
    /// Something has changed since the last snapshot.
    pub(super) dirty: bool,
    pub(super) published: Option<Instant>,
    ready: bool,
    /// When to stop waiting for the API; `None` once it has given everything or been waited for.
    patience: Option<Instant>,
    /// When to look what time has brought.
    look: Instant,
    /// How objects of our own kinds fare may have changed since that was said,
    untold: bool,
    /// which was then.
    told: Option<Instant>,
}

/// Tokio's clock, which tests can stop.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Follower {
    /// Returns one that begins to wait now.
    pub(super) fn new(
        index: Index,
        publisher: Publisher,
        progress: Progress,
        serving: oneshot::Sender<()>,
        settings: Settings,
    ) -> Self {
        let start = now();
        let path = settings.checkpoint.as_deref();
        progress.update(|state| state.checkpoint = path.map(|_| Checkpoint::default()));
        Self {
            restore: path.map(|path| {
                let node = settings.node.as_deref();
                Restore::new(path, &settings.kinds, node, &index)
            }),
            saver: path.map(|path| Saver::new(path, start)),
            programming: Programming::default(),
            freshness: Freshness::new(settings.identity_max_age),
            patience: Some(start + settings.startup_timeout),
            index,
            publisher,
            progress,
            serving: Some(serving),
            settings,
            questions: None,
            changes: None,
            next: None,
            exchanged: None,
            identities: Identities::default(),
            files: TableFiles::default(),
            dirty: false,
            published: None,
            ready: false,
            look: start,
            untold: false,
            told: None,
        }
    }

    /// Has questions answered beside it.
    pub(super) fn with_questions(self, questions: Questions) -> Self {
        Self {
            questions: Some(questions),
            ..self
        }
    }

    /// Takes other configurations as they come.
    pub(super) fn with_changes(self, changes: Changes) -> Self {
        Self {
            changes: Some(changes),
            ..self
        }
    }

    /// Follows a source until `drain` is set.
    ///
    /// # Errors
    /// The events have ended.
    pub(super) async fn run(
        mut self,
        source: &mut impl Source,
        drain: &Drain,
    ) -> anyhow::Result<()> {
        let mut batch = Vec::with_capacity(ROOM);
        // Kept from turn to turn: a new timer for each costs more than most events.
        let mut alarm = pin!(tokio::time::sleep_until(self.wake().into()));
        loop {
            let wake = self.wake().into();
            if alarm.deadline() != wake || alarm.is_elapsed() {
                alarm.as_mut().reset(wake);
            }
            tokio::select! {
                () = drain.started() => break,
                count = source.events().recv_many(&mut batch, BATCH) => {
                    anyhow::ensure!(count > 0, "the watch of the API has ended");
                    self.apply(&mut batch, source);
                }
                () = &mut alarm => {}
                step = next(&mut self.saver) => self.save(step),
                change = changed(&mut self.changes) => self.change(change),
                question = asked(&mut self.questions) => {
                    if let Some(questions) = &self.questions {
                        questions.answer(question, &self.index);
                    }
                }
            }
            self.advance(source);
            self.turn(now());
            self.announce();
            self.tell(source);
        }
        if tokio::time::timeout(LAST, self.save_last()).await.is_err() {
            tracing::warn!("the last checkpoint took too long and was given up");
        }
        Ok(())
    }

    /// Takes in what has arrived.
    fn apply(&mut self, batch: &mut Vec<Event>, source: &mut impl Source) {
        let taken = batch.len();
        for mut event in batch.drain(..) {
            self.programming.note(&mut event, self.index.is_synced());
            if let Event::Synced(kind) = &event {
                self.progress.update(|state| {
                    state.restored.remove(kind);
                });
            }
            self.index.apply(event);
        }
        if taken <= ROOM {
            // What a list needed is given back once it has ended.
            batch.shrink_to(ROOM);
        }
        self.dirty = true;
        if let Some(saver) = &mut self.saver {
            saver.changed();
        }
        for kind in self.index.take_lists() {
            tracing::info!(
                kind = kind.as_str(),
                "a DnsGrant selects by labels that were left out: listing again"
            );
            source.list(kind);
        }
        for (kind, objects) in self.index.take_repairs() {
            let name = kind.as_str();
            tracing::warn!(
                kind = name,
                objects,
                "what is known differs from what there is: listing again"
            );
            self.progress.update(|state| {
                *state.repairs.entry(kind).or_default() += objects as u64;
            });
            source.list(kind);
        }
    }

    /// Says how objects of our own kinds fare, where anything has changed that may change it, once a
    /// second at most.
    fn tell(&mut self, source: &impl Source) {
        let now = now();
        let soon = self.told.is_some_and(|told| now < told + LOOK);
        if !self.untold || soon {
            return;
        }
        self.told = Some(now);
        // What is not known from the API itself is no reason to write anything there.
        if !self
            .progress
            .state()
            .kinds(now)
            .values()
            .all(|kind| kind.synced)
        {
            return;
        }
        self.untold = false;
        let statuses = self.index.policy_statuses();
        self.progress
            .update(|state| state.policies = PolicyCounts::of(&statuses));
        source.tell(statuses);
    }

    /// Does what is due.
    fn turn(&mut self, now: Instant) {
        self.dirty |= self.files.poll(&mut self.index, now);
        if self.look <= now || self.is_patience_over(now) {
            self.look = now + LOOK;
            self.look_around(now);
        }
        let throttled = self.published.is_some_and(|at| now < at + UNSYNCED);
        if self.dirty && (self.index.is_synced() || !throttled) {
            self.publish(now);
        }
    }

    /// Does what time brings.
    fn look_around(&mut self, now: Instant) {
        self.publisher.reap();
        let kinds = self.progress.state().kinds(now);
        if self.is_patience_over(now) {
            self.patience = None;
            self.end_patience(now, &kinds);
        }
        // A checkpoint has an age from the moment on at which it is served.
        let kinds = self.progress.state().kinds(now);
        self.judge(now, &kinds);
        if self.saver.as_mut().is_some_and(|saver| saver.is_due(now)) {
            self.begin_checkpoint(now, &kinds);
        }
    }

    fn is_patience_over(&self, now: Instant) -> bool {
        self.patience.is_some_and(|end| end <= now)
    }

    /// Returns when to look again although nothing has happened.
    fn wake(&self) -> Instant {
        let gathered = self.published.filter(|_| self.dirty);
        let gathered = gathered.map(|at| at + UNSYNCED);
        let sooner = [self.patience, gathered].into_iter().flatten().min();
        sooner.map_or(self.look, |sooner| sooner.min(self.look))
    }

    fn publish(&mut self, now: Instant) {
        let mut snapshot = self.index.snapshot(crate::app::now());
        snapshot.identities = self.identities;
        self.publisher.publish(snapshot);
        self.programming
            .published(self.index.objects(), &self.progress);
        (self.dirty, self.published) = (false, Some(now));
        let policies = &self.index.objects().policies;
        // The last one that goes leaves something to be said, too.
        self.untold |= !policies.is_empty() || self.told.is_some();
        let ready = self.index.is_synced();
        self.progress.update(|state| {
            state.published(self.index.objects());
            state.ready |= ready;
            state.expired = self.identities == Identities::Expired;
        });
        if ready && !std::mem::replace(&mut self.ready, true) {
            if self.patience.take().is_some() {
                tracing::info!("every kind has been read once");
            }
            for finding in findings(&self.settings.tenancy, self.index.objects()) {
                tracing::warn!("{finding}");
            }
            self.serve();
        }
    }

    /// Says that queries are answered from now on.
    fn serve(&mut self) {
        if let Some(serving) = self.serving.take() {
            // Whoever waited may have been told to stop instead.
            let _ = serving.send(());
        }
    }

    /// The API has not given everything in the time that it has at the start.
    fn end_patience(&mut self, now: Instant, kinds: &BTreeMap<Kind, KindState>) {
        if self.index.is_synced() {
            return;
        }
        let missing = kinds.iter().filter(|(_, state)| !state.synced);
        let missing: Vec<&str> = missing.map(|(kind, _)| kind.as_str()).collect();
        let missing = missing.join(", ");
        if let Some(restore) = &self.restore {
            match restore.read(&mut self.index) {
                Ok(ages) => {
                    let oldest = ages.values().max().copied().unwrap_or_default();
                    tracing::warn!(
                        missing,
                        age = %Ago(oldest),
                        "the API has not given everything in time: serving from the checkpoint"
                    );
                    let aged = |(kind, age)| (kind, Aged::new(now, age));
                    self.progress.update(|state| {
                        state.restored = ages.into_iter().map(aged).collect();
                        if let Some(checkpoint) = &mut state.checkpoint {
                            checkpoint.age = Some(Aged::new(now, oldest));
                        }
                    });
                    self.dirty = true;
                    return;
                }
                Err(refusal) => {
                    let path = restore.path().display();
                    tracing::warn!(%path, %refusal, "the checkpoint is of no use");
                }
            }
        }
        if self.settings.strict {
            tracing::warn!(
                missing,
                "the API has not given everything yet: answering SERVFAIL"
            );
        } else {
            tracing::warn!(
                missing,
                "the API has not given everything in time: answering from what there is"
            );
            self.serve();
        }
    }

    fn judge(&mut self, now: Instant, kinds: &BTreeMap<Kind, KindState>) {
        let ages = IDENTITY.map(|kind| kinds.get(&kind).and_then(|state| state.age));
        let age = ages.into_iter().flatten().max();
        let Judgment { identities, news } = self.freshness.judge(now, age);
        self.dirty |= identities != self.identities;
        self.identities = identities;
        let age = Ago(age.unwrap_or_default());
        match news {
            Some(News::Expired) => tracing::warn!(
                %age,
                "the API has been away for longer than identity_max_age: every client is unknown"
            ),
            Some(News::Trusted) => tracing::info!("the API is heard again: clients are known"),
            None => {}
        }
    }

    // === checkpoint ===

    fn begin_checkpoint(&mut self, now: Instant, kinds: &BTreeMap<Kind, KindState>) {
        // What is not known from the API itself is not worth a file.
        if !self.index.is_synced() || kinds.values().any(|state| !state.synced) {
            return;
        }
        let Some(saver) = &mut self.saver else { return };
        let unix_time = u64::from(crate::app::now());
        let heard = kinds.iter().filter_map(|(kind, state)| {
            // Rounded up: nothing in the file is older than it says.
            Some((*kind, unix_time.saturating_sub(state.age?.as_secs() + 1)))
        });
        let header = Header {
            heard: heard.collect(),
            node: self.settings.node.clone(),
            kept: self.index.kept(),
        };
        let oldest = kinds.values().filter_map(|state| state.age).max();
        saver.begin(
            &mut self.index,
            header,
            Aged::new(now, oldest.unwrap_or_default()),
        );
    }

    fn save(&mut self, step: Step) {
        match step {
            Step::Room => {
                if let Some(saver) = &mut self.saver {
                    saver.give(&mut self.index);
                }
            }
            Step::Ended(Ok(Some(age))) => self.progress.update(|state| {
                let checkpoint = state.checkpoint.get_or_insert_default();
                checkpoint.age = Some(age);
                checkpoint.writes += 1;
            }),
            Step::Ended(Ok(None)) => {}
            Step::Ended(Err(error)) => {
                tracing::warn!(%error, "the checkpoint can't be written");
                self.progress.update(|state| {
                    state.checkpoint.get_or_insert_default().errors += 1;
                });
            }
        }
    }

    /// Writes the state at the end, so that a successor knows it.
    async fn save_last(&mut self) {
        // One that is being written has the state of its beginning.
        self.finish_saving().await;
        let now = now();
        let kinds = self.progress.state().kinds(now);
        self.begin_checkpoint(now, &kinds);
        self.finish_saving().await;
    }

    async fn finish_saving(&mut self) {
        while self.saver.as_ref().is_some_and(Saver::is_writing) {
            let step = next(&mut self.saver).await;
            self.save(step);
        }
    }
}

async fn changed(changes: &mut Option<Changes>) -> Change {
    match changes {
        Some(changes) => changes.next().await,
        None => std::future::pending().await,
    }
}

async fn asked(questions: &mut Option<Questions>) -> Question {
    match questions {
        Some(questions) => questions.next().await,
        None => std::future::pending().await,
    }
}

async fn next(saver: &mut Option<Saver>) -> Step {
    match saver {
        Some(saver) => saver.next().await,
        None => std::future::pending().await,
    }
}
