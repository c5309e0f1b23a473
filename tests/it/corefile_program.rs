//! The program as CoreDNS's users run it: its command line, exit status, and what it prints.

use crate::decode::decode;
use crate::live::receive;
use crate::program::program;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tenantdns::testing::query;
use tenantdns::wire::RType;

const PATIENCE: Duration = Duration::from_secs(60);

/// A folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("corefile-program-{name}"));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

fn run(arguments: &[&str], input: &str) -> (i32, String, String) {
    let mut child = program(arguments)
        .env_remove("KUBERNETES_SERVICE_HOST")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn version_and_plugins_are_said_and_nothing_is_served() {
    let (status, out, _) = run(&["-version"], "");
    assert_eq!(status, 0);
    assert!(out.starts_with("tenantdns-0."), "{out}");
    let (status, out, _) = run(&["-plugins", "-conf", "/nowhere"], "");
    assert_eq!(status, 0);
    let names: Vec<&str> = out.lines().collect();
    assert!(names.is_sorted(), "{out}");
    for name in ["dns.kubernetes", "dns.forward", "dns.tenancy"] {
        assert!(names.contains(&name), "{out}");
    }
    assert!(!names.contains(&"dns.etcd"), "{out}");
}

#[test]
fn wrong_usage_is_2_and_a_wrong_corefile_78() {
    let folder = folder("status");
    let path = folder.join("Corefile");
    fs::write(&path, ".:53 {\n  etcd\n  health {\n    lame\n  }\n}\n").unwrap();
    let path = path.to_str().unwrap();
    let missing = folder.join("missing");
    for (arguments, expected, reason) in [
        (
            &["-conf", path, "b"][..],
            2,
            "extra command line arguments: b".to_owned(),
        ),
        (&["-conf"], 2, "flag needs an argument: -conf".into()),
        (
            &["-conf", missing.to_str().unwrap()],
            78,
            format!("{}: the configuration can't be read", missing.display()),
        ),
        (&["-conf", path], 78, format!("{path}:2: etcd: ")),
        (&["-conf", path], 78, format!("{path}:4: health: ")),
        (
            &["import-corefile", path],
            78,
            format!("{path}:4: health: "),
        ),
        (
            &["import-corefile", missing.to_str().unwrap()],
            78,
            "can't be read".into(),
        ),
        (&["import-corefile"], 2, "FILE".into()),
    ] {
        let (status, out, error) = run(arguments, "");
        assert_eq!(status, expected, "{arguments:?}: {error}");
        assert!(error.contains(&reason), "{arguments:?}: {error}");
        assert_eq!(out, "", "{arguments:?}");
    }
}

#[test]
fn a_corefile_comes_from_the_standard_input_too() {
    let (status, _, error) = run(&["-conf", "stdin"], ".:53 {\n  whoami\n}\n");
    assert_eq!(status, 78);
    assert!(error.contains("/dev/stdin:2: whoami: "), "{error}");
    let (status, _, error) = run(&["import-corefile", "stdin"], ".:53 {\n  whoami\n}\n");
    assert_eq!(status, 78);
    assert!(error.contains("/dev/stdin:2: whoami: "), "{error}");
}

#[test]
fn a_manifest_that_holds_no_corefile_is_refused() {
    let (status, _, error) = run(
        &["import-corefile", "stdin"],
        "apiVersion: v1\nkind: Secret\n",
    );
    assert_eq!(status, 78);
    assert!(error.contains("is a Secret, not a ConfigMap"), "{error}");
}

/// A running `tenantdns -conf`, which needs no cluster.
struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Running {
    /// Starts it at a free port: another one where somebody else was faster.
    fn start(corefile: &Path, pidfile: &Path) -> Self {
        let start = Instant::now();
        loop {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = free.local_addr().unwrap();
            drop(free);
            let port = address.port().to_string();
            let files = [corefile, pidfile].map(|path| path.to_str().unwrap());
            let arguments = ["-conf", files[0], "-dns.port", &port, "--pidfile", files[1]];
            let mut child = program(&arguments)
                .env_remove("KUBERNETES_SERVICE_HOST")
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut stdout = BufReader::new(child.stdout.take().unwrap());
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            if line == format!("listening on {address} (udp, tcp)\n") {
                return Self {
                    child,
                    stdout,
                    address,
                };
            }
            let mut error = String::new();
            child
                .stderr
                .take()
                .unwrap()
                .read_to_string(&mut error)
                .unwrap();
            child.wait().unwrap();
            assert!(
                error.contains("in use") && start.elapsed() < PATIENCE,
                "{line}{error}"
            );
        }
    }

    fn ask(&self, name: &str) -> String {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(self.address).unwrap();
        socket.send(&query(name, RType::A)).unwrap();
        let answer = decode(&receive(&socket));
        answer.answer.first().cloned().unwrap_or(answer.rcode)
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let mut kill = Command::new("kill");
        assert!(kill.args([name, &pid]).status().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_corefile_without_a_cluster_is_served_and_its_imports_are_followed() {
    let folder = folder("served");
    let corefile = folder.join("Corefile");
    let pidfile = folder.join("pid");
    let text = ". {\n  bind 127.0.0.1\n  errors\n  import custom/*.override\n}\n";
    fs::write(&corefile, text).unwrap();
    fs::create_dir(folder.join("custom")).unwrap();
    let hosts = |address: &str| {
        let text = format!("hosts {{\n  {address} a.example\n}}\n");
        fs::write(folder.join("custom/hosts.override"), text).unwrap();
    };
    hosts("192.0.2.1");
    let mut running = Running::start(&corefile, &pidfile);
    assert_eq!(running.ask("a.example."), "a.example. 3600 A 192.0.2.1");
    let pid = fs::read_to_string(&pidfile).unwrap();
    assert_eq!(pid, format!("{}\n", running.child.id()));

    hosts("192.0.2.2");
    running.signal("-USR1");
    let start = Instant::now();
    while running.ask("a.example.") != "a.example. 3600 A 192.0.2.2" {
        assert!(start.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    running.signal("-TERM");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    running.stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    assert!(!pidfile.exists(), "the pidfile is left");
    let mut log = String::new();
    let mut error = running.child.stderr.take().unwrap();
    error.read_to_string(&mut log).unwrap();
    assert!(
        log.contains("mode audit"),
        "how to start an audit is said once: {log}"
    );
}
