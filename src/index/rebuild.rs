//! Dirty parts into zones, clients and policy. Only what an event has touched is made anew; the rest
//! stays shared with the snapshots before.

use super::Index;
use super::family::Relatives;
use super::objects::PodRow;
use crate::model::{Labels, ObjectKey, Service, ServiceKind};
use crate::tenancy::{NamespaceFacts, NsId, Owner, ServiceFacts, ServiceId, ServiceTraits};
use crate::wire::MAX_LABEL;
use crate::zone::{PodMode, ServiceInput};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

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
        let mut dirty = std::mem::take(&mut self.dirty);
        let mut zones = self.zones.iter();
        let pod_names = zones.any(|z| z.zone().options().pods == PodMode::Verified);
        let changed = dirty.touches_zones(pod_names);
        for &ns in &dirty.namespaces {
            self.rebuild_namespace(ns, &mut dirty.owners);
        }
        for &service in &dirty.services {
            self.rebuild_service(service);
        }
        for &address in &dirty.owners {
            self.work.addresses += 1;
            let claimants = self.objects.claimants(address);
            let owner = self.client_at(address);
            Arc::make_mut(&mut self.clients).set(address, owner, &claimants);
        }
        self.rebuild_policies(&dirty);
        self.rebuild_peers(&dirty);
        for &address in dirty.pods.iter().filter(|_| pod_names) {
            self.work.addresses += 1;
            self.rebuild_pod_names(address);
        }
        self.compiler.refresh();
        for service in dirty.unused_services {
            if self.objects.numbers.free_service(service) {
                Arc::make_mut(&mut self.directory).name_service(service, None);
            }
        }
        for ns in dirty.unused_namespaces {
            if self.objects.numbers.free_ns(ns) {
                Arc::make_mut(&mut self.directory).name_namespace(ns, None);
            }
        }
        changed
    }

    /// Makes a namespace anew; addresses whose owner that changes are added to `owners`.
    fn rebuild_namespace(&mut self, ns: NsId, owners: &mut BTreeSet<IpAddr>) {
        let Some(name) = self.objects.numbers.ns(ns) else {
            return;
        };
        let namespace = self.objects.namespaces.get(name);
        Arc::make_mut(&mut self.directory).set_exists(ns, namespace.is_some());
        self.zones
            .iter_mut()
            .for_each(|zone| zone.set_namespace(ns, namespace));
        let excepts = !self.compiler.policy().options().platform.except.is_empty();
        let selected = |facts: Option<&NamespaceFacts>| facts.map(|f| f.to_selected.clone());
        let was_platform = self.is_platform(ns);
        let was_selected = selected(self.compiler.facts(ns)).unwrap_or_default();
        self.say_namespace(ns);
        let is_selected = selected(self.compiler.facts(ns)).unwrap_or_default();
        let became = self.is_platform(ns) != was_platform;
        if became && excepts {
            let pods = self.objects.pods.iter().filter(|row| row.ns() == ns);
            owners.extend(pods.flat_map(|row| row.pod_ips().map(|a| a.to_canonical())));
        }
        // Whether a service is the DNS service depends on its namespace, and which of its services
        // a rule selects on what that says of all of it.
        let again = match &self.selectable {
            Some(all) if was_selected != is_selected => all,
            _ if became => &self.own_services,
            _ => return,
        };
        let again = again.range((ns, ServiceId(0))..);
        let again: Vec<ServiceId> = again.take_while(|s| s.0 == ns).map(|s| s.1).collect();
        again.into_iter().for_each(|service| self.classify(service));
    }

    /// Says what a namespace is, or that it is gone.
    pub(super) fn say_namespace(&mut self, ns: NsId) {
        let Some(name) = self.objects.numbers.ns(ns) else {
            return;
        };
        let namespace = self.objects.namespaces.get(name);
        let kin = Relatives {
            namespaces: &self.objects.namespaces,
            family: &self.family,
        };
        let options = self.compiler.policy().options();
        let facts = namespace.map(|namespace| {
            let imports = self.objects.policies.imports_of(&namespace.name);
            options.namespace_facts(namespace, &kin, imports)
        });
        self.compiler.set_namespace(ns, facts);
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
    pub(super) fn classify(&mut self, id: ServiceId) {
        let Some((ns, key)) = self.service_key(id) else {
            return;
        };
        let service = self.objects.services.get(id);
        let labeled = service.is_some_and(|service| {
            let label = service.labels.get("k8s-app");
            label.is_some_and(|v| v == "kube-dns") && *key.namespace == *"kube-system"
        });
        let own = self.is_platform(ns) && self.own_services.contains(&(ns, id));
        let labels = service.map(|service| &service.labels);
        let import = self.objects.imports.get(id).map(|import| &import.labels);
        let nothing = Labels::new();
        // Owners give away Services: a ServiceImport of that name is another cluster's.
        let offers = service.map(|_| self.objects.policies.offers_of(&key));
        let facts = match labels.or(import) {
            Some(labels) => {
                let unread = NamespaceFacts {
                    name: key.namespace.clone(),
                    ..NamespaceFacts::default()
                };
                let options = self.compiler.policy().options();
                let traits = ServiceTraits {
                    name: &key.name,
                    labels,
                    annotations: service.map_or(&nothing, |service| &service.annotations),
                    labels_known: self.unlabeled.is_empty(),
                    offers: offers.as_deref().unwrap_or_default(),
                    dns: labeled || own,
                };
                options.service_facts(self.compiler.facts(ns).unwrap_or(&unread), traits)
            }
            None => ServiceFacts::default(),
        };
        if let Some(all) = &mut self.selectable {
            if labels.or(import).is_some() {
                all.insert((ns, id));
            } else {
                all.remove(&(ns, id));
            }
        }
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

    /// Returns whose an address is, for who asks from it: the pods of the platform that are excepted
    /// see what nodes see.
    fn client_at(&self, address: IpAddr) -> Option<Owner> {
        let owner = self.objects.owner(address);
        let except = &self.compiler.policy().options().platform.except;
        match owner {
            Some(Owner::Pod(ns)) if !except.is_empty() && self.is_platform(ns) => {
                let mut pods = self.objects.pods.with_address(address);
                let is_excepted = |row: &PodRow| except.iter().any(|s| s.matches(&row.labels()));
                let excepted = pods.any(|row| row.ns() == ns && is_excepted(row));
                if excepted { Some(Owner::Node) } else { owner }
            }
            owner => owner,
        }
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
