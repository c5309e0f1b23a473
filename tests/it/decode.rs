//! Answers as text, read by hickory-proto: an implementation of the wire format that is not ours.

use hickory_proto::op::Message;
use hickory_proto::rr::{RData, Record};
use serde::Deserialize;

/// One record in zone-file form; a TTL or a serial of `*` is not compared.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Rr {
    pub(crate) name: String,
    pub(crate) ttl: serde_json::Value,
    #[serde(rename = "type")]
    pub(crate) rtype: String,
    pub(crate) rdata: String,
}

/// A response in the form of the examples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) rcode: String,
    pub(crate) aa: bool,
    pub(crate) ra: bool,
    pub(crate) rd: bool,
    pub(crate) tc: bool,
    pub(crate) answer: Vec<String>,
    pub(crate) authority: Vec<String>,
    pub(crate) additional: Vec<String>,
}

/// Reads a message.
///
/// # Panics
/// Where it is malformed, says more than it holds, or a CNAME stands behind what it leads to.
pub(crate) fn decode(bytes: &[u8]) -> Response {
    let message = Message::from_vec(bytes).unwrap_or_else(|e| panic!("{e}: {bytes:02x?}"));
    let lines = |records: &[Record]| records.iter().map(line).collect::<Vec<_>>();
    Response {
        rcode: rcode(u16::from(message.response_code)),
        aa: message.authoritative,
        ra: message.recursion_available,
        rd: message.recursion_desired,
        tc: message.truncation,
        answer: lines(&message.answers),
        authority: lines(&message.authorities),
        additional: lines(&message.additionals),
    }
}

fn rcode(code: u16) -> String {
    match code {
        0 => "NOERROR".into(),
        1 => "FORMERR".into(),
        2 => "SERVFAIL".into(),
        3 => "NXDOMAIN".into(),
        4 => "NOTIMP".into(),
        5 => "REFUSED".into(),
        16 => "BADVERS".into(),
        other => format!("RCODE{other}"),
    }
}

/// Writes a record as a line: owner, TTL, type, data.
pub(crate) fn line(record: &Record) -> String {
    let data = match &record.data {
        RData::A(a) => a.0.to_string(),
        RData::AAAA(a) => a.0.to_string(),
        RData::CNAME(n) => n.0.to_string(),
        RData::NS(n) => n.0.to_string(),
        RData::PTR(n) => n.0.to_string(),
        RData::SRV(s) => format!("{} {} {} {}", s.priority, s.weight, s.port, s.target),
        RData::SOA(s) => format!(
            "{} {} {} {} {} {} {}",
            s.mname, s.rname, s.serial, s.refresh, s.retry, s.expire, s.minimum
        ),
        RData::TXT(t) => {
            let strings = t
                .txt_data
                .iter()
                .map(|s| format!("\"{}\"", String::from_utf8_lossy(s)));
            strings.collect::<Vec<_>>().join(" ")
        }
        other => format!("{other}"),
    };
    format!(
        "{} {} {} {data}",
        record.name,
        record.ttl,
        record.record_type()
    )
}
