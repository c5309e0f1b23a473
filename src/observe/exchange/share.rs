//! Which part of the answers is copied: each by chance, so that no pattern of questions escapes it.

use std::hash::{BuildHasher, RandomState};

/// A part of all answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(u64);

impl Share {
    /// All of them.
    pub const ALL: Self = Self(u64::MAX);

    /// Returns a part between 0 and 1.
    pub fn of(part: f64) -> Self {
        // What is out of range becomes the bound that is next to it.
        Self((part * 2_f64.powi(64)) as u64)
    }
}

/// One thread's chance: splitmix64. Not for secrets.
#[derive(Debug)]
pub(super) struct Chance {
    share: Share,
    state: u64,
}

impl Chance {
    pub(super) fn new(share: Share) -> Self {
        Self {
            share,
            state: RandomState::new().hash_one(0),
        }
    }

    /// Returns whether the next answer is one of them.
    #[inline]
    pub(super) fn takes(&mut self) -> bool {
        if self.share == Share::ALL {
            return true;
        }
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) < self.share.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_so_many_are_taken() {
        for (part, expected) in [
            (0.0, 0..=0),
            (0.01, 700..=1300),
            (0.5, 49_000..=51_000),
            (1.0, 100_000..=100_000),
            (2.0, 100_000..=100_000),
            (-1.0, 0..=0),
            (f64::NAN, 0..=0),
        ] {
            let mut chance = Chance::new(Share::of(part));
            // Fixed, so that the test is about the arithmetic and not about luck.
            chance.state = 1;
            let taken = (0..100_000).filter(|_| chance.takes()).count();
            assert!(expected.contains(&taken), "{part}: {taken}");
        }
    }
}
