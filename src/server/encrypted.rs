//! Connections over TLS: coming to terms, and then DNS (RFC 7858) or HTTP. The first octets may be a PROXY
//! header in plain text, from a forwarder that sends them.

#[cfg(test)]
mod tests;

use super::answerer::Answerer;
use super::doh;
use super::options::Scheme;
use super::proxy::{self, Header, Named};
use super::stats::Count;
use super::tcp::{Connection, Origin, Serving, Shared};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What is read at a time while a header is looked for.
const CHUNK: usize = 1024;

/// Serves a connection that a listener took.
pub(super) async fn serve<A: Answerer>(
    shared: Rc<Shared<A>>,
    serving: &Rc<Serving>,
    stream: TcpStream,
    mut origin: Origin,
) {
    let Some(config) = serving.shown() else {
        return;
    };
    let longest = shared.limits(origin.timeouts).timeouts.first;
    let opening = open(&shared, &origin, TlsAcceptor::from(config), stream);
    let stop = origin.stop.clone();
    let opened = tokio::select! {
        biased;
        () = stop.started() => return,
        opened = timeout(longest, Box::pin(opening)) => opened,
    };
    let Ok(Ok((named, stream))) = opened else {
        shared.count(Count::HandshakeFailed);
        return;
    };
    match serving.scheme() {
        Scheme::Https => {
            origin.named = Some(named);
            doh::serve(shared, serving, stream, origin).await;
        }
        _ => {
            // What is not named in front may still be named inside, as over TCP.
            origin.named = Some(named).filter(|named| *named != Named::Nobody);
            Connection::new(shared, Box::new(stream), origin)
                .run()
                .await;
        }
    }
}

/// Takes the PROXY header, if there is one, and comes to terms.
async fn open<A: Answerer>(
    shared: &Shared<A>,
    origin: &Origin,
    acceptor: TlsAcceptor,
    stream: TcpStream,
) -> io::Result<(Named, TlsStream<Replay>)> {
    let mut stream = Replay {
        first: Vec::new(),
        stream,
    };
    let speaks_proxy = {
        let snapshot = shared.core.borrow().engine.reader.load();
        snapshot.speaks_proxy(origin.peer.ip())
    };
    let named = match speaks_proxy {
        false => Named::Nobody,
        true => take_header(&mut stream).await?,
    };
    Ok((named, acceptor.accept(stream).await?))
}

/// Reads until it is known whether there is a header, and takes it.
async fn take_header(stream: &mut Replay) -> io::Result<Named> {
    loop {
        stream.first.reserve(CHUNK);
        if stream.stream.read_buf(&mut stream.first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match proxy::read(&stream.first) {
            Header::Incomplete => {}
            Header::Absent => return Ok(Named::Nobody),
            Header::Broken => return Err(io::ErrorKind::InvalidData.into()),
            Header::Whole(length, named) => {
                stream.first.drain(..length);
                return Ok(named);
            }
        }
    }
}

/// A stream of which more was read than was wanted.
struct Replay {
    first: Vec<u8>,
    stream: TcpStream,
}

impl AsyncRead for Replay {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let length = self.first.len().min(buffer.remaining());
        buffer.put_slice(&self.first[..length]);
        self.first.drain(..length);
        if self.first.is_empty() {
            self.first = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Replay {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
