//! A running server over TLS, HTTPS and QUIC: what is the same over all of them, and TLS itself.

use super::super::clients::*;
use super::super::script::{Elsewhere, PATIENCE, eventually, query, reply};
use super::super::tcp::MAX_MESSAGE;
use super::super::{Count, Scheme};
use crate::testing::self_signed;
use crate::tls::ClientAuth;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio_rustls::rustls::version;

const SHORT: Duration = Duration::from_millis(50);

#[test]
fn every_transport_gives_what_tcp_gives() {
    let mut served = Served::patient("same", |setup| {
        setup.upstream = Some(Arc::new(Elsewhere::default()))
    });
    let mut large = query(0, "echo");
    large.resize(9000, 0);
    let mut big = query(0, "big");
    big.truncate(15);
    for (what, message) in [
        ("at once", query(0, "echo")),
        ("a large query", large),
        ("a large answer", big),
        ("asked elsewhere", query(0, "ask")),
        ("held", query(0, "hold")),
        ("a panic", query(0, "panic")),
    ] {
        let held = what == "held";
        if held {
            let known = &served.running.script.known;
            known.store(false, Ordering::SeqCst);
        }
        let mut tcp = TcpStream::connect(served.address(Scheme::Dns)).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut dot = served.dot();
        let before = served.running.count(Count::Held);
        tcp.write_all(&super::super::script::framed(&message))
            .unwrap();
        send_tls(&mut dot, &message);
        block_on(async {
            let (mut doh, doq) = (served.doh().await, served.doq().await);
            let (mut second, http1) = (doh.clone(), served.trusting(&["http/1.1"]));
            let address = served.address(Scheme::Https);
            let others = async {
                tokio::join!(
                    doh.ask(post(&message)),
                    second.ask(get(&message)),
                    ask_http1(address, http1, post(&message)),
                    ask_quic(&doq, &message)
                )
            };
            let learn = async {
                let count = || served.running.server.stats().get(Count::Held);
                until(|| !held || count() == before + 6).await;
                served.running.script.known.store(true, Ordering::SeqCst);
                let publisher = &mut served.running.publisher;
                publisher.publish(crate::testing::empty_snapshot());
            };
            let (others, ()) = tokio::join!(others, learn);
            let expected = super::super::script::receive(&mut tcp);
            assert_eq!(receive_tls(&mut dot).unwrap(), expected, "{what}");
            assert_eq!(others.0, (200, expected.clone()), "{what}");
            assert_eq!(others.1, (200, expected.clone()), "{what}");
            assert_eq!(others.2, (200, expected.clone()), "{what}");
            assert_eq!(others.3, expected, "{what}");
            if what == "a large answer" {
                assert_eq!(expected.len(), MAX_MESSAGE);
            }
        });
    }
    assert_eq!(served.replied(Scheme::Https, 200), 18);
    assert_eq!(served.replied(Scheme::Quic, 0), 6);
    let stats = served.running.stop();
    for (count, number) in [
        (Count::TcpQueries, 6),
        (Count::TlsQueries, 6),
        (Count::HttpsQueries, 18),
        (Count::QuicQueries, 6),
        (Count::HandshakeFailed, 0),
    ] {
        assert_eq!(stats.get(count), number, "{count:?}");
    }
}

#[test]
fn a_query_tells_its_peer_and_the_address_that_it_asked() {
    let served = Served::patient("whence", |_| {});
    let other = |scheme| {
        let port = served.address(scheme).port();
        std::net::SocketAddr::from(([127, 0, 0, 53], port))
    };
    let whence = |id: u16, peer: std::net::SocketAddr| reply(0, &format!("{id} {peer} 127.0.0.53"));
    let mut dot = connect_tls(other(Scheme::Tls), served.trusting(&[])).unwrap();
    let peer = dot.sock.local_addr().unwrap();
    assert_eq!(ask_tls(&mut dot, &query(0, "whence")), whence(1, peer));
    block_on(async {
        let stream = https_stream(other(Scheme::Https), served.trusting(&["http/1.1"])).await;
        let peer = stream.get_ref().0.local_addr().unwrap();
        let io = hyper_util::rt::TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let mut request = post(&query(0, "whence"));
        // What a header says of the client is nobody's word.
        for name in ["x-forwarded-for", "x-real-ip", "cf-connecting-ip"] {
            let value = "10.0.0.1".parse().unwrap();
            request.headers_mut().insert(name, value);
        }
        let value = "for=10.0.0.1".parse().unwrap();
        request.headers_mut().insert("forwarded", value);
        let response = sender.send_request(request).await.unwrap();
        let body = http_body_util::BodyExt::collect(response.into_body()).await;
        assert_eq!(body.unwrap().to_bytes(), whence(2, peer));

        let client = quic_client();
        let peer = client.local_addr().unwrap();
        let config = quic_config(served.trusting(&["doq"]));
        let connecting = client.connect_with(config, other(Scheme::Quic), "localhost");
        let connection = connecting.unwrap().await.unwrap();
        let answer = ask_quic(&connection, &query(0, "whence")).await;
        assert_eq!(answer, whence(3, peer));
    });
    served.running.stop();
}

#[test]
fn who_does_not_come_to_terms_is_closed_and_counted() {
    let served = Served::patient("terms", |_| {});
    let address = served.address(Scheme::Tls);
    let stranger = self_signed("stranger");
    for (what, config) in [
        ("another protocol", served.trusting(&["h2"])),
        (
            "a client that does not trust it",
            trusting(&[&stranger], &["dot"], &[&version::TLS13]),
        ),
    ] {
        assert!(connect_tls(address, config).is_err(), "{what}");
    }
    let mut plain = TcpStream::connect(address).unwrap();
    plain.set_read_timeout(Some(PATIENCE)).unwrap();
    plain.write_all(b"\0\x0cquery in plain text").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    // An alert at most, in a record of its own.
    assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
    eventually(|| served.running.count(Count::HandshakeFailed) >= 3);
    assert_eq!(served.running.stop().get(Count::TlsQueries), 0);
}

#[test]
fn tls_1_2_and_clients_without_a_protocol_are_served_and_older_ones_are_not() {
    let served = Served::patient("versions", |_| {});
    let address = served.address(Scheme::Tls);
    for (versions, protocols) in [
        (&[&version::TLS12][..], &["dot"][..]),
        (&[&version::TLS13], &["dot"]),
        (&[&version::TLS13], &[]),
        (&[&version::TLS12], &["x", "dot"]),
    ] {
        let config = trusting(&[&served.pair], protocols, versions);
        let mut stream = connect_tls(address, config).unwrap();
        assert_eq!(stream.conn.alpn_protocol().is_some(), !protocols.is_empty());
        assert_eq!(ask_tls(&mut stream, &query(1, "echo")), reply(1, "echo"));
    }
    // A ClientHello of TLS 1.1: its version is in the record's body, and nothing else says 1.2.
    let mut old = TcpStream::connect(address).unwrap();
    old.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut hello = vec![1, 0, 0, 43, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0xc0, 0x09, 0xc0, 0x13, 1, 0]);
    let mut record = vec![22, 3, 1, 0, hello.len() as u8];
    record.append(&mut hello);
    old.write_all(&record).unwrap();
    let mut answer = Vec::new();
    let _ = old.read_to_end(&mut answer);
    assert_eq!(answer.first(), Some(&21), "an alert: {answer:?}");
    served.running.stop();
}

#[test]
fn a_handshake_has_its_time() {
    let served = Served::patient("slow", |setup| setup.timeouts.first = SHORT);
    for scheme in [Scheme::Tls, Scheme::Https] {
        let mut silent = TcpStream::connect(served.address(scheme)).unwrap();
        silent.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(silent.read(&mut [0; 1]).unwrap_or(0), 0);
    }
    served.running.expect(Count::HandshakeFailed, 2);
    served.running.stop();
}

#[test]
fn pipelined_queries_are_answered_in_order_and_a_deaf_client_keeps_nobody_waiting() {
    let served = Served::patient("pipelined", |setup| setup.timeouts.write = 4 * SHORT);
    let mut stream = served.dot();
    for id in 0..200 {
        send_tls(&mut stream, &query(id, "echo"));
    }
    for id in 0..200 {
        assert_eq!(receive_tls(&mut stream).unwrap(), reply(id, "echo"));
    }
    let mut deaf = served.dot();
    for id in 0..500 {
        let message = query(id, "big");
        let framed = super::super::script::framed(&message);
        if deaf.write_all(&framed).and_then(|()| deaf.flush()).is_err() {
            break;
        }
    }
    assert_eq!(ask_tls(&mut stream, &query(1, "echo")), reply(1, "echo"));
    eventually(|| served.running.count(Count::TcpTimedOut) > 0);
    served.running.stop();
}

#[test]
fn a_certificate_is_asked_of_clients_as_configured() {
    let files = Files::new("authorities");
    let (own, stranger) = (self_signed("client"), self_signed("stranger"));
    let authorities = files.path("ca.crt");
    std::fs::write(&authorities, &own.certificate).unwrap();
    // With none, with one of the authorities', with another.
    for (client_auth, expected) in [
        (ClientAuth::NoCert, [true, true, true]),
        (ClientAuth::Request, [true, true, true]),
        (ClientAuth::Require, [false, true, true]),
        (
            ClientAuth::VerifyIfGiven(authorities.clone()),
            [true, true, false],
        ),
        (
            ClientAuth::RequireAndVerify(authorities),
            [false, true, false],
        ),
    ] {
        let what = format!("{client_auth:?}");
        let served = Served::asking("auth", client_auth, |_| {});
        let trusted = [&served.pair];
        let answered = [
            served.trusting(&["dot"]),
            showing(&trusted, &own, &["dot"]),
            showing(&trusted, &stranger, &["dot"]),
        ]
        .map(|config| {
            let stream = connect_tls(served.address(Scheme::Tls), config);
            stream.is_ok_and(|mut stream| {
                // Under TLS 1.3 a client is told of its certificate after its first octets.
                let message = super::super::script::framed(&query(1, "echo"));
                let sent = stream.write_all(&message).and_then(|()| stream.flush());
                sent.is_ok() && receive_tls(&mut stream).is_ok()
            })
        });
        assert_eq!(answered, expected, "{what}");
        served.running.stop();
    }
}

#[test]
fn a_certificate_is_renewed_under_load_without_a_failed_query() {
    let served = Served::patient("renewed", |_| {});
    let renewed = self_signed("renewed");
    let both = [&served.pair, &renewed];
    let stop = AtomicBool::new(false);
    let answered = AtomicU64::new(0);
    let progress = || {
        let before = answered.load(Ordering::SeqCst);
        eventually(|| answered.load(Ordering::SeqCst) >= before + 30);
    };
    std::thread::scope(|scope| {
        let ask = |protocols: &'static [&'static str], ask: fn(&Served, _)| {
            let (both, stop, answered, served) = (&both, &stop, &answered, &served);
            scope.spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    let versions = &[&version::TLS13];
                    ask(served, trusting(both.as_slice(), protocols, versions));
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        };
        // A connection each, so that each is shown a certificate.
        ask(&["dot"], |served, config| {
            let mut stream = connect_tls(served.address(Scheme::Tls), config).unwrap();
            assert_eq!(ask_tls(&mut stream, &query(1, "echo")), reply(1, "echo"));
        });
        ask(&["h2"], |served, config| {
            let answer = block_on(async {
                let address = served.address(Scheme::Https);
                Http2::connect(address, config)
                    .await
                    .ask(post(&query(1, "echo")))
                    .await
            });
            assert_eq!(answer, (200, reply(1, "echo")));
        });
        ask(&["doq"], |served, config| {
            let answer = block_on(async {
                let connection = connect_quic(served.address(Scheme::Quic), config).await;
                ask_quic(&connection.unwrap(), &query(0, "echo")).await
            });
            assert_eq!(answer, reply(0, "echo"));
        });
        // One that was there before goes on.
        let mut before = served.dot();
        progress();
        served.files.write(&renewed);
        // Until the old one is shown no more, over any of them.
        let old = || trusting(&[&served.pair], &[], &[&version::TLS13]);
        eventually(|| connect_tls(served.address(Scheme::Tls), old()).is_err());
        eventually(|| connect_tls(served.address(Scheme::Https), old()).is_err());
        eventually(|| {
            let config = trusting(&[&served.pair], &["doq"], &[&version::TLS13]);
            let address = served.address(Scheme::Quic);
            block_on(async { connect_quic(address, config).await.is_err() })
        });
        progress();
        assert_eq!(ask_tls(&mut before, &query(1, "echo")), reply(1, "echo"));
        stop.store(true, Ordering::SeqCst);
    });
    served.running.stop();
}

#[test]
fn stopping_answers_what_is_there_and_ends_every_connection() {
    let served = Served::patient("stopping", |_| {});
    let (mut idle, mut holding) = (served.dot(), served.dot());
    send_tls(&mut holding, &query(1, "hold"));
    let drain = served.running.drain.clone();
    block_on(async {
        let (mut doh, doq) = (served.doh().await, served.doq().await);
        let over_quic = query(0, "hold");
        let asking = async {
            tokio::join!(
                doh.send(post(&query(1, "hold"))),
                ask_quic(&doq, &over_quic)
            )
        };
        let stopping = async {
            until(|| served.running.count(Count::Held) >= 3).await;
            drain.start();
        };
        let ((over_https, over_quic), ()) = tokio::join!(asking, stopping);
        assert_eq!(over_https.unwrap().1, reply(1, "late"));
        assert_eq!(over_quic, reply(0, "late"));
        assert_eq!(receive_tls(&mut holding).unwrap(), reply(1, "late"));
        // None is left open, and no new one is taken.
        assert!(matches!(
            doq.closed().await,
            quinn::ConnectionError::ApplicationClosed(ref closed) if closed.error_code == 0_u32.into()
        ));
        assert!(doh.send(post(&query(1, "echo"))).await.is_err());
        for stream in [&mut idle, &mut holding] {
            // With TLS's own word that nothing was cut off.
            assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
        }
    });
    let address = served.address(Scheme::Tls);
    let stats = served.running.stop();
    assert!(TcpStream::connect(address).is_err());
    assert_eq!(stats.get(Count::TcpTimedOut), 0);
}

#[test]
fn places_are_a_clients_over_all_that_is_encrypted() {
    let served = Served::patient("places", |setup| {
        setup.options.tcp_connections_per_client = 2
    });
    let first = served.dot();
    block_on(async {
        let _second = served.doq().await;
        until(|| served.running.count(Count::QuicAccepted) == 1).await;
        let third = connect_quic(served.address(Scheme::Quic), served.trusting(&["doq"])).await;
        let closed = match third {
            Ok(connection) => connection.closed().await,
            Err(error) => error,
        };
        assert!(matches!(
            closed,
            quinn::ConnectionError::ApplicationClosed(ref closed) if closed.error_code == 4_u32.into()
        ));
        assert!(connect_tls(served.address(Scheme::Tls), served.trusting(&[])).is_err());
        drop(first);
        // A place that is given back is this client's again.
        until(|| connect_tls(served.address(Scheme::Tls), served.trusting(&[])).is_ok()).await;
    });
    served.running.stop();
}
