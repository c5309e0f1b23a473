//! What is seen of the answers while they are given: the answerer that every thread has, and the thread
//! that gathers what they saw. Not what is looked for: [`crate::observe`].

use crate::answer::{
    DropReason, Failure, Outcome, PlainRequest, Replied, Request, Shortcut, Verdict,
};
use crate::app::journal::{Journal, Losses, UpstreamTaps};
use crate::app::ledger::Ledger;
use crate::app::observer::Observer;
use crate::app::pages::{Gathering, ReadGathered};
use crate::app::questions::Asking;
use crate::chain::{ListenerId, Plugin};
use crate::config::Config;
use crate::observe::{self, Audited, Recorder, Traffic, TrafficReader, Witness, observe};
use crate::server::{Answerer, Core};
use crate::snapshot::{Identities, Snapshot, SnapshotReader};
use crate::tenancy::{ClientClass, Mode};
use crate::wire::Rcode;
use anyhow::Context;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Who looks at the answers, where anybody does.
pub(super) struct Observation {
    watching: Option<Watching>,
    /// Who looked under the configuration before: threads may be about to say the last to it.
    former: Option<Watching>,
    gathering: Gathering,
    /// It has been said that somebody asks whom no source knows.
    said: Arc<AtomicBool>,
    traffic: Arc<Traffic>,
    /// Whether anybody can read what is counted.
    counts: bool,
    journal: Journal,
}

/// A witness and who gathers from it.
struct Watching {
    witness: Arc<Witness>,
    /// There until it is closed.
    observer: Option<Observer>,
}

impl Watching {
    /// Gathers a last time, and returns whether the thread ended in good order.
    fn close(&mut self) -> bool {
        self.observer.take().is_none_or(Observer::close)
    }
}

/// One that was prepared may never be needed.
impl Drop for Watching {
    fn drop(&mut self) {
        self.close();
    }
}

/// Who is to look under another configuration.
pub(super) struct Prepared {
    /// Nobody where the same go on.
    other: Option<Option<(Watching, ReadGathered)>>,
    counts: bool,
}

impl Observation {
    /// Starts to look. Listeners are called `servers`, by their numbers.
    ///
    /// # Errors
    /// The audit's log can't be written, or no thread be had.
    pub(super) fn start(
        config: &Config,
        reader: &SnapshotReader,
        asking: &Asking,
        servers: Vec<String>,
    ) -> anyhow::Result<Self> {
        let journal = Journal::start(&config.written, reader, asking, &servers);
        let journal = journal.context("starting a thread")?;
        let mut observation = Self {
            watching: None,
            former: None,
            gathering: Gathering::default(),
            said: Arc::default(),
            traffic: Arc::new(Traffic::new(servers)),
            counts: counts(config),
            journal,
        };
        let watching = watch(config, reader, asking)?;
        observation.look(watching);
        Ok(observation)
    }

    /// Prepares to look as another configuration says.
    ///
    /// # Errors
    /// As [`Observation::start`].
    pub(super) fn prepare(
        &self,
        (before, next): (&Config, &Config),
        reader: &SnapshotReader,
        asking: &Asking,
    ) -> anyhow::Result<Prepared> {
        let same = watched(before) == watched(next)
            && before.audit == next.audit
            && before.tenancy.mode == next.tenancy.mode;
        let other = match same {
            true => None,
            false => Some(watch(next, reader, asking)?),
        };
        Ok(Prepared {
            other,
            counts: counts(next),
        })
    }

    /// Looks as it was prepared, and writes down what the configuration in force says. Listeners are
    /// called `servers`.
    ///
    /// # Errors
    /// There is no thread to be had; then less is written than configured.
    pub(super) fn change(&mut self, prepared: Prepared, config: &Config) -> anyhow::Result<()> {
        self.counts = prepared.counts;
        if let Some(other) = prepared.other {
            self.look(other);
        }
        let applied = self.journal.apply(&config.written);
        applied.context("starting a thread")
    }

    /// Calls the listeners otherwise, from the next configuration on.
    pub(super) fn rename(&self, servers: Vec<String>) {
        self.journal.rename(&servers);
        self.traffic.reader().rename(servers);
    }

    fn look(&mut self, next: Option<(Watching, ReadGathered)>) {
        let (watching, read) = next.unzip();
        self.gathering.change(read);
        let before = std::mem::replace(&mut self.watching, watching);
        if let Some(mut former) = std::mem::replace(&mut self.former, before) {
            former.close();
        }
    }

    /// Returns what the server's threads answer by.
    pub(super) fn answerer(&self) -> Observed {
        let witness = self.watching.as_ref();
        self.answerer_of(witness.map(|it| it.witness.clone()), self.counts)
    }

    /// Returns what they will answer by under the configuration that was prepared.
    pub(super) fn answerer_by(&self, prepared: &Prepared) -> Observed {
        match &prepared.other {
            None => {
                let watching = self.watching.as_ref();
                self.answerer_of(watching.map(|it| it.witness.clone()), prepared.counts)
            }
            Some(other) => {
                let witness = other.as_ref().map(|(it, _)| it.witness.clone());
                self.answerer_of(witness, prepared.counts)
            }
        }
    }

    fn answerer_of(&self, shared: Option<Arc<Witness>>, counts: bool) -> Observed {
        Observed {
            said: self.said.clone(),
            shared,
            witness: None,
            counts: counts.then(|| self.traffic.clone()),
            traffic: None,
            recorder: self.journal.recorder(),
            recalls: false,
            failure: None,
        }
    }

    /// Returns what could not be written down so far, now and later.
    pub(super) fn losses(&self) -> Losses {
        self.journal.losses()
    }

    /// Returns who looks on at what upstreams are asked.
    pub(super) fn upstream_taps(&self) -> UpstreamTaps {
        self.journal.upstreams()
    }

    /// Returns who reads what the blocks were asked.
    pub(super) fn traffic(&self) -> TrafficReader {
        self.traffic.reader()
    }

    /// Returns what reads the counts, for the pages that show them.
    pub(super) fn gathering(&self) -> Gathering {
        self.gathering.clone()
    }

    /// Gathers a last time, and returns whether the threads ended in good order.
    pub(super) fn close(self) -> bool {
        let watching = self.former.into_iter().chain(self.watching);
        let closed = watching.map(|mut watching| watching.close());
        closed.fold(true, |good, closed| good & closed) & self.journal.close()
    }
}

/// Starts to gather, where anything is looked for.
fn watch(
    config: &Config,
    reader: &SnapshotReader,
    asking: &Asking,
) -> anyhow::Result<Option<(Watching, ReadGathered)>> {
    let Some(options) = watched(config) else {
        return Ok(None);
    };
    let (witness, gatherer) = observe(options, RandomState::new().hash_one(0));
    let gathered = Box::new(gatherer.reader());
    let ledger = Ledger::open(&config.audit, config.tenancy.mode, asking.clone())?;
    let observer = Observer::start(gatherer, reader.clone(), ledger);
    let watching = Watching {
        witness: Arc::new(witness),
        observer: Some(observer.context("starting a thread")?),
    };
    Ok(Some((watching, gathered)))
}

/// Returns whether anybody can read what is counted; where nobody can, nothing is.
fn counts(config: &Config) -> bool {
    config.admin.metrics.is_some() || config.admin.admin.is_some()
}

/// Returns what is looked for in what is asked, where anything is.
fn watched(config: &Config) -> Option<observe::Options> {
    let mut options = config.observe;
    options.audited = match config.tenancy.mode {
        Mode::Off => Audited::Nobodys,
        _ if config.audit.enforced => Audited::All,
        Mode::Audit | Mode::Enforce => Audited::Open,
    };
    if config.admin.admin.is_none() {
        // Nobody could read them.
        options.tenants = 0;
    }
    (!options.is_off()).then_some(options)
}

/// Answers as [`Core`], has the answers seen, and says in the log, once, that somebody asks whom no
/// source knows.
pub(super) struct Observed {
    said: Arc<AtomicBool>,
    /// Of whom this thread's witness is one more.
    shared: Option<Arc<Witness>>,
    witness: Option<Witness>,
    /// Likewise.
    counts: Option<Arc<Traffic>>,
    traffic: Option<Traffic>,
    recorder: Recorder,
    /// What is answered next is known from another query.
    recalls: bool,
    /// Why upstreams said nothing to what is answered next.
    failure: Option<Failure>,
}

impl Observed {
    /// Takes note of what came of a query.
    #[inline(always)]
    fn noted(
        &mut self,
        snapshot: &Snapshot,
        request: &Request<'_>,
        (outcome, failure): (&Outcome, Option<&Failure>),
        out: &[u8],
    ) {
        let (length, verdict) = match outcome {
            Outcome::Reply(length, verdict) => (length, verdict),
            // By its first message.
            Outcome::Transfer(transfer) => (&transfer.length, &transfer.verdict),
            Outcome::Drop(DropReason::Policy) => {
                if let Some(traffic) = &mut self.traffic {
                    traffic.dropped(snapshot, request);
                }
                return;
            }
            Outcome::Drop(_) | Outcome::Hold | Outcome::Ask(_) => return,
        };
        let answer = out.get(..*length).unwrap_or_default();
        self.note(snapshot, request, verdict, (answer, failure));
    }

    /// Says in the log, once, that somebody asks whom no source knows.
    #[cold]
    #[inline(never)]
    fn say_unknown(&self, snapshot: &Snapshot, request: &Request<'_>) {
        if snapshot.policy.is_enforced()
            && snapshot.synced
            && snapshot.identities == Identities::Trusted
            && !self.said.load(Ordering::Relaxed)
            && !self.said.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                source = %request.peer.ip().to_canonical(),
                "a query came from an address that is no pod's: it sees only what everybody sees \
                 (said once; give the address to a pod's status.podIPs, or ask with `dig -b`)"
            );
        }
    }

    /// Takes note of an answer.
    #[inline(always)]
    fn note(
        &mut self,
        snapshot: &Snapshot,
        request: &Request<'_>,
        verdict: &Verdict,
        (answer, failure): (&[u8], Option<&Failure>),
    ) {
        if verdict.client == Some(ClientClass::Unknown) {
            self.say_unknown(snapshot, request);
        }
        if let Some(witness) = &mut self.witness {
            witness.saw(snapshot, request, verdict);
        }
        if let Some(traffic) = &mut self.traffic {
            traffic.saw(snapshot, request, verdict, answer.len());
        }
        self.recorder.saw(request, verdict, failure, answer);
    }

    fn own_witness(&self) -> Option<Witness> {
        self.shared.as_ref().map(|witness| witness.next())
    }

    fn own_traffic(&self) -> Option<Traffic> {
        self.counts.as_deref().cloned()
    }
}

/// What threads' answerers are made from: it sees nothing itself.
impl Clone for Observed {
    fn clone(&self) -> Self {
        Self {
            said: self.said.clone(),
            shared: self.shared.clone(),
            witness: None,
            counts: self.counts.clone(),
            traffic: None,
            recorder: self.recorder.clone(),
            recalls: false,
            failure: None,
        }
    }
}

impl Answerer for Observed {
    fn turn_to(&mut self, snapshot: &Snapshot, listener: ListenerId) {
        if let Some(witness) = &mut self.witness {
            witness.turn_to(snapshot);
        }
        if let Some(traffic) = &mut self.traffic {
            traffic.turn_to(snapshot, listener);
        }
    }

    #[inline(always)]
    fn answer_plainly(
        &mut self,
        snapshot: &Snapshot,
        way: &Shortcut<'_>,
        request: PlainRequest<'_, '_>,
        entropy: impl FnOnce() -> u64,
        out: &mut [u8],
    ) -> Option<usize> {
        let (length, verdict) = way.respond(request, entropy, out)?;
        let class = verdict.client?;
        if class == ClientClass::Unknown {
            self.say_unknown(snapshot, &request.whole());
        }
        if let Some(witness) = &mut self.witness {
            witness.saw_plainly(snapshot, request, (&verdict, class));
        }
        if let Some(traffic) = &mut self.traffic {
            traffic.saw_plainly(snapshot, request, &verdict, length);
        }
        if self.recorder.is_wanted() {
            let answer = out.get(..length).unwrap_or_default();
            (self.recorder).saw(&request.whole(), &verdict, None, answer);
        }
        Some(length)
    }

    fn answer(&mut self, snapshot: &Snapshot, request: &Request<'_>, out: &mut [u8]) -> Outcome {
        let outcome = Core.answer(snapshot, request, out);
        self.noted(snapshot, request, (&outcome, None), out);
        outcome
    }

    fn resume(
        &mut self,
        snapshot: &Snapshot,
        request: &Request<'_>,
        replies: &[Replied<'_>],
        out: &mut [u8],
    ) -> Outcome {
        let mut outcome = Core.resume(snapshot, request, replies, out);
        let mut failure = None;
        if let Outcome::Reply(_, verdict) = &mut outcome {
            if self.recalls && verdict.plugin == Some(Plugin::Forward) {
                verdict.plugin = Some(Plugin::Cache);
            }
            // An answer that was found in spite of it is no failure.
            let failed = matches!(verdict.rcode, Rcode::SERVFAIL | Rcode::REFUSED);
            failure = self.failure.filter(|_| failed);
        }
        self.noted(snapshot, request, (&outcome, failure.as_ref()), out);
        outcome
    }

    fn next(&self) -> Self {
        Self {
            witness: self.own_witness(),
            traffic: self.own_traffic(),
            ..self.clone()
        }
    }

    fn adopt(&mut self, next: &Self) {
        let same = match (&self.shared, &next.shared) {
            (Some(own), Some(next)) => Arc::ptr_eq(own, next),
            (own, next) => own.is_none() && next.is_none(),
        };
        // What is counted on with is not begun anew.
        if !same {
            self.shared.clone_from(&next.shared);
            self.witness = self.own_witness();
        }
        if self.counts.is_some() != next.counts.is_some() {
            self.counts.clone_from(&next.counts);
            self.traffic = self.own_traffic();
        }
    }

    fn failed(&mut self, failure: Option<Failure>) {
        self.failure = failure;
    }

    fn recalls(&mut self, recalled: bool) {
        self.recalls = recalled;
    }

    fn received(&mut self, at: Instant) {
        if let Some(traffic) = &mut self.traffic {
            traffic.received(at);
        }
        self.recorder.received(at);
    }

    fn sent(&mut self) {
        if let Some(traffic) = &mut self.traffic {
            traffic.sent();
        }
    }
}
