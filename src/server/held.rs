//! A query that is answered later: a copy of it, and the way back to its client.

use super::sys::{Datagrams, Route};
use crate::answer::{Plan, Request, Transport};
use crate::chain::ListenerId;
use crate::snapshot::Snapshot;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::OwnedPermit;

/// A query kept past the batch or the read that it came with.
#[derive(Debug)]
pub struct HeldQuery {
    listener: ListenerId,
    peer: SocketAddr,
    local: Option<IpAddr>,
    claimed: Option<IpAddr>,
    /// The address that has to be somebody's.
    client: IpAddr,
    transport: Transport,
    received: u64,
    since: Instant,
    bytes: Box<[u8]>,
    reply: ReplyTo,
}

/// The way back to a held query's client.
#[derive(Debug)]
pub(super) enum ReplyTo {
    /// The socket that received it, from the address that was asked.
    Udp(Arc<Datagrams>, Route),
    /// A place in its connection's queue of late replies. Reserved when the query is kept, so that
    /// replying neither blocks nor fails, and given back when the query is dropped.
    Tcp(OwnedPermit<Vec<u8>>),
}

/// What answers queries for names that are not ours.
pub trait Upstream: Send + Sync {
    /// Takes over a query that needs what `plan` asks for. Its answer goes on with `snapshot`, and
    /// must be given by [`HeldQuery::reply`] in the end; a query that is dropped stays unanswered.
    ///
    /// Called on a worker: must not block.
    fn ask(&self, query: HeldQuery, plan: Box<Plan>, snapshot: Arc<Snapshot>);
}

impl HeldQuery {
    pub(super) fn new(request: &Request<'_>, client: IpAddr, reply: ReplyTo) -> Self {
        Self {
            listener: request.listener,
            peer: request.peer,
            local: request.local,
            claimed: request.claimed,
            client,
            transport: request.transport,
            received: request.now,
            since: Instant::now(),
            bytes: request.bytes.into(),
            reply,
        }
    }

    /// Returns the query as it came, at the time `now`, with fresh random bits.
    pub fn request(&self, now: u64, entropy: u64, may_wait: bool) -> Request<'_> {
        Request {
            listener: self.listener,
            peer: self.peer,
            local: self.local,
            claimed: self.claimed,
            transport: self.transport,
            now,
            entropy,
            may_wait,
            bytes: &self.bytes,
        }
    }

    /// Returns the time at which it was received, on the clock of [`Request::now`].
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Returns when it was put aside: what [`Answerer::received`](super::Answerer::received) is told.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Returns the address whose owner must be known for an answer.
    pub(super) fn client(&self) -> IpAddr {
        self.client
    }

    /// Sends the reply to the client, and returns whether it could be sent. Does not wait for the
    /// client.
    pub fn reply(self, bytes: &[u8]) -> bool {
        match self.reply {
            ReplyTo::Udp(socket, route) => socket.send(&route, bytes).is_ok(),
            ReplyTo::Tcp(place) => {
                place.send(bytes.to_vec());
                true
            }
        }
    }
}
