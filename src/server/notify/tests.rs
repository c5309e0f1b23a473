//! Who is told of what, and what is said.

use super::*;
use crate::index::Index;
use crate::testing::{Cluster, objects};

const CONFIG: &str = "[tenancy]\nmode = \"off\"\n[kubernetes]\nzones = [\"cluster.local\", \"in-addr.arpa\"]\n\
                      [transfer]\nto = [\"192.0.2.1\", \"*\", \"[2001:db8::1]:5300\"]\nsource = \"192.0.2.9\"\n";

fn index(config: &str, synced: bool) -> Index {
    let mut cluster = Cluster::of(Vec::new(), config);
    cluster.synced = synced;
    cluster.index()
}

fn apply(index: &mut Index, address: &str) {
    let service = objects::service("shop", "web", &[address.parse().unwrap()]);
    index.apply(crate::index::Event::Apply(service));
}

#[test]
fn every_address_is_told_of_each_serial_once() {
    let mut index = index(CONFIG, true);
    let mut told = Told::default();
    let due = |told: &mut Told, index: &mut Index, now| {
        let due = told.due(&index.snapshot(now));
        let zones = due.iter().map(|notice| notice.zone.to_string());
        let secondaries = due.iter().map(|notice| notice.secondary.to_string());
        let said: Vec<_> = zones.zip(secondaries).collect();
        (said, due.first().map(|notice| notice.serial))
    };
    let everybody = [
        ("cluster.local.".to_owned(), "192.0.2.1:53".to_owned()),
        ("cluster.local.".to_owned(), "[2001:db8::1]:5300".to_owned()),
    ];
    assert_eq!(due(&mut told, &mut index, 5).0, everybody, "at the start");
    assert_eq!(due(&mut told, &mut index, 6), (vec![], None), "no change");
    apply(&mut index, "10.96.0.1");
    let (said, serial) = due(&mut told, &mut index, 7);
    assert_eq!((&said[..], serial), (&everybody[..], Some(7)));
    assert_eq!(
        due(&mut told, &mut index, 8),
        (vec![], None),
        "told already"
    );
    apply(&mut index, "10.96.0.2");
    index.snapshot(9);
    apply(&mut index, "10.96.0.3");
    let (said, serial) = due(&mut told, &mut index, 10);
    assert_eq!((said.len(), serial), (2, Some(10)), "two changes are one");
}

#[test]
fn nobody_is_told_before_the_zone_can_be_had() {
    let mut told = Told::default();
    let snapshot = index(CONFIG, false).snapshot(5);
    assert_eq!(told.due(&snapshot), []);
    let without = index("[tenancy]\nmode = \"off\"\n", true).snapshot(5);
    assert_eq!(told.due(&without), []);
}

#[test]
fn a_failure_is_told_from_the_next_one_like_it() {
    let mut told = Told::default();
    let mut index = index(CONFIG, true);
    let notice = told.due(&index.snapshot(5)).remove(0);
    assert!(!told.heard(&notice, false), "the first");
    assert!(told.heard(&notice, false), "one more");
    assert!(!told.heard(&notice, true));
    assert!(told.heard(&notice, true));
}

/// Answers what comes, each by what is done to it, and returns what came.
async fn secondary(socket: UdpSocket, answers: Vec<fn(&mut Vec<u8>)>) -> Vec<Vec<u8>> {
    let mut came = Vec::new();
    for answer in answers {
        let mut message = vec![0; REPLY];
        let (length, from) = socket.recv_from(&mut message).await.unwrap();
        message.truncate(length);
        came.push(message.clone());
        message[2] |= 0x80;
        answer(&mut message);
        socket.send_to(&message, from).await.unwrap();
    }
    came
}

#[tokio::test]
async fn a_secondary_is_told_three_times_at_most() {
    let heard: fn(&mut Vec<u8>) = |_| {};
    let refused: fn(&mut Vec<u8>) = |message| message[3] = 5;
    for (answers, expected) in [
        (vec![heard], Ok(())),
        (vec![refused, refused, heard], Ok(())),
        (
            vec![refused, refused, refused],
            Err("the reply has response code 5".to_owned()),
        ),
    ] {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let notice = Notice {
            zone: "cluster.local".parse().unwrap(),
            secondary: socket.local_addr().unwrap(),
            source: None,
            serial: 7,
        };
        let times = answers.len();
        let (told, came) = tokio::join!(exchange(&notice, 0x1234), secondary(socket, answers));
        assert_eq!(told.map_err(|error| error.to_string()), expected);
        assert_eq!(came.len(), times);
        let question = b"\x12\x34\x24\0\0\x01\0\0\0\0\0\0\x07cluster\x05local\0\0\x06\0\x01";
        assert_eq!(came[0], question);
    }
}

#[test]
fn a_reply_is_to_the_notification_that_was_sent() {
    let reply = |octets: [u8; 4]| acknowledged(&[&octets[..], &[0; 8]].concat(), 0x1234);
    assert_eq!(reply([0x12, 0x34, 0xa4, 0]), Some(Rcode::NOERROR));
    assert_eq!(reply([0x12, 0x34, 0xa0, 4]), Some(Rcode::NOTIMP));
    assert_eq!(reply([0x12, 0x34, 0x24, 0]), None, "a notification itself");
    assert_eq!(reply([0x12, 0x35, 0xa4, 0]), None, "another ID");
    assert_eq!(reply([0x12, 0x34, 0x84, 0]), None, "an answer");
    assert_eq!(acknowledged(&[], 0x1234), None);
}
