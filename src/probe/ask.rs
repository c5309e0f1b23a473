//! One question, one answer, over UDP or TCP.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

/// Times that a datagram is sent before it counts as unanswered.
const TRIES: u32 = 3;
/// Questions in a row without an answer after which no more are asked.
const SILENCES: u32 = 5;

/// Asks one server.
pub(super) struct Asker {
    server: SocketAddr,
    patience: Duration,
    /// Questions without an answer, one after the other.
    silences: Cell<u32>,
}

impl Asker {
    pub(super) fn new(server: SocketAddr, patience: Duration) -> Self {
        Self {
            server,
            patience,
            silences: Cell::new(0),
        }
    }

    /// Returns the answer over UDP, or `None` where there is none in time.
    pub(super) fn udp(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let id = bytes.get(..2).unwrap_or_default();
        self.counted(|| (0..TRIES).find_map(|_| self.udp_once(bytes, id, self.patience).ok()))
    }

    /// Returns what comes back for one datagram within a short wait: for what is best not
    /// answered at all. The answer has this ID, whatever the datagram begins with.
    pub(super) fn udp_briefly(&self, bytes: &[u8], id: &[u8]) -> Option<Vec<u8>> {
        self.udp_once(bytes, id, self.patience / 4).ok()
    }

    /// Returns the answer over TCP, or `None` where there is none in time.
    pub(super) fn tcp(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.counted(|| self.over_tcp(bytes).ok())
    }

    /// Asks, unless there were only silences of late: a server that is away costs seconds, not hours.
    fn counted(&self, ask: impl FnOnce() -> Option<Vec<u8>>) -> Option<Vec<u8>> {
        if self.silences.get() >= SILENCES {
            return None;
        }
        let reply = ask();
        match reply {
            Some(_) => self.silences.set(0),
            None => self.silences.set(self.silences.get() + 1),
        }
        reply
    }

    /// Returns the address that questions come from.
    pub(super) fn source(&self) -> Option<IpAddr> {
        let socket = self.socket().ok()?;
        Some(socket.local_addr().ok()?.ip().to_canonical())
    }

    fn socket(&self) -> io::Result<UdpSocket> {
        let any: IpAddr = match self.server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0))?;
        // Whatever comes from elsewhere is not seen.
        socket.connect(self.server)?;
        Ok(socket)
    }

    fn udp_once(&self, bytes: &[u8], id: &[u8], patience: Duration) -> io::Result<Vec<u8>> {
        let socket = self.socket()?;
        socket.send(bytes)?;
        let start = Instant::now();
        let mut reply = vec![0; 65_535];
        loop {
            let left = patience.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            socket.set_read_timeout(Some(left))?;
            let len = socket.recv(&mut reply)?;
            if reply.get(..2) == Some(id) {
                reply.truncate(len);
                return Ok(reply);
            }
        }
    }

    fn over_tcp(&self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&self.server, self.patience)?;
        stream.set_read_timeout(Some(self.patience))?;
        stream.set_write_timeout(Some(self.patience))?;
        let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
        stream.write_all(&[&length, bytes].concat())?;
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut reply)?;
        Ok(reply)
    }
}
