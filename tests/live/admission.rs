//! What `tenantdns policy admission` prints, on a real API server: whoever may edit namespaces can't
//! thereby choose whose they are or what they are called, and an administrator can.

use crate::apiserver::{ADMIN, ApiServer, collection, resource};
use crate::parts::namespace;
use crate::process::{Folder, peers, until};
use crate::rbac::documents;
use crate::serving::PATIENCE;
use serde_json::{Value, json};
use std::process::Command;
use ureq::http::Method;

/// Somebody who may do everything with namespaces, by a role.
const EDITOR: &str = "dns";
/// The same, and is named in the policy.
const CONTROLLER: &str = "reader";
/// The same, and may `assign` tenants.
const ASSIGNER: &str = "nobody";

const CONFIG: &str = r#"[tenancy]
tenant_from = [
    { label = "team" }, { annotation = "example.com/owner" },
    { label_suffix = ".tree.hnc.x-k8s.io/depth" }, { name = '^(?P<tenant>[a-z]+)--' },
]
platform = { namespaces = ["infra-*", "kube-system"] }
reserved_namespaces = ["com", "svc"]
[[tenancy.rule]]
effect = "allow"
from = { namespaces = ["monitoring"] }
to = { tenants = ["*"] }
"#;

fn policy(config: &str) -> Vec<Value> {
    let folder = Folder::new("admission");
    let output = Command::new(env!("CARGO_BIN_EXE_tenantdns"))
        .args([
            "policy",
            "admission",
            "--allow-user",
            CONTROLLER,
            "--config",
        ])
        .arg(folder.write("tenantdns.toml", config))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    documents(&String::from_utf8(output.stdout).unwrap())
}

/// Lets these users do these verbs with a resource.
fn permit(api: &ApiServer, name: &str, rule: &Value, users: &[&str]) {
    api.create(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": name}, "rules": [rule],
    }));
    let subject = |user: &&str| {
        json!({
            "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user,
        })
    };
    api.create(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": users.iter().map(subject).collect::<Vec<_>>(),
    }));
}

/// A server with the policy in force.
fn guarded(config: &str) -> Option<ApiServer> {
    let api = ApiServer::start(&peers()?);
    let everybody = [EDITOR, CONTROLLER, ASSIGNER];
    let namespaces = json!({
        "apiGroups": [""], "verbs": ["*"],
        "resources": ["namespaces", "namespaces/status", "namespaces/finalize"],
    });
    permit(&api, "namespaces", &namespaces, &everybody);
    let assign = json!({
        "apiGroups": ["tenantdns.io"], "resources": ["tenants"], "verbs": ["assign"],
    });
    permit(&api, "assign", &assign, &[ASSIGNER]);
    for document in policy(config) {
        api.create(&document);
    }
    let asked = namespace("com");
    until("the policy is not in force", PATIENCE, || {
        let path = format!("{}?dryRun=All", collection(&asked));
        let (status, answer) = api
            .request(Method::POST, &path, EDITOR, Some(&asked))
            .unwrap();
        // The role is in force, and then the policy.
        let guards = answer.to_string().contains("tenantdns-namespaces");
        (status == 422 || status == 403).then_some(())?;
        guards.then_some(())
    });
    Some(api)
}

/// Tries a request as a user; returns the message of the policy where that refuses.
fn refused(
    api: &ApiServer,
    method: Method,
    path: &str,
    user: &str,
    body: &Value,
) -> Option<String> {
    let (status, answer) = api.request(method, path, user, Some(body)).unwrap();
    match status {
        200 | 201 => None,
        _ => {
            let message = answer["message"].as_str().unwrap_or_default().to_owned();
            assert!(
                message.contains("tenantdns-namespaces"),
                "{status} {answer}"
            );
            Some(message)
        }
    }
}

fn with(name: &str, labels: &Value, annotations: &Value) -> Value {
    let mut namespace = namespace(name);
    namespace["metadata"]["labels"] = labels.clone();
    namespace["metadata"]["annotations"] = annotations.clone();
    namespace
}

#[test]
fn whoever_edits_namespaces_neither_says_whose_they_are_nor_takes_a_name_with_a_role() {
    let Some(api) = guarded(CONFIG) else { return };
    let none = json!({});
    let dry = |namespace: &Value| format!("{}?dryRun=All", collection(namespace));
    let create = |user: &str, namespace: &Value| {
        refused(&api, Method::POST, &dry(namespace), user, namespace)
    };
    // An ordinary namespace is nobody's business.
    let plain = with(
        "plain",
        &json!({"app": "x", "tenantdns.io/visibility": "private"}),
        &none,
    );
    assert_eq!(create(EDITOR, &plain), None);
    for (namespace, told) in [
        (with("a", &json!({"team": "a"}), &none), "labels"),
        (with("a", &json!({"team": ""}), &none), "labels"),
        (
            with("a", &json!({"tenantdns.io/mode": "audit"}), &none),
            "labels",
        ),
        (
            with("a", &json!({"tenantdns.io/role": "platform"}), &none),
            "labels",
        ),
        (
            with("a", &json!({"tenantdns.io/visibility": "shared"}), &none),
            "but for `private`",
        ),
        (
            with("a", &json!({"a.tree.hnc.x-k8s.io/depth": "0"}), &none),
            "end with",
        ),
        (
            with("a", &none, &json!({"example.com/owner": "b"})),
            "annotations",
        ),
        (with("com", &none, &none), "a namespace of this name"),
        (with("monitoring", &none, &none), "a namespace of this name"),
        (with("infra-new", &none, &none), "a namespace of this name"),
        (with("bank--x", &none, &none), "a namespace of this name"),
    ] {
        let message = create(EDITOR, &namespace).unwrap_or_default();
        assert!(message.contains(told), "{namespace}: {message}");
        for user in [ADMIN, CONTROLLER, ASSIGNER] {
            assert_eq!(create(user, &namespace), None, "{user}: {namespace}");
        }
    }

    // Nor afterwards, on any way to change a namespace.
    let labels = json!({
        "team": "a", "tenantdns.io/visibility": "shared", "a.tree.hnc.x-k8s.io/depth": "1",
    });
    api.create(&with("home", &labels, &json!({"example.com/owner": "a"})));
    let now = || api.get(&namespace("home"));
    let path = resource(&namespace("home"));
    for part in ["", "/status", "/finalize"] {
        let change = |user: &str, change: &dyn Fn(&mut Value)| {
            let mut changed = now();
            change(&mut changed["metadata"]);
            let path = format!("{path}{part}?dryRun=All");
            refused(&api, Method::PUT, &path, user, &changed)
        };
        let remove = |meta: &mut Value, map: &str, key: &str| {
            meta[map].as_object_mut().unwrap().remove(key);
        };
        let changes: [&dyn Fn(&mut Value); 8] = [
            &|meta| meta["labels"]["team"] = "b".into(),
            &|meta| remove(meta, "labels", "team"),
            &|meta| meta["labels"]["tenantdns.io/role"] = "platform".into(),
            &|meta| meta["labels"]["a.tree.hnc.x-k8s.io/depth"] = "0".into(),
            &|meta| remove(meta, "labels", "a.tree.hnc.x-k8s.io/depth"),
            &|meta| meta["annotations"]["example.com/owner"] = "b".into(),
            &|meta| remove(meta, "annotations", "example.com/owner"),
            &|meta| remove(meta, "labels", "tenantdns.io/visibility"),
        ];
        for (at, what) in changes.iter().enumerate() {
            assert!(change(EDITOR, what).is_some(), "{part} {at}");
            assert_eq!(change(ADMIN, what), None, "{part} {at}");
        }
        let harmless = |meta: &mut Value| {
            meta["labels"]["app"] = "y".into();
            meta["annotations"]["tenantdns.io/import-from"] = "tenant:b".into();
        };
        assert_eq!(change(EDITOR, &harmless), None, "{part}");
    }
}

#[test]
fn the_longest_list_of_names_is_taken_too() {
    let config = "[tenancy]\nprofile = \"kaas\"\npresets = [\"capsule\"]\n";
    let Some(api) = guarded(config) else { return };
    let create = |user: &str, name: &str| {
        let namespace = namespace(name);
        let path = format!("{}?dryRun=All", collection(&namespace));
        refused(&api, Method::POST, &path, user, &namespace).is_some()
    };
    assert!(create(EDITOR, "zuerich") && create(EDITOR, "localhost") && !create(EDITOR, "my-shop"));
    assert!(!create(ADMIN, "zuerich"));
}
