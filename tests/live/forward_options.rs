//! What each option of `forward` and `cache` does between real upstreams, beside a CoreDNS with the same
//! Corefile where it says who answers. Which test is for which option: tests/it/options.rs.

use crate::coredns::CoreDns;
use crate::decode::{Response, decode};
use crate::process::{Folder, Peers, peers, until};
use crate::upstreams::{
    Forwarding, PATIENCE, Peer, RECORDS, ask_udp, knot, local_data, said, to, unbound, zone,
};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};
use tenantdns::config::{Corefile, Surroundings};
use tenantdns::forward::Proto;
use tenantdns::testing::{query, query_edns, self_signed};
use tenantdns::wire::RType;

/// What Unbound alone knows: Knot says NXDOMAIN to the first, and that the second has no address.
const MORE: [&str; 2] = [
    "only.outside.example. 300 IN A 192.0.2.2",
    "mail.outside.example. 300 IN A 192.0.2.3",
];

fn with_more() -> Vec<&'static str> {
    RECORDS.into_iter().chain(MORE).collect()
}

/// A pod without files and variables.
struct Nothing;

impl Surroundings for Nothing {
    fn variable(&self, _name: &str) -> String {
        String::new()
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn names(&self, _folder: &Path) -> Vec<String> {
        Vec::new()
    }

    fn addresses(&self, _interface: &str) -> Option<Vec<IpAddr>> {
        None
    }
}

/// Starts both servers with these directives.
fn both(peers: &Peers, directives: &str) -> (CoreDns, Forwarding) {
    let coredns = CoreDns::start(
        peers,
        &format!(
            ".:{{$DNS_PORT}} {{\n bind 127.0.0.1\n ready 127.0.0.1:{{$READY_PORT}}\n{directives}}}\n"
        ),
    );
    let ours = format!(".:53 {{\n{directives}}}\n");
    let ours = Corefile::read("Corefile", &ours, 53, &Nothing).unwrap_or_else(|e| panic!("{e}"));
    (coredns, Forwarding::start(ours.toml()))
}

/// What a CoreDNS says, once it says something.
fn of_coredns(coredns: &CoreDns, bytes: &[u8]) -> Response {
    let answer = || ask_udp(coredns.address, bytes);
    decode(&until("CoreDNS answers", PATIENCE, answer))
}

/// Sockets that had to be opened to the first upstream.
fn opened(forwarding: &Forwarding, proto: Proto) -> u64 {
    forwarding.counts().to[0].conn_cache_misses[proto as usize]
}

#[test]
fn response_codes_lead_on_between_real_upstreams_as_in_coredns() {
    let (Some(peers), Some(knot), Some(unbound)) =
        (peers(), knot(&RECORDS), unbound(&with_more(), ""))
    else {
        return;
    };
    let (k, u) = (knot.at.dns, unbound.at.dns);
    let www = "www.outside.example";
    let (only, mail, broken) = (
        "only.outside.example",
        "mail.outside.example",
        "x.broken.example",
    );
    for (directives, name, expected) in [
        // Knot refuses what it has no zone for, and fails where a zone has no file.
        (format!("forward . {k}"), "x.refused.example", "REFUSED"),
        (format!("forward . {k}"), broken, "SERVFAIL"),
        (format!("forward . {k}"), only, "NXDOMAIN"),
        (format!("forward . {k}"), mail, "NOERROR"),
        (
            format!("forward . {k} {u} {{\n policy sequential\n}}"),
            only,
            "NXDOMAIN",
        ),
        (
            format!("forward . {k} {u} {{\n policy sequential\n failover NXDOMAIN\n}}"),
            only,
            "192.0.2.2",
        ),
        (
            format!("forward . {k} {u} {{\n policy sequential\n failover SERVFAIL REFUSED\n}}"),
            only,
            "NXDOMAIN",
        ),
        (
            format!("forward . {k} {u} {{\n policy sequential\n failover SERVFAIL REFUSED\n}}"),
            www,
            "192.0.2.1",
        ),
        // All have been tried: the last one's word.
        (
            format!("forward . {k} {u} {{\n policy sequential\n failover NXDOMAIN\n}}"),
            "absent.outside.example",
            "NXDOMAIN",
        ),
        (
            format!("forward . {k} {{\n next NXDOMAIN\n}}\nforward . {u}"),
            only,
            "192.0.2.2",
        ),
        (
            format!("forward . {k} {{\n next SERVFAIL\n}}\nforward . {u}"),
            only,
            "NXDOMAIN",
        ),
        (
            format!("forward . {k} {{\n next NXDOMAIN\n}}\nforward . {u}"),
            mail,
            "NOERROR",
        ),
        (
            format!("forward . {k} {{\n next_on_nodata\n}}\nforward . {u}"),
            mail,
            "192.0.2.3",
        ),
        (
            format!("forward . {k} {{\n next_on_nodata\n}}\nforward . {u}"),
            only,
            "NXDOMAIN",
        ),
        // Three in a row, the second of which says the same as the first.
        (
            format!(
                "forward . {k} {{\n next NXDOMAIN\n}}\nforward . {k} {{\n next NXDOMAIN\n}}\nforward . {u}"
            ),
            only,
            "192.0.2.2",
        ),
    ] {
        let (coredns, ours) = both(&peers, &format!("{directives}\n"));
        let question = query(name, RType::A);
        let (its, own) = (of_coredns(&coredns, &question), ours.udp(&question));
        let about = format!("{name} by {directives}");
        assert_eq!(said(&own), expected, "{about}");
        assert_eq!(said(&its), expected, "CoreDNS: {about}");
        assert_eq!(
            (own.answer, own.authority),
            (its.answer, its.authority),
            "{about}"
        );
    }
}

#[test]
fn what_is_excepted_is_not_asked_of_a_real_upstream() {
    let Some(unbound) = unbound(&RECORDS, "") else {
        return;
    };
    let lines = to(&[unbound.at.dns]);
    let forwarding = Forwarding::start(&format!(
        "[[forward]]\n{lines}except = [\"mail.outside.example\"]\n"
    ));
    assert_eq!(forwarding.said("www.outside.example"), "192.0.2.1");
    for name in ["mail.outside.example", "x.mail.outside.example"] {
        assert_eq!(forwarding.said(name), "REFUSED");
    }
}

/// A thousand octets and more of records.
fn large() -> Vec<String> {
    let record = |n| {
        format!(
            "large.outside.example. 300 IN TXT \"{n}{}\"",
            "x".repeat(200)
        )
    };
    (0..9).map(record).collect()
}

#[test]
fn what_a_real_upstream_cuts_is_whole_over_tcp() {
    let large = large();
    let records: Vec<&str> = RECORDS
        .into_iter()
        .chain(large.iter().map(|record| &**record))
        .collect();
    let Some(unbound) = unbound(&records, "") else {
        return;
    };
    let question = query_edns("large.outside.example", RType::TXT, 1232);
    for (lines, over_udp, [udp, tcp]) in [
        ("", 0, [1, 0]),
        ("prefer_udp = true", 5, [1, 1]),
        ("force_tcp = true", 5, [0, 1]),
    ] {
        let config = format!("[[forward]]\n{}{lines}\n", to(&[unbound.at.dns]));
        let forwarding = Forwarding::start(&config);
        let cut = forwarding.udp(&question);
        // Whatever was asked, a client gets over UDP what it can take.
        assert!(cut.tc && cut.answer.len() <= over_udp, "{lines}: {cut:?}");
        let sockets = (
            opened(&forwarding, Proto::Udp),
            opened(&forwarding, Proto::Tcp),
        );
        assert_eq!(sockets, (udp, tcp), "{lines}");
        let whole = forwarding.tcp(&question);
        assert_eq!((whole.tc, whole.answer.len()), (false, 9), "{lines}");
    }
}

#[test]
fn an_upstream_that_asks_who_we_are_is_shown_a_certificate() {
    let Some(peers) = peers() else { return };
    let folder = Folder::new("pair");
    let pair = self_signed("both");
    let certificate = folder.write("certificate", &pair.certificate);
    let (certificate, key) = (
        certificate.display(),
        folder.write("key", &pair.key).display().to_string(),
    );
    let upstream = CoreDns::start(
        &peers,
        &format!(
            ".:{{$DNS_PORT}} {{\n bind 127.0.0.1\n ready 127.0.0.1:{{$READY_PORT}}\n}}\n\
             tls://.:{{$ANY_PORT}} {{\n bind 127.0.0.1\n tls {certificate} {key} {certificate} {{\n  \
             client_auth require_and_verify\n }}\n \
             template IN A . {{\n  answer \"{{{{ .Name }}}} 60 IN A 192.0.2.9\"\n }}\n}}\n"
        ),
    );
    let asked = |tls: &str| {
        let to = format!("to = [\"tls://{}%localhost\"]", upstream.any);
        let config = format!(
            "[[forward]]\n{to}\nmax_connect_attempts = 1\ntls = {{ ca = \"{certificate}\"{tls} }}\n"
        );
        Forwarding::start(&config).said("www.outside.example")
    };
    let shown = format!(", certificate = \"{certificate}\", key = \"{key}\"");
    until("the upstream answers", PATIENCE, || {
        (asked(&shown) == "192.0.2.9").then_some(())
    });
    assert_eq!(asked(""), "SERVFAIL");
}

#[test]
fn a_real_upstream_is_asked_from_the_address_that_is_told() {
    let more = "  access-control: 127.0.0.0/8 refuse\n  access-control: 127.0.0.7/32 allow\n  \
                access-control: 127.0.0.1/32 refuse\n";
    let Some(unbound) = unbound(&RECORDS, more) else {
        return;
    };
    for (lines, expected) in [
        ("", "REFUSED"),
        ("source_address = \"127.0.0.7\"", "192.0.2.1"),
        (
            "source_address = \"127.0.0.7\"\nforce_tcp = true",
            "192.0.2.1",
        ),
    ] {
        let config = format!("[[forward]]\n{}{lines}\n", to(&[unbound.at.dns]));
        let forwarding = Forwarding::start(&config);
        assert_eq!(forwarding.said("www.outside.example"), expected, "{lines}");
    }
}

#[test]
fn connections_to_a_real_upstream_stay_as_long_as_told() {
    let Some(unbound) = unbound(&RECORDS, "") else {
        return;
    };
    let start = |lines: &str| {
        let to = to(&[unbound.at.dns]);
        Forwarding::start(&format!("[[forward]]\n{to}force_tcp = true\n{lines}\n"))
    };
    let question = query("www.outside.example", RType::A);
    let usual = start("");
    for _ in 0..20 {
        usual.udp(&question);
    }
    assert_eq!(opened(&usual, Proto::Tcp), 1);

    let short = start("expire = \"1ms\"");
    until("idle ones are closed", PATIENCE, || {
        short.udp(&question);
        (opened(&short, Proto::Tcp) > 3).then_some(())
    });

    // Never idle for so long, and replaced all the same.
    let old = start("expire = \"300ms\"\nmax_age = \"300ms\"");
    until("old ones are closed", PATIENCE, || {
        let (before, began) = (opened(&old, Proto::Tcp), Instant::now());
        old.udp(&question);
        let was_idle = began.elapsed() > Duration::from_millis(250);
        (before > 0 && opened(&old, Proto::Tcp) > before && !was_idle).then_some(())
    });
}

#[test]
fn idle_sockets_to_a_real_upstream_are_as_many_as_told() {
    let Some(unbound) = unbound(&RECORDS, "") else {
        return;
    };
    for (lines, at_most) in [("max_idle_conns = 2", 2), ("", 8)] {
        let config = format!("[[forward]]\n{}{lines}\n", to(&[unbound.at.dns]));
        let forwarding = Forwarding::start(&config);
        let names: Vec<String> = (0..8).map(|n| format!("n{n}.outside.example")).collect();
        // Several at a time, each of which has a socket of its own.
        std::thread::scope(|scope| {
            for name in &names {
                scope.spawn(|| assert_eq!(forwarding.said(name), "NXDOMAIN"));
            }
        });
        let open = forwarding.counts().to[0].sockets_open;
        assert!(open >= 1 && open <= at_most, "{lines}: {open}");
    }
}

#[test]
fn a_real_upstream_that_dies_is_left_alone_and_asked_again_when_it_is_back() {
    let (Some(mut first), Some(second)) = (knot(&RECORDS), unbound(&RECORDS, "")) else {
        return;
    };
    let question = query("www.outside.example", RType::A);
    let lines = "policy = \"sequential\"\nmax_fails = 1\nread_timeout = \"200ms\"\n\
                 health_check = { interval = \"10ms\", domain = \"outside.example\" }\n";
    let config = format!("[[forward]]\n{}{lines}", to(&[first.at.dns, second.at.dns]));
    let forwarding = Forwarding::start(&config);
    let replies = |of: usize| {
        let durations = forwarding.counts().to[of].durations.clone();
        durations.iter().map(|(_, d)| d.count()).sum::<u64>()
    };
    forwarding.udp(&question);
    assert_eq!((replies(0), replies(1)), (1, 0));
    for round in 0..2 {
        first.stop();
        let failures = forwarding.counts().to[0].healthcheck_failures;
        for _ in 0..10 {
            assert_eq!(said(&forwarding.udp(&question)), "192.0.2.1", "{round}");
        }
        // More than `max_fails`: it is down.
        until("its health checks fail", PATIENCE, || {
            (forwarding.counts().to[0].healthcheck_failures > failures + 1).then_some(())
        });
        let before = (replies(0), replies(1));
        forwarding.udp(&question);
        assert_eq!(
            (replies(0), replies(1)),
            (before.0, before.1 + 1),
            "{round}"
        );
        first.again("zone", &zone(&RECORDS));
        until("it is asked again", PATIENCE, || {
            forwarding.udp(&question);
            (replies(0) > before.0).then_some(())
        });
    }
    assert_eq!(forwarding.counts().healthcheck_broken, 0);
}

#[test]
fn where_every_real_upstream_is_down_one_is_asked_or_none() {
    for (lines, is_asked) in [
        ("", true),
        ("failfast_all_unhealthy_upstreams = true\n", false),
    ] {
        let Some(mut only) = knot(&RECORDS) else {
            return;
        };
        let lines = format!(
            "max_fails = 1\nread_timeout = \"100ms\"\nmax_connect_attempts = 1\n\
             health_check = {{ interval = \"10ms\" }}\n{lines}"
        );
        let forwarding = Forwarding::start(&format!("[[forward]]\n{}{lines}", to(&[only.at.dns])));
        let name = "www.outside.example";
        assert_eq!(forwarding.said(name), "192.0.2.1");
        only.stop();
        until("it is down", PATIENCE, || {
            assert_eq!(forwarding.said(name), "SERVFAIL");
            (forwarding.counts().healthcheck_broken > 0).then_some(())
        });
        let sockets = opened(&forwarding, Proto::Udp);
        assert_eq!(forwarding.said(name), "SERVFAIL");
        assert_eq!(
            opened(&forwarding, Proto::Udp) > sockets,
            is_asked,
            "{lines}"
        );
        only.again("zone", &zone(&RECORDS));
        forwarding.expect(name, "192.0.2.1");
    }
}

#[test]
fn policies_share_out_what_real_upstreams_are_asked() {
    let upstreams: Vec<Peer> = [knot(&RECORDS), unbound(&RECORDS, ""), knot(&RECORDS)]
        .into_iter()
        .flatten()
        .collect();
    if upstreams.len() < 3 {
        return;
    }
    let addresses: Vec<SocketAddr> = upstreams.iter().map(|peer| peer.at.dns).collect();
    let asked = |policy: &str| {
        let config = format!("[[forward]]\n{}policy = \"{policy}\"\n", to(&addresses));
        let forwarding = Forwarding::start(&config);
        for _ in 0..30 {
            assert_eq!(forwarding.said("www.outside.example"), "192.0.2.1");
        }
        let counts = forwarding.counts();
        let of = |address: &SocketAddr| {
            let to = counts.to.iter().find(|to| to.to == *address).unwrap();
            to.durations.iter().map(|(_, d)| d.count()).sum::<u64>()
        };
        addresses.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(asked("sequential"), [30, 0, 0]);
    assert_eq!(asked("round_robin"), [10, 10, 10]);
    let random = asked("random");
    // None in thirty has odds of one in 200,000.
    assert!(random.iter().all(|count| *count > 0), "{random:?}");
}

// === what is kept ===

/// One name with this TTL and address.
fn with(ttl: u32, address: &str) -> Vec<String> {
    let changing = format!("changes.outside.example. {ttl} IN A {address}");
    let others = RECORDS.into_iter().map(str::to_owned);
    others.chain([changing]).collect()
}

const CHANGES: &str = "changes.outside.example";

fn texts(records: &[String]) -> Vec<&str> {
    records.iter().map(|record| &**record).collect()
}

/// Changes what Unbound knows.
fn change(peer: &mut Peer, records: &[String]) {
    peer.again("records", &local_data(&texts(records)));
}

#[test]
fn what_is_asked_often_is_asked_again_before_its_time_is_up() {
    let Some(mut unbound) = unbound(&texts(&with(600, "192.0.2.1")), "") else {
        return;
    };
    // Due at once: no more than nine tenths of its TTL is left a minute later, but of 5 s soon.
    let config = format!(
        "[[forward]]\n{}[cache]\nsuccess = {{ ttl = 5 }}\n\
         prefetch = {{ amount = 2, duration = \"1m\", percentage = 90 }}\n",
        to(&[unbound.at.dns])
    );
    let forwarding = Forwarding::start(&config);
    assert_eq!(forwarding.said(CHANGES), "192.0.2.1");
    change(&mut unbound, &with(600, "192.0.2.2"));
    forwarding.expect(CHANGES, "192.0.2.2");
    let kept = forwarding.kept();
    assert_eq!((kept.misses, kept.served_stale), (1, 0), "nobody waited");
    assert!(kept.prefetches >= 1, "{kept:?}");
}

#[test]
fn what_is_stale_is_given_at_once_and_asked_again_beside_that() {
    let Some(mut unbound) = unbound(&texts(&with(1, "192.0.2.1")), "") else {
        return;
    };
    let config = format!(
        "[[forward]]\n{}max_fails = 0\nread_timeout = \"100ms\"\nmax_connect_attempts = 1\n\
         [cache]\nsuccess = {{ min_ttl = 1 }}\nserve_stale = {{ for = \"1h\" }}\n",
        to(&[unbound.at.dns])
    );
    let forwarding = Forwarding::start(&config);
    assert_eq!(forwarding.said(CHANGES), "192.0.2.1");
    unbound.stop();
    // Whatever becomes of the upstream, there is an answer, with TTL 0 once its time is up.
    let stale = "changes.outside.example. 0 A 192.0.2.1";
    until("it is stale", PATIENCE, || {
        let response = forwarding.udp(&query(CHANGES, RType::A));
        assert_eq!(said(&response), "192.0.2.1");
        (response.answer == [stale] && forwarding.kept().served_stale > 0).then_some(())
    });
    change(&mut unbound, &with(1, "192.0.2.2"));
    forwarding.expect(CHANGES, "192.0.2.2");
    assert_eq!(
        forwarding.kept().misses,
        1,
        "nobody waited for the upstream"
    );
}

#[test]
fn what_is_stale_is_verified_first_where_that_is_told() {
    let Some(mut unbound) = unbound(&texts(&with(1, "192.0.2.1")), "") else {
        return;
    };
    let config = format!(
        "[[forward]]\n{}max_fails = 0\nread_timeout = \"100ms\"\nmax_connect_attempts = 1\n[cache]\n\
         success = {{ min_ttl = 1 }}\nserve_stale = {{ for = \"1h\", mode = \"verify\" }}\n",
        to(&[unbound.at.dns])
    );
    let forwarding = Forwarding::start(&config);
    assert_eq!(forwarding.said(CHANGES), "192.0.2.1");
    change(&mut unbound, &with(1, "192.0.2.2"));
    // Until its time is up the one that is kept, then at once the new one: never what is stale.
    forwarding.expect(CHANGES, "192.0.2.2");
    assert_eq!(forwarding.kept().served_stale, 0);
    unbound.stop();
    until("it is stale", PATIENCE, || {
        assert_eq!(forwarding.said(CHANGES), "192.0.2.2");
        (forwarding.kept().served_stale > 0).then_some(())
    });
    // That there is no such name is better than what is stale.
    change(&mut unbound, &RECORDS.map(str::to_owned));
    forwarding.expect(CHANGES, "NXDOMAIN");
}

#[test]
fn ttls_of_a_real_upstreams_answers_are_bounded_as_told() {
    let Some(knot) = knot(&RECORDS) else { return };
    let (www, absent) = ("www.outside.example", "absent.outside.example");
    let ttl = |line: &str| line.split(' ').nth(1).unwrap().parse::<u32>().unwrap();
    for (lines, [positive, negative]) in [
        ("", [300, 60]),
        ("success = { ttl = 30 }", [30, 60]),
        ("success = { min_ttl = 900 }", [900, 60]),
        ("denial = { ttl = 20 }", [300, 20]),
        ("denial = { min_ttl = 90 }", [300, 90]),
        ("keepttl = true", [300, 60]),
    ] {
        let config = format!("[[forward]]\n{}[cache]\n{lines}\n", to(&[knot.at.dns]));
        let forwarding = Forwarding::start(&config);
        let ask = |name| forwarding.udp(&query(name, RType::A));
        // The first answer has the TTL already with which it is kept.
        for expected in [positive, positive] {
            assert_eq!(ttl(&ask(www).answer[0]), expected, "{lines}");
        }
        for expected in [negative, negative] {
            assert_eq!(ttl(&ask(absent).authority[0]), expected, "{lines}");
        }
        let kept = forwarding.kept();
        assert_eq!((kept.success.hits, kept.denial.hits), (1, 1), "{lines}");
    }
    // It counts down, or stays.
    for (lines, counts_down) in [("", true), ("keepttl = true", false)] {
        let config = format!("[[forward]]\n{}[cache]\n{lines}\n", to(&[knot.at.dns]));
        let forwarding = Forwarding::start(&config);
        let began = Instant::now();
        let ask = || ttl(&forwarding.udp(&query(www, RType::A)).answer[0]);
        ask();
        until("two seconds are over", PATIENCE, || {
            let now = ask();
            let is_over = began.elapsed() > Duration::from_secs(2);
            assert!(counts_down || now == 300, "{now}");
            (is_over && (now < 300) == counts_down).then_some(())
        });
    }
}
