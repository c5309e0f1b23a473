//! Invariants I4 and I9: an answer from the cluster's data allocates nothing, and a change as much in
//! a large cluster as in a small one. A test binary of its own, because it counts what the allocator
//! is asked for.
#![allow(clippy::unwrap_used, reason = "a test ends where it is wrong")]
#![allow(
    unsafe_code,
    reason = "GlobalAlloc is an unsafe trait, and there is no other way to count allocations"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;
use tenantdns::answer::{DropReason, Outcome, Transport, respond};
use tenantdns::index::Event;
use tenantdns::observe::{Options, Recorder, Share, Traffic, Wanted, observe};
use tenantdns::snapshot::Snapshot;
use tenantdns::testing::{Cluster, objects, query, query_edns, request, sized};
use tenantdns::wire::RType;

thread_local! {
    /// Allocations of this thread: tests run beside each other. Neither lazy nor dropped, so that
    /// counting does not allocate.
    static COUNT: Cell<u64> = const { Cell::new(0) };
    /// Octets of them.
    static OCTETS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every method hands its arguments to `System` unchanged, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        OCTETS.set(OCTETS.get() + layout.size() as u64);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` is from `System.alloc` with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    // `alloc_zeroed` and `realloc` have defaults that go through `alloc`.
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Returns what `work` returns and how often it allocated.
fn counted<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = COUNT.get();
    let value = work();
    (value, COUNT.get() - before)
}

const CLIENT: &str = "10.244.0.7";
const NODE: &str = "192.0.2.1";
const STRANGER: &str = "203.0.113.9";

fn snapshot() -> Snapshot {
    snapshot_with("")
}

/// The same cluster behind these tables.
fn snapshot_with(tables: &str) -> Snapshot {
    let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
    let endpoints = (0..40).map(|n| IpAddr::from([10, 244, 1, n]));
    let objects = vec![
        objects::service("shop", "web", &[ip("10.96.0.1"), ip("fd00:96::1")]),
        objects::headless("shop", "db"),
        objects::zoned_slice("shop", "db", endpoints, ("us-1a", ip("10.244.1.9"))),
        objects::reached_at(
            "shop",
            "lb",
            &["198.51.100.7", "198.51.100.8", "2001:db8::7"].map(ip),
        ),
        objects::reached_at("bank", "vault", &[ip("198.51.100.9")]),
        objects::alias("shop", "alias", "web.shop.svc.cluster.local"),
        objects::alias("shop", "twice", "alias.shop.svc.cluster.local"),
        objects::alias("shop", "gone", "www.example.org"),
        objects::service("bank", "secret", &[ip("10.96.0.3")]),
        objects::service("kube-system", "kube-dns", &[ip("10.96.0.10")]),
        objects::slice("kube-system", "kube-dns", [ip("10.244.0.2")]),
        objects::pod("shop", "client", ip(CLIENT)),
        objects::pod("kube-system", "dns", ip("10.244.0.2")),
        objects::node("node", ip(NODE), true),
    ];
    let config = format!("[kubernetes]\npods = \"verified\"\n{tables}");
    Cluster::of(objects, &config)
        .own_addresses(&[ip("10.244.0.2")])
        .snapshot()
}

/// Asks, and returns the reply's code and count of answers, or why there is none.
fn measure(
    snapshot: &Snapshot,
    (source, transport): (&str, Transport),
    bytes: &[u8],
    out: &mut [u8],
) -> (Result<(u16, u16), DropReason>, u64) {
    let request = request(source.parse().unwrap(), transport, bytes);
    let (outcome, count) = counted(|| respond(snapshot, &request, out));
    let said = match outcome {
        Outcome::Reply(_, verdict) => Ok((verdict.rcode.0, u16::from_be_bytes([out[6], out[7]]))),
        Outcome::Drop(reason) => Err(reason),
        other => panic!("{other:?}"),
    };
    (said, count)
}

#[test]
fn a_forwarded_query_allocates_nothing() {
    let config = "[[tenancy.forwarder]]\npeers = { cidrs = [\"192.0.2.1/32\"] }\n";
    let objects = vec![
        objects::service("shop", "web", &["10.96.0.1".parse().unwrap()]),
        objects::pod("shop", "client", CLIENT.parse().unwrap()),
    ];
    let snapshot = Cluster::of(objects, config).snapshot();
    let mut forwarded = query_edns("web.shop.svc.cluster.local", RType::A, 1232);
    let length = forwarded.len();
    forwarded[length - 1] = 8;
    forwarded.extend([0xfd, 0xe9, 0, 4, 10, 244, 0, 7]);
    let mut text = forwarded.clone();
    text.truncate(length);
    text[length - 1] = 14;
    text.extend(b"\xfd\xe9\0\x0a10.244.0.7");
    let mut out = vec![0; 1232];
    for (from, bytes) in [
        ("192.0.2.1", &forwarded),
        ("192.0.2.1", &text),
        (CLIENT, &forwarded),
    ] {
        let (said, count) = measure(&snapshot, (from, Transport::Udp), bytes, &mut out);
        assert_eq!((said, count), (Ok((0, 1)), 0), "{from}");
    }
}

#[test]
fn an_allocation_is_counted() {
    assert_eq!(counted(|| Box::new(7)).1, 1);
    assert_eq!(counted(|| vec![0u8; 9].len()).1, 1);
    let (_, grown) = counted(|| {
        let mut list = Vec::with_capacity(1);
        list.extend([1u64; 100]);
        list
    });
    assert_eq!(grown, 2);
    assert_eq!(counted(|| 7).1, 0);
}

/// What is asked | who asks | name | type | response code | answers within 1232 octets.
const CASES: &str = "\
A                    | pod      | web.shop.svc.cluster.local              | A     | NOERROR  | 1
AAAA                 | pod      | web.shop.svc.cluster.local              | AAAA  | NOERROR  | 1
SRV                  | pod      | web.shop.svc.cluster.local              | SRV   | NOERROR  | 1
SRV of a port        | pod      | _http._tcp.web.shop.svc.cluster.local   | SRV   | NOERROR  | 1
letter case          | pod      | wEb.Shop.SVC.Cluster.Local              | A     | NOERROR  | 1
headless             | pod      | db.shop.svc.cluster.local               | A     | NOERROR  | 40
headless SRV, cut    | pod      | db.shop.svc.cluster.local               | SRV   | NOERROR  | 20
endpoint             | pod      | 10-244-1-9.db.shop.svc.cluster.local    | A     | NOERROR  | 1
endpoint SRV         | pod      | 10-244-1-9.db.shop.svc.cluster.local    | SRV   | NOERROR  | 1
service PTR          | pod      | 1.0.96.10.in-addr.arpa                  | PTR   | NOERROR  | 1
endpoint PTR         | pod      | 9.1.244.10.in-addr.arpa                 | PTR   | NOERROR  | 1
absent PTR           | pod      | 9.9.96.10.in-addr.arpa                  | PTR   | NXDOMAIN | 0
hidden PTR           | pod      | 3.0.96.10.in-addr.arpa                  | PTR   | NXDOMAIN | 0
absent               | pod      | absent.shop.svc.cluster.local           | A     | NXDOMAIN | 0
search list          | pod      | www.example.org.shop.svc.cluster.local  | A     | NXDOMAIN | 0
no data              | pod      | web.shop.svc.cluster.local              | MX    | NOERROR  | 0
namespace            | pod      | shop.svc.cluster.local                  | A     | NOERROR  | 0
hidden               | pod      | secret.bank.svc.cluster.local           | A     | NXDOMAIN | 0
hidden namespace     | pod      | bank.svc.cluster.local                  | A     | NXDOMAIN | 0
absent namespace     | pod      | none.svc.cluster.local                  | A     | NXDOMAIN | 0
alias                | pod      | alias.shop.svc.cluster.local            | A     | NOERROR  | 2
alias of an alias    | pod      | twice.shop.svc.cluster.local            | A     | NOERROR  | 3
CNAME                | pod      | alias.shop.svc.cluster.local            | CNAME | NOERROR  | 1
alias to the outside | pod      | gone.shop.svc.cluster.local             | A     | NOERROR  | 1
# Of db 40, of web 1, of the aliases 2, 3 and 1.
wildcard A           | pod      | *.shop.svc.cluster.local                | A     | NOERROR  | 47
wildcard SRV         | pod      | *.shop.svc.cluster.local                | SRV   | NOERROR  | 20
wildcard namespace   | pod      | web.*.svc.cluster.local                 | A     | NOERROR  | 1
wildcard, no match   | pod      | *.bank.svc.cluster.local                | A     | NXDOMAIN | 0
pod                  | pod      | 10-244-0-7.shop.pod.cluster.local       | A     | NOERROR  | 1
pod SRV              | pod      | 10-244-0-7.shop.pod.cluster.local       | SRV   | NOERROR  | 1
hidden pod           | pod      | 10-244-0-2.kube-system.pod.cluster.local | A     | NXDOMAIN | 0
apex                 | pod      | cluster.local                           | A     | NOERROR  | 0
SOA                  | pod      | cluster.local                           | SOA   | NOERROR  | 1
NS                   | pod      | cluster.local                           | NS    | NOERROR  | 1
ns.dns               | stranger | ns.dns.cluster.local                    | A     | NOERROR  | 1
dns-version          | pod      | dns-version.cluster.local               | TXT   | NOERROR  | 1
whoami               | pod      | whoami.tenantdns.cluster.local          | TXT   | NOERROR  | 1
whoami, unknown      | stranger | whoami.tenantdns.cluster.local          | TXT   | NOERROR  | 1
unknown              | stranger | web.shop.svc.cluster.local              | A     | SERVFAIL | 0
unknown, absent      | stranger | absent.none.svc.cluster.local           | A     | SERVFAIL | 0
unknown, PTR         | stranger | 1.0.96.10.in-addr.arpa                  | PTR   | SERVFAIL | 0
unknown, mandatory   | stranger | kube-dns.kube-system.svc.cluster.local  | A     | NOERROR  | 1
no shape of ours     | stranger | a.b.c.cluster.local                     | A     | NXDOMAIN | 0
out of zone          | pod      | example.org                             | A     | REFUSED  | 0";

/// The same of zones of `k8s_external`, and of topology zones.
const OUTSIDE: &str = "\
A                    | pod      | lb.shop.lb.test                         | A     | NOERROR  | 2
AAAA                 | pod      | lb.shop.lb.test                         | AAAA  | NOERROR  | 1
SRV                  | pod      | lb.shop.lb.test                         | SRV   | NOERROR  | 1
SRV of a port        | pod      | _http._tcp.lb.shop.lb.test              | SRV   | NOERROR  | 1
headless             | pod      | db.shop.lb.test                         | A     | NOERROR  | 40
headless SRV, cut    | pod      | db.shop.lb.test                         | SRV   | NOERROR  | 25
endpoint             | pod      | 10-244-1-9.db.shop.lb.test              | A     | NOERROR  | 1
endpoint SRV         | pod      | 10-244-1-9.db.shop.lb.test              | SRV   | NOERROR  | 1
PTR                  | pod      | 7.100.51.198.in-addr.arpa               | PTR   | NOERROR  | 1
hidden PTR           | pod      | 9.100.51.198.in-addr.arpa               | PTR   | NXDOMAIN | 0
absent PTR           | pod      | 1.100.51.198.in-addr.arpa               | PTR   | NXDOMAIN | 0
absent               | pod      | absent.shop.lb.test                     | A     | NXDOMAIN | 0
hidden               | pod      | vault.bank.lb.test                      | A     | NXDOMAIN | 0
no data              | pod      | lb.shop.lb.test                         | TXT   | NOERROR  | 0
namespace            | pod      | shop.lb.test                            | A     | NOERROR  | 0
SOA                  | pod      | lb.test                                 | SOA   | NOERROR  | 1
NS                   | pod      | lb.test                                 | NS    | NOERROR  | 1
name server          | stranger | ns1.dns.lb.test                         | A     | NOERROR  | 0
nothing there        | stranger | ns2.dns.lb.test                         | A     | NXDOMAIN | 0
unknown              | stranger | lb.shop.lb.test                         | A     | SERVFAIL | 0
unknown, PTR         | stranger | 7.100.51.198.in-addr.arpa               | PTR   | SERVFAIL | 0
pinned               | pod      | us-1a.pin._zone.db.shop.svc.cluster.local | A   | NOERROR  | 1
pinned SRV           | pod      | us-1a.pin._zone.db.shop.svc.cluster.local | SRV | NOERROR  | 1
pinned, empty        | pod      | us-1b.pin._zone.db.shop.svc.cluster.local | TXT | NOERROR  | 0
preferred            | pod      | us-1b.prefer._zone.db.shop.svc.cluster.local | A | NOERROR | 40
pinned, hidden       | pod      | us-1a.pin._zone.secret.bank.svc.cluster.local | A | NXDOMAIN | 0";

/// Where there are such names.
const OUTSIDE_TABLES: &str =
    "zonal = true\n[k8s_external]\nzones = [\"lb.test\", \"198.51.100.0/24\"]\nheadless = true\n";

/// Steps in front of the cluster that are for other questions, or only look.
const STEPS: &str = "[any]\n[minimal]\n[loadbalance]\n[local]\n[chaos]\n[nsid]\n[bufsize]\nsize = 1232\n\
    [dns64]\n[[acl]]\nzones = [\"example.org\"]\nrules = [{ action = \"drop\", nets = [\"10.9.0.0/16\"] }]\n";

#[test]
fn i4_an_in_zone_udp_answer_allocates_nothing() {
    allocates_nothing(&snapshot(), CASES.lines());
}

/// Nor where steps stand in front that let it pass.
#[test]
fn i4_an_in_zone_udp_answer_behind_steps_that_let_it_pass_allocates_nothing() {
    let in_zone = |line: &&str| !line.starts_with("out of zone");
    allocates_nothing(&snapshot_with(STEPS), CASES.lines().filter(in_zone));
}

/// Nor where services are reached from outside, nor by topology zone.
#[test]
fn i4_an_answer_from_outside_or_of_a_topology_zone_allocates_nothing() {
    let snapshot = snapshot_with(OUTSIDE_TABLES);
    allocates_nothing(&snapshot, OUTSIDE.lines());
    let in_zone = |line: &&str| !line.starts_with("out of zone");
    allocates_nothing(&snapshot, CASES.lines().filter(in_zone));
}

fn allocates_nothing<'a>(snapshot: &Snapshot, cases: impl Iterator<Item = &'a str>) {
    let mut out = vec![0; 1232];
    for line in cases.filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split('|').map(str::trim).collect();
        let [case, source, name, rtype, rcode, answers] = words[..] else {
            panic!("{line}");
        };
        let source = if source == "pod" { CLIENT } else { STRANGER };
        let rtype: RType = rtype.parse().unwrap();
        let rcode = match rcode {
            "NOERROR" => 0,
            "SERVFAIL" => 2,
            "NXDOMAIN" => 3,
            "REFUSED" => 5,
            other => panic!("{other}"),
        };
        let answers: u16 = answers.parse().unwrap();
        for bytes in [
            query_edns(name, rtype, 1232),
            query_edns(name, rtype, 65_535),
        ] {
            let got = measure(snapshot, (source, Transport::Udp), &bytes, &mut out);
            assert_eq!(got, (Ok((rcode, answers)), 0), "{case}");
        }
        let got = measure(
            snapshot,
            (source, Transport::Udp),
            &query(name, rtype),
            &mut out,
        );
        assert_eq!(
            (got.0.unwrap().0, got.1),
            (rcode, 0),
            "{case} in 512 octets"
        );
    }
}

/// Nor does what a worker notes of it, whether its ring is full or not.
#[test]
fn i4_noting_an_answer_allocates_nothing() {
    let snapshot = snapshot();
    let (first, _gatherer) = observe(Options::default(), 7);
    let mut witness = first.next();
    let mut traffic = Traffic::new(["dns://:53".to_owned()]);
    // One reader of everything, whose rings are full soon, and one of a part.
    let mut recorder = Recorder::new();
    let readers = [Share::ALL, Share::of(0.5)];
    let _readers = readers.map(|share| recorder.reader(Wanted::ALL, share, &Arc::default()));
    let mut laid_out = false;
    let mut out = vec![0; 1232];
    for (source, name, rtype) in [
        (CLIENT, "web.shop.svc.cluster.local", RType::A),
        (CLIENT, "secret.bank.svc.cluster.local", RType::A),
        (CLIENT, "9.0.96.10.in-addr.arpa", RType::PTR),
        (CLIENT, "example.org", RType::A),
        (NODE, "secret.bank.svc.cluster.local", RType::A),
        (STRANGER, "web.shop.svc.cluster.local", RType::A),
    ] {
        let bytes = query(name, rtype);
        let request = request(source.parse().unwrap(), Transport::Udp, &bytes);
        let Outcome::Reply(_, verdict) = respond(&snapshot, &request, &mut out) else {
            panic!("{name}");
        };
        let mut count = || {
            traffic.received(std::time::Instant::now());
            traffic.saw(&snapshot, &request, &verdict, 140);
            traffic.sent();
            recorder.received(std::time::Instant::now());
            recorder.saw(&request, &verdict, None, &out[..140]);
        };
        // The first query under a configuration makes what is counted in.
        if !std::mem::replace(&mut laid_out, true) {
            count();
        }
        assert_eq!(
            counted(|| (0..10_000).for_each(|_| count())).1,
            0,
            "{source} {name}"
        );
        let note = || (0..10_000).for_each(|_| witness.saw(&snapshot, &request, &verdict));
        assert_eq!(counted(note).1, 0, "{source} {name}");
        let Some(class) = verdict.client else {
            continue;
        };
        let plainly = || {
            for _ in 0..10_000 {
                traffic.turn_to(&snapshot, request.listener);
                traffic.saw_plainly(&snapshot, (&request).into(), &verdict, 140);
                traffic.sent();
                witness.turn_to(&snapshot);
                witness.saw_plainly(&snapshot, (&request).into(), (&verdict, class));
            }
        };
        assert_eq!(counted(plainly).1, 0, "{source} {name}, by the short way");
    }
}

/// Nor does one over TCP; the server's own buffers are not in question here.
#[test]
fn a_tcp_answer_allocates_nothing_either() {
    let snapshot = snapshot();
    let mut out = vec![0; 65_535];
    let bytes = query("db.shop.svc.cluster.local", RType::SRV);
    let got = measure(&snapshot, (CLIENT, Transport::Tcp), &bytes, &mut out);
    assert_eq!(got, (Ok((0, 40)), 0));
}

/// Whatever a message claims to hold, nothing is set aside for it.
#[test]
fn malformed_messages_allocate_nothing() {
    let snapshot = snapshot();
    let mut out = vec![0; 1232];
    let valid = query_edns("web.shop.svc.cluster.local", RType::A, 1232);
    let with = |at: usize, octets: &[u8]| {
        let mut bytes = valid.clone();
        bytes[at..at + octets.len()].copy_from_slice(octets);
        bytes
    };
    let options = |count: usize| {
        let mut bytes = valid.clone();
        let at = bytes.len() - 2;
        bytes[at..].copy_from_slice(&(4 * count as u16).to_be_bytes());
        bytes.extend([0xfd, 0xe9, 0, 0].repeat(count));
        bytes
    };
    let records = |count: u16| {
        let mut bytes = with(10, &count.to_be_bytes());
        bytes.truncate(bytes.len() - 11);
        bytes.extend([0, 0, 99, 0, 1, 0, 0, 0, 0, 0, 0].repeat(usize::from(count)));
        bytes
    };
    let refused = Ok((1, 0));
    for (case, bytes, expected) in [
        ("empty", Vec::new(), Err(DropReason::Short)),
        ("response", with(2, &[0x80]), Err(DropReason::Response)),
        ("opcode", with(2, &[0x28]), Ok((4, 0))),
        ("65535 questions", with(4, &[255; 2]), refused),
        ("65535 answers", with(6, &[255; 2]), refused),
        ("65535 authorities", with(8, &[255; 2]), refused),
        ("65535 additionals", with(10, &[255; 2]), refused),
        ("65535 of each", with(4, &[255; 8]), refused),
        ("a label past the end", with(12, &[63]), refused),
        ("a pointer", with(12, &[0xc0, 0x0c]), refused),
        (
            "option data past the end",
            with(valid.len() - 2, &[255; 2]),
            refused,
        ),
        ("16,000 options", options(16_000), Ok((0, 1))),
        ("5,900 records", records(5_900), Ok((0, 1))),
    ] {
        for transport in [Transport::Udp, Transport::Tcp] {
            let got = measure(&snapshot, (CLIENT, transport), &bytes, &mut out);
            assert_eq!(got, (expected, 0), "{case} {transport:?}");
        }
    }
}

/// Returns how many octets each change of a cluster of this size allocates, its snapshot included.
fn change_costs(services: usize) -> Vec<(&'static str, u64)> {
    let config = "[tenancy]\nmode = \"enforce\"\n[kubernetes]\npods = \"verified\"\n";
    let cluster = Cluster::of(sized::cluster(services), config).seed(1);
    let mut index = cluster.index();
    let mut published = index.snapshot(1);
    let changes = sized::changes(services).into_iter();
    changes
        .map(|change| {
            let before = OCTETS.get();
            index.apply(Event::Apply(change.object));
            published = index.snapshot(published.generation as u32);
            (change.name, OCTETS.get() - before)
        })
        .collect()
}

#[test]
fn i9_a_change_allocates_as_much_in_a_large_cluster() {
    let (small, large) = (change_costs(100), change_costs(10_000));
    for ((name, small), (_, large)) in small.into_iter().zip(large) {
        // Of what is shared between snapshots, parts of a fixed size are made anew, which are full
        // where there is much.
        let most = small + small / 4;
        assert!(
            large <= most && large <= 10_000,
            "{name}: {large} octets, {small} in a small cluster"
        );
    }
}
