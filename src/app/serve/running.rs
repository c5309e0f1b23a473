//! A server that runs: its parts, their start and their end. Another configuration for it:
//! [`super::change`].

use super::doors;
use super::index_thread::IndexThread;
use super::lifecycle;
use super::means::Means;
use super::observation::{Observation, Observed};
use crate::admin::{self, Admin};
use crate::app::canary::{self, Canary};
use crate::app::changes::{Changing, changes};
use crate::app::coredns;
use crate::app::details::Details;
use crate::app::feed::Feed;
use crate::app::notifier::Notifier;
use crate::app::pages::{Configured, Pages};
use crate::app::progress::Progress;
use crate::app::pulse::Pulse;
use crate::app::questions::{Asking, questions};
use crate::app::reloads::Reloads;
use crate::app::upstream::Upstreams;
use crate::config::Config;
use crate::drain::Drain;
use crate::server::{Bound, Endpoint, HandoverDoor, ListenAddress, Server};
use crate::snapshot::{SnapshotReader, cell};
use anyhow::Context;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// The parts.
pub(super) struct Running {
    pub(super) config: Config,
    pub(super) server: Server<Observed>,
    pub(super) admin: Option<Admin>,
    pub(super) pulse: Pulse,
    pub(super) observation: Observation,
    pub(super) canary: Option<Looking>,
    pub(super) notifier: Option<Notifier>,
    pub(super) means: Means,
    pub(super) details: Arc<Details>,
    pub(super) changing: Changing,
    pub(super) reader: SnapshotReader,
    pub(super) asking: Asking,
    pub(super) reloads: Reloads,
    pub(super) upstreams: Upstreams,
    /// Says that queries should go elsewhere.
    pub(super) stopping: Drain,
    pub(super) drain: Drain,
    /// Where a successor asks.
    pub(super) handover: Option<HandoverDoor>,
    index: IndexThread,
}

/// The thread that looks for caches in front.
pub(super) struct Looking {
    stop: Drain,
    thread: JoinHandle<()>,
}

impl Running {
    /// Starts everything on open sockets. Returns who says when it answers, too.
    ///
    /// # Errors
    /// The source can't be opened, the audit's log not be written, no thread be had.
    pub(super) fn start(
        config: Config,
        bound: Bound,
        doors: admin::Bound,
    ) -> anyhow::Result<(Self, oneshot::Receiver<()>)> {
        let mut feed = Feed::open(&config)?;
        let (publisher, reader) = cell(feed.snapshot());
        let (asking, questions) = questions(reader.clone());
        let (changing, changes) = changes();
        let (drain, stopping) = (Drain::new(), Drain::new());
        let servers = servers(bound.listeners());
        let names = names(&servers);
        let observation = Observation::start(&config, &reader, &asking, names)?;
        let means = Means::first(&config);
        let addresses: Vec<_> = servers.iter().map(|server| server.address).collect();
        let upstreams = Upstreams::open(&config, &addresses, observation.upstream_taps())?;
        let (answerer, upstream) = (observation.answerer(), upstreams.for_server());
        let setup = means.setup(&config, answerer, upstream, (&reader, &drain));
        let server = Server::start_with(bound, &setup).context("starting the server's threads")?;
        lifecycle::say_unpinned(server.unpinned());
        let progress = Progress::default();
        let reloads = Reloads::default();
        reloads.taken(&config);
        let canary = canary::begin(&config, &reader);
        let pulse = Pulse::start(doors::health(&doors)).context("starting a thread")?;
        let pages = Arc::new(Pages {
            progress: progress.clone(),
            stats: server.stats().clone(),
            drain: stopping.clone(),
            gathered: observation.gathering(),
            traffic: Some(observation.traffic()),
            losses: observation.losses(),
            pulse: pulse.counts(),
            reader: Some(reader.clone()),
            configured: Mutex::new(configured(&config, &servers, canary.as_ref(), &upstreams)),
            reloads: reloads.clone(),
        });
        let details = Arc::new(Details {
            pages,
            reader: reader.clone(),
            asking: asking.clone(),
            last: Mutex::default(),
        });
        doors::say(&doors);
        let admin = doors::open(doors, &config, &details)?;
        let (synced, ready) = oneshot::channel();
        let asked = (questions, changes);
        let index = IndexThread::start(feed, publisher, &drain, progress, synced, asked)?;
        let running = Self {
            canary: Looking::start(canary, &drain)?,
            notifier: Notifier::start(&config, &reader, &drain)?,
            config,
            server,
            admin,
            pulse,
            observation,
            means,
            details,
            changing,
            reader,
            asking,
            reloads,
            upstreams,
            stopping,
            drain,
            handover: None,
            index,
        };
        Ok((running, ready))
    }

    /// Ends everything in good order: what has arrived is answered.
    ///
    /// # Errors
    /// The source could not be followed, or a thread ended with a panic.
    pub(super) fn stop(self) -> anyhow::Result<()> {
        self.stopping.start();
        self.drain.start();
        let looked =
            self.canary.is_none_or(Looking::stop) & self.notifier.is_none_or(Notifier::stop);
        let ended = self.server.join() & looked;
        self.index.join()?;
        let observed = self.observation.close() & self.pulse.close();
        // Last: until here the process lives, and what it counted can be read.
        let closed = self.admin.is_none_or(Admin::close) & observed;
        anyhow::ensure!(ended && closed, "a thread of the server ended with a panic");
        Ok(())
    }
}

impl Looking {
    /// Starts to look, where that was prepared.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn start(canary: Option<Canary>, drain: &Drain) -> anyhow::Result<Option<Self>> {
        let Some(canary) = canary else {
            return Ok(None);
        };
        let stop = drain.child();
        let thread = canary.start(&stop)?;
        Ok(Some(Self { stop, thread }))
    }

    /// Ends it, and returns whether it did in good order.
    pub(super) fn stop(self) -> bool {
        self.stop.start();
        self.thread.join().is_ok()
    }
}

/// Returns what pages show of a configuration.
pub(super) fn configured(
    config: &Config,
    servers: &[Endpoint],
    canary: Option<&Canary>,
    upstreams: &Upstreams,
) -> Configured {
    Configured {
        upstreams: upstreams.clone(),
        sightings: canary.map(|canary| canary.sightings.clone()),
        enabled: coredns::enabled(config, servers),
        caches: coredns::cache_labels(config, servers),
        monitor: config.lifecycle.monitor,
    }
}

/// Returns the listeners by their numbers.
pub(super) fn servers(
    listeners: impl Iterator<Item = (ListenAddress, SocketAddr)>,
) -> Vec<Endpoint> {
    let nobody = Endpoint::from(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
    let mut servers = Vec::new();
    for (asked, address) in listeners {
        let at = usize::from(asked.id.0);
        if servers.len() <= at {
            servers.resize(at + 1, nobody);
        }
        let scheme = asked.scheme;
        servers[at] = Endpoint { scheme, address };
    }
    servers
}

/// Returns what CoreDNS's series call them.
pub(super) fn names(servers: &[Endpoint]) -> Vec<String> {
    servers.iter().copied().map(coredns::server_name).collect()
}
