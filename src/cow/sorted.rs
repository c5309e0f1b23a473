//! A sorted list of numbers, in chunks.

use super::shards::spliced;
use std::cmp::Ordering;
use std::sync::Arc;

/// Numbers of a chunk at most.
const CHUNK: usize = 128;

/// Numbers in an order that the caller keeps: the names of what they stand for. A change copies one
/// chunk and the list of chunks.
#[derive(Clone, Default)]
pub struct CowSorted {
    /// None of them empty.
    chunks: Arc<[Arc<[u32]>]>,
}

impl CowSorted {
    /// Returns the numbers in their order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + use<'_> {
        self.chunks.iter().flat_map(|chunk| chunk.iter().copied())
    }

    /// Returns the number at a position, counted in their order.
    pub fn get(&self, position: u32) -> Option<u32> {
        let mut position = position as usize;
        for chunk in self.chunks.iter() {
            match chunk.get(position) {
                Some(number) => return Some(*number),
                None => position -= chunk.len(),
            }
        }
        None
    }

    /// Puts a number in where `order`, which compares a number of the list with it, says. One that
    /// is there already stays.
    pub fn insert(&mut self, number: u32, order: impl Fn(u32) -> Ordering) {
        let (at, Err(place)) = self.place(order) else {
            return;
        };
        let Some(chunk) = self.chunks.get(at) else {
            let first: Arc<[u32]> = Arc::from([number]);
            self.chunks = Arc::from([first]);
            return;
        };
        let next = spliced(chunk, place, 0, Some(number));
        self.chunks = match next.split_at_checked(CHUNK / 2) {
            Some((left, right)) if next.len() > CHUNK => {
                let halved = spliced(&self.chunks, at, 1, Some(right.into()));
                spliced(&halved, at, 0, Some(left.into()))
            }
            _ => spliced(&self.chunks, at, 1, Some(next)),
        };
    }

    /// Takes out the number that `order` says is equal.
    pub fn remove(&mut self, order: impl Fn(u32) -> Ordering) {
        let (at, Ok(place)) = self.place(order) else {
            return;
        };
        let Some(chunk) = self.chunks.get(at) else {
            return;
        };
        let next = spliced(chunk, place, 1, None);
        // Two that have become small become one, so that chunks are never many and small.
        let fits = |at: &usize| {
            let neighbor = self.chunks.get(*at);
            neighbor.is_some_and(|other| other.len() + next.len() <= CHUNK / 2)
        };
        let neighbor = [at + 1, at.wrapping_sub(1)].into_iter().find(fits);
        let joined = neighbor.and_then(|neighbor| {
            let (first, other) = (at.min(neighbor), self.chunks.get(neighbor)?);
            let (left, right) = match neighbor > at {
                true => (&next, other),
                false => (other, &next),
            };
            Some((first, left.iter().chain(right.iter()).copied().collect()))
        });
        self.chunks = match joined {
            Some((first, joined)) => spliced(&self.chunks, first, 2, Some(joined)),
            None => spliced(&self.chunks, at, 1, (!next.is_empty()).then_some(next)),
        };
    }

    /// Returns the chunk that a number is or would be in, and its place there.
    fn place(&self, order: impl Fn(u32) -> Ordering) -> (usize, Result<usize, usize>) {
        let starts_before = |chunk: &Arc<[u32]>| {
            let first = chunk.first();
            first.is_some_and(|first| order(*first) != Ordering::Greater)
        };
        let chunk = self.chunks.partition_point(starts_before).saturating_sub(1);
        let numbers = self.chunks.get(chunk).map_or(&[][..], |chunk| chunk);
        (chunk, numbers.binary_search_by(|number| order(*number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn numbers_stay_in_order_and_chunks_stay_few() {
        let mut sorted = CowSorted::default();
        let mut model = BTreeSet::new();
        let mut random = 7u32;
        for step in 0..20_000u32 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let number = (random >> 16) % 3000;
            let by_number = |other: u32| other.cmp(&number);
            if step % 3 == 0 || step > 15_000 {
                sorted.remove(by_number);
                model.remove(&number);
            } else {
                sorted.insert(number, by_number);
                model.insert(number);
            }
        }
        assert!(sorted.iter().eq(model.iter().copied()));
        assert!(!model.is_empty());
        let pairs = sorted.chunks.windows(2);
        assert!(
            pairs
                .map(|p| p[0].len() + p[1].len())
                .all(|sum| sum > CHUNK / 2)
        );
        let by_position: Vec<u32> = (0..).map_while(|at| sorted.get(at)).collect();
        assert!(by_position.iter().eq(&model));
        let before = sorted.clone();
        for number in &model {
            sorted.remove(|other| other.cmp(number));
        }
        assert_eq!((sorted.iter().count(), sorted.chunks.len()), (0, 0));
        assert!(before.iter().eq(model));
    }
}
