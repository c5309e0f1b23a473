//! The query log: which answers get a line, and what it says. CoreDNS's `log` and `errors`. Not where
//! lines go, nor who asked: that is asked of whoever knows the clients.

mod entry;
mod errors;
mod failure;
mod format;
mod json;
mod kind;
mod options;
#[cfg(test)]
mod tests;
mod types;

pub use entry::{Asker, Entry};
pub use errors::{Consolidate, ErrorLines, Level};
pub use failure::failure_text;
pub use format::Format;
pub use kind::{Class, Kind};
pub use options::{Classes, Output, Rule};
pub use types::type_name;
