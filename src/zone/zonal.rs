//! A headless service by topology zone: for each, a block like the service's own, of the endpoints
//! that are in it. They are kept only where the options have `zonal`.

use super::Zone;
use super::build::{ServiceInput, SliceInput, ZoneWriter};
use super::encode::{Entries, Frame};
use super::service::{self, NAMES_ENDPOINTS, ServiceNode};
use crate::cow::Seed;
use crate::model::{Service, ServiceKind};
use crate::tenancy::ServiceId;
use crate::wire::{MAX_LABEL, MAX_NAME};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Octets of a number in the layout, which is little-endian: how many zones there are, where each
/// starts, and there a length, the zone's labels in wire form, and its block. They are sorted.
const WORD: usize = 4;

impl Zone {
    /// Returns what a headless service has in a topology zone: labels in wire form, lower case.
    pub(super) fn zonal_node(&self, service: ServiceId, zone: &[u8]) -> Option<ServiceNode<'_>> {
        let block = self.zonal.get(service.0)?.as_deref()?;
        let (mut start, mut end) = (0, count(block));
        while start < end {
            let middle = start + (end - start) / 2;
            let (name, node) = entry(block, middle)?;
            match name.cmp(zone) {
                std::cmp::Ordering::Equal => return ServiceNode::read(node),
                std::cmp::Ordering::Less => start = middle + 1,
                std::cmp::Ordering::Greater => end = middle,
            }
        }
        None
    }
}

impl ZoneWriter {
    /// Says what a Service has in each topology zone.
    pub(super) fn set_zonal(&mut self, input: &ServiceInput<'_>, service: Option<&Service>) {
        if !self.zone.options.zonal {
            return;
        }
        let headless = service.filter(|service| service.kind == ServiceKind::Headless);
        let block = headless.and_then(|_| {
            let mut zones = ByZone::default();
            self.entries(input, false, Some(&mut zones));
            zones.finish(&input.suffix(), &self.zone.seed)
        });
        let before = self.zone.zonal.get(input.id.0).and_then(Option::as_ref);
        if before != block.as_ref() {
            self.zone.zonal.set(input.id.0, block);
        }
    }
}

/// The entries of a service's endpoints, those of each topology zone together.
#[derive(Default)]
pub(super) struct ByZone {
    /// By the zone's labels in wire form, lower case.
    zones: BTreeMap<Box<[u8]>, Entries>,
    /// Of the slice that is read: where each of its addresses is. As in CoreDNS, of an address that
    /// comes several times the last counts.
    places: BTreeMap<IpAddr, Box<[u8]>>,
    ports: Vec<u8>,
}

impl ByZone {
    /// Begins a slice with these ports.
    pub(super) fn begin(&mut self, slice: &SliceInput<'_>, ports: &[u8]) {
        self.places.clear();
        for endpoint in slice.endpoints.iter().filter(|endpoint| endpoint.ready) {
            if let Some(zone) = endpoint.topology_zone.and_then(labels_of) {
                let addresses = endpoint.addresses.iter();
                let places = addresses.map(|address| (address.to_canonical(), zone.clone()));
                self.places.extend(places);
            }
        }
        ports.clone_into(&mut self.ports);
    }

    /// Adds an entry of the slice; see [`Entries::push`].
    pub(super) fn push(&mut self, address: IpAddr, name: &[&[u8]]) {
        let Some(zone) = self.places.get(&address) else {
            return;
        };
        if !self.zones.contains_key(zone) {
            self.zones.insert(zone.clone(), Entries::default());
        }
        if let Some(entries) = self.zones.get_mut(zone)
            && let Some(group) = entries.group(&self.ports)
        {
            entries.push(address, group, name);
        }
    }

    fn finish(self, suffix: &[u8], seed: &Seed) -> Option<Arc<[u8]>> {
        if self.zones.is_empty() {
            return None;
        }
        let word = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
        let mut block = word(self.zones.len()).to_vec();
        let mut entries = Vec::new();
        let first = WORD * (1 + self.zones.len());
        for (zone, of_zone) in self.zones {
            block.extend(word(first + entries.len()));
            let frame = Frame {
                kind: service::HEADLESS,
                flags: NAMES_ENDPOINTS,
                suffix,
                ..Frame::default()
            };
            entries.push(zone.len() as u8);
            entries.extend(&zone);
            entries.extend(&*of_zone.finish(&frame, seed));
        }
        block.extend(entries);
        Some(block.into())
    }
}

/// Returns a topology zone's name as labels in wire form, lower case, or `None` where nobody can ask
/// for it.
fn labels_of(zone: &str) -> Option<Box<[u8]>> {
    let mut wire = Vec::with_capacity(zone.len() + 1);
    for label in zone.split('.') {
        if !(1..=MAX_LABEL).contains(&label.len()) {
            return None;
        }
        wire.push(label.len() as u8);
        wire.extend(label.bytes().map(|octet| octet.to_ascii_lowercase()));
    }
    (wire.len() < MAX_NAME).then(|| wire.into())
}

/// Returns each topology zone of a block with what the service has there.
#[cfg(any(test, feature = "testing"))]
pub(super) fn each(block: &[u8]) -> impl Iterator<Item = (String, Option<ServiceNode<'_>>)> {
    let all = (0..count(block)).filter_map(move |at| entry(block, at));
    all.map(|(name, node)| (name.escape_ascii().to_string(), ServiceNode::read(node)))
}

fn count(block: &[u8]) -> usize {
    word(block, 0).unwrap_or(0)
}

fn entry(block: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    let start = word(block, at + 1)?;
    let end = match at + 1 < count(block) {
        true => word(block, at + 2)?,
        false => block.len(),
    };
    let (len, rest) = block.get(start..end)?.split_first()?;
    rest.split_at_checked(usize::from(*len))
}

fn word(block: &[u8], at: usize) -> Option<usize> {
    let octets = block.get(WORD * at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*octets) as usize)
}
