//! SRV records and the addresses of their targets, with CoreDNS's weights.
//!
//! Targets are not compressed, so that every SRV record of a message has a length that is known
//! beforehand; where the owner of an additional record stands is counted, not remembered.

use super::records::Writer;
use crate::wire::{Full, HEADER_LEN, NameParts, Owner, Section};
use crate::zone::{AddressLabel, Body, EndpointRef, Selector, ServiceNode, SharedPorts};
use std::net::IpAddr;

/// Octets of an SRV record in front of its target: pointer, type, class, TTL, length, priority,
/// weight, port.
pub(super) const BEFORE_TARGET: usize = 18;

/// Returns the weight of each of `entries` records: 100 shared out, rounded down, at least 1
/// (CoreDNS's arithmetic, so that the numbers agree).
pub(super) fn weight(entries: usize) -> u16 {
    let share = 100.0 / (100.0 * entries.max(1) as f64) * 100.0;
    (share as u16).max(1)
}

impl Writer<'_, '_> {
    /// Writes the SRV records of a service, and their addresses.
    pub(super) fn services(
        &mut self,
        node: &ServiceNode<'_>,
        selector: &Selector<'_>,
    ) -> Result<(), Full> {
        let weight = weight(node.entries(selector));
        let start = self.builder.position();
        let shared = node.shared_ports(selector);
        self.push_services(node, selector, &shared, weight)?;
        self.additional();
        self.push_service_addresses(node, selector, &shared, start)
            .map(|_| ())
    }

    /// Writes the SRV records of one endpoint, and its addresses.
    pub(super) fn endpoint_services(
        &mut self,
        node: &ServiceNode<'_>,
        endpoint: &EndpointRef<'_>,
    ) -> Result<(), Full> {
        let weight = weight(endpoint.entries(&Selector::ANY));
        let start = self.builder.position();
        self.push_endpoint(node, endpoint, &Selector::ANY, weight)?;
        self.additional();
        self.push_endpoint_addresses(node, endpoint, &Selector::ANY, start)
            .map(|_| ())
    }

    /// Goes on to the additional section, where there are records to add to.
    pub(super) fn additional(&mut self) {
        if self.builder.count(Section::Answer) > 0 {
            self.builder.section(Section::Additional);
        }
    }

    /// Writes the SRV record that a pod's name has: port 0, its own name.
    pub(super) fn pod_service(&mut self, labels: [&[u8]; 2], address: IpAddr) -> Result<(), Full> {
        let mut target = crate::wire::NameBuf::new();
        let zone = self.zone_as_asked();
        let fits = labels
            .iter()
            .try_for_each(|label| target.push_label(label))
            .is_ok()
            && target.push_label(b"pod").is_ok()
            && target.push_wire(zone).is_ok();
        if !fits {
            return Ok(());
        }
        let ttl = self.zone.options().ttl;
        let at = self
            .builder
            .push_srv(ttl, weight(1), 0, NameParts(&[target.as_wire()]))?;
        self.builder.section(Section::Additional);
        self.addresses(Owner::Position(at), None, ttl, [address])
    }

    /// Writes SRV records alone; `shared` is what the service says of the selector.
    pub(super) fn push_services(
        &mut self,
        node: &ServiceNode<'_>,
        selector: &Selector<'_>,
        shared: &Option<SharedPorts>,
        weight: u16,
    ) -> Result<(), Full> {
        match node.body() {
            Body::Cluster if node.has_cluster_addresses() => {
                let mut push = |number| self.push_srv(node, &[], weight, number);
                match shared {
                    Some(ports) => ports.iter().copied().try_for_each(push),
                    None => node.ports().numbers(selector).try_for_each(&mut push),
                }
            }
            Body::Headless => node
                .endpoints()
                .iter()
                .try_for_each(|endpoint| match shared {
                    Some(ports) => self.push_srvs(node, &endpoint, weight, ports.iter().copied()),
                    None => self.push_endpoint(node, &endpoint, selector, weight),
                }),
            Body::Cluster | Body::Alias(_) | Body::Absent => Ok(()),
        }
    }

    /// Writes the addresses of SRV records that start at `start`, and returns where they end.
    pub(super) fn push_service_addresses(
        &mut self,
        node: &ServiceNode<'_>,
        selector: &Selector<'_>,
        shared: &Option<SharedPorts>,
        start: usize,
    ) -> Result<usize, Full> {
        match node.body() {
            Body::Cluster if node.has_cluster_addresses() => {
                let records = match shared {
                    Some(ports) => ports.len(),
                    None => node.ports().numbers(selector).count(),
                };
                if records > 0 {
                    let owner = Owner::Position(start + BEFORE_TARGET);
                    let ttl = self.zone.options().ttl;
                    self.addresses(owner, None, ttl, node.cluster_addresses())?;
                }
                Ok(start + records * self.srv_len(node, 0))
            }
            Body::Headless => {
                let mut endpoints = node.endpoints().iter();
                endpoints.try_fold(start, |start, endpoint| match shared {
                    Some(ports) => {
                        let addresses = endpoint.shared_addresses();
                        self.push_targets(node, &endpoint, ports.len(), addresses, start)
                    }
                    None => self.push_endpoint_addresses(node, &endpoint, selector, start),
                })
            }
            Body::Cluster | Body::Alias(_) | Body::Absent => Ok(start),
        }
    }

    pub(super) fn push_endpoint(
        &mut self,
        node: &ServiceNode<'_>,
        endpoint: &EndpointRef<'_>,
        selector: &Selector<'_>,
        weight: u16,
    ) -> Result<(), Full> {
        self.push_srvs(node, endpoint, weight, endpoint.ports(selector))
    }

    fn push_srvs(
        &mut self,
        node: &ServiceNode<'_>,
        endpoint: &EndpointRef<'_>,
        weight: u16,
        mut ports: impl Iterator<Item = u16>,
    ) -> Result<(), Full> {
        let mut spelled = AddressLabel::default();
        let name = endpoint.name().wire(&mut spelled);
        ports.try_for_each(|port| self.push_srv(node, name, weight, port))
    }

    pub(super) fn push_endpoint_addresses(
        &mut self,
        node: &ServiceNode<'_>,
        endpoint: &EndpointRef<'_>,
        selector: &Selector<'_>,
        start: usize,
    ) -> Result<usize, Full> {
        let records = endpoint.ports(selector).count();
        // Ports without number make no record, and so give no address.
        let addresses = endpoint.numbered_addresses(*selector);
        self.push_targets(node, endpoint, records, addresses, start)
    }

    /// Writes the addresses of an endpoint's SRV records, of which the first starts at `start`, and
    /// returns where the last one ends.
    fn push_targets(
        &mut self,
        node: &ServiceNode<'_>,
        endpoint: &EndpointRef<'_>,
        records: usize,
        addresses: impl Iterator<Item = IpAddr>,
        start: usize,
    ) -> Result<usize, Full> {
        if records > 0 {
            let owner = Owner::Position(start + BEFORE_TARGET);
            let ttl = self.zone.options().ttl;
            self.addresses(owner, None, ttl, addresses)?;
        }
        Ok(start + records * self.srv_len(node, endpoint.name().wire_len()))
    }

    fn push_srv(
        &mut self,
        node: &ServiceNode<'_>,
        endpoint: &[u8],
        weight: u16,
        port: u16,
    ) -> Result<(), Full> {
        let (query, origin) = (self.asked.query, self.origin);
        let zone = query.qname.suffix_offset(origin.labels);
        let zone = zone
            .and_then(|start| query.qname.as_wire().get(start..))
            .unwrap_or(&[0]);
        let target = [endpoint, node.suffix(), zone];
        let ttl = self.zone.options().ttl;
        self.builder
            .push_srv(ttl, weight, port, NameParts(&target))
            .map(|_| ())
    }

    fn srv_len(&self, node: &ServiceNode<'_>, endpoint: usize) -> usize {
        BEFORE_TARGET + endpoint + node.suffix().len() + self.zone_as_asked().len()
    }
}

const _: () = assert!(
    HEADER_LEN == 12,
    "owners of SRV records are pointers of two octets"
);

#[cfg(test)]
mod tests {
    use super::weight;

    #[test]
    fn weights_are_those_of_coredns() {
        for (entries, expected) in [
            (1, 100),
            (2, 50),
            (3, 33),
            (4, 25),
            (5, 20),
            (6, 16),
            (7, 14),
            (10, 10),
            (25, 4),
            (34, 2),
            (50, 2),
            (51, 1),
            (100, 1),
            (5000, 1),
        ] {
            assert_eq!(weight(entries), expected, "{entries} entries");
        }
    }
}
