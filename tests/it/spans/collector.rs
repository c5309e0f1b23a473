//! A collector of the test's own: HTTP by hand, and OpenTelemetry's own messages. What it says is the
//! test's to choose.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tenantdns::testing::SelfSigned;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How long a fact is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is said to a request; to those without one, 200.
pub(super) enum Say {
    /// A status line's end, headers, and the body.
    This(&'static str, &'static str, &'static [u8]),
    /// The connection is closed.
    Nothing,
    /// Nothing until somebody says that it is time.
    Wait(Receiver<()>),
}

/// What was posted.
pub(super) struct Posted {
    /// The request's first line and its headers, in lower case.
    pub(super) head: String,
    pub(super) request: ExportTraceServiceRequest,
}

/// A collector. Its threads end with the test.
pub(super) struct Collector {
    pub(super) address: SocketAddr,
    says: Arc<Mutex<VecDeque<Say>>>,
    posted: Receiver<Posted>,
}

impl Collector {
    /// Starts to take connections, over TLS with a certificate.
    pub(super) fn start(listener: TcpListener, tls: Option<&SelfSigned>) -> Self {
        let address = listener.local_addr().unwrap();
        let says = Arc::<Mutex<VecDeque<Say>>>::default();
        let (sender, posted) = channel();
        let config = tls.map(|pair| Arc::new(server(pair)));
        let said = says.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (said, sender, config) = (said.clone(), sender.clone(), config.clone());
                thread::spawn(move || serve(stream.unwrap(), config, &said, &sender));
            }
        });
        Self {
            address,
            says,
            posted,
        }
    }

    /// Says this to the next requests that nothing is said to yet.
    pub(super) fn say(&self, says: impl IntoIterator<Item = Say>) {
        self.says.lock().unwrap().extend(says);
    }

    /// Waits for a request.
    pub(super) fn posted(&self) -> Posted {
        self.posted.recv_timeout(PATIENCE).expect("a request")
    }

    /// Returns whether there was none that was not waited for.
    pub(super) fn is_idle(&self) -> bool {
        self.posted.try_recv().is_err()
    }
}

fn server(pair: &SelfSigned) -> ServerConfig {
    let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap()
}

/// Serves one connection until its other end is gone.
fn serve(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    says: &Mutex<VecDeque<Say>>,
    posted: &Sender<Posted>,
) {
    match tls {
        None => requests(stream, says, posted),
        Some(config) => {
            let session = ServerConnection::new(config).unwrap();
            requests(StreamOwned::new(session, stream), says, posted);
        }
    }
}

fn requests(stream: impl Read + Write, says: &Mutex<VecDeque<Say>>, posted: &Sender<Posted>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            // Who does not like a certificate says so; who has gone has.
            if !matches!(stream.read_line(&mut head), Ok(1..)) {
                return;
            }
        }
        head.make_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap();
        let length = length.split("\r\n").next().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        let request = ExportTraceServiceRequest::decode(&*body).unwrap();
        // Taken before the test knows of the request, which says what comes next.
        let say = says.lock().unwrap().pop_front();
        // Nobody may want it any more.
        let _ = posted.send(Posted { head, request });
        let (status, headers, body) = match say {
            None => ("200 OK", "", &b""[..]),
            Some(Say::This(status, headers, body)) => (status, headers, body),
            Some(Say::Nothing) => return,
            Some(Say::Wait(until)) => {
                let _ = until.recv();
                ("200 OK", "", &b""[..])
            }
        };
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n");
        let answer = [head.as_bytes(), body].concat();
        // Who did not wait for it is gone.
        if stream.get_mut().write_all(&answer).is_err() || stream.get_mut().flush().is_err() {
            return;
        }
    }
}
