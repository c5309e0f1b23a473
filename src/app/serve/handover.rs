//! A restart on one host that loses no query: the sockets go from a server to its successor while both
//! know the cluster. Not how: [`crate::server::HandoverDoor`].

use super::doors;
use super::running::{Running, configured, names, servers};
use super::signals::{Signal, Signals};
use crate::admin::{self, Admin, Door};
use crate::config::Config;
use crate::server::{HandoverDoor, HandoverError, Inherited, Predecessor, Successor, bind_with};
use anyhow::Context;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

/// How long connections live on that were taken before the sockets were handed over: an idle one is
/// closed by then, and a client that is busy has been told to go.
const LINGER: Duration = Duration::from_secs(12);

/// What came of a request for the sockets.
pub(super) enum Handed {
    /// Nothing: the server has them and serves on.
    Not,
    /// The successor serves.
    Over(Successor),
    /// A signal came before that.
    Interrupted(Signal),
}

/// Returns whether there is a server to take over from.
pub(super) fn has_predecessor(config: &Config, runtime: &Runtime) -> bool {
    let path = config.lifecycle.handover.as_deref();
    path.is_some_and(|path| runtime.block_on(Predecessor::find(path)).is_some())
}

/// Opens the door for a successor, where there is to be one.
///
/// # Errors
/// The path can't be had.
pub(super) fn open_door(
    config: &Config,
    runtime: &Runtime,
) -> anyhow::Result<Option<HandoverDoor>> {
    let _runtime = runtime.enter();
    let path = config.lifecycle.handover.as_deref();
    let open = |path: &Path| {
        let door = HandoverDoor::open(path);
        door.with_context(|| format!("{} for `handover` of [server]", path.display()))
    };
    path.map(open).transpose()
}

/// Gives the sockets to who asks for them.
pub(super) fn hand_over(
    running: &Running,
    stream: UnixStream,
    (runtime, signals): (&Runtime, &mut Signals),
) -> Handed {
    let dialog = async {
        let Some(successor) = Successor::greet(stream).await? else {
            return Ok(None);
        };
        tracing::info!("a successor asks for the sockets");
        let http = running.admin.iter().flat_map(Admin::sockets);
        successor.give(running.server.sockets(), http).await?;
        Ok::<_, HandoverError>(Some(successor))
    };
    let given = runtime.block_on(async {
        tokio::select! {
            biased;
            signal = signals.next_end() => Err(signal),
            given = dialog => Ok(given),
        }
    });
    match given {
        Err(signal) => Handed::Interrupted(signal),
        Ok(Ok(None)) => Handed::Not,
        Ok(Ok(Some(successor))) => Handed::Over(successor),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the sockets are not handed over; serving on");
            Handed::Not
        }
    }
}

/// Lets the successor alone with the sockets, once it serves: receives no more, and returns when what was
/// taken is answered and its connections have ended, or have had long enough.
pub(super) fn leave(
    running: &mut Running,
    successor: Successor,
    (runtime, signals): (&Runtime, &mut Signals),
) {
    running.stopping.start();
    running.server.stop_receiving();
    running.handover = None;
    if let Some(admin) = running.admin.take() {
        admin.close();
    }
    runtime.block_on(async {
        successor.leave().await;
        tokio::select! {
            () = running.server.settled() => return,
            () = tokio::time::sleep(LINGER) => {}
            _ = signals.next_end() => {}
        }
        tracing::info!("connections that are still open are closed");
    });
}

/// Serves on the sockets of the server that is there, and on fresh ones where it has none, or gives none.
///
/// # Errors
/// A socket can't be opened; the predecessor, where one is there, serves on.
pub(super) fn take_over(running: &mut Running, runtime: &Runtime) -> anyhow::Result<()> {
    let config = running.config.clone();
    let path = config.lifecycle.handover.as_deref();
    let (mut inherited, predecessor, refusal) = runtime.block_on(ask(path));
    let http = std::mem::take(&mut inherited.http);
    let bound = bind_with(&config.server, inherited);
    let bound = match refusal {
        None => bound?,
        Some(error) => {
            bound.with_context(|| format!("the sockets were not handed over: {error}"))?
        }
    };
    // One of its own addresses may be an upstream's: that is not served.
    let own: Vec<_> = bound.listeners().map(|(_, address)| address).collect();
    running.upstreams.next(&config, &own)?;
    // A Unix socket has a file, which is the predecessor's until it is gone.
    let beside = admin::Options {
        admin: config
            .admin
            .admin
            .clone()
            .filter(|door| !matches!(door, Door::Unix(_))),
        ..config.admin.clone()
    };
    let opened = admin::bind_with(&beside, http)?;
    let servers = servers(bound.listeners());
    running.observation.rename(names(&servers));
    running.details.pages.configure(|shown| {
        let sightings = shown.sightings.take();
        let upstreams = shown.upstreams.clone();
        *shown = configured(&config, &servers, None, &upstreams);
        shown.sightings = sightings;
    });
    let opening = running.server.open(bound).context("starting the workers")?;
    running.server.serve(opening).context("starting to serve")?;
    doors::say(&opened);
    running.admin = doors::open(opened, &config, &running.details)?;
    if let Some(predecessor) = predecessor {
        runtime.block_on(predecessor.relieve());
        tracing::info!("the sockets were taken over");
    }
    match open_door(&config, runtime) {
        Ok(door) => running.handover = door,
        Err(error) => tracing::warn!("the next restart can't take over: {error:#}"),
    }
    if beside != config.admin {
        let doors = running.bind_doors(&config)?;
        running.change_doors(&config, doors)?;
    }
    Ok(())
}

/// Asks the predecessor, where one is there, and says why it gives nothing.
async fn ask(path: Option<&Path>) -> (Inherited, Option<Predecessor>, Option<HandoverError>) {
    let Some(path) = path else {
        return (Inherited::default(), None, None);
    };
    let Some(predecessor) = Predecessor::find(path).await else {
        tracing::warn!("the predecessor has gone before it gave its sockets");
        return (Inherited::default(), None, None);
    };
    match predecessor.ask().await {
        Ok(inherited) => (inherited, Some(predecessor), None),
        Err(error) => {
            tracing::warn!(%error, "the sockets are not handed over; opening others");
            (Inherited::default(), None, Some(error))
        }
    }
}
