//! Lists: how they are asked for, and that none counts before its end.

use super::{JSON, PROTO, Rig, added, end_of_list, event, list, messages, object, status};
use crate::model::Kind;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_streamed_list_goes_on_as_the_watch() {
    let mut rig = Rig::start(Kind::Pod);
    let mut stream = rig.asked("stream since 0").await.answer(JSON);
    stream.send(&(added("a", 5) + &added("b", 3))).await;
    rig.expect(&["list", "+shop/a 5", "+shop/b 3"]).await;
    assert!(!rig.status().synced);
    stream.send(&end_of_list(7)).await;
    rig.expect(&["synced"]).await;
    assert!(rig.status().synced);
    stream.send(&event("MODIFIED", &object("a", 9))).await;
    stream.send(&event("DELETED", &object("b", 8))).await;
    rig.expect(&["+shop/a 9", "-shop/b 8"]).await;
    // Nobody told the server when to end it: we do, and go on where it was.
    rig.asked("watch since 9").await;
}

#[tokio::test(start_paused = true)]
async fn both_encodings_are_read_by_what_came() {
    let mut rig = Rig::start(Kind::Pod);
    let mut stream = rig.asked("stream since 0").await.answer(PROTO);
    let end = messages::entry(12, "k8s.io/initial-events-end", "true");
    let end = messages::frame("BOOKMARK", "Pod", &messages::meta("", 7, &[end]));
    let frames = [messages::frame("ADDED", "Pod", &messages::pod("a", 5)), end].concat();
    let (first, second) = frames.split_at(100);
    stream.send_bytes(first).await;
    stream.send_bytes(second).await;
    rig.expect(&["list", "+shop/a 5", "synced"]).await;
    drop(stream);

    let mut stream = rig.asked("watch since 7").await.answer(JSON);
    stream.send(&added("b", 8)).await;
    rig.expect(&["+shop/b 8"]).await;
    rig.watch.list(Kind::Pod);
    rig.asked("stream since 8")
        .await
        .refuse(422, "sendInitialEvents is forbidden")
        .await;
    let mut stream = rig
        .asked("list since 8")
        .await
        .answer("application/vnd.kubernetes.protobuf");
    let body = messages::list(9, "", &[messages::pod("a", 5), messages::pod("b", 8)]);
    stream.send_bytes(&body).await;
    drop(stream);
    rig.expect(&["list", "+shop/a 5", "+shop/b 8", "synced"])
        .await;
    rig.asked("watch since 9").await;
}

/// A streamed list is refused in this way: what is asked for next?
async fn check(what: &str, code: u16, message: &str, expected: &str) {
    let mut rig = Rig::start(Kind::Pod);
    rig.asked("stream since 0")
        .await
        .refuse(code, message)
        .await;
    assert_eq!(rig.next().await.name(), expected, "{what}");
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_streamed_is_listed() {
    check(
        "switched off",
        422,
        "sendInitialEvents is forbidden for watch",
        "list since 0",
    )
    .await;
    check(
        "an old server",
        400,
        "resourceVersionMatch is forbidden for watch",
        "list since 0",
    )
    .await;
    check(
        "a proxy",
        403,
        "sendInitialEvents is forbidden",
        "list since 0",
    )
    .await;
    check(
        "an old etcd",
        500,
        "a watch stream was requested, but …",
        "list since 0",
    )
    .await;
    check("no permission", 403, "pods is forbidden", "stream since 0").await;
    check("a busy server", 503, "later", "stream since 0").await;
    check("a sick server", 500, "etcd has no leader", "stream since 0").await;

    // The same, said within the answer.
    let mut rig = Rig::start(Kind::Pod);
    let mut stream = rig.asked("stream since 0").await.answer(JSON);
    let refusal = status(500, "a watch stream was requested by the client but …");
    stream.send(&event("ERROR", &refusal)).await;
    rig.expect(&["list"]).await;
    rig.asked("list since 0").await;
}

#[tokio::test(start_paused = true)]
async fn a_list_that_breaks_off_is_begun_again_and_takes_nothing_away() {
    let mut rig = Rig::start(Kind::Pod);
    rig.asked("stream since 0")
        .await
        .refuse(422, "sendInitialEvents")
        .await;
    let body = list(7, "", &[object("a", 1), object("b", 2)]);
    let (first, second) = body.split_at(body.find(r#""b""#).unwrap());

    let mut stream = rig.asked("list since 0").await.answer(JSON);
    stream.send(first).await;
    rig.expect(&["list", "+shop/a 1"]).await;
    stream.cut();
    // Nor does one whose end looks like one.
    let mut stream = rig.asked("list since 0").await.answer(JSON);
    stream.send(first).await;
    drop(stream);
    rig.expect(&["list", "+shop/a 1"]).await;
    // Nor one that stops.
    let mut stream = rig.asked("list since 0").await.answer(JSON);
    stream.send(first).await;
    rig.expect(&["list", "+shop/a 1"]).await;
    rig.passed();
    let mut slow = rig.asked("list since 0").await.answer(JSON);
    assert!(rig.passed() < Duration::from_secs(36));
    drop(stream);

    // A slow one does: each piece may take its time.
    slow.send(first).await;
    rig.expect(&["list", "+shop/a 1"]).await;
    tokio::time::sleep(Duration::from_secs(29)).await;
    slow.send(second).await;
    tokio::time::sleep(Duration::from_secs(29)).await;
    drop(slow);
    rig.expect(&["+shop/b 2", "synced"]).await;
    assert_eq!(rig.status().counts.lists, 4);
    rig.asked("watch since 7").await;
}

#[tokio::test(start_paused = true)]
async fn a_streamed_list_that_ends_before_its_end_is_listed() {
    let mut rig = Rig::start(Kind::Pod);
    let mut stream = rig.asked("stream since 0").await.answer(JSON);
    stream.send(&added("a", 1)).await;
    drop(stream);
    rig.expect(&["list", "+shop/a 1"]).await;
    let mut stream = rig.asked("list since 0").await.answer(JSON);
    stream.send(&list(7, "", &[])).await;
    drop(stream);
    rig.expect(&["list", "synced"]).await;
    rig.asked("watch since 7").await;
}

#[tokio::test(start_paused = true)]
async fn a_list_older_than_asked_for_takes_nothing_away() {
    let mut rig = Rig::start(Kind::Pod);
    let stream = rig.listed(7).await;
    rig.watch.list(Kind::Pod);
    let mut stale = rig.asked("stream since 7").await.answer(JSON);
    stale.send(&(added("a", 3) + &end_of_list(6))).await;
    rig.expect(&["list", "+shop/a 3"]).await;
    let mut stream = {
        drop(stream);
        rig.asked("stream since 7").await.answer(JSON)
    };
    assert!(
        rig.trouble().contains("version 6 where 7"),
        "{}",
        rig.trouble()
    );
    stream.send(&end_of_list(7)).await;
    rig.expect(&["list", "synced"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_list_that_does_not_say_when_is_none() {
    let mut rig = Rig::start(Kind::Pod);
    let mut stream = rig.asked("stream since 0").await.answer(JSON);
    stream.send(&end_of_list(0)).await;
    rig.expect(&["list"]).await;
    rig.asked("stream since 0").await.refuse(422, "no").await;
    let mut stream = rig.asked("list since 0").await.answer(JSON);
    stream.send(&list(7, "", &[]).replace('7', "seven")).await;
    drop(stream);
    rig.expect(&["list"]).await;
    rig.asked("list since 0").await;
    assert!(rig.trouble().contains("without a resourceVersion"));
}

#[tokio::test(start_paused = true)]
async fn a_list_in_pages_is_one_list() {
    let mut rig = Rig::start(Kind::Pod);
    rig.asked("stream since 0")
        .await
        .refuse(422, "sendInitialEvents")
        .await;
    for (page, next, items) in [("since 0", "more", ["a"]), ("page more", "", ["b"])] {
        let mut stream = rig.asked(&format!("list {page}")).await.answer(JSON);
        stream
            .send(&list(7, next, &items.map(|name| object(name, 1))))
            .await;
    }
    rig.expect(&["list", "+shop/a 1", "+shop/b 1", "synced"])
        .await;
    rig.asked("watch since 7").await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_behind_is_waited_for_and_one_with_another_history_believed() {
    let mut rig = Rig::start(Kind::Pod);
    let stream = rig.listed(900).await;
    rig.watch.list(Kind::Pod);
    drop(stream);
    let behind = "Too large resource version: 900, current: 700";
    for _ in 0..4 {
        rig.asked("stream since 900")
            .await
            .refuse(504, behind)
            .await;
    }
    // As the API server says it within an answer.
    let mut stream = rig.asked("stream since 900").await.answer(JSON);
    stream.send(&event("ERROR", &status(504, behind))).await;
    rig.expect(&["list"]).await;
    assert!(rig.trouble().contains("Too large"), "{}", rig.trouble());

    let mut stream = rig.asked("stream now").await.answer(JSON);
    stream.send(&(added("a", 5) + &end_of_list(701))).await;
    rig.expect(&["list anew", "+shop/a 5", "synced"]).await;
    drop(stream);
    assert_eq!(rig.trouble(), "");
    rig.asked("watch since 701").await;
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_a_cluster_does_without_counts_as_empty() {
    for (code, events) in [(404, &["list anew", "synced"][..]), (403, &["synced"])] {
        let mut rig = Rig::start(Kind::ServiceImport);
        rig.asked("stream since 0")
            .await
            .refuse(code, "the server could not find it")
            .await;
        rig.expect(events).await;
        let trouble = rig.trouble();
        assert!(rig.status().synced && trouble.contains("serviceimports.multicluster.x-k8s.io"));
        rig.passed();
        let mut stream = rig.asked("stream since 0").await.answer(JSON);
        assert!(rig.passed() > Duration::from_secs(40));
        stream.send(&(added("a", 5) + &end_of_list(7))).await;
        rig.expect(&["list", "+shop/a 5", "synced"]).await;
        assert_eq!(rig.trouble(), "");
    }
    // Others are waited for.
    let mut rig = Rig::start(Kind::Pod);
    rig.asked("stream since 0").await.refuse(404, "no").await;
    rig.asked("stream since 0").await;
    assert!(!rig.status().synced);
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_read_twice_is_of_no_use() {
    let mut rig = Rig::start(Kind::Pod);
    let end = messages::entry(12, "k8s.io/initial-events-end", "true");
    let end = messages::frame("BOOKMARK", "Pod", &messages::meta("", 7, &[end]));
    let odd = [messages::meta("a", 1, &[]), messages::number(3, 5)].concat();
    let odd = messages::frame("ADDED", "Pod", &odd);
    let body = [
        odd,
        messages::frame("ADDED", "Pod", &messages::pod("b", 2)),
        end,
    ]
    .concat();
    for _ in 0..2 {
        let mut stream = rig.asked("stream since 0").await.answer(PROTO);
        stream.send_bytes(&body).await;
        rig.expect(&["list"]).await;
    }
    let mut stream = rig.asked("stream since 0").await.answer(PROTO);
    stream.send_bytes(&body).await;
    rig.expect(&["list", "!shop/a 1", "+shop/b 2", "synced"])
        .await;
    assert_eq!(rig.status().counts.errors["corrupt"], 2);
}

/// What the API says of the kinds of our group.
fn kinds(names: &[&str]) -> String {
    let names: Vec<String> = names
        .iter()
        .map(|name| format!(r#"{{"name":"{name}"}}"#))
        .collect();
    format!(r#"{{"resources":[{}]}}"#, names.join(","))
}

#[tokio::test(start_paused = true)]
async fn a_kind_of_ours_that_is_not_installed_is_no_trouble_and_is_found_when_it_is() {
    for (kind, code) in [(Kind::DnsGrant, 404), (Kind::DnsExport, 403)] {
        let mut rig = Rig::start(kind);
        rig.asked("stream since 0").await.refuse(code, "no").await;
        rig.asked("kinds").await.refuse(404, "no such group").await;
        rig.expect(&["list anew", "synced"]).await;
        assert_eq!((rig.status().synced, rig.trouble()), (true, String::new()));
        rig.passed();
        // The index is not bothered a second time.
        rig.asked("stream since 0").await.refuse(code, "no").await;
        assert!(rig.passed() > Duration::from_secs(40));
        let others = kinds(&["dnsimports", "dnsexports/status"]);
        rig.asked("kinds").await.answer(JSON).send(&others).await;
        let mut stream = rig.asked("stream since 0").await.answer(JSON);
        stream.send(&(added("a", 5) + &end_of_list(7))).await;
        rig.expect(&["list", of(kind), "synced"]).await;
    }
}

/// What the object of [`added`] is called where it is of this kind.
fn of(kind: Kind) -> &'static str {
    match kind {
        Kind::DnsGrant => "+a 5",
        _ => "+shop/a 5",
    }
}

#[tokio::test(start_paused = true)]
async fn grants_that_exist_and_may_not_be_read_are_waited_for_and_others_done_without() {
    for (kind, name, synced) in [
        (Kind::DnsGrant, "dnsgrants", false),
        (Kind::DnsExport, "dnsexports", true),
        (Kind::DnsImport, "dnsimports", true),
    ] {
        let mut rig = Rig::start(kind);
        rig.asked("stream since 0").await.refuse(403, "no").await;
        let exists = kinds(&["dnsgrants", "dnsexports", "dnsimports"]);
        rig.asked("kinds").await.answer(JSON).send(&exists).await;
        rig.expect(if synced { &["synced"] } else { &[] }).await;
        let request = rig.asked("stream since 0").await;
        let trouble = rig.trouble();
        let verb = format!("the verb watch on {name}.tenantdns.io");
        assert!(trouble.contains(&verb), "{trouble}");
        assert_eq!(rig.status().synced, synced);
        let mut stream = request.answer(JSON);
        stream.send(&(added("a", 5) + &end_of_list(7))).await;
        rig.expect(&["list", of(kind), "synced"]).await;
        assert_eq!(rig.trouble(), "");
    }
}

#[tokio::test(start_paused = true)]
async fn grants_of_which_the_api_does_not_say_whether_it_has_any_are_waited_for() {
    let mut rig = Rig::start(Kind::DnsGrant);
    rig.asked("stream since 0").await.refuse(403, "no").await;
    rig.asked("kinds").await.refuse(403, "not to you").await;
    rig.asked("stream since 0").await.refuse(404, "none").await;
    assert!(!rig.status().synced && rig.trouble().contains("can't be told"));
    rig.asked("kinds").await.begin(200, &[]).cut();
    rig.asked("stream since 0").await;
    rig.expect(&[]).await;
    assert!(!rig.status().synced);
}

#[tokio::test(start_paused = true)]
async fn grants_that_vanish_with_their_kind_are_gone_and_those_of_a_hiccup_are_not() {
    let mut rig = Rig::start(Kind::DnsGrant);
    let mut stream = rig.asked("stream since 0").await.answer(JSON);
    stream.send(&(added("a", 5) + &end_of_list(7))).await;
    rig.expect(&["list", "+a 5", "synced"]).await;
    drop(stream);
    rig.asked("watch since 7").await.refuse(404, "none").await;
    rig.asked("stream since 7").await.refuse(404, "none").await;
    let still = kinds(&["dnsgrants"]);
    rig.asked("kinds").await.answer(JSON).send(&still).await;
    rig.asked("stream since 7").await.refuse(404, "none").await;
    rig.expect(&[]).await;
    rig.asked("kinds").await.refuse(404, "no such group").await;
    rig.expect(&["list anew", "synced"]).await;
}
