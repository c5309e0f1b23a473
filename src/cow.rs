//! Copy-on-write containers: what the index changes and what snapshots hold are the same values.
//!
//! A clone is one reference count. A change after a clone copies the small part that it touches
//! (one shard or page and two tables of pointers) and leaves the rest shared. Nothing here knows
//! what it holds.

mod bits;
mod map;
mod numbers;
mod pages;
mod shards;
mod sorted;
mod strings;
mod vec;

pub use bits::CowBits;
pub use map::{CowMap, Seed};
pub use numbers::{CowNumbers, Several};
pub use pages::CowPages;
pub use sorted::CowSorted;
pub use strings::CowStrings;
pub use vec::CowVec;
