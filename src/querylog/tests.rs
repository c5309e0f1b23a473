//! Lines are CoreDNS's, octet for octet.

use super::*;
use crate::chain::{BlockId, ListenerId, Plugin};
use crate::observe::Exchange;
use crate::testing::{query, query_edns};
use crate::wire::{RType, Rcode};
use std::time::Duration;

fn exchange(query: Vec<u8>, flags: [u8; 2], counts: [u8; 3], rest: &[u8]) -> Exchange {
    let mut answer = query.clone();
    answer.truncate(12 + question(&query));
    (answer[2], answer[3]) = (flags[0], flags[1]);
    for (place, count) in [7, 9, 11].into_iter().zip(counts) {
        answer[place] = count;
    }
    answer.extend(rest);
    Exchange {
        listener: ListenerId(0),
        block: Some(BlockId(0)),
        plugin: Some(Plugin::Kubernetes),
        rcode: Rcode(u16::from(flags[1] & 15)),
        peer: "[::ffff:10.244.1.7]:40212".parse().unwrap(),
        local: Some("10.96.0.10".parse().unwrap()),
        named: None,
        stream: false,
        failure: None,
        received: Duration::ZERO,
        took: Duration::from_nanos(123_456),
        query,
        answer,
    }
}

/// Returns the octets of a message's question.
fn question(message: &[u8]) -> usize {
    message[12..].iter().position(|octet| *octet == 0).unwrap() + 5
}

/// A record of the root of a type, without RDATA.
fn record(rtype: RType) -> Vec<u8> {
    let [high, low] = rtype.0.to_be_bytes();
    vec![0, high, low, 0, 1, 0, 0, 0, 5, 0, 0]
}

fn asker() -> Asker {
    Asker {
        class: "pod",
        namespace: Some("shop".into()),
        pod: Some("web-0".into()),
        tenant: Some("acme".into()),
    }
}

fn line(exchange: &Exchange, format: &str) -> String {
    let asker = asker();
    let entry = Entry::of(exchange, &asker).expect("a query");
    let mut text = String::new();
    Format::parse(format).write(&entry, &mut text);
    text
}

#[test]
fn placeholders_say_what_coredns_says() {
    let mut asked = query("Web.Shop.svc.cluster.local.", RType::A);
    (asked[0], asked[1]) = (0x12, 0x34);
    let udp = exchange(asked, [0x85, 0], [1, 0, 0], &record(RType::A));
    let mut tcp = exchange(
        query_edns("a.example.", RType(4000), 4096),
        [0x81, 0x83],
        [0, 0, 0],
        b"",
    );
    tcp.stream = true;
    tcp.peer = "[fd00::7]:53".parse().unwrap();
    tcp.local = None;
    let mut small = exchange(
        query_edns("a.", RType::AAAA, 100),
        [0x86, 0x3f],
        [0, 0, 0],
        b"",
    );
    small.named = Some("10.1.2.3".parse().unwrap());
    for (exchange, format, expected) in [
        (
            &udp,
            "{common}",
            "10.244.1.7:40212 - 4660 \"A IN web.shop.svc.cluster.local. udp 44 false 512\" NOERROR \
             qr,aa,rd 55 0.000123456s",
        ),
        (
            &tcp,
            "{combined}",
            "[fd00::7]:53 - 4660 \"TYPE4000 IN a.example. tcp 38 false 65535\" NXDOMAIN qr,rd,ra 27 \
             0.000123456s \"0\"",
        ),
        (&udp, "", ""),
        (&udp, "{type}{type}", "AA"),
        (&udp, "{ {type} }", "{ A }"),
        (&udp, "A } {name}", "A } web.shop.svc.cluster.local."),
        (&udp, "{unknown} {>rflags}", "{unknown} qr,aa,rd"),
        (&udp, "{type", "{type"),
        (
            &udp,
            "{local} {/tenant/name} {/no/such}",
            "10.96.0.10 acme -",
        ),
        (&tcp, "{local}", "-"),
        (
            &udp,
            "{/kubernetes/client-namespace}/{/kubernetes/client-pod-name} {/tenant/client}",
            "shop/web-0 pod",
        ),
        (&udp, "{/log/type} {/log/class}", "NOERROR success"),
        (&tcp, "{/log/type} {/log/class}", "NXDOMAIN denial"),
        (&small, "{remote} {>bufsize} {rcode}", "10.1.2.3 512 15"),
        (&small, "{>rflags}", "qr,aa,tc,ad,cd"),
    ] {
        let expected = match exchange.stream {
            true => expected
                .replace("4660", "0")
                .replace(" 0 ", &format!(" {} ", id(exchange))),
            false => expected.to_owned(),
        };
        assert_eq!(line(exchange, format), expected, "{format}");
    }
}

fn id(exchange: &Exchange) -> u16 {
    u16::from_be_bytes([exchange.query[0], exchange.query[1]])
}

#[test]
fn answers_are_classed_as_coredns_does() {
    let soa = record(RType::SOA);
    let ns = record(RType::NS);
    let both = [&ns[..], &soa].concat();
    for (rcode, qtype, counts, rest, kind, class) in [
        (0, RType::A, [1, 0, 0], &soa, Kind::NoError, Class::Success),
        (0, RType::A, [0, 1, 0], &soa, Kind::NoData, Class::Denial),
        (0, RType::A, [0, 2, 0], &both, Kind::NoData, Class::Denial),
        (
            0,
            RType::A,
            [0, 1, 0],
            &ns,
            Kind::Delegation,
            Class::Success,
        ),
        (0, RType::A, [0, 0, 0], &soa, Kind::NoError, Class::Success),
        (3, RType::A, [0, 1, 0], &soa, Kind::NameError, Class::Denial),
        (3, RType::A, [1, 0, 0], &soa, Kind::OtherError, Class::Error),
        (
            2,
            RType::A,
            [0, 0, 0],
            &soa,
            Kind::ServerError,
            Class::Error,
        ),
        (
            4,
            RType::A,
            [0, 0, 0],
            &soa,
            Kind::ServerError,
            Class::Error,
        ),
        (5, RType::A, [0, 0, 0], &soa, Kind::OtherError, Class::Error),
        (5, RType::AXFR, [0, 0, 0], &soa, Kind::Meta, Class::Error),
    ] {
        let exchange = exchange(query("a.", qtype), [0x80, rcode], counts, rest);
        let asker = Asker::default();
        let entry = Entry::of(&exchange, &asker).unwrap();
        assert_eq!(
            (entry.kind, entry.kind.class()),
            (kind, class),
            "{rcode} {counts:?}"
        );
    }
}

#[test]
fn a_line_of_json_has_every_part() {
    let udp = exchange(
        query("web.shop.", RType::A),
        [0x85, 0],
        [1, 0, 0],
        &record(RType::A),
    );
    let asker = asker();
    let line = Entry::of(&udp, &asker)
        .unwrap()
        .json("2026-01-02T03:04:05.006Z");
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    for (pointer, expected) in [
        ("/ts", "\"2026-01-02T03:04:05.006Z\""),
        ("/client/ip", "\"10.244.1.7\""),
        ("/client/port", "40212"),
        ("/client/kind", "\"pod\""),
        ("/client/namespace", "\"shop\""),
        ("/client/pod", "\"web-0\""),
        ("/client/tenant", "\"acme\""),
        ("/question/name", "\"web.shop.\""),
        ("/question/type", "\"A\""),
        ("/question/class", "\"IN\""),
        ("/proto", "\"udp\""),
        ("/do", "false"),
        ("/bufsize", "512"),
        ("/answer/rcode", "\"NOERROR\""),
        ("/answer/flags", "\"qr,aa,rd\""),
        ("/answer/class", "\"success\""),
        ("/answer/plugin", "\"kubernetes\""),
        ("/duration_s", "0.000123456"),
    ] {
        let found = value.pointer(pointer).map(ToString::to_string);
        assert_eq!(found.as_deref(), Some(expected), "{pointer} of {line}");
    }
}

#[test]
fn what_is_no_query_has_no_line() {
    let mut broken = exchange(query("a.", RType::A), [0x80, 1], [0, 0, 0], b"");
    broken.query.truncate(13);
    assert!(Entry::of(&broken, &asker()).is_none());
}

#[test]
fn errors_of_a_pattern_are_said_together() {
    let rule = |interval, pattern: &str, level, show_first| Consolidate {
        interval: Duration::from_secs(interval),
        pattern: pattern.parse().unwrap(),
        level,
        show_first,
    };
    let mut lines = ErrorLines::new(vec![
        rule(300, "i/o timeout$", Level::Warning, false),
        rule(90, "^refused", Level::Error, true),
        rule(3600, "never", Level::Info, false),
    ]);
    let mut text = String::new();
    let failed = exchange(query("a.example.", RType::A), [0x80, 2], [0, 0, 0], b"");
    let asker = asker();
    let question = Entry::of(&failed, &asker).unwrap();
    for (at, error) in [
        (0, "other"),
        (1, "read: i/o timeout"),
        (2, "refused"),
        (3, "refused by b"),
        (100, "read: i/o timeout"),
        (302, "refused again"),
    ] {
        lines.report(Duration::from_secs(at), &question, error, &mut text);
    }
    lines.close(&mut text);
    assert_eq!(
        text,
        "[ERROR] plugin/errors: 2 a.example. A: other\n\
         [ERROR] plugin/errors: 2 a.example. A: refused\n\
         [ERROR] plugin/errors: 2 errors like '^refused' occurred in last 1m30s\n\
         [WARNING] plugin/errors: 2 errors like 'i/o timeout$' occurred in last 5m0s\n\
         [ERROR] plugin/errors: 2 a.example. A: refused again\n"
    );
}

#[test]
fn a_single_error_that_was_shown_is_not_said_again() {
    let rule = Consolidate {
        interval: Duration::from_millis(20),
        pattern: "x".parse().unwrap(),
        level: Level::Debug,
        show_first: true,
    };
    let failed = exchange(query(".", RType::NS), [0x80, 5], [0, 0, 0], b"");
    let asker = asker();
    let question = Entry::of(&failed, &asker).unwrap();
    let mut lines = ErrorLines::new(vec![rule.clone()]);
    let mut text = String::new();
    lines.report(Duration::ZERO, &question, "x", &mut text);
    lines.turn(Duration::from_secs(1), &mut text);
    assert_eq!(text, "[DEBUG] plugin/errors: 5 . NS: x\n");
    let mut hidden = ErrorLines::new(vec![Consolidate {
        show_first: false,
        ..rule
    }]);
    text.clear();
    hidden.report(Duration::ZERO, &question, "x", &mut text);
    hidden.turn(Duration::from_secs(1), &mut text);
    assert_eq!(
        text,
        "[DEBUG] plugin/errors: 1 errors like 'x' occurred in last 20ms\n"
    );
}
