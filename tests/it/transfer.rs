//! Transfers of whole zones (tests/cases/transfers.yaml), and what a transfer of many messages is like.

use crate::decode::decode;
use serde::Deserialize;
use std::net::IpAddr;
use tenantdns::answer::{Outcome, Transport, respond};
use tenantdns::testing::{Cluster, query, request, transfer};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
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
    #[serde(default = "yes")]
    synced: bool,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    ask: String,
    from: IpAddr,
    #[serde(default)]
    over: Over,
    gives: Gives,
    /// Whether a transfer is authoritative.
    #[serde(default = "yes")]
    aa: bool,
    #[serde(default, rename = "note")]
    _note: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum Over {
    Udp,
    #[default]
    Tcp,
    Exchange,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Gives {
    Code(String),
    Records(Vec<String>),
}

fn yes() -> bool {
    true
}

/// Returns a query for a zone: a name and AXFR, or a name, IXFR and what the client has.
pub(crate) fn question(ask: &str) -> Vec<u8> {
    let words: Vec<&str> = ask.split(' ').collect();
    let mut bytes = query(words[0], words[1].parse().unwrap());
    let serials = match words.get(2).copied() {
        None | Some("none") => Vec::new(),
        Some("two") => vec![7, 7],
        Some(serial) => vec![serial.parse::<u32>().unwrap()],
    };
    bytes[9] = serials.len() as u8;
    for serial in serials {
        // Names of its own, then what is only the SOA's.
        bytes.extend(b"\xc0\x0c\0\x06\0\x01\0\0\0\0\0\x1c\x02ns\xc0\x0c\0");
        bytes.extend(serial.to_be_bytes());
        bytes.extend([0; 16]);
        bytes.extend(b"\0\0");
    }
    bytes
}

/// Returns the records of a transfer in their order, or the code that it is refused with.
pub(crate) fn records(messages: &[Vec<u8>], aa: bool) -> Result<Vec<String>, String> {
    let mut records = Vec::new();
    for message in messages {
        let message = decode(message);
        let empty = message.authority.is_empty() && message.additional.is_empty();
        assert!(empty && !message.tc && !message.ra, "{message:?}");
        if message.answer.is_empty() {
            return Err(message.rcode);
        }
        assert_eq!((message.rcode.as_str(), message.aa), ("NOERROR", aa));
        records.extend(message.answer);
    }
    match records.is_empty() {
        true => Err("DROP".into()),
        false => Ok(records),
    }
}

#[test]
fn zones_are_transferred_as_their_cases_say() {
    let file: File = serde_saphyr::from_str(include_str!("../cases/transfers.yaml")).unwrap();
    let mut failures = Vec::new();
    for suite in &file.suites {
        let mut cluster = Cluster::new(&suite.manifests, &suite.config).own_addresses(&suite.own);
        (cluster.synced, cluster.serial) = (suite.synced, 7);
        let snapshot = cluster.snapshot();
        for case in &suite.cases {
            let bytes = question(&case.ask);
            let messages = match case.over {
                Over::Tcp => transfer(&snapshot, case.from, &bytes),
                Over::Udp => one(&snapshot, case.from, Transport::Udp, &bytes),
                Over::Exchange => one(&snapshot, case.from, Transport::Exchange, &bytes),
            };
            let got = records(&messages, case.aa);
            let expected = match &case.gives {
                Gives::Code(code) => Err(code.clone()),
                Gives::Records(records) => Ok(records.clone()),
            };
            if got != expected {
                let (id, ask, from) = (&suite.id, &case.ask, case.from);
                failures.push(format!(
                    "{id}: {ask} from {from}\n  expected {expected:#?}\n  got      {got:#?}"
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

fn one(
    snapshot: &tenantdns::snapshot::Snapshot,
    source: IpAddr,
    transport: Transport,
    bytes: &[u8],
) -> Vec<Vec<u8>> {
    let mut out = vec![0; 65_535];
    match respond(snapshot, &request(source, transport, bytes), &mut out) {
        Outcome::Reply(len, _) => vec![out[..len].to_vec()],
        other => panic!("{other:?}"),
    }
}

#[test]
fn whatever_stands_in_a_query_for_a_zone_it_is_answered_in_order() {
    let service = "{apiVersion: v1, kind: Service, metadata: {namespace: shop, name: web}, spec: {clusterIP: 10.96.1.1}}";
    let config = "[tenancy]\nmode = \"off\"\n[transfer]\nto = [\"*\"]\n";
    let snapshot = Cluster::new(service, config).snapshot();
    let source = "192.0.2.53".parse().unwrap();
    let (mut zones, mut refused, mut silent) = (0, 0, 0);
    let mut tries = |bytes: &[u8]| {
        let messages = transfer(&snapshot, source, bytes);
        let mut answers = messages.iter().map(|message| decode(message));
        match answers.next() {
            None => silent += 1,
            Some(answer) if answer.answer.is_empty() => refused += 1,
            Some(answer) => {
                assert!(answer.rcode == "NOERROR" && answer.answer[0].contains(" SOA "));
                zones += 1;
            }
        }
    };
    let whole = question("cluster.local. IXFR 7");
    for at in 0..whole.len() {
        tries(&whole[..at]);
        for octet in 0..=u8::MAX {
            let mut bytes = whole.clone();
            bytes[at] = octet;
            tries(&bytes);
        }
    }
    assert!(
        zones > 1000 && refused > 1000 && silent > 100,
        "{zones} {refused} {silent}"
    );
}
