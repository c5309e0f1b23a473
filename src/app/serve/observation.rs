//! What is seen of the answers while they are given: the answerer that every thread has, and the thread
//! that gathers what they saw. Not what is looked for: [`crate::observe`].

use crate::answer::{Outcome, Request, Verdict};
use crate::app::journal::{Journal, Losses};
use crate::app::ledger::Ledger;
use crate::app::observer::Observer;
use crate::app::questions::Asking;
use crate::config::Config;
use crate::observe::{
    self, Audited, Gathered, Recorder, Traffic, TrafficReader, Witness, observe, server_text,
};
use crate::server::{Answerer, Core};
use crate::snapshot::{Identities, Snapshot, SnapshotReader};
use crate::tenancy::{ClientClass, Mode};
use anyhow::Context;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Reads what was gathered so far.
pub(super) type ReadGathered = Box<dyn Fn() -> Gathered + Send + Sync>;

/// Who looks at the answers, where anybody does.
pub(super) struct Observation {
    witness: Option<Witness>,
    traffic: Option<Traffic>,
    journal: Journal,
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
        // Where nobody can read them, nothing is counted.
        let read = config.admin.metrics.is_some() || config.admin.admin.is_some();
        let traffic = read.then(|| Traffic::new(servers.iter().copied().map(server_text)));
        let journal = Journal::start(&config.written, reader, asking);
        let journal = journal.context("starting a thread")?;
        let Some(options) = watched(config) else {
            return Ok(Self {
                witness: None,
                traffic,
                journal,
                gathered: None,
                observer: None,
            });
        };
        let (witness, gatherer) = observe(options, RandomState::new().hash_one(0));
        let gathered = gatherer.reader();
        let ledger = Ledger::open(&config.audit, config.tenancy.mode, asking.clone())?;
        let observer = Observer::start(gatherer, reader.clone(), ledger);
        Ok(Self {
            witness: Some(witness),
            traffic,
            journal,
            gathered: Some(Box::new(gathered)),
            observer: Some(observer.context("starting a thread")?),
        })
    }

    /// Returns what the server's threads answer by.
    pub(super) fn answerer(&self) -> Observed {
        Observed {
            said: Arc::default(),
            witness: self.witness.clone(),
            traffic: self.traffic.clone(),
            recorder: self.journal.recorder(),
        }
    }

    /// Returns what could not be written down so far, now and later.
    pub(super) fn losses(&self) -> Losses {
        self.journal.losses()
    }

    /// Returns who reads what the blocks were asked.
    pub(super) fn traffic(&self) -> Option<TrafficReader> {
        self.traffic.as_ref().map(Traffic::reader)
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
#[derive(Clone)]
pub(super) struct Observed {
    said: Arc<AtomicBool>,
    witness: Option<Witness>,
    traffic: Option<Traffic>,
    recorder: Recorder,
}

impl Observed {
    /// Takes note of an answer.
    #[inline(always)]
    fn note(
        &mut self,
        snapshot: &Snapshot,
        request: &Request<'_>,
        verdict: &Verdict,
        answer: &[u8],
    ) {
        if let Some(witness) = &mut self.witness {
            witness.saw(snapshot, request, verdict);
        }
        if let Some(traffic) = &mut self.traffic {
            traffic.saw(snapshot, request, verdict, answer.len());
        }
        self.recorder.saw(request, verdict, answer);
    }
}

impl Answerer for Observed {
    fn answer(&mut self, snapshot: &Snapshot, request: &Request<'_>, out: &mut [u8]) -> Outcome {
        let outcome = Core.answer(snapshot, request, out);
        if let Outcome::Reply(length, verdict) = &outcome {
            let answer = out.get(..*length).unwrap_or_default();
            self.note(snapshot, request, verdict, answer);
        }
        if let Outcome::Reply(_, verdict) = &outcome
            && verdict.client == Some(ClientClass::Unknown)
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
        outcome
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
