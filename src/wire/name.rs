//! Domain names in uncompressed wire form, owned or on the stack. Not compression: that is
//! reading's ([`super::Query`]) and writing's ([`super::ResponseBuilder`]).

use std::fmt;
use std::str::FromStr;

/// Octets of a name at most, its root label included (RFC 1035 section 2.3.4).
pub const MAX_NAME: usize = 255;
/// Octets of a label at most (RFC 1035 section 2.3.4).
pub const MAX_LABEL: usize = 63;

/// Why a text is not a domain name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Two dots in a row, or a dot at the start.
    #[error("a domain name can't have an empty label")]
    EmptyLabel,
    /// A label has over 63 octets.
    #[error("a label of a domain name has at most 63 octets")]
    LongLabel,
    /// The name has over 255 octets.
    #[error("a domain name has at most 255 octets")]
    LongName,
    /// A backslash with neither three digits up to 255 nor a character behind it.
    #[error("`\\` in a domain name needs a character or three digits behind it")]
    BadEscape,
}

/// An absolute domain name: length-prefixed labels, the root label last. Keeps its spelling;
/// equality is byte for byte, so compare lower-case names ([`Name::to_lowercase`]) where case
/// should not matter.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<[u8]>);

impl Name {
    /// Returns the root name.
    pub fn root() -> Self {
        Self(Box::new([0]))
    }

    /// Returns the name in wire form, root label included.
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    /// Returns the name with ASCII letters in lower case.
    pub fn to_lowercase(&self) -> Self {
        Self(self.0.iter().map(u8::to_ascii_lowercase).collect())
    }

    /// Returns whether the name equals `other` or lies below it, letter case aside.
    pub fn is_at_or_below(&self, other: &Self) -> bool {
        let mut rest = self.as_wire();
        loop {
            if eq_ignore_case(rest, other.as_wire()) {
                return true;
            }
            match rest.split_first() {
                Some((&len, tail)) if len != 0 => {
                    rest = tail.get(usize::from(len)..).unwrap_or(&[])
                }
                _ => return false,
            }
        }
    }

    /// Returns the number of labels, the root label not counted.
    pub fn label_count(&self) -> usize {
        labels(self.as_wire()).count()
    }

    /// Returns the name made of `labels` and then the labels of `self`.
    ///
    /// # Errors
    /// A label that is empty or over 63 octets, or a result over 255 octets.
    pub fn prefixed<'a>(
        &self,
        labels: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, NameError> {
        let mut buf = NameBuf::new();
        for label in labels {
            buf.push_label(label)?;
        }
        buf.push_wire(self.as_wire())?;
        Ok(buf.to_name())
    }
}

impl From<&NameBuf> for Name {
    fn from(buf: &NameBuf) -> Self {
        buf.to_name()
    }
}

impl FromStr for Name {
    type Err = NameError;

    /// Parses master-file text (RFC 1035 section 5.1); a missing dot at the end is added.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let mut buf = NameBuf::new();
        let mut label = [0u8; MAX_LABEL];
        let mut len = 0usize;
        let mut bytes = text.bytes();
        if text != "." {
            while let Some(byte) = bytes.next() {
                let octet = match byte {
                    b'.' => {
                        buf.push_label(label.get(..len).unwrap_or(&[]))?;
                        len = 0;
                        continue;
                    }
                    b'\\' => unescape(&mut bytes)?,
                    other => other,
                };
                *label.get_mut(len).ok_or(NameError::LongLabel)? = octet;
                len += 1;
            }
            if len > 0 {
                buf.push_label(label.get(..len).unwrap_or(&[]))?;
            }
        }
        buf.push_wire(&[0])?;
        Ok(buf.to_name())
    }
}

fn unescape(bytes: &mut std::str::Bytes<'_>) -> Result<u8, NameError> {
    let first = bytes.next().ok_or(NameError::BadEscape)?;
    if !first.is_ascii_digit() {
        return Ok(first);
    }
    let mut value = u32::from(first - b'0');
    for _ in 0..2 {
        let digit = bytes
            .next()
            .filter(u8::is_ascii_digit)
            .ok_or(NameError::BadEscape)?;
        value = value * 10 + u32::from(digit - b'0');
    }
    u8::try_from(value).map_err(|_| NameError::BadEscape)
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, self.as_wire())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, self.as_wire())
    }
}

/// Writes a wire-form name as master-file text on one line: whatever is not printable ASCII is
/// escaped, so that a name can't forge a log line.
pub(crate) fn write_name(f: &mut fmt::Formatter<'_>, wire: &[u8]) -> fmt::Result {
    let mut any = false;
    for label in labels(wire) {
        any = true;
        for &octet in label {
            match octet {
                b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => {
                    write!(f, "\\{}", char::from(octet))?;
                }
                0x21..=0x7e => write!(f, "{}", char::from(octet))?,
                _ => write!(f, "\\{octet:03}")?,
            }
        }
        f.write_str(".")?;
    }
    if any { Ok(()) } else { f.write_str(".") }
}

// === NameBuf ===

/// A name, or the first labels of one, on the stack.
#[derive(Clone)]
pub struct NameBuf {
    len: u8,
    octets: [u8; MAX_NAME],
}

impl NameBuf {
    /// Returns an empty buffer: no labels yet, not even the root label.
    pub fn new() -> Self {
        Self {
            len: 0,
            octets: [0; MAX_NAME],
        }
    }

    /// Appends one label.
    ///
    /// # Errors
    /// The label is empty or over 63 octets, or the name would be over 255.
    pub fn push_label(&mut self, label: &[u8]) -> Result<(), NameError> {
        let len = u8::try_from(label.len()).map_err(|_| NameError::LongLabel)?;
        match usize::from(len) {
            0 => return Err(NameError::EmptyLabel),
            1..=MAX_LABEL => {}
            _ => return Err(NameError::LongLabel),
        }
        self.push_wire(&[len])?;
        self.push_wire(label)
    }

    /// Appends bytes that are already in wire form.
    ///
    /// # Errors
    /// The name would be over 255 octets.
    pub fn push_wire(&mut self, wire: &[u8]) -> Result<(), NameError> {
        let start = usize::from(self.len);
        let end = start + wire.len();
        let room = self.octets.get_mut(start..end).ok_or(NameError::LongName)?;
        room.copy_from_slice(wire);
        self.len = u8::try_from(end).map_err(|_| NameError::LongName)?;
        Ok(())
    }

    /// Returns the bytes so far.
    pub fn as_wire(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or(&[])
    }

    /// Turns ASCII letters into lower case.
    pub fn make_lowercase(&mut self) {
        self.octets.make_ascii_lowercase();
    }

    /// Returns an owned copy.
    pub fn to_name(&self) -> Name {
        Name(self.as_wire().into())
    }
}

impl fmt::Debug for NameBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, self.as_wire())
    }
}

impl Default for NameBuf {
    fn default() -> Self {
        Self::new()
    }
}

// === labels ===

/// Returns the labels of a wire-form name, the root label left out. Ends early at a compression
/// pointer or where the bytes run out.
pub fn labels(wire: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let mut rest = wire;
    std::iter::from_fn(move || {
        let (&len, tail) = rest.split_first()?;
        let len = usize::from(len);
        if len == 0 || len > MAX_LABEL {
            return None;
        }
        let (label, next) = tail.split_at_checked(len)?;
        rest = next;
        Some(label)
    })
}

/// Returns whether two byte strings are equal, the case of ASCII letters aside (RFC 4343).
pub fn eq_ignore_case(a: &[u8], b: &[u8]) -> bool {
    a.eq_ignore_ascii_case(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_wire_agree() {
        for (text, wire) in [
            (".", &b"\0"[..]),
            ("a.", b"\x01a\0"),
            ("Web.shop.", b"\x03Web\x04shop\0"),
            (r"a\.b.c.", b"\x03a.b\x01c\0"),
            (r"\000\255.", b"\x02\x00\xff\0"),
        ] {
            let name: Name = text.parse().expect(text);
            assert_eq!(name.as_wire(), wire, "{text}");
            assert_eq!(name.to_string(), text);
        }
        assert_eq!("a".parse::<Name>(), "a.".parse::<Name>());
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = "a".repeat(64);
        let longer = ["a".repeat(63).as_str()].repeat(4).join(".");
        for (text, error) in [
            ("a..b", NameError::EmptyLabel),
            (".a", NameError::EmptyLabel),
            (long.as_str(), NameError::LongLabel),
            (longer.as_str(), NameError::LongName),
            ("a\\", NameError::BadEscape),
            ("\\256", NameError::BadEscape),
            ("", NameError::EmptyLabel),
        ] {
            let parsed = text.parse::<Name>();
            if text.is_empty() {
                assert_eq!(parsed, Ok(Name::root()), "the empty text is the root");
            } else {
                assert_eq!(parsed, Err(error), "{text}");
            }
        }
    }

    #[test]
    fn below_is_by_labels_and_without_case() {
        let zone: Name = "cluster.local".parse().unwrap();
        for (name, expected) in [
            ("cluster.local", true),
            ("web.CLUSTER.local", true),
            ("webcluster.local", false),
            ("local", false),
        ] {
            assert_eq!(
                name.parse::<Name>().unwrap().is_at_or_below(&zone),
                expected,
                "{name}"
            );
        }
    }
}
