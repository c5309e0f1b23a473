//! What is wrong in `[[forward]]` and `[cache]`, each at its own place.

use super::check;

#[test]
fn wrong_values_are_refused_at_their_place() {
    for (line, column, key, message) in [
        (
            "zone = \"10.0.0.0/9\"",
            8,
            "zone",
            "is 128 reverse zones; write a table for each",
        ),
        (
            "to = []",
            6,
            "to",
            "is empty; without upstreams nobody is asked",
        ),
        (
            "to = [\"10.0.0.300\"]",
            7,
            "to[0]",
            "`10.0.0.300` is not an upstream: an address as in `10.0.0.2`, `10.0.0.2:5353`, \
             `tls://9.9.9.9%dns.quad9.net`, a host as in `dns.example`, or a file as in \
             `/etc/resolv.conf`",
        ),
        (
            "to = [\"dns..example\"]",
            7,
            "to[0]",
            "`dns..example` is not an upstream: an address as in `10.0.0.2`, `10.0.0.2:5353`, \
             `tls://9.9.9.9%dns.quad9.net`, a host as in `dns.example`, or a file as in \
             `/etc/resolv.conf`",
        ),
        (
            "to = [\"-dns.example\"]",
            7,
            "to[0]",
            "`-dns.example` is not an upstream: an address as in `10.0.0.2`, `10.0.0.2:5353`, \
             `tls://9.9.9.9%dns.quad9.net`, a host as in `dns.example`, or a file as in \
             `/etc/resolv.conf`",
        ),
        (
            "to = [\"dns.example:0\"]",
            7,
            "to[0]",
            "`dns.example:0` is not an upstream: an address as in `10.0.0.2`, `10.0.0.2:5353`, \
             `tls://9.9.9.9%dns.quad9.net`, a host as in `dns.example`, or a file as in \
             `/etc/resolv.conf`",
        ),
        (
            "to = [\"dns.example:70000\"]",
            7,
            "to[0]",
            "`dns.example:70000` is not an upstream: an address as in `10.0.0.2`, `10.0.0.2:5353`, \
             `tls://9.9.9.9%dns.quad9.net`, a host as in `dns.example`, or a file as in \
             `/etc/resolv.conf`",
        ),
        (
            "to = [\"[fd00::1]:x\"]",
            7,
            "to[0]",
            "`[fd00::1]:x` is not an upstream: an address as in `10.0.0.2`, `10.0.0.2:5353`, \
             `tls://9.9.9.9%dns.quad9.net`, a host as in `dns.example`, or a file as in \
             `/etc/resolv.conf`",
        ),
        (
            "to = [\"https://1.1.1.1/dns-query\"]",
            7,
            "to[0]",
            "`https://1.1.1.1/dns-query` has a path; upstreams over HTTPS are asked at `/dns-query`",
        ),
        (
            "resolver = [\"dns.example\"]",
            13,
            "resolver[0]",
            "`dns.example` is not an address",
        ),
        (
            "failover = [\"NOERROR\"]",
            12,
            "failover",
            "has NOERROR, which is no failure",
        ),
        (
            "to = [\"udp://1.1.1.1\"]",
            7,
            "to[0]",
            "`udp://` is not one of the ways in which upstreams are asked: `dns://`, `tls://`, `https://`",
        ),
        (
            "to = [\"1.1.1.1%one.example\"]",
            7,
            "to[0]",
            "`1.1.1.1%one.example` names a certificate, which only an upstream over `tls://` or \
             `https://` has",
        ),
        (
            "to = [\"0.0.0.0\"]",
            7,
            "to[0]",
            "nobody can be asked at `0.0.0.0`",
        ),
        (
            "clients = [\"pods\"]",
            12,
            "clients[0]",
            "`pods` is not one of `cluster`, `private`, `any`",
        ),
        (
            "clients = []",
            11,
            "clients",
            "is empty; nobody would be answered",
        ),
        (
            "next = [\"NXDOMIAN\"]",
            9,
            "next[0]",
            "`NXDOMIAN` is not a response code, as NOERROR, NXDOMAIN, SERVFAIL or REFUSED are",
        ),
        (
            "policy = \"fastest\"",
            10,
            "policy",
            "`fastest` is not one of `random`, `round_robin`, `sequential`",
        ),
        (
            "max_age = \"1s\"",
            11,
            "max_age",
            "is less than `expire`: no socket would be idle for so long",
        ),
        (
            "read_timeout = \"0\"",
            16,
            "read_timeout",
            "`0` is out of range; it is `1ms` to `24h`",
        ),
        (
            "source_address = \"x\"",
            18,
            "source_address",
            "`x` is not an address",
        ),
        (
            "tls = { key = \"k\" }",
            1,
            "tls",
            "has one of `certificate` and `key`; they go together",
        ),
        (
            "to = [\"tls://1.1.1.1%a\"]\ntls_servername = \"b\"",
            18,
            "tls_servername",
            "names the certificate of upstreams of which one has its own, behind `%`",
        ),
        (
            "doh_method = \"PUT\"",
            14,
            "doh_method",
            "`PUT` is not one of `POST`, `GET`",
        ),
    ] {
        let row = 1 + line.lines().count();
        let expected = format!("{row}:{column}: forward[0].{key}: {message}");
        check(line, &format!("[[forward]]\n{line}\n"), &[&expected]);
    }
    let many: Vec<String> = (1..=16).map(|n| format!("\"10.0.0.{n}\"")).collect();
    check(
        "sixteen upstreams",
        &format!("[[forward]]\nto = [{}]\n", many.join(", ")),
        &["2:193: forward[0].to[15]: there are 15 upstreams at most"],
    );
}

#[test]
fn what_is_kept_has_bounds() {
    for (line, column, key, message) in [
        (
            "servfail = \"6m\"",
            12,
            "servfail",
            "`6m` is out of range; it is `0` to `5m` (RFC 2308 section 7.1)",
        ),
        (
            "success = { ttl = 0 }",
            19,
            "success.ttl",
            "0 is out of range; it is seconds, 1 to 4294967295",
        ),
        (
            "prefetch = { percentage = 9 }",
            27,
            "prefetch.percentage",
            "9 is out of range; it is 10 to 90",
        ),
        (
            "serve_stale = { mode = \"later\" }",
            24,
            "serve_stale.mode",
            "`later` is not one of `immediate`, `verify`",
        ),
        (
            "bytes = \"32\"",
            9,
            "bytes",
            "`32` is not a size of 64KiB to 64GiB, as in `32MiB`",
        ),
        (
            "bytes = \"1KiB\"",
            9,
            "bytes",
            "`1KiB` is not a size of 64KiB to 64GiB, as in `32MiB`",
        ),
        (
            "isolation = \"pod\"",
            13,
            "isolation",
            "`pod` is not one of `shared`, `tenant`",
        ),
    ] {
        let expected = format!("2:{column}: cache.{key}: {message}");
        check(line, &format!("[cache]\n{line}\n"), &[&expected]);
    }
}
