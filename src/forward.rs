//! Names that are not ours: upstreams asked on behalf of clients, and their replies checked.
//!
//! A [`Forwarder`] is what workers see: they look into the caches, on their own thread, and hand over
//! what is not there. One thread asks: the same question once, however many want to know, each upstream
//! over sockets that one question has at a time. A reply goes back by the server's [`Resume`].
//!
//! Not here: who may ask for which names (the `forward` step of [`crate::chain`]), and what becomes of
//! a reply ([`crate::answer`]).
//!
//! ```text
//! worker ─► Forwarder::recall ─► cache ─► hit: answered there
//!        └► Forwarder::ask ─► desk ─► flights (one a question) ─► table ─► target ─► connection
//!                               └────◄ check ◄─ cache ◄─ Resume::resume ◄─┘
//! ```

mod asker;
mod connection;
mod desk;
mod flight;
mod hosts;
#[cfg(feature = "encrypted")]
mod https;
mod loops;
mod message;
mod options;
mod random;
mod resolve;
mod stats;
mod table;
mod target;
#[cfg(test)]
mod tests;
mod watch;

pub use options::{
    DohMethod, HealthCheck, Host, MAX_TO, Options, Policy, Scheme, TlsFiles, To, Upstream,
};
pub use resolve::ForwardError;
pub use stats::{BOUNDS, Durations, Lie, Proto, Readings, Stats, ToReadings};
pub use watch::{Exchanged, Watch};

use crate::answer::{Plan, Request};
use crate::cache::{self, Cache, Key, Partition, Recall};
use crate::server::{self, Inquiry, Resume};
use crate::snapshot::Snapshot;
use crate::wire::{QNameBuffer, Query, RType};
use asker::Askers;
use desk::{Job, Refresh};
use loops::Probes;
use resolve::{Resolved, resolve};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::{Notify, mpsc};

/// Queries handed over and not yet taken up at most.
const QUEUE: usize = 4096;

/// Every `[[forward]]` table and `[cache]` at work.
pub struct Forwarder {
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
    state: Mutex<State>,
    watch: Arc<dyn Watch>,
}

/// What workers and the thread share.
struct Shared {
    tables: Vec<Arc<Options>>,
    /// Of each table's upstreams.
    addresses: Vec<Vec<SocketAddr>>,
    caches: Vec<Arc<Cache>>,
    stats: Stats,
    probes: Probes,
    askers: Askers,
    closing: Notify,
}

enum State {
    New(mpsc::Receiver<Job>, Vec<Vec<Resolved>>),
    Running(JoinHandle<()>),
    Ended,
}

impl Forwarder {
    /// Prepares to ask these tables' upstreams; `own` is where this server listens.
    ///
    /// # Errors
    /// A file can't be read or used, or an upstream is this server itself.
    pub fn new(
        tables: &[Options],
        caches: &[cache::Options],
        own: &[SocketAddr],
    ) -> Result<Self, ForwardError> {
        let resolved: Vec<Vec<Resolved>> = tables
            .iter()
            .map(|table| resolve(table, own))
            .collect::<Result<_, _>>()?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        let of_table = |to: &Vec<Resolved>| to.iter().map(|to| to.address).collect();
        let addresses: Vec<Vec<SocketAddr>> = resolved.iter().map(of_table).collect();
        let shared = Shared {
            tables: tables.iter().cloned().map(Arc::new).collect(),
            caches: caches
                .iter()
                .cloned()
                .map(Cache::new)
                .map(Arc::new)
                .collect(),
            stats: Stats::new(addresses.iter().flatten().copied()),
            addresses,
            probes: Probes::default(),
            askers: Askers::default(),
            closing: Notify::new(),
        };
        Ok(Self {
            shared: Arc::new(shared),
            jobs,
            state: Mutex::new(State::New(queue, resolved)),
            watch: Arc::new(watch::Nobody),
        })
    }

    /// Has somebody look on at what is asked of upstreams, from its start on.
    #[must_use]
    pub fn watched_by(self, watch: Arc<dyn Watch>) -> Self {
        Self { watch, ..self }
    }

    /// Returns whether another asks the same upstreams in the same way, and keeps the same. What is read
    /// from certificates' files may always be another.
    pub fn is_like(&self, other: &Self) -> bool {
        let (own, its) = (&*self.shared, &*other.shared);
        let has_files = |table: &Arc<Options>| table.tls != TlsFiles::default();
        own.addresses == its.addresses
            && own.tables == its.tables
            && !own.tables.iter().any(has_files)
            && own.caches.len() == its.caches.len()
            && own
                .caches
                .iter()
                .zip(&its.caches)
                .all(|(a, b)| a.options() == b.options())
    }

    /// Returns what is counted of upstreams.
    pub fn stats(&self) -> &Stats {
        &self.shared.stats
    }

    /// Returns the caches, in the order in which their options were given.
    pub fn caches(&self) -> &[Arc<Cache>] {
        &self.shared.caches
    }

    /// Returns the upstreams through which this server's own questions came back to it: they are not
    /// asked, and the server is not ready.
    pub fn loops(&self) -> Vec<SocketAddr> {
        self.shared.probes.found()
    }
}

impl server::Upstream for Forwarder {
    fn start(&self, resume: Box<dyn Resume>) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = match std::mem::replace(&mut *state, State::Ended) {
            State::New(queue, resolved) => {
                let shared = self.shared.clone();
                State::Running(desk::start(
                    shared,
                    queue,
                    resolved,
                    self.watch.clone(),
                    resume,
                )?)
            }
            other => other,
        };
        Ok(())
    }

    fn recall(
        &self,
        snapshot: &Snapshot,
        request: &Request<'_>,
        plan: &Plan,
        out: &mut [u8],
    ) -> Option<usize> {
        let shared = &*self.shared;
        if plan.qtype == RType::HINFO {
            shared.probes.see(plan.qname.as_wire());
        }
        let mut buffer = QNameBuffer::default();
        let query = Query::parse(request.bytes, &mut buffer).ok()?;
        let (cache, key) = shared.cached(snapshot, &query, plan)?;
        match cache.recall(&key, request.now, request.listener.0) {
            Recall::Miss | Recall::Unless(_) => None,
            Recall::Hit { found, refresh } => {
                if refresh {
                    let refresh = Refresh::new(request.bytes, plan, snapshot, key);
                    self.refresh(refresh, cache, request.now);
                }
                found.write(&query, out)
            }
        }
    }

    fn ask(&self, inquiry: Box<Inquiry>) -> Option<Box<Inquiry>> {
        let job = self.jobs.try_send(Job::Ask(inquiry)).err()?.into_inner();
        self.shared.stats.add(stats::Count::Overflows);
        match job {
            Job::Ask(inquiry) => Some(inquiry),
            Job::Refresh(_) => None,
        }
    }

    fn close(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, State::Ended) {
            State::Running(thread) => {
                self.shared.closing.notify_one();
                thread.join().is_ok()
            }
            State::New(..) | State::Ended => true,
        }
    }
}

impl Forwarder {
    fn refresh(&self, refresh: Refresh, cache: &Cache, now: u64) {
        let refused = self.jobs.try_send(Job::Refresh(Box::new(refresh))).err();
        if let Some(Job::Refresh(refresh)) = refused.map(|error| error.into_inner()) {
            cache.refreshed(&refresh.key, false, now);
        }
    }
}

impl Shared {
    /// Returns the cache that a question is looked up in, and its key there; `None` where it is not.
    fn cached(
        &self,
        snapshot: &Snapshot,
        query: &Query<'_>,
        plan: &Plan,
    ) -> Option<(&Arc<Cache>, Key)> {
        if plan.changes.options.tells_who_asks() {
            return None;
        }
        let table = self.tables.get(usize::from(plan.upstream.0))?;
        let cache = self.caches.get(usize::from(table.cache?))?;
        let partition = Partition {
            upstream: plan.upstream.0,
            tenant: match cache.options().isolation {
                cache::Isolation::Shared => 0,
                cache::Isolation::Tenant => self.askers.number(snapshot, plan.client),
            },
        };
        let key = cache.key(partition, query, plan.qname.as_wire(), plan.qtype)?;
        Some((cache, key))
    }
}

impl fmt::Debug for Forwarder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forwarder")
            .field("tables", &self.shared.tables.len())
            .finish_non_exhaustive()
    }
}
