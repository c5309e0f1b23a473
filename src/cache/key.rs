//! What an answer is kept under: everything that it may depend on, and nothing else.

use crate::wire::{MAX_NAME, OPTION_ECS, QClass, QName, QNameBuffer, Query, RType};
use arrayvec::ArrayVec;

/// Octets in front of the name.
const FRONT: usize = 16;

/// A question as the cache tells it from others: the upstreams that answer it, whose it is where
/// tenants are kept apart, DO, CD, class, type and the name in lower case.
#[derive(Debug, Clone)]
pub struct Key {
    bytes: ArrayVec<u8, { FRONT + MAX_NAME }>,
    partition: Partition,
}

/// Whose answers these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// The upstreams that are asked: answers of others are others.
    pub upstream: u16,
    /// The tenant, as a number that stays; the same for all where they share.
    pub tenant: u64,
}

impl Key {
    /// Returns the key of asking for `qname` (in wire form) and `qtype` on behalf of `query`; `None`
    /// where the answer may depend on who asks, so that it is neither kept nor looked up.
    pub(super) fn new(
        partition: Partition,
        query: &Query<'_>,
        qname: &[u8],
        qtype: RType,
    ) -> Option<Self> {
        // Upstreams tailor answers to the subnet that a client says it is in (RFC 7871).
        if query.edns.is_some_and(|edns| edns.may_have(OPTION_ECS)) {
            return None;
        }
        let mut buffer = QNameBuffer::default();
        let (name, _) = QName::parse(qname, &mut buffer)?;
        let dnssec_ok = query.edns.is_some_and(|edns| edns.dnssec_ok);
        let flags = u16::from(dnssec_ok) | u16::from(query.header.checking_disabled()) << 1;
        let mut bytes = ArrayVec::new();
        for part in [
            &partition.tenant.to_be_bytes()[..],
            &partition.upstream.to_be_bytes(),
            &flags.to_be_bytes(),
            &QClass::IN.0.to_be_bytes(),
            &qtype.0.to_be_bytes(),
            name.lower(),
        ] {
            bytes.try_extend_from_slice(part).ok()?;
        }
        Some(Self { bytes, partition })
    }

    /// Returns whose answers it is about.
    pub fn partition(&self) -> Partition {
        self.partition
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the name, in lower case.
    pub(super) fn name(&self) -> &[u8] {
        self.bytes.get(FRONT..).unwrap_or(&[])
    }
}
