//! What conditions there are, what they should be, and when to write which. No requests.

use super::observed::Observed;
use crate::model::{Kind, ObjectKey, PolicyStatus};
use crate::watch::pace::between;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Within which a difference is written first: long enough for one replica to be before the others.
const SPREAD: Duration = Duration::from_secs(3);
/// Until the same is written again. It is needed only where somebody has written something else, as a
/// replica with another configuration does while one follows the other: doubled each time.
const AGAIN: Duration = Duration::from_secs(60);
/// Until what could not be written is tried again.
const FAILED: Duration = Duration::from_secs(5);
/// The longest until then.
const LONGEST: Duration = Duration::from_secs(3600);

/// The conditions that objects have and should have. Cheap to clone: all clones are one.
#[derive(Clone, Default)]
pub struct Conditions {
    board: Arc<Mutex<Board>>,
    changed: Arc<Notify>,
}

type Id = (Kind, ObjectKey);

#[derive(Default)]
struct Board {
    observed: BTreeMap<Id, Observed>,
    wanted: BTreeMap<Id, Wanted>,
}

/// What an object's conditions should be.
struct Wanted {
    status: PolicyStatus,
    /// How often that was written.
    tries: u32,
    /// When to write it, since a difference was seen.
    due: Option<Instant>,
}

/// What is to be written.
pub(super) struct Job {
    pub(super) status: PolicyStatus,
    pub(super) observed: Observed,
}

/// What to do next.
pub(super) enum Due {
    Write(Box<Job>),
    At(Instant),
    Nothing,
}

impl Conditions {
    /// Says what the conditions of all objects should be. What is not among them is left as it is.
    pub fn want(&self, statuses: Vec<PolicyStatus>) {
        let mut board = self.lock();
        let mut before = std::mem::take(&mut board.wanted);
        for status in statuses {
            let id = (status.kind, status.key.clone());
            let same = before.remove(&id).filter(|before| before.status == status);
            let wanted = same.unwrap_or(Wanted {
                status,
                tries: 0,
                due: None,
            });
            board.wanted.insert(id, wanted);
        }
        drop(board);
        self.changed.notify_one();
    }

    /// Notes what an object has.
    pub(in crate::watch) fn saw(&self, kind: Kind, key: ObjectKey, observed: Observed) {
        self.lock().observed.insert((kind, key), observed);
        self.changed.notify_one();
    }

    /// Notes that an object is gone.
    pub(in crate::watch) fn gone(&self, kind: Kind, key: &ObjectKey) {
        self.lock().observed.remove(&(kind, key.clone()));
    }

    /// Waits until something has changed since the last call.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Returns what to do next.
    pub(super) fn next(&self, now: Instant) -> Due {
        let mut board = self.lock();
        let Board { observed, wanted } = &mut *board;
        let mut first: Option<(Instant, &Wanted, &Observed)> = None;
        for (id, wanted) in wanted {
            let Some(observed) = observed.get(id) else {
                continue;
            };
            if observed.says(&wanted.status) {
                if wanted.tries == 0 {
                    wanted.due = None;
                }
                continue;
            }
            let soon = || now + SPREAD.mul_f64(between(0.0, 1.0));
            let due = *wanted.due.get_or_insert_with(soon);
            if first.is_none_or(|first| due < first.0) {
                first = Some((due, wanted, observed));
            }
        }
        match first {
            None => Due::Nothing,
            Some((due, ..)) if due > now => Due::At(due),
            Some((_, wanted, observed)) => Due::Write(Box::new(Job {
                status: wanted.status.clone(),
                observed: observed.clone(),
            })),
        }
    }

    /// Notes that something was written, or could not be.
    pub(super) fn tried(&self, job: &Job, done: bool, now: Instant) {
        let mut board = self.lock();
        let id = (job.status.kind, job.status.key.clone());
        let Some(wanted) = board.wanted.get_mut(&id) else {
            return;
        };
        if wanted.status == job.status {
            let (first, longest) = match done {
                true => (AGAIN, LONGEST),
                false => (FAILED, 5 * AGAIN),
            };
            let pause = first.saturating_mul(1 << wanted.tries.min(10)).min(longest);
            wanted.tries += 1;
            wanted.due = Some(now + pause.mul_f64(between(0.8, 1.2)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        // Whole after every change, whatever happened to who made it.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
