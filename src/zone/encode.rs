//! Writing a service into its block, in the layout that [`super::service`] and [`super::table`]
//! read.

use super::arrange::Arranged;
use super::endpoint::EndpointName;
use super::label::AddressLabel;
use super::ports::NO_PORTS;
use super::service::Head;
use super::table::{self, MAX_ENTRIES, UNNAMED};
use crate::cow::Seed;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// The parts of a service's block other than its endpoints.
#[derive(Default)]
pub(super) struct Frame<'s> {
    pub(super) kind: u8,
    pub(super) flags: u8,
    /// The number of its namespace.
    pub(super) namespace: u32,
    /// Cluster addresses, each once.
    pub(super) addresses: &'s [IpAddr],
    pub(super) suffix: &'s [u8],
    pub(super) target: &'s [u8],
    pub(super) ports: &'s [u8],
}

/// The entries of a service's endpoints, in the order of the slices.
#[derive(Default)]
pub(super) struct Entries {
    pub(super) list: Vec<Entry>,
    /// Each behind its length.
    names: Vec<u8>,
    groups: Vec<Box<[u8]>>,
    group_numbers: BTreeMap<Box<[u8]>, u16>,
}

#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) address: IpAddr,
    /// Which of the lists of ports is its slice's.
    pub(super) group: u16,
    /// Where in `names` its name is; [`UNNAMED`] where that is its address.
    name: u32,
}

impl Entries {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns the group of a list of ports, or `None` where there are too many groups.
    pub(super) fn group(&mut self, ports: &[u8]) -> Option<u16> {
        let ports = if ports.is_empty() { NO_PORTS } else { ports };
        if self.groups.first().is_some_and(|first| **first == *ports) {
            return Some(0);
        }
        if let Some(group) = self.group_numbers.get(ports) {
            return Some(*group);
        }
        let group = u16::try_from(self.groups.len()).ok()?;
        self.groups.push(ports.into());
        self.group_numbers.insert(ports.into(), group);
        Some(group)
    }

    /// Adds an entry. Its labels in wire form are the parts of `name`, together, or its address where
    /// there are none.
    pub(super) fn push(&mut self, address: IpAddr, group: u16, name: &[&[u8]]) {
        let len = name.iter().map(|part| part.len()).sum::<usize>();
        let (Ok(octet), Ok(at)) = (u8::try_from(len), u32::try_from(self.names.len())) else {
            return;
        };
        if self.list.len() >= MAX_ENTRIES {
            return;
        }
        if len > 0 {
            self.names.push(octet);
            name.iter().for_each(|part| self.names.extend(*part));
        }
        self.list.push(Entry {
            address,
            group,
            name: if len > 0 { at } else { UNNAMED },
        });
    }

    /// Returns whether an entry has a name that is not its address.
    pub(super) fn has_names(&self) -> bool {
        !self.names.is_empty()
    }

    /// Returns an entry's name in wire form, where it is not its address.
    pub(super) fn stored_name(&self, entry: &Entry) -> Option<&[u8]> {
        let (len, name) = self.names.get(entry.name as usize..)?.split_first()?;
        name.get(..usize::from(*len))
    }

    /// Returns an entry's name.
    pub(super) fn name(&self, entry: &Entry) -> EndpointName<'_> {
        match self.stored_name(entry) {
            Some(name) => EndpointName::Stored(name),
            None => EndpointName::Address(entry.address),
        }
    }

    /// Calls `read` with an entry's name in lower case.
    pub(super) fn with_lower_name<T>(&self, entry: &Entry, read: impl FnOnce(&[u8]) -> T) -> T {
        let mut spelled = AddressLabel::default();
        let name = self.name(entry).wire(&mut spelled);
        if name.iter().any(u8::is_ascii_uppercase) {
            read(&name.to_ascii_lowercase())
        } else {
            read(name)
        }
    }

    /// Returns the block.
    pub(super) fn finish(mut self, frame: &Frame<'_>, seed: &Seed) -> Arc<[u8]> {
        self.drop_unused_groups();
        let arranged = Arranged::of(&self, seed);
        let several = self.groups.len() > 1;
        let flags = arranged.flags | if several { table::GROUPS } else { 0 };
        let groups = self.encoded_groups();
        let of_type = |v4: bool| {
            let all = frame.addresses.iter().copied();
            all.filter(move |address| address.is_ipv4() == v4)
                .take(usize::from(u16::MAX))
        };
        let head = Head {
            kind: frame.kind,
            flags: flags | frame.flags,
            suffix: frame.suffix.len() as u8,
            target: frame.target.len() as u8,
            v4: of_type(true).count() as u16,
            v6: of_type(false).count() as u16,
            ports: frame.ports.len() as u32,
            groups: groups.len() as u32,
            endpoints: self.list.len() as u32,
            namespace: frame.namespace,
        };
        let names = self.names.len() + groups.len() + frame.ports.len();
        let mut block = Vec::with_capacity(Head::LEN + 128 + names + 24 * self.list.len());
        block.extend(head.to_octets());
        block.extend(frame.suffix);
        block.extend(frame.ports);
        of_type(true).for_each(|address| push_address(&mut block, address, false));
        of_type(false).for_each(|address| push_address(&mut block, address, true));
        for part in [frame.target, &groups] {
            block.extend(part);
        }
        self.write_table(&arranged, flags, &mut block);
        block.into()
    }

    fn write_table(&self, arranged: &Arranged, flags: u8, block: &mut Vec<u8>) {
        let is = |flag: u8| flags & flag != 0;
        let all = || {
            let places = arranged.places();
            places.filter_map(|at| self.list.get(at as usize))
        };
        if flags != 0 {
            let [v4, v6] = arranged.distinct;
            let named = arranged.by_name.len() as u32;
            push_words(block, [v4, v6, named]);
        }
        all().for_each(|entry| push_address(block, entry.address, is(table::WIDE)));
        if is(table::GROUPS) {
            all().for_each(|entry| block.extend(entry.group.to_le_bytes()));
        }
        if is(table::NAMED) {
            push_words(block, all().map(|entry| entry.name));
        }
        if is(table::RUNS) {
            block.extend(&arranged.continues);
        }
        if is(table::ORDER) {
            push_words(block, arranged.in_order());
        }
        if is(table::INDEXED) {
            push_words(
                block,
                arranged.by_address.iter().map(|place| place.to_word()),
            );
            let names = arranged.by_name.iter();
            push_words(block, names.flat_map(|(hash, at)| [*hash, *at]));
        }
        block.extend(&self.names);
    }

    /// Leaves out the ports of slices that have no entry, so that several groups are several.
    fn drop_unused_groups(&mut self) {
        if self.groups.len() < 2 {
            return;
        }
        let mut numbers = vec![None; self.groups.len()];
        let mut kept = Vec::new();
        for entry in &mut self.list {
            let Some(number) = numbers.get_mut(usize::from(entry.group)) else {
                continue;
            };
            let next = kept.len() as u16;
            let ports = self.groups.get_mut(usize::from(entry.group));
            entry.group = *number.get_or_insert_with(|| {
                kept.extend(ports.map(std::mem::take));
                next
            });
        }
        self.groups = kept;
    }

    fn encoded_groups(&self) -> Vec<u8> {
        let mut encoded = Vec::new();
        if self.groups.len() > 1 {
            push_words(&mut encoded, [self.groups.len() as u32]);
            push_words(
                &mut encoded,
                self.groups.iter().scan(0, |end, ports| {
                    *end += ports.len() as u32;
                    Some(*end)
                }),
            );
        }
        self.groups.iter().for_each(|ports| encoded.extend(ports));
        encoded
    }
}

#[cfg(test)]
mod tests;

fn push_words(block: &mut Vec<u8>, words: impl IntoIterator<Item = u32>) {
    words
        .into_iter()
        .for_each(|word| block.extend(word.to_le_bytes()));
}

fn push_address(block: &mut Vec<u8>, address: IpAddr, wide: bool) {
    match address {
        IpAddr::V4(v4) if wide => block.extend(v4.to_ipv6_mapped().octets()),
        IpAddr::V4(v4) => block.extend(v4.octets()),
        IpAddr::V6(v6) => block.extend(v6.octets()),
    }
}
