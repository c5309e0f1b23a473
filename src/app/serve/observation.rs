//! What is seen of the answers while they are given: the answerer that every thread has, and the thread
//! that gathers what they saw. Not what is looked for: [`crate::observe`].

use crate::answer::{DropReason, Outcome, Replied, Request};
use crate::app::journal::{Journal, Losses};
use crate::app::ledger::Ledger;
use crate::app::observer::Observer;
use crate::app::questions::Asking;
use crate::chain::Plugin;
use crate::config::Config;
use crate::observe::{
    self, Audited, Gathered, Recorder, Traffic, TrafficReader, Witness, observe, server_text,
};
use crate::server::{Answerer, Core};
use crate::snapshot::{Identities, Snapshot, SnapshotReader};
use crate::tenancy::{ClientClass, Mode};
use crate::wire::Rcode;
use anyhow::Context;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// What each thread's answerer has its own of.
#[derive(Clone)]
struct Shared {
    witness: Option<Arc<Witness>>,
    traffic: Arc<Traffic>,
    recorder: Arc<Recorder>,
}

/// Reads what was gathered so far.
pub(super) type ReadGathered = Box<dyn Fn() -> Gathered + Send + Sync>;

/// Who looks at the answers, where anybody does.
pub(super) struct Observation {
    shared: Shared,
    journal: Journal,
    /// It has been said that somebody asks whom no source knows.
    said: Arc<AtomicBool>,
    gathered: Option<ReadGathered>,
    observer: Option<Observer>,
}

impl Observation {
    /// Starts to look.
    ///
    /// # Errors
    /// The audit's log can't be written, or no thread be had.
    pub(super) fn start(
        config: &Config,
        reader: &SnapshotReader,
        asking: &Asking,
        servers: &[SocketAddr],
    ) -> anyhow::Result<Self> {
        let journal = Journal::start(&config.written, reader, asking);
        let journal = journal.context("starting a thread")?;
        let mut shared = Shared {
            witness: None,
            traffic: Arc::new(Traffic::new(names(servers))),
            recorder: Arc::new(journal.recorder()),
        };
        let Some(options) = watched(config) else {
            return Ok(Self {
                shared,
                journal,
                said: Arc::default(),
                gathered: None,
                observer: None,
            });
        };
        let (witness, gatherer) = observe(options, RandomState::new().hash_one(0));
        let gathered = gatherer.reader();
        let ledger = Ledger::open(&config.audit, config.tenancy.mode, asking.clone())?;
        let observer = Observer::start(gatherer, reader.clone(), ledger);
        shared.witness = Some(Arc::new(witness));
        Ok(Self {
            shared,
            journal,
            said: Arc::default(),
            gathered: Some(Box::new(gathered)),
            observer: Some(observer.context("starting a thread")?),
        })
    }

    /// Returns what the server's threads answer by.
    pub(super) fn answerer(&self) -> Observed {
        Observed {
            said: self.said.clone(),
            shared: self.shared.clone(),
            witness: None,
            traffic: None,
            recorder: None,
            recalls: false,
        }
    }

    /// Goes on with another configuration, whose listeners have these addresses.
    ///
    /// # Errors
    /// There is no thread to be had for the query log or dnstap.
    #[allow(dead_code, reason = "for whoever exchanges the configuration")]
    pub(super) fn apply(&mut self, config: &Config, servers: &[SocketAddr]) -> anyhow::Result<()> {
        self.traffic().rename(names(servers));
        self.journal
            .apply(&config.written)
            .context("starting a thread")
    }

    /// Returns who reads what the blocks were asked.
    pub(super) fn traffic(&self) -> TrafficReader {
        self.shared.traffic.reader()
    }

    /// Returns what could not be written down so far, now and later.
    pub(super) fn losses(&self) -> Losses {
        self.journal.losses()
    }

    /// Returns what reads the counts, for the pages that show them.
    pub(super) fn take_reader(&mut self) -> Option<ReadGathered> {
        self.gathered.take()
    }

    /// Gathers a last time, and returns whether the thread ended in good order.
    pub(super) fn close(self) -> bool {
        self.observer.is_none_or(Observer::close) & self.journal.close()
    }
}

fn names(servers: &[SocketAddr]) -> impl Iterator<Item = String> + '_ {
    servers.iter().copied().map(server_text)
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
    shared: Shared,
    witness: Option<Witness>,
    traffic: Option<Traffic>,
    recorder: Option<Recorder>,
    /// What is answered next is known from another query.
    recalls: bool,
}

impl Clone for Observed {
    fn clone(&self) -> Self {
        Self {
            said: self.said.clone(),
            shared: self.shared.clone(),
            witness: None,
            traffic: None,
            recorder: None,
            recalls: false,
        }
    }
}

impl Answerer for Observed {
    fn answer(&mut self, snapshot: &Snapshot, request: &Request<'_>, out: &mut [u8]) -> Outcome {
        let outcome = Core.answer(snapshot, request, out);
        self.note(snapshot, request, &outcome, false, out);
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
        let mut failed = false;
        if let Outcome::Reply(_, verdict) = &mut outcome {
            if self.recalls && verdict.plugin == Some(Plugin::Forward) {
                verdict.plugin = Some(Plugin::Cache);
            }
            let silent = replies.iter().any(|replied| replied.reply.is_none());
            failed = silent && verdict.rcode == Rcode::SERVFAIL;
        }
        self.note(snapshot, request, &outcome, failed, out);
        outcome
    }

    fn recalls(&mut self, recalled: bool) {
        self.recalls = recalled;
    }

    fn received(&mut self, at: Instant) {
        if let Some(traffic) = &mut self.traffic {
            traffic.received(at);
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.received(at);
        }
    }

    fn sent(&mut self) {
        if let Some(traffic) = &mut self.traffic {
            traffic.sent();
        }
    }

    fn next(&self) -> Self {
        let shared = &self.shared;
        Self {
            witness: shared.witness.as_ref().map(|witness| witness.next()),
            traffic: Some(Traffic::clone(&shared.traffic)),
            recorder: Some(Recorder::clone(&shared.recorder)),
            ..self.clone()
        }
    }

    fn adopt(&mut self, next: &Self) {
        let same = match (&self.shared.witness, &next.shared.witness) {
            (Some(own), Some(next)) => Arc::ptr_eq(own, next),
            (own, next) => own.is_none() && next.is_none(),
        };
        // What has been counted is not begun anew.
        if !same {
            self.witness = next.shared.witness.as_ref().map(|witness| witness.next());
            self.shared.witness.clone_from(&next.shared.witness);
        }
        self.said = next.said.clone();
    }
}

impl Observed {
    #[inline(always)]
    fn note(
        &mut self,
        snapshot: &Snapshot,
        request: &Request<'_>,
        outcome: &Outcome,
        failed: bool,
        out: &[u8],
    ) {
        let (length, verdict) = match outcome {
            Outcome::Reply(length, verdict) => (length, verdict),
            Outcome::Drop(DropReason::Policy) => {
                if let Some(traffic) = &mut self.traffic {
                    traffic.dropped(snapshot, request);
                }
                return;
            }
            Outcome::Drop(_) | Outcome::Hold | Outcome::Ask(_) => return,
        };
        if let Some(witness) = &mut self.witness {
            witness.saw(snapshot, request, verdict);
        }
        if let Some(traffic) = &mut self.traffic {
            traffic.saw(snapshot, request, verdict, *length);
        }
        if let Some(recorder) = &mut self.recorder {
            let answer = out.get(..*length).unwrap_or_default();
            recorder.saw(request, verdict, failed, answer);
        }
        if verdict.client == Some(ClientClass::Unknown)
            && snapshot.policy.is_enforced()
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
}
