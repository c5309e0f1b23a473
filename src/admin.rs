//! The HTTP listeners beside DNS: `/health`, `/ready` and `/metrics`. What they say is given by
//! [`Pages`]; that it names no tenant, namespace or upstream is the giver's duty, because whoever can
//! ask the server for names can ask these.
//!
//! They must not be in the way of anything: one thread for all of them, few connections, none for
//! long, and nothing that a client sends but its request line matters.

mod bind;
mod listener;
mod options;
mod page;
#[cfg(test)]
mod tests;

pub use bind::{BindError, Bound, bind};
pub use options::Options;

use crate::drain::Drain;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::{fmt, io};

/// What the pages say.
pub trait Pages: Send + Sync + 'static {
    /// Returns whether queries should come here, and why, a line for each thing that it depends on.
    fn ready(&self) -> (bool, String);

    /// Returns every series in Prometheus' text format.
    fn metrics(&self) -> String;
}

/// The running listeners. They outlive the DNS listeners, so that the last answers are counted and
/// the process is known to live.
pub struct Admin {
    closing: Drain,
    thread: JoinHandle<()>,
}

impl Bound {
    /// Starts to serve `pages`.
    ///
    /// # Errors
    /// The thread can't be started.
    pub fn start(self, pages: Arc<dyn Pages>) -> io::Result<Admin> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let closing = Drain::new();
        let closed = closing.clone();
        let listeners = {
            let _runtime = runtime.enter();
            let listeners = self.listeners.into_iter().map(|(socket, routes)| {
                tokio::net::TcpListener::from_std(socket).map(|socket| (socket, routes))
            });
            listeners.collect::<io::Result<Vec<_>>>()?
        };
        let thread = Builder::new().name("admin".into()).spawn(move || {
            runtime.block_on(async {
                for (socket, routes) in listeners {
                    tokio::spawn(listener::run(socket, routes, pages.clone()));
                }
                closed.started().await;
            });
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
