//! The short way for questions that nearly everybody asks: what [`super::kubernetes`] would answer,
//! octet for octet, without what only other questions need. Whatever is unusual is left to that.

use super::services::weight;
use super::{Request, Transport, Verdict};
use crate::chain::{BlockId, ListenerId, Plugin, ZoneId};
use crate::snapshot::Snapshot;
use crate::tenancy::{Client, ClientClass};
use crate::wire::{PlainQuery, PlainReply, PlainSoa, RType, Rcode};
use crate::zone::{Plain, PlainZone};
use std::net::{IpAddr, SocketAddr};

/// A query for the short way: what in a batch differs from one to the next, so that only one that is not
/// answered so is made a whole [`Request`].
#[derive(Debug, Clone, Copy)]
pub struct PlainRequest<'r, 'm> {
    /// What is the same for all.
    pub batch: &'r Request<'r>,
    /// How it came: the same for all, too, and here so that the compiler knows it.
    pub transport: Transport,
    /// The address it came from.
    pub peer: &'r SocketAddr,
    /// The address it was sent to, where known.
    pub local: &'r Option<IpAddr>,
    /// The message.
    pub bytes: &'m [u8],
}

impl<'r, 'm> From<&'r Request<'m>> for PlainRequest<'r, 'm> {
    #[inline(always)]
    fn from(request: &'r Request<'m>) -> Self {
        Self {
            batch: request,
            transport: request.transport,
            peer: &request.peer,
            local: &request.local,
            bytes: request.bytes,
        }
    }
}

impl<'m> PlainRequest<'_, 'm> {
    /// Returns the whole request.
    pub fn whole(&self) -> Request<'m> {
        let batch = self.batch;
        Request {
            listener: batch.listener,
            peer: *self.peer,
            local: *self.local,
            claimed: batch.claimed,
            transport: self.transport,
            now: batch.now,
            entropy: batch.entropy,
            may_wait: batch.may_wait,
            bytes: self.bytes,
        }
    }
}

/// The short way of one listener by one snapshot: what is the same for all its queries.
#[derive(Clone, Copy)]
pub struct Shortcut<'s> {
    snapshot: &'s Snapshot,
    id: ZoneId,
    zone: PlainZone<'s>,
    soa: PlainSoa,
    minimal: bool,
}

impl<'s> Shortcut<'s> {
    /// Returns the short way, where there is one: the listener has one block, which asks a zone of
    /// names first, and everything has been read.
    pub fn of(snapshot: &'s Snapshot, listener: ListenerId) -> Option<Self> {
        let id = snapshot.chain.first_zone(listener)?;
        if !snapshot.synced || snapshot.forwarders.is_stub() {
            return None;
        }
        let zone = snapshot.zone(id)?.plain()?;
        let soa = zone.zone().soa();
        Some(Self {
            snapshot,
            id,
            zone,
            soa: PlainSoa::new(soa.ttl, soa.numbers),
            minimal: snapshot.chain.is_minimal(),
        })
    }

    /// Answers a query of the listener's as [`super::respond`] does, or returns `None` where the query
    /// needs [`super::respond_at_length`], whatever is in `out` by then. `entropy` is asked where an RRset
    /// has several records.
    #[inline(always)]
    pub fn respond(
        &self,
        request: PlainRequest<'_, '_>,
        entropy: impl FnOnce() -> u64,
        out: &mut [u8],
    ) -> Option<(usize, Verdict)> {
        let query = PlainQuery::parse(request.bytes)?;
        let (found, asker, class) = self.find(request.peer, query.qname, query.qtype)?;
        let (zone, origin) = (self.zone.zone(), self.zone.origin());
        let limit = match request.transport {
            Transport::Udp => query.udp_limit,
            Transport::Tcp | Transport::Exchange => usize::from(u16::MAX),
        };
        let mut reply = PlainReply::start(&query, limit, out)?;
        let ttl = zone.options().ttl;
        let mut missing = None;
        let rcode = match found {
            Plain::Addresses(octets) => {
                reply.push_addresses((query.qtype, ttl), octets, entropy)?;
                Rcode::NOERROR
            }
            Plain::Service(node, port) => {
                let (rtype, octets) = node.only_address()?;
                let address = (!self.minimal).then_some((rtype, octets));
                let target = (node.suffix(), origin);
                reply.push_service(ttl, (weight(1), port), target, address)?;
                Rcode::NOERROR
            }
            Plain::NoData => {
                reply.push_soa(origin.len(), &self.soa)?;
                Rcode::NOERROR
            }
            Plain::Absent(name) => {
                missing = name;
                reply.push_soa(origin.len(), &self.soa)?;
                Rcode::NXDOMAIN
            }
        };
        let verdict = Verdict {
            rcode,
            // There is only one where there is a short way.
            block: Some(BlockId(0)),
            plugin: Some(Plugin::Kubernetes),
            zone: Some(self.id),
            client: Some(class),
            forwarded: None,
            named: None,
            asker,
            qtype: Some(query.qtype),
            searched: false,
            missing,
            dnssec_ok: query.dnssec_ok,
            qname: query.qname.len() as u8,
        };
        Some((reply.finish(rcode)?, verdict))
    }

    /// Returns what a client finds, and who that is.
    // A function of its own: in its callers it would take the registers that they need.
    #[inline(never)]
    fn find(
        &self,
        peer: &SocketAddr,
        qname: &[u8],
        qtype: RType,
    ) -> Option<(Plain<'s>, Client, ClientClass)> {
        let view = self.snapshot.view_from(peer);
        if view.is_unknown() {
            return None;
        }
        let found = self.zone.lookup(&view, qname, qtype)?;
        Some((found, view.client(), view.class()))
    }
}
