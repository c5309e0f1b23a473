//! How much one client, and all clients of one tenant together, may ask. Who is asking, and what is
//! done with a query over its limit, is the caller's.
//!
//! A source address over UDP may be forged. So whoever is over a limit is first told to come by TCP
//! (TC=1, no larger than what was sent), and what comes by TCP has an allowance of its own, which
//! nobody can use up in another's name.

mod buckets;
mod options;
#[cfg(test)]
mod tests;

pub use options::{Options, Rate};

use buckets::{Buckets, Lane};
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;

/// Clients whose use is known at a time. One that is idle takes no place from one that is not.
const CLIENTS: usize = 65_536;
/// Tenants likewise.
const TENANTS: usize = 8192;

/// The use that clients and tenants have made of what they may; shared by all threads. Of a fixed
/// size, without a lock.
#[derive(Debug)]
pub struct Limits {
    clients: Option<Buckets>,
    tenants: Option<Buckets>,
    // Keyed anew in each process, so that nobody can choose addresses or names that collide.
    hash: RandomState,
}

/// What to do with a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Answer it.
    Answer,
    /// Send the question back with TC=1.
    Truncate(Limit),
    /// Send nothing; over TCP, close the connection.
    Refuse(Limit),
}

/// Which limit a query is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// That of its client.
    Client,
    /// That of its client's tenant.
    Tenant,
}

impl Limits {
    /// Returns the limits with nothing used, or `None` where there are none.
    pub fn new(options: &Options) -> Option<Self> {
        let limits = Self {
            clients: options.client.map(|rate| Buckets::new(rate, CLIENTS)),
            tenants: options.tenant.map(|rate| Buckets::new(rate, TENANTS)),
            hash: RandomState::new(),
        };
        (limits.clients.is_some() || limits.tenants.is_some()).then_some(limits)
    }

    /// Takes one query from what its client and its tenant may ask at `now`, in milliseconds on a
    /// clock that never goes back. `tenant` is asked for only where tenants are limited; `stream`
    /// says that the source address is proven.
    pub fn admit<'t>(
        &self,
        client: IpAddr,
        tenant: impl FnOnce() -> Option<&'t str>,
        stream: bool,
        now: u64,
    ) -> Admission {
        let now = now.saturating_mul(1_000_000);
        if let Some(clients) = &self.clients {
            let key = self.key(client.to_canonical());
            let admission = take(clients, key, Limit::Client, stream, now);
            if admission != Admission::Answer {
                return admission;
            }
        }
        match (&self.tenants, tenant) {
            (None, _) => Admission::Answer,
            (Some(tenants), tenant) => match tenant() {
                None => Admission::Answer,
                Some(tenant) => take(tenants, self.key(tenant), Limit::Tenant, stream, now),
            },
        }
    }

    fn key(&self, of: impl Hash) -> u64 {
        self.hash.hash_one(of)
    }
}

fn take(buckets: &Buckets, key: u64, limit: Limit, stream: bool, now: u64) -> Admission {
    if stream {
        return match buckets.take(key, Lane::Stream, now) {
            true => Admission::Answer,
            false => Admission::Refuse(limit),
        };
    }
    if buckets.take(key, Lane::Datagram, now) {
        Admission::Answer
    } else if buckets.take(key, Lane::Truncated, now) {
        Admission::Truncate(limit)
    } else {
        Admission::Refuse(limit)
    }
}
