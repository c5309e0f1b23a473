//! What is known of a row beside its object: the version that it was given at, and the last list
//! that named it.

use crate::index::event::Version;

/// A version and a round of lists, in eight octets: a version has 56 bits, for which etcd would
/// have to be written to a million times a second for two thousand years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::index) struct Stamp(u64);

const ROUND: u32 = 56;

impl Stamp {
    pub(in crate::index) fn new(version: Version, round: u8) -> Self {
        Self(version.0 & ((1 << ROUND) - 1) | u64::from(round) << ROUND)
    }

    pub(in crate::index) fn version(self) -> Version {
        Version(self.0 & ((1 << ROUND) - 1))
    }

    pub(in crate::index) fn round(self) -> u8 {
        (self.0 >> ROUND) as u8
    }
}
