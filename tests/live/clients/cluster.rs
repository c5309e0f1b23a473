//! A server with tenancy enforced, an Unbound behind it, and a pod of each of two tenants, each on a host
//! of its own made of a network namespace.

use super::LARGE;
use crate::coredns::LEASH;
use crate::hosts::{Network, Serving};
use crate::process::{Folder, Process};
use crate::upstreams::{START, ask_udp, local_data, program};
use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Output};
use tenantdns::testing::query;
use tenantdns::wire::RType;

/// The pods' hosts, named as the namespaces that they are of.
pub(super) const SHOP: &str = "shop";
pub(super) const BANK: &str = "bank";
/// Where pods ask: the address of the Service.
pub(super) const SERVER: &str = "10.96.0.10";

const UPSTREAM: &str = "127.0.0.1:5300";

const MANIFESTS: &str = r#"
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {tenantdns.io/tenant: shop}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: bank, labels: {tenantdns.io/tenant: bank}}}
---
{apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: p},
 status: {phase: Running, podIPs: [{ip: 10.99.1.11}, {ip: "fd00:99:1::11"}]}}
---
{apiVersion: v1, kind: Pod, metadata: {namespace: bank, name: p},
 status: {phase: Running, podIPs: [{ip: 10.99.2.11}, {ip: "fd00:99:2::11"}]}}
---
{apiVersion: v1, kind: Service, metadata: {namespace: shop, name: web},
 spec: {clusterIP: 10.96.0.21, clusterIPs: [10.96.0.21, "fd00:96::21"]}}
---
{apiVersion: v1, kind: Service, metadata: {namespace: shop, name: old}, spec: {clusterIP: 10.96.0.22}}
---
{apiVersion: v1, kind: Service, metadata: {namespace: shop, name: new}, spec: {clusterIP: "fd00:96::23"}}
---
{apiVersion: v1, kind: Service, metadata: {namespace: shop, name: db}, spec: {clusterIP: None}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
 metadata: {namespace: shop, name: db-1, labels: {kubernetes.io/service-name: db}},
 endpoints: [{addresses: [10.99.1.31], hostname: one}, {addresses: [10.99.1.32], hostname: two}]}
---
{apiVersion: v1, kind: Service, metadata: {namespace: shop, name: alias},
 spec: {type: ExternalName, externalName: www.outside.example}}
---
{apiVersion: v1, kind: Service, metadata: {namespace: bank, name: ledger}, spec: {clusterIP: 10.96.0.31}}
"#;

/// Gives a program the files of a pod: the arguments are its resolv.conf, and the program with its own.
const ENTER: &str = r#"
set -eu
mount --bind "$1" /etc/resolv.conf
mount --bind "$2" /etc/hosts
mount --bind "$3" /etc/nsswitch.conf
shift 3
exec "$@"
"#;

/// All of it. Ends when dropped.
pub(super) struct Cluster {
    // Before the network, in which they run.
    _serving: Serving,
    _upstream: Process,
    network: Network,
    pub(super) folder: Folder,
}

impl Cluster {
    /// Starts it; `None` where the machine has not what it takes, which is said.
    pub(super) fn start() -> Option<Self> {
        let unbound = program("unbound", "unbound")?;
        let network = Network::of(&["dns", SHOP, BANK])?;
        for address in ["10.96.0.10/32", "fd00:96::a/128"] {
            network.ip("dns", &format!("addr add {address} dev lo"));
        }
        for (number, pod) in [(1, SHOP), (2, BANK)] {
            let [four, six] = [format!("10.99.{number}"), format!("fd00:99:{number}:")];
            let server = [format!("{four}.1/24"), format!("{six}:1/64")];
            let own = [format!("{four}.11/24"), format!("{six}:11/64")];
            network.wire([
                ("dns", pod, &[&server[0], &server[1]]),
                (pod, "eth0", &[&own[0], &own[1]]),
            ]);
            network.ip(pod, &format!("route add default via {four}.1"));
            network.ip(pod, &format!("-6 route add default via {six}:1"));
        }
        let folder = Folder::new("clients");
        let upstream = upstream(&network, &folder, &unbound);
        let config = format!(
            "[server]\nthreads = 1\n[health]\nlisten = \"\"\n[ready]\nlisten = \"\"\n[metrics]\n\
             listen = \"\"\n[admin]\nlisten = \"\"\n[tenancy]\nmode = \"enforce\"\n\
             unknown_wait = \"0ms\"\n[[forward]]\nto = [\"{UPSTREAM}\"]\n[cache]\n"
        );
        let serving = network.serve("dns", "[::]:53", &config, MANIFESTS);
        for pod in [SHOP, BANK] {
            let search = format!("{pod}.svc.cluster.local svc.cluster.local cluster.local");
            let text = format!("search {search}\nnameserver {SERVER}\noptions ndots:5\n");
            folder.write(&format!("{pod}-resolv.conf"), &text);
        }
        folder.write("hosts", "127.0.0.1 localhost\n::1 localhost\n");
        folder.write("nsswitch.conf", "hosts: files dns\n");
        Some(Self {
            _serving: serving,
            _upstream: upstream,
            network,
            folder,
        })
    }

    /// Runs a program in a pod.
    pub(super) fn run(&self, pod: &str, program: &[&str]) -> Output {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.network.name(pod)])
            .args(["sh", "-c", ENTER, "enter"])
            .arg(self.folder.path(&format!("{pod}-resolv.conf")))
            .arg(self.folder.path("hosts"))
            .arg(self.folder.path("nsswitch.conf"))
            .args(program);
        for variable in ["GODEBUG", "RES_OPTIONS", "LOCALDOMAIN"] {
            command.env_remove(variable);
        }
        command
            .output()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"))
    }
}

fn upstream(network: &Network, folder: &Folder, unbound: &str) -> Process {
    let mut records: Vec<String> = [
        "www.outside.example. 300 IN A 192.0.2.1",
        "www.outside.example. 300 IN AAAA 2001:db8::1",
        "four.outside.example. 300 IN A 192.0.2.4",
        "six.outside.example. 300 IN AAAA 2001:db8::6",
    ]
    .map(str::to_owned)
    .into();
    records.extend((1..=LARGE).map(|n| format!("large.outside.example. 300 IN A 198.51.100.{n}")));
    let records: Vec<&str> = records.iter().map(|record| &**record).collect();
    let (address, port) = UPSTREAM.split_once(':').unwrap();
    let path = folder.path("");
    let text = format!(
        "server:\n  interface: {address}@{port}\n  num-threads: 1\n  do-daemonize: no\n  username: \"\"\n  \
         chroot: \"\"\n  directory: \"{}\"\n  use-syslog: no\n  module-config: \"iterator\"\n  \
         max-udp-size: 4096\n  local-zone: . static\n  local-zone: outside.example. static\n  {}",
        path.display(),
        local_data(&records).replace('\n', "\n  ")
    );
    let config = folder.path("unbound.conf");
    fs::write(&config, text).unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", LEASH, "leash", "ip", "netns", "exec"])
        .args([&network.name("dns"), unbound, "-d", "-p", "-c"])
        .arg(config);
    let mut process = Process::spawn("unbound", &mut command, &folder.path("log"));
    let (at, question): (SocketAddr, _) = (
        UPSTREAM.parse().unwrap(),
        query("www.outside.example", RType::A),
    );
    let answers = || network.on("dns", || ask_udp(at, &question)).map(|_| ());
    let ready = process.wait(START, answers);
    assert!(ready.is_some(), "unbound ended:\n{}", process.log());
    process
}
