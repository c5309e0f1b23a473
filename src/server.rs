//! Sockets: UDP workers, TCP, and the queries that wait for their client to be known.
//!
//! Not here: what is answered ([`crate::answer`]), and what is asked of other servers (an
//! [`Upstream`]). Nothing is global: a process may run several servers.
//!
//! ```text
//! bind ─► Bound ─► Server::start ─┬─ udp      one thread a worker and listener: batch in, batch out
//!                                 ├─ tcp      one thread: every connection
//!                                 └─ waiters  one thread: queries whose client is not known yet
//! Server::open, close ─► listeners come and go; configure ─► threads go on by another configuration
//! Drain::start ─► workers answer what has arrived, connections get FIN ─► Server::join
//! ```

mod bind;
mod engine;
mod held;
mod means;
mod options;
mod proxy;
mod resume;
#[cfg(test)]
mod script;
mod stats;
mod sys;
mod tcp;
mod udp;
mod waiters;

pub use bind::{BindError, Bound, Sockets, bind};
pub use engine::{Answerer, Core};
pub use held::{HeldQuery, Inquiry, Resume, Upstream};
pub use options::{Endpoint, ListenAddress, Options, Scheme};
pub use stats::{Count, Stats};
pub use sys::{descriptor_limit, interface_addresses};
pub use tcp::Timeouts;

use crate::chain::ListenerId;
use crate::drain::{Drain, DrainGuard};
use crate::limits::Limits;
use crate::snapshot::SnapshotReader;
use bind::Listener;
use engine::{Clock, Engine};
use means::{Means, Supply};
use resume::Resumer;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use sys::Datagrams;
use tokio::sync::mpsc;
use waiters::Waiters;

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

/// The running threads of a server, and the sockets that they serve.
pub struct Server<A = Core> {
    supply: Supply<A>,
    reader: SnapshotReader,
    clock: Clock,
    stats: Stats,
    drain: Drain,
    /// Gone once the server is to end: the waiters' thread ends with the last of these.
    waiters: Option<Waiters>,
    tcp: mpsc::Sender<tcp::Command>,
    listeners: Vec<Serving>,
    /// Those that serve no listener of their own.
    threads: Vec<JoinHandle<()>>,
    timeouts: Timeouts,
}

/// One listener that is served.
struct Serving {
    listener: Listener,
    /// Ends the receiving of queries and the taking of connections.
    receiving: Drain,
    /// Ends the connections that were taken.
    connections: Drain,
    workers: Vec<JoinHandle<()>>,
}

/// Listeners whose threads wait for the word to serve. Dropped, they end, and the sockets close.
pub struct Opening {
    listeners: Vec<Serving>,
    go: Vec<SyncSender<()>>,
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
}

impl<A: Answerer> Server<A> {
    /// Starts to serve with another answerer, an upstream or other timeouts.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_with(bound: Bound, setup: &Setup<A>) -> io::Result<Self> {
        let configuration = setup.reader.load().configuration;
        let (inbox, connect) = waiters::channel();
        let (tcp, commands) = mpsc::channel(tcp::COMMANDS);
        let supply = Supply::new(configuration, Means::of(setup));
        let (clock, stats) = (Clock::new(), Stats::default());
        let engine = || {
            let reader = setup.reader.clone();
            Engine::new(supply.clone(), reader, clock, stats.thread())
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let (waiting, drain) = (engine(), setup.drain.clone());
        let thread = spawn(&setup.drain, "waiters", move || {
            waiters::run(waiting, &inbox, &drain);
        })?;
        let waiters = connect(thread.thread().clone());
        let mut server = Self {
            supply: supply.clone(),
            reader: setup.reader.clone(),
            clock,
            stats: stats.clone(),
            drain: setup.drain.clone(),
            waiters: Some(waiters.clone()),
            tcp,
            listeners: Vec::new(),
            threads: vec![thread],
            timeouts: setup.timeouts,
        };
        let (streaming, limits) = (engine(), server.limits(&setup.options));
        let drain = setup.drain.clone();
        let started = spawn(&setup.drain, "tcp", move || {
            let shared = tcp::Shared::new(streaming, waiters, limits);
            tcp::run(&runtime, commands, shared, &drain);
        });
        let started = started.and_then(|thread| {
            server.threads.push(thread);
            server.start_upstream(setup)?;
            server.open(bound)
        });
        match started.and_then(|opening| server.serve(opening)) {
            Ok(()) => Ok(server),
            Err(error) => {
                setup.drain.start();
                server.join();
                Err(error)
            }
        }
    }

    /// Starts the threads of more listeners, which wait for [`Server::serve`].
    ///
    /// # Errors
    /// A thread can't be started; the sockets are closed.
    pub fn open(&self, bound: Bound) -> io::Result<Opening> {
        let mut opening = Opening {
            listeners: Vec::with_capacity(bound.listeners.len()),
            go: Vec::new(),
        };
        for listener in bound.listeners {
            let mut serving = Serving {
                receiving: self.drain.child(),
                connections: self.drain.child(),
                workers: Vec::with_capacity(listener.udp.len()),
                listener,
            };
            for (number, socket) in serving.listener.udp.iter().enumerate() {
                let (go, wait) = sync_channel(1);
                // The kernel shows fifteen characters of it.
                let name = format!("udp-{}-{number}", serving.listener.id.0);
                let worker = self.worker(&serving.listener, socket.clone());
                let (worker, stop) = (worker?, serving.receiving.clone());
                let thread = spawn(&self.drain, &name, move || {
                    if wait.recv().is_ok() {
                        worker.run(&stop);
                    }
                })?;
                serving.workers.push(thread);
                opening.go.push(go);
            }
            opening.listeners.push(serving);
        }
        Ok(opening)
    }

    /// Serves listeners that [`Server::open`] prepared.
    ///
    /// # Errors
    /// The thread of TCP is gone, or has more to do than there could be.
    pub fn serve(&mut self, opening: Opening) -> io::Result<()> {
        for serving in &opening.listeners {
            let Some(socket) = &serving.listener.tcp else {
                continue;
            };
            let taken = tcp::Listen {
                id: serving.listener.id,
                socket: socket.try_clone()?,
                receiving: serving.receiving.clone(),
                connections: serving.connections.clone(),
            };
            self.command(tcp::Command::Listen(taken))?;
        }
        for go in opening.go {
            // A thread that is gone has nothing to serve.
            let _ = go.send(());
        }
        self.listeners.extend(opening.listeners);
        Ok(())
    }

    /// Ends these listeners: what has arrived is answered, connections get FIN, sockets are closed.
    /// Waits for the workers, a quarter of a second at most.
    pub fn close(&mut self, listeners: &[ListenerId]) {
        let is_closed = |serving: &Serving| listeners.contains(&serving.listener.id);
        let closed: Vec<Serving> = {
            let all = std::mem::take(&mut self.listeners).into_iter();
            let (closed, kept) = all.partition(is_closed);
            self.listeners = kept;
            closed
        };
        for serving in &closed {
            serving.receiving.start();
            serving.connections.start();
        }
        for worker in closed.into_iter().flat_map(|serving| serving.workers) {
            // How a thread ended that nobody needs any more is in its counts.
            let _ = worker.join();
        }
    }

    /// Gives the threads what the next configuration says: before its first snapshot is published.
    /// Listeners are opened and closed apart from it.
    ///
    /// # Errors
    /// As [`Server::serve`].
    pub fn configure(&self, configuration: u32, setup: &Setup<A>) -> io::Result<()> {
        self.start_upstream(setup)?;
        self.supply.put(configuration, Means::of(setup));
        let limits = self.limits(&setup.options);
        self.command(tcp::Command::Limit(limits))
    }

    /// Starts whoever is asked for names that are not ours; one that is started stays as it is.
    fn start_upstream(&self, setup: &Setup<A>) -> io::Result<()> {
        let Some(upstream) = &setup.upstream else {
            return Ok(());
        };
        let reader = self.reader.clone();
        let engine = Engine::new(self.supply.clone(), reader, self.clock, self.stats.thread());
        upstream.start(Box::new(Resumer::new(engine)))
    }

    /// Ends the receiving of queries and the taking of connections, on every listener. What has been
    /// taken is answered, and connections live on until the drain is started. Waits for the workers.
    pub fn stop_receiving(&mut self) {
        for serving in &self.listeners {
            serving.receiving.start();
        }
        for serving in &mut self.listeners {
            for worker in serving.workers.drain(..) {
                let _ = worker.join();
            }
        }
    }

    /// Returns the addresses that are served: each as it was asked for, and as it is.
    pub fn listeners(&self) -> impl Iterator<Item = (ListenAddress, SocketAddr)> {
        let listeners = self.listeners.iter().map(|serving| &serving.listener);
        listeners.map(|listener| (listener.asked(), listener.address))
    }

    /// Returns the sockets of every listener, for a successor.
    pub fn sockets(&self) -> impl Iterator<Item = Sockets<'_>> {
        self.listeners
            .iter()
            .map(|serving| serving.listener.sockets())
    }

    /// Returns the counts of all threads.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Waits until every thread has ended, which they do once the drain is started. Returns whether
    /// all of them ended in good order.
    pub fn join(self) -> bool {
        let Self {
            listeners,
            threads,
            waiters,
            supply,
            ..
        } = self;
        drop(waiters);
        let workers = listeners.into_iter().flat_map(|serving| serving.workers);
        let ended = workers.chain(threads).map(JoinHandle::join);
        let ended = ended.fold(true, |good, end| good & end.is_ok());
        // Last: until here, queries came that ask them.
        let upstreams = supply.upstreams().into_iter();
        upstreams.fold(ended, |good, upstream| good & upstream.close())
    }

    fn worker(&self, listener: &Listener, socket: Arc<Datagrams>) -> io::Result<udp::Worker<A>> {
        let ended = || io::Error::other("the server has ended");
        let reader = self.reader.clone();
        Ok(udp::Worker {
            engine: Engine::new(self.supply.clone(), reader, self.clock, self.stats.thread()),
            listener: listener.id,
            socket,
            waiters: self.waiters.clone().ok_or_else(ended)?,
            lost: (!listener.taken_over).then_some(0),
        })
    }

    fn limits(&self, options: &Options) -> tcp::Limits {
        tcp::Limits {
            connections: connections(options.tcp_connections),
            per_client: options.tcp_connections_per_client,
            idle: options.tcp_idle_timeout,
            timeouts: self.timeouts,
        }
    }

    fn command(&self, command: tcp::Command) -> io::Result<()> {
        let gone = |_| io::Error::other("the thread of TCP takes no more commands");
        self.tcp.try_send(command).map_err(gone)
    }
}

impl<A> fmt::Debug for Server<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listeners", &self.listeners.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening")
            .field("listeners", &self.listeners.len())
            .finish_non_exhaustive()
    }
}

/// Starts a thread that the drain waits for.
fn spawn(
    drain: &Drain,
    name: &str,
    run: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let guard: DrainGuard = drain.guard();
    Builder::new().name(name.to_owned()).spawn(move || {
        let _guard = guard;
        run();
    })
}

/// Returns how many connections there may be: no more than half of the descriptors that the process
/// may have, so that what else needs one still gets it.
fn connections(configured: usize) -> usize {
    descriptor_limit().map_or(configured, |limit| configured.min(limit / 2))
}
