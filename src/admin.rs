//! The HTTP listeners beside DNS: `/health`, `/ready` and `/metrics`, and the administrator's. What
//! they say is given by [`Pages`]; that it names no tenant, namespace or upstream is the giver's duty,
//! because whoever can ask the server for names can ask these. What may name them is given by
//! [`Details`], and shown on loopback or a Unix socket, or over TLS to whom the cluster permits: a
//! [`Reviewer`] asks it.
//!
//! They must not be in the way of anything: one thread for all of them, few connections, none for
//! long, and nothing that a client sends but its request line matters, and its token where one is
//! needed.

mod bind;
mod gate;
mod listener;
mod options;
mod page;
#[cfg(test)]
mod tests;

pub use bind::{BindError, Bound, bind, bind_with};
pub use gate::{Review, Reviewer, Reviewing};
pub use options::{Door, Guarded, Options};

use crate::drain::Drain;
use crate::tls;
use bind::{Listener, Place};
use gate::Gate;
use page::Routes;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use std::{fmt, io};
use tokio::sync::{mpsc, watch};

/// Threads on which the administrator's pages are made, so that no probe waits for one.
const DETAIL_THREADS: usize = 2;
/// Listeners that wait to be served at most.
const COMMANDS: usize = 64;

/// What the pages say.
pub trait Pages: Send + Sync + 'static {
    /// Returns whether queries should come here, and why, a line for each thing that it depends on.
    fn ready(&self) -> (bool, String);

    /// Returns every series in Prometheus' text format.
    fn metrics(&self) -> String;
}

/// What the administrator's pages say. Called on threads that may wait.
pub trait Details: Send + Sync + 'static {
    /// Returns every series in Prometheus' text format, those of tenants among them.
    fn metrics(&self) -> String;

    /// Returns what is served now, in numbers, as JSON.
    fn snapshot(&self) -> String;

    /// Explains what `from` is answered for a name and a type, as JSON.
    ///
    /// # Errors
    /// The question is wrong, or nobody can answer it now.
    fn explain(&self, from: &str, name: &str, rtype: &str) -> Result<String, Refusal>;
}

/// Why something is not explained, in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// What is asked can't be: 400.
    Wrong(String),
    /// Ask again: 503.
    Busy(String),
}

/// What all listeners show, and who is let in where not everybody is.
#[derive(Clone)]
struct Shown {
    pages: Arc<dyn Pages>,
    details: Arc<dyn Details>,
    gate: Option<Arc<Gate>>,
}

/// The running listeners. They outlive the DNS listeners, so that the last answers are counted and
/// the process is known to live.
pub struct Admin {
    closing: Drain,
    thread: JoinHandle<()>,
    commands: mpsc::Sender<Command>,
    open: Vec<Open>,
    shown: Shown,
}

/// A listener that is served.
struct Open {
    place: Place,
    /// Its socket, for a successor; a Unix socket has a file, which is one server's.
    socket: Option<TcpListener>,
    routes: watch::Sender<Routes>,
    /// Ends it.
    closing: Drain,
}

/// A listener to be served.
struct Command {
    listener: Listener,
    routes: watch::Receiver<Routes>,
    closing: Drain,
    shown: Shown,
}

impl Bound {
    /// Starts to serve `pages`, and to the administrator `details`. Without a `reviewer` nobody gets
    /// these beyond loopback.
    ///
    /// # Errors
    /// The thread can't be started, or the system has no random bits.
    pub fn start(
        self,
        pages: Arc<dyn Pages>,
        details: Arc<dyn Details>,
        reviewer: Option<Arc<dyn Reviewer>>,
    ) -> io::Result<Admin> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(DETAIL_THREADS)
            .build()?;
        let gate = reviewer.map(Gate::new).transpose()?;
        let shown = Shown {
            pages,
            details,
            gate: gate.map(Arc::new),
        };
        let closing = Drain::new();
        let closed = closing.clone();
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let thread = Builder::new().name("admin".into()).spawn(move || {
            runtime.block_on(run(inbox, &closed));
            // A page that is being made has nobody left to read it.
            runtime.shutdown_timeout(Duration::from_secs(1));
        })?;
        let mut admin = Admin {
            closing,
            thread,
            commands,
            open: Vec::new(),
            shown,
        };
        match admin.serve(self) {
            Ok(()) => Ok(admin),
            Err(error) => {
                admin.close();
                Err(error)
            }
        }
    }
}

/// Serves what it is told to until it is closed.
async fn run(mut inbox: mpsc::Receiver<Command>, closed: &Drain) {
    loop {
        let command = tokio::select! {
            () = closed.started() => return,
            command = inbox.recv() => command,
        };
        let Some(Command {
            listener,
            routes,
            closing,
            shown,
        }) = command
        else {
            return;
        };
        // Nothing but want of memory or descriptors keeps a runtime from watching a socket.
        let Ok(socket) = listener.on_runtime() else {
            continue;
        };
        tokio::spawn(async move {
            tokio::select! {
                () = listener::run(socket, routes, shown) => {}
                () = closing.started() => {}
            }
        });
    }
}

impl Admin {
    /// Opens what `options` ask for and is not open.
    ///
    /// # Errors
    /// The first that can't be opened.
    pub fn bind(&self, options: &Options) -> Result<Bound, BindError> {
        let mut listeners = Vec::new();
        for (place, routes) in bind::asked(options) {
            if !self.open.iter().any(|open| open.place.is(&place)) {
                let listener = bind::open_place(&place, None)?;
                listeners.push((place, listener, routes));
            }
        }
        Ok(Bound { listeners })
    }

    /// Serves what `options` ask for and nothing else. `bound` is what [`Admin::bind`] opened for it;
    /// `reviewer` is asked from now on.
    ///
    /// # Errors
    /// The thread is gone, or the system has no random bits.
    pub fn change(
        &mut self,
        options: &Options,
        bound: Bound,
        reviewer: Option<Arc<dyn Reviewer>>,
    ) -> io::Result<()> {
        let gate = reviewer.map(Gate::new).transpose()?;
        self.shown.gate = gate.map(Arc::new);
        let asked = bind::asked(options);
        self.open.retain(|open| {
            let kept = asked.iter().find(|(place, _)| place.is(&open.place));
            match kept {
                Some((_, routes)) => drop(open.routes.send(*routes)),
                None => open.closing.start(),
            }
            kept.is_some()
        });
        self.serve(bound)
    }

    /// Returns the sockets of the listeners that have an address, for a successor: by the address that
    /// was asked for.
    pub fn sockets(&self) -> impl Iterator<Item = (SocketAddr, BorrowedFd<'_>)> {
        self.open.iter().filter_map(|open| {
            let socket = open.socket.as_ref()?.as_fd();
            match &open.place {
                Place::Tcp(address, _) | Place::Tls(Guarded { address, .. }) => {
                    Some((*address, socket))
                }
                Place::Unix(_) => None,
            }
        })
    }

    fn serve(&mut self, bound: Bound) -> io::Result<()> {
        for (place, listener, routes) in bound.listeners {
            let socket = match &listener {
                Listener::Tcp(socket) | Listener::Tls(socket, _) => Some(socket.try_clone()?),
                Listener::Unix(..) => None,
            };
            let (routes, shown) = watch::channel(routes);
            let closing = self.closing.child();
            let command = Command {
                listener,
                routes: shown,
                closing: closing.clone(),
                shown: self.shown.clone(),
            };
            let gone = |_| io::Error::other("the thread of the HTTP listeners takes no more");
            self.commands.try_send(command).map_err(gone)?;
            self.open.push(Open {
                place,
                socket,
                routes,
                closing,
            });
        }
        Ok(())
    }

    /// Closes the listeners and their connections, and returns whether their thread ended in good
    /// order.
    pub fn close(self) -> bool {
        self.closing.start();
        self.thread.join().is_ok()
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}
