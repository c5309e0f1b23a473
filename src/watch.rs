//! The API watch: objects of a live cluster as [`crate::index::Event`]s. The only room that names
//! kube, whose client authenticates and speaks TLS; the requests and what comes of them are ours.
//!
//! ```text
//! API ─► link ─► frames, list ─► decode ─► follow ─► channel ─► index
//!                                                ╰► audit ──╯
//! ```
//!
//! Each kind is listed and watched by a task of its own; what one kind's trouble is (no permission,
//! a dead connection) is that kind's alone. What has been given stays in force while the API is
//! away. Start with `follow`, which says what is asked for and when. Beside it, `review` asks who the
//! bearer of a token is.

mod audit;
mod client;
mod conditions;
mod decode;
mod fault;
mod follow;
mod frames;
mod health;
mod link;
mod list;
mod pace;
mod proto;
mod resource;
mod review;
mod status;
mod tcp;
#[cfg(test)]
mod tests;

pub use client::{Api, ApiServer, ClientError, Connection, connect};
pub use conditions::Conditions;
pub use health::{Counts, Health, Status};
pub use pace::Timers;
pub use review::{Access, Reviews};

use crate::index::Event;
use crate::model::Kind;
use audit::Auditor;
use conditions::Writer;
use follow::{Follower, Progress};
use link::Link;
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Events that wait for the index at most; a list that is faster than the index waits.
const CHANNEL: usize = 1024;

/// What is watched, and how patiently.
#[derive(Debug, Clone)]
pub struct Options {
    /// The kinds.
    pub kinds: BTreeSet<Kind>,
    /// Watch only the pods of this node.
    pub node: Option<Box<str>>,
    /// How patiently.
    pub timers: Timers,
}

/// A running watch. Dropping it ends every task.
pub struct Watch {
    /// The events of all kinds, each kind's in their order.
    pub events: mpsc::Receiver<Event>,
    /// How each kind is doing.
    pub health: Health,
    /// The conditions of objects of our own kinds, which are written where they differ.
    pub conditions: Conditions,
    wanted: BTreeMap<Kind, mpsc::Sender<()>>,
    _tasks: JoinSet<()>,
}

impl Watch {
    /// Has a kind listed again, because what is known of it is not what there is. What is known stays
    /// in force until the list has ended.
    pub fn relist(&self, kind: Kind) {
        if let Some(wanted) = self.wanted.get(&kind) {
            // Full where one is wanted already.
            let _ = wanted.try_send(());
        }
    }
}

/// Starts to list and watch. Has to be called within a Tokio runtime.
pub fn watch(api: &Api, options: &Options) -> Watch {
    let (sender, events) = mpsc::channel(CHANNEL);
    let health = Health::new(&options.kinds);
    let timers = options.timers;
    let mut tasks = JoinSet::new();
    let mut wanted = BTreeMap::new();
    let conditions = Conditions::default();
    let mut ours = Vec::new();
    for &kind in &options.kinds {
        let (want, wants) = mpsc::channel(1);
        wanted.insert(kind, want.clone());
        let (tell, progress) = tokio::sync::watch::channel(Progress::default());
        let link = Link {
            api: api.clone(),
            resource: resource::resource(kind),
            fields: fields(kind, options.node.as_deref()),
        };
        let (sender, health) = (sender.clone(), health.clone());
        if kind.is_policy() {
            ours.push(link.clone());
        }
        tasks.spawn(
            Auditor {
                link: link.clone(),
                timers,
                sender: sender.clone(),
                health: health.clone(),
                progress,
                want,
            }
            .run(),
        );
        let follower = Follower::new(link, timers, sender, health, tell, wants);
        let follower = follower.with_conditions(conditions.clone());
        tasks.spawn(follower.run());
    }
    if !ours.is_empty() {
        tasks.spawn(Writer::new(ours, conditions.clone(), timers).run());
    }
    Watch {
        events,
        health,
        conditions,
        wanted,
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
