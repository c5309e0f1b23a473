//! The administrator's pages beyond loopback, over sockets: TLS, and who is let in. The addresses are
//! loopback ones here; which are beyond is for the configuration to say.

use super::*;
use crate::testing::{SelfSigned, self_signed};
use crate::tls::PairFiles;
use std::sync::atomic::{AtomicUsize, Ordering};
use ureq::Agent;
use ureq::http::{Method, Request};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// A cluster that lets `reader` read `/metrics`.
#[derive(Default)]
struct Cluster {
    asked: AtomicUsize,
}

impl Reviewer for Cluster {
    fn review<'a>(&'a self, token: &'a str, path: &'a str) -> Reviewing<'a> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            match (token, path) {
                ("reader", "/metrics") => Review::Allowed,
                ("reader" | "other", _) => Review::Forbidden,
                ("late", _) => Review::Unavailable,
                _ => Review::Unknown,
            }
        })
    }
}

struct Guard {
    admin: Admin,
    address: SocketAddr,
    pair: SelfSigned,
}

impl Guard {
    fn start(name: &str, reviewer: Option<Arc<dyn Reviewer>>) -> Self {
        let pair = self_signed("tenantdns");
        let file = |end: &str, text: &str| {
            let name = format!("tenantdns-{name}-{}.{end}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let files = PairFiles {
            certificate: file("crt", &pair.certificate),
            key: file("key", &pair.key),
        };
        let bound = bind(&Options {
            admin: Some(Door::Guarded(Guarded {
                address: any_port().unwrap(),
                pair: files.clone(),
                audiences: Vec::new(),
            })),
            ..Options::OFF
        });
        let bound = bound.unwrap();
        // Open, and followed a few seconds from now.
        std::fs::remove_file(files.certificate).unwrap();
        std::fs::remove_file(files.key).unwrap();
        let (address, routes) = bound.local_addresses().next().unwrap();
        assert!(routes.is_guarded());
        let pages = Arc::new(Fixed { ready: true });
        let admin = bound.start(pages, Arc::new(Echo), reviewer).unwrap();
        Self {
            admin,
            address,
            pair,
        }
    }

    /// A client that trusts the certificate, and no other.
    fn client(&self) -> Agent {
        let certificate = Certificate::from_pem(self.pair.certificate.as_bytes()).unwrap();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&[certificate]))
            .build();
        Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(PATIENCE))
            .build()
            .into()
    }

    /// Asks with a token; returns the status and the body.
    fn ask(&self, method: Method, path: &str, token: Option<&str>) -> (u16, String) {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("https://{}{path}", self.address));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut answer = self.client().run(request.body(()).unwrap()).unwrap();
        let body = answer.body_mut().read_to_string().unwrap();
        (answer.status().as_u16(), body)
    }
}

#[test]
fn only_whom_the_cluster_lets_is_shown_the_pages() {
    let guard = Guard::start("guarded", Some(Arc::new(Cluster::default())));
    for (method, path, token, status, body) in [
        (Method::GET, "/metrics", Some("reader"), 200, "tenants 1\n"),
        (
            Method::GET,
            "/metrics?a",
            Some("reader"),
            200,
            "tenants 1\n",
        ),
        (Method::HEAD, "/metrics", Some("reader"), 200, ""),
        (Method::GET, "/snapshot", Some("reader"), 403, "forbidden\n"),
        (
            Method::GET,
            "/explain?from=a&name=b",
            Some("reader"),
            403,
            "forbidden\n",
        ),
        (Method::GET, "/metrics", Some("other"), 403, "forbidden\n"),
        (Method::GET, "/metrics", Some("x"), 401, "unauthorized\n"),
        (Method::GET, "/metrics", None, 401, "unauthorized\n"),
        (Method::GET, "/explain", None, 401, "unauthorized\n"),
        (Method::GET, "/metrics", Some("late"), 503, "ask again\n"),
        (Method::GET, "/health", Some("reader"), 404, "not found\n"),
        (
            Method::DELETE,
            "/metrics",
            Some("reader"),
            405,
            "method not allowed\n",
        ),
    ] {
        let answer = guard.ask(method.clone(), path, token);
        assert_eq!(
            answer,
            (status, body.to_owned()),
            "{method} {path} {token:?}"
        );
    }
    assert!(guard.admin.close());
}

#[test]
fn without_a_cluster_nobody_is_let_in() {
    let guard = Guard::start("nobody", None);
    let answer = guard.ask(Method::GET, "/metrics", Some("reader"));
    assert_eq!(answer, (503, "ask again\n".to_owned()));
    assert!(guard.admin.close());
}

#[test]
fn without_tls_nothing_is_said() {
    let cluster = Arc::new(Cluster::default());
    let guard = Guard::start("plain", Some(cluster.clone()));
    let mut stream = connect(guard.address);
    let text = "GET /metrics HTTP/1.1\r\nauthorization: Bearer reader\r\n\r\n";
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // It may be closed before everything is read.
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer);
    assert!(!text.contains("HTTP"), "{text}");
    assert_eq!(cluster.asked.load(Ordering::Relaxed), 0);
    assert!(guard.admin.close());
}

#[test]
fn who_is_slow_with_tls_keeps_nobody_out() {
    let guard = Guard::start("slow", Some(Arc::new(Cluster::default())));
    let _held: Vec<TcpStream> = (0..40).map(|_| connect(guard.address)).collect();
    let answer = guard.ask(Method::GET, "/metrics", Some("reader"));
    assert_eq!(answer.0, 200);
    assert!(guard.admin.close());
}

#[test]
fn on_loopback_a_token_is_ignored() {
    let cluster = Arc::new(Cluster::default());
    let bound = bind(&Options {
        admin: Some(Door::Loopback(any_port().unwrap())),
        ..Options::OFF
    });
    let bound = bound.unwrap();
    let (address, routes) = bound.local_addresses().next().unwrap();
    assert!(!routes.is_guarded());
    let pages = Arc::new(Fixed { ready: true });
    let admin = bound
        .start(pages, Arc::new(Echo), Some(cluster.clone()))
        .unwrap();
    let text = "GET /metrics HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer x\r\n\r\n";
    let answer = read(&exchange(address, text));
    assert_eq!(answer, (200, "tenants 1\n".to_owned()));
    assert_eq!(cluster.asked.load(Ordering::Relaxed), 0);
    assert!(admin.close());
}

#[test]
fn a_certificate_that_is_not_there_is_said_with_its_file() {
    let missing = || std::env::temp_dir().join("tenantdns-no-such.pem");
    let error = bind(&Options {
        admin: Some(Door::Guarded(Guarded {
            address: any_port().unwrap(),
            pair: PairFiles {
                certificate: missing(),
                key: missing(),
            },
            audiences: Vec::new(),
        })),
        ..Options::OFF
    });
    let error = error.unwrap_err().to_string();
    let start = format!(
        "`tls_cert` and `tls_key` of [admin]: {}: ",
        missing().display()
    );
    assert!(error.starts_with(&start), "{error}");
}
