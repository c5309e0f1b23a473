//! Queries at a steady rate, each of which has to be answered as one of two configurations answers it.

use crate::decode::decode;
use crate::live::{ask_tcp, receive};
use std::collections::HashMap;
use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tenantdns::testing::query;
use tenantdns::wire::RType;

/// Who asks: a pod of the shop.
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11));
/// Sockets over which queries are sent: the kernel spreads them over the server's.
const SOCKETS: usize = 8;
/// How long the last answers are waited for. None is expected to take it.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two sendings of a socket.
const TICK: Duration = Duration::from_millis(2);

/// What became of the queries.
#[derive(Debug, Clone, Default)]
pub(super) struct Report {
    pub(super) udp: usize,
    pub(super) tcp: usize,
    pub(super) lost: usize,
    pub(super) wrong: usize,
    /// One of the wrong ones.
    pub(super) example: Option<Vec<u8>>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            udp,
            tcp,
            lost,
            wrong,
            example,
        } = self;
        write!(
            f,
            "{udp} queries over UDP, {tcp} over TCP, {lost} lost, {wrong} wrong"
        )?;
        match example {
            Some(example) => write!(f, ": {:?}", decode(example)),
            None => Ok(()),
        }
    }
}

/// The answers that each name may get: everything behind the ID.
type Answers = Arc<Vec<[Vec<u8>; 2]>>;

/// Running clients.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Report>>,
}

impl Load {
    /// Starts to ask, so many queries a second over UDP.
    pub(super) fn start(to: SocketAddr, rate: usize, answers: Vec<[Vec<u8>; 2]>) -> Self {
        let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(answers));
        let mut clients: Vec<_> = (0..SOCKETS)
            .map(|_| {
                let (stop, answers) = (stop.clone(), answers.clone());
                thread::spawn(move || ask_udp(to, rate as f64 / SOCKETS as f64, &answers, &stop))
            })
            .collect();
        clients.push({
            let stop = stop.clone();
            thread::spawn(move || ask_over_tcp(to, &answers, &stop))
        });
        Self { stop, clients }
    }

    /// Stops asking, and returns what became of it once everything is answered.
    pub(super) fn stop(self) -> Report {
        self.stop.store(true, Ordering::SeqCst);
        let mut sum = Report::default();
        for client in self.clients {
            let report = client.join().unwrap();
            sum.udp += report.udp;
            sum.tcp += report.tcp;
            sum.lost += report.lost;
            sum.wrong += report.wrong;
            sum.example = sum.example.or(report.example);
        }
        sum
    }
}

/// Returns what a name is answered: everything behind the ID.
pub(super) fn answer_to(server: SocketAddr, name: &str) -> Vec<u8> {
    let socket = connected(server);
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send(&query(name, RType::A)).unwrap();
    let answer = receive(&socket)[2..].to_vec();
    let over_tcp = ask_tcp(server, CLIENT, &query(name, RType::A));
    assert_eq!(over_tcp[2..], answer);
    answer
}

fn connected(to: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(SocketAddr::new(CLIENT, 0)).unwrap();
    socket.connect(to).unwrap();
    socket
}

fn question(name: usize, id: u16) -> Vec<u8> {
    let mut query = query(super::NAMES[name], RType::A);
    query[..2].copy_from_slice(&id.to_be_bytes());
    query
}

fn ask_udp(to: SocketAddr, rate: f64, answers: &Answers, stop: &AtomicBool) -> Report {
    let socket = connected(to);
    socket.set_nonblocking(true).unwrap();
    let (mut report, mut waiting) = (Report::default(), HashMap::new());
    let mut buffer = [0; 2048];
    let start = Instant::now();
    let mut end = None;
    loop {
        match (stop.load(Ordering::SeqCst), end) {
            (true, None) => end = Some(Instant::now() + PATIENCE),
            (true, Some(end)) if waiting.is_empty() || end < Instant::now() => break,
            (true, Some(_)) => {}
            (false, _) => {
                // What the rate asks for by now, and no burst after a pause of this machine.
                let due = (start.elapsed().as_secs_f64() * rate) as usize;
                for _ in 0..due.saturating_sub(report.udp).min(64) {
                    let (id, name) = (report.udp as u16, report.udp % super::NAMES.len());
                    // Still unanswered after all other IDs were used.
                    report.lost += usize::from(waiting.insert(id, name).is_some());
                    match socket.send(&question(name, id)) {
                        Ok(_) => {}
                        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                            // Of an earlier one, which is missed in the end.
                        }
                        Err(error) => panic!("{error}"),
                    }
                    report.udp += 1;
                }
            }
        }
        while let Ok(length) = socket.recv(&mut buffer) {
            let id = u16::from_be_bytes([buffer[0], buffer[1]]);
            let is_right = |name: usize| answers[name].iter().any(|a| *a == buffer[2..length]);
            // One that was answered before is one too many.
            let right = waiting.remove(&id).is_some_and(is_right);
            if !right {
                report.wrong += 1;
                report.example = Some(buffer[..length].to_vec());
            }
        }
        thread::park_timeout(TICK);
    }
    report.lost += waiting.len();
    report
}

/// Asks over one connection after the other: each is closed once it is answered.
fn ask_over_tcp(to: SocketAddr, answers: &Answers, stop: &AtomicBool) -> Report {
    let mut report = Report::default();
    while !stop.load(Ordering::SeqCst) {
        let name = report.tcp % super::NAMES.len();
        report.tcp += 1;
        match ask_once(to, &question(name, 7)) {
            Ok(answer) if answers[name].iter().any(|a| **a == answer[2..]) => {}
            Ok(answer) => {
                report.wrong += 1;
                report.example = Some(answer);
            }
            Err(_) => report.lost += 1,
        }
        thread::park_timeout(TICK);
    }
    report
}

fn ask_once(to: SocketAddr, query: &[u8]) -> std::io::Result<Vec<u8>> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(CLIENT, 0).into())?;
    socket.connect(&to.into())?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = u16::try_from(query.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length, query].concat())?;
    let mut prefix = [0; 2];
    stream.read_exact(&mut prefix)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(prefix))];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}
