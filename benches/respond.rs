//! `respond()` for one query of each sort, over clusters of three sizes with 150,000 pods, tenancy
//! enforced. See benches/README.md.
#![allow(clippy::unwrap_used, reason = "a benchmark ends where it is wrong")]

#[path = "clusters/sizes.rs"]
mod sizes;
#[path = "clusters/snapshots.rs"]
mod snapshots;

use divan::{Bencher, black_box};
use sizes::{SERVICES, enforcing};
use snapshots::snapshot;
use std::net::{IpAddr, Ipv4Addr};
use tenantdns::answer::{Outcome, Transport, respond};
use tenantdns::model::Object;
use tenantdns::testing::{Cluster, objects, query_edns, request};
use tenantdns::wire::{RType, Rcode};

const PODS: usize = 150_000;
/// Services of a namespace.
const PER_NAMESPACE: usize = 10;
/// Endpoints of a headless service: every tenth one.
const ENDPOINTS: usize = 8;

fn main() {
    divan::main();
}

fn address(base: [u8; 4], n: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(u32::from(Ipv4Addr::from(base)) + n as u32))
}

fn namespace(n: usize) -> String {
    format!("team-{n}")
}

fn cluster(services: usize) -> Cluster {
    let namespaces = services / PER_NAMESPACE;
    let mut all: Vec<Object> = (0..namespaces)
        .map(|n| objects::namespace(&namespace(n)))
        .collect();
    all.push(objects::service(
        "default",
        "kubernetes",
        &[address([10, 96, 0, 1], 0)],
    ));
    for n in 0..services {
        let (ns, name) = (
            namespace(n / PER_NAMESPACE),
            format!("service-{}", n % PER_NAMESPACE),
        );
        if n % PER_NAMESPACE == 0 {
            all.push(objects::headless(&ns, &name));
            let endpoints = (0..ENDPOINTS).map(|e| address([10, 128, 0, 0], n * ENDPOINTS + e));
            all.push(objects::slice(&ns, &name, endpoints));
        } else {
            all.push(objects::service(&ns, &name, &[address([10, 96, 1, 0], n)]));
        }
    }
    for n in 0..PODS {
        let ns = namespace(n % namespaces);
        all.push(objects::pod(
            &ns,
            &format!("pod-{n}"),
            address([10, 160, 0, 0], n),
        ));
    }
    enforcing(all)
}

/// Measures one query of the pod of the first namespace, after seeing that it is answered as its
/// name says.
fn bench(
    bencher: Bencher<'_, '_>,
    services: usize,
    source: IpAddr,
    ask: (&str, RType),
    want: (Rcode, usize),
) {
    let snapshot = snapshot(services, cluster);
    let bytes = query_edns(ask.0, ask.1, 1232);
    let request = request(source, Transport::Udp, &bytes);
    let mut out = [0u8; 1280];
    match respond(snapshot, &request, &mut out) {
        Outcome::Reply(_, verdict) => {
            let answers = usize::from(u16::from_be_bytes([out[6], out[7]]));
            assert_eq!((verdict.rcode, answers), want, "{}", ask.0);
        }
        other => panic!("{}: {other:?}", ask.0),
    }
    bencher.bench_local(|| {
        let outcome = respond(
            black_box(snapshot),
            black_box(&request),
            black_box(&mut out),
        );
        matches!(outcome, Outcome::Reply(..))
    });
}

fn pod() -> IpAddr {
    address([10, 160, 0, 0], 0)
}

macro_rules! queries {
    ($($(#[$doc:meta])* $bench:ident: $source:expr, $name:literal, $rtype:ident, $rcode:ident, $answers:literal;)*) => {
        $(
            $(#[$doc])*
            #[divan::bench(args = SERVICES)]
            fn $bench(bencher: Bencher<'_, '_>, services: usize) {
                bench(bencher, services, $source, ($name, RType::$rtype), (Rcode::$rcode, $answers));
            }
        )*
    };
}

queries! {
    a_hit: pod(), "service-1.team-0.svc.cluster.local", A, NOERROR, 1;
    headless: pod(), "service-0.team-0.svc.cluster.local", A, NOERROR, 8;
    nxdomain_by_search_list: pod(), "www.example.com.team-0.svc.cluster.local", A, NXDOMAIN, 0;
    srv: pod(), "_http._tcp.service-1.team-0.svc.cluster.local", SRV, NOERROR, 1;
    ptr: pod(), "1.1.96.10.in-addr.arpa", PTR, NOERROR, 1;
    denied: pod(), "service-1.team-1.svc.cluster.local", A, NXDOMAIN, 0;
    unknown_client: address([203, 0, 113, 9], 0), "service-1.team-0.svc.cluster.local", A, SERVFAIL, 0;
}
