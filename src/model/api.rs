//! The API's shapes, and what of them becomes the model's objects: the same for manifests and for
//! the API watch, in JSON and in Protocol Buffers. Not policy: it keeps what an object says, drops what is no address at all, and
//! refuses only what has the wrong shape.

mod address;
mod policy;
pub(crate) mod schema;

pub(crate) use policy::{export, grant, policy_import};

use self::address::{ip, ips, put_ips, ranges, strs};
use super::{
    EndpointPort, EndpointRef, EndpointSlice, Endpoints, External, Externals, Kind, Labels,
    Namespace, Node, ObjectKey, Packer, Phase, Pod, Port, Service, ServiceImport, ServiceKind,
    SliceOwner,
};
use std::borrow::Cow;
use std::sync::Arc;

/// What is wrong with an object, or with a part of it that is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// The field: `spec.ports[0].port`.
    pub(crate) field: String,
    /// What is wrong.
    pub(crate) message: String,
}

impl Flaw {
    fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }

    /// Returns the field without the numbers in it, so that there are as many as the API has fields.
    pub(crate) fn reason(&self) -> String {
        let mut parts = self.field.split(['[', ']']);
        let first = parts.next().unwrap_or_default().to_owned();
        // Behind each number comes what is behind its bracket.
        parts
            .skip(1)
            .step_by(2)
            .fold(first, |text, part| text + part)
    }
}

/// An object, or why it is none.
pub(crate) type Converted<T> = Result<T, Box<Flaw>>;

fn refuse(field: &str, message: impl Into<String>) -> Box<Flaw> {
    Box::new(Flaw::field(field, message))
}

/// Where kubectl puts an object that names no namespace.
pub(crate) const DEFAULT_NAMESPACE: &str = "default";

// === metadata ===

/// Keeps a text that is to stay.
fn kept(text: Cow<'_, str>) -> Box<str> {
    match text {
        Cow::Borrowed(text) => text.into(),
        Cow::Owned(text) => text.into(),
    }
}

/// Keeps a text; the empty one where there is none.
fn kept_or_empty(text: schema::Text<'_>) -> Box<str> {
    text.map(kept).unwrap_or_default()
}

fn name(meta: &mut schema::Meta<'_>) -> Converted<Box<str>> {
    match meta.name.take() {
        Some(name) if !name.is_empty() => Ok(kept(name)),
        _ => Err(refuse("metadata.name", "missing")),
    }
}

fn key(meta: &mut schema::Meta<'_>) -> Converted<ObjectKey> {
    let name = name(meta)?;
    let namespace = meta.namespace.take().filter(|n| !n.is_empty());
    Ok(ObjectKey::new(
        namespace.map_or_else(|| DEFAULT_NAMESPACE.into(), kept),
        name,
    ))
}

/// Returns the key of an object of this kind, which may be malformed otherwise.
pub(crate) fn key_of(kind: Kind, mut meta: schema::Meta<'_>) -> Converted<ObjectKey> {
    match kind {
        Kind::Namespace | Kind::Node | Kind::DnsGrant => name(&mut meta).map(ObjectKey::cluster),
        _ => key(&mut meta),
    }
}

// === kinds ===

/// Returns the Namespace that a JSON object is.
pub(crate) fn namespace(raw: schema::Bare<'_>) -> Converted<Namespace> {
    let mut meta = raw.metadata.unwrap_or_default();
    Ok(Namespace {
        name: name(&mut meta)?,
        labels: meta.labels.unwrap_or_default(),
        annotations: meta.annotations.unwrap_or_default(),
    })
}

/// Returns the Service that a JSON object is.
pub(crate) fn service(
    raw: schema::Whole<'_, schema::ServiceSpec<'_>, schema::ServiceStatus<'_>>,
    dropped: &mut Vec<Flaw>,
) -> Converted<Service> {
    let mut meta = raw.metadata.unwrap_or_default();
    let key = key(&mut meta)?;
    let spec = raw.spec.unwrap_or_default();
    let list = spec.cluster_ips.unwrap_or_default();
    let single = spec.cluster_ip.filter(|ip| !ip.is_empty());
    let kind = if spec.kind.as_deref() == Some("ExternalName") {
        match spec.external_name {
            // As written, with the trailing dot if it has one.
            Some(target) if !target.is_empty() => ServiceKind::ExternalName(kept(target)),
            _ => return Err(refuse("spec.externalName", "missing")),
        }
    } else if list.first().or(single.as_ref()).map(|ip| &**ip) == Some("None") {
        ServiceKind::Headless
    } else if list.is_empty() {
        let ip = ip(single.as_deref(), "spec.clusterIP", dropped);
        ServiceKind::ClusterIp(ip.into_iter().collect())
    } else {
        ServiceKind::ClusterIp(ips(strs(&list), "spec.clusterIPs", dropped))
    };
    let external = externals(spec.external_ips, raw.status, dropped);
    Ok(Service {
        key,
        labels: meta.labels.unwrap_or_default(),
        annotations: meta.annotations.unwrap_or_default(),
        kind,
        ports: ports(spec.ports)?,
        external,
    })
}

/// Returns where a Service is reached from outside.
fn externals(
    ips: Option<Vec<Cow<'_, str>>>,
    status: Option<schema::ServiceStatus<'_>>,
    dropped: &mut Vec<Flaw>,
) -> Option<Externals> {
    let ingress = status.and_then(|status| status.load_balancer?.ingress);
    if ips.is_none() && ingress.is_none() {
        return None;
    }
    let ips = ips.unwrap_or_default();
    let listed = address::ips(strs(&ips), "spec.externalIPs", dropped);
    let mut all: Vec<External> = listed.into_iter().map(External::Address).collect();
    for (i, entry) in ingress.unwrap_or_default().into_iter().enumerate() {
        let field = || format!("status.loadBalancer.ingress[{i}]");
        match (entry.ip.as_deref(), entry.hostname) {
            (None | Some(""), Some(hostname)) if !hostname.is_empty() => {
                all.push(External::Hostname(kept(hostname)));
            }
            (text, _) => {
                let address = ip(text, &format!("{}.ip", field()), dropped);
                all.extend(address.map(External::Address));
            }
        }
    }
    (!all.is_empty()).then(|| Box::new(all))
}

fn ports(raw: Option<Vec<schema::Port<'_>>>) -> Converted<Arc<[Port]>> {
    let mut ports = Vec::new();
    for (i, port) in raw.unwrap_or_default().into_iter().enumerate() {
        let Some(number) = port.port else {
            return Err(refuse(&format!("spec.ports[{i}].port"), "missing"));
        };
        ports.push(Port {
            name: kept_or_empty(port.name),
            protocol: kept_or_empty(port.protocol),
            number,
        });
    }
    Ok(ports.into())
}

/// Returns the ServiceImport that a JSON object is.
pub(crate) fn import(
    raw: schema::Whole<'_, schema::ServiceImportSpec<'_>, schema::Unread>,
    dropped: &mut Vec<Flaw>,
) -> Converted<ServiceImport> {
    let mut meta = raw.metadata.unwrap_or_default();
    let key = key(&mut meta)?;
    let spec = raw.spec.unwrap_or_default();
    let list = spec.ips.unwrap_or_default();
    let headless = spec.kind.as_deref() == Some("Headless");
    Ok(ServiceImport {
        key,
        labels: meta.labels.unwrap_or_default(),
        ips: (!headless).then(|| ips(strs(&list), "spec.ips", dropped)),
        ports: ports(spec.ports)?,
    })
}

/// Returns `None` for a slice of names: see [`EndpointSlice`].
pub(crate) fn slice(
    raw: schema::EndpointSlice<'_>,
    dropped: &mut Vec<Flaw>,
) -> Converted<Option<EndpointSlice>> {
    let mut meta = raw.metadata.unwrap_or_default();
    let key = key(&mut meta)?;
    if raw.address_type.as_deref() == Some("FQDN") {
        tracing::debug!(slice = %key, "endpoint slice of names skipped");
        return Ok(None);
    }
    let endpoints = endpoints(raw.endpoints.as_deref().unwrap_or_default(), dropped);
    let ports = raw.ports.unwrap_or_default().into_iter();
    let ports = ports.map(|port| EndpointPort {
        name: kept_or_empty(port.name),
        protocol: kept_or_empty(port.protocol),
        number: port.port,
    });
    let labels = meta.labels.unwrap_or_default();
    let annotations = meta.annotations.unwrap_or_default();
    Ok(Some(EndpointSlice {
        key,
        triggered: annotations.get(super::LAST_CHANGE).map(Into::into),
        owner: owner(&labels),
        labels,
        endpoints,
        ports: ports.collect(),
    }))
}

/// A slice with both labels is the Service's: that label is what the cluster's own proxies follow.
fn owner(labels: &Labels) -> SliceOwner {
    let label = |key: &str| labels.get(key).filter(|v| !v.is_empty()).map(Box::from);
    if let Some(service) = label("kubernetes.io/service-name") {
        SliceOwner::Service(service)
    } else if let Some(import) = label("multicluster.kubernetes.io/service-name") {
        let cluster = label("multicluster.kubernetes.io/source-cluster");
        SliceOwner::Import(import, cluster.unwrap_or_default())
    } else {
        SliceOwner::Nobody
    }
}

fn filled(text: Option<&str>) -> Option<&str> {
    text.filter(|t| !t.is_empty())
}

fn endpoints(raw: &[schema::Endpoint<'_>], dropped: &mut Vec<Flaw>) -> Endpoints {
    let mut packed = Packer::with_capacity(raw.len());
    let mut addresses = Vec::new();
    for (i, raw) in raw.iter().enumerate() {
        addresses.clear();
        let field = || format!("endpoints[{i}].addresses");
        put_ips(raw.addresses.iter(), field, &mut addresses, dropped);
        let beta = || raw.topology.as_ref()?.get("topology.kubernetes.io/zone");
        let target = raw.target_ref.as_ref().and_then(|t| t.name.as_deref());
        packed.push(&EndpointRef {
            addresses: &addresses,
            ready: raw
                .conditions
                .as_ref()
                .and_then(|c| c.ready)
                .unwrap_or(true),
            hostname: filled(raw.hostname.as_deref()),
            target: filled(target),
            topology_zone: filled(raw.zone.as_deref().or_else(beta)),
        });
    }
    packed.finish()
}

/// Returns the Pod that a JSON object is.
pub(crate) fn pod(
    raw: schema::Whole<'_, schema::PodSpec<'_>, schema::PodStatus<'_>>,
    dropped: &mut Vec<Flaw>,
) -> Converted<Pod> {
    let mut meta = raw.metadata.unwrap_or_default();
    let key = key(&mut meta)?;
    let spec = raw.spec.unwrap_or_default();
    let status = raw.status.unwrap_or_default();
    let pod_ip = ip(status.pod_ip.as_deref(), "status.podIP", dropped);
    let list = status.pod_ips.unwrap_or_default();
    let pod_ips = if list.is_empty() {
        pod_ip.into_iter().collect()
    } else {
        let texts = list.iter().map(|entry| entry.ip.as_deref().unwrap_or(""));
        ips(texts, "status.podIPs", dropped)
    };
    let containers = status.container_statuses.unwrap_or_default();
    let ended =
        |c: &schema::ContainerStatus| c.state.as_ref().is_some_and(|s| s.terminated.is_some());
    let conditions = status.conditions.unwrap_or_default();
    Ok(Pod {
        key,
        uid: kept_or_empty(meta.uid),
        labels: meta.labels.unwrap_or_default(),
        phase: phase(status.phase.as_deref().unwrap_or(""))?,
        host_network: spec.host_network.unwrap_or(false),
        node: kept_or_empty(spec.node_name),
        pod_ip,
        pod_ips,
        terminating: meta.deletion_timestamp.is_some(),
        containers_ended: !containers.is_empty() && containers.iter().all(ended),
        sandbox_gone: condition(&conditions, "PodReadyToStartContainers") == Some("False"),
    })
}

/// A phase that nobody knows is refused rather than guessed: it decides who owns an address.
fn phase(text: &str) -> Converted<Phase> {
    Ok(match text {
        "" | "Pending" => Phase::Pending,
        "Running" => Phase::Running,
        "Succeeded" => Phase::Succeeded,
        "Failed" => Phase::Failed,
        "Unknown" => Phase::Unknown,
        other => {
            return Err(refuse(
                "status.phase",
                format!("`{other}` is no phase of a Pod"),
            ));
        }
    })
}

fn condition<'a>(conditions: &'a [schema::Condition<'_>], kind: &str) -> Option<&'a str> {
    let found = conditions.iter().find(|c| c.kind.as_deref() == Some(kind));
    found.and_then(|c| c.status.as_deref())
}

/// Returns the Node that a JSON object is.
pub(crate) fn node(
    raw: schema::Whole<'_, schema::NodeSpec<'_>, schema::NodeStatus<'_>>,
    dropped: &mut Vec<Flaw>,
) -> Converted<Node> {
    let mut meta = raw.metadata.unwrap_or_default();
    let name = name(&mut meta)?;
    let spec = raw.spec.unwrap_or_default();
    let status = raw.status.unwrap_or_default();

    let mut addresses = Vec::new();
    for (i, entry) in status.addresses.unwrap_or_default().iter().enumerate() {
        if matches!(entry.kind.as_deref(), Some("InternalIP" | "ExternalIP")) {
            let field = format!("status.addresses[{i}].address");
            addresses.extend(ip(entry.address.as_deref(), &field, dropped));
        }
    }

    let list = spec.pod_cidrs.unwrap_or_default();
    let single = spec.pod_cidr.filter(|c| !c.is_empty());
    let (field, cidrs) = match (list.is_empty(), single) {
        (true, Some(cidr)) => ("spec.podCIDR", vec![cidr]),
        _ => ("spec.podCIDRs", list),
    };
    let conditions = status.conditions.unwrap_or_default();
    Ok(Node {
        name,
        annotations: meta.annotations.unwrap_or_default(),
        addresses,
        pod_cidrs: ranges(strs(&cidrs), field, dropped),
        ready: condition(&conditions, "Ready") == Some("True"),
        boot_id: kept_or_empty(status.node_info.and_then(|i| i.boot_id)),
    })
}
