//! The listeners over sockets, and who may hold them.

mod guarded;

use super::*;
use socket2::{Domain, Socket, Type};
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

/// Says what it was asked.
struct Echo;

impl Details for Echo {
    fn metrics(&self) -> String {
        "tenants 1\n".to_owned()
    }

    fn snapshot(&self) -> String {
        "{}".to_owned()
    }

    fn explain(&self, from: &str, name: &str, rtype: &str) -> Result<String, Refusal> {
        match from {
            "nobody" => Err(Refusal::Wrong("there is no namespace nobody".to_owned())),
            "busy" => Err(Refusal::Busy("ask again".to_owned())),
            _ => Ok(format!("{from} {name} {rtype}")),
        }
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
        admin: None,
    };
    let bound = bind(&options).unwrap();
    let addresses: Vec<SocketAddr> = bound.local_addresses().map(|(a, _)| a).collect();
    let admin = bound
        .start(Arc::new(Fixed { ready }), Arc::new(Echo), None)
        .unwrap();
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
    read(&exchange(address, &request(line)))
}

fn request(line: &str) -> String {
    request_of(line, "localhost")
}

fn request_of(line: &str, host: &str) -> String {
    format!("{line} HTTP/1.1\r\nhost: {host}\r\n\r\n")
}

/// Returns the status and the body of an answer.
fn read(answer: &str) -> (u16, String) {
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
fn who_holds_every_connection_loses_the_oldest_of_its_own() {
    let (admin, [health, ..]) = start(true);
    let from = |source: [u8; 4]| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let source = SocketAddr::from((source, 0));
        socket.bind(&source.into()).unwrap();
        socket.connect(&health.into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    let mut first = from([127, 0, 0, 3]);
    let mut held: Vec<TcpStream> = (0..40).map(|_| from([127, 0, 0, 2])).collect();
    assert_eq!(ask(health, "GET /health").0, 200);
    let mut end = [0];
    assert!(matches!(held[0].read(&mut end), Ok(0) | Err(_)));
    first.write_all(request("GET /health").as_bytes()).unwrap();
    let mut answer = String::new();
    first.read_to_string(&mut answer).unwrap();
    assert_eq!(read(&answer).0, 200);
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
        admin: None,
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
    let admin = bound
        .start(Arc::new(Fixed { ready: true }), Arc::new(Echo), None)
        .unwrap();
    assert_eq!(ask(([127, 0, 0, 1], port).into(), "GET /health").0, 200);
    assert!(admin.close());
}

/// Returns running listeners: everybody's metrics, and the administrator's door.
fn start_admin(door: Door) -> (Admin, Vec<SocketAddr>) {
    let options = Options {
        metrics: any_port(),
        admin: Some(door),
        ..Options::OFF
    };
    let bound = bind(&options).unwrap();
    let addresses = bound.local_addresses().map(|(a, _)| a).collect();
    let admin = bound
        .start(Arc::new(Fixed { ready: true }), Arc::new(Echo), None)
        .unwrap();
    (admin, addresses)
}

#[test]
fn what_names_tenants_is_at_the_administrators_door_alone() {
    let (admin, addresses) = start_admin(Door::Loopback(any_port().unwrap()));
    let [metrics, door] = addresses[..] else {
        panic!("{addresses:?}");
    };
    for (address, line, status, body) in [
        (metrics, "GET /metrics", 200, "a_series 1\n"),
        (metrics, "GET /snapshot", 404, "not found\n"),
        (metrics, "GET /explain?from=a&name=b", 404, "not found\n"),
        (door, "GET /metrics", 200, "tenants 1\n"),
        (door, "GET /snapshot", 200, "{}"),
        (door, "GET /health", 404, "not found\n"),
        (door, "POST /explain", 405, "method not allowed\n"),
    ] {
        assert_eq!(ask(address, line), (status, body.to_owned()), "{line}");
    }
    assert!(admin.close());
}

#[test]
fn an_explanation_is_asked_for_by_three_parameters() {
    let (admin, addresses) = start_admin(Door::Loopback(any_port().unwrap()));
    let usage = "ask /explain?from=IP|NAMESPACE|NAMESPACE/POD&name=NAME&type=TYPE\n";
    for (query, status, body) in [
        (
            "from=shop&name=a.b&type=AAAA",
            200,
            "shop a.b AAAA".to_owned(),
        ),
        ("name=a&from=fd00::1", 200, "fd00::1 a A".to_owned()),
        (
            "from=shop/pod-0&name=a%2Eb%2f",
            200,
            "shop/pod-0 a.b/ A".to_owned(),
        ),
        ("from=shop", 400, format!("`name` is missing; {usage}")),
        ("", 400, format!("`from` is missing; {usage}")),
        (
            "from=a&from=b&name=c",
            400,
            format!("`from` is given twice; {usage}"),
        ),
        (
            "from=a&name=b&qtype=A",
            400,
            format!("there is no such parameter; {usage}"),
        ),
        (
            "from=a&name=%zz",
            400,
            format!("`name` is not percent-encoded UTF-8; {usage}"),
        ),
        (
            "from=a&name=%ff",
            400,
            format!("`name` is not percent-encoded UTF-8; {usage}"),
        ),
        (
            "from=a&name=%f",
            400,
            format!("`name` is not percent-encoded UTF-8; {usage}"),
        ),
        (
            "from=nobody&name=a",
            400,
            "there is no namespace nobody\n".to_owned(),
        ),
        ("from=busy&name=a", 503, "ask again\n".to_owned()),
    ] {
        let line = format!("GET /explain?{query}");
        assert_eq!(ask(addresses[1], &line), (status, body), "{query}");
    }
    assert!(admin.close());
}

#[test]
fn a_unix_socket_is_its_owners_and_goes_with_the_listener() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::{UnixListener, UnixStream};
    let name = format!("tenantdns-door-{}.sock", std::process::id());
    let path = std::env::temp_dir().join(name);
    // A predecessor that was killed left its socket behind.
    let _ = std::fs::remove_file(&path);
    drop(UnixListener::bind(&path).unwrap());
    let (admin, addresses) = start_admin(Door::Unix(path.clone()));
    assert_eq!(addresses.len(), 1);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(request("GET /metrics").as_bytes())
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(read(&answer), (200, "tenants 1\n".to_owned()));

    let taken = Options {
        admin: Some(Door::Unix(path.clone())),
        ..Options::OFF
    };
    let error = bind(&taken).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("{} for [admin]: ", path.display())),
        "{error}"
    );
    assert!(admin.close());
    assert!(!path.exists());
}

#[test]
fn no_file_but_a_socket_is_removed_for_a_socket() {
    let name = format!("tenantdns-file-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, "kept").unwrap();
    let options = Options {
        admin: Some(Door::Unix(path.clone())),
        ..Options::OFF
    };
    assert!(bind(&options).is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "kept");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn the_administrators_pages_are_not_served_under_a_strangers_name() {
    let (admin, addresses) = start_admin(Door::Loopback(any_port().unwrap()));
    for (host, status) in [
        ("localhost", 200),
        ("LOCALHOST:9154", 200),
        ("127.0.0.1:9154", 200),
        ("127.8.8.8", 200),
        ("[::1]:9154", 200),
        ("[::1]", 200),
        ("attacker.example", 421),
        ("localhost.attacker.example:9154", 421),
        ("10.0.0.1:9154", 421),
        ("", 421),
    ] {
        let answer = exchange(addresses[1], &request_of("GET /metrics", host));
        assert_eq!(read(&answer).0, status, "{host}");
        let answer = exchange(addresses[0], &request_of("GET /metrics", host));
        assert_eq!(read(&answer).0, 200, "{host}: everybody's page");
    }
    let without = "GET /metrics HTTP/1.0\r\n\r\n";
    assert_eq!(read(&exchange(addresses[1], without)).0, 200);
    assert!(admin.close());
}
