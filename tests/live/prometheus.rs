//! Prometheus scrapes a running server and evaluates the alert rules of deploy/alerts.yaml. Debian's
//! package has it; where it is missing the test says so and passes, but in CI.

use crate::apiserver::{ADMIN, ApiServer};
use crate::coredns::LEASH;
use crate::metrics::scrape::{Scrape, asked, get};
use crate::parts::{namespace, pod, service, slice};
use crate::process::{Folder, Process, free_port, peers, until};
use crate::serving::{PATIENCE, Serving, data};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

const CONFIG: &str = r#"
[metrics]
listen = "127.0.0.1:0"
[health]
listen = "127.0.0.1:0"
[ready]
listen = ""
[admin]
listen = ""
[tenancy]
unknown_wait = "0s"
[[tenancy.forwarder]]
peers = { cidrs = ["127.0.0.9/32"] }
"#;

/// Answers whatever is asked with NXDOMAIN, until the test ends.
fn upstream() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut message = [0; 1232];
        while let Ok((length, from)) = socket.recv_from(&mut message) {
            (message[2], message[3]) = (0x81, 0x83);
            let _ = socket.send_to(&message[..length], from);
        }
    });
    address
}

/// The names of series in a text.
fn series(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("coredns_") || word.starts_with("tenantdns_"));
    ours.map(|word| word.trim_end_matches("_bucket").to_owned())
        .collect()
}

fn has(program: &str) -> bool {
    let mut command = Command::new(program);
    command
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok()
}

/// What Prometheus' API says under a path.
fn api(prometheus: SocketAddr, path: &str) -> Value {
    let value: Value = serde_json::from_str(&get(prometheus, path)).unwrap();
    value["data"].clone()
}

#[test]
fn the_alert_rules_are_evaluated_on_what_is_scraped() {
    let Some(peers) = peers() else { return };
    if !has("prometheus") {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci.is_empty()),
            "no prometheus"
        );
        println!("skipped: Debian's package prometheus is not installed");
        return;
    }
    let cluster = ApiServer::start(&peers);
    cluster.create(&namespace("shop"));
    cluster.create(&service("shop", "web"));
    cluster.create(&slice("shop", "web", "10.244.1.7"));
    cluster.create_with_status(&pod("shop", "web-0", "127.0.0.11"));
    let config = format!(
        "{CONFIG}[[forward]]\nto = [\"{}\"]\nclients = [\"any\"]\n",
        upstream()
    );
    let kubeconfig = cluster.kubeconfig(ADMIN);
    let mut serving = Serving::start_as_it_is("prometheus", &kubeconfig, "127.0.0.1:0", &config);
    let dns = serving.address();
    let line = serving.wait_for_line(&["/metrics", "address="]);
    let metrics = line
        .split("address=")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let metrics: SocketAddr = metrics.unwrap().parse().unwrap();

    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/alerts.yaml");
    let text = std::fs::read_to_string(&rules).unwrap();
    let named = series(&text);
    assert!(named.len() > 10, "{named:?}");
    // Somebody unknown is told SERVFAIL, or in front of forwarders REFUSED; a name outside is forwarded.
    data(dns, "127.0.0.11", "www.example.org.");
    until("a series of the rules is missing", PATIENCE, || {
        let page = Scrape::parse(&get(metrics, "/metrics"));
        let missing = named.iter().find(|name| page.kind(name).is_none());
        missing.is_none().then_some(())
    });

    let folder = Folder::new("prometheus");
    let port = free_port();
    let configuration = folder.write(
        "prometheus.yml",
        &format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
             rule_files: [\"{}\"]\n\
             scrape_configs:\n\
             - job_name: kube-dns\n  static_configs: [{{targets: [\"{metrics}\"]}}]\n",
            rules.display()
        ),
    );
    let mut command = Command::new("sh");
    command
        .args(["-c", LEASH, "leash", "prometheus"])
        .arg(format!("--config.file={}", configuration.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            folder.path("data").display()
        ))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let mut process = Process::spawn("Prometheus", &mut command, &folder.path("log"));
    let prometheus = SocketAddr::from(([127, 0, 0, 1], port));
    let listens = || std::net::TcpStream::connect(prometheus).ok().map(drop);
    process.wait(PATIENCE, listens).expect("Prometheus runs");
    // It listens before it serves.
    until("Prometheus is not ready", PATIENCE, || {
        asked(prometheus, "/-/ready")
            .0
            .contains(" 200 ")
            .then_some(())
    });

    until("the rules are not evaluated", PATIENCE, || {
        // Traffic between two scrapes, so that there are rates.
        data(dns, "127.0.0.11", "web.shop.svc.cluster.local.");
        let groups = api(prometheus, "/api/v1/rules");
        let groups = groups["groups"].as_array().unwrap().clone();
        let rules: Vec<Value> = groups
            .iter()
            .flat_map(|group| group["rules"].as_array().unwrap().clone())
            .collect();
        let healthy = |rule: &Value| rule["health"] == "ok" && rule["state"] == "inactive";
        (!rules.is_empty() && rules.iter().all(healthy)).then_some(())
    });
    let up = api(prometheus, "/api/v1/query?query=up");
    assert_eq!(up["result"][0]["value"][1], "1", "{up}");
    let quantile = "/api/v1/query?query=histogram_quantile(0.99,sum%20by(le)\
                    (rate(coredns_dns_request_duration_seconds_bucket%5B1m%5D)))";
    until("there is no latency", PATIENCE, || {
        data(dns, "127.0.0.11", "web.shop.svc.cluster.local.");
        let latency = api(prometheus, quantile);
        let value = latency["result"][0]["value"][1].as_str()?.parse::<f64>();
        value.ok().filter(|value| *value > 0.0 && *value < 8.2)
    });
}
