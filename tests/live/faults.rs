//! What may go wrong between us and the API server, done by a proxy between the two: each fault is a
//! test that ends with a line. Waited for are facts: what is answered, what is asked, what is said.
//!
//! F01 to F15 are the faults' numbers; F12 (size) is `make bench-scale`'s, F13 (answers that are too
//! long) `tests/it/truncation.rs`'s, and F16 (a clock that jumps) is held by
//! `core_rooms_read_no_clock` and by the watch, whose every time is monotonic.

use crate::apiserver::{ADMIN, ApiServer};
use crate::parts::{grant, namespace, pod, service, slice};
use crate::process::{Folder, free_port, peers, until};
use crate::proxy::{Asked, Out, Play, Proxy};
use crate::serving::{PATIENCE, Serving, ask, data, expect};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::JoinHandle;
use tenantdns::wire::RType;

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

#[test]
fn f01_f02_f05_a_server_that_is_away_or_stands_still() {
    let Some(peers) = peers() else { return };
    let mut api = ApiServer::start(&peers);
    api.create(&namespace("f01"));
    api.create_with_status(&pod("f01", "asks", "127.50.1.1"));
    let web = cluster_ip(&api.create(&service("f01", "web")));
    let (client, name) = ("127.50.1.1", "web.f01.svc.cluster.local");
    api.stop();

    // Away at the start: it binds, and knows nothing.
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let mut serving = Serving::start_with("f01", &api.kubeconfig(ADMIN), &listen, QUICK);
    let server: SocketAddr = listen.parse().unwrap();
    serving.wait_for_line(&["Pod: the API can't be reached"]);
    assert_eq!(data(server, client, name), "SERVFAIL");
    assert_eq!(
        data(server, client, "absent.f01.svc.cluster.local"),
        "SERVFAIL"
    );
    assert!(!serving.log().contains("listening on"));
    api.resume();
    serving.address();
    expect(server, client, name, &web);
    println!("F02 ok: SERVFAIL for every name until the server was there");

    // Away later: what is known stays, and one line a minute says so.
    api.stop();
    serving.wait_for_line(&["Service: the API"]);
    for _ in 0..200 {
        assert_eq!(data(server, client, name), web);
    }
    api.resume();
    let back = cluster_ip(&api.create(&service("f01", "back")));
    expect(server, client, "back.f01.svc.cluster.local", &back);
    let log = serving.log();
    for kind in ["Pod", "Service", "Node", "Namespace", "EndpointSlice"] {
        let line = format!("{kind}: the API can't be reached");
        // Twice away, less than a minute apart.
        assert!(log.matches(&line).count() <= 2, "{log}");
    }
    println!("F01 ok: 200 of 200 answers while the server was away, and what came after it");

    // It accepts and never answers.
    let signal = |signal: &str| {
        let id = api.id().unwrap().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
    };
    signal("-STOP");
    serving.wait_for_line(&["Service: nothing from the API for"]);
    assert_eq!(data(server, client, name), web);
    signal("-CONT");
    let woken = cluster_ip(&api.create(&service("f01", "woken")));
    expect(server, client, "woken.f01.svc.cluster.local", &woken);
    println!("F05 ok: a server that stood still was noticed, and followed when it went on");
}

#[test]
fn f03_f04_a_forgotten_place_is_listed_again_without_a_gap() {
    let Some(case) = Case::start(3, "") else {
        return;
    };
    let gone = "too old resource version: 1 (2)";
    let as_event =
        json!({"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": gone}});
    for (fault, code, body) in [
        ("F03", 200, as_event.to_string() + "\n"),
        ("F04", 410, status(410, gone)),
    ] {
        let ledger = case.ledger();
        let from = case.proxy.asked().len();
        let mut lists = once_each(Asked::is_streamed_list, |_| {
            // The list waits in its middle.
            let mut first = true;
            Play::Edit(Box::new(move |piece| {
                let wait = std::mem::take(&mut first).then_some(Out::Wait);
                wait.into_iter().chain(pass(piece)).collect()
            }))
        });
        let mut watches = once_each(Asked::is_watch, move |_| {
            Play::Answer(code, JSON, body.clone())
        });
        case.proxy.play(move |asked| {
            if asked.is_watch() {
                watches(asked)
            } else {
                lists(asked)
            }
        });
        wait_for_each(&case.proxy, "lists again", from, |asked| {
            // Never older than what it has seen.
            asked.is_streamed_list() && asked.version() > 0
        });
        let during = case.create(&format!("during-{code}"));
        case.proxy.release();
        case.expect(&format!("during-{code}"), &during);
        case.is_followed(&format!("after-{code}"));
        let asked = ledger.close();
        println!("{fault} ok: {asked} right answers while every kind was listed again");
    }
}

#[test]
fn f05_f07_a_black_hole_is_noticed_and_what_it_swallowed_is_made_up_for() {
    let Some(case) = Case::start(5, "") else {
        return;
    };
    case.is_followed("leaves");
    let heir = "127.50.5.2";
    case.api
        .create_with_status(&pod(&case.namespace, "leaves", heir));
    expect(case.server, heir, &case.name("web"), &case.web);

    // A watch that stops behind an event.
    let from = case.proxy.asked().len();
    case.proxy.play(once_each(Asked::is_watch, |_| {
        Play::Edit(Box::new(|piece| vec![Out::Bytes(piece), Out::Hang]))
    }));
    wait_for_each(&case.proxy, "watches", from, Asked::is_watch);
    case.is_followed("passes");
    case.is_followed("stopped");
    println!("F05 ok: a watch that stopped was made again");

    // Everything that is asked from now on stays without an answer; watches end by themselves.
    let from = case.proxy.asked().len();
    case.proxy.play(|_| Play::Hang);
    wait_for_each(&case.proxy, "asks into the hole", from, Asked::is_watch);
    let born = case.create("born");
    case.api.delete(&service(&case.namespace, "leaves"));
    case.api.delete(&pod(&case.namespace, "leaves", heir));
    case.serving
        .wait_for_line(&["Service: nothing from the API for"]);
    assert_eq!(data(case.server, &case.client, &case.name("web")), case.web);

    // And when it ends, the server has forgotten what happened.
    case.proxy.play(once_each(Asked::is_watch, |_| {
        Play::Answer(410, JSON, status(410, "gone"))
    }));
    case.proxy.release();
    case.expect("born", &born);
    println!("F05 ok: a black hole was noticed, and what was created behind it is answered");
    case.expect("leaves", "NXDOMAIN");
    // An address that is nobody's sees what everybody sees.
    expect(case.server, heir, &case.name("web"), "SERVFAIL");
    println!("F07 ok: what was deleted behind it is gone, and its address with it");
}

#[test]
fn f06_a_silent_gap_is_found_and_mended() {
    let Some(case) = Case::start(6, "audit_interval = \"4s\"\n") else {
        return;
    };
    let open = Arc::new(AtomicBool::new(false));
    let may = open.clone();
    case.proxy.play(move |asked| match asked.plural() {
        "services" if asked.is_audit() && !may.load(Ordering::Relaxed) => {
            Play::Answer(503, JSON, status(503, "later"))
        }
        "services" if asked.is_watch() => Play::Edit(Box::new(|piece| {
            let lost = piece.windows(4).any(|name| name == b"gap-");
            if lost { Vec::new() } else { pass(piece) }
        })),
        _ => Play::Pass,
    });
    // The watch under way is not played; the next is.
    let from = case.proxy.asked().len();
    case.proxy.wait_for("the next watch", from, |asked| {
        asked.plural() == "services" && asked.is_watch()
    });
    let gap: Vec<_> = (0..50).map(|n| format!("gap-{n}")).collect();
    let addresses: Vec<_> = gap.iter().map(|name| case.create(name)).collect();
    // What comes later is there: the watch goes on as if nothing had been.
    case.is_followed("later");
    let absent = |name: &String| data(case.server, &case.client, &case.name(name)) == "NXDOMAIN";
    assert!(gap.iter().all(absent));
    open.store(true, Ordering::Relaxed);
    case.serving
        .wait_for_line(&["differs from what there is", "Service", "objects=50"]);
    for (name, address) in gap.iter().zip(&addresses) {
        case.expect(name, address);
    }
    println!("F06 ok: 50 lost services were counted, and are answered");
}

#[test]
fn f08_events_that_come_twice_and_late_change_nothing() {
    let Some(case) = Case::start(8, "") else {
        return;
    };
    let from = case.proxy.asked().len();
    let mut before: BTreeMap<String, Arc<Mutex<Vec<Vec<u8>>>>> = BTreeMap::new();
    case.proxy.play(move |asked| {
        if !asked.is_watch() {
            return Play::Pass;
        }
        // Behind each event comes everything that was there before, the latest first.
        let before = before.entry(asked.plural().to_owned()).or_default().clone();
        Play::Edit(Box::new(move |piece| {
            let mut before = before.lock().unwrap();
            let again = before.iter().rev().cloned().map(Out::Bytes);
            let all = [Out::Bytes(piece.clone()), Out::Bytes(piece.clone())];
            let all = all.into_iter().chain(again).collect();
            before.push(piece);
            all
        }))
    });
    case.proxy.wait_for("the next watch", from, |asked| {
        asked.plural() == "services" && asked.is_watch()
    });
    let mut last = String::new();
    for round in 0..10 {
        last = case.create("turns");
        case.create(&format!("stays-{round}"));
        case.api.delete(&service(&case.namespace, "turns"));
    }
    case.is_followed("last");
    case.expect("turns", "NXDOMAIN");
    let again = case.create("turns");
    case.expect("turns", &again);
    case.is_followed("behind");
    assert_eq!(data(case.server, &case.client, &case.name("turns")), again);
    assert!(!last.is_empty());
    println!("F08 ok: nothing that was deleted came back, nothing that was replaced either");
}

#[test]
fn f09_a_list_from_the_past_takes_nothing_back() {
    let Some(case) = Case::start(9, "") else {
        return;
    };
    // Another server's list, as it was before what follows.
    let old = Arc::new(Mutex::new(Vec::new()));
    let keep = old.clone();
    let forget = || status(410, "gone");
    let gone = move |asked: &Asked| asked.plural() == "services" && asked.is_watch();
    let mut refused = once_each(gone, move |_| Play::Answer(410, JSON, forget()));
    let recording = Arc::new(AtomicBool::new(false));
    let recorded = recording.clone();
    case.proxy.play(move |asked| {
        if asked.plural() == "services" && asked.is_streamed_list() {
            let (keep, recorded) = (keep.clone(), recorded.clone());
            return Play::Edit(Box::new(move |piece| {
                // The list's end is a bookmark with this annotation.
                let end = piece.windows(18).any(|text| text == b"initial-events-end");
                if !recorded.load(Ordering::Relaxed) {
                    keep.lock().unwrap().push(piece.clone());
                    recorded.store(end, Ordering::Relaxed);
                }
                pass(piece)
            }));
        }
        refused(asked)
    });
    until("the list is recorded", PATIENCE, || {
        recording.load(Ordering::Relaxed).then_some(())
    });
    case.is_followed("young");
    case.api.delete(&service(&case.namespace, "web"));
    case.expect("web", "NXDOMAIN");

    let from = case.proxy.asked().len();
    let stale = old.lock().unwrap().concat();
    let mut refused = once_each(gone, |_| Play::Answer(410, JSON, status(410, "gone")));
    let mut lists = 0;
    case.proxy.play(move |asked| {
        if asked.plural() == "services" && asked.is_streamed_list() {
            lists += 1;
            if lists == 1 {
                let stale = stale.clone();
                let mut sent = false;
                return Play::Edit(Box::new(move |_| {
                    let first = !std::mem::replace(&mut sent, true);
                    first
                        .then(|| Out::Bytes(stale.clone()))
                        .into_iter()
                        .collect()
                }));
            }
        }
        refused(asked)
    });
    let is_list = |asked: &Asked| asked.plural() == "services" && asked.is_streamed_list();
    let (at, first) = case.proxy.wait_for("a list", from, is_list);
    assert!(first.version() > 0, "{first:?}");
    case.serving
        .wait_for_line(&["Service", "a list of version"]);
    assert_eq!(
        data(case.server, &case.client, &case.name("web")),
        "NXDOMAIN"
    );
    case.proxy.wait_for("another list", at + 1, is_list);
    case.is_followed("after");
    let young = data(case.server, &case.client, &case.name("young"));
    assert_ne!(young, "NXDOMAIN");
    assert_eq!(
        data(case.server, &case.client, &case.name("web")),
        "NXDOMAIN"
    );
    println!("F09 ok: a list from the past was refused, nothing came back and nothing was lost");
}

#[test]
fn f10_kinds_may_come_in_any_order() {
    let Some(case) = Case::start(10, "") else {
        return;
    };
    for last in KINDS {
        let proxy = Proxy::start(&case.api, ADMIN);
        proxy.play(move |asked| {
            if asked.plural() != last || !asked.is_streamed_list() {
                return Play::Pass;
            }
            let mut first = true;
            Play::Edit(Box::new(move |piece| {
                let wait = std::mem::take(&mut first).then_some(Out::Wait);
                wait.into_iter().chain(pass(piece)).collect()
            }))
        });
        let listen = format!("127.0.0.1:{}", free_port());
        let mut serving = Serving::start_with("f10", &proxy.kubeconfig(), &listen, QUICK);
        let server = listen.parse().unwrap();
        for kind in KINDS.into_iter().filter(|kind| *kind != last) {
            // Its list has ended when it watches on its own.
            proxy.wait_for(kind, 0, |asked| asked.plural() == kind && asked.is_watch());
        }
        assert_eq!(
            data(server, &case.client, &case.name("web")),
            "SERVFAIL",
            "{last}"
        );
        proxy.release();
        serving.address();
        expect(server, &case.client, &case.name("web"), &case.web);
    }
    println!("F10 ok: SERVFAIL until the last kind was there, whichever it was");
}

#[test]
fn f11_a_malformed_object_is_named_and_in_nobodys_way() {
    let Some(case) = Case::start(11, "") else {
        return;
    };
    let mut odd = slice(&case.namespace, "odd", "10.244.11.9");
    odd["ports"][0]["port"] = 70_000.into();
    case.api.create(&odd);
    let mut names = slice(&case.namespace, "names", "x");
    names["addressType"] = "FQDN".into();
    names["endpoints"][0]["addresses"] = json!(["web.f01.svc.cluster.local"]);
    case.api.create(&names);
    let line = case
        .serving
        .wait_for_line(&["an object is malformed", "f11/odd-1"]);
    assert!(line.contains("70000"), "{line}");
    case.api.create(&service(&case.namespace, "even"));
    case.api
        .create(&slice(&case.namespace, "even", "10.244.11.7"));
    case.expect("10-244-11-7.even", "10.244.11.7");
    println!("F11 ok: {line}");
}

#[test]
fn f14_a_server_that_is_busy_is_left_alone_and_one_that_refuses_is_quoted() {
    let Some(case) = Case::start(14, "") else {
        return;
    };
    // Busy: one request at a time, and none before the time that it names.
    let mut busy = 0;
    let from = case.proxy.asked().len();
    case.proxy.play(move |asked| {
        if asked.plural() == "services" && asked.is_watch() && busy < 2 {
            busy += 1;
            let headers = "Content-Type: application/json\r\nRetry-After: 1\r\n";
            return Play::Answer(429, headers, status(429, "too many requests"));
        }
        Play::Pass
    });
    let during = case.create("during");
    case.serving
        .wait_for_line(&["Service: the API answers 429 to watch: too many requests"]);
    case.expect("during", &during);
    let lists = |asked: &&Asked| asked.is_streamed_list() || asked.is_list();
    assert_eq!(case.proxy.asked()[from..].iter().filter(lists).count(), 0);

    // Permissions that are taken away, verb by verb, and given back.
    let role = |verbs: &[&str]| {
        let all = ["list", "watch"];
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "reader"},
            "rules": [
                {"apiGroups": [""], "resources": ["namespaces", "nodes", "pods", "services"], "verbs": all},
                {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": verbs},
            ],
        })
    };
    grant(&case.api, "reader");
    case.api.replace(&role(&["list", "watch"]));
    let kubeconfig = case.api.kubeconfig("reader");
    let config = format!("{QUICK}audit_interval = \"2s\"\n");
    let mut serving = Serving::start_with("f14", &kubeconfig, "127.0.0.1:0", &config);
    let server = serving.address();
    case.api.replace(&role(&["watch"]));
    serving
        .wait_for_line(&["the ClusterRole needs the verb list on endpointslices.discovery.k8s.io"]);
    case.api.replace(&role(&["list"]));
    serving.wait_for_line(&[
        "the ClusterRole needs the verb watch on endpointslices.discovery.k8s.io",
    ]);
    assert_eq!(data(server, &case.client, &case.name("web")), case.web);
    case.api.replace(&role(&["list", "watch"]));
    let granted = cluster_ip(&case.api.create(&service(&case.namespace, "granted")));
    case.api
        .create(&slice(&case.namespace, "granted", "10.244.14.7"));
    expect(
        server,
        &case.client,
        &case.name("10-244-14-7.granted"),
        "10.244.14.7",
    );
    expect(server, &case.client, &case.name("granted"), &granted);
    println!("F14 ok: 429 was waited out, a missing verb named, and the snapshot kept");
}

#[test]
fn f14_a_token_that_was_replaced_is_read_again() {
    let Some(case) = Case::start(15, "") else {
        return;
    };
    let folder = Folder::new("token");
    let token = folder.write("token", "first");
    let proxy = Proxy::start(&case.api, ADMIN);
    let user = format!("{{tokenFile: '{}'}}", token.display());
    let mut serving = Serving::start_with("f14", &proxy.kubeconfig_of(&user), "127.0.0.1:0", QUICK);
    let server = serving.address();
    let is =
        |token: &'static str| move |asked: &Asked| asked.authorization == format!("Bearer {token}");
    proxy.wait_for("the first token", 0, is("first"));
    folder.write("token", "second");
    proxy.play(move |asked| {
        if is("second")(asked) {
            Play::Pass
        } else {
            Play::Answer(401, JSON, status(401, "Unauthorized"))
        }
    });
    let fresh = case.create("fresh");
    expect(server, &case.client, &case.name("fresh"), &fresh);
    proxy.wait_for("the second token", 0, is("second"));
    serving.wait_for_line(&["the API does not accept our credentials: Unauthorized"]);
    println!("F14 ok: a token that the server refused was read again from its file");
}

#[test]
fn f15_a_list_that_is_slow_or_breaks_off_is_never_published_in_part() {
    let Some(case) = Case::start(16, "") else {
        return;
    };
    for number in 0..20 {
        case.create(&format!("more-{number}"));
    }
    let broken = |plain: bool| {
        let mut tries = 0;
        move |asked: &Asked| {
            if asked.plural() != "services" {
                return Play::Pass;
            }
            if plain && asked.is_streamed_list() {
                return Play::Answer(422, JSON, status(422, "sendInitialEvents is forbidden"));
            }
            if !(asked.is_streamed_list() || asked.is_list()) {
                return Play::Pass;
            }
            tries += 1;
            let (mut piece_number, cut) = (0, tries == 1);
            Play::Edit(Box::new(move |piece| {
                piece_number += 1;
                let last = if plain { 1 } else { 7 };
                match (piece_number == last, cut) {
                    (true, true) => vec![Out::Bytes(piece[..piece.len() / 2].to_vec()), Out::Cut],
                    // The rest comes when the test has seen that nothing is published.
                    (true, false) => vec![Out::Bytes(piece), Out::Wait],
                    _ => pass(piece),
                }
            }))
        }
    };
    for plain in [false, true] {
        let proxy = Proxy::start(&case.api, ADMIN);
        proxy.play(broken(plain));
        let listen = format!("127.0.0.1:{}", free_port());
        let mut serving = Serving::start_with("f15", &proxy.kubeconfig(), &listen, QUICK);
        let server = listen.parse().unwrap();
        serving.wait_for_line(&["Service: the API's answer broke off"]);
        assert_eq!(data(server, &case.client, &case.name("web")), "SERVFAIL");
        let lists = |asked: &Asked| {
            asked.plural() == "services" && (asked.is_list() || asked.is_streamed_list() && !plain)
        };
        let (first, _) = proxy.wait_for("the first list", 0, lists);
        proxy.wait_for("the second", first + 1, |asked| {
            asked.plural() == "services"
        });
        assert_eq!(
            data(server, &case.client, &case.name("more-19")),
            "SERVFAIL"
        );
        until("the list goes on", PATIENCE, || {
            proxy.release();
            serving.log().contains("listening on").then_some(())
        });
        serving.address();
        assert_ne!(
            data(server, &case.client, &case.name("more-19")),
            "NXDOMAIN"
        );
        assert_eq!(data(server, &case.client, &case.name("web")), case.web);
    }
    println!(
        "F15 ok: a list that broke off in its middle was begun again before anything was answered"
    );
}

#[test]
fn f17_a_garbled_stream_is_asked_for_again() {
    let Some(case) = Case::start(17, "") else {
        return;
    };
    let from = case.proxy.asked().len();
    case.proxy.play(once_each(Asked::is_watch, |_| {
        Play::Edit(Box::new(|mut piece| {
            // The length of the event, or the first of its fields.
            piece[0] ^= 0x40;
            pass(piece)
        }))
    }));
    let is_watch = |asked: &Asked| asked.plural() == "services" && asked.is_watch();
    case.proxy.wait_for("the next watch", from, is_watch);
    case.is_followed("after");
    case.serving
        .wait_for_line(&["Service: the API's answer can't be read"]);
    let unseen = ask(case.server, &case.client, &case.name("web"), RType::A);
    assert_eq!(unseen.rcode, "NOERROR");
    println!("F17 ok: a garbled stream was asked for again from the last version");
}
