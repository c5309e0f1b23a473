//! What an audit says would be denied is what enforcing denies: the same clusters behind servers
//! that audit, enforce and do neither.

use crate::decode::decode;
use crate::random::{
    EXCEPTIONS, OWN, Picker, TENANCY, TYPES, check, names, names_of, objects, pod_address, pod_of,
};
use proptest::prelude::*;
use proptest::sample::select;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use tenantdns::answer::{Request, Transport};
use tenantdns::audit::{Auditor, Denial, Judge, Question, Reason, Target, Window};
use tenantdns::chain::ListenerId;
use tenantdns::model::Object;
use tenantdns::snapshot::Snapshot;
use tenantdns::tenancy::{Mode, ServiceId};
use tenantdns::testing::{Cluster, ask, query};
use tenantdns::wire::{Name, RType};

fn settings() -> impl Strategy<Value = String> {
    let of = |key: &'static str, values: &[&'static str]| {
        select(values.to_vec()).prop_map(move |value| format!("{key} = {value:?}\n"))
    };
    let keys = (
        // What a wildcard's records belong to can't be told from their names.
        of("wildcard", &["off"]),
        of("untenanted", &["isolated", "open"]),
        of("node", &["shared", "unknown", "deny"]),
        of("unknown", &["servfail", "refused", "allow"]),
        of("exports", &["named", "mutual"]),
        select(&EXCEPTIONS),
    );
    keys.prop_map(|(a, b, c, d, e, exceptions)| {
        format!(
            "[tenancy]\nmode = \"MODE\"\n{a}{b}{c}{d}{e}{TENANCY}{exceptions}[kubernetes]\n\
             zones = [\"cluster.local\", \"in-addr.arpa\", \"ip6.arpa\"]\nzonal = true\n\
             [k8s_external]\nzones = [\"lb.test\", \"198.51.100.0/24\"]\nheadless = true\n"
        )
    })
}

fn serve(objects: &[Object], config: &str, mode: &str) -> Snapshot {
    Cluster::of(objects.to_vec(), &config.replace("MODE", mode))
        .own_addresses(&[OWN])
        .snapshot()
}

fn request(client: IpAddr, bytes: &[u8]) -> Request<'_> {
    Request {
        listener: ListenerId(0),
        peer: SocketAddr::new(client, 1024),
        local: None,
        claimed: None,
        transport: Transport::Tcp,
        now: 0,
        entropy: 0,
        may_wait: false,
        bytes,
    }
}

/// The records of an answer, without TTL and weight.
fn records(snapshot: &Snapshot, client: IpAddr, bytes: &[u8]) -> BTreeSet<Vec<String>> {
    let reply = ask(snapshot, client, Transport::Tcp, bytes).unwrap();
    let lines = decode(&reply).answer.into_iter().map(|line| {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        words.remove(1);
        if words[1] == "SRV" {
            words.drain(2..4);
        }
        words
    });
    lines.collect()
}

/// Services and namespaces of pods that some record belongs to or leads to, and that the client does
/// not see.
fn hidden(enforced: &Snapshot, client: IpAddr, lost: &BTreeSet<Vec<String>>) -> BTreeSet<Target> {
    let mut found = BTreeSet::new();
    for record in lost {
        let named = record.iter().filter_map(|word| {
            let own = word.to_lowercase();
            if let Some(own) = own.strip_suffix(".lb.test.") {
                let labels: Vec<&str> = own.split('.').collect();
                return match labels[..] {
                    [.., "dns"] => None,
                    [.., service, namespace] => {
                        Some((namespace.to_owned(), Some(service.to_owned())))
                    }
                    _ => None,
                };
            }
            let own = own.strip_suffix(".cluster.local.")?.to_owned();
            let labels: Vec<&str> = own.split('.').collect();
            Some(match labels[..] {
                [.., service, namespace, "svc"] => (namespace.to_owned(), Some(service.to_owned())),
                [.., namespace, "pod"] => (namespace.to_owned(), None),
                _ => return None,
            })
        });
        // Behind an alias the records belong to what it leads to.
        let is_outside = record[0].ends_with("lb.test.");
        let leads = matches!(&*record[1], "PTR" | "NS" | "SRV") && !is_outside;
        let all: Vec<_> = named.collect();
        let target = if leads { all.last() } else { all.first() };
        for (namespace, service) in target.into_iter().chain(all.first()) {
            let view = enforced.view(enforced.identify(client));
            let seen = view.namespace(namespace.as_bytes());
            let is_seen = match service {
                Some(service) => view.service(seen, service.as_bytes()) != ServiceId::NONE,
                None => seen.sight.is_whole(),
            };
            if !is_seen {
                found.insert(Target {
                    namespace: namespace.as_str().into(),
                    service: service.as_deref().map(Into::into),
                });
                break;
            }
        }
    }
    found
}

#[test]
fn an_audit_says_what_enforcing_denies() {
    let names = names();
    let (denied, samples) = (Cell::new(0usize), Cell::new(0usize));
    let clients = vec![
        pod_of("a1"),
        pod_of("b1"),
        pod_of("kube-system"),
        pod_address(13),
        "203.0.113.1".parse().unwrap(),
    ];
    let strategy = (objects(), settings(), select(clients), any::<u64>());
    check(
        128,
        file!(),
        &strategy,
        |(objects, config, client, seed)| {
            let [off, enforced] = ["off", "enforce"].map(|mode| serve(&objects, &config, mode));
            let mut judge = Judge::new(&serve(&objects, &config, "audit"));
            let mut again = Judge::new(&enforced);
            let near = names_of(&objects);
            let mut picker = Picker::new(seed);
            for turn in 0..60 {
                let name = picker.pick(if turn % 4 == 0 { &names } else { &near });
                if name.starts_with("whoami.") {
                    continue;
                }
                for rtype in TYPES {
                    let bytes = query(name, rtype);
                    let open = records(&off, client, &bytes);
                    let left = records(&enforced, client, &bytes);
                    let lost: BTreeSet<_> = open.difference(&left).cloned().collect();
                    let denials = judge.denials(&request(client, &bytes));
                    let targets = denials.iter().map(|denial| denial.target.clone()).collect();
                    prop_assert_eq!(
                        hidden(&enforced, client, &lost),
                        targets,
                        "{} {}: {:?} of {:?}",
                        name,
                        rtype,
                        lost,
                        open
                    );
                    prop_assert_eq!(&again.denials(&request(client, &bytes)), &denials);
                    samples.set(samples.get() + 1);
                    denied.set(denied.get() + denials.len());
                }
            }
            Ok(())
        },
    );
    assert!(
        samples.get() >= 20_000 && denied.get() >= 500,
        "{denied:?} of {samples:?}"
    );
}

#[test]
fn a_denial_has_a_reason_and_a_line() {
    let cluster = Cluster::new(
        r#"
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {tenantdns.io/tenant: red}}}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: bank}, spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop}, status: {phase: Running, podIP: 10.244.0.1, podIPs: [{ip: 10.244.0.1}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: shop}, status: {phase: Running, podIP: 10.244.0.9, podIPs: [{ip: 10.244.0.9}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: other}, status: {phase: Running, podIP: 10.244.0.9, podIPs: [{ip: 10.244.0.9}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: n}, status: {addresses: [{type: InternalIP, address: 10.0.0.1}]}}
"#,
        "tenancy.mode = \"audit\"",
    );
    let snapshot = cluster.snapshot();
    let mut judge = Judge::new(&snapshot);
    let bytes = query("web.bank.svc.cluster.local.", RType::A);
    let mut window = Window::default();
    for (client, reason) in [
        ("10.244.0.1", Reason::Hidden),
        ("10.244.0.9", Reason::Conflict),
        ("10.0.0.1", Reason::NodeClient),
        ("10.244.0.7", Reason::UnknownClient),
    ] {
        let client: IpAddr = client.parse().unwrap();
        let denials = judge.denials(&request(client, &bytes));
        let target = Target {
            namespace: "bank".into(),
            service: Some("web".into()),
        };
        assert_eq!(denials, [Denial { target, reason }], "{client}");
        let view = snapshot.view(snapshot.identify(client));
        let namespace = view
            .own_namespace()
            .map(|n| std::str::from_utf8(n).unwrap());
        for denial in denials.into_iter().cycle().take(2) {
            window.add(client, namespace, view.own_tenant(), 1, &denial);
        }
    }
    assert_eq!(
        window.pods(),
        [("10.244.0.1".parse().unwrap(), "shop".into())]
    );
    let mut lines = Vec::new();
    let span = ("2026-01-01T00:00:10Z", 10);
    let closing = window.close(
        span,
        Mode::Audit,
        |ip, namespace| {
            assert_eq!((ip.to_string().as_str(), namespace), ("10.244.0.1", "shop"));
            Some("a")
        },
        |line| lines.push(serde_json::to_string(line).unwrap()),
    );
    assert_eq!((closing, lines.len()), (None, 4), "nothing was counted");
    assert_eq!(
        lines[1],
        r#"{"ts":"2026-01-01T00:00:10Z","window_s":10,"mode":"audit","client":{"ip":"10.244.0.1","namespace":"shop","pod":"a","tenant":"red"},"target":{"namespace":"bank","service":"web"},"qtype":"A","reason":"hidden","count":2}"#
    );
    let none = |_: IpAddr, _: &str| None;
    window.close(span, Mode::Audit, none, |line| panic!("{line:?}"));

    // The same, judged one after the other, with what is denied to nobody.
    let mut auditor = Auditor::default();
    for (client, name, denials) in [
        ("10.244.0.1", "web.bank.svc.cluster.local.", Some(1)),
        ("10.244.0.1", "web.shop.svc.cluster.local.", Some(0)),
        ("10.244.0.1", "example.org.", None),
        (
            "10.244.0.9",
            "kubernetes.default.svc.cluster.local.",
            Some(0),
        ),
        ("10.0.0.1", "web.bank.svc.cluster.local.", Some(1)),
        ("10.0.0.1", "nothing.bank.svc.cluster.local.", Some(0)),
        ("10.244.0.7", "nothing.bank.svc.cluster.local.", Some(0)),
    ] {
        let name: Name = name.parse().unwrap();
        let client = client.parse().unwrap();
        let question = Question::new(ListenerId(0), client, name.as_wire(), 1);
        let judged = auditor.judge(&snapshot, &question);
        assert_eq!(judged.map(|d| d.len()), denials, "{client} {name}");
    }
    let closing = auditor.window().close(span, Mode::Audit, none, |_| {});
    assert_eq!(
        serde_json::to_string(&closing).unwrap(),
        r#"{"ts":"2026-01-01T00:00:10Z","window_s":10,"mode":"audit","queries":{"judged":6,"unknown":2,"node_hidden":1,"unlisted":0,"lost":0}}"#
    );
}

#[test]
fn a_pod_is_named_where_it_alone_has_the_address() {
    let pod = |name: &str, namespace: &str, rest: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: {namespace}}}, {rest}}}\n---\n"
        )
    };
    let status = |ip: &str, phase: &str| {
        format!("status: {{phase: {phase}, podIP: {ip}, podIPs: [{{ip: {ip}}}]}}")
    };
    let text = [
        pod("alone", "a", &status("10.244.0.1", "Running")),
        pod("one", "a", &status("10.244.0.2", "Running")),
        pod("other", "a", &status("10.244.0.2", "Running")),
        pod("mine", "a", &status("10.244.0.3", "Running")),
        pod("theirs", "b", &status("10.244.0.3", "Running")),
        pod("ended", "a", &status("10.244.0.4", "Succeeded")),
        pod("next", "a", &status("10.244.0.4", "Running")),
        pod(
            "on-host",
            "a",
            &format!(
                "spec: {{hostNetwork: true}}, {}",
                status("10.0.0.1", "Running")
            ),
        ),
    ];
    let index = Cluster::new(&text.concat(), "").index();
    let ns = index.namespace_id("a").unwrap();
    for (address, name) in [
        ("10.244.0.1", Some("alone")),
        ("::ffff:10.244.0.1", Some("alone")),
        ("10.244.0.2", None),
        // That the address is a conflict is said elsewhere.
        ("10.244.0.3", Some("mine")),
        ("10.244.0.4", Some("next")),
        ("10.0.0.1", None),
        ("10.244.0.9", None),
    ] {
        let found = index
            .objects()
            .pod_with_address(ns, address.parse().unwrap());
        assert_eq!(found, name, "{address}");
    }
}
