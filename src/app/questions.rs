//! Questions to the thread that owns the index, from whoever may ask for an explanation, and from the
//! audit for the names of pods: one at a time, and only while the thread has time for them.

use crate::commands::explain;
use crate::config::Asker;
use crate::index::Index;
use crate::snapshot::SnapshotReader;
use crate::wire::{Name, RType};
use std::net::IpAddr;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::mpsc;

/// Questions that wait at most.
const WAITING: usize = 16;
/// How long an explanation is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long names of pods are: whoever waits has workers' rings to empty.
const BRIEFLY: Duration = Duration::from_millis(250);

/// The asking end: cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Asking(mpsc::Sender<Question>);

/// The answering end.
#[derive(Debug)]
pub(super) struct Questions {
    inbox: mpsc::Receiver<Question>,
    reader: SnapshotReader,
}

/// What somebody wants to know.
#[derive(Debug)]
pub(super) enum Question {
    /// Why is this answered so?
    Explain {
        from: Asker,
        name: Name,
        rtype: RType,
        reply: SyncSender<Explained>,
    },
    /// Which pod of this namespace has this address?
    Pods {
        addresses: Vec<(IpAddr, Box<str>)>,
        reply: SyncSender<Vec<Option<Box<str>>>>,
    },
}

/// An explanation as JSON, or what is wrong with the question.
type Explained = Result<String, String>;

/// Returns both ends. What is explained is answered from what `reader` reads.
pub(super) fn questions(reader: SnapshotReader) -> (Asking, Questions) {
    let (sender, inbox) = mpsc::channel(WAITING);
    (Asking(sender), Questions { inbox, reader })
}

impl Asking {
    /// Asks, and waits for the answer; `None` where there is none in time. Not for threads that
    /// answer queries.
    pub(super) fn ask(&self, from: Asker, name: Name, rtype: RType) -> Option<Explained> {
        let (reply, answer) = sync_channel(1);
        let question = Question::Explain {
            from,
            name,
            rtype,
            reply,
        };
        self.0.try_send(question).ok()?;
        answer.recv_timeout(PATIENCE).ok()
    }

    /// Asks which pod of a namespace has each address, and returns them in this order; `None` where
    /// there is no answer in time.
    pub(super) fn pods(&self, addresses: Vec<(IpAddr, Box<str>)>) -> Option<Vec<Option<Box<str>>>> {
        let (reply, answer) = sync_channel(1);
        let question = Question::Pods { addresses, reply };
        self.0.try_send(question).ok()?;
        answer.recv_timeout(BRIEFLY).ok()
    }
}

impl Questions {
    /// Returns the next question; never where nobody asks any more.
    pub(super) async fn next(&mut self) -> Question {
        match self.inbox.recv().await {
            Some(question) => question,
            None => std::future::pending().await,
        }
    }

    /// Answers a question, as the server answers now. Whoever asked may have lost patience.
    pub(super) fn answer(&self, question: Question, index: &Index) {
        match question {
            Question::Explain {
                from,
                name,
                rtype,
                reply,
            } => {
                let snapshot = self.reader.load();
                let explained = explain(index, &snapshot, &from, &name, rtype).and_then(|it| {
                    serde_json::to_string_pretty(&it).map_err(|error| error.to_string())
                });
                let _ = reply.try_send(explained);
            }
            Question::Pods { addresses, reply } => {
                let pod = |(address, namespace): (IpAddr, Box<str>)| {
                    let ns = index.namespace_id(&namespace)?;
                    index
                        .objects()
                        .pod_with_address(ns, address)
                        .map(Into::into)
                };
                let _ = reply.try_send(addresses.into_iter().map(pod).collect());
            }
        }
    }
}
