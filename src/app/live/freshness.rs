//! When identities are too old to be trusted (`identity_max_age`), as a function of ages. Not where
//! ages come from, and no clock.

use crate::snapshot::Identities;
use std::time::{Duration, Instant};

/// How often the log says that identities are not trusted.
const REPEAT: Duration = Duration::from_secs(60);

/// What is to be thought of identities, and since when.
#[derive(Debug)]
pub(super) struct Freshness {
    max_age: Option<Duration>,
    /// When the log last said that they have expired; `None` while they have not.
    said: Option<Instant>,
}

/// A judgment at one moment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Judgment {
    pub(super) identities: Identities,
    /// What the log should say.
    pub(super) news: Option<News>,
}

/// What the log should say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Identities have expired, or still are.
    Expired,
    /// They are trusted again.
    Trusted,
}

impl Freshness {
    /// Returns a judge; without `max_age` identities are trusted for ever.
    pub(super) fn new(max_age: Option<Duration>) -> Self {
        Self {
            max_age,
            said: None,
        }
    }

    /// Judges identities of this age; `None` while there are none.
    pub(super) fn judge(&mut self, now: Instant, age: Option<Duration>) -> Judgment {
        let old = |max_age: Duration| age.is_some_and(|age| age > max_age);
        if !self.max_age.is_some_and(old) {
            return Judgment {
                identities: Identities::Trusted,
                news: self.said.take().map(|_| News::Trusted),
            };
        }
        let due = |said: Instant| now.saturating_duration_since(said) >= REPEAT;
        let news = self.said.is_none_or(due).then_some(News::Expired);
        if news.is_some() {
            self.said = Some(now);
        }
        Judgment {
            identities: Identities::Expired,
            news,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn identities_expire_when_they_are_older_than_they_may_be_and_heal() {
        let start = Instant::now();
        let mut freshness = Freshness::new(Some(HOUR));
        for (at, age, expired, news) in [
            (0, 10, false, None),
            (3590, 3600, false, None),
            (3591, 3601, true, Some(News::Expired)),
            (3592, 3602, true, None),
            (3650, 3660, true, None),
            (3651, 3661, true, Some(News::Expired)),
            (3660, 0, false, Some(News::Trusted)),
            (3661, 1, false, None),
            (9000, 5340, true, Some(News::Expired)),
        ] {
            let judgment = freshness.judge(start + seconds(at), Some(seconds(age)));
            let identities = match expired {
                true => Identities::Expired,
                false => Identities::Trusted,
            };
            assert_eq!(judgment, Judgment { identities, news }, "at {at}");
        }
    }

    #[test]
    fn what_nobody_limits_or_nobody_knows_never_expires() {
        let now = Instant::now();
        for (max_age, age) in [
            (None, Some(HOUR * 10_000)),
            (Some(HOUR), None),
            (None, None),
        ] {
            let expected = Judgment {
                identities: Identities::Trusted,
                news: None,
            };
            assert_eq!(Freshness::new(max_age).judge(now, age), expected);
        }
    }
}
