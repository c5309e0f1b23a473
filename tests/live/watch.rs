//! tenantdns on a real API server: what it reads, what it follows, and what it says when it may not.

use crate::apiserver::{ADMIN, ApiServer};
use crate::parts::{grant, namespace, pod, service, slice};
use crate::process::{peers, until};
use crate::serving::{PATIENCE, Serving, expect};
use serde_json::json;

#[test]
fn a_live_cluster_is_served_to_each_tenant_its_own_and_followed() {
    let Some(peers) = peers() else { return };
    let mut api = ApiServer::start(&peers);
    api.create(&namespace("shop"));
    api.create(&namespace("bank"));
    let web = api.create(&service("shop", "web"));
    let web = web["spec"]["clusterIP"].as_str().unwrap().to_owned();
    api.create_with_status(&pod("shop", "asks", "127.4.0.1"));
    api.create_with_status(&pod("bank", "asks", "127.4.0.2"));

    let mut serving = Serving::start("follows", &api.kubeconfig(ADMIN));
    let server = serving.address();
    let (shop, bank) = ("127.4.0.1", "127.4.0.2");
    expect(server, shop, "web.shop.svc.cluster.local", &web);
    expect(server, bank, "web.shop.svc.cluster.local", "NXDOMAIN");

    // What comes, changes and goes.
    api.create(&slice("shop", "web", "10.244.1.7"));
    expect(
        server,
        shop,
        "10-244-1-7.web.shop.svc.cluster.local",
        "10.244.1.7",
    );
    let later = api.create(&service("shop", "later"));
    let later = later["spec"]["clusterIP"].as_str().unwrap();
    expect(server, shop, "later.shop.svc.cluster.local", later);
    api.delete(&service("shop", "later"));
    expect(server, shop, "later.shop.svc.cluster.local", "NXDOMAIN");

    // An address changes hands.
    let mut moved = pod("shop", "asks", shop);
    moved["status"]["phase"] = "Succeeded".into();
    api.set_status(&moved);
    api.create_with_status(&pod("bank", "heir", shop));
    expect(server, shop, "web.shop.svc.cluster.local", "NXDOMAIN");

    // The API is away: what was read stays. It comes back: what changed is seen.
    api.create_with_status(&pod("shop", "again", "127.4.0.3"));
    expect(server, "127.4.0.3", "web.shop.svc.cluster.local", &web);
    api.stop();
    expect(server, "127.4.0.3", "web.shop.svc.cluster.local", &web);
    api.resume();
    let back = api.create(&service("shop", "back"));
    let back = back["spec"]["clusterIP"].as_str().unwrap();
    expect(server, "127.4.0.3", "back.shop.svc.cluster.local", back);
}

#[test]
fn a_kind_that_may_not_be_read_is_named_and_nothing_is_answered_meanwhile() {
    let Some(peers) = peers() else { return };
    let api = ApiServer::start(&peers);
    // Everything but nodes.
    grant(&api, "dns");
    let mut serving = Serving::start("forbidden", &api.kubeconfig("dns"));
    let log = until("the missing permission is named", PATIENCE, || {
        Some(serving.log()).filter(|log| log.contains("not permitted"))
    });
    assert!(
        log.contains("Node: not permitted") && log.contains("the verb watch on nodes"),
        "{log}"
    );
    assert!(!log.contains("listening on"), "{log}");

    api.create(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "nodes"},
        "rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list", "watch"]}],
    }));
    api.create(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "nodes"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "nodes"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "dns"}],
    }));
    serving.address();
}
