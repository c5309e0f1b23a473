//! The short way for questions that nearly everybody asks: what [`super::kubernetes`] would answer,
//! octet for octet, without what only other questions need. Whatever is unusual is left to that.

use super::services::weight;
use super::{Request, Transport, Verdict};
use crate::chain::{BlockId, Plugin};
use crate::snapshot::Snapshot;
use crate::wire::{PlainQuery, PlainReply, Rcode};
use crate::zone::Plain;

/// Answers a query, or returns `None` where it is to be answered the other way, whatever is in `out`
/// by then.
#[inline(always)]
pub(super) fn answer(
    snapshot: &Snapshot,
    request: &Request<'_>,
    out: &mut [u8],
) -> Option<(usize, Verdict)> {
    let id = snapshot.chain.first_zone(request.listener)?;
    if !snapshot.synced || snapshot.forwarders.is_stub() {
        return None;
    }
    let query = PlainQuery::parse(request.bytes)?;
    let zone = snapshot.zone(id)?;
    let client = snapshot.identify(request.peer.ip());
    let view = snapshot.view(client);
    if view.is_unknown() {
        return None;
    }
    let (found, origin) = zone.plain(&view, query.qname, query.qtype)?;
    let limit = match request.transport {
        Transport::Udp => query.udp_limit(),
        Transport::Tcp => usize::from(u16::MAX),
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
            let address = (!snapshot.chain.is_minimal()).then_some((rtype, octets));
            let target = (node.suffix(), origin.name.as_wire());
            reply.push_service(ttl, (weight(1), port), target, address)?;
            Rcode::NOERROR
        }
        Plain::NoData | Plain::Absent => {
            let soa = zone.soa();
            reply.push_soa(origin.name.as_wire().len(), soa.ttl, soa.numbers)?;
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
        asker: client,
        open: view.is_open(),
        qtype: Some(query.qtype),
        searched: false,
        dnssec_ok: query.edns.is_some_and(|(_, dnssec_ok)| dnssec_ok),
        qname: query.qname.len() as u8,
    };
    Some((reply.finish(rcode)?, verdict))
}
