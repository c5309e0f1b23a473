//! Why a query got no reply of an upstream, as plain data: whoever asks it says so to whoever writes it
//! down. Not the words for it, which are the log's.

use std::net::SocketAddr;

/// Why there is no reply that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// What became of the last upstream that was asked.
    Upstream(Attempt),
    /// All of them are down, and none is asked then.
    NoneHealthy,
    /// As many queries as may, this number, wait for these upstreams.
    TooMany(u32),
    /// As many queries as may, this number, wait for these upstreams for the same tenant.
    TooManyOfTenant(u32),
    /// Nobody could take it up.
    NoRoom,
}

/// An upstream that was asked in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// How far it came.
    pub step: Step,
    /// Over a connection, not by datagram.
    pub stream: bool,
    /// Where it was asked from, once that was known.
    pub from: Option<SocketAddr>,
    /// The upstream.
    pub to: SocketAddr,
    /// What was wrong.
    pub cause: Cause,
}

/// How far an attempt came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It was to be connected to.
    Dial,
    /// It was asked.
    Read,
}

/// What was wrong with an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Nothing came in time.
    Timeout,
    /// Nobody listens there.
    Refused,
    /// The other end broke the connection off.
    Reset,
    /// The other end closed the connection.
    Closed,
    /// There is no way to the network.
    NetworkUnreachable,
    /// There is no way to the host.
    HostUnreachable,
    /// Its certificate is not trusted, or is for another name.
    NotTrusted,
    /// The terms of TLS could not be agreed on.
    Handshake,
    /// What came is no reply to the question.
    NoReply,
    /// It is asked over HTTPS, and said this status.
    Status(u16),
    /// Its source address is not one of this host's.
    NoAddress,
    /// There is no socket to be had here.
    NoSocket,
    /// Something else.
    Other,
}
