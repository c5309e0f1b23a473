//! Sockets: UDP workers, TCP, and the queries that wait for their client to be known.
//!
//! Not here: what is answered ([`crate::answer`]), and what is asked of other servers (an
//! [`Upstream`]). Nothing is global: a process may run several servers.
//!
//! ```text
//! bind ─► Bound ─► Server::start ─┬─ udp      one thread a worker and listener: batch in, batch out
//!                                 ├─ tcp      one thread: every connection in plain text
//!                                 ├─ tls      one thread, once there is a listener for it: every
//!                                 │           connection over TLS, HTTPS or QUIC
//!                                 └─ waiters  one thread: queries whose client is not known yet
//! Server::open, close ─► listeners come and go; configure ─► threads go on by another configuration
//! Drain::start ─► workers answer what has arrived, connections get FIN ─► Server::join
//! ```

mod answerer;
mod asking;
mod bind;
#[cfg(feature = "encrypted")]
#[cfg(test)]
mod clients;
#[cfg(feature = "encrypted")]
mod doh;
#[cfg(feature = "encrypted")]
mod doq;
#[cfg(feature = "encrypted")]
mod encrypted;
mod engine;
mod handover;
mod held;
mod means;
mod notify;
mod options;
mod padding;
mod pin;
mod proxy;
mod resume;
#[cfg(test)]
mod script;
#[cfg(feature = "encrypted")]
mod single;
mod stats;
mod sys;
mod tcp;
mod threads;
mod udp;
mod waiters;

pub use answerer::{Answerer, Core};
pub use bind::{BindError, Bound, Sockets, bind, bind_with, certificate_errors};
pub use handover::{HandoverDoor, HandoverError, Inherited, Predecessor, Successor};
pub use held::{HeldQuery, Inquiry, Resume, Upstream};
pub use notify::{NotHeard, Notice, notify};
pub use options::{Endpoint, ListenAddress, Options, Scheme, TimeoutOptions};
pub use pin::PinError;
pub use stats::{Count, Replies, Stats};
pub use sys::{addresses_of_interface, descriptor_limit, interface_addresses};
pub use tcp::Timeouts;

use crate::chain::ListenerId;
use crate::drain::Drain;
use crate::limits::Limits;
use crate::snapshot::SnapshotReader;
use bind::Listener;
use engine::{Clock, Engine};
use means::{Means, Supply};
use pin::Cpus;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;
use threads::{limits, spawn, spawn_on};
use tokio::sync::mpsc;
use waiters::Waiters;

/// How often it is looked whether everything taken has been answered.
const SETTLING: Duration = Duration::from_millis(10);

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
    /// The same for what is encrypted, once there is such a listener.
    encrypted: Option<mpsc::Sender<tcp::Command>>,
    limits: tcp::Limits,
    cpus: Cpus,
    /// Why some worker is not held to one of them.
    unpinned: Option<PinError>,
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
    /// Held until the last of them has ended.
    taken: Weak<()>,
    workers: Vec<JoinHandle<()>>,
}

/// Listeners whose threads wait for the word to serve. Dropped, they end, and the sockets close.
pub struct Opening {
    listeners: Vec<Serving>,
    go: Vec<SyncSender<()>>,
    unpinned: Option<PinError>,
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
        let reader = setup.reader.clone();
        let engine = Engine::new(supply.clone(), reader, clock, stats.thread());
        let drain = setup.drain.clone();
        let (cpus, unpinned) = Cpus::asked(setup.options.pin);
        let thread = spawn(&setup.drain, "waiters", move || {
            waiters::run(engine, &inbox, &drain);
        })?;
        let mut server = Self {
            supply,
            reader: setup.reader.clone(),
            clock,
            stats,
            drain: setup.drain.clone(),
            waiters: Some(connect(thread.thread().clone())),
            tcp,
            encrypted: None,
            limits: limits(&setup.options, setup.timeouts),
            cpus,
            unpinned,
            listeners: Vec::new(),
            threads: vec![thread],
            timeouts: setup.timeouts,
        };
        let started = server.start_streams("tcp", commands).and_then(|()| {
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

    /// Opens the sockets of the listeners that are not served already.
    ///
    /// # Errors
    /// As [`bind()`]; or one that is served can't show what it is to show from now on.
    pub fn bind(&self, options: &Options) -> Result<Bound, BindError> {
        self.changes(options)?;
        let served: Vec<_> = self.listeners().collect();
        bind::bind_beside(options, &served, Inherited::default())
    }

    /// Starts the threads of more listeners, which wait for [`Server::serve`].
    ///
    /// # Errors
    /// A thread can't be started; the sockets are closed.
    pub fn open(&self, bound: Bound) -> io::Result<Opening> {
        let mut opening = Opening {
            listeners: Vec::with_capacity(bound.listeners.len()),
            go: Vec::new(),
            unpinned: None,
        };
        for listener in bound.listeners {
            let mut serving = Serving {
                receiving: self.drain.child(),
                connections: self.drain.child(),
                taken: Weak::new(),
                workers: Vec::with_capacity(listener.udp.len()),
                listener,
            };
            for (number, socket) in serving.listener.udp.iter().enumerate() {
                let (go, wait) = sync_channel(1);
                // The kernel shows fifteen characters of it.
                let name = format!("udp-{}-{number}", serving.listener.id.0);
                let worker = self.worker(&serving.listener, socket.clone());
                let (worker, stop) = (worker?, serving.receiving.clone());
                let cpu = self.cpus.of(number);
                let (thread, unpinned) = spawn_on(&self.drain, &name, cpu, move || {
                    if wait.recv().is_ok() {
                        worker.run(&stop);
                    }
                })?;
                serving.workers.push(thread);
                opening.unpinned = opening.unpinned.or(unpinned);
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
    pub fn serve(&mut self, mut opening: Opening) -> io::Result<()> {
        for serving in &mut opening.listeners {
            let open = Arc::new(());
            serving.taken = Arc::downgrade(&open);
            let listener = &mut serving.listener;
            let socket = match (&listener.tcp, &listener.quic) {
                (Some(tcp), _) => tcp::Socket::Tcp(tcp.try_clone()?),
                (None, Some(quic)) => tcp::Socket::Quic(quic.try_clone()?),
                (None, None) => continue,
            };
            let scheme = listener.asked.scheme;
            let taken = tcp::Listen {
                id: listener.id,
                scheme,
                socket,
                service: tcp::Service {
                    timeouts: listener.timeouts,
                    pair: listener.pair.take(),
                },
                replies: self.stats.replies_at(listener.asked),
                receiving: serving.receiving.clone(),
                connections: serving.connections.clone(),
                open,
            };
            if scheme.is_encrypted() && self.encrypted.is_none() {
                let (sender, commands) = mpsc::channel(tcp::COMMANDS);
                self.start_streams("tls", commands)?;
                self.encrypted = Some(sender);
            }
            self.command(scheme, tcp::Command::Listen(taken))?;
        }
        for go in opening.go {
            // A thread that is gone has nothing to serve.
            let _ = go.send(());
        }
        self.unpinned = self.unpinned.or(opening.unpinned);
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
    /// Listeners are opened and closed apart from it; what those show that stay is changed here.
    ///
    /// # Errors
    /// A certificate can't be shown, and nothing is changed; or as [`Server::serve`].
    pub fn configure(&mut self, configuration: u32, setup: &Setup<A>) -> io::Result<()> {
        let changes = self.changes(&setup.options).map_err(io::Error::other)?;
        self.start_upstream(setup)?;
        self.supply.put(configuration, Means::of(setup));
        self.limits = limits(&setup.options, self.timeouts);
        self.command(Scheme::Dns, tcp::Command::Limit(self.limits))?;
        if self.encrypted.is_some() {
            self.command(Scheme::Tls, tcp::Command::Limit(self.limits))?;
        }
        for listener in self
            .listeners
            .iter_mut()
            .map(|serving| &mut serving.listener)
        {
            if changes.iter().any(|(listen, _)| listen.id == listener.id) {
                listener.shows = setup.options.tls_of(listener.asked).cloned();
            }
        }
        for (listen, service) in changes {
            self.command(listen.scheme, tcp::Command::Change(listen.id, service))?;
        }
        Ok(())
    }

    /// Reads what the listeners that stay are served with from now on.
    fn changes(&self, options: &Options) -> Result<Vec<(ListenAddress, tcp::Service)>, BindError> {
        let asked = |endpoint| options.listen.iter().any(|l| l.endpoint() == endpoint);
        let served = self.listeners.iter().map(|serving| &serving.listener);
        let staying = served.filter(|listener| asked(listener.asked));
        let changes = staying.map(|listener| {
            let endpoint = listener.asked;
            let pair = match listener.shows.as_ref() == options.tls_of(endpoint) {
                true => None,
                false => bind::pair(options, endpoint)?,
            };
            let timeouts = options.timeouts_of(endpoint);
            Ok((listener.asked(), tcp::Service { timeouts, pair }))
        });
        changes.collect()
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

    /// Returns once what was taken before [`Server::stop_receiving`] is answered, and every connection
    /// has ended.
    pub async fn settled(&self) {
        let mut pause = tokio::time::interval(SETTLING);
        let is_idle = |serving: &Serving| {
            // Whoever has a query to answer has its socket.
            let udp = &serving.listener.udp;
            udp.iter().all(|socket| Arc::strong_count(socket) == 1)
                && serving.taken.strong_count() == 0
        };
        while !self.listeners.iter().all(is_idle) {
            pause.tick().await;
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

    /// Returns why a worker is not held to a CPU although all are to be: what the kernel said first. It
    /// serves all the same.
    pub fn unpinned(&self) -> Option<PinError> {
        self.unpinned
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
