//! Transfers of whole zones (RFC 5936; RFC 1995 answered in full, as CoreDNS answers it): who may have
//! one, its first message, and the rest of them, one after the other.
//!
//! A transfer shows what the view of its client does, and nothing for a client that a policy would have
//! to know. Everything else is REFUSED before any name is looked at. Between two messages it is a
//! [`Cursor`]: plain data, over the snapshot that it began with.

use super::{
    Asked, By, DropReason, Outcome, Source, Transport, Verdict, failure, finish, unsaid, verdict,
};
use crate::chain::{AclAction, Block, Plugin, Step, TransferOptions, ZoneId, judge};
use crate::snapshot::Snapshot;
use crate::tenancy::Client;
use crate::wire::{
    ExtendedError, Full, MAX_LABEL, MAX_NAME, Message, NameParts, Owner, QClass, QNameBuffer,
    Query, RType, Rcode, ResponseBuilder, Section, read_name,
};
use crate::zone::{
    AddressLabel, EndpointName, Origin, ServerName, Services, TransferData, TransferRecord, Zone,
};
use std::net::IpAddr;

/// A message is sent once it has as many octets: no later pointer would lead back into it.
const FULL: usize = 16_384 - LONGEST;
/// Octets of a record at most: two names, and what stands around them.
const LONGEST: usize = 2 * MAX_NAME + 16;

/// A transfer that one message does not hold.
#[derive(Debug)]
pub struct Transfer {
    /// Octets of the first message, which is in the buffer.
    pub length: usize,
    /// What is to be known of the answer.
    pub verdict: Verdict,
    /// The rest.
    pub rest: Cursor,
}

/// The rest of a transfer.
#[derive(Debug, Clone)]
pub struct Cursor {
    zone: ZoneId,
    client: Client,
    /// The query: each message carries its ID and question.
    query: Box<[u8]>,
    stage: Stage,
}

/// What comes next.
#[derive(Debug, Clone)]
enum Stage {
    /// The SOA in front.
    First,
    /// The NS record with this number.
    Server(usize),
    /// The address with this number, among those of the name servers.
    Glue(usize),
    /// Records of services.
    Service(Services),
    /// The SOA at the end.
    Last,
    Done,
}

/// Returns whether a type asks for a zone.
pub(super) fn is_asked(qtype: RType) -> bool {
    matches!(qtype, RType::AXFR | RType::IXFR)
}

/// Returns whether a query asks for a zone of the class that there are.
pub(super) fn is_zone_asked(query: &Query<'_>) -> bool {
    is_asked(query.qtype) && query.qclass == QClass::IN
}

/// Answers a query for a zone.
#[cold]
pub(super) fn answer(
    asked: &Asked<'_>,
    block: Option<&Block>,
    limit: usize,
    out: &mut [u8],
) -> Outcome {
    let by = By {
        block: block.map(Block::id),
        plugin: Some(Plugin::Transfer),
        ..By::default()
    };
    let mut builder = ResponseBuilder::new(asked.query, limit, &mut *out);
    let began = match block.and_then(|block| Some((block, block.transfer()?))) {
        Some((block, options)) => begin(asked, block, options, limit, &mut builder),
        None => Err(Refusal::Code(Rcode::REFUSED)),
    };
    let (zone, class) = match began {
        Ok(began) => began,
        Err(Refusal::Drop) => return Outcome::Drop(DropReason::Policy),
        Err(Refusal::Written) => return finish(builder, asked, by),
        Err(Refusal::Code(rcode)) => {
            builder.set_rcode(rcode);
            let by = By { plugin: None, ..by };
            return finish(builder, asked, by);
        }
    };
    let by = By {
        zone: Some((zone, class)),
        ..by
    };
    if asked.query.qtype == RType::IXFR {
        match is_current(asked, zone) {
            Some(false) => {}
            Some(true) => {
                // As CoreDNS: alone, and not said to be authoritative.
                if let Some(zone) = asked.snapshot.zone(zone) {
                    let soa = zone.soa();
                    let _ = builder.push_soa(0, soa.ttl, soa.numbers);
                }
                return finish(builder, asked, by);
            }
            None => {
                builder.set_rcode(Rcode::SERVFAIL);
                return finish(builder, asked, by);
            }
        }
    }
    let mut cursor = Cursor {
        zone,
        client: asked.client,
        query: asked.request.bytes.into(),
        stage: Stage::First,
    };
    cursor.fill(asked.snapshot, asked.query, &mut builder);
    let verdict = verdict(Rcode::NOERROR, asked, by);
    let length = builder.finish();
    match cursor.is_done() {
        true => Outcome::Reply(length, verdict),
        false => Outcome::Transfer(Box::new(Transfer {
            length,
            verdict,
            rest: cursor,
        })),
    }
}

/// Why there is no transfer.
enum Refusal {
    /// The configuration drops the query.
    Drop,
    /// By this code.
    Code(Rcode),
    /// By what the message says now.
    Written,
}

/// Returns the zone that the client may have, and the kind of client, or why there is none.
fn begin(
    asked: &Asked<'_>,
    block: &Block,
    options: &TransferOptions,
    limit: usize,
    builder: &mut ResponseBuilder<'_>,
) -> Result<(ZoneId, crate::tenancy::ClientClass), Refusal> {
    let query = asked.query;
    let qname = &query.qname;
    let rules = block.steps().iter().find_map(|step| match step {
        Step::Acl(tables) => Some(tables),
        _ => None,
    });
    match rules.and_then(|tables| judge(tables, qname, query.qtype, asked.address())) {
        None | Some(AclAction::Allow) => {}
        Some(AclAction::Drop) => return Err(Refusal::Drop),
        Some(AclAction::Block) => {
            failure(builder, Rcode::REFUSED, ExtendedError::BLOCKED);
            return Err(Refusal::Written);
        }
        Some(AclAction::Filter) => {
            failure(builder, Rcode::NOERROR, ExtendedError::FILTERED);
            return Err(Refusal::Written);
        }
    }
    // A client that somebody else names is at no address of its own.
    let address = match (asked.request.transport, asked.source) {
        (Transport::Tcp, Source::Peer) => asked.request.peer.ip().to_canonical(),
        _ => return Err(Refusal::Code(Rcode::REFUSED)),
    };
    if !options.is_for(qname) || !options.allows(address) {
        return Err(Refusal::Code(Rcode::REFUSED));
    }
    if limit <= FULL {
        return Err(Refusal::Code(Rcode::SERVFAIL));
    }
    let snapshot = asked.snapshot;
    let zone = block.steps().iter().find_map(|step| match step {
        Step::Kubernetes(id) => Some(*id),
        _ => None,
    });
    let held = zone.and_then(|id| Some((id, snapshot.zone(id)?)));
    let Some((id, _)) = held.filter(|(_, zone)| zone.transferable(qname.lower()).is_some()) else {
        return Err(Refusal::Code(Rcode::REFUSED));
    };
    if !snapshot.synced {
        // Part of a zone would be taken for all of it.
        failure(builder, unsaid(snapshot), ExtendedError::NOT_READY);
        return Err(Refusal::Written);
    }
    let view = snapshot.view(asked.client);
    if view.is_unknown() {
        failure(builder, Rcode::REFUSED, ExtendedError::PROHIBITED);
        return Err(Refusal::Written);
    }
    Ok((id, view.class()))
}

/// Returns whether the client of an IXFR has the zone as it is, or `None` where it does not say what it
/// has: in exactly one record, a SOA.
fn is_current(asked: &Asked<'_>, zone: ZoneId) -> Option<bool> {
    let bytes = asked.request.bytes;
    let message = Message::parse(bytes)?;
    let mut said = message
        .records()
        .filter(|record| record.section == Section::Authority);
    let (record, None) = (said.next()?, said.next()) else {
        return None;
    };
    if record.rtype != RType::SOA {
        return None;
    }
    let (_, at) = read_name(bytes, record.rdata.start)?;
    let (_, at) = read_name(bytes, at)?;
    let numbers = bytes.get(at..record.rdata.end)?.first_chunk::<20>()?;
    let [s0, s1, s2, s3, ..] = *numbers;
    let serial = u32::from_be_bytes([s0, s1, s2, s3]);
    let own = asked.snapshot.zone(zone)?.soa().numbers[0];
    Some(serial != 0 && serial == own)
}

impl Cursor {
    /// Writes the next message into `out`, which has room for 65,535 octets, and returns its length;
    /// `None` behind the last. `snapshot` is the one that the transfer began with.
    pub fn next(&mut self, snapshot: &Snapshot, out: &mut [u8]) -> Option<usize> {
        if self.is_done() {
            return None;
        }
        let query = std::mem::take(&mut self.query);
        let mut buffer = QNameBuffer::default();
        // It was read when the transfer began.
        let parsed = Query::parse(&query, &mut buffer).ok()?;
        let mut builder = ResponseBuilder::new(&parsed, usize::from(u16::MAX), out);
        self.fill(snapshot, &parsed, &mut builder);
        let length = builder.finish();
        self.query = query;
        Some(length)
    }

    /// Returns whether the last message has been written.
    pub fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }

    fn fill(&mut self, snapshot: &Snapshot, query: &Query<'_>, builder: &mut ResponseBuilder<'_>) {
        builder.set_authoritative();
        let zone = snapshot.zone(self.zone);
        let found = zone.and_then(|zone| Some((zone, zone.transferable(query.qname.lower())?)));
        let Some((zone, origin)) = found else {
            self.stage = Stage::Done;
            return;
        };
        let view = snapshot.view(self.client);
        let ttl = zone.options().ttl;
        while builder.position() < FULL && !self.is_done() {
            let next = match &mut self.stage {
                Stage::First | Stage::Last => {
                    let soa = zone.soa();
                    let _ = builder.push_soa(0, soa.ttl, soa.numbers);
                    match self.stage {
                        Stage::First => Stage::Server(0),
                        _ => Stage::Done,
                    }
                }
                Stage::Server(at) => match zone.name_servers(&view).nth(*at) {
                    Some(server) => {
                        let target = [&*server.labels, origin.name.as_wire()];
                        let target = NameParts(&target);
                        let _ = builder.push_name_record(Owner::QName, RType::NS, ttl, target);
                        Stage::Server(*at + 1)
                    }
                    None => Stage::Glue(0),
                },
                Stage::Glue(at) => {
                    let of = |s| addresses_of(s);
                    match zone.name_servers(&view).flat_map(of).nth(*at) {
                        Some((server, address)) => {
                            let name = [&*server.labels, origin.name.as_wire()];
                            // As CoreDNS: with no TTL at all.
                            let _ = push_address(builder, &name, 0, address);
                            Stage::Glue(*at + 1)
                        }
                        None => Stage::Service(zone.services(&view, origin)),
                    }
                }
                Stage::Service(services) => match zone.transfer(&view, origin, services) {
                    Some(record) => {
                        let _ = push(builder, (zone, origin), &record);
                        continue;
                    }
                    None => Stage::Last,
                },
                Stage::Done => return,
            };
            self.stage = next;
        }
    }
}

fn addresses_of(server: &ServerName) -> impl Iterator<Item = (&ServerName, IpAddr)> {
    server
        .addresses
        .iter()
        .map(move |address| (server, *address))
}

/// Writes a record of a service, unless its name would be too long.
fn push(
    builder: &mut ResponseBuilder<'_>,
    (zone, origin): (&Zone, &Origin),
    record: &TransferRecord<'_>,
) -> Result<(), Full> {
    let (ttl, apex) = (zone.options().ttl, origin.name.as_wire());
    let mut spelled = AddressLabel::default();
    match &record.data {
        TransferData::Address(endpoint, address) => {
            let endpoint = labels_of(endpoint.as_ref(), &mut spelled);
            push_address(builder, &[endpoint, record.service, apex], ttl, *address)
        }
        TransferData::Alias(target) => {
            let owner = [record.service, apex];
            let owner = Owner::Name(NameParts(&owner));
            builder.push_name_record(owner, RType::CNAME, ttl, NameParts(&[target]))
        }
        TransferData::Service {
            port,
            entries,
            number,
            target,
        } => {
            let target = labels_of(target.as_ref(), &mut spelled);
            let ([w0, w1], [p0, p1]) = (
                super::services::weight(*entries).to_be_bytes(),
                number.to_be_bytes(),
            );
            let rdata = [&[0, 0, w0, w1, p0, p1][..], target, record.service, apex];
            match port {
                None => {
                    let owner = [record.service, apex];
                    let owner = Owner::Name(NameParts(&owner));
                    builder.push_record(owner, RType::SRV, ttl, &rdata)
                }
                Some([name, protocol]) => {
                    let lengths = [name.len() + 1, protocol.len() + 1];
                    let behind = record.service.len() + apex.len();
                    let length = lengths[0] + lengths[1] + 2 + behind;
                    if lengths.iter().any(|length| *length > MAX_LABEL) || length > MAX_NAME {
                        return Ok(());
                    }
                    let [name_len, protocol_len] = lengths.map(|length| [length as u8, b'_']);
                    let front = [&name_len, *name, &protocol_len, *protocol].concat();
                    let owner = [&*front, record.service, apex];
                    let owner = Owner::Name(NameParts(&owner));
                    builder.push_record(owner, RType::SRV, ttl, &rdata)
                }
            }
        }
    }
}

fn labels_of<'r>(endpoint: Option<&EndpointName<'r>>, room: &'r mut AddressLabel) -> &'r [u8] {
    endpoint.map_or(&[], |endpoint| endpoint.wire(room))
}

fn push_address(
    builder: &mut ResponseBuilder<'_>,
    owner: &[&[u8]],
    ttl: u32,
    address: IpAddr,
) -> Result<(), Full> {
    let owner = Owner::Name(NameParts(owner));
    match address {
        IpAddr::V4(v4) => builder.push_record(owner, RType::A, ttl, &[&v4.octets()]),
        IpAddr::V6(v6) => builder.push_record(owner, RType::AAAA, ttl, &[&v6.octets()]),
    }
}
