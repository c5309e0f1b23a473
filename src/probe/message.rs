//! Queries as octets, and replies as an implementation reads them that is not the one that writes
//! ours.

use crate::wire::{Name, RType, Rcode};
use hickory_proto::op::Message;
use hickory_proto::rr::{Name as RecordName, RData, Record};
use std::hash::{BuildHasher, Hasher, RandomState};

/// How a query is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Without EDNS.
    Plain,
    /// With EDNS and DO, for so many octets.
    Edns(u16),
}

impl Form {
    /// Those in which names are compared.
    pub(super) const ALL: [Self; 3] = [Self::Plain, Self::Edns(512), Self::Edns(1232)];
}

/// Returns a query of class IN.
pub(super) fn query(name: &str, rtype: RType, form: Form) -> Vec<u8> {
    let mut bytes = of_class(name, rtype, 1);
    if let Form::Edns(size) = form {
        push_opt(&mut bytes, size, 0x8000, &[]);
    }
    bytes
}

/// Returns a query of any class. A name that is none, which only an odd zone makes, is the root.
pub(super) fn of_class(name: &str, rtype: RType, class: u16) -> Vec<u8> {
    let id = random() as u16;
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    bytes.extend(wire(name));
    bytes.extend(rtype.0.to_be_bytes());
    bytes.extend(class.to_be_bytes());
    bytes
}

/// Returns a query with EDNS options.
pub(super) fn with_options(name: &str, rtype: RType, options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = of_class(name, rtype, 1);
    let mut data = Vec::new();
    for (code, value) in options {
        data.extend(code.to_be_bytes());
        data.extend((value.len() as u16).to_be_bytes());
        data.extend(*value);
    }
    push_opt(&mut bytes, 1232, 0, &data);
    bytes
}

fn push_opt(bytes: &mut Vec<u8>, size: u16, flags: u16, data: &[u8]) {
    if let Some(count) = bytes.get_mut(11) {
        *count += 1;
    }
    bytes.extend([0, 0, 41]);
    bytes.extend(size.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(flags.to_be_bytes());
    bytes.extend((data.len() as u16).to_be_bytes());
    bytes.extend(data);
}

fn wire(name: &str) -> Vec<u8> {
    let name: Name = name.parse().unwrap_or_else(|_| Name::root());
    name.as_wire().to_vec()
}

/// Returns 64 bits that nobody can guess.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Returns a name of the same shape with other letters in one of its labels.
pub(super) fn twin(name: &str, label: usize) -> String {
    let mut bits = random();
    let mut letter = || {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'a' + ((bits >> 33) % 26) as u8)
    };
    let labels = name
        .split('.')
        .enumerate()
        .map(|(at, text)| match at == label {
            true => text.chars().map(|_| letter()).collect(),
            false => text.to_owned(),
        });
    labels.collect::<Vec<_>>().join(".")
}

/// Returns whether two replies are the same beside the questions for two names of equal length.
pub(super) fn is_same(one: &[u8], name: &str, other: &[u8], other_name: &str) -> bool {
    let without = |reply: &[u8], name: &str| {
        let mut reply = reply.to_vec();
        let end = 12 + wire(name).len();
        if let Some(id) = reply.get_mut(..2) {
            id.fill(0);
        }
        if let Some(question) = reply.get_mut(12..end) {
            question.fill(0);
        }
        reply
    };
    without(one, name) == without(other, other_name)
}

/// One record of a reply.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Answer {
    pub(super) ttl: u32,
    pub(super) data: String,
    /// The name that it leads to, where it leads to one.
    pub(super) target: Option<String>,
}

/// What is looked at in a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) rcode: Rcode,
    pub(super) authoritative: bool,
    pub(super) recursion_available: bool,
    pub(super) answers: Vec<Answer>,
    /// The serial of the SOA in the authority section.
    pub(super) serial: Option<u32>,
    /// EDNS options.
    pub(super) options: usize,
}

impl Reply {
    /// Reads a reply, or returns `None` where it can't be read.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let message = Message::from_vec(bytes).ok()?;
        let serial = message
            .authorities
            .iter()
            .find_map(|record| match &record.data {
                RData::SOA(soa) => Some(soa.serial),
                _ => None,
            });
        let options = message
            .edns
            .as_ref()
            .map_or(0, |edns| edns.options().as_ref().len());
        let record = |record: &Record| answer(record.ttl, &record.data);
        let mut answers: Vec<Answer> = message.answers.iter().map(record).collect();
        // Servers turn their order.
        answers.sort();
        Some(Self {
            rcode: Rcode(u16::from(message.response_code)),
            authoritative: message.authoritative,
            recursion_available: message.recursion_available,
            answers,
            serial,
            options,
        })
    }

    /// Returns what it says in a few words.
    pub(super) fn said(&self) -> String {
        match &self.answers[..] {
            [] if self.rcode == Rcode::NOERROR => "NODATA".into(),
            [] => self.rcode.to_string(),
            [only] => only.data.clone(),
            [first, rest @ ..] => format!("{} and {} more", first.data, rest.len()),
        }
    }
}

fn answer(ttl: u32, data: &RData) -> Answer {
    let target = |name: &RecordName| Some(name.to_ascii().to_lowercase());
    let (data, target) = match data {
        RData::A(address) => (address.0.to_string(), None),
        RData::AAAA(address) => (address.0.to_string(), None),
        RData::CNAME(name) => (name.0.to_string(), target(&name.0)),
        RData::PTR(name) => (name.0.to_string(), target(&name.0)),
        RData::NS(name) => (name.0.to_string(), target(&name.0)),
        RData::SRV(srv) => (srv.target.to_string(), target(&srv.target)),
        RData::TXT(text) => {
            let strings = text.txt_data.iter().map(|s| s.escape_ascii().to_string());
            (strings.collect::<Vec<_>>().join(" "), None)
        }
        other => (other.to_string(), None),
    };
    Answer { ttl, data, target }
}
