//! Name compression (RFC 1035 section 4.1.4): where names stand in the message under construction,
//! and pointers to them.

use super::header::HEADER_LEN;
use super::response::{NameParts, ResponseBuilder};
use arrayvec::ArrayVec;

/// A pointer reaches offsets below this.
pub(super) const MAX_POINTER: usize = 0x4000;
/// Names whose positions are remembered. Enough for the longest alias chain and the name servers;
/// a name that finds the table full is written in full.
const MAX_POSITIONS: usize = 48;

/// Where names stand that a pointer can lead to.
#[derive(Default)]
pub(super) struct Positions {
    list: ArrayVec<u16, MAX_POSITIONS>,
    /// Whether those of the question are in: most messages compress nothing else.
    is_read: bool,
}

impl Positions {
    pub(super) fn count(&self) -> usize {
        self.list.len()
    }

    /// Forgets all but the first `count`.
    pub(super) fn cut(&mut self, count: usize) {
        self.list.truncate(count);
    }
}

impl ResponseBuilder<'_> {
    /// Writes a name, its longest known suffix as a pointer (letter case counts, as in miekg/dns,
    /// so that a cut message holds as many records as CoreDNS's).
    pub(super) fn put_name(&mut self, name: NameParts<'_>) {
        if !self.positions.is_read {
            self.positions.is_read = true;
            self.note_question();
        }
        let known = self.positions.count();
        for (skipped, label) in name.labels().enumerate() {
            if let Some(position) = self.find(name, skipped, known) {
                self.put(&pointer(position));
                return;
            }
            if self.at < MAX_POINTER {
                self.note(self.at);
            }
            self.put(&[label.len() as u8]);
            self.put(label);
        }
        self.put(&[0]);
    }

    /// Returns where the name without its first `skipped` labels stands, among the first `known`
    /// positions: those behind belong to the name that is being written.
    fn find(&self, name: NameParts<'_>, skipped: usize, known: usize) -> Option<usize> {
        self.positions
            .list
            .iter()
            .take(known)
            .map(|&p| usize::from(p))
            .find(|&position| {
                let mut wanted = name.labels().skip(skipped);
                let mut there = self.labels_at(position);
                loop {
                    match (wanted.next(), there.next()) {
                        (None, None) => return true,
                        (Some(a), Some(b)) if a == b => {}
                        _ => return false,
                    }
                }
            })
    }

    /// Returns the labels of the name at `position`, following pointers, which only lead back.
    fn labels_at(&self, position: usize) -> impl Iterator<Item = &[u8]> {
        let mut at = position;
        std::iter::from_fn(move || {
            loop {
                let len = *self.out.get(at)?;
                match len {
                    0 => return None,
                    1..=63 => {
                        let label = self.out.get(at + 1..at + 1 + usize::from(len))?;
                        at += 1 + usize::from(len);
                        return Some(label);
                    }
                    _ => {
                        let low = *self.out.get(at + 1)?;
                        let next = usize::from(u16::from_be_bytes([len & 0x3f, low]));
                        if next >= at {
                            return None;
                        }
                        at = next;
                    }
                }
            }
        })
    }

    /// Writes the name at `position` again, in full: it stands too far back for a pointer.
    pub(super) fn repeat_name(&mut self, position: usize) {
        let mut at = position;
        while let Some(&len) = self.out.get(at).filter(|&&len| (1..=63).contains(&len)) {
            let end = at + 1 + usize::from(len);
            if self.at + (end - at) < self.out.len() {
                self.out.copy_within(at..end, self.at);
            }
            self.at += end - at;
            at = end;
        }
        self.put(&[0]);
    }

    /// Remembers the labels of the name in the question.
    fn note_question(&mut self) {
        let mut at = HEADER_LEN;
        while let Some(&len) = self.out.get(at).filter(|&&len| (1..=63).contains(&len)) {
            self.note(at);
            at += 1 + usize::from(len);
        }
    }

    fn note(&mut self, position: usize) {
        if let Ok(position) = u16::try_from(position) {
            // Where the table is full, names are written in full.
            let _ = self.positions.list.try_push(position);
        }
    }
}

/// Returns a pointer to an offset that one can reach.
pub fn pointer(position: usize) -> [u8; 2] {
    let [high, low] = u16::try_from(position).unwrap_or(0).to_be_bytes();
    [0xc0 | high, low]
}
