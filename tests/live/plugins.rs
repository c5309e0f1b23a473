//! The steps of a server block beside CoreDNS's plugins: the same block, the same upstream, the same
//! questions (tests/cases/steps/beside.yaml). Ours is answered in this process.

use crate::coredns::CoreDns;
use crate::decode::{Response, decode};
use crate::process::peers;
use serde::Deserialize;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;
use tenantdns::answer::{MAX_ASKS, Outcome, Plan, Replied, Request, Transport, respond, resume};
use tenantdns::chain::{ForwardOptions, UpstreamId, WeightTable};
use tenantdns::snapshot::Snapshot;
use tenantdns::testing::{Cluster, query, query_edns, request};
use tenantdns::wire::{Name, RType};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    suites: Vec<Suite>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Suite {
    id: String,
    corefile: String,
    toml: String,
    #[serde(default)]
    from: Vec<IpAddr>,
    names: Vec<String>,
}

/// What both ask for names that are not theirs.
const UPSTREAM: &str = r#"
.:{$ANY_PORT} {
    template IN A up.test {
        answer "{{ .Name }} 60 IN A 192.0.2.33"
        answer "{{ .Name }} 3 IN A 192.0.2.34"
        authority "up.test. 60 IN NS ns.up.test."
        additional "ns.up.test. 60 IN A 192.0.2.53"
    }
    template IN MX up.test {
        answer "{{ .Name }} 60 IN MX 10 mx.up.test."
    }
    template IN SRV up.test {
        answer "{{ .Name }} 60 IN SRV 1 2 3 {{ .Name }}"
        additional "{{ .Name }} 60 IN A 192.0.2.1"
    }
    template IN TXT up.test {
        answer "{{ .Name }} 60 IN TXT \"some text\""
    }
    template IN PTR in-addr.arpa {
        answer "{{ .Name }} 60 IN PTR host.up.test."
    }
    template IN AAAA up.test {
        authority "up.test. 50 IN SOA ns.up.test. h.up.test. 1 2 3 4 5"
    }
    template IN A alias.test {
        answer "{{ .Name }} 30 IN CNAME www.up.test."
        answer "www.up.test. 700 IN A 192.0.2.1"
    }
    template IN AAAA six.test {
        answer "{{ .Name }} 60 IN AAAA 2001:db8::6"
    }
    template IN ANY referral.test {
        authority "referral.test. 60 IN NS ns.referral.test."
        additional "ns.referral.test. 60 IN A 192.0.2.54"
    }
    template IN ANY fail.test {
        rcode SERVFAIL
    }
    template IN ANY . {
        rcode NXDOMAIN
        authority "{{ .Zone }} 60 IN SOA ns. h. 1 2 3 4 5"
    }
}
"#;

const TYPES: [RType; 11] = [
    RType::A,
    RType::AAAA,
    RType::TXT,
    RType::MX,
    RType::SRV,
    RType::PTR,
    RType::CNAME,
    RType::NS,
    RType::SOA,
    RType::HINFO,
    RType::ANY,
];

/// Labels of random names.
const LABELS: [&str; 30] = [
    "www",
    "up",
    "test",
    "test",
    "example",
    "example",
    "a",
    "b",
    "x",
    "old",
    "new",
    "corp",
    "in",
    "same",
    "alias",
    "sfx",
    "short",
    "absent",
    "gone",
    "fail",
    "wild",
    "ip",
    "ip-10-0-0-1",
    "localhost",
    "blocked",
    "six",
    "texts",
    "127",
    "in-addr",
    "arpa",
];

/// Random names that each suite is asked.
const RANDOM: usize = 200;

/// Numbers that repeat (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }

    /// Returns a name; every other one is below one of `near`, or is one.
    fn name(&mut self, near: &[String]) -> String {
        let end = match self.below(2) {
            0 => near.get(self.below(near.len().max(1))),
            _ => None,
        };
        let labels = match end {
            Some(_) => self.below(3),
            None => 1 + self.below(5),
        };
        let labels: Vec<&str> = (0..labels)
            .map(|_| LABELS[self.below(LABELS.len())])
            .collect();
        let end = end.map_or("", String::as_str);
        let mut name = labels
            .iter()
            .map(|label| format!("{label}."))
            .collect::<String>()
            + end;
        if self.below(4) == 0 {
            name.make_ascii_uppercase();
        }
        name
    }
}

#[test]
fn blocks_answer_as_coredns_s_do() {
    let Some(peers) = peers() else { return };
    let text = include_str!("../cases/steps/beside.yaml");
    let file: File = serde_saphyr::from_str(text).unwrap();
    let (mut asked, mut telling, mut failures) = (0, 0, Vec::new());
    for suite in &file.suites {
        let corefile = format!(
            ".:{{$DNS_PORT}} {{\n    bind 127.0.0.1\n    ready 127.0.0.1:{{$READY_PORT}}\n\
             {}    forward . 127.0.0.1:{{$ANY_PORT}}\n}}\n{UPSTREAM}",
            suite.corefile
        );
        let coredns = CoreDns::start(&peers, &corefile);
        let config = format!(
            "[tenancy]\nmode = \"off\"\n[[block]]\nzones = [\".\"]\n{}",
            suite.toml
        );
        let mut cluster = Cluster::new("", &config);
        let table = ForwardOptions::new(Name::root(), UpstreamId(0));
        cluster.config.blocks[0].forward = vec![table];
        let snapshot = cluster.snapshot();
        let loopback = [IpAddr::from([127, 0, 0, 1])];
        let sources = if suite.from.is_empty() {
            &loopback[..]
        } else {
            &suite.from
        };
        let mut random = Random(7);
        let names = suite.names.iter().cloned();
        let names: Vec<String> = names
            .chain((0..RANDOM).map(|_| random.name(&suite.names)))
            .collect();
        for (name, source) in names
            .iter()
            .flat_map(|name| sources.iter().map(move |s| (name, *s)))
        {
            let types = match suite.names.contains(name) {
                true => TYPES.to_vec(),
                false => vec![TYPES[random.below(TYPES.len())], RType::A],
            };
            for rtype in types {
                let bytes = match random.below(2) {
                    0 => query(name, rtype),
                    _ => query_edns(name, rtype, 1232),
                };
                let ours = ours(&snapshot, source, &bytes, coredns.any);
                let theirs = theirs(coredns.address, source, &bytes, ours.is_none());
                asked += 1;
                telling += usize::from(ours.as_ref().is_some_and(|r| !r.answer.is_empty()));
                if shown(&ours) != shown(&theirs) {
                    let id = &suite.id;
                    failures.push(format!(
                        "{id}: {name} {rtype} from {source}\n  CoreDNS   {}\n  tenantdns {}",
                        shown(&theirs),
                        shown(&ours)
                    ));
                }
            }
        }
    }
    println!("{asked} questions, {telling} of them answered with records");
    let few: Vec<&String> = failures.iter().take(40).collect();
    assert!(
        failures.is_empty(),
        "{} differ of {asked}\n{few:#?}",
        failures.len()
    );
    assert!(
        asked > 5_000 && telling > 500,
        "{asked} asked, {telling} with records"
    );
}

/// A response in a form that is equal where it means the same: names without letter case, records in
/// any order.
fn shown(response: &Option<Response>) -> String {
    let Some(response) = response else {
        return "nothing".to_owned();
    };
    let sorted = |lines: &[String]| {
        let lines = lines.iter().filter(|line| !line.contains(" OPT "));
        let mut lines: Vec<String> = lines.map(|line| line.to_ascii_lowercase()).collect();
        lines.sort();
        lines.join(" | ")
    };
    let flags = [
        (response.aa, "aa"),
        (response.ra, "ra"),
        (response.rd, "rd"),
        (response.tc, "tc"),
    ];
    let flags: Vec<&str> = flags.iter().filter(|f| f.0).map(|f| f.1).collect();
    format!(
        "{} {flags:?} [{}] [{}] [{}]",
        response.rcode,
        sorted(&response.answer),
        sorted(&response.authority),
        sorted(&response.additional)
    )
}

fn ours(
    snapshot: &Snapshot,
    source: IpAddr,
    bytes: &[u8],
    upstream: SocketAddr,
) -> Option<Response> {
    ours_with(snapshot, source, bytes, upstream, 0)
}

fn ours_with(
    snapshot: &Snapshot,
    source: IpAddr,
    bytes: &[u8],
    upstream: SocketAddr,
    entropy: u64,
) -> Option<Response> {
    let request = Request {
        entropy,
        ..request(source, Transport::Udp, bytes)
    };
    let mut out = vec![0; 65_535];
    let mut said: Vec<(Plan, Option<Vec<u8>>)> = Vec::new();
    let mut outcome = respond(snapshot, &request, &mut out);
    while let Outcome::Ask(plan) = outcome {
        assert!(said.len() < MAX_ASKS);
        let name = format!("{:?}", plan.qname);
        let mut question = query(&name, plan.qtype);
        if let Some(flags) = plan.changes.flags {
            question[2..4].copy_from_slice(&flags.bits().to_be_bytes());
        }
        let reply = over_tcp(upstream, &question);
        said.push((*plan, Some(reply)));
        let replies: Vec<_> = said
            .iter()
            .map(|(plan, reply)| Replied {
                plan,
                reply: reply.as_deref(),
            })
            .collect();
        outcome = resume(snapshot, &request, &replies, &mut out);
    }
    match outcome {
        Outcome::Reply(length, _) => Some(decode(&out[..length])),
        Outcome::Drop(_) => None,
        other => panic!("{other:?}"),
    }
}

/// What CoreDNS says over UDP; nothing where it says nothing for as long as it takes to say that to
/// be sure, which is waited for only where that is expected.
fn theirs(
    server: SocketAddr,
    source: IpAddr,
    bytes: &[u8],
    may_be_silent: bool,
) -> Option<Response> {
    let socket = UdpSocket::bind((source, 0)).unwrap();
    socket.connect(server).unwrap();
    let patience = if may_be_silent { 300 } else { 10_000 };
    socket
        .set_read_timeout(Some(Duration::from_millis(patience)))
        .unwrap();
    socket.send(bytes).unwrap();
    let mut reply = [0; 4096];
    let length = socket.recv(&mut reply).ok()?;
    Some(decode(&reply[..length]))
}

fn over_tcp(server: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length, bytes].concat()).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply).unwrap();
    reply
}

/// Questions to each server: of that many, one that has 255 times the weight of the others comes first in
/// nearly all.
const DRAWS: usize = 60;

#[test]
fn addresses_stand_first_as_with_coredns() {
    let Some(peers) = peers() else { return };
    let folder = crate::process::Folder::new("weights");
    let weights = "a.example\n192.0.2.2 255\nwww.up.test\n192.0.2.34 255\n";
    let file = folder.write("weights", weights);
    let weighted = (
        format!("loadbalance weighted {}", file.display()),
        "[block.loadbalance]\npolicy = \"weighted\"\nfile = \"-\"\n",
    );
    let preferred = (
        "loadbalance {\n prefer 192.0.2.2/32 192.0.2.34/32 2001:db8::/32\n prefer 192.0.2.0/30\n }"
            .to_owned(),
        "[block.loadbalance]\nprefer = [\"192.0.2.2/32\", \"192.0.2.34/32\", \"2001:db8::/32\", \"192.0.2.0/30\"]\n",
    );
    for (words, toml) in [weighted, preferred] {
        let hosts = "192.0.2.1 a.example\n 192.0.2.2 a.example\n 192.0.2.77 a.example\n";
        let corefile = format!(
            ".:{{$DNS_PORT}} {{\n bind 127.0.0.1\n ready 127.0.0.1:{{$READY_PORT}}\n {words}\n \
             hosts /dev/null {{\n {hosts} fallthrough\n }}\n forward . 127.0.0.1:{{$ANY_PORT}}\n}}\n{UPSTREAM}"
        );
        let coredns = CoreDns::start(&peers, &corefile);
        let config = format!(
            "[tenancy]\nmode = \"off\"\n[[block]]\nzones = [\".\"]\n{toml}[block.hosts]\n\
             inline = [\"192.0.2.1 a.example\", \"192.0.2.2 a.example\", \"192.0.2.77 a.example\"]\n\
             fallthrough = [\".\"]\n"
        );
        let mut cluster = Cluster::new("", &config);
        cluster.config.blocks[0].forward = vec![ForwardOptions::new(Name::root(), UpstreamId(0))];
        let mut index = cluster.index();
        let files: Vec<_> = index.chain().weight_files().map(|(id, _)| id).collect();
        for id in files {
            index.set_weights(id, WeightTable::parse(weights).unwrap().into());
        }
        let snapshot = index.snapshot(1);
        let source = IpAddr::from([127, 0, 0, 1]);
        for (name, first) in [("a.example.", "192.0.2.2"), ("www.up.test.", "192.0.2.34")] {
            let bytes = query(name, RType::A);
            let mut counts = [0; 2];
            for entropy in 0..DRAWS as u64 {
                let ours = ours_with(&snapshot, source, &bytes, coredns.any, entropy);
                let theirs = theirs(coredns.address, source, &bytes, false);
                for (count, response) in counts.iter_mut().zip([ours, theirs]) {
                    let answer = response.unwrap().answer;
                    assert!(answer.len() > 1, "{answer:?}");
                    *count += usize::from(answer[0].ends_with(&format!(" A {first}")));
                }
            }
            // The chance of a draw like that is less than one in a hundred million.
            let least = if words.contains("prefer") {
                DRAWS
            } else {
                DRAWS - 8
            };
            assert!(
                counts.iter().all(|count| *count >= least),
                "{words}: {name}: {counts:?}"
            );
        }
    }
}
