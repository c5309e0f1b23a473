//! What each kind's fields become. Documents and lists are tested in the room's own tests.

use crate::manifests::parse_str;
use crate::manifests::tests::check;
use crate::model::{Object, Phase, ServiceKind, SliceOwner};

/// Reads the one object of `text`, which has nothing wrong.
fn one(text: &str) -> Object {
    let (mut objects, diagnostics) = parse_str(text);
    assert_eq!(diagnostics, [], "{text}");
    assert_eq!(objects.len(), 1, "{text}");
    objects.remove(0)
}

macro_rules! one {
    ($kind:ident, $($text:tt)*) => {{
        let text = format!($($text)*);
        match one(&text) {
            Object::$kind(object) => object,
            other => panic!("{text}: {other:?}"),
        }
    }};
}

#[test]
fn service_kinds() {
    let ips = |list: &[&str]| {
        ServiceKind::ClusterIp(
            list.iter()
                .map(|ip| ip.parse().expect("an address"))
                .collect(),
        )
    };
    for (spec, expected) in [
        ("{}", ips(&[])),
        ("null", ips(&[])),
        ("{clusterIP: ''}", ips(&[])),
        ("{clusterIP: 10.96.1.1}", ips(&["10.96.1.1"])),
        (
            "{clusterIP: 10.96.1.1, clusterIPs: [10.96.1.1, 'fd00:96::1']}",
            ips(&["10.96.1.1", "fd00:96::1"]),
        ),
        ("{clusterIPs: ['::ffff:10.0.0.1']}", ips(&["10.0.0.1"])),
        ("{clusterIP: None}", ServiceKind::Headless),
        (
            "{clusterIPs: [None], type: ClusterIP}",
            ServiceKind::Headless,
        ),
        (
            "{type: ExternalName, externalName: example.net.}",
            ServiceKind::ExternalName("example.net.".into()),
        ),
        (
            "{type: LoadBalancer, clusterIP: 10.96.1.1}",
            ips(&["10.96.1.1"]),
        ),
    ] {
        let service = one!(
            Service,
            "{{apiVersion: v1, kind: Service, metadata: {{name: a}}, spec: {spec}}}"
        );
        assert_eq!(service.kind, expected, "{spec}");
    }
}

#[test]
fn what_is_no_address_is_left_out() {
    check(
        "service",
        "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {clusterIPs: [10.96.01.1, 10.96.1.2]}}",
        &["Service default/a"],
        &[
            "document 1: Service default/a: spec.clusterIPs[0]: `10.96.01.1` is no IP address, left out",
        ],
    );
    check(
        "slice",
        "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: a}, addressType: IPv4, endpoints: [{addresses: [10.0.0.1]}, {addresses: [db.example]}]}",
        &["EndpointSlice default/a"],
        &[
            "document 1: EndpointSlice default/a: endpoints[1].addresses[0]: `db.example` is no IP address, left out",
        ],
    );
    check(
        "node",
        "{apiVersion: v1, kind: Node, metadata: {name: n}, spec: {podCIDRs: [10.1.0.0]}, status: {addresses: [{type: InternalIP, address: 'fe80::1%eth0'}, {type: Hostname, address: n}]}}",
        &["Node n"],
        &[
            "document 1: Node n: status.addresses[0].address: `fe80::1%eth0` is no IP address, left out",
            "document 1: Node n: spec.podCIDRs: `10.1.0.0` is no address range, left out",
        ],
    );
    check(
        "a skipped object is said once",
        "{apiVersion: v1, kind: Pod, metadata: {name: a}, status: {podIP: x, phase: y}}",
        &[],
        &["document 1: Pod default/a: status.phase: `y` is no phase of a Pod"],
    );
}

#[test]
fn slices() {
    let slice = |labels: &str, rest: &str| {
        one!(
            EndpointSlice,
            "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {{name: a, labels: {labels}}}, {rest}}}"
        )
    };
    let service = "kubernetes.io/service-name";
    let import = "multicluster.kubernetes.io/service-name";
    let cluster = "multicluster.kubernetes.io/source-cluster";
    for (labels, expected) in [
        ("{}".to_owned(), SliceOwner::Nobody),
        (format!("{{{service}: ''}}"), SliceOwner::Nobody),
        (format!("{{{service}: null}}"), SliceOwner::Nobody),
        (
            format!("{{{service}: web}}"),
            SliceOwner::Service("web".into()),
        ),
        (
            format!("{{{import}: web}}"),
            SliceOwner::Import("web".into(), "".into()),
        ),
        (
            format!("{{{import}: web, {cluster}: b}}"),
            SliceOwner::Import("web".into(), "b".into()),
        ),
        (
            format!("{{{import}: web, {service}: db}}"),
            SliceOwner::Service("db".into()),
        ),
    ] {
        assert_eq!(slice(&labels, "ports: null").owner, expected, "{labels}");
    }

    let got = slice(
        "{}",
        "ports: [{name: pg, port: 5432, protocol: TCP}, {}], endpoints: [
          {addresses: [10.0.0.1, 10.0.0.2], hostname: db-0, zone: z, targetRef: {kind: Pod, name: db-0}},
          {addresses: ['::ffff:10.0.0.3'], conditions: {ready: false, serving: true}, hostname: ''},
          {addresses: null, conditions: {ready: null}, topology: {topology.kubernetes.io/zone: y}}]",
    );
    let ports = got.ports.iter().map(|p| (&*p.name, &*p.protocol, p.number));
    assert_eq!(
        ports.collect::<Vec<_>>(),
        [("pg", "TCP", Some(5432)), ("", "", None)]
    );
    let endpoints = got.endpoints.iter().map(|e| {
        (
            e.addresses.iter().count(),
            e.ready,
            e.hostname,
            e.target,
            e.topology_zone,
        )
    });
    assert_eq!(
        endpoints.collect::<Vec<_>>(),
        [
            (2, true, Some("db-0"), Some("db-0"), Some("z")),
            (1, false, None, None, None),
            (0, true, None, None, Some("y")),
        ]
    );
    let mapped = got.endpoints.iter().nth(1).unwrap();
    assert!(mapped.addresses.iter().all(|address| address.is_ipv4()));
}

#[test]
fn slices_of_names_are_skipped() {
    check(
        "FQDN",
        "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: a}, addressType: FQDN, endpoints: [{addresses: [db.example]}]}",
        &[],
        &[],
    );
}

#[test]
fn pods() {
    let pod = |rest: &str| {
        one!(
            Pod,
            "{{apiVersion: v1, kind: Pod, metadata: {{name: a, uid: u, deletionTimestamp: null}}, {rest}}}"
        )
    };
    let bare = pod("spec: {containers: [{name: x, env: 7}]}");
    assert_eq!(
        (bare.phase, bare.pod_ip, bare.terminating),
        (Phase::Pending, None, false)
    );
    assert!(!bare.containers_ended && !bare.sandbox_gone && !bare.host_network);

    let single =
        pod("spec: {hostNetwork: true, nodeName: n}, status: {phase: Running, podIP: 10.0.0.1}");
    assert_eq!(
        single.pod_ips,
        ["10.0.0.1".parse::<std::net::IpAddr>().expect("an address")]
    );
    assert_eq!(
        (single.phase, single.host_network, &*single.node),
        (Phase::Running, true, "n")
    );

    let dual = pod("status: {podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]}");
    assert_eq!(dual.pod_ips.len(), 2);

    for (statuses, expected) in [
        ("[]", false),
        ("[{state: {terminated: {exitCode: 0}}}]", true),
        (
            "[{state: {terminated: {exitCode: 0}}}, {state: {running: {}}}]",
            false,
        ),
        ("[{state: {terminated: null}}]", false),
        ("[{}]", false),
    ] {
        let got = pod(&format!("status: {{containerStatuses: {statuses}}}"));
        assert_eq!(got.containers_ended, expected, "{statuses}");
    }
    for (status, expected) in [("'False'", true), ("'True'", false), ("Unknown", false)] {
        let got = pod(&format!(
            "status: {{conditions: [{{type: Ready, status: 'False'}}, {{type: PodReadyToStartContainers, status: {status}}}]}}"
        ));
        assert_eq!(got.sandbox_gone, expected, "{status}");
    }
    let gone = one!(
        Pod,
        "{{apiVersion: v1, kind: Pod, metadata: {{name: a, deletionTimestamp: 2026-11-01T00:00:00Z}}}}"
    );
    assert!(gone.terminating);
}

#[test]
fn nodes_and_imports() {
    let node = one!(
        Node,
        "{{apiVersion: v1, kind: Node, metadata: {{name: n, namespace: x, annotations: {{a: b}}}}, spec: {{podCIDR: 10.1.2.3/24}},
          status: {{addresses: [{{type: InternalIP, address: 192.0.2.1}}, {{type: Hostname, address: n}}, {{type: ExternalIP, address: '2001:db8::1'}}],
          conditions: [{{type: Ready, status: 'True'}}], nodeInfo: {{bootID: b}}}}}}"
    );
    assert_eq!(node.addresses.len(), 2);
    assert_eq!(node.pod_cidrs[0].to_string(), "10.1.2.0/24");
    assert!(node.ready);
    assert_eq!(
        (&*node.boot_id, node.annotations.get("a")),
        ("b", Some("b"))
    );

    let import = |spec: &str| {
        one!(
            ServiceImport,
            "{{apiVersion: multicluster.x-k8s.io/v1alpha1, kind: ServiceImport, metadata: {{name: a}}, spec: {spec}}}"
        )
    };
    assert_eq!(import("{type: Headless}").ips, None);
    assert_eq!(
        import("{type: ClusterSetIP, ips: []}").ips,
        Some(Vec::new())
    );
    let got = import("{type: ClusterSetIP, ips: [10.42.42.42], ports: [{port: 80}]}");
    assert_eq!(
        (got.ips.map(|l| l.len()), got.ports[0].number),
        (Some(1), 80)
    );
}
