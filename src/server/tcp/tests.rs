//! A running server over TCP. Patience of peers is shortened where a test waits for its end.

use super::super::script::{
    Elsewhere, PATIENCE, Running, closed, eventually, framed, options, query, receive, receive_udp,
    reply, send, servfail,
};
use super::super::{Count, Setup};
use super::*;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream as Stream};
use std::sync::Arc;

const SHORT: Duration = Duration::from_millis(50);
const EVER: Duration = Duration::from_secs(3600);

/// A server on which nothing ever times out but what `adjust` shortens.
fn patient(adjust: impl FnOnce(&mut Setup<super::super::script::Script>)) -> Running {
    Running::with(options("[::]:0"), |setup| {
        setup.options.tcp_idle_timeout = EVER;
        setup.options.unknown_wait = EVER;
        setup.options.tcp_connections_per_client = 1000;
        setup.timeouts = Timeouts {
            first: EVER,
            message: EVER,
            write: PATIENCE,
            pressed_idle: EVER,
            late: PATIENCE,
            accept_pause: SHORT,
            certificates: EVER,
        };
        adjust(setup);
    })
}

#[test]
fn pipelined_queries_of_one_segment_are_answered_in_order() {
    let running = patient(|_| {});
    let mut stream = running.tcp();
    let queries: Vec<u8> = (0..200).flat_map(|id| framed(&query(id, "echo"))).collect();
    stream.write_all(&queries).unwrap();
    for id in 0..200 {
        assert_eq!(receive(&mut stream), reply(id, "echo"));
    }
    assert_eq!(running.stop().get(Count::TcpQueries), 200);
}

#[test]
fn a_query_tells_peer_and_asked_address_without_mapped_ones() {
    let running = patient(|_| {});
    let mut stream = Stream::connect(("127.0.0.53", running.address.port())).unwrap();
    send(&mut stream, 1, "whence");
    let whence = format!("7 {} 127.0.0.53", stream.local_addr().unwrap());
    assert_eq!(receive(&mut stream), reply(1, &whence));
    running.stop();
}

#[test]
fn a_held_query_does_not_keep_later_ones_waiting() {
    let mut running = patient(|_| {});
    let mut stream = running.tcp();
    let queries = [(1, "hold"), (2, "echo"), (3, "hold"), (4, "echo")];
    let bytes: Vec<u8> = queries
        .iter()
        .flat_map(|&(id, word)| framed(&query(id, word)))
        .collect();
    stream.write_all(&bytes).unwrap();
    assert_eq!(receive(&mut stream), reply(2, "echo"));
    assert_eq!(receive(&mut stream), reply(4, "echo"));
    running.learn();
    assert_eq!(receive(&mut stream), reply(1, "known"));
    assert_eq!(receive(&mut stream), reply(3, "known"));
    running.stop();
}

#[test]
fn half_closed_connections_get_all_their_answers_and_then_fin() {
    let mut running = patient(|setup| setup.upstream = Some(Arc::new(Elsewhere::default())));
    for (word, answer) in [("echo", "echo"), ("ask", "elsewhere"), ("hold", "known")] {
        let mut stream = running.tcp();
        send(&mut stream, 1, word);
        stream.shutdown(Shutdown::Write).unwrap();
        if word == "hold" {
            running.expect(Count::Held, 1);
            running.learn();
        }
        assert_eq!(receive(&mut stream), reply(1, answer), "{word}");
        closed(&mut stream);
    }
    running.stop();
}

#[test]
fn a_message_may_come_octet_by_octet_and_be_as_large_as_its_prefix_can_say() {
    let running = patient(|_| {});
    let mut stream = running.tcp();
    for octet in framed(&query(1, "echo")) {
        stream.write_all(&[octet]).unwrap();
    }
    assert_eq!(receive(&mut stream), reply(1, "echo"));
    let mut large = query(2, "echo");
    large.resize(MAX_MESSAGE, 0);
    let mut bytes = framed(&large);
    bytes.extend(framed(&query(3, "echo")));
    stream.write_all(&bytes).unwrap();
    assert_eq!(receive(&mut stream), reply(2, "echo"));
    assert_eq!(receive(&mut stream), reply(3, "echo"));
    running.stop();
}

#[test]
fn answers_of_64_kib_arrive_whole_also_when_the_socket_would_block() {
    let running = patient(|_| {});
    let mut stream = running.tcp();
    let mut writer = stream.try_clone().unwrap();
    // 32 MB: more than both socket buffers hold.
    let writing = std::thread::spawn(move || {
        for id in 0..500 {
            send(&mut writer, id, "big");
        }
    });
    for id in 0..500_u16 {
        let answer = receive(&mut stream);
        assert_eq!(answer.len(), MAX_MESSAGE);
        assert_eq!(answer[..2], id.to_be_bytes());
        assert!(
            answer[12..]
                .iter()
                .all(|&octet| octet == id.to_be_bytes()[1])
        );
    }
    writing.join().unwrap();
    running.stop();
}

#[test]
fn who_is_too_slow_is_closed() {
    type Adjust = fn(&mut Timeouts);
    let cases: [(&str, Adjust, &[u8]); 4] = [
        ("silent", |times| times.first = SHORT, b""),
        ("half a prefix", |times| times.message = SHORT, b"\0"),
        ("no message", |times| times.message = SHORT, b"\0\x10"),
        (
            "prefix too large",
            |times| times.message = SHORT,
            b"\0\x10abcdefgh",
        ),
    ];
    for (name, adjust, bytes) in cases {
        let running = patient(|setup| adjust(&mut setup.timeouts));
        let mut stream = running.tcp();
        stream.write_all(bytes).unwrap();
        let took = closed(&mut stream);
        assert!(took < PATIENCE, "{name}");
        running.expect(Count::TcpTimedOut, 1);
        running.stop();
    }
}

#[test]
fn a_message_that_trickles_in_does_not_move_its_deadline() {
    let running = patient(|setup| setup.timeouts.message = 4 * SHORT);
    let mut stream = running.tcp();
    stream.set_read_timeout(Some(SHORT / 5)).unwrap();
    let mut sent = 0;
    // A prefix that says 65,535, and an octet every 10 ms: were the deadline moved, never.
    let closed_by_peer = loop {
        if stream.write_all(&[0xff]).is_err() {
            break true;
        }
        sent += 1;
        match stream.read(&mut [0; 1]) {
            Ok(0) => break true,
            Ok(_) => break false,
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {}
                _ => break true,
            },
        }
        assert!(sent < 1000);
    };
    assert!(closed_by_peer);
    running.stop();
}

#[test]
fn idle_connections_end_and_sooner_while_room_is_scarce() {
    let running = patient(|setup| {
        setup.options.tcp_idle_timeout = SHORT;
    });
    let mut stream = running.tcp();
    send(&mut stream, 1, "echo");
    receive(&mut stream);
    assert!(closed(&mut stream) < PATIENCE);
    running.stop();

    let running = patient(|setup| {
        setup.options.tcp_connections = 5;
        setup.timeouts.pressed_idle = SHORT;
    });
    let mut idle: Vec<_> = (0..4).map(|_| running.tcp()).collect();
    for stream in &mut idle {
        send(stream, 1, "echo");
        receive(stream);
    }
    // The fifth makes room scarce for those that already wait.
    let _fifth = running.tcp();
    eventually(|| running.count(Count::TcpTimedOut) > 0);
    assert!(idle.iter_mut().any(|stream| closed(stream) < PATIENCE));
    running.stop();
}

#[test]
fn a_message_of_length_0_closes_after_what_came_before_it() {
    let running = patient(|_| {});
    let mut stream = running.tcp();
    let bytes = [
        framed(&query(1, "echo")),
        vec![0, 0],
        framed(&query(2, "echo")),
    ]
    .concat();
    stream.write_all(&bytes).unwrap();
    assert_eq!(receive(&mut stream), reply(1, "echo"));
    closed(&mut stream);
    running.stop();
}

#[test]
fn a_panic_is_a_servfail_and_the_connection_lives() {
    let running = patient(|_| {});
    let mut stream = running.tcp();
    for (id, word) in [(1, "panic"), (2, "drop"), (3, "ask"), (4, "echo")] {
        send(&mut stream, id, word);
    }
    assert_eq!(receive(&mut stream), servfail(1));
    assert_eq!(receive(&mut stream), servfail(3));
    assert_eq!(receive(&mut stream), reply(4, "echo"));
    assert_eq!(running.stop().get(Count::Panics), 1);
}

#[test]
fn who_does_not_read_is_closed_and_keeps_nobody_waiting() {
    let running = patient(|setup| setup.timeouts.write = 4 * SHORT);
    let mut deaf = running.tcp();
    let queries: Vec<u8> = (0..500).flat_map(|id| framed(&query(id, "big"))).collect();
    deaf.write_all(&queries).unwrap();
    let mut other = running.tcp();
    send(&mut other, 1, "echo");
    assert_eq!(receive(&mut other), reply(1, "echo"));
    let udp = running.udp();
    udp.send(&query(2, "echo")).unwrap();
    assert_eq!(receive_udp(&udp), reply(2, "echo"));
    running.expect(Count::TcpTimedOut, 1);
    running.stop();
}

#[test]
fn one_client_has_so_many_connections_and_others_still_get_theirs() {
    let running = patient(|setup| setup.options.tcp_connections_per_client = 2);
    let mut own: Vec<_> = (0..2).map(|_| running.tcp()).collect();
    for stream in &mut own {
        send(stream, 1, "echo");
        receive(stream);
    }
    closed(&mut running.tcp());
    running.expect(Count::TcpRefused, 1);
    let port = running.address.port();
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into())
        .unwrap();
    socket
        .connect(&SocketAddr::from(([127, 0, 0, 1], port)).into())
        .unwrap();
    let mut other = Stream::from(socket);
    send(&mut other, 2, "echo");
    assert_eq!(receive(&mut other), reply(2, "echo"));
    drop(own);
    // Freed places are this client's again.
    eventually(|| {
        let mut stream = running.tcp();
        let sent = stream.write_all(&framed(&query(3, "echo"))).is_ok();
        sent && stream.read(&mut [0; 64]).is_ok_and(|length| length > 0)
    });
    running.stop();
}

#[test]
fn who_finds_no_room_waits_for_it() {
    let running = patient(|setup| setup.options.tcp_connections = 2);
    let first = running.tcp();
    let _second = running.tcp();
    running.expect(Count::TcpAccepted, 2);
    let mut third = running.tcp();
    send(&mut third, 1, "echo");
    drop(first);
    assert_eq!(receive(&mut third), reply(1, "echo"));
    running.stop();
}

#[test]
fn a_connection_has_so_many_late_answers_and_the_next_query_does_not_wait() {
    let running = patient(|setup| setup.upstream = Some(Arc::new(Never::default())));
    let mut stream = running.tcp();
    for id in 0..40 {
        send(&mut stream, id, "ask");
    }
    // 32 are asked; the others are told so at once.
    for id in 32..40 {
        assert_eq!(receive(&mut stream), servfail(id));
    }
    running.expect(Count::Asked, 32);
    drop(stream);
    running.drain.start();
}

/// Keeps what it is asked.
#[derive(Default)]
#[expect(clippy::vec_box, reason = "as they come")]
struct Never(std::sync::Mutex<Vec<Box<super::super::Inquiry>>>);

impl super::super::Upstream for Never {
    fn ask(&self, inquiry: Box<super::super::Inquiry>) -> Option<Box<super::super::Inquiry>> {
        self.0.lock().unwrap().push(inquiry);
        None
    }
}

#[test]
fn stopping_answers_what_is_there_and_sends_fin() {
    let running = patient(|_| {});
    let (mut idle, mut partial, mut holding) = (running.tcp(), running.tcp(), running.tcp());
    partial.write_all(b"\0\x20half").unwrap();
    send(&mut holding, 1, "hold");
    send(&mut holding, 2, "echo");
    assert_eq!(receive(&mut holding), reply(2, "echo"));
    running.expect(Count::TcpAccepted, 3);
    running.expect(Count::Held, 1);
    let port = running.address.port();
    let stats = running.stop();
    assert_eq!(receive(&mut holding), reply(1, "late"));
    for stream in [&mut idle, &mut partial, &mut holding] {
        assert_eq!(stream.read(&mut [0; 1]).unwrap_or(0), 0);
    }
    assert!(Stream::connect(("127.0.0.1", port)).is_err());
    assert_eq!(stats.get(Count::TcpTimedOut), 0);
}

/// Runs in a process of its own, whose limit of descriptors it may exhaust.
#[test]
fn without_descriptors_accepting_pauses_and_recovers_and_udp_goes_on() {
    const CHILD: &str = "TENANTDNS_FEW_DESCRIPTORS";
    let name =
        "server::tcp::tests::without_descriptors_accepting_pauses_and_recovers_and_udp_goes_on";
    if std::env::var_os(CHILD).is_none() {
        let output = std::process::Command::new("sh")
            .args(["-c", "ulimit -n 64; exec \"$0\" --exact \"$1\" --nocapture"])
            .arg(std::env::current_exe().unwrap())
            .arg(name)
            .env(CHILD, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{output:?}"
        );
        return;
    }
    let running = patient(|_| {});
    let udp = running.udp();
    let port = running.address.port();
    // Clients' descriptors count too: they run out before the server's half of them is used.
    let mut clients = Vec::new();
    while let Ok(client) = Stream::connect(("127.0.0.1", port)) {
        clients.push(client);
    }
    eventually(|| running.count(Count::TcpAcceptFailed) > 0);
    let before = running.count(Count::TcpAcceptFailed);
    for id in 0..1000 {
        udp.send(&query(id, "echo")).unwrap();
        assert_eq!(receive_udp(&udp), reply(id, "echo"));
    }
    // Without the pause it would be as fast as the kernel can refuse.
    assert!(running.count(Count::TcpAcceptFailed) - before < 1000);
    drop(clients);
    let mut stream = running.tcp();
    send(&mut stream, 1, "echo");
    assert_eq!(receive(&mut stream), reply(1, "echo"));
    running.stop();
}
