//! The HTTP listeners of the running program: what they say from the start to SIGTERM, and what they
//! must not say.

use crate::live::receive;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};
use tenantdns::testing::query;
use tenantdns::wire::RType;

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
[source]
manifests = [""#,
    env!("CARGO_MANIFEST_DIR"),
    "/examples/quickstart\"]\n"
);

/// A running `tenantdns serve` with every listener.
struct Serving {
    child: Child,
    dns: SocketAddr,
    /// Health, ready, metrics.
    http: [SocketAddr; 3],
    // Kept open: the program logs to it.
    _stderr: BufReader<ChildStderr>,
}

impl Serving {
    fn start() -> Self {
        let file = std::env::temp_dir().join(format!("tenantdns-pages-{}", std::process::id()));
        std::fs::write(&file, CONFIG).unwrap();
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
        let http = [(); 3].map(|()| {
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
            _stderr: stderr,
        }
    }

    fn get(&self, page: usize, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.http[page]).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
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
    let serving = Serving::start();
    assert_eq!(serving.get(0, "/health"), (200, "OK".to_owned()));
    assert_eq!(serving.get(1, "/ready"), (200, "ready\n".to_owned()));
    let socket = UdpSocket::bind("127.0.0.11:0").unwrap();
    socket.connect(serving.dns).unwrap();
    socket
        .send(&query("web.shop.svc.cluster.local", RType::A))
        .unwrap();
    receive(&socket);
    let start = Instant::now();
    let metrics = loop {
        let (status, metrics) = serving.get(2, "/metrics");
        assert_eq!(status, 200);
        // Counted after the answer has left.
        let expected = [
            "tenantdns_queries_total{protocol=\"udp\"} 1",
            "tenantdns_answers_total 1",
            "tenantdns_index_objects{kind=\"Service\"} 5",
            "tenantdns_identities_trusted 1",
        ];
        let missing = expected
            .iter()
            .find(|line| !metrics.lines().any(|l| l == **line));
        let Some(missing) = missing else {
            break metrics;
        };
        let waited = start.elapsed();
        assert!(waited < PATIENCE, "{missing} is not in\n{metrics}");
    };
    for name in ["shop", "bank", "ledger", "kube-system", "default", "10.96."] {
        assert!(!metrics.contains(name), "{name} is in\n{metrics}");
    }
}
