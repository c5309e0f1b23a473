//! One object of the API to one of the model. Not policy: it keeps what the object says, drops what
//! is no address at all, and refuses only what has the wrong shape.

mod address;
#[cfg(test)]
mod tests;

use self::address::{ip, ips, ranges, strs};
use super::Diagnostic;
use super::schema;
use crate::model::{
    Endpoint, EndpointPort, EndpointSlice, Kind, Labels, Namespace, Node, Object, ObjectKey, Phase,
    Pod, Port, Service, ServiceImport, ServiceKind, SliceOwner,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What one object of a manifest became.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The object; `None` if it is of no kind that is read, or malformed.
    pub(super) object: Option<Object>,
    /// What is wrong with it.
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// Converts an object of this `apiVersion` and `kind`.
pub(super) fn convert(api_version: Option<&Value>, kind: &str, body: &Value) -> Outcome {
    let mut outcome = Outcome::default();
    let converted = match kind_of(api_version, kind) {
        Ok(None) => return outcome,
        Ok(Some(kind)) => object(kind, body, &mut outcome.diagnostics),
        Err(diagnostic) => Err(diagnostic),
    };
    match converted {
        Ok(object) => outcome.object = object,
        // What was dropped from an object that is skipped as a whole does not matter.
        Err(diagnostic) => outcome.diagnostics = vec![*diagnostic],
    }
    if !outcome.diagnostics.is_empty() {
        let title = title(kind, body);
        for diagnostic in &mut outcome.diagnostics {
            diagnostic.object = Some(title.clone());
        }
    }
    outcome
}

type Converted<T> = Result<T, Box<Diagnostic>>;

/// Tells the kinds that are read from others of the same name, as Knative's Service.
fn kind_of(api_version: Option<&Value>, kind: &str) -> Converted<Option<Kind>> {
    let Some(known) = Kind::ALL.into_iter().find(|k| k.as_str() == kind) else {
        return Ok(None);
    };
    let text = match api_version {
        Some(Value::String(text)) => text.as_str(),
        Some(Value::Null) | None => return Err(refuse("apiVersion", "missing")),
        Some(other) => return Err(refuse("apiVersion", format!("`{other}` is no text"))),
    };
    let read = match known {
        Kind::EndpointSlice => text == "discovery.k8s.io/v1" || text == "discovery.k8s.io/v1beta1",
        Kind::ServiceImport => text.starts_with("multicluster.x-k8s.io/"),
        Kind::Namespace | Kind::Service | Kind::Pod | Kind::Node => text == "v1",
    };
    Ok(read.then_some(known))
}

fn refuse(field: &str, message: impl Into<String>) -> Box<Diagnostic> {
    Box::new(Diagnostic::field(field, message))
}

/// Returns `Service shop/web`, as far as the object says it.
fn title(kind: &str, body: &Value) -> String {
    let text = |field: &str| body["metadata"][field].as_str().unwrap_or("");
    let (namespace, name) = (text("namespace"), text("name"));
    let key = match (kind, namespace, name) {
        (_, _, "") => return kind.to_owned(),
        ("Namespace" | "Node", _, name) => ObjectKey::cluster(name),
        (_, "", name) => ObjectKey::new(DEFAULT_NAMESPACE, name),
        _ => ObjectKey::new(namespace, name),
    };
    format!("{kind} {key}")
}

/// Where kubectl puts an object that names no namespace.
const DEFAULT_NAMESPACE: &str = "default";

fn object(kind: Kind, body: &Value, dropped: &mut Vec<Diagnostic>) -> Converted<Option<Object>> {
    Ok(Some(match kind {
        Kind::Namespace => Object::Namespace(namespace(read(body)?)?),
        Kind::Node => Object::Node(node(read(body)?, dropped)?),
        Kind::Service => Object::Service(service(read(body)?, dropped)?),
        Kind::EndpointSlice => return Ok(slice(read(body)?, dropped)?.map(Object::EndpointSlice)),
        Kind::ServiceImport => Object::ServiceImport(import(read(body)?, dropped)?),
        Kind::Pod => Object::Pod(pod(read(body)?, dropped)?),
    }))
}

fn read<T: DeserializeOwned>(body: &Value) -> Converted<T> {
    serde_path_to_error::deserialize(body).map_err(|error| {
        let path = error.path().to_string();
        let diagnostic = Diagnostic::warning(error.into_inner().to_string());
        Box::new(Diagnostic {
            // A path of "." is the object itself, which is no field.
            field: (path != ".").then_some(path),
            ..diagnostic
        })
    })
}

// === metadata ===

fn name(meta: &mut schema::Meta) -> Converted<Box<str>> {
    match meta.name.take() {
        Some(name) if !name.is_empty() => Ok(name),
        _ => Err(refuse("metadata.name", "missing")),
    }
}

fn key(meta: &mut schema::Meta) -> Converted<ObjectKey> {
    let name = name(meta)?;
    let namespace = meta.namespace.take().filter(|n| !n.is_empty());
    Ok(ObjectKey::new(
        namespace.unwrap_or_else(|| DEFAULT_NAMESPACE.into()),
        name,
    ))
}

fn labels(map: schema::Map) -> Labels {
    map.unwrap_or_default()
        .into_iter()
        .map(|(key, value)| (key, value.unwrap_or_default()))
        .collect()
}

// === kinds ===

fn namespace(raw: schema::Bare) -> Converted<Namespace> {
    let mut meta = raw.metadata.unwrap_or_default();
    Ok(Namespace {
        name: name(&mut meta)?,
        labels: labels(meta.labels),
        annotations: labels(meta.annotations),
    })
}

fn service(
    raw: schema::Whole<schema::ServiceSpec, schema::Unread>,
    dropped: &mut Vec<Diagnostic>,
) -> Converted<Service> {
    let mut meta = raw.metadata.unwrap_or_default();
    let key = key(&mut meta)?;
    let spec = raw.spec.unwrap_or_default();
    let list = spec.cluster_ips.unwrap_or_default();
    let single = spec.cluster_ip.filter(|ip| !ip.is_empty());
    let kind = if spec.kind.as_deref() == Some("ExternalName") {
        match spec.external_name {
            // As written, with the trailing dot if it has one.
            Some(target) if !target.is_empty() => ServiceKind::ExternalName(target),
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
    Ok(Service {
        key,
        labels: labels(meta.labels),
        annotations: labels(meta.annotations),
        kind,
        ports: ports(spec.ports)?,
    })
}

fn ports(raw: Option<Vec<schema::Port>>) -> Converted<Vec<Port>> {
    let mut ports = Vec::new();
    for (i, port) in raw.unwrap_or_default().into_iter().enumerate() {
        let Some(number) = port.port else {
            return Err(refuse(&format!("spec.ports[{i}].port"), "missing"));
        };
        ports.push(Port {
            name: port.name.unwrap_or_default(),
            protocol: port.protocol.unwrap_or_default(),
            number,
        });
    }
    Ok(ports)
}

fn import(
    raw: schema::Whole<schema::ServiceImportSpec, schema::Unread>,
    dropped: &mut Vec<Diagnostic>,
) -> Converted<ServiceImport> {
    let mut meta = raw.metadata.unwrap_or_default();
    let key = key(&mut meta)?;
    let spec = raw.spec.unwrap_or_default();
    let list = spec.ips.unwrap_or_default();
    let headless = spec.kind.as_deref() == Some("Headless");
    Ok(ServiceImport {
        key,
        labels: labels(meta.labels),
        ips: (!headless).then(|| ips(strs(&list), "spec.ips", dropped)),
        ports: ports(spec.ports)?,
    })
}

/// Returns `None` for a slice of names: see [`EndpointSlice`].
fn slice(
    raw: schema::EndpointSlice,
    dropped: &mut Vec<Diagnostic>,
) -> Converted<Option<EndpointSlice>> {
    let mut meta = raw.metadata.unwrap_or_default();
    let key = key(&mut meta)?;
    if raw.address_type.as_deref() == Some("FQDN") {
        tracing::debug!(slice = %key, "endpoint slice of names skipped");
        return Ok(None);
    }
    let endpoints = raw.endpoints.unwrap_or_default().into_iter().enumerate();
    let endpoints = endpoints.map(|(i, e)| endpoint(i, e, dropped)).collect();
    let ports = raw.ports.unwrap_or_default().into_iter();
    let ports = ports.map(|port| EndpointPort {
        name: port.name.unwrap_or_default(),
        protocol: port.protocol.unwrap_or_default(),
        number: port.port,
    });
    let labels = labels(meta.labels);
    Ok(Some(EndpointSlice {
        key,
        owner: owner(&labels),
        labels,
        endpoints,
        ports: ports.collect(),
    }))
}

/// A slice with both labels is the Service's: that label is what the cluster's own proxies follow.
fn owner(labels: &Labels) -> SliceOwner {
    let label = |key: &str| labels.get(key).filter(|v| !v.is_empty()).cloned();
    if let Some(service) = label("kubernetes.io/service-name") {
        SliceOwner::Service(service)
    } else if let Some(import) = label("multicluster.kubernetes.io/service-name") {
        let cluster = label("multicluster.kubernetes.io/source-cluster");
        SliceOwner::Import(import, cluster.unwrap_or_default())
    } else {
        SliceOwner::Nobody
    }
}

fn endpoint(i: usize, raw: schema::Endpoint, dropped: &mut Vec<Diagnostic>) -> Endpoint {
    let addresses = raw.addresses.unwrap_or_default();
    let field = format!("endpoints[{i}].addresses");
    let beta_zone = labels(raw.topology).remove("topology.kubernetes.io/zone");
    let filled = |text: Option<Box<str>>| text.filter(|t| !t.is_empty());
    Endpoint {
        addresses: ips(strs(&addresses), &field, dropped),
        ready: raw.conditions.and_then(|c| c.ready).unwrap_or(true),
        hostname: filled(raw.hostname),
        target: filled(raw.target_ref.and_then(|t| t.name)),
        topology_zone: filled(raw.zone.or(beta_zone)),
    }
}

fn pod(
    raw: schema::Whole<schema::PodSpec, schema::PodStatus>,
    dropped: &mut Vec<Diagnostic>,
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
        uid: meta.uid.unwrap_or_default(),
        labels: labels(meta.labels),
        phase: phase(status.phase.as_deref().unwrap_or(""))?,
        host_network: spec.host_network.unwrap_or(false),
        node: spec.node_name.unwrap_or_default(),
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

fn condition<'a>(conditions: &'a [schema::Condition], kind: &str) -> Option<&'a str> {
    let found = conditions.iter().find(|c| c.kind.as_deref() == Some(kind));
    found.and_then(|c| c.status.as_deref())
}

fn node(
    raw: schema::Whole<schema::NodeSpec, schema::NodeStatus>,
    dropped: &mut Vec<Diagnostic>,
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
        annotations: labels(meta.annotations),
        addresses,
        pod_cidrs: ranges(strs(&cidrs), field, dropped),
        ready: condition(&conditions, "Ready") == Some("True"),
        boot_id: status.node_info.and_then(|i| i.boot_id).unwrap_or_default(),
    })
}
