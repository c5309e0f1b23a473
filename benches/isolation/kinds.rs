//! Queries of each kind that a server gets.

use crate::cluster::{CLIENT, Random, SERVICES, Size, cluster_ip, reverse, service, tenants};
use std::net::{IpAddr, Ipv4Addr};
use tenantdns::wire::RType;

/// An address that is nobody's.
pub(crate) const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 9, 0, 1));

/// Queries of one sort.
pub(crate) struct Kind {
    /// What they are.
    pub(crate) name: &'static str,
    /// Who asks.
    pub(crate) from: IpAddr,
    /// The type that is asked for.
    pub(crate) rtype: RType,
    /// The response code that each gets.
    pub(crate) rcode: u8,
    /// The names.
    pub(crate) names: Vec<String>,
}

/// Returns queries of each kind that a server gets: name of the kind, who asks, and what.
pub(crate) fn kinds(size: Size, count: usize) -> Vec<Kind> {
    let mut random = Random(2);
    let mut kinds = Vec::new();
    let mut kind = |name, from, rtype, rcode, one: &dyn Fn(&mut Random) -> String| {
        let names = (0..count).map(|_| one(&mut random)).collect();
        kinds.push(Kind {
            name,
            from,
            rtype,
            rcode,
            names,
        });
    };
    let own = |service: &str| format!("{service}.{}.svc.cluster.local.", tenants(0));
    let one = |random: &mut Random| service(random.below(SERVICES - 1));
    kind("A, one record", CLIENT, RType::A, 0, &|random| {
        own(&one(random))
    });
    kind(
        "A, a name of the search list",
        CLIENT,
        RType::A,
        3,
        &|random| own(&random.letters("example.org")),
    );
    kind("SRV, one record", CLIENT, RType::SRV, 0, &|random| {
        own(&format!("_http._tcp.{}", one(random)))
    });
    kind("PTR, one record", CLIENT, RType::PTR, 0, &|random| {
        reverse(cluster_ip(random.below(SERVICES - 1))).0
    });
    kind("A, ten records", CLIENT, RType::A, 0, &|_| {
        own(&service(SERVICES - 1))
    });
    kind("A, hidden", CLIENT, RType::A, 3, &|random| {
        let ns = 1 + random.below(size.namespaces - 1);
        format!("{}.{}.svc.cluster.local.", one(random), tenants(ns))
    });
    kind("A, from nobody", NOBODY, RType::A, 2, &|random| {
        own(&one(random))
    });
    kinds
}
