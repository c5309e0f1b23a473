//! What deploy/ renders, on a real API server: each object is accepted, its pods where the strictest
//! profile is enforced, its account is enough for its program, and what the dashboard and the alerts name
//! is there to be scraped.

#[path = "deploy/run.rs"]
mod run;
#[path = "deploy/series.rs"]
mod series;

use crate::apiserver::{ADMIN, ApiServer, resource};
use crate::coredns::CoreDns;
use crate::process::{Peers, peers};
use crate::rbac::{documents, start};
use run::Deployed;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use ureq::http::Method;

/// The folders that can be applied.
const MODES: [&str; 6] = [
    "replace",
    "corefile",
    "node",
    "node-scope",
    "stub",
    "example",
];

/// The node's resolver: a server that answers every name with one address.
const OUTSIDE: &str = "
.:{$DNS_PORT} {
    bind 127.0.0.1
    ready 127.0.0.1:{$READY_PORT}
    template IN A . {
        answer \"{{ .Name }} 60 IN A 192.0.2.1\"
    }
}
";

/// What kustomize makes of a folder of deploy/, as text.
fn render(peers: &Peers, mode: &str) -> String {
    let kustomize = peers.apiserver.with_file_name("kustomize");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(mode);
    let output = Command::new(&kustomize).arg("build").arg(folder).output();
    let output =
        output.unwrap_or_else(|e| panic!("{}: {e}: run `make peers`", kustomize.display()));
    let said = String::from_utf8(output.stderr).unwrap();
    // Deprecated fields are warned of.
    assert!(output.status.success() && said.is_empty(), "{mode}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The only object of one of these kinds.
fn only<'a>(objects: &'a [Value], kinds: &[&str]) -> &'a Value {
    let of_kind = |object: &&Value| kinds.iter().any(|kind| object["kind"] == *kind);
    let mut found = objects.iter().filter(of_kind);
    let first = found.next().unwrap_or_else(|| panic!("no {kinds:?}"));
    assert!(found.next().is_none(), "several of {kinds:?}");
    first
}

/// The Deployment or DaemonSet.
fn workload(objects: &[Value]) -> &Value {
    only(objects, &["Deployment", "DaemonSet"])
}

/// Applies an object as `kubectl apply --server-side --force-conflicts` does; the status and the answer.
fn try_apply(api: &ApiServer, object: &Value) -> (u16, Value) {
    let query = "fieldManager=kubectl&force=true&fieldValidation=Strict";
    api.patch(&format!("{}?{query}", resource(object)), object)
}

fn apply_all(api: &ApiServer, objects: &[Value]) {
    for object in objects {
        let (status, answer) = try_apply(api, object);
        assert!(matches!(status, 200 | 201), "{status}: {answer}\n{object}");
    }
}

/// The Service of CoreDNS as kubeadm makes it.
fn kubeadm_service() -> Value {
    let port = |name: &str, port: u16, protocol: &str| json!({"name": name, "port": port, "protocol": protocol, "targetPort": port});
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "namespace": "kube-system",
            "name": "kube-dns",
            "labels": {
                "k8s-app": "kube-dns",
                "kubernetes.io/cluster-service": "true",
                "kubernetes.io/name": "CoreDNS",
            },
            "annotations": {"prometheus.io/port": "9153", "prometheus.io/scrape": "true"},
        },
        "spec": {
            "clusterIP": "10.96.0.10",
            "ports": [
                port("dns", 53, "UDP"), port("dns-tcp", 53, "TCP"), port("metrics", 9153, "TCP"),
            ],
            "selector": {"k8s-app": "kube-dns"},
        },
    })
}

#[test]
fn every_object_is_accepted_and_the_service_keeps_address_and_ports() {
    let Some(peers) = peers() else { return };
    let api = start(&peers, &[]);
    let before = api.create(&kubeadm_service());
    for mode in MODES {
        let objects = documents(&render(&peers, mode));
        apply_all(&api, &objects);
        let service = only(&objects, &["Service"]);
        let now = api.get(service);
        let labels = &workload(&objects)["spec"]["template"]["metadata"]["labels"];
        for (key, value) in now["spec"]["selector"].as_object().unwrap() {
            assert_eq!(&labels[key], value, "{mode}: {key} of the pods");
        }
        if mode == "stub" {
            assert_ne!(service["metadata"]["name"], "kube-dns");
            continue;
        }
        for field in ["clusterIP", "clusterIPs", "ports", "selector"] {
            assert_eq!(now["spec"][field], before["spec"][field], "{mode}: {field}");
        }
    }
    apply_all(&api, &documents(include_str!("../../deploy/crds.yaml")));
    // What is misspelled is seen.
    let mut objects = documents(&render(&peers, "replace"));
    for path in ["/spec/template/spec", "/spec"] {
        let mut wrong = workload(&objects).clone();
        wrong.pointer_mut(path).unwrap()["prioritiClassName"] = "x".into();
        let (status, answer) = try_apply(&api, &wrong);
        assert!(
            status >= 400 && answer["message"].as_str().unwrap().contains("prioriti"),
            "{path}: {status}: {answer}"
        );
    }
    // kubeadm stops where a second Deployment has this label.
    objects.retain(|object| object["kind"] == "Deployment");
    assert_eq!(objects.len(), 1);
    assert_eq!(
        objects[0]["metadata"]["labels"]["k8s-app"],
        Value::Null,
        "the label is for pods"
    );
}

#[test]
fn pods_are_admitted_where_the_restricted_profile_is_enforced() {
    let Some(peers) = peers() else { return };
    let api = start(&peers, &[]);
    api.create(&json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": "restricted",
            "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
        },
    }));
    let create = |name: &str, template: &Value| {
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": template["spec"]});
        pod["metadata"] = json!({"namespace": "restricted", "name": name});
        let path = "/api/v1/namespaces/restricted/pods";
        let (status, answer) = api.request(Method::POST, path, ADMIN, Some(&pod)).unwrap();
        (status, answer["message"].to_string())
    };
    let job = documents(include_str!("../../deploy/probe/job.yaml")).remove(0);
    let mut templates: Vec<_> = MODES
        .map(|mode| {
            let objects = documents(&render(&peers, mode));
            (mode, workload(&objects)["spec"]["template"].clone())
        })
        .into();
    templates.push(("probe", job["spec"]["template"].clone()));
    for (mode, template) in &templates {
        let (status, message) = create(mode, template);
        assert_eq!(status, 201, "{mode}: {message}");
    }
    // Each of these makes it another pod than the profile allows.
    for (n, (path, value)) in [
        (
            "/spec/containers/0/securityContext/capabilities/drop",
            json!([]),
        ),
        (
            "/spec/containers/0/securityContext/capabilities/add",
            json!(["NET_ADMIN"]),
        ),
        (
            "/spec/containers/0/securityContext/allowPrivilegeEscalation",
            json!(true),
        ),
        ("/spec/securityContext/seccompProfile", Value::Null),
        ("/spec/securityContext/runAsNonRoot", Value::Null),
        ("/spec/securityContext/runAsUser", json!(0)),
    ]
    .into_iter()
    .enumerate()
    {
        let mut template = templates[0].1.clone();
        *template.pointer_mut(path).unwrap() = value;
        let (status, message) = create(&format!("loose-{n}"), &template);
        assert!(
            status == 403 && message.contains("restricted"),
            "{path}: {status}: {message}"
        );
    }
}

#[test]
fn the_account_that_is_rendered_is_enough_for_its_program() {
    let Some(peers) = peers() else { return };
    let outside = CoreDns::start(&peers, OUTSIDE);
    for mode in ["replace", "corefile", "node-scope", "stub"] {
        let mut deployed = Deployed::start(&peers, mode, outside.address);
        deployed.follows_the_cluster();
        // CoreDNS's Corefile has no tenancy, and a stub has CoreDNS for names outside.
        if mode != "corefile" {
            deployed.knows_nodes();
        }
        if mode != "stub" {
            deployed.forwards("www.example.org", "192.0.2.1");
        }
    }
}

#[test]
fn a_changed_configmap_is_in_force_without_a_rollout() {
    let Some(peers) = peers() else { return };
    let outside = CoreDns::start(&peers, OUTSIDE);
    let mut deployed = Deployed::start(&peers, "replace", outside.address);
    deployed.follows_the_cluster();
    // As it is applied, it only audits.
    deployed.tells_a_stranger(None);
    deployed.reconfigures("mode = \"audit\"", "mode = \"enforce\"");
    deployed.tells_a_stranger(Some("NXDOMAIN"));
    deployed.forwards("www.example.org", "192.0.2.1");
    // And back.
    deployed.reconfigures("mode = \"enforce\"", "mode = \"audit\"");
    deployed.tells_a_stranger(None);
}
