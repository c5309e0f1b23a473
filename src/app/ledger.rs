//! The audit's log: when a window ends, its lines are written where the configuration says. Not what
//! they say.

use super::questions::Asking;
use crate::audit::{Counts, Window};
use crate::config::{Audit, Log};
use crate::tenancy::Mode;
use anyhow::Context;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

/// The log, and the window that is open.
pub(super) struct Ledger {
    sink: Option<Sink>,
    /// Knows the pods' names.
    asking: Asking,
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
    pub(super) fn open(audit: &Audit, mode: Mode, asking: Asking) -> anyhow::Result<Self> {
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
            asking,
            window: audit.window,
            since: 0,
            failed: false,
        })
    }

    /// Writes the window's lines where it is over, or the last one.
    pub(super) fn turn(&mut self, window: &mut Window, mode: Mode, now: u64, last: bool) {
        let open = Duration::from_millis(now.saturating_sub(self.since));
        if open < self.window && !last {
            return;
        }
        self.since = now;
        // Whole seconds, in UTC.
        let ts = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let pods = match self.sink {
            Some(_) => self.pods(window),
            None => BTreeMap::new(),
        };
        let pod = |ip, namespace: &str| {
            let (of, name) = pods.get(&ip)?;
            (**of == *namespace).then_some(&**name)
        };
        let mut text = Vec::new();
        let span = (&*ts, open.as_secs().max(1));
        let closing = window.close(span, mode, pod, |line| write(&mut text, line));
        if let Some(closing) = &closing {
            write(&mut text, closing);
        }
        if let Some(Counts { unlisted, .. }) = closing.map(|closing| closing.queries)
            && unlisted > 0
        {
            tracing::warn!(
                denials = unlisted,
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

    /// Returns the namespaces and names of the pods that have lines, as far as they are known now.
    fn pods(&self, window: &Window) -> BTreeMap<IpAddr, (Box<str>, Box<str>)> {
        let asked = window.pods();
        if asked.is_empty() {
            return BTreeMap::new();
        }
        let names = self.asking.pods(asked.clone()).unwrap_or_default();
        let known = asked.into_iter().zip(names);
        known
            .filter_map(|((ip, namespace), name)| Some((ip, (namespace, name?))))
            .collect()
    }
}

fn write(text: &mut Vec<u8>, line: &impl Serialize) {
    // Names and numbers: nothing that has no JSON.
    if serde_json::to_writer(&mut *text, line).is_ok() {
        text.push(b'\n');
    }
}
