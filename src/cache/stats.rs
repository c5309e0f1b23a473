//! What a cache counts. Names and labels of the published series are not decided here.

use super::kept::Kept;
use std::sync::atomic::{AtomicU64, Ordering};

/// Listeners whose questions are counted apart; the last place is for all greater numbers.
const LISTENERS: usize = 16;

/// The counts of one cache, which every worker adds to.
#[derive(Debug, Default)]
pub(super) struct Stats {
    asked: [Asked; LISTENERS],
    pub(super) evictions: [AtomicU64; 2],
    drops: AtomicU64,
}

/// What became of the questions that came to one listener.
#[derive(Debug, Default)]
pub(super) struct Asked {
    requests: AtomicU64,
    misses: AtomicU64,
    hits: [AtomicU64; 2],
    prefetches: AtomicU64,
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

impl Asked {
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

    pub(super) fn serve_stale(&self) {
        self.served_stale.fetch_add(1, Ordering::Relaxed);
    }
}

impl Stats {
    /// Returns the counts of the questions that come to a listener.
    pub(super) fn of(&self, listener: u16) -> &Asked {
        &self.asked[usize::from(listener).min(LISTENERS - 1)]
    }

    pub(super) fn drop_one(&self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the counts of one listener's questions, or of all; what is kept now is the caller's to
    /// add.
    pub(super) fn read(&self, listener: Option<u16>) -> Readings {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let [success, denial] = [Kept::Success.half(), Kept::Denial.half()];
        let mut readings = Readings {
            drops: get(&self.drops),
            ..Readings::default()
        };
        readings.success.evictions = get(&self.evictions[success]);
        readings.denial.evictions = get(&self.evictions[denial]);
        let asked = match listener {
            Some(listener) => std::slice::from_ref(self.of(listener)),
            None => &self.asked,
        };
        for asked in asked {
            readings.requests += get(&asked.requests);
            readings.misses += get(&asked.misses);
            readings.success.hits += get(&asked.hits[success]);
            readings.denial.hits += get(&asked.hits[denial]);
            readings.prefetches += get(&asked.prefetches);
            readings.served_stale += get(&asked.served_stale);
        }
        readings
    }
}
