//! The Corefiles of distributions, as they stand but for addresses: CoreDNS and tenantdns run with the
//! same file, over the same API server and upstream, and answer the same questions alike.

use crate::apiserver::ApiServer;
use crate::coredns::{CoreDns, LEASH};
use crate::decode::{Response, decode};
use crate::parts::{grant, namespace, pod, service, slice};
use crate::process::{Folder, Peers, Process, free_port, peers, printed};
use serde_json::json;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tenantdns::testing::{query, query_edns};
use tenantdns::wire::RType;

const PATIENCE: Duration = Duration::from_secs(60);

/// Folders of tests/cases/corefiles.
const DISTRIBUTIONS: [&str; 13] = [
    "kubeadm",
    "kubeadm-old",
    "eks",
    "aks",
    "gke",
    "k3s",
    "kops",
    "rke2",
    "openshift",
    "gardener",
    "helm",
    "talos",
    "node-cache",
];

/// Questions to each pair of servers.
const QUESTIONS: usize = 5000;

const TYPES: [RType; 8] = [
    RType::A,
    RType::AAAA,
    RType::SRV,
    RType::PTR,
    RType::TXT,
    RType::CNAME,
    RType::NS,
    RType::SOA,
];

/// What both ask for names that are not the cluster's.
const UPSTREAM: &str = r#"
.:{$DNS_PORT} {
    bind 127.0.0.1
    ready 127.0.0.1:{$READY_PORT}
    template IN A up.test {
        answer "{{ .Name }} 60 IN A 192.0.2.33"
        answer "{{ .Name }} 60 IN A 192.0.2.34"
    }
    template IN TXT up.test {
        answer "{{ .Name }} 60 IN TXT \"some text\""
    }
    template IN A alias.test {
        answer "{{ .Name }} 60 IN CNAME www.up.test."
        answer "www.up.test. 60 IN A 192.0.2.1"
    }
    template IN ANY up.test alias.test {
        authority "{{ .Zone }} 60 IN SOA ns.up.test. h.up.test. 1 2 3 4 5"
    }
    template IN ANY fail.test {
        rcode SERVFAIL
    }
    template IN ANY . {
        rcode NXDOMAIN
        authority "{{ .Zone }} 60 IN SOA ns. h. 1 2 3 4 5"
    }
}
"#;

const HOSTS: &str = "192.0.2.7 node-1 node-1.example\n192.0.2.8 api.k8s.local\nfd00::7 node-1\n";

/// A distribution's files with the test's addresses.
struct Files<'t> {
    folder: &'t Folder,
    upstream: SocketAddr,
    kubeconfig: &'t Path,
}

impl Files<'_> {
    /// Returns the Corefile; what it imports is written to the folder.
    fn corefile(&self, distribution: &str) -> String {
        let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/corefiles");
        let source = cases.join(distribution);
        let custom = self.folder.path("custom");
        fs::create_dir_all(&custom).unwrap();
        for entry in fs::read_dir(source.join("custom")).into_iter().flatten() {
            let path = entry.unwrap().path();
            let text = self.adapted(&fs::read_to_string(&path).unwrap());
            fs::write(custom.join(path.file_name().unwrap()), text).unwrap();
        }
        self.adapted(&fs::read_to_string(source.join("Corefile")).unwrap())
    }

    fn adapted(&self, text: &str) -> String {
        text.lines()
            .map(|line| self.adapted_line(line) + "\n")
            .collect()
    }

    fn adapted_line(&self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let brace = if words.last() == Some(&"{") { " {" } else { "" };
        match words[..] {
            [key, "{"] if key.contains(':') => {
                let (zone, _) = key.rsplit_once(':').unwrap();
                format!("{zone}:{{$DNS_PORT}} {{\n    bind 127.0.0.1")
            }
            ["health", ..] => format!("health 127.0.0.1:0{brace}"),
            ["ready", ..] => "ready 127.0.0.1:{$READY_PORT}".into(),
            ["prometheus", ..] => "prometheus 127.0.0.1:0".into(),
            ["bind", ..] => String::new(),
            ["forward", zone, ..] => format!("forward {zone} {}{brace}", self.upstream),
            ["kubernetes", ..] => format!("{line}\n    kubeconfig {}", self.kubeconfig.display()),
            ["hosts", path, ..] if path.starts_with('/') => {
                let hosts = self.folder.write("hosts", HOSTS);
                line.replace(path, hosts.to_str().unwrap())
            }
            ["import", path] => {
                let (_, pattern) = path.rsplit_once('/').unwrap();
                format!("import {}/{pattern}", self.folder.path("custom").display())
            }
            _ => line.into(),
        }
    }
}

/// tenantdns with CoreDNS's command line. Ends when dropped.
pub(crate) struct Ours {
    pub(crate) address: SocketAddr,
    _process: Process,
    folder: Folder,
}

impl Ours {
    /// Returns the file that everything is written to that it prints.
    pub(crate) fn log_file(&self) -> std::path::PathBuf {
        self.folder.path("log")
    }

    /// Starts it with this Corefile, at ports that it finds as CoreDNS does.
    pub(crate) fn start(corefile: &str) -> Self {
        for _ in 0..3 {
            let [dns, ready] = [(); 2].map(|()| free_port());
            let folder = Folder::new("corefile");
            let mut command = Command::new("sh");
            command
                .args([
                    "-c",
                    LEASH,
                    "leash",
                    env!("CARGO_BIN_EXE_tenantdns"),
                    "-conf",
                ])
                .arg(folder.write("Corefile", corefile))
                .env("DNS_PORT", dns.to_string())
                .env("READY_PORT", ready.to_string())
                .env_remove("HTTPS_PROXY")
                .env_remove("https_proxy");
            let log = folder.path("log");
            let mut process = Process::spawn("tenantdns", &mut command, &log);
            let listens = || printed(&log).contains("listening on ").then_some(());
            match process.wait(PATIENCE, listens) {
                Some(()) => {
                    return Self {
                        address: (Ipv4Addr::LOCALHOST, dns).into(),
                        _process: process,
                        folder,
                    };
                }
                None if printed(&log).contains("in use") => {}
                None => panic!("tenantdns ended:\n{}", process.log()),
            }
        }
        panic!("three free ports were all taken by others");
    }
}

/// Numbers that repeat (SplitMix64).
struct Dice(u64);

impl Dice {
    fn pick<'t>(&mut self, all: &[&'t str]) -> &'t str {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        all[usize::try_from((mixed ^ (mixed >> 31)) % all.len() as u64).unwrap()]
    }

    /// A name in the cluster's zones or outside.
    fn name(&mut self, clusters: &[String]) -> String {
        const SERVICES: [&str; 7] = [
            "web",
            "db",
            "alias",
            "outside",
            "none",
            "a.db",
            "10-244-1-7.db",
        ];
        const SPACES: [&str; 5] = ["shop", "bank", "default", "gone", "kube-system"];
        const OUTSIDE: [&str; 12] = [
            "www.up.test",
            "a.b.up.test",
            "www.alias.test",
            "www.fail.test",
            "absent.example",
            "node-1",
            "node-1.example",
            "api.k8s.local",
            "example1.org",
            "a.b.c.d.internal.cloudapp.net",
            "web.contoso.com",
            "www.foo.com",
        ];
        let service = self.pick(&SERVICES);
        let space = self.pick(&SPACES);
        let outside = self.pick(&OUTSIDE);
        match self.pick(&[
            "svc", "svc", "pod", "port", "search", "apex", "outside", "outside", "ptr", "address",
        ]) {
            "svc" => format!("{service}.{space}.svc.cluster.local."),
            "pod" => format!(
                "10-244-1-{}.{space}.pod.cluster.local.",
                self.pick(&["7", "8", "99"])
            ),
            "port" => format!("_http._tcp.{service}.{space}.svc.cluster.local."),
            "search" => format!("{outside}.{space}.svc.cluster.local."),
            "apex" => self
                .pick(&[
                    "cluster.local.",
                    "svc.cluster.local.",
                    "shop.svc.cluster.local.",
                    "dns-version.cluster.local.",
                ])
                .into(),
            "ptr" => format!("{}.1.244.10.in-addr.arpa.", self.pick(&["7", "8", "99"])),
            "address" => {
                let address = self.pick(&clusters.iter().map(String::as_str).collect::<Vec<_>>());
                let mut octets: Vec<&str> = address.split('.').collect();
                octets.reverse();
                format!("{}.in-addr.arpa.", octets.join("."))
            }
            _ => format!("{outside}."),
        }
    }
}

fn ask(server: SocketAddr, octets: &[u8]) -> Response {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(8)))
        .unwrap();
    socket.connect(server).unwrap();
    socket.send(octets).unwrap();
    let mut reply = vec![0; 65_535];
    let length = socket
        .recv(&mut reply)
        .unwrap_or_else(|e| panic!("{server}: {e}"));
    decode(&reply[..length])
}

/// What is compared of an answer: CoreDNS counts a TTL down in its cache, and a serial is a time.
fn compared(mut response: Response) -> Response {
    for section in [
        &mut response.answer,
        &mut response.authority,
        &mut response.additional,
    ] {
        for line in section.iter_mut() {
            let mut words: Vec<&str> = line.split(' ').collect();
            words[1] = "*";
            if words[2] == "SOA" {
                words[5] = "*";
            }
            *line = words.join(" ");
        }
        section.sort();
    }
    response
}

/// Fills the cluster, and returns addresses of its services.
fn fill(api: &ApiServer) -> Vec<String> {
    let mut addresses = vec!["10.96.200.200".to_owned()];
    for space in ["shop", "bank"] {
        api.create(&namespace(space));
        let web = api.create(&service(space, "web"));
        addresses.push(web["spec"]["clusterIP"].as_str().unwrap().to_owned());
        let mut headless = service(space, "db");
        headless["spec"]["clusterIP"] = "None".into();
        api.create(&headless);
        for (name, target) in [
            ("alias", "web.shop.svc.cluster.local"),
            ("outside", "www.up.test"),
        ] {
            api.create(&json!({
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"namespace": space, "name": name},
                "spec": {"type": "ExternalName", "externalName": target},
            }));
        }
    }
    api.create(&slice("shop", "db", "10.244.1.7"));
    api.create(&slice("bank", "db", "10.244.1.8"));
    api.create_with_status(&pod("shop", "db-0", "10.244.1.7"));
    addresses
}

fn compare(
    peers: &Peers,
    files: &Files<'_>,
    distribution: &str,
    addresses: &[String],
) -> Vec<String> {
    let corefile = files.corefile(distribution);
    // Every one of the real ones has it, but for the cache on a node.
    let with_ready = match corefile.contains("ready ") {
        true => corefile.clone(),
        false => corefile.replacen(
            "bind 127.0.0.1",
            "bind 127.0.0.1\nready 127.0.0.1:{$READY_PORT}",
            1,
        ),
    };
    let theirs = CoreDns::start(peers, &with_ready);
    let ours = Ours::start(&corefile);
    let mut dice = Dice(1);
    let mut differences = Vec::new();
    for number in 0..QUESTIONS {
        let mut name = dice.name(addresses);
        let rtype = TYPES[number % TYPES.len()];
        if name == "www.up.test." && dice.pick(&["new", "known"]) == "new" {
            name = format!("w{number}.up.test.");
        }
        if name == "cluster.local." && rtype == RType::NS {
            // With `bind` CoreDNS does not know its own addresses (docs/compatibility.md).
            continue;
        }
        let octets = match number % 3 {
            0 => query_edns(&name, rtype, 1232),
            _ => query(&name, rtype),
        };
        let [theirs, ours] = [theirs.address, ours.address].map(|at| compared(ask(at, &octets)));
        if theirs != ours {
            differences.push(format!(
                "{distribution}: {name} {rtype}\n  {theirs:?}\n  {ours:?}"
            ));
        }
    }
    differences
}

#[test]
fn a_distributions_corefile_is_answered_as_by_coredns() {
    let Some(peers) = peers() else { return };
    let api = ApiServer::start(&peers);
    grant(&api, "dns");
    let addresses = fill(&api);
    let upstream = CoreDns::start(&peers, UPSTREAM);
    let kubeconfig = api.kubeconfig("dns");
    let mut differences = Vec::new();
    for distribution in DISTRIBUTIONS {
        let folder = Folder::new("distribution");
        let files = Files {
            folder: &folder,
            upstream: upstream.address,
            kubeconfig: &kubeconfig,
        };
        differences.extend(compare(&peers, &files, distribution, &addresses));
    }
    let shown = &differences[..differences.len().min(20)];
    assert!(
        differences.is_empty(),
        "{} differences\n{}",
        differences.len(),
        shown.join("\n")
    );
}
