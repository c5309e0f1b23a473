//! Upstreams over HTTPS (RFC 8484), by HTTP/2: one connection for all questions, each of which is a
//! request of its own. Which upstream, and how long it may take, is not decided here.

use super::connection::{Fault, Tls, connect_tls};
use super::message::Question;
use super::options::{DohMethod, Options};
use super::resolve::Way;
use super::stats::{Lie, Proto, ToStats};
use crate::answer::{Attempt, Cause, Step};
use crate::wire::Message;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::header::{ACCEPT, AGE, CONTENT_TYPE};
use hyper::rt::Executor;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::task::spawn_local;
use tokio::time::{Duration, Instant};

/// The protocol that is agreed on with TLS.
pub(super) const ALPN: &[u8] = b"h2";
const MEDIA_TYPE: &str = "application/dns-message";
const PATH: &str = "/dns-query";
/// Octets of a reply at most.
const LONGEST: usize = 65_535;
/// What of a reply may arrive before it is read, and of all replies together.
const WINDOWS: [u32; 2] = [LONGEST as u32, 1 << 20];
/// What an upstream's headers may have together.
const HEADERS: u32 = 16 * 1024;
/// Questions have no ID there, so that the same one is the same request (RFC 8484 section 4.1).
const ID: u16 = 0;

/// One upstream over HTTPS.
pub(super) struct Https {
    to: SocketAddr,
    source: Option<IpAddr>,
    tls: Tls,
    /// Of the URL: the certificate's name, or the address, with the port where it is not HTTPS's own.
    authority: Box<str>,
    method: DohMethod,
    expire: Duration,
    max_age: Duration,
    stats: Arc<ToStats>,
    /// Held while it is opened, so that all who ask meanwhile get the same.
    open: Mutex<Option<Open>>,
}

/// A connection at hand.
#[derive(Clone)]
pub(super) struct Open {
    requests: SendRequest<Full<Bytes>>,
    opened: Instant,
    used: Instant,
    was_there: bool,
    /// Where it is here.
    pub(super) from: Option<SocketAddr>,
}

impl Https {
    /// Returns what asks this upstream, where it is asked over HTTPS.
    pub(super) fn of(
        to: SocketAddr,
        way: &Way,
        options: &Options,
        stats: &Arc<ToStats>,
    ) -> Option<Self> {
        let Way::Https(tls, authority) = way else {
            return None;
        };
        Some(Self {
            to,
            source: options.source_address,
            tls: tls.clone(),
            authority: authority.clone(),
            method: options.doh_method,
            expire: options.expire,
            max_age: options.max_age,
            stats: stats.clone(),
            open: Mutex::new(None),
        })
    }

    /// Returns what went wrong with a question to which nothing came in time.
    pub(super) fn late(&self, open: &Open) -> Fault {
        self.failed(open.from, Cause::Timeout)
    }

    /// Returns the connection that is there, or opens one; whoever asks meanwhile waits for it.
    pub(super) async fn take(&self) -> Result<Open, Fault> {
        let mut open = self.open.lock().await;
        let now = Instant::now();
        let at_hand = open
            .as_mut()
            .filter(|open| !open.requests.is_closed() && !self.is_over(open, now));
        self.stats.connection(Proto::Https, at_hand.is_some());
        if let Some(at_hand) = at_hand {
            at_hand.used = now;
            at_hand.was_there = true;
            return Ok(at_hand.clone());
        }
        *open = None;
        let new = self.connect().await?;
        *open = Some(new.clone());
        Ok(new)
    }

    /// Opens a connection for one question alone.
    pub(super) async fn connect(&self) -> Result<Open, Fault> {
        let stream = connect_tls(self.to, self.source, &self.tls).await?;
        let (tcp, session) = stream.get_ref();
        let from = tcp.local_addr().ok();
        if session.alpn_protocol() != Some(ALPN) {
            return Err(Fault::dial(self.to, true, Cause::Handshake));
        }
        let agreed = Builder::new(Local)
            .initial_stream_window_size(WINDOWS[0])
            .initial_connection_window_size(WINDOWS[1])
            .max_header_list_size(HEADERS)
            .handshake(TokioIo::new(stream))
            .await;
        let (requests, connection) =
            agreed.map_err(|_| Fault::dial(self.to, true, Cause::Handshake))?;
        let counted = Counted::new(&self.stats);
        spawn_local(async move {
            // Its end is seen by whoever asks next.
            let _ = connection.await;
            drop(counted);
        });
        let now = Instant::now();
        Ok(Open {
            requests,
            opened: now,
            used: now,
            was_there: false,
            from,
        })
    }

    fn is_over(&self, open: &Open, now: Instant) -> bool {
        now.duration_since(open.used) > self.expire
            || (self.max_age > Duration::ZERO && now.duration_since(open.opened) > self.max_age)
    }

    /// Asks, and returns the reply.
    pub(super) async fn ask(&self, open: &mut Open, question: &Question) -> Result<Vec<u8>, Fault> {
        // What ends a connection that was there may have ended it before: another is tried at once.
        let was_there = open.was_there;
        let from = open.from;
        let broken = |_| match was_there {
            true => Fault::Stale,
            false => self.failed(from, Cause::Closed),
        };
        let request = self.request(question);
        let request = request.ok_or_else(|| self.failed(from, Cause::Other))?;
        open.requests.ready().await.map_err(broken)?;
        let response = open.requests.send_request(request).await.map_err(broken)?;
        let octets = self.read(response, from).await?;
        question.check(ID, octets, false).map_err(|lie| {
            self.stats.lie(lie);
            self.failed(from, Cause::NoReply)
        })
    }

    fn request(&self, question: &Question) -> Option<Request<Full<Bytes>>> {
        let octets = question.with_id(ID);
        let url = format!("https://{}{PATH}", self.authority);
        let request = Request::builder().header(ACCEPT, MEDIA_TYPE);
        let request = match self.method {
            DohMethod::Post => request
                .method(Method::POST)
                .uri(url)
                .header(CONTENT_TYPE, MEDIA_TYPE)
                .body(Full::new(Bytes::from(octets))),
            DohMethod::Get => request
                .method(Method::GET)
                .uri(format!("{url}?dns={}", base64url(&octets)))
                .body(Full::default()),
        };
        request.ok()
    }

    /// Reads a response: its status, its type, and no more than a message.
    async fn read(
        &self,
        response: Response<Incoming>,
        from: Option<SocketAddr>,
    ) -> Result<Vec<u8>, Fault> {
        let (head, body) = response.into_parts();
        if head.status != StatusCode::OK {
            return Err(self.failed(from, Cause::Status(head.status.as_u16())));
        }
        let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let media_type = text(CONTENT_TYPE).and_then(|value| value.split(';').next());
        let is_message = media_type.is_some_and(|it| it.trim().eq_ignore_ascii_case(MEDIA_TYPE));
        let body = Limited::new(body, LONGEST).collect().await;
        let (true, Ok(body)) = (is_message, body) else {
            self.stats.lie(Lie::Malformed);
            return Err(self.failed(from, Cause::NoReply));
        };
        let mut octets = body.to_bytes().to_vec();
        // What a cache of HTTP on the way has kept is as much older (RFC 8484 section 5.1).
        let age = text(AGE).and_then(|value| value.trim().parse().ok());
        if let Some(age) = age.filter(|age| *age > 0) {
            lower_ttls(&mut octets, age);
        }
        Ok(octets)
    }

    fn failed(&self, from: Option<SocketAddr>, cause: Cause) -> Fault {
        Fault::Failed(Attempt {
            step: Step::Read,
            stream: true,
            from,
            to: self.to,
            cause,
        })
    }

    /// Lets a connection go over which nothing came in time: no other question is asked over it.
    pub(super) fn discard(&self, late: &Open) {
        // Who holds it opens another one.
        if let Ok(mut open) = self.open.try_lock()
            && open.as_ref().is_some_and(|open| open.opened == late.opened)
        {
            *open = None;
        }
    }

    /// Closes the connection if it was idle for too long.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        if let Ok(mut open) = self.open.try_lock()
            && open.as_ref().is_some_and(|open| self.is_over(open, now))
        {
            *open = None;
        }
    }
}

/// A connection that is counted as open as long as this is there.
struct Counted(Arc<ToStats>);

impl Counted {
    fn new(stats: &Arc<ToStats>) -> Self {
        stats.opened();
        Self(stats.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.closed();
    }
}

/// Runs a connection's parts on the thread that asks.
#[derive(Clone, Copy)]
struct Local;

impl<F: Future<Output = ()> + 'static> Executor<F> for Local {
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}

/// Lowers the TTL of each record by so many seconds, to 0 at least. Whether it is a message is not said.
fn lower_ttls(octets: &mut [u8], age: u32) {
    let Some(message) = Message::parse(octets) else {
        return;
    };
    let opt = message.opt().map(|opt| opt.ttl_at);
    let ttls: Vec<_> = message.records().map(|it| (it.ttl_at, it.ttl)).collect();
    for (at, ttl) in ttls.into_iter().filter(|(at, _)| Some(*at) != opt) {
        if let Some(field) = octets.get_mut(at..at + 4) {
            field.copy_from_slice(&ttl.saturating_sub(age).to_be_bytes());
        }
    }
}

/// Returns octets in the alphabet of URLs (RFC 4648 section 5), without padding.
fn base64url(octets: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in octets.chunks(3) {
        let mut group = [0; 4];
        group[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(group);
        for place in 0..=chunk.len() {
            let six = bits >> (18 - 6 * place) & 63;
            text.push(char::from(ALPHABET[six as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_in_the_alphabet_of_urls() {
        // RFC 4648 section 10, and the example of RFC 8484 section 4.1.1.
        for (octets, text) in [
            (&b""[..], ""),
            (b"f", "Zg"),
            (b"fo", "Zm8"),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg"),
            (&[0xfb, 0xff], "-_8"),
            (
                b"\0\0\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\x03com\0\0\x01\0\x01",
                "AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB",
            ),
        ] {
            assert_eq!(base64url(octets), text);
        }
    }

    #[test]
    fn what_was_kept_on_the_way_is_older() {
        let mut octets = b"\0\0\x81\x80\0\x01\0\x02\0\0\0\x01\x01a\0\0\x01\0\x01\
            \xc0\x0c\0\x01\0\x01\0\0\0\x0a\0\x04\xc0\0\x02\x01\
            \xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04\xc0\0\x02\x02\
            \0\0\x29\x04\xd0\0\0\x80\0\0\0"
            .to_vec();
        let before = octets.clone();
        lower_ttls(&mut octets, 60);
        let ttl = |octets: &[u8], at: usize| octets[at..at + 4].to_vec();
        assert_eq!(ttl(&octets, 25), [0, 0, 0, 0]);
        assert_eq!(ttl(&octets, 41), [0, 0, 0, 240]);
        assert_eq!(octets[51..], before[51..], "flags of EDNS are no TTL");
    }
}
