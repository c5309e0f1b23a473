//! What is written down of queries and answers: the thread of the query log, and one for each receiver
//! of dnstap. A worker never waits for them: what they can't take in time is lost, and counted.

mod lines;
mod tap;

use super::questions::Asking;
use crate::config::Written;
use crate::drain::Drain;
use crate::observe::{Recorder, Wanted};
use crate::querylog::Output;
use crate::snapshot::SnapshotReader;
use crate::tap::TapOptions;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long a writer that nobody reads is waited for at the end.
const PATIENCE: Duration = Duration::from_secs(2);

/// Everything that writes.
pub(super) struct Journal {
    recorder: Recorder,
    reader: SnapshotReader,
    asking: Asking,
    writers: Vec<Writer>,
    losses: Losses,
}

/// What was lost: copies of answers that the log did not take, and those that dnstap did not.
#[derive(Debug, Clone, Default)]
pub(super) struct Losses([Arc<AtomicU64>; 2]);

impl Losses {
    /// Returns the answers that have no line although they should, and those that were not sent.
    pub(super) fn read(&self) -> [u64; 2] {
        self.0.each_ref().map(|count| count.load(Ordering::Relaxed))
    }
}

/// One thread.
struct Writer {
    closing: Drain,
    thread: JoinHandle<()>,
}

impl Journal {
    /// Starts to write what is configured, block by block.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn start(
        written: &[Written],
        reader: &SnapshotReader,
        asking: &Asking,
    ) -> io::Result<Self> {
        let mut journal = Self {
            recorder: Recorder::new(),
            reader: reader.clone(),
            asking: asking.clone(),
            writers: Vec::new(),
            losses: Losses::default(),
        };
        journal.apply(written)?;
        Ok(journal)
    }

    /// Writes what another configuration says, from now on.
    ///
    /// # Errors
    /// There is no thread to be had; then less is written than configured.
    pub(super) fn apply(&mut self, written: &[Written]) -> io::Result<()> {
        let before = std::mem::take(&mut self.writers);
        let wanted = wanted(written);
        if wanted != Wanted::NONE {
            let lines =
                lines::Lines::new(written.to_vec(), self.reader.clone(), self.asking.clone());
            let exchanges = self.recorder.reader(wanted, &self.losses.0[0]);
            self.spawn("query-log", move |closing| {
                lines.run(exchanges, closing);
            })?;
        }
        for (options, blocks) in receivers(written) {
            let exchanges = self.recorder.reader(Wanted::ALL, &self.losses.0[1]);
            let origin = exchanges.origin();
            let tap = tap::Tap::new(options, blocks, origin);
            self.spawn("dnstap", move |closing| tap.run(exchanges, closing))?;
        }
        // After the new ones have begun, so that nothing is missed in between.
        close(before);
        Ok(())
    }

    /// Returns what each of the server's threads copies with.
    pub(super) fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// Returns what was lost so far, now and later.
    pub(super) fn losses(&self) -> Losses {
        self.losses.clone()
    }

    /// Writes what is left, and returns whether the threads ended in good order. One whose reader does
    /// not read is left behind.
    pub(super) fn close(self) -> bool {
        close(self.writers)
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce(&Drain) + Send + 'static) -> io::Result<()> {
        let closing = Drain::new();
        let closed = closing.clone();
        let thread = thread::Builder::new()
            .name(name.into())
            .spawn(move || run(&closed))?;
        self.writers.push(Writer { closing, thread });
        Ok(())
    }
}

fn close(writers: Vec<Writer>) -> bool {
    for writer in &writers {
        writer.closing.start();
    }
    let deadline = Instant::now() + PATIENCE;
    let mut good = true;
    for writer in writers {
        while !writer.thread.is_finished() && Instant::now() < deadline {
            thread::park_timeout(Duration::from_millis(5));
        }
        if writer.thread.is_finished() {
            good &= writer.thread.join().is_ok();
        } else {
            tracing::warn!("what is left of the query log or dnstap is dropped: nobody reads it");
        }
    }
    good
}

/// Returns the answers that a line may be about.
fn wanted(written: &[Written]) -> Wanted {
    let mut wanted = Wanted::NONE;
    for block in written {
        for rule in &block.log {
            wanted.success |= rule.classes.success;
            wanted.denial |= rule.classes.denial;
            wanted.error |= rule.classes.error;
        }
        wanted.error |= block.errors.is_some();
    }
    wanted
}

/// Returns the receivers, with the blocks that each is for.
fn receivers(written: &[Written]) -> Vec<(TapOptions, Vec<u16>)> {
    let mut receivers: Vec<(TapOptions, Vec<u16>)> = Vec::new();
    for (block, written) in (0..).zip(written) {
        let Some(options) = &written.dnstap else {
            continue;
        };
        match receivers.iter_mut().find(|(known, _)| known == options) {
            Some((_, blocks)) => blocks.push(block),
            None => receivers.push((options.clone(), vec![block])),
        }
    }
    receivers
}

/// How long a writer rests that found so much: the more there was, the less.
fn pause(taken: usize) -> Duration {
    match taken {
        0 => Duration::from_millis(100),
        1..=100 => Duration::from_millis(20),
        _ => Duration::from_millis(2),
    }
}

/// Returns whether a rule's lines name pods.
fn names_pods(rule: &crate::querylog::Rule) -> bool {
    rule.output == Output::Json || rule.format.names_pods()
}
