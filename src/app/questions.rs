//! Questions to the thread that owns the index, from whoever may ask for an explanation: one at a
//! time, and only while the thread has time for them.

use crate::commands::explain;
use crate::config::Asker;
use crate::index::Index;
use crate::snapshot::SnapshotReader;
use crate::wire::{Name, RType};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::mpsc;

/// Questions that wait at most.
const WAITING: usize = 16;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The asking end: cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Asking(mpsc::Sender<Question>);

/// The answering end.
#[derive(Debug)]
pub(super) struct Questions {
    inbox: mpsc::Receiver<Question>,
    reader: SnapshotReader,
}

/// What somebody wants explained.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) from: Asker,
    pub(super) name: Name,
    pub(super) rtype: RType,
    reply: SyncSender<Explained>,
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
        let question = Question {
            from,
            name,
            rtype,
            reply,
        };
        self.0.try_send(question).ok()?;
        answer.recv_timeout(PATIENCE).ok()
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

    /// Answers a question, as the server answers now.
    pub(super) fn answer(&self, question: Question, index: &Index) {
        let Question {
            from,
            name,
            rtype,
            reply,
        } = question;
        let snapshot = self.reader.load();
        let explained = explain(index, &snapshot, &from, &name, rtype)
            .and_then(|it| serde_json::to_string_pretty(&it).map_err(|error| error.to_string()));
        // Whoever asked may have lost patience.
        let _ = reply.try_send(explained);
    }
}
