//! A whole message apart from its bytes: what steps change that stand between a client and what
//! answers. Answers that nothing is changed of are never taken apart.

use super::asks::Plan;
use super::{Asked, By, DropReason, Outcome, verdict};
use crate::chain::{Data, Layout, Record, layout};
use crate::wire::{
    self, ExtendedError, HEADER_LEN, Header, HeaderFlags, Lifetimes, Name, OPTION_EDE, OPTION_NSID,
    QClass, Query, RType, Rcode, ResponseBuilder, Section, read_name, write_option,
};

/// A response.
#[derive(Debug, Clone, Default)]
pub(super) struct Message {
    pub(super) flags: HeaderFlags,
    pub(super) rcode: Option<Rcode>,
    pub(super) answer: Vec<Record>,
    pub(super) authority: Vec<Record>,
    pub(super) additional: Vec<Record>,
    /// Code and text of an extended error.
    pub(super) error: Option<(u16, Box<str>)>,
    /// The server's identifier.
    pub(super) nsid: Option<Box<str>>,
}

/// What came of a step: a response, and whether a plugin wrote it. What none wrote is only a response
/// code for the server to send.
pub(super) struct Reply {
    pub(super) message: Message,
    pub(super) is_written: bool,
    pub(super) by: By,
}

/// Why there is no response yet, or never.
pub(super) enum Stop {
    Hold,
    Ask(Box<Plan>),
    Drop(DropReason),
}

impl Message {
    /// Returns an empty response to a query.
    pub(super) fn to(asked: &Asked<'_>) -> Self {
        let kept = HeaderFlags::RD.or(HeaderFlags::CD);
        Self {
            flags: asked.query.header.flags().and(kept),
            ..Self::default()
        }
    }

    pub(super) fn rcode(&self) -> Rcode {
        self.rcode.unwrap_or(Rcode::NOERROR)
    }

    pub(super) fn with_rcode(self, rcode: Rcode) -> Self {
        Self {
            rcode: Some(rcode),
            ..self
        }
    }

    /// Reads a response, or returns `None` where it is none that can be read to its end.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let header = Header::parse(bytes).filter(|header| header.is_response())?;
        let [questions, answers, authorities, additionals] = header.counts.map(usize::from);
        let mut at = HEADER_LEN;
        for _ in 0..questions {
            at = read_name(bytes, at)?.1 + 4;
        }
        let mut message = Self {
            flags: header.flags(),
            ..Self::default()
        };
        let mut high = 0;
        for number in 0..answers + authorities + additionals {
            let (record, next) = read_record(bytes, at)?;
            at = next;
            if record.rtype == RType::OPT {
                high = ((record.ttl >> 24) as u16) << 4;
                message.error = extended_error(&record);
            } else if number < answers {
                message.answer.push(record);
            } else if number < answers + authorities {
                message.authority.push(record);
            } else {
                message.additional.push(record);
            }
        }
        message.rcode = Some(Rcode(high | header.rcode().0));
        Some(message)
    }

    pub(super) fn records(&mut self) -> impl Iterator<Item = &mut Record> {
        let Self {
            answer,
            authority,
            additional,
            ..
        } = self;
        authority.iter_mut().chain(answer).chain(additional)
    }

    pub(super) fn is_truncated(&self) -> bool {
        self.flags.and(HeaderFlags::TC) == HeaderFlags::TC
    }

    pub(super) fn has_answer(&self, rtype: RType) -> bool {
        self.answer.iter().any(|record| record.rtype == rtype)
    }

    /// Returns the options of the response's OPT record.
    fn options(&self) -> Vec<u8> {
        let mut options = Vec::new();
        if let Some((code, text)) = &self.error {
            let value = [&code.to_be_bytes(), text.as_bytes()].concat();
            write_option(&mut options, OPTION_EDE, &value);
        }
        if let Some(id) = &self.nsid {
            write_option(&mut options, OPTION_NSID, id.as_bytes());
        }
        options
    }

    /// Writes as many of the records as there is room for.
    fn push_records(&self, builder: &mut ResponseBuilder<'_>) {
        let sections = [
            (Section::Answer, &self.answer),
            (Section::Authority, &self.authority),
            (Section::Additional, &self.additional),
        ];
        'all: for (section, records) in sections {
            builder.section(section);
            for record in records {
                let about = (record.rtype, record.class, record.ttl);
                let pushed = builder.push_fields(record.owner.as_wire(), about, record.fields());
                if pushed.is_err() {
                    break 'all;
                }
            }
        }
    }

    /// Gives all records the TTL that an answer to this question is to have.
    pub(super) fn bound(&mut self, lifetimes: &Lifetimes, query: &Query<'_>) {
        let mut out = vec![0; usize::from(u16::MAX)];
        let mut builder = ResponseBuilder::new(query, out.len(), &mut out);
        builder.set_rcode(self.rcode());
        self.push_records(&mut builder);
        let length = builder.finish();
        let octets = out.get(..length).unwrap_or(&[]);
        if let Some(whole) = wire::Message::parse(octets) {
            let ttl = lifetimes.ttl(wire::Kind::of(&whole).0, &whole);
            self.records().for_each(|record| record.ttl = ttl);
        }
    }

    /// Writes the response to the query that was asked, cut where it is too long.
    pub(super) fn write(&self, asked: &Asked<'_>, by: By, limit: usize, out: &mut [u8]) -> Outcome {
        let limit = limit.min(out.len());
        let mut builder = ResponseBuilder::new(asked.query, limit, out);
        builder.set_flags(self.flags);
        builder.set_rcode(self.rcode());
        let mut options = self.options();
        // What would leave no room for anything else is left out.
        if options.len() > 256 || !builder.keep_room(&options) {
            options.clear();
        }
        self.push_records(&mut builder);
        let verdict = verdict(self.rcode(), asked, by);
        Outcome::Reply(builder.finish_with(&options), verdict)
    }
}

impl From<ExtendedError> for (u16, Box<str>) {
    fn from(error: ExtendedError) -> Self {
        (error.0, "".into())
    }
}

impl Reply {
    /// Returns a response that a plugin wrote.
    pub(super) fn written(message: Message, by: By) -> Self {
        Self {
            message,
            is_written: true,
            by,
        }
    }

    /// Returns a response code that is left to the server to send.
    pub(super) fn unwritten(asked: &Asked<'_>, rcode: Rcode, by: By) -> Self {
        Self {
            message: Message::to(asked).with_rcode(rcode),
            is_written: false,
            by,
        }
    }
}

fn read_record(bytes: &[u8], at: usize) -> Option<(Record, usize)> {
    let (owner, fixed_at) = read_name(bytes, at)?;
    let fixed = bytes.get(fixed_at..)?.first_chunk::<10>()?;
    let [t0, t1, c0, c1, l0, l1, l2, l3, n0, n1] = *fixed;
    let start = fixed_at + 10;
    let end = start + usize::from(u16::from_be_bytes([n0, n1]));
    bytes.get(start..end)?;
    let rtype = RType(u16::from_be_bytes([t0, t1]));
    let record = Record {
        owner: owner.to_name(),
        rtype,
        class: QClass(u16::from_be_bytes([c0, c1])),
        ttl: u32::from_be_bytes([l0, l1, l2, l3]),
        data: read_data(bytes, start..end, rtype)?,
    };
    Some((record, end))
}

fn read_data(bytes: &[u8], data: std::ops::Range<usize>, rtype: RType) -> Option<Vec<Data>> {
    let (mut at, mut plain_from) = (data.start, data.start);
    let mut parts = Vec::new();
    let octets = |from: usize, to: usize| Some(Data::Octets(bytes.get(from..to)?.into()));
    // Updates may have records without data.
    let layout = if data.is_empty() { &[] } else { layout(rtype) };
    for part in layout {
        match part {
            Layout::Fixed(length) => at += length,
            Layout::Text => at += 1 + usize::from(*bytes.get(at)?),
            Layout::Name => {
                if at > plain_from {
                    parts.push(octets(plain_from, at)?);
                }
                let (name, next) = read_name(bytes, at)?;
                parts.push(Data::Name(name.to_name()));
                (at, plain_from) = (next, next);
            }
        }
        if at > data.end {
            return None;
        }
    }
    if plain_from < data.end {
        parts.push(octets(plain_from, data.end)?);
    }
    Some(parts)
}

fn extended_error(opt: &Record) -> Option<(u16, Box<str>)> {
    let [Data::Octets(options)] = &*opt.data else {
        return None;
    };
    let mut rest = &**options;
    while let Some((head, after)) = rest.split_first_chunk::<4>() {
        let [c0, c1, l0, l1] = *head;
        let (value, after) = after.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])))?;
        rest = after;
        if u16::from_be_bytes([c0, c1]) == OPTION_EDE
            && let Some((code, text)) = value.split_first_chunk::<2>()
        {
            let text = String::from_utf8_lossy(text).into();
            return Some((u16::from_be_bytes(*code), text));
        }
    }
    None
}

/// Returns a name of labels that fit, for the names that steps write themselves.
pub(super) fn fixed_name(octets: &'static [u8]) -> Name {
    let mut name = wire::NameBuf::new();
    let _ = name.push_wire(octets);
    name.to_name()
}
