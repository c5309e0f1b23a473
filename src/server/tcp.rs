//! TCP (RFC 7766): one thread takes the connections of every listener and answers on all of them. What
//! is encrypted has a thread of its own that does the same, so that no handshake is in the way of a
//! query in plain text.
//!
//! What one connection does is in [`connection`], who may have one in [`slots`], what a listener shows
//! in [`serving`]. Every connection belongs to the listener that took it, which ends only when all of
//! them have.

mod connection;
mod serving;
mod slots;
mod transfer;

#[cfg(feature = "encrypted")]
pub(super) use self::connection::Connection;
pub(super) use self::connection::Origin;
pub(super) use self::serving::Serving;
use self::slots::Slots;
use self::transfer::Transfers;

#[cfg(not(feature = "encrypted"))]
use self::connection::Connection;
use super::answerer::Answerer;
use super::engine::Engine;
use super::options::{Scheme, TimeoutOptions};
use super::stats::{Count, Replies};
use super::sys::canonical;
use super::waiters::Waiters;
use crate::chain::ListenerId;
use crate::drain::Drain;
use crate::tls::{self, Pair};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::sleep;

/// Octets of a message over TCP at most: what its length prefix can say.
pub(super) const MAX_MESSAGE: usize = 65_535;
/// Octets of the length prefix.
const PREFIX: usize = 2;
/// Room for one more answer of any size behind those that fill one already: pipelined queries are
/// answered with one write.
const SCRATCH: usize = 2 * (PREFIX + MAX_MESSAGE);

/// How long a TCP peer may take. Values other than the default are for tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From the connection to the first octet.
    pub first: Duration,
    /// From a message's first octet to its last: whoever sends one octet a second never gets there.
    pub message: Duration,
    /// Until the peer has taken what was answered.
    pub write: Duration,
    /// Idle time after a query while more than 80 % of the connections are in use.
    pub pressed_idle: Duration,
    /// Until queries that are held, or asked upstream, have been answered on a connection that
    /// takes no more of them.
    pub late: Duration,
    /// Until connections are taken again after the kernel refused one, for want of descriptors.
    pub accept_pause: Duration,
    /// From one look at the files of certificates to the next.
    pub certificates: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(3),
            message: Duration::from_millis(900),
            write: Duration::from_secs(2),
            pressed_idle: Duration::from_millis(500),
            late: Duration::from_secs(10),
            accept_pause: Duration::from_millis(100),
            certificates: tls::POLL,
        }
    }
}

/// What the thread is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Connections in all.
    pub(super) connections: usize,
    /// Connections of one address.
    pub(super) per_client: usize,
    /// Idle time after a query.
    pub(super) idle: Duration,
    pub(super) timeouts: Timeouts,
}

impl Limits {
    /// Returns the limits of a listener that has timeouts of its own.
    pub(super) fn with(mut self, own: TimeoutOptions) -> Self {
        let times = &mut self.timeouts;
        times.first = own.read.unwrap_or(times.first);
        times.message = own.read.unwrap_or(times.message);
        times.write = own.write.unwrap_or(times.write);
        self.idle = own.idle.unwrap_or(self.idle);
        self
    }
}

/// Commands that wait for the thread at most.
pub(super) const COMMANDS: usize = 1024;

/// What the thread is told while it runs.
#[derive(Debug)]
pub(super) enum Command {
    /// Serve one more listener.
    Listen(Listen),
    /// Hold to these limits from now on.
    Limit(Limits),
    /// Serve a listener's new connections otherwise.
    Change(ListenerId, Service),
}

/// How a listener is served: what one configuration says of it.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) timeouts: TimeoutOptions,
    /// What is shown from now on; `None` for what was shown so far.
    pub(super) pair: Option<Pair>,
}

/// A listener to be served.
#[derive(Debug)]
pub(super) struct Listen {
    pub(super) id: ListenerId,
    pub(super) scheme: Scheme,
    pub(super) socket: Socket,
    pub(super) service: Service,
    /// Where its replies are counted.
    pub(super) replies: Arc<Replies>,
    /// Ends the taking of connections.
    pub(super) receiving: Drain,
    /// Ends those that were taken.
    pub(super) connections: Drain,
    /// Held until the last of those has ended.
    pub(super) open: Arc<()>,
}

/// What a listener takes connections from.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(std::net::TcpListener),
    Quic(std::net::UdpSocket),
}

/// What all connections of the thread share.
pub(super) struct Shared<A> {
    // Never borrowed across an await.
    pub(super) core: RefCell<Answering<A>>,
    pub(super) waiters: Waiters,
    pub(super) slots: Slots,
    transfers: Transfers,
    limits: Cell<Limits>,
    /// Those that take connections, or still have some.
    listeners: RefCell<HashMap<ListenerId, Weak<Serving>>>,
}

/// The engine and the one buffer that answers are written into.
pub(super) struct Answering<A> {
    pub(super) engine: Engine<A>,
    pub(super) scratch: Vec<u8>,
}

impl<A: Answerer> Shared<A> {
    pub(super) fn new(engine: Engine<A>, waiters: Waiters, limits: Limits) -> Self {
        let scratch = vec![0; SCRATCH];
        Self {
            core: RefCell::new(Answering { engine, scratch }),
            waiters,
            slots: Slots::new(limits.connections, limits.per_client),
            transfers: Transfers::default(),
            limits: Cell::new(limits),
            listeners: RefCell::default(),
        }
    }

    /// Returns the limits of a listener with these timeouts.
    pub(super) fn limits(&self, own: TimeoutOptions) -> Limits {
        self.limits.get().with(own)
    }

    fn limit(&self, limits: Limits) {
        self.limits.set(limits);
        self.slots.limit(limits.connections, limits.per_client);
    }

    fn change(&self, id: ListenerId, service: Service) {
        let listeners = self.listeners.borrow();
        if let Some(serving) = listeners.get(&id).and_then(Weak::upgrade) {
            serving.change(service, self.limits.get().timeouts.certificates);
        }
    }

    pub(super) fn count(&self, what: Count) {
        self.core.borrow().engine.counters.add(what, 1);
    }

    /// Returns how long a connection may be idle after a query, as things stand.
    pub(super) fn idle(&self, own: TimeoutOptions) -> Duration {
        let limits = self.limits(own);
        if self.slots.are_scarce() {
            limits.idle.min(limits.timeouts.pressed_idle)
        } else {
            limits.idle
        }
    }
}

/// Does what it is told until the drain is started and the last connection has ended.
pub(super) fn run<A: Answerer>(
    runtime: &Runtime,
    mut commands: mpsc::Receiver<Command>,
    shared: Shared<A>,
    drain: &Drain,
) {
    let shared = Rc::new(shared);
    LocalSet::new().block_on(runtime, async move {
        let mut accepting = JoinSet::new();
        loop {
            let command = tokio::select! {
                biased;
                () = drain.started() => break,
                Some(_) = accepting.join_next() => continue,
                command = commands.recv() => command,
            };
            match command {
                Some(Command::Listen(listen)) => {
                    accepting.spawn_local(serve(shared.clone(), listen));
                }
                Some(Command::Limit(limits)) => shared.limit(limits),
                Some(Command::Change(id, service)) => shared.change(id, service),
                None => break,
            }
        }
        while accepting.join_next().await.is_some() {}
    });
}

async fn serve<A: Answerer>(shared: Rc<Shared<A>>, listen: Listen) {
    let poll = shared.limits.get().timeouts.certificates;
    let serving = Rc::new(Serving::new(listen.scheme, listen.replies));
    serving.change(listen.service, poll);
    shared
        .listeners
        .borrow_mut()
        .retain(|_, known| known.strong_count() > 0);
    let of_id = Rc::downgrade(&serving);
    shared.listeners.borrow_mut().insert(listen.id, of_id);
    let _open = listen.open;
    match listen.socket {
        Socket::Tcp(socket) => {
            let stops = (listen.receiving, listen.connections);
            accept(&shared, &serving, (listen.id, socket), stops).await;
        }
        #[cfg(feature = "encrypted")]
        Socket::Quic(socket) => {
            super::doq::accept(&shared, &serving, (listen.id, socket), &listen.receiving).await;
        }
        #[cfg(not(feature = "encrypted"))]
        Socket::Quic(_) => {}
    }
}

async fn accept<A: Answerer>(
    shared: &Rc<Shared<A>>,
    serving: &Rc<Serving>,
    (id, socket): (ListenerId, std::net::TcpListener),
    (receiving, stop_connections): (Drain, Drain),
) {
    let Ok(listener) = TcpListener::from_std(socket) else {
        // Of descriptors to watch it with there are none: who connects waits in vain, as who is not
        // taken does.
        shared.count(Count::TcpAcceptFailed);
        return;
    };
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(receiving.started());
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            accepted = take(shared, &listener) => {
                if let Some(accepted) = accepted {
                    let stop = stop_connections.clone();
                    open(shared, serving, (id, stop), accepted, &mut connections);
                }
            }
        }
    }
    // Whoever connects from now on is refused by the kernel, and asks another server.
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Takes a connection once there is room for one, or returns `None` after a failure and its pause.
async fn take<A: Answerer>(
    shared: &Shared<A>,
    listener: &TcpListener,
) -> Option<(TcpStream, SocketAddr)> {
    // What finds no room waits in the kernel's backlog: idle connections end soon while room is
    // scarce.
    shared.slots.room().await;
    match listener.accept().await {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            shared.count(Count::TcpAcceptFailed);
            if !is_of_one_connection(&error) {
                // Without descriptors, or memory, the listener stays readable: asking again at
                // once would spin.
                sleep(shared.limits.get().timeouts.accept_pause).await;
            }
            None
        }
    }
}

fn open<A: Answerer>(
    shared: &Rc<Shared<A>>,
    serving: &Rc<Serving>,
    (listener, stop): (ListenerId, Drain),
    (stream, peer): (TcpStream, SocketAddr),
    connections: &mut JoinSet<()>,
) {
    let peer = canonical(peer);
    let Some(slot) = shared.slots.take(peer.ip()) else {
        shared.count(Count::TcpRefused);
        return;
    };
    shared.count(Count::TcpAccepted);
    // An answer is one write: nothing to gather, and a client that waits.
    let _ = stream.set_nodelay(true);
    let local = stream.local_addr().ok();
    let origin = Origin {
        listener,
        scheme: serving.scheme(),
        timeouts: serving.timeouts(),
        peer,
        local: local.map(|address| canonical(address).ip()),
        named: None,
        stop,
    };
    let shared = shared.clone();
    match serving.scheme() {
        Scheme::Dns => {
            let connection = Connection::new(shared, stream, origin);
            connections.spawn_local(async move {
                connection.run().await;
                drop(slot);
            });
        }
        #[cfg(feature = "encrypted")]
        _ => {
            let serving = serving.clone();
            connections.spawn_local(async move {
                super::encrypted::serve(shared, &serving, stream, origin).await;
                drop(slot);
            });
        }
        #[cfg(not(feature = "encrypted"))]
        _ => {}
    }
}

/// Returns whether the failure is that of the connection which was to be taken (accept(2) lists
/// them), and says nothing about the next.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionReset, HostUnreachable, Interrupted, NetworkDown,
        NetworkUnreachable,
    };
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
    )
}

#[cfg(test)]
mod tests;
