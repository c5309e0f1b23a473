//! `audit`, `policy suggest` and the gate of `check`: another server's queries in, what enforcing
//! would take away out, and what is made of that.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tenantdns::audit::{Auditor, Question};
use tenantdns::chain::ListenerId;
use tenantdns::commands::Suggestions;
use tenantdns::snapshot::Snapshot;
use tenantdns::tenancy::Mode;
use tenantdns::testing::{Cluster, query};
use tenantdns::wire::{Name, RType};

const QUICKSTART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/quickstart");
const PATIENCE: Duration = Duration::from_secs(60);

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenantdns"));
    command
        .args(arguments)
        .env_remove("TENANTDNS_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs a command on a standard input.
fn run(arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut child = program(arguments).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that does not read it may be gone.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
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

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A line as CoreDNS's `log` writes it.
fn line(client: &str, name: &str, rtype: &str) -> String {
    format!(
        "[INFO] {client}:40000 - 7 \"{rtype} IN {name} udp 56 false 1232\" NOERROR qr,aa,rd 106 0.0001s\n"
    )
}

/// Whom each line of an audit's log names, sorted; and how many queries were judged.
fn said(log: &str) -> (Vec<String>, u64) {
    let (mut denials, mut judged) = (Vec::new(), 0);
    for line in log.lines().filter(|line| line.starts_with('{')) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        if let Some(queries) = line.get("queries") {
            judged += queries["judged"].as_u64().unwrap();
            continue;
        }
        let word = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
        let (client, target) = (&line["client"], &line["target"]);
        denials.push(format!(
            "{} {} {}/{} {} {} {}",
            word(&client["ip"]),
            word(&client["pod"]),
            word(&target["namespace"]),
            word(&target["service"]),
            word(&line["qtype"]),
            word(&line["reason"]),
            line["count"]
        ));
    }
    denials.sort();
    (denials, judged)
}

#[test]
fn a_log_on_the_standard_input_is_judged_to_its_end() {
    let ledger = "ledger.bank.svc.cluster.local.";
    let input = [
        "CoreDNS-1.14.7\nlinux/amd64, go1.25, x\n".to_owned(),
        line("127.0.0.11", ledger, "A"),
        format!(
            "2026-01-01T00:00:00.1Z stdout F {}",
            line("127.0.0.11", ledger, "A")
        ),
        line("127.0.0.11", "web.shop.svc.cluster.local.", "A"),
        line("127.0.0.11", "nothing.bank.svc.cluster.local.", "A"),
        line("127.0.0.11", "example.org.", "A"),
        line("[::ffff:203.0.113.9]", ledger, "AAAA"),
        line("203.0.113.9", ledger, "A"),
        line("127.0.0.21", "21.0.0.127.in-addr.arpa.", "PTR"),
        "[INFO] 127.0.0.11:1 - 7 \"A IN \n".to_owned(),
        // Without an end.
        line("127.0.0.21", "web.shop.svc.cluster.local.", "A")
            .trim_end()
            .to_owned(),
    ];
    let arguments = ["audit", "--coredns-log", "-", "--manifests", QUICKSTART];
    let (status, lines, notes) = run(&arguments, &input.concat());
    assert_eq!(status, Some(0), "{notes}");
    assert_eq!(
        said(&lines),
        (
            vec![
                "127.0.0.11 web-0 bank/ledger A hidden 2".to_owned(),
                "127.0.0.21 ledger-0 shop/web A hidden 1".to_owned(),
                "203.0.113.9 - bank/ledger A unknown_client 1".to_owned(),
            ],
            8
        ),
        "{lines}"
    );
    for words in [
        "judging the standard input",
        "8 queries judged; 4 queries would be answered less.",
        "1 query for names of no zone",
        "1 lines or frames could not be read.",
        "shop                                  bank/ledger                           hidden                    2        1",
        "unknown clients                       bank/ledger                           unknown_client            1        1",
    ] {
        assert!(notes.contains(words), "{words} is not in {notes}");
    }
}

/// A running `audit` of which the lines go to a file.
struct Auditing {
    child: Child,
    log: String,
    _folder: Folder,
}

impl Auditing {
    fn start(folder: Folder, arguments: &[&str]) -> Self {
        let log = folder.path("audit.jsonl");
        let config = folder.path("tenantdns.toml");
        let text = format!(
            "[source]\nmanifests = [{QUICKSTART:?}]\n[audit]\nlog = {log:?}\nwindow = \"1s\"\n"
        );
        std::fs::write(&config, text).unwrap();
        let child = program(&[&["audit", "--config", &config], arguments].concat())
            .spawn()
            .unwrap();
        Self {
            child,
            log,
            _folder: folder,
        }
    }

    /// Waits until so many queries have been judged, and returns the denials.
    fn judged(&self, many: u64) -> Vec<String> {
        let start = Instant::now();
        loop {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let (denials, judged) = said(&log);
            if judged >= many {
                assert_eq!(judged, many);
                return denials;
            }
            assert!(start.elapsed() < PATIENCE, "{judged} of {many}: {log}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Interrupts it; returns its exit status and what it said.
    fn interrupt(mut self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        let mut kill = Command::new("kill");
        assert!(kill.args(["-INT", &pid]).status().unwrap().success());
        let mut notes = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut notes).unwrap();
        (self.child.wait().unwrap().code(), notes)
    }
}

impl Drop for Auditing {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_log_is_followed_through_rotation_and_emptying() {
    let folder = Folder::new("followed");
    let path = folder.path("coredns.log");
    let moved = folder.path("coredns.log.1");
    let web = |client| line(client, "ledger.bank.svc.cluster.local.", "A");
    let append = |path: &str, text: &str| {
        let mut file = File::options()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    append(&path, &web("127.0.0.11"));
    let auditing = Auditing::start(folder, &["--coredns-log", &path]);
    auditing.judged(1);
    // In two pieces.
    let (start, end) = (&web("127.0.0.11")[..30], &web("127.0.0.11")[30..]);
    append(&path, start);
    append(&path, end);
    auditing.judged(2);
    // Moved away, still written to, and made anew.
    std::fs::rename(&path, &moved).unwrap();
    append(&moved, &web("127.0.0.11"));
    auditing.judged(3);
    append(&path, &web("127.0.0.12").repeat(2));
    auditing.judged(5);
    // Emptied.
    File::options()
        .write(true)
        .truncate(true)
        .open(&path)
        .unwrap();
    append(&path, &web("127.0.0.12"));
    let denials = auditing.judged(6);
    assert!(
        denials
            .iter()
            .all(|denial| denial.contains("bank/ledger A hidden")),
        "{denials:?}"
    );
    let (status, notes) = auditing.interrupt();
    assert_eq!(status, Some(0), "{notes}");
    assert!(
        notes.contains("6 queries judged; 6 queries would be answered less."),
        "{notes}"
    );
}

/// A control frame of dnstap's streams.
fn control(kind: u8) -> Vec<u8> {
    let content = b"protobuf:dnstap.Dnstap";
    let mut body = vec![0, 0, 0, kind, 0, 0, 0, 1, 0, 0, 0, content.len() as u8];
    body.extend(content);
    [&[0, 0, 0, 0, 0, 0, 0, body.len() as u8], &body[..]].concat()
}

/// A query of a pod of the quickstart, as dnstap tells it.
fn told(name: &str) -> Vec<u8> {
    let asked = query(name, RType::A);
    let mut message = vec![8, 5, 34, 4, 127, 0, 0, 11, 82, asked.len() as u8];
    message.extend(asked);
    let tap = [&[114, message.len() as u8], &message[..], &[120, 1]].concat();
    [&(tap.len() as u32).to_be_bytes(), &tap[..]].concat()
}

/// Sends a whole stream both ways, as CoreDNS does; returns what was said to it.
fn send(mut socket: impl Read + Write, frames: &[u8]) -> Vec<u8> {
    let mut said = vec![0; control(1).len()];
    socket.write_all(&control(4)).unwrap();
    socket.read_exact(&mut said).unwrap();
    assert_eq!(said, control(1), "ACCEPT");
    socket.write_all(&control(2)).unwrap();
    socket.write_all(frames).unwrap();
    socket
        .write_all(&[0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 3])
        .unwrap();
    let mut said = Vec::new();
    socket.read_to_end(&mut said).unwrap();
    said
}

#[test]
fn dnstap_is_read_beside_whatever_else_is_sent() {
    const FINISH: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 5];
    let ledger = told("ledger.bank.svc.cluster.local");
    let folder = Folder::new("tapped");
    let path = folder.path("tap");
    // Left behind by one that was killed.
    drop(UnixListener::bind(&path).unwrap());
    let place = format!("unix:{path}");
    for dnstap in [&*place, "127.0.0.1:0"] {
        let mut auditing = Auditing::start(Folder::new("tapping"), &["--dnstap", dnstap]);
        let mut notes = BufReader::new(auditing.child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("judging dnstap at ") {
            line.clear();
            assert!(notes.read_line(&mut line).unwrap() > 0);
        }
        let address = line.trim().strip_prefix("judging dnstap at tcp://");
        let connect = || -> Box<dyn Stream> {
            match address {
                Some(address) => Box::new(TcpStream::connect(address).unwrap()),
                None => Box::new(UnixStream::connect(&path).unwrap()),
            }
        };
        let mut half_open = Vec::new();
        for hostile in [
            &b""[..],
            b"GET / HTTP/1.1\r\n\r\n",
            &control(4)[..10],
            &[&control(2)[..], &[0xff; 8]].concat(),
            &[&control(2)[..], &ledger[..20]].concat(),
            &[&control(2)[..], &[0, 0, 0, 2, 0xff, 0xff]].concat(),
        ] {
            let mut socket = connect();
            // It may have been closed already.
            let _ = socket.write_all(hostile);
            half_open.push(socket);
        }
        assert_eq!(send(connect(), &ledger.repeat(3)), FINISH);
        let mut stays = connect();
        stays
            .write_all(&[&control(2)[..], &ledger].concat())
            .unwrap();
        let denials = auditing.judged(4);
        assert!(
            denials
                .iter()
                .all(|denial| denial.starts_with("127.0.0.11 web-0 bank/ledger A hidden"))
        );
        auditing.child.stderr = Some(notes.into_inner());
        let (status, notes) = auditing.interrupt();
        assert_eq!(status, Some(0), "{notes}");
        assert!(
            notes.contains("1 lines or frames could not be read."),
            "{notes}"
        );
    }
    assert!(
        !Path::new(&path).exists(),
        "the socket's file is left behind"
    );
}

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

#[test]
fn what_an_audit_can_not_begin_with_is_said() {
    for (arguments, status, says) in [
        (&["audit", "--manifests", QUICKSTART][..], 2, "--dnstap"),
        (
            &["audit", "--coredns-log", "a", "--dnstap", "127.0.0.1:1"],
            2,
            "cannot be used with",
        ),
        (
            &[
                "audit",
                "--coredns-log",
                "/nowhere",
                "--manifests",
                QUICKSTART,
            ],
            1,
            "reading /nowhere",
        ),
        (&["audit", "--coredns-log", "-"], 2, "no source"),
        (
            &["audit", "--dnstap", "localhost", "--manifests", QUICKSTART],
            2,
            "--dnstap",
        ),
        (
            &["audit", "--dnstap", "unix:", "--manifests", QUICKSTART],
            2,
            "needs a path",
        ),
        (
            &[
                "audit",
                "--dnstap",
                "unix:/nowhere/x",
                "--manifests",
                QUICKSTART,
            ],
            1,
            "listening for dnstap at unix:///nowhere/x",
        ),
        (&["policy", "suggest"], 2, "--audit-log"),
        (
            &["policy", "suggest", "--audit-log", "/nowhere"],
            1,
            "reading the audit log /nowhere",
        ),
        (&["check", "--max-unidentified", "1"], 2, "--audit-log"),
        (
            &["check", "--audit-log", "-", "--max-unidentified", "101"],
            2,
            "0 to 100",
        ),
    ] {
        let (code, stdout, stderr) = run(arguments, "");
        assert_eq!(code, Some(status), "{arguments:?}: {stdout}{stderr}");
        assert!(stderr.contains(says), "{arguments:?}: {stderr}");
    }
}

// === suggestions ===

const OBJECTS: &str = r#"
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: red}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: cart, labels: {team: red}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: bank, labels: {team: blue, tenantdns.io/visibility: private}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: local, labels: {team: blue}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: alone}}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: ledger, namespace: bank}, spec: {clusterIP: 10.96.0.2, ports: [{name: http, port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: rates, namespace: bank}, spec: {clusterIP: 10.96.0.3, ports: [{name: http, port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: alias, namespace: bank}, spec: {type: ExternalName, externalName: ledger.bank.svc.cluster.local}}
---
{apiVersion: v1, kind: Service, metadata: {name: dns, namespace: local}, spec: {clusterIP: 10.96.0.4, ports: [{port: 53}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: kubernetes, namespace: default}, spec: {clusterIP: 10.96.0.5, ports: [{port: 443}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop}, status: {phase: Running, podIP: 10.244.0.1, podIPs: [{ip: 10.244.0.1}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: cart}, status: {phase: Running, podIP: 10.244.0.2, podIPs: [{ip: 10.244.0.2}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: bank}, status: {phase: Running, podIP: 10.244.0.3, podIPs: [{ip: 10.244.0.3}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: alone}, status: {phase: Running, podIP: 10.244.0.4, podIPs: [{ip: 10.244.0.4}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: n}, status: {addresses: [{type: InternalIP, address: 10.0.0.1}]}}
"#;

const CONFIG: &str = r#"
[kubernetes]
zones = ["cluster.local", "in-addr.arpa"]
pods = "verified"
[tenancy]
mode = "audit"
tenant_from = [{ label = "team" }]
[[tenancy.client]]
cidr = "10.9.0.0/16"
tenant = "red"
[[tenancy.rule]]
name = "no rates"
effect = "deny"
from = { namespaces = ["alone"] }
to = { services = ["bank/rates"] }
"#;

const CLIENTS: [&str; 7] = [
    "10.244.0.1",
    "10.244.0.2",
    "10.244.0.3",
    "10.244.0.4",
    "10.9.0.7",
    "10.0.0.1",
    "10.99.0.1",
];

/// Asks every name as every client, and returns the log of it, a line each.
fn audit(snapshot: &Snapshot) -> Vec<String> {
    let mut auditor = Auditor::default();
    for client in CLIENTS {
        for name in [
            "web.shop",
            "ledger.bank",
            "rates.bank",
            "alias.bank",
            "_http._tcp.ledger.bank",
            "dns.local",
            "kubernetes.default",
        ] {
            ask(
                &mut auditor,
                snapshot,
                client,
                &format!("{name}.svc.cluster.local."),
                255,
            );
            for rtype in [1, 33] {
                ask(
                    &mut auditor,
                    snapshot,
                    client,
                    &format!("{name}.svc.cluster.local."),
                    rtype,
                );
            }
        }
        ask(
            &mut auditor,
            snapshot,
            client,
            "10-244-0-3.bank.pod.cluster.local.",
            1,
        );
        for last in 1..6 {
            ask(
                &mut auditor,
                snapshot,
                client,
                &format!("{last}.0.96.10.in-addr.arpa."),
                12,
            );
        }
    }
    let mut lines = Vec::new();
    let span = ("2026-01-02T00:00:10Z", 10);
    let closing = auditor.window().close(
        span,
        Mode::Audit,
        |_, _| Some("a"),
        |line| {
            lines.push(serde_json::to_string(line).unwrap());
        },
    );
    lines.push(serde_json::to_string(&closing).unwrap());
    lines
}

fn ask(auditor: &mut Auditor, snapshot: &Snapshot, client: &str, name: &str, rtype: u16) {
    let name: Name = name.parse().unwrap();
    let question = Question::new(
        ListenerId(0),
        client.parse().unwrap(),
        name.as_wire(),
        rtype,
    );
    auditor.judge(snapshot, &question);
}

fn suggested(lines: &[String], sweep: u32) -> String {
    let mut suggestions = Suggestions::new(sweep);
    suggestions.read(lines.join("\n").as_bytes()).unwrap();
    suggestions.to_string()
}

/// What an editor makes of it that takes comments away.
fn uncommented(text: &str) -> String {
    let line = |line: &str| {
        let line = line.strip_prefix('#').unwrap_or(line);
        line.strip_prefix(' ').unwrap_or(line).to_owned() + "\n"
    };
    text.lines().map(line).collect()
}

#[test]
fn with_what_is_suggested_the_denials_vanish() {
    let before = audit(&Cluster::new(OBJECTS, CONFIG).snapshot());
    let text = suggested(&before, 256);
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines
            .iter()
            .all(|line| line.is_empty() || line.starts_with('#')),
        "{text}"
    );
    assert_eq!(
        Cluster::new(OBJECTS, &(CONFIG.to_owned() + &text))
            .snapshot()
            .policy
            .options()
            .rules
            .list()
            .len(),
        1
    );

    let granted = uncommented(&text);
    let config = CONFIG.to_owned() + &granted;
    let after = audit(&Cluster::new(OBJECTS, &config).snapshot());
    let hidden = |lines: &[String]| -> Vec<String> {
        let hidden = lines.iter().filter(|line| line.contains("\"hidden\""));
        hidden.cloned().collect()
    };
    let had = hidden(&before);
    assert!(had.len() > 20, "{had:?}");
    // Names of pods, and what a rule denies, no grant of a single service shows.
    let left = hidden(&after);
    let stays = |line: &&String| {
        line.contains("\"service\":null")
            || (line.contains("\"alone\"") && line.contains("\"rates\""))
    };
    let ungrantable: Vec<String> = had.iter().filter(stays).cloned().collect();
    assert_eq!(left, ungrantable, "{granted}");
    // Nobody else is granted anything.
    let nobodys = |lines: &[String]| -> Vec<String> {
        let others = lines.iter().filter(|line| line.contains("_client\""));
        others.cloned().collect()
    };
    assert!(!nobodys(&before).is_empty());
    assert_eq!(nobodys(&after), nobodys(&before));

    // In any order, and twice in two files, it says the same.
    let reversed: Vec<String> = before.iter().rev().cloned().collect();
    assert_eq!(suggested(&reversed, 256), text);
    let folder = Folder::new("suggested");
    let path = folder.path("audit.jsonl");
    std::fs::write(
        &path,
        "listening on 127.0.0.1:53 (udp, tcp)\n".to_owned() + &before.join("\n"),
    )
    .unwrap();
    let (status, said, _) = run(&["policy", "suggest", "--audit-log", &path], "");
    assert_eq!((status, said), (Some(0), text));
}

#[test]
fn what_the_page_shows_is_what_is_printed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/audit.md")).unwrap();
    let indented = |text: &str| -> String {
        let lines = text.lines();
        lines
            .map(|line| format!("    {line}").trim_end().to_owned() + "\n")
            .collect()
    };
    let shows = |text: &str| assert!(page.contains(&indented(text)), "{}", indented(text));
    let queries = std::fs::read_to_string(root.join("examples/quickstart-coredns.log")).unwrap();
    let arguments = ["audit", "--coredns-log", "-", "--manifests", QUICKSTART];
    let (_, lines, summary) = run(&arguments, &queries);
    shows(&summary);
    // Whenever that was, and however long it took.
    let lines: Vec<String> = lines
        .lines()
        .map(|line| {
            let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["ts"] = "2026-01-01T00:00:10Z".into();
            line["window_s"] = 10.into();
            line.to_string()
        })
        .collect();
    // The page breaks the lines.
    for shown in [
        r#"{"ts":"2026-01-01T00:00:10Z","window_s":10,"mode":"audit","client":{"ip":"127.0.0.11","namespace":"shop","pod":"web-0","tenant":"shop"},"target":{"namespace":"bank","service":"ledger"},"qtype":"A","reason":"hidden","count":2}"#,
        r#"{"ts":"2026-01-01T00:00:10Z","window_s":10,"mode":"audit","queries":{"judged":8,"unknown":2,"node_hidden":0,"unlisted":0,"lost":0}}"#,
    ] {
        let value: serde_json::Value = serde_json::from_str(shown).unwrap();
        assert!(lines.contains(&value.to_string()), "{lines:?}");
        assert!(page.replace("\n     \"", "\"").contains(shown), "{shown}");
    }
    let log = lines.join("\n");
    let (_, suggested, _) = run(&["policy", "suggest", "--audit-log", "-"], &log);
    shows(&suggested);
    let (status, gate, _) = run(&["check", "--audit-log", "-"], &log);
    assert_eq!(status, Some(1));
    shows(&gate);
}

#[test]
fn each_suggestion_says_what_it_rests_on() {
    let line = |ts: &str, ip: &str, who: &str, target: &str, rest: &str| {
        format!(
            "{{\"ts\":\"{ts}\",\"client\":{{\"ip\":\"{ip}\",{who}}},\"target\":{target},{rest}}}"
        )
    };
    let shop = r#""namespace":"shop","pod":"web-0","tenant":"red""#;
    let ledger = r#"{"namespace":"bank","service":"ledger"}"#;
    let hidden = r#""qtype":"A","reason":"hidden","count":2"#;
    let mut lines = vec![
        line("2026-01-02T00:00:10Z", "10.0.0.1", shop, ledger, hidden),
        line(
            "2026-01-01T00:00:10Z",
            "10.0.0.2",
            r#""namespace":"shop","tenant":"red""#,
            ledger,
            r#""qtype":"SRV","reason":"hidden","count":1"#,
        ),
        line(
            "2026-01-01T00:00:20Z",
            "10.9.0.1",
            r#""tenant":"office""#,
            ledger,
            hidden,
        ),
        line(
            "2026-01-01T00:00:20Z",
            "10.0.0.1",
            shop,
            r#"{"namespace":"bank","service":null}"#,
            hidden,
        ),
        // What nobody writes who means well.
        line(
            "2026-01-01T00:00:20Z",
            "10.0.0.1",
            shop,
            r#"{"namespace":"bank\"]\n[tenancy]\nmode=\"off","service":"a"}"#,
            hidden,
        ),
        line(
            "2026-01-01T00:00:20Z",
            "10.0.0.4",
            r#""namespace":"x\u001b[31m\n# y","tenant":"\u202e""#,
            ledger,
            hidden,
        ),
        line(
            "2026-01-01T00:00:20Z",
            "10.1.0.1",
            r#""namespace":null"#,
            ledger,
            r#""qtype":"A","reason":"node_client","count":7"#,
        ),
        "{\"ts\":".to_owned(),
    ];
    for n in 0..12 {
        let target = format!("{{\"namespace\":\"bank\",\"service\":\"s{n}\"}}");
        lines.push(line(
            "2026-01-03T00:00:00Z",
            "10.0.0.3",
            r#""namespace":"shop","pod":"scan","tenant":"red""#,
            &target,
            hidden,
        ));
    }
    let text = suggested(&lines, 10);
    for words in [
        "## Seen in windows that ended 2026-01-01T00:00:10Z to 2026-01-03T00:00:00Z: 19 lines.",
        "## 1 lines can't be read",
        "## 2 rules, 2 services.",
        "## Pods of shop (tenant red)\n##   bank/ledger: 3 times on 2 days, first 2026-01-01T00:00:10Z, last 2026-01-02T00:00:10Z; A, SRV; by 10.0.0.2, web-0\n# [[tenancy.rule]]\n# name = \"what shop asked for\"\n# effect = \"allow\"\n# from = { namespaces = [\"shop\"] }\n# [tenancy.rule.to]\n# services = [\n#   \"bank/ledger\"\n# ]",
        "# from = { cidrs = [\"10.9.0.1/32\"] }",
        "##   10.0.0.3, Pods of shop (tenant red): 12 services, 24 times on 1 day",
        "##   10.1.0.1: 7 record sets of bank/ledger",
        "##   Pods of shop (tenant red): bank/(pods): 2 times",
        r"Pods of x\u{1b}[31m\u{a}# y (tenant \u{202e})",
    ] {
        assert!(text.contains(words), "{words}\nis not in\n{text}");
    }
    assert!(
        text.lines()
            .all(|line| line.is_empty() || line.starts_with('#')),
        "{text}"
    );
    let config = "[tenancy]\nmode = \"audit\"\n".to_owned() + &uncommented(&text);
    assert_eq!(
        Cluster::new("", &config)
            .snapshot()
            .policy
            .options()
            .rules
            .list()
            .len(),
        2
    );
    // Nobody is suspected who asked for as many as it may.
    assert!(!suggested(&lines, 14).contains("looking for names"));
}

#[test]
fn the_gate_decides_the_exit_status() {
    let folder = Folder::new("gate");
    let closing = |judged: u64, unknown: u64| {
        format!(
            "{{\"ts\":\"2026-01-01T00:00:10Z\",\"queries\":{{\"judged\":{judged},\"unknown\":{unknown}}}}}\n"
        )
    };
    let [good, bad, none] = [closing(5000, 1), closing(5000, 100), String::new()];
    for (name, text) in [("good", &good), ("bad", &bad), ("none", &none)] {
        std::fs::write(Path::new(&folder.path(name)), text).unwrap();
    }
    let config = folder.path("tenantdns.toml");
    std::fs::write(&config, "").unwrap();
    let [good, bad, none] = ["good", "bad", "none"].map(|name| folder.path(name));
    for (arguments, status, says) in [
        (&["--audit-log", &good][..], 0, "pass  0.0200%"),
        (
            &["--audit-log", &bad],
            1,
            "FAIL  2.0000% of the queries, at most 0.1000%",
        ),
        (
            &["--audit-log", &none],
            1,
            "FAIL  audit log: it says of no query",
        ),
        (
            &["--audit-log", &bad, "--max-unidentified", "2%"],
            0,
            "pass",
        ),
        (&["--audit-log", &good, &bad], 1, "10000 queries judged"),
        (
            &["--audit-log", &good, "--config", &config],
            0,
            "configuration: ok",
        ),
        (
            &["--audit-log", &bad, "--manifests", QUICKSTART],
            1,
            "configuration: ok; 4 namespaces",
        ),
    ] {
        let (code, stdout, stderr) = run(&[&["check"], arguments].concat(), "");
        assert_eq!(code, Some(status), "{arguments:?}: {stdout}{stderr}");
        assert!(stdout.contains(says), "{arguments:?}: {stdout}");
    }
}
