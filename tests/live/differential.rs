//! The same random clusters behind CoreDNS and behind us, the same questions to both: answers are
//! equal, or differ as a line of docs/compatibility.md says.
//!
//! Both watch one real API server. A run prints its seed; `TENANTDNS_SEED=SEED` repeats it, and
//! `TENANTDNS_SEED=SEED/7` its cluster 7 alone.

#[path = "differential/answer.rs"]
pub(crate) mod answer;
#[path = "differential/case.rs"]
mod case;
#[path = "differential/changes.rs"]
pub(crate) mod changes;
#[path = "differential/client.rs"]
pub(crate) mod client;
#[path = "differential/cluster.rs"]
pub(crate) mod cluster;
#[path = "differential/compare.rs"]
mod compare;
#[path = "differential/dice.rs"]
pub(crate) mod dice;
#[path = "differential/explained.rs"]
mod explained;
#[path = "differential/facts.rs"]
pub(crate) mod facts;
#[path = "differential/names.rs"]
pub(crate) mod names;
#[path = "differential/odd.rs"]
mod odd;
#[path = "differential/outside.rs"]
mod outside;
#[path = "differential/profiles.rs"]
pub(crate) mod profiles;
#[path = "differential/question.rs"]
pub(crate) mod question;
#[path = "differential/servers.rs"]
mod servers;
#[path = "differential/services.rs"]
mod services;
#[path = "differential/slices.rs"]
mod slices;

use crate::apiserver::ApiServer;
use crate::process::peers;
use changes::{Writer, Writes};
use cluster::Maker;
use compare::{Round, Tally};
use dice::Dice;
use facts::Facts;
use profiles::PROFILES;
use servers::Servers;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::net::IpAddr;
use std::ops::Range;
use tenantdns::server::interface_addresses;

/// Clusters of a run.
const CLUSTERS: u64 = 22;
/// Profiles that each of them is asked through.
const BLOCKS: usize = 3;
/// Questions to one profile at one moment.
const QUESTIONS: usize = 300;
/// Differences after which a run ends; they tend to have one cause.
const ENOUGH: usize = 5;

#[test]
fn differential_answers_are_those_of_coredns() {
    let Some(peers) = peers() else { return };
    let (seed, clusters) = seed();
    println!("TENANTDNS_SEED={seed}");
    let api = ApiServer::start(&peers);
    let mut servers = Servers::start(&peers, &api);
    let own = own_addresses();
    let (mut tally, mut writes) = (Tally::default(), Writes::default());
    for number in clusters {
        let mut dice = Dice::new(seed.wrapping_add(number << 32));
        let mut writer = Writer { api: &api, writes };
        // Half of the clusters hold what CoreDNS chokes on.
        let mut maker = Maker::new(&mut dice, &own, number % 2 == 1);
        for object in maker.cluster() {
            writer.create(&object);
        }
        for moment in ["created", "changed", "changed again"] {
            if moment != "created" {
                changes::change(&mut writer, &mut maker, &Facts::read(&api));
            }
            servers.catch_up(&api);
            let facts = Facts::read(&api);
            for block in 0..BLOCKS {
                let block = (number as usize * BLOCKS + block) % PROFILES.len();
                let questions = names::questions(&facts, &PROFILES[block], QUESTIONS, maker.dice);
                let round = Round {
                    facts: &facts,
                    number: block,
                    addresses: servers.addresses(block),
                };
                let mut differences = round.compare(questions, &mut tally);
                let count = differences.len();
                differences.truncate(ENOUGH);
                assert!(
                    count == 0,
                    "TENANTDNS_SEED={seed}/{number}, cluster {number} as {moment}: {count} \
                     unexplained differences\n\n{}",
                    differences.join("\n\n")
                );
            }
        }
        writer.clear();
        writes = writer.writes;
    }
    print(seed, &tally, writes);
    let usable = writes.refused * 5 < writes.made;
    assert!(
        usable,
        "the API server refuses most of what is made: {writes:?}"
    );
}

#[test]
fn differential_explanations_are_lines_of_the_document() {
    let document = include_str!("../../docs/compatibility.md");
    let base = [
        explained::SIZE,
        explained::NOBODYS,
        explained::NAMES,
        explained::LONG,
        explained::MISNAMED,
    ];
    let outside = explained::OUTSIDE
        .iter()
        .filter(|line| !line.phrase.contains("OPT"));
    let all = explained::LINES.iter().chain(outside);
    for phrase in all.map(|line| line.phrase).chain(base) {
        let lines = document.lines().filter(|line| line.contains(phrase));
        assert_eq!(lines.count(), 1, "{phrase}");
    }
}

/// The seed and which clusters to make of it.
fn seed() -> (u64, Range<u64>) {
    let Ok(text) = std::env::var("TENANTDNS_SEED") else {
        return (RandomState::new().hash_one("seed") >> 32, 0..CLUSTERS);
    };
    let number = |text: &str| {
        text.parse::<u64>()
            .unwrap_or_else(|_| panic!("{text}: no seed"))
    };
    match text.split_once('/') {
        Some((seed, cluster)) => {
            let cluster = number(cluster);
            (number(seed), cluster..cluster + 1)
        }
        None => (number(&text), 0..CLUSTERS),
    }
}

/// The host's addresses that an endpoint may have.
fn own_addresses() -> Vec<IpAddr> {
    let mut own = interface_addresses().unwrap();
    own.retain(|address| match address {
        IpAddr::V4(v4) => !v4.is_link_local() && !v4.is_loopback(),
        IpAddr::V6(v6) => !v6.is_unicast_link_local() && !v6.is_loopback(),
    });
    own
}

/// Says what a run compared. Not `println!`, which is shown for failed tests only.
fn print(seed: u64, tally: &Tally, writes: Writes) {
    let Tally {
        questions,
        silent,
        truncated,
        lines,
    } = tally;
    let Writes { made, refused } = writes;
    let mut text = format!(
        "TENANTDNS_SEED={seed}: {questions} questions, {truncated} answers cut, 0 unexplained \
         differences; {made} writes, {refused} of them refused; CoreDNS silent {silent} times\n"
    );
    for (line, count) in lines {
        text += &format!("{count:6} times: {line}\n");
    }
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}
