//! Found records into sections: addresses, names, texts. Not SRV ([`super::services`]), aliases
//! ([`super::alias`]) or wildcards ([`super::wild`]).

use super::Asked;
use super::kubernetes::Written;
use crate::tenancy::View;
use crate::wire::{Full, NameParts, Owner, RType, ResponseBuilder, Section};
use crate::zone::{
    AddressLabel, Addresses, Found, NameServers, Origin, Pointer, Selector, VERSION_TTL, Zone,
};
use arrayvec::ArrayString;
use std::fmt::Write;
use std::net::IpAddr;

/// Everything that writing one answer needs.
pub(super) struct Writer<'w, 'b> {
    pub(super) asked: Asked<'w>,
    pub(super) zone: &'w Zone,
    pub(super) origin: &'w Origin,
    pub(super) view: View<'w>,
    pub(super) builder: &'w mut ResponseBuilder<'b>,
}

impl Writer<'_, '_> {
    /// Writes what was found for the query's name and type. A record that does not fit has set TC:
    /// that is an answer too.
    pub(super) fn write(&mut self, found: &Found<'_>) -> Written {
        let ttl = self.zone.options().ttl;
        let full = match found {
            Found::Addresses(addresses) => self.rrset(*addresses, ttl),
            Found::Endpoint(endpoint) => {
                let addresses = endpoint.addresses(Selector::ANY, self.asked.query.qtype);
                self.addresses(Owner::QName, Some(self.asked.query.qtype), ttl, addresses)
            }
            Found::Address(address) => {
                self.addresses(Owner::QName, Some(self.asked.query.qtype), ttl, [*address])
            }
            Found::ServerAddresses(servers) => self.server_addresses(servers, ttl),
            Found::Services(node, selector) => self.services(node, selector),
            Found::EndpointServices(node, endpoint) => self.endpoint_services(node, endpoint),
            Found::PodService(labels, address) => self.pod_service(*labels, *address),
            Found::Alias(target) if self.asked.query.qtype == RType::CNAME => self
                .builder
                .push_name_record(Owner::QName, RType::CNAME, ttl, NameParts(&[target])),
            Found::Alias(target) => return self.alias(target),
            Found::Wild(walk) => return self.wild(*walk),
            Found::Pointers(pointers) => {
                let (zone, view) = (self.zone, self.view);
                zone.each_pointer(&view, *pointers, |pointer| self.pointer(pointer, ttl))
            }
            Found::Soa(soa) => self.builder.push_soa(0, soa.ttl, soa.numbers),
            Found::NameServers(servers) => self.name_servers(servers, ttl),
            Found::Version(version) => self.text(VERSION_TTL, &[version]),
            Found::Whoami => self.whoami(),
        };
        self.written(full)
    }

    /// Tells an empty answer from one that is in or was cut.
    pub(super) fn written(&self, full: Result<(), Full>) -> Written {
        if full.is_ok() && self.builder.count(Section::Answer) == 0 {
            Written::Nothing
        } else {
            Written::Records
        }
    }

    /// Writes the address records of the type asked for, from one of them on.
    pub(super) fn rrset(&mut self, addresses: Addresses<'_>, ttl: u32) -> Result<(), Full> {
        let qtype = self.asked.query.qtype;
        let entropy = self.asked.request.entropy;
        let start = |count: usize| (entropy % count.max(1) as u64) as usize;
        if let Some(octets) = addresses.in_row(qtype) {
            let count = octets.len() / if qtype == RType::A { 4 } else { 16 };
            let start = start(count);
            return self.builder.push_addresses(qtype, ttl, octets, start);
        }
        let count = addresses.count(qtype);
        let of_type = || addresses.of_type(qtype).take(count);
        let start = start(count);
        let rotated = of_type().skip(start).chain(of_type().take(start));
        self.addresses(Owner::QName, None, ttl, rotated)
    }

    /// Writes an address record for each address, of one type or of both.
    pub(super) fn addresses(
        &mut self,
        owner: Owner<'_>,
        only: Option<RType>,
        ttl: u32,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Result<(), Full> {
        for address in addresses {
            let rtype = if address.is_ipv4() {
                RType::A
            } else {
                RType::AAAA
            };
            if only.is_some_and(|only| only != rtype) {
                continue;
            }
            match address {
                IpAddr::V4(v4) => self
                    .builder
                    .push_record(owner, rtype, ttl, &[&v4.octets()])?,
                IpAddr::V6(v6) => self
                    .builder
                    .push_record(owner, rtype, ttl, &[&v6.octets()])?,
            }
        }
        Ok(())
    }

    /// Returns the zone's name as the client spelled it.
    pub(super) fn zone_as_asked(&self) -> &'_ [u8] {
        let qname = &self.asked.query.qname;
        let start = qname.suffix_offset(self.origin.labels);
        start
            .and_then(|start| qname.as_wire().get(start..))
            .unwrap_or(&[0])
    }

    fn pointer(&mut self, pointer: &Pointer<'_>, ttl: u32) -> Result<(), Full> {
        let Some(primary) = self.zone.primary() else {
            return Ok(());
        };
        let (service, namespace) = (pointer.service, pointer.namespace);
        let mut spelled = AddressLabel::default();
        let endpoint = pointer.endpoint;
        let endpoint = endpoint.map_or(&[][..], |name| name.wire(&mut spelled));
        let parts = [
            endpoint,
            &[service.len() as u8],
            service,
            &[namespace.len() as u8],
            namespace,
            b"\x03svc",
            primary.name.as_wire(),
        ];
        // The pieces are put together: a label may be cut between its length and its octets.
        let mut name = crate::wire::NameBuf::new();
        if parts
            .iter()
            .try_for_each(|part| name.push_wire(part))
            .is_err()
        {
            return Ok(());
        }
        let target = NameParts(&[name.as_wire()]);
        self.builder
            .push_name_record(Owner::QName, RType::PTR, ttl, target)
    }

    fn name_servers(&mut self, servers: &NameServers, ttl: u32) -> Result<(), Full> {
        let mut zone = crate::wire::NameBuf::new();
        let _ = zone.push_wire(self.zone_as_asked());
        let view = self.view;
        for server in servers.visible(&view) {
            let target = NameParts(&[&server.labels, zone.as_wire()]);
            self.builder
                .push_name_record(Owner::QName, RType::NS, ttl, target)?;
        }
        self.builder.section(Section::Additional);
        for server in servers.visible(&view) {
            let owner = [&*server.labels, zone.as_wire()];
            let owner = Owner::Name(NameParts(&owner));
            self.addresses(owner, None, ttl, server.addresses.iter().copied())?;
        }
        Ok(())
    }

    fn server_addresses(&mut self, servers: &NameServers, ttl: u32) -> Result<(), Full> {
        let view = self.view;
        let qtype = self.asked.query.qtype;
        // By type before anything is compared: what is compared is soon in the message, which ends.
        let all = || {
            let addresses = servers
                .visible(&view)
                .flat_map(|s| s.addresses.iter().copied());
            addresses.filter(move |a| a.is_ipv4() == (qtype == RType::A))
        };
        let first = |at: usize, address: IpAddr| !all().take(at).any(|earlier| earlier == address);
        let distinct = all()
            .enumerate()
            .filter(|&(at, a)| first(at, a))
            .map(|(_, a)| a);
        self.addresses(Owner::QName, Some(qtype), ttl, distinct)
    }

    fn text(&mut self, ttl: u32, strings: &[&[u8]]) -> Result<(), Full> {
        let mut rdata = arrayvec::ArrayVec::<u8, 1024>::new();
        for string in strings {
            let string = string.get(..string.len().min(255)).unwrap_or(&[]);
            rdata.push(string.len() as u8);
            rdata.extend(string.iter().copied());
        }
        self.builder
            .push_record(Owner::QName, RType::TXT, ttl, &[&rdata])
    }

    /// Tells the asker who it is taken for. Not kept by anybody: TTL 0.
    fn whoami(&mut self) -> Result<(), Full> {
        let mut ip = ArrayString::<64>::new();
        // An address has at most 39 characters.
        let _ = match self.asked.address() {
            Some(source) => write!(ip, "ip={source}"),
            None => write!(ip, "ip="),
        };
        let mut class = ArrayString::<64>::new();
        let _ = write!(class, "class={}", self.view.class().as_str());
        let mut namespace = arrayvec::ArrayVec::<u8, 255>::new();
        let mut tenant = namespace.clone();
        for (text, key, value) in [
            (
                &mut namespace,
                &b"namespace="[..],
                self.view.own_namespace().unwrap_or(&[]),
            ),
            (
                &mut tenant,
                b"tenant=",
                self.view.own_tenant().unwrap_or("").as_bytes(),
            ),
        ] {
            let room = text.capacity();
            text.extend(key.iter().chain(value).copied().take(room));
        }
        self.text(0, &[ip.as_bytes(), class.as_bytes(), &namespace, &tenant])
    }
}
