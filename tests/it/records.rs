//! Record semantics beside the worked examples (tests/cases/records.yaml, tests/cases/zonal.yaml).

use crate::decode::decode;
use serde::Deserialize;
use std::net::IpAddr;
use tenantdns::answer::Transport;
use tenantdns::index::Event;
use tenantdns::manifests::parse_str;
use tenantdns::testing::{Cluster, ask, query};
use tenantdns::wire::RType;

#[derive(Deserialize)]
struct File {
    suites: Vec<Suite>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Suite {
    id: String,
    #[serde(rename = "about")]
    _about: String,
    manifests: String,
    config: String,
    #[serde(default)]
    own: Vec<IpAddr>,
    #[serde(default)]
    from: Option<IpAddr>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    ask: String,
    gives: Gives,
    #[serde(default)]
    adds: Vec<String>,
    #[serde(default, rename = "note")]
    _note: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Gives {
    Outcome(String),
    Records(Vec<String>),
}

#[test]
fn records_are_made_as_their_cases_say() {
    let mut failures = Vec::new();
    let texts = [
        include_str!("../cases/records.yaml"),
        include_str!("../cases/zonal.yaml"),
    ];
    let files = texts.map(|text| serde_saphyr::from_str::<File>(text).unwrap());
    for suite in files.iter().flat_map(|file| &file.suites) {
        let snapshot = Cluster::new(&suite.manifests, &suite.config)
            .own_addresses(&suite.own)
            .snapshot();
        let source = suite
            .from
            .unwrap_or_else(|| "198.51.100.1".parse().unwrap());
        for case in &suite.cases {
            let (name, rtype) = case.ask.rsplit_once(' ').unwrap();
            let bytes = query(name, rtype.parse().unwrap());
            let got = decode(&ask(&snapshot, source, Transport::Tcp, &bytes).unwrap());
            let (rcode, records) = match &case.gives {
                Gives::Records(records) => ("NOERROR", records.as_slice()),
                Gives::Outcome(outcome) if outcome == "NODATA" => ("NOERROR", &[][..]),
                Gives::Outcome(outcome) => (outcome.as_str(), &[][..]),
            };
            let sorted = |lines: &[String]| {
                // YAML needs quotes around what has a colon; the records have none.
                let mut lines: Vec<_> = lines.iter().map(|l| unquote(l)).collect();
                lines.sort();
                lines
            };
            let expected = (rcode, sorted(records), sorted(&case.adds));
            let got = (
                got.rcode.as_str(),
                sorted(&got.answer),
                sorted(&got.additional),
            );
            if got != expected {
                let (id, ask) = (&suite.id, &case.ask);
                failures.push(format!(
                    "{id}: {ask}\n  expected {expected:?}\n  got      {got:?}"
                ));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} failures\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// Takes quotes off a record's data, other than a TXT's.
fn unquote(line: &str) -> String {
    if line.contains(" TXT ") {
        line.to_owned()
    } else {
        line.replace('"', "")
    }
}

#[test]
fn the_serial_follows_every_change_of_records() {
    let service = |address: &str| {
        let text = format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: shop}}\n\
             spec: {{clusterIP: {address}, ports: [{{port: 80}}]}}\n"
        );
        Event::Apply(parse_str(&text).0.remove(0))
    };
    let config = "[tenancy]\nmode = \"off\"\n";
    let mut index = Cluster::new("", config).index();
    let soa = query("cluster.local", RType::SOA);
    let mut serial = |event: Option<Event>, now: u32| {
        event.into_iter().for_each(|event| index.apply(event));
        let snapshot = index.snapshot(now);
        let answer = ask(
            &snapshot,
            "198.51.100.1".parse().unwrap(),
            Transport::Udp,
            &soa,
        );
        decode(&answer.unwrap()).answer[0]
            .split(' ')
            .nth(5)
            .unwrap()
            .to_owned()
    };
    assert_eq!(serial(None, 100), "0", "nothing has been read");
    assert_eq!(serial(Some(service("10.96.0.1")), 200), "200");
    assert_eq!(
        serial(Some(service("10.96.0.1")), 300),
        "200",
        "nothing has changed"
    );
    assert_eq!(
        serial(Some(service("10.96.0.2")), 400),
        "400",
        "a cluster address has"
    );
}
