//! The order of a service's entries in its block, and what is found by it: entries of one name
//! stand together where the name comes first, and the rest is noted where it differs from the
//! order of the slices.

use super::encode::Entries;
use super::label::AddressLabel;
use super::table::{self, Place, REPEATED, REPEATED_IN_GROUP, REPEATED_NAME, sort_key};
use crate::cow::Seed;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Entries that are searched one by one at most.
const MAX_UNINDEXED: usize = 32;

/// The entries in the order of the table.
pub(super) struct Arranged {
    pub(super) flags: u8,
    /// The entries' places in the order of the slices; empty where that is theirs.
    order: Vec<u32>,
    /// What each entry repeats, in the order of the slices; empty where none does.
    marks: Vec<u32>,
    /// Bits of the entries that have the name of the one before.
    pub(super) continues: Vec<u8>,
    /// The entries by address, those of one address in the order of the slices.
    pub(super) by_address: Vec<Place>,
    /// Hash and position of the entries that are named, by hash.
    pub(super) by_name: Vec<(u32, u32)>,
    /// Addresses of each type, each counted once.
    pub(super) distinct: [u32; 2],
    len: u32,
}

impl Arranged {
    pub(super) fn of(entries: &Entries, seed: &Seed) -> Self {
        let list = &entries.list;
        let (len, indexed) = (list.len() as u32, list.len() > MAX_UNINDEXED);
        let is_v4 = |at: u32| list.get(at as usize).is_some_and(|e| e.address.is_ipv4());
        let mut arranged = Self {
            flags: 0,
            order: Vec::new(),
            marks: Vec::new(),
            continues: Vec::new(),
            by_address: Vec::new(),
            by_name: Vec::new(),
            distinct: [0, 0],
            len,
        };
        if !(0..len).all(is_v4) {
            arranged.flags |= table::WIDE;
        }
        let by_address = sorted_by_address(entries);
        arranged.mark_repeated(entries, &by_address);
        let mut by_name = Vec::new();
        if entries.has_names() {
            arranged.flags |= table::NAMED;
            by_name = sorted_by_name(entries, seed);
            let same = |a: &Named, b: &Named| a.is_same(b, entries);
            arranged.join(entries, by_name.chunk_by(same), |named| named.at);
        } else if !arranged.marks.is_empty() {
            let address = |at: &u32| list.get(*at as usize).map(|entry| entry.address);
            let same = |a: &u32, b: &u32| address(a) == address(b);
            arranged.join(entries, by_address.chunk_by(same), |at| *at);
        }
        if !arranged.marks.is_empty() || arranged.moves(is_v4) || arranged.moves(|at| !is_v4(at)) {
            arranged.flags |= table::ORDER;
        }
        let first = (0..len).filter(|at| arranged.marks_of(*at) & REPEATED == 0);
        let v4 = first.clone().filter(|at| is_v4(*at)).count() as u32;
        arranged.distinct = [v4, first.count() as u32 - v4];
        let positions = arranged.positions();
        let position = |at: u32| positions.get(at as usize).copied().unwrap_or(at);
        let named = by_name.into_iter().filter(|named| named.stored);
        let hash = |hash: u64| (hash >> 32) as u32;
        arranged.by_name = named.map(|n| (hash(n.hash), position(n.at))).collect();
        if indexed {
            arranged.flags |= table::INDEXED;
            let place = |at: u32| Place {
                at: position(at),
                marks: arranged.marks_of(at),
            };
            arranged.by_address = by_address.into_iter().map(place).collect();
        }
        arranged
    }

    /// Returns the entries in the order of the table, as places in the order of the slices.
    pub(super) fn places(&self) -> impl Iterator<Item = u32> {
        let unmoved = if self.order.is_empty() { self.len } else { 0 };
        (0..unmoved).chain(self.order.iter().copied())
    }

    /// Returns the entries in the order of the slices, as words of the table.
    pub(super) fn in_order(&self) -> impl Iterator<Item = u32> {
        let positions = self.positions();
        (0..self.len).map(move |at| {
            let position = positions.get(at as usize).copied().unwrap_or(at);
            let marks = self.marks_of(at);
            let place = Place {
                at: position,
                marks,
            };
            place.to_word()
        })
    }

    /// Returns whether those of one type stand in another order than in the slices.
    fn moves(&self, of_type: impl Fn(u32) -> bool) -> bool {
        !self.order.is_empty() && !self.places().filter(|at| of_type(*at)).is_sorted()
    }

    /// Returns where in the table each entry of the slices is; empty where nothing has moved.
    fn positions(&self) -> Vec<u32> {
        let mut positions = vec![0; self.order.len()];
        for (position, at) in (0..).zip(&self.order) {
            if let Some(place) = positions.get_mut(*at as usize) {
                *place = position;
            }
        }
        positions
    }

    fn marks_of(&self, at: u32) -> u32 {
        self.marks.get(at as usize).copied().unwrap_or(0)
    }

    /// Notes what entries repeat of earlier ones with their address.
    fn mark_repeated(&mut self, entries: &Entries, by_address: &[u32]) {
        let entry = |at: &u32| entries.list.get(*at as usize);
        let address = |at: &u32| entry(at).map(|entry| entry.address);
        for run in by_address.chunk_by(|a, b| address(a) == address(b)) {
            if run.len() < 2 {
                continue;
            }
            self.marks.resize(entries.list.len(), 0);
            let (mut groups, mut names) = (BTreeSet::new(), BTreeSet::new());
            for (n, (at, entry)) in run
                .iter()
                .filter_map(|at| Some((at, entry(at)?)))
                .enumerate()
            {
                let in_group = !groups.insert(entry.group);
                let name = !names.insert(
                    entries
                        .name(entry)
                        .wire(&mut AddressLabel::default())
                        .to_vec(),
                );
                let marks = [
                    (n > 0, REPEATED),
                    (in_group, REPEATED_IN_GROUP),
                    (name, REPEATED_NAME),
                ];
                let marks = marks
                    .iter()
                    .filter(|(is, _)| *is)
                    .fold(0, |all, (_, m)| all | m);
                if let Some(place) = self.marks.get_mut(*at as usize) {
                    *place = marks;
                }
            }
        }
    }

    /// Puts the entries of each run, which have one name, together where the first of them is.
    fn join<'r, T: 'r>(
        &mut self,
        entries: &Entries,
        runs: impl Iterator<Item = &'r [T]>,
        at: impl Fn(&T) -> u32,
    ) {
        let mut firsts: Vec<u32> = Vec::new();
        for run in runs.filter(|run| run.len() > 1) {
            if firsts.is_empty() {
                firsts.extend(0..self.len);
            }
            let first = run.iter().map(&at).min().unwrap_or(0);
            for member in run {
                if let Some(place) = firsts.get_mut(at(member) as usize) {
                    *place = first;
                }
            }
        }
        if firsts.is_empty() {
            return;
        }
        let first = |at: &u32| firsts.get(*at as usize).copied().unwrap_or(*at);
        let key = |at: &u32| {
            let entry = entries.list.get(*at as usize);
            (first(at), entry.map(|entry| (entry.group, entry.address)))
        };
        self.order = (0..self.len).collect();
        self.order.sort_by_key(key);
        self.continues = vec![0; entries.list.len().div_ceil(8)];
        for (position, pair) in (1..).zip(self.order.windows(2)) {
            if let [a, b] = pair
                && first(a) == first(b)
                && let Some(octet) = self.continues.get_mut(position / 8)
            {
                *octet |= 1 << (position % 8);
            }
        }
        self.flags |= table::RUNS;
    }
}

fn sorted_by_address(entries: &Entries) -> Vec<u32> {
    let all = (0u32..).zip(&entries.list);
    let v4 = all.clone().map(|(at, entry)| match entry.address {
        IpAddr::V4(v4) => Some(u64::from(u32::from(v4)) << 32 | u64::from(at)),
        IpAddr::V6(_) => None,
    });
    if let Some(mut keys) = v4.collect::<Option<Vec<u64>>>() {
        keys.sort_unstable();
        return keys.into_iter().map(|key| key as u32).collect();
    }
    let mut keys: Vec<_> = all
        .map(|(at, entry)| (sort_key(entry.address), at))
        .collect();
    keys.sort_unstable();
    keys.into_iter().map(|(_, at)| at).collect()
}

/// An entry on the way to be sorted by name.
struct Named {
    hash: u64,
    at: u32,
    /// Its name is not its address.
    stored: bool,
}

impl Named {
    fn is_same(&self, other: &Self, entries: &Entries) -> bool {
        self.hash == other.hash && self.compare(other, entries).is_eq()
    }

    fn compare(&self, other: &Self, entries: &Entries) -> std::cmp::Ordering {
        let entry = |at: u32| entries.list.get(at as usize);
        let (Some(a), Some(b)) = (entry(self.at), entry(other.at)) else {
            return std::cmp::Ordering::Equal;
        };
        entries.with_lower_name(a, |a| entries.with_lower_name(b, |b| a.cmp(b)))
    }
}

fn sorted_by_name(entries: &Entries, seed: &Seed) -> Vec<Named> {
    let hash = |name: &[u8]| seed.hash_octets(name);
    let named = (0u32..).zip(&entries.list).map(|(at, entry)| Named {
        hash: entries.with_lower_name(entry, hash),
        at,
        stored: entries.stored_name(entry).is_some(),
    });
    let mut named: Vec<Named> = named.collect();
    named.sort_unstable_by(|a, b| {
        let by_hash = a.hash.cmp(&b.hash);
        by_hash
            .then_with(|| a.compare(b, entries))
            .then(a.at.cmp(&b.at))
    });
    named
}
