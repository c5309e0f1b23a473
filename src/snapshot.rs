//! The immutable value that queries read: names, clients and policy of one instant.
//!
//! A query loads it once, so that it never sees new names with an old policy (invariant I1). Its
//! parts are shared with the index's own state and with the snapshots before and after it.

mod cell;

pub use cell::{Publisher, SnapshotReader, Subscription, cell};

use crate::chain::{Block, Chain, HostsId, HostsTable, ListenerId, WeightTable, WeightsId, ZoneId};
use crate::tenancy::{
    AddressKey, Client, ClientIndex, Directory, ForwarderOptions, Forwarders, Identity, Mode,
    Owner, Policy, View,
};
use crate::wire::QName;
use crate::zone::Zone;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Everything that an answer is made from, of one instant.
#[derive(Clone)]
pub struct Snapshot {
    /// Counts the snapshots of one index.
    pub generation: u64,
    /// Counts the configurations of one index: whatever else a configuration says is that of this
    /// number.
    pub configuration: u32,
    /// Whether every kind of object has been read once.
    pub synced: bool,
    /// The server blocks.
    pub chain: Arc<Chain>,
    /// What hosts files list, by [`HostsId`].
    pub hosts: Arc<[Arc<HostsTable>]>,
    /// What files of weights say, by [`WeightsId`].
    pub weights: Arc<[Arc<WeightTable>]>,
    /// The zones, by [`ZoneId`].
    pub zones: Arc<[Zone]>,
    /// The numbers of namespaces and services.
    pub directory: Arc<Directory>,
    /// Whose each address is.
    pub clients: Arc<ClientIndex>,
    /// Who may speak for others.
    pub forwarders: Forwarders,
    /// Whether addresses still count.
    pub identities: Identities,
    /// Who may see what.
    pub policy: Arc<Policy>,
}

/// Whether an address tells who asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Identities {
    /// It does.
    #[default]
    Trusted,
    /// It doesn't: the API has been away for longer than addresses are trusted to stay whose they
    /// were (`identity_max_age`). Every client is unknown.
    Expired,
}

impl Snapshot {
    /// Returns who an address is. A pod whose namespace has not been read yet is nobody that we
    /// know: what it may see can't be told, and its own names must not look absent.
    #[inline(always)]
    pub fn identify(&self, source: IpAddr) -> Client {
        if self.identities == Identities::Expired {
            return Client::Unknown;
        }
        let source = AddressKey::from(source);
        match self.clients.owner(source) {
            Some(Owner::Pod(ns)) if self.policy.knows(ns) => Client::Pod(ns),
            Some(Owner::Node) => Client::Node,
            Some(Owner::Pod(_) | Owner::Conflict) => Client::Unknown,
            None => {
                let range = self.policy.external(source);
                range.map_or(Client::Unknown, Client::External)
            }
        }
    }

    /// Returns the forwarder that an address is. What it is by a pod of a Service counts as long as
    /// addresses do.
    pub fn forwarder(&self, address: IpAddr) -> Option<&ForwarderOptions> {
        let trusted = self.identities == Identities::Trusted;
        self.forwarders.find(address, trusted)
    }

    /// Returns whether an address is a forwarder's that names its clients in PROXY headers.
    pub fn speaks_proxy(&self, address: IpAddr) -> bool {
        let is_proxy = |forwarder: &ForwarderOptions| forwarder.identity == Identity::ProxyV2;
        self.forwarders.speak_proxy() && self.forwarder(address).is_some_and(is_proxy)
    }

    /// Returns the same cluster with its policy applied to everybody, or to nobody.
    #[must_use]
    pub fn applied(&self, mode: Mode) -> Self {
        Self {
            policy: Arc::new(self.policy.applied(mode)),
            ..self.clone()
        }
    }

    /// Returns what the client at an address sees: as [`Snapshot::identify`] and [`Snapshot::view`].
    #[inline(always)]
    pub fn view_from(&self, source: &SocketAddr) -> View<'_> {
        self.view(self.identify(source.ip()))
    }

    /// Returns what a client sees.
    #[inline(always)]
    pub fn view(&self, client: Client) -> View<'_> {
        View::new(client, &self.policy, &self.directory, &self.clients)
    }

    /// Returns the block that answers `qname` on `listener` to a client.
    #[inline]
    pub fn block(&self, listener: ListenerId, qname: &QName<'_>, client: Client) -> Option<&Block> {
        self.chain.select(listener, qname, |shown| {
            let view = self.view(client);
            shown.is_for(view.own_tenant(), view.own_namespace())
        })
    }

    /// Returns a zone.
    #[inline]
    pub fn zone(&self, id: ZoneId) -> Option<&Zone> {
        self.zones.get(usize::from(id.0))
    }

    /// Returns what a hosts file lists, where it has been read.
    pub fn hosts(&self, id: HostsId) -> Option<&HostsTable> {
        self.hosts.get(usize::from(id.0)).map(|table| &**table)
    }

    /// Returns what a file of weights says, where it has been read.
    pub fn weights(&self, id: WeightsId) -> Option<&WeightTable> {
        self.weights.get(usize::from(id.0)).map(|table| &**table)
    }

    /// Returns whether waiting longer for this address would change nothing: somebody has it, or
    /// nobody's counts.
    pub fn knows(&self, source: IpAddr) -> bool {
        if self.identities == Identities::Expired {
            return true;
        }
        match self.clients.owner(source) {
            Some(Owner::Pod(ns)) => self.policy.knows(ns),
            Some(Owner::Node | Owner::Conflict) => true,
            None => self.policy.external(source).is_some(),
        }
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("generation", &self.generation)
            .field("synced", &self.synced)
            .field("identities", &self.identities)
            .finish_non_exhaustive()
    }
}
