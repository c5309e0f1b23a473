//! What the keys of a file become. Arguments, the annotated reference and errors have files of
//! their own.

mod arguments;
mod coredns;
mod errors;
mod forward;
mod forwarders;
mod lifecycle;
mod log;
mod reference;
mod steps;
mod tenancy;
#[cfg(feature = "encrypted")]
mod tls;

use super::*;
use crate::admin::{Door, Guarded};
use crate::limits::Rate;
use crate::model::Selector;
use crate::tenancy::Mode;
use crate::tls::PairFiles;
use crate::zone::PodMode;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

fn parse(text: &str) -> Config {
    Config::from_toml(text, "f.toml").unwrap_or_else(|error| panic!("{text}\n{error}"))
}

/// Checks that `text` is the default configuration with what `edit` changes.
fn check(fact: &str, text: &str, edit: impl FnOnce(&mut Config)) {
    let mut expected = Config::default();
    edit(&mut expected);
    assert_eq!(parse(text), expected, "{fact}:\n{text}");
}

fn names(texts: &[&str]) -> Vec<Name> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn selector(text: &str) -> Selector {
    text.parse().unwrap()
}

fn kubernetes(config: &mut Config) -> &mut zone::Options {
    config.blocks[0].kubernetes.as_mut().unwrap()
}

fn origins(zones: &str) -> Vec<Name> {
    let mut config = parse(&format!("[kubernetes]\nzones = {zones}"));
    kubernetes(&mut config).origins.clone()
}

fn addresses(config: &Config) -> Vec<String> {
    let listen = config.server.listen.iter();
    listen
        .map(|listener| listener.address.to_string())
        .collect()
}

#[test]
fn an_empty_file_is_the_default() {
    for text in [
        "",
        "# nothing\n",
        "[server]\n[kubernetes]\n[tenancy]\n[tenancy.shared]\n",
    ] {
        check("nothing is set", text, |_| {});
    }
}

#[test]
fn server_keys_reach_the_server() {
    check(
        "numbers",
        "[server]\nthreads = 4\npin = true\ntcp_connections = 1_000\n",
        |c| {
            c.server.threads = 4;
            c.server.pin = true;
            c.server.tcp_connections = 1000;
        },
    );
    check(
        "limits of TCP",
        "[server]\ntcp_connections_per_client = 0x10\ntcp_idle_timeout = \"1m30s\"",
        |c| {
            c.server.tcp_connections_per_client = 16;
            c.server.tcp_idle_timeout = Duration::from_secs(90);
        },
    );
    check(
        "manifests",
        "[source]\nmanifests = [\"a.yaml\", \"/b\"]",
        |c| {
            c.source.manifests = vec!["a.yaml".into(), "/b".into()];
        },
    );
    check(
        "a held query waits as tenancy says",
        "[tenancy]\nunknown_wait = \"0\"",
        |c| {
            c.tenancy.unknown_wait = Duration::ZERO;
            c.server.unknown_wait = Duration::ZERO;
        },
    );
}

#[test]
fn keys_of_the_live_source_reach_it() {
    let text = r#"
        [source.kubernetes]
        kubeconfig = "a"
        context = "b"
        identity_scope = "node"
        node_name = "worker-1.example"
        identity_max_age = "24h"
        checkpoint = "/var/lib/tenantdns/checkpoint"
    "#;
    check("every key", text, |c| {
        c.source.kubernetes = Kubernetes {
            kubeconfig: Some("a".into()),
            context: Some("b".into()),
            identity_scope: IdentityScope::Node,
            node_name: Some("worker-1.example".into()),
            identity_max_age: Some(Duration::from_secs(24 * 3600)),
            checkpoint: Some("/var/lib/tenantdns/checkpoint".into()),
            ..Kubernetes::default()
        };
    });
    check(
        "a server by its address",
        "[source.kubernetes]\nserver = \"https://10.0.0.1:6443\"\ncertificate = \"c\"\nkey = \"k\"\nca = \"a\"",
        |c| {
            c.source.kubernetes.server = Some(ApiServer {
                url: "https://10.0.0.1:6443".into(),
                pair: Some(("c".into(), "k".into())),
                ca: Some("a".into()),
            });
        },
    );
    check(
        "no limit is written as 0",
        "[source.kubernetes]\nidentity_max_age = \"0\"",
        |_| {},
    );
    check(
        "the shortest",
        "[source.kubernetes]\nidentity_max_age = \"4s\"\nwatch_timeout = \"2s\"",
        |c| {
            c.source.kubernetes.watch_timeout = Duration::from_secs(2);
            c.source.kubernetes.identity_max_age = Some(Duration::from_secs(4));
        },
    );
}

#[test]
fn http_listeners_are_set_and_switched_off_one_by_one() {
    let text = "[health]\nlisten = \"\"\n[ready]\nlisten = \"127.0.0.1:1\"\n[metrics]\n";
    check("health off, ready elsewhere", text, |c| {
        c.admin.health = None;
        c.admin.ready = "127.0.0.1:1".parse().ok();
    });
    let ports =
        [8080, 8181, 9153].map(|port| Some(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))));
    let admin = Config::default().admin;
    assert_eq!([admin.health, admin.ready, admin.metrics], ports);
}

#[test]
fn kubernetes_keys_reach_the_zone() {
    let text = r#"
        [kubernetes]
        zones = ["Cluster.Local.", "clusterset.local", "10.0.0.0/8"]
        ttl = 3600
        pods = "verified"
        endpoint_pod_names = true
        namespaces = ["shop", "ops"]
        labels = "tier in (web, api)"
        noendpoints = true
        ignore_empty_service = true
        multicluster = ["CLUSTERSET.local"]
        startup_timeout = "1h"
        fallthrough = ["10.0.0.0/8", "a.cluster.local"]
    "#;
    check("every key but two", text, |c| {
        *kubernetes(c) = zone::Options {
            origins: names(&["cluster.local", "clusterset.local", "10.in-addr.arpa"]),
            ttl: 3600,
            soa: None,
            pods: PodMode::Verified,
            endpoint_pod_names: true,
            namespaces: vec!["shop".into(), "ops".into()],
            namespace_labels: None,
            labels: selector("tier in (web, api)"),
            noendpoints: true,
            ignore_empty_service: true,
            multicluster: names(&["clusterset.local"]),
            startup_timeout: Duration::from_secs(3600),
            fallthrough: names(&["10.in-addr.arpa", "a.cluster.local"]),
            zonal: false,
            external: None,
            own_addresses: Vec::new(),
        };
    });
    check(
        "another",
        "[kubernetes]\nnamespace_labels = \"env=prod\"",
        |c| {
            kubernetes(c).namespace_labels = Some(selector("env=prod"));
        },
    );
    check("the other", "[kubernetes]\nzonal = true", |c| {
        kubernetes(c).zonal = true;
    });
    for root in [".", "/."] {
        let text = format!("[kubernetes]\nfallthrough = [\"{root}\"]");
        check("all names fall through", &text, |c| {
            kubernetes(c).fallthrough = names(&["."]);
        });
    }
    let text = "[kubernetes]\nnamespaces = [\"shop\"]\nnamespace_labels = \"\"";
    check("an empty selector is no selector", text, |c| {
        kubernetes(c).namespaces = vec!["shop".into()];
    });
}

#[test]
fn insecure_pod_names_need_tenancy_that_is_not_enforced() {
    for (mode, value) in [("off", Mode::Off), ("audit", Mode::Audit)] {
        let text = format!("[tenancy]\nmode = \"{mode}\"\n[kubernetes]\npods = \"insecure\"");
        check(mode, &text, |c| {
            c.tenancy.mode = value;
            kubernetes(c).pods = PodMode::Insecure;
        });
    }
}

#[test]
fn ranges_become_the_reverse_zones_that_cover_them() {
    for (range, first, last, count) in [
        ("10.0.0.0/8", "10.in-addr.arpa", "10.in-addr.arpa", 1),
        ("10.1.2.3/8", "10.in-addr.arpa", "10.in-addr.arpa", 1),
        ("10.0.0.0/15", "0.10.in-addr.arpa", "1.10.in-addr.arpa", 2),
        (
            "10.96.0.0/12",
            "96.10.in-addr.arpa",
            "111.10.in-addr.arpa",
            16,
        ),
        (
            "10.0.0.0/17",
            "0.0.10.in-addr.arpa",
            "127.0.10.in-addr.arpa",
            128,
        ),
        (
            "10.0.0.128/25",
            "128.0.0.10.in-addr.arpa",
            "255.0.0.10.in-addr.arpa",
            128,
        ),
        (
            "10.0.0.1/32",
            "1.0.0.10.in-addr.arpa",
            "1.0.0.10.in-addr.arpa",
            1,
        ),
        ("0.0.0.0/0", "in-addr.arpa", "in-addr.arpa", 1),
        ("FD00::/8", "d.f.ip6.arpa", "d.f.ip6.arpa", 1),
        ("fd00::/9", "0.d.f.ip6.arpa", "7.d.f.ip6.arpa", 8),
        (
            "2001:db8::/31",
            "8.b.d.0.1.0.0.2.ip6.arpa",
            "9.b.d.0.1.0.0.2.ip6.arpa",
            2,
        ),
        ("::/0", "ip6.arpa", "ip6.arpa", 1),
    ] {
        let zones = origins(&format!("[\"cluster.local\", \"{range}\"]"));
        assert_eq!(zones.len(), count + 1, "{range}");
        assert_eq!(zones[1..2], names(&[first]), "{range}");
        assert_eq!(zones[count..], names(&[last]), "{range}");
    }
}

#[test]
fn keys_of_the_api_reach_the_source() {
    let text = r#"
        [source.kubernetes]
        kubeconfig = "a"
        context = "b"
        watch_timeout = "2s"
        audit_interval = "1m"
        "#;
    check("the API", text, |c| {
        c.source.kubernetes.kubeconfig = Some("a".into());
        c.source.kubernetes.context = Some("b".into());
        c.source.kubernetes.watch_timeout = Duration::from_secs(2);
        c.source.kubernetes.audit_interval = Duration::from_secs(60);
    });
}

#[test]
fn limits_are_rates_and_a_burst_is_a_seconds_worth_unless_it_is_said() {
    let rate = |qps, burst| {
        let [qps, burst] = [qps, burst].map(|number| NonZeroU32::new(number).unwrap());
        Some(Rate { qps, burst })
    };
    for (text, client, tenant) in [
        ("", None, None),
        ("client_qps = 0\ntenant_burst = 0", None, None),
        ("client_qps = 50", rate(50, 50), None),
        ("tenant_qps = 500\ntenant_burst = 5", None, rate(500, 5)),
        (
            "client_qps = 1\ntenant_qps = 2\nclient_burst = 9",
            rate(1, 9),
            rate(2, 2),
        ),
    ] {
        check(text, &format!("[limits]\n{text}"), |c| {
            (c.limits.client, c.limits.tenant) = (client, tenant);
        });
    }
}

#[test]
fn sweeps_have_a_threshold_for_each_sort_of_names() {
    check(
        "both",
        "[limits]\nsweep_ptr_names = 0\nsweep_nxdomain_names = 2000",
        |c| {
            (c.observe.reverse_names, c.observe.absent_names) = (0, 2000);
        },
    );
}

#[test]
fn the_administrator_comes_in_by_loopback_or_a_socket() {
    let loopback = |text: &str| Some(Door::Loopback(text.parse().unwrap()));
    for (listen, door) in [
        ("", None),
        ("127.0.0.1:9154", loopback("127.0.0.1:9154")),
        ("[::1]:0", loopback("[::1]:0")),
        ("[::ffff:127.0.0.9]:80", loopback("127.0.0.9:80")),
        (
            "unix:/run/tenantdns.sock",
            Some(Door::Unix("/run/tenantdns.sock".into())),
        ),
    ] {
        check(
            listen,
            &format!("[admin]\nlisten = \"{listen}\"\ntenants = 7"),
            |c| {
                c.admin.admin = door;
                c.observe.tenants = 7;
            },
        );
    }
}

#[test]
fn beyond_loopback_the_administrator_needs_a_certificate_to_be_shown_and_may_name_audiences() {
    let files = "tls_cert = \"/tls/tls.crt\"\ntls_key = \"/tls/tls.key\"\n";
    for (listen, address) in [(":9154", "[::]:9154"), ("10.0.0.1:80", "10.0.0.1:80")] {
        for (audiences, expected) in [
            ("[]", vec![]),
            (
                "[\"tenantdns\", \"b\"]",
                vec!["tenantdns".into(), "b".into()],
            ),
        ] {
            let text = format!("[admin]\nlisten = \"{listen}\"\n{files}audiences = {audiences}\n");
            check(&text, &text, |c| {
                c.admin.admin = Some(Door::Guarded(Guarded {
                    address: address.parse().unwrap(),
                    pair: PairFiles {
                        certificate: "/tls/tls.crt".into(),
                        key: "/tls/tls.key".into(),
                    },
                    audiences: expected,
                }));
            });
        }
    }
    check("off", &format!("[admin]\nlisten = \"\"\n{files}"), |c| {
        c.admin.admin = None;
    });
}

#[test]
fn every_word_of_a_choice_is_its_value() {
    for (key, words) in [
        ("mode", &["off", "audit", "enforce"][..]),
        ("conflict", &["isolate", "first"]),
        ("untenanted", &["isolated", "open", "platform"]),
        ("unknown", &["servfail", "strict", "refused", "allow"]),
        ("node", &["shared", "unknown", "platform", "deny"]),
        ("wildcard", &["auto", "off", "filtered"]),
        ("soa_serial", &["auto", "static", "coredns"]),
    ] {
        for word in words {
            let options = parse(&format!("[tenancy]\n{key} = \"{word}\"")).tenancy;
            let shown = format!("{options:?}").to_lowercase();
            let value = format!("{key}: {}", word);
            assert!(shown.contains(&value), "{value} is not in {shown}");
        }
    }
}

#[test]
fn durations_are_written_as_in_go() {
    for (text, nanos) in [
        ("0", 0),
        ("0s", 0),
        ("150ms", 150_000_000),
        ("1.5s", 1_500_000_000),
        (".5s", 500_000_000),
        ("1.s", 1_000_000_000),
        ("1m0.25s", 60_250_000_000),
        ("2us", 2_000),
        ("2µs", 2_000),
        ("7ns", 7),
        ("1.0000000001ns", 1),
        ("1h", 3_600_000_000_000),
    ] {
        let text_of = format!("[kubernetes]\nstartup_timeout = \"{text}\"");
        check(text, &text_of, |c| {
            kubernetes(c).startup_timeout = Duration::from_nanos(nanos);
        });
    }
}

#[test]
fn blocks_share_the_listeners_that_have_one_address() {
    let config = parse(
        r#"
        [server]
        listen = ["127.0.0.1:5300", ":5300"]
        [kubernetes]
        [[block]]
        zones = ["a.example"]
        [block.kubernetes]
        [[block]]
        zones = ["b.example", "10.0.0.0/15"]
        listen = ["[::ffff:127.0.0.1]:5300", "[fd00::1]:53", "127.0.0.2:0"]
        [block.kubernetes]
        zones = ["k.b.example"]
        ttl = 30
        "#,
    );
    let expected = ["127.0.0.1:5300", "[::]:5300", "[fd00::1]:53", "127.0.0.2:0"];
    assert_eq!(addresses(&config), expected);
    let ids: Vec<u16> = config.server.listen.iter().map(|l| l.id.0).collect();
    assert_eq!(ids, [0, 1, 2, 3], "a listener's number is its position");

    let listeners: Vec<Vec<u16>> = config
        .blocks
        .iter()
        .map(|block| block.listeners.iter().map(|id| id.0).collect())
        .collect();
    assert_eq!(listeners, [vec![0, 1], vec![0, 1], vec![0, 2, 3]]);

    let zones: Vec<&[Name]> = config.blocks.iter().map(|block| &*block.zones).collect();
    let second = names(&["b.example", "0.10.in-addr.arpa", "1.10.in-addr.arpa"]);
    assert_eq!(zones, [&*names(&["."]), &*names(&["a.example"]), &*second]);

    let tables: Vec<&zone::Options> = config
        .blocks
        .iter()
        .filter_map(|b| b.kubernetes.as_ref())
        .collect();
    assert_eq!(tables[0].origins, zone::Options::default().origins);
    assert_eq!(
        tables[1].origins,
        names(&["a.example"]),
        "the block's zones"
    );
    assert_eq!(
        (&tables[2].origins, tables[2].ttl),
        (&names(&["k.b.example"]), 30)
    );
    let own: Vec<IpAddr> = ["127.0.0.1", "fd00::1", "127.0.0.2"]
        .map(|ip| ip.parse().unwrap())
        .to_vec();
    assert_eq!(
        tables[1].own_addresses,
        own[..1],
        "a wildcard names no address"
    );
    assert_eq!(tables[2].own_addresses, own);
}
