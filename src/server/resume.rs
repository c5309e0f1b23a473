//! The way on for queries whose upstream has spoken: an engine for the thread of whoever asked it.

use super::answerer::Answerer;
use super::engine::{Answered, Engine};
use super::held::{Inquiry, Resume};
use super::stats::Count;
use super::sys::ANSWER;
use super::tcp::MAX_MESSAGE;
use crate::answer::{Failure, Transport};

/// An engine with a buffer for its answers.
pub(super) struct Resumer<A> {
    engine: Engine<A>,
    out: Vec<u8>,
}

impl<A> Resumer<A> {
    pub(super) fn new(engine: Engine<A>) -> Self {
        Self {
            engine,
            out: vec![0; MAX_MESSAGE],
        }
    }
}

impl<A: Answerer> Resume for Resumer<A> {
    fn now(&self) -> u64 {
        self.engine.clock.now()
    }

    fn resume(
        &mut self,
        mut inquiry: Box<Inquiry>,
        reply: Option<&[u8]>,
        failure: Option<Failure>,
    ) -> Option<Box<Inquiry>> {
        self.engine.adopt(inquiry.snapshot());
        let failure = inquiry.failed(failure);
        self.engine.answerer.failed(failure);
        self.engine.received(inquiry.since());
        let request = inquiry.request(self.engine.clock.now());
        let room = match request.transport {
            Transport::Udp => ANSWER,
            Transport::Tcp | Transport::Exchange => MAX_MESSAGE,
        };
        let out = &mut self.out[..room];
        self.engine.received(inquiry.since());
        let replies = inquiry.replied(reply);
        let answered = self
            .engine
            .resume_once(inquiry.snapshot(), &request, &replies, out);
        let length = match answered {
            Answered::Reply(length) => length,
            Answered::Nothing => 0,
            // Whoever asks an upstream is known, or has waited, and is given no zone.
            Answered::Hold | Answered::Transfer(_) => self.engine.fail(request.bytes, out),
            Answered::Ask(plan) => {
                drop(replies);
                inquiry.ask_next(plan, reply);
                return Some(inquiry);
            }
        };
        drop(replies);
        if length > 0 && !inquiry.into_query().reply(&out[..length]) {
            self.engine.counters.add(Count::UdpSendFailed, 1);
        }
        self.engine.sent();
        None
    }
}
