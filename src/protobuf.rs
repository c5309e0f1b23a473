//! Protocol Buffers on bytes: the fields of a message, read or written one after the other. Not what the
//! messages mean: that is for whoever knows them, the API's objects and dnstap.
//!
//! A hundred lines instead of generated code: what is read is a twentieth of what comes, and what
//! is skipped costs one addition.

mod writer;

pub use writer::Writer;

use std::borrow::Cow;

/// Bytes that are no message, or not the one expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It ends within a field.
    #[error("a message ends within a field")]
    Cut,
    /// A number has more than ten bytes, or a field the number 0.
    #[error("a number in a message is too long, or a field's is 0")]
    Number,
    /// A wire type that went out of use, or that this field does not have.
    #[error("field {0} of a message is of another type than it should be")]
    Type(u32),
    /// An envelope is compressed, or does not start as one.
    #[error("an object is not in the envelope that it should be in")]
    Envelope,
    /// A well-formed number that is no port.
    #[error("{0} is no port")]
    Port(i64),
}

/// Returns the fields of a message.
pub fn fields(message: &[u8]) -> Fields<'_> {
    Fields { rest: message }
}

/// The fields of a message, in their order. Ends after an error.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

/// One field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its number.
    pub number: u32,
    value: Value<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// Eight or four bytes, which no field that is read has.
    Fixed,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match field(self.rest) {
            Ok((field, length)) => {
                self.rest = self.rest.get(length..).unwrap_or_default();
                Some(Ok(field))
            }
            Err(error) => {
                self.rest = &[];
                Some(Err(error))
            }
        }
    }
}

/// Reads the first field of a message; returns it with the bytes it takes.
#[inline]
fn field(bytes: &[u8]) -> Result<(Field<'_>, usize), Malformed> {
    let (number, wire_type, mut at) = tag(bytes)?;
    let rest = bytes.get(at..).unwrap_or_default();
    let mut fixed = |length: usize| {
        at += length;
        (bytes.len() >= at).then_some(Value::Fixed)
    };
    let value = match wire_type {
        0 => {
            let (value, length) = varint(rest)?;
            at += length;
            Value::Varint(value)
        }
        1 => fixed(8).ok_or(Malformed::Cut)?,
        2 => {
            let (length, prefix) = varint(rest)?;
            let length = usize::try_from(length).map_err(|_| Malformed::Cut)?;
            let end = prefix.checked_add(length).ok_or(Malformed::Cut)?;
            at += end;
            Value::Bytes(rest.get(prefix..end).ok_or(Malformed::Cut)?)
        }
        5 => fixed(4).ok_or(Malformed::Cut)?,
        // Groups went out of use long ago.
        _ => return Err(Malformed::Type(number)),
    };
    Ok((Field { number, value }, at))
}

/// Reads a field's number and wire type; returns them with the bytes they take.
#[inline]
pub fn tag(bytes: &[u8]) -> Result<(u32, u8, usize), Malformed> {
    let (tag, length) = varint(bytes)?;
    let number = u32::try_from(tag >> 3).map_err(|_| Malformed::Number)?;
    if number == 0 {
        return Err(Malformed::Number);
    }
    Ok((number, (tag & 7) as u8, length))
}

/// Reads a number; returns it with the bytes it takes.
#[inline]
pub fn varint(bytes: &[u8]) -> Result<(u64, usize), Malformed> {
    match bytes.first() {
        // Nearly all of them: tags, lengths of names, booleans.
        Some(&byte) if byte < 0x80 => Ok((byte.into(), 1)),
        _ => long_varint(bytes),
    }
}

fn long_varint(bytes: &[u8]) -> Result<(u64, usize), Malformed> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        let bits = u64::from(byte & 0x7f);
        // The tenth has room for one bit.
        if at == 9 && bits > 1 {
            return Err(Malformed::Number);
        }
        value |= bits << (7 * at);
        if byte & 0x80 == 0 {
            return Ok((value, at + 1));
        }
    }
    Err(if bytes.len() < 10 {
        Malformed::Cut
    } else {
        Malformed::Number
    })
}

impl<'a> Field<'a> {
    /// Returns what is in it: a message, or bytes.
    pub fn bytes(&self) -> Result<&'a [u8], Malformed> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(Malformed::Type(self.number)),
        }
    }

    /// Returns the text. What is no UTF-8 becomes U+FFFD, byte for byte, as in the API's JSON.
    pub fn text(&self) -> Result<Cow<'a, str>, Malformed> {
        let bytes = self.bytes()?;
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Ok(text.into());
        }
        let mut text = String::new();
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
        }
        Ok(text.into())
    }

    /// Returns the number: int32 and int64 alike are sent as 64 bits.
    pub fn number(&self) -> Result<i64, Malformed> {
        match self.value {
            Value::Varint(value) => Ok(value.cast_signed()),
            _ => Err(Malformed::Type(self.number)),
        }
    }

    /// Returns the number of a port.
    pub fn port(&self) -> Result<u16, Malformed> {
        let number = self.number()?;
        u16::try_from(number).map_err(|_| Malformed::Port(number))
    }

    /// Returns whether it is true.
    pub fn is_true(&self) -> Result<bool, Malformed> {
        self.number().map(|number| number != 0)
    }
}
