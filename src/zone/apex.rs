//! The zone's own records: SOA, the name servers, `dns-version`.

use super::block::{Unnameable, distinct, ready_addresses};
use super::build::{ServiceInput, SliceInput, ZoneWriter};
use super::label::AddressLabel;
use crate::model::{Service, ServiceKind};
use crate::tenancy::{NsId, ServiceId, View};
use crate::wire::MAX_NAME;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// TTL of the `dns-version` TXT record, whatever the zone's is.
pub const VERSION_TTL: u32 = 28_800;
/// What `dns-version` says: the version of the Kubernetes DNS specification.
pub(super) const DNS_VERSION: &[u8] = b"1.1.0";
/// What it says in a multicluster zone: the version of that specification (KEP-1645).
pub(super) const MULTICLUSTER_VERSION: &[u8] = b"1.0.0";
/// The most that the TTL of a SOA record is.
const MAX_SOA_TTL: u32 = 300;
/// Refresh, retry and expire of the SOA, CoreDNS's numbers.
const SOA_TIMERS: [u32; 3] = [7200, 1800, 86_400];

/// The numbers of a SOA record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Soa {
    /// Its TTL.
    pub ttl: u32,
    /// Serial, refresh, retry, expire, minimum.
    pub numbers: [u32; 5],
}

impl Soa {
    /// Returns the SOA of a zone with this TTL and serial.
    pub fn new(ttl: u32, serial: u32) -> Self {
        let [refresh, retry, expire] = SOA_TIMERS;
        Self {
            ttl: ttl.min(MAX_SOA_TTL),
            numbers: [serial, refresh, retry, expire, ttl],
        }
    }
}

/// One name of the NS RRset, with its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerName {
    /// The labels in front of the origin, in wire form.
    pub labels: Box<[u8]>,
    /// Its addresses, each once.
    pub addresses: Vec<IpAddr>,
}

/// A service that a slice with one of the server's addresses belongs to, whether it exists or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerService {
    pub(super) ns: NsId,
    pub(super) service: ServiceId,
    /// The names that the server has by it.
    pub(super) names: Vec<ServerName>,
    /// The addresses that it has outside by it, for `k8s_external`.
    pub(super) outside: Vec<IpAddr>,
}

/// The names that this server has in the cluster: the services whose endpoints have its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameServers {
    /// By the labels of namespace and service.
    pub(super) services: BTreeMap<[Box<[u8]>; 2], Arc<ServerService>>,
    /// `ns.dns` with the server's own addresses: the name where no slice has them.
    fallback: ServerName,
}

impl NameServers {
    /// Returns the names for a zone whose server has these addresses and that no slice holds.
    pub fn outside(own: &[IpAddr]) -> Self {
        Self {
            services: BTreeMap::new(),
            fallback: ServerName {
                labels: b"\x02ns\x03dns".as_slice().into(),
                addresses: own.into(),
            },
        }
    }

    /// Returns the names that `view` may see; a hidden service is never one of them, and counts
    /// for nothing.
    pub fn visible<'a>(
        &'a self,
        view: &View<'a>,
    ) -> impl Iterator<Item = &'a ServerName> + use<'a> {
        let view = *view;
        let services = self.services.values();
        let seen = services.filter(move |s| view.permits(s.ns, s.service));
        let inside = seen.clone().next().is_some();
        let fallback = (!inside && !self.fallback.addresses.is_empty()).then_some(&self.fallback);
        seen.flat_map(|service| &service.names).chain(fallback)
    }

    /// Returns the addresses that `view` may see of this server outside the cluster; the server's own
    /// where no service that is seen is this server.
    pub fn addresses_outside<'a>(
        &'a self,
        view: &View<'a>,
    ) -> impl Iterator<Item = IpAddr> + use<'a> {
        let view = *view;
        let services = self.services.values();
        let seen = services.filter(move |s| view.permits(s.ns, s.service));
        let inside = seen.clone().next().is_some();
        let fallback = (!inside).then_some(&self.fallback.addresses);
        let addresses = seen.flat_map(|service| &service.outside);
        addresses.chain(fallback.into_iter().flatten()).copied()
    }
}

impl ServerService {
    /// Adds addresses to a name, each once.
    pub(super) fn add(
        &mut self,
        known: &mut KnownServers,
        labels: &[u8],
        addresses: impl IntoIterator<Item = IpAddr>,
    ) {
        let at = *known.names.entry(labels.into()).or_insert_with(|| {
            self.names.push(ServerName {
                labels: labels.into(),
                addresses: Vec::new(),
            });
            self.names.len() - 1
        });
        if let Some(name) = self.names.get_mut(at) {
            let new = addresses.into_iter();
            let new = new.filter(|address| known.addresses.insert((at, *address)));
            name.addresses.extend(new);
        }
    }
}

/// What has been added to a [`ServerService`], so that many names cost no more each than few.
#[derive(Default)]
pub(super) struct KnownServers {
    names: BTreeMap<Box<[u8]>, usize>,
    addresses: BTreeSet<(usize, IpAddr)>,
}

impl ZoneWriter {
    /// Notes whether one of a service's endpoints is the server, and the names that the server has
    /// by it.
    pub(super) fn set_server(&mut self, input: &ServiceInput<'_>, service: Option<&Service>) {
        let next = self.server_service(input, service);
        if next.is_none() && !self.servers.contains(&input.id) {
            return;
        }
        let key = [input.namespace.into(), input.label.into()];
        let before = self.zone.name_servers.services.get(&key).map(|s| &**s);
        if before == next.as_ref() {
            return;
        }
        let services = &mut Arc::make_mut(&mut self.zone.name_servers).services;
        match next {
            Some(next) => {
                self.servers.insert(input.id);
                services.insert(key, Arc::new(next));
            }
            None => {
                self.servers.remove(&input.id);
                services.remove(&key);
            }
        }
    }

    fn server_service(
        &self,
        input: &ServiceInput<'_>,
        service: Option<&Service>,
    ) -> Option<ServerService> {
        let own = &self.zone.options.own_addresses;
        if own.is_empty() {
            return None;
        }
        let is_server = |slice: &&SliceInput<'_>| {
            let mut addresses = ready_addresses(slice).map(|(_, address)| address);
            self.uses(slice) && addresses.any(|address| own.contains(&address))
        };
        let mut slices = input.slices.iter().filter(is_server).peekable();
        slices.peek()?;
        let mut server = ServerService {
            ns: input.ns,
            service: input.id,
            names: Vec::new(),
            outside: Vec::new(),
        };
        if let (Some(options), Some(service)) = (&self.zone.options.external, service) {
            let headless = options.headless && service.kind == ServiceKind::Headless;
            let endpoints = slices.clone().filter(|_| headless);
            let endpoints = endpoints.flat_map(|slice| ready_addresses(slice));
            let external = service.external.iter().flat_map(|list| list.iter());
            let external = external.filter_map(|external| external.address());
            let external = external.filter(|_| !headless);
            let all: Vec<IpAddr> = endpoints.map(|(_, a)| a).chain(external).collect();
            server.outside = distinct(&all);
        }
        let mut known = KnownServers::default();
        let mut add = |name: &[&[u8]], addresses: &[IpAddr]| {
            let labels = [&name.concat()[..], &input.suffix()].concat();
            if labels.len() + self.longest_origin <= MAX_NAME {
                server.add(&mut known, &labels, addresses.iter().copied());
            }
        };
        match service.map(|service| &service.kind) {
            Some(ServiceKind::ClusterIp(addresses)) if !addresses.is_empty() => {
                add(&[], addresses);
            }
            Some(ServiceKind::Headless) => {
                for (endpoint, address) in slices.flat_map(|slice| ready_addresses(slice)) {
                    match self.endpoint_label(endpoint) {
                        Ok("") => add(&[AddressLabel::of(address).as_wire()], &[address]),
                        Ok(text) => add(&[&[text.len() as u8], text.as_bytes()], &[address]),
                        Err(Unnameable) => {}
                    }
                }
            }
            _ => {}
        }
        Some(server)
    }
}
