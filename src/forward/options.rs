//! A `[[forward]]` table as values: how upstreams are asked. Words, defaults and bounds are those of
//! CoreDNS's `forward`. Not for which names and for whom: that is [`crate::chain::ForwardOptions`].

use crate::wire::{Name, Rcode};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Upstreams of one table at most.
pub const MAX_TO: usize = 15;

/// How one table's upstreams are asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// `zone`: the names that are asked there.
    pub zone: Name,
    /// `to`: whom to ask.
    pub to: Vec<To>,
    /// `force_tcp`: over TCP, however the client came.
    pub force_tcp: bool,
    /// `prefer_udp`: over UDP, however the client came, and over TCP where a reply is cut.
    pub prefer_udp: bool,
    /// `expire`: a socket that was idle for so long is closed.
    pub expire: Duration,
    /// `max_age`: a socket that is so old is closed; zero for never.
    pub max_age: Duration,
    /// `max_idle_conns`: idle sockets of an upstream and transport at most; 0 for no limit.
    pub max_idle_conns: usize,
    /// `max_fails`: an upstream that failed more health checks is down; 0 for never.
    pub max_fails: u32,
    /// `policy`: which upstream is asked first.
    pub policy: Policy,
    /// `health_check`: how an upstream that failed is looked at.
    pub health_check: HealthCheck,
    /// `max_concurrent`: queries that wait for this table's upstreams at most; 0 for no limit.
    pub max_concurrent: usize,
    /// `max_concurrent_per_tenant`: of these, those of one tenant; 0 for no limit.
    pub max_concurrent_per_tenant: usize,
    /// `max_connect_attempts`: failures for one query at most; 0 for no limit, `None` for two an
    /// upstream.
    pub max_connect_attempts: Option<u32>,
    /// `failover`: with these response codes the next upstream is asked.
    pub failover: Vec<Rcode>,
    /// `failfast_all_unhealthy_upstreams`: where all are down none is asked.
    pub failfast: bool,
    /// `read_timeout`: how long a reply may take.
    pub read_timeout: Duration,
    /// `source_address`: where queries come from.
    pub source_address: Option<IpAddr>,
    /// `tls`: what is shown to, and asked of, an upstream with TLS.
    pub tls: TlsFiles,
    /// `tls_servername`: the name that its certificate is for; empty for its address.
    pub tls_servername: Box<str>,
    /// `doh_method`: how an upstream over HTTPS is asked.
    pub doh_method: DohMethod,
    /// `resolver`: whom to ask for the addresses of upstreams that are named; empty for the system.
    pub resolver: Vec<SocketAddr>,
    /// The table's block, by its position among all.
    pub block: u16,
    /// The cache of the block likewise.
    pub cache: Option<u16>,
    /// Whether the table's block has `[loop]`.
    pub finds_loops: bool,
}

/// An item of `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// An upstream.
    Upstream(Upstream),
    /// A file like `/etc/resolv.conf`: its name servers.
    File(PathBuf),
    /// A host, at all of its addresses.
    Host(Host),
}

/// An upstream by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The name, without a dot at its end where none is written.
    pub name: Box<str>,
    /// The port.
    pub port: u16,
    /// How it is asked.
    pub scheme: Scheme,
    /// As in [`Upstream`].
    pub servername: Box<str>,
}

/// One upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Its address.
    pub address: SocketAddr,
    /// How it is asked.
    pub scheme: Scheme,
    /// `tls://…%NAME`: the name that its certificate is for; empty where the table says it.
    pub servername: Box<str>,
}

/// How an upstream is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scheme {
    /// Over UDP and TCP.
    #[default]
    Dns,
    /// Over TLS (RFC 7858).
    Tls,
    /// Over HTTPS (RFC 8484), at the path `/dns-query`.
    Https,
}

impl Scheme {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Dns, Self::Tls, Self::Https];

    /// Returns the word in front of `://`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Https => "https",
        }
    }

    /// Returns the port where none is written.
    pub fn port(self) -> u16 {
        match self {
            Self::Dns => 53,
            Self::Tls => 853,
            Self::Https => 443,
        }
    }
}

/// How an upstream over HTTPS is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DohMethod {
    /// The question is the body.
    #[default]
    Post,
    /// The question is in the URL.
    Get,
}

/// Which upstream is asked first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Policy {
    /// Any.
    #[default]
    Random,
    /// Each in turn.
    RoundRobin,
    /// As they are written.
    Sequential,
}

/// How an upstream that failed is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// From one question to the next.
    pub interval: Duration,
    /// Not `no_rec`: the question asks for recursion.
    pub recursive: bool,
    /// `domain`: the name whose NS records are asked for.
    pub domain: Name,
}

/// Files of `tls`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// `certificate` and `key`: who we are, for an upstream that asks.
    pub pair: Option<(PathBuf, PathBuf)>,
    /// `ca`: who may sign an upstream's certificate; without it, whom this host trusts.
    pub ca: Option<PathBuf>,
}

impl Options {
    /// Returns the defaults for what is in `zone`.
    pub fn new(zone: Name) -> Self {
        Self {
            zone,
            to: vec![To::File("/etc/resolv.conf".into())],
            force_tcp: false,
            prefer_udp: false,
            expire: Duration::from_secs(10),
            max_age: Duration::ZERO,
            max_idle_conns: 0,
            max_fails: 2,
            policy: Policy::default(),
            health_check: HealthCheck {
                interval: Duration::from_millis(500),
                recursive: true,
                domain: Name::root(),
            },
            max_concurrent: 0,
            max_concurrent_per_tenant: 1024,
            max_connect_attempts: None,
            failover: Vec::new(),
            failfast: false,
            read_timeout: Duration::from_secs(2),
            source_address: None,
            tls: TlsFiles::default(),
            tls_servername: "".into(),
            doh_method: DohMethod::default(),
            resolver: Vec::new(),
            block: 0,
            cache: None,
            finds_loops: false,
        }
    }
}
