//! Names that are not ours: upstreams asked on behalf of clients, and their replies checked.

mod stats;

pub use stats::{BOUNDS, Durations, Lie, Proto, Readings, Stats, ToReadings};
