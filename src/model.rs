//! The cluster as this server understands it: plain data, free of Kubernetes' API types and of sockets.
//!
//! Both sources, manifests and the API watch, produce these values; only [`crate::index`] consumes
//! them. They hold what the API object says. What can be put on the wire, and who may see it, is
//! decided later, so that one odd object can never make another one unreadable.

pub(crate) mod api;
mod endpoints;
mod labels;
mod namespace;
mod node;
mod pod;
mod policy;
mod selector;
mod service;
mod slice_endpoints;

pub use endpoints::{Endpoint, EndpointPort, EndpointSlice, LAST_CHANGE, SliceOwner};
pub use labels::Labels;
pub use namespace::Namespace;
pub use node::Node;
pub use pod::{Phase, Pod};
pub use policy::{
    DnsExport, DnsGrant, DnsImport, GrantEffect, GrantFrom, GrantTo, PolicyCondition, PolicyFlaw,
    PolicyMeta, PolicyStatus,
};
pub use selector::{Selector, SelectorError};
pub use service::{External, Externals, Port, Service, ServiceImport, ServiceKind};
pub use slice_endpoints::{Addresses, EndpointView, Endpoints};
pub(crate) use slice_endpoints::{EndpointRef, Packer};

/// The namespace and name of an object, as the API spells them. A cluster-scoped object has an
/// empty namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// `metadata.namespace`; empty for Namespaces, Nodes and DnsGrants.
    pub namespace: Box<str>,
    /// `metadata.name`.
    pub name: Box<str>,
}

impl ObjectKey {
    /// Returns the key of `name` in `namespace`.
    pub fn new(namespace: impl Into<Box<str>>, name: impl Into<Box<str>>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// Returns a number that stands for the key: equal keys have equal ones, and two of a cluster's
    /// keys the same one with a chance of less than 10^-8 for a million objects. For comparing
    /// large lists, where nothing worse than a difference overlooked comes of it.
    pub fn digest(&self) -> u64 {
        Self::digest_of(&self.namespace, &self.name)
    }

    /// Returns [`ObjectKey::digest`] of the key with these parts.
    pub fn digest_of(namespace: &str, name: &str) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        (namespace, name).hash(&mut hasher);
        hasher.finish()
    }

    /// Returns the key of a cluster-scoped object.
    pub fn cluster(name: impl Into<Box<str>>) -> Self {
        Self::new("", name)
    }
}

impl std::fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// The kinds of object that the server reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `v1` Namespace.
    Namespace,
    /// `v1` Service.
    Service,
    /// `discovery.k8s.io/v1` EndpointSlice.
    EndpointSlice,
    /// `v1` Pod.
    Pod,
    /// `v1` Node.
    Node,
    /// `multicluster.x-k8s.io` ServiceImport.
    ServiceImport,
    /// `tenantdns.io/v1alpha1` DnsGrant.
    DnsGrant,
    /// `tenantdns.io/v1alpha1` DnsExport.
    DnsExport,
    /// `tenantdns.io/v1alpha1` DnsImport.
    DnsImport,
}

impl Kind {
    /// Every kind, in the order in which they are read from a source.
    pub const ALL: [Self; 9] = [
        Self::Namespace,
        Self::Node,
        Self::DnsGrant,
        Self::DnsExport,
        Self::DnsImport,
        Self::Service,
        Self::EndpointSlice,
        Self::ServiceImport,
        Self::Pod,
    ];

    /// Returns the `kind` of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Namespace => "Namespace",
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::Pod => "Pod",
            Self::Node => "Node",
            Self::ServiceImport => "ServiceImport",
            Self::DnsGrant => "DnsGrant",
            Self::DnsExport => "DnsExport",
            Self::DnsImport => "DnsImport",
        }
    }

    /// Returns whether it is one of our own kinds, which say who may see what.
    pub fn is_policy(self) -> bool {
        matches!(self, Self::DnsGrant | Self::DnsExport | Self::DnsImport)
    }
}

/// The group and version of our own kinds.
pub const POLICY_API: &str = "tenantdns.io/v1alpha1";

/// One object of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// A Namespace.
    Namespace(Namespace),
    /// A Service.
    Service(Service),
    /// An EndpointSlice.
    EndpointSlice(EndpointSlice),
    /// A Pod.
    Pod(Pod),
    /// A Node.
    Node(Node),
    /// A ServiceImport.
    ServiceImport(ServiceImport),
    /// A DnsGrant.
    DnsGrant(DnsGrant),
    /// A DnsExport.
    DnsExport(DnsExport),
    /// A DnsImport.
    DnsImport(DnsImport),
}

impl Object {
    /// Returns the object's kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Namespace(_) => Kind::Namespace,
            Self::Service(_) => Kind::Service,
            Self::EndpointSlice(_) => Kind::EndpointSlice,
            Self::Pod(_) => Kind::Pod,
            Self::Node(_) => Kind::Node,
            Self::ServiceImport(_) => Kind::ServiceImport,
            Self::DnsGrant(_) => Kind::DnsGrant,
            Self::DnsExport(_) => Kind::DnsExport,
            Self::DnsImport(_) => Kind::DnsImport,
        }
    }

    /// Returns the object's namespace and name.
    pub fn key(&self) -> ObjectKey {
        match self {
            Self::Namespace(o) => ObjectKey::cluster(o.name.clone()),
            Self::Node(o) => ObjectKey::cluster(o.name.clone()),
            Self::Service(o) => o.key.clone(),
            Self::EndpointSlice(o) => o.key.clone(),
            Self::Pod(o) => o.key.clone(),
            Self::ServiceImport(o) => o.key.clone(),
            Self::DnsGrant(o) => o.meta.key.clone(),
            Self::DnsExport(o) => o.meta.key.clone(),
            Self::DnsImport(o) => o.meta.key.clone(),
        }
    }
}
