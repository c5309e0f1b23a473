//! The listening sockets, from a server to its successor on this host: over a Unix socket that only the
//! server's own user may connect to. Both have the sockets for a while, and what waits in one is
//! answered by whoever reads it, so that nothing is lost. Not when to hand over.
//!
//! ```text
//! successor                                   predecessor
//!   "tenantdns handover 1"             ─►     asks the kernel who that is
//!                                      ◄─     "udp ADDRESS" and sockets, "tcp …", "http …", "end"
//!   serves, then says "serving"        ─►     receives no more, answers what it has taken
//!                                      ◄─     "yours": path and port are the successor's
//! ```
//!
//! Whichever dies on the way, the other one has the sockets and goes on.

use super::bind::Sockets;
use super::options::Endpoint;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

/// What a successor says first. The number goes up with whatever else the sockets have to be.
const HELLO: &str = "tenantdns handover 1";
/// Octets of a message, padded with zeros: the kernel gives each whole, with its sockets.
const FRAME: usize = 128;
/// Sockets with one message; the kernel takes 253.
const SOCKETS: usize = 64;
/// Messages at most: nobody has that many listeners.
const FRAMES: usize = 4096;
/// How long one side waits for the other's next word.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a successor has from the sockets to its first answer: it knows everything by then.
const START: Duration = Duration::from_secs(30);

/// Why sockets were not handed over.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// Another user's process asks.
    #[error("user {0} asks for the sockets; they are handed to the server's own user alone")]
    Stranger(u32),
    /// It speaks another version of this.
    #[error("it says `{0}`; this is `{HELLO}`")]
    Version(Box<str>),
    /// The predecessor gives none.
    #[error("the predecessor refuses: {0}")]
    Refused(Box<str>),
    /// It says what makes no sense here.
    #[error("`{0}` is not what comes next")]
    Unexpected(Box<str>),
    /// A socket is not what it is said to be.
    #[error("what is handed over as {0} is no such socket")]
    Socket(Box<str>),
    /// It says nothing more in time.
    #[error("it says nothing more")]
    Silent,
    /// The connection fails, or has ended.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Where successors ask.
#[derive(Debug)]
pub struct HandoverDoor {
    listener: UnixListener,
    path: PathBuf,
}

/// A successor that asks.
#[derive(Debug)]
pub struct Successor(UnixStream);

/// A predecessor that is asked.
#[derive(Debug)]
pub struct Predecessor(UnixStream);

/// What a predecessor gives.
#[derive(Debug, Default)]
pub struct Inherited {
    /// The sockets of each listener, by where it was asked for.
    pub(super) listeners: Vec<Given>,
    /// The sockets of the HTTP listeners likewise.
    pub http: Vec<(SocketAddr, TcpListener)>,
}

/// One listener's sockets.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) asked: Endpoint,
    pub(super) udp: Vec<UdpSocket>,
    pub(super) tcp: Option<TcpListener>,
}

impl HandoverDoor {
    /// Opens the door, in the place of one that was left behind. Has to be called within a runtime.
    ///
    /// # Errors
    /// The path can't be had: somebody listens there, or the folder is not writable.
    pub fn open(path: &Path) -> io::Result<Self> {
        let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
        if is_socket && !is_listening(path) {
            fs::remove_file(path)?;
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        // Before it listens: until then nobody can connect.
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        socket.listen(4)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            listener: UnixListener::from_std(socket.into())?,
            path: path.to_owned(),
        })
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the next connection.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        Ok(self.listener.accept().await?.0)
    }
}

impl Drop for HandoverDoor {
    fn drop(&mut self) {
        // Whoever finds it left behind removes it.
        let _ = fs::remove_file(&self.path);
    }
}

fn is_listening(path: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(path).is_ok()
}

impl Successor {
    /// Hears who connects and what for; `None` where it only looked whether anybody listens.
    ///
    /// # Errors
    /// It is another user, or speaks another version; it is told so.
    pub async fn greet(stream: UnixStream) -> Result<Option<Self>, HandoverError> {
        let (peer, own) = (stream.peer_cred()?.uid(), rustix::process::geteuid());
        if peer != own.as_raw() {
            return Err(HandoverError::Stranger(peer));
        }
        let hello = match hear(&stream, PATIENCE).await {
            Ok((hello, _)) => hello,
            Err(HandoverError::Io(error)) if error.kind() == ErrorKind::UnexpectedEof => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        if hello != HELLO {
            let version = HandoverError::Version(hello.into());
            say(&stream, &format!("refused {HELLO} is spoken here"), &[]).await?;
            return Err(version);
        }
        Ok(Some(Self(stream)))
    }

    /// Gives the sockets, and returns once the successor serves.
    ///
    /// # Errors
    /// It is gone, or does not serve in time. It may have served for a moment; the sockets are as they
    /// were.
    pub async fn give(
        &self,
        listeners: impl Iterator<Item = Sockets<'_>>,
        http: impl Iterator<Item = (SocketAddr, BorrowedFd<'_>)>,
    ) -> Result<(), HandoverError> {
        for Sockets { asked, udp, tcp } in listeners {
            for some in udp.chunks(SOCKETS) {
                say(&self.0, &format!("udp {asked}"), some).await?;
            }
            if let Some(tcp) = tcp {
                say(&self.0, &format!("tcp {asked}"), &[tcp]).await?;
            }
        }
        for (asked, socket) in http {
            say(&self.0, &format!("http {asked}"), &[socket]).await?;
        }
        say(&self.0, "end", &[]).await?;
        match hear(&self.0, START).await? {
            (word, _) if word == "serving" => Ok(()),
            (other, _) => Err(HandoverError::Unexpected(other.into())),
        }
    }

    /// Says that path and port are the successor's.
    pub async fn leave(self) {
        // It serves, whether or not it hears this.
        let _ = say(&self.0, "yours", &[]).await;
    }
}

impl Predecessor {
    /// Returns the server that listens there, where one does.
    pub async fn find(path: &Path) -> Option<Self> {
        UnixStream::connect(path).await.ok().map(Self)
    }

    /// Asks for its sockets.
    ///
    /// # Errors
    /// It refuses, is gone, or gives what can't be used.
    pub async fn ask(&self) -> Result<Inherited, HandoverError> {
        say(&self.0, HELLO, &[]).await?;
        let mut inherited = Inherited::default();
        for _ in 0..FRAMES {
            let (text, sockets) = hear(&self.0, PATIENCE).await?;
            let unexpected = || HandoverError::Unexpected(text.as_str().into());
            let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
            match word {
                "end" => return Ok(inherited),
                "refused" => return Err(HandoverError::Refused(rest.into())),
                _ => {}
            }
            let asked: Endpoint = rest.parse().map_err(|()| unexpected())?;
            for socket in sockets {
                match word {
                    "udp" => inherited.listener(asked).udp.push(udp(socket, &text)?),
                    "tcp" => inherited.listener(asked).tcp = Some(tcp(socket, &text)?),
                    "http" => inherited.http.push((asked.address, tcp(socket, &text)?)),
                    _ => return Err(unexpected()),
                }
            }
        }
        Err(HandoverError::Silent)
    }

    /// Says that the sockets are served, and returns once the predecessor has let go of path and port:
    /// at the latest when it is gone.
    pub async fn relieve(self) {
        if say(&self.0, "serving", &[]).await.is_ok() {
            let _ = hear(&self.0, PATIENCE).await;
        }
    }
}

impl Inherited {
    fn listener(&mut self, asked: Endpoint) -> &mut Given {
        let at = self.listeners.iter().position(|given| given.asked == asked);
        let at = at.unwrap_or_else(|| {
            self.listeners.push(Given {
                asked,
                udp: Vec::new(),
                tcp: None,
            });
            self.listeners.len() - 1
        });
        &mut self.listeners[at]
    }

    /// Takes the sockets of a listener, where all that its scheme needs are there.
    pub(super) fn take(&mut self, asked: Endpoint) -> Option<Given> {
        let mut all = self.listeners.iter();
        let at = all.position(|given| given.asked == asked)?;
        let given = self.listeners.swap_remove(at);
        let has_udp = !asked.scheme.takes_udp() || !given.udp.is_empty();
        let has_tcp = !asked.scheme.takes_tcp() || given.tcp.is_some();
        Some(given).filter(|_| has_udp && has_tcp)
    }
}

fn udp(socket: OwnedFd, said: &str) -> Result<UdpSocket, HandoverError> {
    checked(socket, Type::DGRAM, said).map(Into::into)
}

fn tcp(socket: OwnedFd, said: &str) -> Result<TcpListener, HandoverError> {
    checked(socket, Type::STREAM, said).map(Into::into)
}

/// Returns the socket where it is of this type and has an address.
fn checked(socket: OwnedFd, of: Type, said: &str) -> Result<Socket, HandoverError> {
    let socket = Socket::from(socket);
    let is_bound = socket.local_addr().is_ok_and(|a| a.as_socket().is_some());
    match socket.r#type() {
        Ok(found) if found == of && is_bound => Ok(socket),
        _ => Err(HandoverError::Socket(said.into())),
    }
}

/// Sends a message, with sockets.
async fn say(
    stream: &UnixStream,
    text: &str,
    sockets: &[BorrowedFd<'_>],
) -> Result<(), HandoverError> {
    let mut frame = [0; FRAME];
    let octets = text.as_bytes();
    let length = octets.len().min(FRAME);
    frame[..length].copy_from_slice(&octets[..length]);
    let send = || {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !sockets.is_empty() && !control.push(SendAncillaryMessage::ScmRights(sockets)) {
            return Err(io::Error::other("too many sockets for one message"));
        }
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let sent = sendmsg(stream.as_fd(), &[IoSlice::new(&frame)], &mut control, flags)?;
        match sent {
            FRAME => Ok(()),
            _ => Err(io::Error::from(ErrorKind::WriteZero)),
        }
    };
    let sent = timeout(PATIENCE, stream.async_io(Interest::WRITABLE, send)).await;
    Ok(sent.map_err(|_| HandoverError::Silent)??)
}

/// Receives a message, with its sockets.
async fn hear(
    stream: &UnixStream,
    patience: Duration,
) -> Result<(String, Vec<OwnedFd>), HandoverError> {
    let mut frame = [0; FRAME];
    let mut sockets = Vec::new();
    let receive = || {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let mut into = [IoSliceMut::new(&mut frame)];
        let received = recvmsg(stream.as_fd(), &mut into, &mut control, flags)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                sockets.extend(rights);
            }
        }
        match received.bytes {
            FRAME => Ok(()),
            0 => Err(io::Error::from(ErrorKind::UnexpectedEof)),
            _ => Err(io::Error::from(ErrorKind::InvalidData)),
        }
    };
    let heard = timeout(patience, stream.async_io(Interest::READABLE, receive)).await;
    heard.map_err(|_| HandoverError::Silent)??;
    let end = frame.iter().position(|octet| *octet == 0).unwrap_or(FRAME);
    Ok((String::from_utf8_lossy(&frame[..end]).into(), sockets))
}

#[cfg(test)]
mod tests;
