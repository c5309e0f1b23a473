//! A walk over a directive's words, by line and block, as CoreDNS's plugins do it. Not which words
//! there may be: [`super::translate`] knows that.
//!
//! Every step is that of caddy's dispenser, so that a plugin's words are told apart here as there.

use super::lexer::{Place, Token};

/// Where a walk is.
#[derive(Clone)]
pub(super) struct Cursor<'t> {
    tokens: &'t [Token],
    /// How many words have been taken; the current one is the last of them.
    taken: usize,
    in_block: bool,
}

/// What is wrong with a word, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) place: Place,
    pub(super) message: String,
}

impl<'t> Cursor<'t> {
    /// Returns a walk before the first of `tokens`. One directive's words at least are needed.
    pub(super) fn new(tokens: &'t [Token]) -> Self {
        Self {
            tokens,
            taken: 0,
            in_block: false,
        }
    }

    /// Takes the next word, and returns whether there is one.
    pub(super) fn next(&mut self) -> bool {
        let more = self.taken < self.tokens.len();
        self.taken += usize::from(more);
        more
    }

    /// Takes the next word if it is on the current one's line.
    pub(super) fn next_argument(&mut self) -> bool {
        let on_line = match self.tokens.get(self.taken.saturating_sub(1)..=self.taken) {
            Some([current, next]) if self.taken > 0 => current.is_on_line_of(next),
            _ => self.taken == 0 && !self.tokens.is_empty(),
        };
        self.taken += usize::from(on_line);
        on_line
    }

    /// Takes the words up to the line's end or a `{`.
    pub(super) fn arguments(&mut self) -> Vec<&'t Token> {
        let mut arguments = Vec::new();
        while self.next_argument() {
            if self.text() == "{" {
                self.taken -= 1;
                break;
            }
            arguments.push(self.token());
        }
        arguments
    }

    /// Takes the next word of the block that opens on the current line or is open; false at its end.
    pub(super) fn next_in_block(&mut self) -> bool {
        if self.in_block {
            if !self.next() {
                return false;
            }
            self.in_block = self.text() != "}";
            return self.in_block;
        }
        if !self.next_argument() {
            return false;
        }
        if self.text() != "{" {
            self.taken -= 1;
            return false;
        }
        if !self.next() || self.text() == "}" {
            return false;
        }
        self.in_block = true;
        true
    }

    /// Returns the current word.
    pub(super) fn token(&self) -> &'t Token {
        &self.tokens[self.taken.saturating_sub(1)]
    }

    /// Returns the current word's text.
    pub(super) fn text(&self) -> &'t str {
        &self.token().text
    }

    /// Returns where the current word is.
    pub(super) fn place(&self) -> Place {
        self.token().place.clone()
    }

    /// Says what is wrong at the current word.
    pub(super) fn fault(&self, message: impl Into<String>) -> Fault {
        Fault {
            place: self.place(),
            message: message.into(),
        }
    }

    /// Takes the one argument of the current word.
    ///
    /// # Errors
    /// There is none, or more than one; `what` says what it is.
    pub(super) fn argument(&mut self, what: &str) -> Result<&'t Token, Fault> {
        let word = self.text();
        match self.arguments()[..] {
            [only] => Ok(only),
            [] => Err(self.fault(format!("`{word}` needs {what}"))),
            [_, second, ..] => Err(second.fault(format!("`{word}` takes {what} and nothing else"))),
        }
    }

    /// Takes the arguments of the current word.
    ///
    /// # Errors
    /// There is none; `what` says what they are.
    pub(super) fn some_arguments(&mut self, what: &str) -> Result<Vec<&'t Token>, Fault> {
        let word = self.text();
        let arguments = self.arguments();
        match arguments.is_empty() {
            true => Err(self.fault(format!("`{word}` needs {what}"))),
            false => Ok(arguments),
        }
    }

    /// Checks that the current word has no argument.
    ///
    /// # Errors
    /// It has.
    pub(super) fn no_argument(&mut self) -> Result<(), Fault> {
        let word = self.text();
        match self.arguments()[..] {
            [] => Ok(()),
            [first, ..] => Err(first.fault(format!("`{word}` takes no argument"))),
        }
    }

    /// Checks that the directive has no block.
    ///
    /// # Errors
    /// It has.
    pub(super) fn no_block(&mut self) -> Result<(), Fault> {
        let word = self.text();
        match self.next_in_block() {
            true => Err(self.fault(format!("`{word}` has no options"))),
            false => Ok(()),
        }
    }

    /// Says that the current word is none of the directive's options, which are `known`.
    pub(super) fn unknown(&self, known: &[&str]) -> Fault {
        let text = self.text();
        let shown = super::super::text::shown(text);
        self.fault(match super::super::text::closest(text, known) {
            Some(near) => format!("`{shown}` is not an option here; did you mean `{near}`?"),
            None => format!(
                "`{shown}` is not an option here; the options are {}",
                super::listed(known)
            ),
        })
    }
}

impl Token {
    /// Says what is wrong with this word.
    pub(super) fn fault(&self, message: impl Into<String>) -> Fault {
        Fault {
            place: self.place.clone(),
            message: message.into(),
        }
    }
}
