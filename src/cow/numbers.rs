//! A hash table of numbers whose keys are kept elsewhere.

use super::shards::{Shards, spliced};
use std::hint::black_box;

/// Entries that are looked at one by one.
const FEW: usize = 16;
/// Entries that are always looked at: 20,000 numbers are five to a shard.
const WINDOW: usize = 8;

/// Numbers that are found by the hash of what they stand for: eight octets each, and the caller
/// says which of those with that hash is the right one.
#[derive(Clone)]
pub struct CowNumbers {
    /// The hash's low half in front of the number; ascending.
    shards: Shards<u64>,
    /// Entries that have the hash of the one in front of them.
    clashes: u32,
}

/// Several numbers have one hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Several;

impl Default for CowNumbers {
    fn default() -> Self {
        Self {
            shards: Shards::new(),
            clashes: 0,
        }
    }
}

impl CowNumbers {
    /// Returns the number with this hash for which `is_key` holds.
    #[inline]
    pub fn find(&self, hash: u64, is_key: impl Fn(u32) -> bool) -> Option<u32> {
        let mut shard = self.shards.get(hash);
        let tag = entry(hash, 0);
        if shard.len() > FEW {
            let start = shard.partition_point(|entry| *entry < tag);
            shard = shard.get(start..)?;
        }
        for entry in shard {
            match u32::try_from(entry ^ tag) {
                Ok(number) if is_key(number) => return Some(number),
                Ok(_) => {}
                Err(_) if *entry < tag => {}
                Err(_) => break,
            }
        }
        None
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

    /// Returns the one number with this hash, and that it is one; else `other`, by the same work: a shard has
    /// one entry more where there is one, but as many are looked at.
    ///
    /// # Errors
    /// There may be several: somewhere in here two have one hash, which is as likely as two in four billion
    /// for each two of a shard.
    #[inline(always)]
    pub fn candidate(&self, hash: u64, other: u32) -> Result<(u32, bool), Several> {
        if self.clashes > 0 {
            return Err(Several);
        }
        let mut shard = self.shards.get(hash);
        if shard.len() > FEW {
            shard = nearest(shard, hash);
        }
        // As many are looked at, whether there is one or not, which most shards have room for.
        let mut window = [u64::MAX; WINDOW];
        let (front, rest) = shard.split_at_checked(WINDOW).unwrap_or((shard, &[]));
        if let Some(part) = window.get_mut(..front.len()) {
            part.copy_from_slice(front);
        }
        // No number is as great: see `insert`.
        let look = |found: u32, item: &u64| {
            let is_same = (item >> 32) as u32 == hash as u32;
            if is_same { *item as u32 } else { found }
        };
        let found = rest.iter().fold(window.iter().fold(u32::MAX, look), look);
        let is_one = found != u32::MAX;
        Ok((if is_one { found } else { other }, is_one))
    }

    /// Puts a number in under a hash. One that is there already stays. The greatest number of all stands
    /// for none, and is not put in.
    pub fn insert(&mut self, hash: u64, number: u32) {
        let shard = self.shards.get(hash);
        let at = shard.binary_search(&entry(hash, number));
        if let Err(at) = at
            && number != u32::MAX
        {
            let clashes = has_clash(shard, at, at, hash);
            let next = spliced(shard, at, 0, Some(entry(hash, number)));
            self.shards.set(hash, next);
            self.clashes += u32::from(clashes);
        }
    }

    /// Takes a number out again that was put in under this hash.
    pub fn remove(&mut self, hash: u64, number: u32) {
        let shard = self.shards.get(hash);
        if let Ok(at) = shard.binary_search(&entry(hash, number)) {
            let clashes = has_clash(shard, at, at + 1, hash);
            let next = spliced(shard, at, 1, None);
            self.shards.set(hash, next);
            self.clashes -= u32::from(clashes);
        }
    }
}

/// Returns whether an entry with this hash stands in front of `at`, or at `behind`.
fn has_clash(shard: &[u64], at: usize, behind: usize, hash: u64) -> bool {
    let front = at.checked_sub(1).and_then(|front| shard.get(front));
    let is_same = |item: &u64| (item >> 32) as u32 == hash as u32;
    front.is_some_and(is_same) || shard.get(behind).is_some_and(is_same)
}

/// Returns the first entries of a shard that are not in front of a hash: if one has it, it is among them.
#[inline(never)]
fn nearest(shard: &[u64], hash: u64) -> &[u64] {
    let start = shard.partition_point(|item| *item < entry(hash, 0));
    let end = shard.len().min(start + 2);
    shard.get(start..end).unwrap_or(&[])
}

fn entry(hash: u64, number: u32) -> u64 {
    hash << 32 | u64::from(number)
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
