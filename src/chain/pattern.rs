//! A regular expression of a rule, compared by its text.

use regex::bytes::{Regex, RegexBuilder};
use std::fmt::Write;

/// A regular expression.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

/// Octets of a pattern at most, as in CoreDNS.
const MAX_PATTERN: usize = 10_000;

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// It is too long, or none; the text says why.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        if text.len() > MAX_PATTERN {
            return Err(PatternError::Long(text.len()));
        }
        // As in Go, `\d` and its like are ASCII's.
        RegexBuilder::new(text)
            .unicode(false)
            .build()
            .map(Self)
            .map_err(|error| PatternError::Malformed(reason(&error)))
    }

    /// Returns whether it matches somewhere in a text.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text.as_bytes())
    }

    /// Returns how many groups it has, the whole not counted.
    pub fn group_count(&self) -> usize {
        self.0.captures_len().saturating_sub(1)
    }

    /// Returns each group's name and what it matched, the whole match first; an empty text where a
    /// group took no part. `None` where nothing matches.
    pub fn groups(&self, text: &str) -> Option<Vec<(Option<Box<str>>, String)>> {
        let captures = self.0.captures(text.as_bytes())?;
        let named = self.0.capture_names().zip(captures.iter());
        let groups = named.map(|(name, group)| {
            let octets = group.map_or(&b""[..], |group| group.as_bytes());
            // Names are ASCII, and so are their parts.
            let text = String::from_utf8_lossy(octets).into_owned();
            (name.map(Box::from), text)
        });
        Some(groups.collect())
    }

    /// Returns what `replacement` says with `{1}` and its like filled in; `None` where nothing
    /// matches.
    pub fn replaced(&self, text: &str, replacement: &str) -> Option<String> {
        let groups = self.groups(text)?;
        let mut replaced = replacement.to_owned();
        let mut place = String::new();
        for (number, (_, group)) in groups.iter().enumerate() {
            place.clear();
            place.push('{');
            push_number(&mut place, number);
            place.push('}');
            replaced = replaced.replace(&place, group);
        }
        Some(replaced)
    }
}

/// Returns what the compiler says last: the lines before show the pattern.
fn reason(error: &regex::Error) -> Box<str> {
    let mut text = String::new();
    // Writing into a text can't fail.
    let _ = write!(text, "{error}");
    let last = text.lines().next_back().unwrap_or("");
    last.trim_start_matches("error: ").into()
}

fn push_number(text: &mut String, number: usize) {
    if number >= 10 {
        push_number(text, number / 10);
    }
    text.push(char::from(b'0' + (number % 10) as u8));
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is too long.
    #[error("the regular expression has {0} octets; at most 10000 are allowed")]
    Long(usize),
    /// It is malformed, or would take too much memory.
    #[error("{0}")]
    Malformed(Box<str>),
}
