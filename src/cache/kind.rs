//! What a reply is to the question that it answers, and with that where it is kept and for how long:
//! CoreDNS's `response.Typify` and `cache.key`, on wire bytes.

use super::options::Options;
use crate::wire::{Message, MessageRecord, NameBuf, QClass, RType, Rcode, Section, eq_ignore_case};
use std::time::Duration;

/// The half of a cache that a reply is kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Answers.
    Success,
    /// Denials and failures.
    Denial,
}

impl Kept {
    pub(super) fn half(self) -> usize {
        self as usize
    }
}

/// What a reply says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What was asked for, or nothing that says otherwise.
    Positive,
    /// Who else is to be asked.
    Delegation,
    /// NXDOMAIN, or that the name has no such records.
    Negative,
    /// SERVFAIL or NOTIMP.
    Failure,
    /// Another error.
    Other,
}

/// The TTL where no record's counts (CoreDNS's `MinimalDefaultTTL`).
const NO_RECORD_TTL: u32 = 5;

/// CNAMEs followed from the QNAME at most; a longer chain leads nowhere.
const MAX_HOPS: usize = 32;

impl Kind {
    /// Returns what a reply says, and whether it may be kept. What is cut may not be, nor what denies
    /// without saying for how long: NXDOMAIN without SOA, or CNAMEs that end before the type that was
    /// asked for.
    pub fn of(message: &Message<'_>) -> (Self, bool) {
        let rcode = message.rcode();
        let (mut has_answers, mut has_soa, mut has_ns) = (false, false, false);
        for record in message.records() {
            has_answers |= record.section == Section::Answer;
            let in_authority = record.section == Section::Authority;
            has_soa |= in_authority && record.rtype == RType::SOA;
            has_ns |= in_authority && record.rtype == RType::NS;
        }
        let reaches = !has_answers || reaches_its_type(message);
        let (kind, may_be_kept) = match rcode {
            Rcode::NOERROR if has_answers && reaches => (Self::Positive, true),
            Rcode::NOERROR if has_soa => (Self::Negative, true),
            Rcode::NOERROR if has_answers => (Self::Positive, false),
            Rcode::NOERROR if has_ns => (Self::Delegation, true),
            Rcode::NOERROR => (Self::Positive, true),
            Rcode::NXDOMAIN if has_answers => (Self::Other, false),
            Rcode::NXDOMAIN => (Self::Negative, has_soa),
            Rcode::SERVFAIL | Rcode::NOTIMP => (Self::Failure, true),
            _ => (Self::Other, false),
        };
        (kind, may_be_kept && !message.header().truncated())
    }

    /// Returns the half that such a reply is kept in.
    pub(super) fn half(self) -> Kept {
        match self {
            Self::Positive | Self::Delegation | Self::Other => Kept::Success,
            Self::Negative | Self::Failure => Kept::Denial,
        }
    }

    /// Returns the TTL that all records of such a message get: within what the options allow.
    pub(super) fn ttl(self, message: &Message<'_>, options: &Options) -> u32 {
        let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        let (half, own) = match self {
            Self::Failure => return seconds(options.servfail),
            Self::Negative => (&options.denial, true),
            Self::Positive => (&options.success, true),
            Self::Delegation | Self::Other => (&options.success, false),
        };
        let least = match own {
            true => least_ttl(message, half.ttl),
            false => NO_RECORD_TTL,
        };
        least.max(seconds(half.min_ttl)).min(seconds(half.ttl))
    }
}

/// Returns the least TTL of a message's records, at most `most`.
fn least_ttl(message: &Message<'_>, most: Duration) -> u32 {
    let most = u32::try_from(most.as_secs()).unwrap_or(u32::MAX);
    let ttls = message
        .records()
        .filter(|record| record.rtype != RType::OPT)
        // RFC 2181 section 8: with the first bit set it is zero.
        .map(|record| if record.ttl >> 31 == 1 { 0 } else { record.ttl });
    ttls.min().map_or(NO_RECORD_TTL, |least| least.min(most))
}

/// Returns whether the answer section holds what was asked for, at the end of the CNAMEs that start
/// at the QNAME. An owner with two targets and a loop lead nowhere.
fn reaches_its_type(message: &Message<'_>) -> bool {
    let question = message.question();
    let mut name = question.qname.clone();
    let answers = || {
        let class = question.qclass;
        message
            .records()
            .take_while(|record| record.section == Section::Answer)
            .filter(move |record| class == QClass::ANY || record.class == class)
    };
    let owned_by = |record: &MessageRecord, name: &NameBuf| {
        let owner = message.name_at(record.owner_at);
        owner.is_some_and(|owner| eq_ignore_case(owner.as_wire(), name.as_wire()))
    };
    if question.qtype == RType::ANY {
        return answers().any(|record| owned_by(&record, &name));
    }
    for _ in 0..MAX_HOPS {
        let (mut target, mut found): (Option<NameBuf>, bool) = (None, false);
        for record in answers() {
            let is_alias = record.rtype == RType::CNAME;
            if !is_alias && record.rtype != question.qtype || !owned_by(&record, &name) {
                continue;
            }
            found |= record.rtype == question.qtype;
            if is_alias {
                let Some(next) = message.name_at(record.rdata.start) else {
                    return false;
                };
                let other = |known: &NameBuf| !eq_ignore_case(known.as_wire(), next.as_wire());
                if target.as_ref().is_some_and(other) {
                    return false;
                }
                target = Some(next);
            }
        }
        match target {
            _ if question.qtype == RType::CNAME => return found,
            Some(next) => name = next,
            None => return found,
        }
    }
    false
}
