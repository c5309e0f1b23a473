//! Events that are lost, come twice, late or garbled, or tell of malformed objects.

use super::{Case, JSON, once_each, pass, status};
use crate::parts::{service, slice};
use crate::proxy::{Asked, Out, Play};
use crate::serving::{ask, data};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tenantdns::wire::RType;

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
