//! What a thread has noted a moment ago: a client that asks for one name again and again tells nothing
//! new. Not a count, and not exact: what is forgotten is noted once more, which changes no count of
//! different names, and what is asked for again just after a minute has begun counts to the one before.

/// Marks, as a table that newer ones overwrite: 16 KiB.
const MARKS: usize = 8192;
/// How long marks count, in milliseconds, as a power of two: a quarter of a minute. What is asked for all
/// the time is noted some times in each.
const MOMENT: u32 = 14;

/// The names that were noted in this moment, each with its client.
#[derive(Debug)]
pub(super) struct Recent {
    marks: Box<[u16; MARKS]>,
    /// The place of the name that was asked about last.
    last: usize,
}

impl Default for Recent {
    fn default() -> Self {
        Self {
            marks: Box::new([0; MARKS]),
            last: 0,
        }
    }
}

impl Recent {
    /// Returns whether a name is to be noted for a client, whose address is two words: unless that was done a
    /// moment ago. One in 65,536 is taken for another. `now` is in milliseconds.
    #[inline(always)]
    pub(super) fn is_new(&mut self, name: u64, [high, low]: [u64; 2], now: u64) -> bool {
        // Of splitmix64. The names' hashes are keyed; the client spreads them.
        const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
        let mixed = (name ^ low ^ high.rotate_left(32)).wrapping_mul(MULTIPLIER);
        let mark = (mixed >> 48) as u16 ^ (now >> MOMENT) as u16;
        self.last = (mixed >> 32) as usize % MARKS;
        match self.marks.get_mut(self.last) {
            Some(place) => std::mem::replace(place, mark) != mark,
            None => true,
        }
    }

    /// Forgets the name that was asked about last: it could not be noted.
    #[cold]
    pub(super) fn forget(&mut self) {
        if let Some(place) = self.marks.get_mut(self.last) {
            *place = !*place;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_noted_once_a_moment_for_each_client() {
        let mut recent = Recent::default();
        let [one, other] = [[0, 0xffff_0a00_0001], [1 << 40, 0xffff_0a00_0001]];
        assert!(recent.is_new(5, one, 0));
        assert!(!recent.is_new(5, one, 1 << (MOMENT - 1)));
        assert!(recent.is_new(5, other, 0) && recent.is_new(6, one, 0));
        assert!(
            !recent.is_new(5, other, 0),
            "the other's does not count for it"
        );
        assert!(recent.is_new(5, one, 1 << MOMENT), "a moment later");
        recent.forget();
        assert!(recent.is_new(5, one, 1 << MOMENT), "it could not be noted");
    }

    #[test]
    fn hardly_a_name_of_many_is_taken_for_another() {
        let mut recent = Recent::default();
        let names = (0..100_000u64).map(|n| n.wrapping_mul(0xbf58_476d_1ce4_e5b9) | 1);
        let new = names.filter(|name| recent.is_new(*name, [0, 7], 0)).count();
        assert!(new > 99_950, "{new}");
    }

    #[test]
    fn most_of_some_thousand_names_are_remembered() {
        let mut recent = Recent::default();
        let names = |n: u64| n.wrapping_mul(0xbf58_476d_1ce4_e5b9) | 1;
        let mut new = || {
            (0..4_000)
                .filter(|n| recent.is_new(names(*n), [0, 7], 0))
                .count()
        };
        let (first, again) = (new(), new());
        assert!(first > 3_990 && again < 1_600, "{first} {again}");
    }
}
