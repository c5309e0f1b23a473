//! One query on a stream of its own, as over HTTPS and QUIC: answered at once, or later. Not the
//! stream.

use super::answerer::Answerer;
use super::held::ReplyTo;
use super::padding::pad;
use super::proxy::Named;
use super::stats::Count;
use super::tcp::{Answering, MAX_MESSAGE, Origin, Shared};
use crate::answer::{Request, Transport};
use crate::limits::Admission;
use std::time::Instant;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// What becomes of a query.
#[derive(Debug)]
pub(super) enum Single {
    /// This is its reply.
    Reply(Vec<u8>),
    /// Its reply comes later; none where the queue ends.
    Later(mpsc::Receiver<Vec<u8>>),
    /// It has none.
    Nothing,
    /// Its client has asked as much as it may.
    Limited,
}

/// How a query ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// With this reply.
    Reply(Vec<u8>),
    /// Without one.
    Nothing,
    /// Its client has asked as much as it may; `close` where no other client uses the connection.
    Limited {
        /// Whether the connection is that client's alone.
        close: bool,
    },
}

impl<A: Answerer> Shared<A> {
    /// Answers a query, and waits where that comes later.
    pub(super) async fn ask(&self, origin: &Origin, message: &[u8], count: Count) -> Ended {
        match self.ask_once(origin, message, count) {
            Single::Reply(reply) => Ended::Reply(reply),
            Single::Nothing => Ended::Nothing,
            Single::Limited => {
                let snapshot = self.core.borrow().engine.reader.load();
                let close = snapshot.forwarder(origin.peer.ip()).is_none();
                Ended::Limited { close }
            }
            Single::Later(mut late) => {
                let longest = self.limits(origin.timeouts).timeouts.late;
                match timeout(longest, late.recv()).await {
                    Ok(Some(reply)) if !reply.is_empty() => Ended::Reply(reply),
                    _ => Ended::Nothing,
                }
            }
        }
    }

    fn ask_once(&self, origin: &Origin, message: &[u8], count: Count) -> Single {
        let mut core = self.core.borrow_mut();
        let Answering { engine, scratch } = &mut *core;
        let Some(out) = scratch.get_mut(..MAX_MESSAGE) else {
            return Single::Nothing;
        };
        engine.counters.add(count, 1);
        let received_at = Instant::now();
        engine.received(received_at);
        let request = Request {
            listener: origin.listener,
            peer: origin.peer,
            local: origin.local,
            claimed: match origin.named {
                Some(Named::Client(address)) => Some(address),
                Some(Named::Nobody | Named::Malformed) | None => None,
            },
            // As long as can be, and never cut: what a stream carries.
            transport: Transport::Exchange,
            now: engine.clock.at(received_at),
            entropy: engine.entropy(),
            may_wait: true,
            bytes: message,
        };
        let snapshot = engine.reader.load();
        engine.adopt(&snapshot);
        if engine.admit(&snapshot, &request) != Admission::Answer {
            return Single::Limited;
        }
        let mut late = None;
        let keep = || {
            let (place, replies) = mpsc::channel(1);
            late = Some(replies);
            place.try_reserve_owned().ok().map(ReplyTo::Encrypted)
        };
        let answered = match origin.named {
            Some(Named::Malformed) => engine.refuse_claim(message, out),
            _ => engine.answer(&snapshot, &request, out, &self.waiters, keep),
        };
        // What is left to do is the stream's.
        engine.sent();
        match (pad(message, out, answered), late) {
            (0, Some(late)) => Single::Later(late),
            (0, None) => Single::Nothing,
            (length, _) => Single::Reply(out[..length].to_vec()),
        }
    }
}
