//! Token buckets by key, in a table of fixed size. Not what a key stands for.
//!
//! A bucket is one number, the time at which it is full again (the generic cell rate algorithm of
//! ATM, as a virtual schedule): no thread refills it, and taking a token is one exchange. A bucket
//! that is full is like one that was never used, so that giving its place away loses nothing.

use super::Rate;
use std::sync::atomic::{AtomicU64, Ordering};

/// Places in which one key may be: two cache lines.
const WAYS: usize = 4;

/// What is asked of a bucket. Each has the whole rate.
#[derive(Debug, Clone, Copy)]
#[repr(usize)]
pub(super) enum Lane {
    /// An answer over UDP.
    Datagram,
    /// TC=1 over UDP.
    Truncated,
    /// An answer over TCP.
    Stream,
}

const LANES: usize = Lane::Stream as usize + 1;

/// The buckets of one rate.
#[derive(Debug)]
pub(super) struct Buckets {
    sets: Box<[[Slot; WAYS]]>,
    /// Nanoseconds for one token.
    interval: u64,
    /// Nanoseconds for all of them.
    depth: u64,
}

/// One key's buckets.
#[derive(Debug, Default)]
#[repr(align(32))]
struct Slot {
    /// 0 for nobody's.
    key: AtomicU64,
    /// When each lane is full again, in nanoseconds.
    full: [AtomicU64; LANES],
}

impl Buckets {
    /// Returns full buckets, with room for about `keys` that are in use.
    pub(super) fn new(rate: Rate, keys: usize) -> Self {
        let interval = 1_000_000_000 / u64::from(rate.qps.get());
        let sets = (keys / WAYS).next_power_of_two();
        Self {
            sets: std::iter::repeat_with(Default::default)
                .take(sets)
                .collect(),
            interval: interval.max(1),
            depth: interval.max(1) * u64::from(rate.burst.get()),
        }
    }

    /// Takes a token from a lane of the bucket of `key`, at `now` in nanoseconds, and returns
    /// whether there was one.
    pub(super) fn take(&self, key: u64, lane: Lane, now: u64) -> bool {
        let full = &self.slot(key, now).full[lane as usize];
        let mut seen = full.load(Ordering::Relaxed);
        loop {
            let next = seen.max(now).saturating_add(self.interval);
            if next > now.saturating_add(self.depth) {
                return false;
            }
            match full.compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(changed) => seen = changed,
            }
        }
    }

    /// Returns the place of a key: the one that it has, or that of the key which was idle for
    /// longest. Threads that give one place away at the same time miscount a token; no more.
    fn slot(&self, key: u64, now: u64) -> &Slot {
        let key = key.max(1);
        // The set by the upper half, as what tells keys of one set apart is the whole.
        let set = &self.sets[(key >> 32) as usize & (self.sets.len() - 1)];
        if let Some(slot) = set
            .iter()
            .find(|slot| slot.key.load(Ordering::Relaxed) == key)
        {
            return slot;
        }
        let busy = |slot: &&Slot| slot.busy_until().saturating_sub(now);
        // Where all are in use, the one that has taken least gets a full bucket: nobody is limited
        // because of others.
        let slot = set.iter().min_by_key(busy).unwrap_or(&set[0]);
        slot.key.store(key, Ordering::Relaxed);
        for full in &slot.full {
            full.store(0, Ordering::Relaxed);
        }
        slot
    }
}

impl Slot {
    fn busy_until(&self) -> u64 {
        let lanes = self.full.iter().map(|full| full.load(Ordering::Relaxed));
        lanes.max().unwrap_or(0)
    }
}
