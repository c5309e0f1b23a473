//! A hash table of numbers whose keys are kept elsewhere.

use super::shards::Shards;
use std::array;
use std::hint::{black_box, select_unpredictable};
use std::sync::Arc;

/// Entries that are looked at together: 20,000 numbers are five to a shard, and most shards one block.
const TOGETHER: usize = 8;
/// No number: what stands in a place that is free. Never put in.
const FREE: u32 = u32::MAX;

/// Numbers that are found by the hash of what they stand for: eight octets each, and the caller
/// says which of those with that hash is the right one.
#[derive(Clone)]
pub struct CowNumbers {
    /// None is without entries, be they free: as many are looked at, whether a name is there or not.
    shards: Shards<Entries>,
    /// Entries that have the hash of another one, but for the first of them.
    clashes: u32,
}

/// As many entries as are looked at together, some of them free. The number by the lower half of the
/// hash.
#[derive(Clone, Copy)]
struct Entries {
    tags: [u32; TOGETHER],
    numbers: [u32; TOGETHER],
}

/// Several numbers have one hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Several;

impl Default for CowNumbers {
    fn default() -> Self {
        Self {
            shards: Shards::of(&Entries::all(&[])),
            clashes: 0,
        }
    }
}

impl CowNumbers {
    /// Returns the number with this hash for which `is_key` holds.
    #[inline]
    pub fn find(&self, hash: u64, is_key: impl Fn(u32) -> bool) -> Option<u32> {
        let with_hash = self.entries(hash).filter(|(tag, _)| *tag == hash as u32);
        with_hash
            .map(|(_, number)| number)
            .find(|number| is_key(*number))
    }

    /// Returns what [`CowNumbers::find`] does, and whether it was found; where there is none with this
    /// hash, `is_key` is asked of `other` in its stead. Nothing branches on which of both it is, so that
    /// the processor can't learn to expect one.
    #[inline]
    pub fn find_evenly(&self, hash: u64, other: u32, is_key: impl Fn(u32) -> bool) -> (u32, bool) {
        match self.candidate(hash, other) {
            Ok((number, is_one)) => {
                let is_key = black_box(is_key(black_box(number)));
                (number, is_key & is_one)
            }
            Err(Several) => {
                let found = self.find(hash, is_key);
                found.map_or((other, false), |it| (it, true))
            }
        }
    }

    /// Returns the one number with this hash, and that it is one; else `other`, by the same work: each
    /// entry of the shard is looked at, and free ones as well. A shard has a block more for a number that
    /// finds eight others there, or sixteen: on average, some hundredths of a block.
    ///
    /// # Errors
    /// There may be several: somewhere in here two have one hash, which is as likely as two in four billion
    /// for each two of a shard.
    #[inline(always)]
    pub fn candidate(&self, hash: u64, other: u32) -> Result<(u32, bool), Several> {
        if self.clashes > 0 {
            return Err(Several);
        }
        let mut found = 0;
        for Entries { tags, numbers } in self.shards.get(hash) {
            for (tag, number) in tags.iter().zip(numbers) {
                let mask = u32::from(*tag == hash as u32).wrapping_neg();
                // Inverted, so that a free one adds nothing. There is one at most.
                found |= !*number & mask;
            }
        }
        let is_one = found != !FREE;
        Ok((select_unpredictable(is_one, !found, other), is_one))
    }

    /// Puts a number in under a hash. One that is there already stays. The greatest number of all stands
    /// for none, and is not put in.
    pub fn insert(&mut self, hash: u64, number: u32) {
        let entry = (hash as u32, number);
        if number == FREE || self.entries(hash).any(|other| other == entry) {
            return;
        }
        let clashes = self.entries(hash).any(|(tag, _)| tag == entry.0);
        self.clashes += u32::from(clashes);
        let all: Vec<_> = self.entries(hash).chain([entry]).collect();
        self.shards.set(hash, Entries::all(&all));
    }

    /// Takes a number out again that was put in under this hash.
    pub fn remove(&mut self, hash: u64, number: u32) {
        let entry = (hash as u32, number);
        let others: Vec<_> = self.entries(hash).filter(|other| *other != entry).collect();
        if others.len() < self.entries(hash).count() {
            self.clashes -= u32::from(others.iter().any(|(tag, _)| *tag == entry.0));
            self.shards.set(hash, Entries::all(&others));
        }
    }

    /// Returns what is in the shard of a hash.
    #[inline]
    fn entries(&self, hash: u64) -> impl Iterator<Item = (u32, u32)> {
        let all = self.shards.get(hash).iter();
        let all = all.flat_map(|Entries { tags, numbers }| tags.iter().zip(numbers));
        let taken = all.filter(|(_, number)| **number != FREE);
        taken.map(|(tag, number)| (*tag, *number))
    }
}

impl Entries {
    /// Returns a shard of these.
    fn all(entries: &[(u32, u32)]) -> Arc<[Self]> {
        match entries {
            [] => Arc::from([Self::of(&[])]),
            _ => entries.chunks(TOGETHER).map(Self::of).collect(),
        }
    }

    /// Returns these, of which there are few enough, and free places behind them.
    fn of(entries: &[(u32, u32)]) -> Self {
        let at = |place: usize| entries.get(place).copied().unwrap_or((0, FREE));
        Self {
            tags: array::from_fn(|place| at(place).0),
            numbers: array::from_fn(|place| at(place).1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cow::Seed;

    #[test]
    fn a_clone_keeps_what_it_had() {
        let seed = Seed::random();
        let mut numbers = CowNumbers::default();
        for n in 0..50_000u32 {
            numbers.insert(seed.hash(&n), n);
        }
        let before = numbers.clone();
        for n in (0..50_000).step_by(2) {
            numbers.remove(seed.hash(&n), n);
        }
        for n in 0..50_000 {
            let evenly = numbers.find_evenly(seed.hash(&n), 7, |found| found == n);
            assert_eq!(evenly, if n % 2 == 1 { (n, true) } else { (7, false) });
            let find = |numbers: &CowNumbers| numbers.find(seed.hash(&n), |found| found == n);
            assert_eq!(find(&before), Some(n));
            assert_eq!(find(&numbers), (n % 2 == 1).then_some(n));
        }
    }

    #[test]
    fn numbers_of_one_hash_are_told_apart() {
        let mut numbers = CowNumbers::default();
        for n in [7, u32::MAX - 1, 0, 7] {
            numbers.insert(1, n);
        }
        numbers.insert(1, u32::MAX);
        assert_eq!(numbers.find(1, |found| found == u32::MAX), None);
        numbers.insert(2, 1);
        for n in [0, 7, u32::MAX - 1] {
            assert_eq!(numbers.find(1, |found| found == n), Some(n));
        }
        assert_eq!(numbers.find(1, |found| found == 1), None);
        assert_eq!(numbers.find_evenly(1, 9, |found| found == 7), (7, true));
        assert_eq!(numbers.find_evenly(1, 9, |found| found == 1), (9, false));
        assert_eq!(numbers.find_evenly(3, 9, |found| found == 9), (9, false));
        assert_eq!(numbers.candidate(2, 9), Err(Several));
        numbers.remove(1, 7);
        assert_eq!(numbers.find(1, |found| found == 7), None);
        assert_eq!(numbers.find(2, |_| true), Some(1));
        assert_eq!(numbers.candidate(2, 9), Err(Several), "two are left");
        numbers.remove(1, 0);
        assert_eq!(numbers.candidate(2, 9), Ok((1, true)));
        assert_eq!(numbers.candidate(1, 9), Ok((u32::MAX - 1, true)));
        assert_eq!(numbers.candidate(3, 9), Ok((9, false)));
    }
}
