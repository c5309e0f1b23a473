//! Whose an address is: the rulings on pods and nodes, a line each, and how an address changes hands.
//! Not here: events in every order (races.rs), and what each kind of client is answered (clients.rs).

use std::net::IpAddr;
use tenantdns::index::{Event, Index};
use tenantdns::model::{Kind, Labels, Namespace, Node, Object, ObjectKey, Phase, Pod};
use tenantdns::snapshot::Snapshot;
use tenantdns::tenancy::Owner;
use tenantdns::testing::Cluster;

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn namespace(name: &str) -> Object {
    Object::Namespace(Namespace {
        name: name.into(),
        ..Namespace::default()
    })
}

/// A running pod `NS/NAME` on a node that is not there, with these addresses.
pub(crate) fn pod(key: &str, addresses: &[&str]) -> Pod {
    let (namespace, name) = key.split_once('/').unwrap();
    let addresses: Vec<IpAddr> = addresses.iter().map(|a| ip(a)).collect();
    Pod {
        key: ObjectKey::new(namespace, name),
        phase: Phase::Running,
        pod_ip: addresses.first().copied(),
        pod_ips: addresses,
        ..Pod::default()
    }
}

pub(crate) fn on(node: &str, pod: Pod) -> Pod {
    Pod {
        node: node.into(),
        ..pod
    }
}

pub(crate) fn node(name: &str, ready: bool, addresses: &[&str]) -> Node {
    Node {
        name: name.into(),
        ready,
        addresses: addresses.iter().map(|a| ip(a)).collect(),
        ..Node::default()
    }
}

/// Says whose an address is.
pub(crate) fn owner(snapshot: &Snapshot, address: &str) -> String {
    match snapshot.clients.owner(ip(address)) {
        None => "nobody".into(),
        Some(Owner::Node) => "node".into(),
        Some(Owner::Conflict) => "conflict".into(),
        Some(Owner::Pod(ns)) => {
            let name = snapshot.directory.namespace(ns).unwrap();
            String::from_utf8(name.to_vec()).unwrap()
        }
    }
}

struct Identity {
    fact: &'static str,
    pods: Vec<Pod>,
    nodes: Vec<Node>,
    address: &'static str,
    owner: &'static str,
}

const P: &str = "10.244.0.5";
const N: &str = "192.168.0.1";

fn identities() -> Vec<Identity> {
    let mut all = Vec::new();
    let mut fact = |fact, pods: Vec<Pod>, nodes: Vec<Node>, address, owner| {
        all.push(Identity {
            fact,
            pods,
            nodes,
            address,
            owner,
        });
    };
    let phase = |phase, pod| Pod { phase, ..pod };
    let host = |pod| Pod {
        host_network: true,
        ..pod
    };
    let leaving = |pod| Pod {
        terminating: true,
        ..pod
    };
    let ended = |pod| Pod {
        containers_ended: true,
        ..pod
    };
    let gone = |pod| Pod {
        sandbox_gone: true,
        ..pod
    };
    let a = || pod("a/1", &[P]);
    let b = || pod("b/1", &[P]);
    let ready = |name| node(name, true, &[]);

    fact("nobody has an unused address", vec![], vec![], P, "nobody");
    fact("a running pod has its address", vec![a()], vec![], P, "a");
    for (said, of) in [
        ("a pending pod has its address", Phase::Pending),
        (
            "a pod that can't be reached has its address",
            Phase::Unknown,
        ),
    ] {
        fact(said, vec![phase(of, a())], vec![], P, "a");
    }
    for (said, of) in [
        ("a pod that succeeded has no address", Phase::Succeeded),
        ("a pod that failed has no address", Phase::Failed),
    ] {
        fact(said, vec![phase(of, a())], vec![], P, "nobody");
        fact(said, vec![phase(of, a()), b()], vec![], P, "b");
    }
    fact(
        "a pod has every address of its status",
        vec![pod("a/1", &[P, "fd00::5"])],
        vec![],
        "fd00::5",
        "a",
    );
    fact(
        "an IPv4-mapped source is IPv4",
        vec![a()],
        vec![],
        "::ffff:10.244.0.5",
        "a",
    );
    fact(
        "an IPv4-mapped status is IPv4",
        vec![pod("a/1", &["::ffff:10.244.0.5"])],
        vec![],
        P,
        "a",
    );
    fact(
        "loopback addresses are ordinary addresses",
        vec![pod("a/1", &["127.0.0.1"])],
        vec![],
        "127.0.0.1",
        "a",
    );
    fact(
        "a terminating pod has its address while a container runs",
        vec![leaving(a())],
        vec![],
        P,
        "a",
    );
    fact(
        "a terminating pod whose containers have ended has none",
        vec![leaving(ended(a()))],
        vec![],
        P,
        "nobody",
    );
    fact(
        "a pod whose containers have ended may start them again",
        vec![ended(a())],
        vec![],
        P,
        "a",
    );
    fact(
        "a pod whose sandbox is gone has no address",
        vec![gone(a()), b()],
        vec![],
        P,
        "b",
    );
    fact(
        "several pods of one namespace are that namespace",
        vec![a(), pod("a/2", &[P])],
        vec![],
        P,
        "a",
    );
    fact(
        "pods of several namespaces are nobody that can be told",
        vec![a(), b()],
        vec![],
        P,
        "conflict",
    );
    fact(
        "a pod on a ready node beats one whose node is not ready",
        vec![on("n1", a()), on("n2", b())],
        vec![ready("n1"), node("n2", false, &[])],
        P,
        "a",
    );
    fact(
        "a pod on a ready node beats one whose node is absent",
        vec![on("n1", a()), on("n2", b())],
        vec![ready("n2")],
        P,
        "b",
    );
    fact(
        "a ready node counts for more than being about to go",
        vec![on("n1", leaving(a())), on("n2", b())],
        vec![ready("n1")],
        P,
        "a",
    );
    fact(
        "on ready nodes one that stays beats one that is about to go",
        vec![on("n1", leaving(a())), on("n2", b())],
        vec![ready("n1"), ready("n2")],
        P,
        "b",
    );
    fact(
        "where no node is ready one that stays beats one that is about to go",
        vec![leaving(a()), b()],
        vec![],
        P,
        "b",
    );
    fact(
        "two that are about to go are a conflict",
        vec![leaving(a()), leaving(b())],
        vec![],
        P,
        "conflict",
    );
    fact(
        "a node has the addresses of its status",
        vec![],
        vec![node("n1", false, &[N, "fd00:1::1"])],
        "fd00:1::1",
        "node",
    );
    fact(
        "a hostNetwork pod is its node, also without it",
        vec![host(pod("a/1", &[N]))],
        vec![],
        N,
        "node",
    );
    fact(
        "hostNetwork pods of several namespaces are their node",
        vec![host(pod("a/1", &[N])), host(pod("b/1", &[N]))],
        vec![node("n1", true, &[N])],
        N,
        "node",
    );
    let bridge = || Node {
        pod_cidrs: vec!["10.244.0.0/24".parse().unwrap()],
        ..node("n1", true, &[N])
    };
    for address in ["10.244.0.0", "10.244.0.1"] {
        fact(
            "the first two addresses of a node's range are the node's",
            vec![],
            vec![bridge()],
            address,
            "node",
        );
    }
    fact(
        "the third address of a node's range is nobody's",
        vec![],
        vec![bridge()],
        "10.244.0.2",
        "nobody",
    );
    fact(
        "a pod beats an address that is derived",
        vec![pod("a/1", &["10.244.0.1"])],
        vec![bridge()],
        "10.244.0.1",
        "a",
    );
    for key in [
        "projectcalico.org/IPv4IPIPTunnelAddr",
        "projectcalico.org/IPv4VXLANTunnelAddr",
        "projectcalico.org/IPv4WireguardInterfaceAddr",
        "network.cilium.io/ipv4-cilium-host",
    ] {
        let tunnel = Node {
            annotations: Labels::from([(key.into(), "10.244.0.7".into())]),
            ..node("n1", true, &[N])
        };
        fact(
            "tunnel and host annotations are the node's",
            vec![],
            vec![tunnel.clone()],
            "10.244.0.7",
            "node",
        );
        fact(
            "a pod beats a tunnel's address",
            vec![pod("a/1", &["10.244.0.7"])],
            vec![tunnel],
            "10.244.0.7",
            "a",
        );
    }
    let fargate = || on("n1", pod("a/1", &[N]));
    fact(
        "a pod alone on its own node's address has it (Fargate)",
        vec![fargate()],
        vec![node("n1", true, &[N])],
        N,
        "a",
    );
    fact(
        "not where the pod is bound to another node",
        vec![on("n2", pod("a/1", &[N]))],
        vec![node("n1", true, &[N])],
        N,
        "conflict",
    );
    fact(
        "not where that node runs a pod on its network",
        vec![fargate(), on("n1", host(pod("b/1", &["192.168.0.9"])))],
        vec![node("n1", true, &[N])],
        N,
        "conflict",
    );
    fact(
        "but where that pod has ended",
        vec![
            fargate(),
            on(
                "n1",
                phase(Phase::Succeeded, host(pod("b/1", &["192.168.0.9"]))),
            ),
        ],
        vec![node("n1", true, &[N])],
        N,
        "a",
    );
    fact(
        "not where another pod has the address too",
        vec![fargate(), on("n1", pod("a/2", &[N]))],
        vec![node("n1", true, &[N])],
        N,
        "conflict",
    );
    fact(
        "not where two nodes have the address",
        vec![fargate()],
        vec![node("n1", true, &[N]), node("n2", true, &[N])],
        N,
        "conflict",
    );
    fact(
        "a pod on a node's address that ended leaves it to the node",
        vec![phase(Phase::Failed, fargate())],
        vec![node("n1", true, &[N])],
        N,
        "node",
    );
    all
}

#[test]
fn an_address_is_whose_the_rulings_say() {
    let identities = identities();
    assert!(identities.len() >= 45, "{}", identities.len());
    for case in identities {
        let mut objects = vec![namespace("a"), namespace("b")];
        objects.extend(case.pods.into_iter().map(Object::Pod));
        objects.extend(case.nodes.into_iter().map(Object::Node));
        let snapshot = Cluster::of(objects.clone(), "").snapshot();
        assert_eq!(owner(&snapshot, case.address), case.owner, "{}", case.fact);
        // The order of events is no fact.
        objects.reverse();
        let snapshot = Cluster::of(objects, "").snapshot();
        assert_eq!(
            owner(&snapshot, case.address),
            case.owner,
            "{}, the other way round",
            case.fact
        );
    }
}

fn index() -> Index {
    let mut index = Cluster::of(vec![namespace("a"), namespace("b")], "").index();
    index.snapshot(1);
    index
}

fn boot(id: &str) -> Event {
    Event::Apply(Object::Node(Node {
        boot_id: id.into(),
        ..node("n1", true, &[])
    }))
}

#[test]
fn a_node_that_has_started_again_takes_its_pods_addresses_until_their_status_is_written() {
    let mut index = index();
    let before = on("n1", pod("a/1", &[P]));
    index.apply(Event::Apply(Object::Pod(before.clone())));
    index.apply(boot("first"));
    assert_eq!(
        owner(&index.snapshot(1), P),
        "a",
        "a first bootID is no restart"
    );
    index.apply(boot("first"));
    assert_eq!(owner(&index.snapshot(1), P), "a");
    index.apply(boot("second"));
    assert_eq!(owner(&index.snapshot(1), P), "nobody");
    // The same object again says nothing new: a re-list.
    index.apply(Event::Apply(Object::Pod(before.clone())));
    assert_eq!(owner(&index.snapshot(1), P), "nobody");
    let after = Pod {
        uid: "written again".into(),
        ..before
    };
    index.apply(Event::Apply(Object::Pod(after)));
    assert_eq!(owner(&index.snapshot(1), P), "a");
}

#[test]
fn a_late_delete_of_the_old_pod_leaves_the_address_to_the_new_one() {
    let mut index = index();
    index.apply(Event::Apply(Object::Pod(pod("a/old", &[P]))));
    assert_eq!(owner(&index.snapshot(1), P), "a");
    index.apply(Event::Apply(Object::Pod(pod("b/new", &[P]))));
    assert_eq!(owner(&index.snapshot(1), P), "conflict");
    index.apply(Event::Delete(Kind::Pod, ObjectKey::new("a", "old")));
    assert_eq!(owner(&index.snapshot(1), P), "b");
    index.apply(Event::Delete(Kind::Pod, ObjectKey::new("b", "new")));
    assert_eq!(owner(&index.snapshot(1), P), "nobody");
}

#[test]
fn an_address_is_decided_anew_when_its_node_goes() {
    let mut index = index();
    let machine = node("n1", true, &[P]);
    index.apply(Event::Apply(Object::Node(machine.clone())));
    assert_eq!(owner(&index.snapshot(1), P), "node");
    // The address is given to a pod on another node before the machine's end is heard of.
    let heir = on("n2", pod("a/1", &[P]));
    index.apply(Event::Apply(Object::Pod(heir)));
    assert_eq!(owner(&index.snapshot(1), P), "conflict");
    index.apply(Event::Delete(Kind::Node, ObjectKey::cluster("n1")));
    assert_eq!(owner(&index.snapshot(1), P), "a");
    index.apply(Event::Apply(Object::Node(machine)));
    assert_eq!(owner(&index.snapshot(1), P), "conflict");
    index.apply(Event::Delete(Kind::Pod, ObjectKey::new("a", "1")));
    assert_eq!(owner(&index.snapshot(1), P), "node");
}

#[test]
fn an_address_beside_the_list_follows_its_node_too() {
    let mut index = index();
    // Manifests may name a podIP that podIPs lacks.
    let odd = |key, node| {
        let pod = on(node, pod(key, &[]));
        Event::Apply(Object::Pod(Pod {
            pod_ip: Some(ip(P)),
            ..pod
        }))
    };
    index.apply(odd("a/1", "n1"));
    index.apply(odd("b/1", "n2"));
    index.apply(Event::Apply(Object::Node(node("n1", false, &[]))));
    assert_eq!(owner(&index.snapshot(1), P), "conflict");
    index.apply(Event::Apply(Object::Node(node("n1", true, &[]))));
    assert_eq!(owner(&index.snapshot(1), P), "a");
}

#[test]
fn a_pod_gives_an_address_back_in_the_event_that_tells_of_another() {
    const Q: &str = "10.244.0.6";
    for (fact, before, after, expected) in [
        (
            "its sandbox was made anew",
            &[P][..],
            &[Q][..],
            [(P, "nobody"), (Q, "a")],
        ),
        (
            "it has none for the moment",
            &[P],
            &[],
            [(P, "nobody"), (Q, "nobody")],
        ),
        (
            "it keeps that of one family",
            &[P, "fd00::5"],
            &[P, "fd00::6"],
            [("fd00::5", "nobody"), ("fd00::6", "a")],
        ),
        (
            "it keeps the first",
            &[P, Q],
            &[P],
            [(P, "a"), (Q, "nobody")],
        ),
        (
            "they are the same in another order",
            &[P, Q],
            &[Q, P],
            [(P, "a"), (Q, "a")],
        ),
    ] {
        let mut index = index();
        index.apply(Event::Apply(Object::Pod(pod("a/1", before))));
        for address in before {
            assert_eq!(owner(&index.snapshot(1), address), "a", "{fact}: before");
        }
        index.apply(Event::Apply(Object::Pod(pod("a/1", after))));
        let snapshot = index.snapshot(1);
        for (address, expected) in expected {
            assert_eq!(owner(&snapshot, address), expected, "{fact}: {address}");
        }
    }
}
