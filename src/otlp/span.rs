//! One query with its answer as a span: `opentelemetry.proto.trace.v1.Span`, with attributes by
//! OpenTelemetry's semantic conventions where there are such.

use crate::observe::TYPES;
use crate::protobuf::Writer;
use crate::querylog::{Entry, type_name};
use crate::wire::{NameBuf, QNameBuffer, Query, Rcode};
use std::time::Duration;

/// `SpanKind.SPAN_KIND_SERVER`.
const SERVER: u64 = 2;
/// `Status.StatusCode.STATUS_CODE_ERROR`.
const ERROR: u64 = 2;
/// The flag `sampled` of W3C Trace Context.
const SAMPLED: u32 = 1;

/// What numbers spans: splitmix64. Not for secrets.
#[derive(Debug)]
pub struct Ids(u64);

impl Ids {
    /// Returns numbers that go on from a random one.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> [u8; 8] {
        loop {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let id = mixed ^ (mixed >> 31);
            // No ID is all zeros.
            if id != 0 {
                return id.to_be_bytes();
            }
        }
    }
}

/// Returns a query as a span. It came to the listener called `server`, so long after 1970.
pub fn span(entry: &Entry<'_>, server: &str, came: Duration, ids: &mut Ids) -> Vec<u8> {
    let exchange = entry.exchange;
    let mut span = Writer::default();
    span.bytes(1, &[ids.next(), ids.next()].concat());
    span.bytes(2, &ids.next());
    let rtype = type_name(entry.qtype);
    // Of few values: whoever asks could make up a type for each query.
    let kind = if TYPES.contains(&entry.qtype) {
        &rtype
    } else {
        "other"
    };
    span.bytes(5, format!("DNS {kind}").as_bytes());
    span.number(6, SERVER);
    span.fixed64(7, nanoseconds(came));
    span.fixed64(8, nanoseconds(came + exchange.took));
    let rcode = entry.rcode_text();
    let mut text = |key: &str, value: &str| attribute(&mut span, key, Value::Text(value));
    text("dns.question.name", &question(&exchange.query));
    text("dns.question.type", &rtype);
    text("dns.question.class", &entry.class_text());
    text("dns.response_code", &rcode);
    text("network.protocol.name", "dns");
    text("network.transport", transport(server, exchange.stream));
    let peer = exchange.peer.ip().to_canonical();
    text("network.type", if peer.is_ipv4() { "ipv4" } else { "ipv6" });
    text("network.peer.address", &peer.to_string());
    text("client.address", &entry.remote().to_string());
    if let Some(local) = exchange.local {
        text("server.address", &local.to_canonical().to_string());
    }
    text("tenantdns.server", server);
    text(
        "tenantdns.plugin",
        exchange.plugin.map_or("", |plugin| plugin.as_str()),
    );
    let asker = entry.asker;
    text("tenantdns.client.kind", asker.class);
    for (key, value) in [
        ("tenantdns.client.namespace", &asker.namespace),
        ("tenantdns.client.pod", &asker.pod),
        ("tenantdns.client.tenant", &asker.tenant),
    ] {
        if let Some(value) = value {
            text(key, value);
        }
    }
    let failed = exchange.rcode == Rcode::SERVFAIL;
    if failed {
        text("error.type", &rcode);
    }
    let peer_port = Value::Number(exchange.peer.port().into());
    attribute(&mut span, "network.peer.port", peer_port);
    if exchange.named.is_none() {
        attribute(&mut span, "client.port", peer_port);
    }
    let size = Value::Number(exchange.answer.len() as u64);
    attribute(&mut span, "tenantdns.response.size", size);
    if failed {
        let mut status = Writer::default();
        status.number(3, ERROR);
        span.bytes(15, &status.finish());
    }
    span.fixed32(16, SAMPLED);
    span.finish()
}

/// What an attribute says: `opentelemetry.proto.common.v1.AnyValue`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'v> {
    Text(&'v str),
    Number(u64),
}

/// Adds an attribute to a span.
fn attribute(span: &mut Writer, key: &str, value: Value<'_>) {
    /// `Span.attributes`.
    const ATTRIBUTES: u32 = 9;
    span.bytes(ATTRIBUTES, &key_value(key, value));
}

/// Returns an attribute: `opentelemetry.proto.common.v1.KeyValue`.
pub(super) fn key_value(key: &str, value: Value<'_>) -> Vec<u8> {
    let mut any = Writer::default();
    match value {
        Value::Text(text) => any.bytes(1, text.as_bytes()),
        Value::Number(number) => any.number(3, number),
    }
    let mut pair = Writer::default();
    pair.bytes(1, key.as_bytes());
    pair.bytes(2, &any.finish());
    pair.finish()
}

/// Returns the name that was asked for as it was written, but for the dot at its end.
fn question(query: &[u8]) -> String {
    let mut buffer = QNameBuffer::default();
    let Ok(query) = Query::parse(query, &mut buffer) else {
        return String::new();
    };
    let mut name = NameBuf::new();
    // Every name of a query fits.
    let _ = name.push_wire(query.qname.as_wire());
    let text = name.to_name().to_string();
    match text.strip_suffix('.') {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ => text,
    }
}

fn transport(server: &str, stream: bool) -> &'static str {
    match (server.starts_with("quic://"), stream) {
        (true, _) => "quic",
        (false, true) => "tcp",
        (false, false) => "udp",
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
