//! How the watch of each kind is doing: for readiness, metrics and the age of what is known. What is
//! a fault, and what it is called, is for [`super::fault`].

use super::fault::Fault;
use crate::model::Kind;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often the log says that something is still wrong.
const REPEAT: Duration = Duration::from_secs(60);

/// How the watch of one kind is doing.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Every object has been given once, or there are none to be had.
    pub synced: bool,
    /// When what is known was last known to be current: the API has said what changed, or that
    /// nothing has. `None` before the first list has ended.
    pub heard: Option<Instant>,
    /// What is wrong, while something is.
    pub trouble: Option<String>,
    /// The sort of that, as in [`Counts::errors`]: a word for those who must not read names.
    pub sort: Option<&'static str>,
    /// What has happened since the start.
    pub counts: Counts,
}

impl Status {
    /// Returns how old what is known is; `None` while nothing is.
    pub fn age(&self) -> Option<Duration> {
        self.heard
            .map(|heard| now().saturating_duration_since(heard))
    }
}

/// What has happened to one kind since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lists that were begun, the first one among them.
    pub lists: u64,
    /// Comparisons that were made of what is known with what there is.
    pub audits: u64,
    /// Octets of answers.
    pub bytes: u64,
    /// Faults by sort: `unreachable`, `cut`, `silent`, `corrupt`, `unauthorized`, `forbidden`,
    /// `not_found`, `gone`, `throttled`, `timeout`, `server`, `refused`.
    pub errors: BTreeMap<&'static str, u64>,
    /// Objects that can't be used, or not as a whole, by the field that is wrong; every sending
    /// counts.
    pub invalid: BTreeMap<Box<str>, u64>,
}

/// How each kind is doing. Cheap to clone: all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Health {
    kinds: Arc<Mutex<BTreeMap<Kind, Record>>>,
}

#[derive(Debug, Clone, Default)]
struct Record {
    status: Status,
    /// What is wrong with comparing, which is not as bad.
    doubt: Option<(&'static str, String)>,
    /// When the log last told of something.
    said: BTreeMap<Box<str>, Instant>,
}

impl Record {
    fn fault(&mut self, fault: &Fault) -> bool {
        let errors = &mut self.status.counts.errors;
        *errors.entry(fault.sort()).or_default() += 1;
        self.is_news(fault.topic())
    }

    fn is_news(&mut self, what: &str) -> bool {
        let (now, last) = (now(), self.said.get(what));
        let news = last.is_none_or(|last| now.saturating_duration_since(*last) >= REPEAT);
        if news {
            self.said.insert(what.into(), now);
        }
        news
    }
}

/// Tokio's clock, which tests can stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Health {
    /// Begins with a kind.
    pub(super) fn begin(&self, kind: Kind) {
        self.lock().insert(kind, Record::default());
    }

    /// Forgets a kind that is not watched any more.
    pub(super) fn end(&self, kind: Kind) {
        self.lock().remove(&kind);
    }

    /// Returns how each kind is doing.
    pub fn statuses(&self) -> BTreeMap<Kind, Status> {
        let kinds = self.lock();
        let status = |record: &Record| {
            let mut status = record.status.clone();
            if let (None, Some((sort, text))) = (&status.trouble, &record.doubt) {
                (status.sort, status.trouble) = (Some(*sort), Some(text.clone()));
            }
            status
        };
        kinds
            .iter()
            .map(|(k, record)| (*k, status(record)))
            .collect()
    }

    pub(super) fn is_synced(&self, kind: Kind) -> bool {
        self.update(kind, |record| record.status.synced)
    }

    /// Notes that what is known is current; returns whether to say that this ends trouble.
    pub(super) fn heard(&self, kind: Kind) -> bool {
        self.update(kind, |record| {
            record.status.heard = Some(now());
            record.status.sort = None;
            record.status.trouble.take().is_some() && record.is_news("recovered")
        })
    }

    /// Notes that every object has been given; returns as [`Health::heard`] does.
    pub(super) fn synced(&self, kind: Kind) -> bool {
        self.update(kind, |record| record.status.synced = true);
        self.heard(kind)
    }

    pub(super) fn count(&self, kind: Kind, count: impl FnOnce(&mut Counts)) {
        self.update(kind, |record| count(&mut record.status.counts));
    }

    /// Notes trouble, and returns whether it is time to say so.
    pub(super) fn trouble(&self, kind: Kind, fault: &Fault, text: String) -> bool {
        self.update(kind, |record| {
            record.status.trouble = Some(text);
            record.status.sort = Some(fault.sort());
            record.fault(fault)
        })
    }

    /// Notes what is wrong with comparing, and returns whether it is time to say so.
    pub(super) fn doubt(&self, kind: Kind, fault: &Fault, text: String) -> bool {
        self.update(kind, |record| {
            record.doubt = Some((fault.sort(), text));
            record.fault(fault)
        })
    }

    /// Notes that nothing is wrong with comparing.
    pub(super) fn certain(&self, kind: Kind) {
        self.update(kind, |record| record.doubt = None);
    }

    /// Notes a flaw of an object by its field, and returns whether to say so.
    pub(super) fn invalid(&self, kind: Kind, reason: &str) -> bool {
        self.update(kind, |record| {
            *record
                .status
                .counts
                .invalid
                .entry(reason.into())
                .or_default() += 1;
            record.is_news(reason)
        })
    }

    fn update<T: Default>(&self, kind: Kind, update: impl FnOnce(&mut Record) -> T) -> T {
        self.lock().get_mut(&kind).map(update).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Kind, Record>> {
        // Whole after every change, whatever happened to who made it.
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn trouble_is_said_once_a_minute_and_ends_with_the_next_word() {
        let health = Health::default();
        health.begin(Kind::Pod);
        let (cut, silent) = (Fault::Cut(String::new()), Fault::Silent(REPEAT));
        let say = |fault: &Fault| health.trouble(Kind::Pod, fault, fault.sort().to_owned());
        assert!(say(&cut) && !say(&cut) && say(&silent) && !say(&cut));
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(say(&cut));
        assert!(health.heard(Kind::Pod) && !health.heard(Kind::Pod));
        assert!(!say(&cut));
        let status = &health.statuses()[&Kind::Pod];
        assert_eq!(
            status.counts.errors,
            BTreeMap::from([("cut", 5), ("silent", 1)])
        );
        assert_eq!(status.trouble.as_deref(), Some("cut"));
        // A kind that is not watched has no health.
        assert!(!health.trouble(Kind::Node, &cut, String::new()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_ages_until_the_api_is_heard_of() {
        let health = Health::default();
        health.begin(Kind::Pod);
        let age = || health.statuses()[&Kind::Pod].age();
        assert_eq!(age(), None);
        health.synced(Kind::Pod);
        tokio::time::advance(Duration::from_secs(10)).await;
        health.trouble(Kind::Pod, &Fault::Cut(String::new()), String::new());
        assert_eq!(age(), Some(Duration::from_secs(10)));
        assert_eq!(health.statuses()[&Kind::Pod].sort, Some("cut"));
        health.heard(Kind::Pod);
        assert_eq!(age(), Some(Duration::ZERO));
        assert_eq!(health.statuses()[&Kind::Pod].sort, None);
    }
}
