//! Dirty parts into zones, clients and policy. Only what an event has touched is made anew; the rest
//! stays shared with the snapshots before.

use super::Index;
use super::objects::Objects;
use crate::model::{EndpointSlice, ObjectKey, Service, ServiceKind, SliceOwner};
use crate::tenancy::{NsId, ServiceId};
use crate::wire::lower_label;
use crate::zone::ServiceInput;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

impl Index {
    /// Rebuilds what is dirty, and returns whether a zone's data has changed.
    pub(super) fn rebuild(&mut self) -> bool {
        let dirty = std::mem::take(&mut self.dirty);
        let pod_names = self
            .zones
            .iter()
            .any(|z| z.zone().options().pods == crate::zone::PodMode::Verified);
        let changed = dirty.touches_zones(pod_names);
        for &ns in &dirty.namespaces {
            self.rebuild_namespace(ns);
        }
        let mut services = dirty.services;
        for &ns in &dirty.namespaces {
            // Whether a service is the DNS service depends on its namespace.
            services.extend(self.services_in(ns));
        }
        for &service in &services {
            self.rebuild_service(service);
        }
        for &address in &dirty.reverse {
            self.rebuild_reverse(address);
        }
        for &address in &dirty.owners {
            let claimants = self.objects.claimants(address);
            self.clients
                .set(address, self.objects.owner(address), &claimants);
        }
        for &address in dirty.pods.iter().filter(|_| pod_names) {
            self.rebuild_pod_names(address);
        }
        if changed {
            self.rebuild_name_servers();
        }
        self.compiler.refresh();
        for service in dirty.unused_services {
            if self.numbers.services.free_unused(service.0) {
                self.directory.name_service(service, None);
            }
        }
        for ns in dirty.unused_namespaces {
            if self.numbers.namespaces.free_unused(ns.0) {
                self.directory.name_namespace(ns, None);
            }
        }
        changed
    }

    fn rebuild_namespace(&mut self, ns: NsId) {
        let Some(name) = self.numbers.namespaces.key(ns.0) else {
            return;
        };
        let namespace = self.objects.namespaces.get(name);
        self.directory.set_exists(ns, namespace.is_some());
        let facts = namespace.map(|n| self.compiler.policy().options().namespace_facts(n));
        self.compiler.set_namespace(ns, facts);
        self.zones
            .iter_mut()
            .for_each(|zone| zone.set_namespace(ns, namespace));
    }

    fn services_in(&self, ns: NsId) -> Vec<ServiceId> {
        let Some(name) = self.numbers.namespaces.key(ns.0) else {
            return Vec::new();
        };
        let from = ObjectKey::new(name.clone(), "");
        let keys = self.objects.services.range(from..).map(|(key, _)| key);
        keys.take_while(|key| key.namespace == *name)
            .filter_map(|key| self.numbers.services.find(&(ns, key.name.clone())))
            .map(ServiceId)
            .collect()
    }

    fn rebuild_service(&mut self, id: ServiceId) {
        let Some((ns, name)) = self.numbers.services.key(id.0).cloned() else {
            return;
        };
        let Some(namespace) = self.numbers.namespaces.key(ns.0).cloned() else {
            return;
        };
        let key = ObjectKey::new(namespace, name);
        let service = self.objects.services.get(&key);
        let import = self.objects.imports.get(&key);
        let (Some(ns_label), Some(label)) = (label_of(&key.namespace), label_of(&key.name)) else {
            return;
        };
        let input = |import| ServiceInput {
            ns,
            id,
            namespace: &ns_label,
            label: &label,
            slices: self.objects.slices_of(id, import),
        };
        let (own, imported) = (input(false), input(true));
        for zone in &mut self.zones {
            zone.set_service(&own, service);
            zone.set_import(&imported, import);
        }
        let dns = service.is_some_and(|s| self.is_dns_service(ns, s, &own));
        let options = self.compiler.policy().options();
        let facts = if service.is_some() || import.is_some() {
            options.service_facts(&key.namespace, &key.name, dns)
        } else {
            Default::default()
        };
        self.compiler.set_service(ns, id, facts);
    }

    /// Returns whether a Service is this server's, or the cluster's DNS by its label.
    fn is_dns_service(&self, ns: NsId, service: &Service, input: &ServiceInput<'_>) -> bool {
        let labeled = service
            .labels
            .get("k8s-app")
            .is_some_and(|v| v == "kube-dns");
        if labeled && *service.key.namespace == *"kube-system" {
            return true;
        }
        let platform = self.compiler.facts(ns).is_some_and(|facts| facts.platform);
        let own = || {
            self.zones
                .iter()
                .flat_map(|z| &z.zone().options().own_addresses)
        };
        let is_own = |address: &IpAddr| own().any(|o| o == address);
        let cluster = match &service.kind {
            ServiceKind::ClusterIp(list) => list.iter().any(is_own),
            _ => false,
        };
        let ready = input
            .slices
            .iter()
            .flat_map(|s| s.endpoints.iter())
            .filter(|e| e.ready);
        platform && (cluster || ready.flat_map(|e| e.addresses.iter()).any(|a| is_own(&a)))
    }

    fn rebuild_reverse(&mut self, address: IpAddr) {
        let (numbers, directory) = (&self.numbers, &self.directory);
        // What has no label can't be pointed to: it takes no place among those that can.
        let number = |namespace: &str, name: &str| {
            let ns = NsId(numbers.namespaces.find(&namespace.into())?);
            let id = ServiceId(numbers.services.find(&(ns, name.into()))?);
            directory.namespace(ns)?;
            directory.service(id)?;
            Some((ns, id))
        };
        let keys = self
            .objects
            .cluster_addresses
            .get(&address)
            .into_iter()
            .flatten();
        let services: Vec<_> = keys
            .filter_map(|key| {
                let (ns, id) = number(&key.namespace, &key.name)?;
                Some((ns, id, self.objects.services.get(key)?))
            })
            .collect();
        let keys = self
            .objects
            .endpoint_addresses
            .get(&address)
            .into_iter()
            .flatten();
        let mut slices: Vec<(&str, NsId, ServiceId, &EndpointSlice)> = keys
            .filter_map(|key| {
                let slice = self.objects.slices.get(key)?;
                let SliceOwner::Service(name) = &slice.owner else {
                    return None;
                };
                let (ns, id) = number(&key.namespace, name)?;
                Some((&**name, ns, id, slice))
            })
            .collect();
        slices.sort_by_key(|(name, _, _, slice)| (&slice.key.namespace, *name, &slice.key.name));
        let slices: Vec<_> = slices
            .into_iter()
            .map(|(_, ns, id, s)| (ns, id, s))
            .collect();
        for zone in &mut self.zones {
            zone.set_reverse(address, &services, &slices);
        }
    }

    fn rebuild_pod_names(&mut self, address: IpAddr) {
        let keys = self
            .objects
            .pod_addresses
            .get(&address)
            .into_iter()
            .flatten();
        let rows = keys.filter_map(|key| self.objects.pods.get(key));
        let pods: Vec<_> = rows
            .filter(|row| row.owns_addresses())
            .filter(|row| row.pod.pod_ip.map(|a| a.to_canonical()) == Some(address))
            .map(|row| (row.ns, &row.pod))
            .collect();
        self.zones
            .iter_mut()
            .for_each(|zone| zone.set_pods(address, &pods));
    }

    fn rebuild_name_servers(&mut self) {
        let own: BTreeSet<IpAddr> = self
            .zones
            .iter()
            .flat_map(|z| &z.zone().options().own_addresses)
            .copied()
            .collect();
        let slices = own
            .iter()
            .filter_map(|a| self.objects.endpoint_addresses.get(a))
            .flatten();
        let owners: BTreeSet<ObjectKey> = slices
            .filter_map(|key| match &self.objects.slices.get(key)?.owner {
                SliceOwner::Service(name) => Some(ObjectKey::new(&*key.namespace, &**name)),
                _ => None,
            })
            .collect();
        let labels: Vec<_> = owners
            .iter()
            .filter_map(|key| {
                let ns = NsId(self.numbers.namespaces.find(&key.namespace)?);
                let id = ServiceId(self.numbers.services.find(&(ns, key.name.clone()))?);
                Some((key, ns, id, label_of(&key.namespace)?, label_of(&key.name)?))
            })
            .collect();
        let inputs: Vec<_> = labels
            .iter()
            .map(|(key, ns, id, namespace, label)| {
                let slices = self.objects.slices_of(*id, false);
                let input = ServiceInput {
                    ns: *ns,
                    id: *id,
                    namespace,
                    label,
                    slices,
                };
                (input, self.objects.services.get(key))
            })
            .collect();
        self.zones
            .iter_mut()
            .for_each(|zone| zone.set_name_servers(&inputs));
    }
}

impl Objects {
    fn slices_of(&self, service: ServiceId, import: bool) -> Vec<&EndpointSlice> {
        let keys = self.slices_of.get(&(service, import)).into_iter().flatten();
        keys.filter_map(|key| self.slices.get(key)).collect()
    }
}

/// Returns an object's name as a label, where it can be one. Questions are compared in lower case,
/// so that a name with an upper-case letter, which the API refuses, is never found.
pub(super) fn label_of(name: &str) -> Option<Arc<[u8]>> {
    let lower = lower_label(name)?;
    (*lower == *name.as_bytes()).then(|| lower.into())
}
