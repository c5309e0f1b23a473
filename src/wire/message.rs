//! A whole message as it lies: its question, and where each record starts, without a copy. For who
//! passes messages on; what records mean is not read here.

use super::edns::{OPT_LEN, write_opt};
use super::header::{HEADER_LEN, Header, TC_BIT};
use super::name::{MAX_LABEL, NameBuf};
use super::reply::read_name;
use super::{QClass, RType, Rcode, Section};
use std::ops::Range;

/// A message with one question, all of whose records can be found.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    bytes: &'a [u8],
    header: Header,
    question: Question,
    records_at: usize,
    opt: Option<MessageRecord>,
    end: usize,
}

/// The question of a message.
#[derive(Debug, Clone)]
pub struct Question {
    /// The name, as sent.
    pub qname: NameBuf,
    /// The type.
    pub qtype: RType,
    /// The class.
    pub qclass: QClass,
}

/// Where one record lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRecord {
    /// Its section.
    pub section: Section,
    /// Where its owner starts.
    pub owner_at: usize,
    /// Where its TTL stands.
    pub ttl_at: usize,
    /// Its type.
    pub rtype: RType,
    /// Its class.
    pub class: QClass,
    /// Its TTL.
    pub ttl: u32,
    /// Its RDATA.
    pub rdata: Range<usize>,
}

impl<'a> Message<'a> {
    /// Reads a message, or returns `None` where it can't be read to its last record, has not exactly
    /// one question, or more than one OPT record. Octets behind the last record are ignored.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let header = Header::parse(bytes)?;
        let [1, ..] = header.counts else {
            return None;
        };
        let (qname, at) = read_name(bytes, HEADER_LEN)?;
        let fixed = bytes.get(at..)?.first_chunk::<4>()?;
        let [t0, t1, c0, c1] = *fixed;
        let mut message = Self {
            bytes,
            header,
            question: Question {
                qname,
                qtype: RType(u16::from_be_bytes([t0, t1])),
                qclass: QClass(u16::from_be_bytes([c0, c1])),
            },
            records_at: at + 4,
            opt: None,
            end: at + 4,
        };
        let [_, answers, authority, additional] = header.counts.map(usize::from);
        let all = answers + authority + additional;
        let (mut found, mut opt, mut end) = (0, None, message.end);
        for record in message.records() {
            found += 1;
            end = record.rdata.end;
            if record.rtype == RType::OPT {
                let in_place = record.section == Section::Additional;
                if !in_place || opt.replace(record).is_some() {
                    return None;
                }
            }
        }
        (message.opt, message.end) = (opt, end);
        (found == all).then_some(message)
    }

    /// Returns the octets up to the end of the last record.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes.get(..self.end).unwrap_or(self.bytes)
    }

    /// Returns the header.
    pub fn header(&self) -> Header {
        self.header
    }

    /// Returns the question.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// Returns where the records start: behind the question.
    pub fn records_at(&self) -> usize {
        self.records_at
    }

    /// Returns the OPT record, where there is one.
    pub fn opt(&self) -> Option<&MessageRecord> {
        self.opt.as_ref()
    }

    /// Returns the response code, with EDNS's upper eight bits.
    pub fn rcode(&self) -> Rcode {
        let high = self.opt.as_ref().map_or(0, |opt| (opt.ttl >> 24) as u16);
        Rcode(high << 4 | self.header.rcode().0)
    }

    /// Returns the records in order, up to the first that can't be read.
    pub fn records(&self) -> impl Iterator<Item = MessageRecord> + use<'a> {
        let [_, answers, authority, additional] = self.header.counts.map(usize::from);
        let (bytes, mut at) = (self.bytes, self.records_at);
        (0..answers + authority + additional).map_while(move |number| {
            let section = match number {
                _ if number < answers => Section::Answer,
                _ if number < answers + authority => Section::Authority,
                _ => Section::Additional,
            };
            let record = record(bytes, at, section)?;
            at = record.rdata.end;
            Some(record)
        })
    }

    /// Returns the name that starts there, decompressed.
    pub fn name_at(&self, at: usize) -> Option<NameBuf> {
        read_name(self.bytes, at).map(|(name, _)| name)
    }
}

/// Gives every record of a message this TTL; what is behind one that can't be read keeps its own.
pub fn set_ttls(message: &mut [u8], ttl: u32) {
    let Some(read) = Message::parse(message) else {
        return;
    };
    let [_, answers, authority, additional] = read.header.counts.map(usize::from);
    let mut at = read.records_at;
    for _ in 0..answers + authority + additional {
        let Some(record) = record(message, at, Section::Answer) else {
            return;
        };
        at = record.rdata.end;
        if record.rtype != RType::OPT
            && let Some(room) = message.get_mut(record.ttl_at..record.ttl_at + 4)
        {
            room.copy_from_slice(&ttl.to_be_bytes());
        }
    }
}

fn record(bytes: &[u8], owner_at: usize, section: Section) -> Option<MessageRecord> {
    let fixed_at = skip_name(bytes, owner_at)?;
    let fixed = bytes.get(fixed_at..)?.first_chunk::<10>()?;
    let [t0, t1, c0, c1, l0, l1, l2, l3, n0, n1] = *fixed;
    let start = fixed_at + 10;
    let end = start + usize::from(u16::from_be_bytes([n0, n1]));
    bytes.get(start..end)?;
    Some(MessageRecord {
        section,
        owner_at,
        ttl_at: fixed_at + 4,
        rtype: RType(u16::from_be_bytes([t0, t1])),
        class: QClass(u16::from_be_bytes([c0, c1])),
        ttl: u32::from_be_bytes([l0, l1, l2, l3]),
        rdata: start..end,
    })
}

/// Returns what is behind a name, whose pointer leads back.
fn skip_name(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        let len = *bytes.get(at)?;
        match usize::from(len) {
            0 => return Some(at + 1),
            label @ 1..=MAX_LABEL => at += 1 + label,
            0xc0.. => {
                let low = *bytes.get(at + 1)?;
                let target = usize::from(u16::from_be_bytes([len & 0x3f, low]));
                return (target < at).then_some(at + 2);
            }
            _ => return None,
        }
    }
}

/// Appends our OPT record to the message of `length` octets at the front of `out`, and returns the
/// message's new length: the same where there is no room.
pub fn append_opt(out: &mut [u8], length: usize, rcode: Rcode, dnssec_ok: bool) -> usize {
    let room = out.get_mut(length..).unwrap_or(&mut []);
    let written = write_opt(room, (rcode.0 >> 4) as u8, dnssec_ok, None);
    if written > 0
        && let Some(&mut [ref mut high, ref mut low]) = out.get_mut(10..12)
    {
        let count = u16::from_be_bytes([*high, *low]).saturating_add(1);
        [*high, *low] = count.to_be_bytes();
    }
    length + written
}

/// Writes a message to the front of `out`, and returns its length. Where it has more than `limit`
/// octets, as many records as fit are written, its OPT record among them without options, and TC is
/// set. One that can't be read is cut to its header.
pub fn cut_into(bytes: &[u8], limit: usize, out: &mut [u8]) -> usize {
    let limit = limit.min(out.len());
    if bytes.len() <= limit {
        if let Some(room) = out.get_mut(..bytes.len()) {
            room.copy_from_slice(bytes);
        }
        return bytes.len();
    }
    let (mut end, mut counts, mut opt) = (HEADER_LEN, [0u16; 4], None);
    if let Some(message) = Message::parse(bytes) {
        let edns = message.opt().map(|opt| opt.owner_at);
        let edns = edns.and_then(|at| bytes.get(at..)?.first_chunk::<{ OPT_LEN - 2 }>());
        let room = limit.saturating_sub(edns.map_or(0, |_| OPT_LEN));
        if message.records_at() <= room {
            (end, opt) = (message.records_at(), edns);
            counts = [1, 0, 0, 0];
            for record in message.records() {
                if record.rdata.end > room || record.rtype == RType::OPT {
                    break;
                }
                end = record.rdata.end;
                if let Some(count) = counts.get_mut(record.section as usize + 1) {
                    *count += 1;
                }
            }
        }
    }
    if let (Some(room), Some(kept)) = (out.get_mut(..end), bytes.get(..end)) {
        room.copy_from_slice(kept);
    }
    if let Some(opt) = opt
        && let Some(room) = out.get_mut(end..end + OPT_LEN)
        && let Some((front, length)) = room.split_last_chunk_mut::<2>()
    {
        front.copy_from_slice(opt);
        *length = [0, 0];
        end += OPT_LEN;
        counts[3] += 1;
    }
    if let Some(header) = out.first_chunk_mut::<HEADER_LEN>() {
        let flags = u16::from_be_bytes([header[2], header[3]]) | TC_BIT;
        let words = header[2..].chunks_exact_mut(2);
        for (word, value) in words.zip([flags].into_iter().chain(counts)) {
            word.copy_from_slice(&value.to_be_bytes());
        }
    }
    end
}

#[cfg(test)]
mod tests;
