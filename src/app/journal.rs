//! What is written down of queries and answers: the thread of the query log, and one for each receiver
//! of dnstap and collector of spans. A worker never waits for them: what they can't take in time is lost,
//! and counted.

mod askers;
mod collector;
mod lines;
mod servers;
mod spans;
mod tap;
mod upstreams;

pub(super) use upstreams::UpstreamTaps;

use super::questions::Asking;
use crate::config::Written;
use crate::drain::Drain;
use crate::observe::{Recorder, Share, Wanted};
use crate::otlp;
use crate::querylog::Output;
use crate::snapshot::SnapshotReader;
use crate::tap::TapOptions;
use askers::Askers;
use servers::Servers;
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
    servers: Servers,
    writers: Vec<Writer>,
    losses: Losses,
    upstreams: UpstreamTaps,
}

/// What was lost: copies of answers that the log did not take, those that dnstap did not, and those that no
/// collector did.
#[derive(Debug, Clone, Default)]
pub(super) struct Losses([Arc<AtomicU64>; 3]);

impl Losses {
    /// Returns the answers that have no line although they should, and those that were not sent: by dnstap,
    /// and as spans.
    pub(super) fn read(&self) -> [u64; 3] {
        self.0.each_ref().map(|count| count.load(Ordering::Relaxed))
    }
}

/// One thread, and what it writes.
struct Writer {
    job: Job,
    closing: Drain,
    thread: JoinHandle<()>,
}

/// What a thread writes.
#[derive(Debug, Clone, PartialEq)]
enum Job {
    /// The log's lines, block by block.
    Lines(Vec<Written>),
    /// dnstap to a receiver, of these blocks.
    Tap(TapOptions, Vec<u16>),
    /// Spans to a collector, of these blocks.
    Spans(otlp::Options, Vec<u16>),
}

impl Journal {
    /// Starts to write what is configured, block by block. Listeners are called `servers`, by their
    /// numbers.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn start(
        written: &[Written],
        reader: &SnapshotReader,
        asking: &Asking,
        servers: &[String],
    ) -> io::Result<Self> {
        let mut journal = Self {
            recorder: Recorder::new(),
            reader: reader.clone(),
            asking: asking.clone(),
            servers: Servers::default(),
            writers: Vec::new(),
            losses: Losses::default(),
            upstreams: UpstreamTaps::default(),
        };
        journal.rename(servers);
        journal.apply(written)?;
        Ok(journal)
    }

    /// Writes what another configuration says, from now on. Who writes the same as before goes on; of
    /// others the moment in between is not written.
    ///
    /// # Errors
    /// There is no thread to be had; then less is written than configured.
    pub(super) fn apply(&mut self, written: &[Written]) -> io::Result<()> {
        let jobs = jobs(written);
        let before = std::mem::take(&mut self.writers);
        let (same, others) = before.into_iter().partition(|it| jobs.contains(&it.job));
        self.writers = same;
        close(others);
        for job in jobs {
            if !self.writers.iter().any(|writer| writer.job == job) {
                let writer = self.spawn(job)?;
                self.writers.push(writer);
            }
        }
        Ok(())
    }

    /// Calls the listeners otherwise.
    pub(super) fn rename(&self, servers: &[String]) {
        self.servers.rename(servers);
    }

    /// Returns what each of the server's threads copies with.
    pub(super) fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// Returns who looks on at what upstreams are asked.
    pub(super) fn upstreams(&self) -> UpstreamTaps {
        self.upstreams.clone()
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

    fn spawn(&self, job: Job) -> io::Result<Writer> {
        let closing = Drain::new();
        let closed = closing.clone();
        let Losses([lost_lines, lost_taps, lost_spans]) = &self.losses;
        let thread = match job.clone() {
            Job::Lines(written) => {
                let exchanges = self
                    .recorder
                    .reader(wanted(&written), Share::ALL, lost_lines);
                let askers = Askers::new(&self.reader, &self.asking);
                let lines = lines::Lines::new(written, askers, self.servers.clone());
                let thread = thread::Builder::new().name("query-log".into());
                thread.spawn(move || lines.run(exchanges, &closed))?
            }
            Job::Tap(options, blocks) => {
                let exchanges = self.recorder.reader(Wanted::ALL, Share::ALL, lost_taps);
                let asked = self.upstreams.receiver(blocks.clone(), lost_taps);
                let options = (options, blocks);
                let tap = tap::Tap::new(options, self.servers.clone(), asked, exchanges.origin());
                let thread = thread::Builder::new().name("dnstap".into());
                thread.spawn(move || tap.run(exchanges, &closed))?
            }
            Job::Spans(options, blocks) => {
                let exchanges = self
                    .recorder
                    .reader(Wanted::ALL, options.sample, lost_spans);
                let askers = Askers::new(&self.reader, &self.asking);
                let known = (askers, self.servers.clone(), lost_spans.clone());
                let spans = spans::Spans::new((options, blocks), known, exchanges.origin());
                let thread = thread::Builder::new().name("opentelemetry".into());
                thread.spawn(move || spans.run(exchanges, &closed))?
            }
        };
        Ok(Writer {
            job,
            closing,
            thread,
        })
    }
}

/// Returns what is to be written under a configuration.
fn jobs(written: &[Written]) -> Vec<Job> {
    let mut jobs = Vec::new();
    if wanted(written) != Wanted::NONE {
        // What is sent elsewhere is no reason to begin the log anew.
        let lines = written.iter().map(|block| Written {
            dnstap: None,
            spans: None,
            ..block.clone()
        });
        jobs.push(Job::Lines(lines.collect()));
    }
    let taps = receivers(written, |block| block.dnstap.as_ref()).into_iter();
    jobs.extend(taps.map(|(options, blocks)| Job::Tap(options, blocks)));
    let collectors = receivers(written, |block| block.spans.as_ref()).into_iter();
    jobs.extend(collectors.map(|(options, blocks)| Job::Spans(options, blocks)));
    jobs
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
            tracing::warn!(
                "what is left of the query log, dnstap or spans is dropped: nobody reads it"
            );
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

/// Returns the receivers that blocks have, with the blocks that each is for.
fn receivers<T: Clone + PartialEq>(
    written: &[Written],
    of: impl Fn(&Written) -> Option<&T>,
) -> Vec<(T, Vec<u16>)> {
    let mut receivers: Vec<(T, Vec<u16>)> = Vec::new();
    for (block, written) in (0..).zip(written) {
        let Some(options) = of(written) else {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn of(text: &str) -> Vec<Job> {
        jobs(&Config::from_toml(text, "f.toml").unwrap().written)
    }

    #[test]
    fn who_writes_the_same_goes_on() {
        let log = "[[log]]\nclass = [\"error\"]\n";
        let tap = "[dnstap]\nto = \"unix:/tap\"\n";
        let block = "[[block]]\nzones = [\"a\"]\n[block.kubernetes]\n";
        let (one, both) = (of(log), of(&format!("{log}{tap}")));
        assert_eq!((one.len(), both.len()), (1, 2));
        assert!(both.contains(&one[0]));
        assert!(!of("[[log]]\n").contains(&one[0]));
        assert!(of("").is_empty());
        // One receiver for two blocks.
        let tap_of_block = "[block.dnstap]\nto = \"unix:/tap\"\n";
        let shared = of(&format!("{tap}{block}{tap_of_block}"));
        assert!(matches!(&shared[..], [Job::Tap(_, blocks)] if blocks == &[0, 1]));
        // A collector that is told of another part begins anew; the log does not.
        let spans = |sample: &str| {
            let table = format!("[opentelemetry]\nto = \"http://c\"\nsample = {sample}\n");
            of(&format!("{log}{table}"))
        };
        let (some, more) = (spans("0.1"), spans("0.2"));
        assert!(matches!(&some[1], Job::Spans(_, blocks) if blocks == &[0]));
        assert!(more.contains(&one[0]) && !more.contains(&some[1]));
    }

    #[test]
    fn only_what_may_have_a_line_is_copied() {
        let of = |text: &str| wanted(&Config::from_toml(text, "f.toml").unwrap().written);
        assert_eq!(of(""), Wanted::NONE);
        assert_eq!(of("[[log]]\n"), Wanted::ALL);
        let error = Wanted {
            error: true,
            ..Wanted::NONE
        };
        assert_eq!(of("[errors]\n"), error);
        assert_eq!(of("[[log]]\nclass = [\"error\"]\n"), error);
    }
}
