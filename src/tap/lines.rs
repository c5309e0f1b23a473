//! Bytes to lines, whatever pieces they come in. A line that is longer than any that is read is
//! passed over, so that whoever writes none costs no memory.

/// The longest line that is kept, in octets: a name of 255 octets, each escaped, and room to spare.
const LONGEST: usize = 8 * 1024;

/// The lines of a stream.
#[derive(Debug, Default)]
pub struct Lines {
    bytes: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// How far no end of it has been found.
    seen: usize,
    /// The rest of a line that was too long comes yet.
    skips: bool,
    too_long: u64,
}

impl Lines {
    /// Takes in the next piece. Take out its lines before the next one.
    pub fn feed(&mut self, piece: &[u8]) {
        self.bytes.drain(..self.start);
        self.seen -= self.start;
        self.start = 0;
        self.bytes.extend_from_slice(piece);
    }

    /// Returns the next line, without its end.
    pub fn next_line(&mut self) -> Option<&[u8]> {
        loop {
            let rest = self.bytes.get(self.seen..).unwrap_or_default();
            let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                self.seen = self.bytes.len();
                if self.seen - self.start > LONGEST {
                    self.too_long += u64::from(!self.skips);
                    self.skips = true;
                    self.start = self.seen;
                }
                return None;
            };
            let (start, end) = (self.start, self.seen + end);
            self.start = end + 1;
            self.seen = self.start;
            if std::mem::take(&mut self.skips) {
                continue;
            }
            if end - start > LONGEST {
                self.too_long += 1;
                continue;
            }
            let line = self.bytes.get(start..end).unwrap_or_default();
            return Some(line.strip_suffix(b"\r").unwrap_or(line));
        }
    }

    /// Ends the stream: what has no end is a line, too.
    pub fn end(&mut self) -> Option<&[u8]> {
        let (start, skips) = (self.start, std::mem::take(&mut self.skips));
        self.start = self.bytes.len();
        self.seen = self.start;
        let line = self.bytes.get(start..).filter(|line| !line.is_empty());
        line.filter(|_| !skips)
    }

    /// Returns how many lines were too long.
    pub fn too_long(&self) -> u64 {
        self.too_long
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pieces: &[&[u8]]) -> (Vec<String>, u64) {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        let text = |line: &[u8]| String::from_utf8(line.to_vec()).unwrap();
        for piece in pieces {
            lines.feed(piece);
            while let Some(line) = lines.next_line() {
                found.push(text(line));
            }
        }
        found.extend(lines.end().map(text));
        (found, lines.too_long())
    }

    #[test]
    fn lines_do_not_depend_on_the_pieces_that_they_come_in() {
        let long = [b"x".repeat(LONGEST + 1), b"\nlast\n".to_vec()].concat();
        for (text, expected, too_long) in [
            (&b"a\nbc\n"[..], &["a", "bc"][..], 0),
            (b"a\r\n\nb", &["a", "", "b"], 0),
            (b"", &[], 0),
            (&long, &["last"], 1),
            (&b"x".repeat(3 * LONGEST), &[], 1),
        ] {
            for size in [1, 2, 3, 1000, usize::MAX] {
                let pieces: Vec<&[u8]> = text.chunks(size.min(text.len().max(1))).collect();
                let (lines, many) = all(&pieces);
                assert_eq!(
                    (lines.as_slice(), many),
                    (
                        &expected.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>()[..],
                        too_long
                    ),
                    "{size}"
                );
            }
        }
    }

    #[test]
    fn a_line_without_an_end_takes_no_memory() {
        let mut lines = Lines::default();
        for _ in 0..100 {
            lines.feed(&[b'x'; LONGEST]);
            assert_eq!(lines.next_line(), None);
            assert!(lines.bytes.len() <= 3 * LONGEST);
        }
        lines.feed(b"\nshort\n");
        assert_eq!(lines.next_line(), Some(&b"short"[..]));
    }
}
