//! The API watch: objects of a live cluster as [`crate::index::Event`]s. The only room that names
//! kube.
//!
//! ```text
//! API ─► one task a kind: list, watch, guard ─► events of that kind ─► channel ─► index
//! ```
//!
//! Each kind is listed and watched by itself; what one kind's trouble is (no permission, a dead
//! connection) is that kind's alone. What has been given stays in force while the API is away.

mod client;
mod follow;
mod slim;
mod trouble;

pub use client::{ClientError, Connection, connect};
pub use trouble::{Health, Status};

use crate::index::Event;
use crate::model::Kind;
use follow::{Follower, Timers};
use kube::Client;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Events that wait for the index at most; a list that is faster than the index waits.
const CHANNEL: usize = 4096;

/// What is watched, and how patiently.
#[derive(Debug, Clone)]
pub struct Options {
    /// The kinds.
    pub kinds: BTreeSet<Kind>,
    /// How long one watch request lasts; a dead connection is noticed after this and five seconds.
    pub timeout: Duration,
    /// Watch only the pods of this node.
    pub node: Option<Box<str>>,
}

/// A running watch. Dropping it ends every task.
pub struct Watch {
    /// The events of all kinds, each kind's in their order.
    pub events: mpsc::Receiver<Event>,
    /// How each kind is doing.
    pub health: Health,
    _tasks: JoinSet<()>,
}

/// Starts to list and watch.
pub fn watch(client: &Client, options: &Options) -> Watch {
    let (sender, events) = mpsc::channel(CHANNEL);
    let health = Health::new(&options.kinds);
    let timers = Timers::of(options.timeout);
    let mut tasks = JoinSet::new();
    for &kind in &options.kinds {
        let follower = Follower {
            client: client.clone(),
            sender: sender.clone(),
            health: health.clone(),
            timers,
            fields: fields(kind, options.node.as_deref()),
        };
        match kind {
            Kind::Namespace => tasks.spawn(follower.run::<slim::Namespaces>()),
            Kind::Node => tasks.spawn(follower.run::<slim::Nodes>()),
            Kind::Service => tasks.spawn(follower.run::<slim::Services>()),
            Kind::EndpointSlice => tasks.spawn(follower.run::<slim::Slices>()),
            Kind::Pod => tasks.spawn(follower.run::<slim::Pods>()),
            Kind::ServiceImport => tasks.spawn(follower.run::<slim::Imports>()),
        };
    }
    Watch {
        events,
        health,
        _tasks: tasks,
    }
}

/// Finished pods have given their address back: the server turns the change into a delete.
fn fields(kind: Kind, node: Option<&str>) -> Option<String> {
    let finished = "status.phase!=Succeeded,status.phase!=Failed";
    (kind == Kind::Pod).then(|| match node {
        Some(node) => format!("{finished},spec.nodeName={node}"),
        None => finished.to_owned(),
    })
}
