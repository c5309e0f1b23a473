//! A running `tenantdns serve` with a configuration file, whose log is read as it comes.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long a fact is waited for. None is expected to take it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder that is removed with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tenantdns-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn configuration(&self) -> PathBuf {
        self.path("tenantdns.toml")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A configuration: keys of tables that every one has, and more tables.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) threads: usize,
    pub(crate) server: String,
    pub(crate) health: String,
    pub(crate) metrics: String,
    pub(crate) reload: String,
    pub(crate) tables: String,
}

impl Written {
    pub(crate) fn new(tables: &str) -> Self {
        Self {
            threads: 2,
            server: "listen = [\"127.0.0.1:0\"]".to_owned(),
            health: "lameduck = \"0\"".to_owned(),
            metrics: "listen = \"127.0.0.1:0\"".to_owned(),
            reload: "interval = \"0\"".to_owned(),
            tables: tables.to_owned(),
        }
    }

    fn whole(&self) -> String {
        let Self {
            threads,
            server,
            health,
            metrics,
            reload,
            tables,
        } = self;
        let quickstart = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/quickstart");
        format!(
            "[server]\nthreads = {threads}\n{server}\n[health]\nlisten = \"127.0.0.1:0\"\n{health}\n\
             [ready]\nlisten = \"127.0.0.1:0\"\n[metrics]\n{metrics}\n[admin]\nlisten = \"\"\n\
             [reload]\n{reload}\n[source]\nmanifests = [\"{quickstart}\"]\n{tables}"
        )
    }
}

/// The program.
pub(crate) struct Serving {
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub(crate) dns: SocketAddr,
    lines: Receiver<String>,
    log: Arc<Mutex<String>>,
}

impl Serving {
    /// Starts it, and returns once it answers.
    pub(crate) fn start(folder: &Folder, configuration: &Written) -> Self {
        let (mut serving, line) = Self::launch(folder, configuration);
        let address = line
            .strip_prefix("listening on ")
            .and_then(|rest| rest.split(' ').next());
        match address {
            Some(address) => serving.dns = address.parse().unwrap(),
            None => panic!("{line:?}: {}", serving.ended().1),
        }
        serving
    }

    /// Starts it, and returns its first line: an empty one where it has ended.
    pub(crate) fn launch(folder: &Folder, configuration: &Written) -> (Self, String) {
        std::fs::write(folder.configuration(), configuration.whole()).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tenantdns"))
            .args(["serve", "--config"])
            .arg(folder.configuration())
            .env_remove("TENANTDNS_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        let log = Arc::<Mutex<String>>::default();
        let kept = log.clone();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut log = kept.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
                // Nobody may wait any more.
                let _ = sender.send(line);
            }
        });
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let serving = Self {
            child,
            stdout,
            dns: SocketAddr::from(([0, 0, 0, 0], 0)),
            lines,
            log,
        };
        (serving, line)
    }

    pub(crate) fn configure(&self, folder: &Folder, configuration: &Written) {
        let whole = configuration.whole();
        // As a ConfigMap changes: whole, or not at all.
        let next = folder.path("next.toml");
        std::fs::write(&next, whole).unwrap();
        std::fs::rename(next, folder.configuration()).unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        kill.arg(format!("-{name}"))
            .arg(self.child.id().to_string());
        assert!(kill.status().unwrap().success());
    }

    /// Waits for a line of the log with this in it, and returns it.
    pub(crate) fn until(&self, text: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(text) => return line,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("`{text}` is not in\n{}", self.log.lock().unwrap())
                }
            }
        }
    }

    /// Waits for a line on the standard output with this in it, and returns it.
    pub(crate) fn printed(&mut self, text: &str) -> String {
        let lines = (&mut self.stdout).lines().map(Result::unwrap);
        lines.into_iter().find(|line| line.contains(text)).unwrap()
    }

    /// Returns what a series of the metrics page says.
    pub(crate) fn value(&self, series: &str) -> f64 {
        let (_, page) = get(self.http("/metrics"), "/metrics").unwrap();
        let mut samples = page.lines().filter_map(|line| line.rsplit_once(' '));
        let sample = samples.find(|(name, _)| *name == series);
        let (_, value) = sample.unwrap_or_else(|| panic!("no {series} in\n{page}"));
        value.parse().unwrap()
    }

    /// Waits until a series has a value that is right.
    pub(crate) fn wait_for(&self, series: &str, is_right: impl Fn(f64) -> bool) {
        let start = Instant::now();
        while !is_right(self.value(series)) {
            assert!(
                start.elapsed() < PATIENCE,
                "{series}: {}",
                self.value(series)
            );
            thread::yield_now();
        }
    }

    pub(crate) fn terminate(self) -> (Option<i32>, String) {
        self.signal("TERM");
        self.ended()
    }

    /// Waits for its end, and returns its status and its log.
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        // Ends with the process.
        self.stdout.read_to_string(&mut rest).unwrap();
        let status = self.child.wait().unwrap().code();
        while self.lines.recv_timeout(PATIENCE).is_ok() {}
        let log = self.log.lock().unwrap().clone();
        (status, log)
    }

    /// Returns how much memory it has resident, as the kernel says it.
    pub(crate) fn resident(&self) -> String {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.unwrap().trim().to_owned()
    }

    /// Returns the address of an HTTP page, as the log named it last; waits for that, since the log is read
    /// beside the rest.
    pub(crate) fn http(&self, path: &str) -> SocketAddr {
        let words = format!("paths=\"{path}\"");
        let start = Instant::now();
        loop {
            let log = self.log.lock().unwrap().clone();
            if let Some(line) = log.lines().rev().find(|line| line.contains(&words)) {
                let (_, rest) = line.split_once("address=").unwrap();
                return rest.split(' ').next().unwrap().parse().unwrap();
            }
            assert!(start.elapsed() < PATIENCE, "{words} is not in\n{log}");
            thread::yield_now();
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Already gone, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks for a page, and returns its status and body; `None` where nobody listens.
pub(crate) fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    use std::io::Write;
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some((status, body.to_owned()))
}
