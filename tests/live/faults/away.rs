//! A server that is away, stands still, or is behind a black hole.

use super::{Case, JSON, QUICK, cluster_ip, once_each, status, wait_for_each};
use crate::apiserver::{ADMIN, ApiServer};
use crate::parts::{namespace, pod, service};
use crate::process::{free_port, peers};
use crate::proxy::{Asked, Out, Play};
use crate::serving::{Serving, data, expect};
use std::net::SocketAddr;
use std::process::Command;
use std::time::Instant;

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
    let began = Instant::now();
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
        let minutes = began.elapsed().as_secs() / 60 + 1;
        assert!(log.matches(&line).count() as u64 <= minutes, "{log}");
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
