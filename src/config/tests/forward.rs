//! `[[forward]]`, `[cache]` and `[loop]`: what is read of them, and what is wrong with them.

use super::{check, parse};
use crate::cache::Isolation;
use crate::chain::Clients;
use crate::forward::{DohMethod, Policy, To};
use crate::wire::Rcode;
use std::time::Duration;

#[test]
fn tables_left_out_say_nothing() {
    check("nothing", "", |_| {});
    let config = parse("[[forward]]\n[cache]\n");
    let [forward] = &config.forward[..] else {
        panic!("{:?}", config.forward)
    };
    let [step] = &config.blocks[0].forward[..] else {
        panic!("{:?}", config.blocks)
    };
    assert_eq!(step.clients, Clients::default());
    assert_eq!(forward.to, [To::File("/etc/resolv.conf".into())]);
    assert_eq!(forward.cache, Some(0));
    assert!(!forward.finds_loops);
    assert_eq!(config.caches, [crate::cache::Options::default()]);
}

#[test]
fn every_word_of_a_table_is_read() {
    let config = parse(
        "[[forward]]\nzone = \"Corp.Example\"\nto = [\"10.0.0.2\", \"[fd00::1]:5353\", \"tls://9.9.9.9%dns.quad9.net\", \
         \"tls://[2620:fe::fe]:8853\", \"dns://10.0.0.3\", \"/etc/resolv.conf\", \"tls://[::2%dot.example]:8853\", \"tls://[::3%dot.example]\", \"dns-1.example\", \"tls://dns.example.:8853\"]\n\
         doh_method = \"GET\"\nresolver = [\"10.0.0.2\", \"[fd00::1]:5353\"]\nexcept = [\"a.corp.example\", \"10.0.0.0/8\"]\n\
         clients = [\"any\"]\ntenants = [\"web\"]\npolicy = \"sequential\"\nmax_fails = 0\n\
         health_check = { interval = \"1s\", no_rec = true, domain = \"Ok.example\" }\nfailover = [\"SERVFAIL\"]\n\
         failfast_all_unhealthy_upstreams = true\nnext = [\"nxdomain\", \"REFUSED\"]\nnext_on_nodata = true\n\
         force_tcp = true\nprefer_udp = true\nread_timeout = \"1s\"\nexpire = \"20s\"\nmax_age = \"1m\"\n\
         max_idle_conns = 3\nmax_concurrent = 9\nmax_concurrent_per_tenant = 4\nmax_connect_attempts = 0\n\
         source_address = \"10.0.0.9\"\ntls = { certificate = \"c\", key = \"k\", ca = \"a\" }\n[loop]\n",
    );
    let (step, table) = (&config.blocks[0].forward[0], &config.forward[0]);
    assert_eq!(step.zone.to_string(), "corp.example.");
    assert_eq!(step.except.len(), 2);
    assert!(step.clients.any && !step.clients.cluster && !step.clients.private);
    assert_eq!(*step.tenants, ["web".into()]);
    assert_eq!(step.next, [Rcode::NXDOMAIN, Rcode::REFUSED]);
    assert!(step.next_on_nodata);
    let to: Vec<String> = table
        .to
        .iter()
        .map(|to| match to {
            To::Upstream(upstream) => {
                format!(
                    "{} {} {}",
                    upstream.address,
                    upstream.scheme.as_str(),
                    upstream.servername
                )
            }
            To::Host(host) => format!(
                "{} {} {} {}",
                host.name,
                host.port,
                host.scheme.as_str(),
                host.servername
            ),
            To::File(path) => path.display().to_string(),
        })
        .collect();
    assert_eq!(
        to,
        [
            "10.0.0.2:53 dns ",
            "[fd00::1]:5353 dns ",
            "9.9.9.9:853 tls dns.quad9.net",
            "[2620:fe::fe]:8853 tls ",
            "10.0.0.3:53 dns ",
            "/etc/resolv.conf",
            "[::2]:8853 tls dot.example",
            "[::3]:853 tls dot.example",
            "dns-1.example 53 dns ",
            "dns.example. 8853 tls ",
        ]
    );
    assert_eq!(table.doh_method, DohMethod::Get);
    let resolvers = ["10.0.0.2:53", "[fd00::1]:5353"].map(|it| it.parse().unwrap());
    assert_eq!(table.resolver, resolvers);
    assert_eq!(table.policy, Policy::Sequential);
    assert_eq!((table.max_fails, table.max_connect_attempts), (0, Some(0)));
    assert_eq!(
        (table.max_concurrent, table.max_concurrent_per_tenant),
        (9, 4)
    );
    assert_eq!(
        (table.expire, table.max_age),
        (Duration::from_secs(20), Duration::from_secs(60))
    );
    assert!(!table.health_check.recursive && table.failfast && table.finds_loops);
    assert_eq!(table.health_check.domain.to_string(), "Ok.example.");
    assert!(table.force_tcp && table.prefer_udp);
    assert_eq!(table.failover, [Rcode::SERVFAIL]);
    assert_eq!(table.source_address, Some("10.0.0.9".parse().unwrap()));
    assert_eq!(table.tls.pair, Some(("c".into(), "k".into())));
    assert_eq!(table.cache, None);
}

#[test]
#[cfg(feature = "encrypted")]
fn upstreams_over_https_have_its_port_and_may_name_a_certificate() {
    let config = parse(
        "[[forward]]\nto = [\"https://9.9.9.9\", \"https://[::1]%doh.example:8443\", \
         \"https://doh.example\"]\n",
    );
    let to: Vec<String> = config.forward[0]
        .to
        .iter()
        .map(|to| match to {
            To::Upstream(it) => {
                format!("{} {} {}", it.scheme.as_str(), it.address, it.servername)
            }
            To::Host(it) => format!("{} {}:{}", it.scheme.as_str(), it.name, it.port),
            To::File(path) => path.display().to_string(),
        })
        .collect();
    let expected = [
        "https 9.9.9.9:443 ",
        "https [::1]:8443 doh.example",
        "https doh.example:443",
    ];
    assert_eq!(to, expected);
}

#[test]
fn each_block_has_its_own() {
    let config = parse(
        "[[forward]]\nto = [\"10.0.0.2\"]\n[cache]\nbytes = \"64KiB\"\n\
         [[block]]\nzones = [\"second.example\"]\n[block.kubernetes]\n\
         [[block.forward]]\nto = [\"10.0.0.3\"]\n[[block.forward]]\nto = [\"10.0.0.4\"]\n[block.cache]\nisolation = \"tenant\"\n",
    );
    assert_eq!(config.forward.len(), 3);
    let ids = |block: usize| -> Vec<u16> {
        let tables = config.blocks[block].forward.iter();
        tables.map(|table| table.upstream.0).collect()
    };
    assert_eq!((ids(0), ids(1)), (vec![0], vec![1, 2]));
    let caches: Vec<_> = config.forward.iter().map(|table| table.cache).collect();
    assert_eq!(caches, [Some(0), Some(1), Some(1)]);
    assert_eq!(config.caches[0].bytes, 64 << 10);
    assert_eq!(config.caches[1].isolation, Isolation::Tenant);
}

#[test]
fn tenants_of_others_share_no_cache_unless_told() {
    for (text, expected) in [
        ("[cache]\n", Isolation::Shared),
        (
            "[tenancy]\nprofile = \"kaas\"\n[cache]\n",
            Isolation::Tenant,
        ),
        (
            "[tenancy]\nprofile = \"saas\"\n[cache]\n",
            Isolation::Shared,
        ),
        (
            "[tenancy]\nprofile = \"kaas\"\n[cache]\nisolation = \"shared\"\n",
            Isolation::Shared,
        ),
    ] {
        assert_eq!(parse(text).caches[0].isolation, expected, "{text}");
    }
}

#[test]
fn reverse_names_fall_through_to_upstreams_unless_told_otherwise() {
    for (text, expected) in [
        ("", vec![]),
        ("[[forward]]\n", vec!["in-addr.arpa.", "ip6.arpa."]),
        ("[kubernetes]\nfallthrough = []\n[[forward]]\n", vec![]),
        (
            "[kubernetes]\nfallthrough = [\".\"]\n[[forward]]\n",
            vec!["."],
        ),
    ] {
        let config = parse(text);
        let zone = config.blocks[0].kubernetes.as_ref().unwrap();
        let found: Vec<String> = zone.fallthrough.iter().map(ToString::to_string).collect();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn special_use_has_the_last_label_of_every_forward_zone() {
    let config = parse(
        "[tenancy]\nreserved_namespaces = [\"special-use\"]\n[[forward]]\nzone = \"db.prod\"\n[[forward]]\n",
    );
    assert!(
        config
            .tenancy
            .reserved_namespaces
            .iter()
            .any(|name| &**name == "prod")
    );
    let config =
        parse("[tenancy]\nreserved_namespaces = [\"mine\"]\n[[forward]]\nzone = \"db.prod\"\n");
    assert!(
        !config
            .tenancy
            .reserved_namespaces
            .iter()
            .any(|name| &**name == "prod")
    );
}
