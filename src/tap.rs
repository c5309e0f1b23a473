//! What another server tells of the queries that it answers: the lines of CoreDNS's log, and the
//! dnstap messages of any server. Bytes in, queries out; sockets and files are the rim's, and what is
//! made of the queries is the audit's.
//!
//! Whoever writes to these may be anybody: what is read is bounded, and what can't be read is counted
//! and passed over.

mod dnstap;
mod frames;
mod lines;
mod log;

pub use dnstap::{Told, read_message};
pub use frames::{CONTENT_TYPE, Frame, FrameError, Frames};
pub use lines::Lines;
pub use log::{Said, read_line};

use crate::wire::{Name, RType};
use std::net::IpAddr;

/// A query that another server was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tapped {
    /// The address that it came from.
    pub client: IpAddr,
    /// The name that was asked for.
    pub name: Name,
    /// The type likewise.
    pub rtype: RType,
}
