//! What the cluster holds: a random one, the Services that every cluster has, aliases that lead
//! outside, and the account that CoreDNS's manifests make.

use crate::apiserver::{ADMIN, ApiServer};
use crate::differential::changes::{Writer, Writes};
use crate::differential::cluster::Maker;
use crate::differential::dice::Dice;
use crate::parts::namespace;
use crate::process::until;
use serde_json::{Value, json};
use std::time::Duration;
use ureq::http::Method;

const PATIENCE: Duration = Duration::from_secs(30);

/// The namespace of what leads outside.
pub(super) const OUTSIDE: &str = "outside";

/// Where its ExternalName services lead.
const TARGETS: [&str; 14] = [
    "www.example.org",
    "c1.example.org",
    "dangling.example.org",
    "no-data.example.org",
    "ring-a.example.org",
    "anything.wild.example.org",
    "a60.big.example",
    "www.signed.example",
    "www.bogus.example",
    "v6.example.org",
    "fading.example.org",
    "x.refused.example",
    "mail.local.example.",
    "web.outside.svc.cluster.local",
];

/// Fills the API server; the servers that are compared have these addresses.
pub(super) fn fill(api: &ApiServer, dice: &mut Dice, servers: &[String]) {
    let mut writer = Writer {
        api,
        writes: Writes::default(),
    };
    for object in Maker::new(dice, &[], false).cluster() {
        writer.create(&object);
    }
    let Writes { made, refused } = writer.writes;
    assert!(
        refused * 5 < made,
        "the API server refuses most: {refused} of {made}"
    );
    api.create(&namespace(OUTSIDE));
    for (number, target) in TARGETS.iter().enumerate() {
        api.create(&json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"namespace": OUTSIDE, "name": format!("to-{number}")},
            "spec": {"type": "ExternalName", "externalName": target},
        }));
    }
    let port = |name, protocol, port| json!({"name": name, "protocol": protocol, "port": port});
    let service = |namespace, name, address, ports: Value| {
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"clusterIP": address, "ports": ports},
        })
    };
    let ports = json!([
        port("dns", "UDP", 53),
        port("dns-tcp", "TCP", 53),
        port("metrics", "TCP", 9153)
    ]);
    api.create(&service(
        "kube-system",
        "kube-dns",
        "10.96.0.10",
        ports.clone(),
    ));
    api.create(&service(
        OUTSIDE,
        "web",
        "10.96.0.77",
        json!([port("http", "TCP", 80)]),
    ));
    let endpoints: Vec<Value> = servers
        .iter()
        .map(|address| json!({"addresses": [address], "conditions": {"ready": true}}))
        .collect();
    api.create(&json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": "kube-system",
            "name": "kube-dns-1",
            "labels": {"kubernetes.io/service-name": "kube-dns"},
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": ports,
    }));
}

/// Makes the account of CoreDNS as kubeadm does, with what its role grants; returns a token of it.
pub(super) fn account(api: &ApiServer) -> String {
    let rbac = "rbac.authorization.k8s.io";
    let watch = ["list", "watch"];
    api.create(&json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"namespace": "kube-system", "name": "coredns"},
    }));
    api.create(&json!({
        "apiVersion": format!("{rbac}/v1"),
        "kind": "ClusterRole",
        "metadata": {"name": "system:coredns"},
        "rules": [
            {
                "apiGroups": [""],
                "resources": ["endpoints", "services", "pods", "namespaces"],
                "verbs": watch,
            },
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": watch},
        ],
    }));
    api.create(&json!({
        "apiVersion": format!("{rbac}/v1"),
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "system:coredns"},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "system:coredns"},
        "subjects": [{"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}],
    }));
    // The API server follows roles by watching them itself.
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": "system:serviceaccount:kube-system:coredns",
            "resourceAttributes": {"resource": "pods", "verb": "watch"},
        },
    });
    until("the role has no effect", PATIENCE, || {
        (api.create(&review)["status"]["allowed"] == true).then_some(())
    });
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {},
    });
    let path = "/api/v1/namespaces/kube-system/serviceaccounts/coredns/token";
    let answer = api.request(Method::POST, path, ADMIN, Some(&request));
    let (status, answer) = answer.unwrap();
    assert_eq!(status, 201, "{answer}");
    answer["status"]["token"].as_str().unwrap().to_owned()
}
