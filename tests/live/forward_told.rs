//! What is told of upstreams, beside a CoreDNS with the same Corefile: the lines of `errors` where none
//! replies, and the messages of `dnstap` about what they are asked.

use crate::coredns::CoreDns;
use crate::corefiles::Ours;
use crate::decode::decode;
use crate::process::{Folder, Peers, free_port, peers, printed, until};
use crate::upstreams::{PATIENCE, RECORDS, unbound};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tenantdns::tap::{Frame, Frames};
use tenantdns::testing::query;
use tenantdns::wire::RType;

/// Both servers with these directives in their block.
fn both(peers: &Peers, directives: &str) -> (CoreDns, Ours) {
    let corefile = format!(
        ".:{{$DNS_PORT}} {{\n bind 127.0.0.1\n ready 127.0.0.1:{{$READY_PORT}}\n{directives}}}\n"
    );
    (CoreDns::start(peers, &corefile), Ours::start(&corefile))
}

/// Asks over UDP, and does not wait for an answer.
fn send(server: SocketAddr, name: &str) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(server).unwrap();
    socket.send(&query(name, RType::A)).unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut answer = vec![0; 65_535];
    let length = socket.recv(&mut answer).expect("an answer");
    answer.truncate(length);
    answer
}

/// The lines of `errors` in a log, with ports of our own left out; each once.
fn errors(log: &str) -> Vec<String> {
    let lines = log.lines().filter_map(|line| {
        let (_, said) = line.split_once("plugin/errors: ")?;
        Some(match said.split_once("->") {
            Some((from, to)) => format!("{}->{to}", from.rsplit_once(':')?.0),
            None => said.to_owned(),
        })
    });
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines.dedup();
    lines
}

/// Waits until both have said it, in the same words.
fn expect(fact: &str, (coredns, ours): &(CoreDns, Ours), expected: &str) {
    for (who, log) in [("CoreDNS", coredns.log()), ("ours", ours.log_file())] {
        until(&format!("{who}: {fact}: {expected}"), PATIENCE, || {
            let said = errors(&printed(&log));
            assert!(said.len() <= 1, "{who}: {fact}: {said:?}");
            (said == [expected]).then_some(())
        });
    }
}

#[test]
fn errors_of_upstreams_have_corednss_words() {
    let Some(peers) = peers() else { return };
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    let nobody = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let brief = "read_timeout 100ms\n max_connect_attempts 1";
    for (fact, directives, expected) in [
        (
            "nothing comes",
            format!("forward . {silent} {{\n {brief}\n}}"),
            format!("read udp 127.0.0.1->{silent}: i/o timeout"),
        ),
        (
            "nobody listens",
            format!("forward . {nobody} {{\n {brief}\n}}"),
            format!("read udp 127.0.0.1->{nobody}: read: connection refused"),
        ),
        (
            "nobody listens to connections",
            format!("forward . {nobody} {{\n {brief}\n force_tcp\n}}"),
            format!("dial tcp {nobody}: connect: connection refused"),
        ),
    ] {
        let both = both(&peers, &format!("errors\n{directives}\n"));
        for server in [both.0.address, both.1.address] {
            assert_eq!(receive(&send(server, "www.outside.example"))[3] & 15, 2);
        }
        let expected = format!("2 www.outside.example. A: {expected}");
        expect(fact, &both, &expected);
    }
}

#[test]
fn errors_without_an_upstream_have_corednss_words() {
    let Some(peers) = peers() else { return };
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent = socket.local_addr().unwrap();
    let nobody = SocketAddr::from(([127, 0, 0, 1], free_port()));

    // As many as may wait already.
    let directives =
        format!("errors\nforward . {silent} {{\n max_concurrent 1\n max_fails 0\n}}\n");
    let (coredns, ours) = both(&peers, &directives);
    for (who, server, log) in [
        ("CoreDNS", coredns.address, coredns.log()),
        ("ours", ours.address, ours.log_file()),
    ] {
        let _first = send(server, "first.outside.example");
        let mut question = [0; 512];
        socket.recv(&mut question).unwrap();
        assert_eq!(receive(&send(server, "www.outside.example"))[3] & 15, 5);
        let expected = "5 www.outside.example. A: concurrent queries exceeded maximum 1";
        until(&format!("{who}: {expected}"), PATIENCE, || {
            errors(&printed(&log))
                .contains(&expected.to_owned())
                .then_some(())
        });
    }

    // All are down.
    let directives = format!(
        "errors\nforward . {nobody} {{\n max_fails 1\n health_check 10ms\n \
         failfast_all_unhealthy_upstreams\n}}\n"
    );
    let (coredns, ours) = both(&peers, &directives);
    for (who, server, log) in [
        ("CoreDNS", coredns.address, coredns.log()),
        ("ours", ours.address, ours.log_file()),
    ] {
        let expected = "2 www.outside.example. A: no healthy proxies";
        until(&format!("{who}: {expected}"), PATIENCE, || {
            receive(&send(server, "www.outside.example"));
            errors(&printed(&log))
                .contains(&expected.to_owned())
                .then_some(())
        });
    }
}

// === dnstap ===

/// The fields of a message: numbers, and octets. Times are left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Field {
    Number(u64),
    Octets(Vec<u8>),
    Time,
}

type Fields = BTreeMap<u64, Field>;

fn fields(mut bytes: &[u8]) -> Fields {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (first, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            number |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                break;
            }
        }
        number
    }
    let mut found = Fields::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let value = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            2 => {
                let length = varint(&mut bytes) as usize;
                let (octets, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Octets(octets.to_vec())
            }
            5 => {
                bytes = &bytes[4..];
                Field::Time
            }
            other => panic!("a field of wire type {other}"),
        };
        found.insert(key >> 3, value);
    }
    found
}

/// Receives dnstap at a socket, until the test ends.
fn receiver(path: &Path) -> Arc<Mutex<Vec<Fields>>> {
    let listener = UnixListener::bind(path).unwrap();
    let received = Arc::<Mutex<Vec<Fields>>>::default();
    let messages = received.clone();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut frames, mut piece) = (Frames::default(), vec![0; 65_536]);
        loop {
            let length = stream.read(&mut piece).unwrap_or(0);
            if length == 0 {
                return;
            }
            frames.feed(&piece[..length]);
            while let Ok(Some(frame)) = frames.next_frame() {
                match frame {
                    Frame::Say(bytes) | Frame::End(bytes) => {
                        let _ = stream.write_all(bytes);
                    }
                    Frame::Content(content) => {
                        let mut dnstap = fields(content);
                        let Some(Field::Octets(message)) = dnstap.remove(&14) else {
                            panic!("no message: {dnstap:?}");
                        };
                        messages.lock().unwrap().push(fields(&message));
                    }
                }
            }
        }
    });
    received
}

/// `Message.Type`s.
const ASKED: u64 = 7;
const REPLIED: u64 = 8;

/// What a message says that both servers say alike: times are only there, ports of our own and IDs are
/// any.
fn comparable(message: &Fields) -> Fields {
    let mut message = message.clone();
    for seconds in [8, 12] {
        if let Some(field) = message.get_mut(&seconds) {
            *field = Field::Time;
        }
    }
    if let Some(Field::Number(port)) = message.get_mut(&6) {
        assert_ne!(*port, 0);
        *port = 0;
    }
    if let Some(Field::Octets(query)) = message.get_mut(&10) {
        query[..2].fill(0);
    }
    // CoreDNS writes it anew, and in other octets.
    if let Some(Field::Octets(reply)) = message.get_mut(&14) {
        *reply = format!("{:?}", decode(reply)).into_bytes();
    }
    message
}

#[test]
fn what_upstreams_are_asked_is_told_by_dnstap_as_coredns_tells_it() {
    let (Some(peers), Some(unbound)) = (peers(), unbound(&RECORDS, "")) else {
        return;
    };
    let nobody = SocketAddr::from(([127, 0, 0, 1], free_port()));
    for full in [true, false] {
        let folder = Folder::new("taps");
        let word = if full { " full" } else { "" };
        let start = |name: &str| {
            let path = folder.path(name);
            let received = receiver(&path);
            let directives = format!(
                "dnstap unix://{}{word}\nforward outside.example {}\n\
                 forward . {nobody} {{\n max_connect_attempts 1\n force_tcp\n}}\n",
                path.display(),
                unbound.at.dns
            );
            let corefile = format!(
                ".:{{$DNS_PORT}} {{\n bind 127.0.0.1\n ready 127.0.0.1:{{$READY_PORT}}\n{directives}}}\n"
            );
            (received, corefile)
        };
        let (its, corefile) = start("coredns");
        let coredns = CoreDns::start(&peers, &corefile);
        let (own, corefile) = start("ours");
        let ours = Ours::start(&corefile);
        let told = |server: SocketAddr, received: &Mutex<Vec<Fields>>| -> Vec<Fields> {
            receive(&send(server, "www.outside.example"));
            receive(&send(server, "absent.outside.example"));
            over_tcp(server, "mail.outside.example");
            receive(&send(server, "elsewhere.example"));
            let is_upstreams =
                |message: &&Fields| matches!(message[&1], Field::Number(ASKED | REPLIED));
            let mut told = until("all is told", PATIENCE, || {
                let received = received.lock().unwrap();
                let told = received.iter().filter(is_upstreams).map(comparable);
                let told: Vec<Fields> = told.collect();
                // Three that are replied to, and one that is not.
                (told.len() >= 7).then_some(told)
            });
            told.sort();
            told
        };
        let (its, own) = (told(coredns.address, &its), told(ours.address, &own));
        assert_eq!(own, its, "full: {full}");
        let has_octets = |message: &Fields| message.contains_key(&10) || message.contains_key(&14);
        assert_eq!(own.iter().all(has_octets), full);
    }
}

fn over_tcp(server: SocketAddr, name: &str) {
    let mut stream = TcpStream::connect(server).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let question = query(name, RType::A);
    let length = (question.len() as u16).to_be_bytes();
    stream.write_all(&[&length, &*question].concat()).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
}
