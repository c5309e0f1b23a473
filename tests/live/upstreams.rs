//! Real upstreams from Debian, Unbound and Knot, each with a configuration that a test writes, and a
//! server of this process that forwards to them.

use crate::coredns::LEASH;
use crate::decode::{Response, decode};
use crate::process::{Folder, Process, free_port, until};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tenantdns::cache;
use tenantdns::chain::ListenerId;
use tenantdns::drain::Drain;
use tenantdns::forward::{Forwarder, Readings};
use tenantdns::server::{
    Core, ListenAddress, Options, Scheme, Server, Setup, Timeouts, Upstream, bind,
};
use tenantdns::snapshot::cell;
use tenantdns::testing::{Cluster, query, self_signed};
use tenantdns::wire::RType;

/// How long a program may take to answer.
pub(crate) const START: Duration = Duration::from_secs(30);
/// What an answer may take, and any fact that is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What every upstream knows.
pub(crate) const RECORDS: [&str; 4] = [
    "www.outside.example. 300 IN A 192.0.2.1",
    "alias.outside.example. 300 IN CNAME www.outside.example.",
    "mail.outside.example. 300 IN MX 10 www.outside.example.",
    "text.outside.example. 300 IN TXT \"one\" \"two\"",
];

/// Finds a program of a package of Debian's, or says that the test is skipped.
///
/// # Panics
/// Where it is missing in CI: .ci/run installs it.
pub(crate) fn program(name: &str, package: &str) -> Option<String> {
    let found = ["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin"]
        .iter()
        .map(|folder| format!("{folder}/{name}"))
        .find(|path| Path::new(path).exists());
    if found.is_none() {
        let how = format!("{name} is not installed: `apt-get install {package}`");
        let must = std::env::var_os("CI").is_some_and(|ci| !ci.is_empty());
        assert!(!must, "{how}");
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("a live test");
        // Not `eprintln!`, which is shown for failed tests only.
        let line = format!("skipped: {test}: {how}\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    found
}

/// Where an upstream answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    /// Over UDP and TCP.
    pub(crate) dns: SocketAddr,
    /// Over TLS, where it does.
    pub(crate) tls: SocketAddr,
    /// Over HTTPS, where it does.
    pub(crate) https: SocketAddr,
}

/// An upstream that runs, or did. Ends when dropped.
pub(crate) struct Peer {
    pub(crate) at: Ports,
    name: &'static str,
    program: String,
    arguments: &'static [&'static str],
    /// What it answers as soon as it runs.
    control: String,
    process: Option<Process>,
    pub(crate) folder: Folder,
}

impl Peer {
    fn start(
        (name, package, arguments): (&'static str, &str, &'static [&'static str]),
        control: &str,
        text: impl Fn(Ports, &Folder) -> String,
    ) -> Option<Self> {
        let program = program(name, package)?;
        for _ in 0..5 {
            let [dns, tls, https] =
                [(); 3].map(|()| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())));
            let (at, folder) = (Ports { dns, tls, https }, Folder::new(name));
            folder.write("config", &text(at, &folder));
            let mut peer = Self {
                at,
                name,
                program: program.clone(),
                arguments,
                control: control.into(),
                process: None,
                folder,
            };
            match peer.run() {
                Ok(()) => return Some(peer),
                Err(said) => assert!(said.contains("in use"), "{name} ended:\n{said}"),
            }
        }
        panic!("five free ports were all taken by others");
    }

    /// Runs it, and waits until it answers.
    fn run(&mut self) -> Result<(), String> {
        let mut command = Command::new("sh");
        command
            .args(["-c", LEASH, "leash", &self.program])
            .args(self.arguments)
            .arg(self.folder.path("config"));
        let mut process = Process::spawn(self.name, &mut command, &self.folder.path("log"));
        let question = query(&self.control, RType::A);
        let answers = || ask_udp(self.at.dns, &question).map(|_| ());
        match process.wait(START, answers) {
            Some(()) => {
                self.process = Some(process);
                Ok(())
            }
            None => Err(process.log()),
        }
    }

    /// Ends it: its ports are nobody's.
    pub(crate) fn stop(&mut self) {
        self.process = None;
    }

    /// Has it run at the same ports, with another text in a file of its folder.
    pub(crate) fn again(&mut self, file: &str, text: &str) {
        self.stop();
        self.folder.write(file, text);
        self.run()
            .unwrap_or_else(|said| panic!("{} ended:\n{said}", self.name));
    }
}

/// Unbound, which knows these records of outside.example and nothing else; `more` are lines of its
/// `server` clause.
pub(crate) fn unbound(records: &[&str], more: &str) -> Option<Peer> {
    let pair = self_signed("upstream");
    let which = ("unbound", "unbound", &["-d", "-p", "-c"][..]);
    Peer::start(which, "www.outside.example", |at, folder| {
        let certificate = folder.write("certificate", &pair.certificate);
        let key = folder.write("key", &pair.key);
        folder.write("records", &local_data(records));
        let [dns, tls, https] = [at.dns, at.tls, at.https].map(|at| at.port());
        format!(
            "server:\n  interface: 127.0.0.1@{dns}\n  interface: 127.0.0.1@{tls}\n  tls-port: {tls}\n  \
             interface: 127.0.0.1@{https}\n  https-port: {https}\n  \
             tls-service-pem: {}\n  tls-service-key: {}\n  num-threads: 1\n  do-daemonize: no\n  \
             username: \"\"\n  chroot: \"\"\n  directory: \"{}\"\n  use-syslog: no\n  \
             module-config: \"iterator\"\n  local-zone: outside.example. static\n{more}  include: {}\n",
            certificate.display(),
            key.display(),
            folder.path("").display(),
            folder.path("records").display(),
        )
    })
}

/// Returns the text of Unbound's file `records`.
pub(crate) fn local_data(records: &[&str]) -> String {
    let lines = records.iter();
    lines
        .map(|record| format!("local-data: '{record}'\n"))
        .collect()
}

/// Knot, which has outside.example with these records, and another zone whose file is missing.
pub(crate) fn knot(records: &[&str]) -> Option<Peer> {
    let which = ("knotd", "knot", &["-c"][..]);
    Peer::start(which, "www.outside.example", |at, folder| {
        folder.write("zone", &zone(records));
        let path = folder.path("").display().to_string();
        format!(
            "server:\n  listen: 127.0.0.1@{}\n  rundir: {path}\ndatabase:\n  storage: {path}\n\
             log:\n  - target: stderr\n    any: error\nzone:\n  - domain: outside.example\n    \
             file: {path}/zone\n    semantic-checks: off\n  - domain: broken.example\n    \
             file: {path}/absent\n",
            at.dns.port()
        )
    })
}

/// Returns the text of Knot's file `zone`.
pub(crate) fn zone(records: &[&str]) -> String {
    let soa = "outside.example. 300 IN SOA ns.outside.example. h.outside.example. 1 2 3 4 60";
    format!("{soa}\n{}\n", records.join("\n"))
}

/// Asks an upstream itself, a moment long.
pub(crate) fn ask_udp(to: SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    socket.connect(to).unwrap();
    socket.send(bytes).ok()?;
    let mut reply = vec![0; 65_535];
    let length = socket.recv(&mut reply).ok()?;
    reply.truncate(length);
    Some(reply)
}

/// A server that forwards.
pub(crate) struct Forwarding {
    pub(crate) address: SocketAddr,
    forwarder: Arc<Forwarder>,
    drain: Drain,
    server: Option<Server>,
}

impl Forwarding {
    /// Serves no cluster, with this configuration.
    pub(crate) fn start(config: &str) -> Self {
        let cluster = Cluster::of(Vec::new(), config);
        let listen = ListenAddress {
            id: ListenerId(0),
            address: "127.0.0.1:0".parse().unwrap(),
            scheme: Scheme::Dns,
        };
        let options = Options {
            listen: vec![listen],
            threads: 1,
            ..cluster.config.server.clone()
        };
        let (publisher, reader) = cell(cluster.snapshot());
        drop(publisher);
        let bound = bind(&options).unwrap();
        let (_, address) = bound.listeners().next().unwrap();
        let tables = (&cluster.config.forward, &cluster.config.caches);
        let forwarder = Arc::new(Forwarder::new(tables.0, tables.1, &[]).unwrap());
        let drain = Drain::new();
        let setup = Setup {
            options,
            timeouts: Timeouts::default(),
            reader,
            drain: drain.clone(),
            upstream: Some(forwarder.clone() as Arc<dyn Upstream>),
            limits: None,
            answerer: Core,
        };
        Self {
            address,
            forwarder,
            drain,
            server: Some(Server::start_with(bound, &setup).unwrap()),
        }
    }

    /// What is counted of the upstreams.
    pub(crate) fn counts(&self) -> Readings {
        self.forwarder.stats().read()
    }

    /// What is counted of the first cache.
    pub(crate) fn kept(&self) -> cache::Readings {
        self.forwarder.caches()[0].read()
    }

    pub(crate) fn udp(&self, bytes: &[u8]) -> Response {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(self.address).unwrap();
        socket.send(bytes).unwrap();
        let mut reply = vec![0; 65_535];
        let length = socket.recv(&mut reply).expect("an answer");
        decode(&reply[..length])
    }

    pub(crate) fn tcp(&self, bytes: &[u8]) -> Response {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = (bytes.len() as u16).to_be_bytes();
        stream.write_all(&[&length, bytes].concat()).unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut reply).unwrap();
        decode(&reply)
    }

    /// What a name's address is, or the response code where it has none.
    pub(crate) fn said(&self, name: &str) -> String {
        said(&self.udp(&query(name, RType::A)))
    }

    /// Asks until it is said.
    pub(crate) fn expect(&self, name: &str, expected: &str) {
        until(&format!("{name}: not {expected}"), PATIENCE, || {
            (self.said(name) == expected).then_some(())
        });
    }
}

/// The data of the first record, or the response code where there is none.
pub(crate) fn said(response: &Response) -> String {
    let first = response.answer.first();
    let data = first.and_then(|line| line.rsplit(' ').next());
    data.unwrap_or(&response.rcode).to_owned()
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        self.drain.start();
        let ended = self.server.take().is_none_or(Server::join);
        assert!(ended || std::thread::panicking(), "a thread panicked");
    }
}

/// Text as an item of `to`.
pub(crate) fn to(upstreams: &[SocketAddr]) -> String {
    let texts: Vec<String> = upstreams.iter().map(|to| format!("\"{to}\"")).collect();
    format!("to = [{}]\n", texts.join(", "))
}
