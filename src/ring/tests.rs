//! That records come out whole, in order, once, and that every loss is counted.

use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::thread;

#[test]
fn what_finds_no_room_is_lost_and_counted() {
    let (mut producer, mut consumer) = ring::<1>(4);
    assert_eq!(consumer.pop(), None);
    let found: Vec<bool> = (0..6).map(|n| producer.push([n])).collect();
    assert_eq!(found, [true, true, true, true, false, false]);
    assert_eq!((consumer.waiting(), consumer.lost()), (4, 2));
    assert_eq!(consumer.pop(), Some([0]));
    assert!(producer.push([6]));
    assert!(consumer.drain().eq([[1], [2], [3], [6]]));
    assert_eq!((consumer.pop(), consumer.lost()), (None, 2));
}

#[test]
fn a_capacity_is_a_power_of_two_and_never_none() {
    for (asked, capacity) in [(0, 1), (1, 1), (3, 4), (1024, 1024)] {
        assert_eq!(ring::<2>(asked).1.capacity(), capacity);
    }
}

#[test]
fn an_end_may_outlive_the_other() {
    let (mut producer, mut consumer) = ring::<2>(2);
    producer.push([1, 2]);
    drop(producer);
    assert_eq!(consumer.pop(), Some([1, 2]));
    let (mut producer, consumer) = ring::<2>(1);
    drop(consumer);
    assert!(producer.push([1, 2]) && !producer.push([3, 4]));
}

#[test]
fn between_two_threads_records_are_whole_in_order_and_none_is_unaccounted_for() {
    const RECORDS: u64 = 200_000;
    let (mut producer, mut consumer) = ring::<4>(64);
    let writer = thread::spawn(move || {
        for n in 0..RECORDS {
            let whole = [n, !n, n.rotate_left(32), n];
            producer.push(whole);
        }
    });
    let (mut got, mut last) = (0, None);
    loop {
        let ended = writer.is_finished();
        for record in consumer.drain() {
            let n = record[0];
            assert_eq!(record, [n, !n, n.rotate_left(32), n], "torn");
            assert!(last < Some(n), "{n} after {last:?}");
            (got, last) = (got + 1, Some(n));
        }
        if ended && consumer.waiting() == 0 {
            break;
        }
    }
    writer.join().unwrap();
    assert_eq!(got + consumer.lost(), RECORDS);
    assert!(got >= 64, "{got}");
}

proptest! {
    /// Whatever the order of pushes and pops, it is a queue of that capacity.
    #[test]
    fn it_is_a_queue(capacity in 1usize..20, steps in prop::collection::vec(any::<bool>(), 0..400)) {
        let (mut producer, mut consumer) = ring::<3>(capacity);
        let (mut model, mut lost) = (VecDeque::new(), 0);
        for (n, push) in (0u64..).zip(steps) {
            if push {
                let room = model.len() < consumer.capacity();
                prop_assert_eq!(producer.push([n, 0, n]), room);
                if room { model.push_back([n, 0, n]) } else { lost += 1 }
            } else {
                prop_assert_eq!(consumer.pop(), model.pop_front());
            }
            prop_assert_eq!((consumer.waiting(), consumer.lost()), (model.len(), lost));
        }
    }
}
