//! The offline source: Kubernetes YAML and JSON, read into [`crate::model`] and given as
//! [`crate::index::Event`]s. Synchronous: it neither sleeps nor watches; whoever owns a [`Source`]
//! calls [`Source::poll`] as often as changes should be seen.
//!
//! ```text
//! files ─► text ─► documents ─► conversion ─► objects of each file ─► Source: differences ─► Event
//! ```
//!
//! What an administrator writes may be wrong in one place and must not take down the rest: a
//! malformed object is skipped with a [`Diagnostic`], a file that is no YAML at all keeps what it
//! said when it last was.

mod convert;
mod diagnostic;
mod document;
mod fields;
mod files;
mod source;
#[cfg(test)]
mod tests;

pub use diagnostic::{Diagnostic, Severity};
pub use source::Source;

use crate::model::Object;
use std::path::PathBuf;

/// Why a [`Source`] could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No path was given.
    #[error("no path to manifests was given: name a file or a folder of Kubernetes YAML or JSON")]
    NoPath,
    /// A path does not exist.
    #[error(
        "{} does not exist: name a file or a folder of Kubernetes YAML or JSON",
        path.display()
    )]
    Missing {
        /// The path as given.
        path: PathBuf,
    },
    /// A path exists and can't be looked at.
    #[error("{} can't be read: check its permissions", path.display())]
    Unreadable {
        /// The path as given.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A path is a device, a pipe or a socket, which can't be read again for changes.
    #[error(
        "{} is neither a file nor a folder: write its content to a file and name that",
        path.display()
    )]
    NotAFile {
        /// The path as given.
        path: PathBuf,
    },
    /// The folders hold no manifest.
    #[error("no *.yaml, *.yml or *.json file in {paths}: put one there or name another path")]
    NothingFound {
        /// The paths as given, joined by commas.
        paths: String,
    },
    /// Manifests were found and none of them can be used.
    #[error("no manifest can be used; the first one says: {first}")]
    NothingUsable {
        /// What is wrong with the first file.
        first: Box<Diagnostic>,
    },
}

/// Reads manifests from text, YAML or JSON, as if it were one file.
///
/// Namespaces that the objects merely mention are not added; [`Source`] does that.
pub fn parse_str(text: &str) -> (Vec<Object>, Vec<Diagnostic>) {
    let mut parsed = document::Parsed::default();
    if let Err(error) = document::parse(text, document::Format::of_text(text), &mut parsed) {
        parsed.objects.clear();
        parsed.diagnostics.push(*error);
    }
    (parsed.objects, parsed.diagnostics)
}
