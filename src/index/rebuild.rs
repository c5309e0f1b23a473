//! Dirty parts into zones, clients and policy. Only what an event has touched is made anew; the rest
//! stays shared with the snapshots before.

use super::Index;
use crate::model::{ObjectKey, Service, ServiceKind};
use crate::tenancy::{NsId, ServiceId};
use crate::wire::MAX_LABEL;
use crate::zone::{PodMode, ServiceInput};
use std::net::IpAddr;

/// What rebuilding has looked at so far: what events cost, in things instead of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// Services that were made anew.
    pub services: u64,
    /// Addresses whose owner was looked for.
    pub addresses: u64,
    /// Decisions of who may see what.
    pub decisions: u64,
}

impl Index {
    /// Returns what rebuilding has looked at so far.
    pub fn work(&self) -> Work {
        Work {
            decisions: self.compiler.decisions(),
            ..self.work
        }
    }

    /// Rebuilds what is dirty, and returns whether a zone's data has changed.
    pub(super) fn rebuild(&mut self) -> bool {
        let dirty = std::mem::take(&mut self.dirty);
        let mut zones = self.zones.iter();
        let pod_names = zones.any(|z| z.zone().options().pods == PodMode::Verified);
        let changed = dirty.touches_zones(pod_names);
        for &ns in &dirty.namespaces {
            self.rebuild_namespace(ns);
        }
        for &service in &dirty.services {
            self.rebuild_service(service);
        }
        for &address in &dirty.owners {
            self.work.addresses += 1;
            let claimants = self.objects.claimants(address);
            let owner = self.objects.owner(address);
            self.clients.set(address, owner, &claimants);
        }
        self.rebuild_peers(&dirty);
        for &address in dirty.pods.iter().filter(|_| pod_names) {
            self.work.addresses += 1;
            self.rebuild_pod_names(address);
        }
        self.compiler.refresh();
        for service in dirty.unused_services {
            if self.objects.numbers.free_service(service) {
                self.directory.name_service(service, None);
            }
        }
        for ns in dirty.unused_namespaces {
            if self.objects.numbers.free_ns(ns) {
                self.directory.name_namespace(ns, None);
            }
        }
        changed
    }

    fn rebuild_namespace(&mut self, ns: NsId) {
        let Some(name) = self.objects.numbers.ns(ns) else {
            return;
        };
        let namespace = self.objects.namespaces.get(name);
        self.directory.set_exists(ns, namespace.is_some());
        let facts = namespace.map(|n| self.compiler.policy().options().namespace_facts(n));
        let was_platform = self.is_platform(ns);
        self.compiler.set_namespace(ns, facts);
        self.zones
            .iter_mut()
            .for_each(|zone| zone.set_namespace(ns, namespace));
        if self.is_platform(ns) != was_platform {
            // Whether a service is the DNS service depends on its namespace.
            let first = (ns, ServiceId(0));
            let own = self.own_services.range(first..);
            let own: Vec<ServiceId> = own.take_while(|s| s.0 == ns).map(|s| s.1).collect();
            own.into_iter().for_each(|service| self.classify(service));
        }
    }

    fn rebuild_service(&mut self, id: ServiceId) {
        let Some((ns, key)) = self.service_key(id) else {
            return;
        };
        let (Some(namespace), Some(label)) = (label_of(&key.namespace), label_of(&key.name)) else {
            return;
        };
        self.work.services += 1;
        let service = self.objects.services.get(id);
        let import = self.objects.imports.get(id);
        let input = |import| ServiceInput {
            ns,
            id,
            namespace,
            label,
            slices: self.objects.slices.of(id, import),
        };
        let (own, imported) = (input(false), input(true));
        for zone in &mut self.zones {
            zone.set_service(&own, service);
            zone.set_import(&imported, import);
        }
        if service.is_some_and(|service| self.has_own_address(service, &own)) {
            self.own_services.insert((ns, id));
        } else {
            self.own_services.remove(&(ns, id));
        }
        self.classify(id);
    }

    /// Says what makes a service an exception, or that it is none.
    fn classify(&mut self, id: ServiceId) {
        let Some((ns, key)) = self.service_key(id) else {
            return;
        };
        let service = self.objects.services.get(id);
        let labeled = service.is_some_and(|service| {
            let label = service.labels.get("k8s-app");
            label.is_some_and(|v| v == "kube-dns") && *key.namespace == *"kube-system"
        });
        let own = self.is_platform(ns) && self.own_services.contains(&(ns, id));
        let facts = if service.is_some() || self.objects.imports.get(id).is_some() {
            let options = self.compiler.policy().options();
            options.service_facts(&key.namespace, &key.name, labeled || own)
        } else {
            Default::default()
        };
        self.compiler.set_service(ns, id, facts);
    }

    fn service_key(&self, id: ServiceId) -> Option<(NsId, ObjectKey)> {
        let (ns, name) = self.objects.numbers.service(id)?;
        let namespace = self.objects.numbers.ns(ns)?;
        Some((ns, ObjectKey::new(namespace, name)))
    }

    fn is_platform(&self, ns: NsId) -> bool {
        self.compiler.facts(ns).is_some_and(|facts| facts.platform)
    }

    /// Returns whether a Service's cluster address or a ready endpoint is this server's.
    fn has_own_address(&self, service: &Service, input: &ServiceInput<'_>) -> bool {
        let zones = self.zones.iter().map(|z| &z.zone().options().own_addresses);
        let mut is_own = |address: &IpAddr| zones.clone().any(|own| own.contains(address));
        if zones.clone().all(|own| own.is_empty()) {
            return false;
        }
        let cluster = match &service.kind {
            ServiceKind::ClusterIp(list) => list.iter().any(&mut is_own),
            _ => false,
        };
        let endpoints = input.slices.iter().flat_map(|slice| slice.endpoints.iter());
        let ready = endpoints.filter(|endpoint| endpoint.ready);
        let mut ready = ready.flat_map(|endpoint| endpoint.addresses.iter());
        cluster || ready.any(|address| is_own(&address))
    }

    fn rebuild_pod_names(&mut self, address: IpAddr) {
        let rows = self.objects.pods.with_address(address);
        let pods: Vec<_> = rows
            .filter(|row| row.owns_addresses())
            .filter(|row| row.pod_ip().map(|a| a.to_canonical()) == Some(address))
            .map(|row| (row.ns(), row.labels()))
            .collect();
        self.zones
            .iter_mut()
            .for_each(|zone| zone.set_pods(address, &pods));
    }
}

/// Returns an object's name as a label, where it can be one. Questions are compared in lower case,
/// so that a name with an upper-case letter, which the API refuses, is never found.
pub(super) fn label_of(name: &str) -> Option<&[u8]> {
    let label = name.as_bytes();
    let fits = (1..=MAX_LABEL).contains(&label.len());
    let odd = |octet: &u8| *octet == b'.' || octet.is_ascii_uppercase();
    (fits && !label.iter().any(odd)).then_some(label)
}
