//! What is asked: every name that the objects have, and names next to them.

use super::cluster::addresses;
use super::dice::Dice;
use super::facts::{Facts, Slice, Stands, dashed};
use super::profiles::Profile;
use super::question::{EDNS, Question, TYPES};
use super::services::SERVICES;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The name under in-addr.arpa or ip6.arpa of an address.
pub(crate) fn reverse(address: &str) -> String {
    match address.parse().unwrap() {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
        }
        IpAddr::V6(v6) => {
            let nibbles = v6.octets().into_iter().rev().flat_map(|o| [o & 15, o >> 4]);
            let text: String = nibbles.map(|n| format!("{n:x}.")).collect();
            format!("{text}ip6.arpa.")
        }
    }
}

/// Names in front of a zone, reverse names, and names that are in none.
pub(crate) fn names(facts: &Facts, dice: &mut Dice) -> (Vec<String>, Vec<String>, Vec<String>) {
    let (mut below, mut back) = (BTreeSet::new(), BTreeSet::new());
    below.extend(
        [
            "",
            "svc.",
            "pod.",
            "dns.",
            "ns.dns.",
            "x.ns.dns.",
            "dns-version.",
            "x.dns-version.",
            "whoami.tenantdns.",
            "nowhere.",
            "*.",
            "*.*.svc.",
            "any.any.svc.",
            "_tcp.",
            "web.nowhere.svc.",
            "nowhere.svc.",
            "nowhere.pod.",
            "10-244-0-1.nowhere.pod.",
            "a.b.c.d.e.svc.",
            "x.a.b.c.d.e.svc.",
            "svc.svc.",
            "pod.svc.",
            "kubernetes.default.svc.",
            "https.tcp.kubernetes.default.svc.",
            "default.svc.",
            "toggle.svc.",
        ]
        .map(str::to_owned),
    );
    for namespace in facts.namespaces.keys() {
        for name in [
            format!("{namespace}.svc."),
            format!("{namespace}.pod."),
            format!("{namespace}."),
            format!("*.{namespace}.svc."),
            format!("missing.{namespace}.svc."),
            format!("203-0-113-9.{namespace}.pod."),
            format!("0-0-0-500.{namespace}.pod."),
            format!("010-244-0-1.{namespace}.pod."),
            format!("fd00-244-0-0-0-0-0-1.{namespace}.pod."),
        ] {
            below.insert(name);
        }
    }
    for service in &facts.services {
        let base = format!("{}.{}.svc.", service.key.1, service.key.0);
        around(&base, &service.ports, dice, &mut below);
        match &service.stands {
            Stands::Cluster(addresses) => back.extend(addresses.iter().map(|a| reverse(a))),
            Stands::External(target) => {
                let target = target.trim_end_matches('.');
                below.extend(target.strip_suffix("cluster.local").map(str::to_owned));
            }
            Stands::Headless => {}
        }
        back.extend(service.others.iter().map(|address| reverse(address)));
    }
    for slice in &facts.slices {
        of_slice(slice, dice, &mut below, &mut back);
    }
    for pod in &facts.pods {
        for address in &pod.addresses {
            let (namespace, label) = (&pod.key.0, dashed(address));
            below.insert(format!("{label}.{namespace}.pod."));
            below.insert(format!("{}.x.{label}.{namespace}.pod.", pod.key.1));
            below.insert(format!("x.{label}.{namespace}.pod."));
            below.insert(format!("{}.{namespace}.pod.", pod.key.1));
            let others: Vec<&str> = facts.namespaces.keys().map(String::as_str).collect();
            below.insert(format!("{label}.{}.pod.", dice.pick(&others)));
            back.insert(reverse(address));
        }
    }
    back.extend(addresses().map(reverse));
    let near = near_misses(&back, dice);
    back.extend(near);
    let outside = [
        ".",
        "local.",
        "example.org.",
        "xcluster.local.",
        "arpa.",
        "web.shop.svc.cluster.example.",
        "1.0.0.127.in-addr.arpa.",
        "svc.",
        "a.k8s.examples.",
    ];
    let is_possible = |name: &String| Question::is_possible(name);
    let below = below.into_iter().filter(|name| {
        // With the longest of the zones.
        Question::is_possible(&format!("{name}cluster.local."))
    });
    (
        below.collect(),
        back.into_iter().filter(is_possible).collect(),
        outside.map(str::to_owned).to_vec(),
    )
}

/// Names around `S.NS.svc`: ports, and what is no port.
fn around(base: &str, ports: &[(String, String)], dice: &mut Dice, names: &mut BTreeSet<String>) {
    names.insert(base.to_owned());
    for (port, protocol) in ports {
        let other = dice.pick(&["tcp", "udp", "sctp", ""]);
        let protocol = protocol.to_lowercase();
        names.insert(format!("_{port}._{protocol}.{base}"));
        names.insert(format!("{port}.{protocol}.{base}"));
        names.insert(format!("_{port}._{other}.{base}"));
        names.insert(format!("_._{protocol}.{base}"));
    }
    let fronts = [
        "x.",
        "_tcp.",
        "_ftp._tcp.",
        "_._.",
        "x.y.z.",
        "*.",
        "_http._tcp.x.",
        "__http._tcp.",
        "zone.pin._zone.",
        "10-244-0-1.",
        "any.",
    ];
    for _ in 0..4 {
        names.insert(format!("{}{base}", dice.pick(&fronts)));
    }
    // A label too few, and in another place.
    names.insert(base.split_once('.').unwrap().1.replace(".svc.", ".pod."));
    names.insert(base.replace(".svc.", "."));
}

fn of_slice(
    slice: &Slice,
    dice: &mut Dice,
    below: &mut BTreeSet<String>,
    back: &mut BTreeSet<String>,
) {
    let service = if slice.service.is_empty() {
        &slice.key.1
    } else {
        &slice.service
    };
    let base = format!("{service}.{}.svc.", slice.key.0);
    below.insert(base.clone());
    for (port, protocol) in &slice.ports {
        below.insert(format!("_{port}._{}.{base}", protocol.to_lowercase()));
    }
    let crowd = slice.endpoints.len() > 10;
    for endpoint in &slice.endpoints {
        if crowd && !dice.percent(15) {
            continue;
        }
        let zone = if endpoint.zone.is_empty() {
            "us-1b"
        } else {
            &endpoint.zone
        };
        let directive = dice.pick(&["pin", "pin", "prefer", "prefer", "near"]);
        below.insert(format!("{zone}.{directive}._zone.{base}"));
        for address in &endpoint.addresses {
            below.insert(format!("{}.{base}", endpoint.label(address, false)));
            if !endpoint.target.is_empty() {
                below.insert(format!("{}.{base}", endpoint.target));
            }
            if address.parse::<IpAddr>().is_ok() {
                back.insert(reverse(address));
                below.insert(format!("{}.{base}", dashed(address)));
            }
            let elsewhere = dice.pick(&SERVICES);
            let label = endpoint.label(address, true);
            below.insert(format!("{label}.{elsewhere}.{}.svc.", slice.key.0));
        }
    }
}

/// Reverse names with labels too many or too few, and what only looks like one.
fn near_misses(names: &BTreeSet<String>, dice: &mut Dice) -> Vec<String> {
    let mut near: Vec<String> = [
        "in-addr.arpa.",
        "ip6.arpa.",
        "10.in-addr.arpa.",
        "244.10.in-addr.arpa.",
        "svc.in-addr.arpa.",
        "web.shop.svc.in-addr.arpa.",
        "dns-version.in-addr.arpa.",
        "ns.dns.in-addr.arpa.",
        "ns.dns.ip6.arpa.",
        "d.f.ip6.arpa.",
        "0.0.244.10.in-addr.arpa.",
        "01.0.244.10.in-addr.arpa.",
        "256.0.244.10.in-addr.arpa.",
        "shop.svc.244.10.in-addr.arpa.",
        "-1.0.244.10.in-addr.arpa.",
    ]
    .map(str::to_owned)
    .to_vec();
    for name in names {
        match dice.below(12) {
            0 => near.push(format!("x.{name}")),
            1 => near.push(format!("1.2.3.{name}")),
            2 => near.push(format!("w.x.y.z.{name}")),
            3 => near.extend(name.split_once('.').map(|(_, rest)| rest.to_owned())),
            4 => {
                // An IPv6 spelling of an IPv4 address.
                let labels: Vec<&str> = name.split('.').collect();
                if let [d, c, b, a, "in-addr", "arpa", ""] = labels[..] {
                    near.push(format!("{d}.{c}.{b}.::ffff:{a}.in-addr.arpa."));
                }
            }
            _ => {}
        }
    }
    near
}

/// So many questions of a round, dressed at random: names of the profile's zones by every type.
pub(crate) fn questions(
    facts: &Facts,
    profile: &Profile,
    count: usize,
    dice: &mut Dice,
) -> Vec<Question> {
    let (below, back, outside) = names(facts, dice);
    let large: Vec<String> = below
        .iter()
        .filter(|name| name.contains("crowd."))
        .cloned()
        .collect();
    let external = outside_names(&below, &back, profile);
    let zones = profile.zone_names();
    let (reverse, forward): (Vec<_>, Vec<_>) =
        zones.into_iter().partition(|z| z.ends_with("arpa."));
    let mut questions = Vec::with_capacity(count);
    while questions.len() < count {
        let (name, usual) = match dice.below(20) {
            _ if !external.is_empty() && dice.percent(45) => {
                let name = dice.pick(&refs(&external)).to_owned();
                match name.ends_with("arpa.") && dice.percent(90) {
                    true => (name, &["PTR"][..]),
                    false => (name, &["A", "AAAA", "SRV", "A", "SRV", "NS"][..]),
                }
            }
            0 => (
                dice.pick(&refs(&outside)).to_owned(),
                &["A", "SOA", "NS"][..],
            ),
            1..5 => (
                dice.pick(&refs(&back)).to_owned(),
                &["PTR", "PTR", "PTR", "PTR"][..],
            ),
            5 => (
                dice.pick(&refs(&reverse)).to_owned(),
                &["SOA", "NS", "PTR"][..],
            ),
            6 => {
                let zone = dice.pick(&refs(&forward)).to_owned();
                (
                    dice.pick(&["", "ns.dns."]).to_owned() + &zone,
                    &["SOA", "NS", "A", "AAAA"][..],
                )
            }
            7 if !large.is_empty() => {
                let name = dice.pick(&refs(&large)).to_owned();
                (name + &forward[0], &["A", "SRV", "SRV", "AAAA"][..])
            }
            _ => {
                let zone = if dice.percent(75) {
                    &forward[0]
                } else {
                    dice.pick(&refs(&forward))
                };
                let name = dice.pick(&refs(&below));
                (
                    format!("{name}{zone}"),
                    &["A", "AAAA", "SRV", "A", "SRV", "CNAME"][..],
                )
            }
        };
        if !Question::is_possible(&name) {
            continue;
        }
        let rtype = match dice.percent(75) {
            true => {
                let usual = dice.pick(usual);
                *TYPES.iter().find(|(rtype, _)| *rtype == usual).unwrap()
            }
            false => TYPES[dice.below(TYPES.len())],
        };
        questions.push(Question {
            name: if dice.percent(15) {
                mixed(&name, dice)
            } else {
                name
            },
            rtype,
            tcp: dice.percent(20),
            edns: EDNS[dice.below(EDNS.len())],
            flags: (dice.percent(70), dice.percent(15), dice.percent(15)),
        });
    }
    questions
}

/// Names in the zones of `k8s_external`: services by name and namespace alone, and these zones' own.
fn outside_names(below: &[String], back: &[String], profile: &Profile) -> Vec<String> {
    let (reverse, forward): (Vec<_>, Vec<_>) = profile
        .external_zones()
        .into_iter()
        .partition(|zone| zone.ends_with("arpa."));
    let own = [
        "",
        "dns.",
        "ns1.dns.",
        "NS1.dns.",
        "ns2.dns.",
        "x.ns1.dns.",
        "nowhere.",
        "x.",
    ];
    let mut names = Vec::new();
    for zone in forward.iter().chain(&reverse) {
        names.extend(own.map(|front| format!("{front}{zone}")));
    }
    let of_services = below.iter().filter_map(|name| name.strip_suffix("svc."));
    for front in of_services {
        names.extend(forward.iter().map(|zone| format!("{front}{zone}")));
    }
    let is_inside = |name: &&String| profile.external_zone_of(name).is_some();
    names.extend(back.iter().filter(is_inside).cloned());
    names.retain(|name| Question::is_possible(name));
    names
}

fn refs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// The name in letters of either case.
fn mixed(name: &str, dice: &mut Dice) -> String {
    let upper = |c: char, yes: bool| if yes { c.to_ascii_uppercase() } else { c };
    let whole = dice.percent(20);
    name.chars()
        .map(|c| upper(c, whole || dice.percent(50)))
        .collect()
}
