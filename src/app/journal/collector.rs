//! The connection to a collector: a request of OTLP over HTTP, and what is said to it. Not which spans,
//! nor when.

use crate::otlp::{Options, Taken, read_taken};
use anyhow::{Context, anyhow};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Octets of an answer that are read.
const LARGEST: usize = 64 * 1024;

/// One collector, and the connection to it while there is one.
pub(super) struct Collector {
    options: Options,
    open: Option<SendRequest<Full<Bytes>>>,
}

/// What a collector says to a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It has the spans, or some of them.
    Taken(Taken),
    /// It wants them later, after so long where it says so.
    Later(StatusCode, Option<Duration>),
    /// It won't have them.
    Refused(StatusCode),
}

impl Collector {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            open: None,
        }
    }

    /// Sends a request, and returns what is said to it.
    ///
    /// # Errors
    /// The collector can't be reached, or does not speak HTTP.
    pub(super) async fn send(&mut self, body: Bytes) -> anyhow::Result<Said> {
        // One that was kept may have been closed meanwhile: then it is tried again over another.
        let kept = self.open.take().filter(|open| !open.is_closed());
        if let Some(kept) = kept
            && let Ok(said) = self.ask(kept, body.clone()).await
        {
            return Ok(said);
        }
        let open = self.connect().await?;
        self.ask(open, body).await
    }

    async fn ask(
        &mut self,
        mut open: SendRequest<Full<Bytes>>,
        body: Bytes,
    ) -> anyhow::Result<Said> {
        let to = &self.options.to;
        let request = Request::builder()
            .method(Method::POST)
            .uri(&*to.path)
            .header(HOST, to.authority())
            .header(CONTENT_TYPE, "application/x-protobuf")
            .header(USER_AGENT, concat!("tenantdns/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))?;
        open.ready().await?;
        let (head, body) = open.send_request(request).await?.into_parts();
        let body = Limited::new(body, LARGEST).collect().await;
        let body = body.map_err(|error| anyhow!("its answer: {error}"))?;
        self.open = Some(open);
        Ok(said(head.status, &head.headers, &body.to_bytes()))
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let to = &self.options.to;
        let stream = TcpStream::connect((&*to.host, to.port)).await?;
        // A request is a few writes.
        let _ = stream.set_nodelay(true);
        let stream: Box<dyn Stream> = match to.tls {
            false => Box::new(stream),
            true => {
                let name = ServerName::try_from(to.host.to_string());
                let name = name.with_context(|| format!("`{}`", to.host))?;
                let connector = TlsConnector::from(Arc::new(self.tls()?));
                Box::new(connector.connect(name, stream).await.context("TLS")?)
            }
        };
        let (open, connection) = handshake(TokioIo::new(stream)).await?;
        // Ends with the socket, or with `open`; what is wrong with it is seen there.
        tokio::spawn(async move { connection.await.ok() });
        Ok(open)
    }

    /// Returns whom to trust.
    fn tls(&self) -> anyhow::Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        match &self.options.ca {
            Some(path) => {
                let read = || format!("reading {}", path.display());
                for certificate in CertificateDer::pem_file_iter(path).with_context(read)? {
                    roots.add(certificate.with_context(read)?)?;
                }
            }
            None => {
                // What can't be read there is not trusted: the others still are.
                let trusted = rustls_native_certs::load_native_certs().certs;
                roots.add_parsable_certificates(trusted);
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        Ok(config.with_no_client_auth())
    }
}

/// Either kind of connection: one type, so that HTTP is compiled once.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Returns what an answer says (OTLP specification, OTLP/HTTP Response).
fn said(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Said {
    match status {
        // What is no message of OTLP says that all of it was taken: some collectors answer `{}`.
        status if status.is_success() => Said::Taken(read_taken(body).unwrap_or_default()),
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Said::Later(status, retry_after(headers)),
        status => Said::Refused(status),
    }
}

/// Returns how long a collector wants to be left alone (RFC 9110 section 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    // IMF-fixdate is a date of RFC 2822 whose zone is GMT.
    let at = DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(
        at.duration_since(Timestamp::now())
            .try_into()
            .unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(retry_after: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !retry_after.is_empty() {
            headers.insert(RETRY_AFTER, retry_after.parse().unwrap());
        }
        headers
    }

    #[test]
    fn what_is_said_is_otlps() {
        let some = Taken {
            rejected: 3,
            message: "old".into(),
        };
        let seconds = |n| Some(Duration::from_secs(n));
        for (status, retry, body, expected) in [
            (200, "", &b""[..], Said::Taken(Taken::default())),
            (202, "", b"{}", Said::Taken(Taken::default())),
            (200, "", b"\x0a\x07\x08\x03\x12\x03old", Said::Taken(some)),
            (
                429,
                "7",
                b"",
                Said::Later(StatusCode::TOO_MANY_REQUESTS, seconds(7)),
            ),
            (
                503,
                "",
                b"",
                Said::Later(StatusCode::SERVICE_UNAVAILABLE, None),
            ),
            (
                503,
                "soon",
                b"",
                Said::Later(StatusCode::SERVICE_UNAVAILABLE, None),
            ),
            (
                504,
                "Wed, 21 Oct 2015 07:28:00 GMT",
                b"",
                Said::Later(StatusCode::GATEWAY_TIMEOUT, seconds(0)),
            ),
            (502, "-1", b"", Said::Later(StatusCode::BAD_GATEWAY, None)),
            (
                500,
                "7",
                b"",
                Said::Refused(StatusCode::INTERNAL_SERVER_ERROR),
            ),
            (400, "", b"", Said::Refused(StatusCode::BAD_REQUEST)),
            (404, "", b"", Said::Refused(StatusCode::NOT_FOUND)),
            (301, "", b"", Said::Refused(StatusCode::MOVED_PERMANENTLY)),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(
                said(status, &headers(retry), body),
                expected,
                "{status} {retry}"
            );
        }
    }
}
