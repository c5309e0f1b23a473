//! Notices a cache in front that would give one tenant's answers to another.
//!
//! Each forwarder is asked, as any client would ask it, twice for a name that nobody has asked for
//! before and whose answer differs each time (`answer::canary`). The same answer twice came from a
//! cache. There are two such names for each origin, because caches keep what exists and what does
//! not apart, and may leave out zones. One forwarder is asked at a time, so that many replicas don't
//! add up. Not what is done about it: [`Sightings`] are counted, and said once.

mod look;

pub use look::{Kind, Seen};

use crate::drain::Drain;
use crate::snapshot::{Snapshot, SnapshotReader};
use crate::wire::Name;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::sleep;

/// From one forwarder to the next.
const PAUSE: Duration = Duration::from_secs(30);
/// The same while none has answered: at the start they may not be there yet.
const SHORT_PAUSE: Duration = Duration::from_secs(2);

/// What was seen, for whoever counts it.
#[derive(Debug, Default)]
pub struct Sightings {
    detected: AtomicBool,
    counts: [AtomicU64; 3],
}

impl Sightings {
    /// Returns whether the last look at some forwarder found a cache.
    pub fn detected(&self) -> bool {
        self.detected.load(Ordering::Relaxed)
    }

    /// Returns how many names were found to be this.
    pub fn count(&self, seen: Seen) -> u64 {
        self.counts
            .get(seen as usize)
            .map_or(0, |count| count.load(Ordering::Relaxed))
    }

    fn add(&self, seen: Seen) {
        if let Some(count) = self.counts.get(seen as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Looks until the drain is started.
pub async fn watch(reader: SnapshotReader, drain: Drain, sightings: &Sightings) {
    let mut turns = Turns::default();
    let rounds = async {
        loop {
            let pause = if turns.anybody_heard {
                PAUSE
            } else {
                SHORT_PAUSE
            };
            sleep(pause).await;
            let Some(turn) = turns.next(&reader.load()) else {
                continue;
            };
            look_at(turn, &mut turns, sightings).await;
        }
    };
    tokio::select! {
        () = drain.started() => {}
        () = rounds => {}
    }
}

/// One look at one forwarder.
#[derive(Debug, PartialEq, Eq)]
struct Turn {
    front: SocketAddr,
    origins: Vec<Name>,
}

async fn look_at(turn: Turn, turns: &mut Turns, sightings: &Sightings) {
    let (mut cached, mut clear) = (None, false);
    for origin in &turn.origins {
        for kind in Kind::ALL {
            let seen = look::look(turn.front, origin, kind).await;
            sightings.add(seen);
            match seen {
                Seen::Cached => cached = cached.or(Some((origin, kind))),
                Seen::Clear => clear = true,
                Seen::Silent => {}
            }
        }
    }
    turns.anybody_heard |= clear || cached.is_some();
    // Silence says nothing: what was seen last stays.
    if clear || cached.is_some() {
        turns.cached.insert(turn.front, cached.is_some());
    }
    let detected = turns.cached.values().any(|cached| *cached);
    let before = sightings.detected.swap(detected, Ordering::Relaxed);
    match (before, detected, cached) {
        (false, true, Some((origin, kind))) => tracing::warn!(
            front = %turn.front,
            zone = %origin,
            answers = kind.as_str(),
            "a forwarder answers from a cache, which gives one tenant's answers to others: switch its \
             cache off for this zone"
        ),
        (true, false, _) => tracing::info!("no forwarder answers from a cache any more"),
        _ => {}
    }
}

/// Whose turn it is, and what was seen last.
#[derive(Debug, Default)]
struct Turns {
    last: Option<SocketAddr>,
    cached: BTreeMap<SocketAddr, bool>,
    anybody_heard: bool,
}

impl Turns {
    /// Returns the next forwarder to look at, unless there is none or nothing is answered yet.
    fn next(&mut self, snapshot: &Snapshot) -> Option<Turn> {
        let mut fronts: Vec<SocketAddr> = snapshot.forwarders.fronts().collect();
        fronts.sort_unstable();
        fronts.dedup();
        self.cached.retain(|front, _| fronts.contains(front));
        if !snapshot.synced {
            return None;
        }
        let later = fronts.iter().find(|front| Some(**front) > self.last);
        let front = *later.or_else(|| fronts.first())?;
        self.last = Some(front);
        let mut origins: Vec<Name> = Vec::new();
        for zone in snapshot.zones.iter() {
            let new = zone.options().origins.iter();
            let new = new.filter(|origin| !origins.contains(origin));
            origins.extend(new.cloned().collect::<Vec<_>>());
        }
        Some(Turn { front, origins })
    }
}

#[cfg(test)]
mod tests;
