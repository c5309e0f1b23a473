//! Watches: where they go on, and what is done when one goes wrong.

use super::{JSON, PROTO, Rig, added, bookmark, end_of_list, event, messages, object, status};
use crate::model::Kind;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_watch_goes_on_behind_the_last_version_seen() {
    let mut rig = Rig::start(Kind::Pod);
    drop(rig.listed(7).await);
    for (since, sent, events) in [
        (7, added("a", 9), &["+shop/a 9"][..]),
        (9, bookmark(12), &[]),
        (12, event("DELETED", &object("a", 13)), &["-shop/a 13"]),
        // Late, twice, and before the last: the index tells what is news; nothing goes back.
        (
            13,
            added("a", 11) + &added("b", 13) + &added("b", 13),
            &["+shop/a 11", "+shop/b 13", "+shop/b 13"],
        ),
        (13, String::new(), &[]),
    ] {
        let mut stream = rig
            .asked(&format!("watch since {since}"))
            .await
            .answer(JSON);
        if !sent.is_empty() {
            stream.send(&sent).await;
        }
        rig.expect(events).await;
        drop(stream);
    }
    rig.asked("watch since 13").await;
    assert_eq!(rig.status().counts.lists, 1);
    assert_eq!(rig.trouble(), "");
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_place_is_listed_anew_within_two_seconds() {
    for within in [false, true] {
        let mut rig = Rig::start(Kind::Pod);
        let mut stream = rig.listed(7).await;
        stream.send(&added("a", 9)).await;
        rig.expect(&["+shop/a 9"]).await;
        drop(stream);
        let exchange = rig.asked("watch since 9").await;
        rig.passed();
        if within {
            let mut stream = exchange.answer(JSON);
            stream
                .send(&event("ERROR", &status(410, "too old resource version")))
                .await;
        } else {
            exchange.refuse(410, "too old resource version").await;
        }
        let mut stream = rig.asked("stream since 9").await.answer(JSON);
        assert!(rig.passed() < Duration::from_secs(2));
        assert!(rig.trouble().contains("listing again"), "{}", rig.trouble());
        stream.send(&end_of_list(20)).await;
        rig.expect(&["list", "synced"]).await;
        assert_eq!(rig.trouble(), "");
        assert_eq!(rig.status().counts.errors["gone"], 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_noticed_within_thirty_seconds() {
    // It never answers.
    let mut rig = Rig::start(Kind::Pod);
    let mut silent = vec![rig.asked("stream since 0").await];
    rig.passed();
    silent.push(rig.asked("list since 0").await);
    assert!(rig.passed() <= Duration::from_secs(30));
    assert!(
        rig.trouble().contains("nothing from the API for 30 s"),
        "{}",
        rig.trouble()
    );
    assert_eq!(rig.status().heard, None);

    // It stops while we watch: as the end of a list, in a watch, at its start.
    let mut rig = Rig::start(Kind::Pod);
    let after_list = rig.listed(7).await;
    rig.passed();
    let never = rig.asked("watch since 7").await;
    let exchange = rig.asked("watch since 7").await;
    assert!(rig.passed() <= Duration::from_secs(30));
    assert_eq!(rig.status().counts.errors["silent"], 1);
    let mut stops = exchange.answer(JSON);
    stops.send(&added("a", 9)).await;
    rig.expect(&["+shop/a 9"]).await;
    assert_eq!(rig.trouble(), "");
    rig.passed();
    let unanswered = rig.asked("watch since 9").await;
    assert!(rig.passed() <= Duration::from_secs(30));
    assert_eq!(rig.status().counts.errors["silent"], 2);
    rig.asked("watch since 9").await;
    assert!(rig.passed() <= Duration::from_secs(35));
    drop((after_list, never, stops, unanswered));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_is_made_again() {
    let mut rig = Rig::start(Kind::Pod);
    let mut stream = rig.listed(7).await;
    stream.send(&added("a", 9)).await;
    // Half an event.
    stream.send(&added("b", 10)[..20]).await;
    rig.expect(&["+shop/a 9"]).await;
    stream.cut();
    drop(rig.asked("watch since 9").await);
    assert!(rig.trouble().contains("broke off"), "{}", rig.trouble());
    // Nobody is there for an hour. It costs little to ask.
    rig.passed();
    let mut asked = 0;
    while rig.began.elapsed() < Duration::from_secs(3600) {
        drop(rig.asked("watch since 9").await);
        asked += 1;
    }
    assert!((700..1500).contains(&asked), "{asked}");
    assert!(
        rig.trouble().contains("can't be reached: "),
        "{}",
        rig.trouble()
    );
    let since = rig.status().age().unwrap();
    assert!(since > Duration::from_secs(3500), "{since:?}");
    // It is there again.
    let mut stream = rig.asked("watch since 9").await.answer(JSON);
    stream.send(&added("b", 10)).await;
    rig.expect(&["+shop/b 10"]).await;
    assert_eq!(
        (rig.trouble(), rig.status().age()),
        (String::new(), Some(Duration::ZERO))
    );
    assert_eq!(rig.status().counts.lists, 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_the_verb_and_the_resource() {
    for (kind, name) in [
        (Kind::Pod, "pods"),
        (Kind::EndpointSlice, "endpointslices.discovery.k8s.io"),
    ] {
        let mut rig = Rig::start(kind);
        rig.asked("stream since 0")
            .await
            .refuse(403, "no, no")
            .await;
        rig.asked("stream since 0")
            .await
            .refuse(422, "sendInitialEvents")
            .await;
        let needed =
            |verb: &str| format!("the ClusterRole needs the verb {verb} on {name}: no, no");
        assert!(
            rig.trouble().contains(&needed("watch")),
            "{}",
            rig.trouble()
        );
        rig.asked("list since 0").await.refuse(403, "no, no").await;
        rig.asked("list since 0")
            .await
            .refuse(401, "Unauthorized")
            .await;
        assert!(rig.status().counts.errors["forbidden"] == 2);
        rig.asked("list since 0").await;
        assert!(
            rig.trouble().contains("credentials: Unauthorized"),
            "{}",
            rig.trouble()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_to_be_left_alone_is_left_alone() {
    let mut rig = Rig::start(Kind::Pod);
    let later = [("retry-after", "7")];
    rig.asked("stream since 0")
        .await
        .refuse_with(429, &later, "too many requests")
        .await;
    rig.passed();
    let mut stream = rig.asked("stream since 0").await.answer(JSON);
    let waited = rig.passed();
    assert!(
        waited >= Duration::from_secs(7) && waited < Duration::from_secs(8),
        "{waited:?}"
    );
    // Within an answer it stands in the status.
    let busy = r#"{"code":503,"message":"later","details":{"retryAfterSeconds":9}}"#;
    stream.send(&event("ERROR", busy)).await;
    rig.expect(&["list"]).await;
    rig.passed();
    let mut exchange = rig.asked("stream since 0").await;
    assert!(rig.passed() >= Duration::from_secs(9));
    // Without a wish, pauses grow up to half a minute.
    for _ in 0..12 {
        exchange.refuse(500, "etcd has no leader").await;
        rig.passed();
        exchange = rig.asked("stream since 0").await;
    }
    let waited = rig.passed();
    assert!(
        waited >= Duration::from_secs(15) && waited <= Duration::from_secs(30),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_refused_again_and_again_is_given_up_for_a_list() {
    let mut rig = Rig::start(Kind::Pod);
    drop(rig.listed(7).await);
    for _ in 0..3 {
        let mut stream = rig.asked("watch since 7").await.answer(JSON);
        stream
            .send(&event("ERROR", &status(500, "unable to decode")))
            .await;
    }
    rig.asked("stream since 7").await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_at_once_is_not_asked_for_at_once() {
    let mut rig = Rig::start(Kind::Pod);
    drop(rig.listed(7).await);
    for _ in 0..12 {
        drop(rig.asked("watch since 7").await.answer(JSON));
    }
    rig.passed();
    rig.asked("watch since 7").await;
    assert!(rig.passed() >= Duration::from_secs(15));
    assert_eq!(rig.trouble(), "");
}

#[tokio::test(start_paused = true)]
async fn a_garbled_event_is_asked_for_again_and_passed_over_at_last() {
    let mut rig = Rig::start(Kind::Pod);
    drop(rig.listed(7).await);
    // Not even a frame.
    let mut stream = rig.asked("watch since 7").await.answer(PROTO);
    stream
        .send_bytes(&messages::frame("ADDED", "Pod", &messages::pod("a", 8)))
        .await;
    rig.expect(&["+shop/a 8"]).await;
    stream.send_bytes(b"\xff\xff\xff\xff").await;
    let odd = [messages::meta("b", 9, &[]), messages::number(2, 1)].concat();
    let odd = messages::frame("MODIFIED", "Pod", &odd);
    let mut stream = rig.asked("watch since 8").await.answer(PROTO);
    assert!(rig.trouble().contains("can't be read"), "{}", rig.trouble());
    stream.send_bytes(&odd).await;
    let mut stream = rig.asked("watch since 8").await.answer(PROTO);
    stream.send_bytes(&odd).await;
    rig.expect(&["!shop/b 9"]).await;
    drop(stream);
    rig.asked("watch since 9").await;
}

#[tokio::test(start_paused = true)]
async fn a_malformed_object_is_named_counted_and_in_nobodys_way() {
    let mut rig = Rig::start(Kind::Pod);
    let mut stream = rig.listed(7).await;
    let odd = |version: u64| {
        let object = object("a", version);
        let status = r#""status":{"phase":"Odd"}}"#;
        event(
            "MODIFIED",
            &format!("{},{status}", object.strip_suffix('}').unwrap()),
        )
    };
    stream.send(&(odd(8) + &odd(9) + &added("b", 10))).await;
    rig.expect(&["!shop/a 8", "!shop/a 9", "+shop/b 10"]).await;
    let addresses = r#""status":{"podIPs":[{"ip":"10.0.0.1"},{"ip":"010.0.0.2"}]}}"#;
    let partly = format!("{},{addresses}", object("c", 11).strip_suffix('}').unwrap());
    stream.send(&event("ADDED", &partly)).await;
    rig.expect(&["+shop/c 11"]).await;
    let invalid = rig.status().counts.invalid;
    let invalid: Vec<_> = invalid
        .iter()
        .map(|(reason, count)| (&**reason, *count))
        .collect();
    assert_eq!(invalid, [("status.phase", 2), ("status.podIPs", 1)]);
    assert_eq!(rig.trouble(), "");
}
