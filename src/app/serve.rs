//! `serve`: sockets, threads and the end of them.

use super::canary;
use super::details::Details;
use super::feed::Feed;
use super::ledger::Ledger;
use super::observer::Observer;
use super::pages::Pages;
use super::progress::Progress;
use super::questions::questions;
use crate::admin::{self, Admin};
use crate::answer::{Outcome, Request};
use crate::config::Config;
use crate::drain::{Drain, termination};
use crate::limits::Limits;
use crate::observe::{self, Audited, Gatherer, Witness, observe};
use crate::server::{Answerer, Core, Server, Setup, Timeouts, bind};
use crate::snapshot::{Identities, Snapshot, cell};
use crate::tenancy::{ClientClass, Mode};
use anyhow::Context;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use tokio::sync::oneshot;

/// Serves until SIGTERM or SIGINT.
pub(super) fn serve(config: &Config) -> anyhow::Result<()> {
    let bound = bind(&config.server)?;
    let addresses: Vec<_> = bound
        .local_addresses()
        .filter(|_| !config.quiet)
        .map(|(_, address)| address)
        .collect();
    let doors = admin::bind(&config.admin)?;
    let mut feed = Feed::open(config)?;
    let (publisher, reader) = cell(feed.snapshot());
    let (asking, questions) = questions(reader.clone());
    let canary = canary::begin(config, &reader);
    let drain = Drain::new();
    let (witness, observer) = match watched(config) {
        None => (None, None),
        Some(options) => {
            let (witness, gatherer) = observe(options, RandomState::new().hash_one(0));
            (Some(witness), Some(gatherer))
        }
    };
    let gathered = observer.as_ref().map(Gatherer::reader);
    let observer = observer.map(|gatherer| {
        let ledger = Ledger::open(&config.audit, config.tenancy.mode, asking.clone())?;
        Observer::start(gatherer, reader.clone(), ledger).context("starting a thread")
    });
    let observer = observer.transpose()?;
    let setup = Setup {
        options: config.server.clone(),
        timeouts: Timeouts::default(),
        reader,
        drain: drain.clone(),
        upstream: None,
        limits: Limits::new(&config.limits).map(Arc::new),
        answerer: Observed {
            said: Arc::default(),
            witness,
        },
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime for signals")?;
    let server = Server::start_with(bound, &setup).context("starting the server's threads")?;
    let progress = Progress::default();
    for (address, routes) in doors.local_addresses() {
        let paths: Vec<_> = routes.paths().collect();
        match routes.is_guarded() {
            true => {
                tracing::info!(%address, paths = paths.join(" "), "HTTPS, for bearers of tokens")
            }
            false => tracing::info!(%address, paths = paths.join(" "), "HTTP"),
        }
    }
    for (socket, routes) in doors.local_sockets() {
        let paths: Vec<_> = routes.paths().collect();
        tracing::info!(socket = %socket.display(), paths = paths.join(" "), "HTTP");
    }
    let admin = match doors.is_empty() {
        true => None,
        false => {
            let pages = Arc::new(Pages {
                progress: progress.clone(),
                stats: server.stats().clone(),
                drain: drain.clone(),
                sightings: canary.as_ref().map(|canary| canary.sightings.clone()),
                gathered: gathered.map(|read| Box::new(read) as _),
            });
            let details = Details {
                pages: pages.clone(),
                reader: setup.reader,
                asking,
                last: Mutex::default(),
            };
            #[cfg(feature = "kubernetes")]
            let reviewer = super::review::reviewer(config);
            // Objects come from manifests, and the configuration lets nobody need a cluster.
            #[cfg(not(feature = "kubernetes"))]
            let reviewer = None;
            let started = doors.start(pages, Arc::new(details), reviewer);
            Some(started.context("starting the HTTP listeners")?)
        }
    };
    let (synced, ready) = oneshot::channel();
    let follower = {
        let drain = drain.clone();
        let body = move || {
            let result = feed.follow(publisher, &drain, &progress, synced, questions);
            // Without its source the server would serve the past for ever.
            drain.start();
            result
        };
        thread::Builder::new()
            .name("index".into())
            .spawn(body)
            .context("starting a thread")?
    };
    let canary = canary.map(|canary| canary.start(&drain)).transpose()?;
    let asked = runtime.block_on(async {
        tokio::select! {
            asked = termination() => return asked,
            () = drain.started() => return Ok("the source has ended"),
            Ok(()) = ready => {}
        }
        for address in addresses {
            // Nobody has to listen to us to be answered.
            let _ = writeln!(std::io::stdout(), "listening on {address} (udp, tcp)");
        }
        tokio::select! {
            asked = termination() => asked,
            () = drain.started() => Ok("the source has ended"),
        }
    });
    drain.start();
    let ended = server.join() & canary.is_none_or(|canary| canary.join().is_ok());
    match follower.join() {
        Ok(result) => result?,
        Err(_) => anyhow::bail!("the index's thread ended with a panic"),
    }
    let observed = observer.is_none_or(Observer::close);
    // Last: until here the process lives, and what it counted can be read.
    let closed = admin.is_none_or(Admin::close) & observed;
    let reason = asked.context("waiting for signals")?;
    tracing::info!(reason, "stopped");
    anyhow::ensure!(ended && closed, "a thread of the server ended with a panic");
    Ok(())
}

/// Returns what is looked for in what is asked, where anything is.
fn watched(config: &Config) -> Option<observe::Options> {
    let mut options = config.observe;
    options.audited = match config.tenancy.mode {
        Mode::Off => Audited::Nobodys,
        _ if config.audit.enforced => Audited::All,
        Mode::Audit | Mode::Enforce => Audited::Open,
    };
    if config.admin.admin.is_none() {
        // Nobody could read them.
        options.tenants = 0;
    }
    (!options.is_off()).then_some(options)
}

/// Answers as [`Core`], has the answers seen, and says in the log, once, that somebody asks whom no
/// source knows.
#[derive(Clone)]
struct Observed {
    said: Arc<AtomicBool>,
    witness: Option<Witness>,
}

impl Answerer for Observed {
    fn answer(&mut self, snapshot: &Snapshot, request: &Request<'_>, out: &mut [u8]) -> Outcome {
        let outcome = Core.answer(snapshot, request, out);
        if let (Outcome::Reply(_, verdict), Some(witness)) = (&outcome, &mut self.witness) {
            witness.saw(snapshot, request, verdict);
        }
        if let Outcome::Reply(_, verdict) = &outcome
            && verdict.client == Some(ClientClass::Unknown)
            && snapshot.policy.is_enforced()
            && snapshot.synced
            && snapshot.identities == Identities::Trusted
            && !self.said.load(Ordering::Relaxed)
            && !self.said.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                source = %request.peer.ip().to_canonical(),
                "a query came from an address that is no pod's: it sees only what everybody sees \
                 (said once; give the address to a pod's status.podIPs, or ask with `dig -b`)"
            );
        }
        outcome
    }
}
