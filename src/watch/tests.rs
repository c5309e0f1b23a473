//! The watch against a server that does, request by request, what a test says. The clock stands
//! still until everybody waits for it, so that pauses and limits take no time and are exact.

mod audits;
mod lists;
mod messages;
mod reading;
mod reviews;
mod watches;

use super::client::Api;
use super::{Options, Status, Timers, Watch, watch};
use crate::index::{Event, Trust};
use crate::model::Kind;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::channel::{Channel, Sender};
use kube::Client;
use kube::client::Body;
use std::collections::BTreeSet;
use std::io::Error;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

const JSON: &str = "application/json";
const PROTO: &str = "application/vnd.kubernetes.protobuf;stream=watch";

/// Longer than anything waits, in the clock of the test.
const FOREVER: Duration = Duration::from_secs(3600);

type Reply = Response<Channel<Bytes, Error>>;

/// A watch of one kind, and the server's end of it.
struct Rig {
    kind: Kind,
    watch: Watch,
    requests: mpsc::UnboundedReceiver<Exchange>,
    began: Instant,
}

/// A request that waits for its answer.
struct Exchange {
    request: Request<Body>,
    reply: oneshot::Sender<Reply>,
}

/// An answer on its way.
struct Stream(Sender<Bytes, Error>);

impl Rig {
    fn start(kind: Kind) -> Self {
        let (sender, requests) = mpsc::unbounded_channel();
        let service = tower::service_fn(move |request| {
            let (reply, replied) = oneshot::channel();
            let sent = sender.send(Exchange { request, reply });
            async move {
                sent.map_err(|_| Error::other("the test is over"))?;
                replied
                    .await
                    .map_err(|_| Error::other("connection refused"))
            }
        });
        let options = Options {
            kinds: BTreeSet::from([kind]),
            node: None,
            timers: Timers::default(),
        };
        let api = Api::of(Client::new(service, "default"));
        Self {
            kind,
            watch: watch(&api, &options),
            requests,
            began: Instant::now(),
        }
    }

    /// Waits for the next request. Comparisons, which come in between, find nobody.
    async fn next(&mut self) -> Exchange {
        loop {
            let next = timeout(FOREVER, self.requests.recv()).await;
            let exchange = next.expect("no request").expect("nobody asks");
            if !exchange.name().starts_with("audit") {
                return exchange;
            }
        }
    }

    /// Waits for the next request, which has to be this one: see [`Exchange::name`].
    async fn asked(&mut self, expected: &str) -> Exchange {
        let exchange = self.next().await;
        assert_eq!(exchange.name(), expected);
        exchange
    }

    /// Reads a list by which the kind is synced at a version, up to the watch that goes on.
    async fn listed(&mut self, version: u64) -> Stream {
        let mut stream = self.asked("stream since 0").await.answer(JSON);
        stream.send(&end_of_list(version)).await;
        self.expect(&["list", "synced"]).await;
        stream
    }

    /// Waits for exactly these events.
    async fn expect(&mut self, expected: &[&str]) {
        for expected in expected {
            let next = timeout(FOREVER, self.watch.events.recv()).await;
            let event = next.expect(expected).expect(expected);
            assert_eq!(name_of(&event), *expected);
        }
        assert!(
            self.watch.events.is_empty(),
            "{:?}",
            self.watch.events.try_recv()
        );
    }

    fn status(&self) -> Status {
        self.watch.health.statuses()[&self.kind].clone()
    }

    fn trouble(&self) -> String {
        self.status().trouble.unwrap_or_default()
    }

    /// The time since the last call, by the clock of the test.
    fn passed(&mut self) -> Duration {
        std::mem::replace(&mut self.began, Instant::now()).elapsed()
    }
}

impl Exchange {
    /// `stream since 0`, `list since 7`, `list now`, `list page a`, `watch since 7`, `audit since 7`, `kinds`.
    fn name(&self) -> String {
        let Some(query) = self.request.uri().query() else {
            return "kinds".to_owned();
        };
        let value = |key: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|pair| pair.0 == key).map(|pair| pair.1)
        };
        let accept = self.request.headers()["accept"].to_str().unwrap();
        let what = match (value("sendInitialEvents"), value("watch")) {
            (Some(_), _) => "stream",
            (_, Some(_)) => "watch",
            _ if accept.contains("PartialObjectMetadataList") => "audit",
            _ => "list",
        };
        let since = match (value("continue"), value("resourceVersion")) {
            (Some(page), _) => format!("page {page}"),
            (_, Some("")) => "now".to_owned(),
            (_, version) => format!("since {}", version.unwrap()),
        };
        format!("{what} {since}")
    }

    /// Begins an answer.
    fn answer(self, content: &str) -> Stream {
        self.begin(200, &[("content-type", content)])
    }

    /// Answers with a status as the API does.
    async fn refuse(self, code: u16, message: &str) {
        self.refuse_with(code, &[], message).await;
    }

    async fn refuse_with(self, code: u16, headers: &[(&str, &str)], message: &str) {
        let headers = [headers, &[("content-type", JSON)]].concat();
        self.begin(code, &headers)
            .send(&status(code, message))
            .await;
    }

    fn begin(self, code: u16, headers: &[(&str, &str)]) -> Stream {
        let (sender, body) = Channel::new(64);
        let mut response = Response::builder().status(code);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        // Who asked may have given up.
        let _ = self.reply.send(response.body(body).unwrap());
        Stream(sender)
    }
}

impl Stream {
    async fn send(&mut self, text: &str) {
        self.send_bytes(text.as_bytes()).await;
    }

    async fn send_bytes(&mut self, bytes: &[u8]) {
        // Who reads may have turned away.
        let _: Result<(), _> = self.0.send_data(Bytes::copy_from_slice(bytes)).await;
    }

    /// The connection breaks.
    fn cut(self) {
        self.0.abort(Error::other("connection reset"));
    }
}

fn status(code: u16, message: &str) -> String {
    format!(r#"{{"kind":"Status","code":{code},"message":"{message}"}}"#)
}

fn object(name: &str, version: u64) -> String {
    format!(
        r#"{{"metadata":{{"namespace":"shop","name":"{name}","resourceVersion":"{version}"}}}}"#
    )
}

/// One event of a watch; an `object` of its own for `ERROR`.
fn event(what: &str, object: &str) -> String {
    format!("{{\"type\":\"{what}\",\"object\":{object}}}\n")
}

fn added(name: &str, version: u64) -> String {
    event("ADDED", &object(name, version))
}

fn bookmark(version: u64) -> String {
    let object = format!(r#"{{"metadata":{{"resourceVersion":"{version}"}}}}"#);
    event("BOOKMARK", &object)
}

fn end_of_list(version: u64) -> String {
    let end = r#""annotations":{"k8s.io/initial-events-end":"true"}"#;
    let object = format!(r#"{{"metadata":{{"resourceVersion":"{version}",{end}}}}}"#);
    event("BOOKMARK", &object)
}

fn list(version: u64, next: &str, items: &[String]) -> String {
    let items = items.join(",");
    format!(
        r#"{{"kind":"PodList","metadata":{{"resourceVersion":"{version}","continue":"{next}"}},"items":[{items}]}}"#
    )
}

/// `list`, `list anew`, `+shop/web 5`, `!shop/web 5` (of no use), `-shop/web 6`, `synced`,
/// `audit of 2 at 9`.
fn name_of(event: &Event) -> String {
    match event {
        Event::Listing(_, Trust::Newer) => "list".to_owned(),
        Event::Listing(_, Trust::Anew) => "list anew".to_owned(),
        Event::ApplyAt(object, version) => format!("+{} {}", object.key(), version.0),
        Event::Void(_, key, version) => format!("!{key} {}", version.0),
        Event::DeleteAt(_, key, version) => format!("-{key} {}", version.0),
        Event::Synced(_) => "synced".to_owned(),
        Event::Audit(audit) => format!("audit of {} at {}", audit.listed.len(), audit.at.0),
        other => panic!("{other:?}"),
    }
}
