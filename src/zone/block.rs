//! What objects say of a service, as the block that a zone keeps of it: their texts checked and in
//! wire form.

use super::build::{ServiceInput, SliceInput, ZoneWriter};
use super::encode::{Entries, Frame};
use super::label::AddressLabel;
use super::lookup::is_wild;
use super::ports::{NO_PORTS, push_port};
use super::service::{self, NAMES_ENDPOINTS, WILD};
use super::zonal::ByZone;
use crate::model::{EndpointView, Port, Service, ServiceImport, ServiceKind};
use crate::wire::{MAX_LABEL, MAX_NAME, Name};
use std::net::IpAddr;
use std::sync::Arc;

impl ZoneWriter {
    /// Returns the block of a Service with its slices, or `None` where there is nothing to say.
    pub(super) fn service_block(
        &self,
        input: &ServiceInput<'_>,
        service: Option<&Service>,
    ) -> Option<Arc<[u8]>> {
        let entries = self.entries(input, false, None);
        let (mut target, mut ports, mut addresses) = (None, Vec::new(), Vec::new());
        let kind = match service.map(|service| &service.kind) {
            None => service::ABSENT,
            Some(ServiceKind::Headless) => service::HEADLESS,
            Some(ServiceKind::ExternalName(text)) => {
                target = alias_target(text);
                target.as_ref().map_or(service::ABSENT, |_| service::ALIAS)
            }
            Some(ServiceKind::ClusterIp(list)) => {
                addresses = distinct(list);
                ports = service.map_or(Vec::new(), |service| encoded_ports(&service.ports));
                match self.zone.options.ignore_empty_service && entries.is_empty() {
                    true => service::ABSENT,
                    false => service::CLUSTER,
                }
            }
        };
        let frame = Frame {
            kind,
            flags: NAMES_ENDPOINTS | wild(input),
            namespace: input.ns.0,
            addresses: &addresses,
            suffix: &input.suffix(),
            target: target.as_ref().map_or(&[], Name::as_wire),
            ports: &ports,
        };
        self.block(&frame, entries)
    }

    /// Returns the block of a ServiceImport with its slices.
    pub(super) fn import_block(
        &self,
        input: &ServiceInput<'_>,
        import: &ServiceImport,
    ) -> Option<Arc<[u8]>> {
        let addresses = import.ips.as_ref().map(|ips| distinct(ips));
        let (kind, flags, ports) = match addresses {
            // The multicluster specification gives endpoints of a ClusterSetIP import no names.
            Some(_) => (service::CLUSTER, 0, encoded_ports(&import.ports)),
            None => (service::HEADLESS, NAMES_ENDPOINTS, Vec::new()),
        };
        let frame = Frame {
            kind,
            flags: flags | wild(input),
            namespace: input.ns.0,
            addresses: &addresses.unwrap_or_default(),
            suffix: &input.suffix(),
            target: &[],
            ports: &ports,
        };
        self.block(&frame, self.entries(input, true, None))
    }

    fn block(&self, frame: &Frame<'_>, entries: Entries) -> Option<Arc<[u8]>> {
        let fits = frame.suffix.len() + self.longest_origin <= MAX_NAME;
        let silent = frame.addresses.is_empty() && entries.is_empty();
        let says = frame.kind != service::ABSENT || !silent;
        (fits && says).then(|| entries.finish(frame, &self.zone.seed))
    }

    /// Returns the entries of a service's slices; each is added to that of `zones` which is its
    /// topology zone's, too.
    pub(super) fn entries(
        &self,
        input: &ServiceInput<'_>,
        multicluster: bool,
        mut zones: Option<&mut ByZone>,
    ) -> Entries {
        let mut entries = Entries::default();
        let mut ports = Vec::new();
        let room = MAX_NAME.saturating_sub(self.longest_origin + input.suffix().len());
        for slice in input.slices.iter().filter(|slice| self.uses(slice)) {
            ports.clear();
            for port in slice.ports.iter() {
                push_port(&mut ports, &port.name, &port.protocol, port.number);
            }
            let Some(group) = entries.group(&ports) else {
                continue;
            };
            let cluster = match multicluster && is_label(slice.cluster) {
                true => slice.cluster,
                false => "",
            };
            let of_cluster = [cluster.len() as u8];
            // What stands behind an endpoint's own label.
            let behind: [&[u8]; 2] = match cluster {
                "" => [&[], &[]],
                text => [&of_cluster, text.as_bytes()],
            };
            let room = room.saturating_sub(behind.concat().len());
            if let Some(zones) = &mut zones {
                zones.begin(slice, &ports);
            }
            let mut push = |address, name: &[&[u8]]| {
                entries.push(address, group, name);
                if let Some(zones) = &mut zones {
                    zones.push(address, name);
                }
            };
            for (endpoint, address) in ready_addresses(slice) {
                let Ok(text) = self.endpoint_label(endpoint) else {
                    continue;
                };
                if !text.is_empty() {
                    if text.len() < room {
                        let len = [text.len() as u8];
                        let name = [&len, text.as_bytes(), behind[0], behind[1]];
                        push(address, &name);
                    }
                } else if room >= AddressLabel::MAX || room >= AddressLabel::len_of(address) {
                    if cluster.is_empty() {
                        // An address that is all of the name is not kept twice.
                        push(address, &[]);
                    } else {
                        let spelled = AddressLabel::of(address);
                        let name = [spelled.as_wire(), behind[0], behind[1]];
                        push(address, &name);
                    }
                }
            }
        }
        entries
    }

    /// Returns an endpoint's label: its hostname, its pod's name where the options say so; empty
    /// where that is its address.
    ///
    /// # Errors
    /// Its hostname can't be a label: it has no name.
    pub(super) fn endpoint_label<'e>(
        &self,
        endpoint: EndpointView<'e>,
    ) -> Result<&'e str, Unnameable> {
        if let Some(hostname) = endpoint.hostname.filter(|h| !h.is_empty()) {
            return is_label(hostname).then_some(hostname).ok_or(Unnameable);
        }
        let pod = endpoint
            .target
            .filter(|pod| self.zone.options.endpoint_pod_names && is_label(pod));
        Ok(pod.unwrap_or(""))
    }
}

/// An endpoint's hostname can't be a label.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unnameable;

/// Returns the ready endpoints of a slice with each of their addresses.
pub(super) fn ready_addresses<'a>(
    slice: &SliceInput<'a>,
) -> impl Iterator<Item = (EndpointView<'a>, IpAddr)> + use<'a> {
    let ready = slice.endpoints.iter().filter(|e| e.ready);
    ready.flat_map(|e| e.addresses.iter().map(move |a| (e, a.to_canonical())))
}

/// Returns each address once, in the order given.
pub(super) fn distinct(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let mut seen = std::collections::BTreeSet::new();
    let canonical = addresses.iter().map(IpAddr::to_canonical);
    canonical.filter(|address| seen.insert(*address)).collect()
}

/// Returns the flag of a service whose name has a label that may stand for any.
pub(super) fn wild(input: &ServiceInput<'_>) -> u8 {
    let is_wild = [input.label, input.namespace].into_iter().any(is_wild);
    if is_wild { WILD } else { 0 }
}

pub(super) fn encoded_ports(ports: &[Port]) -> Vec<u8> {
    let mut encoded = Vec::new();
    for port in ports {
        push_port(&mut encoded, &port.name, &port.protocol, Some(port.number));
    }
    if encoded.is_empty() {
        encoded.extend(NO_PORTS);
    }
    encoded
}

fn is_label(text: &str) -> bool {
    (1..=MAX_LABEL).contains(&text.len()) && !text.contains('.')
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
