//! Spans of the running program: what a collector gets of a query, and that none of a collector's faults
//! costs a query.

#[path = "spans/collector.rs"]
mod collector;

use crate::live::receive;
use crate::serving::{Folder, Serving, Written};
use collector::{Collector, Posted, Say};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use socket2::{Domain, Socket, Type};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::mpsc::channel;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tenantdns::testing::{query, self_signed};
use tenantdns::wire::RType;

/// How long a fact is waited for. None is expected to take it.
const PATIENCE: Duration = Duration::from_secs(60);

const NAME: &str = "web.shop.svc.cluster.local.";

const LOST: &str = "tenantdns_unwritten_answers_total{kind=\"spans\"}";

/// Beside the cluster, names that fail.
const BLOCK: &str =
    "[[template]]\nzones = [\"fails.example\"]\nrcode = \"SERVFAIL\"\n[kubernetes]\n";

fn anywhere() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// Returns a configuration that sends all queries to a collector.
fn written(to: SocketAddr, more: &str) -> Written {
    let to = format!("[opentelemetry]\nto = \"http://{to}\"\nsample = 1.0\n{more}");
    Written {
        threads: 1,
        ..Written::new(&format!("{BLOCK}{to}"))
    }
}

/// Asks from the pod shop/web-0, and waits for the answers.
fn ask(serving: &Serving, name: &str, rtype: RType, count: usize) {
    let socket = UdpSocket::bind("127.0.0.11:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(serving.dns).unwrap();
    for _ in 0..count {
        socket.send(&query(name, rtype)).unwrap();
        assert!(!receive(&socket).is_empty());
    }
}

/// The spans of a request.
fn spans(posted: &Posted) -> Vec<Span> {
    let resources = posted.request.resource_spans.iter();
    let scopes = resources.flat_map(|resource| &resource.scope_spans);
    scopes.flat_map(|scope| scope.spans.clone()).collect()
}

fn ids(spans: &[Span]) -> BTreeSet<Vec<u8>> {
    spans.iter().map(|span| span.span_id.clone()).collect()
}

/// Waits for so many spans, in as many requests as they come in.
fn wait_for(collector: &Collector, count: usize) -> Vec<Span> {
    let mut all = Vec::new();
    while all.len() < count {
        all.extend(spans(&collector.posted()));
    }
    assert_eq!(all.len(), count);
    all
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<&str, String> {
    let text = |pair: &KeyValue| match pair.value.as_ref().unwrap().value.as_ref().unwrap() {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    pairs.iter().map(|pair| (&*pair.key, text(pair))).collect()
}

fn since_1970() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_nanos()).unwrap()
}

#[test]
fn a_query_is_a_span_that_says_who_asked_what_and_what_was_said() {
    let collector = Collector::start(anywhere(), None);
    let folder = Folder::new("spans");
    let serving = Serving::start(&folder, &written(collector.address, "service = \"dns\"\n"));
    let before = since_1970();
    ask(&serving, "Web.Shop.svc.cluster.local.", RType::A, 1);
    ask(&serving, "www.fails.example.", RType(4000), 1);
    let first = collector.posted();
    for part in [
        "post /v1/traces http/1.1\r\n",
        "content-type: application/x-protobuf\r\n",
        &format!("host: {}\r\n", collector.address),
    ] {
        assert!(first.head.contains(part), "{part} is not in {}", first.head);
    }
    let resource = first.request.resource_spans[0].resource.clone().unwrap();
    let sender = attributes(&resource.attributes);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(
        sender,
        BTreeMap::from([
            ("service.name", "dns".to_owned()),
            ("service.instance.id", host.trim().to_owned()),
            ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ])
    );
    let mut all = spans(&first);
    if all.len() < 2 {
        all.extend(wait_for(&collector, 1));
    }
    let [found, failed] = &all[..] else {
        panic!("{all:?}")
    };
    let server = format!("dns://{}", serving.dns);
    for (span, name, status, mut expected) in [
        (
            found,
            "DNS A",
            0,
            BTreeMap::from([
                ("dns.question.name", "Web.Shop.svc.cluster.local"),
                ("dns.question.type", "A"),
                ("dns.response_code", "NOERROR"),
                ("tenantdns.plugin", "kubernetes"),
            ]),
        ),
        (
            failed,
            "DNS other",
            2,
            BTreeMap::from([
                ("dns.question.name", "www.fails.example"),
                ("dns.question.type", "TYPE4000"),
                ("dns.response_code", "SERVFAIL"),
                ("error.type", "SERVFAIL"),
                ("tenantdns.plugin", "template"),
            ]),
        ),
    ] {
        assert_eq!((&*span.name, span.kind), (name, 2));
        let said = span.status.as_ref().map_or(0, |status| status.code);
        assert_eq!(said, status);
        assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8));
        assert!(span.parent_span_id.is_empty());
        assert_eq!(span.flags, 1);
        let [start, end] = [span.start_time_unix_nano, span.end_time_unix_nano];
        assert!(before <= start && start <= end && end <= since_1970());
        expected.extend([
            ("dns.question.class", "IN"),
            ("network.protocol.name", "dns"),
            ("network.transport", "udp"),
            ("network.type", "ipv4"),
            ("network.peer.address", "127.0.0.11"),
            ("client.address", "127.0.0.11"),
            ("server.address", "127.0.0.1"),
            ("tenantdns.server", &server),
            ("tenantdns.client.kind", "pod"),
            ("tenantdns.client.namespace", "shop"),
            ("tenantdns.client.pod", "web-0"),
            ("tenantdns.client.tenant", "shop"),
        ]);
        let mut attributes = attributes(&span.attributes);
        let ports = ["client.port", "network.peer.port"].map(|key| attributes.remove(key));
        assert!(ports[0].is_some() && ports[0] == ports[1], "{ports:?}");
        let size = attributes.remove("tenantdns.response.size").unwrap();
        assert!((30..=512).contains(&size.parse::<u16>().unwrap()), "{size}");
        let expected = expected
            .into_iter()
            .map(|(key, text)| (key, text.to_owned()));
        assert_eq!(attributes, expected.collect());
    }
    assert_ne!(found.trace_id, failed.trace_id);
    assert_ne!(found.span_id, failed.span_id);
}

#[test]
fn a_collector_that_comes_late_gets_what_there_was_and_what_is_left_comes_at_the_end() {
    let first = Collector::start(anywhere(), None);
    let folder = Folder::new("spans-late");
    // Somebody's place, where nobody listens yet.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&nowhere.into()).unwrap();
    let place = socket.local_addr().unwrap().as_socket().unwrap();
    let serving = Serving::start(&folder, &written(place, ""));
    ask(&serving, NAME, RType::A, 3);
    serving.until("spans are not taken; trying again");
    ask(&serving, NAME, RType::A, 2);
    socket.listen(16).unwrap();
    let late = Collector::start(socket.into(), None);
    let all = wait_for(&late, 5);
    assert_eq!(ids(&all).len(), 5);
    serving.until("spans are taken");

    // Another collector by another configuration: the one before gets what was for it.
    ask(&serving, NAME, RType::A, 1);
    serving.configure(&folder, &written(first.address, ""));
    serving.signal("HUP");
    serving.until("is in force");
    assert_eq!(wait_for(&late, 1).len(), 1);
    ask(&serving, NAME, RType::A, 1);
    wait_for(&first, 1);
    // No span where no table is.
    serving.configure(
        &folder,
        &Written {
            threads: 1,
            ..Written::new(BLOCK)
        },
    );
    serving.signal("HUP");
    serving.until("is in force");
    ask(&serving, NAME, RType::A, 1);
    serving.configure(&folder, &written(first.address, ""));
    serving.signal("HUP");
    serving.until("is in force");
    ask(&serving, NAME, RType::AAAA, 1);
    let (status, log) = serving.terminate();
    assert_eq!(status, Some(0), "{log}");
    let last = wait_for(&first, 1);
    assert_eq!(last[0].name, "DNS AAAA");
    assert!(first.is_idle() && late.is_idle());
}

#[test]
fn what_a_collector_does_not_take_now_comes_again_and_what_it_refuses_is_counted() {
    let collector = Collector::start(anywhere(), None);
    let folder = Folder::new("spans-again");
    let serving = Serving::start(&folder, &written(collector.address, ""));
    // It has three requests that it does not want now, each in its way.
    collector.say([
        Say::This("503 Service Unavailable", "retry-after: 1\r\n", b""),
        Say::This("429 Too Many Requests", "retry-after: 0\r\n", b"busy"),
        Say::Nothing,
    ]);
    ask(&serving, NAME, RType::A, 2);
    let first = spans(&collector.posted());
    for _ in 0..3 {
        let again = spans(&collector.posted());
        assert!(ids(&first).is_subset(&ids(&again)));
    }
    assert_eq!(serving.value(LOST), 0.0);

    let rejected = b"\x0a\x0b\x08\x01\x12\x07invalid";
    for (say, expected) in [
        (Say::This("400 Bad Request", "", b""), 1.0),
        (Say::This("200 OK", "", rejected), 2.0),
    ] {
        collector.say([say]);
        ask(&serving, NAME, RType::A, 1);
        wait_for(&collector, 1);
        serving.wait_for(LOST, |lost| lost == expected);
    }
    // What was refused does not come again.
    ask(&serving, NAME, RType::AAAA, 1);
    assert_eq!(wait_for(&collector, 1)[0].name, "DNS AAAA");
}

#[test]
fn a_collector_that_does_not_answer_keeps_nobody() {
    let collector = Collector::start(anywhere(), None);
    let folder = Folder::new("spans-slow");
    let serving = Serving::start(&folder, &written(collector.address, ""));
    let (go_on, until) = channel();
    collector.say([Say::Wait(until)]);
    ask(&serving, NAME, RType::A, 1);
    wait_for(&collector, 1);
    // More than are kept.
    ask(&serving, NAME, RType::A, 12_000);
    serving.wait_for(LOST, |lost| lost > 0.0);
    go_on.send(()).unwrap();
    assert!(!spans(&collector.posted()).is_empty());
}

#[test]
fn over_tls_a_collector_is_one_that_the_authority_vouches_for() {
    let pair = self_signed("collector");
    let collector = Collector::start(anywhere(), Some(&pair));
    let folder = Folder::new("spans-tls");
    let port = collector.address.port();
    let configured = |ca: &str| {
        let to = format!("[opentelemetry]\nto = \"https://localhost:{port}/own\"\nsample = 1.0\n");
        Written {
            threads: 1,
            ..Written::new(&format!("{BLOCK}{to}{ca}"))
        }
    };
    let serving = Serving::start(&folder, &configured(""));
    ask(&serving, NAME, RType::A, 1);
    let line = serving.until("spans are not taken; trying again");
    assert!(line.contains("certificate"), "{line}");
    assert!(collector.is_idle());
    let ca = folder.path("ca.pem");
    std::fs::write(&ca, &pair.certificate).unwrap();
    serving.configure(
        &folder,
        &configured(&format!("ca = \"{}\"\n", ca.display())),
    );
    serving.signal("HUP");
    serving.until("is in force");
    ask(&serving, NAME, RType::A, 1);
    assert!(
        collector
            .posted()
            .head
            .starts_with("post /own http/1.1\r\n")
    );
}
