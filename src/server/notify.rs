//! NOTIFY (RFC 1996): whoever `[transfer]` names by its address is told that a zone has changed, so that it
//! need not wait for the SOA's refresh. Looked for at intervals, so that a cluster where something changes
//! all the time is no flood; a change in between is in the next one's serial.
//!
//! Who has the right to the zone is settled when it asks for it ([`crate::answer`]): a notification says
//! no more than the serial's having moved.

use crate::chain::{Step, TransferOptions};
use crate::drain::Drain;
use crate::snapshot::{Snapshot, SnapshotReader};
use crate::wire::{Header, Name, Opcode, Rcode};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// From one look at the serials to the next: what BIND delays notifications by.
const INTERVAL: Duration = Duration::from_secs(5);
/// How long a secondary may take to say that it has heard, each time: as CoreDNS.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is told, until it has: as CoreDNS.
const TRIES: usize = 3;
/// Octets of a reply at most: it repeats the question.
const REPLY: usize = 512;

/// Notifies until the drain is started. `ended` hears of each notification that was taken, and of the first
/// of several that were not.
pub async fn notify(
    reader: SnapshotReader,
    drain: Drain,
    ended: impl Fn(&Notice, Result<(), NotHeard>),
) {
    let rounds = async {
        let mut told = Told::default();
        loop {
            let due = told.due(&reader.load());
            tell(due, &mut told, &ended).await;
            sleep(INTERVAL).await;
        }
    };
    tokio::select! {
        () = drain.started() => {}
        () = rounds => {}
    }
}

/// Somebody who is to be told of a zone's serial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The zone.
    pub zone: Name,
    /// Who is told.
    pub secondary: SocketAddr,
    /// From which address, where it is not the kernel's choice.
    source: Option<IpAddr>,
    /// What the SOA says now.
    pub serial: u32,
}

/// What has been told to whom, and whether it was heard.
#[derive(Debug, Default)]
struct Told(BTreeMap<(SocketAddr, Vec<u8>), (u32, bool)>);

impl Told {
    /// Returns who is to be told of what, and notes that. Whoever does not hear it is not told again
    /// before the next change: one that comes back asks for the SOA by itself.
    fn due(&mut self, snapshot: &Snapshot) -> Vec<Notice> {
        if !snapshot.synced {
            return Vec::new();
        }
        let all = notices(snapshot);
        let key = |notice: &Notice| (notice.secondary, notice.zone.as_wire().to_vec());
        let mut before = std::mem::take(&mut self.0);
        let mut due = Vec::new();
        for notice in all {
            let key = key(&notice);
            let known = before.remove(&key);
            let heard = known.is_none_or(|(_, heard)| heard);
            if known.is_none_or(|(serial, _)| serial != notice.serial) {
                due.push(notice.clone());
            }
            self.0.insert(key, (notice.serial, heard));
        }
        due
    }

    /// Notes whether a notice was heard, and returns whether the one before had the same end.
    fn heard(&mut self, notice: &Notice, heard: bool) -> bool {
        let key = (notice.secondary, notice.zone.as_wire().to_vec());
        let entry = self.0.get_mut(&key);
        entry.is_none_or(|(_, before)| std::mem::replace(before, heard) == heard)
    }
}

/// Returns everybody who is to know a zone's serial.
fn notices(snapshot: &Snapshot) -> Vec<Notice> {
    let mut notices: Vec<Notice> = Vec::new();
    for block in snapshot.chain.blocks() {
        let Some(options) = block.transfer() else {
            continue;
        };
        let zones = block.steps().iter().filter_map(|step| match step {
            Step::Kubernetes(id) => snapshot.zone(*id),
            _ => None,
        });
        for zone in zones {
            let serial = zone.soa().numbers[0];
            let origins = zone.options().origins.iter();
            for name in origins.filter(|name| is_transferred(options, name)) {
                if zone.transferable(name.as_wire()).is_none() {
                    continue;
                }
                for secondary in options.notified() {
                    let notice = Notice {
                        zone: name.clone(),
                        secondary,
                        source: options.source,
                        serial,
                    };
                    // Blocks that differ in their view alone have the same zone.
                    if !notices.contains(&notice) {
                        notices.push(notice);
                    }
                }
            }
        }
    }
    notices
}

fn is_transferred(options: &TransferOptions, zone: &Name) -> bool {
    options.zones.iter().any(|of| zone.is_at_or_below(of))
}

async fn tell(due: Vec<Notice>, told: &mut Told, ended: &impl Fn(&Notice, Result<(), NotHeard>)) {
    let ids = RandomState::new();
    let mut telling = JoinSet::new();
    for notice in due {
        let id = ids.hash_one(notice.secondary) as u16;
        telling.spawn(async move {
            let result = exchange(&notice, id).await;
            (notice, result)
        });
    }
    while let Some(done) = telling.join_next().await {
        let Ok((notice, result)) = done else {
            continue;
        };
        let same = told.heard(&notice, result.is_ok());
        if result.is_ok() || !same {
            ended(&notice, result);
        }
    }
}

/// Why a notification was not taken.
#[derive(Debug, thiserror::Error)]
pub enum NotHeard {
    /// It could not be sent.
    #[error("{0}")]
    Socket(#[from] io::Error),
    /// Nothing came back in time.
    #[error("no reply")]
    Silence,
    /// The secondary does not want it: it is not configured for the zone, or for us.
    #[error("the reply has response code {}", .0.0)]
    Code(Rcode),
}

/// Tells a secondary until it says that it has heard.
async fn exchange(notice: &Notice, id: u16) -> Result<(), NotHeard> {
    let message = message(&notice.zone, id);
    let any: IpAddr = match notice.secondary {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let from = SocketAddr::new(notice.source.unwrap_or(any), 0);
    let mut failure = NotHeard::Silence;
    for _ in 0..TRIES {
        let told = async {
            let socket = UdpSocket::bind(from).await?;
            socket.connect(notice.secondary).await?;
            socket.send(&message).await?;
            let mut reply = [0; REPLY];
            loop {
                let length = socket.recv(&mut reply).await?;
                let reply = reply.get(..length).unwrap_or(&[]);
                if let Some(rcode) = acknowledged(reply, id) {
                    return Ok::<_, io::Error>(rcode);
                }
            }
        };
        failure = match timeout(PATIENCE, told).await {
            Ok(Ok(Rcode::NOERROR)) => return Ok(()),
            Ok(Ok(rcode)) => NotHeard::Code(rcode),
            Ok(Err(error)) => error.into(),
            Err(_) => NotHeard::Silence,
        };
    }
    Err(failure)
}

/// Returns what a message says to the notification with this ID; `None` where it is about another.
fn acknowledged(reply: &[u8], id: u16) -> Option<Rcode> {
    let header = Header::parse(reply)?;
    let is_reply = header.is_response() && header.id == id && header.opcode() == Opcode(4);
    is_reply.then(|| header.rcode())
}

/// Returns the notification of a zone: its SOA has changed (RFC 1996 section 3.7).
fn message(zone: &Name, id: u16) -> Vec<u8> {
    let [i0, i1] = id.to_be_bytes();
    // Opcode NOTIFY, AA; one question, of type SOA and class IN.
    let mut message = vec![i0, i1, 0x24, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend(zone.as_wire());
    message.extend([0, 6, 0, 1]);
    message
}

#[cfg(test)]
mod tests;
