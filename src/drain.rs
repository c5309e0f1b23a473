//! The one signal by which everything that serves learns to stop, and the wait until it has.
//!
//! Threads ask [`Drain::is_started`] between batches, parked ones are unparked, tasks await
//! [`Drain::started`]. What must be finished before the process may end holds a [`DrainGuard`].
//! When to stop is not decided here: [`termination`] only says that somebody asked.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, Thread};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// The signal to stop: cheap to clone, set once, never cleared.
#[derive(Debug, Clone)]
pub struct Drain {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    // Beside `signal` because workers ask after every batch: reading a `watch` takes a lock.
    started: AtomicBool,
    signal: watch::Sender<bool>,
    guards: watch::Sender<usize>,
    parked: Mutex<Vec<Thread>>,
    /// What else is stopped with it.
    children: Mutex<Vec<Weak<Self>>>,
}

impl Drain {
    /// Returns a signal that is not set.
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                started: AtomicBool::new(false),
                signal: watch::Sender::new(false),
                guards: watch::Sender::new(0),
                parked: Mutex::new(Vec::new()),
                children: Mutex::new(Vec::new()),
            }),
        }
    }

    /// Returns a signal that is set with this one, and can be set without it.
    #[must_use]
    pub fn child(&self) -> Self {
        let child = Self::new();
        let mut children = lock(&self.shared.children);
        children.retain(|child| child.strong_count() > 0);
        children.push(Arc::downgrade(&child.shared));
        drop(children);
        // Behind the entry: one of the two sees the other.
        if self.is_started() {
            child.start();
        }
        child
    }

    /// Sets the signal. Setting it again changes nothing.
    pub fn start(&self) {
        let parked = lock(&self.shared.parked);
        self.shared.started.store(true, Ordering::Release);
        self.shared.signal.send_replace(true);
        for thread in parked.iter() {
            thread.unpark();
        }
        drop(parked);
        let children = std::mem::take(&mut *lock(&self.shared.children));
        for shared in children.iter().filter_map(Weak::upgrade) {
            Self { shared }.start();
        }
    }

    /// Returns whether the signal is set.
    pub fn is_started(&self) -> bool {
        self.shared.started.load(Ordering::Acquire)
    }

    /// Waits until the signal is set.
    pub async fn started(&self) {
        let mut signal = self.shared.signal.subscribe();
        // Fails only without a sender, and `self` holds it.
        let _ = signal.wait_for(|started| *started).await;
    }

    /// Makes [`Drain::start`] unpark the calling thread; at once where it is set already.
    pub fn unpark_me(&self) {
        let mut parked = lock(&self.shared.parked);
        if self.is_started() {
            thread::current().unpark();
        } else {
            parked.push(thread::current());
        }
    }

    /// Returns a guard that [`Drain::finished`] waits for.
    pub fn guard(&self) -> DrainGuard {
        self.shared.guards.send_modify(|guards| *guards += 1);
        DrainGuard {
            shared: self.shared.clone(),
        }
    }

    /// Waits until the signal is set and every guard is gone. Without limit: the caller knows how
    /// long it may take.
    pub async fn finished(&self) {
        self.started().await;
        let mut guards = self.shared.guards.subscribe();
        let _ = guards.wait_for(|guards| *guards == 0).await;
    }
}

fn lock<T>(list: &Mutex<Vec<T>>) -> MutexGuard<'_, Vec<T>> {
    // A list is whole whatever happened to its holder.
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

/// Keeps [`Drain::finished`] waiting until it is dropped.
#[derive(Debug)]
pub struct DrainGuard {
    shared: Arc<Shared>,
}

impl Drop for DrainGuard {
    fn drop(&mut self) {
        self.shared.guards.send_modify(|guards| *guards -= 1);
    }
}

/// Waits for SIGTERM or SIGINT, and returns its name.
///
/// # Errors
/// The handler can't be installed.
pub async fn termination() -> io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn finished_waits_for_the_signal_and_for_every_guard() {
        let drain = Drain::new();
        let first = drain.guard();
        let second = drain.guard();
        let waiting = tokio::spawn({
            let drain = drain.clone();
            async move { drain.finished().await }
        });
        drop(first);
        drain.start();
        drain.start();
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(second);
        tokio::time::timeout(Duration::from_secs(5), waiting)
            .await
            .unwrap()
            .unwrap();
    }

    #[test]
    fn a_child_is_set_with_its_parent_and_not_the_other_way() {
        let parent = Drain::new();
        let (first, second) = (parent.child(), parent.child());
        first.start();
        assert!(first.is_started() && !parent.is_started() && !second.is_started());
        parent.start();
        assert!(second.is_started());
        assert!(parent.child().is_started());
    }

    #[test]
    fn start_wakes_parked_threads_early_and_late_ones() {
        for start_first in [false, true] {
            let drain = Drain::new();
            let (ready, is_ready) = std::sync::mpsc::channel();
            let thread = thread::spawn({
                let drain = drain.clone();
                move || {
                    if start_first {
                        drain.start();
                    }
                    drain.unpark_me();
                    ready.send(()).unwrap();
                    while !drain.is_started() {
                        thread::park();
                    }
                }
            });
            is_ready.recv().unwrap();
            drain.start();
            thread.join().unwrap();
        }
    }
}
