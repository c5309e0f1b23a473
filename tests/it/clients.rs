//! What each kind of client is answered. Not here: whose an address is (identity.rs).

use crate::decode::{Response, decode};
use crate::identity::{ip, namespace, owner, pod};
use std::net::IpAddr;
use tenantdns::answer::{Outcome, Transport, respond};
use tenantdns::index::Event;
use tenantdns::model::Object;
use tenantdns::snapshot::{Identities, Snapshot};
use tenantdns::testing::{Cluster, ask, query, query_edns, request};
use tenantdns::wire::RType;

const FIXTURE: &str = r#"
{apiVersion: v1, kind: Namespace, metadata: {name: a1, labels: {tenant: a}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: a2, labels: {tenant: a}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: ap, labels: {tenant: a, tenantdns.io/visibility: private}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: svc, labels: {tenant: a}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: b1, labels: {tenant: b}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: x1, labels: {tenant: a, owner: b, tenantdns.io/visibility: shared, tenantdns.io/role: platform}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: x2, labels: {tenant: a, owner: b}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: u1}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: u2}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: us, labels: {tenantdns.io/visibility: shared}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: up, labels: {tenantdns.io/role: platform}}}
---
{apiVersion: v1, kind: Service, metadata: {namespace: kube-system, name: kube-dns, labels: {k8s-app: kube-dns}}, spec: {clusterIP: 10.96.0.10}}
---
{apiVersion: v1, kind: Service, metadata: {namespace: kube-system, name: web}, spec: {clusterIP: 10.96.0.11}}
---
{apiVersion: v1, kind: Service, metadata: {namespace: default, name: kubernetes}, spec: {clusterIP: 10.96.0.1}}
---
{apiVersion: v1, kind: Service, metadata: {namespace: default, name: web}, spec: {clusterIP: 10.96.0.2}}
---
{apiVersion: v1, kind: Service, metadata: {namespace: us, name: to-a1}, spec: {type: ExternalName, externalName: web.a1.svc.cluster.local}}
---
{apiVersion: v1, kind: Service, metadata: {namespace: us, name: to-us}, spec: {type: ExternalName, externalName: web.us.svc.cluster.local}}
---
{apiVersion: v1, kind: Service, metadata: {namespace: b1, name: same-ip}, spec: {clusterIP: 10.96.1.1}}
---
{apiVersion: v1, kind: Service, metadata: {namespace: a2, name: same-ip}, spec: {clusterIP: 10.96.1.1}}
---
{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}}
"#;

/// Namespaces of the fixture with a service `web` and a pod; the third octet of their addresses.
const SPACES: [(&str, u8); 10] = [
    ("a1", 1),
    ("a2", 2),
    ("ap", 3),
    ("svc", 4),
    ("b1", 5),
    ("x1", 6),
    ("x2", 7),
    ("u1", 8),
    ("u2", 9),
    ("us", 10),
];

fn pod_in(namespace: &str) -> IpAddr {
    let known = SPACES.iter().find(|s| s.0 == namespace).map(|s| s.1);
    let third = known.unwrap_or_else(|| match namespace {
        "up" => 11,
        "kube-system" => 12,
        "default" => 13,
        other => panic!("no pod in {other}"),
    });
    IpAddr::from([10, 244, third, 5])
}

fn cluster(tenancy: &str) -> Cluster {
    let mut manifests = FIXTURE.to_owned();
    for (name, third) in SPACES {
        manifests += &format!(
            "---\n{{apiVersion: v1, kind: Service, metadata: {{namespace: {name}, name: web}}, \
             spec: {{clusterIP: 10.96.{third}.9}}}}\n"
        );
    }
    for name in SPACES
        .iter()
        .map(|s| s.0)
        .chain(["up", "kube-system", "default"])
    {
        manifests += &format!(
            "---\n{{apiVersion: v1, kind: Pod, metadata: {{namespace: {name}, name: p}}, status: \
             {{phase: Running, podIPs: [{{ip: {}}}, {{ip: \"fd00::{name_v6}\"}}]}}}}\n",
            pod_in(name),
            name_v6 = pod_in(name).to_string().rsplit('.').nth(1).unwrap()
        );
    }
    let toml = format!(
        "[tenancy]\ntenant_from = [{{ label = \"tenant\" }}, {{ label = \"owner\" }}]\n{tenancy}\n"
    );
    Cluster::new(&manifests, &toml).own_addresses(&[ip("10.244.12.5")])
}

const NOBODY: &str = "203.0.113.9";

fn rtype_and_name(text: &str) -> (RType, String) {
    let (rtype, name) = text.split_once(' ').unwrap();
    let name = match name {
        "." => "cluster.local.".to_owned(),
        absolute if absolute.ends_with('.') => absolute.to_owned(),
        relative => format!("{relative}.cluster.local."),
    };
    (rtype.parse().unwrap(), name)
}

fn answer(snapshot: &Snapshot, source: IpAddr, text: &str) -> Response {
    let (rtype, name) = rtype_and_name(text);
    decode(&ask(snapshot, source, Transport::Udp, &query(&name, rtype)).unwrap())
}

/// What everybody sees.
const PUBLIC: [&str; 14] = [
    "SOA .",
    "NS .",
    "A .",
    "A svc",
    "A pod",
    "A ns.dns",
    "TXT dns-version",
    "TXT whoami.tenantdns",
    "A kubernetes.default.svc",
    "A kube-dns.kube-system.svc",
    "A default.svc",
    "PTR 1.0.96.10.in-addr.arpa.",
    "SOA in-addr.arpa.",
    "A kube-system.svc",
];

/// What every client sees that is not denied it.
const SHARED: [&str; 6] = [
    "A web.us.svc",
    "A us.svc",
    "A to-us.us.svc",
    "A *.us.svc",
    "TXT web.us.svc",
    "PTR 9.10.96.10.in-addr.arpa.",
];

/// What no cluster can hold.
const IMPOSSIBLE: [&str; 12] = [
    "A nowhere",
    "A web.a1",
    "A a.b.c.d.e.svc",
    "A a.b.c.d.e.f.svc",
    "A svc.svc",
    "A web.svc.svc",
    "A web.pod.svc",
    "A cluster.svc",
    "A x.local.svc",
    "A 96.10.in-addr.arpa.",
    "PTR 96.10.in-addr.arpa.",
    "PTR 1.0.ip6.arpa.",
];

/// What somebody may see, now or later.
const OTHERS: [&str; 18] = [
    "A web.a1.svc",
    "AAAA web.a1.svc",
    "SRV web.a1.svc",
    "TXT web.a1.svc",
    "SOA web.a1.svc",
    "NS web.a1.svc",
    "A nope.q1.svc",
    "A a1.svc",
    "A q1.svc",
    "A a1.pod",
    "A us.pod",
    "A nope.us.svc",
    "A web.kube-system.svc",
    "A to-a1.us.svc",
    "A *.a1.svc",
    "A 10-244-1-5.a1.pod",
    "PTR 9.1.96.10.in-addr.arpa.",
    "PTR 9.9.9.9.in-addr.arpa.",
];

#[test]
fn a_client_that_is_not_known_is_told_what_everybody_sees_and_servfail() {
    let strict = ["servfail", "refused", "strict"];
    for (unknown, failure) in strict.into_iter().zip(["SERVFAIL", "REFUSED", "SERVFAIL"]) {
        let snapshot = cluster(&format!("unknown = {unknown:?}")).snapshot();
        for text in PUBLIC
            .into_iter()
            .chain(SHARED)
            .chain(IMPOSSIBLE)
            .chain(OTHERS)
        {
            let told = match unknown {
                "strict" => failure,
                _ if OTHERS.contains(&text) => failure,
                _ if IMPOSSIBLE.contains(&text) => "NXDOMAIN",
                _ => "NOERROR",
            };
            let reply = answer(&snapshot, ip(NOBODY), text);
            assert_eq!(reply.rcode, told, "{text} with {unknown}: {reply:?}");
            let failed = told == failure;
            assert_eq!(reply.aa, !failed, "{text} with {unknown}");
            if failed {
                assert_eq!(
                    (&reply.answer, &reply.authority, &reply.additional),
                    (&vec![], &vec![], &vec![]),
                    "{text} with {unknown}"
                );
                let (rtype, name) = rtype_and_name(text);
                let bytes = query_edns(&name, rtype, 1232);
                let reply = ask(&snapshot, ip(NOBODY), Transport::Tcp, &bytes).unwrap();
                // EDE 18, "Prohibited".
                assert!(
                    reply.ends_with(&[0, 6, 0, 15, 0, 2, 0, 18]),
                    "{text} {reply:?}"
                );
            }
        }
        let outside = answer(&snapshot, ip(NOBODY), "A example.org.");
        assert_eq!(
            outside.rcode, "REFUSED",
            "names of no zone are nobody's secret"
        );
    }
    let records = answer(&cluster("").snapshot(), ip(NOBODY), "A to-us.us.svc").answer;
    assert_eq!(records.len(), 2, "{records:?}");
}

#[test]
fn a_client_that_is_not_known_sees_everything_where_that_is_allowed() {
    let allowed = cluster("unknown = \"allow\"\nwildcard = \"filtered\"").snapshot();
    let off = cluster("mode = \"off\"\nwildcard = \"filtered\"\nsoa_serial = \"static\"");
    let off = off.snapshot();
    for text in PUBLIC
        .into_iter()
        .chain(SHARED)
        .chain(IMPOSSIBLE)
        .chain(OTHERS)
    {
        if text != "TXT whoami.tenantdns" {
            let (a, b) = (
                answer(&allowed, ip(NOBODY), text),
                answer(&off, ip(NOBODY), text),
            );
            assert_eq!(a, b, "{text}");
        }
    }
}

#[test]
fn a_query_waits_exactly_where_its_client_may_be_known_in_a_moment() {
    let held = |snapshot: &Snapshot, source: IpAddr, text: &str| {
        let (rtype, name) = rtype_and_name(text);
        let bytes = query(&name, rtype);
        let mut request = request(source, Transport::Udp, &bytes);
        request.may_wait = true;
        let mut out = vec![0; 65_535];
        matches!(respond(snapshot, &request, &mut out), Outcome::Hold)
    };
    for unknown in ["servfail", "refused", "strict", "allow"] {
        let snapshot = cluster(&format!("unknown = {unknown:?}")).snapshot();
        for text in PUBLIC
            .into_iter()
            .chain(SHARED)
            .chain(IMPOSSIBLE)
            .chain(OTHERS)
        {
            let failing = match unknown {
                "allow" => false,
                "strict" => true,
                _ => OTHERS.contains(&text),
            };
            assert_eq!(
                held(&snapshot, ip(NOBODY), text),
                failing,
                "{text} with {unknown}"
            );
        }
        assert!(!held(&snapshot, ip(NOBODY), "A example.org."), "{unknown}");
        for known in ["10.244.1.5", "fd00::1", "192.168.0.1"] {
            assert!(!held(&snapshot, ip(known), "A nope.q1.svc"), "{known}");
        }
    }
    // Somebody has the address: to wait would change nothing.
    let mut conflict = cluster("");
    let rival = pod("b1/rival", &["10.244.1.5"]);
    conflict.objects.push(Object::Pod(rival));
    let conflict = conflict.snapshot();
    assert_eq!(owner(&conflict, "10.244.1.5"), "conflict");
    assert!(!held(&conflict, pod_in("a1"), "A web.a1.svc"));
    let reply = answer(&conflict, pod_in("a1"), "A web.a1.svc");
    assert_eq!((reply.rcode.as_str(), reply.aa), ("SERVFAIL", false));
    let node = cluster("node = \"unknown\"").snapshot();
    assert!(!held(&node, ip("192.168.0.1"), "A web.a1.svc"));
    // Before the first sync nobody waits, because everybody would.
    let mut unsynced = cluster("");
    unsynced.synced = false;
    assert!(!held(&unsynced.snapshot(), ip(NOBODY), "A web.a1.svc"));
    let off = cluster("mode = \"off\"").snapshot();
    assert!(!held(&off, ip(NOBODY), "A nope.q1.svc"));
}

#[test]
fn a_pod_whose_namespace_has_not_been_read_is_not_known_yet() {
    let cluster = cluster("");
    let mut index = cluster.index();
    let newcomer = ip("10.244.99.5");
    index.apply(Event::Apply(Object::Pod(pod("late/1", &["10.244.99.5"]))));
    let service = |snapshot: &Snapshot| {
        let (rtype, name) = rtype_and_name("A web.late.svc");
        let bytes = query(&name, rtype);
        let mut request = request(newcomer, Transport::Udp, &bytes);
        request.may_wait = true;
        matches!(
            respond(snapshot, &request, &mut vec![0; 1232]),
            Outcome::Hold
        )
    };
    let snapshot = index.snapshot(1);
    assert!(service(&snapshot), "its namespace may be known in a moment");
    let reply = answer(&snapshot, newcomer, "A web.late.svc");
    assert_eq!((reply.rcode.as_str(), reply.aa), ("SERVFAIL", false));
    let shared = answer(&snapshot, newcomer, "A kubernetes.default.svc");
    assert_eq!(shared.rcode, "NOERROR");
    index.apply(Event::Apply(namespace("late")));
    let snapshot = index.snapshot(1);
    assert!(!service(&snapshot));
    assert_eq!(
        answer(&snapshot, newcomer, "A web.late.svc").rcode,
        "NXDOMAIN"
    );
}

#[test]
fn expired_identities_make_everybody_unknown_and_nobody_waits() {
    for unknown in ["servfail", "refused", "strict", "allow"] {
        let trusted = cluster(&format!("unknown = {unknown:?}")).snapshot();
        let mut expired = trusted.clone();
        expired.identities = Identities::Expired;
        let texts = PUBLIC
            .into_iter()
            .chain(SHARED)
            .chain(IMPOSSIBLE)
            .chain(OTHERS);
        for text in texts.filter(|text| *text != "TXT whoami.tenantdns") {
            for source in [pod_in("a1"), pod_in("kube-system"), ip("192.168.0.1")] {
                assert_eq!(
                    answer(&expired, source, text),
                    answer(&trusted, ip(NOBODY), text),
                    "{text} from {source} with {unknown}"
                );
            }
            let (rtype, name) = rtype_and_name(text);
            let bytes = query(&name, rtype);
            let mut request = request(ip(NOBODY), Transport::Udp, &bytes);
            request.may_wait = true;
            let outcome = respond(&expired, &request, &mut vec![0; 65_535]);
            assert!(
                matches!(outcome, Outcome::Reply(..)),
                "{text} with {unknown}"
            );
        }
        assert!(expired.knows(ip(NOBODY)) && expired.knows(pod_in("a1")));
    }
    let off = cluster("mode = \"off\"").snapshot();
    let mut expired = off.clone();
    expired.identities = Identities::Expired;
    for text in OTHERS {
        let answers = [&off, &expired].map(|snapshot| answer(snapshot, pod_in("a1"), text));
        assert_eq!(
            answers[0], answers[1],
            "without tenancy nobody is asked who they are: {text}"
        );
    }
}

#[test]
fn a_node_sees_what_its_setting_says() {
    let node = ip("192.168.0.1");
    let service = "A web.a1.svc";
    for (setting, class, shared, others) in [
        ("shared", "node", "NOERROR", "NXDOMAIN"),
        ("unknown", "node", "NOERROR", "SERVFAIL"),
        ("platform", "node", "NOERROR", "NOERROR"),
        ("deny", "node", "NXDOMAIN", "NXDOMAIN"),
    ] {
        let snapshot = cluster(&format!("node = {setting:?}")).snapshot();
        for text in PUBLIC {
            assert_eq!(
                answer(&snapshot, node, text).rcode,
                "NOERROR",
                "{text} {setting}"
            );
        }
        for text in SHARED {
            assert_eq!(
                answer(&snapshot, node, text).rcode,
                shared,
                "{text} {setting}"
            );
        }
        assert_eq!(answer(&snapshot, node, service).rcode, others, "{setting}");
        let host = answer(&snapshot, node, "TXT whoami.tenantdns").answer;
        assert!(host[0].contains(&format!("class={class}")), "{host:?}");
    }
}

/// Which of the fixture's services `web` a client sees, by namespace.
fn sees(snapshot: &Snapshot, source: IpAddr) -> Vec<&'static str> {
    let spaces = SPACES.iter().map(|s| s.0).chain(["kube-system", "default"]);
    spaces
        .filter(|ns| {
            let reply = answer(snapshot, source, &format!("A web.{ns}.svc"));
            let bare = answer(snapshot, source, &format!("A {ns}.svc"));
            let seen = reply.rcode == "NOERROR" && !reply.answer.is_empty();
            // `default` and `kube-system` are known for the mandatory services.
            assert!(bare.rcode == "NOERROR" || !seen, "{ns} from {source}");
            assert!(seen || reply.rcode == "NXDOMAIN", "{ns} from {source}");
            seen
        })
        .collect()
}

#[test]
fn pods_see_their_tenant_and_what_is_shared() {
    let all = [
        "a1",
        "a2",
        "ap",
        "b1",
        "x1",
        "x2",
        "u1",
        "u2",
        "us",
        "kube-system",
        "default",
    ];
    for (tenancy, namespace, expected) in [
        ("", "a1", vec!["a1", "a2", "svc", "us"]),
        ("", "a2", vec!["a1", "a2", "svc", "us"]),
        // A private namespace is seen by its own pods alone, and sees its tenant's.
        ("", "ap", vec!["a1", "a2", "ap", "svc", "us"]),
        ("", "svc", vec!["a1", "a2", "svc", "us"]),
        ("", "b1", vec!["b1", "us"]),
        // Sources that disagree: alone, and neither shared nor platform by label.
        ("", "x1", vec!["x1", "us"]),
        ("", "x2", vec!["x2", "us"]),
        (
            "conflict = \"first\"",
            "x2",
            vec!["a1", "a2", "svc", "x1", "x2", "us"],
        ),
        ("conflict = \"first\"", "b1", vec!["b1", "us"]),
        ("", "u1", vec!["u1", "us"]),
        ("untenanted = \"isolated\"", "u1", vec!["u1", "us"]),
        (
            "untenanted = \"open\"",
            "u1",
            vec!["u1", "u2", "us", "default"],
        ),
        ("untenanted = \"open\"", "a1", vec!["a1", "a2", "svc", "us"]),
        ("untenanted = \"platform\"", "u1", all.to_vec()),
        (
            "untenanted = \"platform\"",
            "a1",
            vec!["a1", "a2", "svc", "us"],
        ),
        // The platform sees everything but reserved names; others don't see the platform.
        ("", "kube-system", all.to_vec()),
        ("", "up", all.to_vec()),
        ("platform = { tenants = [\"b\"] }", "b1", all.to_vec()),
        (
            "platform = { namespaces = [\"b-*\"] }",
            "b1",
            vec!["b1", "us"],
        ),
        (
            "shared = { namespaces = [\"b1\"] }",
            "a1",
            vec!["a1", "a2", "svc", "b1", "us"],
        ),
        (
            "shared = { services = [\"b1/web\"] }",
            "a1",
            vec!["a1", "a2", "svc", "b1", "us"],
        ),
        (
            "shared = { services = [\"svc/web\"] }",
            "b1",
            vec!["b1", "us"],
        ),
        ("reserved_namespaces = []", "kube-system", {
            let mut all = all.to_vec();
            all.insert(3, "svc");
            all
        }),
    ] {
        let snapshot = cluster(tenancy).snapshot();
        assert_eq!(
            sees(&snapshot, pod_in(namespace)),
            expected,
            "{namespace} with {tenancy:?}"
        );
    }
}

#[test]
fn both_families_of_a_pod_see_the_same() {
    let snapshot = cluster("").snapshot();
    assert_eq!(
        sees(&snapshot, ip("fd00::1")),
        sees(&snapshot, pod_in("a1"))
    );
    assert_eq!(
        sees(&snapshot, ip("::ffff:10.244.1.5")),
        sees(&snapshot, pod_in("a1"))
    );
}

#[test]
fn an_audit_answers_as_if_there_were_no_tenancy() {
    let settings = |mode| format!("mode = {mode:?}");
    let (audit, off) = (
        cluster(&settings("audit")).snapshot(),
        cluster(&settings("off")).snapshot(),
    );
    for source in [pod_in("a1"), pod_in("b1"), ip(NOBODY), ip("192.168.0.1")] {
        for text in PUBLIC
            .into_iter()
            .chain(SHARED)
            .chain(IMPOSSIBLE)
            .chain(OTHERS)
        {
            if text != "TXT whoami.tenantdns" {
                let (a, b) = (answer(&audit, source, text), answer(&off, source, text));
                assert_eq!(a, b, "{text} from {source}");
            }
        }
    }
}

#[test]
fn whoami_tells_the_asker_who_it_is_taken_for() {
    let enforced = cluster("").snapshot();
    for (source, strings) in [
        (
            "10.244.1.5",
            ["ip=10.244.1.5", "class=pod", "namespace=a1", "tenant=a"],
        ),
        (
            "fd00::1",
            ["ip=fd00::1", "class=pod", "namespace=a1", "tenant=a"],
        ),
        (
            "::ffff:10.244.1.5",
            ["ip=10.244.1.5", "class=pod", "namespace=a1", "tenant=a"],
        ),
        (
            "10.244.8.5",
            ["ip=10.244.8.5", "class=pod", "namespace=u1", "tenant=u1"],
        ),
        (
            "10.244.6.5",
            ["ip=10.244.6.5", "class=pod", "namespace=x1", "tenant=x1"],
        ),
        (
            "10.244.12.5",
            [
                "ip=10.244.12.5",
                "class=platform",
                "namespace=kube-system",
                "tenant=kube-system",
            ],
        ),
        (
            "192.168.0.1",
            ["ip=192.168.0.1", "class=node", "namespace=", "tenant="],
        ),
        (
            NOBODY,
            ["ip=203.0.113.9", "class=unknown", "namespace=", "tenant="],
        ),
    ] {
        let text: Vec<String> = strings.iter().map(|s| format!("\"{s}\"")).collect();
        let expected = format!("whoami.tenantdns.cluster.local. 0 TXT {}", text.join(" "));
        for snapshot in [&enforced, &cluster("mode = \"audit\"").snapshot()] {
            let reply = answer(snapshot, ip(source), "TXT whoami.tenantdns");
            assert_eq!((reply.answer, reply.aa), (vec![expected.clone()], true));
        }
    }
    let other = answer(&enforced, pod_in("a1"), "A whoami.tenantdns");
    assert_eq!((other.rcode.as_str(), other.answer.len()), ("NOERROR", 0));
    let off = answer(
        &cluster("mode = \"off\"").snapshot(),
        pod_in("a1"),
        "TXT whoami.tenantdns",
    );
    assert_eq!(off.rcode, "NXDOMAIN", "CoreDNS has no such name");
}

#[test]
fn reserved_namespaces_are_hidden_from_all_but_their_tenant() {
    let snapshot = cluster("").snapshot();
    for (namespace, rcode) in [
        ("a1", "NOERROR"),
        ("svc", "NOERROR"),
        ("b1", "NXDOMAIN"),
        ("u1", "NXDOMAIN"),
        ("kube-system", "NXDOMAIN"),
        ("x1", "NXDOMAIN"),
    ] {
        for text in ["A web.svc.svc", "A svc.svc", "PTR 9.4.96.10.in-addr.arpa."] {
            let reply = answer(&snapshot, pod_in(namespace), text);
            assert_eq!(reply.rcode, rcode, "{text} from {namespace}");
        }
    }
    let unknown = answer(&snapshot, ip(NOBODY), "PTR 9.4.96.10.in-addr.arpa.");
    assert_eq!(unknown.rcode, "SERVFAIL", "an address tells no namespace");
}

#[test]
fn a_shared_cluster_address_points_to_the_first_visible_service() {
    let snapshot = cluster("").snapshot();
    for (namespace, target) in [
        ("a1", "same-ip.a2"),
        ("b1", "same-ip.b1"),
        ("up", "same-ip.a2"),
    ] {
        let reply = answer(&snapshot, pod_in(namespace), "PTR 1.1.96.10.in-addr.arpa.");
        let expected = format!("1.1.96.10.in-addr.arpa. 5 PTR {target}.svc.cluster.local.");
        assert_eq!(reply.answer, [expected], "from {namespace}");
    }
    let none = answer(&snapshot, pod_in("u1"), "PTR 1.1.96.10.in-addr.arpa.");
    assert_eq!(none.rcode, "NXDOMAIN");
}
