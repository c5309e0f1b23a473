//! Events into the tables: what is kept is a function of the objects alone, and each change notes
//! which parts it touches. Not here: making zones of them ([`super::rebuild`]).

use super::Index;
use super::objects::{PodRow, SliceOf, node_addresses, service_of};
use super::rebuild::label_of;
use crate::model::{
    EndpointSlice, Kind, Namespace, Node, Object, ObjectKey, Pod, Service, ServiceImport,
};
use crate::tenancy::{NsId, ServiceId};
use std::net::IpAddr;
use std::sync::Arc;

impl Index {
    /// Replaces an object: `None` removes it.
    pub(super) fn put(&mut self, kind: Kind, key: ObjectKey, mut object: Option<Object>) {
        if let Some(object) = &mut object {
            self.keep.trim(object);
        }
        self.note_change(kind, &key);
        match (kind, object) {
            (Kind::Namespace, Some(Object::Namespace(o))) => self.put_namespace(key, Some(o)),
            (Kind::Namespace, None) => self.put_namespace(key, None),
            (Kind::Service, Some(Object::Service(o))) => self.put_service(&key, Some(o)),
            (Kind::Service, None) => self.put_service(&key, None),
            (Kind::ServiceImport, Some(Object::ServiceImport(o))) => self.put_import(&key, Some(o)),
            (Kind::ServiceImport, None) => self.put_import(&key, None),
            (Kind::EndpointSlice, Some(Object::EndpointSlice(o))) => self.put_slice(&key, Some(o)),
            (Kind::EndpointSlice, None) => self.put_slice(&key, None),
            (Kind::Pod, Some(Object::Pod(o))) => self.put_pod(o),
            (Kind::Pod, None) => self.remove_pod(&key),
            (Kind::Node, Some(Object::Node(o))) => self.put_node(&key.name, Some(o)),
            (Kind::Node, None) => self.put_node(&key.name, None),
            (Kind::DnsGrant, Some(Object::DnsGrant(o))) => self.put_grant(&key, Some(o)),
            (Kind::DnsGrant, None) => self.put_grant(&key, None),
            (Kind::DnsExport, Some(Object::DnsExport(o))) => self.put_export(&key, Some(o)),
            (Kind::DnsExport, None) => self.put_export(&key, None),
            (Kind::DnsImport, Some(Object::DnsImport(o))) => self.put_policy_import(&key, Some(o)),
            (Kind::DnsImport, None) => self.put_policy_import(&key, None),
            // `Object::kind` says which one it is.
            (_, Some(_)) => {}
        }
    }

    fn put_namespace(&mut self, key: ObjectKey, next: Option<Namespace>) {
        let before = self.objects.namespaces.remove(&key.name);
        if before == next {
            if let Some(same) = next {
                self.objects.namespaces.insert(key.name, same);
            }
            return;
        }
        for relative in self.family.change(before.as_ref(), next.as_ref()) {
            self.dirty.namespaces.extend(self.namespace_id(&relative));
        }
        // Taken before the other is given back, so that the number stays.
        let ns = self.take_ns(&key.name);
        if before.is_some() {
            self.give_back_ns(ns);
        }
        match next {
            Some(namespace) => {
                self.objects.namespaces.insert(key.name, namespace);
            }
            None => self.give_back_ns(ns),
        }
        self.dirty.namespaces.insert(ns);
    }

    fn put_service(&mut self, key: &ObjectKey, next: Option<Service>) {
        let known = self.objects.service_id(key);
        let before = known.and_then(|id| self.objects.services.get(id));
        if before == next.as_ref() {
            return;
        }
        let (had, has) = (before.is_some(), next.is_some());
        let (ns, id) = self.mention(key);
        match next {
            Some(service) => self.objects.services.put(id, service),
            None => drop(self.objects.services.remove(id)),
        }
        self.settle(ns, id, had, has);
    }

    fn put_import(&mut self, key: &ObjectKey, next: Option<ServiceImport>) {
        let known = self.objects.service_id(key);
        let before = known.and_then(|id| self.objects.imports.get(id));
        if before == next.as_ref() {
            return;
        }
        let (had, has) = (before.is_some(), next.is_some());
        let (ns, id) = self.mention(key);
        match next {
            Some(import) => self.objects.imports.put(id, import),
            None => drop(self.objects.imports.remove(id)),
        }
        self.settle(ns, id, had, has);
    }

    fn put_slice(&mut self, key: &ObjectKey, next: Option<EndpointSlice>) {
        // Held for the row; given back below for the one before, or where there is none.
        let ns = self.take_ns(&key.namespace);
        let same = match (self.objects.slices.get(ns, &key.name), &next) {
            (Some(before), Some(next)) => self.objects.is_same_slice(before, next),
            (before, next) => before.is_none() && next.is_none(),
        };
        if same {
            self.give_back_ns(ns);
            return;
        }
        let before = match next {
            Some(slice) => {
                let of = self.mention_owner(&slice);
                self.objects.slices.put(ns, of, slice)
            }
            None => {
                self.give_back_ns(ns);
                self.objects.slices.remove(ns, &key.name)
            }
        };
        if let Some(of) = before {
            if let Some((service, _)) = of {
                self.dirty.services.insert(service);
                self.forget(ns, service);
            }
            self.give_back_ns(ns);
        }
    }

    /// Counts one more mention of the service that a slice belongs to.
    fn mention_owner(&mut self, slice: &EndpointSlice) -> Option<SliceOf> {
        let (name, import) = service_of(&slice.owner)?;
        let owner = ObjectKey::new(slice.key.namespace.clone(), name);
        Some((self.mention(&owner).1, import))
    }

    fn put_pod(&mut self, mut pod: Pod) {
        let name = std::mem::take(&mut pod.key.name);
        let ns = self.take_ns(&pod.key.namespace);
        let node = self.objects.numbers.take_node(&pod.node);
        let row = PodRow::new(pod, ns, node);
        let before = self.objects.pods.get(ns, &name);
        if before.is_some_and(|before| before.is_same(&row)) {
            self.give_back_ns(ns);
            self.objects.numbers.give_back_node(node);
            return;
        }
        self.touch_pod(&row);
        if let Some(before) = self.objects.pods.put(&name, row) {
            self.let_go(&before);
        }
    }

    fn remove_pod(&mut self, key: &ObjectKey) {
        let ns = self.objects.numbers.find_ns(&key.namespace);
        if let Some(row) = ns.and_then(|ns| self.objects.pods.remove(ns, &key.name)) {
            self.let_go(&row);
        }
    }

    /// Takes leave of a pod that is no more, or no more like this.
    fn let_go(&mut self, row: &PodRow) {
        self.touch_pod(row);
        self.give_back_ns(row.ns());
        self.objects.numbers.give_back_node(row.node());
    }

    fn touch_pod(&mut self, row: &PodRow) {
        self.dirty.owners.extend(row.addresses());
        self.dirty
            .pods
            .extend(row.pod_ip().map(|a| a.to_canonical()));
        if row.host_network()
            && let Some(node) = self.objects.nodes.get(row.node())
        {
            // Whether anything is on the host's network decides who has the node's address.
            let own = node.addresses.iter().map(IpAddr::to_canonical);
            self.dirty.owners.extend(own);
        }
    }

    fn put_node(&mut self, name: &str, next: Option<Node>) {
        let id = self.objects.numbers.take_node(name);
        let before = self.objects.nodes.get(id);
        if before == next.as_ref() {
            self.objects.numbers.give_back_node(id);
            return;
        }
        for node in before.into_iter().chain(&next) {
            let addresses = node_addresses(node).into_iter().map(|(ip, _)| ip);
            self.dirty.owners.extend(addresses);
        }
        let boot = |node: Option<&Node>| {
            node.map(|n| n.boot_id.clone())
                .filter(|boot_id| !boot_id.is_empty())
        };
        let rebooted = match (boot(before), boot(next.as_ref())) {
            (Some(a), Some(b)) => a != b,
            _ => false,
        };
        let ready = |node: Option<&Node>| node.is_some_and(|n| n.ready);
        let turned = ready(before) != ready(next.as_ref());
        if rebooted {
            self.objects.pods.mark_stale(id);
            let pods = self.objects.pods.on_node(id);
            let keys: Vec<_> = pods.map(|row| self.objects.pod_key(row)).collect();
            keys.iter().for_each(|key| self.note_change(Kind::Pod, key));
        }
        if rebooted || turned {
            for row in self.objects.pods.on_node(id) {
                self.dirty.owners.extend(row.addresses());
                self.dirty
                    .pods
                    .extend(row.pod_ip().map(|a| a.to_canonical()));
            }
        }
        let has = next.is_some();
        if self.objects.nodes.replace(id, next).is_some() {
            self.objects.numbers.give_back_node(id);
        }
        if !has {
            self.objects.numbers.give_back_node(id);
        }
    }

    // === numbers ===

    fn take_ns(&mut self, name: &str) -> NsId {
        let ns = self.objects.numbers.take_ns(name);
        if self.directory.namespace(ns).is_none() {
            Arc::make_mut(&mut self.directory).name_namespace(ns, label_of(name));
        }
        ns
    }

    fn give_back_ns(&mut self, ns: NsId) {
        self.objects.numbers.give_back_ns(ns);
        self.dirty.unused_namespaces.insert(ns);
    }

    /// Counts one more mention of a service's name, and marks it dirty.
    fn mention(&mut self, key: &ObjectKey) -> (NsId, ServiceId) {
        let ns = self.take_ns(&key.namespace);
        let service = self.objects.numbers.take_service(ns, &key.name);
        if self.directory.service(service).is_none() {
            let label = label_of(&key.name).map(|label| (ns, label));
            Arc::make_mut(&mut self.directory).name_service(service, label);
        }
        self.dirty.services.insert(service);
        (ns, service)
    }

    /// Counts one mention less.
    fn forget(&mut self, ns: NsId, service: ServiceId) {
        self.objects.numbers.give_back_service(service);
        self.dirty.unused_services.insert(service);
        self.give_back_ns(ns);
    }

    /// Leaves as many mentions as there are objects, after one more was counted.
    fn settle(&mut self, ns: NsId, service: ServiceId, had: bool, has: bool) {
        for _ in 0..(usize::from(had) + usize::from(!has)) {
            self.forget(ns, service);
        }
    }
}
