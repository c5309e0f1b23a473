//! An upstream that says what a test has it say: over UDP and TCP, at one address of the loopback
//! network. It ends when it is dropped.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tenantdns::wire::{HEADER_LEN, Message, RType};

/// How a question came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Udp,
    Tcp,
}

/// One question that came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) by: By,
    pub(crate) from: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

/// What is sent back for a question, each as it is; nothing for silence.
type Say = dyn Fn(&Asked) -> Vec<Vec<u8>> + Send + Sync;

/// The upstream.
pub(crate) struct Liar {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Liar {
    /// Listens on a port that is free for UDP and TCP.
    pub(crate) fn new(say: impl Fn(&Asked) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
                break (udp, tcp);
            }
        };
        Self::on(udp, tcp, say)
    }

    fn on(
        udp: UdpSocket,
        tcp: TcpListener,
        say: impl Fn(&Asked) -> Vec<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let address = udp.local_addr().unwrap();
        let (asked, stop) = (
            Arc::<Mutex<Vec<Asked>>>::default(),
            Arc::<AtomicBool>::default(),
        );
        let say: Arc<Say> = Arc::new(say);
        udp.set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        tcp.set_nonblocking(true).unwrap();
        let datagrams = {
            let (asked, stop, say) = (asked.clone(), stop.clone(), say.clone());
            thread::spawn(move || serve_udp(&udp, &asked, &stop, &*say))
        };
        let streams = {
            let (asked, stop) = (asked.clone(), stop.clone());
            thread::spawn(move || serve_tcp(&tcp, &asked, &stop, &say))
        };
        Self {
            address,
            asked,
            stop,
            threads: vec![datagrams, streams],
        }
    }

    /// Returns the questions so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Waits until so many questions came, and returns them.
    pub(crate) fn expect(&self, count: usize) -> Vec<Asked> {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let asked = self.asked();
            if asked.len() >= count {
                return asked;
            }
            assert!(Instant::now() < end, "{count} questions: {asked:?}");
            thread::yield_now();
        }
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn serve_udp(socket: &UdpSocket, asked: &Mutex<Vec<Asked>>, stop: &AtomicBool, say: &Say) {
    let mut bytes = vec![0; 65_535];
    while !stop.load(Ordering::SeqCst) {
        let Ok((length, from)) = socket.recv_from(&mut bytes) else {
            continue;
        };
        let question = Asked {
            by: By::Udp,
            from,
            bytes: bytes[..length].to_vec(),
        };
        asked.lock().unwrap().push(question.clone());
        for reply in say(&question) {
            let _ = socket.send_to(&reply, from);
        }
    }
}

fn serve_tcp(
    listener: &TcpListener,
    asked: &Arc<Mutex<Vec<Asked>>>,
    stop: &Arc<AtomicBool>,
    say: &Arc<Say>,
) {
    let mut connections = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        match listener.accept() {
            Ok((stream, from)) => {
                let (asked, stop, say) = (asked.clone(), stop.clone(), say.clone());
                let serve = move || serve_stream(stream, from, &asked, &stop, &*say);
                connections.push(thread::spawn(serve));
            }
            Err(_) => thread::park_timeout(Duration::from_millis(2)),
        }
    }
    for connection in connections {
        let _ = connection.join();
    }
}

fn serve_stream(
    mut stream: TcpStream,
    from: SocketAddr,
    asked: &Mutex<Vec<Asked>>,
    stop: &AtomicBool,
    say: &Say,
) {
    stream.set_nonblocking(false).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let mut input = Vec::new();
    let mut chunk = [0; 4096];
    while !stop.load(Ordering::SeqCst) {
        match stream.read(&mut chunk) {
            Ok(0) => return,
            Ok(length) => input.extend_from_slice(&chunk[..length]),
            Err(_) => continue,
        }
        while let Some((&length, rest)) = input.split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(length));
            let Some(bytes) = rest.get(..length) else {
                break;
            };
            let question = Asked {
                by: By::Tcp,
                from,
                bytes: bytes.to_vec(),
            };
            input.drain(..2 + length);
            asked.lock().unwrap().push(question.clone());
            let replies = say(&question);
            if replies.is_empty() {
                // Who says nothing over a stream ends it.
                return;
            }
            for reply in replies {
                let length = (reply.len() as u16).to_be_bytes();
                if stream.write_all(&[&length, &*reply].concat()).is_err() {
                    return;
                }
            }
        }
    }
}

// === replies ===

/// Returns a reply to a question: response code, and records as they are put behind it, by section.
pub(crate) fn reply(bytes: &[u8], rcode: u8, sections: [&[Vec<u8>]; 3]) -> Vec<u8> {
    let message = Message::parse(bytes).expect("a question");
    let mut reply = bytes[..message.records_at()].to_vec();
    let [_, _, high, low, ..] = *bytes.first_chunk::<HEADER_LEN>().unwrap();
    (reply[2], reply[3]) = (0x80 | (high & 1), 0x80 | (low & 0x10) | rcode);
    for (at, records) in sections.iter().enumerate() {
        reply[7 + 2 * at] = records.len() as u8;
        records.iter().for_each(|record| reply.extend(record));
    }
    reply
}

/// Returns a record of the QNAME.
pub(crate) fn record(rtype: RType, ttl: u32, rdata: &[u8]) -> Vec<u8> {
    let mut record = vec![0xc0, 12];
    record.extend(rtype.0.to_be_bytes());
    record.extend([0, 1]);
    record.extend(ttl.to_be_bytes());
    record.extend((rdata.len() as u16).to_be_bytes());
    record.extend(rdata);
    record
}

/// Returns a SOA record of the root with this TTL.
pub(crate) fn soa(ttl: u32) -> Vec<u8> {
    let mut record = vec![0];
    record.extend(RType::SOA.0.to_be_bytes());
    record.extend([0, 1]);
    record.extend(ttl.to_be_bytes());
    record.extend([0, 22, 0, 0]);
    record.extend([0; 20]);
    record
}

/// Says that the name has this address.
pub(crate) fn address(bytes: &[u8], ttl: u32, octets: [u8; 4]) -> Vec<u8> {
    reply(bytes, 0, [&[record(RType::A, ttl, &octets)], &[], &[]])
}
