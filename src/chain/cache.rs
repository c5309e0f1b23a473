//! The `cache` step, as far as answers that are never kept are concerned: their TTLs are within its
//! bounds, too. Keeping upstreams' answers is not here.

use crate::wire::{Lifetimes, Name, QName};
use crate::zone::{self, Soa, SoaTtls};

/// A `cache` table, for answers that are not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheOptions {
    /// `zones`, in lower case: names at or below these.
    pub zones: Vec<Name>,
    /// What TTLs are within.
    pub lifetimes: Lifetimes,
}

impl CacheOptions {
    /// Returns whether it is for a name.
    pub fn is_for(&self, qname: &QName<'_>) -> bool {
        qname.longest_suffix(&self.zones).is_some()
    }

    /// Gives a zone the TTLs that its answers are to have, so that nobody changes them one by one.
    /// Returns whether it could: it is for all names of the zone.
    pub(super) fn settle(&self, options: &mut zone::Options) -> bool {
        let is_below = |origin: &Name| self.zones.iter().any(|zone| origin.is_at_or_below(zone));
        if !options.origins.iter().all(is_below) {
            return false;
        }
        let minimum = options.ttl;
        options.ttl = self.lifetimes.of_answers(minimum);
        options.soa = Some(SoaTtls {
            minimum,
            denial: self.lifetimes.of_denials(Soa::new(minimum, 0).ttl),
        });
        true
    }
}
