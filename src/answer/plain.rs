//! The short way for questions that nearly everybody asks: what [`super::kubernetes`] would answer,
//! octet for octet, without what only other questions need. Whatever is unusual is left to that.

use super::records::Writer;
use super::{Asked, By, Outcome, finish, unanswerable};
use crate::chain::{BlockId, Plugin};
use crate::wire::{RType, Rcode, ResponseBuilder, Section};
use crate::zone::Plain;

/// Answers a query in at most `limit` octets, or returns `None` where it is to be answered the
/// other way, whatever is in `out` by then.
#[inline(always)]
pub(super) fn answer(asked: &Asked<'_>, limit: usize, out: &mut [u8]) -> Option<Outcome> {
    let Asked {
        snapshot,
        request,
        client,
        query,
        ..
    } = *asked;
    if unanswerable(query, None).is_some() || !snapshot.synced {
        return None;
    }
    let id = snapshot.chain.first_zone(request.listener)?;
    let zone = snapshot.zone(id)?;
    let view = snapshot.view(client);
    if view.is_unknown() {
        return None;
    }
    let (found, origin) = zone.plain(&view, &query.qname, query.qtype)?;
    let mut builder = ResponseBuilder::new(query, limit, out);
    let rcode = match found {
        Plain::Addresses(octets) => {
            let size = if query.qtype == RType::A { 4 } else { 16 };
            let first = (request.entropy % (octets.len() / size).max(1) as u64) as usize;
            let ttl = zone.options().ttl;
            let pushed = builder.push_addresses(query.qtype, ttl, octets, first);
            pushed.ok()?;
            None
        }
        Plain::Service(node, port) => {
            let mut writer = Writer {
                asked: *asked,
                zone,
                origin,
                view,
                builder: &mut builder,
            };
            if snapshot.chain.is_minimal() {
                writer.builder.set_minimal();
            }
            writer.cluster_service(&node, port).ok()?;
            None
        }
        Plain::NoData => Some(Rcode::NOERROR),
        Plain::Absent => Some(Rcode::NXDOMAIN),
    };
    if let Some(rcode) = rcode {
        builder.set_rcode(rcode);
        builder.section(Section::Authority);
        let soa = zone.soa();
        let at = query.qname.suffix_offset(origin.labels)?;
        builder.push_soa(at, soa.ttl, soa.numbers).ok()?;
    }
    builder.set_authoritative();
    let by = By {
        // There is only one where there is a short way.
        block: Some(BlockId(0)),
        plugin: Some(Plugin::Kubernetes),
        zone: Some((id, view.class())),
        searched: false,
    };
    Some(finish(builder, asked, by))
}
