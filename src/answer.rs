//! From the bytes of a query to the bytes of its answer: a synchronous function of one snapshot.
//!
//! [`respond`] reads the query, walks the steps of its server block, and writes the sections. It
//! takes no lock and allocates nothing for in-zone answers (invariant I4), never panics and never
//! exceeds its limit (I7). What it can't answer by itself it hands back: [`Outcome::Hold`] for a
//! client that may be known in a moment, [`Outcome::Ask`] for names that an upstream knows, whose
//! reply goes into [`resume`], which may ask again.
//!
//! Not here: sockets, clocks and logs. What they need to know is in the [`Verdict`].

mod alias;
mod asks;
mod canary;
mod clients;
mod external;
mod failure;
mod forwarded;
mod kubernetes;
mod message;
mod plain;
mod records;
mod rotate;
mod serve;
mod services;
mod steps;
mod transfer;
mod verdict;
mod wild;

pub use asks::{Changes, MAX_ASKS, Plan, Replied};
pub use canary::{ABSENT_CANARY, CANARY, CANARY_PARENT};
pub use failure::{Attempt, Cause, Failure, Step};
pub use forwarded::{Forwarded, awaited};
pub use plain::{PlainRequest, Shortcut};
pub use transfer::{Cursor, Transfer};
pub use verdict::Verdict;

use crate::chain::{Block, BlockId, ListenerId, Plugin, ZoneId};
use crate::snapshot::Snapshot;
use crate::tenancy::{Client, ClientClass, NameNumber};
use crate::wire::{
    ExtendedError, QClass, QName, QNameBuffer, Query, QueryError, RType, Rcode, Reply,
    ResponseBuilder, cut_into,
};
use asks::Said;
use std::net::{IpAddr, SocketAddr};

/// How the query came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// One datagram: the answer has at most min(client's payload size, 1232) octets.
    Udp,
    /// A stream: the answer has at most 65,535 octets, and several messages where a zone is
    /// transferred.
    Tcp,
    /// One reply of at most 65,535 octets, as over HTTPS and QUIC.
    Exchange,
}

/// One query and everything that its answer may depend on beside the snapshot.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The listener that received it.
    pub listener: ListenerId,
    /// The address it came from.
    pub peer: SocketAddr,
    /// The address it was sent to, where known.
    pub local: Option<IpAddr>,
    /// The client that a PROXY header in front of the message names. Counts only where the peer is a
    /// forwarder that is to send one.
    pub claimed: Option<IpAddr>,
    /// How it came.
    pub transport: Transport,
    /// Milliseconds on a clock that never goes back.
    pub now: u64,
    /// Random bits: where an RRset's rotation starts.
    pub entropy: u64,
    /// Whether a client that is not known yet may be asked to wait ([`Outcome::Hold`]).
    pub may_wait: bool,
    /// The message.
    pub bytes: &'a [u8],
}

/// What to do with a query.
#[derive(Debug)]
pub enum Outcome {
    /// Send the first `usize` octets of the buffer.
    Reply(usize, Verdict),
    /// Send nothing.
    Drop(DropReason),
    /// Keep the query until its client is known, or its time is up; then call [`respond`] again,
    /// with `may_wait` off in the second case.
    Hold,
    /// Ask an upstream this, and go on with [`resume`]. Boxed, so that every other outcome, of which
    /// there are a thousand times as many, is passed on in a few words.
    Ask(Box<Plan>),
    /// Send this much of a zone, and then the rest. Only where the transport is [`Transport::Tcp`].
    Transfer(Box<Transfer>),
}

/// Why a query gets no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// Fewer than twelve octets.
    Short,
    /// A response: answering one could start a loop.
    Response,
    /// The name is asked of upstreams, on behalf of their clients alone, and this is none.
    NoClient,
    /// The configuration says so, for this client and name.
    Policy,
}

/// Answers a query from one snapshot, into `out`: 65,535 octets for TCP, 1,232 for UDP, and at least
/// 512, which hold every answer without records. An answer never exceeds its limit or `out`.
pub fn respond(snapshot: &Snapshot, request: &Request<'_>, out: &mut [u8]) -> Outcome {
    let shortcut = Shortcut::of(snapshot, request.listener);
    match shortcut.and_then(|way| way.respond(request.into(), || request.entropy, out)) {
        Some((length, verdict)) => Outcome::Reply(length, verdict),
        None => respond_at_length(snapshot, request, out),
    }
}

/// The long way of [`respond`], which every query can go.
pub fn respond_at_length(snapshot: &Snapshot, request: &Request<'_>, out: &mut [u8]) -> Outcome {
    run(snapshot, request, None, Said::NOTHING, out)
}

/// Answers a query as [`respond`] would answer `client`, whatever address it comes from: for
/// commands that explain.
pub fn respond_as(
    snapshot: &Snapshot,
    request: &Request<'_>,
    client: Client,
    out: &mut [u8],
) -> Outcome {
    run(snapshot, request, Some(client), Said::NOTHING, out)
}

/// Answers a query by the short way, where it is for that, and by the long one, each into a buffer
/// of its own: they are to say the same.
#[cfg(any(test, feature = "testing"))]
pub fn respond_both_ways(
    snapshot: &Snapshot,
    request: &Request<'_>,
    [short, long]: [&mut [u8]; 2],
) -> Option<(Option<Outcome>, Outcome)> {
    let mut buffer = QNameBuffer::default();
    let query = Query::parse(request.bytes, &mut buffer).ok()?;
    let source = request.peer.ip();
    let asked = Asked {
        snapshot,
        request,
        client: snapshot.identify(source),
        source: Source::Peer,
        query: &query,
        said: Said::NOTHING,
        depth: 0,
    };
    let limit = limit(request, &query);
    let shortcut = Shortcut::of(snapshot, request.listener);
    let short = shortcut.and_then(|way| way.respond(request.into(), || request.entropy, short));
    Some((
        short.map(|(length, verdict)| Outcome::Reply(length, verdict)),
        answer_in_steps(&asked, limit, long),
    ))
}

/// Goes on where [`respond`], or this, asked an upstream. `snapshot` is the one that it started with;
/// `replies` are all that came for this query so far, in any order. Asks for at most [`MAX_ASKS`].
pub fn resume(
    snapshot: &Snapshot,
    request: &Request<'_>,
    replies: &[Replied<'_>],
    out: &mut [u8],
) -> Outcome {
    run(snapshot, request, None, Said(replies), out)
}

/// One query on its way through the steps of a block.
#[derive(Clone, Copy)]
struct Asked<'a> {
    snapshot: &'a Snapshot,
    request: &'a Request<'a>,
    client: Client,
    source: Source,
    query: &'a Query<'a>,
    said: Said<'a>,
    /// How many look-ups it is within.
    depth: u8,
}

/// Where the client is.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// Where the query came from.
    Peer,
    /// At the address that a forwarder named.
    Named(IpAddr),
    /// It was named otherwise.
    Unsaid,
}

impl<'a> Asked<'a> {
    /// Returns the block that is for a name.
    fn select(&self, qname: &QName<'_>) -> Option<&'a Block> {
        self.snapshot
            .block(self.request.listener, qname, self.client)
    }

    /// Returns whether the query waits to know which block is for its client.
    fn waits_for_a_block(&self) -> bool {
        let snapshot = self.snapshot;
        let unseen = || {
            self.address()
                .is_some_and(|address| !snapshot.knows(address))
        };
        self.client == Client::Unknown
            && self.request.may_wait
            && snapshot
                .chain
                .tells_apart(self.request.listener, &self.query.qname)
            && unseen()
    }

    /// Returns the client's address, canonical, where one is known.
    fn address(&self) -> Option<IpAddr> {
        match self.source {
            Source::Peer => Some(self.request.peer.ip().to_canonical()),
            Source::Named(address) => Some(address),
            Source::Unsaid => None,
        }
    }

    fn named(&self) -> Option<IpAddr> {
        match self.source {
            Source::Named(address) => Some(address),
            Source::Peer | Source::Unsaid => None,
        }
    }
}

/// What a step made of a query.
enum Done<'a> {
    /// An answer, in the builder.
    Answer(By),
    /// An upstream's reply, to be sent as it is.
    Relay(&'a [u8], By),
    /// The name is for the next step.
    Next,
    Hold,
    Ask(Box<Plan>),
    Drop(DropReason),
}

/// Who wrote an answer.
#[derive(Clone, Copy, Default)]
struct By {
    block: Option<BlockId>,
    plugin: Option<Plugin>,
    /// With the kind of client that it is for.
    zone: Option<(ZoneId, ClientClass)>,
    /// The name was found in the client's search list.
    searched: bool,
    /// See [`Verdict::missing`].
    missing: Option<NameNumber>,
}

#[inline(never)]
fn run(
    snapshot: &Snapshot,
    request: &Request<'_>,
    client: Option<Client>,
    said: Said<'_>,
    out: &mut [u8],
) -> Outcome {
    let mut buffer = QNameBuffer::default();
    let query = match Query::parse(request.bytes, &mut buffer) {
        Ok(query) => query,
        Err(QueryError::Short) => return Outcome::Drop(DropReason::Short),
        Err(QueryError::Response) => return Outcome::Drop(DropReason::Response),
        Err(error) => {
            let asker = client.unwrap_or_else(|| snapshot.identify(request.peer.ip()));
            return refuse_message(error, asker, out);
        }
    };
    if client.is_none() && snapshot.forwarders.is_stub() {
        return forwarded::run(snapshot, request, &query, said, out);
    }
    let source = request.peer.ip();
    let asked = Asked {
        snapshot,
        request,
        client: client.unwrap_or_else(|| snapshot.identify(source)),
        source: Source::Peer,
        query: &query,
        said,
        depth: 0,
    };
    answer_in_steps(&asked, limit(request, &query), out)
}

/// Returns the octets of an answer at most.
fn limit(request: &Request<'_>, query: &Query<'_>) -> usize {
    match request.transport {
        Transport::Udp => ResponseBuilder::udp_limit(query),
        Transport::Tcp | Transport::Exchange => usize::from(u16::MAX),
    }
}

/// Answers a query whose client is settled by the steps of its block, in `limit` octets.
#[inline(never)]
fn answer_in_steps(asked: &Asked<'_>, limit: usize, out: &mut [u8]) -> Outcome {
    let query = asked.query;
    let block = asked.select(&query.qname);
    let unanswerable = unanswerable(query, block);
    if unanswerable == Some(Rcode::REFUSED) && transfer::is_zone_asked(query) {
        return transfer::answer(asked, block, limit, out);
    }
    if unanswerable.is_none() && asked.waits_for_a_block() {
        return Outcome::Hold;
    }
    let limit = match (block, asked.request.transport) {
        (Some(block), Transport::Udp) => limit.min(usize::from(block.udp_size())),
        _ => limit,
    };
    let limit = limit.min(out.len());
    let touched = block.filter(|block| {
        unanswerable.is_none() && serve::is_for(asked, block, &query.qname, query.qtype)
    });
    if let Some(block) = touched {
        return match serve::answer(asked, block, limit, out) {
            Outcome::Ask(plan) => ask(asked, plan),
            other => other,
        };
    }
    let mut builder = ResponseBuilder::new(query, limit, &mut *out);
    let done = match unanswerable {
        Some(rcode) => {
            builder.set_rcode(rcode);
            Done::Answer(By::default())
        }
        None => steps::walk(asked, block, &mut builder),
    };
    match done {
        Done::Hold => Outcome::Hold,
        Done::Ask(plan) => ask(asked, plan),
        Done::Drop(reason) => Outcome::Drop(reason),
        Done::Next => finish(builder, asked, By::default()),
        Done::Answer(by) => {
            let outcome = finish(builder, asked, by);
            steps::bound(asked, block, &outcome, out);
            outcome
        }
        Done::Relay(reply, by) => relay(asked, reply, by, limit, out),
    }
}

fn ask(asked: &Asked<'_>, mut plan: Box<Plan>) -> Outcome {
    plan.client = asked.client;
    Outcome::Ask(plan)
}

/// Completes a message that is not sent yet.
fn finish_unchanged(builder: ResponseBuilder<'_>) -> usize {
    builder.finish()
}

#[inline]
fn finish(builder: ResponseBuilder<'_>, asked: &Asked<'_>, by: By) -> Outcome {
    let verdict = verdict(builder.rcode(), asked, by);
    Outcome::Reply(builder.finish(), verdict)
}

#[inline]
fn verdict(rcode: Rcode, asked: &Asked<'_>, by: By) -> Verdict {
    Verdict {
        rcode,
        block: by.block,
        plugin: by.plugin,
        zone: by.zone.map(|zone| zone.0),
        client: by.zone.map(|zone| zone.1),
        forwarded: None,
        named: asked.named(),
        asker: asked.client,
        qtype: Some(asked.query.qtype),
        searched: by.searched,
        missing: by.missing,
        dnssec_ok: asked.query.edns.is_some_and(|edns| edns.dnssec_ok),
        qname: asked.query.qname.as_wire().len() as u8,
    }
}

/// What is refused before any name is looked at, in CoreDNS's order: class, EDNS version, transfers.
fn unanswerable(query: &Query<'_>, block: Option<&Block>) -> Option<Rcode> {
    if query.qclass != QClass::IN && !says_what_it_is(query, block) {
        Some(Rcode::REFUSED)
    } else if query.edns.is_some_and(|edns| edns.version != 0) {
        Some(Rcode::BADVERS)
    } else if transfer::is_asked(query.qtype) {
        // But to whom [`transfer`] gives them.
        Some(Rcode::REFUSED)
    } else {
        None
    }
}

/// Returns whether the block says of itself what is asked.
#[cold]
fn says_what_it_is(query: &Query<'_>, block: Option<&Block>) -> bool {
    let asks = query.qclass == QClass::CH && query.qtype == RType::TXT;
    asks && block.is_some_and(Block::takes_chaos)
}

/// Sends an upstream's reply as it is, under the query's ID; where it is too long, as many of its
/// records as fit.
fn relay(asked: &Asked<'_>, reply: &[u8], by: By, limit: usize, out: &mut [u8]) -> Outcome {
    let rcode = Reply::parse(reply).map_or(Rcode::SERVFAIL, |reply| reply.header.rcode());
    let verdict = verdict(rcode, asked, by);
    let length = cut_into(reply, limit, out);
    if let Some(id) = out.first_chunk_mut() {
        *id = asked.query.header.id.to_be_bytes();
    }
    let blocks = asked.snapshot.chain.blocks();
    let block = by.block.and_then(|id| blocks.get(usize::from(id.0)));
    if block.is_some_and(Block::rotates) {
        let message = out.get_mut(..length).unwrap_or(&mut []);
        rotate::rotate(message, asked.request.entropy);
    }
    Outcome::Reply(length, verdict)
}

fn refuse_message(error: QueryError<'_>, asker: Client, out: &mut [u8]) -> Outcome {
    let rcode = match error {
        QueryError::Opcode(_) => Rcode::NOTIMP,
        _ => Rcode::FORMERR,
    };
    match ResponseBuilder::error(error, out) {
        Some(len) => Outcome::Reply(len, Verdict::unread(rcode, asker)),
        None => Outcome::Drop(DropReason::Short),
    }
}

/// Returns what a client is told of which more can't be said: SERVFAIL, but REFUSED where others ask
/// on behalf of it. Caches keep SERVFAIL, for everybody (CoreDNS's for five seconds).
fn unsaid(snapshot: &Snapshot) -> Rcode {
    match snapshot.forwarders.is_stub() {
        true => Rcode::REFUSED,
        false => Rcode::SERVFAIL,
    }
}

/// SERVFAIL or REFUSED that says nothing of the name.
fn failure(builder: &mut ResponseBuilder<'_>, rcode: Rcode, error: ExtendedError) {
    builder.set_rcode(rcode);
    builder.set_extended_error(error);
}
