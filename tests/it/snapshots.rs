//! The cell that snapshots are published through.

use std::sync::Weak;
use std::thread;
use tenantdns::snapshot::{Publisher, Snapshot, SnapshotReader, cell};
use tenantdns::testing::Cluster;
use tenantdns::zone::Zone;

/// Returns a snapshot, and something that tells whether it is still there.
fn watched() -> (Snapshot, Weak<[Zone]>) {
    let snapshot = Cluster::of(Vec::new(), "").snapshot();
    let alive = std::sync::Arc::downgrade(&snapshot.zones);
    (snapshot, alive)
}

/// Holds the current snapshot `times` times on another thread while `publish` runs here, and lets
/// go of it there.
fn held_elsewhere(reader: &SnapshotReader, times: usize, publish: impl FnOnce()) {
    let (loaded, wait_loaded) = std::sync::mpsc::channel();
    let (go, wait_go) = std::sync::mpsc::channel();
    let reader = reader.clone();
    let worker = thread::spawn(move || {
        let held: Vec<_> = (0..times).map(|_| reader.load()).collect();
        loaded.send(()).unwrap();
        wait_go.recv().unwrap();
        drop(held);
    });
    wait_loaded.recv().unwrap();
    publish();
    go.send(()).unwrap();
    worker.join().unwrap();
}

#[test]
fn i10_a_reader_never_frees_a_retired_snapshot() {
    // One borrow is a slot of the reader's thread; more than the slots are counted references.
    for times in [1, 3, 40] {
        let (first, alive) = watched();
        let (mut publisher, reader): (Publisher, _) = cell(first);
        held_elsewhere(&reader, times, || {
            publisher.publish(watched().0);
            assert!(alive.upgrade().is_some(), "it is being read");
            assert_eq!(publisher.reap(), 1);
        });
        assert!(
            alive.upgrade().is_some(),
            "the reader was the last to hold it, and freed it ({times})"
        );
        assert_eq!(publisher.reap(), 0, "nobody reads it any more");
        assert!(alive.upgrade().is_none());
    }
}

#[test]
fn retired_snapshots_wait_for_their_own_readers_alone() {
    let (first, first_alive) = watched();
    let (mut publisher, reader) = cell(first);
    let held = reader.load();
    let (second, second_alive) = watched();
    publisher.publish(second);
    publisher.publish(watched().0);
    assert!(first_alive.upgrade().is_some());
    assert!(second_alive.upgrade().is_none(), "nobody reads the second");
    drop(held);
    publisher.publish(watched().0);
    assert!(first_alive.upgrade().is_none());
}

#[test]
fn a_reader_loads_what_was_published_last() {
    let mut index = Cluster::of(Vec::new(), "").index();
    let (mut publisher, reader) = cell(index.snapshot(1));
    let before = reader.load();
    let first = before.generation;
    publisher.publish(index.snapshot(1));
    assert_eq!(
        before.generation, first,
        "a batch keeps the one that it loaded"
    );
    assert_eq!(reader.load().generation, first + 1);
}
