//! Another configuration for the same objects: what it needs beside what is kept of them, and the
//! exchange. Not where more comes from: a source lists again what [`Index::prepare`] names.

use super::Index;
use super::dirty::Dirty;
use super::family::Family;
use super::keep::{Keep, Kept};
use super::objects::node_addresses;
use super::peers::Peers;
use crate::chain::{BlockOptions, Chain};
use crate::model::Kind;
use crate::tenancy::{self, Compiler, Forwarders, Mode, ServiceId};
use crate::zone::ZoneWriter;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// Objects that are looked at together where less is kept of them.
const PAGE: usize = 512;

/// What an index is made for.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// The server blocks.
    pub blocks: Vec<BlockOptions>,
    /// Who may see what.
    pub tenancy: tenancy::Options,
    /// The kinds of objects that this is made of.
    pub kinds: BTreeSet<Kind>,
}

/// What an exchange asks of the source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exchanged {
    /// Kinds to be listed.
    pub lists: BTreeSet<Kind>,
    /// Kinds that nothing reads any more; events of theirs are ignored.
    pub idle: BTreeSet<Kind>,
}

/// What of a kind has to be read before a configuration can be in force.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Kinds to be listed, and whether a list has begun since.
    lists: BTreeMap<Kind, bool>,
}

impl Wanted {
    pub(super) fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    pub(super) fn has_any(&self, kinds: &[Kind]) -> bool {
        kinds.iter().any(|kind| self.lists.contains_key(kind))
    }

    /// Notes that a list begins.
    pub(super) fn begin(&mut self, kind: Kind) {
        if let Some(begun) = self.lists.get_mut(&kind) {
            *begun = true;
        }
    }

    /// Notes that a list has ended.
    pub(super) fn end(&mut self, kind: Kind) {
        if self.lists.get(&kind) == Some(&true) {
            self.lists.remove(&kind);
        }
    }

    fn want(&mut self, kind: Kind) -> bool {
        self.lists.insert(kind, false).is_none()
    }
}

impl Index {
    /// Keeps from now on what `next` reads of objects, too, and returns the kinds to be listed because
    /// something of them is not known: new ones, and those of which something was left out. What is
    /// in force stays so. Called again it returns what has come to be needed since.
    pub fn prepare(&mut self, next: &Configuration) -> BTreeSet<Kind> {
        let (has, needs) = (self.keep.kept(), self.needs(next));
        self.keep.widen(needs);
        let mut lists = BTreeSet::new();
        let more = |has: bool, needs: bool| needs && !has;
        if more(has.labels, needs.labels) {
            lists.extend([Kind::Service, Kind::ServiceImport]);
            lists.extend([Kind::EndpointSlice, Kind::Pod]);
        }
        if more(has.service_labels, needs.service_labels) {
            lists.extend([Kind::Service, Kind::ServiceImport]);
        }
        if more(has.exports, needs.exports) {
            lists.insert(Kind::Service);
        }
        if more(has.external, needs.external) {
            lists.insert(Kind::Service);
        }
        if more(has.targets, needs.targets) || more(has.zones, needs.zones) {
            lists.insert(Kind::EndpointSlice);
        }
        // Of what was never given nothing was left out.
        lists.retain(|kind| next.kinds.contains(kind) && self.given.contains(kind));
        let new = next.kinds.difference(&self.given);
        lists.extend(new.filter(|kind| self.stopped.remove(kind) || !self.awaited.contains(kind)));
        if !lists.is_empty() {
            // What a copy under way has left out is not known.
            self.copy = None;
        }
        lists.retain(|kind| self.wanted.want(*kind));
        lists
    }

    /// Returns whether everything is known that a configuration in preparation reads.
    pub fn is_prepared(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Notes that a source that gives no lists has given every object of a kind anew.
    pub fn given_anew(&mut self, kind: Kind) {
        self.wanted.lists.remove(&kind);
    }

    /// Puts another configuration in force, with the next [`Index::snapshot`]. What is not known yet is
    /// waited for as at the start.
    pub fn exchange(&mut self, next: Configuration) -> Exchanged {
        let lists = self.prepare(&next);
        self.given
            .retain(|kind| !self.wanted.lists.contains_key(kind));
        self.keep_only(self.needs(&next));
        let idle = self.given.union(&self.awaited).copied();
        let idle: BTreeSet<Kind> = idle.filter(|kind| !next.kinds.contains(kind)).collect();
        self.awaited = next.kinds.difference(&self.given).copied().collect();
        idle.iter().for_each(|kind| self.forget_kind(*kind));
        let Configuration {
            blocks, tenancy, ..
        } = next;
        let (chain, zones) = Chain::build(&blocks);
        let wildcards = tenancy.wildcards();
        let excepts = |options: &tenancy::Options| !options.platform.except.is_empty();
        let owners = excepts(&tenancy) || excepts(self.compiler.policy().options());
        let zones = zones.into_iter();
        self.zones = zones
            .map(|zone| ZoneWriter::new(zone, wildcards, &self.seed))
            .collect();
        self.chain = Arc::new(chain);
        // Whoever reads these files sees that there are others.
        self.hosts = Arc::default();
        self.weights = Arc::default();
        self.peers = Peers::new(Forwarders::new(&tenancy.forwarders));
        self.own_services = BTreeSet::new();
        self.selectable = tenancy.selects_services().then(BTreeSet::new);
        self.family = Family::new(&tenancy);
        for namespace in self.objects.namespaces.values() {
            self.family.change(None, Some(namespace));
        }
        // What it was before tells nobody of another configuration.
        self.serial = super::first_serial(&tenancy);
        self.compiler = Compiler::new(tenancy);
        self.touch_everything(owners);
        self.configuration = self.configuration.wrapping_add(1);
        Exchanged { lists, idle }
    }

    /// Returns the number of the configuration in force.
    pub fn configuration(&self) -> u32 {
        self.configuration
    }

    /// Returns what of objects a configuration reads.
    fn needs(&self, next: &Configuration) -> Kept {
        let kept = Keep::new(&next.blocks, &next.tenancy).kept();
        if !self.on_demand {
            return kept;
        }
        let counts = next.tenancy.mode != Mode::Off;
        let selects = next.tenancy.selects_services() || self.grants_select();
        Kept {
            service_labels: kept.labels || (counts && selects),
            ..kept
        }
    }

    /// Keeps what is needed and no more, of objects that are there too: what is kept is a function of
    /// the objects and the configuration alone.
    fn keep_only(&mut self, needs: Kept) {
        let has = self.keep.kept();
        self.keep.replace(needs);
        let less = |has: bool, needs: bool| has && !needs;
        let labels = less(has.labels, needs.labels);
        let of_services = labels
            || less(has.service_labels, needs.service_labels)
            || less(has.exports, needs.exports)
            || less(has.external, needs.external);
        let of_slices = labels || less(has.targets, needs.targets) || less(has.zones, needs.zones);
        for (kind, is_less) in [
            (Kind::Service, of_services),
            (Kind::ServiceImport, of_services),
            (Kind::EndpointSlice, of_slices),
            (Kind::Pod, labels),
        ] {
            let mut next = Some(0).filter(|_| is_less);
            while let Some(row) = next {
                let (objects, after) = self.objects.page(kind, row, PAGE);
                for object in objects {
                    let key = object.key();
                    let stamp = self.objects.stamp(kind, &key);
                    self.put(kind, key.clone(), Some(object));
                    if let Some(stamp) = stamp {
                        self.objects.set_stamp(kind, &key, stamp);
                    }
                }
                next = after;
            }
        }
    }

    /// Makes everything be rebuilt.
    fn touch_everything(&mut self, owners: bool) {
        let objects = &self.objects;
        let names = objects.namespaces.keys();
        let services = objects.services.from(0).map(|(id, _)| ServiceId(id));
        let imports = objects.imports.from(0).map(|(id, _)| ServiceId(id));
        // A slice answers for its endpoints also where its Service is not there.
        let slices = objects.slices.iter();
        let owners_of = slices.filter_map(|slice| Some(slice.of()?.0));
        let pods = objects.pods.iter();
        let mut dirty = Dirty {
            namespaces: names
                .filter_map(|name| objects.numbers.find_ns(name))
                .collect(),
            services: services.chain(imports).chain(owners_of).collect(),
            pods: pods
                .filter_map(|row| Some(row.pod_ip()?.to_canonical()))
                .collect(),
            grants: true,
            ..std::mem::take(&mut self.dirty)
        };
        if owners {
            let pods = objects.pods.iter().flat_map(|row| row.addresses());
            dirty.owners.extend(pods);
            for (_, node) in objects.nodes.from(0) {
                let addresses: BTreeSet<IpAddr> =
                    node_addresses(node).into_iter().map(|(ip, _)| ip).collect();
                dirty.owners.extend(addresses);
            }
        }
        self.dirty = dirty;
    }

    /// Takes a kind's objects out.
    fn forget_kind(&mut self, kind: Kind) {
        for key in self.ledger.forget(&mut self.objects, kind) {
            self.put(kind, key, None);
        }
        self.given.remove(&kind);
        self.wanted.lists.remove(&kind);
        self.stopped.insert(kind);
    }
}
