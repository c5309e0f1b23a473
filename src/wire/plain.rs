//! Queries as nearly everybody sends them, and their answers: one question of class IN, and at most an
//! OPT record without options as the last octets. Whatever has another form is [`super::Query`]'s and
//! [`super::ResponseBuilder`]'s, which read and write these as well, in more steps.

use super::edns::{MIN_PAYLOAD, OPT_LEN, PAYLOAD_SIZE, write_opt};
use super::header::{AA_BIT, HEADER_LEN, Header, Rcode};
use super::name::{MAX_LABEL, MAX_NAME};
use super::{QClass, RType};

/// A pointer to the QNAME.
const QNAME_POINTER: [u8; 2] = [0xc0, HEADER_LEN as u8];
/// Octets of type and class behind the QNAME.
const QUESTION_END: usize = 4;

/// A query of the usual form. Its name may be malformed: [`Front`] says so.
#[derive(Clone, Copy)]
pub struct PlainQuery<'a> {
    /// The header and the question, to be echoed.
    head: &'a [u8],
    flags: u16,
    /// The name asked for in wire form, as sent.
    pub qname: &'a [u8],
    /// The type asked for.
    pub qtype: RType,
    /// Whether it has an OPT record.
    has_opt: bool,
    /// Whether that has the DO bit.
    pub dnssec_ok: bool,
    /// The most octets that a response may have over UDP: [`super::ResponseBuilder::udp_limit`].
    pub udp_limit: usize,
}

impl<'a> PlainQuery<'a> {
    /// Reads a message, or returns `None` where it has not the usual form.
    #[inline(always)]
    pub fn parse(message: &'a [u8]) -> Option<Self> {
        let [_, _, f0, f1, counts @ ..] = *message.first_chunk::<HEADER_LEN>()?;
        let flags = u16::from_be_bytes([f0, f1]);
        if flags & Header::NO_QUERY != 0 {
            return None;
        }
        let (head, has_opt, dnssec_ok, udp_limit) = match u64::from_be_bytes(counts) {
            0x0001_0000_0000_0000 => (message, false, false, usize::from(MIN_PAYLOAD)),
            0x0001_0000_0000_0001 => {
                let (head, opt) = message.split_last_chunk::<OPT_LEN>()?;
                let (size, dnssec_ok) = plain_opt(*opt)?;
                let limit = size.clamp(MIN_PAYLOAD, PAYLOAD_SIZE);
                (head, true, dnssec_ok, usize::from(limit))
            }
            _ => return None,
        };
        let (front, end) = head.split_last_chunk::<QUESTION_END>()?;
        let end = u32::from_be_bytes(*end);
        let qname = front.get(HEADER_LEN..)?;
        let is_plain = end as u16 == QClass::IN.0 && qname.len() <= MAX_NAME;
        is_plain.then_some(Self {
            head,
            flags,
            qname,
            qtype: RType((end >> 16) as u16),
            has_opt,
            dnssec_ok,
            udp_limit,
        })
    }
}

/// Returns payload size and DO bit of an OPT record of version 0 without options, or `None` where it is
/// another record.
#[inline(always)]
fn plain_opt(octets: [u8; OPT_LEN]) -> Option<(u16, bool)> {
    let [t0, t1] = RType::OPT.0.to_be_bytes();
    match octets {
        [0, a, b, s0, s1, 0, 0, flags @ (0 | 0x80), 0, 0, 0] if [a, b] == [t0, t1] => {
            Some((u16::from_be_bytes([s0, s1]), flags != 0))
        }
        _ => None,
    }
}

/// The labels of a name in front of a suffix.
#[derive(Clone, Copy)]
pub struct Front<'a> {
    octets: &'a [u8],
    count: usize,
    /// Where the last label starts, and the one in front of it.
    last: usize,
    second_last: usize,
}

impl<'a> Front<'a> {
    /// Splits a name in front of `suffix`, which ends in the root label. Returns `None` where it does
    /// not end so, octet for octet, and `Some(None)` where what is in front of it is not a row of labels.
    #[inline(always)]
    pub fn of(name: &'a [u8], suffix: &[u8]) -> Option<Option<Self>> {
        // What wraps is no place.
        let (front, end) = name.split_at_checked(name.len().wrapping_sub(suffix.len()))?;
        is_equal(end, suffix).then(|| Self::read(front))
    }

    #[inline(always)]
    fn read(octets: &'a [u8]) -> Option<Self> {
        let (mut at, mut count, mut last, mut second_last) = (0usize, 0usize, 0, 0);
        while let Some(&len) = octets.get(at) {
            let len = usize::from(len);
            if len.wrapping_sub(1) >= MAX_LABEL {
                return None;
            }
            (second_last, last) = (last, at);
            at = at.wrapping_add(len + 1);
            count = count.wrapping_add(1);
        }
        (at == octets.len()).then_some(Self {
            octets,
            count,
            last,
            second_last,
        })
    }

    /// Returns the number of labels.
    #[inline(always)]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the labels in wire form.
    #[inline(always)]
    pub fn as_wire(&self) -> &'a [u8] {
        self.octets
    }

    /// Returns the last two labels in wire form, where there are as many, and how many octets are in
    /// front of them.
    #[inline(always)]
    pub fn last_two(&self) -> Option<(&'a [u8], usize)> {
        let two = self.octets.get(self.second_last..)?;
        (self.count > 1).then_some((two, self.second_last))
    }

    /// Returns the first two labels, where there are as many.
    #[inline(always)]
    pub fn first_labels(&self) -> Option<[&'a [u8]; 2]> {
        let (first, rest) = split_label(self.octets)?;
        Some([first, split_label(rest)?.0])
    }

    /// Returns the last two labels, the last one second, where there are as many.
    #[inline(always)]
    pub fn last_labels(&self) -> Option<[&'a [u8]; 2]> {
        Some([self.label(self.second_last)?, self.last_label()?]).filter(|_| self.count > 1)
    }

    /// Returns the last label, where there is one.
    #[inline(always)]
    pub fn last_label(&self) -> Option<&'a [u8]> {
        self.label(self.last)
    }

    #[inline(always)]
    fn label(&self, start: usize) -> Option<&'a [u8]> {
        split_label(self.octets.get(start..)?).map(|(label, _)| label)
    }
}

/// Returns the first label of a row of them, and what is behind it.
#[inline(always)]
fn split_label(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = octets.split_first()?;
    rest.split_at_checked(usize::from(*len))
}

/// A zone's SOA record, but for where its name is: MNAME is `ns.dns` and RNAME `hostmaster` below it.
#[derive(Clone, Copy)]
pub struct PlainSoa([u8; SOA_LEN]);

/// The head, both names, which end in pointers, and five numbers.
const SOA_LEN: usize = 12 + 9 + 13 + 20;
/// Where the pointers to the zone's name are: its owner, and the ends of both names.
const SOA_POINTERS: [usize; 3] = [0, 12 + 7, 12 + 9 + 11];

impl PlainSoa {
    /// Returns the record with this TTL, and serial, refresh, retry, expire and minimum.
    pub fn new(ttl: u32, numbers: [u32; 5]) -> Self {
        let mut octets = [0; SOA_LEN];
        let parts = octets.split_first_chunk_mut();
        if let Some((head, rest)) = parts
            && let Some((names, rest)) = rest.split_first_chunk_mut()
        {
            *head = record_head([0, 0], RType::SOA, ttl, (SOA_LEN - 12) as u16);
            *names = *b"\x02ns\x03dns\0\0\x0ahostmaster\0\0";
            for (octets, number) in rest.as_chunks_mut().0.iter_mut().zip(numbers) {
                *octets = number.to_be_bytes();
            }
        }
        Self(octets)
    }
}

/// An answer that is being written. Whatever does not fit makes it none.
pub struct PlainReply<'a, 'b> {
    query: &'a PlainQuery<'a>,
    /// As long as the answer may be.
    out: &'b mut [u8],
    at: usize,
    answers: u16,
    authorities: u16,
    additionals: u16,
}

impl<'a, 'b> PlainReply<'a, 'b> {
    /// Starts the answer to a query, of `limit` octets at most.
    #[inline(always)]
    pub fn start(query: &'a PlainQuery<'a>, limit: usize, out: &'b mut [u8]) -> Option<Self> {
        let limit = limit.min(out.len());
        let out = out.get_mut(..limit)?;
        let at = query.head.len();
        copy(query.head, out.get_mut(..at)?);
        Some(Self {
            query,
            out,
            at,
            answers: 0,
            authorities: 0,
            additionals: 0,
        })
    }

    /// Appends an A or AAAA record of the QNAME for each address, whose octets stand one behind the
    /// other. Starts at the address that `entropy` says and wraps around.
    #[inline(always)]
    pub fn push_addresses(
        &mut self,
        (rtype, ttl): (RType, u32),
        octets: &[u8],
        entropy: impl FnOnce() -> u64,
    ) -> Option<()> {
        let count = match rtype {
            RType::A => self.push_rows::<4, 16>((rtype, ttl), octets, entropy),
            _ => self.push_rows::<16, 28>((rtype, ttl), octets, entropy),
        };
        self.answers = u16::try_from(count?).ok()?;
        Some(())
    }

    /// Appends records of `S` octets, `N` of which are an address.
    #[inline(always)]
    fn push_rows<const N: usize, const S: usize>(
        &mut self,
        (rtype, ttl): (RType, u32),
        octets: &[u8],
        entropy: impl FnOnce() -> u64,
    ) -> Option<usize> {
        let rows = octets.as_chunks::<N>().0;
        let mut template = [0; S];
        *template.first_chunk_mut()? = record_head(QNAME_POINTER, rtype, ttl, N as u16);
        let end = self.at.checked_add(rows.len().checked_mul(S)?)?;
        let records = self.out.get_mut(self.at..end)?.as_chunks_mut::<S>().0;
        self.at = end;
        let write = |record: &mut [u8; S], octets: &[u8; N]| {
            *record = template;
            if let Some(data) = record.last_chunk_mut() {
                *data = *octets;
            }
        };
        if let ([record], [octets]) = (&mut *records, rows) {
            write(record, octets);
            return Some(1);
        }
        let first = (entropy() % rows.len().max(1) as u64) as usize;
        let (early, late) = rows.split_at_checked(first)?;
        for (record, octets) in records.iter_mut().zip(late.iter().chain(early)) {
            write(record, octets);
        }
        Some(rows.len())
    }

    /// Appends the SRV record of the QNAME with this weight and port, and behind it, unless the answer
    /// is to be minimal, the address of its target, whose name is `labels` in front of `origin`.
    #[inline(always)]
    pub fn push_service(
        &mut self,
        ttl: u32,
        (weight, port): (u16, u16),
        (labels, origin): (&[u8], &[u8]),
        address: Option<(RType, &[u8])>,
    ) -> Option<()> {
        const FRONT: usize = 12;
        let target = labels.len() + origin.len();
        let at = self.at;
        let length = u16::try_from(6 + target).ok()?;
        let numbers = [[0, 0], weight.to_be_bytes(), port.to_be_bytes()];
        let mut head = [0; FRONT + 6];
        *head.first_chunk_mut()? = record_head(QNAME_POINTER, RType::SRV, ttl, length);
        *head.last_chunk_mut()? = *numbers.as_flattened().first_chunk::<6>()?;
        self.put(&head)?;
        self.put(labels)?;
        self.put(origin)?;
        self.answers = 1;
        let Some((rtype, octets)) = address else {
            return Some(());
        };
        // Answers of this form never get as long as a pointer can't say.
        let pointer = u16::try_from(at + FRONT + 6)
            .ok()
            .filter(|at| *at < 0x4000)?;
        let owner = (0xc000 | pointer).to_be_bytes();
        match <&[u8; 4]>::try_from(octets) {
            Ok(octets) => self.put_address::<4, 16>((owner, rtype, ttl), octets),
            Err(_) => self.put_address::<16, 28>((owner, rtype, ttl), octets.try_into().ok()?),
        }
    }

    /// Appends the record of the one address that is told beside the answer, of `S` octets.
    #[inline(always)]
    fn put_address<const N: usize, const S: usize>(
        &mut self,
        (owner, rtype, ttl): ([u8; 2], RType, u32),
        octets: &[u8; N],
    ) -> Option<()> {
        let mut record = [0; S];
        *record.first_chunk_mut()? = record_head(owner, rtype, ttl, N as u16);
        *record.last_chunk_mut()? = *octets;
        self.put(&record)?;
        self.additionals = 1;
        Some(())
    }

    /// Appends the SOA record of the zone whose name has so many octets at the QNAME's end.
    #[inline(always)]
    pub fn push_soa(&mut self, zone: usize, soa: &PlainSoa) -> Option<()> {
        let zone_at = self.query.qname.len().checked_sub(zone)? + HEADER_LEN;
        let pointer = (0xc000 | zone_at as u16).to_be_bytes();
        let room = self.out.get_mut(self.at..)?.first_chunk_mut::<SOA_LEN>()?;
        *room = soa.0;
        for at in SOA_POINTERS {
            *room.get_mut(at..)?.first_chunk_mut()? = pointer;
        }
        self.at = self.at.wrapping_add(SOA_LEN);
        self.authorities = 1;
        Some(())
    }

    /// Completes the answer, which is authoritative, and returns its length.
    #[inline(always)]
    pub fn finish(mut self, rcode: Rcode) -> Option<usize> {
        if self.query.has_opt {
            let room = self.out.get_mut(self.at..)?;
            let written = write_opt(room, 0, self.query.dnssec_ok, None);
            if written == 0 {
                return None;
            }
            self.at += written;
            self.additionals += 1;
        }
        let flags = Header::reply_to(self.query.flags) | AA_BIT | (rcode.0 & 0xf);
        let counts = 1 << 48
            | u64::from(self.answers) << 32
            | u64::from(self.authorities) << 16
            | u64::from(self.additionals);
        let head = self.out.first_chunk_mut::<HEADER_LEN>()?;
        let (front, rest) = head.split_first_chunk_mut::<4>()?;
        let [_, _, f0, f1] = front;
        [*f0, *f1] = flags.to_be_bytes();
        *rest.first_chunk_mut()? = counts.to_be_bytes();
        Some(self.at)
    }

    #[inline(always)]
    fn put(&mut self, octets: &[u8]) -> Option<()> {
        let end = self.at.checked_add(octets.len())?;
        copy(octets, self.out.get_mut(self.at..end)?);
        self.at = end;
        Some(())
    }
}

/// Copies octets to where there is room for as many. Few, as names are, by steps that overlap, instead of
/// a call.
#[inline(always)]
fn copy(from: &[u8], to: &mut [u8]) {
    let done = copy_ends::<32>(from, to)
        || copy_ends::<64>(from, to)
        || copy_ends::<16>(from, to)
        || copy_ends::<8>(from, to);
    if !done {
        to.copy_from_slice(from);
    }
}

/// Copies octets where there are `N` of them at least, and no more than twice as many.
#[inline(always)]
fn copy_ends<const N: usize>(from: &[u8], to: &mut [u8]) -> bool {
    if from.len() > 2 * N || from.len() != to.len() {
        return false;
    }
    let (Some(first), Some(last)) = (from.first_chunk::<N>(), from.last_chunk::<N>()) else {
        return false;
    };
    let room = to.first_chunk_mut().map(|to| *to = *first);
    room.is_some() && to.last_chunk_mut().map(|to| *to = *last).is_some()
}

/// Returns what a record of class IN starts with.
#[inline(always)]
fn record_head(owner: [u8; 2], rtype: RType, ttl: u32, length: u16) -> [u8; 12] {
    let ([o0, o1], [t0, t1]) = (owner, rtype.0.to_be_bytes());
    let ([c0, c1], [n0, n1]) = (QClass::IN.0.to_be_bytes(), length.to_be_bytes());
    let [l0, l1, l2, l3] = ttl.to_be_bytes();
    [o0, o1, t0, t1, c0, c1, l0, l1, l2, l3, n0, n1]
}

/// Returns whether octets are the same: the first and the last of them by a step each, which for some are
/// the same, and those between them. Where there are as many of both, it takes as long for others as for
/// the same.
#[inline(always)]
pub(crate) fn is_equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let differ = |a: &[u8; 16], b: &[u8; 16]| u128::from_le_bytes(*a) ^ u128::from_le_bytes(*b);
    if let (Some((a_first, a_rest)), Some((b_first, b_rest))) = (split(a), split(b)) {
        let ends = differ(a_first, b_first);
        return match (a_rest.last_chunk(), b_rest.last_chunk()) {
            (Some(a_last), Some(b_last)) => {
                let chunks = a_rest.as_chunks().0.iter().zip(b_rest.as_chunks().0);
                let ends = ends | differ(a_last, b_last);
                chunks.fold(ends, |all, (a, b)| all | differ(a, b)) == 0
            }
            _ => match (a.last_chunk(), b.last_chunk()) {
                (Some(a_last), Some(b_last)) => ends | differ(a_last, b_last) == 0,
                _ => false,
            },
        };
    }
    if let (Some(a_end), Some(b_end)) = (a.last_chunk::<8>(), b.last_chunk::<8>()) {
        return (a_end == b_end) & (a.first_chunk::<8>() == b.first_chunk());
    }
    if let (Some(a_end), Some(b_end)) = (a.last_chunk::<4>(), b.last_chunk::<4>()) {
        return (a_end == b_end) & (a.first_chunk::<4>() == b.first_chunk());
    }
    a.iter().zip(b).fold(true, |same, (a, b)| same & (a == b))
}

/// Returns the first sixteen octets, and those behind them.
#[inline(always)]
fn split(octets: &[u8]) -> Option<(&[u8; 16], &[u8])> {
    octets.split_first_chunk()
}

#[cfg(test)]
mod tests;
