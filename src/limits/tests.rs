//! Who is answered, told to come by TCP, and refused.

use super::*;
use std::num::NonZeroU32;

fn rate(qps: u32, burst: u32) -> Option<Rate> {
    let qps = NonZeroU32::new(qps)?;
    NonZeroU32::new(burst).map(|burst| Rate { qps, burst })
}

fn limits(client: Option<Rate>, tenant: Option<Rate>) -> Limits {
    Limits::new(&Options { client, tenant }).unwrap()
}

fn address(number: u32) -> IpAddr {
    IpAddr::from((0x0a00_0000 + number).to_be_bytes())
}

const ANSWER: Admission = Admission::Answer;

/// Asks `count` times at one moment, and returns how many were answered, truncated and refused.
fn ask(limits: &Limits, (client, tenant): (u32, &str), count: u32, now: u64) -> [u32; 3] {
    ask_by(limits, (client, tenant), count, now, false)
}

fn ask_by(
    limits: &Limits,
    (client, tenant): (u32, &str),
    count: u32,
    now: u64,
    stream: bool,
) -> [u32; 3] {
    let mut said = [0; 3];
    for _ in 0..count {
        match limits.admit(address(client), || Some(tenant), stream, now) {
            Admission::Answer => said[0] += 1,
            Admission::Truncate(_) => said[1] += 1,
            Admission::Refuse(_) => said[2] += 1,
        }
    }
    said
}

#[test]
fn without_a_rate_there_are_no_limits() {
    assert!(Limits::new(&Options::default()).is_none());
}

#[test]
fn a_burst_is_answered_then_as_many_are_truncated_then_none() {
    let limits = limits(rate(10, 5), None);
    assert_eq!(ask(&limits, (1, "a"), 20, 0), [5, 5, 10]);
    assert_eq!(ask(&limits, (2, "a"), 5, 0), [5, 0, 0], "another client");
    assert_eq!(ask(&limits, (1, "a"), 3, 99), [0, 0, 3]);
    assert_eq!(
        ask(&limits, (1, "a"), 3, 100),
        [1, 1, 1],
        "a tenth of a second"
    );
    assert_eq!(
        ask(&limits, (1, "a"), 20, 60_000),
        [5, 5, 10],
        "after a pause"
    );
}

#[test]
fn in_the_long_run_as_many_are_answered_as_the_rate_says() {
    for (qps, burst) in [(1, 1), (7, 20), (1_000, 100), (50_000, 50_000)] {
        let limits = limits(rate(qps, burst), None);
        let all: u32 = (0..10_000)
            .map(|now| ask(&limits, (1, "a"), qps.div_ceil(500), now)[0])
            .sum();
        // Ten seconds, of which the last token comes with the end.
        let most = burst + 10 * qps;
        assert!(
            all <= most && all + 1 + qps.div_ceil(1_000) >= most,
            "{qps}, {burst}: {all}"
        );
    }
}

#[test]
fn what_is_forged_over_udp_leaves_tcp_alone() {
    let limits = limits(rate(10, 5), rate(10, 5));
    ask(&limits, (1, "a"), 1_000, 0);
    assert_eq!(ask(&limits, (1, "a"), 1, 0), [0, 0, 1]);
    let by_tcp = ask_by(&limits, (1, "a"), 8, 0, true);
    assert_eq!(by_tcp, [5, 0, 3], "its own allowance, and never TC");
}

#[test]
fn all_pods_of_a_tenant_share_its_limit_and_no_other_tenants_do() {
    let limits = limits(None, rate(10, 6));
    for client in 1..=3 {
        assert_eq!(ask(&limits, (client, "a"), 2, 0), [2, 0, 0]);
    }
    let over = limits.admit(address(4), || Some("a"), false, 0);
    assert_eq!(over, Admission::Truncate(Limit::Tenant));
    assert_eq!(ask(&limits, (5, "b"), 6, 0), [6, 0, 0]);
    let of_nobody = limits.admit(address(6), || None, false, 0);
    assert_eq!(of_nobody, ANSWER, "a client without a tenant is of none");
}

#[test]
fn a_clients_limit_keeps_it_from_taking_its_tenants() {
    let limits = limits(rate(10, 2), rate(10, 6));
    assert_eq!(ask(&limits, (1, "a"), 100, 0), [2, 2, 96]);
    let over = limits.admit(address(1), || Some("a"), true, 0);
    assert_eq!(over, ANSWER);
    assert_eq!(ask(&limits, (2, "a"), 2, 0), [2, 0, 0]);
    assert_eq!(ask(&limits, (3, "a"), 2, 0), [2, 0, 0]);
}

#[test]
fn an_ipv4_mapped_address_is_the_same_client() {
    let limits = limits(rate(1, 1), None);
    let mapped = "::ffff:10.0.0.1".parse().unwrap();
    assert_eq!(limits.admit(mapped, || None, false, 0), ANSWER);
    assert_ne!(limits.admit(address(1), || None, false, 0), ANSWER);
}

#[test]
fn whatever_others_send_who_keeps_to_the_rate_is_answered() {
    let limits = limits(rate(100, 10), None);
    for now in 0..2_000u64 {
        let forged = now as u32 * 100..now as u32 * 100 + 100;
        for client in forged {
            ask(&limits, (1_000 + client, "a"), 3, now);
        }
        ask(&limits, (2, "a"), 50, now);
        if now % 10 == 0 {
            assert_eq!(ask(&limits, (1, "a"), 1, now), [1, 0, 0], "at {now}");
        }
    }
}

#[test]
fn whoever_is_over_stays_over_while_idle_clients_come_and_go() {
    let limits = limits(rate(1, 100), None);
    ask(&limits, (1, "a"), 300, 0);
    // One query each: full again a second later, so their places are the ones to be had.
    for client in 0..100_000 {
        ask(&limits, (10 + client, "a"), 1, u64::from(client));
    }
    let earned = 100 - 1;
    let said = ask(&limits, (1, "a"), 300, 99_500);
    assert_eq!(said[0], earned, "{said:?}");
}
