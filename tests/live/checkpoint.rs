//! tenantdns where the API is not: before it was ever there, and with a checkpoint of what it said.

use crate::apiserver::{ADMIN, ApiServer};
use crate::decode::{Response, decode};
use crate::parts::{namespace, pod, service};
use crate::process::{Folder, Peers, Process, free_port, peers, printed, until};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tenantdns::testing::{query, query_edns};
use tenantdns::wire::RType;

/// What a fact is waited for at most.
const PATIENCE: Duration = Duration::from_secs(30);

/// A tenantdns with a configuration file, at ports of its own.
struct Serving {
    process: Process,
    dns: SocketAddr,
    ready: SocketAddr,
    metrics: SocketAddr,
    log: std::path::PathBuf,
}

impl Serving {
    /// Starts it; `folder` keeps the checkpoint.
    fn start(folder: &Folder, kubeconfig: &Path, rest: &str) -> Self {
        let [dns, ready, metrics] =
            [(); 3].map(|()| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())));
        let config = format!(
            "[server]\nlisten = [\"{dns}\"]\nthreads = 1\n[health]\nlisten = \"\"\n\
             [ready]\nlisten = \"{ready}\"\n[metrics]\nlisten = \"{metrics}\"\n\
             [kubernetes]\nstartup_timeout = \"1s\"\n\
             [source.kubernetes]\nkubeconfig = {kubeconfig:?}\n{rest}"
        );
        let log = folder.path(&format!("log-{}", dns.port()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantdns"));
        command
            .args(["serve", "--config"])
            .arg(folder.write("config.toml", &config));
        Self {
            process: Process::spawn("tenantdns", &mut command, &log),
            dns,
            ready,
            metrics,
            log,
        }
    }

    /// Waits for a line that it prints.
    fn prints(&mut self, what: &str) {
        let log = self.log.clone();
        let found = self
            .process
            .wait(PATIENCE, || printed(&log).contains(what).then_some(()));
        assert!(found.is_some(), "it ended: {}", self.process.log());
    }

    /// Tells it to stop, and waits until it has.
    fn terminate(mut self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        let ended = until("tenantdns has not ended", PATIENCE, || self.process.ended());
        assert!(ended.success(), "{ended}: {}", self.process.log());
    }

    fn get(at: SocketAddr, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(at).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        Some((status, body.to_owned()))
    }

    /// Waits until `/ready` has this status and says this.
    fn expect_ready(&self, status: u16, says: &str) -> String {
        let what = format!("/ready: {status} with {says}");
        until(&what, PATIENCE, || {
            let (got, text) = Self::get(self.ready, "/ready")?;
            (got == status && text.contains(says)).then_some(text)
        })
    }

    /// Waits until a name is answered with this: an rcode, or the data of its first record.
    fn expect(&self, source: &str, name: &str, expected: &str) {
        let what = format!("{source} asks {name}: {expected}");
        until(&what, PATIENCE, || {
            let got = ask(self.dns, source, &query(name, RType::A));
            let data = got.answer.first().and_then(|line| line.rsplit(' ').next());
            (data.unwrap_or(&got.rcode) == expected).then_some(())
        });
    }
}

fn ask(server: SocketAddr, source: &str, bytes: &[u8]) -> Response {
    decode(&exchange(server, source, bytes))
}

fn exchange(server: SocketAddr, source: &str, bytes: &[u8]) -> Vec<u8> {
    let source: IpAddr = source.parse().unwrap();
    let socket = UdpSocket::bind(SocketAddr::new(source, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(server).unwrap();
    socket.send(bytes).unwrap();
    let mut answer = vec![0; 65_535];
    let length = socket.recv(&mut answer).expect("an answer");
    answer.truncate(length);
    answer
}

/// Starts an API server with two tenants.
fn cluster(peers: &Peers) -> (ApiServer, String) {
    let api = ApiServer::start(peers);
    api.create(&namespace("shop"));
    api.create(&namespace("bank"));
    let web = api.create(&service("shop", "web"));
    api.create_with_status(&pod("shop", "asks", "127.4.1.1"));
    api.create_with_status(&pod("bank", "asks", "127.4.1.2"));
    api.create_with_status(&pod("shop", "leaves", "127.4.1.3"));
    let web = web["spec"]["clusterIP"].as_str().unwrap().to_owned();
    (api, web)
}

#[test]
fn without_the_api_nothing_is_answered_and_the_program_stays() {
    let Some(peers) = peers() else { return };
    let (mut api, web) = cluster(&peers);
    let kubeconfig = api.kubeconfig(ADMIN);
    api.stop();
    let folder = Folder::new("absent");
    let mut serving = Serving::start(&folder, &kubeconfig, "");
    serving.prints("answering SERVFAIL");
    let text = serving.expect_ready(503, "Pod: not synced");
    assert!(text.starts_with("not ready\n"), "{text}");
    for name in [
        "web.shop.svc.cluster.local",
        "nothing.cluster.local",
        "cluster.local",
    ] {
        let answer = exchange(serving.dns, "127.4.1.1", &query_edns(name, RType::A, 1232));
        assert_eq!(decode(&answer).rcode, "SERVFAIL", "{name}");
        // EDE: option 15, two octets, code 14 (Not Ready).
        assert!(
            answer.ends_with(&[0, 15, 0, 2, 0, 14]),
            "{name}: {answer:02x?}"
        );
    }
    let (_, metrics) = Serving::get(serving.metrics, "/metrics").unwrap();
    let line = "tenantdns_watch_synced{kind=\"Pod\"} 0";
    assert!(metrics.lines().any(|l| l == line), "{metrics}");
    // It comes: everything is as if it had been there.
    api.resume();
    serving.prints("listening on");
    serving.expect_ready(200, "Pod: synced");
    serving.expect("127.4.1.1", "web.shop.svc.cluster.local", &web);
    serving.terminate();
}

#[test]
fn a_replica_that_starts_without_the_api_serves_from_the_checkpoint_and_heals() {
    let Some(peers) = peers() else { return };
    let (mut api, web) = cluster(&peers);
    let kubeconfig = api.kubeconfig(ADMIN);
    let folder = Folder::new("checkpoint");
    let file = folder.path("checkpoint");
    let keys = format!("identity_max_age = \"1h\"\ncheckpoint = {file:?}\n");
    let name = "web.shop.svc.cluster.local";

    let mut first = Serving::start(&folder, &kubeconfig, &keys);
    first.prints("listening on");
    first.expect("127.4.1.1", name, &web);
    first.terminate();
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.contains("\"leaves\""), "{written}");
    api.stop();

    let mut second = Serving::start(&folder, &kubeconfig, &keys);
    second.prints("listening on");
    second.expect("127.4.1.1", name, &web);
    second.expect("127.4.1.2", name, "NXDOMAIN");
    second.expect("127.4.1.3", name, &web);
    let text = second.expect_ready(200, "Pod: from the checkpoint, heard of ");
    for tenant in ["shop", "bank", "web"] {
        assert!(!text.contains(tenant), "{text}");
    }
    let (_, metrics) = Serving::get(second.metrics, "/metrics").unwrap();
    for start in [
        "tenantdns_watch_synced{kind=\"Pod\"} 0",
        "tenantdns_watch_age_seconds{kind=\"Pod\"} ",
        "tenantdns_checkpoint_age_seconds ",
        "tenantdns_identities_trusted 1",
    ] {
        assert!(
            metrics.lines().any(|line| line.starts_with(start)),
            "{start}: {metrics}"
        );
    }
    // What was nobody's is nobody's.
    second.expect("127.4.1.4", name, "SERVFAIL");

    api.resume();
    api.delete(&pod("shop", "leaves", "127.4.1.3"));
    api.create_with_status(&pod("bank", "comes", "127.4.1.3"));
    let later = api.create(&service("shop", "later"));
    let later = later["spec"]["clusterIP"].as_str().unwrap();
    second.expect("127.4.1.1", "later.shop.svc.cluster.local", later);
    second.expect("127.4.1.3", name, "NXDOMAIN");
    second.expect_ready(200, "Pod: synced");
    second.terminate();
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(
        written.contains("\"comes\"") && !written.contains("\"leaves\""),
        "{written}"
    );
}
