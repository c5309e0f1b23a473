//! EndpointSlice: the addresses behind a service, as one controller wrote them.

use super::{Endpoints, Labels, ObjectKey};
use std::net::IpAddr;
use std::sync::Arc;

/// The service that a slice belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SliceOwner {
    /// Label `kubernetes.io/service-name`: a Service of the slice's namespace.
    Service(Box<str>),
    /// Label `multicluster.kubernetes.io/service-name`: a ServiceImport of the slice's namespace.
    /// The second value is the label `multicluster.kubernetes.io/source-cluster`, empty when unset.
    Import(Box<str>, Box<str>),
    /// Neither label: the slice names no service and answers for nothing.
    Nobody,
}

/// One entry of `endpoints`, to be put into [`Endpoints`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Endpoint {
    /// `addresses`: those that are IP addresses in canonical text.
    pub addresses: Vec<IpAddr>,
    /// `conditions.ready`; unset counts as ready.
    pub ready: bool,
    /// `hostname`.
    pub hostname: Option<Box<str>>,
    /// `targetRef.name`.
    pub target: Option<Box<str>>,
    /// `zone`: the topology zone.
    pub topology_zone: Option<Box<str>>,
}

/// One entry of a slice's `ports`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct EndpointPort {
    /// `name`; empty when unset.
    pub name: Box<str>,
    /// `protocol`; empty when unset.
    pub protocol: Box<str>,
    /// `port`; `None` when unset, which answers addresses but no SRV.
    pub number: Option<u16>,
}

/// An EndpointSlice as the source gave it.
///
/// Slices with `addressType: FQDN` are never made into one of these: their "addresses" are names,
/// and nothing stops them from naming another tenant's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSlice {
    /// Namespace and name.
    pub key: ObjectKey,
    /// `metadata.labels`.
    pub labels: Labels,
    /// The service it belongs to.
    pub owner: SliceOwner,
    /// `endpoints`.
    pub endpoints: Endpoints,
    /// `ports`; empty when the slice declares none. Shared: most of a cluster's lists are alike.
    pub ports: Arc<[EndpointPort]>,
    /// When the change began that made it so, as [`LAST_CHANGE`] says. Answers do not depend on it, and
    /// it is not kept.
    pub triggered: Option<Box<str>>,
}

/// The annotation of a slice that says, in RFC 3339, when its pods or its service changed last.
pub const LAST_CHANGE: &str = "endpoints.kubernetes.io/last-change-trigger-time";
