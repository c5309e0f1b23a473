//! The half of a cache that a reply is kept in.

use crate::wire::Kind;

/// One half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Answers.
    Success,
    /// Denials and failures.
    Denial,
}

impl Kept {
    /// Returns the half that such a reply is kept in.
    pub(super) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Positive | Kind::Delegation | Kind::Other => Self::Success,
            Kind::Negative | Kind::Failure => Self::Denial,
        }
    }

    pub(super) fn half(self) -> usize {
        self as usize
    }
}
