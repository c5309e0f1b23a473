//! The index's thread on a clock that stands still: what is published, served and written, and when.

mod changes;
mod checkpoint;

use super::follow::{Follower, now};
use super::kinds;
use super::source::{Settings, Source};
use crate::app::changes::{Changing, changes};
use crate::app::progress::{KindState, Progress, State};
use crate::checkpoint::{Header, Writer};
use crate::config::Config;
use crate::drain::Drain;
use crate::index::{Copied, Event, Trust, Version};
use crate::model::{Kind, PolicyStatus};
use crate::snapshot::{Identities, SnapshotReader, cell};
use crate::tenancy::Owner;
use crate::testing::Cluster;
use crate::testing::objects::{namespace, pod, service};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

const SECOND: Duration = Duration::from_secs(1);

/// What an API has said of each kind: whether everything, and when last.
type Heard = Arc<Mutex<BTreeMap<Kind, (bool, Option<Instant>)>>>;

/// A follower of events that the test sends.
struct Trial {
    events: mpsc::Sender<Event>,
    heard: Heard,
    reader: SnapshotReader,
    progress: Progress,
    serving: oneshot::Receiver<()>,
    changing: Changing,
    /// What the source was asked.
    asked: Arc<Mutex<Vec<String>>>,
    drain: Drain,
    task: JoinHandle<anyhow::Result<()>>,
}

/// The events of a test, and what is asked of where they come from.
struct Received(mpsc::Receiver<Event>, Arc<Mutex<Vec<String>>>);

impl Received {
    fn note(&self, what: &str, kind: Kind) {
        let asked = format!("{what} {}", kind.as_str());
        self.1.lock().unwrap().push(asked);
    }
}

impl Source for Received {
    fn events(&mut self) -> &mut mpsc::Receiver<Event> {
        &mut self.0
    }

    fn list(&mut self, kind: Kind) {
        self.note("list", kind);
    }

    fn stop(&mut self, kind: Kind) {
        self.note("stop", kind);
    }

    fn tell(&self, _statuses: Vec<PolicyStatus>) {}
}

impl Trial {
    fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let cluster = Cluster::of(Vec::new(), "");
        let mut settings = Settings {
            kinds: Kind::ALL.into_iter().collect(),
            strict: true,
            startup_timeout: 5 * SECOND,
            ..Settings::default()
        };
        change(&mut settings);
        let mut index = cluster.empty_index();
        let (publisher, reader) = cell(index.snapshot(0));
        let (events, received) = mpsc::channel(4096);
        let (serve, serving) = oneshot::channel();
        let (progress, drain) = (Progress::default(), Drain::new());
        let unheard = settings.kinds.iter().map(|kind| (*kind, (false, None)));
        let heard = Heard::new(Mutex::new(unheard.collect()));
        let said = heard.clone();
        progress.update(|state| state.watched = Some(Arc::new(move || states(&said))));
        let (changing, changes) = changes();
        let follower = Follower::new(index, publisher, progress.clone(), serve, settings);
        let follower = follower.with_changes(changes);
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let mut source = Received(received, asked.clone());
        let task = tokio::spawn({
            let drain = drain.clone();
            async move { follower.run(&mut source, &drain).await }
        });
        Self {
            events,
            heard,
            reader,
            progress,
            serving,
            changing,
            asked,
            drain,
            task,
        }
    }

    async fn send(&self, event: Event) {
        let kind = match &event {
            Event::Synced(kind) => Some(*kind),
            _ => None,
        };
        self.events.send(event).await.unwrap();
        if let Some(kind) = kind {
            self.hear(kind, true);
        }
    }

    /// The API is heard of.
    fn hear(&self, kind: Kind, synced: bool) {
        let mut heard = self.heard.lock().unwrap();
        let state = heard.get_mut(&kind).unwrap();
        (state.0, state.1) = (state.0 | synced, Some(now()));
    }

    async fn sync(&self, but: Option<Kind>) {
        for kind in Kind::ALL.into_iter().filter(|kind| Some(*kind) != but) {
            self.send(Event::Synced(kind)).await;
        }
    }

    fn state(&self) -> State {
        self.progress.state()
    }

    fn is_served(&mut self) -> bool {
        self.serving.try_recv().is_ok()
    }

    /// Waits for a fact, on the clock that stands still.
    async fn until(&self, what: &str, fact: impl Fn(&Self) -> bool) {
        let start = now();
        while !fact(self) {
            assert!(now() - start < 600 * SECOND, "{what} has not come to be");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn end(self) {
        self.drain.start();
        self.task.await.unwrap().unwrap();
    }
}

fn states(heard: &Heard) -> BTreeMap<Kind, KindState> {
    let heard = heard.lock().unwrap();
    let state = |(kind, (synced, at)): (&Kind, &(bool, Option<Instant>))| {
        let state = KindState {
            synced: *synced,
            age: at.filter(|_| *synced).map(|at| now() - at),
            ..KindState::default()
        };
        (*kind, state)
    };
    heard.iter().map(state).collect()
}

fn is_pod(trial: &Trial, address: &str) -> bool {
    let owner = trial
        .reader
        .load()
        .clients
        .owner(address.parse::<std::net::IpAddr>().unwrap());
    matches!(owner, Some(Owner::Pod(_)))
}

fn is_expired(trial: &Trial) -> bool {
    trial.reader.load().identities == Identities::Expired
}

#[tokio::test(start_paused = true)]
async fn queries_are_answered_once_everything_has_been_read() {
    let mut trial = Trial::start(|_| {});
    trial.sync(Some(Kind::Pod)).await;
    tokio::time::sleep(60 * SECOND).await;
    assert!(!trial.is_served() && !trial.state().ready && !trial.reader.load().synced);
    trial.send(Event::Synced(Kind::Pod)).await;
    trial.until("ready", |trial| trial.state().ready).await;
    assert!(trial.is_served() && trial.reader.load().synced);
    trial.end().await;
}

#[tokio::test(start_paused = true)]
async fn without_tenancy_queries_are_answered_after_the_timeout_but_it_is_not_ready() {
    let mut trial = Trial::start(|settings| settings.strict = false);
    trial
        .send(Event::Apply(service(
            "shop",
            "web",
            &["10.96.1.1".parse().unwrap()],
        )))
        .await;
    tokio::time::sleep(4 * SECOND).await;
    assert!(!trial.is_served());
    tokio::time::sleep(2 * SECOND).await;
    assert!(trial.is_served() && !trial.state().ready);
    assert_eq!(trial.state().objects[&Kind::Service], 1);
    trial.sync(None).await;
    trial.until("ready", |trial| trial.state().ready).await;
    trial.end().await;
}

#[tokio::test(start_paused = true)]
async fn before_everything_has_been_read_snapshots_are_few() {
    let trial = Trial::start(|_| {});
    let start = now();
    for number in 0..200u8 {
        let address = [10, 244, 1, number].into();
        trial
            .send(Event::Apply(pod("shop", &number.to_string(), address)))
            .await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let quarters = (now() - start).as_millis() as u64 / 250;
    let published = trial.state().published;
    assert!(
        (2..=quarters + 2).contains(&published),
        "{published} in {quarters} quarters"
    );
    trial.sync(None).await;
    trial.until("ready", |trial| trial.state().ready).await;
    let before = trial.state().published;
    for number in 1..=20u64 {
        trial
            .send(Event::Apply(namespace(&format!("n{number}"))))
            .await;
        trial
            .until("a snapshot", |trial| {
                trial.state().published == before + number
            })
            .await;
    }
    trial.end().await;
}

#[tokio::test(start_paused = true)]
async fn identities_expire_while_the_api_is_away_and_heal_when_it_is_heard() {
    let trial = Trial::start(|settings| settings.identity_max_age = Some(3600 * SECOND));
    trial.send(Event::Apply(namespace("shop"))).await;
    trial
        .send(Event::Apply(pod(
            "shop",
            "a",
            "10.244.1.1".parse().unwrap(),
        )))
        .await;
    trial.sync(None).await;
    trial.until("ready", |trial| trial.state().ready).await;
    let hear = |kinds: &[Kind]| kinds.iter().for_each(|kind| trial.hear(*kind, true));

    // What is not about identities does not matter; the older of the two that are, does.
    tokio::time::sleep(3500 * SECOND).await;
    hear(&[Kind::Pod]);
    assert!(!is_expired(&trial));
    tokio::time::sleep(102 * SECOND).await;
    assert!(is_expired(&trial) && trial.state().expired);
    assert_eq!(
        trial.reader.load().identify("10.244.1.1".parse().unwrap()),
        crate::tenancy::Client::Unknown
    );
    assert!(trial.state().ready, "what has been ready stays so");

    hear(&[Kind::Namespace]);
    trial.until("trust", |trial| !is_expired(trial)).await;
    assert!(!trial.state().expired);
    assert!(is_pod(&trial, "10.244.1.1"));
    tokio::time::sleep(3000 * SECOND).await;
    assert!(!is_expired(&trial));
    trial.end().await;
}

#[test]
fn with_tenancy_off_the_kinds_are_those_that_coredns_watches() {
    const MULTICLUSTER: &str = "[kubernetes]\nzones = [\"cluster.local\", \"a.example\"]\n\
                                multicluster = [\"a.example\"]\n";
    const OFF: &str = "[tenancy]\nmode = \"off\"\n";
    for (config, expected) in [
        (OFF.to_owned(), "Namespace Service EndpointSlice"),
        (
            format!("{OFF}[kubernetes]\npods = \"verified\""),
            "Namespace Service EndpointSlice Pod",
        ),
        (
            format!("{OFF}[kubernetes]\npods = \"insecure\""),
            "Namespace Service EndpointSlice",
        ),
        (
            format!("{OFF}[kubernetes]\nnoendpoints = true"),
            "Namespace Service",
        ),
        (
            format!("{OFF}{MULTICLUSTER}"),
            "Namespace Service EndpointSlice ServiceImport",
        ),
        // Whom a forwarder names must be known, and whether it is a pod, in every mode.
        (
            format!(
                "{OFF}[[tenancy.forwarder]]\npeers = {{ cidrs = [\"10.0.0.1/32\"] }}\n\
                 [kubernetes]\nnoendpoints = true"
            ),
            "Namespace Service Pod Node",
        ),
        (
            format!(
                "{OFF}[[tenancy.forwarder]]\npeers = {{ services = [\"a/b\"] }}\n\
                 [kubernetes]\nnoendpoints = true"
            ),
            "Namespace Service EndpointSlice Pod Node",
        ),
        (
            "[tenancy]\nmode = \"audit\"".to_owned(),
            "Namespace Service EndpointSlice Pod Node DnsGrant DnsExport DnsImport",
        ),
        (
            String::new(),
            "Namespace Service EndpointSlice Pod Node DnsGrant DnsExport DnsImport",
        ),
    ] {
        let watched = kinds(&Config::from_toml(&config, "f.toml").unwrap());
        let names: Vec<&str> = watched.into_iter().map(Kind::as_str).collect();
        assert_eq!(names.join(" "), expected, "{config}");
    }
}
