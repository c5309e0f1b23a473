//! Upstreams over HTTPS that a test has say what they say: what they are asked, and what of theirs is taken
//! for a reply.

use crate::decode::decode;
use crate::forwarding::{A, cluster, ip, said, www};
use crate::liar::address;
use crate::live::Live;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use tenantdns::answer::Transport;
use tenantdns::forward::{Lie, Proto};
use tenantdns::testing::{SelfSigned, query, self_signed};
use tenantdns::wire::RType;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// One request as it came.
#[derive(Debug, Clone)]
struct Asked {
    method: String,
    url: String,
    types: [Option<String>; 2],
    body: Vec<u8>,
}

/// What is said to a question: nothing for silence.
type Say = fn(question: &[u8]) -> Option<Response<Full<Bytes>>>;

/// The upstream. Ends when dropped.
struct Https {
    address: SocketAddr,
    ca: PathBuf,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<AtomicUsize>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Https {
    fn new(name: &str, say: Say) -> Self {
        let pair = self_signed("upstream");
        let file = format!("tenantdns-https-{name}-{}", std::process::id());
        let ca = std::env::temp_dir().join(file);
        std::fs::write(&ca, &pair.certificate).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, connections) = (Arc::<Mutex<Vec<Asked>>>::default(), Arc::default());
        let (end, ended) = oneshot::channel();
        let serving = serve(
            listener,
            acceptor(&pair),
            say,
            asked.clone(),
            Arc::clone(&connections),
        );
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = serving => {}
                    _ = ended => {}
                }
            });
        });
        Self {
            address,
            ca,
            asked,
            connections,
            end: Some(end),
            thread: Some(thread),
        }
    }

    /// A server that asks it, with these lines in its table.
    fn ask(&self, lines: &str) -> Live {
        Live::start(&cluster(&format!(
            "[[forward]]\nto = [\"https://{}\"]\ntls_servername = \"localhost\"\n\
             tls = {{ ca = \"{}\" }}\n{lines}\n",
            self.address,
            self.ca.display()
        )))
    }
}

impl Drop for Https {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.ca);
    }
}

fn acceptor(pair: &SelfSigned) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth();
    let mut config = config.with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config).into()
}

async fn serve(
    listener: std::net::TcpListener,
    acceptor: TlsAcceptor,
    say: Say,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<AtomicUsize>,
) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (acceptor, asked) = (acceptor.clone(), asked.clone());
        connections.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = service_fn(move |request| answer(request, say, asked.clone()));
            let connection = http2::Builder::new(TokioExecutor::new());
            let _ = connection
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    say: Say,
    asked: Arc<Mutex<Vec<Asked>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    let text = |name| {
        head.headers
            .get(name)
            .map(|v| v.to_str().unwrap().to_owned())
    };
    let url = head.uri.to_string();
    let question = match url.split_once("?dns=") {
        None => body.clone(),
        Some((_, text)) => decoded(text),
    };
    asked.lock().unwrap().push(Asked {
        method: head.method.to_string(),
        url,
        types: [text("content-type"), text("accept")],
        body,
    });
    match say(&question) {
        Some(response) => Ok(response),
        None => pending().await,
    }
}

/// Octets of base64url.
fn decoded(text: &str) -> Vec<u8> {
    let six = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        other => panic!("{other}"),
    };
    let (mut bits, mut held, mut octets) = (0u32, 0, Vec::new());
    for c in text.bytes() {
        bits = bits << 6 | u32::from(six(c));
        held += 6;
        if held >= 8 {
            held -= 8;
            octets.push((bits >> held) as u8);
        }
    }
    octets
}

fn response(status: u16, media_type: &str, body: Vec<u8>) -> Option<Response<Full<Bytes>>> {
    let response = Response::builder()
        .status(status)
        .header("content-type", media_type);
    Some(response.body(Full::new(Bytes::from(body))).unwrap())
}

const MEDIA_TYPE: &str = "application/dns-message";

fn right(question: &[u8]) -> Vec<u8> {
    address(question, 300, [192, 0, 2, 1])
}

fn honest(question: &[u8]) -> Option<Response<Full<Bytes>>> {
    response(200, MEDIA_TYPE, right(question))
}

#[test]
fn an_upstream_over_https_is_asked_as_rfc_8484_says() {
    for method in ["POST", "GET"] {
        let upstream = Https::new(method, honest);
        let live = upstream.ask(&format!("doh_method = \"{method}\""));
        for transport in [Transport::Udp, Transport::Tcp] {
            let response = decode(&live.ask(ip(A), transport, &www()));
            assert_eq!(response.answer, ["www.example.org. 300 A 192.0.2.1"]);
        }
        let mut expected = www();
        expected[..2].fill(0);
        let url = format!("https://localhost:{}/dns-query", upstream.address.port());
        for asked in upstream.asked.lock().unwrap().iter() {
            assert_eq!(asked.method, method);
            assert_eq!(asked.types[1].as_deref(), Some(MEDIA_TYPE));
            match method {
                "POST" => {
                    assert_eq!((&asked.url, &asked.body), (&url, &expected));
                    assert_eq!(asked.types[0].as_deref(), Some(MEDIA_TYPE));
                }
                _ => {
                    let (front, question) = asked.url.split_once("?dns=").unwrap();
                    assert_eq!((front, decoded(question)), (&*url, expected.clone()));
                    assert!(asked.body.is_empty());
                }
            }
        }
        assert_eq!(upstream.connections.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn what_is_no_reply_over_https_costs_its_query_and_is_not_kept() {
    let cases: [(&str, Option<Lie>, Say); 8] = [
        ("a status", None, |q| response(503, MEDIA_TYPE, right(q))),
        ("another place", None, |q| {
            response(302, MEDIA_TYPE, right(q))
        }),
        ("another type", Some(Lie::Malformed), |q| {
            response(200, "text/html", right(q))
        }),
        ("no message", Some(Lie::Malformed), |q| {
            response(200, MEDIA_TYPE, q[..3].to_vec())
        }),
        ("too long", Some(Lie::Malformed), |q| {
            response(200, MEDIA_TYPE, [right(q), vec![0; 65_536]].concat())
        }),
        ("another ID", Some(Lie::Id), |q| {
            let mut lie = right(q);
            lie[1] = 1;
            response(200, MEDIA_TYPE, lie)
        }),
        ("another question", Some(Lie::Question), |q| {
            let mut lie = right(q);
            lie[13] ^= 1;
            response(200, MEDIA_TYPE, lie)
        }),
        ("nothing", Some(Lie::Silent), |_| None),
    ];
    for (number, (fact, lie, say)) in cases.into_iter().enumerate() {
        let upstream = Https::new(&format!("lie-{number}"), say);
        let live = upstream.ask(
            "read_timeout = \"200ms\"\nmax_connect_attempts = 1\nmax_fails = 0\n[cache]\nservfail = \"0\"",
        );
        for _ in 0..2 {
            assert_eq!(said(&live, A, &www()), "SERVFAIL", "{fact}");
        }
        let forwarder = live.forwarder.as_ref().unwrap();
        let to = forwarder.stats().read().to[0].clone();
        let mut expected = [0; 5];
        if let Some(lie) = lie {
            expected[lie as usize] = 2;
        }
        assert_eq!(to.lies, expected, "{fact}");
        let kept = forwarder.caches()[0].read();
        assert_eq!(kept.success.entries + kept.denial.entries, 0, "{fact}");
        // What is wrong with one answer is not wrong with the connection; one over which nothing comes is
        // not waited for again.
        let connections = if lie == Some(Lie::Silent) { 2 } else { 1 };
        assert_eq!(
            to.conn_cache_misses[Proto::Https as usize],
            connections,
            "{fact}"
        );
    }
}

#[test]
fn what_a_cache_of_http_has_kept_is_as_much_older() {
    let upstream = Https::new("age", |question| {
        let mut response = honest(question)?;
        let headers = response.headers_mut();
        headers.insert("age", "60".parse().unwrap());
        let media_type = "Application/DNS-message; charset=utf-8";
        headers.insert("content-type", media_type.parse().unwrap());
        Some(response)
    });
    let live = upstream.ask("doh_method = \"GET\"");
    let answer = decode(&live.ask(ip(A), Transport::Udp, &query("a.example", RType::A)));
    assert_eq!(answer.answer, ["a.example. 240 A 192.0.2.1"]);
}
