//! What a cache counts. Names and labels of the published series are not decided here.

use super::kept::Kept;
use std::sync::atomic::{AtomicU64, Ordering};

/// The counts of one cache, which every worker adds to.
#[derive(Debug, Default)]
pub(super) struct Stats {
    requests: AtomicU64,
    misses: AtomicU64,
    hits: [AtomicU64; 2],
    pub(super) evictions: [AtomicU64; 2],
    prefetches: AtomicU64,
    drops: AtomicU64,
    served_stale: AtomicU64,
}

/// One cache's counts at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Readings {
    /// Questions that were looked up.
    pub requests: u64,
    /// Those of them that were not there.
    pub misses: u64,
    /// What became of answers that exist.
    pub success: Part,
    /// The same of denials and failures.
    pub denial: Part,
    /// Refreshes begun before or after an answer's time was up.
    pub prefetches: u64,
    /// Replies that were not kept because they are not to the question.
    pub drops: u64,
    /// Answers given after their time was up.
    pub served_stale: u64,
}

/// The counts of one half of a cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Part {
    /// Answers that are kept now.
    pub entries: u64,
    /// Octets that they take, as the bound counts them.
    pub bytes: u64,
    /// Questions answered from them.
    pub hits: u64,
    /// Answers that made room for others.
    pub evictions: u64,
}

impl Stats {
    pub(super) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn hit(&self, kept: Kept) {
        self.hits[kept.half()].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn prefetch(&self) {
        self.prefetches.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn drop_one(&self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn serve_stale(&self) {
        self.served_stale.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the counts; what is kept now is the caller's to add.
    pub(super) fn read(&self) -> Readings {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let part = |half: usize| Part {
            entries: 0,
            bytes: 0,
            hits: get(&self.hits[half]),
            evictions: get(&self.evictions[half]),
        };
        Readings {
            requests: get(&self.requests),
            misses: get(&self.misses),
            success: part(Kept::Success.half()),
            denial: part(Kept::Denial.half()),
            prefetches: get(&self.prefetches),
            drops: get(&self.drops),
            served_stale: get(&self.served_stale),
        }
    }
}
