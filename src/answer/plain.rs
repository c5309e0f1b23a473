//! The short way for questions that nearly everybody asks: what [`super::kubernetes`] would answer,
//! octet for octet, without what only other questions need. Whatever is unusual is left to that.

use super::services::weight;
use super::{Request, Transport, Verdict};
use crate::chain::{BlockId, ListenerId, Plugin, ZoneId};
use crate::snapshot::Snapshot;
use crate::wire::{PlainQuery, PlainReply, Rcode};
use crate::zone::{Plain, PlainZone};

/// The short way of one listener by one snapshot: what is the same for all its queries.
#[derive(Clone, Copy)]
pub struct Shortcut<'s> {
    snapshot: &'s Snapshot,
    id: ZoneId,
    zone: PlainZone<'s>,
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
        Some(Self {
            snapshot,
            id,
            zone: snapshot.zone(id)?.plain()?,
            minimal: snapshot.chain.is_minimal(),
        })
    }

    /// Answers a query of the listener's as [`super::respond`] does, or returns `None` where the query
    /// needs [`super::respond_at_length`], whatever is in `out` by then.
    #[inline(always)]
    pub fn respond(&self, request: &Request<'_>, out: &mut [u8]) -> Option<(usize, Verdict)> {
        let Self { snapshot, id, .. } = *self;
        let query = PlainQuery::parse(request.bytes)?;
        let view = snapshot.view_from(&request.peer);
        if view.is_unknown() {
            return None;
        }
        let found = self.zone.lookup(&view, query.qname, query.qtype)?;
        let (zone, origin) = (self.zone.zone(), self.zone.origin());
        let limit = match request.transport {
            Transport::Udp => query.udp_limit,
            Transport::Tcp | Transport::Exchange => usize::from(u16::MAX),
        };
        let mut reply = PlainReply::start(&query, limit, out)?;
        let ttl = zone.options().ttl;
        let rcode = match found {
            Plain::Addresses(octets) => {
                reply.push_addresses((query.qtype, ttl), octets, request.entropy)?;
                Rcode::NOERROR
            }
            Plain::Service(node, port) => {
                let (rtype, octets) = node.only_address()?;
                let address = (!self.minimal).then_some((rtype, octets));
                let target = (node.suffix(), origin);
                reply.push_service(ttl, (weight(1), port), target, address)?;
                Rcode::NOERROR
            }
            Plain::NoData | Plain::Absent => {
                let soa = zone.soa();
                reply.push_soa(origin.len(), soa.ttl, soa.numbers)?;
                match found {
                    Plain::Absent => Rcode::NXDOMAIN,
                    _ => Rcode::NOERROR,
                }
            }
        };
        let verdict = Verdict {
            rcode,
            // There is only one where there is a short way.
            block: Some(BlockId(0)),
            plugin: Some(Plugin::Kubernetes),
            zone: Some(id),
            client: Some(view.class()),
            forwarded: None,
            named: None,
            asker: view.client(),
            open: view.is_open(),
            qtype: Some(query.qtype),
            searched: false,
            dnssec_ok: query.dnssec_ok,
            qname: query.qname.len() as u8,
        };
        Some((reply.finish(rcode)?, verdict))
    }
}
