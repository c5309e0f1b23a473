//! A watch's body cut into its events: frames of a length and that many bytes in Protocol Buffers,
//! lines in JSON.

use super::decode::{Corrupt, Encoding};

/// The largest object that is waited for; a length beyond it is no length. etcd takes 1.5 MiB.
pub(super) const LARGEST: usize = 64 << 20;

/// What has come and is not used up yet.
///
/// Everything is copied once, into one run of bytes: that costs less than telling apart what lies
/// in one chunk of the body and what in two.
#[derive(Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    used: usize,
}

/// What a quiet stream keeps of its buffer.
const KEPT: usize = 16 << 10;

impl Buffer {
    pub(super) fn push(&mut self, chunk: &[u8]) {
        if self.used == self.bytes.len() {
            self.bytes.clear();
        } else {
            self.bytes.drain(..self.used);
        }
        self.used = 0;
        self.bytes.extend_from_slice(chunk);
    }

    /// What is left.
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.used..).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// Gives back the memory that a large chunk took, once it is used up.
    fn shrink(&mut self) {
        if self.is_empty() && self.bytes.capacity() > KEPT {
            *self = Self::default();
        }
    }

    /// Uses up so many bytes, and returns them.
    pub(super) fn take(&mut self, length: usize) -> &[u8] {
        let start = self.used;
        self.used = self.bytes.len().min(start.saturating_add(length));
        self.bytes.get(start..self.used).unwrap_or_default()
    }
}

/// The events of a watch.
pub(super) struct Frames {
    encoding: Encoding,
    buffer: Buffer,
    /// Bytes of the rest that are known to hold no line feed.
    looked: usize,
}

impl Frames {
    pub(super) fn new(encoding: Encoding) -> Self {
        Self {
            encoding,
            buffer: Buffer::default(),
            looked: 0,
        }
    }

    /// Adds what has come.
    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.buffer.push(chunk);
    }

    /// Returns the next event that is there as a whole.
    ///
    /// # Errors
    /// What comes is no event.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, Corrupt> {
        match self.encoding {
            Encoding::Proto => self.next_frame(),
            Encoding::Json => self.next_line(),
        }
    }

    /// Expects little from now on.
    pub(super) fn shrink(&mut self) {
        self.buffer.shrink();
    }

    /// Returns whether the body may end here.
    pub(super) fn is_complete(&self) -> bool {
        self.buffer.is_empty()
    }

    fn next_frame(&mut self) -> Result<Option<&[u8]>, Corrupt> {
        let rest = self.buffer.rest();
        let Some((head, rest)) = rest.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*head) as usize;
        if length > LARGEST {
            return Err(Corrupt(format!("an event of {length} bytes")));
        }
        if rest.len() < length {
            return Ok(None);
        }
        self.buffer.take(4);
        Ok(Some(self.buffer.take(length)))
    }

    fn next_line(&mut self) -> Result<Option<&[u8]>, Corrupt> {
        loop {
            let rest = self.buffer.rest();
            let new = rest.get(self.looked..).unwrap_or_default();
            let Some(at) = new.iter().position(|byte| *byte == b'\n') else {
                self.looked = rest.len();
                if rest.len() > LARGEST {
                    return Err(Corrupt(format!("an event of over {LARGEST} bytes")));
                }
                return Ok(None);
            };
            let length = self.looked + at + 1;
            self.looked = 0;
            // An empty line is no event, and no harm.
            if rest[..length].iter().all(u8::is_ascii_whitespace) {
                self.buffer.take(length);
                continue;
            }
            return Ok(Some(self.buffer.take(length)));
        }
    }
}
