//! What may go wrong between us and the API server, done by a proxy between the two: each fault is a
//! test that ends with a line. Waited for are facts: what is answered, what is asked, what is said.
//!
//! F01 to F15 are the faults' numbers; F12 (size) is `make bench-scale`'s, F13 (answers that are too
//! long) `tests/it/truncation.rs`'s, and F16 (a clock that jumps) is held by
//! `core_rooms_read_no_clock` and by the watch, whose every time is monotonic.

#[path = "faults/away.rs"]
mod away;
#[path = "faults/events.rs"]
mod events;
#[path = "faults/lists.rs"]
mod lists;
#[path = "faults/refusals.rs"]
mod refusals;

use crate::apiserver::{ADMIN, ApiServer};
use crate::parts::{pod, service};
use crate::process::peers;
use crate::proxy::{Asked, Out, Play, Proxy};
use crate::serving::{Serving, data, expect};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::JoinHandle;

/// Timers that let a test see in seconds what a cluster sees in minutes: a dead watch is noticed
/// after three seconds.
const QUICK: &str = "[source.kubernetes]\nwatch_timeout = \"2s\"\n";

const KINDS: [&str; 5] = ["namespaces", "nodes", "services", "endpointslices", "pods"];

/// The server of the faults that leave it alone. It runs while one of them does.
fn shared() -> Option<Arc<ApiServer>> {
    static SERVER: Mutex<Weak<ApiServer>> = Mutex::new(Weak::new());
    let peers = peers()?;
    let mut server = SERVER
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    Some(server.upgrade().unwrap_or_else(|| {
        let started = Arc::new(ApiServer::start(&peers));
        *server = Arc::downgrade(&started);
        started
    }))
}

/// A namespace with a pod that asks and a service `web`, served through a proxy.
struct Case {
    api: Arc<ApiServer>,
    proxy: Proxy,
    serving: Serving,
    server: SocketAddr,
    namespace: String,
    client: String,
    web: String,
}

impl Case {
    /// Prepares what fault `number` needs. `None` where there is no API server to be had.
    fn start(number: u8, config: &str) -> Option<Self> {
        let api = shared()?;
        let namespace = format!("f{number:02}");
        api.create(&crate::parts::namespace(&namespace));
        let client = format!("127.50.{number}.1");
        api.create_with_status(&pod(&namespace, "asks", &client));
        let web = cluster_ip(&api.create(&service(&namespace, "web")));
        let proxy = Proxy::start(&api, ADMIN);
        let config = format!("{QUICK}{config}");
        let mut serving =
            Serving::start_with(&namespace, &proxy.kubeconfig(), "127.0.0.1:0", &config);
        let server = serving.address();
        let case = Self {
            api,
            proxy,
            serving,
            server,
            namespace,
            client,
            web,
        };
        case.expect("web", &case.web);
        Some(case)
    }

    fn name(&self, service: &str) -> String {
        format!("{service}.{}.svc.cluster.local", self.namespace)
    }

    /// Waits until the client is answered so.
    fn expect(&self, service: &str, expected: &str) {
        expect(self.server, &self.client, &self.name(service), expected);
    }

    /// Creates a service and waits until it is answered.
    fn is_followed(&self, service: &str) {
        let created = self.create(service);
        self.expect(service, &created);
    }

    /// Creates a service; answers its address.
    fn create(&self, service: &str) -> String {
        cluster_ip(
            &self
                .api
                .create(&crate::parts::service(&self.namespace, service)),
        )
    }

    /// Asks for `web` again and again until [`Ledger::close`].
    fn ledger(&self) -> Ledger {
        let ended = Arc::new(AtomicBool::new(false));
        let (flag, server) = (ended.clone(), self.server);
        let (client, name, right) = (self.client.clone(), self.name("web"), self.web.clone());
        let asking = std::thread::spawn(move || {
            let (mut asked, mut wrong) = (0, Vec::new());
            while !flag.load(Ordering::Relaxed) {
                let got = data(server, &client, &name);
                asked += 1;
                if got != right {
                    wrong.push(got);
                }
                std::thread::park_timeout(std::time::Duration::from_millis(5));
            }
            (asked, wrong)
        });
        Ledger { ended, asking }
    }
}

/// What a client was answered while something went wrong.
struct Ledger {
    ended: Arc<AtomicBool>,
    asking: JoinHandle<(u32, Vec<String>)>,
}

impl Ledger {
    /// Ends it; every answer has to have been the right one. Answers how many there were.
    fn close(self) -> u32 {
        self.ended.store(true, Ordering::Relaxed);
        let (asked, wrong) = self.asking.join().unwrap();
        assert!(
            asked > 0 && wrong.is_empty(),
            "{} of {asked}: {wrong:?}",
            wrong.len()
        );
        asked
    }
}

fn cluster_ip(service: &Value) -> String {
    service["spec"]["clusterIP"].as_str().unwrap().to_owned()
}

/// Plays something for the first request of each kind, and passes on the others.
fn once_each(
    wanted: impl Fn(&Asked) -> bool + Send + 'static,
    mut play: impl FnMut(&Asked) -> Play + Send + 'static,
) -> impl FnMut(&Asked) -> Play + Send + 'static {
    let mut seen = BTreeSet::new();
    move |asked| {
        if wanted(asked) && seen.insert(asked.plural().to_owned()) {
            play(asked)
        } else {
            Play::Pass
        }
    }
}

fn pass(piece: Vec<u8>) -> Vec<Out> {
    vec![Out::Bytes(piece)]
}

const JSON: &str = "Content-Type: application/json\r\n";

fn status(code: u16, message: &str) -> String {
    json!({"kind": "Status", "code": code, "message": message}).to_string()
}

/// Waits until every kind has asked so, behind the first `from` requests.
fn wait_for_each(proxy: &Proxy, what: &str, from: usize, wanted: impl Fn(&Asked) -> bool) {
    for kind in KINDS {
        proxy.wait_for(&format!("{kind}: {what}"), from, |asked| {
            asked.plural() == kind && wanted(asked)
        });
    }
}
