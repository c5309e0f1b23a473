//! Names as text, the way CoreDNS's rules see them: escaped as miekg/dns escapes, in lower case where
//! a question is matched.

use crate::wire::{Name, NameError, labels};

/// Returns a name in wire form as master-file text that ends in a dot.
pub fn shown(wire: &[u8]) -> String {
    let mut text = String::with_capacity(wire.len() + 8);
    for label in labels(wire) {
        for &octet in label {
            match octet {
                b'.' | b' ' | b'\'' | b'@' | b';' | b'(' | b')' | b'"' | b'\\' => {
                    text.push('\\');
                    text.push(char::from(octet));
                }
                b' '..=b'~' => text.push(char::from(octet)),
                _ => {
                    text.push('\\');
                    for digit in [octet / 100, octet / 10 % 10, octet % 10] {
                        text.push(char::from(b'0' + digit));
                    }
                }
            }
        }
        text.push('.');
    }
    if text.is_empty() {
        text.push('.');
    }
    text
}

/// Returns a name as questions are matched: as [`shown`], with ASCII letters in lower case.
pub fn lowered(wire: &[u8]) -> String {
    let mut text = shown(wire);
    text.make_ascii_lowercase();
    text
}

/// Parses a name that a rule made.
///
/// # Errors
/// It is none: a label is empty or too long, or the whole is.
pub(super) fn name(text: &str) -> Result<Name, NameError> {
    text.parse()
}

/// Returns a name as it is written in a rule: in lower case, with a dot at its end.
pub fn normalized(text: &str) -> String {
    let mut text = text.to_ascii_lowercase();
    let escapes = text.strip_suffix('.').map(|rest| {
        let backslashes = rest.bytes().rev().take_while(|&octet| octet == b'\\');
        backslashes.count()
    });
    // An escaped dot ends no name.
    if escapes.is_none_or(|count| count % 2 == 1) {
        text.push('.');
    }
    text
}
