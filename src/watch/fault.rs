//! What goes wrong between us and the API: of which sort it is, and a line that lets somebody mend
//! it. What to do about it is for [`super::follow`], how long to wait for [`super::pace`].

use super::decode::Corrupt;
use super::resource::{Resource, Verb};
use super::status::Status;
use std::error::Error;
use std::time::Duration;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// No connection, no credentials, no TLS.
    Unreachable(String),
    /// An answer broke off.
    Cut(String),
    /// Nothing came for so long.
    Silent(Duration),
    /// What came can't be read.
    Corrupt(String),
    /// The server said no.
    Refused(Refusal),
}

/// What a server said instead of what was asked for, as an answer or within one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What was asked for.
    pub(super) verb: Verb,
    /// Its reason.
    pub(super) status: Status,
    /// How long it wants to be left alone.
    pub(super) retry_after: Option<Duration>,
}

impl Fault {
    /// Returns a fault of the connection, with its causes.
    pub(super) fn unreachable(error: &(dyn Error + 'static)) -> Self {
        Self::Unreachable(with_causes(error))
    }

    /// Returns the sort of fault, of which there are few: a metric's label.
    pub(super) fn sort(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Cut(_) => "cut",
            Self::Silent(_) => "silent",
            Self::Corrupt(_) => "corrupt",
            Self::Refused(refusal) => match refusal.status.code {
                401 => "unauthorized",
                403 => "forbidden",
                404 => "not_found",
                410 => "gone",
                429 | 503 => "throttled",
                504 => "timeout",
                500..=599 => "server",
                _ => "refused",
            },
        }
    }

    /// Returns what one line about it covers: that a verb is missing says nothing of another one.
    pub(super) fn topic(&self) -> &'static str {
        match self {
            Self::Refused(refusal) if refusal.status.code == 403 => match refusal.verb {
                Verb::List => "forbidden to list",
                Verb::Watch => "forbidden to watch",
                Verb::Discover => "forbidden to discover",
                Verb::Patch => "forbidden to patch",
            },
            _ => self.sort(),
        }
    }

    /// Returns whether other credentials than those read before could help.
    pub(super) fn may_be_credentials(&self) -> bool {
        matches!(self.sort(), "unauthorized" | "unreachable")
    }

    /// Returns what is wrong and what to do, on one line.
    pub(super) fn text(&self, resource: &Resource) -> String {
        let kind = resource.kind.as_str();
        let refusal = match self {
            Self::Unreachable(error) => {
                return format!("{kind}: the API can't be reached: {error}");
            }
            Self::Cut(error) => return format!("{kind}: the API's answer broke off: {error}"),
            Self::Silent(time) => {
                return format!("{kind}: nothing from the API for {} s", time.as_secs());
            }
            Self::Corrupt(error) => {
                return format!("{kind}: the API's answer can't be read: {error}");
            }
            Self::Refused(refusal) => refusal,
        };
        let Status { code, message, .. } = &refusal.status;
        let verb = match refusal.verb {
            Verb::List => "list",
            Verb::Watch => "watch",
            Verb::Discover => "get",
            Verb::Patch => "patch",
        };
        let name = match refusal.verb {
            Verb::Patch => format!("{}/status", resource.name()),
            Verb::List | Verb::Watch | Verb::Discover => resource.name(),
        };
        match code {
            401 => format!("{kind}: the API does not accept our credentials: {message}"),
            403 => format!(
                "{kind}: not permitted; the ClusterRole needs the verb {verb} on {name}: {message}"
            ),
            404 => format!("{kind}: the API has no {name}: {message}"),
            410 => format!("{kind}: the API has forgotten where we were, listing again"),
            _ => format!("{kind}: the API answers {code} to {verb}: {message}"),
        }
    }
}

impl From<Corrupt> for Fault {
    fn from(error: Corrupt) -> Self {
        Self::Corrupt(error.0)
    }
}

/// Returns an error and what caused it, each said once.
pub(super) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
