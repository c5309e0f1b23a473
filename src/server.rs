//! Sockets: UDP workers, TCP, and the queries that wait for their client to be known.

mod options;
pub use options::{ListenAddress, Options};
