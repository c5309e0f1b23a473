//! A CoreDNS of the test's own.

use crate::process::{Folder, Peers, Process, free_port, printed};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// How long it may take until its plugins are ready.
const START: Duration = Duration::from_secs(60);

const LOG: &str = "coredns.log";

/// Runs the arguments as a program until it ends or standard input does: CoreDNS and tenantdns don't
/// look at theirs, and must not outlive a test that was killed.
pub(crate) const LEASH: &str = r#"
exec 3<&0
"$@" 3<&- &
program=$!
(read -r _ <&3; kill -KILL $program) &
watch=$!
exec 3<&-
wait $program
status=$?
kill $watch
exit $status
"#;

/// A running CoreDNS. Ends when dropped.
pub(crate) struct CoreDns {
    /// Where it answers, over UDP and TCP.
    pub(crate) address: SocketAddr,
    /// Where blocks answer that listen on every address, if there are any.
    pub(crate) any: SocketAddr,
    // Before the folder, which it reads.
    _process: Process,
    folder: Folder,
}

impl CoreDns {
    /// Starts CoreDNS with this Corefile and waits until it is ready.
    ///
    /// The Corefile has to listen where `bind 127.0.0.1` and the port `{$DNS_PORT}` say, and to
    /// hold `ready 127.0.0.1:{$READY_PORT}`: CoreDNS takes both from its environment. Blocks without
    /// `bind` have the port `{$ANY_PORT}`.
    pub(crate) fn start(peers: &Peers, corefile: &str) -> Self {
        for _ in 0..3 {
            match Self::try_start(peers, corefile) {
                Err(log) if log.contains("address already in use") => {}
                result => return result.unwrap_or_else(|log| panic!("CoreDNS ended:\n{log}")),
            }
        }
        panic!("three free ports were all taken by others");
    }

    /// Returns the file that everything is written to that it says.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path(LOG)
    }

    fn try_start(peers: &Peers, corefile: &str) -> Result<Self, String> {
        let [dns, any, ready] = [(); 3].map(|()| free_port());
        let folder = Folder::new("coredns");
        let mut command = Command::new("sh");
        command
            .args(["-c", LEASH, "leash"])
            .arg(&peers.coredns)
            .arg("-conf")
            .arg(folder.write("Corefile", corefile))
            .env("DNS_PORT", dns.to_string())
            .env("ANY_PORT", any.to_string())
            .env("READY_PORT", ready.to_string());
        let log = folder.path(LOG);
        let mut process = Process::spawn("CoreDNS", &mut command, &log);
        // It says ready while it still waits to bind, and greets once it has.
        let greets = || printed(&log).lines().any(|l| l.starts_with("CoreDNS-"));
        match process.wait(START, || (is_ready(ready) && greets()).then_some(())) {
            Some(()) => Ok(Self {
                address: (Ipv4Addr::LOCALHOST, dns).into(),
                any: (Ipv4Addr::LOCALHOST, any).into(),
                _process: process,
                folder,
            }),
            None => Err(process.log()),
        }
    }
}

/// What the `ready` plugin says: 200 once every plugin that reports it is ready.
fn is_ready(port: u16) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /ready HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    ask().is_ok_and(|answer| answer.split(' ').nth(1) == Some("200"))
}
