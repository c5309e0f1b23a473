//! Random Services: every type, family and kind of port, and aliases that lead anywhere.

use super::cluster::Maker;
use super::slices::HOSTNAMES;
use serde_json::{Value, json};

pub(crate) const SERVICES: [&str; 12] = [
    "web",
    "db",
    "api",
    "1st",
    "a",
    "x--y",
    "svc",
    "any",
    "10-244-0-1",
    "ns",
    "dns",
    "s23456789-123456789-123456789-123456789-123456789-123456789-123",
];
const PORTS: [(&str, &str, u16); 8] = [
    ("http", "TCP", 80),
    ("https", "TCP", 443),
    ("dns", "UDP", 53),
    ("dns-tcp", "TCP", 53),
    ("sctp", "SCTP", 9),
    ("any", "TCP", 7),
    ("0-a", "UDP", 65_535),
    (
        "p23456789-123456789-123456789-123456789-123456789-123456789-123",
        "TCP",
        8080,
    ),
];

impl Maker<'_> {
    pub(crate) fn service(&mut self, namespace: &str, name: &str) -> Value {
        let mut service = json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"namespace": namespace, "name": name, "labels": self.labels()},
            "spec": {},
        });
        self.specify(&mut service);
        service
    }

    /// Gives a service a type, addresses and ports.
    pub(crate) fn specify(&mut self, service: &mut Value) {
        let kind = self.dice.below(10);
        let external = kind < 2;
        let headless = (2..5).contains(&kind);
        let spec = if external {
            let mut spec = json!({"type": "ExternalName", "externalName": self.alias()});
            if self.dice.percent(50) {
                spec["ports"] = self.ports(0);
            }
            spec
        } else {
            let types = ["ClusterIP", "ClusterIP", "NodePort", "LoadBalancer"];
            let mut spec = self.families(headless);
            spec["ports"] = self.ports(usize::from(!headless));
            spec["publishNotReadyAddresses"] = self.dice.percent(20).into();
            if !headless {
                spec["type"] = self.dice.pick(&types).into();
            }
            if self.dice.percent(20) {
                spec["externalIPs"] =
                    json!([self.dice.pick(&["192.0.2.9", "10.244.0.1", "10.96.7.7"])]);
            }
            spec
        };
        service["spec"] = spec;
        service["status"] = Value::Null;
        if service["spec"]["type"] == "LoadBalancer" && self.dice.percent(70) {
            let address =
                json!({"ip": self.dice.pick(&["192.0.2.50", "10.244.0.3"]), "ipMode": "VIP"});
            let hosts = ["lb-1.cloud.test", "kubernetes.default.svc.cluster.local"];
            let host = json!({"hostname": self.dice.pick(&hosts)});
            let ingress = match self.dice.below(6) {
                0 => json!([host]),
                1 => json!([address, host]),
                2 => json!([address, {"ip": "fd00:192::50", "ipMode": "Proxy"}]),
                _ => json!([address]),
            };
            service["status"] = json!({"loadBalancer": {"ingress": ingress}});
        }
    }

    /// One address family, or two in either order; addresses are chosen here so that they repeat.
    fn families(&mut self, headless: bool) -> Value {
        let n = self.number();
        let v4 = match self.dice.percent(80) {
            true => format!("10.96.1.{n}"),
            false => format!("10.100.{n}.255"),
        };
        let v6 = format!("fd00:96::{n:x}");
        let (policy, families, addresses) = match self.dice.below(6) {
            0 => ("SingleStack", vec!["IPv6"], vec![v6]),
            1 => ("RequireDualStack", vec!["IPv6", "IPv4"], vec![v6, v4]),
            2 | 3 => ("RequireDualStack", vec!["IPv4", "IPv6"], vec![v4, v6]),
            _ => ("SingleStack", vec!["IPv4"], vec![v4]),
        };
        let addresses = if headless {
            vec!["None".into()]
        } else {
            addresses
        };
        json!({
            "ipFamilyPolicy": policy,
            "ipFamilies": families,
            "clusterIP": addresses[0],
            "clusterIPs": addresses,
        })
    }

    pub(crate) fn ports(&mut self, least: usize) -> Value {
        let mut known = PORTS.to_vec();
        self.dice.shuffle(&mut known);
        let count = least.max(self.dice.below(5));
        known.truncate(count);
        let nameless = count == 1 && self.dice.percent(40);
        let ports = known.into_iter().map(|(name, protocol, port)| {
            let name = if nameless { "" } else { name };
            json!({"name": name, "protocol": protocol, "port": port})
        });
        ports.collect()
    }

    /// What an ExternalName leads to: a name of the zone more often than not.
    fn alias(&mut self) -> String {
        let service = self.dice.pick(&SERVICES);
        let namespace = self.somewhere();
        let inside = format!("{service}.{namespace}.svc.cluster.local");
        match self.dice.below(16) {
            0 => format!("{inside}."),
            1 => format!("{}.{inside}", self.dice.pick(&HOSTNAMES)),
            2 => format!("http.tcp.{inside}"),
            3 => format!("10-244-0-1.{namespace}.pod.cluster.local"),
            4 => self
                .dice
                .pick(&[
                    "cluster.local",
                    "svc.cluster.local",
                    "shop.svc.cluster.local",
                    "dns-version.cluster.local",
                    "missing.shop.svc.cluster.local",
                    "web.nowhere.svc.cluster.local",
                ])
                .into(),
            5 => format!("{service}.{namespace}.svc.k8s.example"),
            6 => format!("{service}.{namespace}.svc.a.k8s.example."),
            7 => self
                .dice
                .pick(&[
                    "1.0.244.10.in-addr.arpa",
                    "192.0.2.7",
                    "010.1.1.1",
                    "1.2.3",
                    "localhost",
                ])
                .into(),
            8 => self
                .dice
                .pick(&["example.org", "www.example.org.", "local"])
                .into(),
            _ => inside,
        }
    }

    /// Aliases that lead to one another, more of them than are followed.
    pub(super) fn chain(&mut self, namespace: &str) -> Vec<Value> {
        let length = 9 + self.dice.below(6);
        let last = format!("web.{namespace}.svc.cluster.local");
        let mut links = Vec::new();
        for link in 0..length {
            let next = format!("c{}.{namespace}.svc.cluster.local", link + 1);
            let target = if link + 1 == length {
                last.clone()
            } else {
                next
            };
            links.push(json!({
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {
                    "namespace": namespace, "name": format!("c{link}"), "labels": {"tier": "front"},
                },
                "spec": {"type": "ExternalName", "externalName": target},
            }));
        }
        links
    }
}
