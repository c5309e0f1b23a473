//! Who answers: what every thread asks for the answer to a query, and tells what comes of it. Not how a
//! thread goes about it: [`super::engine`].

use crate::answer::{
    Failure, Outcome, PlainRequest, Replied, Request, Shortcut, awaited, respond_at_length, resume,
};
use crate::chain::ListenerId;
use crate::snapshot::Snapshot;
use std::net::IpAddr;
use std::time::Instant;

/// Answers queries: [`Core`] in production, a script in tests. Each thread has its own, so an answerer
/// may keep what it counts without sharing it.
pub trait Answerer: Clone + Send + 'static {
    /// Is told whose queries [`Answerer::answer_plainly`] is asked for from now on: a listener's, by this
    /// snapshot.
    fn turn_to(&mut self, _snapshot: &Snapshot, _listener: ListenerId) {}

    /// Answers a query into `out` by the short way, and returns the octets to send, or `None` where it
    /// is for [`Answerer::answer`], which is asked next. `entropy` is asked for random bits where they are
    /// needed.
    fn answer_plainly(
        &mut self,
        _snapshot: &Snapshot,
        _way: &Shortcut<'_>,
        _request: PlainRequest<'_, '_>,
        _entropy: impl FnOnce() -> u64,
        _out: &mut [u8],
    ) -> Option<usize> {
        None
    }

    /// Answers a query into `out`, as [`respond_at_length`] does.
    fn answer(&mut self, snapshot: &Snapshot, request: &Request<'_>, out: &mut [u8]) -> Outcome;

    /// Is told whether what is resumed next is answered from what an upstream said to another query.
    fn recalls(&mut self, _recalled: bool) {}

    /// Is told why an upstream said nothing to what is resumed next, if one did.
    fn failed(&mut self, _failure: Option<Failure>) {}

    /// Is told when the queries came that are answered next.
    fn received(&mut self, _at: Instant) {}

    /// Is told that the answers were sent that were given since [`Answerer::received`].
    fn sent(&mut self) {}

    /// Answers a query with what upstreams said, as [`resume`] does.
    fn resume(
        &mut self,
        snapshot: &Snapshot,
        request: &Request<'_>,
        replies: &[Replied<'_>],
        out: &mut [u8],
    ) -> Outcome {
        resume(snapshot, request, replies, out)
    }

    /// Returns the address that a held query waits to be somebody's.
    fn awaited(&self, snapshot: &Snapshot, request: &Request<'_>) -> IpAddr {
        awaited(snapshot, request)
    }

    /// Returns the answerer of another thread.
    #[must_use]
    fn next(&self) -> Self {
        self.clone()
    }

    /// Goes on as a thread's answerer of the next configuration.
    fn adopt(&mut self, next: &Self) {
        *self = next.next();
    }

    /// Returns whether a held query of this client can be answered now.
    fn knows(&self, snapshot: &Snapshot, client: IpAddr) -> bool {
        snapshot.knows(client)
    }
}

/// The answerer of production.
#[derive(Debug, Clone, Copy, Default)]
pub struct Core;

impl Answerer for Core {
    #[inline(always)]
    fn answer_plainly(
        &mut self,
        _snapshot: &Snapshot,
        way: &Shortcut<'_>,
        request: PlainRequest<'_, '_>,
        entropy: impl FnOnce() -> u64,
        out: &mut [u8],
    ) -> Option<usize> {
        way.respond(request, entropy, out).map(|(length, _)| length)
    }

    fn answer(&mut self, snapshot: &Snapshot, request: &Request<'_>, out: &mut [u8]) -> Outcome {
        respond_at_length(snapshot, request, out)
    }
}
