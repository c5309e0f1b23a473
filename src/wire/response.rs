//! Writing a response into a caller's buffer. Records go in one by one, in the order of the
//! sections; the first that does not fit ends the message, with TC set, wherever it stands: so
//! CoreDNS cuts, also where only additional records are lost.

use super::compress::{MAX_POINTER, Positions, pointer};
use super::edns::{EDE_LEN, ExtendedError, MIN_PAYLOAD, OPT_LEN, PAYLOAD_SIZE, write_opt};
use super::header::{AA_BIT, HEADER_LEN, Header, TC_BIT};
use super::name::{labels, write_name};
use super::{QClass, Query, QueryError, RType, Rcode};
use std::fmt;

/// Octets of an SRV record in front of its target.
const SRV_FRONT: usize = 18;
/// The QNAME, as an owner: a pointer to where the question's name always stands.
pub(crate) const QNAME_POINTER: [u8; 2] = [0xc0, HEADER_LEN as u8];

/// A section of a response behind the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// What was asked for.
    Answer = 0,
    /// SOA of negative answers.
    Authority = 1,
    /// Addresses of names in the answer.
    Additional = 2,
}

/// A record did not fit: TC is set, and every later record is refused too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// A response under construction.
pub struct ResponseBuilder<'b> {
    pub(super) out: &'b mut [u8],
    pub(super) at: usize,
    pub(super) limit: usize,
    section: Section,
    counts: [u16; 3],
    full: bool,
    minimal: bool,
    rcode: Rcode,
    pub(super) flags: u16,
    pub(super) opt: Option<bool>,
    error: Option<ExtendedError>,
    pub(super) positions: Positions,
}

impl<'b> ResponseBuilder<'b> {
    /// Starts the response to `query`: its question is in, RD and CD are copied. The message will
    /// have at most `limit` octets, and at most those of `out`.
    #[inline]
    pub fn new(query: &Query<'_>, limit: usize, out: &'b mut [u8]) -> Self {
        let opt = query.edns.map(|edns| edns.dnssec_ok);
        let mut builder = Self::start(
            &query.header,
            query.header.reply_flags(),
            query.question,
            limit,
            out,
        );
        builder.opt = opt;
        if opt.is_some() {
            builder.limit = builder.limit.saturating_sub(OPT_LEN);
        }
        builder
    }

    /// Returns the most octets that a response to `query` may have over UDP: min(client, 1232),
    /// sizes below 512 and absent ones counting as 512.
    pub fn udp_limit(query: &Query<'_>) -> usize {
        let size = query.edns.map_or(MIN_PAYLOAD, |edns| edns.payload_size);
        usize::from(size.clamp(MIN_PAYLOAD, PAYLOAD_SIZE))
    }

    /// Writes the reply to a message that is not a query, and returns its length; `None` where
    /// there is to be no reply.
    pub fn error(error: QueryError<'_>, out: &'b mut [u8]) -> Option<usize> {
        let (header, rcode, question, opt) = match error {
            QueryError::Short | QueryError::Response => return None,
            QueryError::Opcode(header) => (header, Rcode::NOTIMP, &[][..], false),
            QueryError::Question(header) => (header, Rcode::FORMERR, &[][..], false),
            QueryError::Records {
                header,
                question,
                opt,
            } => (header, Rcode::FORMERR, question, opt),
        };
        let limit = usize::from(MIN_PAYLOAD);
        let flags = header.bare_reply_flags();
        let mut builder = Self::start(&header, flags, question, limit, out);
        builder.opt = opt.then_some(false);
        builder.rcode = rcode;
        Some(builder.finish())
    }

    #[inline]
    fn start(
        header: &Header,
        flags: u16,
        question: &[u8],
        limit: usize,
        out: &'b mut [u8],
    ) -> Self {
        let limit = limit.min(out.len());
        let mut builder = Self {
            out,
            at: HEADER_LEN,
            limit,
            section: Section::Answer,
            counts: [0; 3],
            full: false,
            minimal: false,
            rcode: Rcode::NOERROR,
            flags,
            opt: None,
            error: None,
            positions: Positions::default(),
        };
        let [i0, i1] = header.id.to_be_bytes();
        let questions = u8::from(!question.is_empty());
        if let Some(front) = builder.out.first_chunk_mut::<HEADER_LEN>() {
            *front = [i0, i1, 0, 0, 0, questions, 0, 0, 0, 0, 0, 0];
        }
        builder.put(question);
        builder
    }

    /// Sets the response code.
    pub fn set_rcode(&mut self, rcode: Rcode) {
        self.rcode = rcode;
    }

    /// Returns the response code.
    pub fn rcode(&self) -> Rcode {
        self.rcode
    }

    /// Puts a whole message in the place of this one, under this ID, and returns its length.
    pub fn replace(mut self, id: u16, message: &[u8]) -> usize {
        self.patch(0, message);
        self.patch(0, &id.to_be_bytes());
        message.len().min(self.out.len())
    }

    /// Marks the answer as authoritative.
    pub fn set_authoritative(&mut self) {
        self.flags |= AA_BIT;
    }

    /// Marks the answer as cut.
    pub fn set_truncated(&mut self) {
        self.flags |= TC_BIT;
    }

    /// Says more about an error, to clients that use EDNS.
    pub fn set_extended_error(&mut self, error: ExtendedError) {
        if self.opt.is_some() && self.error.is_none() {
            self.error = Some(error);
            self.limit = self.limit.saturating_sub(EDE_LEN);
        }
    }

    /// Returns whether a record did not fit.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Returns the octets so far: where the next record will start.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Returns the number of records in a section.
    pub fn count(&self, section: Section) -> u16 {
        self.counts.get(section as usize).copied().unwrap_or(0)
    }

    /// Leaves out what stands behind the answer section, where there is something in that.
    pub fn set_minimal(&mut self) {
        self.minimal = true;
    }

    /// Goes on to a later section.
    pub fn section(&mut self, section: Section) {
        self.section = self.section.max(section);
        // As if there were no room, and nothing were lost.
        self.full |= self.minimal && self.count(Section::Answer) > 0;
    }

    /// Appends an A or AAAA record of the QNAME for each address, whose octets stand one behind the
    /// other. Starts at the address `first` and wraps around.
    ///
    /// # Errors
    /// Not all of them fit; those that did are in.
    #[inline]
    pub fn push_addresses(
        &mut self,
        rtype: RType,
        ttl: u32,
        octets: &[u8],
        first: usize,
    ) -> Result<(), Full> {
        match rtype {
            RType::A => self.push_rows::<4, 16>(rtype, ttl, octets.as_chunks().0, first),
            _ => self.push_rows::<16, 28>(rtype, ttl, octets.as_chunks().0, first),
        }
    }

    /// Appends records of `S` octets, `N` of which are an address.
    #[inline]
    fn push_rows<const N: usize, const S: usize>(
        &mut self,
        rtype: RType,
        ttl: u32,
        rows: &[[u8; N]],
        first: usize,
    ) -> Result<(), Full> {
        let ([o0, o1], [t0, t1]) = (QNAME_POINTER, rtype.0.to_be_bytes());
        let ([c0, c1], [l0, l1, l2, l3]) = (QClass::IN.0.to_be_bytes(), ttl.to_be_bytes());
        let head = [o0, o1, t0, t1, c0, c1, l0, l1, l2, l3, 0, N as u8];
        let mut template = [0; S];
        if let Some(front) = template.first_chunk_mut() {
            *front = head;
        }
        let (early, late) = rows.split_at_checked(first).unwrap_or((rows, &[]));
        for part in [late, early] {
            if part.is_empty() {
                continue;
            }
            if self.full {
                return Err(Full);
            }
            let fit = (self.limit.saturating_sub(self.at) / S).min(part.len());
            let end = self.at + fit * S;
            let records = self.out.get_mut(self.at..end).unwrap_or(&mut []);
            for (record, octets) in records.as_chunks_mut::<S>().0.iter_mut().zip(part) {
                *record = template;
                if let Some(data) = record.last_chunk_mut() {
                    *data = *octets;
                }
            }
            self.at = end;
            self.add_count(fit);
            if fit < part.len() {
                return self.overflow();
            }
        }
        Ok(())
    }

    /// Appends one record whose RDATA has no name in it.
    ///
    /// # Errors
    /// It does not fit.
    pub fn push_record(
        &mut self,
        owner: Owner<'_>,
        rtype: RType,
        ttl: u32,
        rdata: &[&[u8]],
    ) -> Result<(), Full> {
        self.record(owner, rtype, ttl, |b| {
            rdata.iter().for_each(|part| b.put(part));
        })
    }

    /// Appends one record whose RDATA is a name that may be compressed (CNAME, NS, PTR).
    ///
    /// # Errors
    /// It does not fit.
    pub fn push_name_record(
        &mut self,
        owner: Owner<'_>,
        rtype: RType,
        ttl: u32,
        target: NameParts<'_>,
    ) -> Result<(), Full> {
        self.record(owner, rtype, ttl, |b| b.put_name(target))
    }

    /// Appends a SOA record whose owner starts `zone_offset` octets into the QNAME: MNAME is
    /// `ns.dns` and RNAME `hostmaster` below it, as CoreDNS's kubernetes plugin has them. `numbers`
    /// are serial, refresh, retry, expire and minimum.
    ///
    /// # Errors
    /// It does not fit.
    #[inline]
    pub fn push_soa(
        &mut self,
        zone_offset: usize,
        ttl: u32,
        numbers: [u32; 5],
    ) -> Result<(), Full> {
        const FRONT: usize = 34;
        const NUMBERS: usize = 20;
        let [z0, z1] = pointer(HEADER_LEN + zone_offset);
        let ([t0, t1], [c0, c1]) = (RType::SOA.0.to_be_bytes(), QClass::IN.0.to_be_bytes());
        let [l0, l1, l2, l3] = ttl.to_be_bytes();
        let length = (FRONT - 12 + NUMBERS) as u8;
        // All of it at once: every negative answer has one.
        let mut record = [0; FRONT + NUMBERS];
        if let Some(front) = record.first_chunk_mut::<FRONT>() {
            *front = [
                z0, z1, t0, t1, c0, c1, l0, l1, l2, l3, 0, length, //
                2, b'n', b's', 3, b'd', b'n', b's', z0, z1, //
                10, b'h', b'o', b's', b't', b'm', b'a', b's', b't', b'e', b'r', z0, z1,
            ];
        }
        if let Some(rest) = record.last_chunk_mut::<NUMBERS>() {
            for (octets, number) in rest.as_chunks_mut().0.iter_mut().zip(numbers) {
                *octets = number.to_be_bytes();
            }
        }
        self.whole(&record)
    }

    /// Appends a record whose octets are all there.
    #[inline]
    fn whole(&mut self, record: &[u8]) -> Result<(), Full> {
        if self.full {
            return Err(Full);
        }
        if self.at + record.len() > self.limit {
            return self.overflow();
        }
        self.put(record);
        self.add_count(1);
        Ok(())
    }

    /// Appends an SRV record of the QNAME with priority 0. The target is not compressed (RFC 2782).
    /// Returns where the target stands, to be the owner of its addresses.
    ///
    /// # Errors
    /// It does not fit.
    pub fn push_srv(
        &mut self,
        ttl: u32,
        weight: u16,
        port: u16,
        target: NameParts<'_>,
    ) -> Result<usize, Full> {
        if self.full {
            return Err(Full);
        }
        let target_len: usize = target.0.iter().map(|part| part.len()).sum();
        if self.at + SRV_FRONT + target_len > self.limit {
            return self.overflow().map(|()| 0);
        }
        let ([o0, o1], [t0, t1]) = (QNAME_POINTER, RType::SRV.0.to_be_bytes());
        let ([c0, c1], [l0, l1, l2, l3]) = (QClass::IN.0.to_be_bytes(), ttl.to_be_bytes());
        let length = u16::try_from(SRV_FRONT - 12 + target_len).unwrap_or(u16::MAX);
        let ([n0, n1], [w0, w1]) = (length.to_be_bytes(), weight.to_be_bytes());
        let [p0, p1] = port.to_be_bytes();
        self.put(&[
            o0, o1, t0, t1, c0, c1, l0, l1, l2, l3, n0, n1, 0, 0, w0, w1, p0, p1,
        ]);
        let position = self.at;
        target.0.iter().for_each(|part| self.put(part));
        self.add_count(1);
        Ok(position)
    }

    pub(super) fn record(
        &mut self,
        owner: Owner<'_>,
        rtype: RType,
        ttl: u32,
        rdata: impl FnOnce(&mut Self),
    ) -> Result<(), Full> {
        if self.full {
            return Err(Full);
        }
        let (start, known) = (self.at, self.positions.count());
        match owner {
            Owner::QName => self.put(&QNAME_POINTER),
            Owner::Pointer(pointer) => self.put(&pointer),
            Owner::Position(position) if position < MAX_POINTER => self.put(&pointer(position)),
            Owner::Position(position) => self.repeat_name(position),
            Owner::Name(name) => self.put_name(name),
        }
        let ([t0, t1], [c0, c1]) = (rtype.0.to_be_bytes(), QClass::IN.0.to_be_bytes());
        let [l0, l1, l2, l3] = ttl.to_be_bytes();
        self.put(&[t0, t1, c0, c1, l0, l1, l2, l3, 0, 0]);
        let length_at = self.at - 2;
        rdata(self);
        if self.at > self.limit {
            self.at = start;
            self.positions.cut(known);
            return self.overflow();
        }
        let length = u16::try_from(self.at - length_at - 2).unwrap_or(u16::MAX);
        self.patch(length_at, &length.to_be_bytes());
        self.add_count(1);
        Ok(())
    }

    fn overflow(&mut self) -> Result<(), Full> {
        self.full = true;
        self.set_truncated();
        Err(Full)
    }

    #[inline]
    fn add_count(&mut self, records: usize) {
        if let Some(count) = self.counts.get_mut(self.section as usize) {
            *count = count.saturating_add(u16::try_from(records).unwrap_or(u16::MAX));
        }
    }

    /// Writes `bytes` at the end. Past the buffer only the length grows: the caller finds the limit
    /// exceeded and takes the record back.
    #[inline]
    pub(super) fn put(&mut self, bytes: &[u8]) {
        if let Some(room) = self.out.get_mut(self.at..self.at + bytes.len()) {
            room.copy_from_slice(bytes);
        }
        self.at += bytes.len();
    }

    pub(super) fn patch(&mut self, at: usize, bytes: &[u8]) {
        if let Some(room) = self.out.get_mut(at..at + bytes.len()) {
            room.copy_from_slice(bytes);
        }
    }

    /// Completes the message with OPT and the header, and returns its length.
    #[inline]
    pub fn finish(self) -> usize {
        self.finish_in().1
    }

    /// Completes the message, and returns where it is and its length.
    #[inline]
    pub(super) fn finish_in(mut self) -> (&'b mut [u8], usize) {
        let [high, low] = self.rcode_parts();
        if let Some(dnssec_ok) = self.opt {
            let at = self.at;
            let room = self.out.get_mut(at..).unwrap_or(&mut []);
            let written = write_opt(room, high, dnssec_ok, self.error);
            self.at += written;
            if written > 0 {
                self.section = Section::Additional;
                self.add_count(1);
            }
        }
        let [f0, f1] = self.flags.to_be_bytes();
        let [answers, authorities, additionals] = self.counts.map(u16::to_be_bytes);
        if let Some(front) = self.out.first_chunk_mut::<HEADER_LEN>() {
            let [i0, i1, _, _, q0, q1, ..] = *front;
            let ([a0, a1], [n0, n1], [x0, x1]) = (answers, authorities, additionals);
            *front = [i0, i1, f0, f1 | low, q0, q1, a0, a1, n0, n1, x0, x1];
        }
        (self.out, self.at)
    }

    /// Splits the response code into OPT's eight bits and the header's four.
    #[inline]
    fn rcode_parts(&self) -> [u8; 2] {
        [(self.rcode.0 >> 4) as u8, (self.rcode.0 & 0xf) as u8]
    }
}

/// The owner of a record.
#[derive(Debug, Clone, Copy)]
pub enum Owner<'a> {
    /// The QNAME.
    QName,
    /// A name that stands at this offset of the message.
    Position(usize),
    /// A pointer to part of the QNAME.
    Pointer([u8; 2]),
    /// This name, compressed where it can be.
    Name(NameParts<'a>),
}

/// A name in wire form, in pieces that follow each other; only the last ends in the root label.
#[derive(Clone, Copy)]
pub struct NameParts<'a>(pub &'a [&'a [u8]]);

impl<'a> NameParts<'a> {
    pub(super) fn labels(self) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().flat_map(|part| labels(part))
    }
}

impl fmt::Debug for NameParts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| write_name(f, part))
    }
}
