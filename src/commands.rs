//! What the program does beside serving: each command is a function from values to text.

mod explain;
mod findings;
mod present;

pub use explain::{Explanation, explain};
pub use findings::findings;
