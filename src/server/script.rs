//! An answerer that does what the query says, and a server that runs it: for this room's tests.
//!
//! A scripted query is a header and a word: `echo`, `whence`, `hold`, `ask`, `big`, `drop`, `panic`; where
//! there is a short way, `short` and `short panic` too.

use super::sys::ANSWER;
use super::{
    Answerer, Bound, Count, Inquiry, ListenAddress, Options, Resume, Scheme, Server, Setup,
    Timeouts, Upstream, bind,
};
use crate::answer::{
    Changes, DropReason, Outcome, PlainRequest, Plan, Replied, Request, Shortcut, Transport,
    Verdict,
};
use crate::chain::{ListenerId, UpstreamId};
use crate::drain::Drain;
use crate::snapshot::{Publisher, Snapshot, cell};
use crate::tenancy::Client;
use crate::testing::empty_snapshot;
use crate::wire::{NameBuf, RType, Rcode};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What a test waits for a fact at most.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Does what the query says.
#[derive(Debug, Clone, Default)]
pub(super) struct Script {
    /// Whether clients are known: what `hold` waits for.
    pub(super) known: Arc<AtomicBool>,
}

impl Answerer for Script {
    fn answer_plainly(
        &mut self,
        _: &Snapshot,
        _: &Shortcut<'_>,
        request: PlainRequest<'_, '_>,
        _: impl FnOnce() -> u64,
        out: &mut [u8],
    ) -> Option<usize> {
        let word = request.bytes.get(12..)?;
        assert_ne!(word, b"short panic", "asked to");
        if word != b"short" {
            // What is left of it is written anew.
            out[..20].fill(0xee);
            return None;
        }
        out[..request.bytes.len()].copy_from_slice(request.bytes);
        out[2] |= 0x80;
        Some(request.bytes.len())
    }

    fn answer(&mut self, _: &Snapshot, request: &Request<'_>, out: &mut [u8]) -> Outcome {
        let Some((header, word)) = request.bytes.split_first_chunk::<12>() else {
            return Outcome::Drop(DropReason::Short);
        };
        let answer = match word {
            b"hold" if self.known.load(Ordering::SeqCst) => b"known".to_vec(),
            b"hold" if request.may_wait => return Outcome::Hold,
            b"hold" => b"late".to_vec(),
            b"whence" => {
                let local = request.local.map(|local| local.to_string());
                let peer = request.peer;
                format!(
                    "{} {peer} {}",
                    request.listener.0,
                    local.unwrap_or_default()
                )
                .into_bytes()
            }
            b"big" => match request.transport {
                Transport::Udp => vec![header[1]; ANSWER - 12],
                Transport::Tcp | Transport::Exchange => vec![header[1]; 65_535 - 12],
            },
            b"drop" => return Outcome::Drop(DropReason::Response),
            b"ask" => return Outcome::Ask(Box::new(plan())),
            b"panic" => panic!("asked to"),
            // Padding counts for nothing.
            echo => echo.split(|&octet| octet == 0).next().unwrap().to_vec(),
        };
        let length = 12 + answer.len();
        out[..12].copy_from_slice(header);
        out[2] |= 0x80;
        out[12..length].copy_from_slice(&answer);
        Outcome::Reply(length, verdict())
    }

    fn resume(
        &mut self,
        _: &Snapshot,
        request: &Request<'_>,
        replies: &[Replied<'_>],
        out: &mut [u8],
    ) -> Outcome {
        let said = replies.last().and_then(|replied| replied.reply).unwrap();
        let length = 12 + said.len();
        out[..12].copy_from_slice(&request.bytes[..12]);
        out[2] |= 0x80;
        out[12..length].copy_from_slice(said);
        Outcome::Reply(length, verdict())
    }

    fn knows(&self, _: &Snapshot, _: IpAddr) -> bool {
        self.known.load(Ordering::SeqCst)
    }
}

/// Replies from a thread of its own.
#[derive(Default)]
pub(super) struct Elsewhere(Mutex<Option<Box<dyn Resume>>>);

impl Upstream for Elsewhere {
    fn start(&self, resume: Box<dyn Resume>) -> io::Result<()> {
        *self.0.lock().unwrap() = Some(resume);
        Ok(())
    }

    fn ask(&self, inquiry: Box<Inquiry>) -> Option<Box<Inquiry>> {
        // Held until the reply: several threads may ask.
        let mut idle = self.0.lock().unwrap();
        let resume = idle.take().expect("it was started");
        let asking = thread::spawn(move || {
            let mut resume = resume;
            let again = resume.resume(inquiry, Some(b"elsewhere"), None);
            assert!(again.is_none());
            resume
        });
        *idle = asking.join().ok();
        None
    }
}

/// Returns options with one listener on `address` and two workers.
pub(super) fn options(address: &str) -> Options {
    Options {
        listen: vec![ListenAddress {
            id: ListenerId(7),
            scheme: Scheme::Dns,
            address: address.parse().unwrap(),
        }],
        threads: 2,
        ..Options::default()
    }
}

/// A server that runs the script.
pub(super) struct Running {
    pub(super) server: Server<Script>,
    pub(super) drain: Drain,
    pub(super) publisher: Publisher,
    pub(super) script: Script,
    pub(super) address: SocketAddr,
}

impl Running {
    pub(super) fn on(address: &str) -> Self {
        Self::with(options(address), |_| {})
    }

    pub(super) fn with(options: Options, adjust: impl FnOnce(&mut Setup<Script>)) -> Self {
        let bound = bind(&options).unwrap();
        Self::bound(bound, options, adjust)
    }

    pub(super) fn bound(
        bound: Bound,
        options: Options,
        adjust: impl FnOnce(&mut Setup<Script>),
    ) -> Self {
        let (_, address) = bound.local_addresses().next().unwrap();
        let (publisher, reader) = cell(empty_snapshot());
        let mut setup = Setup {
            options,
            timeouts: Timeouts::default(),
            reader,
            drain: Drain::new(),
            upstream: None,
            limits: None,
            answerer: Script::default(),
        };
        adjust(&mut setup);
        Self {
            server: Server::start_with(bound, &setup).unwrap(),
            drain: setup.drain,
            publisher,
            script: setup.answerer,
            address,
        }
    }

    /// Returns a client's socket that takes answers from the server's address alone.
    pub(super) fn udp(&self) -> UdpSocket {
        udp(
            "127.0.0.1",
            SocketAddr::from(([127, 0, 0, 1], self.address.port())),
        )
    }

    pub(super) fn tcp(&self) -> TcpStream {
        let port = self.address.port();
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    pub(super) fn count(&self, what: Count) -> u64 {
        self.server.stats().get(what)
    }

    /// Waits until a count is reached, and checks that it is not exceeded.
    pub(super) fn expect(&self, what: Count, number: u64) {
        eventually(|| self.count(what) >= number);
        assert_eq!(self.count(what), number, "{what:?}");
    }

    /// Makes clients known and publishes a snapshot.
    pub(super) fn learn(&mut self) {
        self.script.known.store(true, Ordering::SeqCst);
        self.publisher.publish(empty_snapshot());
    }

    /// Stops the server and returns its counts' owner.
    pub(super) fn stop(self) -> super::Stats {
        self.drain.start();
        let stats = self.server.stats().clone();
        assert!(self.server.join());
        stats
    }
}

pub(super) fn udp(from: &str, to: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((from, 0)).unwrap();
    socket.connect(to).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Waits until `fact` holds.
pub(super) fn eventually(mut fact: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !fact() {
        assert!(Instant::now() < end, "not within {PATIENCE:?}");
        thread::park_timeout(Duration::from_millis(1));
    }
}

pub(super) fn query(id: u16, word: &str) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    let mut query = vec![high, low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    query.extend_from_slice(word.as_bytes());
    query
}

pub(super) fn reply(id: u16, word: &str) -> Vec<u8> {
    let mut reply = query(id, word);
    reply[2] |= 0x80;
    reply
}

/// Returns SERVFAIL to `query(id, …)`, with nothing but a header.
pub(super) fn servfail(id: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    vec![high, low, 0x81, 2, 0, 0, 0, 0, 0, 0, 0, 0]
}

pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap();
    [&length.to_be_bytes(), message].concat()
}

pub(super) fn send(stream: &mut TcpStream, id: u16, word: &str) {
    stream.write_all(&framed(&query(id, word))).unwrap();
}

/// Reads one message.
pub(super) fn receive(stream: &mut TcpStream) -> Vec<u8> {
    let mut prefix = [0; 2];
    stream.read_exact(&mut prefix).unwrap();
    let mut message = vec![0; usize::from(u16::from_be_bytes(prefix))];
    stream.read_exact(&mut message).unwrap();
    message
}

pub(super) fn receive_udp(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    buffer.truncate(length);
    buffer
}

/// Waits until the server has closed the connection, and returns how long that took.
pub(super) fn closed(stream: &mut TcpStream) -> Duration {
    let start = Instant::now();
    let mut buffer = [0; 1024];
    match stream.read(&mut buffer) {
        Ok(0) => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
        other => panic!("neither closed nor silent: {other:?}"),
    }
    start.elapsed()
}

/// A plan that nobody carries out.
fn plan() -> Plan {
    Plan {
        upstream: UpstreamId(0),
        qname: NameBuf::new(),
        qtype: RType::A,
        client: Client::Unknown,
        changes: Changes::default(),
    }
}

fn verdict() -> Verdict {
    Verdict {
        rcode: Rcode::NOERROR,
        block: None,
        plugin: None,
        zone: None,
        client: None,
        forwarded: None,
        named: None,
        asker: Client::Unknown,
        qtype: None,
        searched: false,
        missing: None,
        dnssec_ok: false,
        qname: 0,
    }
}
