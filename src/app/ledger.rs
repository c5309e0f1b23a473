//! The audit's log: when a window ends, its lines are written where the configuration says. Not what
//! they say.

use crate::audit::Line;
use crate::config::{Audit, Log};
use crate::observe::Gatherer;
use crate::tenancy::Mode;
use anyhow::Context;
use jiff::Timestamp;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::time::Duration;

/// The log, and the window that is open.
pub(super) struct Ledger {
    sink: Option<Sink>,
    window: Duration,
    /// When it began, in milliseconds of the observer's clock.
    since: u64,
    /// It has been said that lines can't be written.
    failed: bool,
}

enum Sink {
    Stdout,
    File(File),
}

impl Ledger {
    /// Opens the log.
    ///
    /// # Errors
    /// The file can't be written.
    pub(super) fn open(audit: &Audit, mode: Mode) -> anyhow::Result<Self> {
        let log = audit.log.as_ref().filter(|_| mode != Mode::Off);
        let sink = match log {
            None => None,
            Some(Log::Stdout) => Some(Sink::Stdout),
            Some(Log::File(path)) => {
                let mut options = OpenOptions::new();
                let file = options.append(true).create(true).open(path);
                let what = || format!("opening audit.log {}", path.display());
                Some(Sink::File(file.with_context(what)?))
            }
        };
        Ok(Self {
            sink,
            window: audit.window,
            since: 0,
            failed: false,
        })
    }

    /// Writes the window's lines where it is over, or the last one.
    pub(super) fn turn(&mut self, gatherer: &mut Gatherer, mode: Mode, now: u64, last: bool) {
        let open = Duration::from_millis(now.saturating_sub(self.since));
        if open < self.window && !last {
            return;
        }
        self.since = now;
        // Whole seconds, in UTC.
        let ts = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut text = Vec::new();
        let mut say = |line: &Line<'_>| {
            // Names and numbers: nothing that has no JSON.
            if serde_json::to_writer(&mut text, line).is_ok() {
                text.push(b'\n');
            }
        };
        let more = gatherer.close_window((&ts, open.as_secs().max(1)), mode, &mut say);
        if more > 0 {
            tracing::warn!(
                denials = more,
                "the audit had more lines than one window holds"
            );
        }
        let Some(sink) = self.sink.as_mut().filter(|_| !text.is_empty()) else {
            return;
        };
        let written = match sink {
            Sink::Stdout => io::stdout().write_all(&text),
            Sink::File(file) => file.write_all(&text),
        };
        match written {
            Ok(()) => self.failed = false,
            Err(error) if !std::mem::replace(&mut self.failed, true) => {
                tracing::warn!(%error, "the audit's log can't be written");
            }
            Err(_) => {}
        }
    }
}
