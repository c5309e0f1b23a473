//! Lists that many objects have alike, kept once.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

/// One copy of each list that some object has.
pub(super) struct Pool<T> {
    lists: HashSet<Arc<[T]>>,
    /// How many there may be before those are looked for that nobody has any more.
    full: usize,
}

/// Lists that are kept without a look at who has them.
const FEW: usize = 256;

impl<T: Eq + Hash> Default for Pool<T> {
    fn default() -> Self {
        Self {
            lists: HashSet::new(),
            full: FEW,
        }
    }
}

impl<T: Eq + Hash> Pool<T> {
    /// Puts the copy that others have in the place of a list.
    pub(super) fn share(&mut self, list: &mut Arc<[T]>) {
        if let Some(same) = self.lists.get(list) {
            *list = same.clone();
            return;
        }
        if self.lists.len() >= self.full {
            self.lists.retain(|list| Arc::strong_count(list) > 1);
            self.full = (self.lists.len() * 2).max(FEW);
        }
        self.lists.insert(list.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lists_are_one_and_lists_that_nobody_has_are_given_back() {
        let mut pool = Pool::default();
        let mut lists: Vec<Arc<[u32]>> = (0..2 * FEW as u32).map(|n| [n % 7, 1].into()).collect();
        lists.iter_mut().for_each(|list| pool.share(list));
        assert!(Arc::ptr_eq(&lists[0], &lists[7]) && !Arc::ptr_eq(&lists[0], &lists[1]));
        for n in 0..10 * FEW as u32 {
            pool.share(&mut [n, 2].into());
        }
        assert!(pool.lists.len() <= FEW + 7);
        assert!(pool.lists.contains(&lists[3]));
    }
}
