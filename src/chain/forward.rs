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
    /// `except`, in lower case: names at or below these are not asked.
    pub except: Vec<Name>,
    /// `clients`: on behalf of whom.
    pub clients: Clients,
    /// `tenants`: only on behalf of these; empty for everybody.
    pub tenants: Vec<Box<str>>,
}

/// On behalf of whom upstreams are asked. Whoever is not listed gets no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clients {
    /// Pods, nodes and configured clients.
    pub cluster: bool,
    /// Addresses that the Internet does not route.
    pub private: bool,
    /// Everybody.
    pub any: bool,
}

impl Default for Clients {
    fn default() -> Self {
        Self {
            cluster: true,
            private: true,
            any: false,
        }
    }
}

impl ForwardOptions {
    /// Returns a table that asks `upstream` for what is in `zone`, and says what it says.
    pub fn new(zone: Name, upstream: UpstreamId) -> Self {
        Self {
            zone,
            upstream,
            next: Vec::new(),
            next_on_nodata: false,
            except: Vec::new(),
            clients: Clients::default(),
            tenants: Vec::new(),
        }
    }

    /// Returns whether this table is for a name.
    pub fn is_for(&self, qname: &QName<'_>) -> bool {
        let is_in = |zone: &Name| qname.is_at_or_below(zone, zone.label_count());
        // The zone's own name is asked whatever is excepted, as in CoreDNS.
        let is_excepted = || qname.lower() != self.zone.as_wire() && self.except.iter().any(is_in);
        is_in(&self.zone) && !is_excepted()
    }

    /// Returns whether what the upstream said is left to the next step.
    pub fn passes_on(&self, rcode: Rcode, has_answers: bool) -> bool {
        self.next.contains(&rcode)
            || (self.next_on_nodata && rcode == Rcode::NOERROR && !has_answers)
    }
}
