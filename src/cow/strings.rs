//! A vector of short byte strings.

use super::vec::CowVec;
use std::sync::Arc;

const PAGE: usize = 64;
/// Octets in front of a page's strings: where each ends.
const HEAD: usize = 2 * PAGE;

/// Byte strings over dense numbers, 64 of them in one block: the string, and two octets. A string
/// that was never set is empty. One string has at most [`CowStrings::MAX`] octets.
#[derive(Clone, Default)]
pub struct CowStrings {
    pages: CowVec<Arc<[u8]>>,
}

impl CowStrings {
    /// Octets of a string at most, so that where the last one of a page ends fits into two.
    pub const MAX: usize = u16::MAX as usize / PAGE;

    /// Returns the string at `index`.
    #[inline]
    pub fn get(&self, index: u32) -> &[u8] {
        let page = self.pages.get(index / PAGE as u32);
        page.map_or(&[], |page| string(page, index as usize % PAGE))
    }

    /// Sets the string at `index`; what is over [`CowStrings::MAX`] of it is cut off.
    pub fn set(&mut self, index: u32, value: &[u8]) {
        let value = value.get(..Self::MAX).unwrap_or(value);
        if self.get(index) == value {
            return;
        }
        let at = index as usize % PAGE;
        let page = self.pages.get(index / PAGE as u32).map_or(&[][..], |p| p);
        let strings = || {
            (0..PAGE).map(move |slot| match slot == at {
                true => value,
                false => string(page, slot),
            })
        };
        let mut next = Vec::with_capacity(page.len().max(HEAD) + value.len());
        let mut end = 0;
        for string in strings() {
            end += string.len();
            next.extend((end as u16).to_le_bytes());
        }
        strings().for_each(|string| next.extend(string));
        self.pages.set(index / PAGE as u32, next.into());
    }
}

#[inline]
fn string(page: &[u8], slot: usize) -> &[u8] {
    let range = || {
        let (ends, strings) = page.split_first_chunk::<HEAD>()?;
        let end = |slot: usize| {
            let octets = ends.as_chunks::<2>().0.get(slot);
            octets.map(|octets| usize::from(u16::from_le_bytes(*octets)))
        };
        let start = if slot == 0 { 0 } else { end(slot - 1)? };
        strings.get(start..end(slot)?)
    };
    range().unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_keeps_what_it_had() {
        let mut strings = CowStrings::default();
        for n in 0..200u32 {
            strings.set(n, n.to_string().as_bytes());
        }
        let before = strings.clone();
        strings.set(63, b"longer than before");
        strings.set(64, b"");
        strings.set(70, &[7; 2 * CowStrings::MAX]);
        for n in 0..200u32 {
            assert_eq!(before.get(n), n.to_string().as_bytes());
            let now = match n {
                63 => b"longer than before".to_vec(),
                64 => Vec::new(),
                70 => vec![7; CowStrings::MAX],
                n => n.to_string().into_bytes(),
            };
            assert_eq!(strings.get(n), now);
        }
        assert_eq!(strings.get(5_000), b"");
    }
}
