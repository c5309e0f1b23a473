//! Encrypted listeners, asked by the clients that people have: kdig and curl, from two tenants' pods.

use crate::coredns::LEASH;
use crate::process::{Folder, Process};
use crate::upstreams::program;
use std::process::{Command, Output};
use std::time::Duration;
use tenantdns::testing::self_signed;

const PATIENCE: Duration = Duration::from_secs(20);

const MANIFESTS: &str = r#"
{apiVersion: v1, kind: Namespace, metadata: {name: a, labels: {tenant: a}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: b, labels: {tenant: b}}}
---
{apiVersion: v1, kind: Service, metadata: {namespace: a, name: web}, spec: {clusterIP: 10.96.1.1}}
---
{apiVersion: v1, kind: Pod, metadata: {namespace: a, name: p, uid: u1}, status: {phase: Running, podIP: 127.0.1.1, podIPs: [{ip: 127.0.1.1}]}}
---
{apiVersion: v1, kind: Pod, metadata: {namespace: b, name: p, uid: u2}, status: {phase: Running, podIP: 127.0.2.1, podIPs: [{ip: 127.0.2.1}]}}
"#;

const CONFIG: &str = r#"
[server]
listen = ["127.0.0.1:0", "tls://127.0.0.1:0", "https://127.0.0.1:0", "quic://127.0.0.1:0"]
[tls]
certificate = "FOLDER/tls.crt"
key = "FOLDER/tls.key"
[source]
manifests = ["FOLDER/objects.yaml"]
[tenancy]
mode = "enforce"
tenant_from = [{ label = "tenant" }]
[health]
listen = ""
[ready]
listen = ""
[metrics]
listen = ""
[admin]
listen = ""
"#;

/// A query for web.a.svc.cluster.local, type A, as base64url.
const QUERY: &str = "AAABAAABAAAAAAAAA3dlYgFhA3N2YwdjbHVzdGVyBWxvY2FsAAABAAE";

fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

#[test]
fn kdig_and_curl_are_answered_over_tls_https_and_quic_as_their_tenant_is() {
    let (Some(kdig), Some(curl)) = (program("kdig", "knot-dnsutils"), program("curl", "curl"))
    else {
        return;
    };
    let folder = Folder::new("encrypted");
    let pair = self_signed("localhost");
    folder.write("tls.crt", &pair.certificate);
    folder.write("tls.key", &pair.key);
    folder.write("objects.yaml", MANIFESTS);
    let place = folder.path("").display().to_string();
    let config = CONFIG.replace("FOLDER", place.trim_end_matches('/'));
    let config = folder.write("tenantdns.toml", &config);
    let mut command = Command::new("sh");
    let tenantdns = env!("CARGO_BIN_EXE_tenantdns");
    command.args(["-c", LEASH, "leash", tenantdns, "serve", "--config"]);
    let log = folder.path("log");
    let mut process = Process::spawn("tenantdns", command.arg(config), &log);
    let mut all = String::new();
    let ready = process.wait(PATIENCE, || {
        all = std::fs::read_to_string(&log).ok()?;
        all.contains("listening on quic://").then_some(())
    });
    assert!(ready.is_some(), "{all}");
    let port = |scheme: &str| {
        let start = format!("listening on {scheme}127.0.0.1:");
        let rest = all
            .lines()
            .find_map(|line| line.strip_prefix(&start))
            .unwrap();
        rest.split(' ').next().unwrap().to_owned()
    };
    let ports = ["", "tls://", "https://", "quic://"].map(port);
    let [dns, tls, https, quic] = &ports;
    for (pod, sees) in [("127.0.1.1", true), ("127.0.2.1", false)] {
        for (what, port, options) in [
            ("UDP", dns, &[][..]),
            ("TCP", dns, &["+tcp"]),
            ("TLS", tls, &["+tls"]),
            ("TLS, padded", tls, &["+tls", "+padding=128"]),
            ("HTTPS", https, &["+https"]),
            ("HTTPS, GET", https, &["+https", "+https-get"]),
            ("QUIC", quic, &["+quic"]),
        ] {
            let mut command = Command::new(&kdig);
            command
                .args(["@127.0.0.1", "-p", port, "-b", pod])
                .args(options);
            let output = run(command.args(["web.a.svc.cluster.local", "A", "+retry=0"]));
            let text = String::from_utf8_lossy(&output.stdout);
            let status = if sees { "NOERROR" } else { "NXDOMAIN" };
            assert!(
                text.contains(&format!("status: {status};")),
                "{what} from {pod}: {text}"
            );
            assert_eq!(
                text.contains("10.96.1.1"),
                sees,
                "{what} from {pod}: {text}"
            );
        }
        for version in ["--http1.1", "--http2"] {
            let certificate = folder.path("tls.crt");
            let mut command = Command::new(&curl);
            command.args([
                "-s",
                "--noproxy",
                "*",
                "--interface",
                pod,
                version,
                "--cacert",
            ]);
            command
                .arg(certificate)
                .args(["-o", "-", "-w", "%{http_code} %{content_type}"]);
            command.args(["-H", "x-forwarded-for: 127.0.1.1"]);
            let url = format!("https://localhost:{https}/dns-query?dns={QUERY}");
            let output =
                run(command.args(["--resolve", &format!("localhost:{https}:127.0.0.1"), &url]));
            let answer = &output.stdout;
            assert!(
                answer.ends_with(b"200 application/dns-message"),
                "{output:?}"
            );
            let address = [10, 96, 1, 1];
            let has_it = answer.windows(4).any(|four| four == address);
            assert_eq!(has_it, sees, "curl {version} from {pod}");
        }
    }
}
