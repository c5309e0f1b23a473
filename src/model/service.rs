//! Service and ServiceImport: the names that pods ask for.

use super::{Labels, ObjectKey};
use std::net::IpAddr;
use std::sync::Arc;

/// What a Service's name stands for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ServiceKind {
    /// One or more cluster addresses: ClusterIP, NodePort and LoadBalancer alike. The list is empty
    /// while none is allocated.
    ClusterIp(Vec<IpAddr>),
    /// `clusterIP: None`: the name stands for its endpoints' addresses.
    #[default]
    Headless,
    /// `type: ExternalName`: the name is an alias of this text, which need not be a legal name.
    ExternalName(Box<str>),
}

/// One entry of `spec.ports`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Port {
    /// `name`; empty when unset.
    pub name: Box<str>,
    /// `protocol`: `TCP`, `UDP` or `SCTP`; empty when unset.
    pub protocol: Box<str>,
    /// `port`.
    pub number: u16,
}

/// Where a Service is reached from outside the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum External {
    /// One of `spec.externalIPs`, or the `ip` of a load balancer's ingress.
    Address(IpAddr),
    /// The `hostname` of a load balancer's ingress that has no `ip`; it need not be a legal name.
    Hostname(Box<str>),
}

impl External {
    /// Returns the address that it is. A host name that spells one is that address, as in CoreDNS.
    pub fn address(&self) -> Option<IpAddr> {
        let address = match self {
            Self::Address(address) => Some(*address),
            Self::Hostname(text) => text.parse().ok(),
        };
        address.map(|address| address.to_canonical())
    }
}

/// Every place where a Service is reached from outside, in the order of the API's lists:
/// `spec.externalIPs`, then `status.loadBalancer.ingress`. There is at least one.
pub type Externals = Box<Vec<External>>;

/// A Service as the source gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Namespace and name.
    pub key: ObjectKey,
    /// `metadata.labels`.
    pub labels: Labels,
    /// `metadata.annotations`.
    pub annotations: Labels,
    /// What the name stands for.
    pub kind: ServiceKind,
    /// `spec.ports`. Shared: most of a cluster's lists are alike.
    pub ports: Arc<[Port]>,
    /// Where it is reached from outside, if anywhere. Few are: the others pay for a pointer.
    pub external: Option<Externals>,
}

/// A ServiceImport of the multicluster API: a service of the cluster set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceImport {
    /// Namespace and name.
    pub key: ObjectKey,
    /// `metadata.labels`.
    pub labels: Labels,
    /// `spec.ips` of a `ClusterSetIP` import; `None` for `type: Headless`.
    pub ips: Option<Vec<IpAddr>>,
    /// `spec.ports`. Shared: most of a cluster's lists are alike.
    pub ports: Arc<[Port]>,
}
