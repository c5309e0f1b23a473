//! A server that refuses: it is busy, a permission is missing, a token has been replaced.

use super::{Case, JSON, QUICK, cluster_ip, status};
use crate::apiserver::ADMIN;
use crate::parts::{grant, service, slice};
use crate::process::Folder;
use crate::proxy::{Asked, Play, Proxy};
use crate::serving::{Serving, data, expect};
use serde_json::json;

#[test]
fn f14_a_server_that_is_busy_is_left_alone_and_one_that_refuses_is_quoted() {
    let Some(case) = Case::start(14, "") else {
        return;
    };
    // Busy: one request at a time, and none before the time that it names.
    let mut busy = 0;
    let from = case.proxy.asked().len();
    case.proxy.play(move |asked| {
        if asked.plural() == "services" && asked.is_watch() && busy < 2 {
            busy += 1;
            let headers = "Content-Type: application/json\r\nRetry-After: 1\r\n";
            return Play::Answer(429, headers, status(429, "too many requests"));
        }
        Play::Pass
    });
    let during = case.create("during");
    case.serving
        .wait_for_line(&["Service: the API answers 429 to watch: too many requests"]);
    case.expect("during", &during);
    let lists = |asked: &&Asked| asked.is_streamed_list() || asked.is_list();
    assert_eq!(case.proxy.asked()[from..].iter().filter(lists).count(), 0);

    // Permissions that are taken away, verb by verb, and given back.
    let role = |verbs: &[&str]| {
        let all = ["list", "watch"];
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "reader"},
            "rules": [
                {"apiGroups": [""], "resources": ["namespaces", "nodes", "pods", "services"], "verbs": all},
                {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": verbs},
            ],
        })
    };
    grant(&case.api, "reader");
    case.api.replace(&role(&["list", "watch"]));
    let kubeconfig = case.api.kubeconfig("reader");
    let config = format!("{QUICK}audit_interval = \"2s\"\n");
    let mut serving = Serving::start_with("f14", &kubeconfig, "127.0.0.1:0", &config);
    let server = serving.address();
    case.api.replace(&role(&["watch"]));
    serving
        .wait_for_line(&["the ClusterRole needs the verb list on endpointslices.discovery.k8s.io"]);
    case.api.replace(&role(&["list"]));
    serving.wait_for_line(&[
        "the ClusterRole needs the verb watch on endpointslices.discovery.k8s.io",
    ]);
    assert_eq!(data(server, &case.client, &case.name("web")), case.web);
    case.api.replace(&role(&["list", "watch"]));
    let granted = cluster_ip(&case.api.create(&service(&case.namespace, "granted")));
    case.api
        .create(&slice(&case.namespace, "granted", "10.244.14.7"));
    expect(
        server,
        &case.client,
        &case.name("10-244-14-7.granted"),
        "10.244.14.7",
    );
    expect(server, &case.client, &case.name("granted"), &granted);
    println!("F14 ok: 429 was waited out, a missing verb named, and the snapshot kept");
}

#[test]
fn f14_a_token_that_was_replaced_is_read_again() {
    let Some(case) = Case::start(15, "") else {
        return;
    };
    let folder = Folder::new("token");
    let token = folder.path("token");
    let program = format!(
        "printf '{{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": \"ExecCredential\", \
         \"status\": {{\"token\": \"%s\"}}}}' \"$(cat '{}')\"\n",
        token.display()
    );
    let program = folder.write("program", &program);
    let from_file = format!("{{tokenFile: '{}'}}", token.display());
    let from_program = format!(
        "{{exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, \
         command: sh, args: ['{}']}}}}",
        program.display()
    );
    for (number, user) in [from_file, from_program].iter().enumerate() {
        folder.write("token", "first");
        let proxy = Proxy::start(&case.api, ADMIN);
        let kubeconfig = proxy.kubeconfig_of(user);
        let mut serving = Serving::start_with("f14", &kubeconfig, "127.0.0.1:0", QUICK);
        let server = serving.address();
        let is = |token: &'static str| {
            move |asked: &Asked| asked.authorization == format!("Bearer {token}")
        };
        proxy.wait_for("the first token", 0, is("first"));
        folder.write("token", "second");
        proxy.play(move |asked| {
            if is("second")(asked) {
                Play::Pass
            } else {
                Play::Answer(401, JSON, status(401, "Unauthorized"))
            }
        });
        let fresh = format!("fresh-{number}");
        let address = case.create(&fresh);
        expect(server, &case.client, &case.name(&fresh), &address);
        proxy.wait_for("the second token", 0, is("second"));
        serving.wait_for_line(&["the API does not accept our credentials: Unauthorized"]);
    }
    println!(
        "F14 ok: a token that the server refused was read again from its file and its program"
    );
}
