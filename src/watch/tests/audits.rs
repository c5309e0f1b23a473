//! Comparisons: when they are made, and that they wait for the watch.

use super::{Exchange, JSON, Rig, added, bookmark, list, object};
use crate::model::Kind;
use std::time::Duration;

/// Waits for a comparison's list, with quiet watches meanwhile that end when they are to.
async fn audit(rig: &mut Rig, version: u64) -> Exchange {
    loop {
        let exchange = rig.requests.recv().await.unwrap();
        if exchange.name() == format!("audit since {version}") {
            return exchange;
        }
        assert_eq!(exchange.name(), format!("watch since {version}"));
        let mut stream = exchange.answer(JSON);
        stream.send(&bookmark(version)).await;
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(20)).await;
            drop(stream);
        });
    }
}

#[tokio::test(start_paused = true)]
async fn within_five_minutes_what_there_is_is_compared_once_the_watch_is_as_far() {
    let mut rig = Rig::start(Kind::Pod);
    drop(rig.listed(7).await);
    rig.passed();
    let mut answer = audit(&mut rig, 7).await.answer(JSON);
    assert!(rig.passed() < Duration::from_secs(270));
    // What happens meanwhile is told first.
    answer
        .send(&list(12, "", &[object("a", 9), object("b", 5)]))
        .await;
    drop(answer);
    let mut stream = rig.asked("watch since 7").await.answer(JSON);
    stream.send(&added("a", 9)).await;
    rig.expect(&["+shop/a 9"]).await;
    stream.send(&bookmark(11)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    rig.expect(&[]).await;
    stream.send(&bookmark(12)).await;
    rig.expect(&["audit of 2 at 12"]).await;
    assert_eq!(rig.status().counts.audits, 1);
}

#[tokio::test(start_paused = true)]
async fn a_comparison_that_fails_is_said_and_makes_nothing_older() {
    let mut rig = Rig::start(Kind::Pod);
    drop(rig.listed(7).await);
    audit(&mut rig, 7).await.refuse(403, "no, no").await;
    let exchange = audit(&mut rig, 7).await;
    let trouble = rig.trouble();
    assert!(
        trouble.contains("needs the verb list on pods: no, no"),
        "{trouble}"
    );
    assert!(rig.status().age() < Some(Duration::from_secs(25)));
    // The watch going on does not end this doubt; the next comparison does.
    let mut answer = exchange.answer(JSON);
    answer.send(&list(7, "", &[])).await;
    drop(answer);
    rig.expect(&["audit of 0 at 7"]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(rig.trouble(), "");
}

#[tokio::test(start_paused = true)]
async fn while_a_list_is_under_way_nothing_is_compared() {
    let mut rig = Rig::start(Kind::Pod);
    let mut stream = rig.listed(7).await;
    rig.watch.list(Kind::Pod);
    let mut relist = rig.asked("stream since 7").await.answer(JSON);
    stream.send(&bookmark(8)).await;
    rig.expect(&["list"]).await;
    // For ten minutes, an object now and then.
    for version in 10..50 {
        tokio::time::sleep(Duration::from_secs(15)).await;
        relist.send(&added("a", version)).await;
        rig.expect(&[&format!("+shop/a {version}")]).await;
    }
    assert!(rig.requests.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_server_whose_history_was_replaced_is_found_out_while_nothing_changes() {
    let mut rig = Rig::start(Kind::Pod);
    drop(rig.listed(900).await);
    // A watch from a version that the server has not reached is quiet.
    let behind = "Too large resource version: 900, current: 700";
    for _ in 0..3 {
        audit(&mut rig, 900).await.refuse(504, behind).await;
    }
    loop {
        let exchange = rig.next().await;
        if exchange.name() == "stream since 900" {
            return;
        }
        assert_eq!(exchange.name(), "watch since 900");
        // Ends when the list is wanted.
        drop(exchange.answer(JSON));
    }
}
