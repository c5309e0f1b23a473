//! One upstream reply, made ready to be given to many clients: octets without OPT, and where its TTLs
//! stand, so that giving it is a copy and a few patches.

use super::options::Options;
use crate::wire::{
    HEADER_LEN, Header, Kind, Message, Query, Rcode, Section, answers_its_question, append_opt,
};

const QR: u16 = 0x8000;
const AA: u16 = 0x0400;
const TC: u16 = 0x0200;
const RD: u16 = 0x0100;
const RA: u16 = 0x0080;
const AD: u16 = 0x0020;
const CD: u16 = 0x0010;

/// A reply that can be given again.
#[derive(Debug)]
pub struct Answer {
    bytes: Box<[u8]>,
    /// Where each record's TTL stands. A message has 65,535 octets at most.
    ttls: Box<[u16]>,
    /// Octets of the question's name.
    qname: usize,
    pub(super) kind: Kind,
    pub(super) may_be_kept: bool,
    rcode: Rcode,
    /// Whether it holds what was asked for, all of it.
    pub(super) is_found: bool,
    /// What all of its records have as their TTL, in seconds.
    pub(super) ttl: u32,
}

/// How an answer is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// As it came, from the upstream.
    First,
    /// From the cache, with this TTL.
    Again(u32),
}

impl Answer {
    /// Reads an upstream's reply. Its records get one TTL (as CoreDNS gives them), and it loses its OPT
    /// record, which is between two servers, with whatever stands behind that.
    pub fn read(message: &Message<'_>, options: &Options) -> Self {
        let (kind, may_be_kept) = Kind::of(message);
        let ttl = options.lifetimes().ttl(kind, message);
        let end = message.opt().map_or(usize::MAX, |opt| opt.owner_at);
        let whole = message.bytes();
        let mut bytes: Box<[u8]> = whole.get(..end).unwrap_or(whole).into();
        let (mut ttls, mut additional) = (Vec::new(), 0u16);
        for record in message.records().take_while(|r| r.owner_at < end) {
            ttls.extend(u16::try_from(record.ttl_at));
            additional += u16::from(record.section == Section::Additional);
        }
        if let Some(count) = bytes.get_mut(10..HEADER_LEN) {
            count.copy_from_slice(&additional.to_be_bytes());
        }
        stamp(&mut bytes, &ttls, ttl);
        Self {
            bytes,
            ttls: ttls.into(),
            qname: message.question().qname.as_wire().len(),
            kind,
            may_be_kept,
            rcode: message.rcode(),
            is_found: kind == Kind::Positive && may_be_kept && answers_its_question(message),
            ttl,
        }
    }

    /// Writes the reply for `query` to the front of `out`, and returns its length; `None` where there
    /// is no room. The ID is for whoever sends it, and so is the client's limit.
    pub fn write(&self, query: &Query<'_>, given: Given, out: &mut [u8]) -> Option<usize> {
        let length = self.bytes.len();
        let room = out.get_mut(..length)?;
        room.copy_from_slice(&self.bytes);
        // The name as this client spelled it, which may be a secret of its (0x20).
        let question = room.get_mut(HEADER_LEN..HEADER_LEN + self.qname);
        if let Some(name) = question
            && name.eq_ignore_ascii_case(query.qname.as_wire())
        {
            name.copy_from_slice(query.qname.as_wire());
        }
        let dnssec_ok = query.edns.map(|edns| edns.dnssec_ok);
        let flags = self.flags(query.header, given, dnssec_ok == Some(true));
        if let Some(words) = room.get_mut(2..4) {
            words.copy_from_slice(&flags.to_be_bytes());
        }
        if let Given::Again(ttl) = given {
            stamp(room, &self.ttls, ttl);
        }
        Some(match dnssec_ok {
            Some(dnssec_ok) => append_opt(out, length, self.rcode, dnssec_ok),
            None => length,
        })
    }

    /// Returns the header's flags: those of the upstream, or, from the cache, with AA and the query's
    /// RD and CD; AD for those who asked for it (RFC 6840 section 5.8).
    fn flags(&self, query: Header, given: Given, dnssec_ok: bool) -> u16 {
        let from = self.bytes.get(2..4).map_or(0, |word| {
            word.iter()
                .fold(0, |sum, octet| sum << 8 | u16::from(*octet))
        });
        let bit = |is: bool, bit: u16| if is { bit } else { 0 };
        let authentic = from & AD & bit(dnssec_ok || query.authentic_data(), AD);
        let rcode = from & 0xf;
        match given {
            Given::First => from & (QR | AA | TC | RD | RA | CD) | authentic | rcode,
            Given::Again(_) => {
                let asked = bit(query.recursion_desired(), RD) | bit(query.checking_disabled(), CD);
                QR | AA | from & RA | asked | authentic | rcode
            }
        }
    }

    /// Returns the response code.
    pub fn rcode(&self) -> Rcode {
        self.rcode
    }

    /// Returns what all of its records have as their TTL, in seconds.
    pub fn ttl(&self) -> u32 {
        self.ttl
    }

    /// Returns the octets that it takes in memory.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.bytes.len() + 2 * self.ttls.len()
    }
}

/// Writes one TTL into every record.
fn stamp(bytes: &mut [u8], ttls: &[u16], ttl: u32) {
    for &at in ttls {
        let at = usize::from(at);
        if let Some(room) = bytes.get_mut(at..at + 4) {
            room.copy_from_slice(&ttl.to_be_bytes());
        }
    }
}
