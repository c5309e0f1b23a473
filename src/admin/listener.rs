//! One listener: connections in, a response each, out. At the limit the oldest connection goes: who
//! holds connections open can't keep a probe from being answered.

use super::Pages;
use super::page::{Routes, answer};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
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

/// Serves until the runtime ends.
pub(super) async fn run(listener: TcpListener, routes: Routes, pages: Arc<dyn Pages>) {
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        open.retain(|connection| !connection.is_finished());
        if open.len() >= CONNECTIONS
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        let connection = tokio::spawn(serve(stream, routes, pages.clone()));
        open.push_back(connection.abort_handle());
    }
}

async fn serve(stream: TcpStream, routes: Routes, pages: Arc<dyn Pages>) {
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let response = answer(request.method(), request.uri().path(), routes, &*pages);
        async move { Ok::<_, Infallible>(response) }
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
