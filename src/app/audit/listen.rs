//! The sockets on which dnstap is waited for. Whoever can reach them may send anything: connections,
//! frames and patience are bounded, and what one sends ends no other's.

use super::Heard;
use crate::config::TapAddress;
use crate::tap::{Frame, FrameError, Frames, Told, read_message};
use anyhow::Context;
use socket2::{Domain, SockAddr, SockRef, Socket, TcpKeepalive, Type};
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc::Sender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections at a time: a replica of CoreDNS has one for each of its `dnstap` lines.
const CONNECTIONS: usize = 256;
/// How long a sender may take to begin, and to end a frame that it has begun.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection may be silent until it is asked whether there is anybody.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;
/// How long accepting waits after it failed, as where descriptors are used up.
const PAUSE: Duration = Duration::from_millis(100);
/// Octets that are read at a time.
const PIECE: usize = 16 * 1024;

/// Starts to listen, and returns where.
///
/// # Errors
/// The address can't be had.
pub(super) fn start(address: &TapAddress, heard: Sender<Heard>) -> anyhow::Result<String> {
    let what = || format!("listening for dnstap at {address}");
    let room = Room {
        slots: Arc::new(Semaphore::new(CONNECTIONS)),
        heard,
    };
    match address {
        TapAddress::Tcp(tcp) => {
            if !tcp.ip().is_loopback() {
                tracing::warn!(
                    %address,
                    "whoever can reach this address can write into the audit: dnstap has no passwords"
                );
            }
            let listener = std::net::TcpListener::bind(tcp).with_context(what)?;
            listener.set_nonblocking(true).with_context(what)?;
            let place = TapAddress::Tcp(listener.local_addr().with_context(what)?);
            let listener = TcpListener::from_std(listener).with_context(what)?;
            tokio::spawn(async move {
                loop {
                    match listener.accept().await {
                        Ok((stream, peer)) => {
                            let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
                            // Without it a sender that vanished keeps its place.
                            let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
                            room.serve(stream, peer.to_string());
                        }
                        Err(error) => failed(&error).await,
                    }
                }
            });
            Ok(format!("dnstap at {place}"))
        }
        TapAddress::Unix(path) => {
            let (listener, file) = bind_unix(path).with_context(what)?;
            tokio::spawn(async move {
                // Removed with the task.
                let _file = file;
                loop {
                    match listener.accept().await {
                        Ok((stream, _)) => room.serve(stream, "a Unix socket".to_owned()),
                        Err(error) => failed(&error).await,
                    }
                }
            });
            Ok(format!("dnstap at {address}"))
        }
    }
}

async fn failed(error: &io::Error) {
    tracing::warn!(%error, "accepting a connection");
    tokio::time::sleep(PAUSE).await;
}

/// A socket's file, removed when dropped.
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Whoever finds it left behind removes it.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Opens a Unix socket that only its owner's programs may write to.
fn bind_unix(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    // Of a predecessor that was killed.
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_err_and(refused) {
        std::fs::remove_file(path)?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile(path.to_owned());
    // Before it listens: until then nobody can connect.
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok((UnixListener::from_std(socket.into())?, file))
}

/// Where connections have their places.
struct Room {
    slots: Arc<Semaphore>,
    heard: Sender<Heard>,
}

impl Room {
    /// Reads a connection, where there is a place for it.
    fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: String) {
        let Ok(slot) = self.slots.clone().try_acquire_owned() else {
            tracing::warn!(%peer, "a connection was closed: {CONNECTIONS} others are open");
            return;
        };
        let heard = self.heard.clone();
        tokio::spawn(async move {
            let _slot: OwnedSemaphorePermit = slot;
            match read(stream, &heard).await {
                Ok(()) => tracing::debug!(%peer, "a dnstap stream has ended"),
                Err(error) => tracing::warn!(%peer, %error, "a dnstap stream was cut"),
            }
        });
    }
}

/// Why a stream is read no further.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error(transparent)]
    Frames(#[from] FrameError),
    #[error(transparent)]
    Socket(#[from] io::Error),
    #[error("nothing came for {} seconds, and more was to come", PATIENCE.as_secs())]
    Silence,
    #[error("it ended within a frame, or before it began")]
    Short,
}

/// Reads a stream to its end.
async fn read(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    heard: &Sender<Heard>,
) -> Result<(), Cut> {
    let mut frames = Frames::default();
    let mut piece = vec![0; PIECE];
    loop {
        let size = match frames.is_owed() {
            true => {
                let read = tokio::time::timeout(PATIENCE, stream.read(&mut piece));
                read.await.map_err(|_| Cut::Silence)??
            }
            false => stream.read(&mut piece).await?,
        };
        if size == 0 {
            return if frames.is_owed() {
                Err(Cut::Short)
            } else {
                Ok(())
            };
        }
        frames.feed(piece.get(..size).unwrap_or_default());
        let mut told = Heard::default();
        let ended = take(&mut frames, &mut told, &mut stream).await;
        let is_empty = told.queries.is_empty() && told.wordless == 0 && told.garbled == 0;
        if !is_empty && heard.send(told).await.is_err() {
            return Ok(());
        }
        if ended? {
            return Ok(());
        }
    }
}

/// Takes out what has come, and returns whether the stream has ended.
async fn take(
    frames: &mut Frames,
    told: &mut Heard,
    stream: &mut (impl AsyncWrite + Unpin),
) -> Result<bool, Cut> {
    loop {
        let (words, ends) = match frames.next_frame()? {
            None => return Ok(false),
            Some(Frame::Content(message)) => {
                match read_message(message) {
                    Ok(Told::Query(query)) => told.queries.push(query),
                    Ok(Told::Wordless) => told.wordless += 1,
                    Ok(Told::Other) => {}
                    Err(_) => told.garbled += 1,
                }
                continue;
            }
            Some(Frame::Say(words)) => (words, false),
            Some(Frame::End(words)) => (words, true),
        };
        let said = tokio::time::timeout(PATIENCE, stream.write_all(words));
        said.await.map_err(|_| Cut::Silence)??;
        if ends {
            // The sender may be gone by now.
            let _ = stream.shutdown().await;
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests;
