//! One socket to an upstream, which one question has at a time: so a reply can only be to that one.

use super::message::Question;
use super::stats::{Lie, Proto, ToStats};
use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// Questions that a UDP socket asks at most: then another port is to be guessed.
const UDP_USES: u32 = 32;
/// Octets of the largest datagram.
const DATAGRAM: usize = 65_535;

thread_local! {
    /// Where datagrams are read into; what is a reply is copied.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; DATAGRAM].into());
}

/// Why a question has no reply.
#[derive(Debug)]
pub(super) enum Failure {
    /// The socket was there already, and its other end is gone: another is to be tried at once.
    Stale,
    /// The upstream can't be reached, or does not reply as it should.
    Upstream,
    /// There is no socket to be had here.
    Local,
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
    ) -> Result<Self, Failure> {
        let any = match to {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let from = SocketAddr::new(source.unwrap_or(any), 0);
        let kind = match proto {
            Proto::Udp => {
                let socket = UdpSocket::bind(from).await.map_err(|_| Failure::Local)?;
                socket.connect(to).await.map_err(|_| Failure::Upstream)?;
                Kind::Udp(socket)
            }
            Proto::Tcp | Proto::Tls => {
                let stream = connect(from, source.is_some(), to).await?;
                match tls.filter(|_| proto == Proto::Tls) {
                    None => Kind::Tcp(stream),
                    Some(tls) => {
                        let connector = TlsConnector::from(tls.config.clone());
                        let stream = connector.connect(tls.name.clone(), stream).await;
                        Kind::Tls(Box::new(stream.map_err(|_| Failure::Upstream)?))
                    }
                }
            }
        };
        stats.opened();
        let now = Instant::now();
        Ok(Self {
            kind,
            uses: 0,
            opened: now,
            used: now,
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
    pub(super) async fn ask(&mut self, question: &Question, id: u16) -> Result<Vec<u8>, Failure> {
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
                Failure::Stale
            }
            _ => Failure::Upstream,
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.stats.closed();
    }
}

async fn connect(from: SocketAddr, bind: bool, to: SocketAddr) -> Result<TcpStream, Failure> {
    let socket = match to {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    };
    let socket = socket.map_err(|_| Failure::Local)?;
    if bind {
        socket.bind(from).map_err(|_| Failure::Local)?;
    }
    let stream = socket.connect(to).await.map_err(|_| Failure::Upstream)?;
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
    loop {
        let received = SCRATCH.with_borrow_mut(|scratch| {
            let length = socket.try_recv(scratch)?;
            Ok::<_, io::Error>(scratch.get(..length).unwrap_or(&[]).to_vec())
        });
        match received {
            Ok(reply) => {
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
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => socket.readable().await?,
            Err(error) => return Err(error),
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
