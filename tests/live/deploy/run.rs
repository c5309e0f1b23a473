//! The program as the rendered pod would run it: its arguments, its files, its environment and its
//! account, with every listener at a free port.

use super::{apply_all, kubeadm_service, only, render, workload};
use crate::apiserver::ApiServer;
use crate::coredns::LEASH;
use crate::parts::{namespace, pod, service, slice};
use crate::process::{Folder, Peers, Process, free_port, printed, until};
use crate::rbac::{documents, grants, kubeconfig, start};
use crate::replica::Replica;
use crate::serving::{PATIENCE, ask, expect};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use tenantdns::wire::RType;

/// The node that the pod is on.
const NODE: &str = "node-1";

/// A client, one of another namespace, and a node.
const CLIENT: &str = "127.4.0.1";
const STRANGER: &str = "127.4.0.3";
const NODE_ADDRESS: &str = "127.4.0.2";

/// What the ConfigMap `coredns` has that `deploy/corefile` mounts: kubeadm's.
const COREFILE: &str = include_str!("../../cases/corefiles/kubeadm/Corefile");

/// A pod of a mode. Ends when dropped.
pub(super) struct Deployed {
    process: Process,
    api: ApiServer,
    at: Listeners,
    mount: Mount,
    log: PathBuf,
    _folder: Folder,
}

impl Deployed {
    /// Applies what a folder renders, and starts what it would; names outside are asked of this
    /// server.
    pub(super) fn start(peers: &Peers, mode: &str, upstream: SocketAddr) -> Self {
        let api = start(peers, &[]);
        api.create(&kubeadm_service());
        let text = render(peers, mode);
        let objects = documents(&text);
        apply_all(&api, &objects);
        let pod = &workload(&objects)["spec"]["template"]["spec"];
        let account = pod["serviceAccountName"].as_str().unwrap();
        let account = kubeconfig(&api, account, &grants(&text));

        let at = Listeners::free();
        let folder = Folder::new("deployed");
        let mut mount = Mount::new(folder.path("mounted"));
        let mut more = Vec::new();
        for (name, text) in files(&objects, pod) {
            let text = text.replace("/etc/resolv.conf", &upstream.to_string());
            let text = if name == "Corefile" {
                at.in_corefile(&text, &account)
            } else {
                more = vec![format!("--listen={}", at.dns), "--kubeconfig".into()];
                more.push(account.display().to_string());
                at.in_toml(&text)
            };
            mount.files.insert(name, text);
        }
        mount.publish();
        let container = &pod["containers"][0];
        let mounted = container["volumeMounts"][0]["mountPath"].as_str().unwrap();
        let here = mount.path.display().to_string();
        let arguments = container["args"].as_array().unwrap().iter();
        let arguments = arguments.map(|word| word.as_str().unwrap().replace(mounted, &here));
        let log = folder.path("log");
        let mut command = Command::new("sh");
        command
            .args(["-c", LEASH, "leash", env!("CARGO_BIN_EXE_tenantdns")])
            .args(arguments)
            .args(more)
            .envs(environment(container))
            // Whatever the machine has.
            .env_remove("HTTPS_PROXY")
            .env_remove("https_proxy");
        Self {
            process: Process::spawn("tenantdns", &mut command, &log),
            api,
            at,
            mount,
            log,
            _folder: folder,
        }
    }

    /// Waits until the readiness probe would let queries in, makes a pod and a service, and waits until
    /// that pod gets the service's address. Nothing may be missing in the role.
    pub(super) fn follows_the_cluster(&mut self) {
        let ready = self.at.ready;
        let got = self.process.wait(PATIENCE, || {
            Replica::get(ready, "/ready").filter(|(status, _)| *status == 200)
        });
        assert!(got.is_some(), "it ended: {}", self.process.log());
        let (status, _) = Replica::get(self.at.health, "/health").unwrap();
        assert_eq!(status, 200);
        self.api.create(&namespace("late"));
        let web = self.api.create(&service("late", "web"));
        let web = web["spec"]["clusterIP"].as_str().unwrap();
        self.api.create_with_status(&pod("late", "asks", CLIENT));
        self.api.create(&namespace("other"));
        self.api.create_with_status(&pod("other", "asks", STRANGER));
        expect(self.at.dns, CLIENT, "web.late.svc.cluster.local", web);
        let log = printed(&self.log);
        assert!(!log.contains(" verb "), "{log}");
    }

    /// Makes a node, and waits until its address is known to be one's.
    pub(super) fn knows_nodes(&self) {
        self.api.create_with_status(&json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": NODE},
            "status": {"addresses": [{"type": "InternalIP", "address": NODE_ADDRESS}]},
        }));
        until("the address is no node's", PATIENCE, || {
            let whoami = "whoami.tenantdns.cluster.local";
            let answer = ask(self.at.dns, NODE_ADDRESS, whoami, RType::TXT).answer;
            let mut lines = answer.iter();
            lines.any(|line| line.contains("class=node")).then_some(())
        });
    }

    /// Waits until the pod of another namespace is told this of the service: an rcode, or its address.
    pub(super) fn tells_a_stranger(&self, rcode: Option<&str>) {
        let web = self.api.get(&service("late", "web"));
        let web = web["spec"]["clusterIP"].as_str().unwrap();
        let name = "web.late.svc.cluster.local";
        expect(self.at.dns, STRANGER, name, rcode.unwrap_or(web));
    }

    /// Changes the ConfigMap, whose new files the kubelet puts in the place of the old ones.
    pub(super) fn reconfigures(&mut self, from: &str, to: &str) {
        for text in self.mount.files.values_mut() {
            assert_eq!(text.matches(from).count(), 1, "{from}: {text}");
            *text = text.replace(from, to);
        }
        self.mount.publish();
    }

    /// Has everything happen that has a series of its own: a slice says when its pods changed, an object
    /// is malformed, the API goes away.
    pub(super) fn sees_trouble(&mut self) {
        let mut slice = slice("late", "web", "10.244.1.7");
        let now = jiff::Timestamp::now().to_string();
        slice["metadata"]["annotations"] =
            json!({"endpoints.kubernetes.io/last-change-trigger-time": now});
        self.api.create(&slice);
        self.api.create_with_status(&json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": "odd"},
            "status": {"addresses": [{"type": "InternalIP", "address": "nowhere"}]},
        }));
        self.scrapes("tenantdns_invalid_objects_total{");
        self.api.stop();
        self.scrapes("tenantdns_watch_errors_total{");
    }

    /// Waits until what is scraped has such a line.
    fn scrapes(&self, start: &str) {
        until(start, PATIENCE, || {
            let page = self.scrape();
            let mut lines = page.lines();
            lines.any(|line| line.starts_with(start)).then_some(())
        });
    }

    /// Waits until a name outside the cluster has this address, for the pod that asks.
    pub(super) fn forwards(&self, name: &str, address: &str) {
        expect(self.at.dns, CLIENT, name, address);
    }

    /// What is scraped.
    pub(super) fn scrape(&self) -> String {
        let (status, text) = Replica::get(self.at.metrics, "/metrics").unwrap();
        assert_eq!(status, 200, "{text}");
        text
    }
}

/// A ConfigMap as the kubelet mounts it: files are links into a folder that is a link itself, which is
/// exchanged when the ConfigMap changes.
struct Mount {
    path: PathBuf,
    files: BTreeMap<String, String>,
    version: u32,
}

impl Mount {
    fn new(path: PathBuf) -> Self {
        fs::create_dir(&path).unwrap();
        Self {
            path,
            files: BTreeMap::new(),
            version: 0,
        }
    }

    /// Shows the files as they are now.
    fn publish(&mut self) {
        self.version += 1;
        let version = format!("..{}", self.version);
        fs::create_dir(self.path.join(&version)).unwrap();
        for (name, text) in &self.files {
            fs::write(self.path.join(&version).join(name), text).unwrap();
            if self.version == 1 {
                let target = Path::new("..data").join(name);
                symlink(target, self.path.join(name)).unwrap();
            }
        }
        symlink(&version, self.path.join("..new")).unwrap();
        fs::rename(self.path.join("..new"), self.path.join("..data")).unwrap();
    }
}

/// Where it listens instead of the ports that a pod has for itself.
struct Listeners {
    dns: SocketAddr,
    health: SocketAddr,
    ready: SocketAddr,
    metrics: SocketAddr,
}

impl Listeners {
    fn free() -> Self {
        let free = || SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        Self {
            dns: free(),
            health: free(),
            ready: free(),
            metrics: free(),
        }
    }

    /// Returns the configuration with these; `--listen` and `--kubeconfig` say the rest.
    fn in_toml(&self, text: &str) -> String {
        let Self {
            health,
            ready,
            metrics,
            ..
        } = self;
        format!(
            "{text}\n[health]\nlisten = \"{health}\"\n[ready]\nlisten = \"{ready}\"\n\
             [metrics]\nlisten = \"{metrics}\"\n[admin]\nlisten = \"\"\n\
             [reload]\ninterval = \"2s\"\n"
        )
    }

    /// Returns the Corefile with these, and who asks the API.
    fn in_corefile(&self, text: &str, account: &Path) -> String {
        let account = account.display();
        let port = self.dns.port();
        let mut text = text.to_owned();
        for (from, to) in [
            (".:53 {", format!(".:{port} {{\nbind 127.0.0.1")),
            ("health {", format!("health {} {{", self.health)),
            ("ready\n", format!("ready {}\n", self.ready)),
            ("prometheus :9153", format!("prometheus {}", self.metrics)),
            ("ttl 30", format!("ttl 30\nkubeconfig {account}")),
        ] {
            assert_eq!(text.matches(from).count(), 1, "{from}: {text}");
            text = text.replace(from, &to);
        }
        text
    }
}

/// The files of the ConfigMap that the pod mounts.
fn files(objects: &[Value], pod: &Value) -> Vec<(String, String)> {
    let mounted = &pod["volumes"][0]["configMap"]["name"];
    if mounted == "coredns" {
        return vec![("Corefile".into(), COREFILE.into())];
    }
    let map = only(objects, &["ConfigMap"]);
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
