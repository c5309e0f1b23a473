//! Random clusters over few names and few addresses, so that objects meet: services and slices of
//! every shape that the API server may accept. Some it refuses; whoever creates them counts these.

use super::dice::Dice;
use super::odd;
use super::profiles::ODD;
use super::services::SERVICES;
use serde_json::{Value, json};
use std::net::IpAddr;

const LONG_NAMESPACE: &str = "n23456789-123456789-123456789-123456789-123456789-123456789-123";

/// Namespaces that clusters are made of. Some have names that the grammar knows, too.
pub(crate) const NAMESPACES: [&str; 9] = [
    "shop",
    "bank",
    "svc",
    "pod",
    "12",
    "cluster",
    "0-0",
    "any",
    LONG_NAMESPACE,
];
pub(super) const V4: [&str; 12] = [
    "10.244.0.1",
    "10.244.0.2",
    "10.244.0.3",
    "10.244.0.4",
    "10.244.0.5",
    "10.244.1.1",
    "10.244.1.2",
    "10.244.255.255",
    "192.0.2.77",
    "8.8.8.8",
    "10.96.7.7",
    "1.2.3.4",
];
pub(super) const V6: [&str; 8] = [
    "fd00:244::1",
    "fd00:244::2",
    "fd00:244::3",
    "fd00:244::",
    "fd00:244:0:1::",
    "2001:db8:1:2:3:4:5:6",
    "fd00:96::77",
    "2001:db8::1:0:0:1",
];

/// Addresses that endpoints and pods have.
pub(crate) fn addresses() -> impl Iterator<Item = &'static str> {
    V4.into_iter().chain(V6)
}

/// One cluster in the making.
pub(crate) struct Maker<'d> {
    pub(crate) dice: &'d mut Dice,
    pub(crate) namespaces: Vec<&'static str>,
    /// The server's own addresses, which slices may have.
    pub(super) own: Vec<String>,
    /// Whether there may be what CoreDNS chokes on.
    odd: bool,
    next: u16,
}

impl<'d> Maker<'d> {
    /// Starts a cluster with a few namespaces.
    pub(crate) fn new(dice: &'d mut Dice, own: &[IpAddr], odd: bool) -> Self {
        let mut namespaces = NAMESPACES.to_vec();
        dice.shuffle(&mut namespaces);
        namespaces.truncate(3 + dice.below(3));
        // Two that options name are nearly always there.
        for usual in ["shop", "bank"] {
            if !namespaces.contains(&usual) && dice.percent(80) {
                namespaces.push(usual);
            }
        }
        Self {
            dice,
            namespaces,
            own: own.iter().map(ToString::to_string).collect(),
            odd,
            next: 0,
        }
    }

    /// Everything of a cluster: its namespaces, and the rest in any order.
    pub(crate) fn cluster(&mut self) -> Vec<Value> {
        let mut objects: Vec<Value> = Vec::new();
        for namespace in self.namespaces.clone() {
            objects.push(self.namespace(namespace));
        }
        let mut rest = Vec::new();
        for namespace in self.namespaces.clone() {
            for _ in 0..2 + self.dice.below(4) {
                let name = self.dice.pick(&SERVICES);
                rest.push(self.service(namespace, name));
                for _ in 0..self.dice.below(4) {
                    rest.push(self.slice(namespace, name));
                }
            }
            for _ in 0..self.dice.below(5) {
                rest.push(self.pod(namespace));
            }
            if self.odd {
                rest.extend(odd::objects(self, namespace));
            }
        }
        // Labels have underscores, services' names have none.
        let namespace = self.somewhere();
        rest.push(self.slice(namespace, "under_score"));
        rest.extend(match self.dice.percent(50) {
            true => self.chain(namespace),
            false => self.crowd(namespace),
        });
        if self.dice.percent(60) {
            rest.extend(self.name_servers(namespace));
        }
        self.dice.shuffle(&mut rest);
        objects.extend(rest);
        objects
    }

    pub(crate) fn somewhere(&mut self) -> &'static str {
        self.namespaces[self.dice.below(self.namespaces.len())]
    }

    pub(crate) fn namespace(&mut self, name: &str) -> Value {
        let labels = match self.dice.pick(&["red", "blue", "green", ""]) {
            "" => json!({}),
            team => json!({"team": team}),
        };
        json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": labels},
        })
    }

    /// Labels that most selectors find.
    pub(crate) fn labels(&mut self) -> Value {
        match self.dice.below(10) {
            0..7 => json!({"tier": "front"}),
            7 => json!({"tier": "back"}),
            _ => json!({}),
        }
    }

    pub(crate) fn number(&mut self) -> u16 {
        self.next += 1;
        self.next
    }

    pub(crate) fn pod(&mut self, namespace: &str) -> Value {
        let name = format!("{}-{}", self.dice.pick(&["web", "job", "0"]), self.number());
        let on_host = self.dice.percent(15);
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"namespace": namespace, "name": name, "labels": self.labels()},
            "spec": {
                "nodeName": "node-1",
                "hostNetwork": on_host,
                "containers": [{"name": "main", "image": "none"}],
                "terminationGracePeriodSeconds": 30,
            },
            "status": self.pod_status(on_host),
        })
    }

    pub(crate) fn pod_status(&mut self, on_host: bool) -> Value {
        let (v4, v6) = (self.dice.pick(&V4), self.dice.pick(&V6));
        let addresses = match self.dice.below(6) {
            _ if on_host => vec!["192.0.2.20"],
            0 => vec![],
            1 => vec![v6],
            2 => vec![v6, v4],
            3 => vec![v4, v6],
            _ => vec![v4],
        };
        let phase = self.dice.pick(&[
            "Running",
            "Running",
            "Running",
            "Pending",
            "Succeeded",
            "Failed",
        ]);
        let mut status = json!({"phase": phase});
        if let Some(first) = addresses.first() {
            let list: Vec<Value> = addresses.iter().map(|ip| json!({"ip": ip})).collect();
            status["podIP"] = (*first).into();
            status["podIPs"] = list.into();
        }
        status
    }
}

/// Marks an object as one that CoreDNS chokes on.
pub(crate) fn mark(mut object: Value) -> Value {
    object["metadata"]["labels"][ODD] = "true".into();
    object
}
