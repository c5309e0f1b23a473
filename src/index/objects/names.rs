//! Names, packed: those of one length lie side by side in blocks, so that none costs a pointer, a length,
//! and what an allocator adds to twenty octets.

use super::slab::Slab;
use std::collections::BTreeSet;
use std::num::NonZeroU32;

/// Where a name is in [`Names`]. Not zero, so that it takes no room to say that there is no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::index) struct NameId(NonZeroU32);

/// Places of a block at most: one bit each in [`Block::taken`].
const PLACES: u32 = u64::BITS;
/// Octets of a block, unless one name has more.
const OCTETS: usize = 1024;

/// Names that rows have. A block is given back with its last name, and a new name goes into the first
/// block of its length that has room.
#[derive(Default)]
pub(in crate::index) struct Names {
    blocks: Slab<Block>,
    /// The length and number of each block that has room.
    open: BTreeSet<(usize, u32)>,
}

struct Block {
    octets: Box<[u8]>,
    /// Octets of each name.
    length: usize,
    /// The places that are no room: those with a name, and those that the block does not have.
    taken: u64,
}

impl NameId {
    /// No name yet.
    pub(in crate::index) const NONE: Self = Self(NonZeroU32::MAX);

    fn new(block: u32, place: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(block * PLACES + place))
    }

    fn block_and_place(self) -> (u32, u32) {
        let number = self.0.get() - 1;
        (number / PLACES, number % PLACES)
    }
}

impl Names {
    /// Returns a name; empty where there is none.
    pub(in crate::index) fn get(&self, name: NameId) -> &str {
        let (block, place) = name.block_and_place();
        let block = self.blocks.get(block);
        let octets = block.and_then(|block| block.octets.get(block.range(place)));
        octets.map_or("", |octets| str::from_utf8(octets).unwrap_or_default())
    }

    /// Puts a name in.
    pub(in crate::index) fn add(&mut self, name: &str) -> NameId {
        let length = name.len();
        let mut open = self.open.range((length, 0)..=(length, u32::MAX));
        let number = match open.next() {
            Some((_, number)) => *number,
            None => {
                let number = self.blocks.add(Block::new(length));
                self.open.insert((length, number));
                number
            }
        };
        let Some(block) = self.blocks.get_mut(number) else {
            return NameId::NONE;
        };
        let place = block.taken.trailing_ones();
        block.taken |= 1 << place;
        let range = block.range(place);
        if let Some(octets) = block.octets.get_mut(range) {
            octets.copy_from_slice(name.as_bytes());
        }
        if block.taken == u64::MAX {
            self.open.remove(&(length, number));
        }
        NameId::new(number, place)
    }

    /// Takes a name out that is in.
    pub(in crate::index) fn remove(&mut self, name: NameId) {
        let (number, place) = name.block_and_place();
        let Some(block) = self.blocks.get_mut(number) else {
            return;
        };
        block.taken &= !(1 << place);
        let length = block.length;
        if block.taken == Block::no_place(length) {
            self.blocks.remove(number);
            self.open.remove(&(length, number));
        } else {
            self.open.insert((length, number));
        }
    }
}

impl Block {
    fn new(length: usize) -> Self {
        Self {
            octets: vec![0; Self::places(length) as usize * length].into(),
            length,
            taken: Self::no_place(length),
        }
    }

    /// Returns how many names of a length a block has room for.
    fn places(length: usize) -> u32 {
        let places = OCTETS.checked_div(length).unwrap_or(OCTETS);
        u32::try_from(places).map_or(PLACES, |places| places.clamp(1, PLACES))
    }

    /// Returns the bits of places that a block for this length does not have.
    fn no_place(length: usize) -> u64 {
        u64::MAX.checked_shl(Self::places(length)).unwrap_or(0)
    }

    fn range(&self, place: u32) -> std::ops::Range<usize> {
        let start = place as usize * self.length;
        start..start + self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Names {
        /// Returns how many octets the blocks have.
        pub(in crate::index) fn octets(&self) -> usize {
            self.blocks.iter().map(|(_, b)| b.octets.len()).sum()
        }
    }

    #[test]
    fn a_name_is_read_again_whatever_its_length() {
        let mut names = Names::default();
        let text = |n: usize| format!("{n:0>width$}", width = [1, 22, 63, 253, 1024, 3000][n % 6]);
        let ids: Vec<NameId> = (0..1000).map(|n| names.add(&text(n))).collect();
        let nothing = names.add("");
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(names.get(*id), text(n));
        }
        assert_eq!((names.get(nothing), names.get(NameId::NONE)), ("", ""));
    }

    #[test]
    fn names_that_come_and_go_need_the_room_of_those_that_are_there() {
        let mut names = Names::default();
        let mut held: Vec<NameId> = (0..1000).map(|n| names.add(&format!("{n:022}"))).collect();
        let full = names.octets();
        assert!(full <= 1000 * 22 + 1000 * 22 / 40, "{full}");
        for length in 20..200 {
            held.drain(..).for_each(|id| names.remove(id));
            assert_eq!(names.octets(), 0);
            held.extend((0..1000).map(|n| names.add(&format!("{n:0length$}"))));
        }
        // Every other one makes room for as many.
        let full = names.octets();
        for id in held.iter_mut().step_by(2) {
            names.remove(*id);
            *id = names.add(&"y".repeat(199));
        }
        assert_eq!(names.octets(), full);
        let other = names.add(&"z".repeat(200));
        held.into_iter().for_each(|id| names.remove(id));
        assert_eq!(names.get(other), "z".repeat(200));
        assert_eq!(names.octets(), Block::new(200).octets.len());
    }
}
