//! One kind: its list, its watch, and the guard around both.
//!
//! A re-list keeps no second copy: objects are stamped as they come, and what is unstamped at the
//! end is gone. An object never goes back to an older version of itself.

use super::slim::{Shape, Slim};
use super::trouble::{Health, Remedy, judge};
use crate::index::Event;
use crate::model::ObjectKey;
use futures_util::StreamExt;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, Resource};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;
use tokio::sync::mpsc;

/// How patient a follower is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timers {
    /// One watch request.
    watch: Duration,
    /// The first and the last pause after an error.
    pause: (Duration, Duration),
}

impl Timers {
    pub(super) fn of(watch: Duration) -> Self {
        Self {
            watch,
            pause: (
                Duration::from_millis(200),
                watch.min(Duration::from_secs(30)),
            ),
        }
    }

    /// Returns the pause after so many errors in a row: doubled each time, up to half of it left to
    /// chance, so that replicas don't come back all at once.
    fn pause(&self, errors: u32) -> Duration {
        let (first, last) = self.pause;
        let full = first.saturating_mul(1 << errors.min(16)).min(last);
        let chance = RandomState::new().hash_one(errors) % 512;
        full.mul_f64(0.5 + chance as f64 / 1024.0)
    }
}

/// Follows one kind.
pub(super) struct Follower {
    pub(super) client: Client,
    pub(super) sender: mpsc::Sender<Event>,
    pub(super) health: Health,
    pub(super) timers: Timers,
    pub(super) fields: Option<String>,
}

/// The index is gone: nobody wants events any more.
struct Closed;

impl Follower {
    /// Lists and watches until nobody wants events.
    pub(super) async fn run<S: Shape>(self) {
        let mut known = Known::default();
        let (mut streaming, mut errors) = (true, 0);
        loop {
            let api = Api::<Slim<S>>::all(self.client.clone());
            let mut events = Box::pin(watcher(api, self.config(streaming)));
            while let Some(event) = events.next().await {
                match event {
                    Ok(event) => {
                        errors = 0;
                        if self.take::<S>(event, &mut known).await.is_err() {
                            return;
                        }
                    }
                    Err(error) => {
                        let (remedy, text) = judge(S::KIND, &error, streaming);
                        if self.health.trouble(S::KIND, &text) {
                            tracing::warn!("{text}");
                        }
                        if remedy == Remedy::ListPages {
                            streaming = false;
                            break;
                        }
                        tokio::time::sleep(self.timers.pause(errors)).await;
                        errors += 1;
                        if remedy == Remedy::Restart {
                            break;
                        }
                    }
                }
            }
        }
    }

    fn config(&self, streaming: bool) -> watcher::Config {
        let seconds = u32::try_from(self.timers.watch.as_secs().max(1)).unwrap_or(u32::MAX);
        let config = watcher::Config::default().timeout(seconds);
        let config = match &self.fields {
            Some(fields) => config.fields(fields),
            None => config,
        };
        if streaming {
            config.streaming_lists()
        } else {
            config.any_semantic()
        }
    }

    async fn take<S: Shape>(
        &self,
        event: watcher::Event<Slim<S>>,
        known: &mut Known,
    ) -> Result<(), Closed> {
        match event {
            watcher::Event::Init => known.round += 1,
            watcher::Event::InitApply(object) | watcher::Event::Apply(object) => {
                self.apply(object, known).await?;
            }
            watcher::Event::Delete(object) => {
                let key = key_of(&object);
                known.versions.remove(&key);
                self.send(Event::Delete(S::KIND, key)).await?;
            }
            watcher::Event::InitDone => {
                let round = known.round;
                let gone: Vec<ObjectKey> = known
                    .versions
                    .extract_if(|_, seen| seen.1 != round)
                    .map(|(k, _)| k)
                    .collect();
                for key in gone {
                    self.send(Event::Delete(S::KIND, key)).await?;
                }
                self.send(Event::Synced(S::KIND)).await?;
                self.health.heard(S::KIND, true);
                return Ok(());
            }
        }
        self.health.heard(S::KIND, false);
        Ok(())
    }

    async fn apply<S: Shape>(&self, object: Slim<S>, known: &mut Known) -> Result<(), Closed> {
        let key = key_of(&object);
        let version = object
            .meta()
            .resource_version
            .as_deref()
            .and_then(|v| v.parse().ok());
        let round = known.round;
        let seen = known.versions.entry(key.clone()).or_insert((0, round));
        seen.1 = round;
        // A list from another server's cache may be older than what its watch has told already.
        if version.is_some_and(|version| version < seen.0) {
            return Ok(());
        }
        seen.0 = version.unwrap_or(0);
        match object.object {
            Ok(Some(object)) => self.send(Event::Apply(object)).await,
            Ok(None) => self.send(Event::Delete(S::KIND, key)).await,
            Err(flaw) => {
                tracing::warn!(kind = S::KIND.as_str(), object = %key, flaw, "object skipped");
                self.send(Event::Delete(S::KIND, key)).await
            }
        }
    }

    async fn send(&self, event: Event) -> Result<(), Closed> {
        self.sender.send(event).await.map_err(|_| Closed)
    }
}

/// The objects of one kind that have been given: their version, and the list that last had them.
#[derive(Default)]
struct Known {
    versions: HashMap<ObjectKey, (u64, u32)>,
    round: u32,
}

fn key_of<S: Shape>(object: &Slim<S>) -> ObjectKey {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let meta = object.meta();
    ObjectKey::new(text(&meta.namespace), text(&meta.name))
}
