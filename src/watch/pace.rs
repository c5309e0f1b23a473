//! How long to wait, and how much of it is left to chance, so that a thousand replicas don't ask an
//! API server all at once.

use super::fault::Fault;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// How patient a watch is. Tests shorten it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// How long one watch request lasts at most. A dead watch is noticed after this and `grace`.
    pub watch: Duration,
    /// How much later than asked for a server may end a watch.
    pub grace: Duration,
    /// How often what is known is compared with what there is.
    pub audit: Duration,
    /// Until a kind is looked for again that a cluster may do without.
    pub absent: Duration,
}

impl Default for Timers {
    /// A dead watch is noticed within 30 s, a silent gap mended within 5 minutes.
    fn default() -> Self {
        Self::new(Duration::from_secs(25), Duration::from_secs(300))
    }
}

impl Timers {
    /// Returns the timers of a watch that lasts so long, with comparisons so often.
    pub fn new(watch: Duration, audit: Duration) -> Self {
        Self {
            watch,
            grace: (watch / 5).max(Duration::from_secs(1)),
            audit,
            absent: (audit / 5).clamp(Duration::from_secs(1), ABSENT),
        }
    }

    /// How long an answer may say nothing.
    pub(super) fn silence(&self) -> Duration {
        self.watch + self.grace
    }

    /// How long to have a watch last: shorter for some than for others.
    pub(super) fn watch(&self) -> Duration {
        self.watch.mul_f64(between(0.8, 1.0))
    }

    /// When to look next for a kind that is not there.
    pub(super) fn absent(&self) -> Duration {
        self.absent.mul_f64(between(0.8, 1.2))
    }

    /// When to compare next. What remains of the time is for the comparison: it waits for the
    /// watch to come as far as the list, which takes as long as a watch at most.
    pub(super) fn audit(&self) -> Duration {
        self.audit.mul_f64(between(0.65, 0.85))
    }
}

/// The first pause after an error; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(200);
/// The longest pause where nothing answers: asking nobody costs nobody anything.
const UNREACHABLE: Duration = Duration::from_secs(5);
/// The longest pause where a server answers that it can't.
const REFUSED: Duration = Duration::from_secs(30);
/// The longest that a server's own wish counts.
const WISH: Duration = Duration::from_secs(60);
/// The longest until a kind is looked for again that a cluster may do without.
const ABSENT: Duration = Duration::from_secs(60);

/// The pauses between tries.
#[derive(Debug, Default)]
pub(super) struct Pace {
    tries: u32,
}

impl Pace {
    /// Something went well.
    pub(super) fn reset(&mut self) {
        self.tries = 0;
    }

    /// Returns how long to wait after a fault.
    pub(super) fn pause(&mut self, fault: &Fault) -> Duration {
        let first = self.tries == 0;
        match fault {
            // The wait for it was pause enough.
            Fault::Silent(_) if first => self.backoff(Duration::ZERO),
            Fault::Unreachable(_) | Fault::Cut(_) | Fault::Silent(_) => self.backoff(UNREACHABLE),
            // At once, but not all replicas in the same moment.
            Fault::Refused(refusal) if refusal.status.code == 410 && first => {
                self.tries += 1;
                Duration::from_secs(1).mul_f64(between(0.0, 1.0))
            }
            Fault::Refused(refusal) => {
                let wish = refusal.retry_after.unwrap_or_default().min(WISH);
                wish + self.backoff(REFUSED)
            }
            Fault::Corrupt(_) => self.backoff(REFUSED),
        }
    }

    /// Returns a pause: doubled each time up to `longest`, half of it left to chance.
    pub(super) fn backoff(&mut self, longest: Duration) -> Duration {
        let full = FIRST.saturating_mul(1 << self.tries.min(16)).min(longest);
        self.tries = self.tries.saturating_add(1);
        full.mul_f64(between(0.5, 1.0))
    }
}

/// Returns a factor by chance.
pub(super) fn between(low: f64, high: f64) -> f64 {
    let chance = RandomState::new().hash_one(0) % 1024;
    low + (high - low) * chance as f64 / 1023.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::decode::Encoding;
    use crate::watch::fault::Refusal;
    use crate::watch::resource::Verb;
    use crate::watch::status::Status;

    fn refused(code: u16, retry_after: Option<u64>) -> Fault {
        Fault::Refused(Refusal {
            verb: Verb::List,
            status: Status::of_body(code, Encoding::Json, b""),
            retry_after: retry_after.map(Duration::from_secs),
        })
    }

    /// Pauses of the first, second … try, each at most this long and at least half of it.
    fn check(what: &str, fault: &Fault, limits: &[u64]) {
        let mut pace = Pace::default();
        for (at, limit) in limits.iter().enumerate() {
            let limit = Duration::from_millis(*limit);
            let pause = pace.pause(fault);
            assert!(
                limit / 2 <= pause && pause <= limit,
                "{what} {at}: {pause:?}"
            );
        }
    }

    #[test]
    fn pauses_double_up_to_a_limit() {
        let gone = Fault::Unreachable(String::new());
        check("nobody", &gone, &[200, 400, 800, 1600, 3200, 5000, 5000]);
        let busy = refused(500, None);
        check(
            "busy",
            &busy,
            &[200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000],
        );
        let silent = Fault::Silent(Duration::from_secs(30));
        check("silent", &silent, &[0, 400, 800]);
    }

    #[test]
    fn a_servers_wish_comes_first_and_a_forgotten_place_is_no_reason_to_wait() {
        let mut pace = Pace::default();
        let pause = pace.pause(&refused(429, Some(7)));
        assert!(pause > Duration::from_secs(7) && pause < Duration::from_secs(8));
        let pause = pace.pause(&refused(503, Some(86_400)));
        assert!(pause < Duration::from_secs(62), "{pause:?}");
        pace.reset();
        assert!(pace.pause(&refused(410, None)) <= Duration::from_secs(1));
        assert!(pace.pause(&refused(410, None)) >= Duration::from_millis(200));
    }
}
