//! Names to RRsets.

mod options;
pub use options::{Options, PodMode};
