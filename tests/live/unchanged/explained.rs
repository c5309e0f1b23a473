//! The differences from CoreDNS that docs/compatibility.md explains and that show under default
//! Corefiles, as a table: what a line makes of CoreDNS's answer.

use super::asked::names_a_subnet;
use super::compare::record;
use crate::differential::answer::{Answer, NOERROR, REFUSED, SERVFAIL};
use crate::differential::question::Question;

/// A line of the document: a phrase of it, and what it makes of an answer of CoreDNS's.
pub(super) struct Line {
    pub(super) phrase: &'static str,
    pub(super) apply: fn(&Case<'_>, &mut Answer),
}

/// What an explanation may look at beside CoreDNS's answer.
pub(super) struct Case<'c> {
    pub(super) question: &'c Question,
    /// Whether `dns64` is for whoever asks.
    pub(super) dns64: bool,
    /// What the other server says.
    pub(super) said: &'c Answer,
}

/// What is applied, in order.
pub(super) const LINES: [Line; 7] = [
    Line {
        phrase: "A name in no zone is REFUSED.",
        apply: nothing_answers,
    },
    Line {
        phrase: "`dns64`: where neither AAAA nor A can be had the answer is what A gets",
        apply: neither_family,
    },
    Line {
        phrase: "NS glue and `ns.dns` give each address once.",
        apply: |case, answer| {
            if case.question.rtype.0 == "NS" {
                answer.additional.dedup();
            }
        },
    },
    Line {
        phrase: "Only answers of upstreams are kept, whatever zones `cache` has.",
        apply: whole_times,
    },
    Line {
        phrase: "Our OPT says 1232, whatever the client's said",
        apply: |_, answer| answer.opt.iter_mut().for_each(|opt| opt.size = 1232),
    },
    Line {
        phrase: "EDNS options of the client are not echoed.",
        apply: |_, answer| answer.opt.iter_mut().for_each(|opt| opt.options.clear()),
    },
    Line {
        phrase: "An answer to a question with a client subnet is neither kept nor looked up.",
        apply: from_the_upstream,
    },
];

/// For which CoreDNS is asked for a smaller answer.
pub(super) const SIZE: &str = "A reply over UDP never exceeds min(client's size, 1232).";

/// Of what CoreDNS keeps, and cuts where the other doesn't.
pub(super) const OCTETS: &str = "What is kept is sent in the upstream's octets";

/// The page `/ready` of one that is.
pub(super) const READY: &str = "`/ready` says what has been read, in lines behind `ready`";

/// In CoreDNS's cache all records of an answer get one TTL, no longer than the cache's, and it runs down.
fn whole_times(case: &Case<'_>, answer: &mut Answer) {
    // RA is the upstream's.
    if !answer.ra && !case.said.ra && case.said.aa {
        take_ttls(case, answer, |ttl, said| said > ttl);
    }
}

/// The upstream's TTLs and AA, where records are the same, and what it says of an error.
fn from_the_upstream(case: &Case<'_>, answer: &mut Answer) {
    let name = case.question.name.to_ascii_lowercase();
    if !names_a_subnet(case.question) || name.ends_with(".cluster.local.") {
        return;
    }
    // An authority doesn't copy CD.
    (answer.aa, answer.cd) = (case.said.aa, case.said.cd);
    if let (Some(due), Some(said)) = (&mut answer.opt, &case.said.opt) {
        due.options.clone_from(&said.options);
    }
    take_ttls(case, answer, |_, _| true);
}

/// An answer of a block that has nothing for the name.
fn nothing_answers(case: &Case<'_>, answer: &mut Answer) {
    let name = case.question.name.to_ascii_lowercase();
    if name.ends_with("hostname.bind.") && answer.rcode == SERVFAIL {
        answer.fail(REFUSED);
    }
}

/// What the look-up for IPv4 addresses brings, where it brings none.
fn neither_family(case: &Case<'_>, answer: &mut Answer) {
    let is_empty = answer.answer.is_empty() && answer.authority.is_empty();
    let is_for = case.dns64 && case.question.rtype.0 == "AAAA";
    if is_for && is_empty && answer.rcode == NOERROR && case.said.rcode != NOERROR {
        answer.fail(case.said.rcode);
    }
}

/// Gives records the TTLs that the other server says, where they may differ so.
fn take_ttls(case: &Case<'_>, answer: &mut Answer, may: fn(u32, u32) -> bool) {
    let mut said = case.said.clone();
    let said: Vec<(String, u32)> = records(&mut said).map(|line| record(line)).collect();
    for line in records(answer) {
        let (same, ttl) = record(line);
        let Some((_, said)) = said.iter().find(|(other, _)| *other == same) else {
            continue;
        };
        if may(ttl, *said) {
            let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            words[1] = said.to_string();
            *line = words.join(" ");
        }
    }
}

fn records(answer: &mut Answer) -> impl Iterator<Item = &mut String> {
    let Answer {
        answer,
        authority,
        additional,
        ..
    } = answer;
    answer.iter_mut().chain(authority).chain(additional)
}
