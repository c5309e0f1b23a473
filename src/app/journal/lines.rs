//! The thread of the query log: copies of answers become lines on the standard output.

use super::askers::Askers;
use super::servers::Servers;
use super::{names_pods, pause};
use crate::config::Written;
use crate::drain::Drain;
use crate::observe::{Exchange, Exchanges};
use crate::querylog::{Entry, ErrorLines, Output, Rule, failure_text};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::thread;
use std::time::Instant;

/// Lines that are made before they are written.
const AT_ONCE: usize = 256;

/// What makes lines.
pub(super) struct Lines {
    blocks: Vec<(Vec<Rule>, Option<ErrorLines>)>,
    askers: Askers,
    servers: Servers,
    /// It has been said that lines can't be written.
    failed: bool,
}

impl Lines {
    pub(super) fn new(written: Vec<Written>, askers: Askers, servers: Servers) -> Self {
        let blocks = written.into_iter().map(|block| {
            let errors = block.errors.map(ErrorLines::new);
            (block.log, errors)
        });
        Self {
            blocks: blocks.collect(),
            askers,
            servers,
            failed: false,
        }
    }

    /// Writes until it is closed, and then what is left.
    pub(super) fn run(mut self, mut exchanges: Exchanges, closing: &Drain) {
        closing.unpark_me();
        // Not `io::stdout`: whoever else writes there must not wait for our reader.
        let mut out = io::stdout()
            .as_fd()
            .try_clone_to_owned()
            .map(File::from)
            .ok();
        let origin = exchanges.origin();
        let wall = Timestamp::now();
        let began = Instant::now();
        let mut found = Vec::new();
        loop {
            let last = closing.is_started();
            let taken = exchanges.read(|mut exchange| {
                self.servers.name_way(&mut exchange);
                found.push(exchange);
            });
            let pods = self.pods(&found);
            for some in found.chunks(AT_ONCE) {
                let mut text = String::new();
                for exchange in some {
                    let came = moment(wall, began, origin + exchange.received);
                    self.line(exchange, &pods, came, &mut text);
                }
                self.write(out.as_mut(), &text);
            }
            found.clear();
            let mut text = String::new();
            let now = origin.elapsed();
            for errors in self.blocks.iter_mut().filter_map(|block| block.1.as_mut()) {
                match last {
                    true => errors.close(&mut text),
                    false => errors.turn(now, &mut text),
                }
            }
            self.write(out.as_mut(), &text);
            if last {
                return;
            }
            thread::park_timeout(pause(taken));
        }
    }

    /// Adds the line of an answer, where it has one.
    fn line(
        &mut self,
        exchange: &Exchange,
        pods: &BTreeMap<IpAddr, Box<str>>,
        came: Timestamp,
        text: &mut String,
    ) {
        let block = exchange
            .block
            .and_then(|id| self.blocks.get_mut(usize::from(id.0)));
        let Some((rules, errors)) = block else { return };
        let asker = self.askers.asker(exchange, pods);
        let Some(entry) = Entry::of(exchange, &asker) else {
            return;
        };
        if let (Some(errors), Some(failure)) = (errors.as_mut(), &exchange.failure) {
            let at = exchange.received + exchange.took;
            errors.report(at, &entry, &failure_text(failure), text);
        }
        let is_for = |rule: &&Rule| {
            rule.zones
                .iter()
                .any(|zone| entry.name.is_at_or_below(zone))
        };
        let Some(rule) = rules.iter().find(is_for) else {
            return;
        };
        if !rule.classes.has(entry.kind.class()) {
            return;
        }
        match rule.output {
            Output::Text => {
                text.push_str("[INFO] ");
                rule.format.write(&entry, text);
            }
            // Milliseconds, in UTC.
            Output::Json => {
                text.push_str(&entry.json(&came.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()))
            }
        }
        text.push('\n');
    }

    /// Returns the names of the pods that asked, where lines have them.
    fn pods(&self, found: &[Exchange]) -> BTreeMap<IpAddr, Box<str>> {
        let wants = |exchange: &&Exchange| {
            let block = exchange
                .block
                .and_then(|id| self.blocks.get(usize::from(id.0)));
            block.is_some_and(|(rules, _)| rules.iter().any(names_pods))
        };
        self.askers.pods(found.iter().filter(wants))
    }

    fn write(&mut self, out: Option<&mut File>, text: &str) {
        let Some(out) = out.filter(|_| !text.is_empty()) else {
            return;
        };
        match out.write_all(text.as_bytes()) {
            Ok(()) => self.failed = false,
            Err(error) if !std::mem::replace(&mut self.failed, true) => {
                tracing::warn!(%error, "the query log can't be written");
            }
            Err(_) => {}
        }
    }
}

/// Returns what the calendar says at a moment, from what it said at another.
fn moment(wall: Timestamp, began: Instant, at: Instant) -> Timestamp {
    let later = at.saturating_duration_since(began);
    let earlier = began.saturating_duration_since(at);
    let moved = wall
        .checked_add(later)
        .and_then(|moment| moment.checked_sub(earlier));
    moved.unwrap_or(wall)
}
