//! What is told of an answer beside its octets.

use super::Forwarded;
use crate::chain::{BlockId, Plugin, ZoneId};
use crate::tenancy::{Client, ClientClass, NameNumber};
use crate::wire::{RType, Rcode};
use std::net::IpAddr;

/// What metrics, audit and logs need to know of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The response code.
    pub rcode: Rcode,
    /// The server block that the query is for; `None` where it was refused before one was chosen.
    pub block: Option<BlockId>,
    /// What wrote the answer; `None` where the server itself did.
    pub plugin: Option<Plugin>,
    /// The zone that answered.
    pub zone: Option<ZoneId>,
    /// The kind of client, where it mattered.
    pub client: Option<ClientClass>,
    /// What came of naming the client for whom the query was forwarded; `None` where nobody did.
    pub forwarded: Option<Forwarded>,
    /// The client's address, where a forwarder named it; else it is the query's source, if any.
    pub named: Option<IpAddr>,
    /// Who asked.
    pub asker: Client,
    /// The type that was asked for, where the message could be read.
    pub qtype: Option<RType>,
    /// Whether `autopath` found the name in the client's search list.
    pub searched: bool,
    /// What stands for the name where it is absent though a cluster could hold it: whoever asks for many
    /// of them looks for what is hidden.
    pub missing: Option<NameNumber>,
    /// Whether the query has the DO bit (RFC 3225).
    pub dnssec_ok: bool,
    /// Octets of the QNAME, which stands behind the header; 0 where the message could not be read.
    pub qname: u8,
}

impl Verdict {
    /// What is known of a message that could not be read.
    pub(super) fn unread(rcode: Rcode, asker: Client) -> Self {
        Self {
            rcode,
            block: None,
            plugin: None,
            zone: None,
            client: None,
            forwarded: None,
            named: None,
            asker,
            qtype: None,
            searched: false,
            missing: None,
            dnssec_ok: false,
            qname: 0,
        }
    }
}
