//! The addresses of one name, in the order in which they are answered.

use super::ports::Selector;
use super::service::ServiceNode;
use crate::wire::RType;
use std::fmt;
use std::net::IpAddr;

/// The addresses that one name stands for, each once: none of them is a record yet.
#[derive(Clone, Copy)]
pub struct Addresses<'s> {
    node: ServiceNode<'s>,
    source: Source<'s>,
}

#[derive(Clone, Copy)]
enum Source<'s> {
    /// The cluster addresses.
    Cluster,
    /// Those of the endpoints that have a port which the selector selects.
    Endpoints(Selector<'s>),
}

impl<'s> Addresses<'s> {
    pub(super) fn of_cluster(node: ServiceNode<'s>) -> Self {
        Self {
            node,
            source: Source::Cluster,
        }
    }

    /// Where the selector selects every port, it is that of every port.
    pub(super) fn of_endpoints(node: ServiceNode<'s>, selector: Selector<'s>) -> Self {
        Self {
            node,
            source: Source::Endpoints(selector),
        }
    }

    /// Returns how many addresses there are of a type, A or AAAA.
    pub fn count(&self, rtype: RType) -> usize {
        match self.source {
            Source::Cluster if rtype == RType::A => self.node.cluster_row(rtype).len() / 4,
            Source::Cluster => self.node.cluster_row(rtype).len() / 16,
            Source::Endpoints(Selector::ANY) => self.node.endpoints().distinct(rtype),
            Source::Endpoints(_) => self.of_type(rtype).count(),
        }
    }

    /// Returns the octets of the addresses of a type, where they stand one behind the other.
    pub fn in_row(&self, rtype: RType) -> Option<&'s [u8]> {
        match self.source {
            Source::Cluster => Some(self.node.cluster_row(rtype)),
            Source::Endpoints(Selector::ANY) => self.node.endpoints().in_row(rtype),
            Source::Endpoints(_) => None,
        }
    }

    /// Returns the addresses of a type.
    pub fn of_type(&self, rtype: RType) -> impl Iterator<Item = IpAddr> + use<'s> {
        let (row, endpoints) = match self.source {
            Source::Cluster => (self.node.cluster_row(rtype), None),
            Source::Endpoints(selector) => (&[][..], Some((self.node.endpoints(), selector))),
        };
        let (v4, v6) = if rtype == RType::A {
            (row, &[][..])
        } else {
            (&[][..], row)
        };
        let v4 = v4.as_chunks::<4>().0.iter();
        let v6 = v6.as_chunks::<16>().0.iter();
        let row = v4.map(|octets| IpAddr::from(*octets));
        let row = row.chain(v6.map(|octets| IpAddr::from(*octets)));
        let endpoints = endpoints.into_iter().flat_map(|(endpoints, selector)| {
            let all = selector.is_any().then(|| endpoints.all());
            let some = (!selector.is_any()).then(|| endpoints.selected(selector));
            let all = all.into_iter().flatten();
            all.chain(some.into_iter().flatten())
        });
        row.chain(endpoints.filter(move |a| a.is_ipv4() == (rtype == RType::A)))
    }

    /// Returns the addresses of both types, IPv4 first.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + use<'s> {
        self.of_type(RType::A).chain(self.of_type(RType::AAAA))
    }
}

impl fmt::Debug for Addresses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
