//! A running server over QUIC: what RFC 9250 forbids, and what a connection is bound to.

use super::super::clients::*;
use super::super::script::{framed, query, reply};
use super::super::{Count, Scheme};
use quinn::ConnectionError;
use std::net::UdpSocket;
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(50);

/// A query for the root's NS with an option of this code.
fn with_option(code: u8) -> Vec<u8> {
    let mut query = b"\0\0\x01\0\0\x01\0\0\0\0\0\x01\0\0\x02\0\x01".to_vec();
    query.extend_from_slice(b"\0\0\x29\x04\xd0\0\0\0\0\0\x04\0");
    query.extend_from_slice(&[code, 0, 0]);
    query
}

#[test]
fn what_the_standard_forbids_ends_the_connection() {
    let served = Served::patient("forbidden", |_| {});
    let cases = [
        ("an ID", framed(&query(1, "echo"))),
        ("no octets", Vec::new()),
        ("half a prefix", vec![0]),
        ("length 0", vec![0, 0]),
        (
            "less than it says",
            framed(&query(0, "echo"))[..10].to_vec(),
        ),
        ("no header", framed(b"\0\0short")),
        ("TCP's keepalive", framed(&with_option(11))),
    ];
    let number = cases.len() as u64;
    block_on(async {
        for (what, octets) in cases {
            let connection = served.doq().await;
            assert!(exchange(&connection, &octets).await.is_err(), "{what}");
            let closed = connection.closed().await;
            let ConnectionError::ApplicationClosed(closed) = closed else {
                panic!("{what}: {closed}");
            };
            assert_eq!(closed.error_code, 2_u32.into(), "{what}");
        }
        // What is new is not forbidden.
        let connection = served.doq().await;
        let answer = ask_quic(&connection, &with_option(12)).await;
        assert_eq!(answer[..3], [0, 0, 0x81]);
    });
    assert_eq!(served.replied(Scheme::Quic, 2), number);
    served.running.stop();
}

#[test]
fn a_stream_waits_for_none_of_the_others() {
    let served = Served::patient("streams", |_| {});
    block_on(async {
        let connection = served.doq().await;
        let (mut send, mut receive) = connection.open_bi().await.unwrap();
        send.write_all(&framed(&query(0, "hold"))).await.unwrap();
        until(|| served.running.count(Count::Held) == 1).await;
        // Half a query, and none at all.
        let mut half = connection.open_bi().await.unwrap();
        half.0.write_all(&[0, 16, 0]).await.unwrap();
        for _ in 0..100 {
            assert_eq!(
                ask_quic(&connection, &query(0, "echo")).await,
                reply(0, "echo")
            );
        }
        // A query that is answered before its stream's end was sent.
        let mut open = connection.open_bi().await.unwrap();
        open.0.write_all(&framed(&query(0, "echo"))).await.unwrap();
        let answer = open.1.read_to_end(1024).await.unwrap();
        assert_eq!(answer, framed(&reply(0, "echo")));
        // No reply ends the stream alone.
        let dropped = exchange(&connection, &framed(&query(0, "drop"))).await;
        assert!(dropped.unwrap_err().contains('5'));
        served.running.drain.start();
        let late = receive.read_to_end(1024).await.unwrap();
        assert_eq!(late, framed(&reply(0, "late")));
    });
    served.running.stop();
}

#[test]
fn who_is_too_slow_is_closed() {
    let served = Served::patient("quic-slow", |setup| {
        setup.timeouts.first = 4 * SHORT;
        setup.options.tcp_idle_timeout = 8 * SHORT;
    });
    block_on(async {
        let connection = served.doq().await;
        let mut half = connection.open_bi().await.unwrap();
        half.0.write_all(&[0, 16, 0]).await.unwrap();
        let ended = half.1.read_to_end(1024).await;
        assert!(ended.is_err(), "the stream has its time");
        let closed = connection.closed().await;
        let ConnectionError::ApplicationClosed(closed) = closed else {
            panic!("{closed}");
        };
        assert_eq!(closed.error_code, 0_u32.into(), "idle is no fault");
    });
    served.running.stop();
}

#[test]
fn an_address_is_that_of_the_handshake_for_good() {
    let served = Served::patient("moved", |setup| {
        setup.options.tcp_idle_timeout = 8 * SHORT;
    });
    block_on(async {
        let client = quic_client();
        let config = quic_config(served.trusting(&["doq"]));
        let connecting = client.connect_with(config, served.address(Scheme::Quic), "localhost");
        let connection = connecting.unwrap().await.unwrap();
        assert_eq!(
            ask_quic(&connection, &query(0, "echo")).await,
            reply(0, "echo")
        );
        // The same client from another port: a pod could send as another, and take the answers home.
        client
            .rebind(UdpSocket::bind("127.0.0.1:0").unwrap())
            .unwrap();
        let message = framed(&query(0, "echo"));
        let asked = exchange(&connection, &message);
        assert!(tokio::time::timeout(4 * SHORT, asked).await.is_err());
        assert_eq!(served.running.count(Count::QuicQueries), 1);
        client.close(0_u32.into(), b"");
    });
    served.running.stop();
}

#[test]
fn nothing_is_taken_before_the_handshake_is_done() {
    let served = Served::patient("early", |_| {});
    block_on(async {
        let client = quic_client();
        let mut tls = served.trusting(&["doq"]);
        tls.enable_early_data = true;
        let config = quic_config(tls);
        for _ in 0..3 {
            let address = served.address(Scheme::Quic);
            let connecting = client.connect_with(config.clone(), address, "localhost");
            // Only where the server's last ticket allows for it can something be sent early.
            let connection = match connecting.unwrap().into_0rtt() {
                Ok(_) => panic!("the server takes early data"),
                Err(connecting) => connecting.await.unwrap(),
            };
            assert_eq!(
                ask_quic(&connection, &query(0, "echo")).await,
                reply(0, "echo")
            );
        }
    });
    served.running.stop();
}
