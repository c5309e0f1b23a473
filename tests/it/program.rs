//! The program as people run it: arguments, files, exit status, what it prints.

use crate::decode::decode;
use crate::live::{ask_tcp, receive};
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use tenantdns::testing::query;
use tenantdns::wire::RType;

const QUICKSTART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/quickstart");

pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenantdns"));
    command
        .args(arguments)
        .env_remove("TENANTDNS_LOG")
        .stdin(Stdio::null());
    command
}

/// A running `tenantdns serve`.
struct Serving {
    child: Child,
    stdout: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Serving {
    fn start(manifests: &Path) -> Self {
        let manifests = manifests.to_str().unwrap();
        let arguments = ["serve", "--manifests", manifests, "--listen", "127.0.0.1:0"];
        let mut child = program(&arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line
            .strip_prefix("listening on ")
            .and_then(|rest| rest.split(' ').next());
        let address = address
            .unwrap_or_else(|| panic!("{line:?}"))
            .parse()
            .unwrap();
        Self {
            child,
            stdout,
            address,
        }
    }

    /// Asks over UDP and over TCP, which agree.
    fn ask(&self, source: &str, name: &str, rtype: RType) -> (String, Vec<String>) {
        let udp = self.ask_udp(source, name, rtype);
        let tcp = decode(&ask_tcp(
            self.address,
            source.parse().unwrap(),
            &query(name, rtype),
        ));
        assert_eq!(
            (&udp.0, udp.1.len()),
            (&tcp.rcode, tcp.answer.len()),
            "{name}"
        );
        udp
    }

    fn ask_udp(&self, source: &str, name: &str, rtype: RType) -> (String, Vec<String>) {
        let source: IpAddr = source.parse().unwrap();
        let socket = UdpSocket::bind(SocketAddr::new(source, 0)).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        socket.connect(self.address).unwrap();
        socket.send(&query(name, rtype)).unwrap();
        let answer = decode(&receive(&socket));
        (answer.rcode, answer.answer)
    }

    /// Asks until the answer is this one.
    fn expect(&self, source: &str, name: &str, expected: &str) {
        let start = Instant::now();
        loop {
            let (rcode, answer) = self.ask_udp(source, name, RType::A);
            if rcode == expected || answer.first().is_some_and(|a| a.ends_with(expected)) {
                return;
            }
            let waited = start.elapsed();
            assert!(
                waited < Duration::from_secs(30),
                "{name}: {rcode} {answer:?}, not {expected}"
            );
            std::thread::yield_now();
        }
    }

    fn terminate(&mut self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
        let mut stderr = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .unwrap();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), stderr)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Already gone, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder that is removed with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tenantdns-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_quickstart_shows_each_tenant_its_own() {
    let mut serving = Serving::start(Path::new(QUICKSTART));
    let ledger = "ledger.bank.svc.cluster.local";
    for (source, name, expected) in [
        ("127.0.0.21", ledger, "10.96.2.1"),
        ("127.0.0.11", ledger, "NXDOMAIN"),
        ("127.0.0.31", ledger, "10.96.2.1"),
        ("127.0.0.11", "web.shop.svc.cluster.local", "10.96.1.1"),
        ("127.0.0.21", "web.shop.svc.cluster.local", "NXDOMAIN"),
        ("127.0.0.11", "db-0.db.shop.svc.cluster.local", "127.0.0.12"),
        (
            "127.0.0.21",
            "kubernetes.default.svc.cluster.local",
            "10.96.0.1",
        ),
        (
            "127.0.0.99",
            "kubernetes.default.svc.cluster.local",
            "10.96.0.1",
        ),
    ] {
        let (rcode, answer) = serving.ask(source, name, RType::A);
        let got = answer
            .first()
            .and_then(|line| line.rsplit(' ').next())
            .unwrap_or(&rcode);
        assert_eq!(got, expected, "{source} {name}");
    }
    let (_, enumerated) = serving.ask("127.0.0.11", "*.*.svc.cluster.local", RType::SRV);
    assert!(!enumerated.is_empty() && !enumerated.iter().any(|line| line.contains("bank")));
    let (status, stderr) = serving.terminate();
    assert_eq!(status, Some(0), "{stderr}");
}

#[test]
fn a_stranger_is_named_in_the_log_once() {
    let mut serving = Serving::start(Path::new(QUICKSTART));
    for _ in 0..2 {
        let (rcode, _) = serving.ask("127.0.0.98", "web.shop.svc.cluster.local", RType::A);
        assert_eq!(rcode, "SERVFAIL");
    }
    let (_, stderr) = serving.terminate();
    assert_eq!(stderr.matches("no pod's").count(), 1, "{stderr}");
    assert!(stderr.contains("127.0.0.98"), "{stderr}");
}

#[test]
fn changes_on_disk_are_served_without_a_restart() {
    let folder = Folder::new("changes");
    let service = |address: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: shop}}\n\
             spec: {{clusterIP: {address}, ports: [{{port: 80}}]}}\n"
        )
    };
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop}\n\
               status: {phase: Running, podIP: 127.2.0.1}\n";
    folder.write("pod.yaml", pod);
    folder.write("web.yaml", &service("10.96.1.1"));
    let mut serving = Serving::start(&folder.0);
    let name = "web.shop.svc.cluster.local";
    serving.expect("127.2.0.1", name, "10.96.1.1");
    folder.write("web.yaml", &service("10.96.1.2"));
    serving.expect("127.2.0.1", name, "10.96.1.2");
    // A file that stops parsing keeps what it said; another one's change is served meanwhile.
    folder.write("web.yaml", "kind: [");
    folder.write("api.yaml", &service("10.96.1.3").replace("web", "api"));
    serving.expect("127.2.0.1", "api.shop.svc.cluster.local", "10.96.1.3");
    serving.expect("127.2.0.1", name, "10.96.1.2");
    folder.write("web.yaml", &service("10.96.1.4"));
    serving.expect("127.2.0.1", name, "10.96.1.4");
    std::fs::remove_file(folder.0.join("web.yaml")).unwrap();
    serving.expect("127.2.0.1", name, "NXDOMAIN");
    let (status, stderr) = serving.terminate();
    assert_eq!(status, Some(0));
    assert!(
        stderr.contains("web.yaml") && stderr.contains("last good"),
        "{stderr}"
    );
}

#[test]
fn what_is_wrong_ends_the_program_with_a_status_and_a_reason() {
    let folder = Folder::new("wrong");
    let ttl = folder.write("ttl.toml", "[kubernetes]\nttl = 7200\n");
    let regex = folder.write(
        "regex.toml",
        "[tenancy]\ntenant_from = [{ name = \"(\" }]\n",
    );
    let key = folder.write("key.toml", "[kubernetes]\ntll = 5\n");
    let text = folder.write("text.toml", "[kubernetes\n");
    let manifest = folder.write(
        "bad.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: n}\n\
         spec: {ports: [{port: x}]}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n",
    );
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let config = |path: &Path| {
        vec![
            "check".to_owned(),
            "--config".into(),
            path.display().to_string(),
        ]
    };
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let bad = manifest.display().to_string();
    for (name, arguments, status, said) in [
        ("no command", words(""), 2, vec!["Usage"]),
        ("an unknown flag", words("serve --nope"), 2, vec!["--nope"]),
        ("no source", words("serve"), 2, vec!["--manifests"]),
        (
            "a TTL out of range",
            config(&ttl),
            78,
            vec!["ttl.toml:2:7", "kubernetes.ttl", "3600"],
        ),
        (
            "a bad expression",
            config(&regex),
            78,
            vec!["regex.toml:2:", "tenant_from"],
        ),
        (
            "an unknown key",
            config(&key),
            78,
            vec!["key.toml:2:1", "tll", "ttl"],
        ),
        ("no TOML", config(&text), 78, vec!["text.toml:1:"]),
        (
            "a missing configuration",
            config(Path::new("/nonexistent.toml")),
            78,
            vec!["nonexistent"],
        ),
        (
            "missing manifests",
            words("serve --listen 127.0.0.1:0 --manifests /nonexistent"),
            1,
            vec!["nonexistent"],
        ),
        (
            "a malformed manifest",
            vec!["check".into(), "--manifests".into(), bad],
            1,
            vec!["bad.yaml", "document 1", "spec.ports[0].port", "1 problems"],
        ),
        (
            "a port in use",
            [
                words(&format!("serve --listen {taken} --manifests")),
                vec![QUICKSTART.into()],
            ]
            .concat(),
            1,
            vec!["in use", taken.as_str()],
        ),
    ] {
        let arguments: Vec<&str> = arguments
            .iter()
            .map(String::as_str)
            .filter(|a| !a.is_empty())
            .collect();
        let output = program(&arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert_eq!(output.status.code(), Some(status), "{name}: {text}");
        for word in said {
            assert!(text.contains(word), "{name}: {word:?} is not in {text}");
        }
    }
}

#[test]
fn check_passes_what_is_right_and_notes_names_that_nobody_has() {
    let folder = Folder::new("check");
    let config = folder.write(
        "some.toml",
        "[tenancy]\nplatform = { namespaces = [\"kube-system\", \"monitoring\"] }\n\
         [[tenancy.forwarder]]\n\
         peers = { services = [\"kube-system/kube-dns\", \"kube-system/front\"] }\n",
    );
    let config = config.to_str().unwrap();
    let arguments = ["check", "--config", config, "--manifests", QUICKSTART];
    let output = program(&arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("platform.namespaces: no namespace matches monitoring"),
        "{text}"
    );
    assert!(!text.contains("matches kube-system"), "{text}");
    assert!(
        text.contains("forwarder.peers.services: there is no Service kube-system/front;"),
        "{text}"
    );
    assert!(!text.contains("Service kube-system/kube-dns"), "{text}");
}

/// Objects of our own kinds, of which some are not in force.
const POLICIES: &str = "\
# Not the first line.
apiVersion: tenantdns.io/v1alpha1
kind: DnsGrant
metadata: {name: auditors}
spec: {effect: Allow, from: [{namespaces: [shop]}], to: [{services: [bank/ledger]}]}
---

apiVersion: tenantdns.io/v1alpha1
kind: DnsExport
metadata: {namespace: shop, name: web}
spec: {services: [web], to: [{namespace: bank}]}
---
apiVersion: tenantdns.io/v1alpha1
kind: DnsExport
metadata: {namespace: shop, name: odd}
spec: {services: [web], to: [{tenant: nobody}], extra: 1}
";

#[test]
fn check_says_how_objects_of_our_own_kinds_fare_and_where_they_are() {
    let folder = Folder::new("policies");
    let policies = folder.write("policies.yaml", POLICIES);
    let json = folder.write(
        "grant.json",
        "{\"kind\": \"List\"}\n\n{\"apiVersion\": \"tenantdns.io/v1alpha1\", \"kind\": \"DnsGrant\",\n \
         \"metadata\": {\"name\": \"none\"}}\n{\"apiVersion\": \"tenantdns.io/v1\", \"kind\": \"DnsGrant\"}",
    );
    let [policies, json] = [&policies, &json].map(|path| path.to_str().unwrap());
    let sources = ["--manifests", QUICKSTART, "--manifests", policies];
    let arguments = [&["check"], &sources[..], &["--manifests", json]].concat();
    let output = program(&arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for line in [
        format!(
            "note: {policies}:13: DnsExport shop/odd: accepted (EntriesIgnored): spec.extra: unknown"
        ),
        format!(
            "{policies}:13: DnsExport shop/odd: not programmed (NoDestination): nobody is meant"
        ),
        format!(
            "{json}:3: DnsGrant none: not accepted (Invalid): spec.effect: is `Allow` or `Deny`; "
        ),
        "apiVersion: `tenantdns.io/v1` is not read by this version".to_owned(),
        "; 3 problems".to_owned(),
    ] {
        assert!(text.contains(&line), "{line:?} is not in {text}");
    }
    assert!(
        !text.contains("DnsGrant auditors") && !text.contains("shop/web:"),
        "{text}"
    );

    for (from, name, rule) in [
        (
            "shop",
            "ledger.bank.svc.cluster.local",
            "admin_allow, rule `DnsGrant auditors`",
        ),
        (
            "bank",
            "web.shop.svc.cluster.local",
            "export, rule `DnsExport shop/web`",
        ),
    ] {
        let arguments = [&["explain", "--from", from, name], &sources[..]].concat();
        let output = program(&arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            text.contains(&format!("visible, by step {rule}\n")),
            "{text}"
        );
    }
}

#[test]
fn the_admission_policy_guards_what_grants_read_too() {
    let folder = Folder::new("admission");
    let grant = folder.write(
        "grant.yaml",
        "apiVersion: tenantdns.io/v1alpha1\nkind: DnsGrant\nmetadata: {name: a}\nspec: {effect: Allow, \
         from: [{namespaceSelector: {matchLabels: {auditor: 'yes'}}}], to: [{namespaces: [ledgers]}]}\n",
    );
    let print = |more: &[&str]| {
        let output = program(&[&["policy", "admission"], more].concat())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let plain = print(&["--allow-group", "sre", "--allow-group", "ops"]);
    assert!(plain.contains("group in ['sre', 'ops']"), "{plain}");
    assert!(!plain.contains("'auditor'") && !plain.contains("'ledgers'"));
    let guarded = print(&["--manifests", grant.to_str().unwrap()]);
    assert!(
        guarded.contains("'auditor'") && guarded.contains("'ledgers'"),
        "{guarded}"
    );
    assert!(guarded.contains("group in ['system:masters']"), "{guarded}");
}

#[test]
fn check_doubts_rules_that_can_be_escaped_or_speak_of_nothing() {
    let folder = Folder::new("doubts");
    let escaped = "to.service_selector: whoever owns a Service escapes this denial";
    for (rule, doubts) in [
        // What exists, is meant.
        (
            "name = \"r\"\neffect = \"allow\"\nfrom = { namespaces = [\"shop\"] }\nto = { services = [\"bank/ledger\"] }",
            &[][..],
        ),
        (
            "effect = \"deny\"\nfrom = { tenants = [\"*\", \"office\"], nodes = true, unknown = true }\nto = { namespaces = [\"ban-*\", \"bank\"] }",
            &["tenancy.rule 1 (without a name): to.namespaces: no namespace matches ban-*"],
        ),
        (
            "name = \"r\"\neffect = \"deny\"\nfrom = { tenants = [\"*\"] }\nto = { tenants = [\"*\"], service_selector = \"tier=db\" }",
            &[
                escaped,
                "tenancy.rule \"r\": to.service_selector: it selects no Service",
            ],
        ),
        (
            "effect = \"allow\"\nfrom = { tenants = [\"*\"] }\nto = { tenants = [\"*\"], service_selector = \"!tier\" }",
            &[],
        ),
        (
            "effect = \"allow\"\nfrom = { tenants = [\"red\"], namespaces = [\"cart\", \"x-*\"], selector = \"team=red\" }\nto = { tenants = [\"blue\"], namespaces = [\"till\"], services = [\"bank/nothing\"], selector = \"team=blue\" }",
            &[
                "from.namespaces: no namespace matches cart;",
                "from.namespaces: no namespace matches x-*;",
                "to.namespaces: no namespace matches till;",
                "from.selector: it selects no namespace",
                "to.selector: it selects no namespace",
                "to.services: there is no Service bank/nothing",
                "from.tenants: nothing is of tenant \"red\"",
                "to.tenants: nothing is of tenant \"blue\"",
            ],
        ),
    ] {
        let text = format!(
            "[[tenancy.client]]\ncidr = \"10.9.0.0/16\"\ntenant = \"office\"\n[[tenancy.rule]]\n{rule}\n"
        );
        let config = folder.write("rules.toml", &text);
        let config = config.to_str().unwrap();
        let output = program(&["check", "--config", config, "--manifests", QUICKSTART])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{text}");
        let notes: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("note: tenancy.rule"))
            .collect();
        assert_eq!(notes.len(), doubts.len(), "{rule}: {text}");
        for doubt in doubts {
            assert!(
                notes.iter().any(|note| note.contains(doubt)),
                "{rule}: {doubt} is not in {text}"
            );
        }
    }
}

#[test]
fn explain_says_who_what_why_and_the_answer() {
    for (from, name, rtype, expected) in [
        (
            "127.0.0.11",
            "ledger.bank.svc.cluster.local",
            "A",
            ["pod", "shop", "service", "hidden", "NXDOMAIN"],
        ),
        (
            "bank/ledger-0",
            "ledger.bank.svc.cluster.local",
            "A",
            ["pod", "bank", "service", "own_namespace", "NOERROR"],
        ),
        (
            "kube-system",
            "db-0.db.shop.svc.cluster.local",
            "SRV",
            ["platform", "kube-system", "endpoint", "platform", "NOERROR"],
        ),
        (
            "127.0.0.11",
            "1.2.96.10.in-addr.arpa",
            "PTR",
            ["pod", "shop", "reverse", "hidden", "NXDOMAIN"],
        ),
        (
            "127.0.0.99",
            "kubernetes.default.svc.cluster.local",
            "A",
            ["unknown", "", "service", "mandatory", "NOERROR"],
        ),
        (
            "bank",
            "whoami.tenantdns.cluster.local",
            "TXT",
            ["pod", "bank", "public", "public", "NOERROR"],
        ),
        (
            "bank",
            "10.96.2.1",
            "PTR",
            ["pod", "bank", "reverse", "own_namespace", "NOERROR"],
        ),
        (
            "bank",
            "example.org",
            "A",
            ["pod", "bank", "outside", "outside", "REFUSED"],
        ),
        (
            "bank",
            "nosuch.cluster.local",
            "A",
            ["pod", "bank", "nothing", "no_such_shape", "NXDOMAIN"],
        ),
    ] {
        let arguments = [
            "explain",
            "--from",
            from,
            name,
            rtype,
            "--manifests",
            QUICKSTART,
        ];
        let json = [&arguments[..], &["--output", "json"]].concat();
        let output = program(&json).output().unwrap();
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or("").to_owned();
        let got = [
            text(&said["client"]["kind"]),
            text(&said["client"]["namespace"]),
            text(&said["target"]["kind"]),
            text(&said["decision"]["step"]),
            text(&said["answer"]["rcode"]),
        ];
        assert_eq!(got, expected.map(str::to_owned), "{from} {name}");
        let output = program(&arguments).output().unwrap();
        let plain = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            plain.contains(expected[3]) && plain.contains(expected[4]),
            "{plain}"
        );
    }
    let arguments = [
        "explain",
        "--from",
        "nowhere",
        "a.b",
        "--manifests",
        QUICKSTART,
    ];
    let output = program(&arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no namespace nowhere"));
}
