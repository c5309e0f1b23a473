//! Held queries on a running server: what ends the wait, and how many may wait.

use super::super::Count;
use super::super::script::{Running, options, query, receive, receive_udp, reply, send, udp};
use super::{HELD, HELD_PER_CLIENT};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

/// Longer than any test: what ends the wait is something else.
const EVER: Duration = Duration::from_secs(3600);

fn waiting(wait: Duration) -> Running {
    let mut options = options("0.0.0.0:0");
    options.unknown_wait = wait;
    Running::with(options, |_| {})
}

#[test]
fn a_publish_answers_the_held_queries_from_the_asked_address() {
    let mut running = waiting(EVER);
    let to = SocketAddr::from(([127, 0, 0, 53], running.address.port()));
    let client = udp("127.0.0.1", to);
    let mut stream = running.tcp();
    client.send(&query(1, "hold")).unwrap();
    send(&mut stream, 2, "hold");
    running.expect(Count::Held, 2);
    // A publish that does not know them changes nothing.
    running.publisher.publish(crate::testing::empty_snapshot());
    client.set_nonblocking(true).unwrap();
    let error = client.recv(&mut [0; 64]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    client.set_nonblocking(false).unwrap();
    running.learn();
    assert_eq!(receive_udp(&client), reply(1, "known"));
    assert_eq!(receive(&mut stream), reply(2, "known"));
    running.expect(Count::HeldKnown, 2);
    running.stop();
}

#[test]
fn the_deadline_answers_a_held_query_without_a_publish() {
    let running = waiting(Duration::from_millis(20));
    let client = running.udp();
    for id in 0..3 {
        client.send(&query(id, "hold")).unwrap();
        assert_eq!(receive_udp(&client), reply(id, "late"));
    }
    assert_eq!(running.stop().get(Count::HeldExpired), 3);
}

#[test]
fn one_client_over_its_limit_is_answered_at_once() {
    let mut running = waiting(EVER);
    let client = running.udp();
    let limit = u16::try_from(HELD_PER_CLIENT).unwrap();
    for id in 0..=limit {
        client.send(&query(id, "hold")).unwrap();
    }
    assert_eq!(receive_udp(&client), reply(limit, "late"));
    // Another client is none the worse.
    let other = udp("127.0.0.2", client.peer_addr().unwrap());
    other.send(&query(100, "hold")).unwrap();
    running.expect(Count::Held, u64::from(limit) + 2);
    running.learn();
    assert_eq!(receive_udp(&other), reply(100, "known"));
    for id in 0..limit {
        assert_eq!(receive_udp(&client), reply(id, "known"));
    }
    // And once they are answered there is room again.
    running
        .script
        .known
        .store(false, std::sync::atomic::Ordering::SeqCst);
    client.send(&query(101, "hold")).unwrap();
    running.expect(Count::Held, u64::from(limit) + 3);
    running.stop();
}

#[test]
fn whoever_finds_every_place_taken_is_answered_at_once() {
    let running = waiting(EVER);
    let to = SocketAddr::from(([127, 0, 0, 1], running.address.port()));
    let clients: Vec<_> = (0..HELD / HELD_PER_CLIENT)
        .map(|number| udp(&format!("127.0.1.{number}"), to))
        .collect();
    for client in &clients {
        for id in 0..HELD_PER_CLIENT {
            client.send(&query(id as u16, "hold")).unwrap();
        }
    }
    running.expect(Count::Held, HELD as u64);
    let last = running.udp();
    last.send(&query(9, "hold")).unwrap();
    assert_eq!(receive_udp(&last), reply(9, "late"));
    assert_eq!(running.count(Count::HoldRefused), 1);
    // Stopping answers them all.
    running.stop();
    for client in &clients {
        for id in 0..HELD_PER_CLIENT {
            assert_eq!(receive_udp(client), reply(id as u16, "late"));
        }
    }
}
