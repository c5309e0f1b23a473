//! Reading the answer section of an upstream's reply, names decompressed. Only what a chased alias
//! needs: which records there are, not whether they are right for the question.

use super::header::{HEADER_LEN, Header};
use super::name::{MAX_LABEL, NameBuf};
use super::{QClass, RType};

/// Pointers followed in one name at most: more than any name has labels.
const MAX_POINTERS: usize = 126;

/// Types whose RDATA holds names beside other data, or two, which may be compressed (RFC 1035
/// section 3.3) or must be decompressed by whoever reads them (RFC 3597 section 4): MD, MF, SOA, MB,
/// MG, MR, MINFO, MX, RP, AFSDB, RT, SIG, PX, NXT, SRV, NAPTR. Their octets mean nothing in another
/// message.
const NAMES_INSIDE: [u16; 16] = [3, 4, 6, 7, 8, 9, 14, 15, 17, 18, 21, 24, 26, 30, 33, 35];

/// A reply whose answer section can be read.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    message: &'a [u8],
    /// The reply's header.
    pub header: Header,
    answers_at: usize,
}

/// One record of a reply.
pub struct ReplyRecord<'a> {
    /// Its owner.
    pub owner: NameBuf,
    /// Its type.
    pub rtype: RType,
    /// Its TTL in seconds.
    pub ttl: u32,
    /// Its RDATA.
    pub rdata: ReplyData<'a>,
}

/// RDATA that can stand in another message.
#[allow(
    clippy::large_enum_variant,
    reason = "lives on the stack for one record"
)]
pub enum ReplyData<'a> {
    /// Octets without a name in them.
    Octets(&'a [u8]),
    /// One name.
    Name(NameBuf),
}

impl<'a> Reply<'a> {
    /// Reads the header and the question of a reply, or returns `None` where it is none.
    pub fn parse(message: &'a [u8]) -> Option<Self> {
        let header = Header::parse(message).filter(|h| h.is_response())?;
        let mut at = HEADER_LEN;
        let [questions, ..] = header.counts;
        for _ in 0..questions {
            at = read_name(message, at)?.1 + 4;
        }
        Some(Self {
            message,
            header,
            answers_at: at,
        })
    }

    /// Returns the records of the answer section that can stand in another message: those of class
    /// IN whose RDATA has no name or is one. Ends at the first that can't be read.
    pub fn answers(self) -> impl Iterator<Item = ReplyRecord<'a>> {
        let [_, count, ..] = self.header.counts;
        let mut at = self.answers_at;
        (0..count)
            .map_while(move |_| self.record(&mut at))
            .flatten()
    }

    /// Returns the types of the records in the authority section of a reply without answers, up to the
    /// first that can't be read; none where there are answers.
    pub fn authority_types(self) -> impl Iterator<Item = RType> {
        let [_, answers, authority, _] = self.header.counts;
        let count = if answers == 0 { authority } else { 0 };
        let mut at = self.answers_at;
        (0..count).map_while(move |_| {
            let (_, fixed_at) = read_name(self.message, at)?;
            let fixed = self.message.get(fixed_at..)?.first_chunk::<10>()?;
            let [t0, t1, .., n0, n1] = *fixed;
            at = fixed_at + 10 + usize::from(u16::from_be_bytes([n0, n1]));
            Some(RType(u16::from_be_bytes([t0, t1])))
        })
    }

    /// Returns the serial of the SOA record that comes first in the authority section, where one does
    /// and there are no answers: that of a negative answer.
    pub fn soa_serial(self) -> Option<u32> {
        let [_, answers, authority, _] = self.header.counts;
        if answers > 0 || authority == 0 {
            return None;
        }
        let (_, fixed_at) = read_name(self.message, self.answers_at)?;
        let fixed = self.message.get(fixed_at..)?.first_chunk::<10>()?;
        let [t0, t1, ..] = *fixed;
        if RType(u16::from_be_bytes([t0, t1])) != RType::SOA {
            return None;
        }
        let (_, mailbox_at) = read_name(self.message, fixed_at + 10)?;
        let (_, serial_at) = read_name(self.message, mailbox_at)?;
        let serial = self.message.get(serial_at..)?.first_chunk::<4>()?;
        Some(u32::from_be_bytes(*serial))
    }

    /// Returns the record at `at`, and moves behind it. The inner `None` is one to leave out.
    fn record(self, at: &mut usize) -> Option<Option<ReplyRecord<'a>>> {
        let (owner, fixed_at) = read_name(self.message, *at)?;
        let fixed = self.message.get(fixed_at..)?.first_chunk::<10>()?;
        let [t0, t1, c0, c1, l0, l1, l2, l3, n0, n1] = *fixed;
        let start = fixed_at + 10;
        let end = start + usize::from(u16::from_be_bytes([n0, n1]));
        let octets = self.message.get(start..end)?;
        *at = end;
        let rtype = RType(u16::from_be_bytes([t0, t1]));
        let rdata = match rtype {
            RType::CNAME | RType::NS | RType::PTR => {
                let (name, after) = read_name(self.message, start)?;
                (after == end).then_some(ReplyData::Name(name))
            }
            RType::A if octets.len() == 4 => Some(ReplyData::Octets(octets)),
            RType::AAAA if octets.len() == 16 => Some(ReplyData::Octets(octets)),
            RType::A | RType::AAAA => None,
            other if NAMES_INSIDE.contains(&other.0) => None,
            _ => Some(ReplyData::Octets(octets)),
        };
        let internet = u16::from_be_bytes([c0, c1]) == QClass::IN.0;
        let ttl = u32::from_be_bytes([l0, l1, l2, l3]);
        Some(rdata.filter(|_| internet).map(|rdata| ReplyRecord {
            owner,
            rtype,
            ttl,
            rdata,
        }))
    }
}

/// Reads a name of a message, which may be compressed; pointers lead strictly back. Returns it with
/// the offset of what follows it.
pub fn read_name(message: &[u8], start: usize) -> Option<(NameBuf, usize)> {
    let mut name = NameBuf::new();
    let mut at = start;
    let mut after = None;
    let mut pointers = 0;
    loop {
        let len = *message.get(at)?;
        match usize::from(len) {
            0 => {
                name.push_wire(&[0]).ok()?;
                return Some((name, after.unwrap_or(at + 1)));
            }
            label @ 1..=MAX_LABEL => {
                name.push_label(message.get(at + 1..at + 1 + label)?).ok()?;
                at += 1 + label;
            }
            0xc0.. => {
                let low = *message.get(at + 1)?;
                let target = usize::from(u16::from_be_bytes([len & 0x3f, low]));
                after = after.or(Some(at + 2));
                pointers += 1;
                if target >= at || pointers > MAX_POINTERS {
                    return None;
                }
                at = target;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_serial_of_a_negative_answer_is_read_or_there_is_none() {
        let soa = b"\x03\0\0\x06\0\x01\0\0\0\x05\0\x16\0\0\x0a\x0b\x0c\x0d\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        let head = b"\0\x01\x84\x03\0\x01\0\0\0\x01\0\0\x01a\0\0\x10\0\x01";
        let serial = |bytes: &[u8]| Reply::parse(bytes).and_then(Reply::soa_serial);
        let whole = [&head[..], b"\xc0\x0c", &soa[2..]].concat();
        assert_eq!(serial(&whole), Some(0x0a0b_0c0d));
        for end in 0..whole.len() - 16 {
            assert_eq!(serial(&whole[..end]), None, "{end} octets");
        }
        let mut with_answer = whole.clone();
        with_answer[7] = 1;
        assert_eq!(serial(&with_answer), None);
        let mut other_type = whole;
        other_type[head.len() + 3] = 2;
        assert_eq!(serial(&other_type), None);
    }

    #[test]
    fn data_that_may_be_compressed_is_not_carried_over() {
        let pointer = b"\x03www\xc0\x0c";
        for (rtype, kept) in [
            (1, false),
            (7, false),
            (14, false),
            (15, false),
            (17, false),
            (33, false),
            (99, true),
        ] {
            let mut bytes = b"\0\x01\x81\x80\0\x01\0\x01\0\0\0\0\x01a\0\0\x01\0\x01".to_vec();
            bytes.extend(b"\xc0\x0c\0");
            bytes.push(rtype);
            bytes.extend(b"\0\x01\0\0\0\x05\0\x06");
            bytes.extend(pointer);
            let reply = Reply::parse(&bytes).expect("a reply");
            assert_eq!(reply.answers().count(), usize::from(kept), "type {rtype}");
        }
    }
}
