//! About how many different names one client asked for, in 64 octets.

/// Linear counting (Whang et al., 1990): each name sets one of 512 bits, and how many are set says
/// how many names there were. It is never more than there were, and within a few percent up to
/// [`Sketch::MOST`].
#[derive(Debug, Clone, Default)]
pub(super) struct Sketch {
    bits: [u64; WORDS],
    ones: u32,
}

const WORDS: usize = 8;
const BITS: u32 = WORDS as u32 * 64;

impl Sketch {
    /// The greatest number that can be told from a greater one.
    pub(super) const MOST: u32 = 2000;

    /// Adds a name by its hash, and returns whether the count has grown.
    pub(super) fn insert(&mut self, hash: u64) -> bool {
        // The upper bits, which every octet of the name has reached.
        let bit = (hash >> 32) as u32 % BITS;
        let word = &mut self.bits[(bit / 64) as usize];
        let before = *word;
        *word |= 1 << (bit % 64);
        let is_new = *word != before;
        self.ones += u32::from(is_new);
        is_new
    }

    /// Returns how many bits are set.
    pub(super) fn ones(&self) -> u32 {
        self.ones
    }

    /// Returns how many bits so many names set on the average.
    pub(super) fn ones_of(names: u32) -> u32 {
        let share = f64::from(names) / f64::from(BITS);
        let ones = f64::from(BITS) * -(-share).exp_m1();
        // Not all of them: that more names would set is not seen.
        (ones.ceil() as u32).min(BITS - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::hash;
    use super::*;

    fn after(names: u32, seed: u64) -> Sketch {
        let mut sketch = Sketch::default();
        for n in 0..names {
            let name = format!("\x05n{n:04}\x04shop\x03svc\x07cluster\x05local\0");
            sketch.insert(hash(seed, name.as_bytes()));
        }
        sketch
    }

    #[test]
    fn the_bits_say_the_names_within_a_fifth() {
        for seed in (0..20).chain([u64::MAX, 1 << 63]) {
            for names in [20, 100, 256, 500, 1000, Sketch::MOST] {
                let ones = after(names, seed).ones();
                let (few, many) = (names - names / 5, names + names / 5);
                assert!(
                    ones >= Sketch::ones_of(few),
                    "{names} names, seed {seed}: {ones}"
                );
                assert!(
                    ones <= Sketch::ones_of(many),
                    "{names} names, seed {seed}: {ones}"
                );
            }
        }
    }

    #[test]
    fn a_name_counts_once() {
        let mut sketch = after(30, 1);
        let before = sketch.ones();
        for n in 0..30 {
            let name = format!("\x05N{n:04}\x04sHOP\x03svc\x07cluster\x05local\0");
            assert!(
                !sketch.insert(hash(1, name.as_bytes())),
                "letter case is no name"
            );
        }
        assert_eq!(sketch.ones(), before);
    }

    #[test]
    fn a_full_sketch_is_above_every_threshold() {
        assert!(Sketch::ones_of(Sketch::MOST) < BITS);
        assert_eq!(Sketch::ones_of(u32::MAX), BITS - 1);
        assert_eq!(Sketch::ones_of(0), 0);
    }
}
