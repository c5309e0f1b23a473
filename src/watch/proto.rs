//! The envelope in which the API sends an object as Protocol Buffers. Not what the objects' messages
//! hold, which is in [`shapes`].

pub(super) mod shapes;

pub(super) use crate::protobuf::{Field, Malformed, fields, tag, varint};
use std::borrow::Cow;

/// What an object is sent in: four bytes, then a `runtime.Unknown`.
pub(super) const MAGIC: &[u8; 4] = b"k8s\0";

/// An object in its envelope.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Envelope<'a> {
    /// `typeMeta.kind`.
    pub(super) kind: Cow<'a, str>,
    /// The object's message.
    pub(super) object: &'a [u8],
}

/// Opens an envelope.
pub(super) fn open(bytes: &[u8]) -> Result<Envelope<'_>, Malformed> {
    let unknown = bytes.strip_prefix(MAGIC).ok_or(Malformed::Envelope)?;
    let mut envelope = Envelope::default();
    for field in fields(unknown) {
        let field = field?;
        match field.number {
            1 => {
                for field in fields(field.bytes()?) {
                    let field = field?;
                    if field.number == 2 {
                        envelope.kind = field.text()?;
                    }
                }
            }
            2 => envelope.object = field.bytes()?,
            // `contentEncoding`: nobody asked for any.
            3 if !field.bytes()?.is_empty() => return Err(Malformed::Envelope),
            _ => {}
        }
    }
    Ok(envelope)
}
