//! What is posted to a collector, `ExportTraceServiceRequest`, and what it says of it.

use super::span::{Value, key_value};
use crate::protobuf::{Malformed, Writer, fields};

/// Who sends the spans.
#[derive(Debug, Clone)]
pub struct Resource {
    /// `service.name`.
    pub service: Box<str>,
    /// `service.instance.id`: the host's name, which is the pod's.
    pub instance: Box<str>,
}

/// Returns the body of a request with these spans.
pub fn request<'s>(resource: &Resource, spans: impl IntoIterator<Item = &'s [u8]>) -> Vec<u8> {
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    let mut sender = Writer::default();
    for (key, value) in [
        ("service.name", &*resource.service),
        ("service.instance.id", &resource.instance),
        ("service.version", VERSION),
    ] {
        sender.bytes(1, &key_value(key, Value::Text(value)));
    }
    let mut scope = Writer::default();
    scope.bytes(1, b"tenantdns");
    scope.bytes(2, VERSION.as_bytes());
    let mut scoped = Writer::default();
    scoped.bytes(1, &scope.finish());
    for span in spans {
        scoped.bytes(2, span);
    }
    let mut of_resource = Writer::default();
    of_resource.bytes(1, &sender.finish());
    of_resource.bytes(2, &scoped.finish());
    let mut request = Writer::default();
    request.bytes(1, &of_resource.finish());
    request.finish()
}

/// What a collector took of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// Spans that it did not take, and won't.
    pub rejected: u64,
    /// Why, or what else it wants to say.
    pub message: Box<str>,
}

/// Reads an `ExportTraceServiceResponse`.
///
/// # Errors
/// It is no such message.
pub fn read_taken(body: &[u8]) -> Result<Taken, Malformed> {
    let mut taken = Taken::default();
    for field in fields(body) {
        let field = field?;
        if field.number != 1 {
            continue;
        }
        for part in fields(field.bytes()?) {
            let part = part?;
            match part.number {
                1 => taken.rejected = u64::try_from(part.number()?).unwrap_or(0),
                2 => taken.message = String::from_utf8_lossy(part.bytes()?).into(),
                _ => {}
            }
        }
    }
    Ok(taken)
}
