//! Random EndpointSlices: split and shared, with ports of their own, ready or not.

use super::cluster::{Maker, V4, V6};
use serde_json::{Value, json};

pub(super) const HOSTNAMES: [&str; 9] = [
    "pod-0",
    "pod-1",
    "0",
    "a--b",
    "any",
    "10-244-0-2",
    "ns",
    "tcp",
    "0123456789-123456789-123456789-123456789-123456789-123456789-12",
];
/// Topology zones: nobody checks these either.
pub(super) const TOPOLOGY: [&str; 5] = ["us-1a", "us-1b", "US-1A", "eu.central-1", "_x.y_z"];
/// Names of pods, which nobody checks.
const TARGETS: [&str; 6] = [
    "web-7c-abc",
    "db-0",
    "web-1",
    "Web-Up",
    "under_score",
    // One octet more than a label holds.
    "t234567890-23456789-123456789-123456789-123456789-123456789-1234",
];

impl Maker<'_> {
    pub(crate) fn slice(&mut self, namespace: &str, service: &str) -> Value {
        let v6 = self.dice.percent(35);
        let mut labels = self.labels();
        labels["kubernetes.io/service-name"] = service.into();
        let endpoints: Vec<Value> = (0..self.dice.below(5)).map(|_| self.endpoint(v6)).collect();
        let name = format!(
            "{}-{}",
            self.dice.pick(&["s", "0", "slice.of"]),
            self.number()
        );
        json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"namespace": namespace, "name": name, "labels": labels},
            "addressType": if v6 { "IPv6" } else { "IPv4" },
            "endpoints": endpoints,
            "ports": self.endpoint_ports(),
        })
    }

    /// A slice's ports; they may lack name, number and protocol.
    pub(crate) fn endpoint_ports(&mut self) -> Value {
        let mut ports = self.ports(0);
        for port in ports.as_array_mut().unwrap() {
            if self.dice.percent(10) {
                port["port"] = Value::Null;
            }
            if self.dice.percent(10) {
                port["name"] = Value::Null;
            }
            if self.dice.percent(5) {
                port["protocol"] = Value::Null;
            }
        }
        ports
    }

    pub(crate) fn endpoint(&mut self, v6: bool) -> Value {
        let mut addresses = vec![self.endpoint_address(v6)];
        if self.dice.percent(10) {
            addresses.push(self.endpoint_address(v6));
        }
        let ready = match self.dice.below(10) {
            0..6 => json!(true),
            6 => Value::Null,
            _ => json!(false),
        };
        let terminating = self.dice.percent(20);
        let mut endpoint = json!({
            "addresses": addresses,
            "conditions": {"ready": ready, "serving": self.dice.percent(70), "terminating": terminating},
        });
        if self.dice.percent(35) {
            endpoint["hostname"] = self.dice.pick(&HOSTNAMES).into();
        }
        if self.dice.percent(70) {
            endpoint["zone"] = self.dice.pick(&TOPOLOGY).into();
        }
        if self.dice.percent(50) {
            endpoint["targetRef"] = json!({"kind": "Pod", "name": self.dice.pick(&TARGETS)});
        } else if self.dice.percent(10) {
            // A pod whose name has dots: static pods are called after their nodes. Nothing else has
            // its address.
            let n = self.number();
            let name = format!("kube-proxy.node-{n}.example");
            endpoint["targetRef"] = json!({"kind": "Pod", "name": name});
            let address = if v6 {
                format!("fd00:244:8::{n:x}")
            } else {
                format!("10.244.8.{n}")
            };
            endpoint["addresses"] = json!([address]);
            endpoint["hostname"] = Value::Null;
        }
        endpoint
    }

    fn endpoint_address(&mut self, v6: bool) -> String {
        let family = |address: &String| address.contains(':') == v6;
        let own: Vec<String> = self.own.iter().filter(|a| family(a)).cloned().collect();
        match self.dice.below(30) {
            0 if !own.is_empty() => own[self.dice.below(own.len())].clone(),
            // A service's, perhaps.
            1 if !v6 => format!("10.96.1.{}", 1 + self.dice.below(9)),
            2 if v6 => format!("fd00:96::{:x}", 1 + self.dice.below(9)),
            _ if v6 => self.dice.pick(&V6).into(),
            _ => self.dice.pick(&V4).into(),
        }
    }

    /// A headless service with more endpoints than a message holds.
    pub(super) fn crowd(&mut self, namespace: &str) -> Vec<Value> {
        let mut service = self.service(namespace, "crowd");
        service["metadata"]["labels"] = json!({"tier": "front"});
        service["spec"] = json!({"clusterIP": "None", "ports": self.ports(0)});
        service["status"] = Value::Null;
        let named = self.dice.percent(50);
        let count = 25 + self.dice.below(70);
        let slices = (0..2).map(|half| {
            let endpoints = (0..count).filter(|n| n % 2 == half).map(|n| {
                let mut endpoint = json!({"addresses": [format!("10.244.50.{n}")]});
                if named {
                    endpoint["hostname"] = format!("crowd-{n:02}").into();
                }
                endpoint
            });
            let endpoints: Vec<Value> = endpoints.collect();
            let mut slice = self.slice(namespace, "crowd");
            slice["metadata"]["labels"]["tier"] = "front".into();
            slice["addressType"] = "IPv4".into();
            slice["endpoints"] = endpoints.into();
            slice
        });
        let mut objects: Vec<Value> = slices.collect();
        objects.push(service);
        objects
    }

    /// A service whose endpoints are the server.
    pub(super) fn name_servers(&mut self, namespace: &str) -> Vec<Value> {
        let mut objects = vec![self.service(namespace, "kube-dns")];
        for own in self.own.clone() {
            let mut slice = self.slice(namespace, "kube-dns");
            slice["addressType"] = if own.contains(':') { "IPv6" } else { "IPv4" }.into();
            slice["endpoints"] = json!([{"addresses": [own]}]);
            objects.push(slice);
        }
        objects
    }
}
