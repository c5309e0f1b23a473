//! The fields of the API that are read, in the API's spelling. Not validation: whatever is not
//! listed is ignored, and every field may be absent or null as in Go, where both are the zero value.

use serde::Deserialize;
use std::collections::BTreeMap;

/// Labels or annotations; a null value is the empty text.
pub(super) type Map = Option<BTreeMap<Box<str>, Option<Box<str>>>>;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Meta {
    pub(super) name: Option<Box<str>>,
    pub(super) namespace: Option<Box<str>>,
    pub(super) uid: Option<Box<str>>,
    pub(super) labels: Map,
    pub(super) annotations: Map,
    pub(super) deletion_timestamp: Option<Box<str>>,
}

/// An object whose metadata alone is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Bare {
    pub(super) metadata: Option<Meta>,
}

/// An object with `metadata`, `spec` and `status`.
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "S: Deserialize<'de>, T: Deserialize<'de>"))]
pub(super) struct Whole<S, T> {
    pub(super) metadata: Option<Meta>,
    pub(super) spec: Option<S>,
    pub(super) status: Option<T>,
}

/// A `status` that is not read.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Unread {}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Port {
    pub(super) name: Option<Box<str>>,
    pub(super) protocol: Option<Box<str>>,
    pub(super) port: Option<u16>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ServiceSpec {
    #[serde(rename = "type")]
    pub(super) kind: Option<Box<str>>,
    #[serde(rename = "clusterIP")]
    pub(super) cluster_ip: Option<Box<str>>,
    #[serde(rename = "clusterIPs")]
    pub(super) cluster_ips: Option<Vec<Box<str>>>,
    #[serde(rename = "externalName")]
    pub(super) external_name: Option<Box<str>>,
    pub(super) ports: Option<Vec<Port>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ServiceImportSpec {
    #[serde(rename = "type")]
    pub(super) kind: Option<Box<str>>,
    pub(super) ips: Option<Vec<Box<str>>>,
    pub(super) ports: Option<Vec<Port>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct EndpointSlice {
    pub(super) metadata: Option<Meta>,
    pub(super) address_type: Option<Box<str>>,
    pub(super) endpoints: Option<Vec<Endpoint>>,
    pub(super) ports: Option<Vec<Port>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Endpoint {
    pub(super) addresses: Option<Vec<Box<str>>>,
    pub(super) conditions: Option<EndpointConditions>,
    pub(super) hostname: Option<Box<str>>,
    pub(super) target_ref: Option<TargetRef>,
    pub(super) zone: Option<Box<str>>,
    /// The place of `zone` in v1beta1.
    pub(super) topology: Map,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct EndpointConditions {
    pub(super) ready: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TargetRef {
    pub(super) name: Option<Box<str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodSpec {
    pub(super) host_network: Option<bool>,
    pub(super) node_name: Option<Box<str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodStatus {
    pub(super) phase: Option<Box<str>>,
    #[serde(rename = "podIP")]
    pub(super) pod_ip: Option<Box<str>>,
    #[serde(rename = "podIPs")]
    pub(super) pod_ips: Option<Vec<PodIp>>,
    pub(super) container_statuses: Option<Vec<ContainerStatus>>,
    pub(super) conditions: Option<Vec<Condition>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PodIp {
    pub(super) ip: Option<Box<str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ContainerStatus {
    pub(super) state: Option<ContainerState>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ContainerState {
    pub(super) terminated: Option<Unread>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) kind: Option<Box<str>>,
    pub(super) status: Option<Box<str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NodeSpec {
    #[serde(rename = "podCIDR")]
    pub(super) pod_cidr: Option<Box<str>>,
    #[serde(rename = "podCIDRs")]
    pub(super) pod_cidrs: Option<Vec<Box<str>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct NodeStatus {
    pub(super) addresses: Option<Vec<NodeAddress>>,
    pub(super) conditions: Option<Vec<Condition>>,
    pub(super) node_info: Option<NodeInfo>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NodeAddress {
    #[serde(rename = "type")]
    pub(super) kind: Option<Box<str>>,
    pub(super) address: Option<Box<str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NodeInfo {
    #[serde(rename = "bootID")]
    pub(super) boot_id: Option<Box<str>>,
}
