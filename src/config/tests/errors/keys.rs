//! Wrong syntax, wrong keys, wrong types.

use super::{check, check_item, check_value};

#[test]
fn what_is_no_toml_is_refused_where_it_goes_wrong() {
    for (text, expected) in [
        (
            "[server]\nthreads =\n",
            "2:10: string values must be quoted, expected literal string",
        ),
        ("[server\n", "1:8: unclosed table, expected `]`"),
        ("a = 'x\n", "1:7: invalid literal string, expected `'`"),
        (
            "# ä\n[kubernetes]\nlabels = \"ä\" x\n",
            "3:14: unexpected key or value, expected newline, `#`",
        ),
        (
            "[server]\nthreads = 1\nthreads = 2\n",
            "3:1: threads: duplicate key",
        ),
        (
            "[kubernetes]\n[server]\n[kubernetes]\n",
            "3:2: kubernetes: duplicate key",
        ),
    ] {
        check("no TOML", text, &[expected]);
    }
}

#[test]
fn every_problem_is_reported_in_the_order_of_the_file() {
    let text = "\
[tenancy]
mode = \"enforced\"
  tenant_from = [{ label = \"a\" }, { name = \"^x(\" }]
[kubernetes]
ttl = 7200 # a TTL in minutes?
[server]
\tthread = 5\r
listen = \"[::]:53\"
";
    check(
        "five mistakes",
        text,
        &[
            "2:8: tenancy.mode: `enforced` is not one of `off`, `audit`, `enforce`",
            "3:44: tenancy.tenant_from[1].name: `^x(` is not a regular expression: unclosed group",
            "5:7: kubernetes.ttl: 7200 is out of range; a TTL is 0 to 3600 seconds",
            "7:2: server.thread: unknown key; did you mean `threads`?",
            "8:10: server.listen: needs a list of addresses, as in [\"[::]:53\"], not a string",
        ],
    );
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_known_one() {
    for (text, expected) in [
        (
            "[sever]\n",
            "1:2: sever: unknown key; did you mean `server`?",
        ),
        (
            "[kubernetes]\ntll = 5\n",
            "2:1: kubernetes.tll: unknown key; did you mean `ttl`?",
        ),
        (
            "[kubernetes]\nstartuptimeout = \"5s\"\n",
            "2:1: kubernetes.startuptimeout: unknown key; did you mean `startup_timeout`?",
        ),
        (
            "tenancy.shared.service = []\n",
            "1:16: tenancy.shared.service: unknown key; did you mean `services`?",
        ),
        (
            "[tenancy]\nplatform = { namespace = [] }\n",
            "2:14: tenancy.platform.namespace: unknown key; did you mean `namespaces`?",
        ),
        (
            "[source]\nttl = 5\n",
            "2:1: source.ttl: unknown key; the keys here are `manifests`, `kubernetes`",
        ),
        (
            "[audit]\n\"a\\nb\" = 5\n",
            "2:1: audit.a\\nb: unknown key; the keys here are `log`, `window`, `enforced`",
        ),
        (
            "[[block]]\nzones = [\"a\"]\n[block.kubernetes]\nttll = 5\n",
            "4:1: block[0].kubernetes.ttll: unknown key; did you mean `ttl`?",
        ),
    ] {
        check("unknown key", text, &[expected]);
    }
}

#[test]
fn a_value_of_another_type_is_refused_with_the_one_that_is_needed() {
    for (table, key, value, message) in [
        (
            "server",
            "threads",
            "\"4\"",
            "needs a whole number (it is 0 (one per core) to 1024), not a string",
        ),
        (
            "server",
            "threads",
            "1.5",
            "needs a whole number (it is 0 (one per core) to 1024), not a float",
        ),
        (
            "server",
            "tcp_idle_timeout",
            "10",
            "needs a duration, as in \"5s\", not an integer",
        ),
        (
            "source",
            "manifests",
            "\"a\"",
            "needs a list of paths, not a string",
        ),
        (
            "kubernetes",
            "zones",
            "\"a\"",
            "needs a list of zones, not a string",
        ),
        (
            "kubernetes",
            "noendpoints",
            "\"yes\"",
            "needs true or false, not a string",
        ),
        (
            "kubernetes",
            "pods",
            "true",
            "needs one of `disabled`, `insecure`, `verified`, not a boolean",
        ),
        (
            "kubernetes",
            "labels",
            "[]",
            "needs a label selector, as in \"tier in (web, api)\", not an array",
        ),
        (
            "tenancy",
            "platform",
            "[]",
            "needs a table [tenancy.platform], not an array",
        ),
        (
            "tenancy",
            "tenant_from",
            "\"label\"",
            "needs a list of { label = \"…\" }, { annotation = \"…\" }, { label_suffix = \"…\" }, \
             { parent_label = \"…\" } or { name = \"…\" }, not a string",
        ),
    ] {
        check_value(table, key, value, message);
    }
    check_item("source", "manifests", "1", "needs a text, not an integer");
    check(
        "a table",
        "server = 5",
        &["1:10: server: needs a table [server], not an integer"],
    );
    check(
        "blocks",
        "[block]",
        &["1:1: block: needs tables [[block]], not a table"],
    );
}
