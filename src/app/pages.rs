//! What the HTTP listeners say: readiness from the index's progress, the series from what everybody
//! counts. No name of a tenant, a namespace or a service gets into either.

use super::progress::{KindState, Progress};
use crate::admin;
use crate::drain::Drain;
use crate::metrics::{self, Queries, Readings, Watched};
use crate::server::{Count, Stats};
use std::fmt::Write;
use std::time::{Duration, Instant};

/// What the pages are made of.
pub(super) struct Pages {
    pub(super) progress: Progress,
    pub(super) stats: Stats,
    pub(super) drain: Drain,
}

impl admin::Pages for Pages {
    fn ready(&self) -> (bool, String) {
        let state = self.progress.state();
        let stopping = self.drain.is_started();
        let kinds = state.kinds(Instant::now());
        let text = readiness(state.ready, stopping, &kinds);
        (state.ready && !stopping, text)
    }

    fn metrics(&self) -> String {
        let state = self.progress.state();
        let watched = state.kinds(Instant::now()).into_iter().map(|kind| Watched {
            kind: kind.kind.as_str(),
            synced: kind.synced,
            age: kind.age,
            ..Watched::default()
        });
        metrics::text(&Readings {
            version: env!("CARGO_PKG_VERSION"),
            queries: queries(&self.stats),
            published: state.published,
            trusted: true,
            objects: state
                .objects
                .iter()
                .map(|(kind, count)| (kind.as_str(), *count as u64))
                .collect(),
            watched: watched.collect(),
            ..Readings::default()
        })
    }
}

/// Returns the text of `/ready`: the verdict, then a line for each kind.
fn readiness(ready: bool, stopping: bool, kinds: &[KindState]) -> String {
    let verdict = match (stopping, ready) {
        (true, _) => "stopping",
        (false, true) => "ready",
        (false, false) => "not ready",
    };
    let mut text = format!("{verdict}\n");
    for state in kinds {
        let synced = if state.synced { "synced" } else { "not synced" };
        let heard = match state.age {
            Some(age) => format!("heard of {} ago", Ago(age)),
            None => "never heard of".to_owned(),
        };
        // Writing to a text can't fail.
        let _ = write!(text, "{}: {synced}, {heard}", state.kind.as_str());
        if let Some(trouble) = &state.trouble {
            let _ = write!(text, "; {trouble}");
        }
        text.push('\n');
    }
    text
}

/// A duration for people: two units of `d`, `h`, `m`, `s`.
pub(super) struct Ago(pub(super) Duration);

impl std::fmt::Display for Ago {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.as_secs();
        let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
        match (days, hours, minutes) {
            (0, 0, 0) => write!(f, "{seconds}s"),
            (0, 0, _) => write!(f, "{minutes}m{}s", seconds % 60),
            (0, _, _) => write!(f, "{hours}h{}m", minutes % 60),
            _ => write!(f, "{days}d{}h", hours % 24),
        }
    }
}

fn queries(stats: &Stats) -> Queries {
    let count = |what| stats.get(what);
    Queries {
        udp: count(Count::UdpQueries),
        tcp: count(Count::TcpQueries),
        answered: count(Count::Answered),
        dropped: count(Count::Dropped),
        udp_unanswerable: count(Count::UdpUnanswerable),
        udp_lost: count(Count::UdpLost),
        udp_send_errors: count(Count::UdpSendFailed),
        udp_receive_errors: count(Count::UdpReceiveFailed),
        tcp_connections: count(Count::TcpAccepted),
        tcp_refused: count(Count::TcpRefused),
        tcp_accept_errors: count(Count::TcpAcceptFailed),
        tcp_timeouts: count(Count::TcpTimedOut),
        held: count(Count::Held),
        held_refused: count(Count::HoldRefused),
        held_known: count(Count::HeldKnown),
        held_expired: count(Count::HeldExpired),
        asked: count(Count::Asked),
        panics: count(Count::Panics),
    }
}
