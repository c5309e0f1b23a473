//! The `forward` step: which names are asked of which upstreams, and when their reply is not the
//! last word. Not how they are asked: that is the rim's.

use super::UpstreamId;
use crate::wire::{Name, QName, Rcode};

/// One `forward` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardOptions {
    /// `zone`, in lower case: names at or below it are asked.
    pub zone: Name,
    /// `to`: whom to ask.
    pub upstream: UpstreamId,
    /// `next`: with these response codes the next step decides.
    pub next: Vec<Rcode>,
    /// `next_on_nodata`: so with NOERROR without records.
    pub next_on_nodata: bool,
}

impl ForwardOptions {
    /// Returns a table that asks `upstream` for what is in `zone`, and says what it says.
    pub fn new(zone: Name, upstream: UpstreamId) -> Self {
        Self {
            zone,
            upstream,
            next: Vec::new(),
            next_on_nodata: false,
        }
    }

    /// Returns whether this table is for a name.
    pub fn is_for(&self, qname: &QName<'_>) -> bool {
        qname.is_at_or_below(&self.zone, self.zone.label_count())
    }

    /// Returns whether what the upstream said is left to the next step.
    pub fn passes_on(&self, rcode: Rcode, has_answers: bool) -> bool {
        self.next.contains(&rcode)
            || (self.next_on_nodata && rcode == Rcode::NOERROR && !has_answers)
    }
}
