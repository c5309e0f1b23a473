//! The layout of a service's endpoints in its block: where the parts are, and one entry's share of
//! each. What they mean together is [`super::endpoints`]'s; writing them [`super::encode`]'s.

use super::ports::Ports;
use super::service::Head;
use crate::cow::Seed;
use std::net::IpAddr;

/// Addresses have sixteen octets instead of four: some are IPv6.
pub(super) const WIDE: u8 = 1;
/// There are several lists of ports, and each entry says which is its own.
pub(super) const GROUPS: u8 = 1 << 1;
/// Some entries have a name that is not made of their address.
pub(super) const NAMED: u8 = 1 << 2;
/// Some entries have the name of the one before them.
pub(super) const RUNS: u8 = 1 << 3;
/// Some address comes twice, or the addresses of a type stand in another order than in the slices.
pub(super) const ORDER: u8 = 1 << 4;
/// There are so many entries that they are searched by address and by name.
pub(super) const INDEXED: u8 = 1 << 5;
const ANY_OF_THESE: u8 = WIDE | GROUPS | NAMED | RUNS | ORDER | INDEXED;

/// Octets in front of the parts where one of the flags is set: how many addresses there are of each
/// type, and how many entries are named.
pub(super) const EXTENDED: u32 = 12;
/// In the place of an entry's name: it has none but its address.
pub(super) const UNNAMED: u32 = u32::MAX;

/// The address has come before, in the order of the slices.
pub(super) const REPEATED: u32 = 1 << 31;
/// It has come before with the same ports.
pub(super) const REPEATED_IN_GROUP: u32 = 1 << 30;
/// It has come before with the same name.
pub(super) const REPEATED_NAME: u32 = 1 << 29;
/// The rest of a word: the position of an entry.
const POSITION: u32 = REPEATED_NAME - 1;
/// Entries of a table at most.
pub(super) const MAX_ENTRIES: usize = POSITION as usize;

/// An entry: its position, and what it repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) at: u32,
    pub(super) marks: u32,
}

/// A table of endpoints, read in place.
#[derive(Clone, Copy)]
pub(super) struct Table<'s> {
    block: &'s [u8],
    flags: u8,
    /// Its entries.
    pub(super) len: u32,
    /// Where the lists of ports start.
    groups: u32,
    /// Where the addresses start: behind the lists, and what stands in front of the parts.
    addresses: u32,
}

impl<'s> Table<'s> {
    /// Reads the table that starts at `at`.
    pub(super) fn read(block: &'s [u8], at: usize, head: &Head) -> Self {
        let flags = head.flags & ANY_OF_THESE;
        let groups = at as u32;
        let extended = if flags == 0 { 0 } else { EXTENDED };
        Self {
            block,
            flags,
            len: head.endpoints,
            groups,
            addresses: groups + head.groups + extended,
        }
    }

    /// Returns how many addresses there are of each type, each counted once.
    pub(super) fn distinct(&self) -> [u32; 2] {
        if self.flags == 0 {
            return [self.len, 0];
        }
        let at = self.addresses - EXTENDED;
        [word(self.block, at), word(self.block, at + 4)]
    }

    /// Returns how many entries have a name that is not their address.
    fn named(&self) -> u32 {
        if self.flags == 0 {
            return 0;
        }
        word(self.block, self.addresses - EXTENDED + 8)
    }

    /// Returns whether a flag is set.
    pub(super) fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Returns the octets of all addresses, and how many each has.
    pub(super) fn octets(&self) -> (&'s [u8], usize) {
        let width = self.width();
        let start = self.addresses as usize;
        let octets = self.block.get(start..start + width * self.len as usize);
        (octets.unwrap_or(&[]), width)
    }

    /// Returns the address of an entry.
    pub(super) fn address(&self, at: u32) -> Option<IpAddr> {
        let start = self.addresses as usize + self.width() * at as usize;
        let octets = self.block.get(start..)?;
        if self.is(WIDE) {
            let octets = octets.first_chunk::<16>()?;
            Some(IpAddr::from(*octets).to_canonical())
        } else {
            octets
                .first_chunk::<4>()
                .map(|octets| IpAddr::from(*octets))
        }
    }

    /// Returns the group of an entry.
    pub(super) fn group_of(&self, at: u32) -> u16 {
        if !self.is(GROUPS) {
            return 0;
        }
        let octets = self.block.get((self.group_of_at() + 2 * at) as usize..);
        let octets = octets.and_then(|octets| octets.first_chunk());
        octets.map_or(0, |octets| u16::from_le_bytes(*octets))
    }

    /// Returns the ports of a group. Lists that are several are behind their number and the places
    /// where each ends.
    pub(super) fn group(&self, group: u16) -> Ports<'s> {
        let extended = if self.flags == 0 { 0 } else { EXTENDED };
        let end = (self.addresses - extended) as usize;
        let groups = self.block.get(self.groups as usize..end).unwrap_or(&[]);
        if !self.is(GROUPS) {
            return Ports(groups);
        }
        let place = 4 * u32::from(group);
        let lists = 4 + 4 * word(groups, 0);
        let start = if group == 0 { 0 } else { word(groups, place) };
        let end = word(groups, place + 4);
        let list = groups.get((lists + start) as usize..(lists + end) as usize);
        Ports(list.unwrap_or(&[]))
    }

    /// Returns every group's ports.
    pub(super) fn groups(self) -> impl Iterator<Item = Ports<'s>> {
        let count = match self.is(GROUPS) {
            true => word(self.block, self.groups),
            false => 1,
        };
        (0..count).map(move |group| self.group(group as u16))
    }

    /// Returns an entry's labels in wire form, where they are not made of its address.
    pub(super) fn stored_name(&self, at: u32) -> Option<&'s [u8]> {
        if !self.is(NAMED) {
            return None;
        }
        let start = word(self.block, self.names_at() + 4 * at);
        if start == UNNAMED {
            return None;
        }
        let names = self.block.get((self.texts_at() + start) as usize..)?;
        let (len, name) = names.split_first()?;
        name.get(..usize::from(*len))
    }

    /// Returns whether an entry has the name of the one before it.
    pub(super) fn continues(&self, at: u32) -> bool {
        self.is(RUNS) && {
            let octet = self.block.get((self.runs_at() + at / 8) as usize);
            octet.is_some_and(|octet| octet >> (at % 8) & 1 != 0)
        }
    }

    /// Returns the `n`th entry in the order of the slices, among those of its type.
    pub(super) fn in_order(&self, n: u32) -> Place {
        if self.is(ORDER) {
            Place::of_word(word(self.block, self.order_at() + 4 * n))
        } else {
            Place { at: n, marks: 0 }
        }
    }

    /// Returns an entry with an address.
    pub(super) fn position(self, address: IpAddr) -> Option<u32> {
        match address {
            // In the narrow ones, which most are, the octets are compared as they stand.
            IpAddr::V4(v4) if !self.is(WIDE | INDEXED) => {
                let octets = self.octets().0.as_chunks::<4>().0;
                let at = octets.iter().position(|octets| *octets == v4.octets())?;
                Some(at as u32)
            }
            _ => self.with_address(address).next().map(|place| place.at),
        }
    }

    /// Returns the entries with an address, in the order of the slices.
    pub(super) fn with_address(
        self,
        address: IpAddr,
    ) -> impl Iterator<Item = Place> + Clone + use<'s> {
        let is_same = move |place: &Place| self.address(place.at) == Some(address);
        let index = self.by_address_at();
        let by_address = move |n: u32| Place::of_word(word(self.block, index + 4 * n));
        let (run, rest) = if self.is(INDEXED) {
            let key = sort_key(address);
            let before = |n: u32| {
                let other = self.address(by_address(n).at);
                other.is_some_and(|other| sort_key(other) < key)
            };
            (partition_point(self.len, before)..self.len, 0..0)
        } else {
            (0..0, 0..self.len)
        };
        let run = run.map(by_address).take_while(is_same);
        run.chain(rest.map(move |n| self.in_order(n)).filter(is_same))
    }

    /// Returns the entries whose names, in lower case, have the hash of this one.
    pub(super) fn with_hash(self, seed: &Seed, name: &[u8]) -> impl Iterator<Item = u32> {
        let hash = name_hash(seed, name);
        let (index, named) = (self.by_name_at(), self.named());
        let entry = move |n: u32| {
            let at = index + 8 * n;
            (word(self.block, at), word(self.block, at + 4))
        };
        let first = partition_point(named, |n| entry(n).0 < hash);
        let same = (first..named).map(entry);
        same.take_while(move |entry| entry.0 == hash)
            .map(|(_, at)| at)
    }

    fn width(&self) -> usize {
        if self.is(WIDE) { 16 } else { 4 }
    }

    // Where the parts start, each behind the one before.

    fn group_of_at(&self) -> u32 {
        self.addresses + self.width() as u32 * self.len
    }

    fn names_at(&self) -> u32 {
        self.group_of_at() + self.if_is(GROUPS, 2 * self.len)
    }

    fn runs_at(&self) -> u32 {
        self.names_at() + self.if_is(NAMED, 4 * self.len)
    }

    fn order_at(&self) -> u32 {
        self.runs_at() + self.if_is(RUNS, self.len.div_ceil(8))
    }

    fn by_address_at(&self) -> u32 {
        self.order_at() + self.if_is(ORDER, 4 * self.len)
    }

    fn by_name_at(&self) -> u32 {
        self.by_address_at() + self.if_is(INDEXED, 4 * self.len)
    }

    fn texts_at(&self) -> u32 {
        self.by_name_at() + self.if_is(INDEXED, 8 * self.named())
    }

    fn if_is(&self, flag: u8, octets: u32) -> u32 {
        if self.is(flag) { octets } else { 0 }
    }
}

impl Place {
    pub(super) fn to_word(self) -> u32 {
        self.at | self.marks
    }

    fn of_word(word: u32) -> Self {
        Self {
            at: word & POSITION,
            marks: word & !POSITION,
        }
    }
}

/// Returns what the index by address is sorted by.
pub(super) fn sort_key(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// Returns what the index by name is sorted by, of a name in lower case.
pub(super) fn name_hash(seed: &Seed, name: &[u8]) -> u32 {
    (seed.hash_octets(name) >> 32) as u32
}

/// Returns four octets as a number; 0 past the end.
fn word(block: &[u8], at: u32) -> u32 {
    let octets = block.get(at as usize..).and_then(|rest| rest.first_chunk());
    octets.map_or(0, |octets| u32::from_le_bytes(*octets))
}

/// Returns the first of `0..len` for which `before` does not hold.
fn partition_point(len: u32, before: impl Fn(u32) -> bool) -> u32 {
    let (mut start, mut end) = (0, len);
    while start < end {
        let middle = start + (end - start) / 2;
        if before(middle) {
            start = middle + 1;
        } else {
            end = middle;
        }
    }
    start
}
