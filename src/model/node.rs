//! Node: addresses that are nobody's pod.

use super::Labels;
use ipnet::IpNet;
use std::net::IpAddr;

/// A Node as the source gave it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    /// `metadata.name`.
    pub name: Box<str>,
    /// `metadata.annotations`: Calico's tunnel and Cilium's host addresses are read from them.
    pub annotations: Labels,
    /// `status.addresses` of type InternalIP and ExternalIP.
    pub addresses: Vec<IpAddr>,
    /// `spec.podCIDRs`, or `podCIDR` alone where the list is absent.
    pub pod_cidrs: Vec<IpNet>,
    /// Condition `Ready` is `True`.
    pub ready: bool,
    /// `status.nodeInfo.bootID`; empty when unset.
    pub boot_id: Box<str>,
}
