//! Forwarded answers as wire octets: kept for their TTL, given to the next who asks the same.
//!
//! Looked up on the worker that received the query; a hit takes the read lock of one shard, and copies.
//! Two halves, as in CoreDNS: answers, and denials with failures. Only replies of upstreams come in,
//! each to the whole question that it answers, so that no record of one can answer another.
//!
//! Not here: sockets, and when somebody asks. The time is milliseconds on the clock of the caller.

mod answer;
mod kept;
mod key;
mod options;
mod stats;
mod store;
#[cfg(test)]
mod tests;

pub use answer::{Answer, Given};
pub use kept::Kept;
pub use key::{Key, Partition};
pub use options::{Half, Isolation, Options, Prefetch, ServeStale};
pub use stats::{Part, Readings};

use crate::wire::{Kind, Name, Query, RType, Rcode};
use stats::Stats;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use store::{Entry, Store};

/// After a refresh that failed, what is stale is not asked for again for so long (milliseconds).
const RETRY: u64 = 5_000;

/// Who verifies an answer is waited for so long at most (milliseconds): what a query has in all.
const VERIFYING: u64 = 5_000;

/// One `[cache]` table at work.
pub struct Cache {
    options: Options,
    stats: Arc<Stats>,
    success: Store,
    denial: Store,
}

/// What was found.
#[derive(Debug)]
pub enum Recall {
    /// Nothing that may be given.
    Miss,
    /// An answer. `refresh` says that the caller is to ask for it again, beside this, and then to
    /// call [`Cache::refreshed`].
    Hit {
        /// The answer.
        found: Found,
        /// Whether to ask for it again.
        refresh: bool,
    },
    /// An answer whose time is up, for the case that the upstream has nothing to say.
    Unless(Found),
}

/// An answer that was found.
#[derive(Debug, Clone)]
pub struct Found {
    entry: Arc<Entry>,
    ttl: u32,
}

impl Found {
    /// Writes the reply, as [`Answer::write`].
    pub fn write(&self, query: &Query<'_>, out: &mut [u8]) -> Option<usize> {
        self.entry.answer.write(query, Given::Again(self.ttl), out)
    }
}

impl Cache {
    /// Returns an empty cache.
    pub fn new(options: Options) -> Self {
        let stats = Arc::<Stats>::default();
        let store =
            |half: &Half, kept| Store::new(half.capacity, (options.bytes / 2).max(1), kept, &stats);
        let success = store(&options.success, Kept::Success);
        let denial = store(&options.denial, Kept::Denial);
        Self {
            options,
            stats,
            success,
            denial,
        }
    }

    /// Returns its options.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Returns the key of asking for `qname` (in wire form) and `qtype` on behalf of `query`; `None`
    /// where it is not looked up: for other zones, or because the answer may depend on who asks.
    pub fn key(
        &self,
        partition: Partition,
        query: &Query<'_>,
        qname: &[u8],
        qtype: RType,
    ) -> Option<Key> {
        let key = Key::new(partition, query, qname, qtype)?;
        self.is_for(key.name()).then_some(key)
    }

    /// Returns whether names like `qname` (in wire form) are looked up.
    pub fn is_for(&self, qname: &[u8]) -> bool {
        let zones = &self.options.zones;
        let is_in = |zone: &Name| is_below(qname, zone.as_wire());
        zones.is_empty() || zones.iter().any(is_in)
    }

    /// Looks a question up at the time `now` that came to a listener, by its number.
    pub fn recall(&self, key: &Key, now: u64, listener: u16) -> Recall {
        let stats = self.stats.of(listener);
        stats.request();
        let Some((kept, entry)) = self.find(key, now) else {
            stats.miss();
            return Recall::Miss;
        };
        stats.hit(kept);
        let left = entry.left(now);
        if left <= 0 {
            let found = self.found_stale(entry);
            let options = &self.options.serve_stale;
            if options.verify {
                // Without a time to wait for it is asked for each who wants to know, as in CoreDNS.
                let until = now.saturating_add(VERIFYING);
                let is_free =
                    options.failure_recheck.is_zero() || found.entry.begin_verify(now, until);
                if is_free {
                    return Recall::Unless(found);
                }
                stats.serve_stale();
                let refresh = false;
                return Recall::Hit { found, refresh };
            }
            stats.serve_stale();
            let refresh = found.entry.begin_refresh(now);
            if refresh {
                stats.prefetch();
            }
            return Recall::Hit { found, refresh };
        }
        let refresh = self.is_due(&entry, left, now);
        if refresh {
            stats.prefetch();
        }
        let ttl = match self.options.keepttl {
            true => entry.answer.ttl,
            false => u32::try_from(left).unwrap_or(u32::MAX),
        };
        Recall::Hit {
            found: Found { entry, ttl },
            refresh,
        }
    }

    /// Returns an answer whose time is not up, for a question that was counted before.
    pub fn recall_only(&self, key: &Key, now: u64) -> Option<Found> {
        let (_, entry) = self.find(key, now)?;
        let ttl = u32::try_from(entry.left(now)).ok().filter(|ttl| *ttl > 0)?;
        Some(Found { entry, ttl })
    }

    /// Returns an answer whose time is up, where it may still be given, for a listener's question that
    /// the upstream had nothing better to say to.
    pub fn stale(&self, key: &Key, now: u64, listener: u16) -> Option<Found> {
        let (_, entry) = self.find(key, now)?;
        self.stats.of(listener).serve_stale();
        Some(self.found_stale(entry))
    }

    /// Returns how long a question is waited for whose answer is there, and stale; `None` where there
    /// is no such answer, or no such time.
    pub fn verify_timeout(&self, key: &Key, now: u64) -> Option<Duration> {
        let options = &self.options.serve_stale;
        let is_limited = options.verify && !options.verify_timeout.is_zero();
        let (_, entry) = is_limited.then(|| self.find(key, now)).flatten()?;
        (entry.left(now) <= 0).then_some(options.verify_timeout)
    }

    fn found_stale(&self, entry: Arc<Entry>) -> Found {
        let ttl = match self.options.serve_stale.response_ttl {
            0 if self.options.keepttl => entry.answer.ttl,
            ttl => ttl,
        };
        Found { entry, ttl }
    }

    fn prefers_positive(&self) -> bool {
        let options = &self.options.serve_stale;
        options.prefer_positive && !options.up_to.is_zero()
    }

    /// Denials come before answers, but for failures, which pass while answers stay.
    fn find(&self, key: &Key, now: u64) -> Option<(Kept, Arc<Entry>)> {
        let up_to = i64::try_from(self.options.serve_stale.up_to.as_secs()).unwrap_or(i64::MAX);
        let is_good = |entry: &Arc<Entry>| {
            let left = entry.left(now);
            left > 0 || (up_to > 0 && -left < up_to)
        };
        if self.prefers_positive()
            && let Some(found) = self.success.get(key).and_then(|entry| entry.found())
            && is_good(&found)
        {
            return Some((Kept::Success, found));
        }
        let denial = self.denial.get(key).filter(is_good);
        if let Some(denial) = denial {
            let answer = match denial.answer.kind {
                Kind::Failure => self.success.get(key).filter(is_good),
                _ => None,
            };
            return Some(answer.map_or((Kept::Denial, denial), |answer| (Kept::Success, answer)));
        }
        let answer = self.success.get(key).filter(is_good)?;
        Some((Kept::Success, answer))
    }

    /// Returns whether an answer is asked for so often, and has so little time left, that it is to be
    /// asked again; at most one is told so.
    fn is_due(&self, entry: &Entry, left: i64, now: u64) -> bool {
        let prefetch = &self.options.prefetch;
        if prefetch.amount == 0 {
            return false;
        }
        let gap = u64::try_from(prefetch.duration.as_millis()).unwrap_or(u64::MAX);
        let hits = entry.asked(now, gap);
        let threshold =
            (u64::from(entry.answer.ttl) * u64::from(prefetch.percentage)).div_ceil(100);
        hits >= prefetch.amount
            && u64::try_from(left).is_ok_and(|left| left <= threshold)
            && entry.begin_refresh(now)
    }

    /// Keeps an answer, if it is one that may be kept.
    pub fn keep(&self, key: &Key, answer: &Arc<Answer>, now: u64) {
        let kept = Kept::of(answer.kind);
        let disabled = match kept {
            Kept::Success => &self.options.disable_success,
            Kept::Denial => &self.options.disable_denial,
        };
        let is_disabled = |zone: &Name| is_below(key.name(), zone.as_wire());
        if !answer.may_be_kept || answer.ttl == 0 || disabled.iter().any(is_disabled) {
            return;
        }
        let hits = self.peek(key).map_or(0, |old| old.hits());
        let entry = Entry::new(answer.clone(), now, hits);
        let prefers_positive = self.prefers_positive();
        match kept {
            Kept::Success if prefers_positive && !answer.is_found => {
                let before = self.success.peek(key).and_then(|entry| entry.found());
                self.success.insert(key, entry.after(before));
            }
            Kept::Success => {
                self.success.insert(key, entry);
                self.denial.remove(key);
            }
            Kept::Denial => {
                self.denial.insert(key, entry);
                // A failure passes; what was known before may still be wanted.
                if answer.kind != Kind::Failure && !prefers_positive {
                    self.success.remove(key);
                }
            }
        }
    }

    /// Notes how a refresh of what is kept under `key` ended, so that it can be asked for again.
    pub fn refreshed(&self, key: &Key, good: bool, now: u64) {
        let wait = match self.options.serve_stale.failure_recheck {
            Duration::ZERO => RETRY,
            time => u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
        };
        let retry_at = if good { now } else { now.saturating_add(wait) };
        let kept = [&self.denial, &self.success].map(|store| store.peek(key));
        let found = kept.iter().flatten().filter_map(|entry| entry.found());
        for entry in found.chain(kept.iter().flatten().cloned()) {
            entry.end_refresh(retry_at);
        }
    }

    /// Notes that what is stale was asked for in vain.
    pub fn verified_in_vain(&self, key: &Key, now: u64) {
        if !self.options.serve_stale.failure_recheck.is_zero() {
            self.refreshed(key, false, now);
        }
    }

    /// Returns whether such a reply may take the place of an answer whose time is up (RFC 8767 section
    /// 4: one that says that there is something, or that there is not; only the former where what was
    /// found is preferred).
    pub fn is_better_than_stale(&self, answer: &Answer) -> bool {
        match self.prefers_positive() {
            true => answer.is_found,
            false => matches!(answer.rcode(), Rcode::NOERROR | Rcode::NXDOMAIN),
        }
    }

    /// Returns whether a reply is kept that does not take the place of an answer whose time is up.
    pub fn keeps_what_is_no_better(&self) -> bool {
        self.prefers_positive()
    }

    /// Counts a reply that is not to its question.
    pub fn drop_one(&self) {
        self.stats.drop_one();
    }

    fn peek(&self, key: &Key) -> Option<Arc<Entry>> {
        self.denial.peek(key).or_else(|| self.success.peek(key))
    }

    /// Returns what was counted.
    pub fn read(&self) -> Readings {
        self.readings(None)
    }

    /// Returns what was counted of the questions that came to a listener; what is kept, evicted and
    /// dropped is that of all.
    pub fn read_of(&self, listener: u16) -> Readings {
        self.readings(Some(listener))
    }

    fn readings(&self, listener: Option<u16>) -> Readings {
        let mut readings = self.stats.read(listener);
        for (part, store) in [
            (&mut readings.success, &self.success),
            (&mut readings.denial, &self.denial),
        ] {
            (part.entries, part.bytes) = (store.entries(), store.bytes());
        }
        readings
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("read", &self.read())
            .finish_non_exhaustive()
    }
}

/// Returns whether a name is at or below a zone, both in wire form.
fn is_below(name: &[u8], zone: &[u8]) -> bool {
    let mut rest = name;
    loop {
        if rest.eq_ignore_ascii_case(zone) {
            return true;
        }
        let Some((&label, _)) = rest.split_first() else {
            return false;
        };
        match rest.get(1 + usize::from(label)..) {
            Some(next) if label > 0 => rest = next,
            _ => return false,
        }
    }
}
