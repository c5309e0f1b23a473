//! A tenantdns of the test's own that follows an API server, and questions to it.

use crate::decode::{Response, decode};
use crate::process::{Folder, Process, printed, until};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tenantdns::testing::query;
use tenantdns::wire::RType;

/// What a fact is waited for at most: with every core taken, a refused watch is asked for again
/// after half a minute.
const PATIENCE: Duration = Duration::from_secs(90);

/// A tenantdns that follows an API server. Ends when dropped.
pub(crate) struct Serving {
    // Before the folder, which it writes to.
    process: Process,
    folder: Folder,
}

impl Serving {
    /// Starts tenantdns with this configuration, as the user of the kubeconfig.
    pub(crate) fn start(kubeconfig: &Path, config: &str) -> Self {
        let folder = Folder::new("serving");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantdns"));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(folder.write("tenantdns.toml", config))
            .arg("--kubeconfig")
            .arg(kubeconfig);
        let process = Process::spawn("tenantdns", &mut command, &folder.path("log"));
        Self { process, folder }
    }

    /// What it has printed by now.
    pub(crate) fn log(&self) -> String {
        printed(&self.folder.path("log"))
    }

    /// Waits until it has read everything once, and returns where it listens.
    pub(crate) fn ready(&mut self) -> SocketAddr {
        let log = self.folder.path("log");
        let listening = self.process.wait(PATIENCE, || listening(&printed(&log)));
        listening.unwrap_or_else(|| panic!("tenantdns ended: {}", self.log()))
    }

    /// Waits for a line of the log with all of these words, and returns the log until then.
    pub(crate) fn says(&mut self, words: &[&str]) -> String {
        let log = self.folder.path("log");
        let said = self.process.wait(PATIENCE, || {
            let text = printed(&log);
            let has_all = |line: &str| words.iter().all(|word| line.contains(word));
            text.lines().any(has_all).then_some(text)
        });
        said.unwrap_or_else(|| panic!("tenantdns ended: {}", self.log()))
    }
}

/// Where a log says that it listens, which it does once it is ready.
pub(crate) fn listening(log: &str) -> Option<SocketAddr> {
    let line = log
        .lines()
        .find_map(|line| line.strip_prefix("listening on "))?;
    line.split(' ').next()?.parse().ok()
}

/// Asks over UDP from an address of this host.
fn ask(server: SocketAddr, source: &str, name: &str, rtype: RType) -> Response {
    let source: IpAddr = source.parse().unwrap();
    let socket = UdpSocket::bind(SocketAddr::new(source, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(server).unwrap();
    socket.send(&query(name, rtype)).unwrap();
    let mut answer = vec![0; 65_535];
    let length = socket.recv(&mut answer).expect("an answer");
    decode(&answer[..length])
}

/// Waits until the first record of an answer has these words.
pub(crate) fn expect(server: SocketAddr, source: &str, name: &str, rtype: RType, words: &str) {
    let what = format!("{source} asks {name}: not {words}");
    until(&what, PATIENCE, || {
        let answer = ask(server, source, name, rtype).answer;
        answer.first().filter(|line| line.contains(words)).map(drop)
    });
}
