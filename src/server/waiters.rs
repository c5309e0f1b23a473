//! The queries that wait for their client to be known: one thread, woken by every publish.
//!
//! Workers hand queries over without waiting: through a bounded channel, with a count of all that
//! wait. What finds no room is given back and answered at once, never dropped.

use super::answerer::Answerer;
use super::asking::Recalled;
use super::engine::{Answered, Engine};
use super::held::HeldQuery;
use super::stats::Count;
use super::sys::ANSWER;
use super::tcp::MAX_MESSAGE;
use crate::answer::Transport;
use crate::drain::Drain;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::{self, Thread};
use std::time::Duration;

/// Queries that wait at most, in all: what spoofed sources can make us keep.
pub(super) const HELD: usize = 1024;
/// Queries of one address that wait at most: a resolver asks A and AAAA, and retries.
const HELD_PER_CLIENT: usize = 8;

/// The workers' end: hands queries over. The thread ends with the last of these.
pub(super) struct Waiters {
    // An Option only so that it can be gone before the thread is woken to see that it is.
    queries: Option<SyncSender<HeldQuery>>,
    held: Arc<AtomicUsize>,
    thread: Thread,
}

/// The thread's end of the channel.
pub(super) struct Inbox {
    queries: Receiver<HeldQuery>,
    held: Arc<AtomicUsize>,
}

/// Returns what the thread takes, and a function that makes the workers' end of its handle.
pub(super) fn channel() -> (Inbox, impl FnOnce(Thread) -> Waiters) {
    let (sender, queries) = sync_channel(HELD);
    let held = Arc::new(AtomicUsize::new(0));
    let inbox = Inbox {
        queries,
        held: held.clone(),
    };
    let connect = move |thread| Waiters {
        queries: Some(sender),
        held,
        thread,
    };
    (inbox, connect)
}

// === impl Waiters ===

impl Waiters {
    /// Hands a query over, or gives it back where too many wait. Never blocks.
    pub(super) fn hold(&self, query: HeldQuery) -> Option<HeldQuery> {
        let Some(queries) = &self.queries else {
            return Some(query);
        };
        // Counted before it is sent, so that the sum of channel and thread never exceeds HELD.
        if self.held.fetch_add(1, Ordering::Relaxed) >= HELD {
            self.held.fetch_sub(1, Ordering::Relaxed);
            return Some(query);
        }
        match queries.try_send(query) {
            Ok(()) => {
                self.thread.unpark();
                None
            }
            Err(TrySendError::Full(query) | TrySendError::Disconnected(query)) => {
                self.held.fetch_sub(1, Ordering::Relaxed);
                Some(query)
            }
        }
    }
}

impl Clone for Waiters {
    fn clone(&self) -> Self {
        Self {
            queries: self.queries.clone(),
            held: self.held.clone(),
            thread: self.thread.clone(),
        }
    }
}

impl Drop for Waiters {
    fn drop(&mut self) {
        self.queries = None;
        self.thread.unpark();
    }
}

// === impl Waiting ===

/// What the thread keeps.
struct Waiting<A> {
    engine: Engine<A>,
    clients: HashMap<IpAddr, Vec<HeldQuery>>,
    held: Arc<AtomicUsize>,
    out: Vec<u8>,
}

/// Answers held queries until the workers' ends are gone and nothing waits. Once `drain` is set
/// nothing waits any more: each query is answered as it comes.
pub(super) fn run<A: Answerer>(engine: Engine<A>, inbox: &Inbox, drain: &Drain) {
    // Only while somebody waits: a busy cluster publishes a hundred times a second.
    let mut subscription = None;
    drain.unpark_me();
    let mut waiting = Waiting {
        engine,
        clients: HashMap::new(),
        held: inbox.held.clone(),
        out: vec![0; MAX_MESSAGE],
    };
    loop {
        let open = loop {
            match inbox.queries.try_recv() {
                Ok(query) => waiting.admit(query),
                Err(TryRecvError::Empty) => break true,
                Err(TryRecvError::Disconnected) => break false,
            }
        };
        if subscription.is_none() && !waiting.clients.is_empty() {
            // Before the first look at a snapshot, or a publish in between would wake nobody.
            subscription = Some(waiting.engine.reader.subscribe());
        }
        let next = waiting.settle(!open || drain.is_started());
        if next.is_none() {
            subscription = None;
        }
        match next {
            _ if !open => return,
            Some(pause) => thread::park_timeout(pause),
            None => thread::park(),
        }
    }
}

impl<A: Answerer> Waiting<A> {
    fn admit(&mut self, query: HeldQuery) {
        let queries = self.clients.entry(query.client()).or_default();
        if queries.len() < HELD_PER_CLIENT {
            queries.push(query);
        } else {
            self.engine.counters.add(Count::HoldRefused, 1);
            self.answer(query, false);
        }
    }

    /// Answers the queries whose client is known or whose time is up, all of them where `at_once`,
    /// and returns how long until the next one's time is up.
    fn settle(&mut self, at_once: bool) -> Option<Duration> {
        if self.clients.is_empty() {
            return None;
        }
        let now = self.engine.clock.now();
        let mut next = None;
        let mut clients = std::mem::take(&mut self.clients);
        clients.retain(|&client, queries| {
            let known = {
                let snapshot = self.engine.reader.load();
                self.engine.adopt(&snapshot);
                self.engine.knows(&snapshot, client)
            };
            for query in std::mem::take(queries) {
                let deadline = query.received().saturating_add(self.engine.unknown_wait);
                let expired = at_once || deadline <= now;
                let kept = if known || expired {
                    self.engine.counters.add(
                        if known {
                            Count::HeldKnown
                        } else {
                            Count::HeldExpired
                        },
                        1,
                    );
                    self.answer(query, !expired)
                } else {
                    Some(query)
                };
                if let Some(query) = kept {
                    queries.push(query);
                    next = Some(next.map_or(deadline, |next: u64| next.min(deadline)));
                }
            }
            !queries.is_empty()
        });
        self.clients = clients;
        // A millisecond more: the clock counts whole ones.
        next.map(|deadline| Duration::from_millis(deadline.saturating_sub(now) + 1))
    }

    /// Answers a query, or returns it where it must wait on.
    fn answer(&mut self, query: HeldQuery, may_wait: bool) -> Option<HeldQuery> {
        let entropy = self.engine.entropy();
        let request = query.request(self.engine.clock.now(), entropy, may_wait);
        let room = match request.transport {
            Transport::Udp => ANSWER,
            Transport::Tcp | Transport::Exchange => MAX_MESSAGE,
        };
        let out = &mut self.out[..room];
        let snapshot = Arc::clone(&self.engine.reader.load());
        self.engine.adopt(&snapshot);
        self.engine.received(query.since());
        let length = match self.engine.answer_once(&snapshot, &request, out) {
            Answered::Hold if may_wait => return Some(query),
            Answered::Reply(length) => length,
            Answered::Nothing => 0,
            Answered::Ask(plan) => match self.engine.recall(&snapshot, &request, plan, out) {
                Recalled::Answered(length) => length,
                Recalled::Needs(needed) => {
                    self.held.fetch_sub(1, Ordering::Relaxed);
                    if let Some(query) = self.engine.ask(&snapshot, query, needed) {
                        let length = self.engine.fail(query.bytes(), out);
                        self.send(query, length);
                    }
                    return None;
                }
            },
            Answered::Hold | Answered::Transfer(_) => self.engine.fail(request.bytes, out),
        };
        drop(snapshot);
        self.held.fetch_sub(1, Ordering::Relaxed);
        self.send(query, length);
        None
    }

    fn send(&mut self, query: HeldQuery, length: usize) {
        if length > 0 && !query.reply(&self.out[..length]) {
            self.engine.counters.add(Count::UdpSendFailed, 1);
        }
        self.engine.sent();
    }
}

#[cfg(test)]
mod tests;
