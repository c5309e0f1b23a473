//! TCP (RFC 7766): one thread takes the connections of every listener and answers on all of them.
//!
//! What one connection does is in [`connection`], who may have one in [`slots`]. Every connection
//! belongs to the listener that took it, which ends only when all of them have.

mod connection;
mod slots;

use self::connection::{Connection, Origin};
use self::slots::Slots;
use super::engine::{Answerer, Engine};
use super::stats::Count;
use super::sys::canonical;
use super::waiters::Waiters;
use crate::chain::ListenerId;
use crate::drain::Drain;
use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
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

/// Commands that wait for the thread at most.
pub(super) const COMMANDS: usize = 1024;

/// What the thread is told while it runs.
#[derive(Debug)]
pub(super) enum Command {
    /// Serve one more listener.
    Listen(Listen),
    /// Hold to these limits from now on.
    Limit(Limits),
}

/// A listener to be served.
#[derive(Debug)]
pub(super) struct Listen {
    pub(super) id: ListenerId,
    pub(super) socket: std::net::TcpListener,
    /// Ends the taking of connections.
    pub(super) receiving: Drain,
    /// Ends those that were taken.
    pub(super) connections: Drain,
    /// Held until the last of those has ended.
    pub(super) open: Arc<()>,
}

/// What all connections of the thread share.
pub(super) struct Shared<A> {
    // Never borrowed across an await.
    core: RefCell<Answering<A>>,
    waiters: Waiters,
    slots: Slots,
    limits: Cell<Limits>,
}

/// The engine and the one buffer that answers are written into.
struct Answering<A> {
    engine: Engine<A>,
    scratch: Vec<u8>,
}

impl<A: Answerer> Shared<A> {
    pub(super) fn new(engine: Engine<A>, waiters: Waiters, limits: Limits) -> Self {
        let scratch = vec![0; SCRATCH];
        Self {
            core: RefCell::new(Answering { engine, scratch }),
            waiters,
            slots: Slots::new(limits.connections, limits.per_client),
            limits: Cell::new(limits),
        }
    }

    fn limits(&self) -> Limits {
        self.limits.get()
    }

    fn limit(&self, limits: Limits) {
        self.limits.set(limits);
        self.slots.limit(limits.connections, limits.per_client);
    }

    fn count(&self, what: Count) {
        self.core.borrow().engine.counters.add(what, 1);
    }

    /// Returns how long a connection may be idle after a query, as things stand.
    fn idle(&self) -> Duration {
        let limits = self.limits();
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
                    accepting.spawn_local(accept(shared.clone(), listen));
                }
                Some(Command::Limit(limits)) => shared.limit(limits),
                None => break,
            }
        }
        while accepting.join_next().await.is_some() {}
    });
}

async fn accept<A: Answerer>(shared: Rc<Shared<A>>, listen: Listen) {
    let Listen {
        id,
        socket,
        receiving,
        connections: stop_connections,
        open: _open,
    } = listen;
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
            accepted = take(&shared, &listener) => {
                if let Some((stream, peer)) = accepted {
                    let stop = stop_connections.clone();
                    open(&shared, (id, stop), (stream, peer), &mut connections);
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
                sleep(shared.limits().timeouts.accept_pause).await;
            }
            None
        }
    }
}

fn open<A: Answerer>(
    shared: &Rc<Shared<A>>,
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
        peer,
        local: local.map(|address| canonical(address).ip()),
        stop,
    };
    let connection = Connection::new(shared.clone(), stream, origin);
    connections.spawn_local(async move {
        connection.run().await;
        drop(slot);
    });
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
