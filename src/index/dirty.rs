//! What events have touched since the last snapshot.

use crate::model::ObjectKey;
use crate::tenancy::{NsId, ServiceId};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The parts to rebuild.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    /// Namespaces whose object came, changed or went.
    pub(super) namespaces: BTreeSet<NsId>,
    /// Services whose object or slices did.
    pub(super) services: BTreeSet<ServiceId>,
    /// Addresses that pods or nodes have or had.
    pub(super) owners: BTreeSet<IpAddr>,
    /// Addresses that names under `pod` are made of.
    pub(super) pods: BTreeSet<IpAddr>,
    /// Some DnsGrant came, changed or went.
    pub(super) grants: bool,
    /// Labels of Services are known that were not.
    pub(super) labels: bool,
    /// Services that DnsExports name, which did.
    pub(super) offers: BTreeSet<ObjectKey>,
    /// Namespaces whose DnsImports did.
    pub(super) consents: BTreeSet<NsId>,
    /// Numbers that may be free once the rest is rebuilt.
    pub(super) unused_namespaces: BTreeSet<NsId>,
    /// Likewise.
    pub(super) unused_services: BTreeSet<ServiceId>,
}

impl Dirty {
    /// Returns whether a zone's data is touched.
    pub(super) fn touches_zones(&self, pod_names: bool) -> bool {
        !self.services.is_empty() || (pod_names && !self.pods.is_empty())
    }
}
