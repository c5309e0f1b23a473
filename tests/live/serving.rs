//! tenantdns as a process that follows an API server, and clients with addresses of their own.

use crate::coredns::LEASH;
use crate::decode::{Response, decode};
use crate::process::{Folder, Process, printed, until};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tenantdns::testing::query;
use tenantdns::wire::RType;

/// What a fact is waited for at most.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// No HTTP listeners: their ports are the same for every server on the host.
pub(crate) const QUIET: &str = "[health]\nlisten = \"\"\n[ready]\nlisten = \"\"\n\
     [metrics]\nlisten = \"\"\n[admin]\nlisten = \"\"\n";

/// A tenantdns that follows an API server. Ends when dropped.
pub(crate) struct Serving {
    folder: Folder,
    process: Process,
}

impl Serving {
    /// Starts it at a free port.
    pub(crate) fn start(name: &str, kubeconfig: &Path) -> Self {
        Self::start_with(name, kubeconfig, "127.0.0.1:0", "")
    }

    /// Starts it at an address with a configuration.
    pub(crate) fn start_with(name: &str, kubeconfig: &Path, listen: &str, config: &str) -> Self {
        // Behind what the test says, which may begin with keys of no table.
        Self::start_as_it_is(name, kubeconfig, listen, &format!("{config}\n{QUIET}"))
    }

    /// Starts it with a configuration that says of the HTTP listeners what it likes.
    pub(crate) fn start_as_it_is(
        name: &str,
        kubeconfig: &Path,
        listen: &str,
        config: &str,
    ) -> Self {
        let folder = Folder::new(name);
        let mut command = Command::new("sh");
        command
            .args(["-c", LEASH, "leash", env!("CARGO_BIN_EXE_tenantdns")])
            .args(["serve", "--listen", listen, "--kubeconfig"])
            .arg(kubeconfig)
            .arg("--config")
            .arg(folder.write("tenantdns.toml", config))
            // Whatever the machine has.
            .env_remove("HTTPS_PROXY")
            .env_remove("https_proxy");
        let process = Process::spawn("tenantdns", &mut command, &folder.path("log"));
        Self { folder, process }
    }

    /// What it has printed.
    pub(crate) fn log(&self) -> String {
        printed(&self.folder.path("log"))
    }

    /// Waits for a line that holds these words; returns it.
    pub(crate) fn wait_for_line(&self, words: &[&str]) -> String {
        until(&format!("no line with {words:?}"), PATIENCE, || {
            let log = self.log();
            let mut lines = log.lines();
            let line = lines.find(|line| words.iter().all(|word| line.contains(word)))?;
            Some(line.to_owned())
        })
    }

    /// Waits for the line that says where it listens, which comes when every kind has been read.
    pub(crate) fn address(&mut self) -> SocketAddr {
        let log = self.folder.path("log");
        let listening = self.process.wait(PATIENCE, || {
            let text = printed(&log);
            let mut lines = text.lines();
            let line = lines.find_map(|line| line.strip_prefix("listening on "))?;
            line.split(' ').next()?.parse().ok()
        });
        listening.unwrap_or_else(|| panic!("tenantdns ended: {}", self.log()))
    }
}

/// Asks over UDP from an address.
pub(crate) fn ask(server: SocketAddr, source: &str, name: &str, rtype: RType) -> Response {
    let source: IpAddr = source.parse().unwrap();
    let socket = UdpSocket::bind(SocketAddr::new(source, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(server).unwrap();
    socket.send(&query(name, rtype)).unwrap();
    let mut answer = vec![0; 65_535];
    let length = socket.recv(&mut answer).expect("an answer");
    decode(&answer[..length])
}

/// What a name's A record is: the data of the first, or the rcode where there is none.
pub(crate) fn data(server: SocketAddr, source: &str, name: &str) -> String {
    let got = ask(server, source, name, RType::A);
    let data = got.answer.first().and_then(|line| line.rsplit(' ').next());
    data.unwrap_or(&got.rcode).to_owned()
}

/// Waits until a name is answered with this: an rcode, or the data of its first record.
pub(crate) fn expect(server: SocketAddr, source: &str, name: &str, expected: &str) {
    let what = format!("{source} asks {name}: not {expected}");
    until(&what, PATIENCE, || {
        (data(server, source, name) == expected).then_some(())
    });
}
