//! What the listeners are called, for those who write down what came where.

use crate::observe::Exchange;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The listeners' names ([`crate::observe::server_text`]), by their numbers. Cheap to clone: all clones
/// are one.
#[derive(Debug, Clone, Default)]
pub(in crate::app) struct Servers(Arc<Mutex<Vec<Arc<str>>>>);

impl Servers {
    /// Calls them otherwise.
    pub(in crate::app) fn rename(&self, servers: &[String]) {
        *self.locked() = servers.iter().map(|server| (&**server).into()).collect();
    }

    /// Returns the name of the one that received an exchange.
    pub(super) fn of(&self, exchange: &Exchange) -> Option<Arc<str>> {
        let servers = self.locked();
        servers.get(usize::from(exchange.listener.0)).cloned()
    }

    /// Says of an exchange over QUIC that it was by datagrams: so CoreDNS's log and dnstap have it.
    pub(super) fn name_way(&self, exchange: &mut Exchange) {
        // Most came by datagrams anyway.
        if exchange.stream {
            let server = self.of(exchange);
            exchange.stream = !server.is_some_and(|server| server.starts_with("quic://"));
        }
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Arc<str>>> {
        // A list is whole whatever happened to who held it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
