//! What is seen of the answers while they are given: the answerer that every thread has, and the thread
//! that gathers what they saw. Not what is looked for: [`crate::observe`].

use crate::answer::{Outcome, Replied, Request};
use crate::app::ledger::Ledger;
use crate::app::observer::Observer;
use crate::app::questions::Asking;
use crate::config::Config;
use crate::observe::{self, Audited, Gathered, Witness, observe};
use crate::server::{Answerer, Core};
use crate::snapshot::{Identities, Snapshot, SnapshotReader};
use crate::tenancy::{ClientClass, Mode};
use anyhow::Context;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Reads what was gathered so far.
pub(super) type ReadGathered = Box<dyn Fn() -> Gathered + Send + Sync>;

/// Who looks at the answers, where anybody does.
pub(super) struct Observation {
    witness: Option<Arc<Witness>>,
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
    ) -> anyhow::Result<Self> {
        let Some(options) = watched(config) else {
            return Ok(Self {
                witness: None,
                said: Arc::default(),
                gathered: None,
                observer: None,
            });
        };
        let (witness, gatherer) = observe(options, RandomState::new().hash_one(0));
        let gathered = gatherer.reader();
        let ledger = Ledger::open(&config.audit, config.tenancy.mode, asking.clone())?;
        let observer = Observer::start(gatherer, reader.clone(), ledger);
        Ok(Self {
            witness: Some(Arc::new(witness)),
            said: Arc::default(),
            gathered: Some(Box::new(gathered)),
            observer: Some(observer.context("starting a thread")?),
        })
    }

    /// Returns what the server's threads answer by.
    pub(super) fn answerer(&self) -> Observed {
        Observed {
            said: self.said.clone(),
            shared: self.witness.clone(),
            own: None,
        }
    }

    /// Returns what reads the counts, for the pages that show them.
    pub(super) fn take_reader(&mut self) -> Option<ReadGathered> {
        self.gathered.take()
    }

    /// Gathers a last time, and returns whether the thread ended in good order.
    pub(super) fn close(self) -> bool {
        self.observer.is_none_or(Observer::close)
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
pub(super) struct Observed {
    said: Arc<AtomicBool>,
    /// Of whom this thread's witness is one more.
    shared: Option<Arc<Witness>>,
    own: Option<Witness>,
}

impl Clone for Observed {
    fn clone(&self) -> Self {
        Self {
            said: self.said.clone(),
            shared: self.shared.clone(),
            own: None,
        }
    }
}

impl Answerer for Observed {
    fn answer(&mut self, snapshot: &Snapshot, request: &Request<'_>, out: &mut [u8]) -> Outcome {
        let outcome = Core.answer(snapshot, request, out);
        self.note(snapshot, request, &outcome);
        outcome
    }

    fn resume(
        &mut self,
        snapshot: &Snapshot,
        request: &Request<'_>,
        replies: &[Replied<'_>],
        out: &mut [u8],
    ) -> Outcome {
        let outcome = Core.resume(snapshot, request, replies, out);
        self.note(snapshot, request, &outcome);
        outcome
    }

    fn next(&self) -> Self {
        Self {
            own: self.shared.as_ref().map(|witness| witness.next()),
            ..self.clone()
        }
    }

    fn adopt(&mut self, next: &Self) {
        let same = match (&self.shared, &next.shared) {
            (Some(own), Some(next)) => Arc::ptr_eq(own, next),
            (own, next) => own.is_none() && next.is_none(),
        };
        // What has been counted is not begun anew.
        if !same {
            *self = next.next();
        }
    }
}

impl Observed {
    fn note(&mut self, snapshot: &Snapshot, request: &Request<'_>, outcome: &Outcome) {
        let Outcome::Reply(_, verdict) = outcome else {
            return;
        };
        if let Some(witness) = &mut self.own {
            witness.saw(snapshot, request, verdict);
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
