//! `serve`: sockets, threads and the end of them.

use super::offline::Offline;
use crate::answer::{Outcome, Request};
use crate::commands::findings;
use crate::config::Config;
use crate::drain::{Drain, termination};
use crate::server::{Answerer, Core, Server, Setup, Timeouts, bind};
use crate::snapshot::{Publisher, Snapshot, cell};
use crate::tenancy::{ClientClass, Mode};
use anyhow::Context;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How often manifests are looked at: a change is served within two seconds with room to spare.
const POLL: Duration = Duration::from_millis(500);

/// Serves until SIGTERM or SIGINT.
pub(super) fn serve(config: &Config) -> anyhow::Result<()> {
    let bound = bind(&config.server)?;
    let mut offline = Offline::open(config)?;
    for finding in findings(&config.tenancy, offline.index.objects()) {
        tracing::warn!("{finding}");
    }
    if config.tenancy.mode == Mode::Audit {
        tracing::warn!("mode = \"audit\" answers as \"off\"; what it would deny is not logged yet");
    }
    let (publisher, reader) = cell(offline.snapshot());
    let addresses: Vec<_> = bound
        .local_addresses()
        .map(|(_, address)| address)
        .collect();
    let drain = Drain::new();
    let setup = Setup {
        options: config.server.clone(),
        timeouts: Timeouts::default(),
        reader,
        drain: drain.clone(),
        upstream: None,
        answerer: Observed {
            said: Arc::default(),
        },
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime for signals")?;
    let server = Server::start_with(bound, &setup).context("starting the server's threads")?;
    let follower = {
        let drain = drain.clone();
        let body = move || follow(offline, publisher, &drain);
        thread::Builder::new()
            .name("manifests".into())
            .spawn(body)
            .context("starting a thread")?
    };
    for address in addresses {
        writeln!(std::io::stdout(), "listening on {address} (udp, tcp)")?;
    }
    let asked = runtime.block_on(termination());
    drain.start();
    let ended = server.join() & follower.join().is_ok();
    asked.context("waiting for signals")?;
    anyhow::ensure!(ended, "a thread of the server ended with a panic");
    Ok(())
}

/// Publishes what changes on disk.
fn follow(mut offline: Offline, mut publisher: Publisher, drain: &Drain) {
    drain.unpark_me();
    while !drain.is_started() {
        thread::park_timeout(POLL);
        if offline.poll() {
            publisher.publish(offline.snapshot());
        } else {
            publisher.reap();
        }
    }
}

/// Answers as [`Core`], and says in the log, once, that somebody asks whom no manifest knows.
#[derive(Clone)]
struct Observed {
    said: Arc<AtomicBool>,
}

impl Answerer for Observed {
    fn answer(&mut self, snapshot: &Snapshot, request: &Request<'_>, out: &mut [u8]) -> Outcome {
        let outcome = Core.answer(snapshot, request, out);
        if let Outcome::Reply(_, verdict) = &outcome
            && verdict.client == Some(ClientClass::Unknown)
            && snapshot.policy.is_enforced()
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
