//! The thread of one collector: copies of some answers become spans, and are posted in batches. While there
//! is no collector, as many are kept as there is room for.

use super::askers::Askers;
use super::collector::{Collector, Said};
use super::servers::Servers;
use crate::drain::Drain;
use crate::observe::{Exchange, Exchanges};
use crate::otlp::{Ids, Options, Resource, request, span};
use crate::querylog::Entry;
use bytes::Bytes;
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::ops::RangeInclusive;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, sleep, sleep_until};

/// Spans that are kept at most: about a megabyte.
const KEPT: usize = 4096;
/// Spans of one request at most.
const AT_ONCE: usize = 512;
/// How long spans wait for others to go with.
const DELAY: Duration = Duration::from_secs(1);
/// How often the rings are emptied.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a collector may take for a request: OTLP's time.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long what is left may take at the end.
const FAREWELL: Duration = Duration::from_secs(1);
/// Pauses between two attempts, where the collector says nothing of it.
const RETRIES: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30);
/// The longest that a collector may want to be left alone.
const LONGEST: Duration = Duration::from_secs(300);

/// What sends spans.
pub(super) struct Spans {
    kept: Kept,
    collector: Collector,
    resource: Resource,
    turn: Turn,
    to: String,
    /// It has been said that they are not taken.
    said: bool,
    /// When everything has to be over, once it is to end.
    end: Option<Instant>,
}

/// The spans that are still to be sent.
struct Kept {
    blocks: Vec<u16>,
    askers: Askers,
    servers: Servers,
    ids: Ids,
    /// When, since 1970, the exchanges' times begin.
    since: Duration,
    spans: VecDeque<Vec<u8>>,
    lost: Arc<AtomicU64>,
}

impl Spans {
    /// Returns what sends the exchanges of some blocks, whose times begin at `origin`. What no collector
    /// takes is counted in the last of `known`.
    pub(super) fn new(
        (options, blocks): (Options, Vec<u16>),
        (askers, servers, lost): (Askers, Servers, Arc<AtomicU64>),
        origin: std::time::Instant,
    ) -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            kept: Kept {
                blocks,
                askers,
                servers,
                ids: Ids::new(RandomState::new().hash_one(0)),
                since: now.saturating_sub(origin.elapsed()),
                spans: VecDeque::new(),
                lost,
            },
            resource: Resource {
                service: options.service.clone(),
                instance: host.trim().into(),
            },
            turn: Turn::default(),
            to: options.to.to_string(),
            collector: Collector::new(options),
            said: false,
            end: None,
        }
    }

    /// Sends until it is closed, and then what is left.
    pub(super) fn run(mut self, mut exchanges: Exchanges, closing: &Drain) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build();
        match runtime {
            Ok(runtime) => {
                runtime.block_on(self.follow(&mut exchanges, closing));
                // A look-up of the collector's name may go on for long.
                runtime.shutdown_background();
            }
            Err(error) => tracing::warn!(%error, "no spans are sent"),
        }
    }

    async fn follow(&mut self, exchanges: &mut Exchanges, closing: &Drain) {
        while !closing.is_started() {
            self.kept.take(exchanges);
            if self.turn.is_due(self.kept.spans.len(), Instant::now()) {
                self.post(exchanges, closing).await;
            }
            tokio::select! {
                () = closing.started() => {}
                () = sleep(PAUSE) => {}
            }
        }
        self.end.get_or_insert_with(|| Instant::now() + FAREWELL);
        self.kept.take(exchanges);
        while !self.kept.spans.is_empty() && self.turn.wants_more() {
            self.post(exchanges, closing).await;
        }
        // Who does not take them now does not get them.
        self.kept.lose(self.kept.spans.len());
    }

    /// Posts the oldest spans, and takes in new ones meanwhile.
    async fn post(&mut self, exchanges: &mut Exchanges, closing: &Drain) {
        let count = self.kept.spans.len().min(AT_ONCE);
        let spans = self.kept.spans.iter().take(count).map(Vec::as_slice);
        let body = Bytes::from(request(&self.resource, spans));
        let said = {
            let Self {
                kept,
                collector,
                end,
                ..
            } = self;
            let mut sending = pin!(collector.send(body));
            let mut limit = pin!(sleep_until(end.unwrap_or(Instant::now() + TIMEOUT)));
            loop {
                tokio::select! {
                    said = &mut sending => break Ok(said),
                    () = &mut limit => break Err(()),
                    () = closing.started(), if end.is_none() => {
                        let now = Instant::now() + FAREWELL;
                        *end = Some(now);
                        limit.as_mut().reset(now);
                    }
                    () = sleep(PAUSE) => kept.take(exchanges),
                }
            }
        };
        let (now, left) = (Instant::now(), self.kept.spans.len() - count);
        match said {
            Ok(Ok(Said::Taken(taken))) => {
                if std::mem::take(&mut self.said) {
                    tracing::info!(to = self.to, "spans are taken");
                }
                if taken.rejected > 0 {
                    tracing::debug!(taken.rejected, %taken.message, "spans are rejected");
                }
                let rejected = usize::try_from(taken.rejected).unwrap_or(count);
                self.kept.lose(rejected.min(count));
                self.kept.spans.drain(..count);
                self.turn.was_taken(left, now);
            }
            Ok(Ok(Said::Refused(status))) => {
                self.complain(
                    &format!("it says {status}"),
                    "spans are refused, and dropped",
                );
                self.kept.lose(count);
                self.kept.spans.drain(..count);
                self.turn.was_taken(left, now);
            }
            Ok(Ok(Said::Later(status, after))) => {
                self.again(&format!("it says {status}"), after);
            }
            Ok(Err(error)) => self.again(&format!("{error:#}"), None),
            Err(()) => self.again("it does not answer", None),
        }
    }

    fn again(&mut self, why: &str, after: Option<Duration>) {
        self.complain(why, "spans are not taken; trying again");
        self.turn.failed(after, Instant::now());
    }

    fn complain(&mut self, error: &str, what: &str) {
        if !std::mem::replace(&mut self.said, true) {
            tracing::warn!(to = self.to, error, "{what}");
        }
    }
}

impl Kept {
    /// Takes in what was copied meanwhile.
    fn take(&mut self, exchanges: &mut Exchanges) {
        let (mut found, mut overflow) = (Vec::new(), 0);
        let (blocks, room) = (&self.blocks, KEPT - self.spans.len());
        exchanges.read(|exchange| {
            if exchange.block.is_none_or(|id| !blocks.contains(&id.0)) {
                return;
            }
            match found.len() < room {
                true => found.push(exchange),
                false => overflow += 1,
            }
        });
        self.lose(overflow);
        let pods = self.askers.pods(&found);
        for exchange in &found {
            let asker = self.askers.asker(exchange, &pods);
            let Some(entry) = Entry::of(exchange, &asker) else {
                continue;
            };
            let came = self.since + exchange.received;
            let span = span(&entry, &self.server(exchange), came, &mut self.ids);
            self.spans.push_back(span);
        }
    }

    fn server(&self, exchange: &Exchange) -> Arc<str> {
        self.servers.of(exchange).unwrap_or_default()
    }

    fn lose(&self, spans: usize) {
        self.lost.fetch_add(spans as u64, Ordering::Relaxed);
    }
}

/// When spans are posted.
#[derive(Debug, Default)]
struct Turn {
    /// When what is there goes, where something is.
    at: Option<Instant>,
    /// Attempts that failed one after the other.
    failures: u32,
}

impl Turn {
    /// Returns whether so many spans are to be posted now.
    fn is_due(&mut self, spans: usize, now: Instant) -> bool {
        if spans == 0 {
            return false;
        }
        let at = *self.at.get_or_insert(now + DELAY);
        now >= at || (self.wants_more() && spans >= AT_ONCE)
    }

    /// Returns whether the last attempt was none that failed.
    fn wants_more(&self) -> bool {
        self.failures == 0
    }

    /// Says that spans are gone, and how many are left.
    fn was_taken(&mut self, left: usize, now: Instant) {
        self.failures = 0;
        self.at = (left > 0).then_some(now);
    }

    /// Says that an attempt failed, and after how long the collector wants the next one.
    fn failed(&mut self, after: Option<Duration>, now: Instant) {
        let doubled = RETRIES.start().saturating_mul(1 << self.failures.min(5));
        let pause = after.unwrap_or_else(|| doubled.min(*RETRIES.end()));
        self.failures += 1;
        self.at = Some(now + pause.min(LONGEST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_wait_for_others_and_after_a_failure_for_longer() {
        let seconds = Duration::from_secs;
        let start = Instant::now();
        let mut turn = Turn::default();
        assert!(!turn.is_due(0, start));
        assert!(!turn.is_due(1, start));
        assert!(turn.is_due(AT_ONCE, start));
        assert!(turn.is_due(1, start + DELAY));
        // What is left goes on at once, what comes then waits again.
        turn.was_taken(3, start);
        assert!(turn.is_due(3, start));
        turn.was_taken(0, start);
        assert!(!turn.is_due(1, start));
        for pause in [1, 2, 4, 8, 16, 30, 30] {
            turn.failed(None, start);
            assert!(
                !turn.is_due(KEPT, start + seconds(pause) - PAUSE),
                "{pause}"
            );
            assert!(turn.is_due(1, start + seconds(pause)), "{pause}");
        }
        for (said, pause) in [(0, 0), (7, 7), (300, 300), (86_400, 300)] {
            turn.failed(Some(seconds(said)), start);
            assert!(pause == 0 || !turn.is_due(KEPT, start + seconds(pause) - PAUSE));
            assert!(turn.is_due(1, start + seconds(pause)), "{said}");
        }
        turn.was_taken(0, start);
        assert!(turn.wants_more());
    }
}
