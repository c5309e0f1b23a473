//! What is put into a Corefile: its snippets, and other files. Not which files a pattern names.

use super::pattern::{files, is_pattern};
use super::{MOST_OCTETS, MOST_WORDS, Parser};
use crate::config::corefile::Note;
use crate::config::corefile::cursor::Fault;
use crate::config::corefile::lexer::{Token, tokens};
use crate::config::corefile::variables::replaced;
use std::path::Path;

/// Snippets that are put in at most: one may bring another.
const MOST_SNIPPETS: usize = 10_000;
/// Files that are put in at most.
const MOST_FILES: usize = 100_000;

impl Parser<'_> {
    /// Reads a snippet's block, for later.
    pub(super) fn define(&mut self, name: String) -> Result<(), Fault> {
        if self.snippets.contains_key(&name) {
            return Err(self.fault(format!("there is a snippet `{name}` already")));
        }
        if self.text() != "{" {
            return Err(self.fault(format!("the snippet `{name}` needs a `{{` behind its name")));
        }
        let mut words: Vec<Token> = Vec::new();
        let mut depth = 1usize;
        while self.next() {
            match self.text() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            words.extend(self.done.last().cloned());
        }
        if depth > 0 {
            return Err(self.end_fault(&format!("the `}}` of the snippet `{name}` is missing")));
        }
        for (at, pair) in words.windows(2).enumerate() {
            let starts = at == 0 || words[at - 1].place.line != pair[0].place.line;
            let value = |name: &str| self.around.variable(name);
            if pair[0].text == "import"
                && starts
                && replaced(&pair[1].text, &value).as_ref() == Some(&name)
            {
                return Err(pair[0].fault(format!("the snippet `{name}` imports itself")));
            }
        }
        self.snippets.insert(name, words);
        Ok(())
    }

    /// Puts what an `import` names in its place. The current word is then the first of that, or what
    /// follows.
    pub(super) fn import(&mut self) -> Result<(), Fault> {
        if !self.next_argument() {
            return Err(self.fault("`import` needs a snippet, a file or a pattern"));
        }
        let what = self.value()?;
        if what.is_empty() {
            return Err(self.fault("`import` needs a snippet, a file or a pattern; this is empty"));
        }
        if self.next_argument() {
            return Err(self.fault("`import` takes one snippet, file or pattern"));
        }
        let mut words = match self.snippets.get(&what) {
            Some(words) => {
                self.snippet_expansions += 1;
                if self.snippet_expansions > MOST_SNIPPETS {
                    let message = format!("more than {MOST_SNIPPETS} snippets are put in");
                    return Err(self.fault(message));
                }
                words.clone()
            }
            None => self.read_files(&what)?,
        };
        self.words += words.len();
        self.bound()?;
        words.reverse();
        // The word `import` and its argument.
        self.done.truncate(self.done.len().saturating_sub(2));
        self.rest.append(&mut words);
        if !self.next() {
            self.is_past_end = true;
        }
        Ok(())
    }

    /// Checks that there are not too many words.
    pub(super) fn bound(&self) -> Result<(), Fault> {
        match self.words > MOST_WORDS || self.octets > MOST_OCTETS {
            true => Err(self.fault(format!("more than {MOST_WORDS} words, or too many octets"))),
            false => Ok(()),
        }
    }

    fn read_files(&mut self, pattern: &str) -> Result<Vec<Token>, Fault> {
        self.file_expansions += 1;
        if self.file_expansions > MOST_FILES {
            return Err(self.fault(format!("more than {MOST_FILES} files are put in")));
        }
        let importing = self.place().file;
        let importing = std::path::absolute(&*importing).unwrap_or_else(|_| (&*importing).into());
        let found =
            files(pattern, &importing, self.around).map_err(|message| self.fault(message))?;
        if found.is_empty() {
            if !is_pattern(pattern) {
                let message = format!("there is no snippet and no file `{pattern}`");
                return Err(self.fault(message));
            }
            let text = format!("`import {pattern}`: no file has such a name");
            let place = self.place();
            self.notes.push(Note { place, text });
        }
        let mut words = Vec::new();
        for path in found {
            words.append(&mut self.read_file(&path)?);
        }
        Ok(words)
    }

    fn read_file(&mut self, path: &Path) -> Result<Vec<Token>, Fault> {
        let read = self.around.read(path);
        let octets = read
            .map_err(|error| self.fault(format!("`{}` can't be read: {error}", path.display())))?;
        self.octets += octets.len();
        self.bound()?;
        let text = String::from_utf8_lossy(&octets);
        let name = self.imported.entry(path.into());
        let file = name.or_insert_with(|| path.display().to_string().into());
        Ok(tokens(&text, &file.clone()).take(MOST_WORDS + 1).collect())
    }
}
