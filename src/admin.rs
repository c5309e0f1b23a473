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

pub use bind::{BindError, Bound, bind};
pub use gate::{Review, Reviewer, Reviewing};
pub use options::{Door, Guarded, Options};

use crate::drain::Drain;
use crate::tls;
use gate::Gate;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use std::{fmt, io};

/// Threads on which the administrator's pages are made, so that no probe waits for one.
const DETAIL_THREADS: usize = 2;

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
        let listeners = {
            let _runtime = runtime.enter();
            let listeners = self
                .listeners
                .into_iter()
                .map(|(socket, routes)| socket.on_runtime().map(|socket| (socket, routes)));
            listeners.collect::<io::Result<Vec<_>>>()?
        };
        let thread = Builder::new().name("admin".into()).spawn(move || {
            runtime.block_on(async {
                for (socket, routes) in listeners {
                    tokio::spawn(listener::run(socket, routes, shown.clone()));
                }
                closed.started().await;
            });
            // A page that is being made has nobody left to read it.
            runtime.shutdown_timeout(Duration::from_secs(1));
        })?;
        Ok(Admin { closing, thread })
    }
}

impl Admin {
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
