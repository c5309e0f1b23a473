//! When a checkpoint is written, and its way from the index to the file: the index's thread copies a
//! page of objects between two batches of events, a thread of the pool writes it.

use crate::app::progress::Aged;
use crate::checkpoint::{Header, Writer};
use crate::index::{Copied, Index};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

/// How often what has changed is written, on the average.
const PERIOD: Duration = Duration::from_secs(60);
/// How often a file is written although nothing has changed, so that it is known to be that young.
const STILL: Duration = Duration::from_secs(300);
/// Objects of one page: what their copying takes is what a change may have to wait.
const PAGE: usize = 1000;

/// The writing of one file.
#[derive(Debug)]
pub(super) struct Saver {
    path: PathBuf,
    writing: Option<Writing>,
    /// When to begin the next file at the earliest.
    due: Instant,
    /// When the last one was begun.
    begun: Option<Instant>,
    changed: bool,
}

#[derive(Debug)]
struct Writing {
    /// Takes the pages; `None` once there are no more.
    pages: Option<mpsc::Sender<Copied>>,
    file: JoinHandle<io::Result<bool>>,
    /// How old its state was when it was begun.
    age: Aged,
}

/// What to do next.
#[derive(Debug)]
pub(super) enum Step {
    /// There is room for a page.
    Room,
    /// The file is in its place, with a state of this age; it was given up; or it can't be written.
    Ended(io::Result<Option<Aged>>),
}

impl Saver {
    /// Returns one that writes to `path`, for the first time half a minute from now.
    pub(super) fn new(path: &Path, now: Instant) -> Self {
        Self {
            path: path.to_owned(),
            writing: None,
            due: now + jittered(PERIOD / 2),
            begun: None,
            changed: false,
        }
    }

    /// Notes that objects have changed.
    pub(super) fn changed(&mut self) {
        self.changed = true;
    }

    /// Returns whether a file should be begun now. `false` puts it off.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        if self.writing.is_some() || now < self.due {
            return false;
        }
        self.due = now + jittered(PERIOD);
        let old = |begun: Instant| now.saturating_duration_since(begun) >= STILL;
        let due = self.changed || self.begun.is_none_or(old);
        if due {
            self.begun = Some(now);
        }
        due
    }

    /// Begins a file.
    pub(super) fn begin(&mut self, index: &mut Index, header: Header, age: Aged) {
        let (pages, received) = mpsc::channel(1);
        let path = self.path.clone();
        index.begin_copy();
        self.changed = false;
        self.writing = Some(Writing {
            pages: Some(pages),
            file: spawn_blocking(move || write(&path, &header, received)),
            age,
        });
    }

    /// Returns whether a file is being written.
    pub(super) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Waits for the next step of the file that is being written. Nothing is lost where the wait is
    /// given up.
    pub(super) async fn next(&mut self) -> Step {
        let Some(writing) = &mut self.writing else {
            return std::future::pending().await;
        };
        if let Some(pages) = &writing.pages
            && pages.reserve().await.is_ok()
        {
            return Step::Room;
        }
        // The writer has failed, or has everything.
        let ended = (&mut writing.file).await;
        let ended = ended.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        let age = writing.age;
        self.writing = None;
        Step::Ended(ended.map(|whole| whole.then_some(age)))
    }

    /// Gives the next page; to be called where there is room.
    pub(super) fn give(&mut self, index: &mut Index) {
        let Some(writing) = &mut self.writing else {
            return;
        };
        let page = index.copy(PAGE);
        let last = !matches!(page, Some(Copied::Objects(_)));
        if let (Some(page), Some(pages)) = (page, &writing.pages) {
            // Only a writer that has failed takes none, and says so in the end.
            let _ = pages.try_send(page);
        }
        if last {
            writing.pages = None;
        }
    }
}

/// Writes what is received. Without an end, nothing.
fn write(path: &Path, header: &Header, mut pages: mpsc::Receiver<Copied>) -> io::Result<bool> {
    let mut writer = Writer::create(path, header)?;
    while let Some(page) = pages.blocking_recv() {
        writer.copied(&page)?;
        if matches!(page, Copied::Changes(_)) {
            writer.finish()?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns between three and five quarters of a period: replicas that started together don't write
/// together.
fn jittered(period: Duration) -> Duration {
    let chance = RandomState::new().hash_one(0) % 1024;
    period.mul_f64(0.75 + chance as f64 / 2048.0)
}
