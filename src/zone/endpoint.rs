//! One endpoint of a service: a name, and the entries that have it.

use super::endpoints::count;
use super::label::AddressLabel;
use super::ports::{Numbers, Ports, Selector};
use super::table::{GROUPS, Table};
use crate::wire::RType;
use std::net::IpAddr;

/// The labels of an endpoint in front of its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointName<'s> {
    /// In wire form, as the slice spells them.
    Stored(&'s [u8]),
    /// The label that spells this address.
    Address(IpAddr),
}

impl<'s> EndpointName<'s> {
    /// Returns the name of an entry.
    pub(super) fn of(table: Table<'s>, at: u32) -> Self {
        match (table.stored_name(at), table.address(at)) {
            (Some(name), _) => Self::Stored(name),
            (None, Some(address)) => Self::Address(address),
            (None, None) => Self::Stored(&[]),
        }
    }

    /// Returns the labels in wire form; `room` is for one that is spelled only now.
    pub fn wire<'r>(&self, room: &'r mut AddressLabel) -> &'r [u8]
    where
        's: 'r,
    {
        match self {
            Self::Stored(name) => name,
            Self::Address(address) => room.spell(*address),
        }
    }

    /// Returns how many octets the labels have in wire form.
    pub fn wire_len(&self) -> usize {
        match self {
            Self::Stored(name) => name.len(),
            Self::Address(address) => AddressLabel::len_of(*address),
        }
    }
}

/// One endpoint's name with everything that has it.
#[derive(Clone, Copy)]
pub struct EndpointRef<'s> {
    pub(super) table: Table<'s>,
    /// Its entries.
    pub(super) start: u32,
    pub(super) end: u32,
}

impl<'s> EndpointRef<'s> {
    /// Returns its labels, as stored.
    pub fn name(&self) -> EndpointName<'s> {
        EndpointName::of(self.table, self.start)
    }

    /// Returns how many entries a selector selects of it.
    pub fn entries(&self, selector: &Selector<'_>) -> usize {
        count(self.table, self.start..self.end, selector)
    }

    /// Returns each of its addresses of a type, A or AAAA, once.
    pub fn addresses(&self, selector: Selector<'_>, rtype: RType) -> impl Iterator<Item = IpAddr> {
        // By type before anything is compared: what is compared is soon in the message, which ends.
        let of_type = move |address: IpAddr| address.is_ipv4() == (rtype == RType::A);
        self.addresses_where(of_type, move |ports| ports.any(&selector))
    }

    /// Returns each of its addresses once, where all endpoints have the same ports.
    pub fn shared_addresses(&self) -> impl Iterator<Item = IpAddr> + use<'s> {
        let (table, start) = (self.table, self.start);
        let mut last = None;
        // Of one group, they are sorted.
        (start..self.end).filter_map(move |at| {
            let address = table.address(at)?;
            (last.replace(address) != Some(address)).then_some(address)
        })
    }

    /// Returns each of its addresses once that has a port with a number.
    pub fn numbered_addresses(&self, selector: Selector<'_>) -> impl Iterator<Item = IpAddr> {
        let numbered = move |ports: Ports<'s>| ports.numbers(&selector).next().is_some();
        self.addresses_where(|_| true, numbered)
    }

    fn addresses_where(
        &self,
        wanted: impl Fn(IpAddr) -> bool,
        selects: impl Fn(Ports<'s>) -> bool + Copy,
    ) -> impl Iterator<Item = IpAddr> {
        let (table, start) = (self.table, self.start);
        let chosen = move |at: u32| selects(table.group(table.group_of(at)));
        let all = (start..self.end).filter_map(move |at| Some((at, table.address(at)?)));
        all.filter(move |(_, address)| wanted(*address))
            .filter_map(move |(at, address)| {
                // Sorted by group, then address: an earlier group may hold the address as well.
                let is_same = |other: u32| table.address(other) == Some(address);
                let group = table.group_of(at);
                let seen = at > start
                    && (is_same(at - 1) && table.group_of(at - 1) == group
                        || table.group_of(start) != group
                            && (start..at).any(|other| is_same(other) && chosen(other)));
                (chosen(at) && !seen).then_some(address)
            })
    }

    /// Returns each of its port numbers once.
    pub fn ports<'q>(&self, selector: &Selector<'q>) -> EndpointPorts<'s, 'q> {
        let ports = self.table.group(self.table.group_of(self.start));
        EndpointPorts {
            endpoint: *self,
            selector: *selector,
            at: self.start,
            numbers: ports.numbers(selector),
        }
    }
}

/// The port numbers of an endpoint, each once.
#[derive(Clone, Copy)]
pub struct EndpointPorts<'s, 'q> {
    endpoint: EndpointRef<'s>,
    selector: Selector<'q>,
    /// The entry whose numbers these are.
    at: u32,
    numbers: Numbers<'s, 'q>,
}

impl Iterator for EndpointPorts<'_, '_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        let EndpointRef { table, end, .. } = self.endpoint;
        loop {
            while let Some(number) = self.numbers.next() {
                if !self.came_before(number) {
                    return Some(number);
                }
            }
            if !table.is(GROUPS) {
                return None;
            }
            // Of entries of one group that follow each other, the first says it all.
            let is_first = |at: &u32| table.group_of(*at) != table.group_of(at - 1);
            self.at = (self.at + 1..end).find(is_first)?;
            let ports = table.group(table.group_of(self.at));
            self.numbers = ports.numbers(&self.selector);
        }
    }
}

impl EndpointPorts<'_, '_> {
    fn came_before(&self, number: u16) -> bool {
        let EndpointRef { table, start, .. } = self.endpoint;
        let is_first = |at: &u32| *at == start || table.group_of(*at) != table.group_of(at - 1);
        (start..self.at).filter(is_first).any(|at| {
            let mut numbers = table.group(table.group_of(at)).numbers(&self.selector);
            numbers.any(|other| other == number)
        })
    }
}
