//! One listener: connections in, a response each, out. At the limit the oldest connection goes: who
//! holds connections open can't keep a probe from being answered.

use super::Shown;
use super::bind::{Listener, SocketFile};
use super::page::{Routes, answer};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::AbortHandle;

/// Connections at most.
const CONNECTIONS: usize = 32;
/// How long a client may take to send its headers.
const HEADERS: Duration = Duration::from_secs(5);
/// How long a connection may last, the response included.
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
        })
    }
}

impl Running {
    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(socket) => Box::new(socket.accept().await?.0),
            Self::Unix { socket, .. } => Box::new(socket.accept().await?.0),
        })
    }
}

/// Serves until the runtime ends.
pub(super) async fn run(listener: Running, routes: Routes, shown: Shown) {
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let Ok(stream) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        open.retain(|connection| !connection.is_finished());
        if open.len() >= CONNECTIONS
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        let connection = tokio::spawn(serve(stream, routes, shown.clone()));
        open.push_back(connection.abort_handle());
    }
}

async fn serve(stream: Box<dyn Stream>, routes: Routes, shown: Shown) {
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
    // What a client does wrong is its own to know.
    let _ = tokio::time::timeout(CONNECTION, connection).await;
}
