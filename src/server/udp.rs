//! The UDP worker: one thread, one socket, a batch in, a batch out.
//!
//! Nothing here allocates, locks or writes memory that another worker writes, but for queries that
//! are put aside (invariant I4).

use super::engine::{Answerer, Engine};
use super::held::ReplyTo;
use super::stats::Count;
use super::sys::{Datagrams, Receiver, SLOTS, Sender};
use super::waiters::Waiters;
use crate::answer::{Request, Transport};
use crate::chain::ListenerId;
use crate::drain::Drain;
use crate::limits::Admission;
use std::io::ErrorKind;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

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
}

impl<A: Answerer> Worker<A> {
    /// Answers queries until `drain` is set, and then those that have already arrived.
    pub(super) fn run(mut self, drain: &Drain) {
        let (mut receiver, mut sender) = (Receiver::new(), Sender::new());
        let mut lost = 0;
        while !drain.is_started() {
            match receiver.receive(&self.socket, true) {
                Ok(received) => {
                    self.answer(received, &receiver, &mut sender);
                    let now_lost = receiver.lost();
                    let more = now_lost.wrapping_sub(lost);
                    self.engine.counters.add(Count::UdpLost, more.into());
                    lost = now_lost;
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
        let now = self.engine.clock.now();
        let snapshot = self.engine.reader.load();
        let mut unanswerable = 0;
        for slot in 0..received {
            let Some((bytes, route)) = receiver.datagram(slot) else {
                unanswerable += 1;
                continue;
            };
            let request = Request {
                listener: self.listener,
                peer: route.peer,
                local: route.local,
                claimed: None,
                transport: Transport::Udp,
                now,
                entropy: self.engine.entropy(),
                may_wait: true,
                bytes,
            };
            let keep = || Some(ReplyTo::Udp(self.socket.clone(), *route));
            let out = sender.buffer();
            let engine = &mut self.engine;
            let length = match engine.admit(&snapshot, &request) {
                Admission::Answer => engine.answer(&snapshot, &request, out, &self.waiters, keep),
                Admission::Truncate(_) => engine.truncate(bytes, out),
                Admission::Refuse(_) => 0,
            };
            if length > 0 {
                sender.push(length, route);
            }
        }
        drop(snapshot);
        let sent = sender.flush(&self.socket);
        let counters = &self.engine.counters;
        counters.add(Count::UdpQueries, received as u64);
        counters.add(Count::UdpUnanswerable, unanswerable);
        counters.add(Count::UdpSendFailed, sent.failed as u64);
    }
}

#[cfg(test)]
mod tests;
