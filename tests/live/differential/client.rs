//! A client with many questions in flight: what a server answers to each, or that it is silent.

use super::question::Question;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

/// Questions over UDP that are unanswered at a time: what a socket's buffer holds with room to spare.
const WINDOW: usize = 48;
/// Questions of one TCP connection.
const PIPELINE: usize = 64;
/// How long nothing may come before what is missing is asked again.
const PAUSE: Duration = Duration::from_millis(700);
/// How often a question is put before its server counts as silent.
const TRIES: usize = 5;
/// How long a server may take over TCP, where nothing is lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks everything; `None` where no answer comes.
///
/// Over UDP silence is what several tries bring; over TCP it is proven, for answers come in the order
/// of the questions.
pub(crate) fn ask_all(server: SocketAddr, questions: &[Question]) -> Vec<Option<Vec<u8>>> {
    let mut answers = vec![None; questions.len()];
    let of = |tcp: bool| -> Vec<usize> {
        (0..questions.len())
            .filter(|&n| questions[n].tcp == tcp)
            .collect()
    };
    ask_udp(server, questions, &of(false), &mut answers);
    for numbers in of(true).chunks(PIPELINE) {
        ask_tcp(server, questions, numbers, &mut answers);
    }
    answers
}

/// Asks the questions of these numbers over UDP.
pub(crate) fn ask_udp(
    server: SocketAddr,
    questions: &[Question],
    numbers: &[usize],
    answers: &mut [Option<Vec<u8>>],
) {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(PAUSE)).unwrap();
    let send = |number: usize| {
        let bytes = questions[number].bytes(u16::try_from(number).unwrap());
        socket.send(&bytes).unwrap();
    };
    let mut waiting = numbers.iter().copied();
    // What is in flight, and how often it was asked.
    let mut asked = BTreeMap::<usize, usize>::new();
    let mut buffer = vec![0; 65_535];
    loop {
        while asked.len() < WINDOW
            && let Some(number) = waiting.next()
        {
            send(number);
            asked.insert(number, 1);
        }
        if asked.is_empty() {
            return;
        }
        match socket.recv(&mut buffer) {
            Ok(length) => {
                let number = usize::from(u16::from_be_bytes([buffer[0], buffer[1]]));
                // What was asked twice may be answered twice.
                if asked.remove(&number).is_some() {
                    answers[number] = Some(buffer[..length].to_vec());
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                asked.retain(|_, tries| *tries < TRIES);
                for (number, tries) in &mut asked {
                    send(*number);
                    *tries += 1;
                }
            }
            Err(error) => panic!("{server}: {error}"),
        }
    }
}

/// Asks over one connection, and last what is always answered: what has no answer by then has none.
fn ask_tcp(
    server: SocketAddr,
    questions: &[Question],
    numbers: &[usize],
    answers: &mut [Option<Vec<u8>>],
) {
    const LAST: u16 = u16::MAX;
    let last = Question {
        name: "cluster.local.".into(),
        rtype: ("SOA", 6),
        tcp: true,
        edns: None,
        flags: (false, false, false),
    };
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let asked = numbers
        .iter()
        .map(|&n| questions[n].bytes(u16::try_from(n).unwrap()));
    for bytes in asked.chain([last.bytes(LAST)]) {
        let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
        stream.write_all(&[&length, &bytes[..]].concat()).unwrap();
    }
    loop {
        let mut length = [0; 2];
        if let Err(error) = stream.read_exact(&mut length) {
            let left: Vec<_> = numbers.iter().filter(|&&n| answers[n].is_none()).collect();
            panic!("{server}: {error}; unanswered: {}", left.len());
        }
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut answer).unwrap();
        match u16::from_be_bytes([answer[0], answer[1]]) {
            LAST => return,
            number => answers[usize::from(number)] = Some(answer),
        }
    }
}
