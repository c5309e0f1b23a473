//! A hash map.

use super::shards::{Shards, spliced};
use foldhash::fast::FixedState;
use std::hash::{BuildHasher, Hash};

/// The hash function of a map. Random for each process, so that nobody can choose names that
/// collide; fixed where a benchmark counts instructions.
#[derive(Clone)]
pub struct Seed {
    state: FixedState,
    /// The keys of [`Seed::hash_octets`].
    keys: [u64; 2],
}

impl Seed {
    /// Returns a seed that differs from process to process.
    pub fn random() -> Self {
        Self::fixed(std::hash::RandomState::new().hash_one(0))
    }

    /// Returns this seed.
    pub fn fixed(seed: u64) -> Self {
        let state = FixedState::with_seed(seed);
        let keys = [1u64, 2].map(|key| state.hash_one(key));
        Self { state, keys }
    }

    /// Returns the hash of a value.
    #[inline]
    pub fn hash(&self, value: &(impl Hash + ?Sized)) -> u64 {
        self.state.hash_one(value)
    }

    /// Returns the hash of octets: a folded multiplication, as in foldhash and wyhash, for each sixteen
    /// of them, in place of the call that foldhash takes for more than sixteen.
    #[inline(always)]
    pub fn hash_octets(&self, octets: &[u8]) -> u64 {
        let [start, key] = self.keys;
        let fold = |hash: u64, low: u64, high: u64| {
            let product = u128::from(low ^ key) * u128::from(high ^ hash);
            (product >> 64) as u64 ^ product as u64
        };
        let both = |hash: u64, octets: &[u8; 16]| {
            let words = u128::from_le_bytes(*octets);
            fold(hash, words as u64, (words >> 64) as u64)
        };
        let (chunks, rest) = octets.as_chunks();
        let hash = chunks.iter().fold(start ^ octets.len() as u64, both);
        match (octets.last_chunk(), rest) {
            (_, []) => hash,
            // Some octets twice, instead of fewer at a time.
            (Some(last), _) => both(hash, last),
            (None, few) => {
                let (low, high) = ends(few);
                fold(hash, low, high)
            }
        }
    }
}

/// Returns every one of fewer than sixteen octets, some of them twice, in two words.
#[inline(always)]
fn ends(octets: &[u8]) -> (u64, u64) {
    if let (Some(first), Some(last)) = (octets.first_chunk(), octets.last_chunk()) {
        return (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
    }
    if let (Some(first), Some(last)) = (octets.first_chunk(), octets.last_chunk()) {
        let word = |octets| u64::from(u32::from_le_bytes(octets));
        return (word(*first), word(*last));
    }
    let at = |place: usize| octets.get(place).map_or(0, |octet| u64::from(*octet));
    (at(0) << 8 | at(1), at(2))
}

/// A map whose clones share everything that neither has changed since.
///
/// Measured against other concurrent maps: a read costs two more dependent loads than a flat table,
/// an update copies one shard instead of the whole (design section 4).
#[derive(Clone)]
pub struct CowMap<K, V> {
    seed: Seed,
    /// Each by key.
    shards: Shards<(K, V)>,
}

impl<K: Clone + Ord + Hash, V: Clone> CowMap<K, V> {
    /// Returns an empty map.
    pub fn new(seed: Seed) -> Self {
        Self {
            seed,
            shards: Shards::new(),
        }
    }

    /// Returns the value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        let shard = self.shards.get(self.seed.hash(key));
        let at = shard.binary_search_by(|(k, _)| k.cmp(key)).ok()?;
        shard.get(at).map(|(_, value)| value)
    }

    /// Sets the value of a key.
    pub fn insert(&mut self, key: K, value: V) {
        let hash = self.seed.hash(&key);
        let shard = self.shards.get(hash);
        let (at, removed) = match shard.binary_search_by(|(k, _)| k.cmp(&key)) {
            Ok(at) => (at, 1),
            Err(at) => (at, 0),
        };
        let next = spliced(shard, at, removed, Some((key, value)));
        self.shards.set(hash, next);
    }

    /// Removes a key. A key that is not there costs no copy.
    pub fn remove(&mut self, key: &K) {
        let hash = self.seed.hash(key);
        let shard = self.shards.get(hash);
        if let Ok(at) = shard.binary_search_by(|(k, _)| k.cmp(key)) {
            let next = spliced(shard, at, 1, None);
            self.shards.set(hash, next);
        }
    }

    /// Returns every key and value, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.shards.iter().map(|(k, v)| (k, v))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_depends_on_each_octet_and_on_how_many_there_are() {
        let seed = Seed::fixed(7);
        for len in 0..80u8 {
            let octets: Vec<u8> = (0..len).collect();
            let hash = seed.hash_octets(&octets);
            assert_ne!(
                seed.hash_octets(&[&octets[..], &[0]].concat()),
                hash,
                "{len}"
            );
            assert_ne!(Seed::fixed(8).hash_octets(&octets), hash, "{len}");
            for at in 0..octets.len() {
                let mut other = octets.clone();
                other[at] ^= 0x80;
                assert_ne!(seed.hash_octets(&other), hash, "{len} {at}");
            }
        }
    }

    #[test]
    fn names_that_differ_in_a_number_are_spread() {
        let seed = Seed::fixed(3);
        let names = (0..65_536).map(|n| format!("\x09web-{n:05}\x04shop").into_bytes());
        let hashes: Vec<u64> = names.map(|name| seed.hash_octets(&name)).collect();
        let (tables, shards) = (hashes.iter().map(|h| h >> 44 & 0xfff), 4096);
        let mut counts = vec![0u32; shards];
        tables.for_each(|place| counts[place as usize] += 1);
        // Sixteen each on average.
        assert!(counts.iter().all(|count| (1..=48).contains(count)));
        let mut tags: Vec<u32> = hashes.iter().map(|hash| *hash as u32).collect();
        tags.sort_unstable();
        tags.dedup();
        assert!(tags.len() > 65_500, "{}", tags.len());
    }

    #[test]
    fn a_clone_keeps_what_it_had() {
        let mut map = CowMap::new(Seed::random());
        for n in 0..5000u32 {
            map.insert(n, n);
        }
        let before = map.clone();
        for n in 0..5000u32 {
            if n % 2 == 0 {
                map.remove(&n)
            } else {
                map.insert(n, n + 1)
            }
        }
        for n in 0..5000u32 {
            assert_eq!(before.get(&n), Some(&n));
            assert_eq!(map.get(&n), (n % 2 == 1).then_some(&(n + 1)));
        }
        assert_eq!(map.iter().count(), 2500);
    }
}
