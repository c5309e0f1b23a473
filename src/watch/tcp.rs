//! The TCP connection to the API, underneath TLS: one that notices when its peer is gone, and that is
//! read in large pieces.

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::BufReader;
use tokio::net::TcpStream;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// A connection over which nothing has come for so long is asked whether it still is one; a third
/// of the limit, so that three questions fit in.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// How long what was sent may stay without acknowledgment.
const UNACKNOWLEDGED: Duration = Duration::from_secs(15);
/// What one system call reads at most. TLS asks for 4 KiB at a time; a full EndpointSlice has 15, a
/// record of TLS up to 16, and a list comes as fast as it is read.
const PIECE: usize = 32 << 10;

/// Returns what makes connections; what comes over them is wrapped in a [`Stream`] by the caller.
pub(super) fn connector() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    // TLS is on top of it.
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT));
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp.set_keepalive_interval(Some(KEEPALIVE));
    tcp.set_keepalive_retries(Some(2));
    #[cfg(target_os = "linux")]
    tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
    tcp
}

/// A connection that is read ahead.
pub(super) struct Stream {
    io: TokioIo<BufReader<TcpStream>>,
}

impl Stream {
    /// Wraps a new connection.
    pub(super) fn new(tcp: TokioIo<TcpStream>) -> Self {
        let reader = BufReader::with_capacity(PIECE, tcp.into_inner());
        Self {
            io: TokioIo::new(reader),
        }
    }

    fn io(self: Pin<&mut Self>) -> Pin<&mut TokioIo<BufReader<TcpStream>>> {
        Pin::new(&mut self.get_mut().io)
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        self.io.inner().get_ref().connected()
    }
}

impl Read for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<Result<()>> {
        self.io().poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<Result<usize>> {
        self.io().poll_write(context, buffer)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.io().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.io().poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        self.io().poll_write_vectored(context, buffers)
    }
}
