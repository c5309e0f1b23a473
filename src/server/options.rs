//! The `[server]` table as values.

use crate::chain::ListenerId;
use std::net::SocketAddr;
use std::time::Duration;

/// Where to listen and with how much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Every listener of every block, UDP and TCP each; its position is its [`ListenerId`].
    pub listen: Vec<ListenAddress>,
    /// UDP workers; 0 for one per core that the cgroup grants.
    pub threads: usize,
    /// TCP connections at most, in all.
    pub tcp_connections: usize,
    /// TCP connections at most from one address.
    pub tcp_connections_per_client: usize,
    /// How long a TCP connection may be idle after a query.
    pub tcp_idle_timeout: Duration,
    /// `[tenancy] unknown_wait`: how long a held query waits.
    pub unknown_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            threads: 0,
            tcp_connections: 1024,
            tcp_connections_per_client: 20,
            tcp_idle_timeout: Duration::from_secs(10),
            unknown_wait: Duration::from_secs(2),
        }
    }
}

/// One address to listen on, UDP and TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenAddress {
    /// The listener's number in the blocks.
    pub id: ListenerId,
    /// Address and port. `[::]` takes IPv4 as well; where the kernel has no IPv6, it is `0.0.0.0`.
    pub address: SocketAddr,
}
