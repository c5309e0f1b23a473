//! Builders for tests and benches: a cluster from YAML, an index and a snapshot of it, queries as
//! bytes. Not part of a release binary (feature `testing`).

mod certificate;
mod dump;
pub mod objects;
pub mod sized;

pub use certificate::{SelfSigned, self_signed};
pub use dump::dump;

use crate::answer::{Outcome, Request, Transport, respond};
use crate::chain::{BlockOptions, ListenerId};
use crate::config::Config;
use crate::cow::Seed;
use crate::index::{Event, Index};
use crate::manifests;
use crate::model::{Kind, Namespace, Object};
use crate::snapshot::Snapshot;
use crate::wire::{Name, RType};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// A cluster and the settings under which it is served.
#[derive(Clone)]
pub struct Cluster {
    /// The settings; the first block's zone is the one that the methods below change.
    pub config: Config,
    /// Its objects.
    pub objects: Vec<Object>,
    /// Whether every kind has been read once.
    pub synced: bool,
    /// What the SOA serial says where it follows changes.
    pub serial: u32,
    seed: u64,
}

impl Cluster {
    /// Returns the cluster that these manifests describe, namespaces that they only mention
    /// included, under the settings of a configuration file.
    ///
    /// # Panics
    /// Where either is malformed: it is part of the test.
    pub fn new(manifests: &str, config: &str) -> Self {
        let (objects, diagnostics) = manifests::parse_str(manifests);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        Self::of(objects, config)
    }

    /// Returns the cluster of these objects under the settings of a configuration file.
    ///
    /// # Panics
    /// Where the configuration is malformed: it is part of the test.
    pub fn of(mut objects: Vec<Object>, config: &str) -> Self {
        let mentioned: BTreeSet<_> = objects.iter().map(|o| o.key().namespace).collect();
        for name in mentioned.into_iter().filter(|name| !name.is_empty()) {
            let exists = |o: &Object| matches!(o, Object::Namespace(n) if n.name == name);
            if !objects.iter().any(exists) {
                objects.push(Object::Namespace(Namespace {
                    name,
                    ..Namespace::default()
                }));
            }
        }
        let config = match Config::from_toml(config, "test.toml") {
            Ok(config) => config,
            Err(error) => panic!("{error}"),
        };
        Self {
            config,
            objects,
            synced: true,
            serial: 1_700_000_000,
            seed: 0,
        }
    }

    /// Sets the server's own addresses.
    pub fn own_addresses(mut self, addresses: &[IpAddr]) -> Self {
        self.zones()
            .for_each(|zone| zone.own_addresses = addresses.to_vec());
        self
    }

    /// Sets the hash function of the published tables, so that a benchmark repeats.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Returns the zones' settings.
    pub fn zones(&mut self) -> impl Iterator<Item = &mut crate::zone::Options> {
        self.config
            .blocks
            .iter_mut()
            .filter_map(|block: &mut BlockOptions| block.kubernetes.as_mut())
    }

    /// Returns an index without the objects.
    pub fn empty_index(&self) -> Index {
        let seed = if self.seed == 0 {
            Seed::random()
        } else {
            Seed::fixed(self.seed)
        };
        Index::new(
            &self.config.blocks,
            self.config.tenancy.clone(),
            Kind::ALL,
            &seed,
        )
    }

    /// Returns an index that has been given the objects in order.
    pub fn index(&self) -> Index {
        let mut index = self.empty_index();
        self.objects
            .iter()
            .cloned()
            .for_each(|object| index.apply(Event::Apply(object)));
        for kind in Kind::ALL.into_iter().filter(|_| self.synced) {
            index.apply(Event::Synced(kind));
        }
        index
    }

    /// Returns the snapshot of the objects.
    pub fn snapshot(&self) -> Snapshot {
        self.index().snapshot(self.serial)
    }
}

/// Returns a snapshot of a cluster without objects, under the default settings.
pub fn empty_snapshot() -> Snapshot {
    Cluster::of(Vec::new(), "").snapshot()
}

/// One question, as bytes of a query without EDNS, with RD and the ID 0x1234.
///
/// # Panics
/// Where the name is none.
pub fn query(name: &str, rtype: RType) -> Vec<u8> {
    let name: Name = match name.parse() {
        Ok(name) => name,
        Err(error) => panic!("{name}: {error}"),
    };
    let mut bytes = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    bytes.extend(name.as_wire());
    bytes.extend(rtype.0.to_be_bytes());
    bytes.extend([0, 1]);
    bytes
}

/// The same question with an OPT record that advertises `payload` octets, DO clear.
pub fn query_edns(name: &str, rtype: RType, payload: u16) -> Vec<u8> {
    let mut bytes = query(name, rtype);
    if let Some(count) = bytes.get_mut(11) {
        *count = 1;
    }
    bytes.extend([0, 0, 41]);
    bytes.extend(payload.to_be_bytes());
    bytes.extend([0; 6]);
    bytes
}

/// Returns the answer to a query that `source` sends, or `None` where there is none. Does not wait
/// for a client to become known.
pub fn ask(
    snapshot: &Snapshot,
    source: IpAddr,
    transport: Transport,
    bytes: &[u8],
) -> Option<Vec<u8>> {
    let request = request(source, transport, bytes);
    let mut out = vec![0; 65_535];
    match respond(snapshot, &request, &mut out) {
        Outcome::Reply(len, _) => {
            out.truncate(len);
            Some(out)
        }
        Outcome::Drop(_) | Outcome::Hold | Outcome::Ask(_) | Outcome::Transfer(_) => None,
    }
}

/// Returns every message that a source is sent to a query for a zone over TCP: of a refusal the only one.
pub fn transfer(snapshot: &Snapshot, source: IpAddr, bytes: &[u8]) -> Vec<Vec<u8>> {
    let request = request(source, Transport::Tcp, bytes);
    let mut out = vec![0; 65_535];
    let mut messages = Vec::new();
    let mut keep = |out: &[u8], len| messages.extend(out.get(..len).map(<[u8]>::to_vec));
    match respond(snapshot, &request, &mut out) {
        Outcome::Reply(len, _) => keep(&out, len),
        Outcome::Transfer(transfer) => {
            keep(&out, transfer.length);
            let mut rest = transfer.rest;
            while let Some(len) = rest.next(snapshot, &mut out) {
                keep(&out, len);
            }
        }
        Outcome::Drop(_) | Outcome::Hold | Outcome::Ask(_) => {}
    }
    messages
}

/// Returns a request on the first listener, with fixed entropy, that does not wait.
pub fn request(source: IpAddr, transport: Transport, bytes: &[u8]) -> Request<'_> {
    Request {
        listener: ListenerId(0),
        peer: SocketAddr::new(source, 4242),
        local: None,
        claimed: None,
        transport,
        now: 0,
        entropy: 0,
        may_wait: false,
        bytes,
    }
}
