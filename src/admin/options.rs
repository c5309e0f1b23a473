//! `[health]`, `[ready]` and `[metrics]` as values.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Where each page is served; `None` for nowhere. Pages at one address share a listener. `[::]` takes
/// IPv4 as well; where the kernel has no IPv6, it is `0.0.0.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// `/health`.
    pub health: Option<SocketAddr>,
    /// `/ready`.
    pub ready: Option<SocketAddr>,
    /// `/metrics`.
    pub metrics: Option<SocketAddr>,
}

impl Options {
    /// No listener at all.
    pub const OFF: Self = Self {
        health: None,
        ready: None,
        metrics: None,
    };
}

impl Default for Options {
    /// The ports of CoreDNS, where probes and scrapes look for them.
    fn default() -> Self {
        let any = |port| Some(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port));
        Self {
            health: any(8080),
            ready: any(8181),
            metrics: any(9153),
        }
    }
}
