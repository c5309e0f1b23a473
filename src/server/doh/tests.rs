//! A running server over HTTPS: what is no query, what takes too long, and what may be kept.

use super::super::clients::*;
use super::super::script::{PATIENCE, query, reply};
use super::super::{Count, Scheme};
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SHORT: Duration = Duration::from_millis(50);

fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = Full::new(Bytes::copy_from_slice(body));
    request
        .uri(format!("https://localhost{path}"))
        .body(body)
        .unwrap()
}

#[test]
fn what_is_no_query_is_told_by_its_status() {
    let served = Served::patient("statuses", |_| {});
    let message = query(1, "echo");
    let own = ("content-type", "application/dns-message");
    let mut response = message.clone();
    response[2] |= 0x80;
    let large = vec![0; 65_536];
    type Case<'a> = (u16, &'a str, &'a str, &'a [(&'a str, &'a str)], &'a [u8]);
    let cases: [Case<'_>; 12] = [
        (404, "POST", "/", &[own], &message),
        (404, "GET", "/metrics", &[], b""),
        (405, "PUT", "/dns-query", &[own], &message),
        (405, "HEAD", "/dns-query?dns=AAA", &[], b""),
        (415, "POST", "/dns-query", &[], &message),
        (
            415,
            "POST",
            "/dns-query",
            &[("content-type", "application/json")],
            b"{}",
        ),
        (413, "POST", "/dns-query", &[own], &large),
        (400, "POST", "/dns-query", &[own], b""),
        (400, "POST", "/dns-query", &[own], b"short"),
        (400, "POST", "/dns-query", &[own], &response),
        (400, "GET", "/dns-query?dns=%41", &[], b""),
        (400, "GET", "/dns-query", &[], b""),
    ];
    block_on(async {
        for http1 in [false, true] {
            // One connection for all of them: none of these is a reason to end it.
            let mut http2 = served.doh().await;
            for (status, method, path, headers, body) in cases {
                let request = request(method, path, headers, body);
                let what = format!("{method} {path} {headers:?}, HTTP/1.1: {http1}");
                let answer = match http1 {
                    false => http2.ask(request).await,
                    true => {
                        let config = served.trusting(&["http/1.1"]);
                        ask_http1(served.address(Scheme::Https), config, request).await
                    }
                };
                assert_eq!(answer, (status, Vec::new()), "{what}");
            }
            // No reply is a failure of the server's.
            let dropped = http2.ask(post(&query(1, "drop"))).await;
            assert_eq!(dropped, (500, Vec::new()));
            let answer = http2.ask(post(&message)).await;
            assert_eq!(answer, (200, reply(1, "echo")));
        }
    });
    for (status, count) in [
        (200, 2),
        (400, 10),
        (404, 4),
        (405, 4),
        (413, 2),
        (415, 4),
        (500, 2),
    ] {
        assert_eq!(served.replied(Scheme::Https, status), count, "{status}");
    }
    served.running.stop();
}

#[test]
fn a_reply_says_what_it_is_and_how_long_its_client_may_keep_it() {
    let served = Served::patient("headers", |_| {});
    block_on(async {
        let (head, _) = served
            .doh()
            .await
            .send(post(&query(1, "echo")))
            .await
            .unwrap();
        let header = |name| head.headers()[name].to_str().unwrap();
        assert_eq!(header("content-type"), "application/dns-message");
        assert_eq!(header("cache-control"), "private, max-age=0");
        assert_eq!(header("content-length"), "16");
        let put = request("PUT", "/dns-query", &[], b"");
        let (head, _) = served.doh().await.send(put).await.unwrap();
        assert_eq!(head.headers()["allow"], "GET, POST");
    });
    served.running.stop();
}

#[test]
fn what_is_no_http_is_closed() {
    let served = Served::patient("garbage", |_| {});
    block_on(async {
        for (protocol, octets) in [
            ("h2", &b"GET /dns-query HTTP/1.1\r\nHost: a\r\n\r\n"[..]),
            ("h2", &[0; 64]),
            ("http/1.1", b"\x16\x03\x01 not at all\r\n\r\n"),
            ("http/1.1", b"GET /dns-query HTTP/9.9\r\n\r\n"),
            (
                "http/1.1",
                b"POST /dns-query HTTP/1.1\r\ncontent-length: x\r\n\r\n",
            ),
            (
                "http/1.1",
                b"POST /dns-query HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            ),
        ] {
            let config = served.trusting(&[protocol]);
            let mut stream = https_stream(served.address(Scheme::Https), config).await;
            stream.write_all(octets).await.unwrap();
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            let text = String::from_utf8_lossy(&answer);
            assert!(!text.contains("200 OK"), "{protocol} {octets:?}: {text}");
            // Others are answered.
            let answer = served.doh().await.ask(post(&query(1, "echo"))).await;
            assert_eq!(answer, (200, reply(1, "echo")));
        }
    });
    assert_eq!(served.running.stop().get(Count::HttpsQueries), 6);
}

#[test]
fn headers_without_end_are_cut_off() {
    let served = Served::patient("endless", |_| {});
    block_on(async {
        let config = served.trusting(&["http/1.1"]);
        let mut stream = https_stream(served.address(Scheme::Https), config).await;
        stream
            .write_all(b"GET /dns-query HTTP/1.1\r\na: ")
            .await
            .unwrap();
        let mut sent = 0;
        while sent < 1 << 22 && stream.write_all(&[b'b'; 1024]).await.is_ok() {
            sent += 1024;
        }
        assert!(sent < 1 << 22);
        let long = format!("/dns-query?dns={}", "A".repeat(20_000));
        let answer = served
            .doh()
            .await
            .ask(request("GET", &long, &[], b""))
            .await;
        assert_eq!(answer.0, 431);
    });
    served.running.stop();
}

#[test]
fn who_is_too_slow_is_closed_and_who_asks_is_not() {
    let served = Served::patient("idle", |setup| {
        setup.timeouts.first = 4 * SHORT;
        setup.options.tcp_idle_timeout = 8 * SHORT;
    });
    let address = served.address(Scheme::Https);
    block_on(async {
        for (what, protocol, octets) in [
            ("silent, HTTP/2", "h2", &b""[..]),
            ("silent, HTTP/1.1", "http/1.1", b""),
            ("half a request", "http/1.1", b"POST /dns-query HT"),
            ("half a preface", "h2", b"PRI * HTTP/2.0\r\n"),
            (
                "no body",
                "http/1.1",
                b"POST /dns-query HTTP/1.1\r\ncontent-type: application/dns-message\r\ncontent-length: 16\r\n\r\n",
            ),
        ] {
            let mut stream = https_stream(address, served.trusting(&[protocol])).await;
            stream.write_all(octets).await.unwrap();
            let mut answer = Vec::new();
            let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
            assert!(end.is_ok(), "{what}");
            let is_late = answer.starts_with(b"HTTP/1.1 408 ");
            assert_eq!(is_late, what == "no body", "{what}");
        }
        // Many times as long as a connection may be idle, and never idle.
        let mut busy = served.doh().await;
        let end = tokio::time::Instant::now() + 24 * SHORT;
        while tokio::time::Instant::now() < end {
            let answer = busy.ask(post(&query(1, "echo"))).await;
            assert_eq!(answer, (200, reply(1, "echo")));
        }
    });
    served.running.stop();
}

#[test]
fn a_client_that_does_not_take_its_replies_is_not_waited_for() {
    let served = Served::patient("deaf", |setup| {
        setup.timeouts.write = 2 * SHORT;
        setup.timeouts.late = 2 * SHORT;
        setup.options.tcp_idle_timeout = 4 * SHORT;
    });
    block_on(async {
        // A window of nothing: whatever is answered stays with the server.
        let stream = https_stream(served.address(Scheme::Https), served.trusting(&["h2"])).await;
        let io = hyper_util::rt::TokioIo::new(stream);
        let (mut sender, connection) =
            hyper::client::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new())
                .initial_stream_window_size(0)
                .handshake::<_, Full<Bytes>>(io)
                .await
                .unwrap();
        let ended = tokio::spawn(connection);
        let answer = sender.send_request(post(&query(1, "big"))).await;
        // Kept, and never read.
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 200);
        let end = tokio::time::timeout(PATIENCE, ended).await;
        assert!(end.is_ok(), "the connection has ended");
    });
    served.running.expect(Count::TcpTimedOut, 1);
    served.running.stop();
}
