//! A set of dense numbers.

use std::sync::Arc;

/// A set of small numbers whose clones share their storage until one changes.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct CowBits {
    words: Arc<Vec<u64>>,
}

impl CowBits {
    /// Returns whether `index` is in the set.
    #[inline]
    pub fn contains(&self, index: u32) -> bool {
        self.words
            .get(index as usize / 64)
            .is_some_and(|word| word & (1 << (index % 64)) != 0)
    }

    /// Puts `index` in or takes it out.
    pub fn set(&mut self, index: u32, member: bool) {
        if self.contains(index) == member {
            return;
        }
        let words = Arc::make_mut(&mut self.words);
        let at = index as usize / 64;
        if words.len() <= at {
            words.resize(at + 1, 0);
        }
        if let Some(word) = words.get_mut(at) {
            *word ^= 1 << (index % 64);
        }
    }
}
