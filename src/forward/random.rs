//! Random numbers that nobody can foretell: message IDs, and the order of upstreams.

use ring_crypto::rand::{SecureRandom, SystemRandom};
use std::cell::RefCell;

/// Octets taken from the kernel at once: a call costs more than a few of them.
const BATCH: usize = 512;

/// Random numbers of the kernel's.
pub(super) struct Random {
    source: SystemRandom,
    batch: RefCell<([u8; BATCH], usize)>,
}

impl Random {
    pub(super) fn new() -> Self {
        Self {
            source: SystemRandom::new(),
            batch: RefCell::new(([0; BATCH], BATCH)),
        }
    }

    fn octets<const N: usize>(&self) -> [u8; N] {
        let (octets, used) = &mut *self.batch.borrow_mut();
        if *used + N > BATCH {
            self.source
                .fill(octets)
                .expect("the kernel has random octets");
            *used = 0;
        }
        let mut taken = [0; N];
        taken.copy_from_slice(&octets[*used..*used + N]);
        // What was taken is taken once, and not left behind.
        octets[*used..*used + N].fill(0);
        *used += N;
        taken
    }

    /// Returns a message ID.
    pub(super) fn id(&self) -> u16 {
        u16::from_be_bytes(self.octets())
    }

    /// Returns a number.
    pub(super) fn number(&self) -> u64 {
        u64::from_be_bytes(self.octets())
    }

    /// Returns a number below `end`, which is small.
    pub(super) fn below(&self, end: usize) -> usize {
        match end {
            0 | 1 => 0,
            // The rest of a division of 64 bits by so little leans to nothing that counts.
            _ => (self.number() % end as u64) as usize,
        }
    }
}
