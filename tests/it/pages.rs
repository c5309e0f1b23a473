//! The HTTP listeners of the running program: what they say from the start to SIGTERM, and what they
//! must not say.

use crate::live::{ask_tcp, receive};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};
use tenantdns::testing::query;
use tenantdns::wire::{Header, RType};

/// How long a fact is waited for. Nothing is expected to take it.
const PATIENCE: Duration = Duration::from_secs(20);

const CONFIG: &str = concat!(
    r#"
[server]
listen = ["127.0.0.1:0"]
threads = 1
[health]
listen = "127.0.0.1:0"
[ready]
listen = "127.0.0.1:0"
[metrics]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
[source]
manifests = [""#,
    env!("CARGO_MANIFEST_DIR"),
    "/examples/quickstart\"]\n"
);

/// A running `tenantdns serve` with every listener.
struct Serving {
    child: Child,
    dns: SocketAddr,
    /// Health, ready, metrics, and the administrator's.
    http: [SocketAddr; 4],
    // Kept open: the program logs to it.
    stderr: BufReader<ChildStderr>,
}

const METRICS: usize = 2;
const ADMIN: usize = 3;

impl Serving {
    /// Starts it with more configuration; `name` is that of the test.
    fn start(name: &str, more: &str) -> Self {
        Self::start_with(name, &format!("{CONFIG}{more}"))
    }

    /// Starts it with this configuration.
    fn start_with(name: &str, config: &str) -> Self {
        let file = format!("tenantdns-{name}-{}", std::process::id());
        let file = std::env::temp_dir().join(file);
        std::fs::write(&file, config).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tenantdns"))
            .args(["serve", "--config"])
            .arg(&file)
            .env_remove("TENANTDNS_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let http = [(); 4].map(|()| {
            let line = lines(&mut stderr)
                .find(|line| line.contains(" HTTP "))
                .unwrap();
            let (_, rest) = line.split_once("address=").unwrap();
            rest.split(' ').next().unwrap().parse().unwrap()
        });
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let line = lines(&mut stdout).next().unwrap();
        let address = line
            .strip_prefix("listening on ")
            .and_then(|l| l.split(' ').next());
        let dns = address.unwrap().parse().unwrap();
        std::fs::remove_file(&file).unwrap();
        Self {
            child,
            dns,
            http,
            stderr,
        }
    }

    /// Asks from an address of the loopback network.
    fn ask(&self, source: &str, name: &str, rtype: RType) -> Vec<u8> {
        let socket = UdpSocket::bind((source, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(self.dns).unwrap();
        socket.send(&query(name, rtype)).unwrap();
        receive(&socket)
    }

    /// Waits until a page has these lines, and returns it.
    fn wait_for(&self, page: usize, expected: &[&str]) -> String {
        let start = Instant::now();
        loop {
            let (status, text) = self.get(page, "/metrics");
            assert_eq!(status, 200);
            let is_there = |line: &&&str| text.lines().any(|l| l == **line);
            let Some(missing) = expected.iter().find(|line| !is_there(line)) else {
                return text;
            };
            let waited = start.elapsed();
            assert!(waited < PATIENCE, "{missing} is not in\n{text}");
        }
    }

    fn get(&self, page: usize, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.http[page]).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        (status, body.to_owned())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(from: &mut impl BufRead) -> impl Iterator<Item = String> {
    from.lines().map(|line| line.unwrap())
}

#[test]
fn the_pages_say_how_it_is_and_name_nobody() {
    let serving = Serving::start("pages", "");
    assert_eq!(serving.get(0, "/health"), (200, "OK".to_owned()));
    assert_eq!(serving.get(1, "/ready"), (200, "ready\n".to_owned()));
    serving.ask("127.0.0.11", "web.shop.svc.cluster.local", RType::A);
    // Counted after the answer has left.
    let expected = [
        "tenantdns_queries_total{protocol=\"udp\"} 1",
        "tenantdns_answers_total 1",
        "tenantdns_index_objects{kind=\"Service\"} 5",
        "tenantdns_identities_trusted 1",
    ];
    let metrics = serving.wait_for(METRICS, &expected);
    names_nobody(&metrics);
}

/// Checks that a page has no name and no address of the cluster. Where the server itself listens may be
/// said.
fn names_nobody(page: &str) {
    let page = page.replace("server=\"dns://127.0.0.1:", "server=\"dns://:");
    for name in [
        "shop",
        "bank",
        "ledger",
        "kube-system",
        "default",
        "10.96.",
        "127.0.0.",
    ] {
        assert!(!page.contains(name), "{name} is in\n{page}");
    }
}

#[test]
fn a_sweep_is_named_to_the_administrator_and_only_counted_for_everybody() {
    let mut serving = Serving::start("sweep", "[limits]\nsweep_ptr_names = 20\n");
    for last in 0..60 {
        let name = format!("{last}.0.96.10.in-addr.arpa");
        serving.ask("127.0.0.11", &name, RType::PTR);
    }
    serving.ask("127.0.0.98", "web.shop.svc.cluster.local", RType::A);
    let detailed = serving.wait_for(
        ADMIN,
        &[
            "tenantdns_tenant_sweeps_suspected_total{tenant=\"shop\",kind=\"ptr\"} 1",
            "tenantdns_unknown_client_answers_total{network=\"127.0.0.0/24\"} 1",
            "tenantdns_client_answers_total{class=\"unknown\",result=\"servfail\"} 1",
            "tenantdns_held_answers_total{reason=\"expired\"} 1",
        ],
    );
    let answers = "tenantdns_tenant_answers_total{tenant=\"shop\",result=";
    let of_shop = detailed
        .lines()
        .filter_map(|line| line.strip_prefix(answers));
    let counts = of_shop.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap());
    assert_eq!(counts.sum::<u64>(), 60, "{detailed}");
    let public = serving.wait_for(
        METRICS,
        &["tenantdns_sweeps_suspected_total{kind=\"ptr\"} 1"],
    );
    names_nobody(&public);
    let said = lines(&mut serving.stderr).find(|line| line.contains("a sweep is suspected"));
    let said = said.unwrap();
    for word in [
        "client=127.0.0.11",
        "namespace=\"shop\"",
        "tenant=\"shop\"",
        "over 20",
    ] {
        assert!(said.contains(word), "{word} is not in {said}");
    }
}

#[test]
fn the_administrator_is_told_what_the_command_says() {
    let serving = Serving::start("explain", "");
    let manifests = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/quickstart");
    for (from, name, rtype) in [
        ("127.0.0.11", "ledger.bank.svc.cluster.local", "A"),
        ("bank/ledger-0", "ledger.bank.svc.cluster.local", "SRV"),
        ("kube-system", "10.96.2.1", "PTR"),
        ("127.0.0.99", "example.org", "AAAA"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_tenantdns"))
            .args(["explain", "--output", "json", "--manifests", manifests])
            .args(["--from", from, name, rtype])
            .output()
            .unwrap();
        let expected = String::from_utf8(output.stdout).unwrap();
        let path = format!("/explain?from={from}&name={name}&type={rtype}");
        let (status, body) = serving.get(ADMIN, &path);
        assert_eq!(
            (status, body.trim_end()),
            (200, expected.trim_end()),
            "{path}"
        );
    }
    for (query, said) in [
        ("from=nowhere&name=a.b", "there is no namespace nowhere"),
        ("from=NO&name=a.b", "`NO` is not a name in Kubernetes"),
        ("from=bank&name=a..b", "an empty label"),
        ("from=bank&name=a&type=NOPE", "NOPE"),
    ] {
        let (status, body) = serving.get(ADMIN, &format!("/explain?{query}"));
        assert_eq!(status, 400, "{query}: {body}");
        assert!(body.contains(said), "{query}: {body}");
    }
    let (status, body) = serving.get(ADMIN, "/snapshot");
    let summary: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &summary["synced"]), (200, &true.into()));
    assert_eq!(
        (&summary["mode"], &summary["namespaces"]),
        (&"enforce".into(), &4.into())
    );
    for page in [0, 1, METRICS] {
        for path in ["/explain?from=bank&name=a", "/snapshot"] {
            assert_eq!(serving.get(page, path).0, 404, "{path}");
        }
    }
}

#[test]
fn objects_of_our_own_kinds_that_are_not_in_force_are_counted_by_kind_and_reason() {
    let file = format!("tenantdns-conditions-{}.yaml", std::process::id());
    let file = std::env::temp_dir().join(file);
    let export = |name: &str, services: &str| {
        format!(
            "---\napiVersion: tenantdns.io/v1alpha1\nkind: DnsExport\nmetadata: {{namespace: shop, \
             name: {name}}}\nspec: {{services: [{services}], to: [{{namespace: bank}}]}}\n"
        )
    };
    let manifests = [export("a", "none"), export("b", "web"), export("c", "Odd")].concat();
    std::fs::write(&file, manifests).unwrap();
    let config = CONFIG.replace("quickstart\"", &format!("quickstart\", {file:?}"));
    let mut serving = Serving::start_with("conditions", &config);
    let (status, body) = serving.get(ADMIN, "/metrics");
    assert_eq!(status, 200, "{body}");
    let counts: Vec<&str> = body
        .lines()
        .filter(|line| line.starts_with("tenantdns_condition{kind=\"Dns"))
        .collect();
    assert_eq!(
        counts,
        [
            "tenantdns_condition{kind=\"DnsExport\",reason=\"Invalid\"} 1",
            "tenantdns_condition{kind=\"DnsExport\",reason=\"ServiceNotFound\"} 1",
        ]
    );
    let said = lines(&mut serving.stderr).find(|line| line.contains("DnsExport shop/c"));
    assert!(
        said.unwrap()
            .contains(".yaml:12: DnsExport shop/c: not accepted (Invalid)")
    );
    assert!(
        !serving
            .get(METRICS, "/metrics")
            .1
            .contains("DnsExport\",reason")
    );
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_tenant_over_its_limit_takes_nothing_from_another() {
    let more = "[limits]\ntenant_qps = 1\ntenant_burst = 20\n";
    let serving = Serving::start("limits", more);
    let name = "kubernetes.default.svc.cluster.local";
    let is_truncated = |source: &str| {
        let reply = serving.ask(source, name, RType::A);
        Header::parse(&reply).unwrap().truncated()
    };
    let over = |source: &str| (0..1_000).any(|_| is_truncated(source));
    // Two pods of one tenant: what one uses up the other does not have.
    assert!(over("127.0.0.11"));
    assert!(over("127.0.0.12"));
    for _ in 0..20 {
        assert!(!is_truncated("127.0.0.21"), "a pod of another tenant");
        assert!(!is_truncated("127.0.0.99"), "a client of no tenant");
    }
    let reply = ask_tcp(
        serving.dns,
        "127.0.0.11".parse().unwrap(),
        &query(name, RType::A),
    );
    assert!(
        !Header::parse(&reply).unwrap().truncated(),
        "by TCP it is answered"
    );
    let page = serving.get(METRICS, "/metrics").1;
    let count = |labels: &str| {
        let start = format!("tenantdns_limited_queries_total{{{labels}}} ");
        let line = page.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("{start} is not in\n{page}"))
            .parse::<u64>()
            .unwrap()
    };
    assert!(count("reason=\"tenant\",result=\"truncated\"") >= 2);
    assert_eq!(count("reason=\"client\",result=\"truncated\""), 0);
}

#[test]
fn an_audit_answers_everybody_and_writes_down_what_enforcing_would_take() {
    let log = std::env::temp_dir().join(format!("tenantdns-audit-{}.log", std::process::id()));
    let more = format!(
        "[tenancy]\nmode = \"audit\"\n[audit]\nlog = {:?}\nwindow = \"1s\"\n",
        log.to_str().unwrap()
    );
    let serving = Serving::start("audit", &more);
    for _ in 0..3 {
        let reply = serving.ask("127.0.0.11", "ledger.bank.svc.cluster.local", RType::A);
        assert_eq!(reply[6..8], [0, 1], "an audit answers");
    }
    serving.ask("127.0.0.11", "web.shop.svc.cluster.local", RType::A);
    serving.wait_for(METRICS, &["tenantdns_denied_total{reason=\"hidden\"} 3"]);
    let start = Instant::now();
    let (mut count, mut judged) = (0, 0);
    while count < 3 || judged < 4 {
        assert!(start.elapsed() < PATIENCE, "{count} denials are in the log");
        judged = 0;
        let lines = std::fs::read_to_string(&log).unwrap();
        let lines = lines.lines().filter_map(|line| {
            let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
            if line.get("queries").is_some() {
                judged += line["queries"]["judged"].as_u64().unwrap();
                return None;
            }
            let fields = line.as_object_mut().unwrap();
            assert!(
                fields
                    .remove("ts")
                    .unwrap()
                    .as_str()
                    .unwrap()
                    .ends_with('Z')
            );
            let count = fields.remove("count").unwrap().as_u64().unwrap();
            assert!(fields.remove("window_s").unwrap().as_u64().unwrap() >= 1);
            Some((line, count))
        });
        let expected = serde_json::json!({
            "mode": "audit",
            "client": {"ip": "127.0.0.11", "namespace": "shop", "pod": "web-0", "tenant": "shop"},
            "target": {"namespace": "bank", "service": "ledger"},
            "qtype": "A",
            "reason": "hidden",
        });
        count = lines
            .map(|(line, count)| {
                assert_eq!(line, expected);
                count
            })
            .sum();
    }
    assert_eq!((count, judged), (3, 4));
    std::fs::remove_file(&log).unwrap();
}
