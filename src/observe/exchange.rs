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
use std::sync::{Arc, Mutex, PoisonError};
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
    /// When it came, after the recorders were made.
    pub received: Duration,
    /// How long it took.
    pub took: Duration,
    /// The query.
    pub query: Vec<u8>,
    /// The answer.
    pub answer: Vec<u8>,
}

/// Copies one thread's answers. A clone is the next thread's; the first one copies nothing.
#[derive(Debug)]
pub struct Recorder {
    shared: Arc<Shared>,
    sinks: Vec<(Wanted, Producer<WORDS>)>,
    began: Instant,
}

#[derive(Debug)]
struct Shared {
    wanted: Vec<Wanted>,
    origin: Instant,
    /// The readers' ends of those that they have not met yet, for each of them.
    unmet: Vec<Mutex<Vec<Consumer<WORDS>>>>,
}

/// One reader's end of all threads' copies.
#[derive(Debug)]
pub struct Exchanges {
    shared: Arc<Shared>,
    number: usize,
    rings: Vec<Consumer<WORDS>>,
    words: Vec<u64>,
}

/// Returns the first recorder, for others to be cloned from, and a reader for each of `wanted`.
pub fn record(wanted: &[Wanted]) -> (Recorder, Vec<Exchanges>) {
    let shared = Arc::new(Shared {
        wanted: wanted.to_vec(),
        origin: Instant::now(),
        unmet: wanted.iter().map(|_| Mutex::default()).collect(),
    });
    let readers = (0..wanted.len()).map(|number| Exchanges {
        shared: shared.clone(),
        number,
        rings: Vec::new(),
        words: Vec::new(),
    });
    let readers = readers.collect();
    let recorder = Recorder {
        began: shared.origin,
        sinks: Vec::new(),
        shared,
    };
    (recorder, readers)
}

impl Recorder {
    /// Says when the queries came that are copied from now on.
    pub fn received(&mut self, at: Instant) {
        self.began = at;
    }

    /// Copies an answer for whoever wants it.
    pub fn saw(&mut self, request: &Request<'_>, verdict: &Verdict, answer: &[u8]) {
        let answers = matches!(answer, [_, _, _, _, _, _, a, b, ..] if a | b != 0);
        let wants = |wanted: &Wanted| wanted.has(verdict.rcode, answers);
        if !self.sinks.iter().any(|(wanted, _)| wants(wanted)) {
            return;
        }
        let origin = self.shared.origin;
        let times = [self.began - origin, self.began.elapsed()];
        let head = head(request, verdict, answer.len(), times);
        let records = records(request.bytes.len(), answer.len());
        for (wanted, ring) in &mut self.sinks {
            if wants(wanted) {
                let octets = words(request.bytes).chain(words(answer));
                ring.push_long(records, head.into_iter().chain(octets));
            }
        }
    }
}

impl Clone for Recorder {
    fn clone(&self) -> Self {
        let shared = self.shared.clone();
        let sinks = shared.wanted.iter().zip(&shared.unmet).map(|(wanted, unmet)| {
            let (producer, consumer) = ring(RECORDS);
            // A list is whole whatever happened to who held it.
            unmet.lock().unwrap_or_else(PoisonError::into_inner).push(consumer);
            (*wanted, producer)
        });
        Self {
            sinks: sinks.collect(),
            began: self.began,
            shared,
        }
    }
}

impl Exchanges {
    /// Hands over what has been copied, and returns how much of it there was.
    pub fn read(&mut self, mut take: impl FnMut(Exchange)) -> usize {
        let unmet = &self.shared.unmet[self.number];
        self.rings.append(&mut unmet.lock().unwrap_or_else(PoisonError::into_inner));
        let mut taken = 0;
        for ring in &mut self.rings {
            let waiting = ring.waiting();
            let mut records_taken = 0;
            // What comes meanwhile may wait for the next time.
            while records_taken < waiting
                && ring.pop_long(&mut self.words, |first| of_first(first))
            {
                records_taken += self.words.len() / WORDS;
                taken += 1;
                take(exchange(&self.words));
            }
        }
        taken
    }

    /// Returns how many were lost because their ring was full.
    pub fn lost(&self) -> u64 {
        self.rings.iter().map(Consumer::lost).sum()
    }

    /// Returns the time from which [`Exchange::received`] counts.
    pub fn origin(&self) -> Instant {
        self.shared.origin
    }
}

const STREAM: u64 = 1;
const LOCAL: u64 = 2;
const NAMED: u64 = 4;

fn head(
    request: &Request<'_>,
    verdict: &Verdict,
    answered: usize,
    [received, took]: [Duration; 2],
) -> [u64; HEAD] {
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let flag = |set: bool, flag: u64| if set { flag } else { 0 };
    let flags = flag(request.transport != Transport::Udp, STREAM)
        | flag(request.local.is_some(), LOCAL)
        | flag(verdict.named.is_some(), NAMED);
    let block = verdict.block.map_or(u64::MAX, |block| block.0.into());
    let plugin = verdict.plugin.map_or(0, |plugin| plugin as u64 + 1);
    let unspecified = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let [p0, p1] = address_words(request.peer.ip());
    let [l0, l1] = address_words(request.local.unwrap_or(unspecified));
    let [n0, n1] = address_words(verdict.named.unwrap_or(unspecified));
    let lengths = request.bytes.len() as u64 & 0xffff | (answered as u64 & 0xffff) << 16;
    [
        lengths | u64::from(request.listener.0) << 32 | block << 48,
        u64::from(verdict.rcode.0) | plugin << 16 | flags << 24 | u64::from(request.peer.port()) << 32,
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
    words.iter().flat_map(|word| word.to_le_bytes()).take(length).collect()
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
