//! `serve`: sockets, threads and the end of them, one after the other. What each of them is has a file
//! of its own.

mod doors;
mod index_thread;
mod lifecycle;
mod observation;

use super::canary;
use super::coredns;
use super::details::Details;
use super::feed::Feed;
use super::pages::Pages;
use super::progress::Progress;
use super::pulse::Pulse;
use super::questions::questions;
use super::upstream::Upstreams;
use crate::admin::{self, Admin};
use crate::config::Config;
use crate::drain::Drain;
use crate::limits::Limits;
use crate::server::{Server, Setup, Timeouts, bind};
use crate::snapshot::cell;
use anyhow::Context;
use index_thread::IndexThread;
use observation::Observation;
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// Serves until SIGTERM or SIGINT.
pub(super) fn serve(config: &Config) -> anyhow::Result<()> {
    let bound = bind(&config.server)?;
    let addresses: Vec<_> = bound
        .local_addresses()
        .map(|(_, address)| address)
        .collect();
    let upstreams = Upstreams::open(config, &addresses)?;
    let doors = admin::bind(&config.admin)?;
    let mut feed = Feed::open(config)?;
    let (publisher, reader) = cell(feed.snapshot());
    let (asking, questions) = questions(reader.clone());
    let canary = canary::begin(config, &reader);
    let drain = Drain::new();
    let mut observation = Observation::start(config, &reader, &asking, &addresses)?;
    let setup = Setup {
        options: config.server.clone(),
        timeouts: Timeouts::default(),
        reader: reader.clone(),
        drain: drain.clone(),
        upstream: upstreams.for_server(),
        limits: Limits::new(&config.limits).map(Arc::new),
        answerer: observation.answerer(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime for signals")?;
    let server = Server::start_with(bound, &setup).context("starting the server's threads")?;
    let progress = Progress::default();
    doors::say(&doors);
    let pulse = doors::health(&doors).map(Pulse::start).transpose();
    let pulse = pulse.context("starting a thread")?;
    let pages = Arc::new(Pages {
        progress: progress.clone(),
        stats: server.stats().clone(),
        drain: drain.clone(),
        sightings: canary.as_ref().map(|canary| canary.sightings.clone()),
        gathered: observation.take_reader(),
        traffic: Some(observation.traffic()),
        reader: Some(reader.clone()),
        pulse: pulse.as_ref().map(Pulse::counts),
        losses: observation.losses(),
        caches: coredns::cache_labels(config, &addresses),
        enabled: coredns::enabled(config, &addresses),
        upstreams,
    });
    let details = Details {
        pages,
        reader,
        asking,
        last: Mutex::default(),
    };
    let admin = doors::open(doors, config, details)?;
    let (synced, ready) = oneshot::channel();
    let index = IndexThread::start(feed, publisher, &drain, progress, synced, questions)?;
    let canary = canary.map(|canary| canary.start(&drain)).transpose()?;
    let asked = runtime.block_on(lifecycle::live(&addresses, ready, &drain));
    drain.start();
    let ended = server.join() & canary.is_none_or(|canary| canary.join().is_ok());
    index.join()?;
    let observed = observation.close();
    let observed = observed & pulse.is_none_or(Pulse::close);
    // Last: until here the process lives, and what it counted can be read.
    let closed = admin.is_none_or(Admin::close) & observed;
    let reason = asked.context("waiting for signals")?;
    tracing::info!(reason, "stopped");
    anyhow::ensure!(ended && closed, "a thread of the server ended with a panic");
    Ok(())
}
