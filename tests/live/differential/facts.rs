//! What the API server holds, read from its JSON by a second reader: what explanations and questions
//! are made of. Not what is answered.

use super::profiles::{ODD, Profile};
use super::servers::{SYNC, TOGGLE};
use crate::apiserver::ApiServer;
use serde_json::Value;
use std::collections::BTreeMap;

pub(crate) type Labels = BTreeMap<String, String>;

/// Namespace and name of an object.
pub(crate) type Key = (String, String);

/// What a Service's name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stands {
    Cluster(Vec<String>),
    Headless,
    External(String),
}

#[derive(Debug, Clone)]
pub(crate) struct Service {
    pub(crate) key: Key,
    pub(crate) labels: Labels,
    pub(crate) stands: Stands,
    /// Names and protocols.
    pub(crate) ports: Vec<(String, String)>,
    /// Addresses outside: external ones and a load balancer's.
    pub(crate) others: Vec<String>,
    /// Host names of a load balancer that has no address there.
    pub(crate) hosts: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) addresses: Vec<String>,
    pub(crate) ready: bool,
    pub(crate) hostname: String,
    pub(crate) target: String,
    pub(crate) zone: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Slice {
    pub(crate) key: Key,
    pub(crate) labels: Labels,
    /// The service-name label; empty where there is none.
    pub(crate) service: String,
    /// Its "addresses" are names.
    pub(crate) fqdn: bool,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) ports: Vec<(String, String)>,
    /// The ports' numbers; none of a port without one.
    pub(crate) numbers: Vec<Option<u16>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Pod {
    pub(crate) key: Key,
    pub(crate) labels: Labels,
    pub(crate) addresses: Vec<String>,
    pub(crate) phase: String,
    pub(crate) terminating: bool,
    pub(crate) ended: bool,
    pub(crate) sandbox_gone: bool,
}

/// The objects of one moment.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) namespaces: BTreeMap<String, Labels>,
    pub(crate) services: Vec<Service>,
    pub(crate) slices: Vec<Slice>,
    pub(crate) pods: Vec<Pod>,
    /// Everything as the API server gave it, for whoever reads a failure.
    pub(crate) objects: Vec<Value>,
}

impl Facts {
    pub(crate) fn read(api: &ApiServer) -> Self {
        let mut facts = Self::default();
        let kinds = [
            ("v1", "Namespace"),
            ("v1", "Service"),
            ("discovery.k8s.io/v1", "EndpointSlice"),
            ("v1", "Pod"),
        ];
        for (version, kind) in kinds {
            for mut object in api.list(version, kind, None) {
                // What is waited for differs from run to run.
                let meta = &object["metadata"];
                if [&meta["namespace"], &meta["name"]]
                    .iter()
                    .any(|n| **n == SYNC || **n == TOGGLE)
                {
                    continue;
                }
                // Lists leave both out.
                object["apiVersion"] = version.into();
                object["kind"] = kind.into();
                match kind {
                    "Namespace" => {
                        let name = text(&object["metadata"]["name"]);
                        facts.namespaces.insert(name, labels(&object));
                    }
                    "Service" => facts.services.push(service(&object)),
                    "EndpointSlice" => facts.slices.push(slice(&object)),
                    _ => facts.pods.push(pod(&object)),
                }
                object["metadata"]["managedFields"].take();
                facts.objects.push(object);
            }
        }
        facts
    }

    /// The service of a name, where the profile reads it.
    pub(crate) fn service(
        &self,
        profile: &Profile,
        namespace: &str,
        name: &str,
    ) -> Option<&Service> {
        let is = |key: &Key| key.0 == namespace && key.1 == name;
        let found = self.services.iter().find(|service| is(&service.key));
        found.filter(|service| selects(profile, &service.labels))
    }

    /// The slices that a profile reads.
    pub(crate) fn slices<'f>(&'f self, profile: &'f Profile) -> impl Iterator<Item = &'f Slice> {
        let read = |slice: &&Slice| !profile.noendpoints && selects(profile, &slice.labels);
        self.slices.iter().filter(read)
    }

    /// Whether a namespace is there and selected.
    pub(crate) fn exposes(&self, profile: &Profile, namespace: &str) -> bool {
        let listed = profile.namespaces.is_empty() || profile.namespaces.contains(&namespace);
        let selected = |labels: &Labels| {
            profile.namespace_labels.is_none_or(|(key, values)| {
                labels
                    .get(key)
                    .is_some_and(|value| values.contains(&value.as_str()))
            })
        };
        listed && self.namespaces.get(namespace).is_some_and(selected)
    }

    /// Whether there is anything that CoreDNS chokes on.
    pub(crate) fn has_odd(&self) -> bool {
        let odd = |labels: &Labels| labels.contains_key(ODD);
        self.services.iter().any(|s| odd(&s.labels)) || self.slices.iter().any(|s| odd(&s.labels))
    }
}

/// Whether a profile reads what has these labels.
pub(crate) fn selects(profile: &Profile, labels: &Labels) -> bool {
    profile
        .labels
        .is_none_or(|(key, value)| labels.get(key).is_some_and(|v| v == value))
}

impl Slice {
    /// The ready endpoints with each of their addresses.
    pub(crate) fn ready(&self) -> impl Iterator<Item = (&Endpoint, &str)> {
        let ready = self.endpoints.iter().filter(|endpoint| endpoint.ready);
        ready.flat_map(|e| e.addresses.iter().map(move |address| (e, address.as_str())))
    }
}

impl Endpoint {
    /// The endpoint's label in CoreDNS; not always one label.
    pub(crate) fn label(&self, address: &str, pod_names: bool) -> String {
        if !self.hostname.is_empty() {
            self.hostname.clone()
        } else if pod_names && (1..64).contains(&self.target.len()) {
            self.target.clone()
        } else {
            dashed(address)
        }
    }
}

/// An address as a label.
pub(crate) fn dashed(address: &str) -> String {
    let text = address.replace(['.', ':'], "-");
    if address.contains(':') && text.ends_with('-') {
        text + "0"
    } else {
        text
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn texts(value: &Value) -> Vec<String> {
    list(value).iter().map(text).collect()
}

fn key(object: &Value) -> Key {
    let meta = &object["metadata"];
    (text(&meta["namespace"]), text(&meta["name"]))
}

fn labels(object: &Value) -> Labels {
    let labels = object["metadata"]["labels"]
        .as_object()
        .into_iter()
        .flatten();
    labels
        .map(|(key, value)| (key.clone(), text(value)))
        .collect()
}

fn ports(list: &[Value]) -> Vec<(String, String)> {
    list.iter()
        .map(|port| (text(&port["name"]), text(&port["protocol"])))
        .collect()
}

fn service(object: &Value) -> Service {
    let spec = &object["spec"];
    let stands = match (&spec["type"], texts(&spec["clusterIPs"])) {
        (kind, _) if kind == "ExternalName" => Stands::External(text(&spec["externalName"])),
        (_, addresses) if addresses == ["None"] => Stands::Headless,
        (_, addresses) => Stands::Cluster(addresses),
    };
    let mut others = texts(&spec["externalIPs"]);
    let balancers = list(&object["status"]["loadBalancer"]["ingress"]);
    others.extend(
        balancers
            .iter()
            .map(|entry| text(&entry["ip"]))
            .filter(|ip| !ip.is_empty()),
    );
    let hosts = balancers.iter().map(|entry| text(&entry["hostname"]));
    let hosts = hosts.filter(|host| !host.is_empty()).collect();
    Service {
        hosts,
        key: key(object),
        labels: labels(object),
        stands,
        ports: ports(list(&spec["ports"])),
        others,
    }
}

fn slice(object: &Value) -> Slice {
    let endpoint = |endpoint: &Value| Endpoint {
        addresses: texts(&endpoint["addresses"]),
        ready: endpoint["conditions"]["ready"].as_bool().unwrap_or(true),
        hostname: text(&endpoint["hostname"]),
        target: text(&endpoint["targetRef"]["name"]),
        zone: text(&endpoint["zone"]),
    };
    let number = |port: &Value| {
        port["port"]
            .as_u64()
            .and_then(|port| u16::try_from(port).ok())
    };
    let labels = labels(object);
    Slice {
        key: key(object),
        service: labels
            .get("kubernetes.io/service-name")
            .cloned()
            .unwrap_or_default(),
        labels,
        fqdn: object["addressType"] == "FQDN",
        endpoints: list(&object["endpoints"]).iter().map(endpoint).collect(),
        ports: ports(list(&object["ports"])),
        numbers: list(&object["ports"]).iter().map(number).collect(),
    }
}

fn pod(object: &Value) -> Pod {
    let status = &object["status"];
    let containers = list(&status["containerStatuses"]);
    let ended = |container: &Value| container["state"]["terminated"].is_object();
    let gone = |condition: &Value| {
        condition["type"] == "PodReadyToStartContainers" && condition["status"] == "False"
    };
    let mut addresses = vec![text(&status["podIP"])];
    addresses.extend(
        list(&status["podIPs"])
            .iter()
            .skip(1)
            .map(|entry| text(&entry["ip"])),
    );
    addresses.retain(|address| !address.is_empty());
    Pod {
        key: key(object),
        labels: labels(object),
        addresses,
        phase: text(&status["phase"]),
        terminating: object["metadata"]["deletionTimestamp"].is_string(),
        ended: !containers.is_empty() && containers.iter().all(ended),
        sandbox_gone: list(&status["conditions"]).iter().any(gone),
    }
}
