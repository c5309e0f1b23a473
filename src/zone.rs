//! Names to RRsets: what one `kubernetes` table answers for.
//!
//! A [`Zone`] is a value over the shared index: the services, reverse names and pods that its
//! options select, each service in one block of octets. The only way to a record is
//! [`Zone::lookup`], and to all of them [`Zone::transfer`]; each takes a [`View`]: the view is tested on
//! the namespace before any service is read, so that a hidden name costs what an absent one costs.
//! [`ZoneWriter`] is the index's side.
//!
//! Not here: sections, flags and bytes of messages ([`crate::answer`]).

mod addresses;
mod apex;
mod arrange;
mod block;
mod build;
mod encode;
mod endpoint;
mod endpoints;
mod exposed;
mod external;
mod label;
mod lookup;
mod options;
mod origins;
mod plain;
mod point;
mod ports;
mod reverse;
mod service;
mod table;
mod target;
mod transfer;
mod walk;
mod zonal;

pub use addresses::Addresses;
pub use apex::{NameServers, ServerName, Soa, VERSION_TTL};
pub use build::{ServiceInput, SliceInput, ZoneWriter};
pub use endpoint::{EndpointName, EndpointRef};
pub use endpoints::Endpoints;
pub use exposed::ExposedNode;
pub use external::Outside;
pub use label::AddressLabel;
pub use lookup::{Absent, Found, Lookup};
pub use options::{ExternalOptions, Options, PodMode, SoaTtls};
pub use origins::{Origin, reverse_name, reverse_origins};
use plain::ShortWay;
pub use plain::{Plain, PlainZone};
pub use ports::{Port, Ports, Selector};
pub use reverse::{Pointer, Pointers, address_of};
pub use service::{Body, ServiceNode, SharedPorts};
pub use target::{Denoted, DenotedKind};
pub use transfer::{Services, TransferData, TransferRecord};
pub use walk::{Match, Walk};

use crate::cow::{CowBits, CowPages, CowSorted, CowVec, Seed};
use crate::tenancy::{NsId, ServiceId, View};
use crate::wire::QName;
use std::sync::Arc;

/// Blocks of services, by number. One may say of its service that it is absent.
type Nodes = CowVec<Option<Arc<[u8]>>>;
/// The services of each namespace, by name.
type Members = CowVec<CowSorted>;

/// The data of one `kubernetes` table at one instant. A clone shares everything.
#[derive(Clone)]
pub struct Zone {
    options: Arc<Options>,
    origins: Arc<[Origin]>,
    short_way: Option<ShortWay>,
    wildcards: bool,
    serial: u32,
    services: Nodes,
    imports: Nodes,
    service_members: Members,
    import_members: Members,
    exposed: CowBits,
    /// By address.
    reverse: CowPages,
    /// Numbers of the namespaces in which an address is a pod's.
    pods: CowPages,
    /// What headless services have in each topology zone; nothing without `zonal`.
    zonal: Nodes,
    /// Of `k8s_external`; nothing without.
    external_origins: Arc<[Origin]>,
    /// Where services are reached from outside.
    exposed_services: Nodes,
    /// By address outside.
    reverse_outside: CowPages,
    seed: Seed,
    name_servers: Arc<NameServers>,
}

impl Zone {
    /// Returns the longest origin that `qname` is at or below.
    pub fn origin(&self, qname: &QName<'_>) -> Option<&Origin> {
        let mut longest: Option<&Origin> = None;
        for origin in self.origins.iter() {
            if longest.is_none_or(|longest| longest.labels < origin.labels)
                && qname.is_at_or_below(&origin.name, origin.labels)
            {
                longest = Some(origin);
            }
        }
        longest
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

    /// Returns the SOA of denials.
    pub fn soa(&self) -> Soa {
        let soa = self.apex_soa();
        match &self.options.soa {
            None => soa,
            Some(ttls) => Soa {
                ttl: ttls.denial,
                ..soa
            },
        }
    }

    /// Returns the SOA that is asked for.
    pub fn apex_soa(&self) -> Soa {
        let soa = self.options.soa.as_ref();
        let ttl = soa.map_or(self.options.ttl, |soa| soa.minimum);
        Soa::new(ttl, self.serial)
    }

    /// Returns the names of the zone's servers that `view` may see.
    pub fn name_servers<'a>(
        &'a self,
        view: &View<'a>,
    ) -> impl Iterator<Item = &'a ServerName> + use<'a> {
        self.name_servers.visible(view)
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
            ("zonal", Box::new(self.zonal)),
            (
                "outside",
                Box::new((self.exposed_services, self.reverse_outside)),
            ),
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
            for (sort, members) in [
                ("service", &self.service_members),
                ("import", &self.import_members),
            ] {
                let list = members.get(id.0).cloned().unwrap_or_default();
                let names: Vec<String> = list.iter().map(|s| service(ServiceId(s))).collect();
                line(format!("{sort}s of {}: {names:?}", ns(id)));
            }
        }
        for (sort, nodes) in [("service", &self.services), ("import", &self.imports)] {
            let blocks = nodes.iter().filter_map(|(id, b)| Some((id, b.as_deref()?)));
            for (id, node) in blocks.filter_map(|(id, b)| Some((id, ServiceNode::read(b)?))) {
                line(format!("{sort} {}: {node:?}", service(ServiceId(id))));
            }
        }
        let zonal = self.zonal.iter();
        for (id, block) in zonal.filter_map(|(id, block)| Some((id, block.as_deref()?))) {
            let zones: Vec<_> = zonal::each(block).collect();
            line(format!("zonal {}: {zones:?}", service(ServiceId(id))));
        }
        for (id, _) in self.exposed_services.iter() {
            if let Some(node) = self.exposed_node(ServiceId(id)) {
                line(format!("exposed {}: {node:?}", service(ServiceId(id))));
            }
        }
        for (address, owners) in self.owners_outside() {
            let owners: Vec<_> = owners.into_iter().map(service).collect();
            line(format!("reverse outside {address}: {owners:?}"));
        }
        for (address, owners) in self.owners() {
            let owners: Vec<_> = owners
                .iter()
                .map(|(owner, names)| (service(*owner), names))
                .collect();
            line(format!("reverse {address}: {owners:?}"));
        }
        for (key, list) in self.pods.iter() {
            let mut names: Vec<String> = list.iter().map(|&id| ns(NsId(id))).collect();
            names.sort();
            line(format!("pods {}: {names:?}", std::net::Ipv6Addr::from(key)));
        }
        for server in self.name_servers.services.values() {
            let (service, names) = (service(server.service), &server.names);
            let outside = &server.outside;
            line(format!("name server {service}: {names:?} {outside:?}"));
        }
    }

    /// Returns a service with this number.
    fn service_node(&self, origin: &Origin, service: ServiceId) -> Option<ServiceNode<'_>> {
        let nodes = if origin.multicluster {
            &self.imports
        } else {
            &self.services
        };
        let node = ServiceNode::read(nodes.get(service.0)?.as_deref()?)?;
        (node.body() != Body::Absent).then_some(node)
    }

    /// Returns what there is of a Service with this number, be it only that slices name it.
    fn any_service(&self, service: ServiceId) -> Option<ServiceNode<'_>> {
        ServiceNode::read(self.services.get(service.0)?.as_deref()?)
    }

    /// Returns the services of a namespace, by name.
    fn members(&self, origin: &Origin, ns: NsId) -> impl Iterator<Item = ServiceId> {
        let list = self.members_of(origin, ns).into_iter();
        list.flat_map(|list| list.iter()).map(ServiceId)
    }

    fn members_of(&self, origin: &Origin, ns: NsId) -> Option<&CowSorted> {
        let members = if origin.multicluster {
            &self.import_members
        } else {
            &self.service_members
        };
        members.get(ns.0)
    }
}
