//! The listeners over sockets, and who may hold them.

use super::*;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer is waited for. Nothing is expected to take it.
const PATIENCE: Duration = Duration::from_secs(20);

struct Fixed {
    ready: bool,
}

impl Pages for Fixed {
    fn ready(&self) -> (bool, String) {
        (self.ready, "a line\n".to_owned())
    }

    fn metrics(&self) -> String {
        "a_series 1\n".to_owned()
    }
}

fn any_port() -> Option<SocketAddr> {
    Some(SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// Returns running listeners with the addresses of health, ready and metrics.
fn start(ready: bool) -> (Admin, [SocketAddr; 3]) {
    let options = Options {
        health: any_port(),
        ready: any_port(),
        metrics: any_port(),
    };
    let bound = bind(&options).unwrap();
    let addresses: Vec<SocketAddr> = bound.local_addresses().map(|(a, _)| a).collect();
    let admin = bound.start(Arc::new(Fixed { ready })).unwrap();
    (admin, addresses.try_into().unwrap())
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends text, and returns everything that comes back before the end.
fn exchange(address: SocketAddr, text: &str) -> String {
    let mut stream = connect(address);
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Asks, and returns the status and the body.
fn ask(address: SocketAddr, line: &str) -> (u16, String) {
    let answer = exchange(address, &format!("{line} HTTP/1.1\r\nhost: a\r\n\r\n"));
    let status = answer.split(' ').nth(1).and_then(|s| s.parse().ok());
    let body = answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned());
    (status.unwrap_or_else(|| panic!("{answer}")), body.unwrap())
}

#[test]
fn each_listener_has_its_page_and_no_other() {
    let (admin, [health, ready, metrics]) = start(true);
    for (address, line, status, body) in [
        (health, "GET /health", 200, "OK"),
        (health, "GET /health?verbose", 200, "OK"),
        (health, "HEAD /health", 200, ""),
        (health, "GET /ready", 404, "not found\n"),
        (health, "GET /", 404, "not found\n"),
        (health, "GET /health/", 404, "not found\n"),
        (health, "POST /health", 405, "method not allowed\n"),
        (health, "DELETE /", 404, "not found\n"),
        (ready, "GET /ready", 200, "a line\n"),
        (ready, "GET /metrics", 404, "not found\n"),
        (metrics, "GET /metrics", 200, "a_series 1\n"),
        (metrics, "PUT /metrics", 405, "method not allowed\n"),
        (metrics, "GET /debug/pprof", 404, "not found\n"),
    ] {
        assert_eq!(ask(address, line), (status, body.to_owned()), "{line}");
    }
    assert!(admin.close());
    assert!(TcpStream::connect(health).is_err(), "closed is closed");
}

#[test]
fn what_is_not_ready_is_503_with_the_same_text() {
    let (admin, [_, ready, _]) = start(false);
    assert_eq!(ask(ready, "GET /ready"), (503, "a line\n".to_owned()));
    assert!(admin.close());
}

#[test]
fn bodies_and_headers_do_not_matter() {
    let (admin, [health, ..]) = start(true);
    let body = "x".repeat(4000);
    let text = format!("GET /health HTTP/1.1\r\ncontent-length: 4000\r\n\r\n{body}");
    assert!(exchange(health, &text).starts_with("HTTP/1.1 200"));
    let header = format!("GET /health HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(20_000));
    let mut stream = connect(health);
    // The server may be done with us before everything is sent.
    let _ = stream.write_all(header.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
    assert_eq!(ask(health, "GET /health").0, 200);
    assert!(admin.close());
}

#[test]
fn who_holds_every_connection_keeps_no_probe_out() {
    let (admin, [health, ready, _]) = start(true);
    let mut held: Vec<TcpStream> = (0..40).map(|_| connect(health)).collect();
    assert_eq!(ask(health, "GET /health").0, 200);
    assert_eq!(
        ask(ready, "GET /ready").0,
        200,
        "each listener has its own places"
    );
    // The oldest had to go.
    let mut end = [0];
    assert!(matches!(held[0].read(&mut end), Ok(0) | Err(_)));
    assert!(admin.close());
}

#[test]
fn pages_at_one_address_share_a_listener() {
    let port = {
        let bound = bind(&Options {
            health: any_port(),
            ..Options::OFF
        });
        bound.unwrap().local_addresses().next().unwrap().0
    };
    let options = Options {
        health: Some(port),
        ready: Some(port),
        metrics: None,
    };
    let bound = bind(&options).unwrap();
    let routes: Vec<Vec<_>> = bound
        .local_addresses()
        .map(|(_, r)| r.paths().collect())
        .collect();
    assert_eq!(routes, [["/health", "/ready"]]);
    let error = bind(&options).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("{port}/tcp for [health]: ")),
        "{text}"
    );
    assert!(
        text.ends_with("choose another address with `listen`, or \"\" for none"),
        "{text}"
    );
}

#[test]
fn a_wildcard_takes_ipv4_too() {
    let any = "[::]:0".parse().ok();
    let bound = bind(&Options {
        health: any,
        ..Options::OFF
    })
    .unwrap();
    let port = bound.local_addresses().next().unwrap().0.port();
    let admin = bound.start(Arc::new(Fixed { ready: true })).unwrap();
    assert_eq!(ask(([127, 0, 0, 1], port).into(), "GET /health").0, 200);
    assert!(admin.close());
}
