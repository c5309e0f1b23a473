//! What is kept of upstreams' answers, and for whom: through a running server. Times are in
//! src/cache/tests.rs.

use crate::decode::decode;
use crate::forwarding::{A, B, edns, ip, said, serve, www};
use crate::liar::{Asked, Liar, address, record, reply, soa};
use crate::live::Live;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tenantdns::answer::Transport;
use tenantdns::cache::Readings;
use tenantdns::testing::query;
use tenantdns::wire::RType;

fn kept(live: &Live) -> Readings {
    live.forwarder.as_ref().unwrap().caches()[0].read()
}

/// An upstream whose every answer is another address.
fn counting() -> Liar {
    let count = AtomicU8::new(0);
    Liar::new(move |asked| {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        vec![address(&asked.bytes, 300, [192, 0, 2, number])]
    })
}

#[test]
fn the_second_who_asks_is_answered_from_what_is_kept() {
    let upstream = counting();
    let live = serve(&[&upstream], "[cache]");
    let first = decode(&live.ask(ip(A), Transport::Udp, &www()));
    assert_eq!(
        (first.aa, first.ra),
        (false, true),
        "as the upstream said it"
    );
    for (from, transport) in [(A, Transport::Udp), (B, Transport::Tcp)] {
        let question = query("WWW.Example.org", RType::A);
        let again = decode(&live.ask(ip(from), transport, &question));
        assert_eq!(
            (again.aa, again.ra),
            (true, true),
            "AA as CoreDNS's cache sets it"
        );
        assert_eq!(again.answer.len(), 1);
        assert!(
            again.answer[0].starts_with("WWW.Example.org. "),
            "{:?}",
            again.answer
        );
        assert!(
            again.answer[0].ends_with(" A 192.0.2.1"),
            "{:?}",
            again.answer
        );
    }
    assert_eq!(upstream.asked().len(), 1);
    let counts = kept(&live);
    assert_eq!(
        (counts.requests, counts.misses, counts.success.hits),
        (3, 1, 2)
    );
    assert_eq!((counts.success.entries, counts.denial.entries), (1, 0));
}

#[test]
fn questions_that_may_have_other_answers_are_kept_apart() {
    let upstream = counting();
    let live = serve(&[&upstream], "[cache]");
    let name = "www.example.org";
    let checking_disabled = {
        let mut bytes = www();
        bytes[3] |= 0x10;
        bytes
    };
    let questions = [
        www(),
        checking_disabled,
        edns(name, 1232, 0x80, &[]),
        query("www.example.com", RType::A),
    ];
    for _ in 0..2 {
        for (number, question) in (1..).zip(&questions) {
            assert_eq!(said(&live, A, question), format!("192.0.2.{number}"));
        }
    }
    // Without DO, EDNS makes no difference; a subnet does, for everybody.
    assert_eq!(said(&live, A, &edns(name, 1232, 0, &[])), "192.0.2.1");
    let subnet = [0, 8, 0, 7, 0, 1, 24, 0, 198, 51, 100];
    for number in [5, 6] {
        let answer = said(&live, A, &edns(name, 1232, 0, &subnet));
        assert_eq!(answer, format!("192.0.2.{number}"));
    }
    assert_eq!(said(&live, A, &www()), "192.0.2.1");
}

#[test]
fn a_reply_from_the_cache_has_our_opt_record_for_who_sent_one() {
    let upstream = Liar::new(|asked| {
        let opt = b"\0\0\x29\x10\0\0\0\x80\0\0\x06\0\x0f\0\x02\0\x16".to_vec();
        let records = [record(RType::A, 300, &[192, 0, 2, 1])];
        vec![reply(&asked.bytes, 0, [&records, &[], &[opt]])]
    });
    let live = serve(&[&upstream], "[cache]");
    let plain = edns(
        "www.example.org",
        4096,
        0,
        &[0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8],
    );
    for _ in 0..2 {
        let answer = live.ask(ip(A), Transport::Udp, &plain);
        assert!(
            answer.ends_with(b"\0\0\x29\x04\xd0\0\0\0\0\0\0"),
            "{answer:02x?}"
        );
        assert!(
            live.ask(ip(A), Transport::Udp, &www())
                .ends_with(&[192, 0, 2, 1])
        );
    }
}

/// What an upstream says once, and whether it is kept.
#[test]
fn what_may_be_kept_is_kept() {
    let a = |ttl| vec![record(RType::A, ttl, &[192, 0, 2, 1])];
    let cname = || vec![record(RType::CNAME, 300, b"\x05other\xc0\x10")];
    let looping = || vec![record(RType::CNAME, 300, &[0xc0, 12])];
    let ns = || vec![record(RType::NS, 300, b"\x02ns\xc0\x10")];
    for (fact, rcode, sections, is_kept) in [
        ("an answer", 0, [a(300), vec![], vec![]], true),
        (
            "an answer with TTL 0, for the least time",
            0,
            [a(0), vec![], vec![]],
            true,
        ),
        (
            "a TTL with its first bit set, which is 0",
            0,
            [a(1 << 31), vec![], vec![]],
            true,
        ),
        (
            "NXDOMAIN with SOA",
            3,
            [vec![], vec![soa(300)], vec![]],
            true,
        ),
        ("NXDOMAIN without", 3, [vec![], vec![], vec![]], false),
        (
            "NXDOMAIN with an answer",
            3,
            [a(300), vec![soa(300)], vec![]],
            false,
        ),
        ("no such type", 0, [vec![], vec![soa(300)], vec![]], true),
        ("nothing at all", 0, [vec![], vec![], vec![]], true),
        ("a delegation", 0, [vec![], ns(), vec![]], true),
        (
            "an alias that leads to nothing",
            0,
            [cname(), vec![], vec![]],
            false,
        ),
        (
            "the same with SOA",
            0,
            [cname(), vec![soa(300)], vec![]],
            true,
        ),
        ("an alias to itself", 0, [looping(), vec![], vec![]], false),
        ("SERVFAIL", 2, [vec![], vec![], vec![]], true),
        ("NOTIMP", 4, [vec![], vec![], vec![]], true),
        ("REFUSED", 5, [vec![], vec![], vec![]], false),
        ("FORMERR", 1, [vec![], vec![], vec![]], false),
    ] {
        let upstream = Liar::new(move |asked| {
            let [answer, authority, additional] = &sections;
            vec![reply(&asked.bytes, rcode, [answer, authority, additional])]
        });
        let live = serve(&[&upstream], "[cache]");
        let [first, second] = [(), ()].map(|()| decode(&live.ask(ip(A), Transport::Udp, &www())));
        assert_eq!(first.rcode, second.rcode, "{fact}");
        assert_eq!(upstream.asked().len(), 2 - usize::from(is_kept), "{fact}");
    }
}

#[test]
fn what_is_cut_is_not_kept() {
    let upstream = Liar::new(|asked: &Asked| {
        let mut whole = address(&asked.bytes, 300, [192, 0, 2, 1]);
        whole[2] |= 2;
        vec![whole]
    });
    let live = serve(&[&upstream], "[cache]");
    for _ in 0..2 {
        assert!(decode(&live.ask(ip(A), Transport::Udp, &www())).tc);
        // TC over TCP is the upstream's last word.
        assert!(decode(&live.ask(ip(A), Transport::Tcp, &www())).tc);
    }
    assert_eq!(upstream.asked().len(), 4);
}

#[test]
fn zones_and_halves_are_left_out_as_told() {
    for (lines, rcode, is_kept) in [
        ("[cache]\nzones = [\"example.org\"]", 0, true),
        ("[cache]\nzones = [\"example.com\"]", 0, false),
        ("[cache]\ndisable = { success = [\".\"] }", 0, false),
        (
            "[cache]\ndisable = { success = [\"example.com\"] }",
            0,
            true,
        ),
        ("[cache]\ndisable = { success = [\".\"] }", 3, true),
        (
            "[cache]\ndisable = { denial = [\"example.org\"] }",
            3,
            false,
        ),
        ("[cache]\nservfail = \"0\"", 2, false),
        ("[cache]\nservfail = \"1m\"", 2, true),
        ("", 0, false),
    ] {
        let upstream = Liar::new(move |asked| match rcode {
            0 => vec![address(&asked.bytes, 300, [192, 0, 2, 1])],
            3 => vec![reply(&asked.bytes, 3, [&[], &[soa(300)], &[]])],
            rcode => vec![reply(&asked.bytes, rcode, [&[], &[], &[]])],
        });
        let live = serve(&[&upstream], lines);
        for _ in 0..2 {
            said(&live, A, &www());
        }
        let asked = upstream.asked().len();
        assert_eq!(asked, 2 - usize::from(is_kept), "{lines} at {rcode}");
    }
}

#[test]
fn with_isolation_nobody_sees_what_another_tenant_asked() {
    let everything = "prefetch = { amount = 1, percentage = 90 }\nserve_stale = { for = \"1h\" }";
    for mode in ["immediate", "verify"] {
        for (first, second) in [(A, B), (B, A)] {
            let upstream = counting();
            let stale = everything.replace("\"1h\"", &format!("\"1h\", mode = \"{mode}\""));
            let live = serve(
                &[&upstream],
                &format!("[cache]\nisolation = \"tenant\"\n{stale}"),
            );
            for (from, expected) in [(first, 1), (second, 2), (first, 1), (second, 2)] {
                let answer = said(&live, from, &www());
                assert_eq!(answer, format!("192.0.2.{expected}"), "{mode}: {from}");
            }
            assert_eq!(upstream.asked().len(), 2);
        }
    }
}

#[test]
fn upstreams_of_one_tenant_answer_no_other() {
    let (general, special) = (
        counting(),
        Liar::new(|asked| vec![address(&asked.bytes, 300, [203, 0, 113, 1])]),
    );
    for (first, second) in [(A, B), (B, A)] {
        let config = format!(
            "[[forward]]\nto = [\"{}\"]\ntenants = [\"a\"]\n[[forward]]\nto = [\"{}\"]\n\
             [cache]\nprefetch = {{ amount = 1, percentage = 90 }}\nserve_stale = {{ for = \"1h\" }}\n",
            special.address, general.address
        );
        let live = Live::start(&crate::forwarding::cluster(&config));
        for from in [first, second, first, second] {
            let is_special = said(&live, from, &www()) == "203.0.113.1";
            assert_eq!(is_special, from == A, "{from}, {first} first");
        }
    }
}

#[test]
fn the_clusters_own_names_are_never_kept() {
    let upstream = counting();
    let live = serve(&[&upstream], "[cache]");
    for _ in 0..2 {
        said(&live, A, &query("web.a.svc.cluster.local", RType::A));
        said(&live, A, &query("nobody.b.svc.cluster.local", RType::A));
    }
    assert_eq!(kept(&live).requests, 0);
    assert!(upstream.asked().is_empty());
}

#[test]
fn reverse_names_that_are_not_the_clusters_are_asked() {
    let upstream = Liar::new(|asked| {
        vec![reply(
            &asked.bytes,
            0,
            [&[record(RType::PTR, 300, b"\x01h\0")], &[], &[]],
        )]
    });
    let pointer = query("1.2.0.192.in-addr.arpa", RType::PTR);
    let live = serve(&[&upstream], "");
    assert_eq!(said(&live, A, &pointer), "h.");
    // Unless the configuration says that nothing falls through.
    let live = serve(&[&upstream], "[kubernetes]\nfallthrough = []\n");
    assert_eq!(said(&live, A, &pointer), "NXDOMAIN");
}

#[test]
fn no_more_is_kept_than_told() {
    for (lines, rcode, most) in [
        ("success = { capacity = 40 }", 0, [40, 0]),
        ("denial = { capacity = 40 }", 3, [0, 40]),
        ("success = { capacity = 0 }", 0, [0, 0]),
        // An entry takes 160 octets and more, and each half may have one of both.
        ("bytes = \"64KiB\"", 0, [205, 0]),
    ] {
        let upstream = Liar::new(move |asked| match rcode {
            0 => vec![address(&asked.bytes, 300, [192, 0, 2, 1])],
            _ => vec![reply(&asked.bytes, rcode, [&[], &[soa(300)], &[]])],
        });
        let live = serve(&[&upstream], &format!("[cache]\n{lines}"));
        for number in 0..400 {
            said(
                &live,
                A,
                &query(&format!("n{number}.example.org"), RType::A),
            );
        }
        let kept = kept(&live);
        let entries = [kept.success.entries, kept.denial.entries];
        for (entries, most) in entries.into_iter().zip(most) {
            let fits = entries <= most && (most == 0 || entries > most / 4);
            assert!(fits, "{lines}: {kept:?}");
        }
    }
}

#[test]
fn what_an_upstream_was_told_of_a_client_is_not_answered_to_another() {
    let rule = |value: &str| {
        format!(
            "[cache]\n[[rewrite]]\nfield = \"edns0\"\noption = \"local\"\naction = \"set\"\ncode = 65001\n\
             value = \"{value}\""
        )
    };
    for (value, of_a, of_b, again) in [
        ("{client_ip}", "192.0.2.1", "192.0.2.2", "192.0.2.3"),
        (
            "{kubernetes/client-namespace}",
            "192.0.2.1",
            "192.0.2.2",
            "192.0.2.3",
        ),
        ("the same", "192.0.2.1", "192.0.2.1", "192.0.2.1"),
    ] {
        let upstream = counting();
        let live = serve(&[&upstream], &rule(value));
        let told = [A, B, A].map(|from| said(&live, from, &www()));
        assert_eq!(told, [of_a, of_b, again], "{value}");
        let answer = live.ask(
            ip(A),
            Transport::Udp,
            &edns("www.example.org", 1232, 0, &[]),
        );
        assert!(
            answer.ends_with(b"\0\0\x29\x04\xd0\0\0\0\0\0\0"),
            "{answer:02x?}"
        );
        let ttl = decode(&answer).answer[0].contains(" 300 A ");
        assert!(ttl || value == "the same", "{answer:02x?}");
    }
}

#[test]
fn an_answer_that_is_not_kept_lives_no_longer_than_one_that_is() {
    let upstream = counting();
    let live = serve(
        &[&upstream],
        "[cache]\nsuccess = { ttl = 20 }\nzones = [\"org\"]",
    );
    let subnet = [0, 8, 0, 7, 0, 1, 24, 0, 198, 51, 100];
    for (name, ttl) in [
        ("www.example.org", " 20 A "),
        ("www.example.com", " 300 A "),
    ] {
        let answer = live.ask(ip(A), Transport::Udp, &edns(name, 1232, 0, &subnet));
        let answer = decode(&answer).answer;
        assert!(answer[0].contains(ttl), "{answer:?}");
    }
}

/// An upstream that gives one answer at once, and the others when it may.
fn slow() -> (Liar, Arc<(Mutex<bool>, Condvar)>) {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let (count, waits) = (AtomicU8::new(0), gate.clone());
    let liar = Liar::new(move |asked| {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        if number > 1 {
            let (open, turn) = &*waits;
            let closed = turn.wait_timeout_while(open.lock().unwrap(), PATIENCE, |open| !*open);
            drop(closed);
        }
        vec![address(&asked.bytes, 1, [192, 0, 2, number])]
    });
    (liar, gate)
}

/// Longer than any of it takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks until the answer is such a one.
fn until(live: &Live, is_it: impl Fn(&str) -> bool) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = decode(&live.ask(ip(A), Transport::Udp, &www()))
            .answer
            .concat();
        if is_it(&answer) {
            return answer;
        }
        assert!(Instant::now() < end, "{answer}");
        thread::yield_now();
    }
}

#[test]
fn what_is_stale_is_given_when_verifying_takes_too_long_and_what_comes_is_kept() {
    let (upstream, gate) = slow();
    let stale =
        "for = \"1h\", mode = \"verify\", verify_timeout = \"20ms\", response_ttl = \"77s\"";
    let lines = format!("[cache]\nsuccess = {{ min_ttl = 1 }}\nserve_stale = {{ {stale} }}");
    let live = serve(&[&upstream], &lines);
    until(&live, |answer| answer.ends_with(" A 192.0.2.1"));
    until(&live, |answer| answer.ends_with(" 77 A 192.0.2.1"));
    assert!(kept(&live).served_stale > 0);
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    // Each further one has a greater number, and is there for a second.
    until(&live, |answer| {
        answer.contains(" A 192.0.2.") && !answer.ends_with(" A 192.0.2.1")
    });
}
