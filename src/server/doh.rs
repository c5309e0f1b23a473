//! DNS over HTTPS (RFC 8484) on a connection that has come to terms on TLS: HTTP/2, or HTTP/1.1 for who
//! does not offer it. Who asks is told by the connection alone: no header says for whom.
//!
//! What a request asks is in [`request`], how long its answer may be kept in [`freshness`].

mod freshness;
mod request;
#[cfg(test)]
mod tests;

use super::answerer::Answerer;
use super::single::Ended;
use super::stats::Count;
use super::tcp::{MAX_MESSAGE, Origin, Serving, Shared};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use request::Asked;
use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::server::TlsStream;

/// The media type of queries and replies.
const MEDIA_TYPE: &str = "application/dns-message";
/// Requests of one connection that may be answered at a time, as queries over TCP: each may leave 64 KiB
/// behind.
const STREAMS: u32 = 32;
/// What a request's headers may have together; a query in the URL is the largest part of them.
const HEADERS: usize = 16 * 1024;
/// What may arrive on a connection before it is read: a message of any size.
const WINDOW: u32 = 128 * 1024;
/// Octets of a request's body that are read and thrown away where the answer is known before.
const DISCARDED: usize = 2 * MAX_MESSAGE;
/// Octets of replies that one stream keeps for a client that does not take them.
const UNSENT: usize = 64 * 1024;

/// How a connection fares: shared by its requests.
struct Progress {
    /// When it was opened, or its last request came.
    last: Cell<Instant>,
    asked: Cell<bool>,
    /// Whether no further request is to be taken.
    finishing: Cell<bool>,
    /// Told of the first request, and of the last.
    news: Notify,
}

impl Progress {
    fn ask(&self) {
        self.last.set(Instant::now());
        if !self.asked.replace(true) {
            self.news.notify_one();
        }
    }

    fn finish(&self) {
        self.finishing.set(true);
        self.news.notify_one();
    }
}

/// Runs the requests of a connection on its own thread.
#[derive(Clone, Copy)]
struct Here;

impl<F: Future + 'static> hyper::rt::Executor<F> for Here {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

/// Answers requests until the client closes, is too slow, or the server stops.
pub(super) async fn serve<A: Answerer, S: AsyncRead + AsyncWrite + Unpin + 'static>(
    shared: Rc<Shared<A>>,
    serving: &Rc<Serving>,
    stream: TlsStream<S>,
    origin: Origin,
) {
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let progress = Rc::new(Progress {
        last: Cell::new(Instant::now()),
        asked: Cell::new(false),
        finishing: Cell::new(false),
        news: Notify::new(),
    });
    let origin = Rc::new(origin);
    let service = {
        let (shared, serving) = (shared.clone(), serving.clone());
        let (origin, progress) = (origin.clone(), progress.clone());
        service_fn(move |request: Request<Incoming>| {
            let (shared, serving) = (shared.clone(), serving.clone());
            let (origin, progress) = (origin.clone(), progress.clone());
            async move {
                progress.ask();
                let response = respond(&shared, &origin, request, &progress).await;
                serving.replied(response.status().as_u16());
                Ok::<_, Infallible>(response)
            }
        })
    };
    let stream = TokioIo::new(Box::new(stream));
    if is_http2 {
        let connection = http2::Builder::new(Here)
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEADERS as u32)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_send_buf_size(UNSENT)
            .serve_connection(stream, service);
        drive(&shared, &origin, &progress, connection).await;
    } else {
        let first = shared.limits(origin.timeouts).timeouts.first;
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // Its own clock for a request's headers; between requests ours.
            .header_read_timeout(first.max(shared.idle(origin.timeouts)))
            .max_buf_size(HEADERS)
            .serve_connection(stream, service);
        drive(&shared, &origin, &progress, connection).await;
    }
}

/// A connection of either version.
trait Http: Future {
    /// Takes no further request, and ends with the last response.
    fn finish(self: Pin<&mut Self>);
}

impl<I, S> Http for http1::Connection<I, S>
where
    Self: Future,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: hyper::service::HttpService<Incoming>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::ResBody: hyper::body::Body + 'static,
    <S::ResBody as hyper::body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S, E> Http for http2::Connection<I, S, E>
where
    Self: Future,
    S: hyper::service::HttpService<Incoming>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S::ResBody: hyper::body::Body + 'static,
    <S::ResBody as hyper::body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    E: hyper::rt::bounds::Http2ServerConnExec<S::Future, S::ResBody>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Runs a connection to its end. A client that asks nothing for too long, or does not take what was
/// answered, is not waited for.
async fn drive<A: Answerer>(
    shared: &Shared<A>,
    origin: &Origin,
    progress: &Progress,
    connection: impl Http,
) {
    let mut connection = pin!(connection);
    let mut stop = pin!(origin.stop.started());
    let deadline = || {
        let first = shared.limits(origin.timeouts).timeouts.first;
        let idle = shared.idle(origin.timeouts);
        let wait = if progress.asked.get() { idle } else { first };
        progress.last.get() + wait
    };
    loop {
        tokio::select! {
            biased;
            _ = connection.as_mut() => return,
            () = &mut stop => break,
            () = progress.news.notified() => {
                if progress.finishing.get() {
                    break;
                }
            }
            () = shared.slots.become_scarce() => {}
            () = sleep_until(deadline()) => {
                // A request may have come in the meantime.
                if deadline() <= Instant::now() {
                    if !progress.asked.get() {
                        shared.count(Count::TcpTimedOut);
                        return;
                    }
                    break;
                }
            }
        }
    }
    connection.as_mut().finish();
    let timeouts = shared.limits(origin.timeouts).timeouts;
    if timeout(timeouts.late + timeouts.write, connection)
        .await
        .is_err()
    {
        shared.count(Count::TcpTimedOut);
    }
}

async fn respond<A: Answerer>(
    shared: &Shared<A>,
    origin: &Origin,
    request: Request<Incoming>,
    progress: &Progress,
) -> Response<Full<Bytes>> {
    let (head, mut body) = request.into_parts();
    let longest = shared.limits(origin.timeouts).timeouts.first;
    // Over HTTP/2 a client reads while it writes.
    let reads_late = head.version < Version::HTTP_2;
    let message = match request::read(&head.method, &head.uri, &head.headers) {
        Err(status) => {
            if reads_late {
                discard(body, longest).await;
            }
            return refusal(status);
        }
        Ok(Asked::Message(message)) => message,
        Ok(Asked::Body) => {
            let limited = Limited::new(&mut body, MAX_MESSAGE).collect();
            match timeout(longest, limited).await {
                Err(_) => return refusal(StatusCode::REQUEST_TIMEOUT),
                Ok(Ok(body)) => body.to_bytes().to_vec(),
                Ok(Err(error)) if error.is::<LengthLimitError>() => {
                    if reads_late {
                        discard(body, longest).await;
                    }
                    return refusal(StatusCode::PAYLOAD_TOO_LARGE);
                }
                Ok(Err(_)) => return refusal(StatusCode::BAD_REQUEST),
            }
        }
    };
    if !request::is_query(&message) {
        return refusal(StatusCode::BAD_REQUEST);
    }
    match shared.ask(origin, &message, Count::HttpsQueries).await {
        Ended::Reply(reply) => reply_of(reply),
        Ended::Nothing => refusal(StatusCode::INTERNAL_SERVER_ERROR),
        Ended::Limited { close } => {
            if close {
                progress.finish();
            }
            refusal(StatusCode::TOO_MANY_REQUESTS)
        }
    }
}

/// Reads what a client still sends, within bounds, and throws it away: one that writes all of its request
/// before it reads would find the connection closed, and not learn why.
async fn discard(mut body: Incoming, longest: Duration) {
    let rest = async {
        let mut room = DISCARDED;
        while let Some(Ok(frame)) = body.frame().await {
            let octets = frame.data_ref().map_or(0, Bytes::len);
            match room.checked_sub(octets) {
                Some(left) => room = left,
                None => break,
            }
        }
    };
    let _ = timeout(longest, rest).await;
}

fn reply_of(reply: Vec<u8>) -> Response<Full<Bytes>> {
    // For this client alone: another may be answered otherwise.
    let kept = format!("private, max-age={}", freshness::max_age(&reply));
    let mut response = Response::new(Full::new(Bytes::from(reply)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    if let Ok(kept) = HeaderValue::try_from(kept) {
        headers.insert(CACHE_CONTROL, kept);
    }
    response
}

fn refusal(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        let allowed = HeaderValue::from_static("GET, POST");
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}
