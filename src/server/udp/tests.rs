//! A running server over UDP.

use super::super::script::{
    Elsewhere, Running, eventually, options, query, receive_udp, reply, servfail, udp,
};
use super::super::{Count, bind};
use super::SLOTS;
use crate::answer::Shortcut;
use crate::chain::ListenerId;
use crate::limits::{Limits, Options as Rates, Rate};
use crate::testing;
use crate::wire::{Header, RType};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

#[test]
fn a_query_tells_listener_peer_and_asked_address_without_mapped_ones() {
    for (listen, from, asked) in [
        ("127.0.0.1:0", "127.0.0.1", "127.0.0.1"),
        ("0.0.0.0:0", "127.0.0.9", "127.0.0.53"),
        ("[::]:0", "127.0.0.9", "127.0.0.53"),
        ("[::]:0", "::1", "::1"),
    ] {
        let running = Running::on(listen);
        let to = SocketAddr::new(asked.parse().unwrap(), running.address.port());
        let client = udp(from, to);
        client.send(&query(1, "whence")).unwrap();
        let peer = client.local_addr().unwrap();
        let whence = format!("7 {peer} {asked}");
        assert_eq!(receive_udp(&client), reply(1, &whence), "{listen} {from}");
        running.stop();
    }
}

#[test]
fn a_panic_is_a_servfail_and_the_worker_lives() {
    let running = Running::on("127.0.0.1:0");
    let client = running.udp();
    for id in 0..3 {
        client.send(&query(id, "panic")).unwrap();
        assert_eq!(receive_udp(&client), servfail(id));
        client.send(&query(id, "echo")).unwrap();
        assert_eq!(receive_udp(&client), reply(id, "echo"));
    }
    assert_eq!(running.stop().get(Count::Panics), 3);
}

#[test]
fn a_panic_on_the_short_way_costs_its_own_query_of_a_batch() {
    let mut options = options("127.0.0.1:0");
    options.listen[0].id = ListenerId(0);
    let mut running = Running::with(options, |_| {});
    let cluster = testing::Cluster::new("", "");
    let snapshot = cluster.snapshot();
    assert!(Shortcut::of(&snapshot, ListenerId(0)).is_some());
    running.publisher.publish(snapshot);
    let client = running.udp();
    // Loopback delivers before send returns: most of them come in one batch.
    let words = [
        "short",
        "short panic",
        "echo",
        "short",
        "short panic",
        "short",
    ];
    for (id, word) in (0..).zip(words) {
        client.send(&query(id, word)).unwrap();
    }
    for (id, word) in (0..).zip(words) {
        let expected = match word {
            "short panic" => servfail(id),
            word => reply(id, word),
        };
        assert_eq!(receive_udp(&client), expected, "{word}");
    }
    let stats = running.stop();
    let counts = [Count::Panics, Count::Answered, Count::UdpQueries];
    assert_eq!(counts.map(|count| stats.get(count)), [2, 4, 6]);
}

#[test]
fn what_gets_no_reply_is_counted_and_the_next_query_is_answered() {
    let running = Running::on("127.0.0.1:0");
    let client = running.udp();
    for silent in [vec![], vec![0; 11], query(1, "drop")] {
        client.send(&silent).unwrap();
    }
    client.send(&query(2, "echo")).unwrap();
    assert_eq!(receive_udp(&client), reply(2, "echo"));
    let stats = running.stop();
    assert_eq!(stats.get(Count::UdpQueries), 4);
    assert_eq!(stats.get(Count::Dropped), 3);
    assert_eq!(stats.get(Count::Answered), 1);
}

#[test]
fn a_padded_datagram_of_60_kb_is_answered() {
    let running = Running::on("[::]:0");
    let client = running.udp();
    let mut padded = query(3, "echo");
    padded.resize(60_000, 0);
    client.send(&padded).unwrap();
    assert_eq!(receive_udp(&client), reply(3, "echo"));
    client.send(&query(4, "big")).unwrap();
    assert_eq!(receive_udp(&client).len(), super::super::sys::ANSWER);
    running.stop();
}

#[test]
fn what_needs_an_upstream_is_a_servfail_without_one() {
    let running = Running::on("127.0.0.1:0");
    let client = running.udp();
    client.send(&query(5, "ask")).unwrap();
    assert_eq!(receive_udp(&client), servfail(5));
    running.stop();
}

#[test]
fn an_upstream_replies_from_the_asked_address() {
    let running = Running::with(options("0.0.0.0:0"), |setup| {
        setup.upstream = Some(Arc::new(Elsewhere::default()));
    });
    let to = SocketAddr::from(([127, 0, 0, 53], running.address.port()));
    let client = udp("127.0.0.1", to);
    client.send(&query(6, "ask")).unwrap();
    assert_eq!(receive_udp(&client), reply(6, "elsewhere"));
    assert_eq!(running.stop().get(Count::Asked), 1);
}

#[test]
fn queries_that_have_arrived_are_answered_after_the_signal_to_stop() {
    let options = options("127.0.0.1:0");
    let bound = bind(&options).unwrap();
    let (_, address) = bound.local_addresses().next().unwrap();
    let clients: Vec<_> = (0..8).map(|_| udp("127.0.0.1", address)).collect();
    let each = u16::try_from(SLOTS).unwrap() + 3;
    for client in &clients {
        for id in 0..each {
            client.send(&query(id, "echo")).unwrap();
        }
    }
    let start = Instant::now();
    let running = Running::bound(bound, options, |setup| setup.drain.start());
    let stats = running.stop();
    // Not the 250 ms of a quiet machine: this one may be busy.
    assert!(start.elapsed() < super::super::script::PATIENCE);
    assert_eq!(stats.get(Count::Answered), 8 * u64::from(each));
    for client in &clients {
        for id in 0..each {
            assert_eq!(receive_udp(client), reply(id, "echo"));
        }
    }
}

#[test]
fn an_idle_server_stops_when_told() {
    let running = Running::on("127.0.0.1:0");
    let drain = running.drain.clone();
    let start = Instant::now();
    running.stop();
    assert!(start.elapsed() < super::super::script::PATIENCE);
    // Every thread's guard is gone.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(drain.finished());
}

#[test]
fn every_worker_of_a_listener_answers() {
    let mut several = options("127.0.0.1:0");
    several.threads = 4;
    let running = Running::with(several, |_| {});
    // The kernel spreads by address and port of the client: 256 of them miss a worker of four once
    // in 10^31 runs.
    for id in 0..256 {
        let client = running.udp();
        client.send(&query(id, "echo")).unwrap();
        assert_eq!(receive_udp(&client), reply(id, "echo"));
    }
    eventually(|| running.count(Count::UdpQueries) == 256);
    running.stop();
}

#[test]
fn over_its_limit_a_client_is_told_to_come_by_tcp_then_nothing() {
    let rate = Rate {
        qps: NonZeroU32::MIN,
        burst: NonZeroU32::new(2).unwrap(),
    };
    let rates = Rates {
        client: Some(rate),
        tenant: None,
    };
    let running = Running::with(options("127.0.0.1:0"), |setup| {
        setup.limits = Limits::new(&rates).map(Arc::new);
    });
    let client = running.udp();
    client.send(&query(1, "echo")).unwrap();
    assert_eq!(receive_udp(&client), reply(1, "echo"));
    let truncated = |question: &[u8]| loop {
        client.send(question).unwrap();
        let reply = receive_udp(&client);
        if Header::parse(&reply).is_some_and(|header| header.truncated()) {
            assert!(reply.len() <= question.len(), "{reply:?}");
            assert_eq!(reply[..2], question[..2]);
            assert_eq!(
                reply[6..12],
                [0, 0, 0, 0, 0, reply[11]],
                "no record but OPT"
            );
            break;
        }
    };
    truncated(&testing::query("web.shop.svc.cluster.local", RType::A));
    truncated(&testing::query_edns(
        "web.shop.svc.cluster.local",
        RType::A,
        1232,
    ));
    eventually(|| {
        client.send(&query(2, "echo")).unwrap();
        running.count(Count::ClientDropped) > 0
    });
    // The address is not forged: by TCP it is answered, as often as before.
    let mut stream = running.tcp();
    super::super::script::send(&mut stream, 3, "echo");
    assert_eq!(super::super::script::receive(&mut stream), reply(3, "echo"));
    while running.count(Count::ClientClosed) == 0 {
        // Closed means that it can fail.
        let _ = std::io::Write::write(
            &mut stream,
            &super::super::script::framed(&query(4, "echo")),
        );
    }
    let stats = running.stop();
    assert!(stats.get(Count::ClientTruncated) >= 2);
    assert_eq!(
        stats.get(Count::TenantDropped) + stats.get(Count::TenantTruncated),
        0
    );
}
