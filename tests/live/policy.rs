//! The kinds of deploy/crds.yaml on a real API server: what their schemas refuse, how they are followed
//! from whenever on they are there, and what is written on them.

use crate::apiserver::{ADMIN, ApiServer, collection};
use crate::parts::{namespace, pod, service};
use crate::process::{peers, until};
use crate::rbac::{RBAC, apply, documents, grants, kubeconfig, start};
use crate::serving::{PATIENCE, Serving, expect};
use serde_json::{Value, json};
use std::path::Path;
use ureq::http::Method;

const CRDS: &str = include_str!("../../deploy/crds.yaml");
const ROLES: &str = include_str!("../../deploy/components/policy/rbac.yaml");

/// Looks for what is not there every second.
const CONFIG: &str = "[source.kubernetes]\naudit_interval = \"5s\"\n\
     [tenancy]\ntenant_from = [{ label = \"team\" }]\n";

/// Installs the kinds by server-side apply, and waits until the API serves them.
fn install(api: &ApiServer) {
    for document in documents(CRDS) {
        api.apply(&document);
    }
    for kind in ["DnsGrant", "DnsExport", "DnsImport"] {
        until(&format!("{kind} is not served"), PATIENCE, || {
            let path = collection(&object(kind, "", "", &json!({})));
            let answer = api.request(Method::GET, &path, ADMIN, None);
            answer.is_ok_and(|(status, _)| status == 200).then_some(())
        });
    }
}

fn object(kind: &str, namespace: &str, name: &str, spec: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "tenantdns.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    });
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = namespace.into();
    }
    object
}

fn grant(name: &str, effect: &str, from: &Value, to: &Value) -> Value {
    let spec = json!({"effect": effect, "from": [from], "to": [to]});
    object("DnsGrant", "", name, &spec)
}

/// A namespace of a team with a pod at an address and a Service `web`; returns the Service's address.
fn team(api: &ApiServer, name: &str, address: &str) -> String {
    let mut home = namespace(name);
    home["metadata"]["labels"] = json!({"team": name});
    api.create(&home);
    api.create_with_status(&pod(name, "asks", address));
    let web = api.create(&service(name, "web"));
    web["spec"]["clusterIP"].as_str().unwrap().to_owned()
}

fn follow(name: &str, account: &Path, more: &str) -> Serving {
    Serving::start_with(name, account, "127.0.0.1:0", &format!("{CONFIG}{more}"))
}

/// Waits until an object has these conditions, each as `Accepted=True/Accepted`, about this generation
/// of it. Returns it.
fn fares(api: &ApiServer, object: &Value, generation: i64, expected: [&str; 2]) -> Value {
    let what = format!("{} is not {expected:?}", object["metadata"]);
    until(&what, PATIENCE, || {
        let now = api.get(object);
        let conditions = now["status"]["conditions"].as_array()?;
        let text = |c: &Value| {
            let word = |key: &str| c[key].as_str().unwrap_or_default().to_owned();
            assert!(!word("lastTransitionTime").is_empty(), "{c}");
            format!("{}={}/{}", word("type"), word("status"), word("reason"))
        };
        let told: Vec<String> = conditions.iter().map(text).collect();
        let current = conditions
            .iter()
            .all(|c| c["observedGeneration"] == generation);
        (current && told == expected).then_some(now)
    })
}

#[test]
fn the_schemas_refuse_what_could_not_be_read() {
    let Some(peers) = peers() else { return };
    let api = start(&peers, &[]);
    install(&api);
    api.create(&namespace("shop"));
    let everybody = json!({"tenants": ["*"]});
    let selector =
        |key: &str, value: &str| json!({"namespaceSelector": {"matchLabels": {key: value}}});
    let from = |from: Value| grant("odd", "Deny", &from, &everybody);
    let to = |to: Value| grant("odd", "Deny", &everybody, &to);
    let of = |kind: &str, spec: Value| object(kind, "shop", "odd", &spec);
    let expression = |key: &str, operator: &str, values: Value| {
        let expression = json!({"key": key, "operator": operator, "values": values});
        json!({"namespaceSelector": {"matchExpressions": [expression]}})
    };
    for (refused, wrong) in [
        (
            grant("odd", "Permit", &everybody, &everybody),
            "spec.effect",
        ),
        (
            object("DnsGrant", "", "odd", &json!({"effect": "Deny"})),
            "spec.from",
        ),
        (from(json!({})), "names nobody"),
        (from(json!({"tenants": []})), "spec.from[0].tenants"),
        (
            from(json!({"namespaces": ["Shop"]})),
            "spec.from[0].namespaces[0]",
        ),
        (
            from(json!({"cidrs": ["everywhere"]})),
            "spec.from[0].cidrs[0]",
        ),
        (from(json!({"nodes": true})), "spec.from[0].nodes"),
        (from(json!({"namespaceSelector": {}})), "namespaceSelector"),
        (from(selector("a", "b c")), "matchLabels"),
        (from(selector("a b", "c")), "not the key of a label"),
        (from(expression("a", "Is", json!(["b"]))), "operator"),
        (
            from(expression("a", "In", json!([]))),
            "In and NotIn take values",
        ),
        (
            to(json!({"serviceSelector": {"matchLabels": {"a": "b"}}})),
            "names nothing",
        ),
        (
            to(json!({"namespaces": ["kube*"]})),
            "spec.to[0].namespaces[0]",
        ),
        (to(json!({"services": ["web"]})), "spec.to[0].services[0]"),
        (
            of(
                "DnsExport",
                json!({"services": [], "to": [{"tenant": "a"}]}),
            ),
            "spec.services",
        ),
        (
            of("DnsExport", json!({"services": ["web"], "to": [{}]})),
            "names nobody",
        ),
        (
            of(
                "DnsExport",
                json!({"services": ["web"], "to": [{"tenant": "*"}]}),
            ),
            "to everybody",
        ),
        (
            of(
                "DnsExport",
                json!({"services": ["web"], "to": [{"namespace": "*"}]}),
            ),
            "namespace",
        ),
        (
            of(
                "DnsExport",
                json!({"services": ["a/web"], "to": [{"tenant": "a"}]}),
            ),
            "spec.services[0]",
        ),
        (
            of("DnsImport", json!({"from": [{"service": "web"}]})),
            "spec.from[0].service",
        ),
        (of("DnsImport", json!({"from": [{}]})), "names nobody"),
        (
            json!({
                "apiVersion": "tenantdns.io/v1alpha1", "kind": "DnsImport",
                "metadata": {"namespace": "shop", "name": "odd"},
            }),
            "spec",
        ),
    ] {
        let path = collection(&refused);
        let (status, answer) = api
            .request(Method::POST, &path, ADMIN, Some(&refused))
            .unwrap();
        let message = answer["message"].as_str().unwrap_or_default();
        assert_eq!(status, 422, "{refused}: {message}");
        assert!(message.contains(wrong), "{refused}: {message}");
    }
    let everything = json!({
        "tenants": ["a", "*"], "namespaces": ["shop", "team-*"],
        "namespaceSelector": {
            "matchLabels": {"example.com/tier": "", "a": "b.c"},
            "matchExpressions": [
                {"key": "x", "operator": "NotIn", "values": ["y"]}, {"key": "z", "operator": "Exists"},
            ],
        },
    });
    let mut from = everything.clone();
    from["cidrs"] = json!(["10.9.0.0/16", "fd00::/8", "192.0.2.1"]);
    (from["nodes"], from["unknown"]) = (json!({}), json!({}));
    let mut to = everything;
    to["services"] = json!(["default/kubernetes"]);
    to["serviceSelector"] = to["namespaceSelector"].clone();
    for taken in [
        grant("all", "Allow", &from, &to),
        of(
            "DnsExport",
            json!({"services": ["web"], "to": [{"tenant": "a"}, {"namespace": "b"}]}),
        ),
        of(
            "DnsImport",
            json!({"from": [{"tenant": "a"}, {"service": "b/web"}]}),
        ),
    ] {
        let created = api.create(&taken);
        assert_eq!(created["spec"], taken["spec"]);
    }
}

#[test]
fn the_kinds_are_followed_and_told_how_they_fare_without_two_replicas_at_war() {
    let Some(peers) = peers() else { return };
    let api = start(&peers, &[]);
    apply(&api, RBAC);
    apply(&api, ROLES);
    install(&api);
    // The first role is the server's, the others are for owners.
    let of_server = ROLES.split("\n---\n").next().unwrap();
    let own = [grants(RBAC), grants(of_server)].concat();
    let account = kubeconfig(&api, "tenantdns", &own);
    let web = team(&api, "a", "127.4.0.1");
    team(&api, "b", "127.4.0.2");
    let more = "exports = \"mutual\"\n";
    let mut replicas = ["one", "two"].map(|name| follow(&format!("policy-{name}"), &account, more));
    let servers = replicas.each_mut().map(Serving::address);
    let name = "web.a.svc.cluster.local";
    let all = |expected: &str| {
        let asks = |server| expect(server, "127.4.0.2", name, expected);
        servers.into_iter().for_each(asks);
    };
    let told = |words: [&'static str; 2]| words;
    all("NXDOMAIN");

    // An owner exports, a receiver agrees.
    let export = object(
        "DnsExport",
        "a",
        "web",
        &json!({"services": ["web"], "to": [{"tenant": "b"}]}),
    );
    api.create(&export);
    fares(
        &api,
        &export,
        1,
        told(["Accepted=True/Accepted", "Programmed=False/PendingConsent"]),
    );
    all("NXDOMAIN");
    let import = object(
        "DnsImport",
        "b",
        "a",
        &json!({"from": [{"service": "a/web"}]}),
    );
    api.create(&import);
    all(&web);
    let programmed = told(["Accepted=True/Accepted", "Programmed=True/Programmed"]);
    let export_told = fares(&api, &export, 1, programmed);
    fares(&api, &import, 1, programmed);

    // An administrator hides it, and shows it again by a change.
    let deny = grant(
        "hide",
        "Deny",
        &json!({"tenants": ["b"]}),
        &json!({"services": ["a/web"]}),
    );
    api.create(&deny);
    all("NXDOMAIN");
    let grant_told = fares(&api, &deny, 1, programmed);
    let mut other = deny.clone();
    other["spec"]["to"] = json!([{"services": ["a/other"]}]);
    api.replace(&other);
    all(&web);
    let changed = fares(&api, &deny, 2, programmed);
    let transition =
        |object: &Value| object["status"]["conditions"][0]["lastTransitionTime"].clone();
    assert_eq!(
        transition(&changed),
        transition(&grant_told),
        "only the generation is another"
    );

    // By now both replicas have had the time to write another object's conditions twice.
    let late = grant(
        "late",
        "Deny",
        &json!({"tenants": ["x"]}),
        &json!({"namespaces": ["x"]}),
    );
    api.create(&late);
    fares(&api, &late, 1, programmed);
    let now = api.get(&export);
    let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
    assert_eq!(version(&now), version(&export_told), "{now}");
    let fields = now["metadata"]["managedFields"].as_array().unwrap();
    let writers: Vec<_> = fields
        .iter()
        .filter(|f| f["subresource"] == "status")
        .collect();
    assert_eq!(writers.len(), 1, "{now}");
    assert_eq!(writers[0]["manager"], "tenantdns");
    assert_eq!(version(&api.get(&deny)), version(&changed));

    // What is deleted is gone; so are the objects of a kind that is.
    api.delete(&late);
    for document in documents(CRDS) {
        api.delete(&document);
    }
    all("NXDOMAIN");
    for replica in &replicas {
        replica.wait_for_line(&["the API has no dnsexports.tenantdns.io"]);
    }
}

#[test]
fn kinds_that_come_later_are_read_and_a_missing_role_is_named() {
    let Some(peers) = peers() else { return };
    let api = start(&peers, &[]);
    apply(&api, RBAC);
    let account = kubeconfig(&api, "tenantdns", &grants(RBAC));
    team(&api, "a", "127.4.0.1");
    let web = team(&api, "b", "127.4.0.2");
    let mut inner = service("a", "inner");
    inner["metadata"]["labels"] = json!({"tier": "inner"});
    let inner = api.create(&inner);
    // Neither that the kinds are not there nor that they may not be read is in the way.
    let mut early = follow("policy-early", &account, "");
    let first = early.address();
    let name = "web.b.svc.cluster.local";
    expect(first, "127.4.0.1", name, "NXDOMAIN");

    install(&api);
    let allow = grant(
        "show",
        "Allow",
        &json!({"namespaces": ["a"]}),
        &json!({"namespaces": ["b"]}),
    );
    api.create(&allow);
    let mut late = follow("policy-late", &account, "");
    let missing = [
        "verb watch on dnsgrants.tenantdns.io",
        "nothing is answered before",
    ];
    late.wait_for_line(&missing);
    late.wait_for_line(&[
        "verb watch on dnsexports.tenantdns.io",
        "nothing of it is in force",
    ]);
    early.wait_for_line(&[
        "verb watch on dnsgrants.tenantdns.io",
        "what was known stays",
    ]);
    assert!(!late.log().contains("listening on"), "{}", late.log());

    // All of the role but what writes conditions.
    let mut parts: Vec<Value> = documents(ROLES);
    let role = parts.remove(0);
    let mut reading = role.clone();
    reading["rules"].as_array_mut().unwrap().truncate(1);
    api.create(&reading);
    api.create(&parts[0]);
    expect(late.address(), "127.4.0.1", name, &web);
    expect(first, "127.4.0.1", name, &web);
    late.wait_for_line(&["verb patch on dnsgrants.tenantdns.io/status"]);
    assert!(api.get(&allow)["status"].is_null());
    api.replace(&role);
    let told = ["Accepted=True/Accepted", "Programmed=True/Programmed"];
    fares(&api, &allow, 1, told);

    // Labels of services are read from when on a grant selects by them.
    let selector = json!({"matchLabels": {"tier": "inner"}});
    let by_label = json!({"tenants": ["*"], "serviceSelector": selector});
    let select = grant("inner", "Allow", &json!({"namespaces": ["b"]}), &by_label);
    api.create(&select);
    let inner = inner["spec"]["clusterIP"].as_str().unwrap();
    for server in [first, late.address()] {
        expect(server, "127.4.0.2", "inner.a.svc.cluster.local", inner);
        expect(server, "127.4.0.2", "web.a.svc.cluster.local", "NXDOMAIN");
    }
}
