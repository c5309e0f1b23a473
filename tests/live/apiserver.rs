//! An API server of the test's own, and its objects.

use crate::process::{Folder, Peers, Process, free_port};
use serde_json::Value;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use ureq::Agent;
use ureq::http::{Method, Request};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// How long the server may take to start. It needs seconds, and more where tests share the cores.
const START: Duration = Duration::from_secs(120);

/// How long it may take to answer one request.
const PATIENCE: Duration = Duration::from_secs(30);

/// The user that may do everything.
pub(crate) const ADMIN: &str = "admin";

/// Users that may do nothing until the test grants it.
pub(crate) const USERS: [&str; 3] = ["dns", "reader", "nobody"];

/// A running API server. Ends when dropped.
pub(crate) struct ApiServer {
    port: u16,
    agent: Agent,
    program: PathBuf,
    /// Arguments beside those that every server gets.
    arguments: Vec<String>,
    // Before the folder, which it writes to.
    process: Option<Process>,
    folder: Folder,
}

impl ApiServer {
    /// Starts a server without objects and waits until it is ready.
    pub(crate) fn start(peers: &Peers) -> Self {
        Self::start_with(peers, &[])
    }

    /// The same with more arguments.
    pub(crate) fn start_with(peers: &Peers, arguments: &[&str]) -> Self {
        let folder = Folder::new("apiserver");
        let admin = format!("{},{ADMIN},{ADMIN},system:masters\n", token_of(ADMIN));
        let users = USERS.map(|user| format!("{},{user},{user}\n", token_of(user)));
        folder.write("tokens.csv", &(admin + &users.concat()));
        let mut server = Self {
            port: 0,
            agent: Agent::new_with_defaults(),
            program: peers.apiserver.clone(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            process: None,
            folder,
        };
        for _ in 0..3 {
            server.port = free_port();
            match server.try_start() {
                Err(log) if log.contains("address already in use") => {}
                result => {
                    result.unwrap_or_else(|log| panic!("the API server ended:\n{log}"));
                    return server;
                }
            }
        }
        panic!("three free ports were all taken by others");
    }

    /// Starts the process; the error is what it printed before it ended.
    fn try_start(&mut self) -> Result<(), String> {
        let path = |name| self.folder.path(name).display().to_string();
        let mut command = Command::new(&self.program);
        command
            .env("ETCD_DIR", path("etcd"))
            .env("SERVICE_ACCOUNT_KEY", path("service-account.key"))
            .arg("--bind-address=127.0.0.1")
            .arg("--advertise-address=127.0.0.1")
            .arg(format!("--secure-port={}", self.port))
            .arg(format!("--cert-dir={}", path("certificates")))
            .arg(format!("--token-auth-file={}", path("tokens.csv")))
            .arg("--authorization-mode=RBAC")
            .arg("--service-account-issuer=https://kubernetes.default.svc.cluster.local")
            .arg("--service-cluster-ip-range=10.96.0.0/12,fd00:96::/108")
            // Endpoints may not be of the loopback range: default/kubernetes stays without.
            .arg("--endpoint-reconciler-type=none")
            // Pods would need a service account, a priority class and a node's taints, which the
            // controller manager makes in a whole cluster.
            .arg("--disable-admission-plugins=ServiceAccount,Priority,TaintNodesByCondition")
            .args(&self.arguments);
        let log = self.folder.path("apiserver.log");
        let mut process = Process::spawn("the API server", &mut command, &log);
        let ready = process
            .wait(START, || TcpStream::connect(("127.0.0.1", self.port)).ok())
            .and_then(|_| {
                self.agent = self.agent(Some(PATIENCE));
                process.wait(START, || {
                    let answer = self.request(Method::GET, "/readyz", ADMIN, None);
                    answer.is_ok_and(|(status, _)| status == 200).then_some(())
                })
            });
        if ready.is_none() {
            return Err(process.log());
        }
        self.process = Some(process);
        Ok(())
    }

    /// A client that trusts the certificate that the server made for itself, and no other.
    pub(crate) fn agent(&self, patience: Option<Duration>) -> Agent {
        let pem = std::fs::read(self.ca_file()).unwrap();
        let certificates = parse_pem(&pem).filter_map(|item| match item.unwrap() {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        });
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::from(certificates))
            .build();
        Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(patience)
            .build()
            .into()
    }

    /// Takes the server away; its objects stay.
    pub(crate) fn stop(&mut self) {
        self.process = None;
    }

    /// Brings it back at the same address with the same objects and certificates.
    pub(crate) fn resume(&mut self) {
        self.stop();
        self.try_start()
            .unwrap_or_else(|log| panic!("the API server ended:\n{log}"));
    }

    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The certificates to trust, in PEM.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.folder.path("certificates/apiserver.crt")
    }

    /// The process, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// The bearer token of [`ADMIN`] or one of [`USERS`].
    pub(crate) fn token(user: &str) -> String {
        assert!(user == ADMIN || USERS.contains(&user), "{user}: no user");
        token_of(user)
    }

    /// Writes the file with which this user finds the server.
    pub(crate) fn kubeconfig(&self, user: &str) -> PathBuf {
        self.kubeconfig_with(user, &Self::token(user))
    }

    /// Writes the same for whoever this token is of.
    pub(crate) fn kubeconfig_with(&self, user: &str, token: &str) -> PathBuf {
        let text = format!(
            "apiVersion: v1
kind: Config
current-context: test
contexts:
- name: test
  context: {{cluster: test, user: {user}}}
clusters:
- name: test
  cluster:
    server: {}
    certificate-authority: {}
users:
- name: {user}
  user:
    token: {token}
",
            self.url(),
            self.ca_file().display(),
        );
        self.folder.write(&format!("{user}.kubeconfig"), &text)
    }

    /// Asks the server something as a user; answers the status and the body.
    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        user: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value), ureq::Error> {
        self.send(method, path, user, "application/json", body)
    }

    /// The same with a body of another type.
    fn send(
        &self,
        method: Method,
        path: &str,
        user: &str,
        content: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value), ureq::Error> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url()))
            .header("Authorization", format!("Bearer {}", Self::token(user)));
        let answer = match body {
            Some(body) => {
                let request = request.header("Content-Type", content);
                let body = serde_json::to_vec(body).unwrap();
                self.agent.run(request.body(body).unwrap())
            }
            None => self.agent.run(request.body(()).unwrap()),
        };
        let mut answer = answer?;
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(u64::MAX);
        let text = body.read_to_string()?;
        Ok((
            status,
            serde_json::from_str(&text).unwrap_or_else(|_| text.into()),
        ))
    }

    /// Asks as the administrator for what must be granted.
    fn must(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let asked = format!("{method} {path}");
        match self.request(method, path, ADMIN, body) {
            Ok((200..=202, answer)) => answer,
            other => panic!("{asked}: {other:?}\n{body:?}"),
        }
    }

    /// Creates the object; answers what the server made of it. A status is ignored, as ever.
    pub(crate) fn create(&self, object: &Value) -> Value {
        self.must(Method::POST, &collection(object), Some(object))
    }

    /// Creates the object, or gives it these fields, by server-side apply.
    pub(crate) fn apply(&self, object: &Value) -> Value {
        let path = format!("{}?fieldManager=test", resource(object));
        match self.patch(&path, object) {
            (200 | 201, answer) => answer,
            other => panic!("{path}: {other:?}\n{object}"),
        }
    }

    /// Sends a server-side apply to a path with its query; the status and the answer.
    pub(crate) fn patch(&self, path: &str, object: &Value) -> (u16, Value) {
        let content = "application/apply-patch+yaml";
        self.send(Method::PATCH, path, ADMIN, content, Some(object))
            .unwrap()
    }

    /// Creates the object, then writes its status, as the kubelet and controllers would.
    pub(crate) fn create_with_status(&self, object: &Value) -> Value {
        self.create(object);
        self.set_status(object)
    }

    /// Writes the status of an object that is there; the rest stays as it is.
    pub(crate) fn set_status(&self, object: &Value) -> Value {
        let mut now = self.get(object);
        now["status"] = object["status"].clone();
        let path = format!("{}/status", resource(object));
        self.must(Method::PUT, &path, Some(&now))
    }

    /// The object of this kind, namespace and name, as it is now.
    pub(crate) fn get(&self, object: &Value) -> Value {
        self.must(Method::GET, &resource(object), None)
    }

    /// Puts the object in the place of the one there, whatever its version; the status stays.
    pub(crate) fn replace(&self, object: &Value) -> Value {
        let mut object = object.clone();
        let now = self.get(&object);
        object["metadata"]["resourceVersion"] = now["metadata"]["resourceVersion"].clone();
        self.must(Method::PUT, &resource(&object), Some(&object))
    }

    /// Deletes the object at once.
    pub(crate) fn delete(&self, object: &Value) {
        let path = resource(object);
        self.must(
            Method::DELETE,
            &format!("{path}?gracePeriodSeconds=0"),
            None,
        );
        if object["kind"] == "Namespace" {
            // In a whole cluster a controller empties it, then lets it go. Here what is in it stays.
            let mut now = self.get(object);
            now["spec"]["finalizers"] = Value::Array(Vec::new());
            self.must(Method::PUT, &format!("{path}/finalize"), Some(&now));
        }
    }

    /// Asks for the object to be deleted; one with a finalizer stays, and is marked.
    pub(crate) fn mark_deleted(&self, object: &Value) {
        self.must(Method::DELETE, &resource(object), None);
    }

    /// All objects of a kind, in one namespace or everywhere.
    pub(crate) fn list(&self, api: &str, kind: &str, namespace: Option<&str>) -> Vec<Value> {
        let mut list = self.must(Method::GET, &path(api, kind, namespace), None);
        match list["items"].take() {
            Value::Array(items) => items,
            other => panic!("{api} {kind}: {other}"),
        }
    }
}

fn token_of(user: &str) -> String {
    format!("token-of-{user}")
}

/// The path of the object's siblings.
pub(crate) fn collection(object: &Value) -> String {
    let field = |value: &Value| value.as_str().map(str::to_owned);
    let api = field(&object["apiVersion"]).expect("an apiVersion");
    let kind = field(&object["kind"]).expect("a kind");
    path(
        &api,
        &kind,
        field(&object["metadata"]["namespace"]).as_deref(),
    )
}

/// The path of the object.
pub(crate) fn resource(object: &Value) -> String {
    let name = object["metadata"]["name"].as_str().expect("a name");
    format!("{}/{name}", collection(object))
}

/// The path of a kind's objects, by the rules of English that Kubernetes follows too.
fn path(api: &str, kind: &str, namespace: Option<&str>) -> String {
    let root = if api.contains('/') { "apis" } else { "api" };
    let namespace = namespace.map_or_else(String::new, |name| format!("/namespaces/{name}"));
    let mut plural = kind.to_lowercase();
    match plural.chars().last() {
        _ if plural == "endpoints" => {}
        Some('s') => plural.push_str("es"),
        Some('y') if !plural.ends_with("ay") => {
            plural.pop();
            plural.push_str("ies");
        }
        _ => plural.push('s'),
    }
    format!("/{root}/{api}{namespace}/{plural}")
}
