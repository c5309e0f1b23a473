//! What a thread does with a query that asks an upstream: it goes on with what that knows already, or
//! hands the query over.

use super::answerer::Answerer;
use super::engine::{Answered, Engine};
use super::held::{HeldQuery, Inquiry, Needed, replied};
use super::stats::Count;
use crate::answer::{Plan, Request};
use crate::snapshot::Snapshot;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Octets of what an upstream knows already at most: a message.
const RECALLED: usize = 65_535;

/// What came of asking what an upstream knows already.
pub(super) enum Recalled {
    /// Send so many octets of the buffer; 0 for none.
    Answered(usize),
    /// It has to be asked.
    Needs(Needed),
}

impl<A: Answerer> Engine<A> {
    /// Goes on with a query that asks an upstream, with what that knows already, as long as it does.
    #[inline(never)]
    pub(super) fn recall(
        &mut self,
        snapshot: &Snapshot,
        request: &Request<'_>,
        mut plan: Box<Plan>,
        out: &mut [u8],
    ) -> Recalled {
        let mut earlier = Vec::new();
        let Some(upstream) = self.upstream.clone() else {
            return Recalled::Needs(Needed { earlier, plan });
        };
        let mut room = std::mem::take(&mut self.recalled);
        room.resize(RECALLED, 0);
        let answered = loop {
            // What a panic leaves half done is in `room` alone, which is written anew.
            let recall = || upstream.recall(snapshot, request, &plan, &mut room);
            let known = catch_unwind(AssertUnwindSafe(recall)).unwrap_or_else(|_| {
                self.counters.add(Count::Panics, 1);
                None
            });
            let Some(reply) = known.and_then(|length| room.get(..length)) else {
                break None;
            };
            self.counters.add(Count::Recalled, 1);
            let replies = replied(&earlier, &plan, Some(reply));
            self.answerer.recalls(true);
            let answered = self.resume_once(snapshot, request, &replies, out);
            self.answerer.recalls(false);
            drop(replies);
            match answered {
                Answered::Reply(length) => break Some(length),
                Answered::Nothing => break Some(0),
                // Whoever asks an upstream is known, or has waited.
                Answered::Hold | Answered::Transfer(_) => {
                    break Some(self.fail(request.bytes, out));
                }
                Answered::Ask(next) => {
                    let reply = Some(reply.to_vec());
                    earlier.push((std::mem::replace(&mut plan, next), reply));
                }
            }
        };
        self.recalled = room;
        answered.map_or(
            Recalled::Needs(Needed { earlier, plan }),
            Recalled::Answered,
        )
    }

    /// Hands a query to the upstream, or gives it back where that has no room. A panic there costs that
    /// query alone.
    pub(super) fn ask(
        &self,
        snapshot: &Arc<Snapshot>,
        query: HeldQuery,
        needed: Needed,
    ) -> Option<HeldQuery> {
        let Some(upstream) = &self.upstream else {
            return Some(query);
        };
        let inquiry = Box::new(Inquiry::new(query, snapshot.clone(), needed));
        match catch_unwind(AssertUnwindSafe(|| upstream.ask(inquiry))) {
            Ok(None) => {
                self.counters.add(Count::Asked, 1);
                None
            }
            Ok(Some(inquiry)) => {
                self.counters.add(Count::AskRefused, 1);
                Some(inquiry.into_query())
            }
            Err(_) => {
                self.counters.add(Count::Panics, 1);
                None
            }
        }
    }
}
