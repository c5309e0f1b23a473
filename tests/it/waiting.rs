//! Queries from an address that is not known yet, over sockets.

use crate::decode::decode;
use crate::live::{Live, receive};
use std::time::Duration;
use tenantdns::answer::Transport;
use tenantdns::index::Event;
use tenantdns::model::{Kind, Object, ObjectKey, Phase, Pod};
use tenantdns::testing::{Cluster, query};
use tenantdns::wire::RType;

const SHOP: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: bank}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.1.1, ports: [{name: http, port: 80, protocol: TCP}]}
---
apiVersion: v1
kind: Service
metadata: {name: kubernetes, namespace: default}
spec: {clusterIP: 10.96.0.1, ports: [{name: https, port: 443, protocol: TCP}]}
";

fn live(unknown_wait: &str) -> Live {
    Live::start(&Cluster::new(
        SHOP,
        &format!("[tenancy]\nunknown_wait = {unknown_wait:?}\n"),
    ))
}

fn pod(namespace: &str, address: &str) -> Event {
    let address = address.parse().unwrap();
    Event::Apply(Object::Pod(Pod {
        key: ObjectKey::new(namespace, "new"),
        phase: Phase::Running,
        pod_ip: Some(address),
        pod_ips: vec![address],
        ..Pod::default()
    }))
}

#[test]
fn a_query_waits_for_its_pod_and_is_answered_as_that_pod() {
    let mut live = live("60s");
    let source = "127.1.0.7".parse().unwrap();
    let held = live.send(source, &query("web.shop.svc.cluster.local", RType::A));
    // What everybody sees needs no identity: it overtakes the query that waits.
    let public = query("kubernetes.default.svc.cluster.local", RType::A);
    let answer = decode(&live.ask(source, Transport::Udp, &public));
    assert_eq!(
        answer.answer,
        ["kubernetes.default.svc.cluster.local. 5 A 10.96.0.1"]
    );
    live.index.apply(pod("shop", "127.1.0.7"));
    live.publish();
    let answer = decode(&receive(&held));
    assert_eq!(answer.answer, ["web.shop.svc.cluster.local. 5 A 10.96.1.1"]);
}

#[test]
fn a_query_waits_over_tcp_too() {
    let mut live = live("60s");
    let bytes = query("web.shop.svc.cluster.local", RType::A);
    let source = "127.1.0.8".parse().unwrap();
    // Held behind this one, so that both are in when the pod appears.
    let held = live.send(source, &bytes);
    let answer = std::thread::scope(|scope| {
        let address = live.address;
        let tcp = scope.spawn(move || crate::live::ask_tcp(address, source, &bytes));
        live.index.apply(pod("bank", "127.1.0.8"));
        live.publish();
        tcp.join().unwrap()
    });
    let hidden = decode(&answer);
    assert_eq!((hidden.rcode.as_str(), hidden.aa), ("NXDOMAIN", true));
    assert_eq!(decode(&receive(&held)).rcode, "NXDOMAIN");
}

#[test]
fn a_client_that_nobody_ever_knows_is_told_servfail() {
    let live = live("50ms");
    let bytes = query("web.shop.svc.cluster.local", RType::A);
    for transport in [Transport::Udp, Transport::Tcp] {
        let answer = decode(&live.ask("127.1.0.9".parse().unwrap(), transport, &bytes));
        assert_eq!(
            (answer.rcode.as_str(), answer.aa),
            ("SERVFAIL", false),
            "{transport:?}"
        );
        assert!(answer.authority.is_empty());
    }
}

#[test]
fn an_address_that_changes_hands_is_never_the_old_tenants() {
    let mut live = live("50ms");
    let bytes = query("web.shop.svc.cluster.local", RType::A);
    let source = "127.1.0.10".parse().unwrap();
    let ask = |live: &Live| decode(&live.ask(source, Transport::Udp, &bytes)).rcode;
    live.index.apply(pod("shop", "127.1.0.10"));
    live.publish();
    assert_eq!(ask(&live), "NOERROR");
    live.index
        .apply(Event::Delete(Kind::Pod, ObjectKey::new("shop", "new")));
    live.publish();
    assert_eq!(ask(&live), "SERVFAIL");
    live.index.apply(pod("bank", "127.1.0.10"));
    live.publish();
    assert_eq!(ask(&live), "NXDOMAIN");
}

/// The wait of the defaults is the design's.
#[test]
fn an_unknown_client_waits_two_seconds_by_default() {
    let wait = Cluster::new("", "").config.server.unknown_wait;
    assert_eq!(wait, Duration::from_secs(2));
}
