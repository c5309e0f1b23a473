//! Events into the tables: what is kept is a function of the objects alone, and each change notes
//! which parts it touches. Not here: making zones of them ([`super::rebuild`]).

use super::Index;
use super::objects::{PodRow, relate};
use super::owners::node_addresses;
use super::rebuild::label_of;
use crate::model::{
    EndpointSlice, EndpointView, Kind, Node, Object, ObjectKey, Pod, Service, ServiceImport,
    ServiceKind, SliceOwner,
};
use crate::tenancy::{NsId, ServiceId};
use std::collections::HashSet;
use std::net::IpAddr;

impl Index {
    /// Replaces an object: `None` removes it.
    pub(super) fn put(&mut self, kind: Kind, key: ObjectKey, object: Option<Object>) {
        match (kind, object) {
            (Kind::Namespace, Some(Object::Namespace(o))) => self.put_namespace(key, Some(o)),
            (Kind::Namespace, None) => self.put_namespace(key, None),
            (Kind::Service, Some(Object::Service(o))) => self.put_service(key, Some(o)),
            (Kind::Service, None) => self.put_service(key, None),
            (Kind::ServiceImport, Some(Object::ServiceImport(o))) => self.put_import(key, Some(o)),
            (Kind::ServiceImport, None) => self.put_import(key, None),
            (Kind::EndpointSlice, Some(Object::EndpointSlice(o))) => self.put_slice(key, Some(o)),
            (Kind::EndpointSlice, None) => self.put_slice(key, None),
            (Kind::Pod, Some(Object::Pod(o))) => self.put_pod(key, Some(o)),
            (Kind::Pod, None) => self.put_pod(key, None),
            (Kind::Node, Some(Object::Node(o))) => self.put_node(&key.name, Some(o)),
            (Kind::Node, None) => self.put_node(&key.name, None),
            // `Object::kind` says which one it is.
            (_, Some(_)) => {}
        }
    }

    fn put_namespace(&mut self, key: ObjectKey, next: Option<crate::model::Namespace>) {
        let before = self.objects.namespaces.remove(&key.name);
        if before == next {
            if let Some(same) = next {
                self.objects.namespaces.insert(key.name, same);
            }
            return;
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

    fn put_service(&mut self, key: ObjectKey, next: Option<Service>) {
        let before = self.objects.services.get(&key);
        if before == next.as_ref() {
            return;
        }
        let addresses = |service: Option<&Service>| match service.map(|s| &s.kind) {
            Some(ServiceKind::ClusterIp(list)) => list.iter().map(IpAddr::to_canonical).collect(),
            _ => Vec::new(),
        };
        let (old, new) = (addresses(before), addresses(next.as_ref()));
        let had = before.is_some();
        for (list, add) in [(old, false), (new, true)] {
            for address in list {
                relate(
                    &mut self.objects.cluster_addresses,
                    address,
                    key.clone(),
                    add,
                );
                self.dirty.reverse.insert(address);
            }
        }
        self.replace_mention(&key, had, next.is_some());
        match next {
            Some(service) => self.objects.services.insert(key, service),
            None => self.objects.services.remove(&key),
        };
    }

    fn put_import(&mut self, key: ObjectKey, next: Option<ServiceImport>) {
        let before = self.objects.imports.get(&key);
        if before == next.as_ref() {
            return;
        }
        let had = before.is_some();
        self.replace_mention(&key, had, next.is_some());
        match next {
            Some(import) => self.objects.imports.insert(key, import),
            None => self.objects.imports.remove(&key),
        };
    }

    fn put_slice(&mut self, key: ObjectKey, next: Option<EndpointSlice>) {
        let before = self.objects.slices.get(&key);
        if before == next.as_ref() {
            return;
        }
        let touched = touched_addresses(before, next.as_ref());
        let before = self.objects.slices.remove(&key);
        for (slice, add) in [(before.as_ref(), false), (next.as_ref(), true)] {
            let Some(slice) = slice else { continue };
            let (name, import) = match &slice.owner {
                SliceOwner::Service(name) => (name, false),
                SliceOwner::Import(name, _) => (name, true),
                SliceOwner::Nobody => continue,
            };
            let owner = ObjectKey::new(key.namespace.clone(), name.clone());
            let service = self.mention(&owner);
            if !add {
                self.forget(&owner);
                self.forget(&owner);
            }
            relate(
                &mut self.objects.slices_of,
                (service, import),
                key.clone(),
                add,
            );
            if !import {
                for address in slice.endpoints.iter().flat_map(|e| e.addresses.iter()) {
                    let address = address.to_canonical();
                    relate(
                        &mut self.objects.endpoint_addresses,
                        address,
                        key.clone(),
                        add,
                    );
                }
            }
        }
        self.dirty.reverse.extend(touched);
        if let Some(slice) = next {
            self.objects.slices.insert(key, slice);
        }
    }

    fn put_pod(&mut self, key: ObjectKey, next: Option<Pod>) {
        let before = self.objects.pods.remove(&key);
        if let Some(row) = &before {
            self.relate_pod(&key, row, false);
        }
        if let Some(pod) = next {
            let ns = self.take_ns(&key.namespace);
            let same = before.as_ref().is_some_and(|b| b.pod == pod);
            let stale = same && before.as_ref().is_some_and(|b| b.stale);
            let row = PodRow { pod, ns, stale };
            self.relate_pod(&key, &row, true);
            self.objects.pods.insert(key, row);
        }
        if let Some(row) = before {
            self.give_back_ns(row.ns);
        }
    }

    fn relate_pod(&mut self, key: &ObjectKey, row: &PodRow, add: bool) {
        let pod = &row.pod;
        for address in addresses(pod) {
            relate(&mut self.objects.pod_addresses, address, key.clone(), add);
            self.dirty.owners.insert(address);
        }
        self.dirty.pods.extend(pod.pod_ip.map(|a| a.to_canonical()));
        relate(
            &mut self.objects.pods_on,
            pod.node.clone(),
            key.clone(),
            add,
        );
        if pod.host_network
            && let Some(node) = self.objects.nodes.get(&pod.node)
        {
            // Whether anything is on the host's network decides who has the node's address.
            self.dirty
                .owners
                .extend(node.addresses.iter().map(IpAddr::to_canonical));
        }
    }

    fn put_node(&mut self, name: &str, next: Option<Node>) {
        let before = self.objects.nodes.remove(name);
        let boot = |node: &Option<Node>| {
            node.as_ref()
                .map(|n| n.boot_id.clone())
                .filter(|id| !id.is_empty())
        };
        let rebooted = matches!((boot(&before), boot(&next)), (Some(a), Some(b)) if a != b);
        let ready = |node: &Option<Node>| node.as_ref().is_some_and(|n| n.ready);
        if rebooted || ready(&before) != ready(&next) {
            self.touch_pods_on(name, rebooted);
        }
        for (node, add) in [(&before, false), (&next, true)] {
            for (address, derived) in node.iter().flat_map(node_addresses) {
                let value = (name.into(), derived);
                relate(&mut self.objects.node_addresses, address, value, add);
                self.dirty.owners.insert(address);
            }
        }
        if let Some(node) = next {
            self.objects.nodes.insert(name.into(), node);
        }
    }

    fn touch_pods_on(&mut self, node: &str, rebooted: bool) {
        let keys = self.objects.pods_on.get(node).cloned().unwrap_or_default();
        for key in keys {
            let Some(row) = self.objects.pods.get_mut(&key) else {
                continue;
            };
            row.stale |= rebooted;
            self.dirty.owners.extend(addresses(&row.pod));
            self.dirty
                .pods
                .extend(row.pod.pod_ip.map(|a| a.to_canonical()));
        }
    }

    // === numbers ===

    fn take_ns(&mut self, name: &str) -> NsId {
        let ns = self.numbers.take_ns(name);
        if self.directory.namespace(ns).is_none() {
            self.directory.name_namespace(ns, label_of(name));
        }
        ns
    }

    fn give_back_ns(&mut self, ns: NsId) {
        self.numbers.namespaces.give_back(ns.0);
        self.dirty.unused_namespaces.insert(ns);
    }

    /// Counts one more mention of a service's name, and marks it dirty.
    fn mention(&mut self, key: &ObjectKey) -> ServiceId {
        let ns = self.take_ns(&key.namespace);
        let service = self.numbers.take_service(ns, &key.name);
        if self.directory.service(service).is_none() {
            let label = label_of(&key.name).map(|label| (ns, label));
            self.directory.name_service(service, label);
        }
        self.dirty.services.insert(service);
        service
    }

    /// Counts one mention less.
    fn forget(&mut self, key: &ObjectKey) {
        let Some(ns) = self.numbers.namespaces.find(&key.namespace).map(NsId) else {
            return;
        };
        if let Some(id) = self.numbers.services.find(&(ns, key.name.clone())) {
            self.numbers.services.give_back(id);
            self.dirty.unused_services.insert(ServiceId(id));
        }
        self.give_back_ns(ns);
    }

    fn replace_mention(&mut self, key: &ObjectKey, had: bool, has: bool) {
        self.mention(key);
        for _ in 0..(usize::from(had) + usize::from(!has)) {
            self.forget(key);
        }
    }
}

/// Returns the addresses of the endpoints that differ between two versions of a slice.
fn touched_addresses(before: Option<&EndpointSlice>, after: Option<&EndpointSlice>) -> Vec<IpAddr> {
    let same_frame = match (before, after) {
        (Some(a), Some(b)) => a.owner == b.owner && a.labels == b.labels,
        _ => false,
    };
    fn set(slice: Option<&EndpointSlice>) -> HashSet<EndpointView<'_>> {
        slice.into_iter().flat_map(|s| s.endpoints.iter()).collect()
    }
    let (old, new) = (set(before), set(after));
    let touched = old
        .union(&new)
        .filter(|e| !(same_frame && old.contains(e) && new.contains(e)));
    touched
        .flat_map(|e| e.addresses.iter().map(|a| a.to_canonical()))
        .collect()
}

/// Returns the addresses that a pod's status names, in the list or beside it.
fn addresses(pod: &Pod) -> impl Iterator<Item = IpAddr> {
    let all = pod.pod_ips.iter().chain(&pod.pod_ip);
    all.map(IpAddr::to_canonical)
}
