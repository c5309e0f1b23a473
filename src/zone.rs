//! Names to RRsets: what one `kubernetes` table answers for.
//!
//! A [`Zone`] is a value over the shared index: the services, reverse names and pods that its
//! options select, with address RRsets in wire form. The only way to a record is
//! [`Zone::lookup`], and it takes a [`View`](crate::tenancy::View): the view is tested on the
//! namespace before any service is read, so that a hidden name costs what an absent one costs.
//! [`ZoneWriter`] is the index's side.
//!
//! Not here: sections, flags and bytes of messages ([`crate::answer`]).

mod apex;
mod build;
mod endpoints;
mod lookup;
mod options;
mod origins;
mod reverse;
mod service;
mod target;
mod walk;

pub use apex::{NameServers, ServerName, Soa, VERSION_TTL};
pub use build::{ServiceInput, ZoneWriter};
pub use endpoints::{EndpointRef, EndpointTable, Selector};
pub use lookup::{Absent, Found, Lookup};
pub use options::{Options, PodMode};
pub use origins::{Origin, reverse_name, reverse_origins};
pub use reverse::{Pointer, ReverseNode, address_of};
pub use service::{A_LEN, AAAA_LEN, AddressSet, Body, ServiceNode, ServicePort};
pub use target::{Denoted, DenotedKind};
pub use walk::{Match, Walk};

use crate::cow::{CowBits, CowMap, CowVec};
use crate::tenancy::{NsId, ServiceId};
use crate::wire::QName;
use std::sync::Arc;

type Nodes = CowVec<Option<Arc<ServiceNode>>>;
type Members = CowVec<Arc<Vec<ServiceId>>>;

/// The data of one `kubernetes` table at one instant. A clone shares everything.
#[derive(Clone)]
pub struct Zone {
    options: Arc<Options>,
    origins: Arc<[Origin]>,
    wildcards: bool,
    serial: u32,
    services: Nodes,
    imports: Nodes,
    service_members: Members,
    import_members: Members,
    exposed: CowBits,
    reverse: CowMap<u128, Arc<ReverseNode>>,
    pods: CowMap<u128, Arc<[NsId]>>,
    name_servers: Arc<NameServers>,
}

impl Zone {
    /// Returns the longest origin that `qname` is at or below.
    pub fn origin(&self, qname: &QName<'_>) -> Option<&Origin> {
        self.origins
            .iter()
            .filter(|origin| qname.is_at_or_below(&origin.name, origin.labels))
            .max_by_key(|origin| origin.labels)
    }

    /// Returns the settings.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Returns the origin that reverse records' targets end in: the first that is not a reverse
    /// zone.
    pub fn primary(&self) -> Option<&Origin> {
        self.origins
            .iter()
            .find(|origin| !origin.reverse)
            .or_else(|| self.origins.first())
    }

    /// Returns the SOA.
    pub fn soa(&self) -> Soa {
        Soa::new(self.options.ttl, self.serial)
    }

    /// Returns whether a name that is absent goes on to the block's next step.
    pub fn falls_through(&self, qname: &QName<'_>) -> bool {
        qname.longest_suffix(&self.options.fallthrough).is_some()
    }

    /// Takes the zone apart, to weigh its parts.
    #[cfg(any(test, feature = "testing"))]
    pub fn into_parts(self) -> Vec<(&'static str, Box<dyn std::any::Any>)> {
        vec![
            ("services", Box::new((self.services, self.imports))),
            (
                "members",
                Box::new((self.service_members, self.import_members)),
            ),
            ("reverse", Box::new(self.reverse)),
            ("pods", Box::new(self.pods)),
        ]
    }

    /// Gives each fact of the zone as a line, by names instead of numbers.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn describe(
        &self,
        ns: &dyn Fn(NsId) -> String,
        service: &dyn Fn(ServiceId) -> String,
        namespaces: &[NsId],
        line: &mut dyn FnMut(String),
    ) {
        line(format!("serial {}", self.serial));
        for &id in namespaces {
            line(format!(
                "exposed {} {}",
                ns(id),
                self.exposed.contains(id.0)
            ));
            for (sort, nodes, members) in [
                ("service", &self.services, &self.service_members),
                ("import", &self.imports, &self.import_members),
            ] {
                let list = members.get(id.0).cloned().unwrap_or_default();
                let names: Vec<String> = list.iter().map(|&s| service(s)).collect();
                line(format!("{sort}s of {}: {names:?}", ns(id)));
                for &member in list.iter() {
                    let node = nodes.get(member.0).and_then(Option::as_deref);
                    let node = node.map(|n| (&n.suffix, &n.body, &n.endpoints, n.names_endpoints));
                    line(format!("{sort} {}: {node:?}", service(member)));
                }
            }
        }
        for (key, node) in self.reverse.iter() {
            let address = std::net::Ipv6Addr::from(*key);
            let services: Vec<_> = node.services.iter().map(|(_, s)| service(*s)).collect();
            let endpoints: Vec<_> = node
                .endpoints
                .iter()
                .map(|e| (service(e.service), &e.name))
                .collect();
            line(format!("reverse {address}: {services:?} {endpoints:?}"));
        }
        for (key, list) in self.pods.iter() {
            let mut names: Vec<String> = list.iter().map(|&id| ns(id)).collect();
            names.sort();
            line(format!(
                "pods {}: {names:?}",
                std::net::Ipv6Addr::from(*key)
            ));
        }
        // Kept by number, and only asked whether one of them is seen.
        let mut owners: Vec<_> = self
            .name_servers
            .owners
            .iter()
            .map(|(_, s)| service(*s))
            .collect();
        owners.sort();
        let names: Vec<_> = self
            .name_servers
            .names
            .iter()
            .map(|n| (&n.labels, &n.addresses))
            .collect();
        line(format!("name servers {owners:?} {names:?}"));
    }

    fn nodes(&self, origin: &Origin) -> &Nodes {
        if origin.multicluster {
            &self.imports
        } else {
            &self.services
        }
    }

    fn members(&self, origin: &Origin, ns: NsId) -> &[ServiceId] {
        let members = if origin.multicluster {
            &self.import_members
        } else {
            &self.service_members
        };
        members.get(ns.0).map_or(&[], |list| list)
    }
}
