//! One socket to an upstream, which one question has at a time: so a reply can only be to that one.

use super::message::Question;
use super::stats::{Lie, Proto, ToStats};
use crate::answer::{Attempt, Cause, Step};
use rustix::net::{RecvFlags, recv};
use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig};

/// Questions that a UDP socket asks at most: then another port is to be guessed.
const UDP_USES: u32 = 32;
/// Octets of the largest datagram.
const DATAGRAM: usize = 65_535;

thread_local! {
    /// Where datagrams are read into; what is a reply is copied.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; DATAGRAM].into());
}

/// Why a question has no reply.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    /// The socket was there already, and its other end is gone: another is to be tried at once.
    Stale,
    /// The upstream can't be reached, or does not reply as it should; or there is no socket to be had
    /// here.
    Failed(Attempt),
}

impl Fault {
    /// Returns what went wrong before there was a connection.
    pub(super) fn dial(to: SocketAddr, stream: bool, cause: Cause) -> Self {
        Self::Failed(Attempt {
            step: Step::Dial,
            stream,
            from: None,
            to,
            cause,
        })
    }
}

/// Returns what an error of a socket says of the other end.
pub(super) fn cause(error: &io::Error) -> Cause {
    match error.kind() {
        io::ErrorKind::TimedOut => Cause::Timeout,
        io::ErrorKind::ConnectionRefused => Cause::Refused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Cause::Reset,
        io::ErrorKind::UnexpectedEof => Cause::Closed,
        io::ErrorKind::NetworkUnreachable => Cause::NetworkUnreachable,
        io::ErrorKind::HostUnreachable => Cause::HostUnreachable,
        _ => Cause::Other,
    }
}

/// The same of a socket that could not be had.
fn cause_here(error: &io::Error) -> Cause {
    match error.kind() {
        io::ErrorKind::AddrNotAvailable => Cause::NoAddress,
        _ => Cause::NoSocket,
    }
}

/// The same of one that has to agree on TLS.
fn cause_of_tls(error: &io::Error) -> Cause {
    let inner = error.get_ref();
    match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_)) => Cause::NotTrusted,
        Some(_) => Cause::Handshake,
        None => cause(error),
    }
}

/// What is shown to an upstream with TLS.
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
}

/// A socket.
pub(super) struct Connection {
    kind: Kind,
    uses: u32,
    pub(super) opened: Instant,
    pub(super) used: Instant,
    /// Where it is here.
    pub(super) from: Option<SocketAddr>,
    to: SocketAddr,
    stats: Arc<ToStats>,
}

enum Kind {
    Udp(UdpSocket),
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection {
    /// Opens a socket at a random port, connected to the upstream: the kernel drops what others send.
    pub(super) async fn open(
        to: SocketAddr,
        proto: Proto,
        source: Option<IpAddr>,
        tls: Option<&Tls>,
        stats: &Arc<ToStats>,
    ) -> Result<Self, Fault> {
        let kind = match proto {
            Proto::Udp => {
                let failed = |cause| Fault::dial(to, false, cause);
                let any = match to {
                    SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                    SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
                };
                let socket = UdpSocket::bind((source.unwrap_or(any), 0)).await;
                let socket = socket.map_err(|error| failed(cause_here(&error)))?;
                let connected = socket.connect(to).await;
                connected.map_err(|error| failed(cause(&error)))?;
                Kind::Udp(socket)
            }
            Proto::Tcp | Proto::Tls | Proto::Https => match tls.filter(|_| proto != Proto::Tcp) {
                None => Kind::Tcp(connect(to, source).await?),
                Some(tls) => Kind::Tls(Box::new(connect_tls(to, source, tls).await?)),
            },
        };
        let local = match &kind {
            Kind::Udp(socket) => socket.local_addr(),
            Kind::Tcp(stream) => stream.local_addr(),
            Kind::Tls(stream) => stream.get_ref().0.local_addr(),
        };
        stats.opened();
        let now = Instant::now();
        Ok(Self {
            kind,
            uses: 0,
            opened: now,
            used: now,
            from: local.ok(),
            to,
            stats: stats.clone(),
        })
    }

    /// Returns whether it may be used again.
    pub(super) fn may_stay(&self) -> bool {
        match self.kind {
            Kind::Udp(_) => self.uses < UDP_USES,
            Kind::Tcp(_) | Kind::Tls(_) => true,
        }
    }

    /// Asks, and returns the reply. Whoever stops waiting must drop the socket: a reply may still
    /// come.
    pub(super) async fn ask(&mut self, question: &Question, id: u16) -> Result<Vec<u8>, Fault> {
        let was_used = self.uses > 0;
        self.uses += 1;
        let message = question.with_id(id);
        let stats = &*self.stats;
        let reply = match &mut self.kind {
            Kind::Udp(socket) => by_datagram(socket, question, &message, id, stats).await,
            Kind::Tcp(stream) => by_stream(stream, question, &message, id, stats).await,
            Kind::Tls(stream) => by_stream(stream, question, &message, id, stats).await,
        };
        self.used = Instant::now();
        reply.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
                if was_used && !matches!(self.kind, Kind::Udp(_)) =>
            {
                Fault::Stale
            }
            io::ErrorKind::InvalidData => self.failed(Cause::NoReply),
            _ => self.failed(cause(&error)),
        })
    }

    /// Returns what went wrong with a question that was asked over it.
    pub(super) fn failed(&self, cause: Cause) -> Fault {
        Fault::Failed(Attempt {
            step: Step::Read,
            stream: !matches!(self.kind, Kind::Udp(_)),
            from: self.from,
            to: self.to,
            cause,
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.stats.closed();
    }
}

/// Opens a connection, and agrees on TLS.
pub(super) async fn connect_tls(
    to: SocketAddr,
    source: Option<IpAddr>,
    tls: &Tls,
) -> Result<TlsStream<TcpStream>, Fault> {
    let stream = connect(to, source).await?;
    let connector = TlsConnector::from(tls.config.clone());
    let stream = connector.connect(tls.name.clone(), stream).await;
    stream.map_err(|error| Fault::dial(to, true, cause_of_tls(&error)))
}

async fn connect(to: SocketAddr, source: Option<IpAddr>) -> Result<TcpStream, Fault> {
    let failed = |cause| Fault::dial(to, true, cause);
    let socket = match to {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    };
    let socket = socket.map_err(|error| failed(cause_here(&error)))?;
    if let Some(source) = source {
        let bound = socket.bind(SocketAddr::new(source, 0));
        bound.map_err(|error| failed(cause_here(&error)))?;
    }
    let stream = socket.connect(to).await;
    let stream = stream.map_err(|error| failed(cause(&error)))?;
    // A question is one write.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// Asks by datagram. What is no reply to the question is counted, and does not end the wait: who
/// guesses must not be able to keep the reply away.
async fn by_datagram(
    socket: &UdpSocket,
    question: &Question,
    message: &[u8],
    id: u16,
    stats: &ToStats,
) -> io::Result<Vec<u8>> {
    socket.send(message).await?;
    // That nobody listens there is no datagram: whoever waits for one alone is not told.
    let awaited = Interest::READABLE | Interest::ERROR;
    loop {
        let receive = || {
            SCRATCH.with_borrow_mut(|scratch| {
                let (_, length) = recv(socket, &mut scratch[..], RecvFlags::DONTWAIT)?;
                Ok(scratch.get(..length).unwrap_or(&[]).to_vec())
            })
        };
        let reply = socket.async_io(awaited, receive).await?;
        let is_oversized = reply.len() > question.payload;
        match question.check(id, reply, true) {
            Ok(reply) => {
                if is_oversized {
                    stats.lie(Lie::Oversized);
                }
                return Ok(reply);
            }
            Err(lie) => stats.lie(lie),
        }
    }
}

/// Asks over a connection, where messages have their length in front (RFC 1035 section 4.2.2). What
/// comes over it and is wrong ends it.
async fn by_stream<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    question: &Question,
    message: &[u8],
    id: u16,
    stats: &ToStats,
) -> io::Result<Vec<u8>> {
    let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend(message);
    stream.write_all(&framed).await?;
    stream.flush().await?;
    let length = stream.read_u16().await?;
    // Grows as octets come: a length alone takes no memory.
    let mut reply = Vec::new();
    stream.take(length.into()).read_to_end(&mut reply).await?;
    if reply.len() < usize::from(length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    question.check(id, reply, false).map_err(|lie| {
        stats.lie(lie);
        io::ErrorKind::InvalidData.into()
    })
}
