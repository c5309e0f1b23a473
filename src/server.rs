//! Sockets: UDP workers, TCP, and the queries that wait for their client to be known.
//!
//! Not here: what is answered ([`crate::answer`]), and what is asked of other servers (an
//! [`Upstream`]). Nothing is global: a process may run several servers.
//!
//! ```text
//! bind ─► Bound ─► Server::start ─┬─ udp      one thread a worker and listener: batch in, batch out
//!                                 ├─ tcp      one thread: every connection
//!                                 └─ waiters  one thread: queries whose client is not known yet
//! Drain::start ─► workers answer what has arrived, connections get FIN ─► Server::join
//! ```

mod bind;
mod engine;
mod held;
mod options;
mod proxy;
#[cfg(test)]
mod script;
mod stats;
mod sys;
mod tcp;
mod udp;
mod waiters;

pub use bind::{BindError, Bound, bind};
pub use engine::{Answerer, Core};
pub use held::{HeldQuery, Upstream};
pub use options::{ListenAddress, Options};
pub use stats::{Count, Stats};
pub use sys::{addresses_of_interface, interface_addresses};
pub use tcp::Timeouts;

use crate::drain::{Drain, DrainGuard};
use crate::limits::Limits;
use crate::snapshot::SnapshotReader;
use engine::{Clock, Engine};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

/// What a server needs beside its sockets.
pub struct Setup<A = Core> {
    /// The `[server]` table.
    pub options: Options,
    /// How long TCP peers may take.
    pub timeouts: Timeouts,
    /// Where the snapshots come from.
    pub reader: SnapshotReader,
    /// When to stop.
    pub drain: Drain,
    /// Who answers for names that are not ours; without one they are answered SERVFAIL.
    pub upstream: Option<Arc<dyn Upstream>>,
    /// How much clients and tenants may ask; without them as much as they like.
    pub limits: Option<Arc<Limits>>,
    /// What answers; each thread gets a clone.
    pub answerer: A,
}

/// The running threads of a server.
pub struct Server {
    threads: Vec<JoinHandle<()>>,
    stats: Stats,
}

impl Server {
    /// Starts to serve on sockets that [`bind()`] opened.
    ///
    /// # Errors
    /// A thread can't be started; those that were, end.
    pub fn start(
        bound: Bound,
        options: Options,
        reader: SnapshotReader,
        drain: Drain,
    ) -> io::Result<Self> {
        let setup = Setup {
            options,
            timeouts: Timeouts::default(),
            reader,
            drain,
            upstream: None,
            limits: None,
            answerer: Core,
        };
        Self::start_with(bound, &setup)
    }

    /// Starts to serve with another answerer, an upstream or other timeouts.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_with<A: Answerer>(bound: Bound, setup: &Setup<A>) -> io::Result<Self> {
        let workers: usize = bound.listeners.iter().map(|each| each.udp.len()).sum();
        let mut starting = Starting {
            setup,
            clock: Clock::new(),
            stats: Stats::new(workers + 2),
            threads: Vec::with_capacity(workers + 2),
        };
        let result = starting.start(bound);
        let Starting { threads, stats, .. } = starting;
        let server = Self { threads, stats };
        match result {
            Ok(()) => Ok(server),
            Err(error) => {
                setup.drain.start();
                server.join();
                Err(error)
            }
        }
    }

    /// Returns the counts of all threads.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Waits until every thread has ended, which they do once the drain is started. Returns whether
    /// all of them ended in good order.
    pub fn join(self) -> bool {
        let ended = self.threads.into_iter().map(JoinHandle::join);
        ended.fold(true, |good, end| good & end.is_ok())
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("threads", &self.threads.len())
            .finish_non_exhaustive()
    }
}

/// A server some of whose threads run.
struct Starting<'s, A> {
    setup: &'s Setup<A>,
    clock: Clock,
    stats: Stats,
    threads: Vec<JoinHandle<()>>,
}

impl<A: Answerer> Starting<'_, A> {
    fn start(&mut self, bound: Bound) -> io::Result<()> {
        let options = &self.setup.options;
        let (inbox, connect) = waiters::channel();
        let engine = self.engine();
        let (drain, wait) = (self.setup.drain.clone(), options.unknown_wait);
        let thread = self.spawn("waiters", move || {
            waiters::run(engine, &inbox, &drain, wait);
        })?;
        let waiters = connect(thread);

        let mut streams = Vec::with_capacity(bound.listeners.len());
        for listener in bound.listeners {
            for (number, socket) in listener.udp.into_iter().enumerate() {
                let worker = udp::Worker {
                    engine: self.engine(),
                    listener: listener.id,
                    socket: Arc::new(socket),
                    waiters: waiters.clone(),
                };
                let drain = self.setup.drain.clone();
                // The kernel shows fifteen characters of it.
                let name = format!("udp-{}-{number}", listener.id.0);
                self.spawn(&name, move || worker.run(&drain))?;
            }
            streams.push((listener.id, listener.tcp));
        }

        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let limits = tcp::Limits {
            connections: connections(options.tcp_connections),
            per_client: options.tcp_connections_per_client,
            idle: options.tcp_idle_timeout,
            timeouts: self.setup.timeouts,
        };
        let listeners = {
            let _runtime = runtime.enter();
            let listeners = streams.into_iter().map(|(id, listener)| {
                tokio::net::TcpListener::from_std(listener).map(|listener| (id, listener))
            });
            listeners.collect::<io::Result<Vec<_>>>()?
        };
        let engine = self.engine();
        let drain = self.setup.drain.clone();
        self.spawn("tcp", move || {
            let shared = tcp::Shared::new(engine, waiters, limits, drain);
            tcp::run(&runtime, listeners, shared);
        })?;
        Ok(())
    }

    /// Returns the engine of the next thread.
    fn engine(&self) -> Engine<A> {
        Engine::new(
            self.setup.answerer.clone(),
            self.setup.reader.clone(),
            self.clock,
            self.stats.thread(self.threads.len()),
            self.setup.upstream.clone(),
            self.setup.limits.clone(),
        )
    }

    fn spawn(
        &mut self,
        name: &str,
        run: impl FnOnce() + Send + 'static,
    ) -> io::Result<std::thread::Thread> {
        let guard: DrainGuard = self.setup.drain.guard();
        let handle = Builder::new().name(name.to_owned()).spawn(move || {
            let _guard = guard;
            run();
        })?;
        let thread = handle.thread().clone();
        self.threads.push(handle);
        Ok(thread)
    }
}

/// Returns how many connections there may be: no more than half of the descriptors that the process
/// may have, so that what else needs one still gets it.
fn connections(configured: usize) -> usize {
    sys::descriptor_limit().map_or(configured, |limit| configured.min(limit / 2))
}
