//! Times, bounds and words of a cache, with values: replies as octets, and a clock that a test moves.

use super::*;
use crate::wire::{Message, QNameBuffer, RType};

const PARTITION: Partition = Partition {
    upstream: 0,
    tenant: 0,
};

fn query(name: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0".to_vec();
    bytes.extend(name);
    bytes.extend([0, 1, 0, 1]);
    bytes
}

/// A reply with one address, or without one, at this response code.
fn reply(name: &[u8], rcode: u8, ttl: u32) -> Vec<u8> {
    let mut bytes = query(name);
    (bytes[2], bytes[3]) = (0x81, 0x80 | rcode);
    if rcode == 0 {
        bytes[7] = 1;
        bytes.extend(b"\xc0\x0c\0\x01\0\x01");
        bytes.extend(ttl.to_be_bytes());
        bytes.extend([0, 4, 192, 0, 2, 1]);
    } else if rcode == 3 {
        bytes[9] = 1;
        bytes.extend(b"\0\0\x06\0\x01");
        bytes.extend(ttl.to_be_bytes());
        bytes.extend([0, 22]);
        bytes.extend([0; 22]);
    }
    bytes
}

const WWW: &[u8] = b"\x03www\x07example\0";

/// A cache with what a test does to it.
struct Tried(Cache);

impl Tried {
    fn new(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::default();
        change(&mut options);
        Self(Cache::new(options))
    }

    fn key(&self, name: &[u8]) -> Key {
        let bytes = query(name);
        let mut buffer = QNameBuffer::default();
        let query = Query::parse(&bytes, &mut buffer).unwrap();
        self.0.key(PARTITION, &query, name, RType::A).unwrap()
    }

    fn keep(&self, name: &[u8], rcode: u8, ttl: u32, now: u64) {
        let bytes = reply(name, rcode, ttl);
        let message = Message::parse(&bytes).unwrap();
        let answer = Arc::new(Answer::read(&message, self.0.options()));
        self.0.keep(&self.key(name), &answer, now);
    }

    fn recall(&self, now: u64) -> Recall {
        self.0.recall(&self.key(WWW), now, 0)
    }

    /// The TTL that is answered, and whether to ask again; `None` where nothing is.
    fn given(&self, now: u64) -> Option<(u32, bool)> {
        match self.recall(now) {
            Recall::Hit { found, refresh } => {
                let bytes = query(WWW);
                let mut buffer = QNameBuffer::default();
                let query = Query::parse(&bytes, &mut buffer).unwrap();
                let mut out = [0; 512];
                let length = found.write(&query, &mut out).unwrap();
                let record = Message::parse(&out[..length]).unwrap().records().next();
                Some((record.unwrap().ttl, refresh))
            }
            Recall::Miss | Recall::Unless(_) => None,
        }
    }
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

#[test]
fn an_answer_is_kept_for_its_ttl_within_bounds() {
    for (fact, rcode, ttl, first, last) in [
        ("its own", 0, 60, 60, 59_999),
        ("no less than five seconds", 0, 1, 5, 4_999),
        ("no more than an hour", 0, 86_400, 3600, 3_599_999),
        ("a denial's own", 3, 60, 60, 59_999),
        ("a denial for half an hour", 3, 86_400, 1800, 1_799_999),
    ] {
        let tried = Tried::new(|_| {});
        tried.keep(WWW, rcode, ttl, 1000);
        assert_eq!(tried.given(1000), Some((first, false)), "{fact}");
        assert_eq!(tried.given(1000 + last), Some((1, false)), "{fact}");
        assert_eq!(tried.given(1001 + last), None, "{fact}");
    }
}

#[test]
fn ttls_count_down_unless_they_are_to_stay() {
    for (keepttl, expected) in [(false, [60, 59, 30]), (true, [60, 60, 60])] {
        let tried = Tried::new(|options| options.keepttl = keepttl);
        tried.keep(WWW, 0, 60, 0);
        let given = [999, 1000, 30_000].map(|now| tried.given(now).unwrap().0);
        assert_eq!(given, expected);
    }
}

#[test]
fn bounds_are_those_of_the_options() {
    let tried = Tried::new(|options| {
        options.success.ttl = seconds(30);
        options.success.min_ttl = seconds(10);
        options.denial.ttl = seconds(20);
        options.denial.min_ttl = seconds(0);
    });
    for (rcode, ttl, expected) in [
        (0, 60, Some(30)),
        (0, 1, Some(10)),
        (3, 60, Some(20)),
        (3, 1, Some(1)),
        (3, 0, None),
    ] {
        tried.keep(WWW, 0, 1, 0);
        tried.keep(WWW, rcode, ttl, 100_000);
        assert_eq!(tried.given(100_000).map(|given| given.0), expected);
    }
}

#[test]
fn a_failure_passes_and_does_not_hide_an_answer() {
    let tried = Tried::new(|options| options.serve_stale.up_to = seconds(3600));
    tried.keep(WWW, 2, 0, 0);
    assert!(matches!(tried.recall(4_999), Recall::Hit { .. }));
    tried.keep(WWW, 0, 10, 10_000);
    tried.keep(WWW, 2, 0, 30_000);
    assert_eq!(
        tried.given(30_000),
        Some((0, true)),
        "stale, rather than SERVFAIL"
    );
    // What denies takes its place.
    tried.keep(WWW, 3, 10, 40_000);
    assert_eq!(tried.given(40_000), Some((10, false)));
    tried.keep(WWW, 0, 20, 50_000);
    assert_eq!(
        tried.given(50_000),
        Some((20, false)),
        "and the other way round"
    );
}

#[test]
fn an_answer_that_is_asked_for_often_is_asked_again_before_its_time_is_up() {
    let tried = Tried::new(|options| {
        options.prefetch.amount = 3;
        options.prefetch.duration = seconds(20);
        options.prefetch.percentage = 10;
    });
    tried.keep(WWW, 0, 100, 0);
    for (now, expected) in [
        (70_000, false),
        (89_000, false),
        (89_500, false),
        (90_000, true),
    ] {
        assert_eq!(tried.given(now).unwrap().1, expected, "at {now}");
    }
    assert!(!tried.given(91_000).unwrap().1, "one asks");
    tried.0.refreshed(&tried.key(WWW), false, 91_000);
    assert!(
        !tried.given(92_000).unwrap().1,
        "not at once after it failed"
    );
    assert!(tried.given(96_000).unwrap().1);
    assert_eq!(tried.0.read().prefetches, 2);
    // A gap begins anew, but what comes in its place goes on.
    tried.keep(WWW, 0, 100, 99_000);
    assert!(
        tried.given(190_000).is_some_and(|given| !given.1),
        "after a gap"
    );
}

#[test]
fn what_is_stale_is_given_and_asked_again() {
    let tried = Tried::new(|options| options.serve_stale.up_to = seconds(60));
    tried.keep(WWW, 0, 10, 0);
    assert_eq!(tried.given(10_000), Some((0, true)));
    assert_eq!(tried.given(11_000), Some((0, false)), "one asks");
    assert_eq!(tried.given(69_999), Some((0, false)));
    assert_eq!(tried.given(70_000), None, "too old");
    assert_eq!(tried.0.read().served_stale, 3);
}

#[test]
fn what_is_to_be_verified_is_given_where_the_upstream_has_nothing_better() {
    let tried = Tried::new(|options| {
        options.serve_stale.up_to = seconds(60);
        options.serve_stale.verify = true;
    });
    tried.keep(WWW, 0, 10, 0);
    assert!(matches!(tried.recall(5_000), Recall::Hit { .. }));
    assert!(matches!(tried.recall(10_000), Recall::Unless(_)));
    let key = tried.key(WWW);
    assert!(tried.0.stale(&key, 69_999, 0).is_some());
    assert!(tried.0.stale(&key, 70_000, 0).is_none());
}

#[test]
fn stale_answers_have_the_ttl_that_is_told() {
    for (fact, ttl, keepttl, expected) in [
        ("none of its own", 0, false, 0),
        ("its own", 30, false, 30),
        ("its own beside keepttl", 30, true, 30),
        ("as it came, with keepttl", 0, true, 10),
    ] {
        let tried = Tried::new(|options| {
            options.serve_stale.up_to = seconds(60);
            options.serve_stale.response_ttl = ttl;
            options.keepttl = keepttl;
        });
        tried.keep(WWW, 0, 10, 0);
        assert_eq!(tried.given(10_000), Some((expected, true)), "{fact}");
    }
}

#[test]
fn a_question_in_vain_is_not_asked_again_for_as_long_as_told() {
    let asked_again = |options: fn(&mut Options), fails: bool| {
        let tried = Tried::new(|all| {
            all.serve_stale.up_to = seconds(600);
            options(all);
        });
        tried.keep(WWW, 0, 10, 0);
        let asks = |now: u64| match tried.recall(now) {
            Recall::Hit { refresh, .. } => refresh,
            Recall::Unless(_) => true,
            Recall::Miss => panic!("it is kept"),
        };
        let first = asks(10_000);
        let beside = asks(10_001);
        if fails {
            tried.0.refreshed(&tried.key(WWW), false, 11_000);
        }
        let times = [15_000, 15_999, 16_000, 40_999, 41_000];
        (first, beside, times.map(asks))
    };
    let (no, yes) = (false, true);
    let immediate: fn(&mut Options) = |_| {};
    let rests: fn(&mut Options) = |all| all.serve_stale.failure_recheck = seconds(30);
    let verifies: fn(&mut Options) = |all| all.serve_stale.verify = true;
    let both: fn(&mut Options) = |all| {
        all.serve_stale.verify = true;
        all.serve_stale.failure_recheck = seconds(30);
    };
    for (fact, options, fails, expected) in [
        (
            "five seconds",
            immediate,
            true,
            (yes, no, [no, no, yes, no, no]),
        ),
        ("as told", rests, true, (yes, no, [no, no, no, no, yes])),
        ("one is out", rests, false, (yes, no, [no; 5])),
        ("each verifies", verifies, false, (yes, yes, [yes; 5])),
        ("one verifies", both, true, (yes, no, [no, no, no, no, yes])),
        (
            "one that never comes back",
            both,
            false,
            (yes, no, [yes, no, no, yes, no]),
        ),
    ] {
        assert_eq!(asked_again(options, fails), expected, "{fact}");
    }
}

#[test]
fn what_was_found_is_preferred_where_that_is_told() {
    let kept = |prefer: bool, later: &[(u8, u64)], now: u64| {
        let tried = Tried::new(|options| {
            options.serve_stale.up_to = seconds(60);
            options.serve_stale.prefer_positive = prefer;
        });
        tried.keep(WWW, 0, 10, 0);
        for &(rcode, at) in later {
            tried.keep(WWW, rcode, 10, at);
        }
        match tried.recall(now) {
            Recall::Hit { found, .. } => Some(found.entry.answer.rcode().0),
            _ => None,
        }
    };
    for (fact, prefer, later, now, expected) in [
        (
            "a denial is newer",
            false,
            &[(3, 1_000)][..],
            2_000,
            Some(3),
        ),
        ("what was found counts", true, &[(3, 1_000)], 2_000, Some(0)),
        (
            "and when it is stale",
            true,
            &[(3, 11_000)],
            12_000,
            Some(0),
        ),
        ("too old", true, &[(3, 69_000)], 70_000, Some(3)),
        ("nor does a failure", true, &[(2, 11_000)], 12_000, Some(0)),
        (
            "found again",
            true,
            &[(3, 1_000), (0, 2_000)],
            3_000,
            Some(0),
        ),
    ] {
        assert_eq!(kept(prefer, later, now), expected, "{fact}");
    }
}

#[test]
fn what_was_found_stays_beside_what_is_neither_that_nor_a_denial() {
    let tried = Tried::new(|options| {
        options.serve_stale.up_to = seconds(60);
        options.serve_stale.prefer_positive = true;
    });
    let empty = |now: u64| {
        let mut bytes = query(WWW);
        (bytes[2], bytes[3]) = (0x81, 0x80);
        let message = Message::parse(&bytes).unwrap();
        let answer = Arc::new(Answer::read(&message, tried.0.options()));
        assert!(!tried.0.is_better_than_stale(&answer));
        tried.0.keep(&tried.key(WWW), &answer, now);
    };
    let records = |now: u64| match tried.recall(now) {
        Recall::Hit { found, .. } => Some(found.entry.answer.is_found),
        _ => None,
    };
    empty(0);
    assert_eq!(records(1_000), Some(false), "nothing was found yet");
    tried.keep(WWW, 0, 10, 2_000);
    assert_eq!(records(3_000), Some(true));
    empty(4_000);
    empty(5_000);
    assert_eq!(records(6_000), Some(true));
    assert_eq!(records(71_999), Some(true));
    assert_eq!(records(72_000), None, "both are too old");
}

#[test]
fn entries_and_octets_are_bounded() {
    let name = |number: u32| {
        let label = format!("n{number:08}");
        [&[label.len() as u8], label.as_bytes(), b"\0"].concat()
    };
    for (capacity, bytes) in [(100, 1 << 30), (1_000_000, 64 << 10)] {
        let tried = Tried::new(|options| {
            options.success.capacity = capacity;
            options.bytes = bytes;
        });
        for number in 0..5_000 {
            tried.keep(&name(number), 0, 60, 0);
        }
        let read = tried.0.read();
        assert!(read.success.entries <= capacity as u64, "{read:?}");
        assert!(read.success.entries > 50, "{read:?}");
        assert!(read.success.bytes <= bytes / 2, "{read:?}");
        let evicted = 5_000 - read.success.entries;
        assert_eq!(read.success.evictions, evicted, "{read:?}");
    }
}

#[test]
fn ad_is_for_who_asked_for_it() {
    let mut bytes = reply(WWW, 0, 60);
    bytes[3] |= 0x20;
    let message = Message::parse(&bytes).unwrap();
    let answer = Answer::read(&message, &Options::default());
    let with_ad = {
        let mut bytes = query(WWW);
        bytes[3] |= 0x20;
        bytes
    };
    let with_do = {
        let mut bytes = query(WWW);
        bytes[11] = 1;
        bytes.extend(b"\0\0\x29\x04\xd0\0\0\x80\0\0\0");
        bytes
    };
    for (asked, expected) in [(query(WWW), false), (with_ad, true), (with_do, true)] {
        for given in [Given::First, Given::Again(1)] {
            let mut buffer = QNameBuffer::default();
            let query = Query::parse(&asked, &mut buffer).unwrap();
            let mut out = [0; 512];
            answer.write(&query, given, &mut out).unwrap();
            assert_eq!(out[3] & 0x20 != 0, expected, "{asked:02x?} {given:?}");
        }
    }
}

#[test]
fn what_stands_behind_opt_is_left_out_with_it() {
    let mut bytes = reply(WWW, 0, 60);
    bytes[11] = 2;
    bytes.extend(b"\0\0\x29\x04\xd0\0\0\0\0\0\0");
    bytes.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x02");
    let message = Message::parse(&bytes).unwrap();
    let answer = Answer::read(&message, &Options::default());
    let asked = query(WWW);
    let mut buffer = QNameBuffer::default();
    let query = Query::parse(&asked, &mut buffer).unwrap();
    let mut out = [0; 512];
    let length = answer.write(&query, Given::First, &mut out).unwrap();
    let given = Message::parse(&out[..length]).unwrap();
    assert_eq!(given.header().counts, [1, 1, 0, 0]);
    assert_eq!(given.bytes().len(), length);
}
