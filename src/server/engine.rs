//! What every thread does with one query, whatever the transport: answer it, or pass it on.
//!
//! A panic while answering ends that query with SERVFAIL, not the thread. Sockets and framing are
//! not here.

use super::answerer::Answerer;
use super::asking::Recalled;
use super::held::{HeldQuery, ReplyTo, Upstream};
use super::means::{Means, Supply};
use super::stats::{Count, Counters};
use super::waiters::Waiters;
use crate::answer::{
    DropReason, Forwarded, Outcome, PlainRequest, Plan, Replied, Request, Shortcut, Transfer,
    Transport,
};
use crate::chain::ListenerId;
use crate::limits::{Admission, Limit, Limits};
use crate::snapshot::{Snapshot, SnapshotReader};
use crate::wire::{HEADER_LEN, Header, QNameBuffer, Query, QueryError, Rcode, ResponseBuilder};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Milliseconds since the server was made; the same for all its threads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn new() -> Self {
        Self(Instant::now())
    }

    pub(super) fn now(self) -> u64 {
        self.at(Instant::now())
    }

    /// Returns what it says at another moment.
    pub(super) fn at(self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.0);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Random bits for the rotation of answers: wyrand, seeded by the standard library's keys. Not for
/// secrets.
#[derive(Debug)]
struct Entropy(u64);

impl Entropy {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0xa076_1d64_78bd_642f);
        let mixed = u128::from(self.0) * u128::from(self.0 ^ 0xe703_7ed1_a0b4_28db);
        (mixed >> 64) as u64 ^ mixed as u64
    }
}

/// One thread's means to answer.
pub(super) struct Engine<A> {
    pub(super) answerer: A,
    pub(super) reader: SnapshotReader,
    pub(super) clock: Clock,
    pub(super) counters: Arc<Counters>,
    pub(super) upstream: Option<Arc<dyn Upstream>>,
    limits: Option<Arc<Limits>>,
    /// How long a held query waits, in milliseconds.
    pub(super) unknown_wait: u64,
    /// Whose means these are.
    configuration: u32,
    supply: Supply<A>,
    entropy: Entropy,
    /// Where the upstream writes what it knows already; as large as it has to be.
    pub(super) recalled: Vec<u8>,
    /// The transfer whose first message was given last; taken by who sends the rest.
    pub(super) begun: Option<Box<Transfer>>,
}

/// What came of answering a query once.
pub(super) enum Answered {
    /// Send so many octets of the buffer.
    Reply(usize),
    /// Send nothing.
    Nothing,
    /// It should wait.
    Hold,
    /// An upstream must be asked.
    Ask(Box<Plan>),
    /// Send the first message of a zone, and the rest behind it.
    Transfer(Box<Transfer>),
}

impl<A: Answerer> Engine<A> {
    pub(super) fn new(
        supply: Supply<A>,
        reader: SnapshotReader,
        clock: Clock,
        counters: Arc<Counters>,
    ) -> Self {
        let configuration = reader.load().configuration;
        let means = supply.take(configuration, |means| Means {
            answerer: means.answerer.next(),
            ..means.clone()
        });
        Self {
            answerer: means.answerer,
            reader,
            clock,
            counters,
            upstream: means.upstream,
            limits: means.limits,
            unknown_wait: milliseconds(means.unknown_wait),
            configuration,
            supply,
            entropy: Entropy(RandomState::new().hash_one(0)),
            recalled: Vec::new(),
            begun: None,
        }
    }

    /// Goes on by what the snapshot's configuration says. Called with every snapshot that is loaded.
    #[inline]
    pub(super) fn adopt(&mut self, snapshot: &Snapshot) {
        if snapshot.configuration != self.configuration {
            self.change(snapshot.configuration);
        }
    }

    #[cold]
    fn change(&mut self, configuration: u32) {
        self.configuration = configuration;
        let supply = self.supply.clone();
        supply.take(configuration, |means| {
            self.answerer.adopt(&means.answerer);
            self.upstream.clone_from(&means.upstream);
            self.limits.clone_from(&means.limits);
            self.unknown_wait = milliseconds(means.unknown_wait);
        });
    }

    pub(super) fn entropy(&mut self) -> u64 {
        self.entropy.next()
    }

    /// Says when the queries came that are answered next.
    #[inline]
    pub(super) fn received(&mut self, at: Instant) {
        self.answerer.received(at);
    }

    /// Says that the answers to them were sent.
    #[inline]
    pub(super) fn sent(&mut self) {
        self.answerer.sent();
    }

    pub(super) fn knows(&self, snapshot: &Snapshot, client: IpAddr) -> bool {
        self.answerer.knows(snapshot, client)
    }

    /// Returns whether every query is to be answered.
    pub(super) fn admits_all(&self) -> bool {
        self.limits.is_none()
    }

    /// Returns whether a query is to be answered. Called once for each that arrives: one that waits
    /// has been counted.
    #[inline]
    pub(super) fn admit(&self, snapshot: &Snapshot, request: &Request<'_>) -> Admission {
        match &self.limits {
            None => Admission::Answer,
            Some(limits) => self.admit_within(limits, snapshot, request),
        }
    }

    fn admit_within(
        &self,
        limits: &Limits,
        snapshot: &Snapshot,
        request: &Request<'_>,
    ) -> Admission {
        let client = self.answerer.awaited(snapshot, request);
        let tenant = || snapshot.view(snapshot.identify(client)).own_tenant();
        let stream = request.transport != Transport::Udp;
        let admission = limits.admit(client, tenant, stream, request.now);
        let count = match (admission, stream) {
            (Admission::Answer, _) => return admission,
            (Admission::Truncate(Limit::Client), _) => Count::ClientTruncated,
            (Admission::Truncate(Limit::Tenant), _) => Count::TenantTruncated,
            (Admission::Refuse(Limit::Client), false) => Count::ClientDropped,
            (Admission::Refuse(Limit::Tenant), false) => Count::TenantDropped,
            (Admission::Refuse(Limit::Client), true) => Count::ClientClosed,
            (Admission::Refuse(Limit::Tenant), true) => Count::TenantClosed,
        };
        self.counters.add(count, 1);
        admission
    }

    /// Writes the question back with TC=1, which is never longer than the query, and returns its
    /// length: 0 for what is no query.
    pub(super) fn truncate(&self, query: &[u8], out: &mut [u8]) -> usize {
        let mut buffer = QNameBuffer::default();
        let Ok(query) = Query::parse(query, &mut buffer) else {
            return 0;
        };
        let mut builder = ResponseBuilder::new(&query, ResponseBuilder::udp_limit(&query), out);
        builder.set_truncated();
        self.counters.add(Count::Answered, 1);
        builder.finish()
    }

    /// Returns the short way of a listener's queries, where there is one: what
    /// [`Engine::answer_plainly`] is asked for next.
    pub(super) fn shortcut<'s>(
        &mut self,
        snapshot: &'s Snapshot,
        listener: ListenerId,
    ) -> Option<Shortcut<'s>> {
        let way = Shortcut::of(snapshot, listener)?;
        self.answerer.turn_to(snapshot, listener);
        Some(way)
    }

    /// Answers a query by the short way, and returns the octets of `out` to send; `None` where it is for
    /// [`Engine::answer`]. Panics are the caller's, who says so by [`Engine::panicked`], and so are
    /// the counts, by [`Engine::answered`].
    #[inline(always)]
    pub(super) fn answer_plainly(
        &mut self,
        snapshot: &Snapshot,
        way: &Shortcut<'_>,
        request: PlainRequest<'_, '_>,
        out: &mut [u8],
    ) -> Option<usize> {
        let Self {
            answerer, entropy, ..
        } = self;
        let length = answerer.answer_plainly(snapshot, way, request, || entropy.next(), out)?;
        Some(length.min(out.len()))
    }

    /// Counts so many answers that were given by the short way.
    pub(super) fn answered(&self, answers: u64) {
        self.counters.add(Count::Answered, answers);
    }

    /// Counts a panic, writes SERVFAIL for the query that was being answered, and returns its length.
    #[cold]
    pub(super) fn panicked(&self, query: &[u8], out: &mut [u8]) -> usize {
        self.counters.add(Count::Panics, 1);
        header_servfail(query, out)
    }

    /// Answers a query, or passes it on to the waiters or the upstream with the way back that
    /// `keep` gives. Returns the octets of `out` to send now; 0 for none.
    pub(super) fn answer(
        &mut self,
        snapshot: &Arc<Snapshot>,
        request: &Request<'_>,
        out: &mut [u8],
        waiters: &Waiters,
        keep: impl FnOnce() -> Option<ReplyTo>,
    ) -> usize {
        let answered = self.answer_once(snapshot, request, out);
        self.pass_on(answered, (snapshot, request), out, waiters, keep)
    }

    /// As [`Engine::answer`], for a query that [`Engine::answer_plainly`] left.
    #[inline(never)]
    pub(super) fn answer_at_length(
        &mut self,
        snapshot: &Arc<Snapshot>,
        request: &Request<'_>,
        out: &mut [u8],
        waiters: &Waiters,
        keep: impl FnOnce() -> Option<ReplyTo>,
    ) -> usize {
        let answered = self.guarded(request, out, |answerer, out| {
            answerer.answer(snapshot, request, out)
        });
        self.pass_on(answered, (snapshot, request), out, waiters, keep)
    }

    fn pass_on(
        &mut self,
        answered: Answered,
        (snapshot, request): (&Arc<Snapshot>, &Request<'_>),
        out: &mut [u8],
        waiters: &Waiters,
        keep: impl FnOnce() -> Option<ReplyTo>,
    ) -> usize {
        match answered {
            Answered::Reply(length) => length,
            Answered::Nothing => 0,
            Answered::Transfer(transfer) => self.begun.insert(transfer).length,
            Answered::Hold => {
                let given_back = match keep() {
                    Some(reply) => match waiters.hold(self.held(snapshot, request, reply)) {
                        None => {
                            self.counters.add(Count::Held, 1);
                            return 0;
                        }
                        given_back => given_back,
                    },
                    None => None,
                };
                self.counters.add(Count::HoldRefused, 1);
                let at_once = Request {
                    may_wait: false,
                    ..*request
                };
                match self.answer_once(snapshot, &at_once, out) {
                    Answered::Reply(length) => length,
                    Answered::Nothing => 0,
                    // Who waits is given no zone.
                    Answered::Hold | Answered::Transfer(_) => self.fail(request.bytes, out),
                    Answered::Ask(plan) => match self.recall(snapshot, &at_once, plan, out) {
                        Recalled::Answered(length) => length,
                        Recalled::Needs(needed) => {
                            let refused = match given_back {
                                Some(query) => self.ask(snapshot, query, needed).is_some(),
                                None => true,
                            };
                            self.fail_if(refused, request.bytes, out)
                        }
                    },
                }
            }
            Answered::Ask(plan) => match self.recall(snapshot, request, plan, out) {
                Recalled::Answered(length) => length,
                Recalled::Needs(needed) => {
                    let held = keep().map(|reply| self.held(snapshot, request, reply));
                    let refused = match held {
                        Some(query) => self.ask(snapshot, query, needed).is_some(),
                        None => true,
                    };
                    self.fail_if(refused, request.bytes, out)
                }
            },
        }
    }

    fn fail_if(&self, refused: bool, query: &[u8], out: &mut [u8]) -> usize {
        if refused { self.fail(query, out) } else { 0 }
    }

    fn held(&self, snapshot: &Snapshot, request: &Request<'_>, reply: ReplyTo) -> HeldQuery {
        let client = self.answerer.awaited(snapshot, request);
        HeldQuery::new(request, client, reply)
    }

    /// Answers a query once, panics included.
    pub(super) fn answer_once(
        &mut self,
        snapshot: &Snapshot,
        request: &Request<'_>,
        out: &mut [u8],
    ) -> Answered {
        let mut plainly = None;
        let answered = self.guarded(request, out, |answerer, out| {
            let entropy = || request.entropy;
            plainly = Shortcut::of(snapshot, request.listener).and_then(|way| {
                answerer.turn_to(snapshot, request.listener);
                answerer.answer_plainly(snapshot, &way, request.into(), entropy, out)
            });
            match plainly {
                Some(_) => Outcome::Hold,
                None => answerer.answer(snapshot, request, out),
            }
        });
        match plainly {
            Some(length) => {
                self.answered(1);
                Answered::Reply(length.min(out.len()))
            }
            None => answered,
        }
    }

    /// Answers a query once with what upstreams said, panics included.
    pub(super) fn resume_once(
        &mut self,
        snapshot: &Snapshot,
        request: &Request<'_>,
        replies: &[Replied<'_>],
        out: &mut [u8],
    ) -> Answered {
        self.guarded(request, out, |answerer, out| {
            answerer.resume(snapshot, request, replies, out)
        })
    }

    #[inline(always)]
    fn guarded(
        &mut self,
        request: &Request<'_>,
        out: &mut [u8],
        answer: impl FnOnce(&mut A, &mut [u8]) -> Outcome,
    ) -> Answered {
        // What a panic leaves half done is in `out` alone, which is written anew.
        let answerer = AssertUnwindSafe(&mut self.answerer);
        let buffer = AssertUnwindSafe(&mut *out);
        let answer = AssertUnwindSafe(answer);
        let outcome = catch_unwind(move || {
            let parts = (answer, answerer, buffer);
            let (AssertUnwindSafe(answer), AssertUnwindSafe(answerer), AssertUnwindSafe(out)) =
                parts;
            answer(answerer, out)
        });
        match outcome {
            Ok(Outcome::Reply(length, verdict)) => {
                self.counters.add(Count::Answered, 1);
                if let Some(forwarded) = verdict.forwarded {
                    self.counters.add(count_of(forwarded), 1);
                }
                Answered::Reply(length.min(out.len()))
            }
            Ok(Outcome::Drop(reason)) => {
                self.counters.add(Count::Dropped, 1);
                if reason == DropReason::NoClient {
                    self.counters.add(Count::NoClient, 1);
                }
                Answered::Nothing
            }
            Ok(Outcome::Hold) => Answered::Hold,
            Ok(Outcome::Ask(plan)) => Answered::Ask(plan),
            Ok(Outcome::Transfer(transfer)) => Answered::Transfer(transfer),
            Err(_) => {
                self.counters.add(Count::Panics, 1);
                Answered::Reply(header_servfail(request.bytes, out))
            }
        }
    }

    /// Writes FORMERR for a query whose client was named in a way that can't be read, and returns its
    /// length; 0 where it is no query.
    pub(super) fn refuse_claim(&self, query: &[u8], out: &mut [u8]) -> usize {
        let header = Header::parse(query).filter(|header| !header.is_response());
        let Some(header) = header else {
            self.counters.add(Count::Dropped, 1);
            return 0;
        };
        self.counters.add(Count::Answered, 1);
        self.counters.add(Count::ForwardedMalformed, 1);
        ResponseBuilder::error(QueryError::Question(header), out).unwrap_or(0)
    }

    /// Writes SERVFAIL for a query that nothing can answer, and returns its length.
    pub(super) fn fail(&self, query: &[u8], out: &mut [u8]) -> usize {
        self.counters.add(Count::Answered, 1);
        let mut buffer = QNameBuffer::default();
        match Query::parse(query, &mut buffer) {
            Ok(query) => {
                let mut builder =
                    ResponseBuilder::new(&query, ResponseBuilder::udp_limit(&query), out);
                builder.set_rcode(Rcode::SERVFAIL);
                builder.finish()
            }
            Err(_) => header_servfail(query, out),
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn count_of(forwarded: Forwarded) -> Count {
    match forwarded {
        Forwarded::Known => Count::ForwardedKnown,
        Forwarded::ForNobody => Count::ForwardedForNobody,
        Forwarded::ForUnknown => Count::ForwardedForUnknown,
        Forwarded::Malformed => Count::ForwardedMalformed,
        Forwarded::Ignored => Count::ClaimIgnored,
    }
}

/// Writes SERVFAIL without a question: after a panic nothing that reads the query is trusted.
/// Returns 0 where the message is no query: it gets no reply.
fn header_servfail(query: &[u8], out: &mut [u8]) -> usize {
    let is_query = Header::parse(query).is_some_and(|header| !header.is_response());
    let (Some(&[i0, i1, flags, ..]), Some(out)) = (
        query.first_chunk::<HEADER_LEN>(),
        out.first_chunk_mut::<HEADER_LEN>(),
    ) else {
        return 0;
    };
    if !is_query {
        return 0;
    }
    let [_, rcode] = Rcode::SERVFAIL.0.to_be_bytes();
    // QR on; the opcode and RD as they came.
    *out = [i0, i1, 0x80 | (flags & 0x79), rcode, 0, 0, 0, 0, 0, 0, 0, 0];
    HEADER_LEN
}
