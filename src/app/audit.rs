//! `audit`: what another server is asked, judged by a policy and the objects as they are now. It
//! answers nobody. What it finds goes where a server in audit writes it, in the same lines.

mod follow;
mod listen;

use super::changes::changes;
use super::feed::Feed;
use super::ledger::Ledger;
use super::progress::Progress;
use super::questions::{Questions, questions};
use crate::audit::{Auditor, Question};
use crate::chain::ListenerId;
use crate::commands::Losses;
use crate::config::{AuditCommand, Config, Tap};
use crate::drain::{Drain, termination};
use crate::snapshot::{Publisher, SnapshotReader, cell};
use crate::tap::Tapped;
use crate::tenancy::Mode;
use anyhow::Context;
use std::io::Write;
use std::pin::pin;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

/// Pieces of what was told that wait to be judged. Whoever tells more waits.
const WAITING: usize = 64;
/// How often it is looked whether a window is over, and whether everything has been read.
const LOOK: Duration = Duration::from_millis(100);

/// A piece of what another server told.
#[derive(Debug, Default)]
struct Heard {
    queries: Vec<Tapped>,
    /// Queries of which it was not said what they ask.
    wordless: u64,
    /// What could not be read, and should have been.
    garbled: u64,
}

/// Judges until its input ends or it is told to stop.
pub(super) fn audit(mut config: Config, command: &AuditCommand) -> anyhow::Result<()> {
    // Whatever the mode is: that of these answers is CoreDNS's.
    config.tenancy.mode = Mode::Audit;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let mut feed = Feed::open(&config)?;
    let (publisher, reader) = cell(feed.snapshot());
    let (asking, questions) = questions(reader.clone());
    let mut audit = Audit {
        auditor: Auditor::default(),
        ledger: Ledger::open(&config.audit, Mode::Audit, asking)?,
        losses: Losses::default(),
        reader,
        start: Instant::now(),
        said: [false; 2],
    };
    let drain = Drain::new();
    let index = follow_objects(feed, publisher, &drain, questions)?;
    let judged = runtime.block_on(audit.run(&command.tap, &drain));
    // A reader that waits for its standard input is left behind.
    runtime.shutdown_background();
    drain.start();
    let followed = index.join();
    judged?;
    match followed {
        Ok(result) => result?,
        Err(_) => anyhow::bail!("the index's thread ended with a panic"),
    }
    // The lines may have the standard output; this is for whoever watches.
    write!(std::io::stderr(), "{}", audit.losses)?;
    Ok(())
}

/// Starts the thread that owns the index.
fn follow_objects(
    feed: Feed,
    publisher: Publisher,
    drain: &Drain,
    questions: Questions,
) -> anyhow::Result<JoinHandle<anyhow::Result<()>>> {
    let drain = drain.clone();
    let body = move || {
        let (read, _) = oneshot::channel();
        // Judged by the configuration that it was started with.
        let (_, changes) = changes();
        let result = feed.follow(
            publisher,
            &drain,
            &Progress::default(),
            read,
            (questions, changes),
        );
        // By objects of the past nothing is judged.
        drain.start();
        result
    };
    let thread = thread::Builder::new().name("index".into()).spawn(body);
    thread.context("starting a thread")
}

/// What is judged by, and what has come of it.
struct Audit {
    auditor: Auditor,
    ledger: Ledger,
    losses: Losses,
    reader: SnapshotReader,
    start: Instant,
    /// What has been complained of.
    said: [bool; 2],
}

impl Audit {
    async fn run(&mut self, tap: &Tap, drain: &Drain) -> anyhow::Result<()> {
        let mut told = pin!(termination());
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Until everything has been read, everybody is somebody else.
        while !self.reader.load().synced {
            tokio::select! {
                asked = &mut told => return asked.map(|_| ()).context("waiting for signals"),
                () = drain.started() => return Ok(()),
                _ = tick.tick() => {}
            }
        }
        let (heard, mut inbox) = mpsc::channel(WAITING);
        let place = match (&tap.dnstap, &tap.coredns_log) {
            (Some(address), _) => listen::start(address, heard)?,
            (None, Some(path)) => follow::start(path, heard)?,
            (None, None) => anyhow::bail!("nothing to read queries from"),
        };
        // Nobody has to listen to us.
        let _ = writeln!(std::io::stderr(), "judging {place}");
        let ended = loop {
            tokio::select! {
                biased;
                asked = &mut told => break asked.map(|_| ()).context("waiting for signals"),
                () = drain.started() => break Ok(()),
                piece = inbox.recv() => match piece {
                    Some(piece) => self.judge(piece),
                    None => break Ok(()),
                },
                _ = tick.tick() => {}
            }
            self.turn(false);
        };
        // What has been told already counts.
        inbox.close();
        while let Some(piece) = inbox.recv().await {
            self.judge(piece);
        }
        self.turn(true);
        ended
    }

    fn turn(&mut self, last: bool) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let window = self.auditor.window();
        self.ledger.turn(window, Mode::Audit, now, last);
    }

    fn judge(&mut self, heard: Heard) {
        let snapshot = self.reader.load();
        for Tapped {
            client,
            name,
            rtype,
        } in heard.queries
        {
            let question = Question::new(ListenerId(0), client, name.as_wire(), rtype.0);
            let denials = self.auditor.judge(&snapshot, &question);
            let view = snapshot.view(snapshot.identify(client));
            self.losses.add(client, &view, denials.as_deref());
        }
        self.losses.wordless += heard.wordless;
        self.losses.garbled += heard.garbled;
        let [wordless, garbled] = &mut self.said;
        if heard.wordless > 0 && !std::mem::replace(wordless, true) {
            tracing::warn!(
                "queries come without what they ask, and can't be judged: have CoreDNS send it \
                 (`dnstap ADDRESS full`)"
            );
        }
        if heard.garbled > 0 && !std::mem::replace(garbled, true) {
            tracing::warn!(
                "something can't be read that should be a query: a line that was cut off or is not \
                 in the `log` plugin's common or combined format, or a frame that is no dnstap \
                 (said once)"
            );
        }
    }
}
