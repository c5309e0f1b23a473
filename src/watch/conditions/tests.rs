//! What is written when: on values and on a clock that stands still.

use super::board::{Conditions, Due};
use super::observed::{Observed, patch};
use crate::model::{Kind, ObjectKey, PolicyCondition, PolicyStatus};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, advance};

fn status(generation: i64, reason: &'static str) -> PolicyStatus {
    let condition = |reason| PolicyCondition {
        holds: reason != "NoDestination",
        reason,
        message: String::new(),
    };
    PolicyStatus {
        kind: Kind::DnsExport,
        key: ObjectKey::new("shop", "web"),
        observed_generation: generation,
        accepted: condition("Accepted"),
        programmed: condition(reason),
    }
}

/// The object after a patch of these conditions was taken.
fn having(status: &PolicyStatus, generation: i64, before: &Observed, now: &str) -> Observed {
    let body: Value = serde_json::from_slice(&patch(status, before, now)).unwrap();
    let object = json!({
        "metadata": {"uid": "u-1", "generation": generation}, "status": body["status"],
    });
    Observed::read(object.to_string().as_bytes()).unwrap()
}

fn bare(generation: i64) -> Observed {
    let object = json!({"metadata": {"uid": "u-1", "generation": generation}});
    Observed::read(object.to_string().as_bytes()).unwrap()
}

/// The pause until something is written; `None` where nothing is.
async fn written_after(conditions: &Conditions) -> Option<Duration> {
    let began = Instant::now();
    loop {
        match conditions.next(Instant::now()) {
            Due::Nothing => return None,
            Due::At(time) => advance(time - Instant::now()).await,
            Due::Write(job) => {
                conditions.tried(&job, true, Instant::now());
                return Some(began.elapsed());
            }
        }
    }
}

fn key() -> ObjectKey {
    ObjectKey::new("shop", "web")
}

#[test]
fn the_patch_names_the_object_and_keeps_the_time_of_what_has_not_turned() {
    let first = status(3, "NoDestination");
    let body: Value = serde_json::from_slice(&patch(&first, &bare(3), "then")).unwrap();
    let condition = |name: &str, status: &str, reason: &str| {
        json!({
            "type": name, "status": status, "reason": reason, "message": "",
            "observedGeneration": 3, "lastTransitionTime": "then",
        })
    };
    let conditions = [
        condition("Accepted", "True", "Accepted"),
        condition("Programmed", "False", "NoDestination"),
    ];
    let expected = json!({
        "apiVersion": "tenantdns.io/v1alpha1",
        "kind": "DnsExport",
        "metadata": {"namespace": "shop", "name": "web", "uid": "u-1"},
        "status": {"conditions": conditions},
    });
    assert_eq!(body, expected);

    let has = having(&first, 3, &bare(3), "then");
    let next = status(4, "Programmed");
    let body: Value = serde_json::from_slice(&patch(&next, &has, "now")).unwrap();
    let times = body["status"]["conditions"].as_array().unwrap().iter();
    let times: Vec<&Value> = times.map(|c| &c["lastTransitionTime"]).collect();
    assert_eq!(times, ["then", "now"]);
}

#[tokio::test(start_paused = true)]
async fn only_what_differs_is_written_and_not_again() {
    let conditions = Conditions::default();
    let wanted = status(1, "Programmed");
    conditions.want(vec![wanted.clone()]);
    assert_eq!(
        written_after(&conditions).await,
        None,
        "nobody has seen the object"
    );
    conditions.saw(Kind::DnsExport, key(), bare(1));
    let spread = written_after(&conditions).await.unwrap();
    assert!(spread <= Duration::from_secs(3), "{spread:?}");
    // The watch has not brought it back yet.
    let again = written_after(&conditions).await.unwrap();
    assert!(again > Duration::from_secs(40), "{again:?}");
    conditions.saw(Kind::DnsExport, key(), having(&wanted, 1, &bare(1), "then"));
    assert_eq!(written_after(&conditions).await, None);
    conditions.want(vec![wanted.clone()]);
    assert_eq!(written_after(&conditions).await, None);
    // What another replica has written counts as much.
    let changed = status(1, "NoDestination");
    conditions.want(vec![changed.clone()]);
    conditions.saw(
        Kind::DnsExport,
        key(),
        having(&changed, 1, &bare(1), "then"),
    );
    assert_eq!(written_after(&conditions).await, None);
    conditions.gone(Kind::DnsExport, &key());
    conditions.want(vec![wanted]);
    assert_eq!(written_after(&conditions).await, None);
}

#[tokio::test(start_paused = true)]
async fn replicas_that_disagree_write_less_and_less_often() {
    let (one, other) = (Conditions::default(), status(1, "NoDestination"));
    let wanted = status(1, "Programmed");
    one.want(vec![wanted]);
    let theirs = having(&other, 1, &bare(1), "then");
    let mut pauses = Vec::new();
    for _ in 0..9 {
        one.saw(Kind::DnsExport, key(), theirs.clone());
        pauses.push(written_after(&one).await.unwrap());
    }
    for (pause, least) in pauses
        .iter()
        .skip(1)
        .zip([48, 96, 192, 384, 768, 1536, 2880])
    {
        assert!(*pause >= Duration::from_secs(least), "{pauses:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_that_has_changed_since_is_left_alone() {
    let conditions = Conditions::default();
    conditions.want(vec![status(1, "Programmed")]);
    conditions.saw(Kind::DnsExport, key(), bare(2));
    assert_eq!(written_after(&conditions).await, None);
    conditions.want(vec![status(2, "Programmed")]);
    assert!(written_after(&conditions).await.is_some());
}
