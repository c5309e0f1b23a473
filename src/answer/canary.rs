//! The names by which a cache in front is noticed. Their answers differ each time: whoever gets the
//! same one twice was answered by a cache, which would do the same with what another tenant was told.
//! Caches keep what exists and what does not apart, so that there is a name for each. Who asks is
//! [`crate::canary`].

use super::{Asked, By, Outcome, finish};
use crate::chain::{BlockId, Plugin, Step, ZoneId};
use crate::wire::{Owner, RType, Rcode, ResponseBuilder, Section};
use crate::zone::{Origin, Zone};

/// The second label of names that exist: TXT is one string, new each time.
pub const CANARY: &[u8] = b"canary";
/// The second label of names that don't: the serial of their SOA is new each time.
pub const ABSENT_CANARY: &[u8] = b"no-canary";
/// The third label of both, below which the origin follows.
pub const CANARY_PARENT: &[u8] = b"tenantdns";

/// Which canary is asked for.
pub(super) struct Found<'s> {
    block: BlockId,
    id: ZoneId,
    zone: &'s Zone,
    origin: &'s Origin,
    exists: bool,
}

/// Returns the canary that a query is for. There is none where nothing is ever hidden.
pub(super) fn find<'s>(asked: &Asked<'s>) -> Option<Found<'s>> {
    let (snapshot, qname) = (asked.snapshot, &asked.query.qname);
    if asked.query.qtype != RType::TXT || qname.label(2) != Some(CANARY_PARENT) {
        return None;
    }
    let exists = match qname.label(1)? {
        CANARY => true,
        ABSENT_CANARY => false,
        _ => return None,
    };
    let block = asked.select(qname)?;
    let (id, zone, origin) = block.steps().iter().find_map(|step| match step {
        Step::Kubernetes(id) => {
            let zone = snapshot.zone(*id)?;
            Some((*id, zone, zone.origin(qname)?))
        }
        _ => None,
    })?;
    let is_canary = qname.label_count() == origin.labels + 3;
    (is_canary && snapshot.view(asked.client).tells_who_asks()).then_some(Found {
        block: block.id(),
        id,
        zone,
        origin,
        exists,
    })
}

/// Answers with random bits, and a TTL like that of any other answer.
pub(super) fn answer(asked: &Asked<'_>, found: &Found<'_>, most: usize, out: &mut [u8]) -> Outcome {
    let most = most.min(out.len());
    let mut builder = ResponseBuilder::new(asked.query, most, out);
    let entropy = asked.request.entropy;
    builder.set_authoritative();
    // Either fits: a question and 40 octets, or a SOA, are under 512.
    if found.exists {
        let ttl = found.zone.options().ttl;
        let text = hexadecimal(entropy);
        let _ = builder.push_record(Owner::QName, RType::TXT, ttl, &[&[16], &text]);
    } else {
        builder.set_rcode(Rcode::NXDOMAIN);
        builder.section(Section::Authority);
        let mut soa = found.zone.soa();
        // The upper half: the lower one also says where rotations start.
        let [serial, ..] = &mut soa.numbers;
        *serial = (entropy >> 32) as u32;
        let qname = &asked.query.qname;
        let at = qname.suffix_offset(found.origin.labels).unwrap_or(0);
        let _ = builder.push_soa(at, soa.ttl, soa.numbers);
    }
    let class = asked.snapshot.view(asked.client).class();
    let by = By {
        block: Some(found.block),
        plugin: Some(Plugin::Kubernetes),
        zone: Some((found.id, class)),
        ..By::default()
    };
    finish(builder, asked, by)
}

fn hexadecimal(bits: u64) -> [u8; 16] {
    let mut text = [0; 16];
    for (at, digit) in text.iter_mut().enumerate() {
        let nibble = (bits >> (60 - 4 * at)) & 0xf;
        *digit = b"0123456789abcdef"
            .get(nibble as usize)
            .copied()
            .unwrap_or(b'0');
    }
    text
}
