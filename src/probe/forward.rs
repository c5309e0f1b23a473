//! Names of services and namespaces: what patterns show, and whether hidden ones differ from absent.

use super::message::{Reply, random, twin};
use super::{Found, Prober, Row};
use crate::wire::{RType, Rcode};
use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

/// Types that a hidden name is asked for.
const TYPES: [RType; 10] = [
    RType::A,
    RType::AAAA,
    RType::SRV,
    RType::TXT,
    RType::CNAME,
    RType::NS,
    RType::MX,
    RType::HTTPS,
    RType::PTR,
    RType::ANY,
];

/// Namespaces that every cluster has and that show nothing to tenants.
const EMPTY: [&str; 2] = ["kube-public", "kube-node-lease"];

pub(super) fn rows(prober: &Prober<'_>) -> Vec<Row> {
    vec![
        Row::new("control", "what may be seen is seen", visible(prober)),
        Row::new(
            "E01",
            "wildcards over services and namespaces",
            wildcards(prober),
        ),
        Row::new(
            "E06",
            "NS of a namespace",
            dump(prober, "default.svc", RType::NS),
        ),
        Row::new("E07", "bare namespaces", namespaces(prober)),
        Row::new("E08", "ANY at the zone", any(prober)),
        Row::new(
            "E09",
            "ports of hidden services",
            of_each(prober, &[RType::SRV], &["_http._tcp.", "http.tcp."]),
        ),
        Row::new(
            "E10",
            "endpoints of hidden services",
            of_each(prober, &[RType::A], &["pod-0.", "10-0-0-9.", "x.y."]),
        ),
        Row::new("E13", "names stacked by search lists", stacked(prober)),
        Row::new("O03", "names of pods by namespace", pods(prober)),
        Row::new(
            "O04",
            "every type at hidden services",
            of_each(prober, &TYPES, &[""]),
        ),
        Row::new("H01", "outside names caught by a namespace", caught(prober)),
        Row::new("S01", "a serial that tells of changes", serial(prober)),
    ]
}

fn visible(prober: &Prober<'_>) -> Found {
    let mut seen = 0;
    for (service, namespace) in prober.known.services() {
        // The DNS service may be called otherwise.
        if service == "kube-dns" {
            continue;
        }
        let name = prober.name(&format!("{service}.{namespace}.svc"));
        let types = [RType::A, RType::AAAA];
        let has = |rtype| {
            prober
                .ask(&name, rtype)
                .is_some_and(|reply| !reply.answers.is_empty())
        };
        if !types.into_iter().any(has) {
            return Err(format!("{name} has no address: nothing below means much"));
        }
        seen += 1;
    }
    Ok(format!("{seen} names"))
}

/// Namespaces of which nothing may be seen.
fn hidden_namespaces(prober: &Prober<'_>) -> BTreeSet<String> {
    let named = prober
        .subjects
        .iter()
        .map(|subject| subject.namespace.clone());
    let all = named.chain(EMPTY.map(str::to_owned));
    all.filter(|namespace| !prober.known.has_of(namespace))
        .collect()
}

fn wildcards(prober: &Prober<'_>) -> Found {
    let all = [
        "*.*.svc",
        "any.any.svc",
        "*.any.svc",
        "_any._tcp.any.any.svc",
        "*._udp.*.*.svc",
    ];
    let mut patterns: Vec<String> = all.map(str::to_owned).to_vec();
    let namespaces = hidden_namespaces(prober);
    patterns.extend(
        namespaces
            .iter()
            .map(|namespace| format!("*.{namespace}.svc")),
    );
    patterns.extend(
        prober
            .subjects
            .iter()
            .map(|subject| format!("{}.*.svc", subject.service)),
    );
    let mut shown = BTreeSet::new();
    for pattern in &patterns {
        let reply = prober.ask(&prober.name(pattern), RType::SRV);
        let reply = reply.ok_or_else(|| format!("{pattern}: no answer"))?;
        shown.extend(unexpected(prober, &reply));
    }
    if !shown.is_empty() {
        return Err(names(&shown));
    }
    let pair = |namespace: &String| {
        let name = prober.name(&format!("*.{namespace}.svc"));
        (name.clone(), twin(&name, 1), RType::A)
    };
    prober.all_alike(namespaces.iter().map(pair))
}

/// Returns the names that a reply leads to and that are not expected.
pub(super) fn unexpected(prober: &Prober<'_>, reply: &Reply) -> Vec<String> {
    let targets = reply
        .answers
        .iter()
        .filter_map(|answer| answer.target.clone());
    targets
        .filter(|name| !prober.known.is_name(name, &prober.options.zone))
        .collect()
}

/// Lists names; those past the fifth are counted.
pub(super) fn names(shown: &BTreeSet<String>) -> String {
    let mut list: Vec<String> = shown
        .iter()
        .take(5)
        .map(|name| format!("shows {name}"))
        .collect();
    if shown.len() > list.len() {
        list.push(format!("and {} more", shown.len() - list.len()));
    }
    list.push("what of it is meant to be seen, name with --visible".to_owned());
    list.join("; ")
}

fn dump(prober: &Prober<'_>, relative: &str, rtype: RType) -> Found {
    let name = prober.name(relative);
    let reply = prober
        .ask(&name, rtype)
        .ok_or_else(|| format!("{name}: no answer"))?;
    match reply.answers.is_empty() {
        true => Ok(reply.said()),
        false => Err(format!("{name} {rtype}: {}", reply.said())),
    }
}

fn any(prober: &Prober<'_>) -> Found {
    let name = format!("{}.", prober.options.zone);
    let reply = prober
        .ask(&name, RType::ANY)
        .ok_or_else(|| format!("{name}: no answer"))?;
    match reply.answers.len() {
        0 | 1 => Ok(reply.said()),
        count => Err(format!("{count} records of {name}")),
    }
}

fn namespaces(prober: &Prober<'_>) -> Found {
    let namespaces = hidden_namespaces(prober);
    let pairs = namespaces.iter().flat_map(|namespace| {
        let name = prober.name(&format!("{namespace}.svc"));
        [RType::A, RType::SRV].map(|rtype| (name.clone(), twin(&name, 0), rtype))
    });
    prober.all_alike(pairs)
}

/// Compares names made of each hidden service's with those of a namespace that nobody has.
fn of_each(prober: &Prober<'_>, types: &[RType], fronts: &[&str]) -> Found {
    let mut pairs = Vec::new();
    for subject in &prober.subjects {
        for front in fronts {
            let name = prober.name(&format!(
                "{front}{}.{}.svc",
                subject.service, subject.namespace
            ));
            // Where something of the namespace may be seen, the service's label is what is hidden.
            let label =
                front.matches('.').count() + usize::from(!prober.known.has_of(&subject.namespace));
            pairs.extend(
                types
                    .iter()
                    .map(|rtype| (name.clone(), twin(&name, label), *rtype)),
            );
        }
    }
    let exist = prober
        .subjects
        .iter()
        .filter(|subject| subject.exists)
        .count();
    let found = prober.all_alike(pairs)?;
    Ok(format!("{found}; {exist} services are known to exist"))
}

fn stacked(prober: &Prober<'_>) -> Found {
    let own = prober.options.namespace.as_deref().unwrap_or("default");
    let zone = &prober.options.zone;
    prober.all_alike(prober.subjects.iter().map(|subject| {
        let stack = format!(
            "{}.{}.svc.{zone}.{own}.svc",
            subject.service, subject.namespace
        );
        let name = prober.name(&stack);
        (name.clone(), twin(&name, 1), RType::A)
    }))
}

fn pods(prober: &Prober<'_>) -> Found {
    let namespaces = hidden_namespaces(prober);
    let own = prober
        .asker
        .source()
        .map(|ip| ip.to_string().replace(['.', ':'], "-"));
    let labels = [Some("10-0-0-9".to_owned()), own];
    let pairs = namespaces.iter().flat_map(|namespace| {
        let name = |front: &str| prober.name(&format!("{front}{namespace}.pod"));
        let fronts = labels.iter().flatten();
        let mut pairs: Vec<_> = fronts
            .map(|label| (name(&format!("{label}.")), 1))
            .collect();
        pairs.push((name(""), 0));
        pairs
    });
    prober.all_alike(pairs.map(|(name, label)| (name.clone(), twin(&name, label), RType::A)))
}

fn caught(prober: &Prober<'_>) -> Found {
    let outside = [
        "google.com",
        "github.com",
        "docker.io",
        "kubernetes.default.svc",
    ];
    let names = outside.map(|name| prober.name(&format!("{name}.svc")));
    for name in &names {
        let reply = prober
            .ask(name, RType::A)
            .ok_or_else(|| format!("{name}: no answer"))?;
        if !reply.answers.is_empty() && !prober.known.is_name(name, &prober.options.zone) {
            return Err(format!("{name} is {}", reply.said()));
        }
    }
    Ok(format!("{} names", names.len()))
}

/// A serial that is a time of our days is one that moves when something changes.
fn serial(prober: &Prober<'_>) -> Found {
    let name = prober.name(&format!("x{:x}", random()));
    let reply = prober
        .ask(&name, RType::A)
        .ok_or_else(|| format!("{name}: no answer"))?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    match reply.serial {
        Some(serial) if (1_500_000_000..=now + 86_400).contains(&u64::from(serial)) => Err(
            format!("the serial {serial} is a time: of the last change, whoever's it was"),
        ),
        Some(serial) => Ok(format!("the serial is {serial}")),
        None if reply.rcode == Rcode::NXDOMAIN => Ok("there is no SOA".into()),
        None => Err(format!("{name}: {}", reply.said())),
    }
}
