//! The worked examples of CoreDNS's behavior (tests/cases/examples.yaml).

use crate::decode::{Response, Rr, decode};
use crate::live::Live;
use crate::transfer::{question, records};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::IpAddr;
use tenantdns::answer::{Outcome, Plan, Replied, Transport, respond, resume};
use tenantdns::chain::{ForwardOptions, Secondary, TransferOptions, UpstreamId};
use tenantdns::testing::{Cluster, query, query_edns, request, transfer};
use tenantdns::wire::RType;
use tenantdns::zone::PodMode;

#[derive(Deserialize)]
struct File {
    totals: Totals,
    fixtures: BTreeMap<String, Fixture>,
    suites: Vec<Suite>,
    transfer_suites: Vec<TransferSuite>,
}

#[derive(Deserialize)]
struct TransferSuite {
    fixture: String,
    config: Settings,
    cases: Vec<TransferCase>,
}

#[derive(Deserialize)]
struct TransferCase {
    id: String,
    query: ZoneQuery,
    expect: ExpectZone,
}

#[derive(Deserialize)]
struct ZoneQuery {
    zone: String,
    /// 0 for AXFR.
    serial: u32,
}

#[derive(Deserialize)]
struct ExpectZone {
    order: Order,
    records: Vec<Rr>,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Order {
    /// As listed.
    Exact,
    /// The services as listed, the records of each in any order.
    ByService,
}

#[derive(Deserialize)]
struct Totals {
    suites: usize,
    cases: usize,
}

#[derive(Deserialize)]
struct Fixture {
    objects: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Suite {
    id: String,
    fixture: String,
    config: Settings,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    zones: Vec<String>,
    #[serde(default)]
    pods: Option<String>,
    #[serde(default)]
    ttl: Option<u32>,
    #[serde(default)]
    fallthrough: Option<Vec<String>>,
    local_ips: Vec<IpAddr>,
    #[serde(default)]
    namespaces: Vec<String>,
    #[serde(default)]
    endpoint_pod_names: bool,
    #[serde(default)]
    ignore_empty_service: bool,
    #[serde(default)]
    noendpoints: bool,
    #[serde(default)]
    legacy_wildcards: bool,
    #[serde(default = "yes")]
    synced: bool,
    /// What the SOA says.
    #[serde(default)]
    serial: Option<u32>,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct Case {
    id: String,
    query: Question,
    expect: Expect,
}

#[derive(Deserialize)]
struct Question {
    name: String,
    #[serde(rename = "type")]
    rtype: String,
}

#[derive(Deserialize)]
struct Expect {
    rcode: String,
    #[serde(default)]
    answer: Vec<Rr>,
    #[serde(default)]
    authority: Vec<Rr>,
    #[serde(default)]
    additional: Vec<Rr>,
    #[serde(default)]
    aa: bool,
    #[serde(default)]
    tc: bool,
}

/// Cases whose answer another server gives, by the feature that they wait for.
const NEEDS_UPSTREAM: [&str; 2] = ["example-externalname/00", "example-legacy-wildcards/00"];

fn load() -> File {
    let text = include_str!("../cases/examples.yaml");
    serde_saphyr::from_str(text).expect("tests/cases/examples.yaml")
}

fn cluster(file: &File, (fixture, s): (&str, &Settings)) -> Cluster {
    let config = serde_json::json!({
        "mode": "off",
        "wildcard": if s.legacy_wildcards { "filtered" } else { "off" },
    });
    let list = |names: &[String]| serde_json::to_string(names).unwrap();
    let toml = format!(
        "[tenancy]\nmode = {}\nwildcard = {}\n[kubernetes]\nzones = {}\nttl = {}\npods = {:?}\n\
         endpoint_pod_names = {}\nignore_empty_service = {}\nnoendpoints = {}\nfallthrough = {}\n",
        config["mode"],
        config["wildcard"],
        list(&s.zones),
        s.ttl.unwrap_or(5),
        s.pods.as_deref().unwrap_or("disabled"),
        s.endpoint_pod_names,
        s.ignore_empty_service,
        s.noendpoints,
        list(s.fallthrough.as_deref().unwrap_or(&[])),
    );
    let toml = if s.namespaces.is_empty() {
        toml
    } else {
        format!("{toml}namespaces = {}\n", list(&s.namespaces))
    };
    let objects = &file.fixtures[fixture].objects;
    let json = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let mut cluster = Cluster::new(&json.to_string(), &toml).own_addresses(&s.local_ips);
    cluster.synced = s.synced;
    cluster.serial = s.serial.unwrap_or(cluster.serial);
    assert!(
        cluster
            .zones()
            .all(|z| z.pods == PodMode::Disabled || s.pods.is_some())
    );
    cluster
}

/// Compares an answer with what a case expects, and says how they differ.
fn difference(case: &Case, got: &Response) -> Option<String> {
    let expect = &case.expect;
    let rcode = match expect.rcode.as_str() {
        "NODATA" => "NOERROR",
        other => other,
    };
    let mut wrong = Vec::new();
    let sections = [
        ("answer", &expect.answer, &got.answer),
        ("authority", &expect.authority, &got.authority),
        ("additional", &expect.additional, &got.additional),
    ];
    if rcode == "NEXT" {
        // Handed on to nobody: REFUSED in no zone, else SERVFAIL; never a record.
        let empty = sections.iter().all(|(_, _, got)| got.is_empty());
        let handed_on = ["REFUSED", "SERVFAIL"].contains(&got.rcode.as_str());
        return (!empty || !handed_on || got.aa).then(|| format!("{got:?}"));
    }
    if got.rcode != rcode || got.aa != expect.aa || got.tc != expect.tc || got.ra || !got.rd {
        wrong.push(format!("header: {} aa={} tc={}", got.rcode, got.aa, got.tc));
    }
    for (name, expected, got) in sections {
        let mut expected: Vec<String> = expected
            .iter()
            .map(|rr| {
                let ttl = rr
                    .ttl
                    .as_str()
                    .map_or_else(|| rr.ttl.to_string(), str::to_owned);
                format!("{} {ttl} {} {}", rr.name, rr.rtype, rr.rdata)
            })
            .collect();
        let mut got: Vec<String> = got.iter().map(|line| mask_serial(line)).collect();
        expected.sort();
        got.sort();
        if expected != got {
            wrong.push(format!(
                "{name}:\n    expected {expected:#?}\n    got {got:#?}"
            ));
        }
    }
    (!wrong.is_empty()).then(|| wrong.join("\n  "))
}

fn mask_serial(line: &str) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    if words.get(2) == Some(&"SOA") {
        words[5] = "*";
    }
    words.join(" ")
}

fn answer(live: &Live, case: &Case, transport: Transport) -> Response {
    let rtype = case.query.rtype.parse().unwrap();
    let bytes = match transport {
        // The largest example has over 512 octets.
        Transport::Udp => query_edns(&case.query.name, rtype, 1232),
        Transport::Tcp | Transport::Exchange => query(&case.query.name, rtype),
    };
    decode(&live.ask("127.0.0.1".parse().unwrap(), transport, &bytes))
}

#[test]
fn worked_examples_are_answered_as_coredns_does() {
    let file = load();
    let (mut cases, mut waiting, mut failures) = (0, 0, Vec::new());
    for suite in &file.suites {
        let live = Live::start(&cluster(&file, (&suite.fixture, &suite.config)));
        for case in &suite.cases {
            cases += 1;
            if NEEDS_UPSTREAM.contains(&case.id.as_str()) {
                waiting += 1;
                continue;
            }
            for transport in [Transport::Udp, Transport::Tcp] {
                let got = answer(&live, case, transport);
                if let Some(difference) = difference(case, &got) {
                    let Question { name, rtype } = &case.query;
                    let id = &case.id;
                    failures.push(format!("{id} {name} {rtype} {transport:?}\n  {difference}"));
                }
            }
        }
    }
    assert_eq!(
        (file.suites.len(), cases),
        (file.totals.suites, file.totals.cases)
    );
    assert_eq!(waiting, NEEDS_UPSTREAM.len());
    assert!(
        failures.is_empty(),
        "{} failures\n{}",
        failures.len(),
        failures.join("\n")
    );
    println!(
        "{} cases over UDP and TCP; {waiting} wait for forwarding",
        cases - waiting
    );
}

/// Returns the service that a record belongs to: what stands in front of `svc`, without ports and
/// endpoints.
fn service_of(record: &str) -> String {
    let owner = record.split(' ').next().unwrap_or("");
    match owner.split_once(".svc.") {
        Some((front, _)) => {
            let labels: Vec<&str> = front.rsplit('.').take(2).collect();
            labels.join("/")
        }
        None => "the zone".into(),
    }
}

#[test]
fn worked_examples_are_transferred_as_coredns_does() {
    let file = load();
    let mut cases = 0;
    for suite in &file.transfer_suites {
        let mut cluster = cluster(&file, (&suite.fixture, &suite.config));
        let zones = cluster.config.blocks[0].zones.clone();
        let to = vec![Secondary::Anybody];
        cluster.config.blocks[0].transfer = Some(TransferOptions {
            zones,
            to,
            source: None,
        });
        let snapshot = cluster.snapshot();
        for case in &suite.cases {
            cases += 1;
            let ZoneQuery { zone, serial } = &case.query;
            let (ask, aa) = match serial {
                0 => (format!("{zone} AXFR"), true),
                serial => (format!("{zone} IXFR {serial}"), false),
            };
            let source = "127.0.0.1".parse().unwrap();
            let messages = transfer(&snapshot, source, &question(&ask));
            let mut got = records(&messages, aa).expect(&case.id);
            let expected = case.expect.records.iter();
            let mut expected: Vec<String> = expected
                .map(|rr| format!("{} {} {} {}", rr.name, rr.ttl, rr.rtype, rr.rdata))
                .collect();
            if case.expect.order == Order::ByService {
                for records in [&mut got, &mut expected] {
                    for run in records.chunk_by_mut(|a, b| service_of(a) == service_of(b)) {
                        run.sort();
                    }
                }
            }
            assert_eq!(got, expected, "{}", case.id);
        }
    }
    assert_eq!(cases, 2);
}

/// What the upstream of the examples says to a question for example.net.
fn upstream_reply(plan: &Plan) -> Vec<u8> {
    let mut reply = query("example.net.", plan.qtype);
    reply[2..4].copy_from_slice(&[0x81, 0x80]);
    if plan.qtype == RType::A {
        reply[7] = 1;
        reply.extend(b"\xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04\xc0\0\x02\x50");
    }
    reply
}

#[test]
fn an_alias_to_the_outside_is_completed_with_what_the_upstream_says() {
    let file = load();
    let suite = file
        .suites
        .iter()
        .find(|s| s.id == "example-externalname")
        .unwrap();
    let mut cluster = cluster(&file, (&suite.fixture, &suite.config));
    cluster.config.blocks[0]
        .forward
        .push(ForwardOptions::new(".".parse().unwrap(), UpstreamId(0)));
    let snapshot = cluster.snapshot();
    let mut completed = 0;
    for case in &suite.cases {
        let bytes = query(&case.query.name, case.query.rtype.parse().unwrap());
        let request = request("127.0.0.1".parse().unwrap(), Transport::Tcp, &bytes);
        let mut out = vec![0; 65_535];
        let len = match respond(&snapshot, &request, &mut out) {
            Outcome::Reply(len, _) => len,
            Outcome::Ask(plan) => {
                completed += 1;
                assert_eq!(format!("{:?}", plan.qname), "example.net.");
                let reply = upstream_reply(&plan);
                let replied = Replied {
                    plan: &plan,
                    reply: Some(&reply),
                };
                match resume(&snapshot, &request, &[replied], &mut out) {
                    Outcome::Reply(len, _) => len,
                    other => panic!("{}: {other:?}", case.id),
                }
            }
            other => panic!("{}: {other:?}", case.id),
        };
        let got = decode(&out[..len]);
        assert_eq!(difference(case, &got), None, "{}", case.id);
    }
    assert_eq!(completed, 2, "A and AAAA of the alias to the outside");
}
