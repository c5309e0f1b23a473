//! Whose a question is, as a number: for what is kept and counted apart by tenant.

use crate::snapshot::Snapshot;
use crate::tenancy::Client;
use std::hash::{BuildHasher, RandomState};

/// Numbers for those who ask: the same as long as the process lives, whatever else changes in the
/// cluster. Keyed, so that nobody can choose a name that has another's number.
#[derive(Default)]
pub(super) struct Askers(RandomState);

/// Who asks, as far as it counts.
#[derive(Hash)]
enum Asker<'a> {
    Tenant(&'a str),
    /// A namespace that is its own tenant.
    Namespace(&'a str),
    /// Of a range that is nobody's.
    External,
    Node,
    Unknown,
}

impl Askers {
    /// Returns the number of the tenant that a client is of.
    pub(super) fn number(&self, snapshot: &Snapshot, client: Client) -> u64 {
        self.0.hash_one(asker(snapshot, client))
    }

    /// Returns the same where the client is some tenant's.
    pub(super) fn tenant(&self, snapshot: &Snapshot, client: Client) -> Option<u64> {
        let asker = asker(snapshot, client);
        let is_tenant = matches!(asker, Asker::Tenant(_) | Asker::Namespace(_));
        is_tenant.then(|| self.0.hash_one(asker))
    }
}

fn asker(snapshot: &Snapshot, client: Client) -> Asker<'_> {
    match client {
        Client::Pod(ns) => match snapshot.policy.facts(ns) {
            None => Asker::Unknown,
            Some(facts) => match facts.tenant.assigned() {
                Some(tenant) => Asker::Tenant(tenant),
                None => Asker::Namespace(&facts.name),
            },
        },
        Client::External(_) => match snapshot.view(client).own_tenant() {
            Some(tenant) => Asker::Tenant(tenant),
            None => Asker::External,
        },
        Client::Node => Asker::Node,
        Client::Unknown => Asker::Unknown,
    }
}
