//! Who may see what.

mod options;
pub use options::*;
