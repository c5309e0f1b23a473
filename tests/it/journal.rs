//! The query log and dnstap of the running program: what comes out, and that whoever does not read it
//! keeps nobody from being answered.

use crate::live::receive;
use crate::serving::{Folder, Serving, Written};
use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};
use tenantdns::tap::{Frame, Frames, Told, read_message};
use tenantdns::testing::query;
use tenantdns::wire::RType;

/// How long a fact is waited for. Nothing is expected to take it.
const PATIENCE: Duration = Duration::from_secs(30);

const NAME: &str = "web.shop.svc.cluster.local.";

/// Starts the program with more configuration; `name` is that of the test.
fn start(name: &str, more: &str) -> (Folder, Serving) {
    let folder = Folder::new(name);
    let written = Written {
        threads: 1,
        ..Written::new(more)
    };
    let serving = Serving::start(&folder, &written);
    (folder, serving)
}

fn ask(serving: &Serving, source: &str, count: usize) {
    let socket = UdpSocket::bind((source, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(serving.dns).unwrap();
    for _ in 0..count {
        socket.send(&query(NAME, RType::A)).unwrap();
        assert!(!receive(&socket).is_empty());
    }
}

const LOST: &str = "tenantdns_unwritten_answers_total{kind=\"log\"}";

#[test]
fn lines_say_who_asked_in_both_forms() {
    let (_folder, mut serving) = start(
        "journal-lines",
        "[[log]]\nzones = [\"shop.svc.cluster.local\"]\nformat = \"{name} {rcode} {/tenant/name} \
         {/tenant/client} {/kubernetes/client-namespace}/{/kubernetes/client-pod-name}\"\n\
         [[log]]\noutput = \"json\"\n",
    );
    ask(&serving, "127.0.0.11", 1);
    let line = serving.printed("[INFO]");
    assert_eq!(line, format!("[INFO] {NAME} NOERROR shop pod shop/web-0"));
    let socket = UdpSocket::bind("127.0.0.11:0").unwrap();
    socket.connect(serving.dns).unwrap();
    socket.send(&query("cluster.local.", RType::SOA)).unwrap();
    receive(&socket);
    let line = serving.printed("{");
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
    let (_folder, mut serving) = start("journal-slow", "[[log]]\n");
    // A pipe holds some hundred lines, and a ring some thousand.
    ask(&serving, "127.0.0.11", 12_000);
    serving.wait_for(LOST, |lost| lost > 0.0);
    // Whoever begins to read gets lines.
    let line = serving.printed("[INFO]");
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
    let path = std::env::temp_dir().join(format!("tenantdns-tap-{}", std::process::id()));
    let to = path.display();
    let (_folder, serving) = start(
        "journal-tap",
        &format!("[dnstap]\nto = \"unix:{to}\"\nfull = true\n"),
    );
    // Nobody receives yet: it is kept, and connected to when there is somebody.
    ask(&serving, "127.0.0.11", 2);
    let listener = UnixListener::bind(&path).unwrap();
    let (mut first, _) = listener.accept().unwrap();
    assert_eq!(received(&mut first, 2), ["127.0.0.11"; 2]);
    ask(&serving, "127.0.0.21", 1);
    assert_eq!(received_on(&mut first, 1), ["127.0.0.21"]);
    drop(first);
    // What is sent into a connection that is gone is lost; the next one is taken.
    listener.set_nonblocking(true).unwrap();
    let start = Instant::now();
    let mut second = loop {
        ask(&serving, "127.0.0.11", 1);
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
