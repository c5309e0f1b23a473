//! Dirty parts into zones, clients and policy. Only what an event has touched is made anew; the rest
//! stays shared with the snapshots before.

use super::Index;
use crate::model::{EndpointSlice, ObjectKey, Service, ServiceKind};
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
            services.extend(self.objects.services.members(ns));
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
        self.compiler.set_namespace(ns, facts);
        self.zones
            .iter_mut()
            .for_each(|zone| zone.set_namespace(ns, namespace));
    }

    fn rebuild_service(&mut self, id: ServiceId) {
        let numbers = &self.objects.numbers;
        let Some((ns, name)) = numbers.service(id) else {
            return;
        };
        let Some(namespace) = numbers.ns(ns) else {
            return;
        };
        let key = ObjectKey::new(namespace, name);
        let service = self.objects.services.get(id);
        let import = self.objects.imports.get(id);
        let (Some(ns_label), Some(label)) = (label_of(&key.namespace), label_of(&key.name)) else {
            return;
        };
        let input = |import| ServiceInput {
            ns,
            id,
            namespace: &ns_label,
            label: &label,
            slices: self.objects.slices.of(id, import),
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
        let directory = &self.directory;
        // What has no label can't be pointed to: it takes no place among those that can.
        let is_named =
            |ns, id| directory.namespace(ns).is_some() && directory.service(id).is_some();
        let services = self.objects.services.with_address(address);
        let mut services: Vec<(NsId, ServiceId, &Service)> = services
            .filter_map(|(id, service)| Some((self.objects.numbers.service(id)?.0, id, service)))
            .filter(|(ns, id, _)| is_named(*ns, *id))
            .collect();
        services.sort_by_key(|(.., service)| &service.key);
        let slices = self.objects.slices.with_address(address);
        let mut slices: Vec<(NsId, ServiceId, &EndpointSlice)> =
            slices.filter(|(ns, id, _)| is_named(*ns, *id)).collect();
        slices.sort_by_key(|(_, id, slice)| {
            let name = self.objects.numbers.service(*id).map(|(_, name)| name);
            (&slice.key.namespace, name, &slice.key.name)
        });
        for zone in &mut self.zones {
            zone.set_reverse(address, &services, &slices);
        }
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

    fn rebuild_name_servers(&mut self) {
        let own: BTreeSet<IpAddr> = self
            .zones
            .iter()
            .flat_map(|z| &z.zone().options().own_addresses)
            .copied()
            .collect();
        let slices = own
            .iter()
            .flat_map(|a| self.objects.slices.with_address(*a));
        let owners: BTreeSet<(NsId, ServiceId)> = slices.map(|(ns, id, _)| (ns, id)).collect();
        let numbers = &self.objects.numbers;
        let mut labels: Vec<_> = owners
            .into_iter()
            .filter_map(|(ns, id)| {
                let key = ObjectKey::new(numbers.ns(ns)?, numbers.service(id)?.1);
                let (namespace, label) = (label_of(&key.namespace)?, label_of(&key.name)?);
                Some((key, ns, id, namespace, label))
            })
            .collect();
        labels.sort_by(|a, b| a.0.cmp(&b.0));
        let inputs: Vec<_> = labels
            .iter()
            .map(|(_, ns, id, namespace, label)| {
                let slices = self.objects.slices.of(*id, false);
                let input = ServiceInput {
                    ns: *ns,
                    id: *id,
                    namespace,
                    label,
                    slices,
                };
                (input, self.objects.services.get(*id))
            })
            .collect();
        self.zones
            .iter_mut()
            .for_each(|zone| zone.set_name_servers(&inputs));
    }
}

/// Returns an object's name as a label, where it can be one. Questions are compared in lower case,
/// so that a name with an upper-case letter, which the API refuses, is never found.
pub(super) fn label_of(name: &str) -> Option<Arc<[u8]>> {
    let lower = lower_label(name)?;
    (*lower == *name.as_bytes()).then(|| lower.into())
}
