//! From the bytes of a query to the bytes of its answer: a synchronous function of one snapshot.
//!
//! [`respond`] reads the query, walks the steps of its server block, and writes the sections. It
//! takes no lock and allocates nothing for in-zone answers (invariant I4), never panics and never
//! exceeds its limit (I7). What it can't answer by itself it hands back: [`Outcome::Hold`] for a
//! client that may be known in a moment, [`Outcome::Ask`] for names that an upstream knows, whose
//! reply goes into [`resume`].
//!
//! Not here: sockets, clocks and logs. What they need to know is in the [`Verdict`].

mod alias;
mod canary;
mod forwarded;
mod kubernetes;
mod plain;
mod records;
mod services;
mod wild;

pub use canary::{ABSENT_CANARY, CANARY, CANARY_PARENT};
pub use forwarded::{Forwarded, awaited};

use crate::chain::{ListenerId, Step, UpstreamId, ZoneId};
use crate::snapshot::Snapshot;
use crate::tenancy::{Client, ClientClass};
use crate::wire::{
    ExtendedError, NameBuf, QClass, QNameBuffer, Query, QueryError, RType, Rcode, Reply,
    ResponseBuilder, eq_ignore_case,
};
use std::net::{IpAddr, SocketAddr};

/// How the query came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// One datagram: the answer has at most min(client's payload size, 1232) octets.
    Udp,
    /// A stream: the answer has at most 65,535 octets.
    Tcp,
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
}

/// Why a query gets no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// Fewer than twelve octets.
    Short,
    /// A response: answering one could start a loop.
    Response,
}

/// What metrics, audit and logs need to know of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The response code.
    pub rcode: Rcode,
    /// The zone that answered.
    pub zone: Option<ZoneId>,
    /// The kind of client, where it mattered.
    pub client: Option<ClientClass>,
    /// What came of naming the client for whom the query was forwarded; `None` where nobody did.
    pub forwarded: Option<Forwarded>,
    /// The client's address, where a forwarder named it; else it is the query's source, if any.
    pub named: Option<IpAddr>,
    /// Who asked.
    pub asker: Client,
    /// The type that was asked for, where the message could be read.
    pub qtype: Option<RType>,
    /// Octets of the QNAME, which stands behind the header; 0 where the message could not be read.
    pub qname: u8,
}

/// What to ask an upstream, as plain data. Going on needs nothing else: the answer is a function of
/// snapshot, request and reply.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Whom to ask.
    pub upstream: UpstreamId,
    /// The name, in wire form.
    pub qname: NameBuf,
    /// The type.
    pub qtype: RType,
}

/// Answers a query from one snapshot, into `out`: 65,535 octets for TCP, 1,232 for UDP, and at least
/// 512, which hold every answer without records. An answer never exceeds its limit or `out`.
pub fn respond(snapshot: &Snapshot, request: &Request<'_>, out: &mut [u8]) -> Outcome {
    run(snapshot, request, None, None, out)
}

/// Answers a query as [`respond`] would answer `client`, whatever address it comes from: for
/// commands that explain.
pub fn respond_as(
    snapshot: &Snapshot,
    request: &Request<'_>,
    client: Client,
    out: &mut [u8],
) -> Outcome {
    run(snapshot, request, Some(client), None, out)
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
        said: None,
    };
    let limit = limit(request, &query);
    Some((
        plain::answer(&asked, limit, short),
        answer_in_steps(&asked, limit, long),
    ))
}

/// Goes on where [`respond`] asked an upstream. `snapshot` is the one that it started with; `reply`
/// is what the upstream said, or `None` where it said nothing that can be used.
pub fn resume(
    snapshot: &Snapshot,
    request: &Request<'_>,
    plan: &Plan,
    reply: Option<&[u8]>,
    out: &mut [u8],
) -> Outcome {
    let said = Said {
        plan,
        reply: reply.and_then(Reply::parse),
        bytes: reply,
    };
    run(snapshot, request, None, Some(&said), out)
}

/// One query on its way through the steps of a block.
#[derive(Clone, Copy)]
struct Asked<'a> {
    snapshot: &'a Snapshot,
    request: &'a Request<'a>,
    client: Client,
    source: Source,
    query: &'a Query<'a>,
    said: Option<&'a Said<'a>>,
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

impl Asked<'_> {
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

/// What an upstream said to which plan.
struct Said<'a> {
    plan: &'a Plan,
    reply: Option<Reply<'a>>,
    bytes: Option<&'a [u8]>,
}

impl<'a> Said<'a> {
    /// Returns the reply, if it is to a question for this name.
    fn reply_to(&self, name: &[u8]) -> Option<Reply<'a>> {
        self.reply
            .filter(|_| eq_ignore_case(self.plan.qname.as_wire(), name))
    }
}

/// What a step made of a query.
enum Done {
    /// An answer, in the builder; the zone and the client that it is for.
    Answer(Option<(ZoneId, ClientClass)>),
    /// The name is for the next step.
    Next,
    Hold,
    Ask(Box<Plan>),
}

#[inline(always)]
fn run(
    snapshot: &Snapshot,
    request: &Request<'_>,
    client: Option<Client>,
    said: Option<&Said<'_>>,
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
    };
    answer(&asked, limit(request, &query), out)
}

/// Returns the octets of an answer at most.
fn limit(request: &Request<'_>, query: &Query<'_>) -> usize {
    match request.transport {
        Transport::Udp => ResponseBuilder::udp_limit(query),
        Transport::Tcp => usize::from(u16::MAX),
    }
}

/// Answers a query whose client is settled, in `limit` octets.
#[inline(always)]
fn answer(asked: &Asked<'_>, limit: usize, out: &mut [u8]) -> Outcome {
    match plain::answer(asked, limit, out) {
        Some(outcome) => outcome,
        None => answer_in_steps(asked, limit, out),
    }
}

/// Answers a query by the steps of its block, whatever it asks for.
#[inline(never)]
fn answer_in_steps(asked: &Asked<'_>, limit: usize, out: &mut [u8]) -> Outcome {
    let Asked { query, said, .. } = *asked;
    let limit = limit.min(out.len());
    let mut builder = ResponseBuilder::new(query, limit, out);
    let done = match unanswerable(query) {
        Some(rcode) => {
            builder.set_rcode(rcode);
            Done::Answer(None)
        }
        None => walk(asked, &mut builder),
    };
    match done {
        Done::Hold => Outcome::Hold,
        Done::Ask(plan) => Outcome::Ask(plan),
        Done::Next => finish(builder, asked, None),
        Done::Answer(at) => match (at, said.and_then(|s| s.bytes), builder.is_relay()) {
            (None, Some(bytes), true) => relay(asked, bytes, limit, builder),
            _ => finish(builder, asked, at),
        },
    }
}

fn finish(
    builder: ResponseBuilder<'_>,
    asked: &Asked<'_>,
    at: Option<(ZoneId, ClientClass)>,
) -> Outcome {
    let verdict = Verdict {
        rcode: builder.rcode(),
        zone: at.map(|a| a.0),
        client: at.map(|a| a.1),
        forwarded: None,
        named: asked.named(),
        asker: asked.client,
        qtype: Some(asked.query.qtype),
        qname: asked.query.qname.as_wire().len() as u8,
    };
    Outcome::Reply(builder.finish(), verdict)
}

/// What is refused before any name is looked at, in CoreDNS's order: class, EDNS version, transfers.
fn unanswerable(query: &Query<'_>) -> Option<Rcode> {
    if query.qclass != QClass::IN {
        Some(Rcode::REFUSED)
    } else if query.edns.is_some_and(|edns| edns.version != 0) {
        Some(Rcode::BADVERS)
    } else if matches!(query.qtype, RType::AXFR | RType::IXFR) {
        Some(Rcode::REFUSED)
    } else {
        None
    }
}

/// Tries the steps of the query's block, and leaves REFUSED where no step is for the name, SERVFAIL
/// where one passed it on to nobody.
fn walk(asked: &Asked<'_>, builder: &mut ResponseBuilder<'_>) -> Done {
    let Asked {
        snapshot,
        request,
        query,
        said,
        ..
    } = *asked;
    let block = snapshot.chain.select(request.listener, &query.qname);
    let mut passed_on = false;
    for step in block.map_or(&[][..], |block| block.steps()) {
        match step {
            Step::Kubernetes(id) => match kubernetes::answer(asked, *id, builder) {
                Some(Done::Next) => passed_on = true,
                Some(done) => return done,
                None => {}
            },
            Step::Forward(zone, upstream) => {
                if query.qname.is_at_or_below(zone, zone.label_count()) {
                    return ask(query, *upstream, said, builder);
                }
            }
        }
    }
    builder.set_rcode(if passed_on {
        unsaid(snapshot)
    } else {
        Rcode::REFUSED
    });
    Done::Next
}

/// Asks an upstream the question itself, or passes on what it said.
fn ask(
    query: &Query<'_>,
    upstream: UpstreamId,
    said: Option<&Said<'_>>,
    builder: &mut ResponseBuilder<'_>,
) -> Done {
    let Some(said) = said else {
        let mut qname = NameBuf::new();
        // A QNAME fits: it was read from a query.
        let _ = qname.push_wire(query.qname.as_wire());
        return Done::Ask(Box::new(Plan {
            upstream,
            qname,
            qtype: query.qtype,
        }));
    };
    match said.reply {
        Some(_) => builder.set_relay(),
        None => builder.set_rcode(Rcode::SERVFAIL),
    }
    Done::Answer(None)
}

/// Sends an upstream's reply as it is, under the query's ID; where it is too long, only that it is.
fn relay(
    asked: &Asked<'_>,
    reply: &[u8],
    limit: usize,
    mut builder: ResponseBuilder<'_>,
) -> Outcome {
    let rcode = Reply::parse(reply).map_or(Rcode::SERVFAIL, |reply| reply.header.rcode());
    let verdict = Verdict {
        rcode,
        zone: None,
        client: None,
        forwarded: None,
        named: asked.named(),
        asker: asked.client,
        qtype: Some(asked.query.qtype),
        qname: asked.query.qname.as_wire().len() as u8,
    };
    if reply.len() > limit {
        builder.set_rcode(rcode);
        builder.set_truncated();
        return Outcome::Reply(builder.finish(), verdict);
    }
    Outcome::Reply(builder.replace(asked.query.header.id, reply), verdict)
}

fn refuse_message(error: QueryError<'_>, asker: Client, out: &mut [u8]) -> Outcome {
    let rcode = match error {
        QueryError::Opcode(_) => Rcode::NOTIMP,
        _ => Rcode::FORMERR,
    };
    match ResponseBuilder::error(error, out) {
        Some(len) => Outcome::Reply(
            len,
            Verdict {
                rcode,
                zone: None,
                client: None,
                forwarded: None,
                named: None,
                asker,
                qtype: None,
                qname: 0,
            },
        ),
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
