//! The live source with its index: the API's events in, snapshots published.

mod change;
mod follow;
mod freshness;
mod programming;
mod restore;
mod save;
mod source;
#[cfg(test)]
mod tests;

use super::changes::{Changes, Next};
use super::files::TableFiles;
use super::progress::{Asked, KindState, Progress};
use super::questions::Questions;
use super::review::connection;
use crate::config::Config;
use crate::cow::Seed;
use crate::drain::Drain;
use crate::index::{Configuration, Event, Index};
use crate::model::{Kind, PolicyStatus};
use crate::snapshot::Publisher;
use crate::tenancy::{self, Mode};
use crate::watch::{
    Api, BOUNDS, Connection, Health, Options, Status, Timers, Watch, connect, watch,
};
use crate::zone::PodMode;
use anyhow::Context;
use follow::Follower;
use source::{Settings, Source};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};

/// The API's objects, from a thread of their own.
pub(super) struct Live {
    pub(super) index: Index,
    options: Options,
    connection: Connection,
    runtime: Runtime,
    settings: Settings,
}

impl Live {
    /// Prepares the source. The API need not answer yet.
    ///
    /// # Errors
    /// The host's addresses can't be read, or no thread be had.
    pub(super) fn new(config: &Config) -> anyhow::Result<Self> {
        let Next {
            configuration,
            startup_timeout,
            identity_max_age,
        } = next(config)?;
        let Configuration {
            blocks,
            tenancy,
            kinds,
        } = configuration;
        let seed = Seed::random();
        let index = Index::new(&blocks, tenancy.clone(), kinds.clone(), &seed);
        let mut index = index.with_labels_on_demand();
        // Whoever follows the index looks at them from then on.
        TableFiles::default().poll(&mut index, std::time::Instant::now());
        let source = &config.source.kubernetes;
        let settings = Settings {
            kinds: kinds.clone(),
            node: source.node().map(Into::into),
            strict: config.tenancy.mode == Mode::Enforce,
            startup_timeout,
            identity_max_age,
            checkpoint: source.checkpoint.clone(),
            tenancy,
        };
        if settings.strict && settings.checkpoint.is_some() && settings.identity_max_age.is_none() {
            tracing::warn!(
                "a checkpoint without identity_max_age: a server that starts without the API trusts \
                 it however old it is, and addresses may have changed hands"
            );
        }
        Ok(Self {
            index,
            options: Options {
                kinds,
                node: source.node().map(Into::into),
                timers: Timers::new(source.watch_timeout, source.audit_interval),
            },
            connection: connection(source),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
            settings,
        })
    }

    /// Follows the API until `drain` is set. `serving` is told when queries are answered.
    ///
    /// # Errors
    /// There is no client to be had: a wrong kubeconfig, no service account.
    pub(super) fn follow(
        self,
        publisher: Publisher,
        drain: &Drain,
        progress: &Progress,
        serving: oneshot::Sender<()>,
        (questions, changes): (Questions, Changes),
    ) -> anyhow::Result<()> {
        let Self {
            index,
            options,
            connection,
            runtime,
            settings,
        } = self;
        let result = runtime.block_on(async {
            let api = connect(&connection)
                .await
                .context("connecting to the API")?;
            let mut watch = watch(&api, &options);
            let health = watch.health.clone();
            progress.update(|state| {
                state.watched = Some(Arc::new(move || states(&health)));
                let api = api.clone();
                state.asked = Some(Arc::new(move || asked(&api)));
            });
            let (progress, drain) = (progress.clone(), drain.clone());
            let follower = Follower::new(index, publisher, progress, serving, settings)
                .with_questions(questions)
                .with_changes(changes);
            // A task of its own: waking what is blocked on takes another turn of the runtime, with a
            // system call.
            let task = tokio::spawn(async move { follower.run(&mut watch, &drain).await });
            match task.await {
                Ok(result) => result,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        });
        // A disk that hangs must not keep the program.
        runtime.shutdown_background();
        result
    }
}

impl Source for Watch {
    fn events(&mut self) -> &mut mpsc::Receiver<Event> {
        &mut self.events
    }

    fn list(&mut self, kind: Kind) {
        Self::list(self, kind);
    }

    fn stop(&mut self, kind: Kind) {
        Self::stop(self, kind);
    }

    fn tell(&self, statuses: Vec<PolicyStatus>) {
        self.conditions.want(statuses);
    }
}

/// Returns what the index is made for by a configuration.
///
/// # Errors
/// The host's addresses can't be read.
pub(super) fn next(config: &Config) -> anyhow::Result<Next> {
    Ok(Next {
        configuration: Configuration {
            blocks: super::blocks_with_own_addresses(config)?,
            tenancy: tenancy::Options {
                own_namespace: own_namespace(),
                ..config.tenancy.clone()
            },
            kinds: kinds(config),
        },
        startup_timeout: startup_timeout(config),
        identity_max_age: config.source.kubernetes.identity_max_age,
    })
}

/// Returns the namespace that the server runs in: what the downward API puts into `POD_NAMESPACE`, or
/// that of the pod's service account.
fn own_namespace() -> Option<Box<str>> {
    const FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
    let said = std::env::var("POD_NAMESPACE").ok();
    let said = said.or_else(|| std::fs::read_to_string(FILE).ok());
    let said = said.as_deref().map(str::trim);
    said.filter(|name| !name.is_empty()).map(Into::into)
}

/// Returns what has been asked of the API.
fn asked(api: &Api) -> Asked {
    let counts = api.requests().read();
    let outcomes = counts.outcomes.into_iter();
    let times = counts.times.into_iter();
    Asked {
        host: api.host().into(),
        outcomes: outcomes
            .map(|((method, code), count)| (method, code, count))
            .collect(),
        bounds: BOUNDS.to_vec(),
        times: times
            .map(|(method, (places, sum))| (method, places.to_vec(), sum.as_secs_f64()))
            .collect(),
    }
}

/// Returns how each watched kind is doing.
fn states(health: &Health) -> BTreeMap<Kind, KindState> {
    let state = |status: Status| KindState {
        synced: status.synced,
        restored: false,
        age: status.age(),
        trouble: status.sort.map(said),
        relists: status.counts.lists.saturating_sub(1),
        errors: status.counts.errors.into_iter().collect(),
        invalid: status.counts.invalid.into_iter().collect(),
    };
    let statuses = health.statuses().into_iter();
    statuses
        .map(|(kind, status)| (kind, state(status)))
        .collect()
}

/// Says a sort of trouble to whoever may ask: the API's own words name users and namespaces.
fn said(sort: &'static str) -> &'static str {
    match sort {
        "unreachable" => "the API can't be reached",
        "cut" | "silent" => "the API does not answer",
        "unauthorized" => "the API does not accept our credentials",
        "forbidden" => "not permitted",
        "not_found" => "the API has none",
        "throttled" | "timeout" | "server" => "the API is overloaded or failing",
        _ => "in trouble; the log says which",
    }
}

/// Returns how long the API has at the start: as long as the most patient block gives it.
fn startup_timeout(config: &Config) -> Duration {
    let zones = config
        .blocks
        .iter()
        .filter_map(|block| block.kubernetes.as_ref());
    zones
        .map(|zone| zone.startup_timeout)
        .max()
        .unwrap_or_default()
}

/// Returns the kinds to watch. With tenancy off they are those that CoreDNS would watch, so that
/// its role is enough.
fn kinds(config: &Config) -> BTreeSet<Kind> {
    let zones = || {
        config
            .blocks
            .iter()
            .filter_map(|block| block.kubernetes.as_ref())
    };
    // Forwarders are pods, and so are those for whom they ask: that holds in every mode.
    let forwarders = &config.tenancy.forwarders;
    let policies = config.tenancy.mode != Mode::Off;
    let tenancy = policies || !forwarders.is_empty();
    let by_service = forwarders.iter().any(|table| !table.services.is_empty());
    let wanted = [
        (Kind::Namespace, true),
        (Kind::Service, true),
        (
            Kind::EndpointSlice,
            by_service || zones().any(|zone| !zone.noendpoints),
        ),
        (
            Kind::Pod,
            tenancy || zones().any(|zone| zone.pods == PodMode::Verified),
        ),
        (Kind::Node, tenancy),
        (
            Kind::ServiceImport,
            zones().any(|zone| !zone.multicluster.is_empty()),
        ),
        // What is there of them depends on the cluster; the watch finds out.
        (Kind::DnsGrant, policies),
        (Kind::DnsExport, policies),
        (Kind::DnsImport, policies),
    ];
    wanted
        .into_iter()
        .filter(|(_, wanted)| *wanted)
        .map(|(kind, _)| kind)
        .collect()
}
