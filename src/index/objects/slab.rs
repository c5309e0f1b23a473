//! Rows by number, in pages, so that a table grows without moving what it holds; and where rows are
//! found by what they hold.

const PAGE: usize = 512;

/// Rows with numbers. A number is free again when its row is removed; the lowest free ones need not
/// be taken first.
pub(in crate::index) struct Slab<T> {
    pages: Vec<Box<[Option<T>]>>,
    free: Vec<u32>,
    next: u32,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            pages: Vec::new(),
            free: Vec::new(),
            next: 0,
        }
    }
}

impl<T> Slab<T> {
    pub(in crate::index) fn get(&self, number: u32) -> Option<&T> {
        let number = number as usize;
        self.pages.get(number / PAGE)?.get(number % PAGE)?.as_ref()
    }

    pub(in crate::index) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.place(number)?.as_mut()
    }

    fn place(&mut self, number: u32) -> Option<&mut Option<T>> {
        let number = number as usize;
        self.pages.get_mut(number / PAGE)?.get_mut(number % PAGE)
    }

    /// Puts a row in, and returns its number.
    pub(in crate::index) fn add(&mut self, row: T) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        });
        self.set(number, row);
        number
    }

    /// Puts a row at a number that is given from outside. A slab whose rows are numbered so has no
    /// [`Slab::add`].
    pub(in crate::index) fn set(&mut self, number: u32, row: T) {
        while self.pages.len() <= number as usize / PAGE {
            self.pages.push((0..PAGE).map(|_| None).collect());
        }
        if let Some(place) = self.place(number) {
            *place = Some(row);
        }
    }

    /// Takes a row out, and leaves its number to another.
    pub(in crate::index) fn remove(&mut self, number: u32) -> Option<T> {
        let row = self.take(number)?;
        self.free.push(number);
        Some(row)
    }

    /// Takes a row out whose number is given from outside.
    pub(in crate::index) fn take(&mut self, number: u32) -> Option<T> {
        self.place(number)?.take()
    }

    pub(in crate::index) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let rows = self.pages.iter().flat_map(|page| page.iter());
        (0..)
            .zip(rows)
            .filter_map(|(number, row)| Some((number, row.as_ref()?)))
    }

    /// As [`Slab::iter`], from a number on.
    pub(in crate::index) fn from(&self, number: u32) -> impl Iterator<Item = (u32, &T)> {
        let (page, slot) = (number as usize / PAGE, number as usize % PAGE);
        let pages = self.pages.get(page..).unwrap_or_default();
        let rows = pages.iter().flat_map(|page| page.iter()).skip(slot);
        (number..)
            .zip(rows)
            .filter_map(|(number, row)| Some((number, row.as_ref()?)))
    }

    pub(in crate::index) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        let rows = self.pages.iter_mut().flat_map(|page| page.iter_mut());
        rows.filter_map(Option::as_mut)
    }
}

/// Numbers of rows by the hash of something that they hold. Eight octets an entry and few to spare;
/// whoever looks something up compares the rows that it gets.
///
/// Buckets of some dozens instead of a table with free places: a bucket is as long as it must be,
/// and looking through one is a matter of nanoseconds for the writer, who alone does it.
#[derive(Default)]
pub(in crate::index) struct ByHash {
    /// Two to some power of them, or none. Each entry is half of a hash, and a number.
    buckets: Vec<Vec<(u32, u32)>>,
    len: usize,
}

/// Entries of a bucket on average, at most.
const FULL: usize = 32;
/// Places by which a bucket grows.
const STEP: usize = 4;

impl ByHash {
    /// Returns the rows under a hash, and some that only share half of it.
    pub(in crate::index) fn get(&self, hash: u64) -> impl Iterator<Item = u32> {
        let half = hash as u32;
        let bucket = self.buckets.get(self.place(half)).into_iter().flatten();
        bucket
            .filter(move |entry| entry.0 == half)
            .map(|entry| entry.1)
    }

    pub(in crate::index) fn insert(&mut self, hash: u64, number: u32) {
        if self.len >= self.buckets.len() * FULL {
            self.grow();
        }
        let half = hash as u32;
        self.len += 1;
        self.push(half, number);
    }

    /// Takes one entry out, where it is there.
    pub(in crate::index) fn remove(&mut self, hash: u64, number: u32) {
        let half = hash as u32;
        let place = self.place(half);
        if let Some(bucket) = self.buckets.get_mut(place)
            && let Some(at) = bucket.iter().position(|entry| *entry == (half, number))
        {
            bucket.swap_remove(at);
            self.len -= 1;
            if bucket.capacity() - bucket.len() > 2 * STEP {
                bucket.shrink_to(bucket.len() + STEP);
            }
        }
    }

    fn push(&mut self, half: u32, number: u32) {
        let place = self.place(half);
        if let Some(bucket) = self.buckets.get_mut(place) {
            if bucket.len() == bucket.capacity() {
                bucket.reserve_exact(STEP);
            }
            bucket.push((half, number));
        }
    }

    fn grow(&mut self) {
        let twice = (self.buckets.len() * 2).max(1);
        let before = std::mem::take(&mut self.buckets);
        self.buckets.resize_with(twice, Vec::new);
        for (half, number) in before.into_iter().flatten() {
            self.push(half, number);
        }
    }

    fn place(&self, half: u32) -> usize {
        half as usize & self.buckets.len().wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_used_again_once_its_row_is_gone() {
        let mut slab = Slab::default();
        let numbers: Vec<u32> = (0..1000).map(|n| slab.add(n)).collect();
        assert_eq!(numbers, (0..1000).collect::<Vec<u32>>());
        assert_eq!(slab.remove(700), Some(700));
        assert_eq!(slab.get(700), None);
        assert_eq!(slab.remove(700), None);
        assert_eq!(slab.add(7), 700);
        slab.iter_mut().for_each(|row| *row += 1);
        assert_eq!(slab.iter().count(), 1000);
        let from: Vec<_> = slab.from(998).map(|(number, _)| number).collect();
        assert_eq!(from, [998, 999]);
        assert_eq!(slab.from(5000).count(), 0);
        assert_eq!(
            (slab.get(700), slab.get(999), slab.get(1000)),
            (Some(&8), Some(&1000), None)
        );
    }

    #[test]
    fn rows_are_found_under_each_hash_that_they_were_put_under() {
        let mut table = ByHash::default();
        for number in 0..5000u32 {
            table.insert(u64::from(number / 2), number);
        }
        let mut found: Vec<u32> = table.get(77).collect();
        found.sort_unstable();
        assert_eq!(found, [154, 155]);
        table.remove(77, 154);
        table.remove(77, 154);
        assert_eq!(table.get(77).collect::<Vec<_>>(), [155]);
        let most = table.buckets.iter().map(Vec::len).max();
        assert!(
            most <= Some(2 * FULL),
            "a number that counts up is spread over all buckets"
        );
        for number in 0..5000u32 {
            table.remove(u64::from(number / 2), number);
        }
        assert_eq!((table.len, table.get(77).count()), (0, 0));
        let spare: usize = table.buckets.iter().map(Vec::capacity).sum();
        assert!(
            spare <= table.buckets.len() * 3 * STEP,
            "what is empty is given back"
        );
    }
}
