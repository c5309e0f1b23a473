//! A query that is answered later: a copy of it, and the way back to its client.

use super::padding::padded;
use super::sys::{Datagrams, Route};
use crate::answer::{Failure, MAX_ASKS, Plan, Replied, Request, Transport};
use crate::chain::ListenerId;
use crate::snapshot::Snapshot;
use arrayvec::ArrayVec;
use std::io;
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
    /// The same on a connection that is encrypted: the reply is padded where the query was.
    Encrypted(OwnedPermit<Vec<u8>>),
}

/// What asks for names that are not ours.
pub trait Upstream: Send + Sync {
    /// Begins. `resume` is how its threads go on with a query once there is a reply.
    ///
    /// # Errors
    /// A thread can't be started.
    fn start(&self, resume: Box<dyn Resume>) -> io::Result<()> {
        let _ = resume;
        Ok(())
    }

    /// Writes what is known already of what `plan` asks for to the front of `out`, and returns its
    /// length; the ID does not count.
    ///
    /// Called on a worker, for every question: must neither block nor wait.
    fn recall(
        &self,
        snapshot: &Snapshot,
        request: &Request<'_>,
        plan: &Plan,
        out: &mut [u8],
    ) -> Option<usize> {
        let _ = (snapshot, request, plan, out);
        None
    }

    /// Takes over an inquiry, which must be gone on with by [`Resume::resume`] in the end; one that is
    /// dropped stays unanswered. What it has no room for it gives back.
    ///
    /// Called on a worker: must not block.
    fn ask(&self, inquiry: Box<Inquiry>) -> Option<Box<Inquiry>>;

    /// Says that nobody asks any more, and waits until what was asked is answered. Returns whether
    /// its threads ended in good order.
    fn close(&self) -> bool {
        true
    }
}

/// Goes on with queries whose upstream has spoken. Each thread that does so has its own.
pub trait Resume: Send {
    /// Returns the time, on the clock of [`Request::now`].
    fn now(&self) -> u64;

    /// Answers a query with the reply to what it asked for, `None` where there is none that can be
    /// used; `failure` says why there is none, or why the reply is no upstream's. Gives it back where
    /// it asks for something else.
    fn resume(
        &mut self,
        inquiry: Box<Inquiry>,
        reply: Option<&[u8]>,
        failure: Option<Failure>,
    ) -> Option<Box<Inquiry>>;
}

/// A query that needs an upstream: with what it asks for, and what was said to it so far.
#[derive(Debug)]
pub struct Inquiry {
    query: HeldQuery,
    snapshot: Arc<Snapshot>,
    needed: Needed,
    /// Why the last ask that failed did.
    failure: Option<Failure>,
}

/// What an upstream was asked for, and what it is to be asked for next.
#[derive(Debug)]
pub(super) struct Needed {
    pub(super) earlier: Vec<(Box<Plan>, Option<Vec<u8>>)>,
    pub(super) plan: Box<Plan>,
}

impl Inquiry {
    pub(super) fn new(query: HeldQuery, snapshot: Arc<Snapshot>, needed: Needed) -> Self {
        Self {
            query,
            snapshot,
            needed,
            failure: None,
        }
    }

    /// Notes why what it asked for was not said, and returns why something was not.
    pub(super) fn failed(&mut self, failure: Option<Failure>) -> Option<Failure> {
        self.failure = failure.or(self.failure);
        self.failure
    }

    /// Returns what it asks for.
    pub fn plan(&self) -> &Plan {
        &self.needed.plan
    }

    /// Returns the query, as at the time `now`.
    pub fn request(&self, now: u64) -> Request<'_> {
        self.query.request(now, 0, false)
    }

    /// Returns when the query came.
    pub(super) fn since(&self) -> Instant {
        self.query.since()
    }

    /// Returns the snapshot that it is answered from.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Returns everything that was said to the query, `reply` last.
    pub(super) fn replied<'a>(
        &'a self,
        reply: Option<&'a [u8]>,
    ) -> ArrayVec<Replied<'a>, MAX_ASKS> {
        replied(&self.needed.earlier, &self.needed.plan, reply)
    }

    /// Has it ask for something else, the reply to what it asked for kept.
    pub(super) fn ask_next(&mut self, plan: Box<Plan>, reply: Option<&[u8]>) {
        let asked = std::mem::replace(&mut self.needed.plan, plan);
        let reply = reply.map(<[u8]>::to_vec);
        self.needed.earlier.push((asked, reply));
    }

    /// Returns the query alone.
    pub(super) fn into_query(self) -> HeldQuery {
        self.query
    }
}

/// Puts together what was said to a query.
pub(super) fn replied<'a>(
    earlier: &'a [(Box<Plan>, Option<Vec<u8>>)],
    plan: &'a Plan,
    reply: Option<&'a [u8]>,
) -> ArrayVec<Replied<'a>, MAX_ASKS> {
    let earlier = earlier.iter().map(|(plan, reply)| Replied {
        plan,
        reply: reply.as_deref(),
    });
    // No answer asks for more.
    earlier
        .chain([Replied { plan, reply }])
        .take(MAX_ASKS)
        .collect()
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

    /// Returns its message.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
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
            ReplyTo::Encrypted(place) => {
                place.send(padded(&self.bytes, bytes));
                true
            }
        }
    }
}
