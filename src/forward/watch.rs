//! Who looks on at what is said between this server and its upstreams: dnstap. Not who receives it.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// One question to an upstream, and what came of it, as on the wire.
#[derive(Debug, Clone, Copy)]
pub struct Exchanged<'a> {
    /// The server block whose upstream it is, by its position.
    pub block: u16,
    /// Over a connection, not by datagram.
    pub stream: bool,
    /// Where it was asked from, once that was known.
    pub from: Option<SocketAddr>,
    /// The upstream.
    pub to: SocketAddr,
    /// When it was asked, since 1970.
    pub asked: Duration,
    /// When it replied likewise.
    pub answered: Duration,
    /// The question.
    pub query: &'a [u8],
    /// The reply, where one came that is one.
    pub reply: Option<&'a [u8]>,
}

/// Looks on. Called on the thread that asks: must not wait.
pub trait Watch: Send + Sync {
    /// Returns whether what is asked of a block's upstreams is to be shown.
    fn wants(&self, block: u16) -> bool;

    /// Is shown one question and what came of it.
    fn saw(&self, exchanged: &Exchanged<'_>);
}

/// Looks at nothing.
pub(super) struct Nobody;

impl Watch for Nobody {
    fn wants(&self, _block: u16) -> bool {
        false
    }

    fn saw(&self, _exchanged: &Exchanged<'_>) {}
}

/// Returns the time since 1970.
pub(super) fn wall() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default()
}
