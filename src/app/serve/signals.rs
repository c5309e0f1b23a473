//! What a server is told by signals.

use anyhow::Context;
use std::io;
use tokio::runtime::Runtime;
use tokio::signal::unix::{self, SignalKind, signal};

/// What a signal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// Stop in good order: SIGTERM, SIGINT.
    Stop(&'static str),
    /// End at once: SIGQUIT.
    Quit,
    /// Look at the configuration: SIGHUP, SIGUSR1.
    Reload(&'static str),
}

/// The signals, from the moment on at which this was made: none of them ends the process by itself.
pub(super) struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    quit: unix::Signal,
    hang_up: unix::Signal,
    user: unix::Signal,
    // Of CoreDNS it means an upgrade of the program; here it must not end anything.
    _ignored: unix::Signal,
}

impl Signals {
    /// Takes the signals.
    ///
    /// # Errors
    /// A handler can't be installed.
    pub(super) fn take(runtime: &Runtime) -> anyhow::Result<Self> {
        let _runtime = runtime.enter();
        let all = || -> io::Result<Self> {
            Ok(Self {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
                quit: signal(SignalKind::quit())?,
                hang_up: signal(SignalKind::hangup())?,
                user: signal(SignalKind::user_defined1())?,
                _ignored: signal(SignalKind::user_defined2())?,
            })
        };
        all().context("waiting for signals")
    }

    /// Returns the next one.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            biased;
            _ = self.quit.recv() => Signal::Quit,
            _ = self.terminate.recv() => Signal::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Signal::Stop("SIGINT"),
            _ = self.hang_up.recv() => Signal::Reload("SIGHUP"),
            _ = self.user.recv() => Signal::Reload("SIGUSR1"),
        }
    }

    /// Returns the next one that ends the server.
    pub(super) async fn next_end(&mut self) -> Signal {
        loop {
            match self.next().await {
                Signal::Reload(_) => {}
                end => return end,
            }
        }
    }
}
