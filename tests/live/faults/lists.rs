//! Lists that have to be made again, come late, break off or are too old.

use super::{Case, JSON, KINDS, QUICK, once_each, pass, status, wait_for_each};
use crate::apiserver::ADMIN;
use crate::parts::service;
use crate::process::{free_port, until};
use crate::proxy::{Asked, Out, Play, Proxy};
use crate::serving::{PATIENCE, Serving, data, expect};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

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
            // A plain list comes as a whole; after a streamed one that broke off there is one, too.
            let last = if asked.is_list() { 1 } else { 7 };
            Play::Edit(Box::new(move |piece| {
                piece_number += 1;
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
