//! The body of a list cut into its items while it comes, so that a list of any length takes the
//! memory of its largest item. What the items are is for [`super::decode`].

mod json;

use super::decode::{Corrupt, Encoding, version};
use super::frames::{Buffer, LARGEST};
use super::proto;
use crate::index::Version;
use json::Json;

/// What a list says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// The version at which its items are what there is.
    pub(super) version: Version,
    /// What to ask for the next page with; empty where there is none.
    pub(super) next: Box<str>,
}

/// The items of a list.
pub(super) enum Items {
    Proto(Proto),
    Json(Json),
}

impl Items {
    pub(super) fn new(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Proto => Self::Proto(Proto::default()),
            Encoding::Json => Self::Json(Json::default()),
        }
    }

    /// Adds what has come.
    pub(super) fn push(&mut self, chunk: &[u8]) {
        match self {
            Self::Proto(list) => list.buffer.push(chunk),
            Self::Json(list) => list.push(chunk),
        }
    }

    /// Returns the next item that is there as a whole.
    ///
    /// # Errors
    /// What comes is no list.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, Corrupt> {
        match self {
            Self::Proto(list) => list.next(),
            Self::Json(list) => list.next(),
        }
    }

    /// Ends the list.
    ///
    /// # Errors
    /// The body has ended within it.
    pub(super) fn finish(self) -> Result<Head, Corrupt> {
        match self {
            Self::Proto(list) => list.finish(),
            Self::Json(list) => list.finish(),
        }
    }
}

/// `runtime.Unknown` around a message whose field 1 is the list's metadata and field 2 the items,
/// as every list of the API is.
#[derive(Default)]
pub(super) struct Proto {
    buffer: Buffer,
    place: Place,
    head: Head,
}

#[derive(Default)]
enum Place {
    /// Before the first four bytes.
    #[default]
    Start,
    /// Among the fields of the envelope.
    Envelope,
    /// In the list, with so many bytes to come.
    List(u64),
    /// After it.
    End,
}

impl Proto {
    fn next(&mut self) -> Result<Option<&[u8]>, Corrupt> {
        loop {
            match self.place {
                Place::Start => {
                    let Some(magic) = self.buffer.rest().first_chunk::<4>() else {
                        return Ok(None);
                    };
                    if magic != proto::MAGIC {
                        return Err(proto::Malformed::Envelope.into());
                    }
                    self.buffer.take(4);
                    self.place = Place::Envelope;
                }
                Place::Envelope | Place::End => {
                    let Some((number, prefix, length)) = self.opened()? else {
                        return Ok(None);
                    };
                    if number == 2 && matches!(self.place, Place::Envelope) {
                        self.buffer.take(prefix);
                        self.place = Place::List(length);
                    } else if self.skipped(number, prefix, length)? {
                        return Ok(None);
                    }
                }
                Place::List(0) => self.place = Place::End,
                Place::List(left) => {
                    let Some((number, prefix, length)) = self.opened()? else {
                        return Ok(None);
                    };
                    let whole = prefix as u64 + length;
                    let left = left.checked_sub(whole).ok_or(proto::Malformed::Cut)?;
                    let Some(length) = self.whole(prefix, length)? else {
                        return Ok(None);
                    };
                    self.place = Place::List(left);
                    self.buffer.take(prefix);
                    match number {
                        1 => self.head = head(self.buffer.take(length))?,
                        2 => return Ok(Some(self.buffer.take(length))),
                        _ => drop(self.buffer.take(length)),
                    }
                }
            }
        }
    }

    /// Returns number, bytes before, and length of the field that begins here.
    fn opened(&self) -> Result<Option<(u32, usize, u64)>, Corrupt> {
        let rest = self.buffer.rest();
        let (number, wire_type, first) = match proto::tag(rest) {
            Err(proto::Malformed::Cut) => return Ok(None),
            other => other?,
        };
        if wire_type != 2 {
            return Err(proto::Malformed::Type(number).into());
        }
        match proto::varint(rest.get(first..).unwrap_or_default()) {
            Err(proto::Malformed::Cut) => Ok(None),
            Err(error) => Err(error.into()),
            Ok((length, second)) => Ok(Some((number, first + second, length))),
        }
    }

    /// Returns the length if so much is there, `None` if more is to come.
    fn whole(&self, prefix: usize, length: u64) -> Result<Option<usize>, Corrupt> {
        let fits = |length: &usize| *length <= LARGEST;
        let Some(length) = usize::try_from(length).ok().filter(fits) else {
            return Err(Corrupt(format!("an item of {length} bytes")));
        };
        Ok((self.buffer.rest().len() - prefix >= length).then_some(length))
    }

    /// Skips a field of the envelope, and returns whether it is still to come.
    fn skipped(&mut self, number: u32, prefix: usize, length: u64) -> Result<bool, Corrupt> {
        let Some(length) = self.whole(prefix, length)? else {
            return Ok(true);
        };
        // `contentEncoding`: nobody asked for any.
        if number == 3 && length > 0 {
            return Err(proto::Malformed::Envelope.into());
        }
        self.buffer.take(prefix);
        self.buffer.take(length);
        Ok(false)
    }

    fn finish(self) -> Result<Head, Corrupt> {
        let done = matches!(self.place, Place::End | Place::List(0));
        if done && self.buffer.is_empty() {
            Ok(self.head)
        } else {
            Err(Corrupt("a list ends within an item".to_owned()))
        }
    }
}

/// `ListMeta`.
fn head(message: &[u8]) -> Result<Head, Corrupt> {
    let mut head = Head::default();
    for field in proto::fields(message) {
        let field = field?;
        match field.number {
            2 => head.version = version(&field.text()?),
            3 => head.next = field.text()?.into(),
            _ => {}
        }
    }
    Ok(head)
}
