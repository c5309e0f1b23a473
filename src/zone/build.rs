//! The index's side of a zone: what it says of each service, address and namespace becomes the
//! value that queries read. Everything is checked for the wire here, so that writing an answer
//! can't fail for a name.

use super::apex::{NameServers, ServerName};
use super::endpoints::{EndpointInput, EndpointTable};
use super::lookup::key;
use super::reverse::{EndpointOwner, ReverseNode};
use super::service::{AddressSet, Body, ServiceNode, ServicePort};
use super::{Nodes, Options, Origin, PodMode, Zone};
use crate::cow::{CowBits, CowMap, CowVec, Seed};
use crate::model::{
    EndpointSlice, EndpointView, Labels, Namespace, Port, Service, ServiceImport, ServiceKind,
    SliceOwner,
};
use crate::tenancy::{NsId, ServiceId};
use crate::wire::{MAX_LABEL, MAX_NAME, Name};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

/// Everything that a service's records are made of.
#[derive(Debug, Clone)]
pub struct ServiceInput<'a> {
    /// Its namespace.
    pub ns: NsId,
    /// Its number.
    pub id: ServiceId,
    /// The namespace's label, lower case.
    pub namespace: &'a [u8],
    /// The service's label, lower case.
    pub label: &'a [u8],
    /// Its slices, by name.
    pub slices: Vec<&'a EndpointSlice>,
}

/// The mutable side of a [`Zone`].
pub struct ZoneWriter {
    zone: Zone,
    longest_origin: usize,
    namespaces: BTreeSet<Box<str>>,
}

impl ZoneWriter {
    /// Returns the writer of a zone without data.
    pub fn new(options: Options, wildcards: bool, seed: &Seed) -> Self {
        let origins: Arc<[Origin]> = options
            .origins
            .iter()
            .map(|name| Origin::new(name, options.multicluster.contains(name)))
            .collect();
        let longest_origin = origins
            .iter()
            .map(|o| o.name.as_wire().len())
            .max()
            .unwrap_or(1);
        let namespaces = options
            .namespaces
            .iter()
            .map(|n| n.to_lowercase().into())
            .collect();
        let zone = Zone {
            name_servers: Arc::new(NameServers::outside(&options.own_addresses)),
            options: Arc::new(options),
            origins,
            wildcards,
            serial: 0,
            services: CowVec::default(),
            imports: CowVec::default(),
            service_members: CowVec::default(),
            import_members: CowVec::default(),
            exposed: CowBits::default(),
            reverse: CowMap::new(seed.clone()),
            pods: CowMap::new(seed.clone()),
        };
        Self {
            zone,
            longest_origin,
            namespaces,
        }
    }

    /// Returns the zone as it is now.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Sets the SOA's serial.
    pub fn set_serial(&mut self, serial: u32) {
        self.zone.serial = serial;
    }

    /// Says what a namespace's object says, or that there is none.
    pub fn set_namespace(&mut self, ns: NsId, namespace: Option<&Namespace>) {
        let listed = |n: &Namespace| {
            self.namespaces.is_empty() || self.namespaces.contains(&*n.name.to_lowercase())
        };
        let selected = |n: &Namespace| {
            self.zone
                .options
                .namespace_labels
                .as_ref()
                .is_none_or(|s| s.matches(&n.labels))
        };
        let exposed = namespace.is_some_and(|n| listed(n) && selected(n));
        self.zone.exposed.set(ns.0, exposed);
    }

    /// Says what a Service is now, or that there is none.
    pub fn set_service(&mut self, input: &ServiceInput<'_>, service: Option<&Service>) {
        let service = service.filter(|s| self.selects(&s.labels));
        let node = service.and_then(|service| self.service_node(input, service));
        let zone = &mut self.zone;
        set_node(&mut zone.services, &mut zone.service_members, input, node);
    }

    /// Says what a ServiceImport is now, or that there is none.
    pub fn set_import(&mut self, input: &ServiceInput<'_>, import: Option<&ServiceImport>) {
        let node = import.and_then(|import| self.import_node(input, import));
        let zone = &mut self.zone;
        set_node(&mut zone.imports, &mut zone.import_members, input, node);
    }

    /// Says which services have an address: as cluster address, and by a slice; each list by
    /// namespace and name of the service.
    pub fn set_reverse(
        &mut self,
        address: IpAddr,
        services: &[(NsId, ServiceId, &Service)],
        slices: &[(NsId, ServiceId, &EndpointSlice)],
    ) {
        let services = services
            .iter()
            .filter(|(.., service)| self.selects(&service.labels));
        let mut endpoints = Vec::<EndpointOwner>::new();
        for &(ns, service, slice) in slices.iter().filter(|(.., slice)| self.uses(slice)) {
            for endpoint in slice
                .endpoints
                .iter()
                .filter(|e| e.addresses.contains(address))
            {
                if let Some(name) = self
                    .endpoint_name(endpoint, address)
                    .filter(|_| endpoint.ready)
                {
                    let owner = EndpointOwner { ns, service, name };
                    if !endpoints.contains(&owner) {
                        endpoints.push(owner);
                    }
                }
            }
        }
        let node = ReverseNode {
            services: services.map(|(ns, service, _)| (*ns, *service)).collect(),
            endpoints: endpoints.into(),
        };
        if node.is_empty() {
            self.zone.reverse.remove(&key(address));
        } else {
            self.zone.reverse.insert(key(address), Arc::new(node));
        }
    }

    /// Says in which namespaces an address is a pod's: those of `pods`, each with its labels, that the options select.
    pub fn set_pods(&mut self, address: IpAddr, pods: &[(NsId, Labels)]) {
        if self.zone.options.pods != PodMode::Verified {
            return;
        }
        let selected = pods.iter().filter(|(_, labels)| self.selects(labels));
        let namespaces: BTreeSet<NsId> = selected.map(|(ns, _)| *ns).collect();
        if namespaces.is_empty() {
            self.zone.pods.remove(&key(address));
        } else {
            self.zone
                .pods
                .insert(key(address), namespaces.into_iter().collect());
        }
    }

    /// Says which slices hold the server's own addresses, and the Services that they belong to.
    pub fn set_name_servers(&mut self, slices: &[(ServiceInput<'_>, Option<&Service>)]) {
        let own = &self.zone.options.own_addresses;
        let mut owners = Vec::new();
        let mut names = Vec::<ServerName>::new();
        for (input, service) in slices {
            for slice in input.slices.iter().filter(|slice| self.uses(slice)) {
                if !ready_addresses(slice).any(|(_, address)| own.contains(&address)) {
                    continue;
                }
                owners.push((input.ns, input.id));
                let Some(service) = service.filter(|s| self.selects(&s.labels)) else {
                    continue;
                };
                self.add_server_names(input, slice, service, &mut names);
            }
        }
        owners.sort_unstable();
        owners.dedup();
        let fallback = NameServers::outside(own).fallback;
        let next = NameServers {
            owners: owners.into(),
            names: names.into(),
            fallback,
        };
        if *self.zone.name_servers != next {
            self.zone.name_servers = Arc::new(next);
        }
    }

    fn add_server_names(
        &self,
        input: &ServiceInput<'_>,
        slice: &EndpointSlice,
        service: &Service,
        names: &mut Vec<ServerName>,
    ) {
        let suffix = suffix_of(input);
        let mut add = |endpoint: &[u8], addresses: Vec<IpAddr>| {
            let labels: Box<[u8]> = [endpoint, &suffix].concat().into();
            if labels.len() + self.longest_origin > MAX_NAME {
                return;
            }
            match names.iter_mut().find(|n| n.labels == labels) {
                Some(name) => {
                    let mut all = name.addresses.to_vec();
                    all.extend(
                        addresses
                            .into_iter()
                            .filter(|a| !name.addresses.contains(a)),
                    );
                    name.addresses = all.into();
                }
                None => names.push(ServerName {
                    ns: input.ns,
                    service: input.id,
                    labels,
                    addresses: addresses.into(),
                }),
            }
        };
        match &service.kind {
            ServiceKind::ClusterIp(addresses) if !addresses.is_empty() => {
                add(&[], addresses.clone());
            }
            ServiceKind::Headless => {
                for (endpoint, address) in ready_addresses(slice) {
                    if let Some(name) = self.endpoint_name(endpoint, address) {
                        add(&name, vec![address]);
                    }
                }
            }
            ServiceKind::ClusterIp(_) | ServiceKind::ExternalName(_) => {}
        }
    }

    fn service_node(&self, input: &ServiceInput<'_>, service: &Service) -> Option<ServiceNode> {
        let headless = service.kind == ServiceKind::Headless;
        let endpoints = self.endpoint_table(input, headless, false);
        let body = match &service.kind {
            ServiceKind::ExternalName(target) => Body::Alias(alias_target(target)?),
            ServiceKind::Headless => Body::Headless,
            ServiceKind::ClusterIp(addresses) => {
                if self.zone.options.ignore_empty_service && endpoints.is_empty() {
                    return None;
                }
                self.cluster_body(addresses, &service.ports)
            }
        };
        self.node(input, body, endpoints, true)
    }

    fn import_node(&self, input: &ServiceInput<'_>, import: &ServiceImport) -> Option<ServiceNode> {
        let headless = import.ips.is_none();
        let endpoints = self.endpoint_table(input, headless, true);
        let body = match &import.ips {
            None => Body::Headless,
            Some(ips) => self.cluster_body(ips, &import.ports),
        };
        // The multicluster specification gives endpoints of a ClusterSetIP import no names.
        self.node(input, body, endpoints, headless)
    }

    fn cluster_body(&self, addresses: &[IpAddr], ports: &[Port]) -> Body {
        let mut ports: Box<[ServicePort]> = ports
            .iter()
            .map(|p| service_port(&p.name, &p.protocol, Some(p.number)))
            .collect();
        if ports.is_empty() {
            ports = [ServicePort::default()].into();
        }
        let addresses = AddressSet::encode(addresses.iter().copied(), self.zone.options.ttl);
        Body::Cluster { addresses, ports }
    }

    fn node(
        &self,
        input: &ServiceInput<'_>,
        body: Body,
        endpoints: EndpointTable,
        names_endpoints: bool,
    ) -> Option<ServiceNode> {
        let suffix = suffix_of(input);
        let fits = suffix.len() + self.longest_origin <= MAX_NAME;
        fits.then_some(ServiceNode {
            id: input.id,
            suffix,
            body,
            endpoints,
            names_endpoints,
        })
    }

    fn endpoint_table(
        &self,
        input: &ServiceInput<'_>,
        headless: bool,
        multicluster: bool,
    ) -> EndpointTable {
        let mut inputs = Vec::new();
        let mut groups = Vec::<Box<[ServicePort]>>::new();
        let room = MAX_NAME.saturating_sub(self.longest_origin + suffix_of(input).len());
        for slice in input.slices.iter().filter(|slice| self.uses(slice)) {
            let mut ports: Box<[ServicePort]> = slice
                .ports
                .iter()
                .map(|p| service_port(&p.name, &p.protocol, p.number))
                .collect();
            if ports.is_empty() {
                ports = [ServicePort::default()].into();
            }
            let known = groups.iter().position(|g| *g == ports);
            let at = known.unwrap_or_else(|| {
                groups.push(ports);
                groups.len() - 1
            });
            let Ok(group) = u16::try_from(at) else {
                continue;
            };
            let cluster = match &slice.owner {
                SliceOwner::Import(_, cluster) if multicluster => wire_label(cluster),
                _ => None,
            };
            for (endpoint, address) in ready_addresses(slice) {
                let Some(mut name) = self.endpoint_name(endpoint, address) else {
                    continue;
                };
                if let Some(cluster) = &cluster {
                    name = [&name[..], cluster].concat().into();
                }
                if name.len() <= room {
                    inputs.push(EndpointInput {
                        name,
                        address,
                        group,
                    });
                }
            }
        }
        EndpointTable::build(inputs, groups, headless, self.zone.options.ttl)
    }

    /// Returns an endpoint's label in wire form: its hostname, its pod's name where the options say
    /// so, or its address with dashes. `None` where that can't be a label.
    fn endpoint_name(&self, endpoint: EndpointView<'_>, address: IpAddr) -> Option<Box<[u8]>> {
        if let Some(hostname) = endpoint.hostname.filter(|h| !h.is_empty()) {
            return wire_label(hostname);
        }
        let pod = endpoint
            .target
            .filter(|_| self.zone.options.endpoint_pod_names);
        if let Some(label) = pod.filter(|p| !p.contains('.')).and_then(wire_label) {
            return Some(label);
        }
        let mut text = address.to_string().replace(['.', ':'], "-");
        if text.ends_with('-') {
            text.push('0');
        }
        wire_label(&text)
    }

    fn uses(&self, slice: &EndpointSlice) -> bool {
        !self.zone.options.noendpoints && self.selects(&slice.labels)
    }

    fn selects(&self, labels: &Labels) -> bool {
        self.zone.options.labels.matches(labels)
    }
}

fn set_node(
    nodes: &mut Nodes,
    members: &mut super::Members,
    input: &ServiceInput<'_>,
    node: Option<ServiceNode>,
) {
    let before = nodes.get(input.id.0).is_some_and(Option::is_some);
    if before != node.is_some() {
        let list = members.get(input.ns.0).cloned().unwrap_or_default();
        let mut list = Arc::unwrap_or_clone(list);
        list.retain(|id| *id != input.id);
        if node.is_some() {
            // By name, so that neither the order of events nor what is hidden shows in an answer.
            let label = |id: &ServiceId| {
                nodes
                    .get(id.0)
                    .and_then(Option::as_ref)
                    .map(|n| n.suffix.clone())
            };
            let own = suffix_of(input);
            let at =
                list.partition_point(|id| label(id).is_some_and(|l| label_order(&l, &own).is_lt()));
            list.insert(at, input.id);
        }
        members.set(input.ns.0, Arc::new(list));
    }
    if before || node.is_some() {
        nodes.set(input.id.0, node.map(Arc::new));
    }
}

/// Compares the first labels of two names in wire form as text.
fn label_order(a: &[u8], b: &[u8]) -> std::cmp::Ordering {
    crate::wire::labels(a)
        .next()
        .cmp(&crate::wire::labels(b).next())
}

fn suffix_of(input: &ServiceInput<'_>) -> Box<[u8]> {
    let mut wire = Vec::with_capacity(input.label.len() + input.namespace.len() + 6);
    for label in [input.label, input.namespace, b"svc"] {
        wire.push(label.len() as u8);
        wire.extend(label);
    }
    wire.into()
}

fn ready_addresses(slice: &EndpointSlice) -> impl Iterator<Item = (EndpointView<'_>, IpAddr)> {
    let ready = slice.endpoints.iter().filter(|e| e.ready);
    ready.flat_map(|e| e.addresses.iter().map(move |a| (e, a)))
}

fn service_port(name: &str, protocol: &str, number: Option<u16>) -> ServicePort {
    let lower = |text: &str| text.bytes().map(|b| b.to_ascii_lowercase()).collect();
    ServicePort {
        name: lower(name),
        protocol: lower(protocol),
        number,
    }
}

fn wire_label(text: &str) -> Option<Box<[u8]>> {
    let fits = (1..=MAX_LABEL).contains(&text.len()) && !text.contains('.');
    fits.then(|| [&[text.len() as u8], text.as_bytes()].concat().into())
}

/// Returns the name that an ExternalName stands for, or `None` where it is none: an address, or a
/// text that can't be put on the wire.
fn alias_target(text: &str) -> Option<Name> {
    if text.is_empty() || text.parse::<IpAddr>().is_ok() {
        return None;
    }
    text.parse()
        .ok()
        .filter(|name: &Name| name.label_count() > 0)
}
