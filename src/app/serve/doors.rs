//! The HTTP listeners: where they are, and whom they ask who reads the administrator's pages. Not what
//! the pages say.

use crate::admin::{Admin, Bound, Reviewer};
use crate::app::details::Details;
use crate::config::Config;
use anyhow::Context;
use std::net::SocketAddr;
use std::sync::Arc;

/// Starts to serve the pages, where they are served at all.
///
/// # Errors
/// There is no thread to be had.
pub(super) fn open(
    doors: Bound,
    config: &Config,
    details: &Arc<Details>,
) -> anyhow::Result<Option<Admin>> {
    if doors.is_empty() {
        return Ok(None);
    }
    let pages = details.pages.clone();
    let started = doors.start(pages, details.clone(), reviewer(config));
    Ok(Some(started.context("starting the HTTP listeners")?))
}

/// Says where the pages are.
pub(super) fn say(doors: &Bound) {
    for (address, routes) in doors.local_addresses() {
        let paths: Vec<_> = routes.paths().collect();
        match routes.is_guarded() {
            true => {
                tracing::info!(%address, paths = paths.join(" "), "HTTPS, for bearers of tokens")
            }
            false => tracing::info!(%address, paths = paths.join(" "), "HTTP"),
        }
    }
    for (socket, routes) in doors.local_sockets() {
        let paths: Vec<_> = routes.paths().collect();
        tracing::info!(socket = %socket.display(), paths = paths.join(" "), "HTTP");
    }
}

/// Returns where the health page is, where it is served.
pub(super) fn health(doors: &Bound) -> Option<SocketAddr> {
    let mut listeners = doors.local_addresses();
    let found = listeners.find(|(_, routes)| routes.paths().any(|path| path == "/health"));
    found.map(|(address, _)| address)
}

/// Returns whom they ask, where they ask anybody.
#[cfg(feature = "kubernetes")]
pub(super) fn reviewer(config: &Config) -> Option<Arc<dyn Reviewer>> {
    crate::app::review::reviewer(config)
}

/// Objects come from manifests, and the configuration lets nobody need a cluster.
#[cfg(not(feature = "kubernetes"))]
pub(super) fn reviewer(_: &Config) -> Option<Arc<dyn Reviewer>> {
    None
}
