//! The parts of the live tests themselves: the API server keeps objects, CoreDNS answers from them.

use crate::apiserver::{ADMIN, ApiServer};
use crate::coredns::CoreDns;
use crate::decode::{Response, decode};
use crate::process::{peers, until};
use serde_json::{Value, json};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;
use tenantdns::testing::query;
use tenantdns::wire::RType;
use ureq::http::Method;

/// How long a change may take to show in answers.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks over UDP; `None` where no answer comes within a second.
fn ask(server: SocketAddr, name: &str, rtype: RType) -> Option<Response> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let second = Some(Duration::from_secs(1));
    socket.set_read_timeout(second).unwrap();
    socket.connect(server).unwrap();
    socket.send(&query(name, rtype)).ok()?;
    let mut answer = [0; 4096];
    let len = socket.recv(&mut answer).ok()?;
    Some(decode(&answer[..len]))
}

/// Asks until the answer is these records.
pub(crate) fn expect(server: SocketAddr, name: &str, rtype: RType, records: &[String]) {
    let mut last = None;
    let what = format!("{name}: not {records:?}");
    until(&what, PATIENCE, || {
        last = ask(server, name, rtype);
        last.as_ref()
            .is_some_and(|last| last.answer == records)
            .then_some(())
    });
}

pub(crate) fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

pub(crate) fn service(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "ipFamilyPolicy": "RequireDualStack",
            "ports": [{"name": "http", "port": 80}],
        },
    })
}

pub(crate) fn slice(namespace: &str, service: &str, address: &str) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": namespace,
            "name": format!("{service}-1"),
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": true}}],
        "ports": [{"name": "http", "port": 8080}],
    })
}

pub(crate) fn pod(namespace: &str, name: &str, address: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"nodeName": "node-1", "containers": [{"name": "main", "image": "none"}]},
        "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]},
    })
}

/// Grants a user what CoreDNS's manifests grant it.
pub(crate) fn grant(api: &ApiServer, user: &str) {
    let watch = ["list", "watch"];
    api.create(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": user},
        "rules": [
            {"apiGroups": [""], "resources": ["namespaces", "pods", "services"], "verbs": watch},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": watch},
        ],
    }));
    api.create(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": user},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": user},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }));
}

pub(crate) fn corefile(kubeconfig: &Path) -> String {
    let kubeconfig = kubeconfig.display();
    format!(
        ".:{{$DNS_PORT}} {{
    bind 127.0.0.1
    ready 127.0.0.1:{{$READY_PORT}}
    errors
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {kubeconfig}
        pods verified
    }}
}}
"
    )
}

#[test]
fn coredns_answers_from_the_api_server() {
    let Some(peers) = peers() else { return };
    let api = ApiServer::start(&peers);
    grant(&api, "dns");
    api.create(&namespace("shop"));
    let web = api.create(&service("shop", "web"));
    api.create(&slice("shop", "web", "10.244.1.7"));
    api.create_with_status(&pod("shop", "web-0", "10.244.1.7"));
    let addresses = &web["spec"]["clusterIPs"];
    let [v4, v6] = [0, 1].map(|family| addresses[family].as_str().unwrap());

    let coredns = CoreDns::start(&peers, &corefile(&api.kubeconfig("dns")));
    let name = "web.shop.svc.cluster.local.";
    let a = ask(coredns.address, name, RType::A).expect("an answer from a server that is ready");
    assert_eq!(a.answer, [format!("{name} 5 A {v4}")]);
    expect(
        coredns.address,
        name,
        RType::AAAA,
        &[format!("{name} 5 AAAA {v6}")],
    );
    let pod = "10-244-1-7.shop.pod.cluster.local.";
    let answer = format!("{pod} 5 A 10.244.1.7");
    expect(coredns.address, pod, RType::A, &[answer]);

    let later = api.create(&service("shop", "later"));
    let name = "later.shop.svc.cluster.local.";
    let v4 = later["spec"]["clusterIP"].as_str().unwrap();
    let answer = format!("{name} 5 A {v4}");
    expect(coredns.address, name, RType::A, &[answer]);
}

#[test]
fn the_api_server_keeps_objects_and_refuses_strangers() {
    let Some(peers) = peers() else { return };
    let mut api = ApiServer::start(&peers);
    let names = |api: &ApiServer, kind| -> Vec<String> {
        let list = api.list("v1", kind, Some("shop"));
        let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().into();
        list.iter().map(name).collect()
    };

    // Each kind of change, and what stays of it.
    api.create(&namespace("shop"));
    let mut web = service("shop", "web");
    let created = api.create(&web);
    web["metadata"]["labels"] = json!({"tier": "front"});
    let replaced = api.replace(&web);
    assert_eq!(replaced["metadata"]["labels"]["tier"], "front");
    assert_eq!(
        replaced["spec"]["clusterIPs"],
        created["spec"]["clusterIPs"]
    );
    let mut balanced = service("shop", "balanced");
    balanced["spec"]["type"] = "LoadBalancer".into();
    balanced["status"] = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}});
    let balanced = api.create_with_status(&balanced);
    assert_eq!(
        balanced["status"]["loadBalancer"]["ingress"][0]["ip"],
        "192.0.2.1"
    );
    let node = api.create_with_status(&json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "node-1"},
        "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.10"}]},
    }));
    assert_eq!(node["status"]["addresses"][0]["address"], "192.0.2.10");
    let mut web_0 = pod("shop", "web-0", "10.244.1.7");
    api.create_with_status(&web_0);
    web_0["status"]["podIP"] = "10.244.1.8".into();
    web_0["status"]["podIPs"] = json!([{"ip": "10.244.1.8"}]);
    api.set_status(&web_0);
    let spare = pod("shop", "web-1", "10.244.1.9");
    api.create(&spare);
    api.delete(&spare);
    assert_eq!(names(&api, "Pod"), ["web-0"]);

    // Users exist, and may do what they were granted.
    let pods = "/api/v1/namespaces/shop/pods";
    let status = |user| api.request(Method::GET, pods, user, None).unwrap().0;
    assert_eq!(
        (status(ADMIN), status("reader"), status("nobody")),
        (200, 403, 403)
    );
    grant(&api, "reader");
    until("a user is refused what was granted", PATIENCE, || {
        (status("reader") == 200).then_some(())
    });
    assert_eq!(status("nobody"), 403);

    // It ends when told to, and comes back as it was.
    let first = api.id();
    api.stop();
    assert!(api.request(Method::GET, "/readyz", ADMIN, None).is_err());
    api.resume();
    assert_ne!(api.id(), first);
    assert_eq!(names(&api, "Service"), ["balanced", "web"]);
    assert_eq!(api.get(&web_0)["status"]["podIP"], "10.244.1.8");

    api.delete(&namespace("shop"));
    let left = api.list("v1", "Namespace", None);
    assert!(left.iter().all(|left| left["metadata"]["name"] != "shop"));
}
