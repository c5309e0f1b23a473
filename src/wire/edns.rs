//! EDNS: the OPT pseudo record of a query, and what our own says (RFC 6891).

use super::RType;
use super::claim::BadClaim;

/// The UDP payload size that our OPT advertises, and the most that we send over UDP: what passes
/// every path without fragments (RFC 9715, DNS flag day 2020).
pub const PAYLOAD_SIZE: u16 = 1232;
/// The least a requester can mean: smaller sizes count as this (RFC 6891 section 6.2.3).
pub const MIN_PAYLOAD: u16 = 512;
/// Option code of an extended error (RFC 8914).
pub const OPTION_EDE: u16 = 15;

/// Option code of a name server's identifier (RFC 5001).
pub const OPTION_NSID: u16 = 3;

const OPTION_COOKIE: u16 = 10;
/// Options behind this many are neither read nor an error: padding with thousands of empty ones
/// must not cost anything.
const MAX_OPTIONS: usize = 64;
const DO: u16 = 0x8000;

/// What a query's OPT record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edns<'a> {
    /// The requester's UDP payload size as sent.
    pub payload_size: u16,
    /// The EDNS version; only 0 is known.
    pub version: u8,
    /// The DO bit (RFC 3225), echoed in the reply.
    pub dnssec_ok: bool,
    options: &'a [u8],
}

impl<'a> Edns<'a> {
    /// Reads class, TTL and RDATA of an OPT record. Returns `None` where an option runs past the
    /// end or a cookie has a length that RFC 7873 section 5.2.2 calls malformed.
    pub(super) fn parse(class: u16, ttl: u32, rdata: &'a [u8]) -> Option<Self> {
        let [_, version, flags_high, flags_low] = ttl.to_be_bytes();
        let edns = Self {
            payload_size: class,
            version,
            dnssec_ok: u16::from_be_bytes([flags_high, flags_low]) & DO != 0,
            options: rdata,
        };
        let mut rest = rdata;
        for _ in 0..MAX_OPTIONS {
            if rest.is_empty() {
                break;
            }
            let (code, value, next) = split_option(rest)?;
            if code == OPTION_COOKIE && !matches!(value.len(), 8 | 16..=40) {
                return None;
            }
            rest = next;
        }
        Some(edns)
    }

    /// Returns code and value of each option, the first 64 at most.
    pub fn options(&self) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        let mut rest = self.options;
        std::iter::from_fn(move || {
            let (code, value, next) = split_option(rest)?;
            rest = next;
            Some((code, value))
        })
        .take(MAX_OPTIONS)
    }

    /// Returns whether there may be an option of this code: one is there, or behind the options that
    /// are read for everybody something can't be.
    pub fn may_have(&self, code: u16) -> bool {
        !matches!(self.sole(code), Ok(None))
    }

    /// Returns the value of the option of this code, which may be there once. All options are read,
    /// however many: this is for peers that are trusted to say something.
    ///
    /// # Errors
    /// It is there twice, or an option runs past the end.
    pub(super) fn sole(&self, code: u16) -> Result<Option<&'a [u8]>, BadClaim> {
        let (mut rest, mut found) = (self.options, None);
        while !rest.is_empty() {
            let (other, value, next) = split_option(rest).ok_or(BadClaim)?;
            if other == code && found.replace(value).is_some() {
                return Err(BadClaim);
            }
            rest = next;
        }
        Ok(found)
    }
}

/// Appends an option to the RDATA of an OPT record.
pub fn write_option(rdata: &mut Vec<u8>, code: u16, value: &[u8]) {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    rdata.extend(code.to_be_bytes());
    rdata.extend(length.to_be_bytes());
    rdata.extend(value.iter().take(usize::from(length)));
}

fn split_option(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    let [c0, c1, l0, l1] = *head;
    let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])))?;
    Some((u16::from_be_bytes([c0, c1]), value, rest))
}

/// An extended error (RFC 8914): says more than the response code, to whoever asked with EDNS.
/// Never sent where it would tell a hidden name from an absent one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtendedError(pub u16);

impl ExtendedError {
    /// 15: this client may not ask this, by configuration.
    pub const BLOCKED: Self = Self(15);
    /// 17: this client gets no answer to this, by configuration.
    pub const FILTERED: Self = Self(17);
    /// 14: the data has not been read yet.
    pub const NOT_READY: Self = Self(14);
    /// 18: this client may not ask.
    pub const PROHIBITED: Self = Self(18);
}

/// Octets of our OPT record without an extended error.
pub(super) const OPT_LEN: usize = 11;
/// Octets that an extended error adds to it.
pub(super) const EDE_LEN: usize = 6;

/// Writes our OPT record into the front of `out` and returns its length, 0 where it does not fit.
pub(super) fn write_opt(
    out: &mut [u8],
    rcode_high: u8,
    dnssec_ok: bool,
    error: Option<ExtendedError>,
) -> usize {
    let [t0, t1] = RType::OPT.0.to_be_bytes();
    let [p0, p1] = PAYLOAD_SIZE.to_be_bytes();
    let flags = if dnssec_ok { 0x80 } else { 0 };
    let rdlen = if error.is_some() { EDE_LEN as u8 } else { 0 };
    let fixed = [0, t0, t1, p0, p1, rcode_high, 0, flags, 0, 0, rdlen];
    let [c0, c1] = OPTION_EDE.to_be_bytes();
    let [e0, e1] = error.map_or(0, |e| e.0).to_be_bytes();
    let option = [c0, c1, 0, 2, e0, e1];
    let option = if error.is_some() {
        option.as_slice()
    } else {
        &[]
    };
    let Some(room) = out.get_mut(..OPT_LEN + option.len()) else {
        return 0;
    };
    let (head, tail) = room.split_at_mut(OPT_LEN);
    head.copy_from_slice(&fixed);
    tail.copy_from_slice(option);
    OPT_LEN + option.len()
}
