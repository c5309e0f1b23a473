//! The UDP worker: one thread, one socket, a batch in, a batch out.
//!
//! Nothing here allocates, locks or writes memory that another worker writes, but for queries that
//! are put aside (invariant I4).

use super::engine::{Answerer, Engine};
use super::held::ReplyTo;
use super::proxy::{self, Header, Named};
use super::stats::Count;
use super::sys::{Datagrams, Receiver, SLOTS, Sender};
use super::waiters::Waiters;
use crate::answer::{Request, Transport};
use crate::chain::ListenerId;
use crate::drain::Drain;
use crate::limits::Admission;
use crate::snapshot::Snapshot;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
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
        let now = self.engine.clock.at(received_at);
        self.engine.received(received_at);
        let snapshot = self.engine.reader.load();
        self.engine.adopt(&snapshot);
        let speak_proxy = snapshot.forwarders.speak_proxy();
        let several = self.socket.only.is_none();
        let mut unanswerable = 0;
        // What differs from one to the next is written into it.
        let mut request = Request {
            listener: self.listener,
            peer: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            local: self.socket.only,
            claimed: None,
            transport: Transport::Udp,
            now,
            entropy: 0,
            may_wait: true,
            bytes: &[],
        };
        for slot in 0..received {
            let Some((bytes, route)) = receiver.datagram(slot) else {
                unanswerable += 1;
                continue;
            };
            let (named, bytes) = match speak_proxy {
                false => (Named::Nobody, bytes),
                true => match unwrapped(&snapshot, route.peer.ip(), bytes) {
                    Some(unwrapped) => unwrapped,
                    None => {
                        unanswerable += 1;
                        continue;
                    }
                },
            };
            let out = sender.buffer();
            let claimed = match named {
                Named::Nobody => None,
                Named::Client(address) => Some(address),
                Named::Malformed => {
                    let length = self.engine.refuse_claim(bytes, out);
                    if length > 0 {
                        sender.push(length, route, &self.socket);
                    }
                    continue;
                }
            };
            request.peer = route.peer;
            request.entropy = self.engine.entropy();
            request.bytes = bytes;
            if several {
                request.local = route.local;
            }
            if speak_proxy {
                request.claimed = claimed;
            }
            let keep = || Some(ReplyTo::Udp(self.socket.clone(), *route));
            let engine = &mut self.engine;
            let length = match engine.admit(&snapshot, &request) {
                Admission::Answer => engine.answer(&snapshot, &request, out, &self.waiters, keep),
                Admission::Truncate(_) => engine.truncate(bytes, out),
                Admission::Refuse(_) => 0,
            };
            if length > 0 {
                sender.push(length, route, &self.socket);
            }
        }
        drop(snapshot);
        let sent = sender.flush(&self.socket);
        self.engine.sent();
        let counters = &self.engine.counters;
        counters.add(Count::UdpQueries, received as u64);
        counters.add(Count::UdpUnanswerable, unanswerable);
        counters.add(Count::UdpSendFailed, sent.failed as u64);
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
