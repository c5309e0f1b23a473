//! The threads of a server: who starts them, and how the one of connections is told of listeners. Not
//! what each does, which is in its own file.

use super::answerer::Answerer;
use super::bind::Listener;
use super::engine::Engine;
use super::options::Scheme;
use super::pin::{self, PinError};
use super::resume::Resumer;
use super::sys::{Datagrams, descriptor_limit};
use super::{Options, Server, Setup, Timeouts, tcp, udp};
use crate::drain::{Drain, DrainGuard};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{Builder, JoinHandle};
use tokio::sync::mpsc;

impl<A: Answerer> Server<A> {
    /// Starts whoever is asked for names that are not ours; one that is started stays as it is.
    pub(super) fn start_upstream(&self, setup: &Setup<A>) -> io::Result<()> {
        let Some(upstream) = &setup.upstream else {
            return Ok(());
        };
        let reader = self.reader.clone();
        let engine = Engine::new(self.supply.clone(), reader, self.clock, self.stats.thread());
        upstream.start(Box::new(Resumer::new(engine)))
    }

    pub(super) fn worker(
        &self,
        listener: &Listener,
        socket: Arc<Datagrams>,
    ) -> io::Result<udp::Worker<A>> {
        let ended = || io::Error::other("the server has ended");
        let reader = self.reader.clone();
        Ok(udp::Worker {
            engine: Engine::new(self.supply.clone(), reader, self.clock, self.stats.thread()),
            listener: listener.id,
            socket,
            waiters: self.waiters.clone().ok_or_else(ended)?,
            lost: (!listener.taken_over).then_some(0),
        })
    }

    /// Starts a thread that takes connections of the listeners that it is told.
    pub(super) fn start_streams(
        &mut self,
        name: &str,
        commands: mpsc::Receiver<tcp::Command>,
    ) -> io::Result<()> {
        let ended = || io::Error::other("the server has ended");
        let waiters = self.waiters.clone().ok_or_else(ended)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            // For files of certificates alone.
            .max_blocking_threads(1)
            .build()?;
        let (supply, reader) = (self.supply.clone(), self.reader.clone());
        let engine = Engine::new(supply, reader, self.clock, self.stats.thread());
        let (limits, drain) = (self.limits, self.drain.clone());
        let thread = spawn(&self.drain, name, move || {
            let shared = tcp::Shared::new(engine, waiters, limits);
            tcp::run(&runtime, commands, shared, &drain);
        })?;
        self.threads.push(thread);
        Ok(())
    }

    pub(super) fn command(&self, scheme: Scheme, command: tcp::Command) -> io::Result<()> {
        let thread = match scheme.is_encrypted() {
            false => Some(&self.tcp),
            true => self.encrypted.as_ref(),
        };
        let sent = thread.is_some_and(|thread| thread.try_send(command).is_ok());
        // Whoever is told to end before it began takes no commands, and that is as it should be.
        let sent = sent || self.drain.is_started();
        let gone = || io::Error::other("the thread of connections takes no more commands");
        sent.then_some(()).ok_or_else(gone)
    }
}

/// Starts a thread that the drain waits for.
pub(super) fn spawn(
    drain: &Drain,
    name: &str,
    run: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let guard: DrainGuard = drain.guard();
    Builder::new().name(name.to_owned()).spawn(move || {
        let _guard = guard;
        run();
    })
}

/// Starts a thread that the drain waits for on a CPU, where it is to have one. Returns why it is elsewhere,
/// too.
pub(super) fn spawn_on(
    drain: &Drain,
    name: &str,
    cpu: Option<usize>,
    run: impl FnOnce() + Send + 'static,
) -> io::Result<(JoinHandle<()>, Option<PinError>)> {
    let Some(cpu) = cpu else {
        return Ok((spawn(drain, name, run)?, None));
    };
    let (say, hear) = sync_channel(1);
    let thread = spawn(drain, name, move || {
        // Whoever starts it hears it.
        let _ = say.send(pin::hold(cpu));
        run();
    })?;
    let held = hear.recv();
    Ok((thread, held.ok().and_then(Result::err)))
}

pub(super) fn limits(options: &Options, timeouts: Timeouts) -> tcp::Limits {
    tcp::Limits {
        connections: connections(options.tcp_connections),
        per_client: options.tcp_connections_per_client,
        idle: options.tcp_idle_timeout,
        timeouts,
    }
}

/// Returns how many connections there may be: no more than half of the descriptors that the process
/// may have, so that what else needs one still gets it.
fn connections(configured: usize) -> usize {
    descriptor_limit().map_or(configured, |limit| configured.min(limit / 2))
}
