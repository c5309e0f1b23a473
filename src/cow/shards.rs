//! 64 × 64 small arrays: what the hashed containers are made of. Not a hash table itself: what is
//! in a shard, and in what order, is theirs to say.

use std::sync::Arc;

const FANOUT: usize = 64;

/// Arrays that a hash leads to. A change makes its array anew, as long as it has to be and no
/// longer, and copies the two tables of pointers that lead to it.
#[derive(Clone)]
pub(super) struct Shards<T> {
    tables: Arc<[Arc<Table<T>>; FANOUT]>,
}

type Table<T> = [Arc<[T]>; FANOUT];

impl<T> Shards<T> {
    pub(super) fn new() -> Self {
        Self::of(&Arc::from([]))
    }

    /// Returns shards that are all like this one.
    pub(super) fn of(shard: &Arc<[T]>) -> Self {
        let table: Arc<Table<T>> = Arc::new(std::array::from_fn(|_| shard.clone()));
        Self {
            tables: Arc::new(std::array::from_fn(|_| table.clone())),
        }
    }

    /// Returns the shard of a hash.
    #[inline(always)]
    pub(super) fn get(&self, hash: u64) -> &[T] {
        let (table, shard) = place(hash);
        let shard = self.tables.get(table).and_then(|table| table.get(shard));
        shard.map_or(&[], |shard| shard)
    }

    /// Puts `items` in the place of a hash's shard.
    pub(super) fn set(&mut self, hash: u64, items: Arc<[T]>) {
        let (table, shard) = place(hash);
        let tables = Arc::make_mut(&mut self.tables);
        if let Some(table) = tables.get_mut(table)
            && let Some(shard) = Arc::make_mut(table).get_mut(shard)
        {
            *shard = items;
        }
    }

    /// Returns everything, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        let shards = self.tables.iter().flat_map(|table| table.iter());
        shards.flat_map(|shard| shard.iter())
    }
}

/// Returns `items` with `item` in the place of the first `removed` from `at` on.
pub(super) fn spliced<T: Clone>(
    items: &[T],
    at: usize,
    removed: usize,
    item: Option<T>,
) -> Arc<[T]> {
    let (before, rest) = items.split_at_checked(at).unwrap_or((items, &[]));
    let after = rest.get(removed..).unwrap_or(&[]);
    match item {
        // Iterators whose length is trusted are written to where they stay.
        Some(item) => {
            let all = before.iter().cloned().chain(std::iter::once(item));
            all.chain(after.iter().cloned()).collect()
        }
        None => before.iter().chain(after).cloned().collect(),
    }
}

/// The low bits of a hash are left for telling the members of a shard apart.
#[inline(always)]
fn place(hash: u64) -> (usize, usize) {
    (
        (hash >> 44) as usize % FANOUT,
        (hash >> 50) as usize % FANOUT,
    )
}
