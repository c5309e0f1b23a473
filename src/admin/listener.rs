//! One listener: connections in, a response each, out. At the limit a connection goes, the oldest of
//! the address that has most: who holds connections open can't keep another from being answered.

use super::Shown;
use super::bind::{Listener, SocketFile};
use super::page::{Routes, answer};
use super::tls;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// Connections at most.
const CONNECTIONS: usize = 32;
/// How long a client may take to send its headers, and before that to come to terms on TLS.
const HEADERS: Duration = Duration::from_secs(5);
/// How long a connection may last, from its first octet to the last of the response.
const CONNECTION: Duration = Duration::from_secs(15);
/// What a request line and its headers may have together; more is answered 431.
const BUFFER: usize = 8192;
/// The pause after a failure to take a connection: of descriptors, for example.
const PAUSE: Duration = Duration::from_millis(100);

/// A listener on the runtime that it was made on.
pub(super) enum Running {
    Tcp(TcpListener),
    Unix {
        socket: UnixListener,
        /// Removed when the listener ends.
        _file: SocketFile,
    },
    Tls {
        socket: TcpListener,
        shown: tls::Shown,
    },
}

/// A connection that was taken.
enum Taken {
    Plain(Box<dyn Stream>),
    /// It is still to come to terms on TLS.
    Tls(TlsAcceptor, TcpStream),
}

/// One connection, whatever it came by.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Listener {
    /// Returns the listener on the runtime that the caller is on.
    ///
    /// # Errors
    /// The runtime can't watch it.
    pub(super) fn on_runtime(self) -> io::Result<Running> {
        Ok(match self {
            Self::Tcp(socket) => Running::Tcp(TcpListener::from_std(socket)?),
            Self::Unix(socket, file) => Running::Unix {
                socket: UnixListener::from_std(socket)?,
                _file: file,
            },
            Self::Tls(socket, pair) => {
                let shown = pair.shown();
                tokio::spawn(pair.follow(tls::POLL));
                Running::Tls {
                    socket: TcpListener::from_std(socket)?,
                    shown,
                }
            }
        })
    }
}

impl Running {
    /// Takes a connection, and returns the address that it comes from, where it has one.
    async fn accept(&self) -> io::Result<(Taken, Option<IpAddr>)> {
        Ok(match self {
            Self::Tcp(socket) => {
                let (stream, peer) = socket.accept().await?;
                (Taken::Plain(Box::new(stream)), Some(peer.ip()))
            }
            Self::Unix { socket, .. } => {
                let (stream, _) = socket.accept().await?;
                (Taken::Plain(Box::new(stream)), None)
            }
            Self::Tls { socket, shown } => {
                let (stream, peer) = socket.accept().await?;
                let acceptor = TlsAcceptor::from(shown.current());
                (Taken::Tls(acceptor, stream), Some(peer.ip()))
            }
        })
    }
}

impl Taken {
    /// Returns the connection when it is ready for HTTP; `None` where it never is.
    async fn open(self) -> Option<Box<dyn Stream>> {
        match self {
            Self::Plain(stream) => Some(stream),
            Self::Tls(acceptor, stream) => {
                let accepted = timeout(HEADERS, acceptor.accept(stream)).await;
                Some(Box::new(accepted.ok()?.ok()?))
            }
        }
    }
}

/// The open connections, the oldest first, and where they come from.
#[derive(Default)]
struct Places(VecDeque<(Option<IpAddr>, AbortHandle)>);

impl Places {
    /// Makes room for one more.
    fn make_room(&mut self) {
        self.0.retain(|(_, connection)| !connection.is_finished());
        if self.0.len() < CONNECTIONS {
            return;
        }
        let count = |peer| self.0.iter().filter(|(other, _)| *other == peer).count();
        let counts: Vec<usize> = self.0.iter().map(|(peer, _)| count(*peer)).collect();
        let most = counts.iter().max();
        let oldest = counts.iter().position(|count| Some(count) == most);
        if let Some((_, connection)) = oldest.and_then(|at| self.0.remove(at)) {
            connection.abort();
        }
    }
}

/// Serves until the runtime ends.
pub(super) async fn run(listener: Running, routes: watch::Receiver<Routes>, shown: Shown) {
    let mut places = Places::default();
    loop {
        let Ok((taken, peer)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        places.make_room();
        let (shown, routes) = (shown.clone(), *routes.borrow());
        let connection = tokio::spawn(async move {
            // What a client does wrong is its own to know.
            let _ = timeout(CONNECTION, serve(taken, routes, shown)).await;
        });
        places.0.push_back((peer, connection.abort_handle()));
    }
}

async fn serve(taken: Taken, routes: Routes, shown: Shown) {
    let Some(stream) = taken.open().await else {
        return;
    };
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let shown = shown.clone();
        async move {
            let head = (request.method(), request.uri(), request.headers());
            Ok::<_, Infallible>(answer(head, routes, shown).await)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(BUFFER)
        // A probe or a scrape is one request; a connection that is kept is a place taken.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    let _ = connection.await;
}
