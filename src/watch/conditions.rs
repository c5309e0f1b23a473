//! The conditions of objects of our own kinds: written by server-side apply with one manager of the
//! fields, only where they differ from what is there, and in no hurry. What they should be is a
//! function of the objects alone, so that the first replica writes and the others find it done. The
//! index is never waited for, and never waits.

mod board;
mod observed;
#[cfg(test)]
mod tests;

pub use board::Conditions;
pub(super) use observed::Observed;

use super::fault::Fault;
use super::link::{Due, Link};
use super::pace::Timers;
use super::resource::Verb;
use board::Due as Job;
use jiff::{Timestamp, Unit};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// Between two writes of one replica.
const BETWEEN: Duration = Duration::from_millis(100);
/// How often the log says that conditions can't be written.
const REPEAT: Duration = Duration::from_secs(3600);

/// Writes conditions.
pub(super) struct Writer {
    links: Vec<Link>,
    conditions: Conditions,
    timers: Timers,
    /// When the log last told of a sort of fault with a kind.
    said: BTreeMap<(&'static str, &'static str), Instant>,
}

impl Writer {
    pub(super) fn new(links: Vec<Link>, conditions: Conditions, timers: Timers) -> Self {
        Self {
            links,
            conditions,
            timers,
            said: BTreeMap::new(),
        }
    }

    /// Writes what differs, for as long as anybody lives who could want it.
    pub(super) async fn run(mut self) {
        loop {
            match self.conditions.next(Instant::now()) {
                Job::Write(job) => {
                    let done = self.write(&job).await;
                    self.conditions.tried(&job, done.is_ok(), Instant::now());
                    if let Err(fault) = done {
                        self.say(&job, &fault);
                    }
                    sleep(BETWEEN).await;
                }
                Job::At(time) => {
                    tokio::select! {
                        () = sleep_until(time) => {}
                        () = self.conditions.changed() => {}
                    }
                }
                Job::Nothing => self.conditions.changed().await,
            }
        }
    }

    async fn write(&self, job: &board::Job) -> Result<(), Fault> {
        let Some(link) = self.link(job) else {
            return Ok(());
        };
        // Seconds, as everywhere in the API.
        let now = Timestamp::now();
        let now = now.round(Unit::Second).unwrap_or(now).to_string();
        let body = observed::patch(&job.status, &job.observed, &now);
        let request = link.resource.apply_status(&job.status.key, body);
        let due = Due::after(self.timers.silence());
        link.send(request, Verb::Patch, due).await.map(drop)
    }

    fn link(&self, job: &board::Job) -> Option<&Link> {
        let mut links = self.links.iter();
        links.find(|link| link.resource.kind == job.status.kind)
    }

    /// Says what is wrong, once an hour: that an object has gone meanwhile is not wrong.
    fn say(&mut self, job: &board::Job, fault: &Fault) {
        let gone = matches!(fault.sort(), "not_found") || is_conflict(fault);
        let Some(link) = self.link(job).filter(|_| !gone) else {
            return;
        };
        let text = fault.text(link.resource);
        let topic = (job.status.kind.as_str(), fault.topic());
        let now = Instant::now();
        let last = self.said.get(&topic);
        if last.is_none_or(|last| now.saturating_duration_since(*last) >= REPEAT) {
            self.said.insert(topic, now);
            tracing::warn!(object = %job.status.key, "conditions are not written: {text}");
        }
    }
}

/// Returns whether the object is another one of the same name by now.
fn is_conflict(fault: &Fault) -> bool {
    matches!(fault, Fault::Refused(refusal) if refusal.status.code == 409)
}
