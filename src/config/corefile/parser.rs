//! A Corefile's server blocks: their keys, and their directives' words. Not what keys and directives
//! mean.
//!
//! The parser of github.com/coredns/caddy, step by step, so that a file has here the blocks that it
//! has there. What it bounds is bounded here as well, and so is what it does not: the number of words.

mod imports;
mod pattern;

use super::cursor::Fault;
use super::lexer::{Place, Token, tokens};
use super::variables::replaced;
use super::{Note, Surroundings};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Words at most, with all that is put in.
const MOST_WORDS: usize = 1_000_000;
/// Octets at most, in all files.
const MOST_OCTETS: usize = 64 << 20;

/// A server block.
#[derive(Debug, Default)]
pub(super) struct ServerBlock {
    /// What names its zones and ports.
    pub(super) keys: Vec<Token>,
    /// Each directive's words, in the order in which directives are first met.
    pub(super) directives: Vec<(String, Vec<Token>)>,
}

/// Returns the server blocks of `text`.
///
/// # Errors
/// It is no Corefile, or a file that it imports can't be read.
pub(super) fn parse(
    name: &str,
    text: &str,
    around: &dyn Surroundings,
    notes: &mut Vec<Note>,
) -> Result<Vec<ServerBlock>, Fault> {
    let file: Arc<str> = name.into();
    let mut rest: Vec<Token> = tokens(text, &file).take(MOST_WORDS + 1).collect();
    let words = rest.len();
    rest.reverse();
    let mut parser = Parser {
        around,
        notes,
        file,
        done: Vec::new(),
        rest,
        is_past_end: false,
        is_at_end: false,
        snippets: HashMap::new(),
        imported: HashMap::new(),
        snippet_expansions: 0,
        file_expansions: 0,
        words,
        octets: text.len(),
        block: ServerBlock::default(),
    };
    parser.bound()?;
    let mut blocks = Vec::new();
    while parser.next() {
        parser.block = ServerBlock::default();
        parser.read_one()?;
        let block = std::mem::take(&mut parser.block);
        if !block.keys.is_empty() {
            blocks.push(block);
        } else if let Some((directive, words)) = block.directives.first() {
            parser.notes.push(Note {
                place: words[0].place.clone(),
                text: format!("`{directive}` is in a block without a key: nothing comes to it"),
            });
        }
    }
    Ok(blocks)
}

/// Words taken, the current one last, and words to come, the next one last: an import puts words in
/// between without moving those behind it.
struct Parser<'a> {
    around: &'a dyn Surroundings,
    notes: &'a mut Vec<Note>,
    file: Arc<str>,
    done: Vec<Token>,
    rest: Vec<Token>,
    /// An import at the end brought nothing, and there is no current word.
    is_past_end: bool,
    /// The keys were all there is.
    is_at_end: bool,
    snippets: HashMap<String, Vec<Token>>,
    imported: HashMap<PathBuf, Arc<str>>,
    snippet_expansions: usize,
    file_expansions: usize,
    words: usize,
    octets: usize,
    block: ServerBlock,
}

impl Parser<'_> {
    // === the walk ===

    fn next(&mut self) -> bool {
        if self.is_past_end {
            return false;
        }
        let next = self.rest.pop();
        let more = next.is_some();
        self.done.extend(next);
        more
    }

    /// Undoes a [`next`](Self::next).
    fn back(&mut self) {
        match self.is_past_end {
            true => self.is_past_end = false,
            false => self.rest.extend(self.done.pop()),
        }
    }

    fn text(&self) -> &str {
        match (self.is_past_end, self.done.last()) {
            (false, Some(token)) => &token.text,
            _ => "",
        }
    }

    fn next_argument(&mut self) -> bool {
        let on_line = match (self.done.last(), self.rest.last()) {
            (Some(current), Some(next)) => !self.is_past_end && current.is_on_line_of(next),
            _ => false,
        };
        on_line && self.next()
    }

    fn is_new_line(&self) -> bool {
        match &self.done[..] {
            [] | [_] => true,
            _ if self.is_past_end => false,
            [.., before, current] => before.is_before_line_of(current),
        }
    }

    fn value(&self) -> Result<String, Fault> {
        let value = |name: &str| self.around.variable(name);
        replaced(self.text(), &value)
            .ok_or_else(|| self.fault("the environment variables here have no end"))
    }

    /// Returns where the current word is; at the end, where the last one was.
    fn place(&self) -> Place {
        let last = self.done.last().map(|token| token.place.clone());
        last.unwrap_or_else(|| Place {
            file: self.file.clone(),
            line: 1,
        })
    }

    fn fault(&self, message: impl Into<String>) -> Fault {
        Fault {
            place: self.place(),
            message: message.into(),
        }
    }

    fn end_fault(&self, open: &str) -> Fault {
        self.fault(format!("the file ends here, and {open}"))
    }

    // === blocks ===

    fn read_one(&mut self) -> Result<(), Fault> {
        self.is_at_end = false;
        self.read_keys()?;
        if self.is_at_end {
            return Ok(());
        }
        if let [key] = &self.block.keys[..]
            && let Some(name) = key.text.strip_prefix('(')
            && let Some(name) = name.strip_suffix(')')
        {
            let name = name.to_owned();
            self.block.keys.clear();
            return self.define(name);
        }
        self.read_contents()
    }

    fn read_keys(&mut self) -> Result<(), Fault> {
        let mut expecting = false;
        loop {
            let mut key = self.value()?;
            if key == "import" && self.is_new_line() {
                self.import()?;
                continue;
            }
            if key == "{" {
                if expecting {
                    return Err(self.fault("a key is missing between the comma and `{`"));
                }
                return Ok(());
            }
            if !key.is_empty() {
                expecting = key.ends_with(',');
                if expecting {
                    key.pop();
                }
                let place = self.place();
                self.block.keys.push(Token { text: key, place });
            }
            if !self.next() {
                if expecting {
                    return Err(self.end_fault("a key is missing after the comma"));
                }
                self.is_at_end = true;
                return Ok(());
            }
            if !expecting && self.is_new_line() {
                return Ok(());
            }
        }
    }

    fn read_contents(&mut self) -> Result<(), Fault> {
        let has_braces = self.text() == "{";
        if !has_braces {
            // A file of one block needs none.
            self.back();
        }
        while self.next() {
            if self.text() == "}" {
                break;
            }
            if self.text() == "import" {
                self.import()?;
                self.back();
                continue;
            }
            self.read_directive()?;
        }
        if has_braces && self.text() != "}" {
            return Err(self.end_fault("the server block's `}` is missing"));
        }
        Ok(())
    }

    fn read_directive(&mut self) -> Result<(), Fault> {
        let name = self.value()?;
        let first = self.done.last().cloned();
        let mut words: Vec<Token> = first.into_iter().collect();
        let mut depth = 0usize;
        while self.next() {
            match self.text() {
                "{" => depth += 1,
                _ if depth == 0 && self.is_new_line() => {
                    self.back();
                    break;
                }
                "}" if depth == 0 => return Err(self.fault("nothing is open that this `}` closes")),
                "}" => depth -= 1,
                "import" if self.is_new_line() => {
                    self.import()?;
                    self.back();
                    continue;
                }
                _ => {}
            }
            let value = self.value()?;
            if let Some(token) = self.done.last_mut() {
                token.text = value;
                words.push(token.clone());
            }
        }
        if depth > 0 {
            return Err(self.end_fault(&format!("a `}}` of `{name}` is missing")));
        }
        let known = self
            .block
            .directives
            .iter_mut()
            .find(|(other, _)| *other == name);
        match known {
            Some((_, all)) => all.append(&mut words),
            None => self.block.directives.push((name, words)),
        }
        Ok(())
    }
}
