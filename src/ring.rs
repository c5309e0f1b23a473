//! A bounded queue of records of a fixed size, or of things that take several of them, from one thread that must never wait to one that
//! gathers. What finds no room is lost, and counted.
//!
//! Each worker has its own, so that nothing is written that another worker writes: the producer
//! writes records and its own place, the consumer its own. Not what a record says: it is words,
//! which whoever fills them also reads.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Returns both ends of a queue that holds `capacity` records of `WORDS` words, rounded up to a
/// power of two.
pub fn ring<const WORDS: usize>(capacity: usize) -> (Producer<WORDS>, Consumer<WORDS>) {
    let empty = || std::array::from_fn(|_| AtomicU64::new(0));
    let shared = Arc::new(Shared {
        // Words and not octets, because words can be shared without unsafe code: they are atomic,
        // which costs nothing where the order among them does not matter.
        records: std::iter::repeat_with(empty)
            .take(capacity.next_power_of_two())
            .collect(),
        written: Line::default(),
        read: Line::default(),
    });
    (
        Producer {
            shared: shared.clone(),
            written: 0,
            read: 0,
        },
        Consumer { shared, read: 0 },
    )
}

struct Shared<const WORDS: usize> {
    records: Box<[[AtomicU64; WORDS]]>,
    /// The producer's: how many records it has written.
    written: Line,
    /// The consumer's: how many it has read.
    read: Line,
}

/// What one side writes, with no other side's on its cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Line {
    count: AtomicUsize,
    /// Records that found no room; the producer's alone.
    lost: AtomicU64,
}

/// The end that records go in at.
pub struct Producer<const WORDS: usize> {
    shared: Arc<Shared<WORDS>>,
    written: usize,
    /// What the consumer had read when it was last looked: looking takes its cache line.
    read: usize,
}

/// The end that they come out of.
pub struct Consumer<const WORDS: usize> {
    shared: Arc<Shared<WORDS>>,
    read: usize,
}

impl<const WORDS: usize> Producer<WORDS> {
    /// Adds a record, and returns whether there was room. Allocates nothing and never waits.
    #[inline]
    pub fn push(&mut self, record: [u64; WORDS]) -> bool {
        if !self.has_room(1) {
            return false;
        }
        let shared = &*self.shared;
        let slot = &shared.records[self.written & (shared.records.len() - 1)];
        for (place, word) in slot.iter().zip(record) {
            place.store(word, Ordering::Relaxed);
        }
        self.written = self.written.wrapping_add(1);
        shared.written.count.store(self.written, Ordering::Release);
        true
    }

    /// Adds one thing that is longer than a record, in so many of them; all of them or none. What is
    /// said that it takes and `words` does not fill is 0.
    pub fn push_long(&mut self, records: usize, words: impl IntoIterator<Item = u64>) -> bool {
        if !self.has_room(records) {
            return false;
        }
        let shared = &*self.shared;
        let mut words = words.into_iter();
        for number in 0..records {
            let at = self.written.wrapping_add(number) & (shared.records.len() - 1);
            for place in &shared.records[at] {
                place.store(words.next().unwrap_or(0), Ordering::Relaxed);
            }
        }
        self.written = self.written.wrapping_add(records);
        shared.written.count.store(self.written, Ordering::Release);
        true
    }

    /// Returns whether so many records have room; else one thing is lost.
    #[inline]
    fn has_room(&mut self, records: usize) -> bool {
        let shared = &*self.shared;
        let capacity = shared.records.len();
        let fits = |read| self.written.wrapping_sub(read).saturating_add(records) <= capacity;
        if fits(self.read) {
            return true;
        }
        self.read = shared.read.count.load(Ordering::Acquire);
        if fits(self.read) {
            return true;
        }
        let lost = &shared.written.lost;
        // Not fetch_add: there is one writer.
        lost.store(lost.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        false
    }
}

impl<const WORDS: usize> Consumer<WORDS> {
    /// Takes the oldest record out.
    pub fn pop(&mut self) -> Option<[u64; WORDS]> {
        let shared = &*self.shared;
        if shared.written.count.load(Ordering::Acquire) == self.read {
            return None;
        }
        let slot = &shared.records[self.read & (shared.records.len() - 1)];
        let record = std::array::from_fn(|at| slot[at].load(Ordering::Relaxed));
        self.read = self.read.wrapping_add(1);
        shared.read.count.store(self.read, Ordering::Release);
        Some(record)
    }

    /// Takes the oldest long thing out into `words`, which is cleared first. `records` says of its
    /// first record how many it has. Returns whether there was one.
    pub fn pop_long(
        &mut self,
        words: &mut Vec<u64>,
        records: impl FnOnce(&[u64; WORDS]) -> usize,
    ) -> bool {
        words.clear();
        let Some(first) = self.pop() else {
            return false;
        };
        words.extend(first);
        for _ in 1..records(&first) {
            // They were added together.
            let Some(next) = self.pop() else { break };
            words.extend(next);
        }
        true
    }

    /// Takes the records out that are there now, oldest first. What is added meanwhile may wait for
    /// the next time, so that a busy producer can't keep the caller.
    pub fn drain(&mut self) -> impl Iterator<Item = [u64; WORDS]> + '_ {
        let waiting = self.waiting();
        std::iter::from_fn(|| self.pop()).take(waiting)
    }

    /// Returns how many records wait.
    pub fn waiting(&self) -> usize {
        let written = self.shared.written.count.load(Ordering::Acquire);
        written.wrapping_sub(self.read)
    }

    /// Returns whether nothing can be added any more: the other end is gone.
    pub fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.shared) == 1
    }

    /// Returns how many records it holds.
    pub fn capacity(&self) -> usize {
        self.shared.records.len()
    }

    /// Returns how many records found no room so far.
    pub fn lost(&self) -> u64 {
        self.shared.written.lost.load(Ordering::Relaxed)
    }
}

impl<const WORDS: usize> fmt::Debug for Producer<WORDS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

impl<const WORDS: usize> fmt::Debug for Consumer<WORDS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("waiting", &self.waiting())
            .field("lost", &self.lost())
            .finish_non_exhaustive()
    }
}
