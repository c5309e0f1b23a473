//! What comes in, read: in both encodings, in any pieces, and whatever bytes there are.

use super::messages::{self, bytes, entry, meta, number, pod};
use crate::index::Version;
use crate::model::{Kind, Object, ObjectKey, Phase};
use crate::watch::decode::{Change, Corrupt, Encoding, Seen, change, entry as read, named};
use crate::watch::frames::Frames;
use crate::watch::list::{Head, Items};
use crate::watch::proto::{Malformed, fields, open, varint};
use crate::watch::status::Status;
use proptest::prelude::*;

const ENCODINGS: [Encoding; 2] = [Encoding::Proto, Encoding::Json];

// === objects ===

#[test]
fn a_pod_in_protobuf_is_read_whole() {
    let read = read(Kind::Pod, Encoding::Proto, &pod("web", 7));
    assert_eq!(
        (read.version, read.corrupt, read.flaws.len()),
        (Version(7), false, 0)
    );
    let Seen::Object(Object::Pod(pod)) = read.seen else {
        panic!("{read:?}");
    };
    assert_eq!(pod.key, ObjectKey::new("shop", "web"));
    assert_eq!(
        (&*pod.uid, &*pod.node, pod.phase),
        ("u-1", "node-1", Phase::Running)
    );
    assert_eq!(pod.labels.iter().collect::<Vec<_>>(), [("tier", "front")]);
    let ips: Vec<String> = pod.pod_ips.iter().map(ToString::to_string).collect();
    assert_eq!(ips, ["10.244.1.7", "fd00::7"]);
    assert_eq!(pod.pod_ip.unwrap().to_string(), "10.244.1.7");
    assert!(pod.host_network && pod.terminating && pod.containers_ended && pod.sandbox_gone);
}

/// What is seen of an object: its name, `void`, or `corrupt`.
fn check(what: &str, kind: Kind, encoding: Encoding, object: &[u8], expected: &str) {
    let read = read(kind, encoding, object);
    let seen = match (&read.seen, read.corrupt) {
        (_, true) => "corrupt".to_owned(),
        (Seen::Object(object), _) => object.key().to_string(),
        (Seen::Void(key), _) => format!("void {key}"),
        (Seen::Unnamed, _) => "unnamed".to_owned(),
    };
    assert_eq!(seen, expected, "{what}");
}

#[test]
fn an_object_of_no_use_keeps_its_name() {
    let proto = |kind, parts: &[Vec<u8>], expected| {
        check(expected, kind, Encoding::Proto, &parts.concat(), expected);
    };
    let json = |kind, text: &str, expected| {
        check(text, kind, Encoding::Json, text.as_bytes(), expected);
    };
    let meta = || meta("web", 7, &[]);
    proto(
        Kind::Pod,
        &[meta(), bytes(3, bytes(1, "Odd"))],
        "void shop/web",
    );
    proto(
        Kind::EndpointSlice,
        &[meta(), bytes(4, "FQDN")],
        "void shop/web",
    );
    let far = bytes(3, number(3, 70_000));
    proto(Kind::EndpointSlice, &[meta(), far], "void shop/web");
    let negative = bytes(1, number(3, u64::MAX));
    proto(
        Kind::Service,
        &[meta(), bytes(2, negative)],
        "void shop/web",
    );
    proto(Kind::Namespace, &[meta()], "web");
    proto(Kind::Pod, &[], "unnamed");
    // A message that comes in two parts is their sum.
    proto(
        Kind::Pod,
        &[bytes(1, bytes(1, "a")), bytes(1, bytes(3, "b"))],
        "b/a",
    );
    proto(Kind::Pod, &[number(1, 5)], "corrupt");

    let named = r#""metadata":{"namespace":"shop","name":"web"}"#;
    json(
        Kind::Pod,
        &format!(r#"{{{named},"status":{{"phase":"Odd"}}}}"#),
        "void shop/web",
    );
    json(
        Kind::EndpointSlice,
        &format!(r#"{{{named},"ports":[{{"port":70000}}]}}"#),
        "void shop/web",
    );
    json(Kind::ServiceImport, &format!("{{{named}}}"), "shop/web");
    json(Kind::Pod, r#"{"metadata":null}"#, "unnamed");
    json(Kind::Pod, "{", "corrupt");
}

#[test]
fn bytes_that_are_no_text_are_replaced_one_by_one() {
    let name = bytes(1, b"a\xff\xe2\x82b");
    let namespace = bytes(1, [name, bytes(6, "7")].concat());
    check(
        "Go's rule",
        Kind::Namespace,
        Encoding::Proto,
        &namespace,
        "a\u{fffd}\u{fffd}\u{fffd}b",
    );
}

// === events ===

#[test]
fn events_are_the_same_in_both_encodings() {
    let said = |encoding, frame: &[u8]| match change(Kind::Pod, encoding, frame).unwrap() {
        Change::Put(entry) => format!("put {}", entry.version.0),
        Change::Gone(key, version) => format!("gone {key} {}", version.0),
        Change::Mark { version, listed } => format!("mark {} {listed}", version.0),
        Change::Failed(status) => format!(
            "{} {} {} {:?}",
            status.code,
            status.message,
            status.is_too_new(),
            status.retry_after()
        ),
        Change::Other => "other".to_owned(),
    };
    let end = entry(12, "k8s.io/initial-events-end", "true");
    let details = [
        bytes(
            4,
            [bytes(1, "ResourceVersionTooLarge"), bytes(2, "x")].concat(),
        ),
        number(5, 3),
    ];
    let failed = [bytes(3, "no"), bytes(5, details.concat()), number(6, 504)].concat();
    let failed_json = r#"{"message":"no","code":504,"details":{"retryAfterSeconds":3,"causes":[{"reason":"ResourceVersionTooLarge"}]}}"#;
    for (what, object, json, expected) in [
        ("ADDED", pod("web", 7), super::object("web", 7), "put 7"),
        ("MODIFIED", pod("web", 8), super::object("web", 8), "put 8"),
        ("DELETED", pod("web", 9), super::object("web", 9), "gone shop/web 9"),
        (
            "BOOKMARK",
            meta("", 10, &[]),
            r#"{"metadata":{"resourceVersion":"10"}}"#.to_owned(),
            "mark 10 false",
        ),
        (
            "BOOKMARK",
            meta("", 11, &[end]),
            r#"{"metadata":{"resourceVersion":"11","annotations":{"k8s.io/initial-events-end":"true"}}}"#.to_owned(),
            "mark 11 true",
        ),
        ("ERROR", failed, failed_json.to_owned(), "504 no true Some(3s)"),
        ("LATER", pod("web", 9), super::object("web", 9), "other"),
    ] {
        let frame = messages::event(what, "Pod", &object);
        assert_eq!(said(Encoding::Proto, &frame), expected);
        let line = super::event(what, &json);
        assert_eq!(said(Encoding::Json, line.as_bytes()), expected);
    }
    assert!(change(Kind::Pod, Encoding::Proto, b"\x0a\x05AD").is_err());
    assert!(change(Kind::Pod, Encoding::Json, b"{}").is_err());
}

#[test]
fn a_refusal_is_read_in_either_encoding_and_as_plain_text() {
    let message = [bytes(3, "pods is forbidden"), number(6, 403)].concat();
    let proto = messages::envelope("Status", &message);
    let json = super::status(403, "pods is forbidden");
    for (encoding, body) in [
        (Encoding::Proto, &*proto),
        (Encoding::Json, json.as_bytes()),
        (Encoding::Json, b"pods is forbidden\n"),
        (Encoding::Proto, b"pods is forbidden"),
    ] {
        let status = Status::of_body(403, encoding, body);
        assert_eq!((status.code, &*status.message), (403, "pods is forbidden"));
    }
}

// === frames and items ===

/// Cuts bytes into pieces of these lengths, again and again.
fn pieces<'a>(mut bytes: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for length in lengths.iter().cycle() {
        if bytes.is_empty() || lengths.iter().all(|length| *length == 0) {
            break;
        }
        let (piece, rest) = bytes.split_at(bytes.len().min(*length));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

fn frames(encoding: Encoding, body: &[u8], lengths: &[usize]) -> Result<Vec<Vec<u8>>, Corrupt> {
    let (mut frames, mut found) = (Frames::new(encoding), Vec::new());
    for piece in pieces(body, lengths) {
        frames.push(piece);
        while let Some(frame) = frames.next()? {
            found.push(frame.to_vec());
        }
    }
    if frames.is_complete() {
        Ok(found)
    } else {
        Err(Corrupt("incomplete".to_owned()))
    }
}

fn items(
    encoding: Encoding,
    body: &[u8],
    lengths: &[usize],
) -> Result<(Head, Vec<Vec<u8>>), Corrupt> {
    let (mut items, mut found) = (Items::new(encoding), Vec::new());
    for piece in pieces(body, lengths) {
        items.push(piece);
        while let Some(item) = items.next()? {
            found.push(item.to_vec());
        }
    }
    Ok((items.finish()?, found))
}

/// Ways to cut a body.
const CUTS: [&[usize]; 5] = [&[1], &[2, 3], &[7], &[64, 1], &[100_000]];

#[test]
fn events_are_found_whatever_pieces_they_come_in() {
    let objects = [pod("a", 1), pod("b", 2), Vec::new()];
    let events = objects.map(|object| messages::event("ADDED", "Pod", &object));
    let mut body = Vec::new();
    for event in &events {
        body.extend(u32::try_from(event.len()).unwrap().to_be_bytes());
        body.extend(event);
    }
    for cut in CUTS {
        assert_eq!(
            frames(Encoding::Proto, &body, cut).unwrap(),
            events,
            "{cut:?}"
        );
        let lines = frames(Encoding::Json, b"{\"a\":1}\n\r\n{}\n", cut).unwrap();
        assert_eq!(lines, [&b"{\"a\":1}\n"[..], b"{}\n"], "{cut:?}");
        assert!(frames(Encoding::Proto, &body[..body.len() - 1], cut).is_err());
        assert!(frames(Encoding::Json, b"{}\n{}", cut).is_err());
    }
    assert!(frames(Encoding::Proto, b"\xff\xff\xff\xff", &[1]).is_err());
}

#[test]
fn items_are_found_whatever_pieces_they_come_in() {
    let head = Head {
        version: Version(9),
        next: "more".into(),
    };
    let objects = [pod("a", 1), pod("b", 2), Vec::new()];
    let proto = messages::list(9, "more", &objects);
    let texts = [
        r#"{"a":"]}\"{","b":[{"items":[1]}]}"#,
        "{}",
        r#"{"items":[]}"#,
    ];
    let metadata = r#""metadata":{"resourceVersion":"9","continue":"more"}"#;
    let jsons = [
        format!(
            "{{\"kind\":\"List\",{metadata},\"items\":[{}]}}\n",
            texts.join(",")
        ),
        // Custom kinds' lists are sorted by key.
        format!("{{ \"items\" : [ {} ] ,{metadata}}}", texts.join(" , ")),
    ];
    for cut in CUTS {
        let (read, found) = items(Encoding::Proto, &proto, cut).unwrap();
        assert_eq!((&read, &*found), (&head, &objects[..]), "{cut:?}");
        for json in &jsons {
            let (read, found) = items(Encoding::Json, json.as_bytes(), cut).unwrap();
            assert_eq!(read, head, "{cut:?}");
            assert_eq!(found, texts.map(|text| text.as_bytes().to_vec()), "{json}");
        }
    }
    let none = r#"{"metadata":{"resourceVersion":"9"},"items":null}"#;
    assert!(
        items(Encoding::Json, none.as_bytes(), &[5])
            .unwrap()
            .1
            .is_empty()
    );
}

#[test]
fn what_is_no_whole_list_is_none() {
    let proto = messages::list(9, "", &[pod("a", 1)]);
    // Behind the list come two empty fields that may as well be left out.
    for length in 0..proto.len() - 4 {
        assert!(
            items(Encoding::Proto, &proto[..length], &[50]).is_err(),
            "{length}"
        );
    }
    let json = super::list(9, "", &[super::object("a", 1)]);
    for length in 0..json.len() {
        assert!(
            items(Encoding::Json, &json.as_bytes()[..length], &[50]).is_err(),
            "{length}"
        );
    }
    for text in ["", "[]", "{}", "}", r#"{"metadata":5}"#] {
        assert!(
            items(Encoding::Json, text.as_bytes(), &[50]).is_err(),
            "{text}"
        );
    }
    let packed = [
        b"k8s\0".to_vec(),
        bytes(3, "gzip"),
        bytes(2, bytes(1, bytes(2, "9"))),
    ]
    .concat();
    assert!(items(Encoding::Proto, &packed, &[50]).is_err());
}

// === messages ===

#[test]
fn what_is_no_message_says_why() {
    for (message, error) in [
        (&b"\x0a\x05ab"[..], Malformed::Cut),
        (b"\x0a", Malformed::Cut),
        (b"\x08\x80", Malformed::Cut),
        (b"\x09\x01\x02", Malformed::Cut),
        (b"\x02\x00", Malformed::Number),
        (
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
            Malformed::Number,
        ),
        (b"\xff\xff\xff\xff\xff\xff\x01", Malformed::Number),
        (
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            Malformed::Cut,
        ),
        (b"\x0b", Malformed::Type(1)),
    ] {
        let read: Result<Vec<_>, _> = fields(message).collect();
        assert_eq!(read.unwrap_err(), error, "{message:?}");
    }
    assert_eq!(
        varint(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        Ok((u64::MAX, 10))
    );
    assert_eq!(open(b"k8s"), Err(Malformed::Envelope));
    assert_eq!(open(b"{}"), Err(Malformed::Envelope));
}

/// Reads the bytes as everything that they could be. It has only to return.
fn survive(bytes: &[u8]) {
    for encoding in ENCODINGS {
        for kind in Kind::ALL {
            let read = read(kind, encoding, bytes);
            // What can't be read has a flaw that says so.
            assert!(!read.corrupt || !read.flaws.is_empty());
            let _ = named(kind, encoding, bytes);
            let _ = change(kind, encoding, bytes);
        }
        let _ = frames(encoding, bytes, &[3, 50]);
        let _ = items(encoding, bytes, &[3, 50]);
        let _ = Status::of_body(500, encoding, bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        survive(&bytes);
    }

    #[test]
    fn what_is_cut_or_garbled_is_survived(
        which in 0usize..5,
        cut in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = match which {
            0 => pod("web", 7),
            1 => messages::frame("ADDED", "Pod", &pod("web", 7)),
            2 => messages::list(9, "more", &[pod("a", 1), pod("b", 2)]),
            3 => super::list(9, "", &[super::object("a", 1)]).into_bytes(),
            _ => super::added("web", 7).into_bytes(),
        };
        let position = at.index(bytes.len());
        bytes[position] = byte;
        survive(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        survive(&bytes);
    }
}
