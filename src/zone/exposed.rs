//! A service as it is reached from outside the cluster: one block of octets, read in place, and which
//! services an address outside belongs to. Kept only where the block has `k8s_external`.

use super::block::{distinct, encoded_ports};
use super::build::{ServiceInput, ZoneWriter};
use super::encode::{Entries, Frame};
use super::lookup::key;
use super::ports::{Ports, Selector};
use super::reverse::Owner;
use super::service::{self, ServiceNode};
use super::{ExternalOptions, Origin, Zone};
use crate::model::{External, Externals, Service};
use crate::tenancy::ServiceId;
use crate::wire::{MAX_NAME, Name, RType, eq_ignore_case, labels};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

/// Host names of one service at most: each is a question to another server.
const MAX_HOSTNAMES: usize = 16;

/// A service as it is reached from outside.
///
/// Layout: how many places it is reached at and how many octets the node has, as two little-endian
/// numbers of four octets; the node, whose addresses are those places and whose suffix is `S.NS`; then
/// each host name in wire form, behind its length.
#[derive(Clone, Copy)]
pub struct ExposedNode<'s> {
    places: u32,
    node: ServiceNode<'s>,
    names: &'s [u8],
}

impl<'s> ExposedNode<'s> {
    fn read(block: &'s [u8]) -> Option<Self> {
        let (places, rest) = block.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (node, names) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        Some(Self {
            places: u32::from_le_bytes(*places),
            node: ServiceNode::read(node)?,
            names,
        })
    }

    /// Returns `S.NS` in wire form, without the origin.
    pub fn suffix(&self) -> &'s [u8] {
        self.node.suffix()
    }

    /// Returns its ports: one without number where it declares none.
    pub fn ports(&self) -> Ports<'s> {
        self.node.ports()
    }

    /// Returns the octets of its addresses of a type, A or AAAA, each once.
    pub fn row(&self, rtype: RType) -> &'s [u8] {
        self.node.cluster_row(rtype)
    }

    /// Returns each of its addresses once, IPv4 first.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + use<'s> {
        self.node.cluster_addresses()
    }

    /// Returns each of its host names once, in wire form.
    pub fn names(&self) -> impl Iterator<Item = &'s [u8]> + use<'s> {
        let mut rest = self.names;
        std::iter::from_fn(move || {
            let (length, tail) = rest.split_first()?;
            let (name, tail) = tail.split_at_checked(usize::from(*length))?;
            rest = tail;
            Some(name)
        })
    }

    /// Returns what SRV weights divide by: every place, however often it comes, for each port.
    pub fn entries(&self, selector: &Selector<'_>) -> usize {
        self.ports().count(selector) * self.places as usize
    }
}

impl std::fmt::Debug for ExposedNode<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.names().map(|name| name.escape_ascii().to_string());
        f.debug_struct("ExposedNode")
            .field("places", &self.places)
            .field("node", &self.node)
            .field("names", &names.collect::<Vec<_>>())
            .finish()
    }
}

impl Zone {
    /// Returns how a service is reached from outside, where it is.
    pub(super) fn exposed_node(&self, service: ServiceId) -> Option<ExposedNode<'_>> {
        ExposedNode::read(self.exposed_services.get(service.0)?.as_deref()?)
    }
}

impl ZoneWriter {
    /// Says where a Service is reached from outside.
    pub(super) fn set_exposed(&mut self, input: &ServiceInput<'_>, service: Option<&Service>) {
        if self.zone.options.external.is_none() {
            return;
        }
        let block = service.and_then(|service| {
            let externals = service.external.as_ref()?;
            self.exposed_block(input, service, externals)
        });
        let before = self.zone.exposed_services.get(input.id.0).cloned();
        let before = before.flatten();
        if before == block {
            return;
        }
        let [old, new] = [&before, &block].map(|block| addresses_of(block.as_deref()));
        for address in old.difference(&new) {
            self.point_outside(*address, input, false);
        }
        for address in new.difference(&old) {
            self.point_outside(*address, input, true);
        }
        self.zone.exposed_services.set(input.id.0, block);
    }

    fn exposed_block(
        &self,
        input: &ServiceInput<'_>,
        service: &Service,
        externals: &Externals,
    ) -> Option<Arc<[u8]>> {
        let suffix = input.suffix();
        let suffix = suffix.strip_suffix(b"\x03svc").unwrap_or(&suffix);
        let origins = self.zone.external_origins.iter();
        let longest = origins.map(|origin| origin.name.as_wire().len()).max()?;
        if suffix.len() + longest > MAX_NAME {
            return None;
        }
        let (mut places, mut addresses, mut names) = (0u32, Vec::new(), Vec::<Name>::new());
        for external in externals.iter() {
            match (external.address(), external) {
                (Some(address), _) => addresses.push(address),
                (None, External::Address(_)) => continue,
                (None, External::Hostname(text)) => match text.parse::<Name>() {
                    Ok(name) if is_among(&names, &name) => {}
                    Ok(name) if names.len() < MAX_HOSTNAMES => names.push(name),
                    _ => continue,
                },
            }
            places += 1;
        }
        if places == 0 {
            return None;
        }
        let frame = Frame {
            kind: service::CLUSTER,
            addresses: &distinct(&addresses),
            suffix,
            ports: &encoded_ports(&service.ports),
            ..Frame::default()
        };
        let node = Entries::default().finish(&frame, &self.zone.seed);
        let length = u32::try_from(node.len()).unwrap_or(u32::MAX);
        let mut block = [places.to_le_bytes(), length.to_le_bytes()].concat();
        block.extend(&*node);
        for name in names {
            block.push(name.as_wire().len() as u8);
            block.extend(name.as_wire());
        }
        Some(block.into())
    }

    /// Makes an address outside lead to a service, or no longer.
    fn point_outside(&mut self, address: IpAddr, input: &ServiceInput<'_>, add: bool) {
        let owner = Owner {
            service: input.id,
            by_endpoint: false,
        };
        let owners = self.zone.reverse_outside.get(key(address));
        let place = owners.binary_search_by(|word| {
            let other = Owner::of_word(*word);
            if other == owner {
                return std::cmp::Ordering::Equal;
            }
            let node = self.zone.exposed_node(other.service);
            let mut labels = labels(node.map_or(&[][..], |node| node.suffix()));
            let service = labels.next().unwrap_or(&[]);
            let namespace = labels.next().unwrap_or(&[]);
            [namespace, service].cmp(&[input.namespace, input.label])
        });
        let mut next = owners.to_vec();
        match (place, add) {
            (Err(at), true) => next.insert(at, owner.to_word()),
            (Ok(at), false) => drop(next.remove(at)),
            _ => return,
        }
        self.zone.reverse_outside.set(key(address), &next);
    }
}

/// Returns the origins of a `k8s_external` table.
pub(super) fn origins_of(options: Option<&ExternalOptions>) -> Arc<[Origin]> {
    let names = options.into_iter().flat_map(|options| &options.origins);
    names.map(|name| Origin::new(name, false)).collect()
}

fn is_among(names: &[Name], name: &Name) -> bool {
    let mut others = names.iter();
    others.any(|other| eq_ignore_case(other.as_wire(), name.as_wire()))
}

fn addresses_of(block: Option<&[u8]>) -> BTreeSet<IpAddr> {
    let node = block.and_then(ExposedNode::read);
    node.into_iter().flat_map(|node| node.addresses()).collect()
}
