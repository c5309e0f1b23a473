//! The administrator's listener beyond loopback: a real API server says who the bearer of a token is
//! and what it may read.

use crate::apiserver::{ADMIN, ApiServer};
use crate::coredns::LEASH;
use crate::process::{Folder, Process, peers, printed, until};
use crate::rbac::{apply, grants, kubeconfig, start};
use crate::serving::PATIENCE;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tenantdns::testing::{SelfSigned, self_signed};
use ureq::Agent;
use ureq::http::Method;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

const RBAC: &str = include_str!("../../deploy/base/rbac.yaml");
const RBAC_ADMIN: &str = include_str!("../../deploy/components/admin/rbac.yaml");
const READER: &str = "tenantdns-admin-reader";

/// A tenantdns whose administrator's pages are at every address of the host.
struct Guarded {
    port: u16,
    _process: Process,
    folder: Folder,
}

impl Guarded {
    /// Starts it with more keys of `[admin]`; it logs all that it can.
    fn start(kubeconfig: &Path, pair: &SelfSigned, keys: &str) -> Self {
        let folder = Folder::new("admin");
        let certificate = folder.write("tls.crt", &pair.certificate);
        let key = folder.write("tls.key", &pair.key);
        let config = format!(
            "[health]\nlisten = \"\"\n[ready]\nlisten = \"\"\n[metrics]\nlisten = \"\"\n\
             [admin]\nlisten = \"0.0.0.0:0\"\ntls_cert = {certificate:?}\ntls_key = {key:?}\n{keys}"
        );
        let mut command = Command::new("sh");
        command
            .args(["-c", LEASH, "leash", env!("CARGO_BIN_EXE_tenantdns")])
            .args(["serve", "--listen", "127.0.0.1:0", "--kubeconfig"])
            .arg(kubeconfig)
            .arg("--config")
            .arg(folder.write("tenantdns.toml", &config))
            .env("TENANTDNS_LOG", "trace")
            // Whatever the machine has.
            .env_remove("HTTPS_PROXY")
            .env_remove("https_proxy");
        let log = folder.path("log");
        let mut process = Process::spawn("tenantdns", &mut command, &log);
        let port = process.wait(PATIENCE, || {
            let text = printed(&log);
            let line = text.lines().find(|line| line.contains("HTTPS"))?;
            let (_, rest) = line.split_once("0.0.0.0:")?;
            let port = rest.split(|c: char| !c.is_ascii_digit()).next()?;
            port.parse().ok()
        });
        Self {
            port: port.unwrap_or_else(|| panic!("{}", printed(&log))),
            _process: process,
            folder,
        }
    }

    /// Asks for a page; `None` where the certificate is another.
    fn ask(&self, pair: &SelfSigned, path: &str, token: Option<&str>) -> Option<(u16, String)> {
        let url = format!("https://127.0.0.1:{}{path}", self.port);
        let mut request = trusting(pair).get(url);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut answer = request.call().ok()?;
        let body = answer.body_mut().read_to_string().unwrap();
        Some((answer.status().as_u16(), body))
    }

    /// The status of an answer.
    fn status(&self, pair: &SelfSigned, path: &str, token: Option<&str>) -> u16 {
        self.ask(pair, path, token).expect("the certificate").0
    }

    /// Waits until a page is answered with this status.
    fn expect(&self, pair: &SelfSigned, path: &str, token: &str, status: u16) {
        until(&format!("{path} is not {status}"), PATIENCE, || {
            (self.status(pair, path, Some(token)) == status).then_some(())
        });
    }

    fn log(&self) -> String {
        printed(&self.folder.path("log"))
    }
}

/// A client that trusts this certificate alone.
fn trusting(pair: &SelfSigned) -> Agent {
    let certificate = Certificate::from_pem(pair.certificate.as_bytes()).unwrap();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&[certificate]))
        .build();
    Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .into()
}

/// Binds somebody to the role of those who read the pages.
fn bind(api: &ApiServer, subject: &serde_json::Value) {
    api.create(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "reads-the-pages"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": READER},
        "subjects": [subject],
    }));
}

/// What the server itself needs of the file.
fn own_part() -> &'static str {
    let (own, readers) = RBAC_ADMIN.rsplit_once("---\n").unwrap();
    assert!(readers.contains(READER));
    own
}

#[test]
fn whom_the_clusters_roles_let_reads_the_pages_over_tls_and_nobody_else() {
    let Some(peers) = peers() else { return };
    let api = start(&peers, &[]);
    apply(&api, RBAC);
    let account = kubeconfig(&api, "tenantdns", &grants(RBAC));
    let pair = self_signed("first");
    let guarded = Guarded::start(&account, &pair, "");
    let token = ApiServer::token;

    // Nobody may be asked yet, and nobody is let in.
    let page = |user| guarded.status(&pair, "/metrics", Some(&token(user)));
    assert_eq!((page(ADMIN), page("reader")), (503, 503));
    let needed = "the ClusterRole needs the verb create on tokenreviews.authentication.k8s.io";
    until("the log does not say why", PATIENCE, || {
        guarded.log().contains(needed).then_some(())
    });
    apply(&api, RBAC_ADMIN);
    guarded.expect(&pair, "/metrics", &token("reader"), 403);
    bind(
        &api,
        &json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "reader"}),
    );
    guarded.expect(&pair, "/metrics", &token("reader"), 200);

    let (_, metrics) = guarded
        .ask(&pair, "/metrics", Some(&token("reader")))
        .unwrap();
    assert!(metrics.contains("tenantdns_visible_pairs"), "{metrics}");
    let ask = |path, token: Option<&str>| guarded.ask(&pair, path, token).unwrap();
    let refused = |status, body: &str| (status, body.to_owned());
    for path in ["/metrics", "/snapshot", "/explain?from=default&name=a"] {
        let answer = ask(path, Some(&token("nobody")));
        assert_eq!(answer, refused(403, "forbidden\n"), "{path}");
        let answer = ask(path, Some("token-of-none"));
        assert_eq!(answer, refused(401, "unauthorized\n"), "{path}");
        assert_eq!(ask(path, None), refused(401, "unauthorized\n"), "{path}");
    }
    assert_eq!(ask("/snapshot", Some(&token("reader"))).0, 200);

    // Without TLS nothing is said.
    let mut stream = TcpStream::connect(("127.0.0.1", guarded.port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let text = format!(
        "GET /metrics HTTP/1.1\r\nauthorization: Bearer {}\r\n\r\n",
        token("reader")
    );
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(!answer.contains("HTTP"), "{answer}");

    // A bad pair is said and not taken; a new one is, for the next connection.
    let second = self_signed("second");
    guarded.folder.write("tls.crt", "none");
    until("the bad certificate is not said", PATIENCE, || {
        let log = guarded.log();
        log.contains("goes on with the certificate that it has")
            .then_some(())
    });
    assert_eq!(page("reader"), 200);
    guarded.folder.write("tls.crt", &second.certificate);
    guarded.folder.write("tls.key", &second.key);
    until("the new certificate is not shown", PATIENCE, || {
        let answer = guarded.ask(&second, "/metrics", Some(&token("reader")))?;
        (answer.0 == 200).then_some(())
    });
    let with_first = guarded.ask(&pair, "/metrics", Some(&token("reader")));
    assert_eq!(with_first, None);

    let log = guarded.log();
    assert!(!log.contains("token-of-"), "a token is in the log");
}

#[test]
fn a_token_that_is_meant_for_somebody_else_is_nobodys() {
    let Some(peers) = peers() else { return };
    let mut api = start(&peers, &[]);
    apply(&api, RBAC);
    apply(&api, RBAC_ADMIN);
    let all = [grants(RBAC), grants(own_part())].concat();
    let account = kubeconfig(&api, "tenantdns", &all);
    let pair = self_signed("tenantdns");
    let guarded = Guarded::start(&account, &pair, "audiences = [\"tenantdns\"]\n");
    api.create(&json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"namespace": "kube-system", "name": "prometheus"},
    }));
    let subject =
        json!({"kind": "ServiceAccount", "namespace": "kube-system", "name": "prometheus"});
    bind(&api, &subject);
    let token = |audiences: &[&str]| {
        let path = "/api/v1/namespaces/kube-system/serviceaccounts/prometheus/token";
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"audiences": audiences},
        });
        let answer = api.request(Method::POST, path, ADMIN, Some(&request));
        let (status, answer) = answer.unwrap();
        assert_eq!(status, 201, "{answer}");
        answer["status"]["token"].as_str().unwrap().to_owned()
    };
    let (ours, apis, others) = (token(&["tenantdns"]), token(&[]), token(&["other"]));
    guarded.expect(&pair, "/metrics", &ours, 200);
    for other in [apis, others] {
        assert_eq!(guarded.status(&pair, "/metrics", Some(&other)), 401);
    }
    // What is believed ends, and then nobody can be asked.
    api.stop();
    guarded.expect(&pair, "/metrics", &ours, 503);
    assert!(!guarded.log().contains(&ours), "a token is in the log");
}
