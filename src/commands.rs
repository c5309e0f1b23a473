//! What the program does beside serving: each command is a function from values to text.

mod explain;
mod findings;
mod present;
mod summary;

pub use explain::{Explanation, explain};
pub use findings::findings;
pub use summary::{Condition, Pairs, Summary, summary};
