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
mod requests;
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
pub use requests::{BOUNDS, Counts as RequestCounts, Requests};
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
    api: Api,
    node: Option<Box<str>>,
    timers: Timers,
    sender: mpsc::Sender<Event>,
    kinds: BTreeMap<Kind, Watched>,
    /// Writes the conditions, while some kind of ours is watched.
    writer: Option<JoinSet<()>>,
}

/// One kind, while it is watched.
struct Watched {
    want: mpsc::Sender<()>,
    /// What the conditions of a kind of ours are written by.
    link: Link,
    _tasks: JoinSet<()>,
}

impl Watch {
    /// Has a kind listed again, because what is known of it is not what there is. What is known stays
    /// in force until the list has ended. One that is not watched is from now on.
    pub fn list(&mut self, kind: Kind) {
        match self.kinds.get(&kind) {
            // Full where one is wanted already.
            Some(watched) => drop(watched.want.try_send(())),
            None => {
                self.start(kind);
                self.write(kind);
            }
        }
    }

    /// Watches a kind no more. Events of it may still be under way.
    pub fn stop(&mut self, kind: Kind) {
        if self.kinds.remove(&kind).is_some() {
            self.health.end(kind);
            self.write(kind);
        }
    }

    fn start(&mut self, kind: Kind) {
        let (want, wants) = mpsc::channel(1);
        let (tell, progress) = tokio::sync::watch::channel(Progress::default());
        let link = Link {
            api: self.api.clone(),
            resource: resource::resource(kind),
            fields: fields(kind, self.node.as_deref()),
        };
        self.health.begin(kind);
        let (sender, health) = (self.sender.clone(), self.health.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(
            Auditor {
                link: link.clone(),
                timers: self.timers,
                sender: sender.clone(),
                health: health.clone(),
                progress,
                want: want.clone(),
            }
            .run(),
        );
        let follower = Follower::new(link.clone(), self.timers, sender, health, tell, wants);
        let follower = follower.with_conditions(self.conditions.clone());
        tasks.spawn(follower.run());
        let watched = Watched {
            want,
            link,
            _tasks: tasks,
        };
        self.kinds.insert(kind, watched);
    }

    /// Has the conditions written of the kinds of ours that are watched now, where this is one of ours.
    fn write(&mut self, changed: Kind) {
        if !changed.is_policy() {
            return;
        }
        let ours = self.kinds.iter().filter(|(kind, _)| kind.is_policy());
        let ours: Vec<Link> = ours.map(|(_, watched)| watched.link.clone()).collect();
        self.writer = (!ours.is_empty()).then(|| {
            let mut task = JoinSet::new();
            task.spawn(Writer::new(ours, self.conditions.clone(), self.timers).run());
            task
        });
    }
}

/// Starts to list and watch. Has to be called within a Tokio runtime.
pub fn watch(api: &Api, options: &Options) -> Watch {
    let (sender, events) = mpsc::channel(CHANNEL);
    let mut watch = Watch {
        events,
        health: Health::default(),
        conditions: Conditions::default(),
        api: api.clone(),
        node: options.node.clone(),
        timers: options.timers,
        sender,
        kinds: BTreeMap::new(),
        writer: None,
    };
    options.kinds.iter().for_each(|kind| watch.list(*kind));
    watch
}

/// Finished pods have given their address back: the server turns the change into a delete.
fn fields(kind: Kind, node: Option<&str>) -> Option<String> {
    let finished = "status.phase!=Succeeded,status.phase!=Failed";
    (kind == Kind::Pod).then(|| match node {
        Some(node) => format!("{finished},spec.nodeName={node}"),
        None => finished.to_owned(),
    })
}
