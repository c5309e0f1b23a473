//! Hosts as network namespaces of Linux, wires between them, and a server on one of them. All of it
//! goes when it is dropped.

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// How long an answer may take. Nothing is expected to take it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Hosts of one test.
pub(crate) struct Network {
    prefix: String,
    hosts: Vec<&'static str>,
}

impl Network {
    /// Makes hosts, each with loopback. `None` where the machine does not let us: the test is to
    /// return then.
    ///
    /// # Panics
    /// Where we may and it fails.
    pub(crate) fn of(hosts: &[&'static str]) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut network = Self {
            prefix: format!("tenantdns-{}-{number}", std::process::id()),
            hosts: Vec::new(),
        };
        for &host in hosts {
            let name = network.name(host);
            let added = Command::new("ip").args(["netns", "add", &name]).output();
            match added {
                Ok(output) if output.status.success() => network.hosts.push(host),
                Ok(_) if !is_root() => return skip("network namespaces need root"),
                Ok(output) => panic!("ip netns add: {}", String::from_utf8_lossy(&output.stderr)),
                Err(_) => return skip("network namespaces need `ip` (iproute2)"),
            }
            network.ip(host, "link set lo up");
        }
        Some(network)
    }

    /// The namespace of a host, as `ip netns` knows it.
    pub(crate) fn name(&self, host: &str) -> String {
        format!("{}-{host}", self.prefix)
    }

    /// Runs `ip` on a host.
    pub(crate) fn ip(&self, host: &str, arguments: &str) {
        let name = self.name(host);
        let mut command = Command::new("ip");
        command.args(["-n", &name]).args(arguments.split(' '));
        let output = command.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ip {arguments} on {host}: {error}");
    }

    /// Lays a wire between interfaces, each with its addresses.
    pub(crate) fn wire(&self, ends: [(&str, &str, &[&str]); 2]) {
        let [(host, interface, _), (other, far, _)] = ends;
        let peer = self.name(other);
        self.ip(
            host,
            &format!("link add {interface} type veth peer name {far} netns {peer}"),
        );
        for (host, interface, addresses) in ends {
            self.ip(host, &format!("link set {interface} addrgenmode none up"));
            for address in addresses {
                // Without waiting for whoever else has it.
                let nodad = if address.contains(':') { " nodad" } else { "" };
                self.ip(host, &format!("addr add {address} dev {interface}{nodad}"));
            }
        }
    }

    /// Runs something on a host: sockets that it makes stay there.
    pub(crate) fn on<T: Send>(&self, host: &str, work: impl FnOnce() -> T + Send) -> T {
        let file = fs::File::open(Path::new("/run/netns").join(self.name(host))).unwrap();
        thread::scope(|scope| {
            let worker = scope.spawn(|| {
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
                work()
            });
            worker
                .join()
                .unwrap_or_else(|why| std::panic::resume_unwind(why))
        })
    }

    /// Starts the program on a host.
    pub(crate) fn serve(&self, host: &str, listen: &str, config: &str, manifests: &str) -> Serving {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&self.prefix);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("cluster.yaml"), manifests).unwrap();
        fs::write(folder.join("tenantdns.toml"), config).unwrap();
        let mut child = Command::new("ip")
            .args(["netns", "exec", &self.name(host)])
            .arg(env!("CARGO_BIN_EXE_tenantdns"))
            .args(["serve", "--listen", listen, "--config", "tenantdns.toml"])
            .args(["--manifests", "cluster.yaml"])
            .current_dir(&folder)
            .env("TENANTDNS_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let serving = Serving {
            child,
            _stdout: stdout,
            folder,
        };
        assert!(line.starts_with("listening on "), "{line:?}");
        serving
    }

    /// Asks from an address of a host over UDP and over TCP, and returns both answers.
    pub(crate) fn ask(
        &self,
        host: &str,
        source: SocketAddr,
        server: SocketAddr,
        bytes: &[u8],
    ) -> [Vec<u8>; 2] {
        self.on(host, || {
            let socket = UdpSocket::bind(source).unwrap();
            socket.connect(server).unwrap();
            socket.send(bytes).unwrap();
            [receive(&socket), over_tcp(source, server, bytes)]
        })
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for host in &self.hosts {
            // Where it fails, there is nothing left to be done.
            let _ = Command::new("ip")
                .args(["netns", "del", &self.name(host)])
                .status();
        }
    }
}

/// A running `tenantdns serve`.
pub(crate) struct Serving {
    child: Child,
    _stdout: BufReader<ChildStdout>,
    folder: PathBuf,
}

impl Drop for Serving {
    fn drop(&mut self) {
        // `ip netns exec` becomes the program.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Waits for an answer.
pub(crate) fn receive(socket: &UdpSocket) -> Vec<u8> {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = vec![0; 65_535];
    let len = socket.recv(&mut answer).expect("an answer");
    answer.truncate(len);
    answer
}

fn over_tcp(source: SocketAddr, server: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::for_address(source), Type::STREAM, None).unwrap();
    socket.bind(&source.into()).unwrap();
    socket.connect_timeout(&server.into(), PATIENCE).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length, bytes].concat()).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer).unwrap();
    answer
}

/// Returns what an HTTP server says, or `None` where there is none.
pub(crate) fn get(server: IpAddr, port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&(server, port).into(), PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    Some(answer)
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    uid.and_then(|uids| uids.split_whitespace().nth(1)) == Some("0")
}

/// Says that a test is skipped, and why.
pub(crate) fn skip<T>(why: &str) -> Option<T> {
    let thread = thread::current();
    let test = thread.name().unwrap_or("a test");
    // Not `eprintln!`, which is shown for failed tests only.
    let line = format!("skipped: {test}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    None
}
