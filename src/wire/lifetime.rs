//! What a reply says, and with that for how long it may be believed: CoreDNS's `response.Typify` and
//! the TTLs of its `cache`, on wire bytes. Not where anything is kept.

use super::{
    Message, MessageRecord, NameBuf, QClass, RType, Rcode, Section, eq_ignore_case, set_ttls,
};

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

/// What the TTLs of messages are within, by what they say; seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Of answers: at least, and at most, which wins.
    pub success: (u32, u32),
    /// Of denials.
    pub denial: (u32, u32),
    /// Of failures.
    pub failure: u32,
}

impl Lifetimes {
    /// Returns the TTL that all records of such a message get: the least that one has, within these.
    pub fn ttl(&self, kind: Kind, message: &Message<'_>) -> u32 {
        let own = || least_ttl(message);
        match kind {
            Kind::Failure => self.failure,
            Kind::Negative => self.of_denials(own()),
            Kind::Positive => self.of_answers(own()),
            Kind::Delegation | Kind::Other => self.of_answers(NO_RECORD_TTL),
        }
    }

    /// Returns what becomes of this TTL in an answer.
    pub fn of_answers(&self, ttl: u32) -> u32 {
        ttl.max(self.success.0).min(self.success.1)
    }

    /// Returns what becomes of this TTL in a denial.
    pub fn of_denials(&self, ttl: u32) -> u32 {
        ttl.max(self.denial.0).min(self.denial.1)
    }

    /// Gives all records of a message the TTL that they are to have. What can't be read stays as it is.
    pub fn apply(&self, message: &mut [u8]) {
        let Some(read) = Message::parse(message) else {
            return;
        };
        if self.holds(&read) {
            return;
        }
        let ttl = self.ttl(Kind::of(&read).0, &read);
        set_ttls(message, ttl);
    }

    /// Returns whether a message has one TTL already, which stays whatever it says.
    fn holds(&self, message: &Message<'_>) -> bool {
        let mut ttls = message
            .records()
            .filter(|record| record.rtype != RType::OPT)
            .map(|record| record.ttl);
        let fails = !matches!(message.rcode(), Rcode::NOERROR | Rcode::NXDOMAIN);
        !fails
            && ttls.next().is_none_or(|first| {
                let stays = self.of_answers(first) == first && self.of_denials(first) == first;
                stays && ttls.all(|ttl| ttl == first)
            })
    }
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
}

/// Returns whether a message holds what it was asked for, behind aliases or at once.
pub fn answers_its_question(message: &Message<'_>) -> bool {
    message.rcode() == Rcode::NOERROR && reaches_its_type(message)
}

/// Returns the least TTL of a message's records.
fn least_ttl(message: &Message<'_>) -> u32 {
    let ttls = message
        .records()
        .filter(|record| record.rtype != RType::OPT)
        // RFC 2181 section 8: with the first bit set it is zero.
        .map(|record| if record.ttl >> 31 == 1 { 0 } else { record.ttl });
    ttls.min().unwrap_or(NO_RECORD_TTL)
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
