//! What goes wrong between us and the API, said so that somebody can mend it, and what to do about
//! it meanwhile.

use crate::model::Kind;
use kube::runtime::watcher::Error;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What to do after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Wait and go on: the same watch finds its way.
    Wait,
    /// Start again from an empty watch: the server has forgotten where we were, or this one would
    /// ask the same for ever.
    Restart,
    /// Start again with plain lists: the server does not stream them.
    ListPages,
}

/// Returns what to do after an error, and a line that says what is wrong.
pub(super) fn judge(kind: Kind, error: &Error, streaming: bool) -> (Remedy, String) {
    let plural = kind.as_str();
    let api = match error {
        Error::InitialListFailed(kube::Error::Api(status))
        | Error::WatchStartFailed(kube::Error::Api(status))
        | Error::WatchFailed(kube::Error::Api(status)) => Some(&**status),
        Error::WatchError(status) => Some(&**status),
        _ => None,
    };
    let Some(status) = api else {
        return (
            Remedy::Wait,
            format!("{plural}: the API does not answer: {error}"),
        );
    };
    let message = &status.message;
    match status.code {
        410 => (
            Remedy::Restart,
            format!("{plural}: the API has forgotten where we were: listing again"),
        ),
        400 | 403 | 422 if streaming && message.contains("sendInitialEvents") => (
            Remedy::ListPages,
            format!("{plural}: the API does not stream lists: listing in pages"),
        ),
        401 => (
            Remedy::Wait,
            format!("{plural}: the API refuses our credentials: {message}"),
        ),
        403 => (
            Remedy::Wait,
            format!(
                "{plural}: not permitted; the ClusterRole needs the verbs list and watch: {message}"
            ),
        ),
        code => (
            Remedy::Wait,
            format!("{plural}: the API answers {code}: {message}"),
        ),
    }
}

/// How the watch of one kind is doing.
#[derive(Debug, Clone)]
pub struct Status {
    /// Every object has been given once.
    pub synced: bool,
    /// When the API was last heard of.
    pub heard: Option<Instant>,
    /// What is wrong, while something is.
    pub trouble: Option<String>,
}

/// How each kind is doing. Cheap to clone: all clones are one.
#[derive(Debug, Clone)]
pub struct Health {
    kinds: Arc<Mutex<BTreeMap<Kind, Status>>>,
}

impl Health {
    pub(super) fn new(kinds: &BTreeSet<Kind>) -> Self {
        let status = Status {
            synced: false,
            heard: None,
            trouble: None,
        };
        let kinds = kinds.iter().map(|kind| (*kind, status.clone())).collect();
        Self {
            kinds: Arc::new(Mutex::new(kinds)),
        }
    }

    /// Returns how each kind is doing.
    pub fn statuses(&self) -> BTreeMap<Kind, Status> {
        self.lock().clone()
    }

    pub(super) fn heard(&self, kind: Kind, synced: bool) {
        if let Some(status) = self.lock().get_mut(&kind) {
            status.heard = Some(Instant::now());
            status.synced |= synced;
            status.trouble = None;
        }
    }

    /// Notes trouble, and returns whether it is news.
    pub(super) fn trouble(&self, kind: Kind, text: &str) -> bool {
        let mut kinds = self.lock();
        let Some(status) = kinds.get_mut(&kind) else {
            return false;
        };
        let news = status.trouble.as_deref() != Some(text);
        status.trouble = Some(text.to_owned());
        news
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Kind, Status>> {
        // Whole after every change, whatever happened to who made it.
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
