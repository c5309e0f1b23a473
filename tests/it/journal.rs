//! The query log and dnstap of the running program: what comes out, and that whoever does not read it
//! keeps nobody from being answered.

use crate::live::receive;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use tenantdns::tap::{Frame, Frames, Told, read_message};
use tenantdns::testing::query;
use tenantdns::wire::RType;

/// How long a fact is waited for. Nothing is expected to take it.
const PATIENCE: Duration = Duration::from_secs(30);

const NAME: &str = "web.shop.svc.cluster.local.";

const CONFIG: &str = concat!(
    r#"
[server]
listen = ["127.0.0.1:0"]
threads = 1
[health]
listen = ""
[ready]
listen = ""
[metrics]
listen = "127.0.0.1:0"
[admin]
listen = ""
[source]
manifests = [""#,
    env!("CARGO_MANIFEST_DIR"),
    "/examples/quickstart\"]\n"
);

struct Serving {
    child: Child,
    dns: SocketAddr,
    metrics: SocketAddr,
    stdout: BufReader<ChildStdout>,
    // Kept open: the program logs to it.
    _stderr: BufReader<ChildStderr>,
}

impl Serving {
    fn start(name: &str, more: &str) -> Self {
        let file = temporary(name);
        std::fs::write(&file, format!("{CONFIG}{more}")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tenantdns"))
            .args(["serve", "--config"])
            .arg(&file)
            .env_remove("TENANTDNS_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let http = line_with(&mut stderr, "address=");
        let metrics = http.split("address=").nth(1).unwrap();
        let metrics = metrics.split(' ').next().unwrap().parse().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let listening = line_with(&mut stdout, "listening on ");
        let dns = listening.split(' ').nth(2).unwrap().parse().unwrap();
        std::fs::remove_file(&file).unwrap();
        Self {
            child,
            dns,
            metrics,
            stdout,
            _stderr: stderr,
        }
    }

    fn ask(&self, source: &str, count: usize) {
        let socket = UdpSocket::bind((source, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(self.dns).unwrap();
        for _ in 0..count {
            socket.send(&query(NAME, RType::A)).unwrap();
            assert!(!receive(&socket).is_empty());
        }
    }

    /// Waits until a series has a value that is right.
    fn wait_for(&self, series: &str, is_right: impl Fn(f64) -> bool) {
        let start = Instant::now();
        loop {
            let mut stream = TcpStream::connect(self.metrics).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            write!(stream, "GET /metrics HTTP/1.0\r\nhost: localhost\r\n\r\n").unwrap();
            let mut page = String::new();
            stream.read_to_string(&mut page).unwrap();
            let sample = page.lines().find_map(|line| line.strip_prefix(series));
            let value = sample.unwrap_or_else(|| panic!("no {series} in\n{page}"));
            if is_right(value.trim().parse().unwrap()) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{series} is {value}");
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn temporary(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("tenantdns-{name}-{}", std::process::id()))
}

fn line_with(from: &mut impl BufRead, words: &str) -> String {
    let mut lines = from.lines().map(Result::unwrap);
    lines.find(|line| line.contains(words)).unwrap()
}

const LOST: &str = "tenantdns_unwritten_answers_total{kind=\"log\"} ";

#[test]
fn lines_say_who_asked_in_both_forms() {
    let mut serving = Serving::start(
        "journal-lines",
        "[[log]]\nzones = [\"shop.svc.cluster.local\"]\nformat = \"{name} {rcode} {/tenant/name} \
         {/tenant/client} {/kubernetes/client-namespace}/{/kubernetes/client-pod-name}\"\n\
         [[log]]\noutput = \"json\"\n",
    );
    serving.ask("127.0.0.11", 1);
    let line = line_with(&mut serving.stdout, "[INFO]");
    assert_eq!(line, format!("[INFO] {NAME} NOERROR shop pod shop/web-0"));
    let socket = UdpSocket::bind("127.0.0.11:0").unwrap();
    socket.connect(serving.dns).unwrap();
    socket.send(&query("cluster.local.", RType::SOA)).unwrap();
    receive(&socket);
    let line = line_with(&mut serving.stdout, "{");
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (
            &value["client"]["ip"],
            &value["client"]["pod"],
            &value["question"]["name"]
        ),
        (
            &"127.0.0.11".into(),
            &"web-0".into(),
            &"cluster.local.".into()
        )
    );
}

#[test]
fn a_log_that_nobody_reads_keeps_nobody() {
    let mut serving = Serving::start("journal-slow", "[[log]]\n");
    // A pipe holds some hundred lines, and a ring some thousand.
    serving.ask("127.0.0.11", 12_000);
    serving.wait_for(LOST, |lost| lost > 0.0);
    // Whoever begins to read gets lines.
    let line = line_with(&mut serving.stdout, "[INFO]");
    assert!(line.contains(&format!("\"A IN {NAME} udp ")), "{line}");
}

/// Takes the stream of one connection until it has had so many queries; returns their clients.
fn received(stream: &mut UnixStream, count: usize) -> Vec<String> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut frames, mut clients) = (Frames::default(), Vec::new());
    let mut piece = [0; 4096];
    while clients.len() < count {
        let length = stream.read(&mut piece).unwrap();
        assert!(length > 0, "the stream ended");
        frames.feed(&piece[..length]);
        while let Some(frame) = frames.next_frame().unwrap() {
            match frame {
                Frame::Say(bytes) => stream.write_all(bytes).unwrap(),
                Frame::Content(message) => {
                    if let Told::Query(tapped) = read_message(message).unwrap() {
                        assert_eq!(tapped.name.to_string(), NAME);
                        clients.push(tapped.client.to_string());
                    }
                }
                Frame::End(_) => panic!("the stream ended"),
            }
        }
    }
    clients
}

#[test]
fn dnstap_comes_to_whoever_receives_it_now() {
    let path = temporary("journal-tap.sock");
    let to = path.display();
    let serving = Serving::start(
        "journal-tap",
        &format!("[dnstap]\nto = \"unix:{to}\"\nfull = true\n"),
    );
    // Nobody receives yet: it is kept, and connected to when there is somebody.
    serving.ask("127.0.0.11", 2);
    let listener = UnixListener::bind(&path).unwrap();
    let (mut first, _) = listener.accept().unwrap();
    assert_eq!(received(&mut first, 2), ["127.0.0.11"; 2]);
    serving.ask("127.0.0.21", 1);
    assert_eq!(received_on(&mut first, 1), ["127.0.0.21"]);
    drop(first);
    // What is sent into a connection that is gone is lost; the next one is taken.
    listener.set_nonblocking(true).unwrap();
    let start = Instant::now();
    let mut second = loop {
        serving.ask("127.0.0.11", 1);
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(_) => assert!(start.elapsed() < PATIENCE, "nobody connects"),
        }
    };
    second.set_nonblocking(false).unwrap();
    assert_eq!(received(&mut second, 1)[0], "127.0.0.11");
    std::fs::remove_file(&path).unwrap();
}

/// As [`received`], on a stream that has begun.
fn received_on(stream: &mut UnixStream, count: usize) -> Vec<String> {
    let mut clients = Vec::new();
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    while clients.len() < count {
        let length = stream.read(&mut piece).unwrap();
        assert!(length > 0, "the stream ended");
        bytes.extend_from_slice(&piece[..length]);
        while let Some((head, rest)) = bytes.split_first_chunk::<4>() {
            let size = u32::from_be_bytes(*head) as usize;
            let Some(message) = rest.get(..size) else {
                break;
            };
            if let Told::Query(tapped) = read_message(message).unwrap() {
                clients.push(tapped.client.to_string());
            }
            bytes.drain(..4 + size);
        }
    }
    clients
}
