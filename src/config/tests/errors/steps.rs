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
            "\"x\"",
            "`x` is not one of `round_robin`, `weighted`",
        ),
        (
            "loadbalance",
            "file",
            "\"/w\"",
            "is for `policy = \"weighted\"`",
        ),
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
        "a rule for options says which, and what to do",
        "[[rewrite]]\nfield = \"edns0\"\n[[rewrite]]\nfield = \"edns0\"\noption = \"local\"\naction = \"set\"\n\
         code = 8\nvalue = \"{protocol}\"\n[[rewrite]]\nfield = \"edns0\"\noption = \"subnet\"\naction = \"set\"\n\
         [[rewrite]]\nfield = \"edns0\"\noption = \"local\"\naction = \"append\"\ncode = 65001\nvalue = \"0x123\"\n",
        &[
            "1:1: rewrite[0]: needs `option` and `action`",
            "7:8: rewrite[1].code: 8 is out of range; it is 20 to 65535; below are `nsid`, `subnet`, and what is \
             no operator's to say",
            "8:9: rewrite[1].value: `{protocol}` is not known to rules; they know `{qname}`, `{qtype}`, \
             `{client_ip}`, `{client_port}`, `{server_ip}` and `{kubernetes/client-namespace}`",
            "9:1: rewrite[2]: needs `ipv4` and `ipv6`: how many bits of a client's address are told",
            "18:9: rewrite[3].value: `0x123` is not hexadecimal",
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
        "weights are in a file, and decide alone",
        "[loadbalance]\npolicy = \"weighted\"\nprefer = [\"10.0.0.0/8\", \"10.0.0.0/33\"]\n",
        &[
            "1:2: loadbalance: needs `file`, which has the weights",
            "3:25: loadbalance.prefer[1]: `10.0.0.0/33` is neither an address nor a prefix, as in `10.9.0.0/16`",
        ],
    );
    check(
        "addresses are preferred, or have weights",
        "[loadbalance]\npolicy = \"weighted\"\nfile = \"/w\"\nprefer = [\"10.0.0.0/8\"]\n",
        &[
            "4:10: loadbalance.prefer: can't stand beside weights: either decides which address is first",
        ],
    );
    check(
        "flags that are nobody's to set",
        "[[header]]\nof = \"both\"\naction = \"set\"\nflags = [\"ad\"]\n",
        &[
            "2:6: header[0].of: `both` is not one of `response`, `query`",
            "4:10: header[0].flags[0]: `ad` is not `aa`, `ra` or `rd`",
        ],
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
