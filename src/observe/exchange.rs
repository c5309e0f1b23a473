//! Copies of queries and of their answers, on their way from a worker to whoever writes them down: the
//! query log, dnstap. Not what is written.
//!
//! A worker copies and counts what it loses; it allocates nothing and waits for nobody. Each reader has
//! rings of its own, so that a slow one costs the others nothing.

use crate::answer::{Request, Transport, Verdict};
use crate::chain::{BlockId, ListenerId, Plugin};
use crate::ring::{Consumer, Producer, ring};
use crate::wire::Rcode;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Words of a record.
const WORDS: usize = 16;
/// Words before the messages' octets.
const HEAD: usize = 10;
/// Records in a worker's ring: what a thousand answers take, and more of small ones.
const RECORDS: usize = 8192;

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
    /// An upstream had to be asked, and none replied.
    pub failed: bool,
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

    /// Returns a reader of what all threads copy from now on, of the answers that are wanted. What it does
    /// not read in time is counted in `lost`.
    pub fn reader(&self, wanted: Wanted, lost: &Arc<AtomicU64>) -> Exchanges {
        let unmet = Arc::<Mutex<Vec<_>>>::default();
        let mut readers = locked(&self.shared.readers);
        let number = self.shared.revision.load(Ordering::Relaxed) + 1;
        readers.push(Listed {
            number,
            wanted,
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

    /// Copies an answer for whoever wants it.
    #[inline(always)]
    pub fn saw(&mut self, request: &Request<'_>, verdict: &Verdict, failed: bool, answer: &[u8]) {
        if !self.sinks.is_empty() {
            // A copy: the one that is not wanted need not be in memory.
            let verdict = *verdict;
            self.copy(request, &verdict, failed, answer);
        }
    }

    #[inline(never)]
    fn copy(&mut self, request: &Request<'_>, verdict: &Verdict, failed: bool, answer: &[u8]) {
        let answers = matches!(answer, [_, _, _, _, _, _, a, b, ..] if a | b != 0);
        let wants = |sink: &Sink| sink.wanted.has(verdict.rcode, answers);
        if !self.sinks.iter().any(wants) {
            return;
        }
        let received = self.began.saturating_duration_since(self.shared.origin);
        let times = [received, self.began.elapsed()];
        let head = head((request, verdict), failed, answer.len(), times);
        let records = records(request.bytes.len(), answer.len());
        for sink in self.sinks.iter_mut().filter(|sink| wants(sink)) {
            let octets = words(request.bytes).chain(words(answer));
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
                let (producer, consumer) = ring(RECORDS);
                locked(&reader.unmet).push(consumer);
                self.sinks.push(Sink {
                    reader: reader.number,
                    wanted: reader.wanted,
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

const STREAM: u64 = 1;
const LOCAL: u64 = 2;
const NAMED: u64 = 4;
const FAILED: u64 = 8;

fn head(
    (request, verdict): (&Request<'_>, &Verdict),
    failed: bool,
    answered: usize,
    [received, took]: [Duration; 2],
) -> [u64; HEAD] {
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let flag = |set: bool, flag: u64| if set { flag } else { 0 };
    let flags = flag(request.transport != Transport::Udp, STREAM)
        | flag(request.local.is_some(), LOCAL)
        | flag(verdict.named.is_some(), NAMED)
        | flag(failed, FAILED);
    let block = verdict.block.map_or(u64::MAX, |block| block.0.into());
    let plugin = verdict.plugin.map_or(0, |plugin| plugin as u64 + 1);
    let unspecified = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let [p0, p1] = address_words(request.peer.ip());
    let [l0, l1] = address_words(request.local.unwrap_or(unspecified));
    let [n0, n1] = address_words(verdict.named.unwrap_or(unspecified));
    let lengths = request.bytes.len() as u64 & 0xffff | (answered as u64 & 0xffff) << 16;
    [
        lengths | u64::from(request.listener.0) << 32 | block << 48,
        u64::from(verdict.rcode.0)
            | plugin << 16
            | flags << 24
            | u64::from(request.peer.port()) << 32,
        p0,
        p1,
        l0,
        l1,
        n0,
        n1,
        nanoseconds(received),
        nanoseconds(took),
    ]
}

/// Returns the records that messages of so many octets take.
fn records(query: usize, answer: usize) -> usize {
    (HEAD + query.div_ceil(8) + answer.div_ceil(8)).div_ceil(WORDS)
}

fn of_first(first: &[u64; WORDS]) -> usize {
    let [query, answer] = lengths(first[0]);
    records(query, answer)
}

fn lengths(word: u64) -> [usize; 2] {
    [(word & 0xffff) as usize, (word >> 16 & 0xffff) as usize]
}

fn exchange(words: &[u64]) -> Exchange {
    let at = |place: usize| words.get(place).copied().unwrap_or_default();
    let [query, answer] = lengths(at(0));
    let flags = at(1) >> 24;
    let maybe = |flag: u64, place| (flags & flag != 0).then(|| address(at(place), at(place + 1)));
    let block = (at(0) >> 48) as u16;
    let plugin = ((at(1) >> 16 & 0xff) as usize).checked_sub(1);
    let answer_at = HEAD + query.div_ceil(8);
    Exchange {
        listener: ListenerId((at(0) >> 32) as u16),
        block: (block != u16::MAX).then_some(BlockId(block)),
        plugin: plugin.and_then(|place| Plugin::ALL.get(place).copied()),
        rcode: Rcode(at(1) as u16),
        peer: SocketAddr::new(address(at(2), at(3)), (at(1) >> 32) as u16),
        local: maybe(LOCAL, 4),
        named: maybe(NAMED, 6),
        stream: flags & STREAM != 0,
        failed: flags & FAILED != 0,
        received: Duration::from_nanos(at(8)),
        took: Duration::from_nanos(at(9)),
        query: octets(words, HEAD, query),
        answer: octets(words, answer_at, answer),
    }
}

fn words(octets: &[u8]) -> impl Iterator<Item = u64> + '_ {
    octets.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    })
}

fn octets(words: &[u64], from: usize, length: usize) -> Vec<u8> {
    let words = words.get(from..).unwrap_or_default();
    words
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .take(length)
        .collect()
}

fn address_words(address: IpAddr) -> [u64; 2] {
    let bits = match address {
        IpAddr::V4(v4) => u128::from(v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => u128::from(v6),
    };
    [(bits >> 64) as u64, bits as u64]
}

fn address(high: u64, low: u64) -> IpAddr {
    let bits = u128::from(high) << 64 | u128::from(low);
    IpAddr::V6(Ipv6Addr::from(bits)).to_canonical()
}

#[cfg(test)]
mod tests;
