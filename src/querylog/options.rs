//! The `[[log]]` tables as values.

use super::format::Format;
use super::kind::Class;
use crate::wire::Name;

/// One table: answers to names of these zones, of these classes, are written so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// `zones`, in lower case; never empty.
    pub zones: Vec<Name>,
    /// `format`: what a line says.
    pub format: Format,
    /// `class`: the answers that get one.
    pub classes: Classes,
    /// `output`: how it looks.
    pub output: Output,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            zones: vec![Name::root()],
            format: Format::default(),
            classes: Classes::ALL,
            output: Output::Text,
        }
    }
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// As `format` says, behind `[INFO] `.
    Text,
    /// One JSON object.
    Json,
}

/// A set of classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Classes {
    /// Answers that found something.
    pub success: bool,
    /// Those that say that there is nothing.
    pub denial: bool,
    /// All others.
    pub error: bool,
}

impl Classes {
    /// All of them.
    pub const ALL: Self = Self {
        success: true,
        denial: true,
        error: true,
    };
    /// None yet.
    pub const NONE: Self = Self {
        success: false,
        denial: false,
        error: false,
    };

    /// Returns whether the set has a class.
    pub fn has(self, class: Class) -> bool {
        match class {
            Class::Success => self.success,
            Class::Denial => self.denial,
            Class::Error => self.error,
        }
    }

    /// Returns what is in either set.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            success: self.success | other.success,
            denial: self.denial | other.denial,
            error: self.error | other.error,
        }
    }
}
