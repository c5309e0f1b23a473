//! The live source with its index: the API's events in, snapshots published.

use super::now;
use crate::config::Config;
use crate::cow::Seed;
use crate::drain::Drain;
use crate::index::{Event, Index};
use crate::model::Kind;
use crate::snapshot::Publisher;
use crate::tenancy::Mode;
use crate::watch::{Connection, Options, Timers, connect, watch};
use crate::zone::PodMode;
use anyhow::Context;
use std::collections::BTreeSet;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// Events that one snapshot takes in at most: it shows at once when the API is quiet, and gathers
/// when it is not.
const BATCH: usize = 4096;

/// The API's objects, from a thread of their own.
pub(super) struct Live {
    pub(super) index: Index,
    options: Options,
    connection: Connection,
    runtime: Runtime,
}

impl Live {
    /// Prepares the source. The API need not answer yet.
    ///
    /// # Errors
    /// The host's addresses can't be read, or no thread be had.
    pub(super) fn new(config: &Config) -> anyhow::Result<Self> {
        let kinds = kinds(config);
        let blocks = super::blocks_with_own_addresses(config)?;
        let seed = Seed::random();
        let index = Index::new(&blocks, config.tenancy.clone(), kinds.clone(), &seed);
        let source = &config.source.kubernetes;
        Ok(Self {
            index,
            options: Options {
                kinds,
                node: None,
                timers: Timers::new(source.watch_timeout, source.audit_interval),
            },
            connection: Connection {
                kubeconfig: source.kubeconfig.clone(),
                context: source.context.as_deref().map(str::to_owned),
            },
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
        })
    }

    /// Follows the API until `drain` is set. `synced` is told when everything has been read once.
    ///
    /// # Errors
    /// There is no client to be had: a wrong kubeconfig, no service account.
    pub(super) fn follow(
        self,
        mut publisher: Publisher,
        drain: &Drain,
        synced: oneshot::Sender<()>,
    ) -> anyhow::Result<()> {
        let Self {
            mut index,
            options,
            connection,
            runtime,
        } = self;
        runtime.block_on(async move {
            let api = connect(&connection)
                .await
                .context("connecting to the API")?;
            let mut watch = watch(&api, &options);
            let (mut batch, mut synced) = (Vec::with_capacity(BATCH), Some(synced));
            loop {
                tokio::select! {
                    () = drain.started() => return Ok(()),
                    count = watch.events.recv_many(&mut batch, BATCH) => {
                        anyhow::ensure!(count > 0, "the watch of the API has ended");
                    }
                }
                let more: Vec<Event> = std::mem::take(&mut batch);
                more.into_iter().for_each(|event| index.apply(event));
                publisher.publish(index.snapshot(now()));
                for (kind, objects) in index.take_repairs() {
                    tracing::warn!(
                        kind = kind.as_str(),
                        objects,
                        "what is known differs from what there is: listing again"
                    );
                    watch.relist(kind);
                }
                if index.is_synced()
                    && let Some(synced) = synced.take()
                {
                    tracing::info!("every kind has been read once");
                    // Whoever waited may have been told to stop instead.
                    let _ = synced.send(());
                }
            }
        })
    }
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
    let tenancy = config.tenancy.mode != Mode::Off;
    let wanted = [
        (Kind::Namespace, true),
        (Kind::Service, true),
        (Kind::EndpointSlice, zones().any(|zone| !zone.noendpoints)),
        (
            Kind::Pod,
            tenancy || zones().any(|zone| zone.pods == PodMode::Verified),
        ),
        (Kind::Node, tenancy),
        (
            Kind::ServiceImport,
            zones().any(|zone| !zone.multicluster.is_empty()),
        ),
    ];
    wanted
        .into_iter()
        .filter(|(_, wanted)| *wanted)
        .map(|(kind, _)| kind)
        .collect()
}
