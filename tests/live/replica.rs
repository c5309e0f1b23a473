//! A tenantdns with every listener at ports of its own, that can be told to stop and started again.

use crate::coredns::LEASH;
use crate::process::{Folder, Process, free_port, printed, until};
use crate::serving::PATIENCE;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A running tenantdns. Ends when dropped.
pub(crate) struct Replica {
    process: Process,
    pub(crate) dns: SocketAddr,
    ready: SocketAddr,
    pub(crate) metrics: SocketAddr,
    pub(crate) log: PathBuf,
    config: PathBuf,
}

impl Replica {
    /// Starts it; `folder` keeps the checkpoint.
    pub(crate) fn start(folder: &Folder, kubeconfig: &Path, rest: &str) -> Self {
        let [dns, ready, metrics] =
            [(); 3].map(|()| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())));
        let config = format!(
            "[server]\nlisten = [\"{dns}\"]\nthreads = 1\n[health]\nlisten = \"\"\n\
             lameduck = \"0\"\n[ready]\nlisten = \"{ready}\"\n[metrics]\nlisten = \"{metrics}\"\n\
             [admin]\nlisten = \"\"\n\
             [kubernetes]\nstartup_timeout = \"1s\"\n\
             [source.kubernetes]\nkubeconfig = {kubeconfig:?}\n{rest}"
        );
        let log = folder.path(&format!("log-{}", dns.port()));
        let config = folder.write("config.toml", &config);
        let mut command = Command::new("sh");
        command
            .args(["-c", LEASH, "leash", env!("CARGO_BIN_EXE_tenantdns")])
            .args(["serve", "--config"])
            .arg(&config)
            // Whatever the machine has.
            .env_remove("HTTPS_PROXY")
            .env_remove("https_proxy");
        Self {
            process: Process::spawn("tenantdns", &mut command, &log),
            dns,
            ready,
            metrics,
            log,
            config,
        }
    }

    /// Writes something else in its configuration, and tells it.
    pub(crate) fn change(&self, from: &str, to: &str) {
        let before = std::fs::read_to_string(&self.config).unwrap();
        assert!(before.contains(from), "{from} is not in {before}");
        std::fs::write(&self.config, before.replace(from, to)).unwrap();
        self.signal("HUP");
    }

    /// Waits for a line that it prints.
    pub(crate) fn prints(&mut self, what: &str) {
        let log = self.log.clone();
        let found = self
            .process
            .wait(PATIENCE, || printed(&log).contains(what).then_some(()));
        assert!(found.is_some(), "it ended: {}", self.process.log());
    }

    /// Sends it a signal.
    fn signal(&self, name: &str) {
        signal(&self.process, name);
    }

    /// Tells it to stop, and waits until it has.
    pub(crate) fn terminate(mut self) {
        self.signal("TERM");
        let ended = until("tenantdns has not ended", PATIENCE, || self.process.ended());
        assert!(ended.success(), "{ended}: {}", self.process.log());
    }

    pub(crate) fn get(at: SocketAddr, path: &str) -> Option<(u16, String)> {
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
    pub(crate) fn expect_ready(&self, status: u16, says: &str) -> String {
        let what = format!("/ready: {status} with {says}");
        until(&what, PATIENCE, || {
            let (got, text) = Self::get(self.ready, "/ready")?;
            (got == status && text.contains(says)).then_some(text)
        })
    }

    /// Waits until a sample has such a value.
    pub(crate) fn expect_metric(&self, sample: &str, is: impl Fn(f64) -> bool) {
        until(sample, PATIENCE, || {
            let (_, text) = Self::get(self.metrics, "/metrics")?;
            let start = format!("{sample} ");
            let value = text.lines().find_map(|line| line.strip_prefix(&start))?;
            is(value.parse().unwrap()).then_some(())
        });
    }
}

/// Sends a signal to the tenantdns on this leash.
pub(crate) fn signal(leash: &Process, name: &str) {
    // What the leash holds is its child of that name.
    let leash = leash.id();
    let children = std::fs::read_to_string(format!("/proc/{leash}/task/{leash}/children"));
    for child in children.unwrap().split_whitespace() {
        let comm = std::fs::read_to_string(format!("/proc/{child}/comm"));
        if comm.is_ok_and(|comm| comm.trim() == "tenantdns") {
            let mut kill = Command::new("kill");
            kill.arg(format!("-{name}")).arg(child);
            assert!(kill.status().unwrap().success());
        }
    }
}

/// Sends a query over UDP from an address, and returns the answer.
pub(crate) fn exchange(server: SocketAddr, source: &str, bytes: &[u8]) -> Vec<u8> {
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
