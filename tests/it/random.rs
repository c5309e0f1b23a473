//! Random clusters over few names and few addresses, so that objects meet: services that share
//! addresses, slices that name other tenants' pods, pods that claim each other's address.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use tenantdns::answer::Transport;
use tenantdns::model::{
    Endpoint, EndpointPort, EndpointSlice, External, Kind, Labels, Namespace, Node, Object,
    ObjectKey, Phase, Pod, Port, Service, ServiceImport, ServiceKind, SliceOwner,
};
use tenantdns::testing::{query, query_edns};
use tenantdns::wire::RType;

/// Namespaces: tenants', shared, the platform's, reserved ones, and one named like a wildcard.
pub(crate) const NAMESPACES: [&str; 11] = [
    "a1",
    "a2",
    "b1",
    "b2",
    "u1",
    "shared",
    "kube-system",
    "default",
    "any",
    "svc",
    "com",
];
pub(crate) const SERVICES: [&str; 7] = ["web", "db", "hs", "any", "x", "kubernetes", "kube-dns"];
const HOSTNAMES: [&str; 3] = ["pod-0", "Pod-1", "any"];
const ZONES: [&str; 4] = ["us-1a", "us-1a", "eu.b", "EU.B"];
/// The server's own address; pods and slices may have it too.
pub(crate) const OWN: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 244, 0, 2));

/// Settings under which the clusters are served, beside the mode.
pub(crate) const TENANCY: &str = "tenant_from = [{ label = \"tenant\" }, { label = \"owner\" }]\n\
     platform = { namespaces = [\"kube-system\"], tenants = [\"ops\"] }\n\
     shared = { namespaces = [\"shared\"], services = [\"u1/web\", \"default/kubernetes\"] }\n";

/// Exceptions under which they are served: nothing, or tables behind [`TENANCY`].
pub(crate) const EXCEPTIONS: [&str; 3] = [
    "",
    r#"
[[tenancy.rule]]
name = "b sees two of a's"
effect = "allow"
from = { tenants = ["b"] }
to = { services = ["a1/web", "a2/db"] }
[[tenancy.rule]]
name = "nobody sees what is inner"
effect = "deny"
from = { tenants = ["*"], nodes = true, unknown = true }
to = { namespaces = ["u1", "shared", "a1"], service_selector = "tier=inner" }
[[tenancy.rule]]
name = "one for those without a namespace"
effect = "allow"
from = { nodes = true, unknown = true }
to = { services = ["b1/web"] }
[[tenancy.rule]]
name = "strangers do without the shared"
effect = "deny"
from = { unknown = true }
to = { namespaces = ["shared"] }
"#,
    r#"
[[tenancy.rule]]
name = "by label"
effect = "allow"
from = { selector = "owner=a" }
to = { tenants = ["b"], selector = "tenantdns.io/visibility=private" }
[[tenancy.rule]]
name = "an office"
effect = "allow"
from = { cidrs = ["203.0.113.0/28"], namespaces = ["u1"] }
to = { namespaces = ["svc", "b2"] }
[[tenancy.rule]]
name = "not even what is mandatory"
effect = "deny"
from = { namespaces = ["b1"] }
to = { services = ["default/kubernetes", "shared/web", "b2/web"] }
[[tenancy.client]]
cidr = "203.0.113.0/24"
tenant = "a"
"#,
];

/// Runs a property `cases` times. A failure is printed with its smallest case, and its seed is kept
/// next to the test.
pub(crate) fn check<S: Strategy>(
    cases: u32,
    file: &'static str,
    strategy: &S,
    test: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("seeds"))),
        source_file: Some(file),
        max_shrink_iters: 4096,
        ..Config::default()
    });
    if let Err(error) = runner.run(strategy, test) {
        panic!("{error}");
    }
}

// === addresses ===

pub(crate) fn cluster_address(n: u8) -> IpAddr {
    if n < 6 {
        IpAddr::V4(Ipv4Addr::new(10, 96, 0, n))
    } else {
        IpAddr::V6(Ipv6Addr::new(0xfd00, 0x96, 0, 0, 0, 0, 0, u16::from(n)))
    }
}

pub(crate) fn pod_address(n: u8) -> IpAddr {
    match n {
        0..8 => IpAddr::V4(Ipv4Addr::new(10, 244, 0, n)),
        8..12 => IpAddr::V6(Ipv6Addr::new(0xfd00, 0x10, 0, 0, 0, 0, 0, u16::from(n))),
        _ => IpAddr::V4(Ipv4Addr::new(192, 168, 0, n)),
    }
}

/// An address at which services are reached from outside; several have it, and it may be a pod's.
pub(crate) fn outside_address(n: u8) -> IpAddr {
    match n {
        0..4 => IpAddr::V4(Ipv4Addr::new(198, 51, 100, n)),
        4..6 => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(n))),
        _ => pod_address(n - 6),
    }
}

/// Addresses that any object may have.
pub(crate) fn addresses() -> Vec<IpAddr> {
    let outside = ["8.8.8.8", "fd00:77::1"].map(|a| a.parse().unwrap());
    (0..9)
        .map(cluster_address)
        .chain((0..15).map(pod_address))
        .chain((0..6).map(outside_address))
        .chain(outside)
        .chain([pod_of("a1"), pod_of("b1"), pod_of("kube-system")])
        .collect()
}

/// The address of the pod that every cluster has in these namespaces.
pub(crate) fn pod_of(namespace: &str) -> IpAddr {
    let last = NAMESPACES.iter().position(|n| *n == namespace).unwrap();
    IpAddr::V4(Ipv4Addr::new(10, 244, 9, u8::try_from(last).unwrap()))
}

pub(crate) fn reverse(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
        }
        IpAddr::V6(v6) => {
            let nibbles = v6.octets().into_iter().rev().flat_map(|o| [o & 15, o >> 4]);
            let text: String = nibbles.map(|n| format!("{n:x}.")).collect();
            format!("{text}ip6.arpa.")
        }
    }
}

// === objects ===

fn key() -> impl Strategy<Value = ObjectKey> {
    (select(&NAMESPACES[..]), select(&SERVICES[..])).prop_map(|(ns, name)| ObjectKey::new(ns, name))
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    let pairs = pairs.iter().filter(|(_, value)| !value.is_empty());
    pairs.map(|(k, v)| (*k, *v)).collect()
}

fn namespace() -> impl Strategy<Value = Object> {
    let tenant = select(vec!["", "a", "a", "b", "b", "c", "ops"]);
    let owner = select(vec!["", "", "", "a", "b"]);
    let visibility = select(vec!["", "", "", "private", "shared"]);
    let role = select(vec!["", "", "", "platform"]);
    let imports = select(vec![
        "",
        "",
        "tenant:a",
        "tenant:b, service:u1/web",
        "service:a1/db",
    ]);
    let mode = select(vec!["", "", "", "enforce"]);
    (
        select(&NAMESPACES[..]),
        tenant,
        owner,
        visibility,
        role,
        any::<bool>(),
        (imports, mode),
    )
        .prop_map(
            |(name, tenant, owner, visibility, role, usual, (imports, mode))| {
                let tenant = match name.as_bytes() {
                    [t @ (b'a' | b'b'), b'1'..=b'9'] if usual => {
                        if *t == b'a' {
                            "a"
                        } else {
                            "b"
                        }
                    }
                    _ => tenant,
                };
                Object::Namespace(Namespace {
                    name: name.into(),
                    labels: labels(&[
                        ("tenant", tenant),
                        ("owner", if usual { "" } else { owner }),
                        ("tenantdns.io/visibility", visibility),
                        ("tenantdns.io/role", role),
                        ("tenantdns.io/mode", mode),
                    ]),
                    annotations: labels(&[("tenantdns.io/import-from", imports)]),
                })
            },
        )
}

fn port() -> impl Strategy<Value = Port> {
    select(vec![
        ("http", "TCP", 80),
        ("dns", "UDP", 53),
        ("dns", "TCP", 53),
        ("any", "TCP", 7),
        ("", "", 9),
    ])
    .prop_map(|(name, protocol, number)| Port {
        name: name.into(),
        protocol: protocol.into(),
        number,
    })
}

/// Where a service is reached from outside: nowhere, mostly.
fn externals() -> impl Strategy<Value = Option<Box<Vec<External>>>> {
    let one = prop_oneof![
        4 => (0u8..9).prop_map(|n| External::Address(outside_address(n))),
        1 => alias().prop_map(External::Hostname),
        1 => Just(External::Hostname("web.a1.lb.test".into())),
    ];
    let some = prop::collection::vec(one, 1..4).prop_map(Box::new);
    prop::option::weighted(0.4, some)
}

fn alias() -> impl Strategy<Value = Box<str>> {
    let inside = (
        select(&SERVICES[..]),
        select(&NAMESPACES[..]),
        any::<Index>(),
    )
        .prop_map(|(service, ns, form)| {
            let name = format!("{service}.{ns}.svc.cluster.local");
            match form.index(6) {
                0 => format!("{name}."),
                1 => name.to_uppercase(),
                2 => format!("pod-0.{name}"),
                3 => format!("*.{name}"),
                _ => name,
            }
        });
    let outside = select(vec![
        "example.org".to_owned(),
        "ns.dns.cluster.local".to_owned(),
        "cluster.local".to_owned(),
        "a1.svc.cluster.local".to_owned(),
        "*.b1.svc.cluster.local".to_owned(),
        "10-244-0-1.b1.pod.cluster.local".to_owned(),
        "1.0.96.10.in-addr.arpa".to_owned(),
        "10.0.0.1".to_owned(),
        format!("{}.cluster.local", "x".repeat(64)),
        format!("{}cluster.local", "abcdefg.".repeat(31)),
    ]);
    prop_oneof![4 => inside, 1 => outside].prop_map(Into::into)
}

fn service() -> impl Strategy<Value = Object> {
    let cluster = prop::collection::vec((0u8..9).prop_map(cluster_address), 0..3);
    let kind = prop_oneof![
        4 => cluster.prop_map(ServiceKind::ClusterIp),
        2 => Just(ServiceKind::Headless),
        2 => alias().prop_map(ServiceKind::ExternalName),
    ];
    (
        key(),
        kind,
        prop::collection::vec(port(), 0..3),
        prop::bool::weighted(0.2),
        exports(),
        externals(),
    )
        .prop_map(|(key, kind, ports, dns, (tier, annotations), external)| {
            Object::Service(Service {
                key,
                labels: labels(&[
                    ("k8s-app", if dns { "kube-dns" } else { "" }),
                    ("tier", tier),
                ]),
                annotations,
                kind,
                ports: ports.into(),
                external,
            })
        })
}

/// What a service's owner says of who may see it: a label that rules select by, and annotations.
fn exports() -> impl Strategy<Value = (&'static str, Labels)> {
    let tier = select(vec!["", "", "inner"]);
    let ours = select(vec![
        "",
        "",
        "",
        "tenant:a",
        "tenant:b, ns:u1",
        "ns:b1,ns:u2",
        "ns:a1, *",
        ".",
        "ns:b1, .",
    ]);
    let istio = select(vec!["", "", "", "", "*", ".", "~", ".,b1", "a2"]);
    (tier, ours, istio).prop_map(|(tier, ours, istio)| {
        let annotations = [
            ("tenantdns.io/export-to", ours),
            ("networking.istio.io/exportTo", istio),
        ];
        (tier, labels(&annotations))
    })
}

fn import() -> impl Strategy<Value = Object> {
    let ips = prop::collection::vec((0u8..9).prop_map(cluster_address), 0..2);
    (
        key(),
        prop::option::of(ips),
        prop::collection::vec(port(), 0..2),
    )
        .prop_map(|(key, ips, ports)| {
            Object::ServiceImport(ServiceImport {
                key,
                labels: Labels::new(),
                ips,
                ports: ports.into(),
            })
        })
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let address = prop_oneof![
        6 => (0u8..15).prop_map(pod_address),
        1 => (0u8..9).prop_map(cluster_address),
        1 => select(vec![OWN, pod_of("a1"), pod_of("b1"), "8.8.8.8".parse().unwrap()]),
    ];
    (
        prop::collection::vec(address, 1..3),
        prop::bool::weighted(0.8),
        prop::option::of(select(&HOSTNAMES[..])),
        prop::option::of(select(&ZONES[..])),
    )
        .prop_map(|(addresses, ready, hostname, zone)| Endpoint {
            addresses,
            ready,
            hostname: hostname.map(Into::into),
            target: None,
            topology_zone: zone.map(Into::into),
        })
}

fn slice() -> impl Strategy<Value = Object> {
    let owner = prop_oneof![
        8 => select(&SERVICES[..]).prop_map(|s| SliceOwner::Service(s.into())),
        1 => select(&SERVICES[..]).prop_map(|s| SliceOwner::Import(s.into(), "c1".into())),
        1 => Just(SliceOwner::Nobody),
    ];
    let number = |port: Port, set| EndpointPort {
        name: port.name,
        protocol: port.protocol,
        number: if set { Some(port.number) } else { None },
    };
    let port = (port(), prop::bool::weighted(0.9)).prop_map(move |(port, set)| number(port, set));
    (
        key(),
        owner,
        prop::collection::vec(endpoint(), 0..4),
        prop::collection::vec(port, 0..3),
    )
        .prop_map(|(key, owner, endpoints, ports)| {
            Object::EndpointSlice(EndpointSlice {
                triggered: None,
                key,
                labels: Labels::new(),
                owner,
                endpoints: endpoints.into(),
                ports: ports.into(),
            })
        })
}

fn pod() -> impl Strategy<Value = Object> {
    let phase = select(vec![
        Phase::Pending,
        Phase::Running,
        Phase::Running,
        Phase::Running,
        Phase::Succeeded,
        Phase::Failed,
        Phase::Unknown,
    ]);
    let rare = || prop::bool::weighted(0.15);
    let address = prop_oneof![
        8 => (0u8..15).prop_map(pod_address),
        1 => select(vec![pod_of("a1"), pod_of("b1")]),
    ];
    (
        key(),
        phase,
        prop::collection::vec(address, 0..3),
        // Manifests may name an address that is none of the list.
        prop::option::weighted(0.1, (0u8..12).prop_map(pod_address)),
        select(vec!["", "n1", "n2"]),
        (rare(), rare(), rare(), rare()),
    )
        .prop_map(
            |(key, phase, pod_ips, pod_ip, node, (host_network, terminating, ended, gone))| {
                Object::Pod(Pod {
                    key,
                    phase,
                    host_network,
                    node: node.into(),
                    pod_ip: pod_ip.or_else(|| pod_ips.first().copied()),
                    pod_ips,
                    terminating,
                    containers_ended: ended,
                    sandbox_gone: gone,
                    ..Pod::default()
                })
            },
        )
}

fn node() -> impl Strategy<Value = Object> {
    let address = prop_oneof![
        4 => (12u8..15).prop_map(pod_address),
        1 => (0u8..12).prop_map(pod_address),
    ];
    (
        select(vec!["n1", "n2"]),
        prop::collection::vec(address, 0..3),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(name, addresses, bridge, ready)| {
            let range = ["10.244.0.0/24", "fd00:10::/64"];
            let ranges = range.iter().filter(|_| bridge);
            Object::Node(Node {
                name: name.into(),
                annotations: Labels::new(),
                addresses,
                pod_cidrs: ranges.map(|r| r.parse().unwrap()).collect(),
                ready,
                boot_id: Box::default(),
            })
        })
}

/// Reads the one object of a manifest.
fn manifest(text: &str) -> Object {
    let (mut objects, diagnostics) = tenantdns::manifests::parse_str(text);
    assert!(diagnostics.is_empty(), "{text}: {diagnostics:?}");
    objects.pop().unwrap()
}

fn policy(kind: &str, meta: &str, spec: &str) -> Object {
    manifest(&format!(
        "{{apiVersion: tenantdns.io/v1alpha1, kind: {kind}, metadata: {{{meta}}}, spec: {{{spec}}}}}"
    ))
}

/// An administrator's exception, which may be malformed in parts.
fn grant() -> impl Strategy<Value = Object> {
    let effect = select(vec!["Allow", "Allow", "Deny", "Deny", "deny"]);
    let from = select(vec![
        r#"tenants: ["*"]"#,
        "tenants: [b, c]",
        "namespaces: [u1]",
        "namespaces: [a2], nodes: {}",
        "namespaceSelector: {matchLabels: {owner: a}}",
        "namespaceSelector: {matchExpressions: [{key: owner, operator: Exists}]}, unknown: {}",
        "cidrs: [203.0.113.0/28]",
        "cidrs: [203.0.113.0/28, 203.0.113.0/8]",
        "",
        "pods: {}",
    ]);
    let to = select(vec![
        r#"tenants: ["*"]"#,
        r#"tenants: ["*"], serviceSelector: {matchLabels: {tier: inner}}"#,
        "tenants: [a], namespaces: [u1]",
        "namespaces: [svc]",
        "namespaces: [com, b1], serviceSelector: {matchLabels: {tier: inner}}",
        "services: [a1/web, b2/db, svc/web]",
        "services: [default/kubernetes]",
        "namespaceSelector: {matchLabels: {tenantdns.io/visibility: private}}",
        "namespaces: [a1], serviceSelector: {matchLabels: {tier: [inner]}}",
        "services: [web]",
    ]);
    (
        select(vec!["g1", "g2"]),
        effect,
        prop::collection::vec(from, 0..3),
        prop::collection::vec(to, 0..3),
    )
        .prop_map(|(name, effect, from, to)| {
            let list = |list: Vec<&str>| {
                let entries = list.iter().map(|entry| format!("{{{entry}}}"));
                entries.collect::<Vec<_>>().join(", ")
            };
            let (from, to) = (list(from), list(to));
            let spec = format!("effect: {effect}, from: [{from}], to: [{to}]");
            policy("DnsGrant", &format!("name: {name}"), &spec)
        })
}

/// What an owner gives away, or a receiver agrees to.
fn offer() -> impl Strategy<Value = Object> {
    let to = select(vec![
        "{tenant: a}",
        "{tenant: b}, {namespace: u1}",
        "{namespace: b1}, {namespace: u2}",
        r#"{tenant: "*"}, {namespace: a1}"#,
        r#"{tenant: "*"}"#,
    ]);
    let from = select(vec![
        "{tenant: a}",
        "{tenant: b}, {service: u1/web}",
        "{service: a1/db}",
        "{service: web}",
    ]);
    (
        select(&NAMESPACES[..]),
        select(vec!["e1", "e2"]),
        prop::collection::vec(select(&SERVICES[..]), 1..3),
        any::<bool>(),
        (to, from),
    )
        .prop_map(|(namespace, name, services, export, (to, from))| {
            let meta = format!("namespace: {namespace}, name: {name}");
            let services = services.join(", ");
            match export {
                true => policy(
                    "DnsExport",
                    &meta,
                    &format!("services: [{services}], to: [{to}]"),
                ),
                false => policy("DnsImport", &meta, &format!("from: [{from}]")),
            }
        })
}

/// One object of any kind, nodes included.
pub(crate) fn object() -> impl Strategy<Value = Object> {
    prop_oneof![
        1 => grant(),
        2 => offer(),
        6 => namespace(),
        12 => service(),
        12 => slice(),
        3 => import(),
        9 => pod(),
        3 => node(),
    ]
}

/// The objects of a cluster: the last of those with one key, every namespace that is mentioned, and
/// the pods of [`pod_of`].
pub(crate) fn cluster(objects: impl IntoIterator<Item = Object>) -> Vec<Object> {
    let mut by_key: BTreeMap<(Kind, ObjectKey), Object> = BTreeMap::new();
    let mut all = Vec::new();
    for namespace in ["a1", "b1", "kube-system"] {
        let tenant = if namespace == "kube-system" {
            ""
        } else {
            &namespace[..1]
        };
        all.push(Object::Namespace(Namespace {
            name: namespace.into(),
            labels: labels(&[("tenant", tenant)]),
            annotations: Labels::new(),
        }));
        all.push(Object::Pod(Pod {
            key: ObjectKey::new(namespace, "client"),
            phase: Phase::Running,
            node: "n1".into(),
            pod_ip: Some(pod_of(namespace)),
            pod_ips: vec![pod_of(namespace)],
            ..Pod::default()
        }));
    }
    for object in all.into_iter().chain(objects) {
        let key = object.key();
        by_key.insert((object.kind(), key.clone()), object);
        if !key.namespace.is_empty() {
            let name = ObjectKey::cluster(key.namespace.clone());
            by_key.entry((Kind::Namespace, name)).or_insert_with(|| {
                Object::Namespace(Namespace {
                    name: key.namespace,
                    ..Namespace::default()
                })
            });
        }
    }
    by_key.into_values().collect()
}

/// A random cluster's objects.
pub(crate) fn objects() -> impl Strategy<Value = Vec<Object>> {
    prop::collection::vec(object(), 0..40).prop_map(cluster)
}

// === questions ===

pub(crate) const TYPES: [RType; 11] = [
    RType::A,
    RType::AAAA,
    RType::SRV,
    RType::PTR,
    RType::TXT,
    RType::CNAME,
    RType::SOA,
    RType::NS,
    RType::ANY,
    RType::HTTPS,
    RType::MX,
];

/// How a question is put: transport and message.
pub(crate) fn questions(name: &str, rtype: RType) -> [(Transport, Vec<u8>); 3] {
    [
        (Transport::Udp, query(name, rtype)),
        (Transport::Udp, query_edns(name, rtype, 1232)),
        (Transport::Tcp, query(name, rtype)),
    ]
}

/// Every name that the random clusters can hold, and names next to them.
pub(crate) fn names() -> Vec<String> {
    let zone = "cluster.local.";
    let mut names: Vec<String> = [
        "",
        "svc.",
        "pod.",
        "ns.dns.",
        "dns.",
        "x.ns.dns.",
        "dns-version.",
        "whoami.tenantdns.",
        "tenantdns.",
        "*.",
        "nowhere.",
        "*.*.svc.",
        "any.any.svc.",
        "*.any.svc.",
        "any.any.any.svc.",
        "_any._tcp.any.any.svc.",
        "_http.*.*.*.svc.",
        "*.*.*.svc.",
        "a.b.c.d.e.svc.",
        "x.a.b.c.d.e.svc.",
    ]
    .map(|name| format!("{name}{zone}"))
    .to_vec();
    let spaces = NAMESPACES.into_iter().chain(["nope", "*", "q1"]);
    for ns in spaces {
        names.extend([format!("{ns}.svc.{zone}"), format!("{ns}.pod.{zone}")]);
        for address in (0..12).map(pod_address).chain([pod_of("a1"), pod_of("b1")]) {
            let label = address.to_string().replace(['.', ':'], "-");
            names.push(format!("{label}.{ns}.pod.{zone}"));
        }
        for service in SERVICES.into_iter().chain(["nope", "*"]) {
            let base = format!("{service}.{ns}.svc.{zone}");
            for front in [
                "",
                "pod-0.",
                "any.",
                "*.",
                "nope.",
                "10-244-0-1.",
                "10-244-9-2.",
                "_http._tcp.",
                "_dns._udp.",
                "http.tcp.",
                "_any._any.",
                "_*._tcp.",
                "x.y.z.",
                "us-1a.pin._zone.",
                "eu.b.pin._zone.",
                "us-1a.prefer._zone.",
                "nope.prefer._zone.",
                "us-1a.near._zone.",
            ] {
                names.push(format!("{front}{base}"));
            }
            for front in ["", "pod-0.", "_http._tcp.", "_x._y.", "a.b.c."] {
                names.push(format!("{front}{service}.{ns}.lb.test."));
            }
            names.push(format!("{service}.{ns}.svc.clusterset.local."));
            names.push(format!("pod-0.c1.{service}.{ns}.svc.clusterset.local."));
        }
    }
    for address in addresses() {
        names.push(reverse(address));
    }
    names.extend(
        [
            "96.10.in-addr.arpa.",
            "10.in-addr.arpa.",
            "in-addr.arpa.",
            "0.0.96.10.x.in-addr.arpa.",
            "ip6.arpa.",
            "d.f.ip6.arpa.",
            "6.9.0.0.0.0.d.f.ip6.arpa.",
            "lb.test.",
            "dns.lb.test.",
            "ns1.dns.lb.test.",
            "ns2.dns.lb.test.",
            "100.51.198.in-addr.arpa.",
            "clusterset.local.",
            "dns-version.clusterset.local.",
        ]
        .map(str::to_owned),
    );
    names
}

/// Names that these objects have, whoever may see them.
pub(crate) fn names_of(objects: &[Object]) -> Vec<String> {
    let mut names = vec![
        "cluster.local.".to_owned(),
        "ns.dns.cluster.local.".to_owned(),
        "*.*.svc.cluster.local.".to_owned(),
    ];
    for object in objects {
        let ObjectKey { namespace, name } = object.key();
        let base = format!("{name}.{namespace}.svc.cluster.local.");
        match object {
            Object::Namespace(_) => {
                names.push(format!("{name}.svc.cluster.local."));
                names.push(format!("{name}.lb.test."));
            }
            Object::Service(service) => {
                names.push(format!("_http._tcp.{base}"));
                names.push(format!("*.{base}"));
                names.push(base);
                for front in ["", "_http._tcp.", "any."] {
                    names.push(format!("{front}{name}.{namespace}.lb.test."));
                }
                let external = service.external.iter().flat_map(|list| list.iter());
                names.extend(external.filter_map(|external| match external {
                    External::Address(address) => Some(reverse(*address)),
                    External::Hostname(_) => None,
                }));
                if let ServiceKind::ClusterIp(addresses) = &service.kind {
                    names.extend(addresses.iter().copied().map(reverse));
                }
            }
            Object::EndpointSlice(slice) => {
                let SliceOwner::Service(name) = &slice.owner else {
                    continue;
                };
                for endpoint in slice.endpoints.iter() {
                    let host = endpoint.hostname.unwrap_or("any");
                    names.push(format!("{host}.{name}.{namespace}.svc.cluster.local."));
                    names.push(format!("{host}.{name}.{namespace}.lb.test."));
                    let zone = endpoint.topology_zone.unwrap_or("nope").to_lowercase();
                    for which in ["pin", "prefer"] {
                        let front = format!("{zone}.{which}._zone");
                        names.push(format!("{front}.{name}.{namespace}.svc.cluster.local."));
                    }
                    names.extend(endpoint.addresses.iter().map(reverse));
                }
            }
            Object::Pod(pod) => names.extend(pod.pod_ips.iter().map(|address| {
                let label = address.to_string().replace(['.', ':'], "-");
                format!("{label}.{namespace}.pod.cluster.local.")
            })),
            Object::ServiceImport(_) => {
                names.push(format!("{name}.{namespace}.svc.clusterset.local."));
            }
            Object::Node(node) => names.extend(node.addresses.iter().copied().map(reverse)),
            Object::DnsGrant(_) | Object::DnsExport(_) | Object::DnsImport(_) => {}
        }
    }
    names
}

/// A few of many, the same for the same `seed`.
pub(crate) struct Picker(u64);

impl Picker {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % bound.max(1) as u64).unwrap()
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}
