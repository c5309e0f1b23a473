//! tenantdns on a real API server: what it reads, what it follows, and what it says when it may not.

use crate::apiserver::{ADMIN, ApiServer};
use crate::decode::{Response, decode};
use crate::parts::{grant, namespace, pod, service, slice};
use crate::process::{Folder, Process, peers, printed, until};
use serde_json::json;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tenantdns::testing::query;
use tenantdns::wire::RType;

/// What a fact is waited for at most.
const PATIENCE: Duration = Duration::from_secs(30);

/// A tenantdns that follows an API server.
struct Serving {
    folder: Folder,
    process: Process,
}

impl Serving {
    fn start(name: &str, kubeconfig: &Path) -> Self {
        let folder = Folder::new(name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantdns"));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--kubeconfig"])
            .arg(kubeconfig);
        let process = Process::spawn("tenantdns", &mut command, &folder.path("log"));
        Self { folder, process }
    }

    fn log(&self) -> String {
        printed(&self.folder.path("log"))
    }

    /// Waits for the line that says where it listens.
    fn address(&mut self) -> SocketAddr {
        let log = self.folder.path("log");
        let listening = self.process.wait(PATIENCE, || {
            let text = printed(&log);
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("listening on "))?;
            line.split(' ').next()?.parse().ok()
        });
        listening.unwrap_or_else(|| panic!("tenantdns ended: {}", self.log()))
    }
}

fn ask(server: SocketAddr, source: &str, name: &str, rtype: RType) -> Response {
    let source: IpAddr = source.parse().unwrap();
    let socket = UdpSocket::bind(SocketAddr::new(source, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(server).unwrap();
    socket.send(&query(name, rtype)).unwrap();
    let mut answer = vec![0; 65_535];
    let length = socket.recv(&mut answer).expect("an answer");
    decode(&answer[..length])
}

/// Waits until a name is answered with this: an rcode, or the data of its first record.
fn expect(server: SocketAddr, source: &str, name: &str, expected: &str) {
    until(
        &format!("{source} asks {name}: {expected}"),
        PATIENCE,
        || {
            let got = ask(server, source, name, RType::A);
            let data = got.answer.first().and_then(|line| line.rsplit(' ').next());
            (data.unwrap_or(&got.rcode) == expected).then_some(())
        },
    );
}

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
