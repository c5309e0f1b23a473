//! The two halves of a cache: bounded by entries and by octets, oldest and rarest out first.

use super::answer::Answer;
use super::kept::Kept;
use super::key::Key;
use super::stats::Stats;
use foldhash::fast::RandomState;
use quick_cache::sync::Cache as QuickCache;
use quick_cache::{Lifecycle, Weighter};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// What an entry takes beside its octets: key, pointers, its place in the map.
const OVERHEAD: u64 = 160;

/// An answer that is kept.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) answer: Arc<Answer>,
    /// When it came, in milliseconds.
    pub(super) stored: u64,
    last_hit: AtomicU64,
    hits: AtomicU32,
    refreshing: AtomicBool,
    /// Not before this it is asked again.
    retry_at: AtomicU64,
    /// What was found before, where this is neither that nor a denial.
    last_found: Option<Arc<Self>>,
}

impl Entry {
    pub(super) fn new(answer: Arc<Answer>, stored: u64, hits: u32) -> Self {
        Self {
            answer,
            stored,
            last_hit: AtomicU64::new(stored),
            hits: AtomicU32::new(hits),
            refreshing: AtomicBool::new(false),
            retry_at: AtomicU64::new(0),
            last_found: None,
        }
    }

    /// Returns the entry with what was found before beside it.
    pub(super) fn after(self, last_found: Option<Arc<Self>>) -> Self {
        Self { last_found, ..self }
    }

    /// Returns what was found: this, or what it took the place of.
    pub(super) fn found(self: &Arc<Self>) -> Option<Arc<Self>> {
        match self.answer.is_found {
            true => Some(self.clone()),
            false => self.last_found.clone(),
        }
    }

    /// Returns the seconds that it may still be answered; negative where its time is up.
    pub(super) fn left(&self, now: u64) -> i64 {
        let age = now.saturating_sub(self.stored) / 1000;
        i64::from(self.answer.ttl) - i64::try_from(age).unwrap_or(i64::MAX)
    }

    /// Counts a question for it, and returns how many came without a gap of more than `gap`
    /// milliseconds.
    pub(super) fn asked(&self, now: u64, gap: u64) -> u32 {
        let last = self.last_hit.swap(now, Ordering::Relaxed);
        if now.saturating_sub(last) > gap {
            self.hits.store(1, Ordering::Relaxed);
            return 1;
        }
        self.hits.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    pub(super) fn hits(&self) -> u32 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Takes the right to ask for it again, which one has at a time.
    pub(super) fn begin_refresh(&self, now: u64) -> bool {
        now >= self.retry_at.load(Ordering::Relaxed)
            && !self.refreshing.swap(true, Ordering::Relaxed)
    }

    /// Takes the right to ask for it before it is answered, which one has at a time, and at most until
    /// `until`.
    pub(super) fn begin_verify(&self, now: u64, until: u64) -> bool {
        let order = Ordering::Relaxed;
        let before = self.retry_at.load(order);
        let is_free = now >= before && !self.refreshing.load(order);
        let take = || self.retry_at.compare_exchange(before, until, order, order);
        is_free && take().is_ok()
    }

    /// Gives the right back; it is not asked before `retry_at`.
    pub(super) fn end_refresh(&self, retry_at: u64) {
        self.retry_at.store(retry_at, Ordering::Relaxed);
        self.refreshing.store(false, Ordering::Relaxed);
    }
}

/// One half.
pub(super) struct Store(QuickCache<Box<[u8]>, Arc<Entry>, Weight, RandomState, Evictions>);

impl Store {
    /// Returns an empty half for so many entries and octets.
    pub(super) fn new(capacity: usize, bytes: u64, kept: Kept, stats: &Arc<Stats>) -> Self {
        let capacity = capacity.max(1);
        // An entry weighs its octets, and at least its share: so both bounds are one.
        let least = bytes.div_ceil(capacity as u64).max(1);
        let evictions = Evictions {
            kept,
            stats: stats.clone(),
        };
        Self(QuickCache::with(
            capacity,
            bytes,
            Weight { least },
            RandomState::default(),
            evictions,
        ))
    }

    pub(super) fn get(&self, key: &Key) -> Option<Arc<Entry>> {
        self.0.get(key.as_bytes())
    }

    pub(super) fn peek(&self, key: &Key) -> Option<Arc<Entry>> {
        self.0.peek(key.as_bytes())
    }

    pub(super) fn insert(&self, key: &Key, entry: Entry) {
        self.0.insert(key.as_bytes().into(), Arc::new(entry));
    }

    pub(super) fn remove(&self, key: &Key) {
        self.0.remove(key.as_bytes());
    }

    pub(super) fn entries(&self) -> u64 {
        self.0.len() as u64
    }

    pub(super) fn bytes(&self) -> u64 {
        self.0.weight()
    }
}

#[derive(Clone)]
struct Weight {
    least: u64,
}

impl Weighter<Box<[u8]>, Arc<Entry>> for Weight {
    fn weight(&self, key: &Box<[u8]>, entry: &Arc<Entry>) -> u64 {
        let before = entry.last_found.as_ref();
        let before = before.map_or(0, |found| found.answer.size() as u64 + OVERHEAD);
        let octets = (key.len() + entry.answer.size()) as u64 + OVERHEAD + before;
        octets.max(self.least)
    }
}

#[derive(Clone)]
struct Evictions {
    kept: Kept,
    stats: Arc<Stats>,
}

impl Lifecycle<Box<[u8]>, Arc<Entry>> for Evictions {
    /// Freed once the shard is free.
    type RequestState = Vec<Arc<Entry>>;

    fn on_evict(&self, state: &mut Self::RequestState, _: Box<[u8]>, entry: Arc<Entry>) {
        self.stats.evictions[self.kept.half()].fetch_add(1, Ordering::Relaxed);
        state.push(entry);
    }
}
