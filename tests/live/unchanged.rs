//! An unchanged Corefile is an unchanged server: CoreDNS and tenantdns, each started with the same
//! default Corefile in a pod of its own, with one API server and one world outside, answer thousands
//! of questions alike, or differ as a line of docs/compatibility.md says.
//!
//! Pods are network namespaces with files of their own, which need root; Knot and Unbound are the
//! world outside. Where something is missing the tests say so and pass. A run prints its seed;
//! `TENANTDNS_SEED=SEED/eks` repeats one of its Corefiles.

#[path = "unchanged/asked.rs"]
mod asked;
#[path = "unchanged/cluster.rs"]
mod cluster;
#[path = "unchanged/compare.rs"]
mod compare;
#[path = "unchanged/defaults.rs"]
mod defaults;
#[path = "unchanged/explained.rs"]
mod explained;
#[path = "unchanged/pod.rs"]
mod pod;
#[path = "unchanged/relay.rs"]
mod relay;
#[path = "unchanged/upstream.rs"]
mod upstream;

use crate::apiserver::ApiServer;
use crate::differential::dice::Dice;
use crate::differential::facts::Facts;
use crate::hosts::{Network, skip};
use crate::process::{Folder, Peers, peers};
use compare::{Contest, Tally};
use defaults::{DEFAULTS, Default};
use explained::{LINES, Line};
use pod::{Files, Pod};
use relay::Relay;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use upstream::Upstream;

/// Batches of a Corefile's questions, and how many of each are new and repeated: 5,000 together.
const QUESTIONS: [usize; 3] = [10, 400, 100];
/// As many as show a difference of one word.
const FEW: [usize; 3] = [2, 300, 100];
/// Corefiles that are compared at a time.
const AT_A_TIME: usize = 2;
/// Differences of one Corefile that are shown; they tend to have one cause.
const ENOUGH: usize = 5;

/// The hosts: the machine on which the pods are, from which they are asked, and the pods.
const NODE: &str = "node";
const PODS: [&str; 2] = ["coredns", "other"];
/// The last octets of their addresses.
const NUMBERS: [u8; 2] = [2, 3];

#[test]
fn an_unchanged_corefile_is_an_unchanged_server() {
    let Some((peers, ())) = peers().zip(tools()) else {
        return;
    };
    let (seed, only) = seed();
    let cluster = Cluster::start(&peers, seed);
    let ours = Path::new(env!("CARGO_BIN_EXE_tenantdns"));
    let chosen = |default: &&Default| only.as_ref().is_none_or(|name| name == default.name);
    let defaults: Vec<&Default> = DEFAULTS.iter().filter(chosen).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut reports = Vec::new();
        while let Some(default) = defaults.get(next.fetch_add(1, Ordering::Relaxed)) {
            let folder = default.folder();
            let corefiles = [folder.as_path(); 2];
            let programs = [&peers.coredns, ours].map(Path::new);
            reports.push(run(
                &cluster, default, corefiles, programs, &LINES, QUESTIONS,
            ));
        }
        reports
    };
    let reports = thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(work)).collect();
        let reports = workers.into_iter().flat_map(|w| w.join().unwrap());
        reports.collect::<Vec<_>>()
    });
    let Some(reports) = reports.into_iter().collect::<Option<Vec<Report>>>() else {
        return;
    };
    let mut failures = Vec::new();
    for report in reports {
        report.print(seed);
        failures.extend(report.failure(seed));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn a_different_corefile_is_noticed() {
    let Some((peers, ())) = peers().zip(tools()) else {
        return;
    };
    let cluster = Cluster::start(&peers, seed().0);
    let kubeadm = DEFAULTS[0].folder();
    let text = fs::read_to_string(kubeadm.join("Corefile")).unwrap();
    let compare = |changed: &str| {
        let folder = Folder::new("corefile");
        folder.write("Corefile", changed);
        let folder = folder.path(".");
        let corefiles = [kubeadm.as_path(), folder.as_path()];
        let programs = [peers.coredns.as_path(); 2];
        run(&cluster, &DEFAULTS[0], corefiles, programs, &[], FEW)
    };
    let Some(unchanged) = compare(&text) else {
        return;
    };
    assert_eq!(unchanged.failure(0), None, "CoreDNS beside itself");
    for (from, to) in [
        ("ttl 30", "ttl 29"),
        ("pods insecure", "pods disabled"),
        ("fallthrough in-addr.arpa ip6.arpa", ""),
        ("forward . /etc/resolv.conf", "forward . 1.1.1.1"),
        ("cache 30 {", "cache 20 {"),
        ("cache 30 {", "header {\n response clear aa\n}\ncache 30 {"),
        ("prometheus :9153", "prometheus :9154"),
    ] {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        let report = compare(&text.replace(from, to)).expect("hosts, as before");
        assert!(report.failure(0).is_some(), "`{to}` is not noticed");
    }
}

#[test]
fn explanations_of_corefiles_are_lines_of_the_document() {
    let document = include_str!("../../docs/compatibility.md");
    let others = [explained::SIZE, explained::OCTETS, explained::READY];
    for phrase in LINES.iter().map(|line| line.phrase).chain(others) {
        let lines = document.lines().filter(|line| line.contains(phrase));
        assert_eq!(lines.count(), 1, "{phrase}");
    }
}

/// Looks for what is needed beside the peers; `None` where it is missing: the test is to return then.
fn tools() -> Option<()> {
    let runs = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    for (program, arguments) in [("knotd", "-V"), ("keymgr", "-V"), ("unbound", "-V")] {
        if !runs(program, &[arguments]) {
            return skip(&format!(
                "the world outside needs {program} (Debian: knot, unbound)"
            ));
        }
    }
    let mount = ["--mount", "mount", "-t", "proc", "proc", "/proc"];
    if !runs("unshare", &mount) {
        return skip("pods need files of their own (root, `unshare --mount`)");
    }
    Some(())
}

/// The seed, and which Corefile to run alone.
fn seed() -> (u64, Option<String>) {
    let Ok(text) = std::env::var("TENANTDNS_SEED") else {
        return (RandomState::new().hash_one("seed") >> 32, None);
    };
    let (seed, only) = match text.split_once('/') {
        Some((seed, only)) => (seed, Some(only.to_owned())),
        None => (text.as_str(), None),
    };
    let seed = seed.parse();
    (seed.unwrap_or_else(|_| panic!("{text}: no seed")), only)
}

/// The API server with its objects, for every pod of the test.
struct Cluster {
    api: ApiServer,
    token: String,
    ca: String,
    facts: Facts,
    seed: u64,
}

impl Cluster {
    fn start(peers: &Peers, seed: u64) -> Self {
        let api = ApiServer::start(peers);
        let servers = NUMBERS.map(|number| pod::address(number, false, 53).ip().to_string());
        cluster::fill(&api, &mut Dice::new(seed), &servers);
        Self {
            token: cluster::account(&api),
            ca: fs::read_to_string(api.ca_file()).unwrap(),
            facts: Facts::read(&api),
            api,
            seed,
        }
    }
}

/// What came of one Corefile.
struct Report {
    name: &'static str,
    tally: Tally,
    differences: Vec<String>,
    logs: [String; 2],
}

impl Report {
    /// Says what was compared. Not `println!`, which is shown for failed tests only.
    fn print(&self, seed: u64) {
        let Tally {
            questions,
            truncated,
            anywhere,
            lines,
        } = &self.tally;
        let mut text = format!(
            "TENANTDNS_SEED={seed}/{}: {questions} questions, {truncated} answers cut, {anywhere} of them from anywhere, \
             {} unexplained differences\n",
            self.name,
            self.differences.len()
        );
        for (line, count) in lines {
            text += &format!("{count:6} times: {line}\n");
        }
        std::io::stderr().write_all(text.as_bytes()).unwrap();
    }

    fn failure(&self, seed: u64) -> Option<String> {
        let count = self.differences.len();
        let shown = self.differences.iter().take(ENOUGH).cloned();
        let shown = shown.collect::<Vec<_>>().join("\n\n");
        let logs = self.logs.each_ref().map(|log| {
            let lines: Vec<&str> = log.lines().collect();
            lines[lines.len().saturating_sub(20)..].join("\n")
        });
        (count > 0).then(|| {
            format!(
                "TENANTDNS_SEED={seed}/{}: {count} unexplained differences\n\n{shown}\n\n\
                 CoreDNS printed last:\n{}\nthe other:\n{}",
                self.name, logs[0], logs[1]
            )
        })
    }
}

/// Starts two programs with a Corefile each and compares them. `None` where the machine has no hosts.
fn run(
    cluster: &Cluster,
    default: &Default,
    corefiles: [&Path; 2],
    programs: [&Path; 2],
    lines: &[Line],
    size: [usize; 3],
) -> Option<Report> {
    let network = Network::of(&[NODE, PODS[0], PODS[1]])?;
    network.ip(NODE, "link add br0 type bridge");
    network.ip(NODE, "link set br0 addrgenmode none up");
    for address in pod::interface(1) {
        network.ip(NODE, &format!("addr add {address} dev br0"));
    }
    let api = format!("{}/32", pod::API);
    for address in upstream::ADDRESSES.into_iter().chain([api.as_str()]) {
        network.ip(NODE, &format!("addr add {address} dev lo"));
    }
    for (host, number) in PODS.into_iter().zip(NUMBERS) {
        let interface = pod::interface(number);
        let port = format!("to-{number}");
        let [v4, v6] = &interface;
        network.wire([(NODE, &port, &[]), (host, "eth0", &[v4, v6])]);
        network.ip(NODE, &format!("link set {port} master br0"));
        let node = [false, true].map(|v6| pod::address(1, v6, 0).ip());
        for gateway in node {
            network.ip(host, &format!("route add default via {gateway}"));
        }
    }
    let _upstream = Upstream::start(&network, NODE);
    let _relay = Relay::start(&network, NODE, &format!("{}:443", pod::API), &cluster.api);
    let pods = [0, 1].map(|n| {
        let files = Files {
            config: corefiles[n],
            others: default.files,
            token: &cluster.token,
            ca: &cluster.ca,
        };
        Pod::start(&network, PODS[n], programs[n], files)
    });
    let pods = pods.map(|mut pod| {
        pod.wait_until_ready();
        pod
    });
    let contest = Contest {
        network: &network,
        client: NODE,
        servers: NUMBERS,
        port: default.port,
        lines,
        dns64: default.dns64,
        targets: &asked::targets(&cluster.facts),
    };
    let mut tally = Tally::default();
    let name = default.name.bytes();
    let seed = name.fold(cluster.seed, |seed, byte| {
        seed.rotate_left(8) ^ u64::from(byte)
    });
    let mut dice = Dice::new(seed);
    let batches = asked::batches(&cluster.facts, default.names, size, &mut dice);
    let mut differences = pages(&pods, lines);
    thread::scope(|scope| {
        // Beside the rest, for it takes a while.
        let silent = (size == QUESTIONS).then(|| {
            let compare = || contest.compare(&asked::silent(), false, &mut Tally::default());
            scope.spawn(compare)
        });
        for (number, batch) in batches.iter().enumerate() {
            differences.extend(contest.compare(batch, number % 2 == 1, &mut tally));
        }
        differences.extend(silent.into_iter().flat_map(|silent| silent.join().unwrap()));
    });
    Some(Report {
        name: default.name,
        tally,
        differences,
        logs: pods.each_ref().map(Pod::log),
    })
}

/// The pages that probes and scrapers read, at the Corefile's ports.
fn pages(pods: &[Pod<'_>; 2], lines: &[Line]) -> Vec<String> {
    let mut differences = Vec::new();
    for (port, path) in [(8080, "/health"), (8181, "/ready")] {
        let [due, said] = pods.each_ref().map(|pod| {
            let page = pod.page(port, path)?;
            let (head, body) = page.split_once("\r\n\r\n")?;
            let status = head.split(' ').nth(1)?.to_owned();
            Some((status, body.to_owned()))
        });
        let is_explained = |body: &str| path == "/ready" && body.starts_with("ready\n");
        let equal = match (&due, &said) {
            (Some(due), Some(said)) if !lines.is_empty() && is_explained(&said.1) => {
                due.0 == said.0
            }
            _ => due == said && due.is_some(),
        };
        if !equal {
            differences.push(format!("{path}: CoreDNS: {due:?}, the other: {said:?}"));
        }
    }
    for (pod, name) in pods.iter().zip(PODS) {
        let page = pod.page(9153, "/metrics").unwrap_or_default();
        if !page.starts_with("HTTP/1.1 200") || !page.contains("\ncoredns_build_info{") {
            let start: String = page.chars().take(200).collect();
            differences.push(format!("/metrics of {name}: {start}"));
        }
    }
    differences
}
