//! What is asked of both servers: names of the cluster, of the world outside as the zones of
//! tests/cases/upstream have it, and what search lists make of these.

use super::cluster::OUTSIDE;
use super::upstream::CASES;
use crate::differential::dice::Dice;
use crate::differential::facts::{Facts, Stands};
use crate::differential::names;
use crate::differential::profiles::Profile;
use crate::differential::question::{EDNS, Question};
use std::collections::HashSet;
use std::fs;

/// Questions that nobody has put before, and some of them again.
pub(super) struct Batch {
    pub(super) firsts: Vec<Question>,
    pub(super) repeats: Vec<Question>,
}

/// The zones of every default Corefile.
const KUBERNETES: Profile = Profile {
    zonal: false,
    external: None,
    name: "default Corefile",
    zones: &["cluster.local", "in-addr.arpa", "ip6.arpa"],
    ttl: 30,
    pods: "insecure",
    endpoint_pod_names: false,
    noendpoints: false,
    ignore_empty_service: false,
    namespaces: &[],
    namespace_labels: None,
    labels: None,
    fallthrough: &["in-addr.arpa", "ip6.arpa"],
    cache: None,
    bound: false,
};

/// Types that have data outside.
const TYPES: [(&str, u16); 21] = [
    ("A", 1),
    ("NS", 2),
    ("CNAME", 5),
    ("SOA", 6),
    ("PTR", 12),
    ("HINFO", 13),
    ("MX", 15),
    ("TXT", 16),
    ("AAAA", 28),
    ("LOC", 29),
    ("SRV", 33),
    ("NAPTR", 35),
    ("DNAME", 39),
    ("DS", 43),
    ("SSHFP", 44),
    ("DNSKEY", 48),
    ("TLSA", 52),
    ("SVCB", 64),
    ("HTTPS", 65),
    ("CAA", 257),
    ("TYPE65280", 65_280),
];

/// Names that no zone file has: what wildcards and Unbound answer, hosts files, what nobody has.
const OTHERS: [&str; 41] = [
    "org.",
    "nowhere.",
    "missing.example.org.",
    "a.b.c.missing.example.org.",
    "non.terminal.example.org.",
    "terminal.example.org.",
    "any.wild.example.org.",
    "two.labels.wild.example.org.",
    "x.a.wild.example.org.",
    "any.wild-alias.example.org.",
    "v4.example.org.corp.example.",
    "x.y.star.odd.example.",
    "x.odd.example.",
    "missing.signed.example.",
    "x.wild.signed.example.",
    "missing.signed3.example.",
    "x.wild.signed3.example.",
    "missing.bogus.example.",
    "www.refused.example.",
    "www.nodata.example.",
    "www.nothing.example.",
    "local.example.",
    "mail.local.example.",
    "nought.local.example.",
    "missing.local.example.",
    "missing.local.",
    "localhost.",
    "x.localhost.",
    "x.invalid.",
    "printer.home.arpa.",
    "8.8.8.8.in-addr.arpa.",
    "2.0.192.in-addr.arpa.",
    "9.2.0.192.in-addr.arpa.",
    "1.1.168.192.in-addr.arpa.",
    "1.0.0.127.in-addr.arpa.",
    "254.169.in-addr.arpa.",
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
    "9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
    "missing.puglife.local.",
    "missing.contoso.com.",
    "missing.foo.com.",
];

/// What a pod's resolver adds to a name that has fewer than five dots.
const SEARCH: [&str; 3] = ["svc.cluster.local.", "cluster.local.", "corp.example."];

/// A name, and a type that it has.
type Owner = (String, (&'static str, u16));

/// So many batches, each with names of the cluster and of the world outside, and repeats.
pub(super) fn batches(
    facts: &Facts,
    extra: &[&str],
    [batches, firsts, repeats]: [usize; 3],
    dice: &mut Dice,
) -> Vec<Batch> {
    let owners = owners(extra);
    let mut seen = HashSet::new();
    let batch = |_| {
        let mut batch = Batch {
            firsts: Vec::new(),
            repeats: Vec::new(),
        };
        while batch.firsts.len() < firsts {
            let mut question = if batch.firsts.len().is_multiple_of(2) {
                names::questions(facts, &KUBERNETES, 1, dice).remove(0)
            } else {
                outside(&owners, dice)
            };
            // A name server is there only in lower case, and then, from a cache, in any.
            if question.name.to_ascii_lowercase().starts_with("ns.dns.") {
                question.name.make_ascii_lowercase();
            }
            // Unbound refuses what is asked without, of aliases too that lead outside.
            question.flags.0 |= !may_be_asked_without_recursion(&question);
            if is_comparable(&question) && seen.insert(key(&question)) {
                batch.firsts.push(question);
            }
        }
        let mut again: Vec<&Question> = batch.firsts.iter().collect();
        // These are not kept, as the document says.
        again.retain(|question| !names_a_subnet(question));
        dice.shuffle(&mut again);
        let again = again.into_iter().take(repeats);
        batch.repeats = again.map(|first| put_again(first, dice)).collect();
        batch
    };
    (0..batches).map(batch).collect()
}

/// The same name and type, which may be had from what is kept, asked in another way.
fn put_again(first: &Question, dice: &mut Dice) -> Question {
    let mut question = dress(first.clone(), dice);
    // CoreDNS spells what it keeps as who asked first, which decides whether some names of the cluster's
    // are there, and how long an answer is.
    if is_of_the_cluster(&first.name) || first.name.ends_with("big.example.") {
        question.name.clone_from(&first.name);
    }
    let dnssec_ok = first.edns.is_some_and(|edns| edns.dnssec_ok);
    match &mut question.edns {
        Some(edns) => edns.dnssec_ok = dnssec_ok,
        None if dnssec_ok => question.edns = first.edns,
        None => {}
    }
    question.flags.0 |= first.flags.0 || !may_be_asked_without_recursion(&question);
    question.flags.2 = first.flags.2;
    question
}

/// Whether the name is in a zone of the cluster's.
pub(super) fn is_of_the_cluster(name: &str) -> bool {
    KUBERNETES.zone_of(name).is_some()
}

/// Whether the question says which network it is asked for, in an option of EDNS.
pub(super) fn names_a_subnet(question: &Question) -> bool {
    let options = question.edns.map_or(&[][..], |edns| edns.options);
    options.starts_with(&[0, 8])
}

/// What a cache tells answers apart by.
fn key(question: &Question) -> (String, u16, bool, bool) {
    let dnssec_ok = question.edns.is_some_and(|edns| edns.dnssec_ok);
    let name = question.name.to_ascii_lowercase();
    (name, question.rtype.1, dnssec_ok, question.flags.2)
}

/// Left out is what Unbound doesn't answer alike each time: the root, whose servers it keeps, and DS, for
/// which it looks for the servers of the zone above, which now and then fails for one of two who ask at
/// the same time. And what the random clusters of the differential test ask for: IPv6 below in-addr.arpa,
/// transfers.
fn is_comparable(question: &Question) -> bool {
    let is_for_inside = matches!(question.rtype.0, "AXFR" | "ANY" | "DS");
    let is_inside = is_of_the_cluster(&question.name);
    !question.name.contains(':') && question.name != "." && (is_inside || !is_for_inside)
}

/// Every name and type of the zone files, and names beside these.
fn owners(extra: &[&str]) -> Vec<Owner> {
    let mut owners = Vec::new();
    for entry in fs::read_dir(CASES).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "zone") {
            let text = fs::read_to_string(&path).unwrap();
            let origin = if text.contains("$ORIGIN") {
                ""
            } else {
                "signed.example."
            };
            of_zone(&text, origin, &mut owners);
        }
    }
    let others = OTHERS.iter().chain(extra);
    owners.extend(others.map(|name| ((*name).to_owned(), TYPES[0])));
    owners.sort();
    owners.dedup();
    owners
}

fn of_zone(text: &str, origin: &str, owners: &mut Vec<Owner>) {
    let mut origin = origin;
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        if let ["$ORIGIN", name] = words[..] {
            origin = name;
        }
        let rtype = TYPES.iter().find(|(name, _)| words.contains(name));
        let (Some(rtype), false) = (rtype, line.starts_with([';', '$']) || line.contains('\\'))
        else {
            continue;
        };
        owners.push(match words[0] {
            "@" => (origin.to_owned(), *rtype),
            name if name.ends_with('.') => (name.to_owned(), *rtype),
            name if origin == "." => (format!("{name}."), *rtype),
            name => (format!("{name}.{origin}"), *rtype),
        });
    }
}

fn outside(owners: &[Owner], dice: &mut Dice) -> Question {
    let (mut name, mut rtype) = owners[dice.below(owners.len())].clone();
    match dice.below(10) {
        0..5 => {}
        5 | 6 => rtype = TYPES[dice.below(TYPES.len())],
        7 => rtype = *dice.pick(&[&TYPES[0], &TYPES[8]]),
        8 => name = format!("{}.{name}", dice.pick(&["x", "*", "_tcp", "a.b"])),
        _ => {
            let search = match dice.below(4) {
                0 => format!("{OUTSIDE}.{}", SEARCH[0]),
                n => SEARCH[n - 1].to_owned(),
            };
            name = format!("{}{search}", name.trim_start_matches('.'));
            rtype = *dice.pick(&[&TYPES[0], &TYPES[8]]);
        }
    }
    if !Question::is_possible(&name) {
        return outside(owners, dice);
    }
    let question = Question {
        name,
        rtype,
        tcp: false,
        edns: None,
        flags: (true, false, false),
    };
    dress(question, dice)
}

/// The same name and type, asked in another way.
fn dress(question: Question, dice: &mut Dice) -> Question {
    let mut name = question.name;
    match dice.below(10) {
        0 => name = name.to_ascii_uppercase(),
        1 => {
            name = name
                .char_indices()
                .map(|(n, c)| {
                    if n % 2 == 0 {
                        c.to_ascii_uppercase()
                    } else {
                        c
                    }
                })
                .collect()
        }
        _ => {}
    }
    Question {
        name,
        rtype: question.rtype,
        tcp: dice.percent(15),
        edns: EDNS[dice.below(EDNS.len())],
        flags: (dice.percent(90), dice.percent(15), dice.percent(15)),
    }
}

/// Left out is what servers may ask for on the way to other answers, and what may be had only from what
/// is kept.
fn may_be_asked_without_recursion(question: &Question) -> bool {
    let is_address = matches!(question.rtype.0, "A" | "AAAA");
    let is_inside = is_of_the_cluster(&question.name) && !question.name.ends_with("arpa.");
    let is_apart = question.name.ends_with("example.com.") && !names_a_subnet(question);
    is_inside && !is_address || is_apart
}

/// The names that aliases of the cluster lead to.
pub(super) fn targets(facts: &Facts) -> HashSet<String> {
    let services = facts.services.iter();
    let targets = services.filter_map(|service| match &service.stands {
        Stands::External(target) => Some(format!("{}.", target.trim_end_matches('.'))),
        _ => None,
    });
    targets.collect()
}

/// A name for which nobody answers the resolver. Over TCP, where no answer means something.
pub(super) fn silent() -> Batch {
    let question = Question {
        name: "www.silent.example.".into(),
        rtype: TYPES[0],
        tcp: true,
        edns: None,
        flags: (true, false, false),
    };
    Batch {
        firsts: vec![question],
        repeats: Vec::new(),
    }
}
