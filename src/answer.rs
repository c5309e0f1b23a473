//! From the bytes of a query to the bytes of its answer: a synchronous function of one snapshot.
//!
//! Not here: sockets, clocks and logs. What they need to know is in the [`Outcome`].

use crate::chain::ListenerId;
use crate::snapshot::Snapshot;
use crate::wire::Rcode;
use std::net::{IpAddr, SocketAddr};

/// How the query came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// One datagram: the answer has at most min(client's payload size, 1232) octets.
    Udp,
    /// A stream: the answer has at most 65,535 octets.
    Tcp,
}

/// One query and everything that its answer may depend on beside the snapshot.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The listener that received it.
    pub listener: ListenerId,
    /// The address it came from.
    pub peer: SocketAddr,
    /// The address it was sent to, where known.
    pub local: Option<IpAddr>,
    /// The client that a proxy in front named, where the transport carries one.
    pub claimed: Option<IpAddr>,
    /// How it came.
    pub transport: Transport,
    /// Milliseconds on a clock that never goes back.
    pub now: u64,
    /// Random bits: where an RRset's rotation starts.
    pub entropy: u64,
    /// Whether a client that is not known yet may be asked to wait ([`Outcome::Hold`]).
    pub may_wait: bool,
    /// The message.
    pub bytes: &'a [u8],
}

/// What to do with a query.
#[derive(Debug)]
pub enum Outcome {
    /// Send the first `usize` octets of the buffer.
    Reply(usize, Verdict),
    /// Send nothing.
    Drop(DropReason),
    /// Keep the query until its client is known, or its time is up; then call [`respond`] again,
    /// with `may_wait` off in the second case.
    Hold,
    /// Ask an upstream this, and go on with [`resume`].
    Ask(Plan),
}

/// Why a query gets no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// Fewer than twelve octets.
    Short,
    /// A response: answering one could start a loop.
    Response,
}

/// What metrics, audit and logs need to know of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The response code.
    pub rcode: Rcode,
}

/// placeholder
#[derive(Debug)]
pub struct Plan {}

/// Answers a query from one snapshot, into `out`. `out` should hold 65,535 octets for TCP and at
/// least 1,232 for UDP; an answer never exceeds it.
pub fn respond(snapshot: &Snapshot, request: &Request<'_>, out: &mut [u8]) -> Outcome {
    let _ = (snapshot, request, out);
    Outcome::Drop(DropReason::Short)
}
