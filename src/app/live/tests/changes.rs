//! Another configuration while the API is followed: what it reads more is listed before it is in force.

use super::*;
use crate::app::changes::Next;
use crate::index::Configuration;

/// What the index is made for by a configuration's text.
fn next(text: &str) -> Next {
    let config = Config::from_toml(text, "f.toml").unwrap();
    Next {
        configuration: Configuration {
            blocks: config.blocks.clone(),
            tenancy: config.tenancy.clone(),
            kinds: kinds(&config),
        },
        startup_timeout: SECOND,
        identity_max_age: config.source.kubernetes.identity_max_age,
    }
}

/// What the source was asked since it was last looked at.
fn asked(trial: &Trial) -> Vec<String> {
    std::mem::take(&mut *trial.asked.lock().unwrap())
}

async fn list(trial: &Trial, kind: Kind) {
    trial.send(Event::Listing(kind, Trust::Newer)).await;
    trial.send(Event::Synced(kind)).await;
}

#[tokio::test(start_paused = true)]
async fn what_reads_no_more_is_in_force_at_once_and_lists_nothing() {
    let mut trial = Trial::start(|_| {});
    trial.sync(None).await;
    trial
        .until("a snapshot", |trial| trial.reader.load().synced)
        .await;
    assert!(trial.is_served());
    let audit = next("[tenancy]\nmode = \"audit\"\n");
    trial.changing.prepare(audit).await.unwrap();
    assert_eq!(trial.reader.load().configuration, 0);
    trial.changing.exchange().await.unwrap();
    let snapshot = trial.reader.load();
    assert_eq!(snapshot.configuration, 1);
    assert!(snapshot.synced && !snapshot.policy.is_enforced());
    assert_eq!(asked(&trial), ["stop ServiceImport"]);
    trial.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_reads_more_waits_for_it_while_the_one_before_answers() {
    let trial = Trial::start(|_| {});
    trial.sync(None).await;
    trial
        .until("a snapshot", |trial| trial.reader.load().synced)
        .await;
    let off = next("[tenancy]\nmode = \"off\"\n");
    trial.changing.prepare(off).await.unwrap();
    trial.changing.exchange().await.unwrap();
    assert_eq!(
        asked(&trial),
        [
            "stop Pod",
            "stop Node",
            "stop ServiceImport",
            "stop DnsGrant",
            "stop DnsExport",
            "stop DnsImport"
        ]
    );

    // Back: pods and the like are listed anew, and Services because their annotations were left out.
    let (changing, enforced) = (trial.changing.clone(), next(""));
    let prepared = tokio::spawn(async move { changing.prepare(enforced).await });
    trial
        .until("lists", |trial| trial.asked.lock().unwrap().len() == 6)
        .await;
    let mut wanted = asked(&trial);
    wanted.sort();
    assert_eq!(
        wanted,
        [
            "list DnsExport",
            "list DnsGrant",
            "list DnsImport",
            "list Node",
            "list Pod",
            "list Service"
        ]
    );
    for kind in [
        Kind::DnsExport,
        Kind::DnsGrant,
        Kind::DnsImport,
        Kind::Node,
        Kind::Pod,
    ] {
        list(&trial, kind).await;
    }
    // A list of Services that was under way knows nothing of their annotations.
    trial.send(Event::Synced(Kind::Service)).await;
    trial
        .until("the events", |trial| {
            trial.events.capacity() == trial.events.max_capacity()
        })
        .await;
    assert!(!prepared.is_finished());
    let snapshot = trial.reader.load();
    assert!(snapshot.configuration == 1 && snapshot.synced && !snapshot.policy.is_enforced());
    list(&trial, Kind::Service).await;
    prepared.await.unwrap().unwrap();
    trial.changing.exchange().await.unwrap();
    let snapshot = trial.reader.load();
    assert!(snapshot.configuration == 2 && snapshot.synced && snapshot.policy.is_enforced());
    trial.end().await;
}

#[tokio::test(start_paused = true)]
async fn before_the_first_sync_a_change_is_taken_and_the_sync_goes_on() {
    let mut trial = Trial::start(|_| {});
    let audit = next("[tenancy]\nmode = \"audit\"\n");
    trial.changing.prepare(audit).await.unwrap();
    trial.changing.exchange().await.unwrap();
    let snapshot = trial.reader.load();
    assert!(snapshot.configuration == 1 && !snapshot.synced);
    drop(snapshot);
    trial.sync(None).await;
    trial
        .until("a snapshot", |trial| trial.reader.load().synced)
        .await;
    assert!(trial.is_served());
    trial.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_given_up_leaves_room_for_the_next_one() {
    let trial = Trial::start(|_| {});
    trial.sync(None).await;
    trial
        .until("a snapshot", |trial| trial.reader.load().synced)
        .await;
    let labels = next("[kubernetes]\nlabels = \"a=b\"\n");
    let (changing, wants) = (trial.changing.clone(), labels.clone());
    let given_up = tokio::spawn(async move { changing.prepare(wants).await });
    trial
        .until("lists", |trial| !trial.asked.lock().unwrap().is_empty())
        .await;
    given_up.abort();
    let audit = next("[tenancy]\nmode = \"audit\"\n");
    let changing = trial.changing.clone();
    let prepared = tokio::spawn(async move { changing.prepare(audit).await });
    // What is being listed is waited for: what is known of it is of two sorts meanwhile.
    for kind in [Kind::Service, Kind::EndpointSlice, Kind::Pod] {
        list(&trial, kind).await;
    }
    prepared.await.unwrap().unwrap();
    trial.changing.exchange().await.unwrap();
    assert!(!trial.reader.load().policy.is_enforced());
    // Told to stop, it ends whatever is under way.
    let changing = trial.changing.clone();
    let last = tokio::spawn(async move { changing.prepare(labels).await });
    trial
        .until("a wish", |trial| {
            trial.asked.lock().unwrap().iter().any(|a| a == "list Pod")
        })
        .await;
    trial.end().await;
    assert_eq!(last.await.unwrap(), None);
}
