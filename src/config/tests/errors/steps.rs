//! Tables of steps that are refused.

use super::{check, check_item, check_value};

#[test]
fn wrong_values_of_steps_are_said_with_what_would_be_right() {
    for (table, key, value, message) in [
        (
            "bufsize",
            "size",
            "100",
            "100 is out of range; it is 512 to 4096 octets",
        ),
        (
            "dns64",
            "prefix",
            "\"64:ff9b::/95\"",
            "`64:ff9b::/95` is not an IPv6 prefix of length 32, 40, 48, 56, 64 or 96",
        ),
        (
            "loadbalance",
            "policy",
            "\"weighted\"",
            "`weighted` is not available in this version of tenantdns",
        ),
        ("loadbalance", "policy", "\"x\"", "`x` is not `round_robin`"),
        (
            "autopath",
            "from",
            "\"@kubernetes\"",
            "`@kubernetes` is neither `kubernetes` nor the absolute path of a file",
        ),
        (
            "hosts",
            "ttl",
            "0",
            "0 is out of range; it is 1 to 65535 seconds",
        ),
        (
            "transfer",
            "source",
            "\"dns.example\"",
            "`dns.example` is not an address",
        ),
        (
            "k8s_external",
            "apex",
            "\"a.b\"",
            "`a.b` is not one label, as in \"dns\"",
        ),
        (
            "k8s_external",
            "ttl",
            "3601",
            "3601 is out of range; a TTL is 0 to 3600 seconds",
        ),
    ] {
        let text = format!("[{table}]\n{key} = {value}\n");
        let column = key.len() + 4;
        let error = crate::config::Config::from_toml(&text, "f.toml").expect_err(key);
        let line = format!("f.toml:2:{column}: {table}.{key}: {message}");
        assert!(error.to_string().contains(&line), "{error}");
    }
    check_value(
        "dns64",
        "translate_all",
        "1",
        "needs true or false, not an integer",
    );
    for value in ["192.0.2.0/24", "192.0.2.1:x", "dns.example", "%"] {
        check_item(
            "transfer",
            "to",
            &format!("{value:?}"),
            &format!(
                "`{value}` is neither an address, as in \"192.0.2.1\" or \"192.0.2.1:5300\", nor `*`"
            ),
        );
    }
    for table in ["", "to = []\n", "zones = [\"cluster.local\"]\n"] {
        check(
            "a table for nobody",
            &format!("[transfer]\n{table}"),
            &["1:2: transfer: needs `to`: without an address nobody may transfer"],
        );
    }
    check_item(
        "hosts",
        "inline",
        "\"web.example 192.0.2.1\"",
        "`web.example 192.0.2.1` is not an address and names, as in \"192.0.2.1 www.example\"",
    );
}

#[test]
fn a_template_that_needs_more_of_go_is_refused_by_what_it_needs() {
    for (action, part) in [
        (
            ".Remote",
            "`{{.Remote}}` is not supported; in templates `.Name`",
        ),
        ("if true", "`{{if true}}` is not supported"),
        (".Meta \\\"x\\\"", "`{{.Meta \"x\"}}` is not supported"),
    ] {
        let text = format!("[[template]]\nanswer = [\"{{{{ {action} }}}} 60 IN A 192.0.2.1\"]\n");
        let error = crate::config::Config::from_toml(&text, "f.toml").expect_err(action);
        let error = error.to_string();
        assert!(
            error.contains(part) && error.contains("template[0].answer[0]"),
            "{error}"
        );
    }
}

#[test]
fn rules_that_say_nothing_or_too_much_are_refused() {
    check(
        "nothing to do",
        "[[acl]]\n[[header]]\n[hosts]\n",
        &[
            "1:1: acl[0]: needs `rules`: without one it does nothing",
            "2:1: header[0]: needs `action` and `flags`",
            "3:2: hosts: lists nothing: it needs a `file` or lines in `inline`",
        ],
    );
    check(
        "who asks is not told to others",
        "[[rewrite]]\nfield = \"edns0\"\n",
        &[
            "2:9: rewrite[0].field: `edns0` rules tell a server behind this one who asks; this server \
           knows by itself, and tells nobody",
        ],
    );
    check(
        "more places than groups",
        "[[rewrite]]\nmatch = \"regex\"\nfrom = 'a(.)'\nto = \"{1}{2}\"\n",
        &["4:6: rewrite[0].to: has 2 places for groups, and the regular expression has 1 groups"],
    );
    check(
        "no range",
        "[[rewrite]]\nfield = \"ttl\"\nfrom = \"a\"\nto = \"60-30\"\n",
        &[
            "4:6: rewrite[0].to: `60-30` is not a TTL or a range of them: `30`, `30-60`, `-60` or `30-`",
        ],
    );
    check(
        "flags of questions",
        "[[header]]\nof = \"query\"\naction = \"set\"\nflags = [\"rd\"]\n",
        &["2:6: header[0].of: `query` is not available in this version of tenantdns"],
    );
}

#[test]
fn names_from_outside_need_the_cluster_s_and_topology_zones_endpoints() {
    let block = "[[block]]\nzones = [\"a.example\"]\n";
    check(
        "without the cluster",
        &format!("{block}[block.k8s_external]\n[block.any]\n"),
        &[
            "3:8: block[0].k8s_external: needs [block.kubernetes] beside it, whose services it answers for",
        ],
    );
    check(
        "elsewhere",
        &format!(
            "{block}[block.kubernetes]\n[block.k8s_external]\nzones = [\"b.example\", \"x.a.example\", \"x.a.example\"]\n"
        ),
        &[
            "5:10: block[0].k8s_external.zones[0]: `b.example.` is outside of the block's `zones`, so no query for it comes here",
            "5:38: block[0].k8s_external.zones[2]: `x.a.example.` is in the list already",
        ],
    );
    check(
        "no endpoints",
        "[kubernetes]\nzonal = true\nnoendpoints = true\n",
        &[
            "2:9: kubernetes.zonal: can't stand beside `noendpoints`: no zone would have an endpoint",
        ],
    );
}
