//! The `k8s_external` step: a look-up as the client below that plugin's zones, and the answer that
//! CoreDNS would give to what it found. Hidden and absent names leave here by the same lines.
//!
//! What a load balancer's host name stands for is looked up as if the client had asked for it.

use super::kubernetes::{beforehand, unknown};
use super::message::{Message, Stop};
use super::records::Writer;
use super::services::{BEFORE_TARGET, weight};
use super::{Asked, By, Done, Plan, failure, serve, unsaid};
use crate::chain::{Plugin, ZoneId};
use crate::wire::{
    ExtendedError, Full, HEADER_LEN, MAX_NAME, Name, NameBuf, NameParts, Owner, RType, Rcode,
    Section, pointer,
};
use crate::zone::{
    Absent, AddressLabel, EndpointRef, ExposedNode, ExternalOptions, NameServers, Outside, Pointer,
    Pointers, Selector, ServiceNode, Soa,
};
use std::net::IpAddr;

/// Look-ups within look-ups at most, so that host names that lead to each other come to an end.
const MAX_DEPTH: u8 = 2;

/// What writing records came to: all that fit, or not yet.
enum Unwritten {
    Full,
    Ask(Box<Plan>),
    /// A host name leads to a name that a client that we don't know is told nothing of.
    Unknown,
}

impl From<Full> for Unwritten {
    fn from(_: Full) -> Self {
        Self::Full
    }
}

type Writing = Result<(), Unwritten>;

/// Answers `query` from a zone of `k8s_external`, or returns `None` where the name is in none.
pub(super) fn answer<'a>(
    asked: &Asked<'_>,
    id: ZoneId,
    builder: &mut crate::wire::ResponseBuilder<'_>,
) -> Option<Done<'a>> {
    let Asked {
        snapshot,
        client,
        query,
        ..
    } = *asked;
    let zone = snapshot.zone(id)?;
    let (options, origin) = zone.external_origin(&query.qname)?;
    let view = snapshot.view(client);
    let by = By {
        plugin: Some(Plugin::K8sExternal),
        zone: Some((id, view.class())),
        ..By::default()
    };
    if let Some(done) = beforehand(asked, &view, by, builder) {
        return Some(done);
    }
    let answered = Done::Answer(by);
    let writer = Writer {
        asked: *asked,
        zone,
        origin,
        view,
        builder,
    };
    let mut external = External { writer, options };
    let found = zone.look_outside(&view, origin, &query.qname, query.qtype);
    let rcode = match &found {
        Outside::Absent(Absent::Missing) if view.is_unknown() => {
            return Some(unknown(asked, &view, external.writer.builder).unwrap_or(answered));
        }
        Outside::Absent(_) if zone.falls_through_outside(&query.qname) => return Some(Done::Next),
        // Not as in CoreDNS: what is not known yet is not denied.
        Outside::Absent(_) if !snapshot.synced && snapshot.forwarders.is_stub() => {
            failure(
                external.writer.builder,
                unsaid(snapshot),
                ExtendedError::NOT_READY,
            );
            return Some(answered);
        }
        Outside::Absent(_) if !snapshot.synced => Rcode::SERVFAIL,
        Outside::Absent(_) | Outside::Nothing => Rcode::NXDOMAIN,
        _ => Rcode::NOERROR,
    };
    match external.write(&found) {
        Err(Unwritten::Ask(plan)) => return Some(Done::Ask(plan)),
        Err(Unwritten::Unknown) => {
            return Some(unknown(asked, &view, external.writer.builder).unwrap_or(answered));
        }
        Ok(()) if external.writer.builder.count(Section::Answer) == 0 => external.deny(rcode),
        Ok(()) | Err(Unwritten::Full) => {}
    }
    external.writer.builder.set_authoritative();
    let missing = matches!(found, Outside::Absent(Absent::Missing)) && snapshot.synced;
    let missing = missing.then(|| snapshot.directory.name_number(query.qname.lower()));
    Some(Done::Answer(By { missing, ..by }))
}

/// Everything that writing one answer needs.
struct External<'w, 'b> {
    writer: Writer<'w, 'b>,
    options: &'w ExternalOptions,
}

impl<'w> External<'w, '_> {
    /// Writes what was found for the query's name and type.
    fn write(&mut self, found: &Outside<'_>) -> Writing {
        let (ttl, qtype) = (self.options.ttl, self.writer.asked.query.qtype);
        let is_srv = qtype == RType::SRV;
        match found {
            Outside::Absent(_) | Outside::Nothing | Outside::NoData => {}
            Outside::Soa(soa) => self.soa(*soa)?,
            Outside::NameServer(servers) => self.name_server(servers)?,
            Outside::ServerAddresses(servers) => {
                self.server_addresses(servers, Owner::QName, Some(qtype))?;
            }
            Outside::Exposed(node, selector) if is_srv => self.exposed_services(node, selector)?,
            Outside::Exposed(node, _) => self.exposed(node)?,
            Outside::Endpoints(node, selector) if is_srv => {
                let weight = weight(node.entries(selector));
                self.endpoint_services(node, || node.endpoints().iter(), selector, weight)?;
            }
            Outside::Endpoints(node, selector) => {
                let addresses = node.addresses(selector);
                if let Some(addresses) = addresses {
                    self.writer.rrset(addresses, ttl)?;
                }
            }
            Outside::Endpoint(node, endpoint) if is_srv => {
                let weight = weight(endpoint.entries(&Selector::ANY));
                let only = || std::iter::once(*endpoint);
                self.endpoint_services(node, only, &Selector::ANY, weight)?;
            }
            Outside::Endpoint(_, endpoint) => {
                let addresses = endpoint.addresses(Selector::ANY, qtype);
                self.writer
                    .addresses(Owner::QName, Some(qtype), ttl, addresses)?;
            }
            Outside::Pointers(pointers) => self.pointers(*pointers)?,
        }
        Ok(())
    }

    /// Says that there is nothing of that: one SOA.
    fn deny(&mut self, rcode: Rcode) {
        self.writer.builder.set_rcode(rcode);
        self.writer.builder.section(Section::Authority);
        let soa = self.writer.zone.external_soa(self.options.ttl);
        // A SOA always fits: its names point to the question's, and messages have 512 octets at least.
        let _ = self.soa(soa);
    }

    /// Writes the zone's SOA. The zone is spelled as it was asked for.
    fn soa(&mut self, soa: Soa) -> Result<(), Full> {
        let apex = self.apex();
        let query = self.writer.asked.query;
        let at = query.qname.suffix_offset(self.writer.origin.labels);
        let zone = pointer(HEADER_LEN + at.unwrap_or(0));
        let numbers = soa.numbers.map(u32::to_be_bytes);
        let data: [&[u8]; 7] = [
            b"\x03ns1",
            apex.as_wire(),
            &zone,
            b"\x0ahostmaster",
            apex.as_wire(),
            &zone,
            numbers.as_flattened(),
        ];
        let owner = Owner::Pointer(zone);
        self.writer
            .builder
            .push_record(owner, RType::SOA, soa.ttl, &data)
    }

    fn name_server(&mut self, servers: &NameServers) -> Result<(), Full> {
        let apex = self.apex();
        let mut name = NameBuf::new();
        let zone = self.zone();
        let parts: [&[u8]; 3] = [b"\x03ns1", apex.as_wire(), zone];
        if parts
            .iter()
            .try_for_each(|part| name.push_wire(part))
            .is_err()
        {
            return Ok(());
        }
        let target = NameParts(&[name.as_wire()]);
        let ttl = self.options.ttl;
        self.writer
            .builder
            .push_name_record(Owner::QName, RType::NS, ttl, target)?;
        self.writer.builder.section(Section::Additional);
        self.server_addresses(servers, Owner::Name(target), None)
    }

    /// Writes the server's addresses outside, each once.
    fn server_addresses(
        &mut self,
        servers: &NameServers,
        owner: Owner<'_>,
        only: Option<RType>,
    ) -> Result<(), Full> {
        let view = self.writer.view;
        let all = || servers.addresses_outside(&view);
        let first = |at: usize, address: IpAddr| !all().take(at).any(|earlier| earlier == address);
        let distinct = all()
            .enumerate()
            .filter(|&(at, a)| first(at, a))
            .map(|(_, a)| a);
        self.writer
            .addresses(owner, only, self.options.ttl, distinct)
    }

    /// Writes the addresses of a service outside, and the host names that stand for others.
    fn exposed(&mut self, node: &ExposedNode<'_>) -> Writing {
        let (ttl, qtype) = (self.options.ttl, self.writer.asked.query.qtype);
        let said = self.look_up_names(node, &[qtype])?;
        let octets = node.row(qtype);
        let count = octets.len() / if qtype == RType::A { 4 } else { 16 };
        if count > 0 {
            let first = (self.writer.asked.request.entropy % count as u64) as usize;
            self.writer
                .builder
                .push_addresses(qtype, ttl, octets, first)?;
        }
        for (name, messages) in node.names().zip(&said) {
            let target = NameParts(&[name]);
            self.writer
                .builder
                .push_name_record(Owner::QName, RType::CNAME, ttl, target)?;
            for message in messages {
                self.writer.push_answers(message)?;
            }
        }
        Ok(())
    }

    /// Writes the SRV records of a service outside: of each port, one for all of its addresses, and one
    /// for each host name.
    fn exposed_services(&mut self, node: &ExposedNode<'_>, selector: &Selector<'_>) -> Writing {
        let said = self.look_up_names(node, &[RType::A, RType::AAAA])?;
        let (ttl, weight) = (self.options.ttl, weight(node.entries(selector)));
        let has_addresses = node.addresses().next().is_some();
        let start = self.writer.builder.position();
        if has_addresses {
            for port in node.ports().numbers(selector) {
                let target = [node.suffix(), self.zone()];
                let builder = &mut self.writer.builder;
                builder.push_srv(ttl, weight, port, NameParts(&target))?;
            }
        }
        for name in node.names() {
            for port in node.ports().numbers(selector) {
                let target = NameParts(&[name]);
                self.writer.builder.push_srv(ttl, weight, port, target)?;
            }
        }
        if node.ports().numbers(selector).next().is_none() {
            return Ok(());
        }
        self.writer.additional();
        if has_addresses {
            let owner = Owner::Position(start + BEFORE_TARGET);
            self.writer.addresses(owner, None, ttl, node.addresses())?;
        }
        for message in said.iter().flatten() {
            self.writer.push_answers(message)?;
        }
        Ok(())
    }

    /// Writes the SRV records of endpoints, and their addresses.
    fn endpoint_services<'s, I: Iterator<Item = EndpointRef<'s>>>(
        &mut self,
        node: &ServiceNode<'_>,
        endpoints: impl Fn() -> I,
        selector: &Selector<'_>,
        weight: u16,
    ) -> Result<(), Full> {
        let ttl = self.options.ttl;
        let suffix = node.suffix();
        let suffix = suffix.strip_suffix(b"\x03svc").unwrap_or(suffix);
        let rest = suffix.len() + self.zone().len();
        let fitting =
            || endpoints().filter(|endpoint| endpoint.name().wire_len() + rest <= MAX_NAME);
        let mut at = self.writer.builder.position() + BEFORE_TARGET;
        for endpoint in fitting() {
            let mut spelled = AddressLabel::default();
            let name = endpoint.name().wire(&mut spelled);
            for port in endpoint.ports(selector) {
                let target = [name, suffix, self.zone()];
                self.writer
                    .builder
                    .push_srv(ttl, weight, port, NameParts(&target))?;
            }
        }
        self.writer.additional();
        for endpoint in fitting() {
            let records = endpoint.ports(selector).count();
            if records > 0 {
                let addresses = endpoint.numbered_addresses(*selector);
                self.writer
                    .addresses(Owner::Position(at), None, ttl, addresses)?;
            }
            at += records * (BEFORE_TARGET + endpoint.name().wire_len() + rest);
        }
        Ok(())
    }

    fn pointers(&mut self, pointers: Pointers<'_>) -> Result<(), Full> {
        let (zone, view) = (self.writer.zone, self.writer.view);
        zone.each_pointer(&view, pointers, |pointer| self.pointer(pointer))
    }

    fn pointer(&mut self, pointer: &Pointer<'_>) -> Result<(), Full> {
        let Some(first) = self.options.origins.first() else {
            return Ok(());
        };
        let mut name = NameBuf::new();
        let labels = [pointer.service, pointer.namespace];
        let is_put = labels.iter().try_for_each(|label| name.push_label(label));
        if is_put.is_err() || name.push_wire(first.as_wire()).is_err() {
            return Ok(());
        }
        let (target, ttl) = (NameParts(&[name.as_wire()]), self.options.ttl);
        self.writer
            .builder
            .push_name_record(Owner::QName, RType::PTR, ttl, target)
    }

    /// Looks up what each host name of a service stands for, in each of `types`.
    fn look_up_names(
        &self,
        node: &ExposedNode<'_>,
        types: &[RType],
    ) -> Result<Vec<Vec<Message>>, Unwritten> {
        let asked = &self.writer.asked;
        let look_up =
            |name: &Name, qtype: RType| match serve::look_up(asked, name, qtype, asked.depth) {
                Ok(message) => Ok(Some(message)),
                Err(Stop::Ask(plan)) => Err(Unwritten::Ask(plan)),
                Err(Stop::Hold) => Err(Unwritten::Unknown),
                Err(Stop::Drop(_)) => Ok(None),
            };
        let mut said = Vec::new();
        for name in node.names() {
            let mut buffer = NameBuf::new();
            // A name that was parsed fits.
            let _ = buffer.push_wire(name);
            let name = buffer.to_name();
            let mut messages = Vec::new();
            for qtype in types.iter().filter(|_| asked.depth < MAX_DEPTH) {
                messages.extend(look_up(&name, *qtype)?);
            }
            said.push(messages);
        }
        Ok(said)
    }

    /// Returns the zone's name as the client spelled it.
    fn zone(&self) -> &'w [u8] {
        let (query, origin) = (self.writer.asked.query, self.writer.origin);
        let start = query.qname.suffix_offset(origin.labels);
        start
            .and_then(|start| query.qname.as_wire().get(start..))
            .unwrap_or(&[0])
    }

    /// Returns the apex label in wire form.
    fn apex(&self) -> NameBuf {
        let mut label = NameBuf::new();
        // It is one label: the configuration is read so.
        let _ = label.push_label(self.options.apex.as_bytes());
        label
    }
}
