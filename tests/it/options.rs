//! Every option of `[[forward]]`, `[cache]` and `[loop]`, and the tests that ask an upstream with it: real
//! ones (tests/live/forward*.rs), or one that misbehaves as a test has it (forwarding.rs, caching.rs).

use crate::checklist::tests;
use std::collections::{BTreeMap, BTreeSet};

/// Each key, as in config/tenantdns.toml, and what holds it.
const HELD: [(&str, &[&str]); 52] = [
    (
        "forward.zone",
        &["the_longest_zone_is_asked_for_whom_it_is"],
    ),
    (
        "forward.to",
        &[
            "unbound_is_asked_over_udp_and_tcp",
            "unbound_is_asked_over_tls_by_who_trusts_its_certificate_for_that_name",
            "unbound_is_asked_over_https_on_one_connection",
            "a_host_is_asked_at_the_addresses_that_a_real_resolver_tells",
            "name_servers_of_a_file_are_asked_in_its_order_and_read_again",
        ],
    ),
    (
        "forward.doh_method",
        &[
            "unbound_is_asked_over_https_on_one_connection",
            "coredns_is_asked_over_https",
            "an_upstream_over_https_is_asked_as_rfc_8484_says",
        ],
    ),
    (
        "forward.resolver",
        &["a_host_is_asked_at_the_addresses_that_a_real_resolver_tells"],
    ),
    (
        "forward.except",
        &[
            "what_is_excepted_is_not_asked_of_a_real_upstream",
            "the_longest_zone_is_asked_for_whom_it_is",
        ],
    ),
    (
        "forward.clients",
        &["whom_clients_does_not_list_gets_no_reply"],
    ),
    (
        "forward.tenants",
        &["the_longest_zone_is_asked_for_whom_it_is"],
    ),
    (
        "forward.policy",
        &[
            "policies_share_out_what_real_upstreams_are_asked",
            "each_policy_has_its_order",
        ],
    ),
    (
        "forward.max_fails",
        &[
            "a_real_upstream_that_dies_is_left_alone_and_asked_again_when_it_is_back",
            "where_every_real_upstream_is_down_one_is_asked_or_none",
        ],
    ),
    (
        "forward.health_check.interval",
        &["an_upstream_that_failed_is_looked_after_at_its_interval"],
    ),
    (
        "forward.health_check.no_rec",
        &["an_upstream_that_fails_is_looked_after_and_left_alone_until_it_replies"],
    ),
    (
        "forward.health_check.domain",
        &["an_upstream_that_fails_is_looked_after_and_left_alone_until_it_replies"],
    ),
    (
        "forward.failover",
        &["response_codes_lead_on_between_real_upstreams_as_in_coredns"],
    ),
    (
        "forward.failfast_all_unhealthy_upstreams",
        &["where_every_real_upstream_is_down_one_is_asked_or_none"],
    ),
    (
        "forward.next",
        &["response_codes_lead_on_between_real_upstreams_as_in_coredns"],
    ),
    (
        "forward.next_on_nodata",
        &["response_codes_lead_on_between_real_upstreams_as_in_coredns"],
    ),
    (
        "forward.force_tcp",
        &["what_a_real_upstream_cuts_is_whole_over_tcp"],
    ),
    (
        "forward.prefer_udp",
        &["what_a_real_upstream_cuts_is_whole_over_tcp"],
    ),
    (
        "forward.read_timeout",
        &[
            "a_query_fails_after_so_many_attempts_and_so_long",
            "a_query_has_so_many_attempts_and_so_much_time",
        ],
    ),
    (
        "forward.expire",
        &["connections_to_a_real_upstream_stay_as_long_as_told"],
    ),
    (
        "forward.max_age",
        &["connections_to_a_real_upstream_stay_as_long_as_told"],
    ),
    (
        "forward.max_idle_conns",
        &["idle_sockets_to_a_real_upstream_are_as_many_as_told"],
    ),
    (
        "forward.max_concurrent",
        &["max_concurrent_counts_everybody"],
    ),
    (
        "forward.max_concurrent_per_tenant",
        &["more_than_may_wait_are_refused_and_one_tenant_does_not_starve_another"],
    ),
    (
        "forward.max_connect_attempts",
        &["a_query_fails_after_so_many_attempts_and_so_long"],
    ),
    (
        "forward.source_address",
        &["a_real_upstream_is_asked_from_the_address_that_is_told"],
    ),
    (
        "forward.tls.certificate",
        &["an_upstream_that_asks_who_we_are_is_shown_a_certificate"],
    ),
    (
        "forward.tls.key",
        &["an_upstream_that_asks_who_we_are_is_shown_a_certificate"],
    ),
    (
        "forward.tls.ca",
        &["unbound_is_asked_over_tls_by_who_trusts_its_certificate_for_that_name"],
    ),
    (
        "forward.tls_servername",
        &["unbound_is_asked_over_tls_by_who_trusts_its_certificate_for_that_name"],
    ),
    ("cache.zones", &["zones_and_halves_are_left_out_as_told"]),
    ("cache.servfail", &["zones_and_halves_are_left_out_as_told"]),
    (
        "cache.keepttl",
        &["ttls_of_a_real_upstreams_answers_are_bounded_as_told"],
    ),
    ("cache.bytes", &["no_more_is_kept_than_told"]),
    (
        "cache.isolation",
        &["with_isolation_nobody_sees_what_another_tenant_asked"],
    ),
    ("cache.success.capacity", &["no_more_is_kept_than_told"]),
    (
        "cache.success.ttl",
        &["ttls_of_a_real_upstreams_answers_are_bounded_as_told"],
    ),
    (
        "cache.success.min_ttl",
        &["ttls_of_a_real_upstreams_answers_are_bounded_as_told"],
    ),
    ("cache.denial.capacity", &["no_more_is_kept_than_told"]),
    (
        "cache.denial.ttl",
        &["ttls_of_a_real_upstreams_answers_are_bounded_as_told"],
    ),
    (
        "cache.denial.min_ttl",
        &["ttls_of_a_real_upstreams_answers_are_bounded_as_told"],
    ),
    (
        "cache.prefetch.amount",
        &["what_is_asked_often_is_asked_again_before_its_time_is_up"],
    ),
    (
        "cache.prefetch.duration",
        &["an_answer_that_is_asked_for_often_is_asked_again_before_its_time_is_up"],
    ),
    (
        "cache.prefetch.percentage",
        &["an_answer_that_is_asked_for_often_is_asked_again_before_its_time_is_up"],
    ),
    (
        "cache.serve_stale.for",
        &[
            "what_is_stale_is_given_at_once_and_asked_again_beside_that",
            "what_is_stale_is_given_and_asked_again",
        ],
    ),
    (
        "cache.serve_stale.mode",
        &["what_is_stale_is_verified_first_where_that_is_told"],
    ),
    (
        "cache.serve_stale.verify_timeout",
        &[
            "stale_answers_are_given_as_coredns_gives_them",
            "what_is_stale_is_given_when_verifying_takes_too_long_and_what_comes_is_kept",
        ],
    ),
    (
        "cache.serve_stale.response_ttl",
        &[
            "stale_answers_are_given_as_coredns_gives_them",
            "what_is_stale_is_given_when_verifying_takes_too_long_and_what_comes_is_kept",
        ],
    ),
    (
        "cache.serve_stale.failure_recheck",
        &["stale_answers_are_given_as_coredns_gives_them"],
    ),
    (
        "cache.serve_stale.prefer_positive",
        &["stale_answers_are_given_as_coredns_gives_them"],
    ),
    (
        "cache.disable.success",
        &["zones_and_halves_are_left_out_as_told"],
    ),
    (
        "cache.disable.denial",
        &["zones_and_halves_are_left_out_as_told"],
    ),
];

/// The keys that config/tenantdns.toml has in these tables, which a test of the program's holds to be all
/// that are read.
fn keys() -> BTreeSet<String> {
    let text = include_str!("../../config/tenantdns.toml");
    let lines = text.lines().filter_map(|line| line.strip_prefix("#> "));
    let text: Vec<&str> = lines.collect();
    let document: toml::Table = text.join("\n").parse().expect("config/tenantdns.toml");
    let mut found = BTreeSet::new();
    for table in ["forward", "cache", "loop"] {
        collect(table, &document[table], &mut found);
    }
    found
}

fn collect(path: &str, value: &toml::Value, found: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                collect(&format!("{path}.{key}"), value, found);
            }
        }
        toml::Value::Array(tables) if tables.iter().any(toml::Value::is_table) => {
            for table in tables {
                collect(path, table, found);
            }
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}

#[test]
fn every_option_has_a_test_with_an_upstream() {
    let held: BTreeMap<&str, &[&str]> = HELD.into_iter().collect();
    let keys = keys();
    let without: Vec<_> = keys
        .iter()
        .filter(|key| !held.contains_key(&***key))
        .collect();
    assert!(without.is_empty(), "no test is named for {without:?}");
    let gone: Vec<_> = held.keys().filter(|key| !keys.contains(**key)).collect();
    assert!(gone.is_empty(), "there is no {gone:?}");
    let tests = tests();
    for (key, names) in held {
        assert!(!names.is_empty(), "{key} has none");
        for name in names {
            assert!(
                tests.contains(*name),
                "{key} names {name}, which is no test"
            );
        }
    }
}
