//! A vector of pages of 64.

use std::sync::Arc;

const PAGE: usize = 64;

/// A vector over dense numbers whose clones share every page that neither has changed since. What
/// was never set is the default.
#[derive(Clone, Default)]
pub struct CowVec<T> {
    pages: Arc<Vec<Arc<[T; PAGE]>>>,
}

impl<T: Clone + Default> CowVec<T> {
    /// Returns the value at `index`, or `None` past the last page.
    pub fn get(&self, index: u32) -> Option<&T> {
        let index = index as usize;
        self.pages.get(index / PAGE)?.get(index % PAGE)
    }

    /// Sets the value at `index`.
    pub fn set(&mut self, index: u32, value: T) {
        let index = index as usize;
        let pages = Arc::make_mut(&mut self.pages);
        while pages.len() <= index / PAGE {
            pages.push(Arc::new(std::array::from_fn(|_| T::default())));
        }
        if let Some(page) = pages.get_mut(index / PAGE)
            && let Some(slot) = Arc::make_mut(page).get_mut(index % PAGE)
        {
            *slot = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_keeps_what_it_had() {
        let mut vec = CowVec::default();
        vec.set(3, 'a');
        vec.set(200, 'b');
        let before = vec.clone();
        vec.set(3, 'c');
        assert_eq!((before.get(3), vec.get(3)), (Some(&'a'), Some(&'c')));
        assert_eq!(
            (vec.get(200), vec.get(100), vec.get(256)),
            (Some(&'b'), Some(&'\0'), None)
        );
    }
}
