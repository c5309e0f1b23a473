//! The roles in deploy/ on a real API server: each is enough for what it is for, and each verb in it
//! is needed, named where it is missing, and heals when it is given back.

use crate::apiserver::{ADMIN, ApiServer};
use crate::parts::{namespace, pod, service, slice};
use crate::process::{Peers, peers, until};
use crate::serving::{PATIENCE, Serving, ask, expect};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tenantdns::wire::RType;
use ureq::http::Method;

pub(crate) const RBAC: &str = include_str!("../../deploy/base/rbac.yaml");
const TENANCY_OFF: &str = include_str!("../../deploy/components/tenancy-off/rbac.yaml");
const MULTICLUSTER: &str = include_str!("../../deploy/components/multicluster/rbac.yaml");

/// One verb on one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    group: String,
    resource: String,
    verb: String,
}

impl Grant {
    /// The resource as `kubectl` takes it: with its group, where it has one.
    fn full_resource(&self) -> String {
        match self.group.as_str() {
            "" => self.resource.clone(),
            group => format!("{}.{group}", self.resource),
        }
    }

    fn rule(&self) -> Value {
        json!({"apiGroups": [self.group], "resources": [self.resource], "verbs": [self.verb]})
    }
}

pub(crate) fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap()
}

/// Everything that the roles in a file grant.
pub(crate) fn grants(text: &str) -> Vec<Grant> {
    let words = |list: &Value| -> Vec<String> { serde_json::from_value(list.clone()).unwrap() };
    let mut grants = Vec::new();
    for document in documents(text) {
        for rule in document["rules"].as_array().into_iter().flatten() {
            assert_eq!(rule.as_object().unwrap().len(), 3, "{rule}");
            for group in words(&rule["apiGroups"]) {
                for resource in words(&rule["resources"]) {
                    grants.extend(words(&rule["verbs"]).into_iter().map(|verb| Grant {
                        group: group.clone(),
                        resource: resource.clone(),
                        verb,
                    }));
                }
            }
        }
    }
    grants
}

/// Creates what is in a file of deploy/.
pub(crate) fn apply(api: &ApiServer, text: &str) {
    for document in documents(text) {
        api.create(&document);
    }
}

/// Starts an API server and waits for the namespace of the service account, which it makes later.
pub(crate) fn start(peers: &Peers, arguments: &[&str]) -> ApiServer {
    let api = ApiServer::start_with(peers, arguments);
    until("there is no kube-system", PATIENCE, || {
        let namespaces = api.list("v1", "Namespace", None);
        let mut names = namespaces.iter().map(|n| &n["metadata"]["name"]);
        names.any(|name| name == "kube-system").then_some(())
    });
    api
}

/// A kubeconfig with a token of a service account in kube-system, as the kubelet would fetch it for
/// a pod, once each of these grants is in force for it.
pub(crate) fn kubeconfig(api: &ApiServer, account: &str, grants: &[Grant]) -> PathBuf {
    let user = format!("system:serviceaccount:kube-system:{account}");
    for grant in grants {
        let (resource, part) = match grant.resource.split_once('/') {
            Some((resource, part)) => (resource, part),
            None => (&*grant.resource, ""),
        };
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": user, "resourceAttributes": {
                "group": grant.group, "resource": resource, "subresource": part,
                "verb": grant.verb,
            }},
        });
        until(
            &format!("{account}: {grant:?} has no effect"),
            PATIENCE,
            || (api.create(&review)["status"]["allowed"] == true).then_some(()),
        );
    }
    let path = format!("/api/v1/namespaces/kube-system/serviceaccounts/{account}/token");
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {},
    });
    let (status, answer) = api
        .request(Method::POST, &path, ADMIN, Some(&request))
        .unwrap();
    assert_eq!(status, 201, "{answer}");
    let token = answer["status"]["token"].as_str().unwrap();
    api.kubeconfig_with(account, token)
}

/// Starts tenantdns as this account.
fn follow(name: &str, account: &Path, config: &str) -> Serving {
    Serving::start_with(name, account, "127.0.0.1:0", config)
}

/// Changes something of every kind, and waits until each of the servers shows all of it.
fn change_everything_and_see_it(api: &ApiServer, servers: &[SocketAddr]) {
    api.create(&namespace("late"));
    let web = api.create(&service("late", "web"));
    let web = web["spec"]["clusterIP"].as_str().unwrap();
    api.create(&slice("late", "web", "10.244.1.7"));
    api.create_with_status(&pod("late", "asks", "127.4.0.1"));
    api.create_with_status(&json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "node-1"},
        "status": {"addresses": [{"type": "InternalIP", "address": "127.4.0.2"}]},
    }));
    for &server in servers {
        expect(server, "127.4.0.1", "web.late.svc.cluster.local", web);
        let endpoint = "10-244-1-7.web.late.svc.cluster.local";
        expect(server, "127.4.0.1", endpoint, "10.244.1.7");
        until("the address is no node's", PATIENCE, || {
            let whoami = "whoami.tenantdns.cluster.local";
            let answer = ask(server, "127.4.0.2", whoami, RType::TXT).answer;
            answer
                .iter()
                .find(|line| line.contains("class=node"))
                .map(drop)
        });
    }
}

#[test]
fn the_role_is_enough_to_serve_tenants_and_to_follow() {
    let Some(peers) = peers() else { return };
    let api = start(&peers, &[]);
    apply(&api, RBAC);
    let account = kubeconfig(&api, "tenantdns", &grants(RBAC));
    let mut serving = follow("role", &account, "");
    let server = serving.address();
    change_everything_and_see_it(&api, &[server]);
}

#[test]
fn the_role_without_nodes_is_enough_without_tenancy() {
    let mut without_nodes = grants(RBAC);
    without_nodes.retain(|grant| grant.resource != "nodes");
    assert_eq!(grants(TENANCY_OFF), without_nodes);
    let Some(peers) = peers() else { return };
    let api = start(&peers, &[]);
    apply(&api, TENANCY_OFF);
    let account = kubeconfig(&api, "tenantdns", &grants(TENANCY_OFF));
    let config = "[kubernetes]\npods = \"verified\"\n[tenancy]\nmode = \"off\"\n";
    let mut serving = follow("no-tenancy", &account, config);
    let server = serving.address();
    api.create(&namespace("shop"));
    api.create_with_status(&pod("shop", "asks", "10.244.1.7"));
    let asks = |name, address| expect(server, "127.0.0.1", name, address);
    asks("10-244-1-7.shop.pod.cluster.local", "10.244.1.7");
    let web = api.create(&service("shop", "web"));
    let web = web["spec"]["clusterIP"].as_str().unwrap();
    asks("web.shop.svc.cluster.local", web);
    api.create(&slice("shop", "web", "10.244.1.8"));
    asks("10-244-1-8.web.shop.svc.cluster.local", "10.244.1.8");
}

#[test]
fn imports_of_other_clusters_need_the_role_for_them_and_no_more() {
    let Some(peers) = peers() else { return };
    let api = start(&peers, &[]);
    api.create(&json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": "serviceimports.multicluster.x-k8s.io",
            "annotations": {"api-approved.kubernetes.io": "unapproved, a test's"},
        },
        "spec": {
            "group": "multicluster.x-k8s.io",
            "scope": "Namespaced",
            "names": {"kind": "ServiceImport", "plural": "serviceimports"},
            "versions": [{
                "name": "v1alpha1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                }},
            }],
        },
    }));
    apply(&api, RBAC);
    apply(&api, MULTICLUSTER);
    let all = [grants(RBAC), grants(MULTICLUSTER)].concat();
    let account = kubeconfig(&api, "tenantdns", &all);
    let config = "[kubernetes]
zones = [\"cluster.local\", \"clusterset.local\"]
multicluster = [\"clusterset.local\"]
";
    let mut serving = follow("imports", &account, config);
    let server = serving.address();
    api.create(&namespace("shop"));
    api.create_with_status(&pod("shop", "asks", "127.4.0.1"));
    api.create(&json!({
        "apiVersion": "multicluster.x-k8s.io/v1alpha1",
        "kind": "ServiceImport",
        "metadata": {"namespace": "shop", "name": "api"},
        "spec": {
            "type": "ClusterSetIP", "ips": ["10.112.0.1"],
            "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
        },
    }));
    let name = "api.shop.svc.clusterset.local";
    expect(server, "127.4.0.1", name, "10.112.0.1");
}

#[test]
fn each_verb_is_needed_named_where_it_is_missing_and_heals_when_given_back() {
    let Some(peers) = peers() else { return };
    // Where lists are streamed, `list` is needed only later, to compare.
    let api = start(&peers, &["--feature-gates=WatchList=false"]);
    let all = grants(RBAC);
    let role = |name: &str, grants: &[Grant]| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name},
            "rules": grants.iter().map(Grant::rule).collect::<Vec<_>>(),
        })
    };
    // All at once: each waits for its own.
    let mut cases: Vec<_> = all
        .iter()
        .map(|missing| {
            let name = format!("without-{}-{}", missing.verb, missing.resource);
            let rest: Vec<_> = all.iter().filter(|g| *g != missing).cloned().collect();
            api.create(&json!({
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"namespace": "kube-system", "name": name},
            }));
            api.create(&role(&name, &rest));
            api.create(&json!({
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": name},
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name,
                },
                "subjects": [{
                    "kind": "ServiceAccount", "namespace": "kube-system", "name": name,
                }],
            }));
            let account = kubeconfig(&api, &name, &rest);
            let serving = follow(&name, &account, "");
            (name, missing, serving)
        })
        .collect();
    for (name, missing, serving) in &mut cases {
        let words = [
            &*format!(" verb {} ", missing.verb),
            &*format!(" {}", missing.full_resource()),
        ];
        serving.wait_for_line(&words);
        let log = serving.log();
        assert!(!log.contains("listening on"), "{name}: {log}");
        let named = log.lines().filter(|line| line.contains(" verb ")).count();
        let right = |line: &&str| words.iter().all(|word| line.contains(word));
        assert_eq!(named, log.lines().filter(right).count(), "{name}: {log}");
        api.replace(&role(name, &all));
    }
    let servers: Vec<_> = cases.iter_mut().map(|case| case.2.address()).collect();
    change_everything_and_see_it(&api, &servers);
}
