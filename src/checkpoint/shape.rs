//! An object as a line, in the fields of the API that are read of it. What is not there is left out,
//! as everywhere in the API.

use crate::model::{
    EndpointPort, EndpointSlice, EndpointView, External, Labels, Namespace, Node, Object,
    ObjectKey, Phase, Pod, PolicyMeta, Port, Service, ServiceImport, ServiceKind, SliceOwner,
};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use std::net::IpAddr;

const SERVICE_NAME: &str = "kubernetes.io/service-name";
const IMPORT_NAME: &str = "multicluster.kubernetes.io/service-name";
const SOURCE_CLUSTER: &str = "multicluster.kubernetes.io/source-cluster";

/// Returns an object as a line.
pub(super) fn to_json(object: &Object) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&match object {
        Object::Namespace(o) => Written::Namespace(namespace(o)),
        Object::Node(o) => Written::Node(node(o)),
        Object::Service(o) => Written::Service(service(o)),
        Object::ServiceImport(o) => Written::ServiceImport(import(o)),
        Object::EndpointSlice(o) => Written::EndpointSlice(slice(o)),
        Object::Pod(o) => Written::Pod(pod(o)),
        Object::DnsGrant(o) => Written::DnsGrant(policy(&o.meta)?),
        Object::DnsExport(o) => Written::DnsExport(policy(&o.meta)?),
        Object::DnsImport(o) => Written::DnsImport(policy(&o.meta)?),
    })
}

#[derive(Serialize)]
enum Written<'a> {
    Namespace(Whole<'a, (), ()>),
    Node(Whole<'a, NodeSpec, NodeStatus<'a>>),
    Service(Whole<'a, ServiceSpec<'a>, ServiceStatus<'a>>),
    ServiceImport(Whole<'a, ImportSpec<'a>, ()>),
    EndpointSlice(Slice<'a>),
    Pod(Whole<'a, PodSpec<'a>, PodStatus<'a>>),
    DnsGrant(Whole<'a, &'a RawValue, ()>),
    DnsExport(Whole<'a, &'a RawValue, ()>),
    DnsImport(Whole<'a, &'a RawValue, ()>),
}

#[derive(Serialize)]
struct Whole<'a, S, T> {
    metadata: Meta<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spec: Option<S>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<T>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Meta<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    uid: &'a str,
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    labels: Pairs<'a>,
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    annotations: Pairs<'a>,
    /// Only whether there is one is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_timestamp: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<i64>,
}

impl<'a> Meta<'a> {
    fn of(key: &'a ObjectKey) -> Self {
        Self {
            name: &key.name,
            namespace: &key.namespace,
            ..Self::named("")
        }
    }

    fn named(name: &'a str) -> Self {
        Self {
            name,
            namespace: "",
            uid: "",
            labels: Pairs(Vec::new()),
            annotations: Pairs(Vec::new()),
            deletion_timestamp: None,
            generation: None,
        }
    }
}

/// Labels or annotations.
struct Pairs<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Pairs<'a> {
    fn of(labels: &'a Labels) -> Self {
        Self(labels.iter().collect())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a pair, unless its key is there.
    fn add(&mut self, key: &'a str, value: &'a str) {
        if !self.0.iter().any(|(other, _)| *other == key) {
            self.0.push((key, value));
        }
    }
}

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

fn namespace(o: &Namespace) -> Whole<'_, (), ()> {
    Whole {
        metadata: Meta {
            labels: Pairs::of(&o.labels),
            annotations: Pairs::of(&o.annotations),
            ..Meta::named(&o.name)
        },
        spec: None,
        status: None,
    }
}

/// Of our own kinds the whole `spec` is written as it was read.
fn policy(meta: &PolicyMeta) -> serde_json::Result<Whole<'_, &RawValue, ()>> {
    Ok(Whole {
        metadata: Meta {
            generation: Some(meta.generation).filter(|generation| *generation != 0),
            ..Meta::of(&meta.key)
        },
        spec: Some(serde_json::from_str(&meta.spec)?),
        status: None,
    })
}

#[derive(Serialize)]
struct NodeSpec {
    #[serde(rename = "podCIDRs")]
    pod_cidrs: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeStatus<'a> {
    addresses: Vec<Address>,
    conditions: [Condition; 1],
    node_info: NodeInfo<'a>,
}

#[derive(Serialize)]
struct Address {
    r#type: &'static str,
    address: IpAddr,
}

#[derive(Serialize)]
struct Condition {
    r#type: &'static str,
    status: &'static str,
}

#[derive(Serialize)]
struct NodeInfo<'a> {
    #[serde(rename = "bootID")]
    boot_id: &'a str,
}

fn node(o: &Node) -> Whole<'_, NodeSpec, NodeStatus<'_>> {
    let address = |address: &IpAddr| Address {
        // Internal or external makes no difference here.
        r#type: "InternalIP",
        address: *address,
    };
    Whole {
        metadata: Meta {
            annotations: Pairs::of(&o.annotations),
            ..Meta::named(&o.name)
        },
        spec: Some(NodeSpec {
            pod_cidrs: o.pod_cidrs.iter().map(ToString::to_string).collect(),
        }),
        status: Some(NodeStatus {
            addresses: o.addresses.iter().map(address).collect(),
            conditions: [Condition {
                r#type: "Ready",
                status: if o.ready { "True" } else { "False" },
            }],
            node_info: NodeInfo {
                boot_id: &o.boot_id,
            },
        }),
    }
}

#[derive(Serialize)]
struct ServiceSpec<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'a str>,
    #[serde(rename = "externalName", skip_serializing_if = "Option::is_none")]
    external_name: Option<&'a str>,
    #[serde(rename = "clusterIP", skip_serializing_if = "Option::is_none")]
    cluster_ip: Option<&'a str>,
    #[serde(rename = "clusterIPs", skip_serializing_if = "<[_]>::is_empty")]
    cluster_ips: &'a [IpAddr],
    ports: Vec<PortOf<'a>>,
}

#[derive(Serialize)]
struct PortOf<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    protocol: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
}

impl<'a> PortOf<'a> {
    fn of(port: &'a Port) -> Self {
        Self {
            name: &port.name,
            protocol: &port.protocol,
            port: Some(port.number),
        }
    }

    fn of_slice(port: &'a EndpointPort) -> Self {
        Self {
            name: &port.name,
            protocol: &port.protocol,
            port: port.number,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ServiceStatus<'a> {
    load_balancer: LoadBalancer<'a>,
}

#[derive(Serialize)]
struct LoadBalancer<'a> {
    ingress: Vec<Ingress<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Ingress<'a> {
    Ip(IpAddr),
    Hostname(&'a str),
}

/// From which of the API's lists an address is makes no difference, and so they stay in order.
fn service_status(externals: &[External]) -> ServiceStatus<'_> {
    let ingress = externals.iter().map(|external| match external {
        External::Address(address) => Ingress::Ip(*address),
        External::Hostname(name) => Ingress::Hostname(name),
    });
    ServiceStatus {
        load_balancer: LoadBalancer {
            ingress: ingress.collect(),
        },
    }
}

fn service(o: &Service) -> Whole<'_, ServiceSpec<'_>, ServiceStatus<'_>> {
    let mut spec = ServiceSpec {
        r#type: None,
        external_name: None,
        cluster_ip: None,
        cluster_ips: &[],
        ports: o.ports.iter().map(PortOf::of).collect(),
    };
    match &o.kind {
        ServiceKind::ClusterIp(addresses) => spec.cluster_ips = addresses,
        ServiceKind::Headless => spec.cluster_ip = Some("None"),
        ServiceKind::ExternalName(target) => {
            spec.r#type = Some("ExternalName");
            spec.external_name = Some(target);
        }
    }
    Whole {
        metadata: Meta {
            labels: Pairs::of(&o.labels),
            annotations: Pairs::of(&o.annotations),
            ..Meta::of(&o.key)
        },
        spec: Some(spec),
        status: o.external.as_ref().map(|list| service_status(list)),
    }
}

#[derive(Serialize)]
struct ImportSpec<'a> {
    r#type: &'static str,
    ips: &'a [IpAddr],
    ports: Vec<PortOf<'a>>,
}

fn import(o: &ServiceImport) -> Whole<'_, ImportSpec<'_>, ()> {
    Whole {
        metadata: Meta {
            labels: Pairs::of(&o.labels),
            ..Meta::of(&o.key)
        },
        spec: Some(ImportSpec {
            r#type: if o.ips.is_some() {
                "ClusterSetIP"
            } else {
                "Headless"
            },
            ips: o.ips.as_deref().unwrap_or_default(),
            ports: o.ports.iter().map(PortOf::of).collect(),
        }),
        status: None,
    }
}

#[derive(Serialize)]
struct Slice<'a> {
    metadata: Meta<'a>,
    endpoints: EndpointsOf<'a>,
    ports: Vec<PortOf<'a>>,
}

struct EndpointsOf<'a>(&'a EndpointSlice);

impl Serialize for EndpointsOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for endpoint in self.0.endpoints.iter() {
            list.serialize_element(&EndpointOf(endpoint))?;
        }
        list.end()
    }
}

struct EndpointOf<'a>(EndpointView<'a>);

#[derive(Serialize)]
struct Conditions {
    ready: bool,
}

#[derive(Serialize)]
struct TargetRef<'a> {
    name: &'a str,
}

impl Serialize for EndpointOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let addresses: Vec<IpAddr> = self.0.addresses.iter().collect();
        map.serialize_entry("addresses", &addresses)?;
        map.serialize_entry(
            "conditions",
            &Conditions {
                ready: self.0.ready,
            },
        )?;
        if let Some(hostname) = self.0.hostname {
            map.serialize_entry("hostname", hostname)?;
        }
        if let Some(name) = self.0.target {
            map.serialize_entry("targetRef", &TargetRef { name })?;
        }
        if let Some(zone) = self.0.topology_zone {
            map.serialize_entry("zone", zone)?;
        }
        map.end()
    }
}

fn slice(o: &EndpointSlice) -> Slice<'_> {
    let mut labels = Pairs::of(&o.labels);
    // Labels that nothing selects by are not kept, and these say whose the slice is.
    match &o.owner {
        SliceOwner::Service(name) => labels.add(SERVICE_NAME, name),
        SliceOwner::Import(name, cluster) => {
            labels.add(IMPORT_NAME, name);
            if !cluster.is_empty() {
                labels.add(SOURCE_CLUSTER, cluster);
            }
        }
        SliceOwner::Nobody => {}
    }
    Slice {
        metadata: Meta {
            labels,
            ..Meta::of(&o.key)
        },
        endpoints: EndpointsOf(o),
        ports: o.ports.iter().map(PortOf::of_slice).collect(),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PodSpec<'a> {
    host_network: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    node_name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PodStatus<'a> {
    phase: &'static str,
    #[serde(rename = "podIP", skip_serializing_if = "Option::is_none")]
    pod_ip: Option<IpAddr>,
    #[serde(rename = "podIPs", skip_serializing_if = "Vec::is_empty")]
    pod_ips: Vec<PodIp>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    container_statuses: &'a [ContainerStatus],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    conditions: &'a [Condition],
}

/// An entry without address stands for a list in which nothing is one.
#[derive(Serialize)]
struct PodIp {
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<IpAddr>,
}

#[derive(Serialize)]
struct ContainerStatus {
    state: ContainerState,
}

#[derive(Serialize)]
struct ContainerState {
    terminated: Nothing,
}

#[derive(Serialize)]
struct Nothing {}

const ENDED: &[ContainerStatus] = &[ContainerStatus {
    state: ContainerState {
        terminated: Nothing {},
    },
}];
const SANDBOX_GONE: &[Condition] = &[Condition {
    r#type: "PodReadyToStartContainers",
    status: "False",
}];

fn pod(o: &Pod) -> Whole<'_, PodSpec<'_>, PodStatus<'_>> {
    let ips = o.pod_ips.iter().map(|ip| PodIp { ip: Some(*ip) });
    let mut pod_ips: Vec<PodIp> = ips.collect();
    if pod_ips.is_empty() && o.pod_ip.is_some() {
        pod_ips.push(PodIp { ip: None });
    }
    Whole {
        metadata: Meta {
            uid: &o.uid,
            labels: Pairs::of(&o.labels),
            deletion_timestamp: o.terminating.then_some("1970-01-01T00:00:00Z"),
            ..Meta::of(&o.key)
        },
        spec: Some(PodSpec {
            host_network: o.host_network,
            node_name: &o.node,
        }),
        status: Some(PodStatus {
            phase: match o.phase {
                Phase::Pending => "Pending",
                Phase::Running => "Running",
                Phase::Succeeded => "Succeeded",
                Phase::Failed => "Failed",
                Phase::Unknown => "Unknown",
            },
            pod_ip: o.pod_ip,
            pod_ips,
            container_statuses: if o.containers_ended { ENDED } else { &[] },
            conditions: if o.sandbox_gone { SANDBOX_GONE } else { &[] },
        }),
    }
}
