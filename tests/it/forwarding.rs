//! Names that are not ours, asked of upstreams that a test has say what they say. Not here: what is
//! kept (caching.rs), and real upstreams (tests/live/forward.rs).

use crate::decode::decode;
use crate::liar::{Asked, By, Liar, address, record, reply};
use crate::live::{Live, receive};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};
use tenantdns::answer::Transport;
use tenantdns::forward::{Lie, Proto, Readings};
use tenantdns::testing::{Cluster, objects, query};
use tenantdns::wire::RType;

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Pods of two tenants.
pub(crate) const A: &str = "127.1.0.1";
pub(crate) const B: &str = "127.1.0.2";
/// A private address of nobody's.
const NOBODY: &str = "127.2.0.1";

pub(crate) fn cluster(config: &str) -> Cluster {
    let objects = vec![
        objects::namespace("a"),
        objects::namespace("b"),
        objects::pod("a", "p", ip(A)),
        objects::pod("b", "p", ip(B)),
    ];
    Cluster::of(objects, config)
}

/// A server with one `[[forward]]` to these upstreams, and these lines in it and behind it.
pub(crate) fn serve(upstreams: &[&Liar], lines: &str) -> Live {
    let to: Vec<String> = upstreams
        .iter()
        .map(|upstream| format!("\"{}\"", upstream.address))
        .collect();
    Live::start(&cluster(&format!(
        "[[forward]]\nto = [{}]\n{lines}\n",
        to.join(", ")
    )))
}

pub(crate) fn honest() -> Liar {
    Liar::new(|asked| vec![address(&asked.bytes, 300, [192, 0, 2, 1])])
}

/// An upstream that says this response code.
fn saying(rcode: u8) -> Liar {
    Liar::new(move |asked| vec![reply(&asked.bytes, rcode, [&[], &[], &[]])])
}

fn silent() -> Liar {
    Liar::new(|_| Vec::new())
}

fn counts(live: &Live) -> Readings {
    live.forwarder.as_ref().unwrap().stats().read()
}

/// Waits until what is counted is as it should be.
fn eventually(live: &Live, fact: &str, is_so: impl Fn(&Readings) -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !is_so(&counts(live)) {
        assert!(Instant::now() < end, "{fact}: {:?}", counts(live));
        thread::yield_now();
    }
}

/// What is answered over UDP: the data of the first record, or the response code.
pub(crate) fn said(live: &Live, from: &str, bytes: &[u8]) -> String {
    let response = decode(&live.ask(ip(from), Transport::Udp, bytes));
    let first = response
        .answer
        .first()
        .and_then(|line| line.rsplit(' ').next());
    first.map_or(response.rcode, str::to_owned)
}

pub(crate) fn www() -> Vec<u8> {
    query("www.example.org", RType::A)
}

/// A query with an OPT record: payload size, flags, options.
pub(crate) fn edns(name: &str, size: u16, flags: u8, options: &[u8]) -> Vec<u8> {
    let mut bytes = query(name, RType::A);
    bytes[11] = 1;
    bytes.extend([0, 0, 41]);
    bytes.extend(size.to_be_bytes());
    bytes.extend([0, 0, flags, 0]);
    bytes.extend((options.len() as u16).to_be_bytes());
    bytes.extend(options);
    bytes
}

// === what is asked ===

#[test]
fn upstreams_are_asked_as_the_client_came_unless_told_otherwise() {
    use Transport::{Tcp, Udp};
    for (lines, transport, expected) in [
        ("", Udp, By::Udp),
        ("", Tcp, By::Tcp),
        ("force_tcp = true", Udp, By::Tcp),
        ("force_tcp = true", Tcp, By::Tcp),
        ("prefer_udp = true", Udp, By::Udp),
        ("prefer_udp = true", Tcp, By::Udp),
        ("force_tcp = true\nprefer_udp = true", Udp, By::Tcp),
    ] {
        let upstream = honest();
        let live = serve(&[&upstream], lines);
        let answer = decode(&live.ask(ip(A), transport, &www()));
        assert_eq!(
            answer.answer,
            ["www.example.org. 300 A 192.0.2.1"],
            "{lines}"
        );
        let by: Vec<By> = upstream.asked().iter().map(|asked| asked.by).collect();
        assert_eq!(by, [expected], "{lines:?} over {transport:?}");
    }
}

#[test]
fn a_reply_that_is_cut_is_asked_over_tcp_or_sends_the_client_there() {
    let cut_by_udp = || {
        Liar::new(|asked| {
            let mut whole = address(&asked.bytes, 300, [192, 0, 2, 1]);
            if asked.by == By::Udp {
                whole[2] |= 2;
            }
            vec![whole]
        })
    };
    for (lines, transport, tc, expected) in [
        (
            "prefer_udp = true",
            Transport::Udp,
            false,
            &[By::Udp, By::Tcp][..],
        ),
        (
            "prefer_udp = true",
            Transport::Tcp,
            false,
            &[By::Udp, By::Tcp],
        ),
        ("", Transport::Udp, true, &[By::Udp]),
    ] {
        let upstream = cut_by_udp();
        let live = serve(&[&upstream], lines);
        let answer = decode(&live.ask(ip(A), transport, &www()));
        assert_eq!((answer.tc, answer.answer.len()), (tc, 1), "{lines}");
        let by: Vec<By> = upstream.asked().iter().map(|asked| asked.by).collect();
        assert_eq!(by, expected, "{lines:?} over {transport:?}");
    }
}

#[test]
fn the_clients_message_is_kept_but_for_its_id_and_too_large_a_size() {
    let upstream = honest();
    let live = serve(&[&upstream], "");
    // A cookie and an unknown option; DO.
    let options = [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0xfd, 0xe9, 0, 1, 7];
    let mut question = edns("WwW.eXample.org", 4096, 0x80, &options);
    question[2] |= 1;
    question[3] |= 0x10;
    live.ask(ip(A), Transport::Udp, &question);
    live.ask(ip(A), Transport::Udp, &www());
    let asked = upstream.asked();
    let mut expected = question.clone();
    let size_at = expected.len() - options.len() - 8;
    expected[size_at..size_at + 2].copy_from_slice(&1232u16.to_be_bytes());
    assert_eq!(asked[0].bytes[2..], expected[2..]);
    assert_eq!(asked[1].bytes[2..], www()[2..], "no OPT record is added");
}

#[test]
fn the_size_that_is_said_is_ours_whatever_the_upstreams_is() {
    // DO, and an extended error (15): what else it says stays.
    let opt = [0, 0, 41, 0x10, 0, 0, 0, 0x80, 0, 0, 6, 0, 15, 0, 2, 0, 6];
    let upstream = Liar::new(move |asked| {
        let mut said = reply(&asked.bytes, 0, [&[], &[], &[]]);
        said[11] = 1;
        said.extend(opt);
        vec![said]
    });
    let live = serve(&[&upstream], "");
    let answer = live.ask(
        ip(A),
        Transport::Udp,
        &edns("www.example.org", 512, 0x80, &[]),
    );
    let mut expected = opt;
    expected[3..5].copy_from_slice(&1232u16.to_be_bytes());
    assert!(answer.ends_with(&expected), "{answer:02x?}");
}

#[test]
fn ids_and_ports_are_others_each_time() {
    let upstream = honest();
    let live = serve(&[&upstream], "");
    for number in 0..100 {
        let name = format!("n{number}.example.org");
        live.ask(ip(A), Transport::Udp, &query(&name, RType::A));
    }
    let asked = upstream.asked();
    let ids: BTreeSet<_> = asked
        .iter()
        .map(|asked| asked.bytes[..2].to_vec())
        .collect();
    assert!(ids.len() > 95, "{} IDs of 100", ids.len());
    let ports: BTreeSet<u16> = asked.iter().map(|asked| asked.from.port()).collect();
    assert!(ports.len() >= 3, "a socket asks 32 questions: {ports:?}");
    let of = counts(&live).to[0].clone();
    let opened = of.conn_cache_misses[Proto::Udp as usize];
    assert_eq!(opened, ports.len() as u64);
    assert_eq!(of.conn_cache_hits[Proto::Udp as usize], 100 - opened);
    assert_eq!(
        of.durations.iter().map(|(_, d)| d.count()).sum::<u64>(),
        100
    );
}

#[test]
fn queries_come_from_the_address_that_is_told() {
    let upstream = honest();
    let live = serve(&[&upstream], "source_address = \"127.0.0.7\"");
    for transport in [Transport::Udp, Transport::Tcp] {
        live.ask(ip(A), transport, &www());
    }
    assert!(
        upstream
            .asked()
            .iter()
            .all(|asked| asked.from.ip() == ip("127.0.0.7"))
    );
}

// === lies ===

/// What an upstream says before it says the right thing.
type Before = fn(&Asked) -> Vec<u8>;

fn right(asked: &Asked) -> Vec<u8> {
    address(&asked.bytes, 300, [192, 0, 2, 1])
}

fn forged(asked: &Asked) -> Vec<u8> {
    address(&asked.bytes, 300, [203, 0, 113, 66])
}

const LIES: [(&str, Lie, Before); 8] = [
    ("another ID", Lie::Id, |asked| {
        let mut lie = forged(asked);
        lie[1] ^= 1;
        lie
    }),
    ("another name", Lie::Question, |asked| {
        let mut lie = forged(asked);
        lie[13] ^= 1;
        lie
    }),
    ("another type", Lie::Question, |asked| {
        let mut question = asked.bytes.clone();
        let at = question.len() - 3;
        question[at] = 28;
        address(&question, 300, [203, 0, 113, 66])
    }),
    ("another class", Lie::Question, |asked| {
        let mut question = asked.bytes.clone();
        let at = question.len() - 1;
        question[at] = 3;
        address(&question, 300, [203, 0, 113, 66])
    }),
    ("no question", Lie::Question, |asked| {
        let mut lie = forged(asked)[..12].to_vec();
        lie[5] = 0;
        lie[7] = 1;
        lie.extend(b"\x03www\x07example\x03org\0\0\x01\0\x01\0\0\x01\x2c\0\x04\xcb\0\x71\x42");
        lie
    }),
    ("no response", Lie::Malformed, |asked| asked.bytes.clone()),
    ("a record that is not there", Lie::Malformed, |asked| {
        let mut lie = forged(asked);
        lie[7] = 2;
        lie
    }),
    ("three octets", Lie::Malformed, |asked| {
        asked.bytes[..3].to_vec()
    }),
];

#[test]
fn what_is_no_reply_to_the_question_is_counted_and_waited_past() {
    for (fact, lie, before) in LIES {
        let upstream = Liar::new(move |asked| vec![before(asked), before(asked), right(asked)]);
        let live = serve(&[&upstream], "[cache]");
        assert_eq!(said(&live, A, &www()), "192.0.2.1", "{fact}");
        let lies = counts(&live).to[0].lies;
        assert_eq!(lies[lie as usize], 2, "{fact}: {lies:?}");
        assert_eq!(lies.iter().sum::<u64>(), 2, "{fact}: {lies:?}");
        assert_eq!(
            said(&live, A, &www()),
            "192.0.2.1",
            "{fact}: kept is the right one"
        );
        assert_eq!(upstream.asked().len(), 1, "{fact}: and it is kept");
    }
}

#[test]
fn an_upstream_that_only_lies_costs_its_query_and_nothing_is_kept() {
    for (fact, lie, before) in LIES {
        let upstream = Liar::new(move |asked| vec![before(asked)]);
        let lines = "read_timeout = \"20ms\"\nmax_connect_attempts = 1\n[cache]";
        let live = serve(&[&upstream], lines);
        for _ in 0..2 {
            assert_eq!(said(&live, A, &www()), "SERVFAIL", "{fact}");
        }
        let lies = counts(&live).to[0].lies;
        assert!(lies[lie as usize] >= 2, "{fact}: {lies:?}");
        let kept = live.forwarder.as_ref().unwrap().caches()[0].read();
        assert_eq!(kept.success.entries + kept.denial.entries, 0, "{fact}");
    }
}

#[test]
fn a_reply_from_elsewhere_is_not_heard() {
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    let upstream = Liar::new(move |asked| {
        other.send_to(&forged(asked), asked.from).unwrap();
        vec![right(asked)]
    });
    let live = serve(&[&upstream], "");
    assert_eq!(said(&live, A, &www()), "192.0.2.1");
}

#[test]
fn what_is_longer_than_was_asked_for_sends_the_client_to_tcp() {
    let long = |asked: &Asked| {
        let records = vec![record(RType::TXT, 300, &[[199].as_slice(), &[b'x'; 199]].concat()); 9];
        vec![reply(&asked.bytes, 0, [&records, &[], &[]])]
    };
    let upstream = Liar::new(long);
    let live = serve(&[&upstream], "[cache]");
    let question = query("long.example.org", RType::TXT);
    let cut = decode(&live.ask(ip(A), Transport::Udp, &question));
    assert_eq!((cut.tc, cut.answer.len()), (true, 0));
    assert_eq!(counts(&live).to[0].lies[Lie::Oversized as usize], 1);
    let whole = decode(&live.ask(ip(A), Transport::Tcp, &question));
    assert_eq!((whole.tc, whole.answer.len()), (false, 9));
    // What is kept is cut to what the client takes, record by record.
    let cut = decode(&live.ask(ip(A), Transport::Udp, &question));
    assert_eq!((cut.tc, cut.answer.len()), (true, 2));
    assert_eq!(upstream.asked().len(), 2);
}

#[test]
fn a_largest_message_and_a_thousand_aliases_are_passed_on_over_tcp() {
    let largest = |asked: &Asked| {
        let octets = [[255].as_slice(), &[b'x'; 255]].concat().repeat(85);
        let records = vec![record(RType::TXT, 1 << 31, &octets); 3];
        vec![reply(&asked.bytes, 0, [&records, &[], &[]])]
    };
    let aliases = |asked: &Asked| {
        let mut whole = reply(&asked.bytes, 0, [&[], &[], &[]]);
        let mut owner = 12u16;
        for _ in 0..1000 {
            whole.extend((0xc000 | owner).to_be_bytes());
            whole.extend([0, 5, 0, 1, 0, 0, 1, 44, 0, 4]);
            owner = whole.len() as u16;
            whole.extend([1, b'a', 0xc0, 12]);
        }
        whole[6..8].copy_from_slice(&1000u16.to_be_bytes());
        vec![whole]
    };
    for (fact, say, count) in [
        ("large", largest as fn(&Asked) -> Vec<Vec<u8>>, 3),
        ("aliases", aliases, 1000),
    ] {
        let upstream = Liar::new(say);
        let live = serve(&[&upstream], "[cache]");
        let question = query("www.example.org", RType::TXT);
        let answer = live.ask(ip(A), Transport::Tcp, &question);
        assert_eq!(u16::from_be_bytes([answer[6], answer[7]]), count, "{fact}");
        assert_eq!(counts(&live).to[0].lies, [0; 5], "{fact}");
    }
}

// === who is asked ===

#[test]
fn each_policy_has_its_order() {
    let asked = |policy: &str| {
        let upstreams = [honest(), honest(), honest()];
        let [first, second, third] = &upstreams;
        let live = serve(&[first, second, third], &format!("policy = \"{policy}\""));
        for number in 0..60 {
            let name = format!("n{number}.example.org");
            live.ask(ip(A), Transport::Udp, &query(&name, RType::A));
        }
        upstreams.map(|upstream| upstream.asked().len())
    };
    assert_eq!(asked("sequential"), [60, 0, 0]);
    assert_eq!(asked("round_robin"), [20, 20, 20]);
    let random = asked("random");
    assert_eq!(random.iter().sum::<usize>(), 60);
    assert!(
        random.iter().all(|count| (3..=50).contains(count)),
        "{random:?}"
    );
}

#[test]
fn response_codes_lead_to_the_next_upstream_or_the_next_table() {
    let answer = "192.0.2.1";
    for (lines, rcode, expected) in [
        ("", 2, "SERVFAIL"),
        ("failover = [\"SERVFAIL\", \"REFUSED\"]", 2, answer),
        ("failover = [\"SERVFAIL\", \"REFUSED\"]", 5, answer),
        ("failover = [\"SERVFAIL\", \"REFUSED\"]", 3, "NXDOMAIN"),
    ] {
        let (bad, good) = (saying(rcode), honest());
        let lines = format!("policy = \"sequential\"\n{lines}");
        let live = serve(&[&bad, &good], &lines);
        assert_eq!(said(&live, A, &www()), expected, "{lines} at {rcode}");
    }
    // All fail: the last one's word is passed on.
    let (bad, worse) = (saying(2), saying(5));
    let lines = "policy = \"sequential\"\nfailover = [\"SERVFAIL\", \"REFUSED\"]";
    let live = serve(&[&bad, &worse], lines);
    assert_eq!(said(&live, A, &www()), "REFUSED");

    for (lines, rcode, expected) in [
        ("", 3, "NXDOMAIN"),
        ("next = [\"NXDOMAIN\"]", 3, answer),
        ("next = [\"NXDOMAIN\"]", 5, "REFUSED"),
        ("next = [\"NXDOMAIN\"]", 0, "NOERROR"),
        ("next_on_nodata = true", 0, answer),
        ("next_on_nodata = true", 3, "NXDOMAIN"),
    ] {
        for cache in ["", "[cache]\n"] {
            let (bad, good) = (saying(rcode), honest());
            let second = format!("[[forward]]\nto = [\"{}\"]\n{cache}", good.address);
            let live = serve(&[&bad], &format!("{lines}\n{second}"));
            for _ in 0..2 {
                assert_eq!(said(&live, A, &www()), expected, "{lines} at {rcode}");
            }
        }
    }
}

#[test]
fn the_longest_zone_is_asked_for_whom_it_is() {
    let upstreams = ["root", "stub", "of a"].map(|_| honest());
    let [root, stub, of_a] = &upstreams;
    let config = format!(
        "[[forward]]\nto = [\"{}\"]\nexcept = [\"no.example\"]\n\
         [[forward]]\nzone = \"corp.example\"\nto = [\"{}\"]\n\
         [[forward]]\nzone = \"corp.example\"\nto = [\"{}\"]\ntenants = [\"a\"]\n",
        root.address, stub.address, of_a.address
    );
    // The table for one tenant first: of two with one zone the first is asked.
    let config = {
        let (general, special) = config.split_at(config.rfind("[[forward]]").unwrap());
        let first_stub = general.rfind("[[forward]]").unwrap();
        format!(
            "{}{special}{}",
            &general[..first_stub],
            &general[first_stub..]
        )
    };
    let live = Live::start(&cluster(&config));
    for (from, name, expected) in [
        (A, "www.example.org", [1, 0, 0]),
        (A, "x.corp.example", [0, 0, 1]),
        (B, "x.corp.example", [0, 1, 0]),
        (NOBODY, "x.corp.example", [0, 1, 0]),
        (B, "xcorp.example", [1, 0, 0]),
    ] {
        let before = [root, stub, of_a].map(|upstream| upstream.asked().len());
        assert_eq!(said(&live, from, &query(name, RType::A)), "192.0.2.1");
        let after = [root, stub, of_a].map(|upstream| upstream.asked().len());
        let asked: Vec<usize> = before.iter().zip(after).map(|(b, a)| a - b).collect();
        assert_eq!(asked, expected, "{name} from {from}");
    }
    for name in ["no.example", "x.no.example"] {
        assert_eq!(said(&live, A, &query(name, RType::A)), "REFUSED", "{name}");
    }
}

#[test]
fn whom_clients_does_not_list_gets_no_reply() {
    let upstream = honest();
    for (clients, pod, nobody) in [
        ("", true, true),
        ("clients = [\"cluster\"]", true, false),
        ("clients = [\"private\"]", true, true),
        ("clients = [\"any\"]", true, true),
    ] {
        let live = serve(&[&upstream], clients);
        for (from, expected) in [(A, pod), (NOBODY, nobody)] {
            let socket = live.send(ip(from), &www());
            // What is refused is told at once; so what came to the first question came before it.
            let refused = query("a.b.svc.cluster.local", RType::A);
            match expected {
                true => assert_eq!(
                    decode(&receive(&socket)).answer.len(),
                    1,
                    "{clients} {from}"
                ),
                false => {
                    socket.send(&refused).unwrap();
                    let first = decode(&receive(&socket));
                    assert_eq!(first.answer.len(), 0, "{clients} {from}");
                }
            }
        }
    }
}

/// A cluster in which tenant b has a service, and a aliases to it, to nothing, and to names outside.
fn with_aliases(upstream: &Liar, lines: &str) -> Live {
    let alias = |name: &str, target: &str| objects::alias("a", name, target);
    let mut objects = vec![
        objects::namespace("a"),
        objects::namespace("b"),
        objects::pod("a", "p", ip(A)),
        objects::pod("b", "p", ip(B)),
        objects::service("b", "web", &[ip("10.96.0.1")]),
    ];
    objects.extend([
        alias("hidden", "web.b.svc.cluster.local"),
        alias("absent", "xxx.b.svc.cluster.local"),
        alias("outside", "www.example.org"),
        alias("top", "com"),
    ]);
    let config = format!("[[forward]]\nto = [\"{}\"]\n{lines}", upstream.address);
    Live::start(&Cluster::of(objects, &config))
}

#[test]
fn o12_hidden_and_absent_names_that_fall_through_get_the_same_from_the_upstream() {
    let upstream = honest();
    let live = with_aliases(&upstream, "[kubernetes]\nfallthrough = [\".\"]\n");
    assert_eq!(
        said(&live, B, &query("web.b.svc.cluster.local", RType::A)),
        "10.96.0.1"
    );
    assert!(upstream.asked().is_empty());
    let ask = |name: &str| {
        let answer = live.ask(ip(A), Transport::Udp, &query(name, RType::A));
        let asked = upstream.asked();
        // But for the ID, and the label that differs.
        let last = asked.last().unwrap().bytes.clone();
        (
            [&answer[2..13], &answer[16..]].concat(),
            [&last[2..13], &last[16..]].concat(),
        )
    };
    assert_eq!(
        ask("web.b.svc.cluster.local"),
        ask("xxx.b.svc.cluster.local")
    );
    assert_eq!(upstream.asked().len(), 2);
}

#[test]
fn c06_aliases_that_leave_the_zone_are_completed_and_others_are_not_asked() {
    let upstream = honest();
    let live = with_aliases(&upstream, "");
    let ask = |name: &str| {
        let question = query(&format!("{name}.a.svc.cluster.local"), RType::A);
        decode(&live.ask(ip(A), Transport::Udp, &question)).answer
    };
    let cname = |name: &str, target: &str| format!("{name}.a.svc.cluster.local. 5 CNAME {target}.");
    for name in ["hidden", "absent"] {
        assert_eq!(ask(name), Vec::<String>::new(), "{name}");
    }
    assert!(upstream.asked().is_empty(), "they are the cluster's");
    for (name, target) in [("outside", "www.example.org"), ("top", "com")] {
        let expected = [cname(name, target), format!("{target}. 300 A 192.0.2.1")];
        assert_eq!(ask(name), expected, "{name}");
    }
    assert_eq!(upstream.asked().len(), 2);
}

// === limits and health ===

/// An upstream that replies for the name `open` alone.
fn silent_but_for_one() -> Liar {
    Liar::new(|asked| match asked.bytes[12..].starts_with(b"\x04open") {
        true => vec![address(&asked.bytes, 300, [192, 0, 2, 1])],
        false => Vec::new(),
    })
}

#[test]
fn more_than_may_wait_are_refused_and_one_tenant_does_not_starve_another() {
    let upstream = silent_but_for_one();
    let lines = "read_timeout = \"300ms\"\nmax_connect_attempts = 1\nmax_fails = 0\n\
                 max_concurrent = 6\nmax_concurrent_per_tenant = 4";
    let live = serve(&[&upstream], lines);
    let name = |number: usize| query(&format!("n{number}.example.org"), RType::A);
    let flood: Vec<UdpSocket> = (0..4).map(|n| live.send(ip(A), &name(n))).collect();
    upstream.expect(4);
    assert_eq!(said(&live, A, &name(4)), "REFUSED", "the tenant's fifth");
    // The other tenant is answered meanwhile.
    assert_eq!(
        said(&live, B, &query("open.example.org", RType::A)),
        "192.0.2.1"
    );
    for socket in &flood {
        assert_eq!(decode(&receive(socket)).rcode, "SERVFAIL");
    }
    let counts = counts(&live);
    assert_eq!(
        (counts.tenant_rejects, counts.max_concurrent_rejects),
        (1, 0)
    );
}

#[test]
fn max_concurrent_counts_everybody() {
    let upstream = silent_but_for_one();
    let lines =
        "read_timeout = \"300ms\"\nmax_connect_attempts = 1\nmax_fails = 0\nmax_concurrent = 2";
    let live = serve(&[&upstream], lines);
    let first = live.send(ip(A), &query("n1.example.org", RType::A));
    let second = live.send(ip(B), &query("n2.example.org", RType::A));
    upstream.expect(2);
    assert_eq!(said(&live, NOBODY, &www()), "REFUSED");
    assert_eq!(counts(&live).max_concurrent_rejects, 1);
    for socket in [&first, &second] {
        assert_eq!(decode(&receive(socket)).rcode, "SERVFAIL");
    }
}

#[test]
fn the_same_question_is_asked_once_for_all_who_wait() {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let inner = gate.clone();
    let upstream = Liar::new(move |asked| {
        let (open, opened) = &*inner;
        let mut is_open = open.lock().unwrap();
        while !*is_open {
            is_open = opened.wait(is_open).unwrap();
        }
        vec![address(&asked.bytes, 300, [192, 0, 2, 1])]
    });
    let live = serve(&[&upstream], "");
    let spelled = [
        "www.example.org",
        "WWW.example.org",
        "wWw.ExAmPlE.org",
        "www.example.ORG",
    ];
    let sockets = spelled.map(|name| (name, live.send(ip(A), &query(name, RType::A))));
    eventually(&live, "three share", |counts| counts.shared == 3);
    let (open, opened) = &*gate;
    *open.lock().unwrap() = true;
    opened.notify_all();
    for (name, socket) in &sockets {
        let answer = decode(&receive(socket));
        assert_eq!(
            answer.answer,
            [format!("{name}. 300 A 192.0.2.1")],
            "its own spelling"
        );
    }
    assert_eq!(upstream.asked().len(), 1);
}

#[test]
fn an_upstream_that_fails_is_looked_after_and_left_alone_until_it_replies() {
    let (bad, good) = (silent(), honest());
    let lines = "policy = \"sequential\"\nread_timeout = \"20ms\"\nmax_fails = 1\n\
                 health_check = { interval = \"5ms\", no_rec = true, domain = \"ok.example\" }";
    let live = serve(&[&bad, &good], lines);
    assert_eq!(said(&live, A, &www()), "192.0.2.1");
    let failures = |counts: &Readings| counts.to[0].healthcheck_failures;
    eventually(&live, "two checks failed", |counts| failures(counts) >= 2);
    let checks: Vec<Asked> = bad.asked().into_iter().skip(1).collect();
    assert!(
        checks
            .iter()
            .all(|check| check.bytes[12..] == *b"\x02ok\x07example\0\0\x02\0\x01")
    );
    assert!(checks.iter().all(|check| check.bytes[2] & 1 == 0), "no_rec");
    let asks = |upstream: &Liar| {
        let all = upstream.asked();
        all.iter()
            .filter(|asked| asked.bytes[12..].starts_with(b"\x03www"))
            .count()
    };
    let before = asks(&bad);
    assert_eq!(said(&live, A, &www()), "192.0.2.1");
    assert_eq!(asks(&bad), before, "it is down");
}

#[test]
fn a_query_fails_after_so_many_attempts_and_so_long() {
    for (lines, upstreams, expected) in [
        ("", 1, 2),
        ("", 3, 6),
        ("max_connect_attempts = 1", 3, 1),
        ("max_connect_attempts = 5", 1, 5),
    ] {
        let upstreams: Vec<Liar> = (0..upstreams).map(|_| silent()).collect();
        let upstreams: Vec<&Liar> = upstreams.iter().collect();
        let lines = format!("read_timeout = \"20ms\"\nmax_fails = 0\n{lines}");
        let live = serve(&upstreams, &lines);
        assert_eq!(said(&live, A, &www()), "SERVFAIL", "{lines}");
        let asked: usize = upstreams.iter().map(|liar| liar.asked().len()).sum();
        assert_eq!(asked, expected, "{lines}");
    }
}

#[test]
fn where_all_are_down_one_is_asked_anyway_unless_told_to_fail_fast() {
    for (lines, asked_anyway) in [
        ("", true),
        ("failfast_all_unhealthy_upstreams = true", false),
    ] {
        let bad = silent();
        let lines = format!(
            "read_timeout = \"20ms\"\nmax_fails = 1\nmax_connect_attempts = 1\n\
             health_check = {{ interval = \"5ms\" }}\n{lines}"
        );
        let live = serve(&[&bad], &lines);
        assert_eq!(said(&live, A, &www()), "SERVFAIL");
        let failures = |counts: &Readings| counts.to[0].healthcheck_failures;
        eventually(&live, "two checks failed", |counts| failures(counts) >= 2);
        let asks = || {
            let all = bad.asked();
            all.iter()
                .filter(|asked| asked.bytes[12..].starts_with(b"\x03www"))
                .count()
        };
        let before = asks();
        assert_eq!(said(&live, A, &www()), "SERVFAIL");
        assert_eq!(asks() > before, asked_anyway, "{lines}");
        assert_eq!(counts(&live).healthcheck_broken, 1);
    }
}

#[test]
fn a_connection_that_was_closed_meanwhile_costs_nothing() {
    let count = Arc::new(Mutex::new(0));
    let upstream = Liar::new(move |asked| {
        let mut count = count.lock().unwrap();
        *count += 1;
        // The second question over the first connection gets its end.
        match *count == 2 {
            true => Vec::new(),
            false => vec![address(&asked.bytes, 300, [192, 0, 2, 1])],
        }
    });
    let live = serve(&[&upstream], "force_tcp = true\nmax_connect_attempts = 1");
    for _ in 0..2 {
        assert_eq!(said(&live, A, &www()), "192.0.2.1");
    }
    let of = counts(&live).to[0].clone();
    assert_eq!(of.conn_cache_misses[Proto::Tcp as usize], 2);
    assert_eq!(of.healthcheck_failures, 0);
}

#[test]
fn idle_sockets_are_as_many_as_told() {
    let upstream = honest();
    let live = serve(&[&upstream], "max_idle_conns = 1");
    for number in 0..3 {
        live.ask(
            ip(A),
            Transport::Udp,
            &query(&format!("n{number}.example.org"), RType::A),
        );
    }
    assert_eq!(counts(&live).to[0].sockets_open, 1);
}

// === loops ===

#[test]
fn a_question_that_comes_back_is_a_loop_and_that_upstream_is_not_asked() {
    let back = Arc::new(OnceLock::<SocketAddr>::new());
    let (inner, good) = (back.clone(), honest());
    let bad = Liar::new(move |asked| {
        // Not a word of its own: it asks whoever asked, as a resolver that has it as its upstream.
        let Some(server) = inner.get() else {
            return Vec::new();
        };
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(&asked.bytes, server).unwrap();
        Vec::new()
    });
    let lines = "policy = \"sequential\"\nread_timeout = \"50ms\"\n[loop]";
    let live = serve(&[&bad, &good], lines);
    back.set(live.address).unwrap();
    let forwarder = live.forwarder.clone().unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while counts(&live).looped == 0 {
        assert!(Instant::now() < end, "{:?}", counts(&live));
        thread::yield_now();
    }
    assert_eq!(forwarder.loops(), [bad.address]);
    let before = bad.asked().len();
    assert_eq!(said(&live, A, &www()), "192.0.2.1", "the other one");
    let asked = bad.asked();
    assert!(
        asked[before..]
            .iter()
            .all(|asked| !asked.bytes[12..].starts_with(b"\x03www"))
    );
}

#[test]
fn guessing_at_the_name_of_a_probe_finds_nothing() {
    let upstream = honest();
    let live = serve(&[&upstream], "[loop]");
    for number in 0..200u64 {
        let name = format!("{number}.{number}");
        live.ask(ip(A), Transport::Udp, &query(&name, RType::HINFO));
    }
    assert_eq!(live.forwarder.as_ref().unwrap().loops(), []);
    assert_eq!(counts(&live).looped, 0);
}

#[test]
fn what_was_asked_is_answered_when_the_server_stops() {
    let upstream = Liar::new(|asked| {
        thread::park_timeout(Duration::from_millis(30));
        vec![address(&asked.bytes, 300, [192, 0, 2, 1])]
    });
    let live = serve(&[&upstream], "");
    let sockets: Vec<UdpSocket> = (0..5)
        .map(|n| live.send(ip(A), &query(&format!("n{n}.example.org"), RType::A)))
        .collect();
    upstream.expect(1);
    drop(live);
    for socket in &sockets {
        assert_eq!(decode(&receive(socket)).answer.len(), 1);
    }
}
