//! Zones of many messages over real connections: whole, of one moment, and in nobody's way, however slow
//! the secondary is.

use crate::decode::decode;
use crate::live::{Live, PATIENCE};
use crate::transfer::{question, records};
use socket2::{Domain, Socket, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tenantdns::answer::Transport;
use tenantdns::index::Event;
use tenantdns::server::{Count, Timeouts};
use tenantdns::testing::{Cluster, objects, query, transfer};
use tenantdns::wire::RType;

const CONFIG: &str = "[tenancy]\nmode = \"off\"\n[transfer]\nto = [\"*\"]\n";
const AXFR: &str = "cluster.local. AXFR";
/// Octets of a message at most: a pointer reaches all of it.
const MESSAGE: usize = 16_384;
/// What the buffers between two sockets hold at most is less than a zone of so many endpoints.
const LARGE: u32 = 50_000;
/// Several messages, which those buffers hold.
const SMALL: u32 = 2000;

/// A cluster with a headless service of so many endpoints, and a small one before and behind it.
fn cluster(endpoints: u32) -> Cluster {
    let address = |n: u32| IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n));
    let objects = vec![
        objects::service("shop", "after", &[address(1 << 23)]),
        objects::headless("shop", "many"),
        objects::slice("shop", "many", (0..endpoints).map(address)),
        objects::service("shop", "zoo", &[address((1 << 23) + 1)]),
    ];
    Cluster::of(objects, CONFIG)
}

fn source(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

/// Connects and asks for the zone, with a small buffer for what comes.
fn ask(live: &Live, from: IpAddr, ask: &[&[u8]]) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(1 << 16).unwrap();
    socket.bind(&SocketAddr::new(from, 0).into()).unwrap();
    socket.connect(&live.address.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for message in ask {
        let length = u16::try_from(message.len()).unwrap().to_be_bytes();
        stream.write_all(&[&length, *message].concat()).unwrap();
    }
    stream
}

fn receive(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message)?;
    Ok(message)
}

/// Receives messages up to the second SOA.
fn receive_zone(stream: &mut TcpStream) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    let mut ends = 0;
    while ends < 2 {
        let message = receive(stream).unwrap();
        let answer = decode(&message).answer;
        ends += answer.iter().filter(|rr| rr.contains(" SOA ")).count();
        messages.push(message);
    }
    messages
}

#[test]
fn a_zone_of_many_messages_is_that_of_one_moment() {
    let cluster = cluster(SMALL);
    let mut live = Live::start(&cluster);
    let bytes = question(AXFR);
    let mut stream = ask(&live, source(1), &[&bytes]);
    let first = receive(&mut stream).unwrap();
    // What changes now is in the next transfer.
    let service = objects::service("shop", "new", &[source(1)]);
    live.index.apply(Event::Apply(service));
    live.publish();
    let rest = receive_zone_behind(&mut stream, first);
    let expected = transfer(&cluster.snapshot(), source(1), &bytes);
    assert_eq!(rest, expected, "as without a socket");
    assert!(rest.len() > 5 && rest.iter().all(|message| message.len() <= MESSAGE));
    let got = records(&rest, true).unwrap();
    // Two SOA, two services of two records and one of the port's name, three of each endpoint.
    assert_eq!(got.len(), 2 + 2 * 3 + 3 * SMALL as usize);
    let next = receive_zone(&mut ask(&live, source(1), &[&bytes]));
    assert_eq!(records(&next, true).unwrap().len(), got.len() + 3);
}

fn receive_zone_behind(stream: &mut TcpStream, first: Vec<u8>) -> Vec<Vec<u8>> {
    let mut messages = vec![first];
    while !decode(&messages[messages.len() - 1])
        .answer
        .last()
        .is_some_and(|rr| rr.contains(" SOA "))
    {
        messages.push(receive(stream).unwrap());
    }
    messages
}

#[test]
fn what_is_asked_behind_a_zone_is_answered_behind_it() {
    let live = Live::start(&cluster(SMALL));
    let zone = question(AXFR);
    let other = query("zoo.shop.svc.cluster.local.", RType::A);
    let mut stream = ask(&live, source(1), &[&other, &zone, &other, &zone, &other]);
    let answer = receive(&mut stream).unwrap();
    assert_eq!(decode(&answer).answer.len(), 1);
    for _ in 0..2 {
        assert!(receive_zone(&mut stream).len() > 5);
        assert_eq!(receive(&mut stream).unwrap(), answer);
    }
}

/// Returns timeouts under which only a peer that takes nothing ends.
fn patient(write: Duration) -> Timeouts {
    Timeouts {
        write,
        ..Timeouts::default()
    }
}

#[test]
fn a_slow_secondary_keeps_nobody_waiting_but_itself() {
    let live = Live::start_with(&cluster(LARGE), patient(Duration::from_secs(600)));
    let zone = question(AXFR);
    let mut slow = ask(&live, source(1), &[&zone]);
    let first = receive(&mut slow).unwrap();
    // It takes no more for now; the thread that serves it answers everybody else.
    let other = query("zoo.shop.svc.cluster.local.", RType::A);
    for last in 2..20 {
        let answer = decode(&live.ask(source(last), Transport::Tcp, &other));
        assert_eq!(answer.answer.len(), 1);
    }
    let whole = transfer(&cluster(LARGE).snapshot(), source(1), &zone);
    let mut quick = ask(&live, source(2), &[&zone]);
    for message in &whole {
        assert!(receive(&mut quick).unwrap() == *message);
    }
    assert!(first == whole[0]);
    for message in &whole[1..] {
        assert!(receive(&mut slow).unwrap() == *message);
    }
}

#[test]
fn a_secondary_that_takes_nothing_is_cut_off() {
    let live = Live::start_with(&cluster(LARGE), patient(Duration::from_millis(50)));
    let mut stuck = ask(&live, source(1), &[&question(AXFR)]);
    // Nothing is read before the server has given up: the end is behind what the buffers hold.
    eventually("given up", || live.count(Count::TcpTimedOut) == 1);
    let mut octets = Vec::new();
    let ended = stuck.read_to_end(&mut octets);
    let whole = transfer(&cluster(LARGE).snapshot(), source(1), &question(AXFR));
    let length: usize = whole.iter().map(|message| 2 + message.len()).sum();
    assert!(octets.len() < length, "{} of {length}", octets.len());
    assert!(ended.is_ok() || ended.is_err_and(|e| e.kind() == ErrorKind::ConnectionReset));
}

/// Waits for a fact.
fn eventually(what: &str, mut fact: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !fact() {
        assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

#[test]
fn so_many_transfers_are_under_way_and_who_goes_away_makes_room() {
    let live = Live::start_with(&cluster(LARGE), patient(Duration::from_secs(600)));
    let zone = question(AXFR);
    let begin = |last| {
        let mut stream = ask(&live, source(last), &[&zone]);
        let first = decode(&receive(&mut stream).unwrap());
        (first.rcode, stream)
    };
    let mut under_way = Vec::new();
    for (last, expected) in [(1, "NOERROR"), (1, "NOERROR"), (1, "SERVFAIL")] {
        let (rcode, stream) = begin(last);
        assert_eq!(rcode, expected, "two of one address");
        under_way.push(stream);
    }
    for last in 2..10 {
        let (rcode, stream) = begin(last);
        assert_eq!(rcode, "NOERROR", "{last}");
        under_way.push(stream);
    }
    assert_eq!(begin(10).0, "SERVFAIL", "ten in all");
    // Whoever is refused may ask for anything else, on the same connection.
    let (_, mut refused) = begin(10);
    let other = query("zoo.shop.svc.cluster.local.", RType::A);
    let length = u16::try_from(other.len()).unwrap().to_be_bytes();
    refused.write_all(&[&length, &other[..]].concat()).unwrap();
    assert_eq!(decode(&receive(&mut refused).unwrap()).answer.len(), 1);
    drop(under_way);
    // Who finds none takes none.
    eventually("room", || begin(10).0 == "NOERROR");
}

#[test]
fn a_server_that_stops_does_not_wait_for_a_zone_to_be_taken() {
    let live = Live::start_with(&cluster(LARGE), patient(Duration::from_millis(50)));
    let mut stream = ask(&live, source(1), &[&question(AXFR)]);
    receive(&mut stream).unwrap();
    // Joins every thread.
    drop(live);
    let mut octets = Vec::new();
    let _ = stream.read_to_end(&mut octets);
    let end = octets
        .windows(10)
        .filter(|w| w.starts_with(b"\0\x06\0\x01"));
    assert_eq!(end.count(), 0, "no SOA at the end of what is not whole");
}
