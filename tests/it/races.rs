//! Events in every order: what an address sees while it changes hands, and what is left in the end.

use crate::decode::decode;
use crate::identity::{ip, pod};
use crate::live::Live;
use crate::random::check;
use proptest::prelude::*;
use proptest::sample::select;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use tenantdns::answer::Transport;
use tenantdns::index::{Copied, Event, Index, Version};
use tenantdns::model::{Kind, Labels, Namespace, Object, ObjectKey, Phase, Pod};
use tenantdns::snapshot::Snapshot;
use tenantdns::testing::{Cluster, ask, dump, objects, query};
use tenantdns::wire::RType;

/// The address that changes hands.
const P: &str = "10.244.0.5";

/// Namespaces with a service and, in turn, a pod that has the address.
const SPACES: [&str; 3] = ["a", "b", "c"];

// === an address changes hands ===

/// What is true of a namespace's pod, or of the namespace, from an event on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fact {
    /// The pod's status names the address.
    Has(&'static str),
    /// It is about to go; its containers run.
    Leaving(&'static str),
    /// Its containers have ended.
    Ended(&'static str),
    /// The namespace has been read.
    Read(&'static str),
    /// Nothing that matters.
    Nothing,
}

type Step = (Event, Fact);

/// The facts of a moment.
#[derive(Default)]
struct Truth(BTreeSet<Fact>);

impl Truth {
    fn is(&self, fact: Fact) -> bool {
        self.0.contains(&fact)
    }

    /// Whether names that only this namespace's pods see may be shown to the address at all.
    fn may_see(&self, ns: &'static str) -> bool {
        self.is(Fact::Has(ns)) && !self.is(Fact::Ended(ns)) && self.is(Fact::Read(ns))
    }

    /// Whose the address is, where that can be told: one pod's alone, or that of the only one that
    /// stays.
    fn owner(&self) -> Option<&'static str> {
        let mut owners = SPACES.to_vec();
        owners.retain(|ns| self.is(Fact::Has(ns)) && !self.is(Fact::Ended(ns)));
        if owners.iter().any(|ns| !self.is(Fact::Leaving(ns))) {
            owners.retain(|ns| !self.is(Fact::Leaving(ns)));
        }
        match owners[..] {
            [owner] if self.is(Fact::Read(owner)) => Some(owner),
            _ => None,
        }
    }
}

fn sees(snapshot: &Snapshot, ns: &str) -> bool {
    let bytes = query(&format!("web.{ns}.svc.cluster.local."), RType::A);
    let reply = ask(snapshot, ip(P), Transport::Udp, &bytes).unwrap();
    decode(&reply).rcode == "NOERROR"
}

/// Takes the steps in this order, and looks after each at what the address sees.
fn follow(steps: &[&Step]) {
    let service = |ns: &&str| objects::service(ns, "web", &[ip("10.96.0.1")]);
    let mut index = Cluster::of(Vec::new(), "").index();
    for object in SPACES.iter().map(service) {
        index.apply(Event::Apply(object));
    }
    index.apply(Event::Apply(objects::namespace("a")));
    index.apply(at(pod("a/1", &[P]), 1));
    let mut truth = Truth(BTreeSet::from([Fact::Has("a"), Fact::Read("a")]));
    for taken in 0..=steps.len() {
        if taken > 0 {
            let (event, fact) = steps[taken - 1];
            index.apply(event.clone());
            truth.0.insert(*fact);
        }
        let snapshot = index.snapshot(1);
        for ns in SPACES {
            let seen = sees(&snapshot, ns);
            let told = || {
                let facts: Vec<Fact> = steps[..taken].iter().map(|step| step.1).collect();
                format!("{ns} after {facts:?}")
            };
            assert!(!seen || truth.may_see(ns), "{}", told());
            assert_eq!(seen, truth.owner() == Some(ns), "{}", told());
        }
    }
}

fn at(pod: Pod, version: u64) -> Event {
    Event::ApplyAt(Object::Pod(pod), Version(version))
}

fn deleted(ns: &'static str, version: u64) -> Step {
    let event = Event::DeleteAt(Kind::Pod, ObjectKey::new(ns, "1"), Version(version));
    (event, Fact::Ended(ns))
}

fn has(ns: &'static str, version: u64) -> Step {
    (at(pod(&format!("{ns}/1"), &[P]), version), Fact::Has(ns))
}

fn ended(ns: &'static str, version: u64, change: impl Fn(&mut Pod)) -> Step {
    let mut pod = pod(&format!("{ns}/1"), &[P]);
    change(&mut pod);
    (at(pod, version), Fact::Ended(ns))
}

fn failed(ns: &'static str, version: u64) -> Step {
    ended(ns, version, |pod| pod.phase = Phase::Failed)
}

fn read(ns: &'static str) -> Step {
    (Event::Apply(objects::namespace(ns)), Fact::Read(ns))
}

/// Every order of all steps that keeps the order within each list.
fn interleavings<'s>(
    lists: &mut [&'s [Step]],
    taken: &mut Vec<&'s Step>,
    test: &mut dyn FnMut(&[&Step]),
) {
    let mut over = true;
    for at in 0..lists.len() {
        if let Some((first, rest)) = lists[at].split_first() {
            over = false;
            let before = std::mem::replace(&mut lists[at], rest);
            taken.push(first);
            interleavings(lists, taken, test);
            taken.pop();
            lists[at] = before;
        }
    }
    if over {
        test(taken);
    }
}

/// Follows every order of the lists, and says how many there are.
fn in_every_order(lists: &[&[Step]]) -> usize {
    let mut count = 0;
    interleavings(&mut lists.to_vec(), &mut Vec::new(), &mut |steps| {
        count += 1;
        follow(steps);
    });
    count
}

#[test]
fn an_address_that_changes_hands_never_sees_what_only_the_other_may() {
    // However the first pod ends.
    let leaving = || {
        let (Event::ApplyAt(Object::Pod(mut pod), version), _) = has("a", 2) else {
            unreachable!()
        };
        pod.terminating = true;
        (at(pod, version.0), Fact::Leaving("a"))
    };
    let endings: [(&str, Vec<Step>, usize); 5] = [
        ("it is deleted", vec![deleted("a", 4)], 12),
        ("it fails", vec![failed("a", 3), deleted("a", 4)], 30),
        (
            "it succeeds",
            vec![
                ended("a", 3, |pod| pod.phase = Phase::Succeeded),
                deleted("a", 4),
            ],
            30,
        ),
        (
            "it is told to go, and its containers end",
            vec![
                leaving(),
                ended("a", 3, |pod| {
                    pod.terminating = true;
                    pod.containers_ended = true;
                }),
                deleted("a", 4),
            ],
            60,
        ),
        (
            "its sandbox goes",
            vec![
                ended("a", 3, |pod| pod.sandbox_gone = true),
                deleted("a", 4),
            ],
            30,
        ),
    ];
    for (fact, ending, orders) in &endings {
        let newcomer = Pod {
            phase: Phase::Pending,
            ..pod("b/1", &[])
        };
        let coming = [(at(newcomer, 5), Fact::Nothing), has("b", 6)];
        let count = in_every_order(&[ending, &coming, &[read("b")]]);
        assert_eq!(count, *orders, "{fact}");
    }
}

#[test]
fn nor_where_events_of_one_pod_come_out_of_their_order() {
    let steps = [failed("a", 3), deleted("a", 4), has("b", 5), read("b")];
    let single: Vec<&[Step]> = steps.iter().map(std::slice::from_ref).collect();
    assert_eq!(in_every_order(&single), 24);
}

#[test]
fn nor_where_three_pods_have_it_in_turn() {
    let first = [failed("a", 2), deleted("a", 3)];
    let second = [has("b", 4), failed("b", 5), deleted("b", 6)];
    let third = [has("c", 7)];
    let count = in_every_order(&[&first, &second, &third, &[read("b")], &[read("c")]]);
    assert_eq!(count, 3360);
}

// === every history of three pods ===

/// Where a pod is that has had, has or will have the address; what may come next is [`Stage::next`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// There is none of this name: not yet, or it is deleted. It may come (again), as another pod.
    Nowhere,
    /// It waits for an address.
    Waits,
    /// Its status names the address.
    Has,
    /// It is told to go; its containers run.
    Leaves,
    /// It has failed, and its status still names the address.
    Failed,
    /// Its status names another address.
    Elsewhere,
}

impl Stage {
    fn next(self) -> &'static [Self] {
        match self {
            Self::Nowhere => &[Self::Waits, Self::Has],
            Self::Waits => &[Self::Has, Self::Nowhere],
            Self::Has => &[Self::Leaves, Self::Failed, Self::Elsewhere, Self::Nowhere],
            Self::Leaves => &[Self::Failed, Self::Nowhere],
            Self::Failed => &[Self::Nowhere],
            Self::Elsewhere => &[Self::Has, Self::Nowhere],
        }
    }

    /// The event that brings a namespace's pod here, `life` times after it first came.
    fn event(self, ns: &'static str, life: u32, version: u64) -> Event {
        if self == Self::Nowhere {
            return deleted(ns, version).0;
        }
        let addresses: &[&str] = match self {
            Self::Waits => &[],
            Self::Elsewhere => &["10.244.0.6"],
            _ => &[P],
        };
        let mut pod = pod(&format!("{ns}/1"), addresses);
        pod.uid = format!("{ns}-{life}").into();
        pod.terminating = self == Self::Leaves;
        match self {
            Self::Waits => pod.phase = Phase::Pending,
            Self::Failed => pod.phase = Phase::Failed,
            _ => {}
        }
        at(pod, version)
    }
}

/// What has happened to the three pods, and what each of the three sees at most: all events have
/// come in the order in which they happened, as a watch tells them.
struct Histories {
    cluster: Cluster,
    longest: usize,
    count: usize,
    events: Vec<Event>,
}

impl Histories {
    fn follow(&mut self, stages: [Stage; 3], lives: [u32; 3]) {
        self.count += 1;
        let mut index = self.cluster.index();
        self.events
            .iter()
            .cloned()
            .for_each(|event| index.apply(event));
        let snapshot = index.snapshot(1);
        // Whoever stays has it; of those that go, one alone.
        let at = |stage| (0..3).filter(move |i| stages[*i] == stage);
        let owner = match (at(Stage::Has).count(), at(Stage::Leaves).count()) {
            (1, _) => at(Stage::Has).next(),
            (0, 1) => at(Stage::Leaves).next(),
            _ => None,
        };
        for (i, ns) in SPACES.into_iter().enumerate() {
            let told = || format!("{ns} where pods are {stages:?} after {:?}", self.events);
            assert_eq!(sees(&snapshot, ns), owner == Some(i), "{}", told());
        }
        if self.events.len() == self.longest {
            return;
        }
        for (i, ns) in SPACES.into_iter().enumerate() {
            for &next in stages[i].next() {
                let (mut stages, mut lives) = (stages, lives);
                lives[i] += u32::from(stages[i] == Stage::Nowhere);
                stages[i] = next;
                let version = self.events.len() as u64 + 2;
                self.events.push(next.event(ns, lives[i], version));
                self.follow(stages, lives);
                self.events.pop();
            }
        }
    }
}

/// Events of one history at most, and how many histories there are: by default, and where isolation
/// is verified. Seven are enough for an address to go through three pods, of which two fail and are
/// deleted.
const FEW: (usize, usize) = (4, 2_578);
const MANY: (usize, usize) = (7, 985_567);

#[test]
fn in_every_history_of_three_pods_an_address_sees_what_its_owner_may() {
    let service = |ns: &&str| objects::service(ns, "web", &[ip("10.96.0.1")]);
    let (longest, count) = match std::env::var_os("TENANTDNS_SAMPLES") {
        Some(_) => MANY,
        None => FEW,
    };
    let mut histories = Histories {
        cluster: Cluster::of(SPACES.iter().map(service).collect(), ""),
        longest,
        count: 0,
        events: Vec::new(),
    };
    histories.follow([Stage::Nowhere; 3], [0; 3]);
    println!(
        "address reuse: all {} histories of up to {longest} events of three pods",
        histories.count
    );
    assert_eq!(histories.count, count);
}

/// A connection is as old as its first query; who asks is looked up for each.
#[test]
fn a_tcp_connection_outlives_the_pod_that_opened_it_and_answers_its_heir() {
    let source: IpAddr = ip("127.0.5.1");
    let held = |ns| {
        let address = source.to_string();
        Event::Apply(Object::Pod(pod(&format!("{ns}/1"), &[&address])))
    };
    let cluster = Cluster::of(
        SPACES
            .iter()
            .map(|ns| objects::service(ns, "web", &[ip("10.96.0.1")]))
            .collect(),
        "",
    );
    let mut live = Live::start(&cluster);
    live.index.apply(held("a"));
    live.publish();
    let mut stream = connect(source, live.address);
    let mut asked = |ns| {
        let bytes = query(&format!("web.{ns}.svc.cluster.local."), RType::A);
        let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
        stream.write_all(&[&length, &bytes[..]].concat()).unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut reply).unwrap();
        decode(&reply).rcode
    };
    assert_eq!(
        (asked("a"), asked("b")),
        ("NOERROR".into(), "NXDOMAIN".into())
    );
    let gone = Event::Delete(Kind::Pod, ObjectKey::new("a", "1"));
    for event in [gone, held("b")] {
        live.index.apply(event);
    }
    live.publish();
    assert_eq!(
        (asked("a"), asked("b")),
        ("NXDOMAIN".into(), "NOERROR".into())
    );
}

fn connect(source: IpAddr, server: SocketAddr) -> TcpStream {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    socket.into()
}

// === kinds that come in any order ===

/// A tenant's namespace.
fn tenants(name: &str, tenant: &str) -> Object {
    Object::Namespace(Namespace {
        name: name.into(),
        labels: Labels::from([("tenantdns.io/tenant".into(), tenant.into())]),
        ..Namespace::default()
    })
}

#[test]
fn kinds_that_come_in_any_order_end_alike_and_show_nothing_before_the_tenant_is_known() {
    // The pod's namespace is given to another tenant, after which it sees b.
    let events = [
        Event::ApplyAt(tenants("a", "other"), Version(1)),
        Event::ApplyAt(tenants("a", "one"), Version(2)),
        Event::Apply(objects::service("a", "web", &[ip("10.96.0.9")])),
        Event::Apply(objects::slice("a", "web", [ip("10.244.0.9")])),
        Event::Apply(Object::Pod(pod("a/1", &[P]))),
    ];
    let relabeled = 1;
    let mut first = None;
    for order in permutations(events.len()) {
        let mut index = Cluster::of(vec![tenants("b", "one")], "").index();
        index.apply(Event::Apply(objects::service(
            "b",
            "web",
            &[ip("10.96.0.1")],
        )));
        let told = |taken: usize| format!("{:?}", &order[..taken]);
        for taken in 1..=order.len() {
            index.apply(events[order[taken - 1]].clone());
            let known = order[..taken].contains(&relabeled);
            let seen = sees(&index.snapshot(7), "b");
            let pod = order[..taken].contains(&4);
            assert_eq!(seen, known && pod, "after {}", told(taken));
        }
        let end = dump(&index.snapshot(7));
        let first = first.get_or_insert_with(|| end.clone());
        assert_eq!(*first, end, "{}", told(order.len()));
    }
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for _ in 0..count {
        let longer = all.iter().flat_map(|order| {
            let left = (0..count).filter(|at| !order.contains(at));
            left.map(|at| [&order[..], &[at]].concat())
        });
        all = longer.collect();
    }
    all
}

// === histories with duplicates, out of their order ===

/// What happened to an object, and at which version.
#[derive(Debug, Clone)]
enum Happening {
    /// It became one of a few shapes.
    Became(u8),
    /// It became something that is of no use.
    Void,
    Gone,
}

/// Histories are of two objects of each of these kinds, in one of these shapes.
const KINDS: [Kind; 5] = [
    Kind::Namespace,
    Kind::Service,
    Kind::EndpointSlice,
    Kind::Pod,
    Kind::Node,
];
const NAMES: [&str; 2] = ["x", "y"];
const SHAPES: [u8; 3] = [0, 1, 2];

/// Histories of a run.
const HISTORIES: u32 = 100_000;
/// How often answers are looked at as well after a step; what is known of objects is after each.
const LOOK: f64 = 0.001;

/// Kind, name, what happened at which version, and whether answers are looked at then.
type History = Vec<(Kind, &'static str, Happening, u64, bool)>;

fn histories() -> impl Strategy<Value = History> {
    let happening = prop_oneof![
        4 => select(&SHAPES).prop_map(Happening::Became),
        1 => Just(Happening::Void),
        2 => Just(Happening::Gone),
    ];
    let look = prop::bool::weighted(LOOK);
    let one = (select(&KINDS), select(&NAMES), happening, 1u64..12, look);
    prop::collection::vec(one, 1..32)
}

/// An object of one of the shapes.
fn shaped(kind: Kind, name: &str, shape: u8) -> Object {
    let address = |third: u8| IpAddr::from([10, third, 0, shape]);
    match kind {
        Kind::Namespace => tenants(name, ["one", "other", ""][usize::from(shape)]),
        Kind::Service => objects::service("x", name, &[address(96)]),
        Kind::EndpointSlice => objects::slice("x", name, [address(244)]),
        Kind::Node => Object::Node(tenantdns::model::Node {
            name: name.into(),
            ready: shape == 0,
            addresses: vec![address(0)],
            ..Default::default()
        }),
        _ => objects::pod("x", name, address(244)),
    }
}

fn key(kind: Kind, name: &str) -> ObjectKey {
    match kind {
        Kind::Namespace | Kind::Node => ObjectKey::cluster(name),
        _ => ObjectKey::new("x", name),
    }
}

/// The newest that was heard of each object counts: a table of what was last taken, by version.
#[test]
fn histories_with_duplicates_and_out_of_order_leave_the_newest_of_each_object() {
    let (late, looks) = (Cell::new(0usize), Cell::new(0usize));
    let kept = shapes_as_kept();
    let cluster = Cluster::of(Vec::new(), "");
    check(HISTORIES, file!(), &histories(), |history| {
        let mut index = cluster.index();
        let mut newest = BTreeMap::<(Kind, &str), (u64, Option<u8>)>::new();
        for (kind, name, happening, version, look) in history {
            let (at, key) = (Version(version), key(kind, name));
            let (event, shape) = match happening {
                Happening::Became(shape) => {
                    (Event::ApplyAt(shaped(kind, name, shape), at), Some(shape))
                }
                Happening::Void => (Event::Void(kind, key, at), None),
                Happening::Gone => (Event::DeleteAt(kind, key, at), None),
            };
            index.apply(event);
            let known = newest.entry((kind, name)).or_default();
            if version >= known.0 {
                *known = (version, shape);
            } else {
                late.set(late.get() + 1);
            }
            let left = newest
                .iter()
                .filter_map(|(key, known)| Some((*key, known.1?)));
            let known = known_to(&mut index);
            let is_kept = known.iter().eq(left.clone().map(|thing| &kept[&thing]));
            prop_assert!(is_kept, "{known:?} is known of {newest:?}");
            if look {
                looks.set(looks.get() + 1);
                let left = left.map(|((kind, name), shape)| shaped(kind, name, shape));
                let expected = dump(&of(left.collect()).snapshot(7));
                prop_assert_eq!(dump(&index.snapshot(7)), expected);
            }
        }
        Ok(())
    });
    assert!(late.get() >= 200_000, "only {late:?} events came late");
    assert!(looks.get() >= 500, "answers were looked at {looks:?} times");
}

/// What an index keeps of each object that there is in the histories.
fn shapes_as_kept() -> BTreeMap<((Kind, &'static str), u8), Object> {
    let mut kept = BTreeMap::new();
    for kind in KINDS {
        for (name, shape) in NAMES.into_iter().flat_map(|n| SHAPES.map(|s| (n, s))) {
            let object = known_to(&mut of(vec![shaped(kind, name, shape)])).remove(0);
            kept.insert(((kind, name), shape), object);
        }
    }
    kept
}

/// Every object that an index knows, by kind and key.
fn known_to(index: &mut Index) -> Vec<Object> {
    let mut all = Vec::new();
    index.begin_copy();
    while let Some(Copied::Objects(objects)) = index.copy(usize::MAX) {
        all.extend(objects);
    }
    all.sort_by_key(|object| (object.kind(), object.key()));
    all
}

/// An index of these objects, and no namespace that they only mention.
fn of(objects: Vec<Object>) -> Index {
    let mut index = Cluster::of(Vec::new(), "").index();
    for object in objects {
        index.apply(Event::Apply(object));
    }
    index
}
