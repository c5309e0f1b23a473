//! The program as the rendered pod would run it: its arguments, its files, its environment and its
//! account, with every listener at a free port.

use super::{apply_all, kubeadm_service, only, render, workload};
use crate::apiserver::ApiServer;
use crate::coredns::LEASH;
use crate::parts::{namespace, pod, service};
use crate::process::{Folder, Peers, Process, free_port, printed, until};
use crate::rbac::{documents, grants, kubeconfig, start};
use crate::replica::Replica;
use crate::serving::{PATIENCE, ask, expect};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use tenantdns::wire::RType;

/// The node that the pod is on.
const NODE: &str = "node-1";

/// A pod of a mode. Ends when dropped.
pub(super) struct Deployed {
    api: ApiServer,
    process: Process,
    dns: SocketAddr,
    ready: SocketAddr,
    metrics: SocketAddr,
    log: PathBuf,
    _folder: Folder,
}

impl Deployed {
    /// Applies what a folder renders, and starts what it would.
    pub(super) fn start(peers: &Peers, mode: &str) -> Self {
        let api = start(peers, &[]);
        api.create(&kubeadm_service());
        let text = render(peers, mode);
        let objects = documents(&text);
        apply_all(&api, &objects);
        let pod = &workload(&objects)["spec"]["template"]["spec"];
        let account = kubeconfig(
            &api,
            pod["serviceAccountName"].as_str().unwrap(),
            &grants(&text),
        );

        let [dns, health, ready, metrics] =
            [(); 4].map(|()| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())));
        let listeners = format!(
            "[health]\nlisten = \"{health}\"\n[ready]\nlisten = \"{ready}\"\n\
             [metrics]\nlisten = \"{metrics}\"\n[admin]\nlisten = \"\"\n"
        );
        let folder = Folder::new("deployed");
        for (name, text) in files(&objects, pod) {
            folder.write(&name, &format!("{text}\n{listeners}"));
        }
        let container = &pod["containers"][0];
        let mounted = container["volumeMounts"][0]["mountPath"].as_str().unwrap();
        let here = folder.path("").display().to_string();
        let arguments = container["args"].as_array().unwrap().iter();
        let arguments = arguments.map(|word| {
            let word = word.as_str().unwrap();
            word.replace(&format!("{mounted}/"), &here)
        });
        let log = folder.path("log");
        let mut command = Command::new("sh");
        command
            .args(["-c", LEASH, "leash", env!("CARGO_BIN_EXE_tenantdns")])
            .args(arguments)
            .args(["--listen", &dns.to_string(), "--kubeconfig"])
            .arg(account)
            .envs(environment(container))
            // Whatever the machine has.
            .env_remove("HTTPS_PROXY")
            .env_remove("https_proxy");
        Self {
            process: Process::spawn("tenantdns", &mut command, &log),
            api,
            dns,
            ready,
            metrics,
            log,
            _folder: folder,
        }
    }

    /// Waits until the readiness probe would let queries in.
    pub(super) fn becomes_ready(&mut self) {
        let ready = self.ready;
        let got = self.process.wait(PATIENCE, || {
            Replica::get(ready, "/ready").filter(|(status, _)| *status == 200)
        });
        assert!(got.is_some(), "it ended: {}", self.process.log());
    }

    /// Changes something of every kind, and waits until it is answered from; nothing may be missing
    /// in the role.
    pub(super) fn follows_the_cluster(&mut self) {
        self.becomes_ready();
        self.api.create(&namespace("late"));
        let web = self.api.create(&service("late", "web"));
        let web = web["spec"]["clusterIP"].as_str().unwrap();
        self.api
            .create_with_status(&pod("late", "asks", "127.4.0.1"));
        self.api.create_with_status(&json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": NODE},
            "status": {"addresses": [{"type": "InternalIP", "address": "127.4.0.2"}]},
        }));
        expect(self.dns, "127.4.0.1", "web.late.svc.cluster.local", web);
        until("the address is no node's", PATIENCE, || {
            let whoami = "whoami.tenantdns.cluster.local";
            let answer = ask(self.dns, "127.4.0.2", whoami, RType::TXT).answer;
            let mut lines = answer.iter();
            lines.any(|line| line.contains("class=node")).then_some(())
        });
        let log = printed(&self.log);
        assert!(!log.contains(" verb "), "{log}");
    }

    /// What is scraped.
    pub(super) fn scrape(&self) -> String {
        let (status, text) = Replica::get(self.metrics, "/metrics").unwrap();
        assert_eq!(status, 200, "{text}");
        text
    }
}

/// The files of the ConfigMap that the pod mounts.
fn files(objects: &[Value], pod: &Value) -> Vec<(String, String)> {
    let map = only(objects, &["ConfigMap"]);
    let mounted = &pod["volumes"][0]["configMap"]["name"];
    assert_eq!(&map["metadata"]["name"], mounted);
    let files = map["data"].as_object().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    files
        .map(|(name, file)| (name.clone(), text(file)))
        .collect()
}

/// The environment that the kubelet would give the container.
fn environment(container: &Value) -> Vec<(String, String)> {
    let variables = container["env"].as_array().into_iter().flatten();
    let variables = variables.map(|variable| {
        let field = &variable["valueFrom"]["fieldRef"]["fieldPath"];
        assert_eq!(field, "spec.nodeName", "{variable}");
        let name = variable["name"].as_str().unwrap();
        (name.to_owned(), NODE.to_owned())
    });
    variables.collect()
}
