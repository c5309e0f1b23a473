//! Where the peers' programs are, and processes that end with the test, however it ends.

use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a process may take to end, once told to.
const FAREWELL: Duration = Duration::from_secs(10);

/// The programs that `make peers` builds.
pub(crate) struct Peers {
    pub(crate) apiserver: PathBuf,
    pub(crate) coredns: PathBuf,
}

/// Finds the peers. `None` where they can't be built here: the test is to return then.
///
/// # Panics
/// Where they are missing but could be there: in CI, and on machines with Go.
pub(crate) fn peers() -> Option<Peers> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::var_os("TENANTDNS_PEERS").filter(|folder| !folder.is_empty());
    let folder = repository.join(folder.unwrap_or_else(|| "target/peers".into()));
    let peers = Peers {
        apiserver: folder.join("apiserver"),
        coredns: folder.join("coredns"),
    };
    if peers.apiserver.exists() && peers.coredns.exists() {
        return Some(peers);
    }
    let must = std::env::var_os("CI").is_some_and(|ci| !ci.is_empty());
    assert!(
        !must && Command::new("go").arg("version").output().is_err(),
        "no API server and CoreDNS in {}: run `make peers`",
        folder.display()
    );
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a live test");
    // Not `eprintln!`, which is shown for failed tests only.
    let line = format!("skipped: {test}: `make peers` needs Go\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    None
}

/// A running program that reads its standard input to know whether we are still there.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts the command. What it prints is appended to the log.
    pub(crate) fn spawn(name: &'static str, command: &mut Command, log: &Path) -> Self {
        let file = File::options().append(true).create(true).open(log).unwrap();
        let child = command
            .stdin(Stdio::piped())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn();
        Self {
            name,
            child: child.unwrap_or_else(|e| panic!("{command:?}: {e}")),
            log: log.into(),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for a fact about this process; `None` where it ended before.
    ///
    /// # Panics
    /// Where the fact doesn't come to be within the limit.
    pub(crate) fn wait<T>(
        &mut self,
        limit: Duration,
        mut fact: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        let name = self.name;
        until(&format!("{name} is not ready"), limit, || {
            match (fact(), self.ended()) {
                (Some(fact), _) => Some(Some(fact)),
                (None, Some(_)) => Some(None),
                (None, None) => None,
            }
        })
    }

    /// The last of what it printed.
    pub(crate) fn log(&self) -> String {
        let log = printed(&self.log);
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{} printed last:\n{}", self.name, self.log());
        }
        // The end of its standard input is what it ends at.
        drop(self.child.stdin.take());
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if start.elapsed() > FAREWELL {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
            park();
        }
    }
}

/// What a log holds by now.
pub(crate) fn printed(log: &Path) -> String {
    let log = std::fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&log).into_owned()
}

/// Asks again and again until there is something.
///
/// # Panics
/// With `what` where there is nothing within the limit.
pub(crate) fn until<T>(what: &str, limit: Duration, mut fact: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(fact) = fact() {
            return fact;
        }
        assert!(start.elapsed() < limit, "{what} after {limit:?}");
        park();
    }
}

/// Leaves the core to the processes that are waited for, between two looks.
fn park() {
    std::thread::park_timeout(Duration::from_millis(20));
}

/// Returns a port of 127.0.0.1 that is free for TCP and UDP, another one each time in this process. It is below those
/// that the kernel gives to sockets that ask for none, or one of those could have it before it is used.
pub(crate) fn free_port() -> u16 {
    const FIRST: u32 = 12_000;
    const PORTS: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    until("no port is free", FAREWELL, || {
        let start = std::process::id().wrapping_mul(769);
        let next = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST + next % PORTS).ok()?;
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
        UdpSocket::bind(tcp.local_addr().ok()?).ok().map(|_| port)
    })
}

/// A folder that is removed with what uses it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tenantdns-{name}-{}-{next}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
