//! What another server tells of the queries that it answers: the lines of CoreDNS's log, and the
//! dnstap messages of any server. Bytes in, queries out; sockets and files are the rim's, and what is
//! made of the queries is the audit's. The other way round, the dnstap messages that this server sends
//! ([`Message`], [`Sender`]).
//!
//! Whoever writes to these may be anybody: what is read is bounded, and what can't be read is counted
//! and passed over.

mod dnstap;
mod frames;
mod lines;
mod log;
mod message;
mod sender;

pub use dnstap::{Told, read_message};
pub use frames::{CONTENT_TYPE, Frame, FrameError, Frames};
pub use lines::Lines;
pub use log::{Said, read_line};
pub use message::{Message, MessageKind};
pub use sender::{Heard, Sender};

use crate::wire::{Name, RType};
use std::net::IpAddr;
use std::path::PathBuf;

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

/// `[dnstap]`: where this server sends what it is asked and answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapOptions {
    /// `to`: who receives it.
    pub to: Destination,
    /// `full`: the DNS messages themselves are sent as well.
    pub full: bool,
    /// `identity`: what this server calls itself; empty for the host's name.
    pub identity: Box<str>,
    /// `version`: the program; empty for its name and version.
    pub version: Box<str>,
}

/// Where a receiver of dnstap listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A Unix socket.
    Unix(PathBuf),
    /// A host, by name or address, and a port.
    Tcp(Box<str>, u16),
}
