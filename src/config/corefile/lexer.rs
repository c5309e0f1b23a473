//! A Corefile's text as tokens, each with its place. Not their meaning, nor what a line or a block is.
//!
//! This is the lexer of github.com/coredns/caddy, to the letter, so that a file means here what it
//! means there. Words are separated by blanks. A word that starts with `"` goes to the next `"`, over
//! line ends too; inside, only `\"` is an escape. `#` starts a comment to the end of the line; in the
//! middle of a word it reaches to the next blank alone. A carriage return is nothing, unless it is
//! quoted.

use std::fmt;
use std::sync::Arc;

/// A file and a line of it.
///
/// Whether two places are in the same file is asked of the pointers: a file that includes itself is
/// another one than the one that was given, as in CoreDNS.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// What errors call the file.
    pub(super) file: Arc<str>,
    /// The line, from 1.
    pub(super) line: usize,
}

impl Place {
    /// Returns whether both places are in one file.
    pub(super) fn is_in_file_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A word.
#[derive(Debug, Clone)]
pub(super) struct Token {
    /// The word, without its quotes.
    pub(super) text: String,
    /// Where it starts.
    pub(super) place: Place,
}

impl Token {
    /// Returns whether `next` is on the line that this word ends on.
    pub(super) fn is_on_line_of(&self, next: &Self) -> bool {
        self.place.is_in_file_of(&next.place) && self.last_line() == next.place.line
    }

    /// Returns whether `next` is on a later line, or in another file. It is not the opposite of
    /// [`is_on_line_of`](Self::is_on_line_of): what a snippet brings may be on an earlier one.
    pub(super) fn is_before_line_of(&self, next: &Self) -> bool {
        !self.place.is_in_file_of(&next.place) || self.last_line() < next.place.line
    }

    fn last_line(&self) -> usize {
        self.place.line + self.text.matches('\n').count()
    }
}

/// Returns the words of `text`, which errors call `file`.
pub(super) fn tokens<'t>(text: &'t str, file: &'t Arc<str>) -> impl Iterator<Item = Token> + 't {
    let mut lexer = Lexer {
        chars: text.strip_prefix('\u{feff}').unwrap_or(text).chars(),
        line: 1,
    };
    std::iter::from_fn(move || {
        let (text, line) = lexer.word()?;
        let file = file.clone();
        let place = Place { file, line };
        Some(Token { text, place })
    })
}

struct Lexer<'t> {
    chars: std::str::Chars<'t>,
    line: usize,
}

impl Lexer<'_> {
    /// Returns the next word with the line that it starts on.
    fn word(&mut self) -> Option<(String, usize)> {
        let mut word = String::new();
        let mut start = self.line;
        let mut comment = false;
        while let Some(c) = self.chars.next() {
            if c.is_whitespace() {
                if c == '\r' {
                    continue;
                }
                if c == '\n' {
                    self.line += 1;
                    comment = false;
                }
                if !word.is_empty() {
                    return Some((word, start));
                }
                continue;
            }
            comment |= c == '#';
            if comment {
                continue;
            }
            if word.is_empty() {
                start = self.line;
                if c == '"' {
                    return self.quoted().map(|word| (word, start));
                }
            }
            word.push(c);
        }
        (!word.is_empty()).then_some((word, start))
    }

    /// Returns what stands before the closing quote; `None` where there is none and nothing before
    /// the end.
    fn quoted(&mut self) -> Option<String> {
        let mut word = String::new();
        let mut escaped = false;
        for c in self.chars.by_ref() {
            match c {
                '\\' if !escaped => {
                    escaped = true;
                    continue;
                }
                '"' if !escaped => return Some(word),
                '\n' => self.line += 1,
                _ => {}
            }
            if escaped && c != '"' {
                word.push('\\');
            }
            word.push(c);
            escaped = false;
        }
        (!word.is_empty()).then_some(word)
    }
}
