//! The UDP worker: one thread, one socket, a batch in, a batch out.
//!
//! Nothing here allocates, locks or writes memory that another worker writes, but for queries that
//! are put aside (invariant I4).

use super::answerer::Answerer;
use super::engine::Engine;
use super::held::ReplyTo;
use super::proxy::{self, Header, Named};
use super::stats::Count;
use super::sys::{Datagrams, Receiver, Route, SLOTS, Sender};
use super::waiters::Waiters;
use crate::answer::{PlainRequest, Request, Shortcut, Transport};
use crate::chain::ListenerId;
use crate::drain::Drain;
use crate::limits::Admission;
use crate::snapshot::Snapshot;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a worker sleeps in the kernel before it looks at the signal to stop: with the last
/// sweep it ends within 250 ms.
pub(super) const RECEIVE_TIMEOUT: Duration = Duration::from_millis(200);
/// Batches that the last sweep answers at most: more than a receive buffer holds, and few enough
/// that a flood can't keep the worker.
const LAST_BATCHES: usize = 16_384 / SLOTS;
/// The pause after a failure to receive, so that a broken socket does not take a core.
const FAILURE_PAUSE: Duration = Duration::from_millis(10);

/// One worker.
pub(super) struct Worker<A> {
    pub(super) engine: Engine<A>,
    pub(super) listener: ListenerId,
    pub(super) socket: Arc<Datagrams>,
    pub(super) waiters: Waiters,
    /// Datagrams that the socket is known to have lost; `None` where a predecessor counted them.
    pub(super) lost: Option<u32>,
}

impl<A: Answerer> Worker<A> {
    /// Answers queries until `drain` is set, and then those that have already arrived.
    pub(super) fn run(mut self, drain: &Drain) {
        let (mut receiver, mut sender) = (Receiver::new(&self.socket), Sender::new());
        while !drain.is_started() {
            match receiver.receive(&self.socket, true) {
                Ok(received) => {
                    self.answer(received, &receiver, &mut sender);
                    let now_lost = receiver.lost();
                    let more = now_lost.wrapping_sub(self.lost.unwrap_or(now_lost));
                    self.engine.counters.add(Count::UdpLost, more.into());
                    self.lost = Some(now_lost);
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::Interrupted => {}
                    _ => {
                        self.engine.counters.add(Count::UdpReceiveFailed, 1);
                        thread::park_timeout(FAILURE_PAUSE);
                    }
                },
            }
        }
        for _ in 0..LAST_BATCHES {
            let Ok(received) = receiver.receive(&self.socket, false) else {
                break;
            };
            self.answer(received, &receiver, &mut sender);
        }
    }

    fn answer(&mut self, received: usize, receiver: &Receiver, sender: &mut Sender) {
        let received_at = Instant::now();
        self.engine.received(received_at);
        let snapshot = self.engine.reader.load();
        self.engine.adopt(&snapshot);
        let now = self.engine.clock.at(received_at);
        let mut batch = Batch {
            receiver,
            sender: &mut *sender,
            snapshot: &snapshot,
            now,
            next: 0,
            received,
            unanswerable: 0,
            plain: 0,
        };
        while batch.next < received {
            let before = batch.next;
            let parts = AssertUnwindSafe((&mut *self, &mut batch));
            let ended = catch_unwind(move || {
                let AssertUnwindSafe((worker, batch)) = { parts };
                worker.answer_each(batch);
            });
            // What a panic leaves half done is in the answer's buffer alone, which is written anew.
            if ended.is_err() {
                // One that came before any query costs the next one, so that the batch has an end.
                batch.next = batch.next.max(before + 1);
                let slot = batch.next.wrapping_sub(1);
                if let Some((bytes, _)) = receiver.datagram(slot) {
                    let length = self.engine.panicked(bytes, batch.sender.buffer());
                    batch.send(length, slot);
                }
            }
        }
        let Batch {
            unanswerable,
            plain,
            ..
        } = batch;
        drop(snapshot);
        let sent = sender.flush(receiver, &self.socket);
        self.engine.sent();
        self.engine.answered(plain);
        let counters = &self.engine.counters;
        counters.add(Count::UdpQueries, received as u64);
        counters.add(Count::UdpUnanswerable, unanswerable);
        counters.add(Count::UdpSendFailed, sent.failed as u64);
    }

    /// Answers the datagrams of a batch from its next one on.
    #[inline(always)]
    fn answer_each(&mut self, batch: &mut Batch<'_>) {
        let snapshot = batch.snapshot;
        let way = self.engine.shortcut(snapshot, self.listener);
        // The first that is to be done with a query, unless it has to be looked at before.
        let looks = snapshot.forwarders.speak_proxy() || !self.engine.admits_all();
        let first = way.filter(|_| !looks);
        let common = Request {
            listener: self.listener,
            peer: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            local: None,
            claimed: None,
            transport: Transport::Udp,
            now: batch.now,
            entropy: 0,
            may_wait: true,
            bytes: &[],
        };
        for (slot, bytes, route) in batch.receiver.datagrams(batch.next, batch.received) {
            batch.next = slot.wrapping_add(1);
            let Some(bytes) = bytes else {
                batch.unanswerable += 1;
                continue;
            };
            let plain = PlainRequest {
                batch: &common,
                transport: Transport::Udp,
                peer: &route.peer,
                local: &route.local,
                bytes,
            };
            if let Some(way) = &first
                && let out = batch.sender.buffer()
                && let Some(length) = self.engine.answer_plainly(snapshot, way, plain, out)
            {
                batch.plain = batch.plain.wrapping_add(1);
                batch.send(length, slot);
                continue;
            }
            let later = way.as_ref().filter(|_| looks);
            self.answer_one(plain.whole(), batch, (slot, route), later);
        }
    }

    /// Answers a datagram that has to be looked at first, or that the short way left.
    #[inline(never)]
    fn answer_one<'b>(
        &mut self,
        mut request: Request<'b>,
        batch: &mut Batch<'b>,
        (slot, route): (usize, &Route),
        way: Option<&Shortcut<'_>>,
    ) {
        let snapshot = batch.snapshot;
        if snapshot.forwarders.speak_proxy() && !self.unwrap(&mut request, batch, slot) {
            return;
        }
        if !self.engine.admits_all() && !self.admit(&request, batch, slot) {
            return;
        }
        let out = batch.sender.buffer();
        let engine = &mut self.engine;
        let plainly =
            way.and_then(|way| engine.answer_plainly(snapshot, way, (&request).into(), out));
        let length = match plainly {
            Some(length) => {
                batch.plain = batch.plain.wrapping_add(1);
                length
            }
            None => {
                request.entropy = engine.entropy();
                let keep = || Some(ReplyTo::Udp(self.socket.clone(), *route));
                engine.answer_at_length(snapshot, &request, out, &self.waiters, keep)
            }
        };
        batch.send(length, slot);
    }

    /// Returns whether a query is within the limits. One that is not is told so where the limit says
    /// that.
    fn admit(&self, request: &Request<'_>, batch: &mut Batch<'_>, slot: usize) -> bool {
        let length = match self.engine.admit(batch.snapshot, request) {
            Admission::Answer => return true,
            Admission::Truncate(_) => self.engine.truncate(request.bytes, batch.sender.buffer()),
            Admission::Refuse(_) => 0,
        };
        batch.send(length, slot);
        false
    }

    /// Takes the PROXY header of a forwarder off a query, and returns whether the query is to be
    /// answered.
    fn unwrap<'b>(&self, request: &mut Request<'b>, batch: &mut Batch<'b>, slot: usize) -> bool {
        let unwrapped = unwrapped(batch.snapshot, request.peer.ip(), request.bytes);
        let Some((named, bytes)) = unwrapped else {
            batch.unanswerable += 1;
            return false;
        };
        request.bytes = bytes;
        request.claimed = match named {
            Named::Nobody => None,
            Named::Client(address) => Some(address),
            Named::Malformed => {
                let length = self.engine.refuse_claim(bytes, batch.sender.buffer());
                batch.send(length, slot);
                return false;
            }
        };
        true
    }
}

/// A batch of datagrams that is being answered.
struct Batch<'b> {
    receiver: &'b Receiver,
    sender: &'b mut Sender,
    snapshot: &'b Arc<Snapshot>,
    /// Milliseconds on the server's clock.
    now: u64,
    /// The slot that is answered next.
    next: usize,
    received: usize,
    unanswerable: u64,
    /// Answered by the short way.
    plain: u64,
}

impl Batch<'_> {
    /// Sends what is in the answer's buffer, with the others of the batch; nothing where it is empty.
    #[inline(always)]
    fn send(&mut self, length: usize, slot: usize) {
        if length > 0 {
            self.sender.push(length, slot);
        }
    }
}

/// Takes the PROXY header off a datagram of a forwarder that sends them. Returns whom it names and
/// the message, or `None` where the message can't be told from the header.
#[inline(never)]
fn unwrapped<'b>(snapshot: &Snapshot, peer: IpAddr, bytes: &'b [u8]) -> Option<(Named, &'b [u8])> {
    if !snapshot.speaks_proxy(peer) {
        return Some((Named::Nobody, bytes));
    }
    match proxy::read(bytes) {
        Header::Absent => Some((Named::Nobody, bytes)),
        Header::Incomplete | Header::Broken => None,
        Header::Whole(length, named) => Some((named, bytes.get(length..)?)),
    }
}

#[cfg(test)]
mod tests;
