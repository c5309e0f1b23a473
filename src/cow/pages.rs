//! A map from 128-bit keys to short lists of numbers, in pages of 64 neighbors.

use super::map::{CowMap, Seed};
use super::shards::{Shards, spliced};
use std::hint::black_box;
use std::sync::Arc;

const PAGE_BITS: u32 = 6;
const PAGE: u128 = 1 << PAGE_BITS;

/// Numbers must be below this: the rest says what else a word is.
const LIMIT: u32 = 1 << 30;
/// The word is where in the page the list starts: its length, then its numbers.
const LIST: u32 = 1 << 30;
/// The list is too long to be copied whenever a neighbor changes.
const LONG: u32 = 2 << 30;
const SHORT: usize = 7;
/// Pages of a shard that are looked at one by one.
const FEW: usize = 8;

/// A map from addresses as 128 bits to lists of numbers below 2^30, of which most have no or one
/// member: four octets each, and some forty for every 64 neighbors of which one has any.
///
/// A page is a word for each of its keys that has a list, behind a bit for each of its keys, so
/// that scattered keys cost no empty words.
#[derive(Clone)]
pub struct CowPages {
    seed: Seed,
    /// By page.
    shards: Shards<(u128, Arc<[u32]>)>,
    long: CowMap<u128, Arc<[u32]>>,
}

/// What a page says of a key.
enum Content<'p> {
    List(&'p [u32]),
    Long,
}

impl CowPages {
    /// Returns a map in which every list is empty.
    pub fn new(seed: Seed) -> Self {
        Self {
            shards: Shards::new(),
            long: CowMap::new(seed.clone()),
            seed,
        }
    }

    /// Returns the list of a key.
    #[inline]
    pub fn get(&self, key: u128) -> &[u32] {
        let page = self.page(key >> PAGE_BITS, self.hash(key)).1;
        match content(page, (key % PAGE) as u32) {
            Content::List(list) => list,
            Content::Long => self.long.get(&key).map_or(&[], |list| list),
        }
    }

    /// Returns the first member of a key's list.
    #[inline(always)]
    pub fn first(&self, key: u128) -> Option<u32> {
        let shard = self.shards.get(self.hash(key));
        // Few pages share a shard, unless addresses are scattered: a search would take longer to begin.
        if shard.len() > FEW {
            return self.get(key).first().copied();
        }
        let mut pages = shard.iter().filter(|(page, _)| *page == key >> PAGE_BITS);
        let (_, page) = pages.next()?;
        let word = *word(page, (key % PAGE) as u32)?;
        match word < LIMIT {
            true => Some(word),
            false => self.get(key).first().copied(),
        }
    }

    /// Returns the list of a key as [`CowPages::get`] does, by the same work whether or not there is
    /// one: where there is none, a page that stands for all is read in its stead, and the list of it
    /// thrown away.
    #[inline]
    pub fn get_evenly(&self, key: u128) -> &[u32] {
        let slot = (key % PAGE) as u32;
        let page = self.page(key >> PAGE_BITS, self.hash(key)).1;
        let has_list = bits(page) >> slot & 1 != 0;
        let page = black_box(if has_list { page } else { &FULL });
        let list = match black_box(content(page, slot)) {
            Content::List(list) => list,
            Content::Long => self.long.get(&key).map_or(&[][..], |list| list),
        };
        if has_list { list } else { &[] }
    }

    /// Sets the list of a key. Setting what is there already costs no copy.
    pub fn set(&mut self, key: u128, list: &[u32]) {
        debug_assert!(list.iter().all(|number| *number < LIMIT));
        let before = self.get(key);
        if before == list {
            return;
        }
        if list.len() > SHORT {
            self.long.insert(key, list.into());
        } else if before.len() > SHORT {
            self.long.remove(&key);
        }
        let hash = self.hash(key);
        let (place, page) = self.page(key >> PAGE_BITS, hash);
        let next = rewritten(page, (key % PAGE) as u32, list);
        let shard = self.shards.get(hash);
        let (at, removed) = match place {
            Ok(at) => (at, 1),
            Err(at) => (at, 0),
        };
        let next = spliced(
            shard,
            at,
            removed,
            next.map(|page| (key >> PAGE_BITS, page)),
        );
        self.shards.set(hash, next);
    }

    /// Returns every key with its list, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (u128, &[u32])> {
        self.shards.iter().flat_map(|(page, _)| {
            let keys = (0..PAGE).map(move |slot| page << PAGE_BITS | slot);
            let lists = keys.map(|key| (key, self.get(key)));
            lists.filter(|(_, list)| !list.is_empty())
        })
    }

    #[inline]
    fn hash(&self, key: u128) -> u64 {
        self.seed.hash(&(key >> PAGE_BITS))
    }

    /// Returns where in its shard a page is, or would be, and what it says.
    #[inline]
    fn page(&self, page: u128, hash: u64) -> (Result<usize, usize>, &[u32]) {
        let shard = self.shards.get(hash);
        let place = shard.binary_search_by_key(&page, |(page, _)| *page);
        let words = place.ok().and_then(|at| shard.get(at));
        (place, words.map_or(&[], |(_, words)| words))
    }
}

/// A page in which every key has a list: what is read where there is none.
static FULL: [u32; 2 + PAGE as usize] = {
    let mut page = [0; 2 + PAGE as usize];
    page[0] = u32::MAX;
    page[1] = u32::MAX;
    page
};

/// Returns a bit for each key of a page: whether it has a list.
#[inline]
fn bits(page: &[u32]) -> u64 {
    match page {
        [low, high, ..] => u64::from(*high) << 32 | u64::from(*low),
        _ => 0,
    }
}

/// Returns what is written of a key in its page, where it has a list.
#[inline(always)]
fn word(page: &[u32], slot: u32) -> Option<&u32> {
    let (_, words) = page.split_first_chunk::<2>()?;
    let bits = bits(page);
    if bits >> slot & 1 == 0 {
        return None;
    }
    let before = bits & ((1 << slot) - 1);
    words.get(before.count_ones() as usize)
}

#[inline]
fn content(page: &[u32], slot: u32) -> Content<'_> {
    let list = || {
        let word = word(page, slot)?;
        match word & !(LIMIT - 1) {
            0 => Some(Content::List(std::slice::from_ref(word))),
            LIST => {
                let (len, list) = page.get((word - LIST) as usize..)?.split_first()?;
                Some(Content::List(list.get(..*len as usize)?))
            }
            _ => Some(Content::Long),
        }
    };
    list().unwrap_or(Content::List(&[]))
}

/// Returns a page with another list for one of its keys, or `None` where it holds nothing more.
fn rewritten(page: &[u32], slot: u32, list: &[u32]) -> Option<Arc<[u32]>> {
    let bits = bits(page) & !(1 << slot) | u64::from(!list.is_empty()) << slot;
    if bits == 0 {
        return None;
    }
    let words = 2 + bits.count_ones() as usize;
    let mut next = Vec::with_capacity(page.len().max(words) + list.len() + 2);
    next.extend([bits as u32, (bits >> 32) as u32]);
    next.resize(words, LONG);
    let (mut left, mut at) = (bits, 2);
    while left != 0 {
        let current = left.trailing_zeros();
        let content = match current == slot {
            true if list.len() > SHORT => Content::Long,
            true => Content::List(list),
            false => content(page, current),
        };
        let word = match content {
            Content::List([number]) => *number,
            Content::List(list) => {
                let start = next.len() as u32;
                next.push(list.len() as u32);
                next.extend(list);
                LIST | start
            }
            Content::Long => LONG,
        };
        if let Some(place) = next.get_mut(at) {
            *place = word;
        }
        (left, at) = (left & (left - 1), at + 1);
    }
    Some(next.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_key_has_the_list_that_it_was_given_last() {
        let mut pages = CowPages::new(Seed::random());
        let mut model = BTreeMap::<u128, Vec<u32>>::new();
        let mut random = 1u64;
        let mut next = |below: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) % below
        };
        let mut clones = Vec::new();
        for step in 0..20_000 {
            // Few pages that are full, and many with one key.
            let key = match next(3) {
                0 => u128::from(next(200)) << 64,
                _ => u128::from(next(256)),
            };
            let len = [0, 0, 1, 1, 1, 2, SHORT as u64, SHORT as u64 + 1][next(8) as usize];
            let list: Vec<u32> = (0..len).map(|_| next(u64::from(LIMIT)) as u32).collect();
            pages.set(key, &list);
            model.insert(key, list);
            if step % 5_000 == 0 {
                clones.push((pages.clone(), model.clone()));
            }
        }
        clones.push((pages, model));
        for (pages, mut model) in clones {
            model.retain(|_, list| !list.is_empty());
            let found: BTreeMap<u128, Vec<u32>> =
                pages.iter().map(|(k, l)| (k, l.to_vec())).collect();
            assert_eq!(found, model);
            let long = model.values().filter(|list| list.len() > SHORT).count();
            assert_eq!(
                pages.long.iter().count(),
                long,
                "no long list is left behind"
            );
        }
    }

    #[test]
    fn empty_pages_are_given_back() {
        let mut pages = CowPages::new(Seed::random());
        pages.set(u128::MAX, &[1]);
        pages.set(u128::MAX - 1, &[1; 20]);
        assert_eq!(pages.shards.iter().count(), 1);
        pages.set(u128::MAX, &[]);
        pages.set(u128::MAX - 1, &[]);
        assert_eq!(pages.shards.iter().count(), 0);
    }
}
