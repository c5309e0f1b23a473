//! The thread that gathers what the workers saw, and says in the log whom it suspects of a sweep.

use super::ledger::Ledger;
use crate::drain::Drain;
use crate::observe::{Gatherer, Round, Sort, Suspicion};
use crate::snapshot::SnapshotReader;
use std::io;
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// The running thread.
pub(super) struct Observer {
    closing: Drain,
    thread: JoinHandle<()>,
}

impl Observer {
    /// Starts to gather.
    ///
    /// # Errors
    /// The thread can't be started.
    pub(super) fn start(
        gatherer: Gatherer,
        reader: SnapshotReader,
        ledger: Ledger,
    ) -> io::Result<Self> {
        let closing = Drain::new();
        let closed = closing.clone();
        let thread = thread::Builder::new()
            .name("observer".into())
            .spawn(move || run(gatherer, &reader, ledger, &closed))?;
        Ok(Self { closing, thread })
    }

    /// Gathers a last time, and returns whether the thread ended in good order.
    pub(super) fn close(self) -> bool {
        self.closing.start();
        self.thread.join().is_ok()
    }
}

fn run(mut gatherer: Gatherer, reader: &SnapshotReader, mut ledger: Ledger, closing: &Drain) {
    closing.unpark_me();
    let start = Instant::now();
    loop {
        let last = closing.is_started();
        let now = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let snapshot = reader.load();
        let round = gatherer.gather(&snapshot, now);
        say(&round);
        ledger.turn(gatherer.window(), snapshot.policy.mode(), now, last);
        if last {
            return;
        }
        thread::park_timeout(round.pause);
    }
}

fn say(round: &Round) {
    for Suspicion {
        client,
        class,
        namespace,
        tenant,
        sort,
        names,
    } in &round.suspicions
    {
        let sought = match sort {
            Sort::Reverse => "reverse names",
            Sort::Absent => "names that don't exist",
        };
        tracing::warn!(
            %client,
            class = class.as_str(),
            namespace = namespace.as_deref(),
            tenant = tenant.as_deref(),
            kind = sort.as_str(),
            "a sweep is suspected: over {names} different {sought} within a minute"
        );
    }
    if round.unreported > 0 {
        tracing::warn!(
            clients = round.unreported,
            "more sweeps are suspected in the last minute than are named here"
        );
    }
}
