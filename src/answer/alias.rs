//! ExternalName: following a CNAME inside the server's own zones, as the client, and asking on
//! where the chain leaves them.
//!
//! Each hop is looked up with the same view, so that an alias to a hidden name answers like one to
//! an absent name. The chain is kept on the stack, one frame a hop.

use super::asks::{Heard, Plan};
use super::kubernetes::Written;
use super::message::{Message, Stop};
use super::records::Writer;
use super::{Asked, clients, serve, steps};
use crate::chain::{Block, Step, UpstreamId};
use crate::wire::{Full, NameParts, Owner, QName, QNameBuffer, RType, Reply, ReplyData};
use crate::zone::{Absent, Found, Lookup, Origin, Selector, Zone};

/// CNAMEs of a chain within one zone at most (CoreDNS since #7153): eleven are answered, twelve lead
/// to nothing. In another zone it is counted anew, as CoreDNS looks a target there up by itself.
const MAX_HOPS: usize = 11;

/// CNAMEs of a chain through several zones at most, so that the stack and the work have a bound.
/// CoreDNS has none: two aliases that lead to each other through two zones end its process.
const MAX_CHAIN: usize = 3 * MAX_HOPS;

/// One CNAME of a chain.
struct Hop<'a> {
    before: Option<&'a Self>,
    /// In wire form.
    target: &'a [u8],
    ttl: u32,
    /// The target is in another zone: the CNAME stays, whatever is found there.
    leaves: bool,
}

/// Where a chain ends.
#[derive(Clone, Copy)]
enum End<'a> {
    /// With these records at the last target.
    Found(&'a Found<'a>, u32),
    /// At a name of another server, which said this, or nothing, or there is nobody to ask.
    Outside(Option<Reply<'a>>),
    /// At a name that steps of its block answered.
    Answered(&'a Message),
    /// With nothing.
    Nothing,
}

impl Writer<'_, '_> {
    /// Follows the alias that the QNAME is.
    pub(super) fn alias(&mut self, target: &[u8]) -> Written {
        let (zone, origin, query) = (self.zone, self.origin, self.asked.query);
        self.follow(zone, origin, &query.qname, target, None)
    }

    /// Follows the alias from `owner`, a name of `origin`, to `target`.
    fn follow(
        &mut self,
        zone: &Zone,
        origin: &Origin,
        owner: &QName<'_>,
        target: &[u8],
        before: Option<&Hop<'_>>,
    ) -> Written {
        let earlier = || std::iter::successors(before, |hop| hop.before);
        let mut buffer = QNameBuffer::default();
        let Some((qname, _)) = QName::parse(target, &mut buffer) else {
            return Written::Nothing;
        };
        let loops = is_at_or_below(&qname, owner) || earlier().any(|hop| hop.target == target);
        let in_zone = earlier().take_while(|hop| !hop.leaves).count();
        if loops || in_zone >= MAX_HOPS || earlier().count() >= MAX_CHAIN {
            return self.end(before, End::Nothing);
        }
        let inside = qname.is_at_or_below(&origin.name, origin.labels);
        let ttl = zone.options().ttl;
        let hop = Hop {
            before,
            target,
            ttl,
            leaves: !inside,
        };
        if inside {
            return self.arrive(zone, origin, &qname, &hop);
        }
        let (asked, qtype) = (self.asked, self.asked.query.qtype);
        let block = asked.select(&qname);
        let otherwise = |block: &Block| {
            steps::answers_otherwise(&asked, block, &qname, qtype)
                || steps::is_outside(asked.snapshot, block, &qname)
        };
        if block.is_some_and(otherwise) {
            return self.leave_for_steps(&hop);
        }
        match other_zone(&asked, block, &qname) {
            Ok((zone, origin)) => self.arrive(zone, origin, &qname, &hop),
            Err(upstream) => self.leave(&hop, upstream),
        }
    }

    /// Looks up a hop's target.
    fn arrive(
        &mut self,
        zone: &Zone,
        origin: &Origin,
        qname: &QName<'_>,
        hop: &Hop<'_>,
    ) -> Written {
        let view = self.view;
        match zone.lookup(&view, origin, qname, self.asked.query.qtype) {
            Lookup::Found(Found::Alias(next)) => self.follow(zone, origin, qname, next, Some(hop)),
            Lookup::Found(found) => self.end(Some(hop), End::Found(&found, zone.options().ttl)),
            Lookup::Absent(Absent::Missing) if view.is_unknown() => Written::Unknown,
            Lookup::NoData | Lookup::Absent(_) => self.end(Some(hop), End::Nothing),
        }
    }

    fn leave(&mut self, hop: &Hop<'_>, upstream: Option<UpstreamId>) -> Written {
        let Some(upstream) = upstream else {
            return self.end(Some(hop), End::Outside(None));
        };
        let qtype = self.asked.query.qtype;
        match self.asked.said.to(upstream, hop.target, qtype) {
            Heard::NotAsked => Written::Ask(Plan::new(upstream, hop.target, qtype)),
            Heard::Nothing => self.end(Some(hop), End::Outside(None)),
            Heard::Reply(reply, _) => self.end(Some(hop), End::Outside(Some(reply))),
        }
    }

    /// Lets the steps of its block answer for a hop's target, as if the client had asked for it.
    #[cold]
    fn leave_for_steps(&mut self, hop: &Hop<'_>) -> Written {
        let mut name = crate::wire::NameBuf::new();
        // A name that was parsed fits.
        let _ = name.push_wire(hop.target);
        let (asked, qtype) = (self.asked, self.asked.query.qtype);
        match serve::look_up(&asked, &name.to_name(), qtype, asked.depth) {
            Ok(message) => self.end(Some(hop), End::Answered(&message)),
            Err(Stop::Ask(plan)) => Written::Ask(plan),
            Err(Stop::Hold) => Written::Unknown,
            Err(Stop::Drop(_)) => self.end(Some(hop), End::Outside(None)),
        }
    }

    /// Writes a chain and what it ends with. Without records only the CNAMEs up to the last zone
    /// that was left stay; with none of those, nothing was found.
    fn end(&mut self, hop: Option<&Hop<'_>>, end: End<'_>) -> Written {
        let has_records = match &end {
            End::Found(found, _) => self.has_records(found),
            End::Outside(_) | End::Answered(_) => true,
            End::Nothing => false,
        };
        let mut chain = arrayvec::ArrayVec::<&Hop<'_>, MAX_CHAIN>::new();
        for hop in std::iter::successors(hop, |hop| hop.before) {
            if (has_records || hop.leaves || !chain.is_empty()) && chain.try_push(hop).is_err() {
                return Written::Nothing;
            }
        }
        if chain.is_empty() {
            return Written::Nothing;
        }
        let full = self.push_chain(&chain).and_then(|()| match &end {
            End::Found(found, ttl) if has_records => self.push_end(hop, found, *ttl),
            End::Answered(message) => self.push_answers(message),
            End::Outside(Some(reply)) => self.push_said(*reply),
            _ => Ok(()),
        });
        self.written(full)
    }

    fn push_chain(&mut self, chain: &[&Hop<'_>]) -> Result<(), Full> {
        let mut owner: Option<&[u8]> = None;
        for hop in chain.iter().rev() {
            let parts = [owner.unwrap_or(&[])];
            let name = owner.map_or(Owner::QName, |_| Owner::Name(NameParts(&parts)));
            let target = NameParts(&[hop.target]);
            self.builder
                .push_name_record(name, RType::CNAME, hop.ttl, target)?;
            owner = Some(hop.target);
        }
        Ok(())
    }

    fn has_records(&self, found: &Found<'_>) -> bool {
        let qtype = self.asked.query.qtype;
        let of_type = |address: std::net::IpAddr| address.is_ipv4() == (qtype == RType::A);
        match found {
            Found::Addresses(addresses) => addresses.count(qtype) > 0,
            Found::Endpoint(endpoint) => endpoint.addresses(Selector::ANY, qtype).next().is_some(),
            Found::Address(address) => of_type(*address),
            Found::ServerAddresses(servers) => servers
                .visible(&self.view)
                .flat_map(|s| &s.addresses)
                .any(|a| of_type(*a)),
            _ => false,
        }
    }

    fn push_end(&mut self, hop: Option<&Hop<'_>>, found: &Found<'_>, ttl: u32) -> Result<(), Full> {
        let parts = [hop.map_or(&[][..], |hop| hop.target)];
        let owner = Owner::Name(NameParts(&parts));
        let only = Some(self.asked.query.qtype);
        match found {
            Found::Addresses(addresses) => self.addresses(owner, only, ttl, addresses.iter()),
            Found::Endpoint(endpoint) => {
                let addresses = endpoint.addresses(Selector::ANY, self.asked.query.qtype);
                self.addresses(owner, only, ttl, addresses)
            }
            Found::Address(address) => self.addresses(owner, only, ttl, [*address]),
            Found::ServerAddresses(servers) => {
                let view = self.view;
                let all = servers
                    .visible(&view)
                    .flat_map(|s| s.addresses.iter().copied());
                self.addresses(owner, only, ttl, all)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn push_answers(&mut self, message: &Message) -> Result<(), Full> {
        if message.is_truncated() {
            self.builder.set_truncated();
        }
        message.answer.iter().try_for_each(|record| {
            let about = (record.rtype, record.class, record.ttl);
            let owner = record.owner.as_wire();
            self.builder.push_fields(owner, about, record.fields())
        })
    }

    /// Writes the answer section of what the upstream said, whatever its response code.
    fn push_said(&mut self, reply: Reply<'_>) -> Result<(), Full> {
        if reply.header.truncated() {
            self.builder.set_truncated();
        }
        for record in reply.answers() {
            let parts = [record.owner.as_wire()];
            let owner = Owner::Name(NameParts(&parts));
            match &record.rdata {
                ReplyData::Octets(octets) => {
                    self.builder
                        .push_record(owner, record.rtype, record.ttl, &[octets])?;
                }
                ReplyData::Name(name) => {
                    let target = NameParts(&[name.as_wire()]);
                    self.builder
                        .push_name_record(owner, record.rtype, record.ttl, target)?;
                }
            }
        }
        Ok(())
    }
}

/// Finds a zone of this server for a name outside the one that its alias is in, or else the
/// upstream to ask.
fn other_zone<'s>(
    asked: &Asked<'s>,
    block: Option<&Block>,
    qname: &QName<'_>,
) -> Result<(&'s Zone, &'s Origin), Option<UpstreamId>> {
    let snapshot = asked.snapshot;
    for step in block.map_or(&[][..], |block| block.steps()) {
        match step {
            Step::Kubernetes(id) => {
                let zone = snapshot.zone(*id);
                if let Some(found) = zone.and_then(|zone| Some((zone, zone.origin(qname)?))) {
                    return Ok(found);
                }
            }
            Step::Forward(table) if table.is_for(qname) && clients::is_for_tenant(asked, table) => {
                let is_listed = clients::is_listed(asked, table);
                return Err(is_listed.then_some(table.upstream));
            }
            _ => {}
        }
    }
    Err(None)
}

/// Returns whether a target is the name that leads to it, or below that: a direct loop.
fn is_at_or_below(target: &QName<'_>, owner: &QName<'_>) -> bool {
    let suffix = target.suffix_offset(owner.label_count());
    suffix
        .and_then(|start| target.lower().get(start..))
        .is_some_and(|s| s == owner.lower())
}
