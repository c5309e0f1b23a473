//! The `[server]` table as values.

use crate::chain::ListenerId;
use crate::tls;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

/// Where to listen and with how much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Every listener of every block; its position is its [`ListenerId`].
    pub listen: Vec<ListenAddress>,
    /// UDP workers; 0 for one a CPU that the process may use, within its cgroup's quota.
    pub threads: usize,
    /// Whether each UDP worker of a listener is held to one CPU.
    pub pin: bool,
    /// TCP connections at most, in all.
    pub tcp_connections: usize,
    /// TCP connections at most from one address.
    pub tcp_connections_per_client: usize,
    /// How long a TCP connection may be idle after a query.
    pub tcp_idle_timeout: Duration,
    /// `[tenancy] unknown_wait`: how long a held query waits.
    pub unknown_wait: Duration,
    /// `[tls]`: what listeners show whose scheme is encrypted. Without one they can't be opened.
    pub tls: Vec<(Endpoint, tls::Options)>,
    /// `[timeouts]` of listeners that have their own.
    pub timeouts: Vec<(Endpoint, TimeoutOptions)>,
}

/// `[timeouts]`: how long the peers of one listener may take over a connection, where that is not left
/// to the server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimeoutOptions {
    /// `read`: until a query has arrived, and before the first one until it begins.
    pub read: Option<Duration>,
    /// `write`: until an answer has been taken.
    pub write: Option<Duration>,
    /// `idle`: from one query to the next.
    pub idle: Option<Duration>,
}

impl Options {
    /// Returns what a listener shows, where it shows a certificate.
    pub fn tls_of(&self, endpoint: Endpoint) -> Option<&tls::Options> {
        let mut all = self.tls.iter();
        all.find(|(of, _)| *of == endpoint).map(|(_, tls)| tls)
    }

    /// Returns the listener's own timeouts.
    pub fn timeouts_of(&self, endpoint: Endpoint) -> TimeoutOptions {
        let mut all = self.timeouts.iter();
        let own = all.find(|(of, _)| *of == endpoint);
        own.map(|(_, timeouts)| *timeouts).unwrap_or_default()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            threads: 0,
            pin: false,
            tcp_connections: 1024,
            tcp_connections_per_client: 20,
            tcp_idle_timeout: Duration::from_secs(10),
            unknown_wait: Duration::from_secs(2),
            tls: Vec::new(),
            timeouts: Vec::new(),
        }
    }
}

/// One listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenAddress {
    /// The listener's number in the blocks.
    pub id: ListenerId,
    /// What is spoken there.
    pub scheme: Scheme,
    /// Address and port. `[::]` takes IPv4 as well; where the kernel has no IPv6, it is `0.0.0.0`.
    pub address: SocketAddr,
}

impl ListenAddress {
    /// Returns where it is, without its number.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            scheme: self.scheme,
            address: self.address,
        }
    }
}

/// What is spoken at a listener, named as in CoreDNS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// DNS over UDP and TCP.
    #[default]
    Dns,
    /// DNS over TLS (RFC 7858).
    Tls,
    /// DNS over HTTPS (RFC 8484).
    Https,
    /// DNS over QUIC (RFC 9250).
    Quic,
}

impl Scheme {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Dns, Self::Tls, Self::Https, Self::Quic];

    /// Returns its name, as in a URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Https => "https",
            Self::Quic => "quic",
        }
    }

    /// Returns the port that it has by its standard.
    pub const fn port(self) -> u16 {
        match self {
            Self::Dns => 53,
            Self::Tls | Self::Quic => 853,
            Self::Https => 443,
        }
    }

    /// Returns whether it is served on a UDP port.
    pub const fn takes_udp(self) -> bool {
        matches!(self, Self::Dns | Self::Quic)
    }

    /// Returns whether it is served on a TCP port.
    pub const fn takes_tcp(self) -> bool {
        !matches!(self, Self::Quic)
    }

    /// Returns whether it needs a certificate.
    pub const fn is_encrypted(self) -> bool {
        !matches!(self, Self::Dns)
    }
}

/// An address and what is spoken there: `[::]:53`, `tls://[::]:853`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// What is spoken.
    pub scheme: Scheme,
    /// Address and port.
    pub address: SocketAddr,
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self {
            scheme: Scheme::Dns,
            address,
        }
    }
}

impl FromStr for Endpoint {
    type Err = ();

    /// Reads what [`Display`](fmt::Display) writes.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (scheme, address) = match text.split_once("://") {
            None => (Scheme::Dns, text),
            Some((name, address)) => {
                let known = Scheme::ALL.iter().find(|known| known.as_str() == name);
                (*known.ok_or(())?, address)
            }
        };
        let address = address.parse().map_err(|_| ())?;
        Ok(Self { scheme, address })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scheme {
            Scheme::Dns => write!(f, "{}", self.address),
            scheme => write!(f, "{}://{}", scheme.as_str(), self.address),
        }
    }
}
