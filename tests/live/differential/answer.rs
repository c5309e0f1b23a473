//! An answer as it is compared: everything in it, in a form that prints.

use crate::decode::line;
use hickory_proto::op::Message;
use hickory_proto::rr::Record;
use std::fmt;
use tenantdns::wire::read_name;

/// An OPT record: size, version, DO, and its options as they print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opt {
    pub(crate) size: u16,
    pub(crate) version: u8,
    pub(crate) dnssec_ok: bool,
    pub(crate) options: Vec<String>,
}

/// An answer without its ID and the serial of its SOA. Sections are sorted but for CNAMEs in the
/// answer, which lead from one to the next: CoreDNS shuffles what is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) rcode: u16,
    pub(crate) opcode: u8,
    pub(crate) aa: bool,
    pub(crate) tc: bool,
    pub(crate) rd: bool,
    pub(crate) ra: bool,
    pub(crate) ad: bool,
    pub(crate) cd: bool,
    pub(crate) question: Vec<String>,
    pub(crate) answer: Vec<String>,
    pub(crate) authority: Vec<String>,
    pub(crate) additional: Vec<String>,
    pub(crate) opt: Option<Opt>,
}

/// The response codes that occur.
pub(crate) const NOERROR: u16 = 0;
pub(crate) const SERVFAIL: u16 = 2;
pub(crate) const NXDOMAIN: u16 = 3;
pub(crate) const REFUSED: u16 = 5;

impl Answer {
    /// Reads a message; the error says why it is none.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let whole = without_empty(bytes).ok_or_else(|| format!("no message: {bytes:02x?}"))?;
        let message = Message::from_vec(&whole).map_err(|e| format!("{e}: {bytes:02x?}"))?;
        let lines = |records: &[Record]| records.iter().map(compared).collect::<Vec<_>>();
        let sorted = |records: &[Record]| {
            let mut lines = lines(records);
            lines.sort();
            lines
        };
        let is_alias = |line: &String| line.split(' ').nth(2) == Some("CNAME");
        let (mut answer, mut rest): (Vec<_>, Vec<_>) =
            lines(&message.answers).into_iter().partition(is_alias);
        rest.sort();
        answer.append(&mut rest);
        Ok(Self {
            rcode: message.response_code.into(),
            opcode: message.op_code.into(),
            aa: message.authoritative,
            tc: message.truncation,
            rd: message.recursion_desired,
            ra: message.recursion_available,
            ad: message.authentic_data,
            cd: message.checking_disabled,
            question: message.queries.iter().map(ToString::to_string).collect(),
            answer,
            authority: sorted(&message.authorities),
            additional: sorted(&message.additionals),
            opt: message.edns.as_ref().map(|edns| Opt {
                size: edns.max_payload(),
                version: edns.version(),
                dnssec_ok: edns.flags().dnssec_ok,
                options: edns
                    .options()
                    .as_ref()
                    .iter()
                    .map(|o| format!("{o:?}"))
                    .collect(),
            }),
        })
    }

    /// Makes it a negative answer: no records but the zone's SOA.
    pub(crate) fn deny(&mut self, rcode: u16, soa: String) {
        *self = Self {
            rcode,
            aa: true,
            answer: Vec::new(),
            authority: vec![soa],
            additional: Vec::new(),
            ..self.clone()
        };
    }

    /// Makes it one that says nothing of the name.
    pub(crate) fn fail(&mut self, rcode: u16) {
        *self = Self {
            rcode,
            aa: false,
            answer: Vec::new(),
            authority: Vec::new(),
            additional: Vec::new(),
            ..self.clone()
        };
    }

    /// Makes it a positive answer with these records.
    pub(crate) fn give(&mut self, answer: Vec<String>, additional: Vec<String>) {
        *self = Self {
            rcode: NOERROR,
            aa: true,
            answer,
            authority: Vec::new(),
            additional,
            ..self.clone()
        };
    }
}

/// Takes out AAAA records without an address, which nobody can read: CoreDNS has them for a name server
/// whose load balancer has a host name. Nothing points into them: their owner came before.
fn without_empty(bytes: &[u8]) -> Option<Vec<u8>> {
    const HEADER: usize = 12;
    const AAAA: u16 = 28;
    let number = |at: usize| Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    let mut at = HEADER;
    for _ in 0..number(4)? {
        at = read_name(bytes, at)?.1 + 4;
    }
    let mut kept = bytes.get(..at)?.to_vec();
    for count_at in [6, 8, 10] {
        let mut count = number(count_at)?;
        for _ in 0..number(count_at)? {
            let fixed = read_name(bytes, at)?.1;
            let length = number(fixed + 8)?;
            let end = fixed + 10 + usize::from(length);
            match (number(fixed)?, length) {
                (AAAA, 0) => count -= 1,
                _ => kept.extend(bytes.get(at..end)?),
            }
            at = end;
        }
        kept[count_at..count_at + 2].copy_from_slice(&count.to_be_bytes());
    }
    Some(kept)
}

/// A record as a line, a SOA without its serial.
fn compared(record: &Record) -> String {
    let line = line(record);
    let mut words: Vec<&str> = line.split(' ').collect();
    if words[2] == "SOA" {
        words[5] = "*";
    }
    words.join(" ")
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rcode {} opcode {}", self.rcode, self.opcode)?;
        let flags = [
            (self.aa, "aa"),
            (self.tc, "tc"),
            (self.rd, "rd"),
            (self.ra, "ra"),
            (self.ad, "ad"),
            (self.cd, "cd"),
        ];
        for (_, flag) in flags.iter().filter(|(set, _)| *set) {
            write!(f, " {flag}")?;
        }
        if let Some(opt) = &self.opt {
            write!(f, "\n    {opt:?}")?;
        }
        for (section, lines) in [
            ("question", &self.question),
            ("answer", &self.answer),
            ("authority", &self.authority),
            ("additional", &self.additional),
        ] {
            for line in lines {
                write!(f, "\n    {section}: {line}")?;
            }
        }
        Ok(())
    }
}
