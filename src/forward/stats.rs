//! What forwarding counts, by upstream. Names and labels of the published series are not decided
//! here, but for the bounds of the durations, which are CoreDNS's `plugin.TimeBuckets`.

use crate::wire::Rcode;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the durations' buckets in seconds; one more bucket takes what is above.
pub const BOUNDS: [f64; 16] = [
    0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024,
    2.048, 4.096, 8.192,
];

/// Response codes that are told apart: those of a header, and what EDNS adds up to BADCOOKIE.
const RCODES: usize = 24;

/// The ways to ask an upstream.
const PROTOS: usize = 4;

/// How an upstream is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proto {
    /// A datagram.
    Udp,
    /// A connection.
    Tcp,
    /// A connection with TLS.
    Tls,
    /// A request over HTTPS.
    Https,
}

impl Proto {
    /// All of them.
    pub const ALL: [Self; PROTOS] = [Self::Udp, Self::Tcp, Self::Tls, Self::Https];

    /// Returns CoreDNS's word for it, as in the label `proto`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tcp-tls",
            Self::Https => "https",
        }
    }

    pub(super) fn number(self) -> usize {
        self as usize
    }
}

/// What an upstream did wrong. Each costs the query that it was done to, and is never kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Lie {
    /// The ID is another.
    Id,
    /// The question is another one, or there is not exactly one.
    Question,
    /// It can't be read to its end.
    Malformed,
    /// A datagram with more octets than were asked for.
    Oversized,
    /// Nothing came in time.
    Silent,
}

impl Lie {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Id,
        Self::Question,
        Self::Malformed,
        Self::Oversized,
        Self::Silent,
    ];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Question => "question",
            Self::Malformed => "malformed",
            Self::Oversized => "oversized",
            Self::Silent => "silent",
        }
    }
}

/// The counts of all `[[forward]]` tables: cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Stats(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    healthcheck_broken: AtomicU64,
    max_concurrent_rejects: AtomicU64,
    tenant_rejects: AtomicU64,
    overflows: AtomicU64,
    shared: AtomicU64,
    looped: AtomicU64,
    to: Vec<Arc<ToStats>>,
}

/// The counts of all tables at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Readings {
    /// Queries for which every upstream was down.
    pub healthcheck_broken: u64,
    /// Queries refused by `max_concurrent`.
    pub max_concurrent_rejects: u64,
    /// Queries refused by `max_concurrent_per_tenant`.
    pub tenant_rejects: u64,
    /// Queries that found no room among all that wait.
    pub overflows: u64,
    /// Queries that shared the exchange of one before them.
    pub shared: u64,
    /// Own queries that came back: a loop.
    pub looped: u64,
    /// The upstreams, one for each address.
    pub to: Vec<ToReadings>,
}

/// One upstream's counts, of every table that names it.
#[derive(Debug, Clone, PartialEq)]
pub struct ToReadings {
    /// Its address, as in the label `to`.
    pub to: SocketAddr,
    /// Health checks that failed.
    pub healthcheck_failures: u64,
    /// Sockets that were there, by [`Proto`].
    pub conn_cache_hits: [u64; PROTOS],
    /// Sockets that had to be opened, by [`Proto`].
    pub conn_cache_misses: [u64; PROTOS],
    /// Sockets that are open.
    pub sockets_open: u64,
    /// Replies refused, by [`Lie`].
    pub lies: [u64; 5],
    /// How long replies took, by response code; those without a reply are left out.
    pub durations: Vec<(Rcode, Durations)>,
}

/// A histogram of durations.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Durations {
    /// Replies in each bucket of [`BOUNDS`] alone, and above them.
    pub buckets: [u64; 17],
    /// Their sum in seconds.
    pub sum: f64,
}

impl Durations {
    /// Returns the number of replies.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// What is counted in all.
#[derive(Debug, Clone, Copy)]
pub(super) enum Count {
    HealthcheckBroken,
    MaxConcurrentRejects,
    TenantRejects,
    Overflows,
    Shared,
    Looped,
}

impl Stats {
    /// Returns counts for these upstreams, each once.
    pub(super) fn new(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        let mut to: Vec<Arc<ToStats>> = Vec::new();
        for address in addresses {
            if to.iter().all(|known| known.address != address) {
                to.push(Arc::new(ToStats::new(address)));
            }
        }
        Self(Arc::new(Counts {
            to,
            ..Counts::default()
        }))
    }

    /// Returns the counts of one upstream.
    pub(super) fn to(&self, address: SocketAddr) -> Arc<ToStats> {
        let known = self.0.to.iter().find(|to| to.address == address);
        known.map_or_else(|| Arc::new(ToStats::new(address)), Arc::clone)
    }

    pub(super) fn add(&self, what: Count) {
        let counts = &self.0;
        let count = match what {
            Count::HealthcheckBroken => &counts.healthcheck_broken,
            Count::MaxConcurrentRejects => &counts.max_concurrent_rejects,
            Count::TenantRejects => &counts.tenant_rejects,
            Count::Overflows => &counts.overflows,
            Count::Shared => &counts.shared,
            Count::Looped => &counts.looped,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the counts.
    pub fn read(&self) -> Readings {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.0;
        Readings {
            healthcheck_broken: get(&counts.healthcheck_broken),
            max_concurrent_rejects: get(&counts.max_concurrent_rejects),
            tenant_rejects: get(&counts.tenant_rejects),
            overflows: get(&counts.overflows),
            shared: get(&counts.shared),
            looped: get(&counts.looped),
            to: counts.to.iter().map(|to| to.read()).collect(),
        }
    }
}

/// One upstream's counts.
#[derive(Debug)]
pub(super) struct ToStats {
    address: SocketAddr,
    healthcheck_failures: AtomicU64,
    hits: [AtomicU64; PROTOS],
    misses: [AtomicU64; PROTOS],
    open: AtomicI64,
    lies: [AtomicU64; 5],
    durations: [Histogram; RCODES],
}

#[derive(Debug, Default)]
struct Histogram {
    buckets: [AtomicU64; 17],
    /// In microseconds.
    sum: AtomicU64,
}

impl ToStats {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            healthcheck_failures: AtomicU64::default(),
            hits: Default::default(),
            misses: Default::default(),
            open: AtomicI64::default(),
            lies: Default::default(),
            durations: Default::default(),
        }
    }

    pub(super) fn healthcheck_failed(&self) {
        self.healthcheck_failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn connection(&self, proto: Proto, was_there: bool) {
        let counts = if was_there { &self.hits } else { &self.misses };
        counts[proto.number()].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn lie(&self, lie: Lie) {
        self.lies[lie as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn replied(&self, rcode: Rcode, took: Duration) {
        let number = usize::from(rcode.0).min(RCODES - 1);
        let histogram = &self.durations[number];
        let seconds = took.as_secs_f64();
        let bucket = BOUNDS.iter().take_while(|bound| **bound < seconds).count();
        histogram.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        histogram.sum.fetch_add(micros, Ordering::Relaxed);
    }

    fn read(&self) -> ToReadings {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let durations = (0u16..).zip(&self.durations).map(|(number, histogram)| {
            let durations = Durations {
                buckets: std::array::from_fn(|bucket| get(&histogram.buckets[bucket])),
                sum: Duration::from_micros(get(&histogram.sum)).as_secs_f64(),
            };
            (Rcode(number), durations)
        });
        ToReadings {
            to: self.address,
            healthcheck_failures: get(&self.healthcheck_failures),
            conn_cache_hits: std::array::from_fn(|proto| get(&self.hits[proto])),
            conn_cache_misses: std::array::from_fn(|proto| get(&self.misses[proto])),
            sockets_open: u64::try_from(self.open.load(Ordering::Relaxed)).unwrap_or(0),
            lies: std::array::from_fn(|lie| get(&self.lies[lie])),
            durations: durations.filter(|(_, d)| d.count() > 0).collect(),
        }
    }
}
