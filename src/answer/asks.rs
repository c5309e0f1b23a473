//! What is asked of upstreams, and what they said: a query may need several replies, each of which
//! is found again by its question.
//!
//! Nothing is carried from one to the next: a query is answered anew with the replies so far, from
//! the same snapshot, until it needs no other.

use crate::chain::{OptionEdits, UpstreamId};
use crate::tenancy::Client;
use crate::wire::{HeaderFlags, NameBuf, RType, Reply, eq_ignore_case};

/// Questions to upstreams for one query at most. What would need more is answered as if the next one
/// had no reply.
pub const MAX_ASKS: usize = 16;

/// What to ask an upstream, as plain data. Going on needs nothing else: the answer is a function of
/// snapshot, request and replies.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Whom to ask.
    pub upstream: UpstreamId,
    /// The name, in wire form.
    pub qname: NameBuf,
    /// The type.
    pub qtype: RType,
    /// On behalf of whom.
    pub client: Client,
    /// How the message differs from the client's otherwise.
    pub changes: Changes,
}

/// What rules of the operator's make of a message that goes to an upstream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Its AA, RD and RA, where a rule may have changed them.
    pub flags: Option<HeaderFlags>,
    /// Its options.
    pub options: OptionEdits,
}

impl Plan {
    pub(super) fn new(upstream: UpstreamId, qname: &[u8], qtype: RType) -> Box<Self> {
        let mut name = NameBuf::new();
        // A name that was read fits.
        let _ = name.push_wire(qname);
        Box::new(Self {
            upstream,
            qname: name,
            qtype,
            // Who asks says so when it is passed on.
            client: Client::Unknown,
            changes: Changes::default(),
        })
    }
}

/// What an upstream said to a plan; no octets where it said nothing that can be used.
#[derive(Debug, Clone, Copy)]
pub struct Replied<'a> {
    /// What was asked.
    pub plan: &'a Plan,
    /// The reply, under any ID.
    pub reply: Option<&'a [u8]>,
}

/// Every reply so far.
#[derive(Clone, Copy)]
pub(super) struct Said<'a>(pub(super) &'a [Replied<'a>]);

/// What came of a question.
pub(super) enum Heard<'a> {
    /// It is to be asked.
    NotAsked,
    /// It was asked in vain, or may not be asked any more.
    Nothing,
    /// Its reply, read and as it is.
    Reply(Reply<'a>, &'a [u8]),
}

impl<'a> Said<'a> {
    pub(super) const NOTHING: Self = Self(&[]);

    /// Returns what `upstream` said to a question.
    pub(super) fn to(self, upstream: UpstreamId, qname: &[u8], qtype: RType) -> Heard<'a> {
        let is_it = |replied: &&Replied<'_>| {
            let plan = replied.plan;
            plan.upstream == upstream
                && plan.qtype == qtype
                && eq_ignore_case(plan.qname.as_wire(), qname)
        };
        match self.0.iter().find(is_it) {
            None if self.0.len() < MAX_ASKS => Heard::NotAsked,
            None => Heard::Nothing,
            Some(replied) => match replied.reply.and_then(|r| Some((Reply::parse(r)?, r))) {
                Some((reply, bytes)) => Heard::Reply(reply, bytes),
                None => Heard::Nothing,
            },
        }
    }
}
