//! Writing whole records that came from elsewhere: of any type and class, with flags and options as
//! they are to be. Not the records that most answers are made of, which [`super::response`] writes.

use super::edns::OPT_LEN;
use super::header::HeaderFlags;
use super::response::{Full, NameParts, Owner, ResponseBuilder};
use super::{QClass, RType};

/// A part of a record's data.
#[derive(Debug, Clone, Copy)]
pub enum Field<'a> {
    /// As it is.
    Octets(&'a [u8]),
    /// A name in wire form that other names' suffixes may stand for (RFC 3597 section 4).
    Compressible(&'a [u8]),
}

impl ResponseBuilder<'_> {
    /// Appends a record of any class.
    ///
    /// # Errors
    /// It does not fit.
    pub fn push_fields<'f>(
        &mut self,
        owner: &[u8],
        (rtype, class, ttl): (RType, QClass, u32),
        fields: impl Iterator<Item = Field<'f>>,
    ) -> Result<(), Full> {
        let owner = [owner];
        self.record(Owner::Name(NameParts(&owner)), rtype, ttl, |b| {
            // Class, TTL and length stand right before the data.
            b.patch(b.at - 8, &class.0.to_be_bytes());
            for field in fields {
                match field {
                    Field::Octets(octets) => b.put(octets),
                    Field::Compressible(name) => b.put_name(NameParts(&[name])),
                }
            }
        })
    }

    /// Sets all flags.
    pub fn set_flags(&mut self, flags: HeaderFlags) {
        self.flags = (self.flags & !HeaderFlags::ALL) | flags.0;
    }

    /// Keeps room for options that [`ResponseBuilder::finish_with`] is given. Returns whether there
    /// is an OPT record that they can go into.
    pub fn keep_room(&mut self, options: &[u8]) -> bool {
        if self.opt.is_some() {
            self.limit = self.limit.saturating_sub(options.len());
        }
        self.opt.is_some()
    }

    /// Completes the message as [`ResponseBuilder::finish`] does, with options that there is room
    /// for, and returns its length. There is no extended error then but among them.
    pub fn finish_with(self, options: &[u8]) -> usize {
        let out_len = self.out.len();
        let has_opt = self.opt.is_some();
        let at = self.at;
        let (out, length) = self.finish_in();
        let end = length + options.len();
        // OPT stands last.
        if !has_opt || options.is_empty() || length != at + OPT_LEN || end > out_len {
            return length;
        }
        let rdlen = u16::try_from(options.len()).unwrap_or(0).to_be_bytes();
        if let Some(room) = out.get_mut(length - 2..end) {
            let (size, data) = room.split_at_mut(2);
            size.copy_from_slice(&rdlen);
            data.copy_from_slice(options);
        }
        end
    }
}
