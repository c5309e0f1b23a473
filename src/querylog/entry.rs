//! One query with its answer, as a line of the log says it.

use super::kind::Kind;
use crate::observe::Exchange;
use crate::wire::{Name, NameBuf, QClass, QNameBuffer, Query, RType};
use std::fmt::Write;
use std::net::IpAddr;

/// Who asked, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asker {
    /// The kind of client: `pod`, `platform`, `node`, `external`, `unknown`.
    pub class: &'static str,
    /// A pod's namespace.
    pub namespace: Option<Box<str>>,
    /// Its name.
    pub pod: Option<Box<str>>,
    /// Whose it is.
    pub tenant: Option<Box<str>>,
}

/// One query with its answer.
#[derive(Debug)]
pub struct Entry<'a> {
    /// What was read.
    pub exchange: &'a Exchange,
    /// Who asked.
    pub asker: &'a Asker,
    /// The name that was asked for, in lower case.
    pub name: Name,
    /// The type likewise.
    pub qtype: RType,
    pub(super) qclass: QClass,
    pub(super) id: u16,
    pub(super) opcode: u8,
    pub(super) dnssec_ok: bool,
    /// The client's payload size.
    pub(super) size: u16,
    /// What the answer says.
    pub kind: Kind,
}

impl<'a> Entry<'a> {
    /// Reads a query and its answer, or returns `None` where the query can't be read: CoreDNS does not
    /// log those either.
    pub fn of(exchange: &'a Exchange, asker: &'a Asker) -> Option<Self> {
        let mut buffer = QNameBuffer::default();
        let query = Query::parse(&exchange.query, &mut buffer).ok()?;
        let mut name = NameBuf::new();
        name.push_wire(query.qname.lower()).ok()?;
        let edns = query.edns.as_ref();
        Some(Self {
            exchange,
            asker,
            name: name.to_name(),
            qtype: query.qtype,
            qclass: query.qclass,
            id: query.header.id,
            opcode: query.header.opcode().0,
            dnssec_ok: edns.is_some_and(|edns| edns.dnssec_ok),
            size: match exchange.stream {
                true => u16::MAX,
                // RFC 6891 section 6.2.3: less than 512 is 512.
                false => edns.map_or(512, |edns| edns.payload_size.max(512)),
            },
            kind: Kind::of(&exchange.answer, exchange.rcode, query.qtype),
        })
    }

    /// Returns the client's address, also behind a forwarder.
    pub fn remote(&self) -> IpAddr {
        let peer = self.exchange.peer.ip().to_canonical();
        self.exchange.named.unwrap_or(peer)
    }

    pub(super) fn protocol(&self) -> &'static str {
        if self.exchange.stream { "tcp" } else { "udp" }
    }

    /// Returns the class that was asked for.
    pub fn class_text(&self) -> String {
        match self.qclass.0 {
            1 => "IN".to_owned(),
            3 => "CH".to_owned(),
            4 => "HS".to_owned(),
            254 => "NONE".to_owned(),
            255 => "ANY".to_owned(),
            other => format!("CLASS{other}"),
        }
    }

    /// Returns the response code as CoreDNS's log has it: a number where it has no name.
    pub fn rcode_text(&self) -> String {
        let rcode = self.exchange.rcode;
        rcode
            .coredns_name()
            .map_or_else(|| rcode.0.to_string(), str::to_owned)
    }

    /// Returns the answer's flags that are set, with commas between them.
    pub(super) fn flags(&self) -> String {
        let [high, low] = match *self.exchange.answer {
            [_, _, high, low, ..] => [high, low],
            _ => [0, 0],
        };
        let mut text = String::new();
        for (octet, bit, name) in [
            (high, 0x80, "qr"),
            (high, 0x04, "aa"),
            (high, 0x02, "tc"),
            (high, 0x01, "rd"),
            (low, 0x80, "ra"),
            (low, 0x40, "z"),
            (low, 0x20, "ad"),
            (low, 0x10, "cd"),
        ] {
            if octet & bit != 0 {
                let comma = if text.is_empty() { "" } else { "," };
                // Writing to a text can't fail.
                let _ = write!(text, "{comma}{name}");
            }
        }
        text
    }

    /// Returns what a metadata label says, where it says something.
    pub(super) fn label(&self, label: &str) -> Option<&str> {
        let asker = self.asker;
        match label {
            "tenant/name" => asker.tenant.as_deref(),
            "tenant/client" => Some(asker.class),
            "kubernetes/client-namespace" => asker.namespace.as_deref(),
            "kubernetes/client-pod-name" => asker.pod.as_deref(),
            "log/type" => Some(self.kind.as_str()),
            "log/class" => Some(self.kind.class().as_str()),
            _ => None,
        }
    }
}
