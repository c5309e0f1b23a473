//! Objects that the API server accepts and CoreDNS chokes on, or reads in a way of its own. All are
//! marked, so that a CoreDNS that selects by label can be shown the cluster without them.

use super::cluster::{Maker, mark};
use super::services::SERVICES;
use serde_json::{Value, json};

/// Addresses that only pods in odd states have, so that nothing else leads to them.
pub(crate) const PODS: [&str; 4] = ["10.244.9.1", "10.244.9.2", "10.244.9.3", "fd00:244:9::1"];

/// A few of them in a namespace.
pub(crate) fn objects(maker: &mut Maker<'_>, namespace: &str) -> Vec<Value> {
    let mut objects = Vec::new();
    if maker.dice.percent(40) {
        objects.push(mark(nobodys(maker, namespace)));
    }
    if maker.dice.percent(40) {
        objects.push(mark(names(maker, namespace)));
    }
    if maker.dice.percent(40) {
        objects.push(mark(long_alias(maker, namespace)));
        objects.push(alias_of_long(maker, namespace));
    }
    if maker.dice.percent(40) {
        objects.push(mark(misnamed(maker, namespace)));
    }
    if maker.dice.percent(60) {
        objects.push(pod(maker, namespace));
    }
    objects
}

/// A slice of no service. CoreDNS makes reverse names of it that have an empty label.
fn nobodys(maker: &mut Maker<'_>, namespace: &str) -> Value {
    let mut slice = maker.slice(namespace, "");
    let labels = slice["metadata"]["labels"].as_object_mut().unwrap();
    if maker.dice.percent(70) {
        labels.remove("kubernetes.io/service-name");
    }
    slice
}

/// A slice of names, which become aliases of endpoints.
fn names(maker: &mut Maker<'_>, namespace: &str) -> Value {
    let service = maker.dice.pick(&SERVICES);
    let mut slice = maker.slice(namespace, service);
    slice["addressType"] = "FQDN".into();
    let names = [
        "example.org",
        "web.shop.svc.cluster.local",
        "db.bank.svc.cluster.local",
    ];
    let endpoints: Vec<Value> = (0..1 + maker.dice.below(2))
        .map(|_| json!({"addresses": [maker.dice.pick(&names)]}))
        .collect();
    slice["endpoints"] = endpoints.into();
    slice
}

/// An alias with a label of 64 octets, which can't be put on the wire.
fn long_alias(maker: &mut Maker<'_>, namespace: &str) -> Value {
    let label = "x".repeat(64);
    let zones = ["example.org", "shop.svc.cluster.local", "svc.k8s.example"];
    alias(
        namespace,
        "long",
        &format!("{label}.{}", maker.dice.pick(&zones)),
    )
}

fn alias_of_long(maker: &mut Maker<'_>, namespace: &str) -> Value {
    let other = maker.somewhere();
    alias(
        namespace,
        "to-long",
        &format!("long.{other}.svc.cluster.local"),
    )
}

fn alias(namespace: &str, name: &str, target: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": namespace, "name": name, "labels": {"tier": "front"}},
        "spec": {"type": "ExternalName", "externalName": target},
    })
}

/// A slice whose label is no service's name, but one that labels may have.
fn misnamed(maker: &mut Maker<'_>, namespace: &str) -> Value {
    let name = maker.dice.pick(&["Web", "a.b", "DB.shop"]);
    maker.slice(namespace, name)
}

/// A pod in a state in which CoreDNS and we disagree on whether it has its address.
fn pod(maker: &mut Maker<'_>, namespace: &str) -> Value {
    let mut pod = maker.pod(namespace);
    let address = maker.dice.pick(&PODS);
    pod["spec"]["hostNetwork"] = false.into();
    pod["status"] = json!({"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]});
    match maker.dice.below(3) {
        0 => pod["status"]["phase"] = "Unknown".into(),
        1 => {
            pod["status"]["conditions"] =
                json!([{"type": "PodReadyToStartContainers", "status": "False"}]);
        }
        _ => {
            let state = json!({"terminated": {"exitCode": 0}});
            pod["status"]["containerStatuses"] = json!([{
                "name": "main", "state": state, "ready": false, "restartCount": 0,
                "image": "none", "imageID": "",
            }]);
        }
    }
    pod
}
