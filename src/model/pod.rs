//! Pod: who is asking, and the names under `pod`.

use super::{Labels, ObjectKey};
use std::net::IpAddr;

/// `status.phase`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Accepted, not all containers started. Also an absent phase.
    #[default]
    Pending,
    /// At least one container runs.
    Running,
    /// All containers ended well; the address may be given to another pod.
    Succeeded,
    /// All containers ended, one badly; the address may be given to another pod.
    Failed,
    /// The node can't be reached.
    Unknown,
}

/// A Pod as the source gave it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pod {
    /// Namespace and name.
    pub key: ObjectKey,
    /// `metadata.uid`; empty in manifests that carry none.
    pub uid: Box<str>,
    /// `metadata.labels`. They never widen what a pod sees.
    pub labels: Labels,
    /// `status.phase`.
    pub phase: Phase,
    /// `spec.hostNetwork`: the pod's address is its node's.
    pub host_network: bool,
    /// `spec.nodeName`; empty before it is scheduled.
    pub node: Box<str>,
    /// `status.podIP`, the one address that names under `pod` are made of.
    pub pod_ip: Option<IpAddr>,
    /// `status.podIPs`, or `podIP` alone where the list is absent.
    pub pod_ips: Vec<IpAddr>,
    /// `metadata.deletionTimestamp` is set.
    pub terminating: bool,
    /// Container statuses exist and all of them say `terminated`.
    pub containers_ended: bool,
    /// Condition `PodReadyToStartContainers` is `False`: the sandbox, and with it the address, is gone.
    pub sandbox_gone: bool,
}

impl Default for ObjectKey {
    fn default() -> Self {
        Self::new("", "")
    }
}
