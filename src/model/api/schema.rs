//! The fields of the API that are read, in the API's spelling. Not validation: whatever is not
//! listed is ignored, and every field may be absent or null as in Go, where both are the zero value.
//!
//! JSON is read into these shapes by serde, Protocol Buffers by the watch.

use crate::model::Labels;
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;

/// A text: JSON's is owned, that of Protocol Buffers stays where it came in.
pub(crate) type Text<'a> = Option<Cow<'a, str>>;

/// Texts of which there is one nearly always: that one takes no allocation.
#[derive(Debug, Default)]
pub(crate) struct Texts<'a> {
    first: Text<'a>,
    more: Vec<Cow<'a, str>>,
}

impl<'a> Texts<'a> {
    pub(crate) fn push(&mut self, text: Cow<'a, str>) {
        match self.first {
            None => self.first = Some(text),
            Some(_) => self.more.push(text),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.first.iter().chain(&self.more).map(|text| &**text)
    }
}

impl<'de> Deserialize<'de> for Texts<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut texts = Option::<Vec<Cow<'_, str>>>::deserialize(deserializer)?
            .unwrap_or_default()
            .into_iter();
        Ok(Self {
            first: texts.next(),
            more: texts.collect(),
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Meta<'a> {
    pub(crate) name: Text<'a>,
    pub(crate) namespace: Text<'a>,
    pub(crate) uid: Text<'a>,
    pub(crate) resource_version: Text<'a>,
    pub(crate) generation: Option<i64>,
    pub(crate) labels: Option<Labels>,
    pub(crate) annotations: Option<Labels>,
    pub(crate) deletion_timestamp: Text<'a>,
}

/// An object whose metadata alone is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Bare<'a> {
    pub(crate) metadata: Option<Meta<'a>>,
}

/// An object with `metadata`, `spec` and `status`.
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "S: Deserialize<'de>, T: Deserialize<'de>"))]
pub(crate) struct Whole<'a, S, T> {
    pub(crate) metadata: Option<Meta<'a>>,
    pub(crate) spec: Option<S>,
    pub(crate) status: Option<T>,
}

/// A `status` that is not read.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Unread {}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Port<'a> {
    pub(crate) name: Text<'a>,
    pub(crate) protocol: Text<'a>,
    pub(crate) port: Option<u16>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ServiceSpec<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(rename = "clusterIP")]
    pub(crate) cluster_ip: Text<'a>,
    #[serde(rename = "clusterIPs")]
    pub(crate) cluster_ips: Option<Vec<Cow<'a, str>>>,
    #[serde(rename = "externalName")]
    pub(crate) external_name: Text<'a>,
    #[serde(rename = "externalIPs")]
    pub(crate) external_ips: Option<Vec<Cow<'a, str>>>,
    pub(crate) ports: Option<Vec<Port<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ServiceStatus<'a> {
    pub(crate) load_balancer: Option<LoadBalancer<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct LoadBalancer<'a> {
    pub(crate) ingress: Option<Vec<Ingress<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Ingress<'a> {
    pub(crate) ip: Text<'a>,
    pub(crate) hostname: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ServiceImportSpec<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: Text<'a>,
    pub(crate) ips: Option<Vec<Cow<'a, str>>>,
    pub(crate) ports: Option<Vec<Port<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct EndpointSlice<'a> {
    pub(crate) metadata: Option<Meta<'a>>,
    pub(crate) address_type: Text<'a>,
    pub(crate) endpoints: Option<Vec<Endpoint<'a>>>,
    pub(crate) ports: Option<Vec<Port<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Endpoint<'a> {
    pub(crate) addresses: Texts<'a>,
    pub(crate) conditions: Option<EndpointConditions>,
    pub(crate) hostname: Text<'a>,
    pub(crate) target_ref: Option<TargetRef<'a>>,
    pub(crate) zone: Text<'a>,
    /// The place of `zone` in v1beta1.
    pub(crate) topology: Option<Labels>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct EndpointConditions {
    pub(crate) ready: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TargetRef<'a> {
    pub(crate) name: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct PodSpec<'a> {
    pub(crate) host_network: Option<bool>,
    pub(crate) node_name: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct PodStatus<'a> {
    pub(crate) phase: Text<'a>,
    #[serde(rename = "podIP")]
    pub(crate) pod_ip: Text<'a>,
    #[serde(rename = "podIPs")]
    pub(crate) pod_ips: Option<Vec<PodIp<'a>>>,
    pub(crate) container_statuses: Option<Vec<ContainerStatus>>,
    pub(crate) conditions: Option<Vec<Condition<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PodIp<'a> {
    pub(crate) ip: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ContainerStatus {
    pub(crate) state: Option<ContainerState>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ContainerState {
    pub(crate) terminated: Option<Unread>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Condition<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: Text<'a>,
    pub(crate) status: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NodeSpec<'a> {
    #[serde(rename = "podCIDR")]
    pub(crate) pod_cidr: Text<'a>,
    #[serde(rename = "podCIDRs")]
    pub(crate) pod_cidrs: Option<Vec<Cow<'a, str>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct NodeStatus<'a> {
    pub(crate) addresses: Option<Vec<NodeAddress<'a>>>,
    pub(crate) conditions: Option<Vec<Condition<'a>>>,
    pub(crate) node_info: Option<NodeInfo<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NodeAddress<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: Text<'a>,
    pub(crate) address: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NodeInfo<'a> {
    #[serde(rename = "bootID")]
    pub(crate) boot_id: Text<'a>,
}
