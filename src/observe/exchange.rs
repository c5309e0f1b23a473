//! Copies of queries and of their answers, on their way from a worker to whoever writes them down: the
//! query log, dnstap. Not what is written.
//!
//! A worker copies and counts what it loses; it allocates nothing and waits for nobody. Each reader has
//! rings of its own, so that a slow one costs the others nothing.

mod copy;
mod share;

pub use share::Share;

use crate::answer::{Failure, Request, Verdict};
use crate::chain::{BlockId, ListenerId, Plugin};
use crate::ring::{Consumer, Producer, ring};
use crate::wire::Rcode;
use copy::{WORDS, exchange, failure_words, head, of_first, records, words};
use share::Chance;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Records in a worker's ring: what a thousand answers take, and more of small ones.
const RECORDS: usize = 8192;
/// Records in the ring of who wants a part of them: some hundred answers, or the largest one.
const RECORDS_OF_A_SHARE: usize = 2048;

/// Which answers somebody wants, by what they say. A NOERROR without an answer may be a denial, and an
/// NXDOMAIN with one an error: those are copied for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Those that found something.
    pub success: bool,
    /// Those that say that there is nothing.
    pub denial: bool,
    /// All others.
    pub error: bool,
}

impl Wanted {
    /// All of them.
    pub const ALL: Self = Self {
        success: true,
        denial: true,
        error: true,
    };

    /// None of them.
    pub const NONE: Self = Self {
        success: false,
        denial: false,
        error: false,
    };

    fn has(self, rcode: Rcode, answers: bool) -> bool {
        match (rcode, answers) {
            (Rcode::NOERROR, true) => self.success,
            (Rcode::NOERROR, false) => self.success || self.denial,
            (Rcode::NXDOMAIN, false) => self.denial,
            _ => self.error,
        }
    }
}

/// A query with its answer, as they were on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The listener that received it.
    pub listener: ListenerId,
    /// The server block that it was for.
    pub block: Option<BlockId>,
    /// What wrote the answer.
    pub plugin: Option<Plugin>,
    /// The whole response code.
    pub rcode: Rcode,
    /// Where it came from.
    pub peer: SocketAddr,
    /// Where it was sent to, where known.
    pub local: Option<IpAddr>,
    /// Whom a forwarder named as its client.
    pub named: Option<IpAddr>,
    /// Over a stream.
    pub stream: bool,
    /// Why upstreams that had to be asked gave no reply.
    pub failure: Option<Failure>,
    /// When it came, after the recorders were made.
    pub received: Duration,
    /// How long it took.
    pub took: Duration,
    /// The query.
    pub query: Vec<u8>,
    /// The answer.
    pub answer: Vec<u8>,
}

/// Copies one thread's answers. A clone is the next thread's; each has copied nothing yet.
#[derive(Debug)]
pub struct Recorder {
    shared: Arc<Shared>,
    /// The readers that this thread has a ring for.
    sinks: Vec<Sink>,
    /// Of the list of readers that the sinks are for.
    revision: u64,
    began: Instant,
}

#[derive(Debug)]
struct Sink {
    reader: u64,
    wanted: Wanted,
    chance: Chance,
    /// The answer at hand is for it.
    is_due: bool,
    ring: Producer<WORDS>,
    lost: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Shared {
    origin: Instant,
    readers: Mutex<Vec<Listed>>,
    /// Goes up with each change of the list.
    revision: AtomicU64,
}

/// One reader.
#[derive(Debug)]
struct Listed {
    number: u64,
    wanted: Wanted,
    share: Share,
    /// Counts what its rings had no room for.
    lost: Arc<AtomicU64>,
    /// Its ends of the rings that it has not met yet.
    unmet: Arc<Mutex<Vec<Consumer<WORDS>>>>,
}

/// One reader's end of all threads' copies. When it is gone nothing is copied for it any more.
#[derive(Debug)]
pub struct Exchanges {
    shared: Arc<Shared>,
    number: u64,
    unmet: Arc<Mutex<Vec<Consumer<WORDS>>>>,
    rings: Vec<Consumer<WORDS>>,
    words: Vec<u64>,
}

impl Recorder {
    /// Returns the first one, for the threads' to be cloned from.
    pub fn new() -> Self {
        let origin = Instant::now();
        Self {
            shared: Arc::new(Shared {
                origin,
                readers: Mutex::default(),
                revision: AtomicU64::new(0),
            }),
            sinks: Vec::new(),
            revision: 0,
            began: origin,
        }
    }

    /// Returns a reader of what all threads copy from now on, of a part of the answers that are wanted.
    /// What it does not read in time is counted in `lost`.
    pub fn reader(&self, wanted: Wanted, share: Share, lost: &Arc<AtomicU64>) -> Exchanges {
        let unmet = Arc::<Mutex<Vec<_>>>::default();
        let mut readers = locked(&self.shared.readers);
        let number = self.shared.revision.load(Ordering::Relaxed) + 1;
        readers.push(Listed {
            number,
            wanted,
            share,
            lost: lost.clone(),
            unmet: unmet.clone(),
        });
        self.shared.revision.store(number, Ordering::Release);
        Exchanges {
            shared: self.shared.clone(),
            number,
            unmet,
            rings: Vec::new(),
            words: Vec::new(),
        }
    }

    /// Says when the queries came that are copied from now on.
    #[inline]
    pub fn received(&mut self, at: Instant) {
        self.began = at;
        if self.shared.revision.load(Ordering::Acquire) != self.revision {
            self.renew();
        }
    }

    /// Returns whether anybody wants any.
    #[inline(always)]
    pub fn is_wanted(&self) -> bool {
        !self.sinks.is_empty()
    }

    /// Copies an answer for whoever wants it.
    #[inline(always)]
    pub fn saw(
        &mut self,
        request: &Request<'_>,
        verdict: &Verdict,
        failure: Option<&Failure>,
        answer: &[u8],
    ) {
        if self.is_wanted() {
            // A copy: the one that is not wanted need not be in memory.
            let verdict = *verdict;
            self.copy(request, &verdict, failure, answer);
        }
    }

    #[inline(never)]
    fn copy(
        &mut self,
        request: &Request<'_>,
        verdict: &Verdict,
        failure: Option<&Failure>,
        answer: &[u8],
    ) {
        let answers = matches!(answer, [_, _, _, _, _, _, a, b, ..] if a | b != 0);
        let mut any = false;
        for sink in &mut self.sinks {
            sink.is_due = sink.wanted.has(verdict.rcode, answers) && sink.chance.takes();
            any |= sink.is_due;
        }
        if !any {
            return;
        }
        let received = self.began.saturating_duration_since(self.shared.origin);
        let times = [received, self.began.elapsed()];
        let failed = failure.is_some();
        let head = head((request, verdict), failed, answer.len(), times);
        let records = records(request.bytes.len(), answer.len(), failed);
        for sink in self.sinks.iter_mut().filter(|sink| sink.is_due) {
            let octets = words(request.bytes).chain(words(answer));
            let octets = octets.chain(failure.into_iter().flat_map(failure_words));
            if !sink.ring.push_long(records, head.into_iter().chain(octets)) {
                // The one place that several workers write: only where somebody can't keep up.
                sink.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Makes rings for readers that are new, and lets go of those that are gone.
    #[cold]
    #[inline(never)]
    fn renew(&mut self) {
        let readers = locked(&self.shared.readers);
        self.revision = self.shared.revision.load(Ordering::Relaxed);
        let is_listed = |sink: &Sink| readers.iter().any(|reader| reader.number == sink.reader);
        self.sinks.retain(is_listed);
        for reader in readers.iter() {
            if self.sinks.iter().all(|sink| sink.reader != reader.number) {
                let (producer, consumer) = ring(match reader.share {
                    Share::ALL => RECORDS,
                    _ => RECORDS_OF_A_SHARE,
                });
                locked(&reader.unmet).push(consumer);
                self.sinks.push(Sink {
                    reader: reader.number,
                    wanted: reader.wanted,
                    chance: Chance::new(reader.share),
                    is_due: false,
                    ring: producer,
                    lost: reader.lost.clone(),
                });
            }
        }
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for Recorder {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            sinks: Vec::new(),
            revision: 0,
            began: self.began,
        }
    }
}

impl Exchanges {
    /// Hands over what has been copied, and returns how much of it there was. What comes meanwhile may
    /// wait for the next time.
    pub fn read(&mut self, mut take: impl FnMut(Exchange)) -> usize {
        self.rings.append(&mut locked(&self.unmet));
        let mut taken = 0;
        for ring in &mut self.rings {
            let (waiting, mut records) = (ring.waiting(), 0);
            while records < waiting && ring.pop_long(&mut self.words, of_first) {
                records += self.words.len() / WORDS;
                taken += 1;
                take(exchange(&self.words));
            }
        }
        self.rings
            .retain(|ring| !ring.is_abandoned() || ring.waiting() > 0);
        taken
    }

    /// Returns the time from which [`Exchange::received`] counts.
    pub fn origin(&self) -> Instant {
        self.shared.origin
    }
}

impl Drop for Exchanges {
    fn drop(&mut self) {
        let mut readers = locked(&self.shared.readers);
        readers.retain(|reader| reader.number != self.number);
        self.shared.revision.fetch_add(1, Ordering::Release);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A list is whole whatever happened to who held it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
