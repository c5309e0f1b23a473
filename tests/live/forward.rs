//! Forwarding to real upstreams: Unbound over UDP, TCP and TLS, Knot, and CoreDNS. What they say comes
//! through as they say it. What each option does is in forward_options.rs.

use crate::coredns::CoreDns;
use crate::decode::decode;
use crate::process::{Folder, peers, until};
use crate::upstreams::{Forwarding, RECORDS, START, ask_udp, knot, local_data, unbound};
use std::net::SocketAddr;
use std::time::Duration;
use tenantdns::config::Config;
use tenantdns::forward::{Forwarder, Proto};
use tenantdns::testing::{query, self_signed};
use tenantdns::wire::RType;

/// What a server behind `to` says to each question is what the upstream itself says.
fn says_the_same(fact: &str, upstream: SocketAddr, to: &str, lines: &str) -> Forwarding {
    let forwarding = Forwarding::start(&format!("[[forward]]\nto = [\"{to}\"]\n{lines}\n"));
    for (name, rtype) in [
        ("www.outside.example", RType::A),
        ("www.outside.example", RType::AAAA),
        ("alias.outside.example", RType::A),
        ("alias.outside.example", RType::CNAME),
        ("mail.outside.example", RType::MX),
        ("text.outside.example", RType::TXT),
        ("absent.outside.example", RType::A),
    ] {
        let question = query(name, rtype);
        let direct = until("the upstream's own answer", START, || {
            ask_udp(upstream, &question)
        });
        let direct = decode(&direct);
        for (transport, said) in [
            ("UDP", forwarding.udp(&question)),
            ("TCP", forwarding.tcp(&question)),
        ] {
            let about = format!("{fact}: {name} {rtype} over {transport}");
            assert_eq!(said.rcode, direct.rcode, "{about}");
            assert_eq!(said.ra, direct.ra, "{about}");
            assert_eq!(said.answer, direct.answer, "{about}");
            assert_eq!(said.authority, direct.authority, "{about}");
        }
    }
    forwarding
}

#[test]
fn unbound_is_asked_over_udp_and_tcp() {
    let Some(peer) = unbound(&RECORDS, "") else {
        return;
    };
    let to = peer.at.dns.to_string();
    for lines in ["", "force_tcp = true", "prefer_udp = true"] {
        let forwarding = says_the_same("Unbound", peer.at.dns, &to, lines);
        let counts = forwarding.counts();
        let opened = |proto: Proto| counts.to[0].conn_cache_misses[proto as usize] > 0;
        let expected = (lines != "force_tcp = true", lines != "prefer_udp = true");
        assert_eq!(
            (opened(Proto::Udp), opened(Proto::Tcp)),
            expected,
            "{lines}"
        );
        assert_eq!(counts.to[0].lies, [0; 5], "{lines}");
    }
}

#[test]
fn unbound_is_asked_over_tls_by_who_trusts_its_certificate_for_that_name() {
    let Some(peer) = unbound(&RECORDS, "") else {
        return;
    };
    let ca = peer.folder.path("certificate");
    let tls = format!("tls = {{ ca = \"{}\" }}", ca.display());
    let named = format!("tls://{}%localhost", peer.at.tls);
    let forwarding = says_the_same("over TLS", peer.at.dns, &named, &tls);
    let counts = forwarding.counts();
    let proto = Proto::Tls as usize;
    assert_eq!(
        counts.to[0].conn_cache_misses[proto], 1,
        "one connection for all"
    );
    assert!(counts.to[0].conn_cache_hits[proto] >= 13);

    let by_table = format!("{tls}\ntls_servername = \"localhost\"");
    let bare = format!("tls://{}", peer.at.tls);
    says_the_same("the name in the table", peer.at.dns, &bare, &by_table);
    says_the_same("its address is in it, too", peer.at.dns, &bare, &tls);
    for (fact, to, lines) in [
        (
            "another name",
            format!("tls://{}%other.example", peer.at.tls),
            tls,
        ),
        ("nobody trusts it", named, String::new()),
    ] {
        let config = format!("[[forward]]\nto = [\"{to}\"]\nmax_connect_attempts = 1\n{lines}\n");
        let forwarding = Forwarding::start(&config);
        let said = forwarding.tcp(&query("www.outside.example", RType::A));
        assert_eq!(
            (said.rcode.as_str(), said.answer.len()),
            ("SERVFAIL", 0),
            "{fact}"
        );
    }
}

#[test]
fn knot_is_asked_and_the_other_upstream_where_it_has_ended() {
    let (Some(first), Some(second)) = (knot(&RECORDS), unbound(&RECORDS, "")) else {
        return;
    };
    let to = first.at.dns.to_string();
    says_the_same("Knot", first.at.dns, &to, "");
    let lines = format!(
        "policy = \"sequential\"\nmax_fails = 1\nhealth_check = {{ interval = \"20ms\" }}\n\
         to = [\"{}\", \"{}\"]",
        first.at.dns, second.at.dns
    );
    let forwarding = Forwarding::start(&format!("[[forward]]\n{lines}\n"));
    let question = query("www.outside.example", RType::A);
    assert_eq!(forwarding.udp(&question).answer.len(), 1);
    drop(first);
    for number in 0..20 {
        let said = forwarding.udp(&question);
        assert_eq!(said.answer.len(), 1, "question {number} after it ended");
    }
    until("it is down", Duration::from_secs(10), || {
        let counts = forwarding.counts();
        (counts.to[0].healthcheck_failures >= 2).then_some(())
    });
}

#[test]
fn coredns_is_asked_and_what_is_kept_is_what_it_said() {
    let Some(peers) = peers() else { return };
    let records: String = RECORDS.iter().map(|record| format!("{record}\n")).collect();
    let folder = Folder::new("zone");
    let soa = "outside.example. 300 IN SOA ns.outside.example. h.outside.example. 1 2 3 4 60";
    let zone = folder.write("zone", &format!("{soa}\n{records}"));
    let corefile = format!(
        ".:{{$DNS_PORT}} {{\n bind 127.0.0.1\n ready 127.0.0.1:{{$READY_PORT}}\n \
         file {} outside.example\n}}\n",
        zone.display()
    );
    let upstream = CoreDns::start(&peers, &corefile);
    let to = upstream.address.to_string();
    says_the_same("CoreDNS", upstream.address, &to, "");
    let forwarding = Forwarding::start(&format!("[[forward]]\nto = [\"{to}\"]\n[cache]\n"));
    let question = query("www.outside.example", RType::A);
    let first = forwarding.udp(&question);
    assert_eq!(first.answer, ["www.outside.example. 300 A 192.0.2.1"]);
    drop(upstream);
    let kept = forwarding.udp(&question);
    assert!(kept.aa);
    assert!(
        kept.answer[0].ends_with(" A 192.0.2.1"),
        "{:?}",
        kept.answer
    );
}

#[test]
fn unbound_is_asked_over_https_on_one_connection() {
    let Some(peer) = unbound(&RECORDS, "") else {
        return;
    };
    let ca = peer.folder.path("certificate");
    let tls = format!("tls = {{ ca = \"{}\" }}", ca.display());
    let proto = Proto::Https as usize;
    let named = format!("https://{}%localhost", peer.at.https);
    for method in ["POST", "GET"] {
        let lines = format!("{tls}\ndoh_method = \"{method}\"");
        let forwarding = says_the_same("over HTTPS", peer.at.dns, &named, &lines);
        let counts = forwarding.counts();
        let to = &counts.to[0];
        assert_eq!(to.conn_cache_misses[proto], 1, "one connection for all");
        assert!(to.conn_cache_hits[proto] >= 13 && to.sockets_open == 1);
        assert_eq!((to.lies, to.healthcheck_failures), ([0; 5], 0));
    }
    let bare = format!("https://{}", peer.at.https);
    says_the_same("its address is in it, too", peer.at.dns, &bare, &tls);
    let by_table = format!("{tls}\ntls_servername = \"localhost\"");
    says_the_same("the name in the table", peer.at.dns, &bare, &by_table);
    // Many at a time, over one connection.
    let config = format!("[[forward]]\nto = [\"{named}\"]\n{tls}\n");
    let forwarding = Forwarding::start(&config);
    std::thread::scope(|scope| {
        for number in 0..40 {
            let forwarding = &forwarding;
            let name = format!("n{number}.outside.example");
            scope.spawn(move || assert_eq!(forwarding.said(&name), "NXDOMAIN"));
        }
    });
    assert_eq!(forwarding.counts().to[0].conn_cache_misses[proto], 1);
    for (fact, to, lines) in [
        (
            "another name",
            format!("https://{}%other.example", peer.at.https),
            &*tls,
        ),
        ("nobody trusts it", named, ""),
        // It speaks TLS, and no HTTP/2.
        (
            "another protocol",
            format!("https://{}%localhost", peer.at.tls),
            &*tls,
        ),
    ] {
        let config = format!("[[forward]]\nto = [\"{to}\"]\nmax_connect_attempts = 1\n{lines}\n");
        let forwarding = Forwarding::start(&config);
        assert_eq!(forwarding.said("www.outside.example"), "SERVFAIL", "{fact}");
    }
}

#[test]
fn an_upstream_over_https_that_was_away_is_connected_to_again() {
    let Some(mut peer) = unbound(&RECORDS, "") else {
        return;
    };
    let ca = peer.folder.path("certificate");
    let config = format!(
        "[[forward]]\nto = [\"https://{}%localhost\"]\ntls = {{ ca = \"{}\" }}\nmax_fails = 1\n\
         health_check = {{ interval = \"10ms\" }}\nmax_connect_attempts = 1\n",
        peer.at.https,
        ca.display()
    );
    let forwarding = Forwarding::start(&config);
    let www = "www.outside.example";
    assert_eq!(forwarding.said(www), "192.0.2.1");
    // Where its end comes to be known, the question goes over another connection.
    let records = local_data(&RECORDS);
    peer.again("records", &records);
    assert_eq!(forwarding.said(www), "192.0.2.1");
    peer.stop();
    until("it is down", START, || {
        assert_eq!(forwarding.said(www), "SERVFAIL");
        (forwarding.counts().healthcheck_broken > 0).then_some(())
    });
    peer.again("records", &records);
    forwarding.expect(www, "192.0.2.1");
}

#[test]
fn coredns_is_asked_over_https() {
    let Some(peers) = peers() else { return };
    let folder = Folder::new("https");
    let pair = self_signed("upstream");
    let certificate = folder.write("certificate", &pair.certificate);
    let key = folder.write("key", &pair.key);
    let upstream = CoreDns::start(
        &peers,
        &format!(
            ".:{{$DNS_PORT}} {{\n bind 127.0.0.1\n ready 127.0.0.1:{{$READY_PORT}}\n}}\n\
             https://.:{{$ANY_PORT}} {{\n bind 127.0.0.1\n tls {} {}\n \
             template IN A . {{\n  answer \"{{{{ .Name }}}} 60 IN A 192.0.2.9\"\n }}\n}}\n",
            certificate.display(),
            key.display()
        ),
    );
    for method in ["POST", "GET"] {
        let config = format!(
            "[[forward]]\nto = [\"https://{}\"]\ntls_servername = \"localhost\"\n\
             doh_method = \"{method}\"\ntls = {{ ca = \"{}\" }}\n",
            upstream.any,
            certificate.display()
        );
        let forwarding = Forwarding::start(&config);
        forwarding.expect("www.outside.example", "192.0.2.9");
    }
}

#[test]
fn a_host_is_asked_at_the_addresses_that_a_real_resolver_tells() {
    let resolver = unbound(
        &[
            RECORDS[0],
            "dns.outside.example. 300 IN A 127.0.0.1",
            "alias.outside.example. 300 IN CNAME dns.outside.example.",
            "six.outside.example. 300 IN AAAA ::1",
        ],
        "",
    );
    let (Some(resolver), Some(peer)) = (resolver, knot(&RECORDS)) else {
        return;
    };
    let port = peer.at.dns.port();
    let start = |name: &str| {
        format!(
            "[[forward]]\nto = [\"{name}:{port}\"]\nresolver = [\"{}\"]\n",
            resolver.at.dns
        )
    };
    for name in ["dns.outside.example", "localhost"] {
        let config = match name {
            "localhost" => format!("[[forward]]\nto = [\"{name}:{port}\"]\n"),
            _ => start(name),
        };
        let forwarding = Forwarding::start(&config);
        assert_eq!(
            forwarding.said("www.outside.example"),
            "192.0.2.1",
            "{name}"
        );
    }
    let addresses = |name: &str| {
        let config = Config::from_toml(&start(name), "t.toml").unwrap();
        let made = Forwarder::new(&config.forward, &[], &[]);
        made.map(|made| {
            made.stats()
                .read()
                .to
                .iter()
                .map(|to| to.to.to_string())
                .collect()
        })
        .map_err(|error| error.to_string())
    };
    assert_eq!(
        addresses("six.outside.example"),
        Ok(vec![format!("[::1]:{port}")])
    );
    let error = "[[forward]] .: absent.outside.example: has no address";
    assert_eq!(addresses("absent.outside.example"), Err(error.to_owned()));
}
