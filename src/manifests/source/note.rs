//! What the source has to say to whoever reads the log. Not the diagnostics themselves, which stay
//! with their files for as long as they hold; a note is said once.

use crate::manifests::Diagnostic;
use std::path::Path;
use std::sync::Arc;

/// How many problems of one file are logged at a time; [`super::Source::diagnostics`] has them all.
pub(super) const LOGGED_PER_FILE: usize = 10;

/// A line for the log.
#[derive(Debug)]
pub(super) enum Note {
    /// Something is wrong; the second value is whether older objects of the file stay in force.
    Problem(Diagnostic, bool),
    /// A file that was broken can be used again.
    Recovered(Arc<Path>),
    /// So many problems of a file are not logged.
    Suppressed(Arc<Path>, usize),
}

impl Note {
    /// Writes the line.
    pub(super) fn log(self) {
        match self {
            Self::Problem(diagnostic, in_force) => diagnostic.log(in_force),
            Self::Recovered(file) => {
                tracing::info!(file = %file.display(), "manifest is good again");
            }
            Self::Suppressed(file, more) => {
                let file = file.display();
                tracing::warn!(%file, more, "more problems in this manifest, see `check`");
            }
        }
    }
}
