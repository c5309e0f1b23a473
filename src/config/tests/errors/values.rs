//! Wrong values, each at its own key.

use super::{check, check_item, check_value};

#[test]
fn numbers_and_durations_have_a_range() {
    for (table, key, value, message) in [
        (
            "server",
            "threads",
            "1025",
            "1025 is out of range; it is 0 (one per core) to 1024",
        ),
        (
            "server",
            "threads",
            "-1",
            "-1 is out of range; it is 0 (one per core) to 1024",
        ),
        (
            "server",
            "tcp_connections",
            "0",
            "0 is out of range; it is 1 to 1000000",
        ),
        (
            "server",
            "tcp_connections_per_client",
            "99999999999999999999999",
            "99999999999999999999999 is out of range; it is 1 to 1000000",
        ),
        (
            "server",
            "tcp_idle_timeout",
            "\"0\"",
            "`0` is out of range; it is `1ms` to `1h`",
        ),
        (
            "health",
            "lameduck",
            "\"61m\"",
            "`61m` is out of range; it is `0` (stop at once) to `1h`",
        ),
        (
            "reload",
            "interval",
            "\"1s\"",
            "`1s` is out of range; it is `0` (only when told) or `2s` to `24h`",
        ),
        (
            "reload",
            "jitter",
            "\"900ms\"",
            "`900ms` is out of range; it is `0` or `1s` to `24h`",
        ),
        (
            "server",
            "handover",
            "\"run/socket\"",
            "`run/socket` is not the path of a socket: it starts with `/` and has at most 107 octets",
        ),
        (
            "kubernetes",
            "ttl",
            "3601",
            "3601 is out of range; a TTL is 0 to 3600 seconds",
        ),
        (
            "kubernetes",
            "startup_timeout",
            "\"2h\"",
            "`2h` is out of range; it is `0` to `1h`",
        ),
        (
            "source.kubernetes",
            "watch_timeout",
            "\"6m\"",
            "`6m` is out of range; a watch lasts `1s` to `5m`",
        ),
        (
            "source.kubernetes",
            "audit_interval",
            "\"0\"",
            "`0` is out of range; comparisons are `1s` to `24h` apart",
        ),
        (
            "tenancy",
            "unknown_wait",
            "\"61s\"",
            "`61s` is out of range; a query waits `0` to `1m`",
        ),
    ] {
        check_value(table, key, value, message);
    }
    for text in [
        "",
        "5",
        "s",
        "5 s",
        "-5s",
        "1m30",
        "5d",
        ".s",
        "1.2.3s",
        "5S",
        "99999999999h",
    ] {
        let value = format!("\"{text}\"");
        let message = format!(
            "`{text}` is not a duration; it is numbers with units, as in `5s`, `150ms`, `1m30s`"
        );
        check_value("tenancy", "unknown_wait", &value, &message);
    }
}

#[test]
fn listeners_are_addresses_with_ports_once_each() {
    for (item, message) in [
        (
            "\"https3://[::]:443\"",
            "`https3://` is not available in this version of tenantdns",
        ),
        (
            "\"dns://:53\"",
            "`dns://` is not known; UDP and TCP are served at `:53`, without a scheme",
        ),
        (
            "\"10.0.0.1\"",
            "`10.0.0.1` has no port; write `10.0.0.1:53`",
        ),
        ("\"::1\"", "`::1` has no port; write `[::1]:53`"),
        ("\"[::]\"", "`[::]` has no port; write `[::]:53`"),
        (
            "\"localhost:53\"",
            "`localhost:53` is not an address with a port, as in `127.0.0.1:53`, \
             `[::]:53` or `:53`",
        ),
        (
            "\"127.0.0.1:66000\"",
            "`127.0.0.1:66000` is not an address with a port, as in `127.0.0.1:53`, \
             `[::]:53` or `:53`",
        ),
        (
            "\"\"",
            "`` is not an address with a port, as in `127.0.0.1:53`, \
             `[::]:53` or `:53`",
        ),
    ] {
        check_item("server", "listen", item, message);
    }
    check_value(
        "server",
        "listen",
        "[]",
        "is empty; without an address nobody is answered",
    );
    for (list, expected) in [
        ("[\":53\", \"[::]:53\"]", "`[::]:53` is in the list already"),
        (
            "[\"127.0.0.1:53\", \"[::ffff:127.0.0.1]:53\"]",
            "`127.0.0.1:53` is in the list already",
        ),
        (
            "[\":53\", \"0.0.0.0:53\"]",
            "`[::]:53` takes IPv4 too; drop `0.0.0.0:53`",
        ),
        (
            "[\"0.0.0.0:53\", \":53\"]",
            "`[::]:53` takes IPv4 too; drop `0.0.0.0:53`",
        ),
    ] {
        let column = 11 + list.find(' ').unwrap();
        let expected = format!("2:{column}: server.listen[1]: {expected}");
        check(list, &format!("[server]\nlisten = {list}"), &[&expected]);
    }
}

#[test]
fn zones_are_names_or_ranges() {
    for (item, message) in [
        (
            "\"\"",
            "`` is not a zone: letters, digits, `-`, `_` and dots; the root is `.`",
        ),
        (
            "\"cluster local\"",
            "`cluster local` is not a zone: letters, digits, `-`, `_` and dots; the root is `.`",
        ),
        (
            "\"a..b\"",
            "`a..b`: a domain name can't have an empty label",
        ),
        (
            "\"10.0.0.0\"",
            "`10.0.0.0` is an address; a reverse zone needs a prefix, as in `10.0.0.0/8`",
        ),
        (
            "\"fd00::\"",
            "`fd00::` is an address; a reverse zone needs a prefix, as in `10.0.0.0/8`",
        ),
        (
            "\"10.0.0.0/33\"",
            "`10.0.0.0/33` is neither a name nor a CIDR, as in `10.0.0.0/8`",
        ),
        (
            "\"a/b\"",
            "`a/b` is neither a name nor a CIDR, as in `10.0.0.0/8`",
        ),
        (
            "\"cluster.local:53\"",
            "`cluster.local:53` is not a zone; a scheme or port belongs in `listen`",
        ),
        (
            "\"dns://a\"",
            "`dns://a` is not a zone; a scheme or port belongs in `listen`",
        ),
        (
            "\"10.0.0.0/8\"",
            "has reverse zones only; at least one zone for the services' names is needed",
        ),
    ] {
        check_item("kubernetes", "zones", item, message);
    }
    check_value(
        "kubernetes",
        "zones",
        "[]",
        "is empty; without a zone nothing is answered",
    );
    check(
        "the same zone by two ranges",
        "[kubernetes]\nzones = [\"a\", \"10.0.0.0/15\", \"10.1.0.0/16\"]",
        &["2:30: kubernetes.zones[2]: `1.10.in-addr.arpa.` is in the list already"],
    );
    check(
        "ServiceImports in a zone that is not there",
        "[kubernetes]\nmulticluster = [\"clusterset.local\"]",
        &[
            "2:17: kubernetes.multicluster[0]: `clusterset.local.` is not one of this table's \
             `zones`",
        ],
    );
}

#[test]
fn names_have_the_characters_of_kubernetes() {
    let name = "is not a name in Kubernetes: 1 to 63 of a-z, 0-9 and `-`, no `-` first or last";
    let long = "a".repeat(64);
    for text in ["Shop", "a_b", "-a", "a-", "a.b", "", &long] {
        let item = format!("\"{text}\"");
        let message = format!("`{text}` {name}");
        check_item("kubernetes", "namespaces", &item, &message);
        check_item("tenancy", "reserved_namespaces", &item, &message);
        check_item("tenancy.platform", "namespaces", &item, &message);
    }
    for text in ["*", "team*", "-*", "te*m", "Team-*"] {
        let message = match text.strip_suffix('*') {
            Some(_) => {
                format!(
                    "`{text}` is not a pattern; one is a name's start, then `-*`, as in `team-*`"
                )
            }
            None => format!("`{text}` {name}"),
        };
        check_item(
            "tenancy.shared",
            "namespaces",
            &format!("\"{text}\""),
            &message,
        );
    }
    for text in ["kubernetes", "a/b/c", ""] {
        let message = format!("`{text}` is not a service; one is `namespace/name`");
        check_item(
            "tenancy.shared",
            "services",
            &format!("\"{text}\""),
            &message,
        );
    }
    check_item(
        "tenancy.shared",
        "services",
        "\"default/\"",
        &format!("`` {name}"),
    );
    for text in ["", " a", "a\\tb"] {
        let message = format!(
            "`{text}` is not a tenant's name: it is not empty and has no blank at its ends"
        );
        check_item(
            "tenancy.platform",
            "tenants",
            &format!("\"{text}\""),
            &message,
        );
    }
    check_value(
        "tenancy.shared",
        "selector",
        "\"a in b\"",
        "`a in b` needs its values in parentheses, as in `tier in (web, api)`",
    );
}

#[test]
fn values_of_the_live_source_are_checked() {
    let age = "is out of range; it is `0` (no limit), or `50s` and more: twice `watch_timeout`";
    for (key, value, message) in [
        ("identity_max_age", "\"49s\"", age.to_owned()),
        (
            "identity_scope",
            "\"pod\"",
            "`pod` is not one of `cluster`, `node`".to_owned(),
        ),
        (
            "node_name",
            "\"a,b=c\"",
            "`a,b=c` is not a node's name".to_owned(),
        ),
        (
            "node_name",
            "\"a..b\"",
            "`a..b` is not a node's name".to_owned(),
        ),
        ("checkpoint", "1", "needs a path, not an integer".to_owned()),
    ] {
        check_value("source.kubernetes", key, value, &message);
    }
}

#[test]
fn http_listeners_are_one_address_each() {
    for (value, message) in [
        (
            "\"http://:8080\"",
            "`http://:8080` is not an address; HTTP is served at `:8080`, without a scheme",
        ),
        ("\"::1\"", "`::1` has no port; write `[::1]:8080`"),
        (
            "[\":8080\"]",
            "needs an address, as in \"[::]:8080\", not an array",
        ),
    ] {
        check_value("ready", "listen", value, message);
    }
}
