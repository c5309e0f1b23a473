//! The cluster's mutable state: events in, snapshots out. One writer, no locks, no clock, no I/O.
//!
//! [`Index::apply`] takes an event into the tables and notes what it touched; [`Index::snapshot`]
//! rebuilds those parts and shares the rest (invariant I9). Events may come in any order across
//! objects: what is kept is a function of the objects alone (invariants I5, I6).

mod apply;
mod configure;
mod copy;
mod dirty;
mod event;
mod family;
mod keep;
mod numbers;
mod objects;
mod owners;
mod peers;
mod policies;
mod pool;
mod rebuild;
mod status;
mod unlabeled;
mod versions;

use crate::chain::{BlockOptions, Chain, HostsId, HostsTable, WeightTable, WeightsId};
use crate::cow::Seed;
use crate::model::{Kind, Object, ObjectKey};
use crate::snapshot::{Identities, Snapshot};
use crate::tenancy::{self, ClientIndex, Compiler, Directory, Forwarders, NsId, ServiceId};
use crate::zone::ZoneWriter;
use configure::Wanted;
use copy::Copy;
use dirty::Dirty;
use family::Family;
use keep::Keep;
use peers::Peers;
use std::collections::BTreeSet;
use std::sync::Arc;

use unlabeled::Unlabeled;
use versions::Ledger;

pub use configure::{Configuration, Exchanged};
pub use copy::Copied;
pub use event::{Audit, Event, Trust, Version};
pub use keep::Kept;
pub use objects::{Imports, Nodes, Numbered, Objects, PodRow, Pods, Policies, Services, Slices};
pub use rebuild::Work;

/// The single writer of snapshots.
pub struct Index {
    objects: Objects,
    keep: Keep,
    dirty: Dirty,
    // What one kind of event changes is one thing to share with a snapshot.
    directory: Arc<Directory>,
    compiler: Compiler,
    clients: Arc<ClientIndex>,
    peers: Peers,
    zones: Vec<ZoneWriter>,
    chain: Arc<Chain>,
    awaited: BTreeSet<Kind>,
    /// Kinds that have been read once.
    given: BTreeSet<Kind>,
    /// Kinds that nothing reads any more; events of theirs may still be under way.
    stopped: BTreeSet<Kind>,
    /// What the next configuration waits for.
    wanted: Wanted,
    /// Counts the configurations that were in force.
    configuration: u32,
    seed: Seed,
    /// Whether labels of Services are left out until something reads them.
    on_demand: bool,
    /// Services with an address of the server, by namespace.
    own_services: BTreeSet<(NsId, ServiceId)>,
    /// Every service, by namespace, where some rule selects services by their labels.
    selectable: Option<BTreeSet<(NsId, ServiceId)>>,
    family: Family,
    work: Work,
    ledger: Ledger,
    copy: Option<Copy>,
    unlabeled: Unlabeled,
    generation: u64,
    serial: u32,
    hosts: Arc<[Arc<HostsTable>]>,
    weights: Arc<[Arc<WeightTable>]>,
}

/// The serial of every SOA where it does not follow changes.
const STATIC_SERIAL: u32 = 1;

/// Returns the serial before anything has changed.
fn first_serial(tenancy: &tenancy::Options) -> u32 {
    match tenancy.serial_follows_changes() {
        true => 0,
        false => STATIC_SERIAL,
    }
}

impl Index {
    /// Returns an index without objects. It is synced once every kind of `awaited` is.
    pub fn new(
        blocks: &[BlockOptions],
        tenancy: tenancy::Options,
        awaited: impl IntoIterator<Item = Kind>,
        seed: &Seed,
    ) -> Self {
        let (chain, zones) = Chain::build(blocks);
        let wildcards = tenancy.wildcards();
        Self {
            objects: Objects::new(seed),
            keep: Keep::new(blocks, &tenancy),
            dirty: Dirty::default(),
            directory: Arc::new(Directory::new(seed.clone())),
            clients: Arc::new(ClientIndex::new(seed.clone())),
            peers: Peers::new(Forwarders::new(&tenancy.forwarders)),
            zones: zones
                .into_iter()
                .map(|z| ZoneWriter::new(z, wildcards, seed))
                .collect(),
            chain: Arc::new(chain),
            awaited: awaited.into_iter().collect(),
            given: BTreeSet::new(),
            stopped: BTreeSet::new(),
            wanted: Wanted::default(),
            configuration: 0,
            seed: seed.clone(),
            on_demand: false,
            own_services: BTreeSet::new(),
            selectable: tenancy.selects_services().then(BTreeSet::new),
            family: Family::new(&tenancy),
            work: Work::default(),
            ledger: Ledger::default(),
            copy: None,
            unlabeled: Unlabeled::default(),
            generation: 0,
            hosts: Arc::default(),
            weights: Arc::default(),
            serial: first_serial(&tenancy),
            compiler: Compiler::new(tenancy),
        }
    }

    /// Takes in one event. Nothing shows before the next [`Index::snapshot`].
    pub fn apply(&mut self, event: Event) {
        if !self.stopped.is_empty() && self.stopped.contains(&event.kind()) {
            return;
        }
        match event {
            Event::Apply(object) => self.put(object.kind(), object.key(), Some(object)),
            Event::Delete(kind, key) => self.put(kind, key, None),
            Event::Synced(kind) => {
                for key in self.ledger.sweep(&mut self.objects, kind) {
                    self.put(kind, key, None);
                }
                self.awaited.remove(&kind);
                self.given.insert(kind);
                self.wanted.end(kind);
                self.labels_listed(kind);
            }
            Event::Listing(kind, trust) => {
                self.ledger.begin(&mut self.objects, kind, trust);
                self.unlabeled.begin(kind);
                self.wanted.begin(kind);
            }
            Event::ApplyAt(object, version) => {
                let (kind, key) = (object.kind(), object.key());
                self.put_at(kind, &key, Some(object), version);
            }
            Event::Void(kind, key, version) => self.put_at(kind, &key, None, version),
            Event::DeleteAt(kind, key, version) => {
                if self.ledger.bury(&mut self.objects, kind, &key, version) {
                    self.put(kind, key, None);
                }
            }
            Event::Restore(object) => {
                let (kind, key) = (object.kind(), object.key());
                let unread = self.awaited.contains(&kind);
                if unread && let Some(stamp) = self.ledger.restore(&mut self.objects, kind, &key) {
                    self.put(kind, key.clone(), Some(object));
                    self.objects.set_stamp(kind, &key, stamp);
                }
            }
            Event::Restored(kind) => {
                if self.awaited.remove(&kind) {
                    self.given.insert(kind);
                }
            }
            Event::Audit(audit) => self.ledger.audit(&self.objects, &audit),
        }
    }

    /// Replaces an object that exists at a version.
    fn put_at(&mut self, kind: Kind, key: &ObjectKey, object: Option<Object>, version: Version) {
        let stamp = self.ledger.admit(&mut self.objects, kind, key, version);
        if let Some(stamp) = stamp {
            self.put(kind, key.clone(), object);
            self.objects.set_stamp(kind, key, stamp);
        }
    }

    /// Returns what audits have found since the last call: how many objects of a kind are missing,
    /// older than they exist, or should be gone. A list of that kind mends it.
    pub fn take_repairs(&mut self) -> Vec<(Kind, usize)> {
        self.ledger.take_repairs()
    }

    /// Returns what is kept of objects beside what every configuration needs.
    pub fn kept(&self) -> Kept {
        self.keep.kept()
    }

    /// Returns whether every awaited kind has been read once.
    pub fn is_synced(&self) -> bool {
        self.awaited.is_empty()
    }

    /// Rebuilds what events have touched since the last call, and returns the snapshot of now.
    /// `unix_time` becomes the SOA serial where that follows changes and something has changed.
    pub fn snapshot(&mut self, unix_time: u32) -> Snapshot {
        let changed = self.rebuild();
        if changed && self.compiler.policy().options().serial_follows_changes() {
            self.serial = unix_time;
        }
        self.zones
            .iter_mut()
            .for_each(|zone| zone.set_serial(self.serial));
        self.generation += 1;
        Snapshot {
            generation: self.generation,
            configuration: self.configuration,
            synced: self.is_synced(),
            chain: self.chain.clone(),
            hosts: self.hosts.clone(),
            weights: self.weights.clone(),
            zones: self
                .zones
                .iter()
                .map(|writer| writer.zone().clone())
                .collect(),
            directory: self.directory.clone(),
            clients: self.clients.clone(),
            forwarders: self.peers.forwarders().clone(),
            identities: Identities::Trusted,
            policy: self.compiler.policy().clone(),
        }
    }

    /// Returns the server blocks.
    pub fn chain(&self) -> &Arc<Chain> {
        &self.chain
    }

    /// Takes in what a hosts file lists now. Nothing shows before the next [`Index::snapshot`].
    pub fn set_hosts(&mut self, id: HostsId, table: Arc<HostsTable>) {
        place(&mut self.hosts, id.0, table);
    }

    /// Takes in what a file of weights says now. Nothing shows before the next [`Index::snapshot`].
    pub fn set_weights(&mut self, id: WeightsId, table: Arc<WeightTable>) {
        place(&mut self.weights, id.0, table);
    }

    /// Returns the number of a namespace that some object mentions.
    pub fn namespace_id(&self, name: &str) -> Option<NsId> {
        self.objects.numbers.find_ns(name)
    }

    /// Returns the number of a service that some object mentions.
    pub fn service_id(&self, ns: NsId, name: &str) -> Option<ServiceId> {
        self.objects.numbers.find_service(ns, name)
    }

    /// Returns the objects as they are now, for commands that explain a decision.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }
}

/// Puts a table at its place, behind empty ones where there are none yet.
fn place<T: Default>(tables: &mut Arc<[Arc<T>]>, at: u16, table: Arc<T>) {
    let (mut all, at) = (tables.to_vec(), usize::from(at));
    if all.len() <= at {
        all.resize_with(at + 1, Arc::default);
    }
    if let Some(place) = all.get_mut(at) {
        *place = table;
    }
    *tables = all.into();
}
