//! The ready endpoints of one service, as answers need them.
//!
//! An entry is an address of an endpoint of a slice. Entries that two slices both have are kept
//! twice, because SRV weights count them twice, as CoreDNS does; records are made of each address
//! once. Entries of one name stand together, in the order in which the names come first.

use super::endpoint::{EndpointName, EndpointRef};
use super::label::{AddressLabel, named_address};
use super::ports::{Ports, Selector};
use super::table::{GROUPS, INDEXED, NAMED, ORDER, REPEATED, REPEATED_IN_GROUP, REPEATED_NAME};
use super::table::{Table, WIDE};
use crate::cow::Seed;
use crate::wire::RType;
use std::fmt;
use std::net::IpAddr;
use std::ops::Range;

/// The ready endpoints of one service.
#[derive(Clone, Copy)]
pub struct Endpoints<'s>(pub(super) Table<'s>);

impl<'s> Endpoints<'s> {
    /// Returns whether the service has no ready endpoint.
    pub fn is_empty(self) -> bool {
        self.0.len == 0
    }

    /// Returns a selector that selects the same endpoints: that of every port where all are. `None`
    /// where it selects none.
    pub(super) fn choice<'q>(self, selector: &Selector<'q>) -> Option<Selector<'q>>
    where
        's: 'q,
    {
        if self.is_empty() {
            None
        } else if selector.is_any() || self.0.groups().all(|ports| ports.any(selector)) {
            Some(Selector::ANY)
        } else {
            let any = self.0.is(GROUPS) && self.selected(*selector).next().is_some();
            any.then_some(*selector)
        }
    }

    /// Returns how many entries a selector selects, address by address and port by port; past 50
    /// it is some number past 50.
    pub(super) fn entries(self, selector: &Selector<'_>) -> usize {
        count(self.0, 0..self.0.len, selector)
    }

    /// Finds an endpoint by its labels in wire form, lower case.
    pub fn find(self, seed: &Seed, name: &[u8]) -> Option<EndpointRef<'s>> {
        let at = match self.find_stored(seed, name) {
            Some(at) => at,
            None => self.find_address(name)?,
        };
        let start = (0..=at).rev().find(|at| !self.0.continues(*at))?;
        Some(self.endpoint(start))
    }

    /// Returns every endpoint, in the order of the slices.
    pub fn iter(self) -> impl Iterator<Item = EndpointRef<'s>> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let endpoint = (next < self.0.len).then(|| self.endpoint(next))?;
            next = endpoint.end;
            Some(endpoint)
        })
    }

    /// Returns the ports of every endpoint, where they are the same for all.
    pub(super) fn only_ports(self) -> Option<Ports<'s>> {
        (!self.0.is(GROUPS)).then(|| self.0.group(0))
    }

    /// Returns the names of the endpoints that have an address, each spelling once, in the order of
    /// the slices.
    pub(super) fn names_of(self, address: IpAddr) -> impl Iterator<Item = EndpointName<'s>> {
        // Without other names the address is the name, however often it comes.
        let plain = !self.0.is(NAMED);
        let places = (!plain).then(|| self.0.with_address(address));
        let places = places.into_iter().flatten();
        let distinct = places.filter(|place| place.marks & REPEATED_NAME == 0);
        let single = plain.then_some(EndpointName::Address(address));
        let several = distinct.map(move |place| EndpointName::of(self.0, place.at));
        single.into_iter().chain(several)
    }

    /// Returns whether an entry has this address.
    pub(super) fn has_address(self, address: IpAddr) -> bool {
        self.0.position(address).is_some()
    }

    /// Returns how many entries there are.
    pub(super) fn len(self) -> u32 {
        self.0.len
    }

    /// Returns the address of an entry.
    pub(super) fn address(self, at: u32) -> Option<IpAddr> {
        self.0.address(at)
    }

    /// Returns the entries behind those that the other table starts with, too, and before those
    /// that it ends with, too, by their addresses.
    pub(super) fn changed_from(self, other: Self) -> Range<u32> {
        let ((octets, width), (others, other_width)) = (self.0.octets(), other.0.octets());
        if width != other_width {
            return 0..self.0.len;
        }
        let pairs = octets.chunks_exact(width).zip(others.chunks_exact(width));
        let start = pairs.take_while(|(a, b)| a == b).count() * width;
        let [rest, other_rest] = [octets, others].map(|octets| octets.get(start..).unwrap_or(&[]));
        let pairs = rest
            .rchunks_exact(width)
            .zip(other_rest.rchunks_exact(width));
        let end = octets.len() - pairs.take_while(|(a, b)| a == b).count() * width;
        (start / width) as u32..(end / width) as u32
    }

    /// Returns how many addresses there are of a type.
    pub(super) fn distinct(self, rtype: RType) -> usize {
        let [v4, v6] = self.0.distinct();
        if rtype == RType::A {
            v4 as usize
        } else {
            v6 as usize
        }
    }

    /// Returns the octets of the addresses of a type, each once, in the order of the slices, where
    /// they stand like that.
    pub(super) fn in_row(self, rtype: RType) -> Option<&'s [u8]> {
        let in_row = !self.0.is(ORDER) && self.0.is(WIDE) != (rtype == RType::A);
        (in_row && self.distinct(rtype) == self.0.len as usize).then(|| self.0.octets().0)
    }

    /// Returns each address once, those of a type in the order of the slices.
    pub(super) fn all(self) -> impl Iterator<Item = IpAddr> {
        let places = (0..self.0.len).map(move |n| self.0.in_order(n));
        let first = places.filter(|place| place.marks & REPEATED == 0);
        first.filter_map(move |place| self.0.address(place.at))
    }

    /// Returns each address once that has a port which a selector selects, those of a type in the
    /// order of the slices.
    pub(super) fn selected<'q>(
        self,
        selector: Selector<'q>,
    ) -> impl Iterator<Item = IpAddr> + use<'s, 'q> {
        let table = self.0;
        // Entries that follow each other mostly have one group.
        let mut last = (0, table.group(0).any(&selector));
        let mut is_chosen = move |at: u32| {
            let group = table.group_of(at);
            if last.0 != group {
                last = (group, table.group(group).any(&selector));
            }
            last.1
        };
        (0..table.len).filter_map(move |n| {
            let place = table.in_order(n);
            if place.marks & REPEATED_IN_GROUP != 0 || !is_chosen(place.at) {
                return None;
            }
            let address = table.address(place.at)?;
            let mut first = || {
                let mut all = table.with_address(address).map(|place| place.at);
                all.find(|at| is_chosen(*at)) == Some(place.at)
            };
            (place.marks & REPEATED == 0 || first()).then_some(address)
        })
    }

    fn find_address(self, name: &[u8]) -> Option<u32> {
        let (&len, label) = name.split_first()?;
        let address = named_address(label).filter(|_| usize::from(len) == label.len())?;
        if !self.0.is(NAMED) {
            return self.0.position(address);
        }
        let mut places = self.0.with_address(address).map(|place| place.at);
        places.find(|at| self.0.stored_name(*at).is_none())
    }

    fn find_stored(self, seed: &Seed, name: &[u8]) -> Option<u32> {
        let is_name = |at: &u32| {
            let stored = self.0.stored_name(*at);
            stored.is_some_and(|stored| stored.eq_ignore_ascii_case(name))
        };
        if !self.0.is(NAMED) {
            None
        } else if self.0.is(INDEXED) {
            self.0.with_hash(seed, name).find(is_name)
        } else {
            (0..self.0.len).find(is_name)
        }
    }

    fn endpoint(self, start: u32) -> EndpointRef<'s> {
        let end = (start + 1..self.0.len).find(|at| !self.0.continues(*at));
        EndpointRef {
            table: self.0,
            start,
            end: end.unwrap_or(self.0.len),
        }
    }
}

/// Counts entries by their ports, until SRV weights are all 1: counting on would change nothing.
pub(super) fn count(table: Table<'_>, entries: Range<u32>, selector: &Selector<'_>) -> usize {
    const ENOUGH: usize = 51;
    let mut total = 0;
    if !table.is(GROUPS) {
        return entries.len() * table.group(0).count(selector);
    }
    for at in entries {
        total += table.group(table.group_of(at)).count(selector);
        if total >= ENOUGH {
            break;
        }
    }
    total
}

impl fmt::Debug for Endpoints<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = |at: u32| (self.0.address(at), self.0.group(self.0.group_of(at)));
        let endpoints = self.iter().map(|endpoint| {
            let mut room = AddressLabel::default();
            let name = endpoint.name().wire(&mut room).escape_ascii().to_string();
            let entries: Vec<_> = (endpoint.start..endpoint.end).map(entry).collect();
            (name, entries)
        });
        f.debug_list()
            .entries(endpoints)
            .entries(self.all())
            .finish()
    }
}
