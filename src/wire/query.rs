//! Reading a query. Everything malformed is found here, before any look-up, so that what a client
//! learns from a malformed message can't depend on the cluster.

use super::edns::Edns;
use super::header::{HEADER_LEN, Header, Opcode};
use super::name::{MAX_LABEL, MAX_NAME, Name};
use super::{QClass, RType};
use arrayvec::ArrayVec;
use std::fmt;

/// Labels of a name at most, the root label not counted: 255 octets hold no more.
pub const MAX_LABELS: usize = 127;

/// A query that can be answered: one question, no or one OPT record.
#[derive(Debug, Clone)]
pub struct Query<'a> {
    /// The message's header.
    pub header: Header,
    /// The name asked for.
    pub qname: QName<'a>,
    /// The type asked for.
    pub qtype: RType,
    /// The class asked for.
    pub qclass: QClass,
    /// What the OPT record says, where there is one.
    pub edns: Option<Edns<'a>>,
    /// The question's octets, to be echoed.
    pub(super) question: &'a [u8],
}

/// Why a message is not a query that can be answered, and so how to reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryError<'a> {
    /// Fewer than twelve octets: no reply.
    Short,
    /// A response: no reply.
    Response,
    /// An opcode other than QUERY: NOTIMP, header only.
    Opcode(Header),
    /// No readable question, or not exactly one: FORMERR, header only.
    Question(Header),
    /// The question is readable, what follows is not: FORMERR with the question, and with OPT where
    /// the query's could be read up to a bad option.
    Records {
        /// The message's header.
        header: Header,
        /// The question's octets.
        question: &'a [u8],
        /// Whether the reply carries OPT.
        opt: bool,
    },
}

impl<'a> Query<'a> {
    /// Reads a message. What is not in it as it is needed is put into `buffer`.
    ///
    /// Octets behind the last record are ignored, and so are records other than OPT, as every
    /// server does (`Z`, `AA`, `TC` and unknown EDNS flags likewise).
    ///
    /// # Errors
    /// What is wrong with the message; the error says how to reply.
    #[inline(always)]
    pub fn parse(message: &'a [u8], buffer: &'a mut QNameBuffer) -> Result<Self, QueryError<'a>> {
        let header = Header::parse(message).ok_or(QueryError::Short)?;
        if header.is_response() {
            return Err(QueryError::Response);
        }
        if header.opcode() != Opcode::QUERY {
            return Err(QueryError::Opcode(header));
        }
        let [1, answers, authorities, additionals] = header.counts else {
            return Err(QueryError::Question(header));
        };
        let body = message.get(HEADER_LEN..).unwrap_or(&[]);
        let (qname, rest) = QName::parse(body, buffer).ok_or(QueryError::Question(header))?;
        let (fixed, rest) = rest
            .split_first_chunk::<4>()
            .ok_or(QueryError::Question(header))?;
        let [t0, t1, c0, c1] = *fixed;
        let question = body.get(..body.len() - rest.len()).unwrap_or(&[]);
        let edns = if answers | authorities | additionals == 0 {
            None
        } else {
            let counts = (u32::from(answers) + u32::from(authorities), additionals);
            edns(rest, counts).map_err(|opt| QueryError::Records {
                header,
                question,
                opt,
            })?
        };
        Ok(Self {
            header,
            qname,
            qtype: RType(u16::from_be_bytes([t0, t1])),
            qclass: QClass(u16::from_be_bytes([c0, c1])),
            edns,
            question,
        })
    }
}

/// Reads the records behind the question: so many that may not be OPT, and so many of which one may.
fn edns(rest: &[u8], (others, additionals): (u32, u16)) -> Result<Option<Edns<'_>>, bool> {
    let mut records = Records { rest };
    records.skip(others)?;
    records.additional(additionals)
}

/// The records behind the question. Errors are whether the reply should carry OPT.
struct Records<'a> {
    rest: &'a [u8],
}

struct Record<'a> {
    at_root: bool,
    rtype: RType,
    class: u16,
    ttl: u32,
    rdata: &'a [u8],
}

impl<'a> Records<'a> {
    /// Reads past `count` records; an OPT among them is malformed (RFC 6891 section 6.1.1).
    fn skip(&mut self, count: u32) -> Result<(), bool> {
        for _ in 0..count {
            if self.next().ok_or(false)?.rtype == RType::OPT {
                return Err(false);
            }
        }
        Ok(())
    }

    fn additional(&mut self, count: u16) -> Result<Option<Edns<'a>>, bool> {
        let mut edns = None;
        for _ in 0..count {
            let record = self.next().ok_or(false)?;
            match record.rtype {
                RType::OPT if edns.is_some() || !record.at_root => return Err(false),
                RType::OPT => {
                    edns = Some(Edns::parse(record.class, record.ttl, record.rdata).ok_or(true)?);
                }
                RType::TSIG if !is_tsig(record.rdata) => return Err(false),
                _ => {}
            }
        }
        Ok(edns)
    }

    fn next(&mut self) -> Option<Record<'a>> {
        let (at_root, rest) = skip_name(self.rest)?;
        let (fixed, rest) = rest.split_first_chunk::<10>()?;
        let [t0, t1, c0, c1, l0, l1, l2, l3, n0, n1] = *fixed;
        let (rdata, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([n0, n1])))?;
        self.rest = rest;
        Some(Record {
            at_root,
            rtype: RType(u16::from_be_bytes([t0, t1])),
            class: u16::from_be_bytes([c0, c1]),
            ttl: u32::from_be_bytes([l0, l1, l2, l3]),
            rdata,
        })
    }
}

/// Reads past an owner name, which may end in a compression pointer. Returns whether it is the
/// root, and what follows.
fn skip_name(bytes: &[u8]) -> Option<(bool, &[u8])> {
    let mut rest = bytes;
    let mut first = true;
    loop {
        let (&len, tail) = rest.split_first()?;
        match len {
            0 => return Some((first, tail)),
            0xc0.. => return Some((false, tail.get(1..)?)),
            1..=63 => rest = tail.get(usize::from(len)..)?,
            _ => return None,
        }
        first = false;
    }
}

/// Returns whether RDATA has the fields of a TSIG record (RFC 8945 section 4.2). It is not
/// verified: no key is known here.
fn is_tsig(rdata: &[u8]) -> bool {
    let sized = |bytes: &[u8], skip: usize| -> Option<usize> {
        let (len, rest) = bytes.get(skip..)?.split_first_chunk::<2>()?;
        let len = usize::from(u16::from_be_bytes(*len));
        (rest.len() >= len).then_some(skip + 2 + len)
    };
    let Some((_, rest)) = skip_name(rdata) else {
        return false;
    };
    let Some(mac_end) = sized(rest, 8) else {
        return false;
    };
    sized(rest, mac_end + 4).is_some()
}

// === QName ===

/// The name of a question: as sent, in lower case, and where its labels start.
#[derive(Clone, Copy)]
pub struct QName<'a> {
    wire: &'a [u8],
    lower: &'a [u8],
    /// One for each label, the root's among them.
    starts: &'a [u8],
}

/// Room for what a [`QName`] is read into. Not part of it, so that a name is passed on by pointers.
pub struct QNameBuffer {
    lower: ArrayVec<u8, MAX_NAME>,
    starts: [u8; MAX_LABELS + 1],
}

impl Default for QNameBuffer {
    fn default() -> Self {
        Self {
            lower: ArrayVec::new(),
            starts: [0; MAX_LABELS + 1],
        }
    }
}

impl<'a> QName<'a> {
    /// Reads a name, and returns it with the octets behind it.
    ///
    /// Returns `None` where it is cut, over 255 octets, or has a label of an unknown kind.
    /// Compression is refused as well: a first name has nothing to point at.
    #[inline(always)]
    pub fn parse(bytes: &'a [u8], buffer: &'a mut QNameBuffer) -> Option<(Self, &'a [u8])> {
        let QNameBuffer { lower, starts } = buffer;
        let (mut at, mut count) = (0usize, 0usize);
        loop {
            let len = usize::from(*bytes.get(at)?);
            // What is cut off here is found to be too long below.
            *starts.get_mut(count)? = at as u8;
            (at, count) = (at + 1 + len, count + 1);
            if len == 0 {
                break;
            }
            if len > MAX_LABEL {
                return None;
            }
        }
        let (wire, rest) = bytes.split_at_checked(at).filter(|_| at <= MAX_NAME)?;
        let starts = starts.get(..count)?;
        // Length octets are at most 63, so that lower-casing every octet leaves them alone.
        let lower = if has_uppercase(wire) {
            lower.clear();
            lower.try_extend_from_slice(wire).ok()?;
            lower.make_ascii_lowercase();
            lower
        } else {
            wire
        };
        Some((
            Self {
                wire,
                lower,
                starts,
            },
            rest,
        ))
    }

    /// Returns the name as sent, root label included.
    pub fn as_wire(&self) -> &'a [u8] {
        self.wire
    }

    /// Returns the name in lower case, root label included.
    pub fn lower(&self) -> &'a [u8] {
        self.lower
    }

    /// Returns the number of labels, the root label not counted.
    pub fn label_count(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Returns the `index`th label from the left, in lower case.
    #[inline]
    pub fn label(&self, index: usize) -> Option<&'a [u8]> {
        let &[start, end] = self.starts.get(index..)?.first_chunk()?;
        self.lower.get(usize::from(start) + 1..usize::from(end))
    }

    /// Returns the offset in the name at which its last `labels` labels start.
    pub fn suffix_offset(&self, labels: usize) -> Option<usize> {
        let index = self.label_count().checked_sub(labels)?;
        self.starts.get(index).map(|&start| usize::from(start))
    }

    /// Returns whether the name is at or below `zone`, which is in lower case.
    pub fn is_at_or_below(&self, zone: &Name, zone_labels: usize) -> bool {
        self.suffix_offset(zone_labels)
            .and_then(|start| self.lower.get(start..))
            .is_some_and(|suffix| suffix == zone.as_wire())
    }

    /// Returns the longest of `zones` (in lower case) that the name is at or below.
    pub fn longest_suffix<'z>(&self, zones: &'z [Name]) -> Option<&'z Name> {
        zones
            .iter()
            .filter(|zone| self.is_at_or_below(zone, zone.label_count()))
            .max_by_key(|zone| zone.as_wire().len())
    }
}

/// Returns whether a letter is in upper case. Sixteen octets are one step, the last of them again
/// with those before them where they are fewer.
#[inline(always)]
pub(crate) fn has_uppercase(octets: &[u8]) -> bool {
    let is_upper = |octet: &u8| octet.wrapping_sub(b'A') < 26;
    let found = |chunk: &[u8; 16]| chunk.iter().fold(false, |found, o| found | is_upper(o));
    match octets.last_chunk::<16>() {
        Some(last) => octets.as_chunks().0.iter().any(found) || found(last),
        None => octets.iter().any(is_upper),
    }
}

impl fmt::Debug for QName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for QName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::name::write_name(f, self.wire)
    }
}

#[cfg(test)]
mod tests;
