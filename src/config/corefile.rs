//! A Corefile as the TOML that means the same. Not the meaning of that: it is read as any other file,
//! and what is wrong in it is said at the Corefile's line.
//!
//! ```text
//! text ─► lexer ─► parser ─► server blocks ─► translate ─► page: TOML, and the place of each line
//!                    ▲                                       │
//!          files, variables (Surroundings)                   └─► Config
//! ```
//!
//! A directive that would change answers and has no counterpart is an error; one that only changes
//! what is observed is a [`Note`].

mod cursor;
mod key;
mod lexer;
mod page;
mod parser;
mod surroundings;
mod translate;
mod variables;

#[cfg(test)]
mod tests;

pub use surroundings::{Host, Surroundings};
pub(super) use surroundings::{Recorded, standard_input};
pub(super) use translate::supported;

use super::error::{ConfigError, Problem};
use super::file::Overrides;
use super::text::shown;
use super::{Config, Note as Said};
use cursor::Fault;
use lexer::Place;
use std::fmt;

/// What a Corefile says, as TOML.
#[derive(Debug)]
pub struct Corefile {
    name: Box<str>,
    toml: String,
    places: Vec<Option<Place>>,
    notes: Vec<Note>,
}

/// What is said of a directive that has no meaning here, and changes no answer.
#[derive(Debug, Clone)]
struct Note {
    place: Place,
    text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

impl Corefile {
    /// Translates `text`; `name` is what errors call it, and where imports start. `default_port` is
    /// that of zones which name none.
    ///
    /// # Errors
    /// It is no Corefile, or says what can't be kept: everything of that sort, each with file and
    /// line.
    pub fn read(
        name: &str,
        text: &str,
        default_port: u16,
        around: &dyn Surroundings,
    ) -> Result<Self, ConfigError> {
        let mut notes = Vec::new();
        let blocks = parser::parse(name, text, around, &mut notes)
            .map_err(|fault| ConfigError::Invalid(vec![problem("", fault)]))?;
        if blocks.is_empty() {
            let message = "there is no server block, so nobody is answered";
            let place = Place {
                file: name.into(),
                line: 1,
            };
            let fault = Fault {
                place,
                message: message.into(),
            };
            return Err(ConfigError::Invalid(vec![problem("", fault)]));
        }
        let (page, problems) = translate::translate(&blocks, default_port, around, &mut notes);
        if !problems.is_empty() {
            return Err(ConfigError::Invalid(problems));
        }
        let (toml, places) = page.finish();
        Ok(Self {
            name: name.into(),
            toml,
            places,
            notes,
        })
    }

    /// Returns the TOML.
    pub fn toml(&self) -> &str {
        &self.toml
    }

    /// Returns what there is to say of directives that have no meaning here.
    pub fn notes(&self) -> impl Iterator<Item = Said> {
        self.notes.iter().map(|note| Said(note.to_string().into()))
    }

    /// Returns the configuration.
    ///
    /// # Errors
    /// Something in it is wrong: everything, with the Corefile's lines.
    pub fn config(&self) -> Result<Config, ConfigError> {
        let read = Config::read(&self.toml, "", &Overrides::default());
        let mut config = read.map_err(|error| self.with_own_places(error))?;
        config.notes = self.notes().collect();
        Ok(config)
    }

    /// Says at the Corefile's lines what is wrong in the TOML.
    fn with_own_places(&self, error: ConfigError) -> ConfigError {
        let ConfigError::Invalid(problems) = error else {
            return error;
        };
        let mut own: Vec<Problem> = Vec::new();
        for problem in problems {
            let line = problem.line.saturating_sub(1);
            let known = self.places.get(..=line).unwrap_or(&self.places);
            // What no line asks for was implied by one before it.
            let place = known.iter().rev().flatten().next();
            let (file, line) = place.map_or((&*self.name, 1), |place| (&*place.file, place.line));
            let mapped = Problem {
                file: file.into(),
                line,
                column: 0,
                key: own_key(&problem.key).into(),
                message: problem.message,
            };
            // A block on several ports is several tables.
            if !own.contains(&mapped) {
                own.push(mapped);
            }
        }
        ConfigError::Invalid(own)
    }
}

/// Returns the key without the number of its block, which a Corefile's reader does not count.
fn own_key(key: &str) -> &str {
    match key
        .strip_prefix("block[")
        .and_then(|rest| rest.split_once(']'))
    {
        Some((_, rest)) => rest.trim_start_matches('.'),
        None => key,
    }
}

fn problem(directive: &str, fault: Fault) -> Problem {
    Problem {
        file: (*fault.place.file).into(),
        line: fault.place.line,
        column: 0,
        key: directive.into(),
        message: fault.message.into(),
    }
}

fn listed(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}
