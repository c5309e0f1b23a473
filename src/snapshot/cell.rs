//! The cell that a snapshot is published through, and its publish signal.
//!
//! Readers never free a snapshot (invariant I10): the publisher keeps each retired one until it is
//! its only holder. arc-swap settles the readers' borrows in the reference count when the pointer
//! is swapped, so that count can be trusted afterwards.

use super::Snapshot;
use arc_swap::{ArcSwap, Guard};
use std::sync::Arc;
use std::thread::{self, Thread};

/// Returns both ends of a cell that holds `first`.
pub fn cell(first: Snapshot) -> (Publisher, SnapshotReader) {
    let shared = Arc::new(Shared {
        current: ArcSwap::from_pointee(first),
        subscribers: ArcSwap::from_pointee(Vec::new()),
    });
    (
        Publisher {
            shared: shared.clone(),
            retired: Vec::new(),
        },
        SnapshotReader { shared },
    )
}

#[derive(Debug)]
struct Shared {
    current: ArcSwap<Snapshot>,
    subscribers: ArcSwap<Vec<Thread>>,
}

/// The writing end: one owner, the task that owns the index.
#[derive(Debug)]
pub struct Publisher {
    shared: Arc<Shared>,
    retired: Vec<Arc<Snapshot>>,
}

impl Publisher {
    /// Makes `next` what readers load from now on, wakes the subscribers, and frees what no reader
    /// holds any more.
    pub fn publish(&mut self, next: Snapshot) {
        self.retired.push(self.shared.current.swap(Arc::new(next)));
        for subscriber in self.shared.subscribers.load().iter() {
            subscriber.unpark();
        }
        self.reap();
    }

    /// Frees the retired snapshots that no reader holds any more, and returns how many are left.
    pub fn reap(&mut self) -> usize {
        self.retired
            .retain(|snapshot| Arc::strong_count(snapshot) > 1);
        self.retired.len()
    }
}

/// The reading end: cheap to clone, one for each worker.
#[derive(Debug, Clone)]
pub struct SnapshotReader {
    shared: Arc<Shared>,
}

impl SnapshotReader {
    /// Returns the current snapshot. Load once for a batch of queries and drop it with the batch: a
    /// held one keeps its memory.
    pub fn load(&self) -> Guard<Arc<Snapshot>> {
        self.shared.current.load()
    }

    /// Makes every later publish unpark the calling thread, until the subscription is dropped.
    pub fn subscribe(&self) -> Subscription {
        let thread = thread::current();
        self.shared.subscribers.rcu(|list| {
            let mut list = Vec::clone(list);
            list.push(thread.clone());
            list
        });
        Subscription {
            shared: self.shared.clone(),
            thread,
        }
    }
}

/// Ends a thread's subscription to the publish signal when dropped.
#[derive(Debug)]
pub struct Subscription {
    shared: Arc<Shared>,
    thread: Thread,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.shared.subscribers.rcu(|list| {
            list.iter()
                .filter(|t| t.id() != self.thread.id())
                .cloned()
                .collect::<Vec<_>>()
        });
    }
}
