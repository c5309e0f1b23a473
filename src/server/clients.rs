//! Clients over TLS, HTTPS and QUIC, and a server for them that runs the script: for this room's tests.

use super::script::{PATIENCE, Running, Script, framed, options};
use super::tcp::Timeouts;
use super::{Endpoint, ListenAddress, Scheme, Setup};
use crate::chain::ListenerId;
use crate::testing::{SelfSigned, self_signed};
use crate::tls::{self, ClientAuth, PairFiles};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use quinn::crypto::rustls::QuicClientConfig;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion, version,
};

/// A test's own folder of certificate files, removed with it.
pub(super) struct Files(PathBuf);

impl Files {
    pub(super) fn new(name: &str) -> Self {
        let name = format!("tenantdns-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn pair(&self) -> PairFiles {
        PairFiles {
            certificate: self.path("tls.crt"),
            key: self.path("tls.key"),
        }
    }

    pub(super) fn write(&self, pair: &SelfSigned) {
        std::fs::write(self.path("tls.crt"), &pair.certificate).unwrap();
        std::fs::write(self.path("tls.key"), &pair.key).unwrap();
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A server with a listener of each scheme.
pub(super) struct Served {
    pub(super) running: Running,
    pub(super) pair: SelfSigned,
    pub(super) files: Files,
}

const EVER: Duration = Duration::from_secs(3600);

impl Served {
    /// One on which nothing ever times out but what `adjust` shortens.
    pub(super) fn patient(name: &str, adjust: impl FnOnce(&mut Setup<Script>)) -> Self {
        Self::asking(name, ClientAuth::NoCert, adjust)
    }

    pub(super) fn asking(
        name: &str,
        client_auth: ClientAuth,
        adjust: impl FnOnce(&mut Setup<Script>),
    ) -> Self {
        let (pair, files) = (self_signed("tenantdns"), Files::new(name));
        files.write(&pair);
        let mut options = options("127.0.0.1:0");
        options.tcp_idle_timeout = EVER;
        options.unknown_wait = EVER;
        options.tcp_connections_per_client = 1000;
        options.listen = (0..).zip(Scheme::ALL).map(listener).collect();
        let tls = tls::Options {
            pair: files.pair(),
            client_auth,
        };
        let endpoints = options.listen.iter().map(ListenAddress::endpoint);
        options.tls = endpoints.map(|endpoint| (endpoint, tls.clone())).collect();
        let running = Running::with(options, |setup| {
            setup.timeouts = Timeouts {
                first: EVER,
                message: EVER,
                write: PATIENCE,
                pressed_idle: EVER,
                late: PATIENCE,
                accept_pause: Duration::from_millis(50),
                certificates: Duration::from_millis(20),
            };
            adjust(setup);
        });
        Self {
            running,
            pair,
            files,
        }
    }

    pub(super) fn address(&self, scheme: Scheme) -> SocketAddr {
        let mut listeners = self.running.server.listeners();
        let found = listeners.find(|(asked, _)| asked.scheme == scheme);
        SocketAddr::from(([127, 0, 0, 1], found.unwrap().1.port()))
    }

    pub(super) fn endpoint(&self, scheme: Scheme) -> Endpoint {
        let mut listeners = self.running.server.listeners();
        let found = listeners.find(|(asked, _)| asked.scheme == scheme);
        found.unwrap().0.endpoint()
    }

    /// Returns how often a listener replied with a status or a code.
    pub(super) fn replied(&self, scheme: Scheme, code: u16) -> u64 {
        let all = self.running.server.stats().replies();
        let of = all.iter().find(|of| of.endpoint() == self.endpoint(scheme));
        let counts = of
            .into_iter()
            .flat_map(|of| of.counts().collect::<Vec<_>>());
        counts.filter(|(of, _)| *of == code).map(|(_, n)| n).sum()
    }

    /// Returns a client's configuration that trusts the server.
    pub(super) fn trusting(&self, protocols: &[&str]) -> ClientConfig {
        trusting(
            &[&self.pair],
            protocols,
            &[&version::TLS13, &version::TLS12],
        )
    }

    pub(super) fn dot(&self) -> Tls {
        connect_tls(self.address(Scheme::Tls), self.trusting(&["dot"])).unwrap()
    }

    pub(super) async fn doh(&self) -> Http2 {
        Http2::connect(self.address(Scheme::Https), self.trusting(&["h2"])).await
    }

    pub(super) async fn doq(&self) -> quinn::Connection {
        connect_quic(self.address(Scheme::Quic), self.trusting(&["doq"]))
            .await
            .unwrap()
    }
}

fn listener((id, scheme): (u16, Scheme)) -> ListenAddress {
    // QUIC on every address too: which was asked is told by packets alone there.
    let address = match scheme {
        Scheme::Dns => "127.0.0.1:0",
        _ => "[::]:0",
    };
    ListenAddress {
        id: ListenerId(id),
        scheme,
        address: address.parse().unwrap(),
    }
}

/// Returns a client's configuration that trusts these.
pub(super) fn trusting(
    pairs: &[&SelfSigned],
    protocols: &[&str],
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let builder = builder(pairs, versions);
    with_protocols(builder.with_no_client_auth(), protocols)
}

/// The same, with a certificate of its own.
pub(super) fn showing(pairs: &[&SelfSigned], own: &SelfSigned, protocols: &[&str]) -> ClientConfig {
    let chain = vec![certificate(own)];
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
    let builder = builder(pairs, &[&version::TLS13]);
    with_protocols(
        builder.with_client_auth_cert(chain, key).unwrap(),
        protocols,
    )
}

fn builder(
    pairs: &[&SelfSigned],
    versions: &[&'static SupportedProtocolVersion],
) -> tokio_rustls::rustls::ConfigBuilder<ClientConfig, tokio_rustls::rustls::client::WantsClientCert>
{
    let mut roots = RootCertStore::empty();
    for pair in pairs {
        roots.add(certificate(pair)).unwrap();
    }
    ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
}

fn with_protocols(mut config: ClientConfig, protocols: &[&str]) -> ClientConfig {
    let names = protocols.iter().map(|name| name.as_bytes().to_vec());
    config.alpn_protocols = names.collect();
    config
}

fn certificate(pair: &SelfSigned) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()
}

pub(super) fn name() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

// === DNS over TLS ===

pub(super) type Tls = StreamOwned<ClientConnection, TcpStream>;

/// Connects, and comes to terms.
pub(super) fn connect_tls(address: SocketAddr, config: ClientConfig) -> std::io::Result<Tls> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut session = ClientConnection::new(Arc::new(config), name()).unwrap();
    while session.is_handshaking() {
        session.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(session, stream))
}

pub(super) fn send_tls(stream: &mut Tls, message: &[u8]) {
    stream.write_all(&framed(message)).unwrap();
    stream.flush().unwrap();
}

pub(super) fn receive_tls(stream: &mut Tls) -> std::io::Result<Vec<u8>> {
    let mut prefix = [0; 2];
    stream.read_exact(&mut prefix)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(prefix))];
    stream.read_exact(&mut message)?;
    Ok(message)
}

pub(super) fn ask_tls(stream: &mut Tls, message: &[u8]) -> Vec<u8> {
    send_tls(stream, message);
    receive_tls(stream).unwrap()
}

// === DNS over HTTPS ===

/// Runs a client to its end.
pub(super) fn block_on<T>(client: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.block_on(async { timeout(4 * PATIENCE, client).await.expect("in time") })
}

/// Waits until `fact` holds, while the client's connections go on.
pub(super) async fn until(mut fact: impl FnMut() -> bool) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !fact() {
        assert!(tokio::time::Instant::now() < end, "not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Opens a stream for HTTP.
pub(super) async fn https_stream(
    address: SocketAddr,
    config: ClientConfig,
) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    connector.connect(name(), stream).await.unwrap()
}

#[derive(Clone)]
pub(super) struct Http2(http2::SendRequest<Full<Bytes>>);

impl Http2 {
    pub(super) async fn connect(address: SocketAddr, config: ClientConfig) -> Self {
        let stream = TokioIo::new(https_stream(address, config).await);
        let executor = TokioExecutor::new();
        let (sender, connection) = http2::handshake(executor, stream).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Response<()>, Bytes), hyper::Error> {
        self.0.ready().await?;
        let response = self.0.send_request(request).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok((Response::from_parts(head, ()), body))
    }

    /// Asks, and returns status and body.
    pub(super) async fn ask(&mut self, request: Request<Full<Bytes>>) -> (u16, Vec<u8>) {
        let (head, body) = self.send(request).await.unwrap();
        (head.status().as_u16(), body.to_vec())
    }
}

/// Asks once over HTTP/1.1.
pub(super) async fn ask_http1(
    address: SocketAddr,
    config: ClientConfig,
    request: Request<Full<Bytes>>,
) -> (u16, Vec<u8>) {
    let stream = TokioIo::new(https_stream(address, config).await);
    let (mut sender, connection) = http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let response = sender.send_request(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap();
    (status, body.to_bytes().to_vec())
}

pub(super) fn post(message: &[u8]) -> Request<Full<Bytes>> {
    Request::post("https://localhost/dns-query")
        .header("content-type", "application/dns-message")
        .body(Full::new(Bytes::copy_from_slice(message)))
        .unwrap()
}

pub(super) fn get(message: &[u8]) -> Request<Full<Bytes>> {
    let uri = format!("https://localhost/dns-query?dns={}", base64url(message));
    Request::get(uri).body(Full::default()).unwrap()
}

fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let octet = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
        for at in 0..=group.len() {
            text.push(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize].into());
        }
    }
    text
}

// === DNS over QUIC ===

/// Returns an endpoint of a client.
pub(super) fn quic_client() -> quinn::Endpoint {
    quinn::Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap()
}

pub(super) fn quic_config(config: ClientConfig) -> quinn::ClientConfig {
    let crypto = QuicClientConfig::try_from(config).unwrap();
    quinn::ClientConfig::new(Arc::new(crypto))
}

pub(super) async fn connect_quic(
    address: SocketAddr,
    config: ClientConfig,
) -> Result<quinn::Connection, quinn::ConnectionError> {
    let client = quic_client();
    let connecting = client.connect_with(quic_config(config), address, "localhost");
    connecting.unwrap().await
}

/// Sends octets on a stream of their own, and returns what comes back.
pub(super) async fn exchange(
    connection: &quinn::Connection,
    octets: &[u8],
) -> Result<Vec<u8>, String> {
    let (mut send, mut receive) = connection.open_bi().await.map_err(|e| e.to_string())?;
    send.write_all(octets).await.map_err(|e| e.to_string())?;
    send.finish().map_err(|e| e.to_string())?;
    receive
        .read_to_end(1 << 17)
        .await
        .map_err(|e| e.to_string())
}

pub(super) async fn ask_quic(connection: &quinn::Connection, message: &[u8]) -> Vec<u8> {
    let reply = exchange(connection, &framed(message)).await.unwrap();
    let (prefix, reply) = reply.split_first_chunk::<2>().unwrap();
    assert_eq!(usize::from(u16::from_be_bytes(*prefix)), reply.len());
    reply.to_vec()
}
