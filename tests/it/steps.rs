//! What the steps of a server block do to questions and answers (tests/cases/steps/).

use crate::decode::decode;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::IpAddr;
use tenantdns::answer::{MAX_ASKS, Outcome, Plan, Replied, Transport, respond, resume};
use tenantdns::chain::{ForwardOptions, UpstreamId, WeightTable, record};
use tenantdns::snapshot::Snapshot;
use tenantdns::testing::{Cluster, query, query_edns, request};
use tenantdns::wire::{
    HeaderFlags, Name, QNameBuffer, Query, RType, Rcode, ResponseBuilder, Section,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    suites: Vec<Suite>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Suite {
    id: String,
    config: String,
    #[serde(default)]
    manifests: String,
    /// The server's own addresses.
    #[serde(default)]
    own: Vec<IpAddr>,
    /// What each hosts file says.
    #[serde(default)]
    files: Vec<String>,
    /// What each file of weights says.
    #[serde(default)]
    weights: Vec<String>,
    /// What the upstream says, by question; without it nobody is asked.
    upstream: Option<BTreeMap<String, Gives>>,
    #[serde(default)]
    from: Option<IpAddr>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    ask: String,
    #[serde(default)]
    class: Option<u16>,
    #[serde(default)]
    from: Option<IpAddr>,
    /// With EDNS of this size, over UDP.
    #[serde(default)]
    edns: Option<u16>,
    /// Asking who the server is.
    #[serde(default)]
    nsid: bool,
    gives: Gives,
    /// The response code beside records.
    #[serde(default)]
    rcode: Option<String>,
    /// The record that stands first in the answer.
    #[serde(default)]
    first: Option<String>,
    /// The authority section.
    #[serde(default)]
    authority: Option<Vec<String>>,
    /// The additional section.
    #[serde(default)]
    adds: Option<Vec<String>>,
    /// The flags of the response.
    #[serde(default)]
    flags: Option<String>,
    /// What the upstream is asked.
    #[serde(default)]
    asks: Option<Vec<String>>,
    /// What else is said to the upstream, for each ask: flags, and options as code=octets.
    #[serde(default)]
    sends: Option<Vec<String>>,
    /// With these options, as code=octets.
    #[serde(default)]
    options: Vec<String>,
    /// Octets that are somewhere in the response, as text.
    #[serde(default)]
    holds: Option<String>,
    #[serde(default, rename = "note")]
    _note: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Gives {
    Outcome(String),
    Records(Vec<String>),
}

impl Gives {
    fn parts(&self) -> (&str, &[String]) {
        match self {
            Self::Records(records) => ("NOERROR", records),
            Self::Outcome(outcome) if outcome == "NODATA" => ("NOERROR", &[]),
            Self::Outcome(outcome) => (outcome, &[]),
        }
    }
}

fn check(text: &str) {
    let file: File = serde_saphyr::from_str(text).unwrap();
    let mut failures = Vec::new();
    for suite in &file.suites {
        let snapshot = snapshot(suite);
        for case in &suite.cases {
            if let Err(failure) = check_case(suite, &snapshot, case) {
                failures.push(format!("{}: {}: {failure}", suite.id, case.ask));
            }
        }
    }
    let count = failures.len();
    assert!(
        failures.is_empty(),
        "{count} failures\n{}",
        failures.join("\n")
    );
}

fn snapshot(suite: &Suite) -> Snapshot {
    let mut cluster = Cluster::new(&suite.manifests, &suite.config).own_addresses(&suite.own);
    if suite.upstream.is_some() {
        let mut table = ForwardOptions::new(Name::root(), UpstreamId(0));
        table.clients.any = true;
        cluster.config.blocks[0].forward = vec![table];
    }
    let mut index = cluster.index();
    let files: Vec<_> = index
        .chain()
        .hosts_files()
        .map(|(id, o)| (id, o.clone()))
        .collect();
    assert_eq!(files.len(), suite.files.len(), "{}: hosts files", suite.id);
    for ((id, options), text) in files.iter().zip(&suite.files) {
        index.set_hosts(*id, options.table(text).into());
    }
    let files: Vec<_> = index.chain().weight_files().map(|(id, _)| id).collect();
    assert_eq!(
        files.len(),
        suite.weights.len(),
        "{}: files of weights",
        suite.id
    );
    for (id, text) in files.into_iter().zip(&suite.weights) {
        index.set_weights(id, WeightTable::parse(text).unwrap().into());
    }
    index.snapshot(cluster.serial)
}

fn check_case(suite: &Suite, snapshot: &Snapshot, case: &Case) -> Result<(), String> {
    let (name, rtype) = case.ask.rsplit_once(' ').unwrap();
    let rtype: RType = rtype.parse().unwrap();
    let (mut bytes, transport) = match case.edns {
        Some(size) => (query_edns(name, rtype, size), Transport::Udp),
        None => (query(name, rtype), Transport::Tcp),
    };
    let mut options = 0;
    if let Some(class) = case.class {
        let at = 12 + name.parse::<Name>().unwrap().as_wire().len() + 2;
        bytes[at..at + 2].copy_from_slice(&class.to_be_bytes());
    }
    if case.nsid {
        let rdlen = bytes.len() - 1;
        bytes[rdlen] = 4;
        bytes.extend([0, 3, 0, 0]);
    }
    for option in &case.options {
        let (code, value) = option.split_once('=').unwrap();
        let code: u16 = code.parse().unwrap();
        let option = [
            &code.to_be_bytes()[..],
            &[0, value.len() as u8],
            value.as_bytes(),
        ]
        .concat();
        let at = bytes.len() - 2 - options;
        bytes.extend(&option);
        options += option.len();
        bytes[at..at + 2].copy_from_slice(&u16::try_from(options).unwrap().to_be_bytes());
    }
    let nobody = "198.51.100.1".parse().unwrap();
    let source = case.from.or(suite.from).unwrap_or(nobody);
    let request = request(source, transport, &bytes);
    let mut out = vec![0; 65_535];
    let mut said: Vec<(Plan, Option<Vec<u8>>)> = Vec::new();
    let mut outcome = respond(snapshot, &request, &mut out);
    while let Outcome::Ask(plan) = outcome {
        assert!(said.len() < MAX_ASKS, "asks without end");
        let reply = upstream_reply(suite.upstream.as_ref().unwrap(), &plan);
        said.push((*plan, reply));
        let replies: Vec<_> = said
            .iter()
            .map(|(plan, reply)| Replied {
                plan,
                reply: reply.as_deref(),
            })
            .collect();
        outcome = resume(snapshot, &request, &replies, &mut out);
    }
    let asked: Vec<String> = said
        .iter()
        .map(|(plan, _)| format!("{:?} {}", plan.qname, plan.qtype))
        .collect();
    let sent: Vec<String> = said.iter().map(|(plan, _)| sent(plan, case)).collect();
    let length = match (outcome, &case.gives) {
        (Outcome::Reply(length, _), _) => length,
        (Outcome::Drop(_), Gives::Outcome(outcome)) if outcome == "DROP" => return Ok(()),
        (other, _) => return Err(format!("{other:?}")),
    };
    let reply = &out[..length];
    if reply[12..].starts_with(&bytes[12..12 + name.len()]) != (name != ".") && name != "." {
        return Err("the question is another".into());
    }
    let got = decode(reply);
    let (rcode, answer) = case.gives.parts();
    let rcode = case.rcode.as_deref().unwrap_or(rcode);
    let mut wrong = Vec::new();
    let mut compare = |what: &str, got: String, expected: Option<String>| {
        if expected.as_ref().is_some_and(|expected| *expected != got) {
            wrong.push(format!(
                "{what}\n  expected {}\n  got      {got}",
                expected.unwrap()
            ));
        }
    };
    compare("rcode", got.rcode.clone(), Some(rcode.to_owned()));
    compare("answer", sorted(&got.answer), Some(sorted(answer)));
    compare(
        "authority",
        sorted(&got.authority),
        case.authority.as_deref().map(sorted),
    );
    compare(
        "additional",
        sorted(&got.additional),
        case.adds.as_deref().map(sorted),
    );
    compare(
        "asks",
        asked.join(", "),
        case.asks.as_ref().map(|asks| asks.join(", ")),
    );
    let first = got.answer.first().cloned().unwrap_or_default();
    compare("first", first, case.first.clone());
    compare(
        "sends",
        sent.join(", "),
        case.sends.as_ref().map(|s| s.join(", ")),
    );
    let flags = [
        (got.aa, "aa"),
        (got.ra, "ra"),
        (got.rd, "rd"),
        (got.tc, "tc"),
    ];
    let flags: Vec<&str> = flags.iter().filter(|f| f.0).map(|f| f.1).collect();
    compare("flags", flags.join(" "), case.flags.clone());
    let holds = |text: &String| {
        reply
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    if case.holds.as_ref().is_some_and(|text| !holds(text)) {
        wrong.push("does not hold the text".into());
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("\n")),
    }
}

/// What is said to an upstream beside the question.
fn sent(plan: &Plan, case: &Case) -> String {
    let changes = &plan.changes;
    let flags = changes.flags.unwrap_or_default();
    let words = [
        (HeaderFlags::AA, "aa"),
        (HeaderFlags::RD, "rd"),
        (HeaderFlags::RA, "ra"),
    ];
    let words = words.iter().filter(|(flag, _)| flags.and(*flag) == *flag);
    let mut words: Vec<String> = words.map(|(_, word)| (*word).to_owned()).collect();
    let options = case
        .options
        .iter()
        .filter_map(|option| option.split_once('='));
    let mut options: Vec<(u16, Vec<u8>)> = options
        .map(|(code, value)| (code.parse().unwrap(), value.as_bytes().to_vec()))
        .collect();
    changes.options.apply(&mut options);
    words.extend(
        options
            .iter()
            .map(|(code, value)| format!("{code}={}", value.escape_ascii())),
    );
    if changes.options.tells_who_asks() {
        words.push("tells".to_owned());
    }
    words.join(" ")
}

fn sorted(lines: &[String]) -> String {
    let mut lines: Vec<String> = lines
        .iter()
        .map(|line| match line.contains(" TXT ") {
            true => line.clone(),
            false => line.replace('"', ""),
        })
        .collect();
    lines.sort();
    lines.join(" | ")
}

/// What the upstream says to a question; nothing where it is not listed with `NONE`, NXDOMAIN where it
/// is not listed at all.
fn upstream_reply(said: &BTreeMap<String, Gives>, plan: &Plan) -> Option<Vec<u8>> {
    let question = format!("{:?} {}", plan.qname, plan.qtype).to_ascii_lowercase();
    let listed = said
        .iter()
        .find(|(key, _)| key.to_ascii_lowercase() == question);
    let (rcode, records) = listed.map_or(("NXDOMAIN", &[][..]), |(_, gives)| gives.parts());
    let rcode = match rcode {
        "NONE" => return None,
        "NOERROR" => Rcode::NOERROR,
        "SERVFAIL" => Rcode::SERVFAIL,
        "REFUSED" => Rcode::REFUSED,
        _ => Rcode::NXDOMAIN,
    };
    let name = format!("{:?}", plan.qname);
    let bytes = query(&name, plan.qtype);
    let mut buffer = QNameBuffer::default();
    let query = Query::parse(&bytes, &mut buffer).unwrap();
    let mut out = vec![0; 65_535];
    let mut builder = ResponseBuilder::new(&query, 65_535, &mut out);
    builder.set_rcode(rcode);
    for line in records {
        let (section, line) = match line.strip_prefix("authority: ") {
            Some(line) => (Section::Authority, line),
            None => (Section::Answer, line.as_str()),
        };
        let record = record(line).unwrap_or_else(|| panic!("{line}"));
        builder.section(section);
        let about = (record.rtype, record.class, record.ttl);
        let pushed = builder.push_fields(record.owner.as_wire(), about, record.fields());
        pushed.unwrap();
    }
    let length = builder.finish();
    // Recursion is available there.
    out[3] |= 0x80;
    out.truncate(length);
    Some(out)
}

#[test]
fn small_steps_do_as_their_cases_say() {
    check(include_str!("../cases/steps/small.yaml"));
}

#[test]
fn what_is_never_kept_has_the_ttls_that_the_cases_say() {
    check(include_str!("../cases/steps/cache.yaml"));
}

#[test]
fn static_records_are_given_as_their_cases_say() {
    check(include_str!("../cases/steps/records.yaml"));
}

#[test]
fn questions_and_answers_are_rewritten_as_their_cases_say() {
    check(include_str!("../cases/steps/rewrite.yaml"));
}

#[test]
fn services_are_reached_from_outside_as_their_cases_say() {
    check(include_str!("../cases/steps/external.yaml"));
}

/// Whoever asks before everything is known is not told that something is not there.
#[test]
fn an_external_name_is_not_denied_before_the_first_sync() {
    let config = "[tenancy]\nmode = \"off\"\n[k8s_external]\nzones = [\"lb.test\"]\n";
    for (config, name, expected) in [
        (config.to_owned(), "web.shop.lb.test", Rcode::SERVFAIL),
        (config.to_owned(), "lb.test", Rcode::NOERROR),
        (config.replace("off", "enforce"), "lb.test", Rcode::SERVFAIL),
    ] {
        let mut cluster = Cluster::new("", &config);
        cluster.synced = false;
        let bytes = query(name, RType::SOA);
        let request = request("198.51.100.1".parse().unwrap(), Transport::Tcp, &bytes);
        match respond(&cluster.snapshot(), &request, &mut vec![0; 65_535]) {
            Outcome::Reply(_, verdict) => assert_eq!(verdict.rcode, expected, "{name} {config}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn names_are_looked_up_again_as_their_cases_say() {
    check(include_str!("../cases/steps/again.yaml"));
}
