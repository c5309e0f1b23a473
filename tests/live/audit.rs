//! `audit` beside the real CoreDNS, which answers from the real API server: what its dnstap and its
//! log tell is judged alike, and as a server that enforces denies.

use crate::apiserver::{ADMIN, ApiServer};
use crate::coredns::{CoreDns, LEASH};
use crate::parts::{grant, namespace, pod, service, slice};
use crate::process::{Folder, Process, peers, printed, until};
use crate::serving::{PATIENCE, QUIET, Serving, ask};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use tenantdns::wire::RType;

/// Pods of two tenants, a node, and an address of nobody.
const CLIENTS: [&str; 4] = ["127.5.0.1", "127.5.0.2", "127.5.0.9", "127.5.0.77"];

/// A tenantdns that judges. Ends when dropped.
struct Auditing {
    folder: Folder,
    process: Process,
}

impl Auditing {
    fn start(name: &str, kubeconfig: &Path, tap: &[&str]) -> Self {
        let folder = Folder::new(name);
        let lines = folder.path("audit.jsonl");
        let config = format!("[audit]\nlog = {lines:?}\nwindow = \"1s\"\n{QUIET}");
        let mut command = Command::new("sh");
        command
            .args([
                "-c",
                LEASH,
                "leash",
                env!("CARGO_BIN_EXE_tenantdns"),
                "audit",
            ])
            .arg("--config")
            .arg(folder.write("tenantdns.toml", &config))
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(tap)
            .env_remove("HTTPS_PROXY")
            .env_remove("https_proxy");
        let process = Process::spawn("tenantdns", &mut command, &folder.path("log"));
        Self { folder, process }
    }

    /// What it prints, once that has these words.
    fn prints(&mut self, words: &str) -> String {
        let log = self.folder.path("log");
        let found = self.process.wait(PATIENCE, || {
            let text = printed(&log);
            text.contains(words).then_some(text)
        });
        found.unwrap_or_else(|| panic!("it ended: {}", printed(&log)))
    }

    /// What it has found once so many queries have been judged: how often each client was denied each
    /// target by a type, and why.
    fn judged(&self, many: u64) -> BTreeMap<[String; 4], u64> {
        let path = self.folder.path("audit.jsonl");
        until(&format!("{many} queries are not judged"), PATIENCE, || {
            let (mut denials, mut judged) = (BTreeMap::new(), 0);
            for line in printed(&path).lines() {
                let line: Value = serde_json::from_str(line).ok()?;
                if let Some(count) = line["queries"]["judged"].as_u64() {
                    judged += count;
                    continue;
                }
                let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let target = &line["target"];
                let target = format!(
                    "{}/{}",
                    word(&target["namespace"]),
                    word(&target["service"])
                );
                let key = [
                    word(&line["client"]["ip"]),
                    target,
                    word(&line["qtype"]),
                    word(&line["reason"]),
                ];
                *denials.entry(key).or_default() += line["count"].as_u64()?;
            }
            assert!(judged <= many, "{judged} judged, {many} asked");
            (judged == many).then_some(denials)
        })
    }
}

fn corefile(kubeconfig: &Path, dnstap: &str, format: &str) -> String {
    let kubeconfig = kubeconfig.display();
    format!(
        ".:{{$DNS_PORT}} {{
    bind 127.0.0.1
    ready 127.0.0.1:{{$READY_PORT}}
    log . \"{format}\"
    dnstap {dnstap}
    errors
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {kubeconfig}
        pods verified
    }}
}}
"
    )
}

/// The data of an answer, sorted; nothing where there is none.
fn records(server: SocketAddr, client: &str, name: &str, rtype: RType) -> Vec<String> {
    let mut records = ask(server, client, name, rtype).answer;
    records.sort();
    records
}

#[test]
fn dnstap_and_the_log_are_judged_as_a_server_that_enforces_denies() {
    let Some(peers) = peers() else { return };
    let api = ApiServer::start(&peers);
    grant(&api, "dns");
    let mut questions: Vec<(String, RType, String)> = Vec::new();
    for (name, address) in [("a", CLIENTS[0]), ("b", CLIENTS[1])] {
        api.create(&namespace(name));
        let web = api.create(&service(name, "web"));
        api.create(&slice(
            name,
            "web",
            &format!("10.244.{}.7", questions.len() + 1),
        ));
        api.create_with_status(&pod(name, "p", address));
        let target = format!("{name}/web");
        for rtype in [RType::A, RType::AAAA, RType::SRV] {
            let name = format!("web.{name}.svc.cluster.local.");
            questions.push((name, rtype, target.clone()));
        }
        questions.push((
            format!("_http._tcp.web.{name}.svc.cluster.local."),
            RType::SRV,
            target.clone(),
        ));
        let ip = web["spec"]["clusterIP"].as_str().unwrap();
        let reversed: Vec<&str> = ip.rsplit('.').collect();
        questions.push((
            format!("{}.in-addr.arpa.", reversed.join(".")),
            RType::PTR,
            target,
        ));
        // Nobody is denied what is not there.
        for odd in [r#"no\032\"such\\name\255"#, "nothing"] {
            questions.push((
                format!("{odd}.{name}.svc.cluster.local."),
                RType::A,
                String::new(),
            ));
        }
    }
    questions.push((
        "kubernetes.default.svc.cluster.local.".to_owned(),
        RType::A,
        String::new(),
    ));
    api.create_with_status(&json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "node-1"},
        "status": {"addresses": [{"type": "InternalIP", "address": CLIENTS[2]}]},
    }));
    let kubeconfig = api.kubeconfig(ADMIN);

    let mut tapped = Auditing::start("audit-dnstap", &kubeconfig, &["--dnstap", "127.0.0.1:0"]);
    let notes = tapped.prints("judging dnstap at tcp://");
    let place = notes.split("judging dnstap at ").nth(1).unwrap();
    let place = place.lines().next().unwrap();
    let dns = api.kubeconfig("dns");
    let full = format!("{place} full");
    let coredns = CoreDns::start(&peers, &corefile(&dns, &full, "{combined}"));
    let log = coredns.log();
    let mut logged = Auditing::start(
        "audit-log",
        &kubeconfig,
        &["--coredns-log", log.to_str().unwrap()],
    );
    logged.prints("judging ");
    let settings = "[tenancy]\nunknown_wait = \"10ms\"\n";
    let mut enforcing = Serving::start_with("audit-enforce", &kubeconfig, "127.0.0.1:0", settings);
    let server = enforcing.address();

    // What CoreDNS answers and a server that enforces does not.
    let mut denied: BTreeMap<[String; 3], u64> = BTreeMap::new();
    let mut asked = 0;
    for client in CLIENTS {
        for (name, rtype, target) in &questions {
            let open = records(coredns.address, client, name, *rtype);
            let left = records(server, client, name, *rtype);
            asked += 1;
            if open.iter().any(|record| !left.contains(record)) {
                let key = [client.to_owned(), target.clone(), rtype.to_string()];
                *denied.entry(key).or_default() += 1;
            }
        }
        // No zone has it, and it does not count.
        ask(coredns.address, client, "example.org.", RType::A);
    }
    // Each pod is denied five of the other's, the others all ten.
    assert_eq!(denied.values().sum::<u64>(), 2 * 5 + 2 * 10, "{denied:?}");
    let by_tap = tapped.judged(asked);
    let by_log = logged.judged(asked);
    assert_eq!(by_tap, by_log);
    let mut found: BTreeMap<[String; 3], u64> = BTreeMap::new();
    for ([client, target, rtype, reason], count) in by_tap {
        let expected = match CLIENTS.iter().position(|other| *other == client) {
            Some(2) => "node_client",
            Some(3) => "unknown_client",
            _ => "hidden",
        };
        assert_eq!(reason, expected, "{client}");
        *found.entry([client, target, rtype]).or_default() += count;
    }
    assert_eq!(found, denied);

    // Without `full` CoreDNS does not say what is asked, and that is said.
    let wordless = CoreDns::start(&peers, &corefile(&dns, place, "{common}"));
    ask(wordless.address, CLIENTS[0], &questions[0].0, RType::A);
    tapped.prints("`dnstap ADDRESS full`");
}
