//! `[health]`, `[ready]`, `[metrics]` and `[admin]` as values.

use crate::tls::PairFiles;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// Where each page is served; `None` for nowhere. Pages at one address share a listener, but those of
/// `[admin]`, which has its own. `[::]` takes IPv4 as well; where the kernel has no IPv6, it is
/// `0.0.0.0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `/health`.
    pub health: Option<SocketAddr>,
    /// `/ready`.
    pub ready: Option<SocketAddr>,
    /// `/metrics`.
    pub metrics: Option<SocketAddr>,
    /// The administrator's pages.
    pub admin: Option<Door>,
}

/// Where the administrator comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door {
    /// A loopback address: for whoever is on this host, or in this pod.
    Loopback(SocketAddr),
    /// A Unix socket, for its owner alone.
    Unix(PathBuf),
    /// An address that others reach: over TLS, for bearers of tokens whom the cluster lets in.
    Guarded(Guarded),
}

/// A listener beyond loopback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarded {
    /// Its address.
    pub address: SocketAddr,
    /// The certificate that it shows.
    pub pair: PairFiles,
    /// Whom tokens have to be meant for; empty for the cluster's API.
    pub audiences: Vec<Box<str>>,
}

impl Options {
    /// No listener at all.
    pub const OFF: Self = Self {
        health: None,
        ready: None,
        metrics: None,
        admin: None,
    };
}

impl Default for Options {
    /// The ports of CoreDNS, where probes and scrapes look for them.
    fn default() -> Self {
        let any = |port| Some(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port));
        let loopback = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9154);
        Self {
            health: any(8080),
            ready: any(8181),
            metrics: any(9153),
            admin: Some(Door::Loopback(loopback)),
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback(address) | Self::Guarded(Guarded { address, .. }) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
