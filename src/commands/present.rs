//! Messages as text, read by an implementation of the wire format that is not the one that wrote
//! them.

use hickory_proto::op::Message;
use hickory_proto::rr::{RData, Record};

/// A message's response code and its records in zone-file form, section by section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Presented {
    pub(super) rcode: String,
    pub(super) records: Vec<String>,
    /// The data of the answer section's records.
    pub(super) data: Vec<String>,
}

/// Returns a message as text.
///
/// # Errors
/// The message can't be read.
pub(super) fn present(message: &[u8]) -> Result<Presented, hickory_proto::ProtoError> {
    let message = Message::from_vec(message)?;
    let sections = [&message.answers, &message.authorities, &message.additionals];
    let rcode = crate::wire::Rcode(u16::from(message.response_code)).to_string();
    Ok(Presented {
        rcode,
        data: message.answers.iter().map(data).collect(),
        records: sections.into_iter().flatten().map(record).collect(),
    })
}

fn record(record: &Record) -> String {
    format!(
        "{} {} IN {} {}",
        record.name,
        record.ttl,
        record.record_type(),
        data(record)
    )
}

fn data(record: &Record) -> String {
    match &record.data {
        RData::A(address) => address.0.to_string(),
        RData::AAAA(address) => address.0.to_string(),
        RData::CNAME(name) => name.0.to_string(),
        RData::NS(name) => name.0.to_string(),
        RData::PTR(name) => name.0.to_string(),
        RData::SRV(srv) => {
            format!(
                "{} {} {} {}",
                srv.priority, srv.weight, srv.port, srv.target
            )
        }
        RData::TXT(text) => {
            let quoted = text
                .txt_data
                .iter()
                .map(|s| format!("\"{}\"", s.escape_ascii()));
            quoted.collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}
