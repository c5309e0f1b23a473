//! Who sees what under which settings: tests/cases/tenants.yaml, asked as the server is asked.

use crate::decode::decode;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::IpAddr;
use tenantdns::answer::Transport;
use tenantdns::config::Config;
use tenantdns::index::{Event, Index};
use tenantdns::model::{Kind, Object, ObjectKey};
use tenantdns::snapshot::Snapshot;
use tenantdns::testing::{Cluster, ask, objects, query};
use tenantdns::wire::RType;

type Texts = BTreeMap<String, String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    id: String,
    #[allow(dead_code, reason = "for those who read the file")]
    about: String,
    #[serde(default)]
    config: String,
    /// The namespace that the server runs in.
    own_namespace: Option<Box<str>>,
    namespaces: BTreeMap<String, Space>,
    /// `namespace/name`; empty for `web` in each namespace.
    #[serde(default)]
    services: BTreeMap<String, Meta>,
    /// Objects of our own kinds, as manifests.
    #[serde(default)]
    policies: String,
    /// How they fare, each with both of its conditions in words.
    #[serde(default)]
    conditions: BTreeMap<String, String>,
    /// By client: a namespace, `node`, `unknown` or an address.
    #[serde(default)]
    sees: BTreeMap<String, Vec<String>>,
    /// What is wrong with the configuration.
    error: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Space {
    labels: Texts,
    annotations: Texts,
    /// Labels of its pod.
    pod: Texts,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Meta {
    labels: Texts,
    annotations: Texts,
}

const NODE: &str = "10.0.0.1";
const NOBODY: &str = "203.0.113.1";

impl Case {
    fn toml(&self) -> String {
        format!("[tenancy]\n{}\n", self.config)
    }

    fn services(&self) -> Vec<(ObjectKey, &Meta)> {
        static PLAIN: Meta = Meta {
            labels: Texts::new(),
            annotations: Texts::new(),
        };
        if self.services.is_empty() {
            let names = self.namespaces.keys();
            return names
                .map(|ns| (ObjectKey::new(&**ns, "web"), &PLAIN))
                .collect();
        }
        let keys = self.services.iter();
        keys.map(|(key, meta)| {
            let (namespace, name) = key.split_once('/').unwrap();
            assert!(
                self.namespaces.contains_key(namespace),
                "{}: {key}",
                self.id
            );
            (ObjectKey::new(namespace, name), meta)
        })
        .collect()
    }

    fn objects(&self) -> Vec<Object> {
        let mut all = vec![objects::node("n", ip(NODE), true)];
        for (name, space) in &self.namespaces {
            let mut namespace = objects::namespace(name);
            if let Object::Namespace(namespace) = &mut namespace {
                namespace.labels = space.labels.iter().collect();
                namespace.annotations = space.annotations.iter().collect();
            }
            let mut pod = objects::pod(name, "pod", self.pod(name));
            if let Object::Pod(pod) = &mut pod {
                pod.labels = space.pod.iter().collect();
            }
            all.extend([namespace, pod]);
        }
        for (at, (key, meta)) in self.services().into_iter().enumerate() {
            let address = IpAddr::from([10, 96, 0, at as u8 + 1]);
            let mut service = objects::service(&key.namespace, &key.name, &[address]);
            if let Object::Service(service) = &mut service {
                service.labels = meta.labels.iter().collect();
                service.annotations = meta.annotations.iter().collect();
            }
            all.push(service);
        }
        let (policies, diagnostics) = tenantdns::manifests::parse_str(&self.policies);
        assert!(diagnostics.is_empty(), "{}: {diagnostics:?}", self.id);
        all.extend(policies);
        all
    }

    fn pod(&self, namespace: &str) -> IpAddr {
        let at = self.namespaces.keys().position(|name| name == namespace);
        IpAddr::from([10, 244, 1, at.unwrap() as u8 + 1])
    }

    fn client(&self, name: &str) -> IpAddr {
        match name {
            "node" => ip(NODE),
            "unknown" => ip(NOBODY),
            _ if self.namespaces.contains_key(name) => self.pod(name),
            address => ip(address),
        }
    }

    fn cluster(&self) -> Cluster {
        let mut cluster = Cluster::of(self.objects(), &self.toml());
        cluster
            .config
            .tenancy
            .own_namespace
            .clone_from(&self.own_namespace);
        cluster
    }

    /// Compares what each client is answered, and what decides, with what it should see.
    fn compare(&self, index: &Index, snapshot: &Snapshot, when: &str) {
        for (name, expected) in &self.sees {
            let client = self.client(name);
            let id = snapshot.identify(client);
            let told = format!("{}, {when}: {name} sees", self.id);
            let mut seen: Vec<String> = Vec::new();
            for (key, _) in self.services() {
                let qname = format!("{}.{}.svc.cluster.local.", key.name, key.namespace);
                let bytes = query(&qname, RType::A);
                let reply = ask(snapshot, client, Transport::Udp, &bytes).unwrap();
                let visible = decode(&reply).rcode == "NOERROR";
                if visible {
                    seen.push(key.to_string());
                }
                let ns = index.namespace_id(&key.namespace).unwrap();
                let service = index.service_id(ns, &key.name).unwrap();
                let decision = snapshot.policy.decide(id, ns, Some(service));
                assert_eq!(decision.visible, visible, "{told} {key}: {decision:?}");
            }
            seen.sort();
            assert_eq!(seen, *expected, "{told}");
        }
        let fare = index.policy_statuses().into_iter().map(|status| {
            let told = status.conditions().map(|(_, condition)| {
                let not = if condition.holds { "" } else { "not " };
                let colon = if condition.message.is_empty() {
                    ""
                } else {
                    ": "
                };
                format!("{not}{}{colon}{}", condition.reason, condition.message)
            });
            let id = format!("{} {}", status.kind.as_str(), status.key);
            (id, told.join(" | "))
        });
        let fare: BTreeMap<String, String> = fare.collect();
        assert_eq!(fare, self.conditions, "{}, {when}", self.id);
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse()
        .unwrap_or_else(|_| panic!("{text} is no client"))
}

fn cases() -> Vec<Case> {
    serde_saphyr::from_str(include_str!("../cases/tenants.yaml")).unwrap()
}

#[test]
fn each_client_sees_what_its_tenant_may_see() {
    for case in cases() {
        if let Some(error) = &case.error {
            let text = Config::from_toml(&case.toml(), "t")
                .unwrap_err()
                .to_string();
            assert!(text.contains(error), "{}: {text}", case.id);
            continue;
        }
        assert!(!case.sees.is_empty(), "{}", case.id);
        let mut index = case.cluster().index();
        let snapshot = index.snapshot(1);
        case.compare(&index, &snapshot, "all at once");
    }
}

/// The same where objects come one by one and backwards, each followed by a snapshot, and where
/// each namespace is gone for a while.
#[test]
fn and_it_does_whatever_came_first() {
    for case in cases().into_iter().filter(|case| case.error.is_none()) {
        let mut index = case.cluster().empty_index();
        for object in case.objects().into_iter().rev() {
            index.apply(Event::Apply(object));
            index.snapshot(1);
        }
        for kind in Kind::ALL {
            index.apply(Event::Synced(kind));
        }
        let snapshot = index.snapshot(1);
        case.compare(&index, &snapshot, "one by one");
        for object in case.objects() {
            if object.kind() == Kind::Namespace || object.kind().is_policy() {
                index.apply(Event::Delete(object.kind(), object.key()));
                index.snapshot(1);
                index.apply(Event::Apply(object));
                let snapshot = index.snapshot(1);
                case.compare(&index, &snapshot, "after something came back");
            }
        }
    }
}
