//! One canary's two questions, and what their answers say.

use crate::answer::{ABSENT_CANARY, CANARY, CANARY_PARENT};
use crate::wire::{HEADER_LEN, Name, NameBuf, RType, Rcode, Reply, ReplyData};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// How long an answer may take. CoreDNS gives up after two seconds itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which answers a canary tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Those with records.
    Existing,
    /// Those that say that there is no such name.
    Absent,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Existing, Self::Absent];

    /// Returns the word for it in log lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Existing => "existing names",
            Self::Absent => "absent names",
        }
    }
}

/// What two answers to one name say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Seen {
    /// They differ: each question came through.
    Clear,
    /// They are the same one.
    Cached,
    /// One is missing, or is no canary's: the question did not come through.
    Silent,
}

/// Asks a forwarder twice for a new name below `origin`.
pub(super) async fn look(front: SocketAddr, origin: &Name, kind: Kind) -> Seen {
    let Some(name) = canary_name(origin, kind, random()) else {
        return Seen::Silent;
    };
    let first = ask(front, &name, kind).await;
    // Nobody there: it would only take as long again.
    let Some(first) = first.ok().flatten() else {
        return Seen::Silent;
    };
    let second = ask(front, &name, kind).await;
    match second.ok().flatten() {
        Some(second) if second == first => Seen::Cached,
        Some(_) => Seen::Clear,
        None => Seen::Silent,
    }
}

fn canary_name(origin: &Name, kind: Kind, random: u64) -> Option<NameBuf> {
    let mut name = NameBuf::new();
    let label = match kind {
        Kind::Existing => CANARY,
        Kind::Absent => ABSENT_CANARY,
    };
    for label in [format!("{random:016x}").as_bytes(), label, CANARY_PARENT] {
        name.push_label(label).ok()?;
    }
    name.push_wire(origin.as_wire()).ok()?;
    Some(name)
}

/// Asks once; returns what is new in each answer, `None` where the answer is no canary's.
async fn ask(front: SocketAddr, name: &NameBuf, kind: Kind) -> io::Result<Option<Vec<u8>>> {
    let any = match front {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(front).await?;
    let query = question(name, random() as u16);
    socket.send(&query).await?;
    let receive = async {
        let mut bytes = vec![0; 4096];
        loop {
            let length = socket.recv(&mut bytes).await?;
            let answer = bytes.get(..length).unwrap_or(&[]);
            // The connected socket takes this peer's alone; an old answer is none of ours.
            if answer.get(..2) == query.get(..2) {
                return Ok(novelty(answer, kind));
            }
        }
    };
    let in_time = timeout(PATIENCE, receive).await;
    in_time.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn question(name: &NameBuf, id: u16) -> Vec<u8> {
    let [i0, i1] = id.to_be_bytes();
    let mut query = vec![i0, i1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    query.extend(name.as_wire());
    query.extend(RType::TXT.0.to_be_bytes());
    query.extend([0, 1]);
    query
}

/// Returns what is new in each answer to a canary: the text, or the serial.
fn novelty(answer: &[u8], kind: Kind) -> Option<Vec<u8>> {
    let reply = Reply::parse(answer)?;
    match (kind, reply.header.rcode()) {
        (Kind::Existing, Rcode::NOERROR) => {
            let mut records = reply.answers();
            let text = records.find(|record| record.rtype == RType::TXT)?;
            match text.rdata {
                ReplyData::Octets(octets) => Some(octets.to_vec()),
                ReplyData::Name(_) => None,
            }
        }
        (Kind::Absent, Rcode::NXDOMAIN) => reply.soa_serial().map(|s| s.to_be_bytes().into()),
        _ => None,
    }
}

/// Random bits: the keys of the standard library's hash maps. Not for secrets.
fn random() -> u64 {
    RandomState::new().hash_one(HEADER_LEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_is_the_text_or_the_serial() {
        let question = b"\x01a\0\0\x10\0\x01";
        let head = |rcode: u8, counts: [u8; 3]| {
            let [answers, authority, _] = counts;
            vec![0, 1, 0x84, rcode, 0, 1, 0, answers, 0, authority, 0, 0]
        };
        let txt = b"\xc0\x0c\0\x10\0\x01\0\0\0\x05\0\x03\x02hi";
        let soa = b"\xc0\x0c\0\x06\0\x01\0\0\0\x05\0\x1a\xc0\x0c\x01b\xc0\x0c\x01\x02\x03\x04\
                    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        let message = |head: Vec<u8>, record: &[u8]| [&head, &question[..], record].concat();
        for (fact, answer, kind, expected) in [
            (
                "text",
                message(head(0, [1, 0, 0]), txt),
                Kind::Existing,
                Some(&b"\x02hi"[..]),
            ),
            (
                "serial",
                message(head(3, [0, 1, 0]), soa),
                Kind::Absent,
                Some(b"\x01\x02\x03\x04"),
            ),
            (
                "refused",
                message(head(5, [0, 0, 0]), b""),
                Kind::Existing,
                None,
            ),
            (
                "refused",
                message(head(5, [0, 0, 0]), b""),
                Kind::Absent,
                None,
            ),
            (
                "no text",
                message(head(0, [0, 0, 0]), b""),
                Kind::Existing,
                None,
            ),
            (
                "no SOA",
                message(head(3, [0, 0, 0]), b""),
                Kind::Absent,
                None,
            ),
            (
                "exists",
                message(head(0, [1, 0, 0]), txt),
                Kind::Absent,
                None,
            ),
            (
                "absent",
                message(head(3, [0, 1, 0]), soa),
                Kind::Existing,
                None,
            ),
            (
                "cut",
                message(head(3, [0, 1, 0]), &soa[..20]),
                Kind::Absent,
                None,
            ),
        ] {
            assert_eq!(novelty(&answer, kind).as_deref(), expected, "{fact}");
        }
    }
}
