//! What is wrong with who may speak for others.

use super::check;

const HEAD: &str = "[[tenancy.forwarder]]\n";

#[test]
fn a_forwarder_has_peers() {
    let nobody = "1:1: tenancy.forwarder[0]: names no peers: `cidrs` or `services` in `peers` say \
                  who may speak for others";
    for text in ["", "peers = {}", "peers = { cidrs = [], services = [] }"] {
        check(text, &format!("{HEAD}{text}"), &[nobody]);
    }
    check(
        "a list that can't be read has one error",
        &format!("{HEAD}peers = {{ cidrs = \"10.0.0.0/8\" }}"),
        &[
            "2:19: tenancy.forwarder[0].peers.cidrs: needs a list of ranges, as in \
           \"10.244.0.0/16\", not a string",
        ],
    );
    check(
        "one table is a list of one",
        "[tenancy.forwarder]\npeers = { cidrs = [\"10.0.0.0/8\"] }",
        &["1:1: tenancy.forwarder: needs tables [[tenancy.forwarder]], not a table"],
    );
    check(
        "an unknown key",
        &format!("{HEAD}peers = {{ cidr = [\"10.0.0.0/8\"] }}"),
        &[
            nobody,
            "2:11: tenancy.forwarder[0].peers.cidr: unknown key; did you mean `cidrs`?",
        ],
    );
}

#[test]
fn a_range_of_peers_is_exactly_what_it_says() {
    for (range, message) in [
        (
            "10.0.0.1",
            "`10.0.0.1` has no prefix; one address is `10.0.0.1/32`",
        ),
        (
            "fd00::1",
            "`fd00::1` has no prefix; one address is `fd00::1/128`",
        ),
        (
            "10.0.0.1/16",
            "`10.0.0.1/16` has bits behind its prefix; the range is `10.0.0.0/16`, one address \
             `10.0.0.1/32`",
        ),
        (
            "0.0.0.0/0",
            "`0.0.0.0/0` is everybody: then everybody may ask as anybody",
        ),
        (
            "::/0",
            "`::/0` is everybody: then everybody may ask as anybody",
        ),
        (
            "::ffff:10.0.0.0/104",
            "`::ffff:10.0.0.0/104` is IPv4 written as IPv6; peers' addresses are compared as IPv4",
        ),
        (
            "10.0.0.0/33",
            "`10.0.0.0/33` is not a range, as in `10.244.0.0/16`",
        ),
        ("dns", "`dns` is not a range, as in `10.244.0.0/16`"),
    ] {
        let text = format!("{HEAD}peers = {{ cidrs = [\"{range}\"] }}");
        let line = format!("2:20: tenancy.forwarder[0].peers.cidrs[0]: {message}");
        check(range, &text, &[&line]);
    }
}

#[test]
fn nobody_speaks_in_two_ways() {
    check(
        "ranges that share addresses",
        &format!(
            "{HEAD}peers = {{ cidrs = [\"10.0.0.0/8\", \"10.1.0.0/16\"] }}\n{HEAD}\
             peers = {{ cidrs = [\"10.9.9.9/32\", \"11.0.0.0/8\"] }}\nidentity = \"ecs\""
        ),
        &[
            "2:34: tenancy.forwarder[0].peers.cidrs[1]: `10.1.0.0/16` and `10.0.0.0/8` share \
             addresses",
            "4:20: tenancy.forwarder[1].peers.cidrs[0]: `10.9.9.9/32` and `10.0.0.0/8` share \
             addresses",
        ],
    );
    check(
        "a service twice",
        &format!(
            "{HEAD}peers = {{ services = [\"a/b\", \"a/b\"] }}\n{HEAD}\
             peers = {{ services = [\"a/c\", \"a/b\"] }}"
        ),
        &[
            "2:30: tenancy.forwarder[0].peers.services[1]: `a/b` is named already",
            "4:30: tenancy.forwarder[1].peers.services[1]: `a/b` is named already",
        ],
    );
}

#[test]
fn options_and_sizes_are_those_that_can_be() {
    const PEERS: &str = "peers = { services = [\"a/b\"] }\n";
    for (line, message) in [
        (
            "identity = \"edns\"",
            "3:12: tenancy.forwarder[0].identity: `edns` is not one of `edns_local`, \
             `edns_namespace`, `ecs`, `proxy_v2`",
        ),
        (
            "option = 8",
            "3:10: tenancy.forwarder[0].option: 8 is out of range; codes for local use are 65001 to \
             65534",
        ),
        (
            "option = 65535",
            "3:10: tenancy.forwarder[0].option: 65535 is out of range; codes for local use are \
             65001 to 65534",
        ),
        (
            "udp_size = 511",
            "3:12: tenancy.forwarder[0].udp_size: 511 is out of range; it is 512 to 1232 octets",
        ),
        (
            "udp_size = 4096",
            "3:12: tenancy.forwarder[0].udp_size: 4096 is out of range; it is 512 to 1232 octets",
        ),
        (
            "identity = \"ecs\"\noption = 65001",
            "1:1: tenancy.forwarder[0]: has an `option`, which is read with edns_local and \
             edns_namespace alone",
        ),
        (
            "peer = 1",
            "3:1: tenancy.forwarder[0].peer: unknown key; did you mean `peers`?",
        ),
    ] {
        check(line, &format!("{HEAD}{PEERS}{line}"), &[message]);
    }
}
