//! What a listener is served with at the moment: its timeouts, and the certificate that it shows, whose
//! files are followed as long as it is served.

use super::Service;
use crate::server::options::{Scheme, TimeoutOptions};
use crate::server::stats::Replies;
use crate::tls::Shown;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio_rustls::rustls::ServerConfig;

/// One listener as it is served.
pub(in crate::server) struct Serving {
    scheme: Scheme,
    timeouts: Cell<TimeoutOptions>,
    certificate: RefCell<Option<Certificate>>,
    replies: Arc<Replies>,
}

/// What is shown, and the task that follows its files.
struct Certificate {
    shown: Shown,
    following: AbortHandle,
}

impl Drop for Certificate {
    fn drop(&mut self) {
        self.following.abort();
    }
}

impl Serving {
    pub(super) fn new(scheme: Scheme, replies: Arc<Replies>) -> Self {
        Self {
            scheme,
            timeouts: Cell::default(),
            certificate: RefCell::default(),
            replies,
        }
    }

    /// Serves new connections by this. Files are looked at so often.
    pub(super) fn change(&self, service: Service, poll: Duration) {
        self.timeouts.set(service.timeouts);
        if let Some(pair) = service.pair {
            let shown = pair.shown();
            let following = tokio::task::spawn_local(pair.follow(poll)).abort_handle();
            let certificate = Certificate { shown, following };
            *self.certificate.borrow_mut() = Some(certificate);
        }
    }

    pub(in crate::server) fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(in crate::server) fn timeouts(&self) -> TimeoutOptions {
        self.timeouts.get()
    }

    /// Returns what a new connection is shown; `None` where the listener is not encrypted.
    pub(in crate::server) fn shown(&self) -> Option<Arc<ServerConfig>> {
        let certificate = self.certificate.borrow();
        certificate.as_ref().map(|of| of.shown.current())
    }

    /// Counts how a query ended.
    pub(in crate::server) fn replied(&self, code: u16) {
        self.replies.add(code);
    }
}
