//! The attack checklist (tests/cases/attacks.yaml): what a pod of one tenant may learn of another.
//!
//! [`Server`] is how a question reaches the server, so that the same rows can be put to sockets.

use crate::decode::{Response, decode};
use crate::live::Live;
use crate::noninterference::{visible_objects, without_question};
use crate::random::{Picker, reverse};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tenantdns::answer::{Outcome, Transport, respond};
use tenantdns::chain::{ForwardOptions, UpstreamId};
use tenantdns::model::{Object, ServiceKind};
use tenantdns::observe::{self, Sort, observe};
use tenantdns::testing::{Cluster, ask, query, query_edns, request, transfer};
use tenantdns::wire::{Name, RType};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) totals: Totals,
    clients: BTreeMap<String, IpAddr>,
    settings: BTreeMap<String, String>,
    fixture: String,
    extras: BTreeMap<String, String>,
    pub(crate) rows: Vec<Row>,
}

#[derive(Deserialize)]
pub(crate) struct Totals {
    pub(crate) rows: usize,
    pub(crate) later: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) id: String,
    attack: String,
    #[serde(default)]
    pub(crate) later: Option<String>,
    #[serde(default)]
    pub(crate) checks: Vec<Check>,
    #[serde(default)]
    pub(crate) tests: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    ask: Vec<String>,
    #[serde(default = "attackers")]
    from: Vec<String>,
    #[serde(default = "both")]
    wildcards: Vec<String>,
    #[serde(default = "default_settings")]
    settings: String,
    #[serde(default)]
    with: Vec<String>,
    #[serde(default = "yes")]
    synced: bool,
    #[serde(default)]
    opcode: u8,
    expect: String,
    #[serde(default)]
    rcode: Option<String>,
    #[serde(default)]
    answer: Vec<String>,
    #[serde(default)]
    additional: Option<Vec<String>>,
    #[serde(default = "yes")]
    shown: bool,
    #[serde(default = "owner")]
    seen_by: String,
}

fn attackers() -> Vec<String> {
    vec!["attacker".into(), "attacker6".into()]
}

fn both() -> Vec<String> {
    vec!["filtered".into(), "off".into()]
}

fn default_settings() -> String {
    "default".into()
}

fn owner() -> String {
    "b".into()
}

fn yes() -> bool {
    true
}

const TEXT: &str = include_str!("../cases/attacks.yaml");

pub(crate) fn load() -> File {
    serde_saphyr::from_str(TEXT).expect("tests/cases/attacks.yaml")
}

/// The same with pods' addresses on loopback, where sockets can have them.
fn load_for_sockets() -> File {
    let mut text = TEXT.to_owned();
    for (pods, loopback) in [
        ("10.244.", "127.244."),
        ("10-244-", "127-244-"),
        (".244.10.in-addr", ".244.127.in-addr"),
    ] {
        text = text.replace(pods, loopback);
    }
    serde_saphyr::from_str(&text).expect("tests/cases/attacks.yaml")
}

fn toml(kubernetes: &str, mode: &str, wildcard: &str) -> String {
    format!(
        "[tenancy]\nmode = {mode:?}\nwildcard = {wildcard:?}\nsoa_serial = \"static\"\n\
         tenant_from = [{{ label = \"tenant\" }}]\nshared = {{ namespaces = [\"shared\"] }}\n\
         [kubernetes]\n{kubernetes}\n"
    )
}

impl File {
    fn is_for_sockets(&self) -> bool {
        self.clients["attacker"].is_loopback()
    }

    fn cluster(&self, check: &Check, mode: &str, wildcard: &str) -> Cluster {
        let extras = check.with.iter().map(|name| match self.extras.get(name) {
            Some(extra) => extra.as_str(),
            None => panic!("no extra objects are called {name}"),
        });
        let manifests: Vec<&str> = [self.fixture.as_str()].into_iter().chain(extras).collect();
        let config = toml(&self.settings[&check.settings], mode, wildcard);
        let mut cluster = Cluster::new(&manifests.join("\n---\n"), &config);
        cluster.synced = check.synced;
        // Nobody is waited for who will never be known.
        cluster.config.server.unknown_wait = Duration::ZERO;
        cluster.own_addresses(&[self.clients["server"]])
    }

    fn plain(&self, mode: &str, extras: &[&str]) -> Cluster {
        let check = Check {
            ask: Vec::new(),
            from: Vec::new(),
            wildcards: Vec::new(),
            settings: default_settings(),
            with: extras.iter().map(|e| (*e).to_owned()).collect(),
            synced: true,
            opcode: 0,
            expect: String::new(),
            rcode: None,
            answer: Vec::new(),
            additional: None,
            shown: true,
            seen_by: owner(),
        };
        self.cluster(&check, mode, "auto")
    }
}

// === transport ===

/// A server that serves one cluster: takes a message from an address, and gives the reply.
#[derive(Clone)]
struct Server(Arc<Exchange>);

type Exchange = dyn Fn(IpAddr, Transport, &[u8]) -> Option<Vec<u8>> + Send + Sync;

impl Server {
    fn in_process(cluster: &Cluster) -> Self {
        let snapshot = cluster.snapshot();
        Self(Arc::new(move |source, transport, bytes| {
            ask(&snapshot, source, transport, bytes)
        }))
    }

    fn of_sockets(cluster: &Cluster) -> Self {
        let live = Mutex::new(Live::start(cluster));
        Self(Arc::new(move |source, transport, bytes| {
            Some(live.lock().unwrap().ask(source, transport, bytes))
        }))
    }

    fn ask(&self, source: IpAddr, transport: Transport, bytes: &[u8]) -> Vec<u8> {
        (self.0)(source, transport, bytes).expect("a reply")
    }

    fn decoded(&self, source: IpAddr, question: &Question) -> Response {
        decode(&self.ask(
            source,
            Transport::Tcp,
            &query(&question.name, question.rtype),
        ))
    }
}

// === questions ===

#[derive(Debug, Clone)]
struct Question {
    name: String,
    rtype: RType,
}

impl Question {
    /// Reads `TYPE name`; a name without a dot at the end is in cluster.local.
    fn parse(text: &str) -> Self {
        let (rtype, name) = text.split_once(' ').expect(text);
        let name = match name {
            "." => "cluster.local.".to_owned(),
            absolute if absolute.ends_with('.') => absolute.to_owned(),
            relative => format!("{relative}.cluster.local."),
        };
        Self {
            name,
            rtype: rtype.parse().unwrap(),
        }
    }

    fn at(&self, name: String) -> Self {
        Self {
            name,
            rtype: self.rtype,
        }
    }

    /// Returns every form in which the question is put.
    fn forms(&self, opcode: u8) -> Vec<(Transport, Vec<u8>)> {
        let plain = query(&self.name, self.rtype);
        let mut flags = query_edns(&self.name, self.rtype, 1232);
        // AD and CD; and DO.
        flags[3] |= 0x30;
        let at = flags.len() - 4;
        flags[at] |= 0x80;
        let mut norecurse = plain.clone();
        norecurse[2] &= !1;
        let mut options = query_edns(&self.name, self.rtype, 1232);
        // NSID, a cookie, padding, a local option.
        let rdata = [
            &[0, 3, 0, 0][..],
            &[0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8],
            &[0, 12, 0, 4, 0, 0, 0, 0],
            &[253, 233, 0, 2, b'b', b'1'],
        ]
        .concat();
        let at = options.len() - 2;
        options[at..].copy_from_slice(&u16::try_from(rdata.len()).unwrap().to_be_bytes());
        options.extend(rdata);
        let mut forms = vec![
            (Transport::Udp, plain.clone()),
            (Transport::Udp, query_edns(&self.name, self.rtype, 512)),
            (Transport::Udp, query_edns(&self.name, self.rtype, 1232)),
            (Transport::Udp, query_edns(&self.name, self.rtype, 4096)),
            (Transport::Udp, flags.clone()),
            (Transport::Udp, norecurse),
            (Transport::Udp, options.clone()),
            (Transport::Tcp, plain),
            (Transport::Tcp, flags),
            (Transport::Tcp, options),
        ];
        forms
            .iter_mut()
            .for_each(|(_, form)| form[2] |= opcode << 3);
        forms
    }
}

const ZONES: [&str; 5] = [
    "cluster.local",
    "clusterset.local",
    "alias.test",
    "rewritten.test",
    OUTSIDE,
];
/// Where services are reached from outside. No label tells services from pods there.
const OUTSIDE: &str = "lb.test";

/// Returns a name of the same shape that no cluster of the tests holds: other letters for the
/// namespace and the service, another address for a reverse name.
fn twin(name: &str, wildcards: bool, used: &BTreeSet<IpAddr>, picker: &mut Picker) -> String {
    let labels: Vec<&str> = name.trim_end_matches('.').split('.').collect();
    let lower = name.to_lowercase();
    if lower.ends_with("in-addr.arpa.") || lower.ends_with("ip6.arpa.") {
        return reverse_twin(&labels, used, picker);
    }
    let zone = ZONES
        .iter()
        .find(|z| lower.trim_end_matches('.').ends_with(*z));
    let below = labels.len() - zone.expect(name).split('.').count();
    let wild = |label: &str| wildcards && (label == "*" || label == "any");
    // Labels count from the zone: `svc`, the namespace, the service.
    let is_outside = zone == Some(&OUTSIDE);
    let at = |from_zone: usize| below.checked_sub(from_zone - usize::from(is_outside));
    let of_one = at(2).filter(|&i| !wild(labels[i]));
    let of_all = at(3).filter(|&i| !wild(labels[i]) && of_one.is_none());
    let port = at(5).filter(|_| of_one.is_none() && of_all.is_none());
    let changed = of_one.or(of_all).or(port);
    let changed = changed.unwrap_or_else(|| panic!("{name} has no twin"));
    let twin = labels.iter().enumerate().map(|(i, label)| {
        if i != changed {
            return (*label).to_owned();
        }
        let mut rest = label.chars();
        let mut letters = String::new();
        while let Some(c) = rest.next() {
            if c == '\\' {
                // `\DDD` is one octet.
                rest.nth(2).unwrap();
            }
            letters.push(if c == '_' {
                c
            } else {
                *picker.pick(&['q', 'w', 'z'])
            });
        }
        letters
    });
    format!("{}.", twin.collect::<Vec<_>>().join("."))
}

fn reverse_twin(labels: &[&str], used: &BTreeSet<IpAddr>, picker: &mut Picker) -> String {
    let digits: &[char] = if labels.contains(&"ip6") {
        &['3', '5', '7', 'b', 'd']
    } else {
        &['1', '2', '3', '4', '5', '6', '7', '8', '9']
    };
    let used: BTreeSet<String> = used.iter().map(|a| reverse(*a)).collect();
    loop {
        let twin: Vec<String> = labels
            .iter()
            .enumerate()
            .map(|(at, label)| {
                if at + 2 >= labels.len() {
                    return (*label).to_owned();
                }
                // At most 199 per label, and no zero in front.
                let of = |(at, _)| match (at, label.len()) {
                    (0, 3) => '1',
                    _ => *picker.pick(digits),
                };
                label.char_indices().map(of).collect()
            })
            .collect();
        let twin = format!("{}.", twin.join("."));
        // Neither an address that something has, nor a name on the way to one.
        if !used
            .iter()
            .any(|name| name.ends_with(&format!(".{twin}")) || *name == twin)
        {
            return twin;
        }
    }
}

/// Every address that an object of a cluster names.
fn used(objects: &[Object]) -> BTreeSet<IpAddr> {
    let of = |object: &Object| match object {
        Object::Service(service) => match &service.kind {
            ServiceKind::ClusterIp(list) => list.clone(),
            _ => Vec::new(),
        },
        Object::EndpointSlice(slice) => {
            let all = slice.endpoints.iter().flat_map(|e| e.addresses.iter());
            all.collect()
        }
        Object::Pod(pod) => pod.pod_ips.clone(),
        Object::Node(node) => node.addresses.clone(),
        _ => Vec::new(),
    };
    objects.iter().flat_map(of).collect()
}

// === judging ===

struct Judge<'a> {
    check: &'a Check,
    wildcard: &'a str,
    enforced: Server,
    off: Server,
    used: BTreeSet<IpAddr>,
    objects: Vec<Object>,
    clients: &'a BTreeMap<String, IpAddr>,
    picker: Picker,
    asked: usize,
}

type Verdict = Result<(), String>;

impl Judge<'_> {
    fn judge(&mut self, source: IpAddr, question: &Question) -> Verdict {
        let expect = self.check.expect.as_str();
        match expect {
            "absent" => self.absent(source, question),
            "alone" => self.alone(source, question),
            "records" => self.records(source, question),
            "nodata" => self.each(source, question, |reply| {
                let soa = reply.authority.len() == 1 && reply.authority[0].contains(" SOA ");
                reply.rcode == "NOERROR" && reply.aa && soa && is_bare(reply)
            }),
            _ => match expect.strip_prefix("like ") {
                Some(name) => {
                    let other = Question::parse(&format!("A {name}")).name;
                    self.like(source, question, &question.at(other))
                }
                None => self.each(source, question, |reply| {
                    reply.rcode == expect
                        && !reply.aa
                        && reply.authority.is_empty()
                        && is_bare(reply)
                }),
            },
        }
    }

    fn each(
        &mut self,
        source: IpAddr,
        question: &Question,
        holds: impl Fn(&Response) -> bool,
    ) -> Verdict {
        for (transport, bytes) in question.forms(self.check.opcode) {
            self.asked += 1;
            let reply = decode(&self.enforced.ask(source, transport, &bytes));
            if !holds(&reply) {
                return Err(format!("{transport:?} {reply:?}"));
            }
        }
        Ok(())
    }

    fn absent(&mut self, source: IpAddr, question: &Question) -> Verdict {
        let rcode = self.check.rcode.as_deref().unwrap_or("NXDOMAIN");
        for _ in 0..3 {
            let name = twin(
                &question.name,
                self.wildcard == "filtered",
                &self.used,
                &mut self.picker,
            );
            assert_ne!(name, question.name, "a twin is another name");
            self.equal(&self.enforced, source, question, &question.at(name))?;
        }
        self.each(source, question, |reply| {
            reply.rcode == rcode && is_bare(reply)
        })?;
        if !self.check.shown {
            return Ok(());
        }
        let shown = self.off.decoded(source, question);
        if shown.rcode != "NOERROR" {
            return Err(format!("nothing shows where tenancy is off: {shown:?}"));
        }
        let Some(&owner) = self.clients.get(&self.check.seen_by) else {
            return Ok(());
        };
        let (seen, off) = (
            self.enforced.decoded(owner, question),
            self.off.decoded(owner, question),
        );
        match seen == off || self.wildcard == "filtered" && seen.rcode == "NOERROR" {
            true => Ok(()),
            false => Err(format!("its owner sees {seen:?} and not {off:?}")),
        }
    }

    /// Compares the replies to two questions, in every form.
    fn equal(&self, server: &Server, source: IpAddr, a: &Question, b: &Question) -> Verdict {
        for ((transport, one), (_, other)) in a.forms(0).iter().zip(b.forms(0)) {
            let one = server.ask(source, *transport, one);
            let other = server.ask(source, *transport, &other);
            let shown = (decode(&one), decode(&other));
            if without_question(one, &a.name) != without_question(other, &b.name) {
                return Err(format!(
                    "{transport:?} {:?}, but {} is {:?}",
                    shown.0, b.name, shown.1
                ));
            }
        }
        Ok(())
    }

    fn like(&mut self, source: IpAddr, question: &Question, other: &Question) -> Verdict {
        self.asked += 1;
        self.equal(&self.enforced, source, question, other)?;
        let off = self.equal(&self.off, source, question, other);
        match off.is_err() || !self.check.shown {
            true => Ok(()),
            false => Err(format!(
                "{} does not differ where tenancy is off",
                other.name
            )),
        }
    }

    fn alone(&mut self, source: IpAddr, question: &Question) -> Verdict {
        let mut alone = Cluster::of(
            visible_objects(&self.objects, &self.config("enforce"), source),
            &self.config("enforce"),
        );
        alone = alone.own_addresses(&[self.clients["server"]]);
        let alone = Server::in_process(&alone);
        for (transport, bytes) in question.forms(0) {
            self.asked += 1;
            let one = self.enforced.ask(source, transport, &bytes);
            let other = alone.ask(source, transport, &bytes);
            if one != other {
                return Err(format!("{:?}, alone {:?}", decode(&one), decode(&other)));
            }
        }
        let (seen, off) = (
            self.enforced.decoded(source, question),
            self.off.decoded(source, question),
        );
        if seen.answer.is_empty() {
            return Err("nothing to see".into());
        }
        match seen != off || !self.check.shown {
            true => Ok(()),
            false => Err(format!("{seen:?} where tenancy is off too")),
        }
    }

    fn config(&self, mode: &str) -> String {
        toml(&load().settings[&self.check.settings], mode, self.wildcard)
    }

    fn records(&mut self, source: IpAddr, question: &Question) -> Verdict {
        let sorted = |lines: &[String]| {
            let mut lines = lines.to_vec();
            lines.sort();
            lines
        };
        let expected = sorted(&self.check.answer);
        let additional = self.check.additional.clone();
        self.each(source, question, |reply| {
            let additional = additional.as_ref();
            reply.rcode == "NOERROR"
                && reply.aa
                && sorted(&reply.answer) == expected
                && additional.is_none_or(|a| sorted(&reply.additional) == sorted(a))
        })
    }
}

fn is_bare(reply: &Response) -> bool {
    reply.answer.is_empty() && reply.additional.is_empty() && !reply.tc
}

#[test]
fn every_row_of_the_attack_checklist_holds() {
    let asked = every_row_holds(&load(), Server::in_process, |_, _| true);
    assert!(asked >= 10_000, "only {asked} questions");
}

/// Once more through sockets, from addresses on loopback: with one value of `wildcards`, and without
/// what compares records whose order a server turns at random.
#[test]
fn rows_of_the_attack_checklist_hold_over_sockets() {
    let file = load_for_sockets();
    let asked = every_row_holds(&file, Server::of_sockets, |check, wildcard| {
        let first = check.wildcards.first().map(String::as_str) == Some(wildcard);
        let turned = ["alone", "like"]
            .iter()
            .any(|e| check.expect.starts_with(e));
        first && !turned
    });
    assert!(asked >= 3_000, "only {asked} questions");
}

/// Judges every check that is picked, with each value of `wildcards`; returns how many questions were
/// asked.
fn every_row_holds(
    file: &File,
    serve: impl Fn(&Cluster) -> Server,
    picked: impl Fn(&Check, &str) -> bool,
) -> usize {
    let (mut failures, mut asked) = (Vec::new(), 0);
    let mut servers = BTreeMap::new();
    let mut server = |check: &Check, mode: &str, wildcard: &str| {
        let Check {
            settings,
            with,
            synced,
            ..
        } = check;
        let key = format!("{mode} {wildcard} {settings} {with:?} {synced}");
        let start = || serve(&file.cluster(check, mode, wildcard));
        servers.entry(key).or_insert_with(start).clone()
    };
    for row in &file.rows {
        for check in &row.checks {
            for wildcard in check.wildcards.iter().filter(|w| picked(check, w)) {
                let enforced = file.cluster(check, "enforce", wildcard);
                let mut judge = Judge {
                    check,
                    wildcard,
                    enforced: server(check, "enforce", wildcard),
                    off: server(check, "off", wildcard),
                    used: used(&enforced.objects),
                    objects: enforced.objects,
                    clients: &file.clients,
                    picker: Picker::new(1),
                    asked: 0,
                };
                for text in &check.ask {
                    let question = Question::parse(text);
                    for client in &check.from {
                        let source = file.clients[client];
                        // Only IPv4 has more than one loopback address.
                        if file.is_for_sockets() && source.is_ipv6() {
                            continue;
                        }
                        if let Err(why) = judge.judge(source, &question) {
                            failures.push(format!(
                                "{} ({}) {text} from {client}, wildcards {wildcard}: {}: {why}",
                                row.id, row.attack, check.expect
                            ));
                        }
                    }
                }
                asked += judge.asked;
            }
        }
    }
    // Each takes a moment to end.
    thread::scope(|scope| {
        for (_, server) in servers {
            scope.spawn(move || drop(server));
        }
    });
    assert!(
        failures.is_empty(),
        "{} failures\n{}",
        failures.len(),
        failures.join("\n")
    );
    asked
}

// === rows that are code ===

fn attacker() -> IpAddr {
    "10.244.1.5".parse().unwrap()
}

#[test]
fn e05_a_refused_transfer_says_nothing_of_the_name() {
    let server = Server::in_process(&load().plain("enforce", &[]));
    for rtype in [RType::AXFR, RType::IXFR] {
        for (name, other) in [
            ("b1.svc.cluster.local.", "q1.svc.cluster.local."),
            ("db.b1.svc.cluster.local.", "no.q1.svc.cluster.local."),
            ("2.96.10.in-addr.arpa.", "7.33.10.in-addr.arpa."),
        ] {
            let replies = [name, other].map(|name| {
                let reply = server.ask(attacker(), Transport::Tcp, &query(name, rtype));
                without_question(reply, name)
            });
            assert_eq!(replies[0], replies[1], "{rtype} {name}");
        }
    }
}

#[test]
fn e05_a_secondary_is_given_what_it_may_see() {
    let file = load();
    let table = |to: &str| format!("[transfer]\nto = [{to}]\n");
    let zone = query("cluster.local.", RType::AXFR);
    let given = |mode: &str, to: &str, source: IpAddr| {
        let config = format!("{}{}", toml("", mode, "auto"), table(to));
        let cluster = Cluster::new(&file.fixture, &config);
        let cluster = cluster.own_addresses(&[file.clients["server"]]);
        crate::transfer::records(&transfer(&cluster.snapshot(), source, &zone), true)
    };
    let names = |records: &[String]| -> BTreeSet<String> {
        let owners = records.iter().filter_map(|rr| rr.split(' ').next());
        owners.map(str::to_owned).collect()
    };
    let hidden = |name: &String| [".b1.svc.", ".u1.svc."].iter().any(|ns| name.contains(ns));
    // Control: where tenancy is off, they are there.
    let all = given("off", "\"*\"", attacker()).unwrap();
    assert!(names(&all).iter().filter(|name| hidden(name)).count() > 5);
    let own = given("enforce", "\"*\"", attacker()).unwrap();
    assert_eq!(names(&own).iter().find(|name| hidden(name)), None);
    assert!(names(&own).contains("web.a1.svc.cluster.local."));
    // To be named is no right to see more.
    let named = given("enforce", "\"10.244.1.5\"", attacker()).unwrap();
    assert_eq!(named, own);
    // Others get nothing, and neither does who is nobody, named or not.
    let b = file.clients["b"];
    assert_eq!(given("enforce", "\"10.244.1.5\"", b), Err("REFUSED".into()));
    let nobody: IpAddr = "198.51.100.77".parse().unwrap();
    for to in ["\"*\"", "\"198.51.100.77\""] {
        assert_eq!(given("enforce", to, nobody), Err("REFUSED".into()), "{to}");
    }
}

#[test]
fn e12_a_second_block_shows_no_more() {
    let file = load();
    let config = |mode| {
        format!(
            "{}[[block]]\nzones = [\"other.test\"]\n[block.kubernetes]\nzones = [\"other.test\"]\n",
            toml("", mode, "auto")
        )
    };
    let server = |mode| Server::in_process(&Cluster::new(&file.fixture, &config(mode)));
    let (enforced, off) = (server("enforce"), server("off"));
    let question = |name: &str| Question {
        name: name.to_owned(),
        rtype: RType::A,
    };
    let (hidden, absent) = (
        question("db.b1.svc.other.test."),
        question("db.q1.svc.other.test."),
    );
    assert_eq!(off.decoded(attacker(), &hidden).answer.len(), 1);
    let replies = [&hidden, &absent].map(|q| {
        let reply = enforced.ask(attacker(), Transport::Udp, &query(&q.name, q.rtype));
        without_question(reply, &q.name)
    });
    assert_eq!(replies[0], replies[1]);
    let own = enforced.decoded(attacker(), &question("solo.a1.svc.other.test."));
    assert_eq!(own.answer, ["solo.a1.svc.other.test. 5 A 10.96.1.2"]);
}

#[test]
fn e14_a_dictionary_of_namespaces_finds_what_is_visible_alone() {
    let snapshot = load().plain("enforce", &[]).snapshot();
    let mut out = vec![0; 1232];
    let mut found = BTreeSet::new();
    let letters: Vec<char> = ('a'..='z').chain('0'..='9').collect();
    let mut words: Vec<String> = ["default", "shared", "kube-system", "kube-public", "svc"]
        .map(str::to_owned)
        .to_vec();
    for &a in &letters {
        for &b in &letters {
            words.push(format!("{a}{b}"));
            words.extend(letters.iter().map(|c| format!("{a}{b}{c}")));
            words.extend(letters.iter().map(|c| format!("team-{a}{b}{c}")));
        }
    }
    words.extend((0..6_000).map(|n| format!("customer-{n:05}")));
    let (first, mut gatherer) = observe(observe::Options::default(), 1);
    let mut witness = first.next();
    let mut denials: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    for word in &words {
        let name = format!("{word}.svc.cluster.local.");
        let bytes = query(&name, RType::A);
        let request = request(attacker(), Transport::Udp, &bytes);
        let Outcome::Reply(len, verdict) = respond(&snapshot, &request, &mut out) else {
            panic!("no reply to {name}");
        };
        witness.saw(&snapshot, &request, &verdict);
        if out[3] & 15 != 3 {
            found.insert(word.as_str());
            continue;
        }
        let reply = without_question(out[..len].to_vec(), &name);
        let denial = denials.entry(word.len()).or_insert_with(|| reply.clone());
        assert_eq!(*denial, reply, "{name}");
    }
    assert!(words.len() >= 100_000, "only {} words", words.len());
    // `any` is a wildcard, which every namespace that is seen matches.
    let visible = ["a1", "a2", "any", "default", "kube-system", "shared"];
    assert_eq!(found.into_iter().collect::<Vec<_>>(), visible);
    let suspected = gatherer.gather(&snapshot, 0).suspicions;
    let suspected: Vec<_> = suspected
        .iter()
        .map(|it| (it.client, it.sort, it.namespace.as_deref()))
        .collect();
    assert_eq!(suspected, [(attacker(), Sort::Absent, Some("a1"))]);
}

#[test]
fn o02_insecure_pod_names_are_refused_where_enforced() {
    use tenantdns::config::Config;
    let text = |mode| toml("pods = \"insecure\"", mode, "auto");
    let error = Config::from_toml(&text("enforce"), "test.toml").unwrap_err();
    assert!(error.to_string().contains("insecure"), "{error}");
    assert!(Config::from_toml(&text("off"), "test.toml").is_ok());
}

#[test]
fn o06_a_denial_has_neither_an_extended_error_nor_an_option() {
    let server = Server::in_process(&load().plain("enforce", &[]));
    let question = Question::parse("A db.b1.svc");
    for (transport, bytes) in question.forms(0) {
        let reply = server.ask(attacker(), transport, &bytes);
        let asked_with_opt = bytes[11] == 1;
        assert_eq!(reply[11] == 1, asked_with_opt);
        if asked_with_opt {
            let [.., high, low] = reply.as_slice() else {
                panic!("{reply:?}");
            };
            // The last record is OPT, and the last field of a bare one is the length of its data.
            assert_eq!(&reply[reply.len() - 11..reply.len() - 8], [0, 0, 41]);
            assert_eq!([*high, *low], [0, 0], "{reply:02x?}");
        }
        assert_eq!(reply[3] & 0xa0, 0, "neither RA nor AD");
    }
}

#[test]
fn o07_truncation_comes_from_visible_records() {
    let file = load();
    let many = |namespace: &str, range: u8, count: u8| {
        let endpoints: Vec<String> = (1..=count)
            .map(|n| format!("{{addresses: [10.245.{range}.{n}]}}"))
            .collect();
        format!(
            "{{apiVersion: v1, kind: Service, metadata: {{namespace: {namespace}, name: many}}, \
             spec: {{clusterIP: None, ports: [{{name: p, protocol: TCP, port: 1}}]}}}}\n---\n\
             {{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: \
             {{namespace: {namespace}, name: many-1, labels: {{kubernetes.io/service-name: many}}}}, \
             endpoints: [{}], ports: [{{name: p, protocol: TCP, port: 1}}]}}\n---\n{}",
            endpoints.join(", "),
            file.fixture
        )
    };
    // 20 addresses fit into 512 octets, 60 into 1,232, 120 into neither.
    for (own, hidden, at_512, at_1232) in [
        (20, 120, false, false),
        (60, 0, true, false),
        (60, 120, true, false),
        (120, 0, true, true),
    ] {
        let mut objects = Cluster::new(&many("a1", 1, own), "").objects;
        objects.extend(Cluster::new(&many("b1", 2, hidden), "").objects);
        let cluster = Cluster::of(objects, &toml("", "enforce", "filtered"));
        let server = Server::in_process(&cluster);
        for name in ["many.a1", "many.*", "*.a1"] {
            let name = format!("{name}.svc.cluster.local.");
            let more = usize::from(name.starts_with('*')) * 3;
            for (payload, truncated) in [(512, at_512), (1232, at_1232)] {
                let bytes = query_edns(&name, RType::A, payload);
                let reply = server.ask(attacker(), Transport::Udp, &bytes);
                assert!(reply.len() <= usize::from(payload));
                assert_eq!(
                    decode(&reply).tc,
                    truncated,
                    "{name} {own} {hidden} {payload}"
                );
            }
            let whole = server.ask(attacker(), Transport::Tcp, &query(&name, RType::A));
            assert_eq!(
                decode(&whole).answer.len(),
                usize::from(own) + more,
                "{name}"
            );
        }
        let hidden_name = Question::parse("A many.b1.svc");
        let reply = server.decoded(attacker(), &hidden_name);
        assert_eq!((reply.rcode.as_str(), reply.tc), ("NXDOMAIN", false));
    }
}

#[test]
fn o10_an_update_with_prerequisites_says_nothing_of_the_names() {
    let server = Server::in_process(&load().plain("enforce", &[]));
    let update = |name: &str| {
        // Zone cluster.local; prerequisite: the name is in use (class ANY, type ANY).
        let mut bytes = query("cluster.local.", RType::SOA);
        bytes[2] = 5 << 3;
        bytes[7] = 1;
        bytes.extend(name.parse::<Name>().unwrap().as_wire());
        bytes.extend([0, 255, 0, 255, 0, 0, 0, 0, 0, 0]);
        server.ask(attacker(), Transport::Tcp, &bytes)
    };
    let (hidden, absent) = (
        update("db.b1.svc.cluster.local."),
        update("no.q1.svc.cluster.local."),
    );
    assert_eq!(hidden, absent);
    assert_eq!(decode(&hidden).rcode, "NOTIMP");
}

#[test]
fn o12_hidden_and_absent_names_take_the_same_next_step() {
    let file = load();
    let snapshot = |mode| {
        let config = toml(&file.settings["fallthrough"], mode, "auto");
        let mut cluster = Cluster::new(&file.fixture, &config);
        let up = ForwardOptions::new(Name::root(), UpstreamId(0));
        cluster.config.blocks[0].forward.push(up);
        cluster.snapshot()
    };
    let (enforced, off) = (snapshot("enforce"), snapshot("off"));
    let asks = |snapshot, name: &str, rtype| {
        let bytes = query(name, rtype);
        let mut out = vec![0; 65_535];
        match respond(
            snapshot,
            &request(attacker(), Transport::Udp, &bytes),
            &mut out,
        ) {
            Outcome::Ask(plan) => {
                plan.qname.as_wire() == name.parse::<Name>().unwrap().as_wire()
                    && plan.qtype == rtype
                    && plan.upstream == UpstreamId(0)
            }
            _ => false,
        }
    };
    for (name, absent, rtype) in [
        (
            "db.b1.svc.cluster.local.",
            "no.q1.svc.cluster.local.",
            RType::A,
        ),
        ("b1.svc.cluster.local.", "q1.svc.cluster.local.", RType::A),
        (
            "1.2.96.10.in-addr.arpa.",
            "9.9.96.10.in-addr.arpa.",
            RType::PTR,
        ),
        (
            "10.2.244.10.in-addr.arpa.",
            "99.9.244.10.in-addr.arpa.",
            RType::PTR,
        ),
    ] {
        assert!(asks(&enforced, name, rtype), "{name}");
        assert!(asks(&enforced, absent, rtype), "{absent}");
        assert!(!asks(&off, name, rtype), "{name} where tenancy is off");
    }
    assert!(!asks(&enforced, "web.a1.svc.cluster.local.", RType::A));
}

#[test]
fn i8_before_the_first_sync_every_name_is_servfail_alike() {
    let file = load();
    let server = |mode| {
        let mut cluster = file.plain(mode, &[]);
        cluster.synced = false;
        Server::in_process(&cluster)
    };
    let (enforced, off) = (server("enforce"), server("off"));
    for source in file
        .clients
        .values()
        .chain([&"203.0.113.9".parse().unwrap()])
    {
        for (name, other) in [
            ("web.a1.svc.cluster.local.", "nop.q1.svc.cluster.local."),
            ("db.b1.svc.cluster.local.", "aa.zz.zzz.cluster.local."),
            ("1.1.96.10.in-addr.arpa.", "1.9.33.10.in-addr.arpa."),
        ] {
            let forms = [name, other].map(|name| {
                let question = Question {
                    name: name.to_owned(),
                    rtype: RType::A,
                };
                question.forms(0)
            });
            for ((transport, one), (_, two)) in forms[0].iter().zip(&forms[1]) {
                let one_reply = enforced.ask(*source, *transport, one);
                let two_reply = enforced.ask(*source, *transport, two);
                if one[11] == 1 {
                    // OPT with one option: EDE 14, "Not Ready".
                    assert!(
                        one_reply.ends_with(&[0, 6, 0, 15, 0, 2, 0, 14]),
                        "{one_reply:?}"
                    );
                }
                assert_eq!(one_reply[3] & 15, 2);
                assert_eq!(
                    without_question(one_reply, name),
                    without_question(two_reply, other)
                );
            }
        }
    }
    // Out of the zone nothing waits for a sync; where tenancy is off, what has been read answers.
    let outside = Question::parse("A example.org.");
    assert_eq!(enforced.decoded(attacker(), &outside).rcode, "REFUSED");
    let own = off.decoded(attacker(), &Question::parse("A solo.a1.svc"));
    assert_eq!(own.rcode, "NOERROR");
}

/// Asks for the PTR of each address, and returns those that have one; the rest must be alike.
fn sweep(server: &Server, source: IpAddr, addresses: &[IpAddr]) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    let mut denials: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    for address in addresses {
        let name = reverse(*address);
        let reply = server.ask(source, Transport::Udp, &query(&name, RType::PTR));
        let decoded = decode(&reply);
        if decoded.rcode == "NXDOMAIN" {
            let length = reply.len();
            let reply = without_question(reply, &name);
            assert_eq!(
                *denials.entry(length).or_insert_with(|| reply.clone()),
                reply,
                "{name}"
            );
            continue;
        }
        let target = |line: &String| line.rsplit(' ').next().unwrap().to_owned();
        found.insert(
            address.to_string(),
            decoded.answer.iter().map(target).collect(),
        );
    }
    found
}

fn range(first: [u8; 2]) -> Vec<IpAddr> {
    let all = (0..8u8).flat_map(|c| (0..=255u8).map(move |d| (c, d)));
    all.map(|(c, d)| IpAddr::from([first[0], first[1], c, d]))
        .collect()
}

#[test]
fn r01_a_sweep_of_the_service_range_finds_what_is_visible_alone() {
    let file = load();
    let found = sweep(
        &Server::in_process(&file.plain("enforce", &[])),
        attacker(),
        &range([10, 96]),
    );
    let expected = [
        ("10.96.0.1", "kubernetes.default"),
        ("10.96.0.10", "kube-dns.kube-system"),
        ("10.96.1.1", "web.a1"),
        ("10.96.1.2", "solo.a1"),
        ("10.96.1.20", "api.a2"),
        ("10.96.3.1", "registry.shared"),
    ]
    .map(|(address, name)| {
        (
            address.to_owned(),
            vec![format!("{name}.svc.cluster.local.")],
        )
    });
    assert_eq!(found, BTreeMap::from(expected));
    let off = sweep(
        &Server::in_process(&file.plain("off", &[])),
        attacker(),
        &range([10, 96]),
    );
    assert_eq!(off.len(), found.len() + 4, "{off:?}");
}

#[test]
fn r02_a_sweep_of_the_pod_ranges_finds_what_is_visible_alone() {
    let file = load();
    let extras = [
        "b names everybody",
        "b names shared's pod",
        "shared names b's pod",
    ];
    let found = sweep(
        &Server::in_process(&file.plain("enforce", &extras)),
        attacker(),
        &range([10, 244]),
    );
    let expected = [
        ("10.244.0.2", "10-244-0-2.kube-dns.kube-system"),
        ("10.244.1.10", "pod-0.hs.a1"),
        ("10.244.3.10", "cache-0.cache.shared"),
    ]
    .map(|(address, name)| {
        (
            address.to_owned(),
            vec![format!("{name}.svc.cluster.local.")],
        )
    });
    assert_eq!(found, BTreeMap::from(expected));
    let off = sweep(
        &Server::in_process(&file.plain("off", &extras)),
        attacker(),
        &range([10, 244]),
    );
    assert!(off.len() > found.len() + 4, "{off:?}");
}

#[test]
fn c04_a_chain_of_twelve_aliases_has_no_answer() {
    for (length, records) in [(1, 2), (11, 12), (12, 0), (40, 0)] {
        let reply = end_of_a_chain(length, &["cluster.local"]);
        assert_eq!(reply, ("NOERROR".to_owned(), records), "{length}");
    }
}

#[test]
fn c04_a_chain_through_zones_is_cut_at_thirty_three() {
    // Nothing is found at its end then, and the aliases that lead into another zone stay.
    for (length, records) in [(12, 13), (33, 34), (34, 33), (60, 33)] {
        let reply = end_of_a_chain(length, &["cluster.local", "k8s.example"]);
        assert_eq!(reply, ("NOERROR".to_owned(), records), "{length}");
    }
}

/// The response code and the number of records that a chain of so many aliases gives, each of which
/// leads into the next of these zones in turn.
fn end_of_a_chain(length: usize, zones: &[&str]) -> (String, usize) {
    let alias = |at: usize| {
        let target = match at + 1 == length {
            true => "solo".to_owned(),
            false => format!("hop{}", at + 1),
        };
        let zone = zones[(at + 1) % zones.len()];
        format!(
            "---\n{{apiVersion: v1, kind: Service, metadata: {{namespace: a1, name: hop{at}}}, \
             spec: {{type: ExternalName, externalName: {target}.a1.svc.{zone}}}}}\n"
        )
    };
    let aliases: String = (0..length).map(alias).collect();
    let config = toml(&format!("zones = {zones:?}"), "enforce", "auto");
    let server = Server::in_process(&Cluster::new(
        &format!("{}\n{aliases}", load().fixture),
        &config,
    ));
    let reply = server.decoded(attacker(), &Question::parse("A hop0.a1.svc"));
    (reply.rcode, reply.answer.len())
}
