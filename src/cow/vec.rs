//! A vector of pages.

use std::sync::Arc;

/// Values of a page. Few, because a change counts one more holder of what each of them refers to.
const PAGE: usize = 16;
const FANOUT: usize = 64;

/// A vector over dense numbers whose clones share every page that neither has changed since. What
/// was never set is the default.
#[derive(Clone)]
pub struct CowVec<T> {
    tables: Arc<Vec<Arc<Table<T>>>>,
}

type Table<T> = [Option<Arc<[T; PAGE]>>; FANOUT];

impl<T> Default for CowVec<T> {
    fn default() -> Self {
        Self {
            tables: Arc::default(),
        }
    }
}

impl<T: Clone + Default> CowVec<T> {
    /// Returns the value at `index`, or `None` where its page was never set.
    #[inline(always)]
    pub fn get(&self, index: u32) -> Option<&T> {
        let (table, page, slot) = place(index);
        let page = self.tables.get(table)?.get(page)?.as_ref()?;
        page.get(slot)
    }

    /// Sets the value at `index`.
    pub fn set(&mut self, index: u32, value: T) {
        let (table, page, slot) = place(index);
        let tables = Arc::make_mut(&mut self.tables);
        while tables.len() <= table {
            tables.push(Arc::new([const { None }; FANOUT]));
        }
        let table = tables.get_mut(table).map(Arc::make_mut);
        if let Some(page) = table.and_then(|table| table.get_mut(page)) {
            let page = page.get_or_insert_with(|| Arc::new(std::array::from_fn(|_| T::default())));
            if let Some(slot) = Arc::make_mut(page).get_mut(slot) {
                *slot = value;
            }
        }
    }

    /// Returns every value of a page that was set, in order, with its index.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let pages = self.tables.iter().flat_map(|table| table.iter());
        let pages = (0u32..).step_by(PAGE).zip(pages);
        pages.flat_map(|(first, page)| {
            let values = page.iter().flat_map(|page| page.iter());
            (first..).zip(values)
        })
    }
}

#[inline(always)]
fn place(index: u32) -> (usize, usize, usize) {
    let index = index as usize;
    let page = index / PAGE;
    (page / FANOUT, page % FANOUT, index % PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_keeps_what_it_had() {
        let mut vec = CowVec::default();
        vec.set(3, 'a');
        vec.set(2000, 'b');
        let before = vec.clone();
        vec.set(3, 'c');
        assert_eq!((before.get(3), vec.get(3)), (Some(&'a'), Some(&'c')));
        assert_eq!(
            (vec.get(2000), vec.get(2001), vec.get(100), vec.get(1 << 20)),
            (Some(&'b'), Some(&'\0'), None, None)
        );
        let set: Vec<(u32, &char)> = vec.iter().filter(|(_, c)| **c != '\0').collect();
        assert_eq!(set, [(3, &'c'), (2000, &'b')]);
    }
}
