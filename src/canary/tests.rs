//! Looks at forwarders that are sockets of the test's own, with and without a cache.

use super::*;
use crate::answer::{Outcome, Transport, respond};
use crate::testing::{Cluster, objects, request};
use std::collections::HashMap;
use std::net::IpAddr;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

const CONFIG: &str = "[tenancy]\nmode = \"enforce\"\n[[tenancy.forwarder]]\nidentity = \"edns_local\"\n\
                      peers = { cidrs = [\"127.0.0.1/32\", \"127.0.0.3/32\"] }\n";

/// What a forwarder keeps.
#[derive(Clone, Copy)]
enum Cache {
    Nothing,
    Existing,
    Absent,
}

fn snapshot() -> Snapshot {
    let client: IpAddr = "10.244.0.9".parse().unwrap();
    Cluster::of(
        vec![objects::pod("kube-system", "tenantdns", client)],
        CONFIG,
    )
    .snapshot()
}

/// Adds option 65001 with the address 10.244.0.9, as CoreDNS would.
fn with_identity(query: &[u8]) -> Vec<u8> {
    let mut query = query.to_vec();
    query[11] = 1;
    query.extend(b"\0\0\x29\x10\0\0\0\0\0\0\x08\xfd\xe9\0\x04\x0a\xf4\0\x09");
    query
}

/// Forwards to the answers of this program, one random number a query, from a cache where it has one.
async fn front(cache: Cache) -> (SocketAddr, JoinHandle<()>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let serve = async move {
        let snapshot = snapshot();
        let mut kept: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
        let mut entropy = 0x1234_5678_9abc_def0u64;
        loop {
            let mut bytes = [0; 512];
            let (length, client) = socket.recv_from(&mut bytes).await.unwrap();
            let query = &bytes[..length];
            entropy = entropy
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let forwarded = with_identity(query);
            let mut request = request("127.0.0.1".parse().unwrap(), Transport::Udp, &forwarded);
            request.entropy = entropy;
            let mut out = vec![0; 1232];
            let Outcome::Reply(length, verdict) = respond(&snapshot, &request, &mut out) else {
                panic!("no reply");
            };
            out.truncate(length);
            let keeps = match cache {
                Cache::Nothing => false,
                Cache::Existing => verdict.rcode.0 == 0,
                Cache::Absent => verdict.rcode.0 == 3,
            };
            let mut answer = match kept.get(&query[12..]) {
                Some(kept) => kept.clone(),
                None => out.clone(),
            };
            if keeps {
                kept.entry(query[12..].to_vec()).or_insert(out);
            }
            answer[..2].copy_from_slice(&query[..2]);
            socket.send_to(&answer, client).await.unwrap();
        }
    };
    (address, tokio::spawn(serve))
}

fn turn(front: SocketAddr) -> Turn {
    let origins = ["cluster.local", "in-addr.arpa"];
    Turn {
        front,
        origins: origins.map(|name| name.parse().unwrap()).into(),
    }
}

fn counts(sightings: &Sightings) -> [u64; 3] {
    [Seen::Clear, Seen::Cached, Seen::Silent].map(|seen| sightings.count(seen))
}

#[tokio::test]
async fn a_cache_of_either_kind_is_noticed_until_the_last_is_gone() {
    let (plain, _plain) = front(Cache::Nothing).await;
    let (existing, _existing) = front(Cache::Existing).await;
    let (absent, _absent) = front(Cache::Absent).await;
    let sightings = Sightings::default();
    let mut turns = Turns::default();
    for (front, detected, expected) in [
        (plain, false, [4, 0, 0]),
        (existing, true, [6, 2, 0]),
        (plain, true, [10, 2, 0]),
        (absent, true, [12, 4, 0]),
    ] {
        look_at(turn(front), &mut turns, &sightings).await;
        assert_eq!(sightings.detected(), detected);
        assert_eq!(counts(&sightings), expected);
    }
    // One of them is switched off; the other is no forwarder any more.
    turns.cached.remove(&existing);
    turns.cached.insert(absent, false);
    look_at(turn(plain), &mut turns, &sightings).await;
    assert!(!sightings.detected());
}

#[tokio::test]
async fn a_front_that_refuses_says_nothing_and_changes_nothing() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let refusing = tokio::spawn(async move {
        let mut bytes = [0; 512];
        loop {
            let (length, client) = socket.recv_from(&mut bytes).await.unwrap();
            (bytes[2], bytes[3]) = (0x81, 5);
            socket.send_to(&bytes[..length], client).await.unwrap();
        }
    });
    let sightings = Sightings::default();
    let mut turns = Turns::default();
    turns.cached.insert(address, true);
    look_at(turn(address), &mut turns, &sightings).await;
    assert_eq!(counts(&sightings), [0, 0, 4]);
    assert!(sightings.detected(), "what was seen last stays");
    assert!(!turns.anybody_heard);
    refusing.abort();
}

#[test]
fn forwarders_take_turns_once_everything_has_been_read() {
    let mut turns = Turns::default();
    let mut snapshot = snapshot();
    let next = |turns: &mut Turns, snapshot: &Snapshot| {
        let turn = turns.next(snapshot);
        turn.map(|turn| (turn.front.to_string(), turn.origins.len()))
    };
    snapshot.synced = false;
    assert_eq!(next(&mut turns, &snapshot), None);
    snapshot.synced = true;
    for front in ["127.0.0.1:53", "127.0.0.3:53", "127.0.0.1:53"] {
        assert_eq!(next(&mut turns, &snapshot), Some((front.to_owned(), 3)));
    }
    turns.cached.insert("192.0.2.1:53".parse().unwrap(), true);
    next(&mut turns, &snapshot);
    assert!(
        turns.cached.is_empty(),
        "of those that are no forwarders any more"
    );
    let without = Cluster::of(Vec::new(), "").snapshot();
    assert_eq!(next(&mut turns, &without), None);
}

#[tokio::test]
async fn looking_ends_with_the_drain() {
    let (_publisher, reader) = crate::snapshot::cell(snapshot());
    let drain = Drain::new();
    drain.start();
    watch(reader, drain, &Sightings::default()).await;
}
