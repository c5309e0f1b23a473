//! A JSON list cut into its items: what is between them is kept and read at the end. It follows
//! texts and brackets alone; whether an item is JSON shows when it is read.

use super::super::decode::{Corrupt, version};
use super::super::frames::{Buffer, LARGEST};
use super::Head;
use serde::Deserialize;

/// The part of a list around its items is small.
const LARGEST_HEAD: usize = 1 << 20;

/// A list on its way.
#[derive(Default)]
pub(in crate::watch) struct Json {
    buffer: Buffer,
    /// What stands around the items.
    around: Vec<u8>,
    /// Bytes of the rest that have been looked at.
    looked: usize,
    /// Brackets that are open.
    depth: usize,
    /// Within a text, and behind a backslash in it.
    text: bool,
    escaped: bool,
    /// Within `items`, at depth 2 and below.
    items: bool,
}

impl Json {
    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.buffer.push(chunk);
    }

    /// Returns the next item, if it is an object and there as a whole.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, Corrupt> {
        loop {
            let Some(byte) = self.buffer.rest().get(self.looked).copied() else {
                if self.looked > LARGEST || self.around.len() > LARGEST_HEAD {
                    return Err(Corrupt(format!("an item of over {LARGEST} bytes")));
                }
                return Ok(None);
            };
            let inside = self.items && self.depth > 2;
            self.step(byte)?;
            if inside || self.items && self.depth > 2 {
                self.looked += 1;
                if self.depth == 2 {
                    let length = std::mem::take(&mut self.looked);
                    return Ok(Some(self.buffer.take(length)));
                }
            } else {
                // Commas between items would be left with nothing between them.
                if !(self.items && self.depth == 2 && byte == b',') {
                    self.around.push(byte);
                }
                self.buffer.take(1);
            }
        }
    }

    fn step(&mut self, byte: u8) -> Result<(), Corrupt> {
        if self.text {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.text = false,
                _ => {}
            }
            return Ok(());
        }
        match byte {
            b'"' => self.text = true,
            b'{' | b'[' => {
                self.items |= self.depth == 1 && byte == b'[' && self.is_behind_items();
                self.depth += 1;
            }
            b'}' | b']' => {
                let depth = self.depth.checked_sub(1);
                self.depth = depth.ok_or_else(|| Corrupt("a bracket too many".to_owned()))?;
                self.items &= self.depth >= 2;
            }
            _ => {}
        }
        Ok(())
    }

    fn is_behind_items(&self) -> bool {
        let before = self.around.trim_ascii_end();
        let key = before.strip_suffix(b":").map(<[u8]>::trim_ascii_end);
        key.is_some_and(|key| key.ends_with(b"\"items\""))
    }

    pub(super) fn finish(self) -> Result<Head, Corrupt> {
        if self.depth > 0 || self.looked > 0 {
            return Err(Corrupt("a list ends within an item".to_owned()));
        }
        let list: List = serde_json::from_slice(&self.around)?;
        Ok(Head {
            version: version(&list.metadata.resource_version),
            next: list.metadata.next.into(),
        })
    }
}

#[derive(Deserialize)]
struct List {
    metadata: ListMeta,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ListMeta {
    resource_version: String,
    #[serde(rename = "continue")]
    next: String,
}
