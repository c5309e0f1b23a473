//! Random and broken messages against a cluster with something of everything.

use hickory_proto::op::Message;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tenantdns::answer::{DropReason, MAX_ASKS, Outcome, Plan, Replied, Transport, respond, resume};
use tenantdns::chain::{ForwardOptions, UpstreamId};
use tenantdns::model::Kind;
use tenantdns::snapshot::Snapshot;
use tenantdns::testing::{Cluster, query, query_edns, request};
use tenantdns::wire::{Name, RType};

const MANIFESTS: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {tenantdns.io/tenant: web}}
---
apiVersion: v1
kind: Namespace
metadata: {name: bank}
---
apiVersion: v1
kind: Namespace
metadata: {name: kube-system}
---
apiVersion: v1
kind: Node
metadata: {name: n1}
spec: {podCIDRs: [10.244.0.0/24]}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: p1, namespace: shop}
spec: {nodeName: n1, containers: []}
status: {phase: Running, podIP: 10.244.0.7, podIPs: [{ip: 10.244.0.7}, {ip: "fd00::7"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: p2, namespace: kube-system}
spec: {nodeName: n1, containers: []}
status: {phase: Running, podIP: 10.244.0.2, podIPs: [{ip: 10.244.0.2}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIPs: [10.96.0.1, "fd00:96::1"], ports: [{name: http, port: 80, protocol: TCP}, {name: dns, port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: Service
metadata: {name: any, namespace: shop}
spec: {clusterIPs: [10.96.0.2], ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: secret, namespace: bank}
spec: {clusterIPs: [10.96.0.3], ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec: {clusterIPs: [10.96.0.10], ports: [{name: dns, port: 53, protocol: UDP}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kube-dns-1, namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}
addressType: IPv4
endpoints: [{addresses: [10.244.0.2], conditions: {ready: true}}]
ports: [{name: dns, port: 53, protocol: UDP}]
---
apiVersion: v1
kind: Service
metadata: {name: alias, namespace: shop}
spec: {type: ExternalName, externalName: web.shop.svc.cluster.local}
---
apiVersion: v1
kind: Service
metadata: {name: loop-a, namespace: shop}
spec: {type: ExternalName, externalName: loop-b.shop.svc.cluster.local}
---
apiVersion: v1
kind: Service
metadata: {name: loop-b, namespace: shop}
spec: {type: ExternalName, externalName: loop-a.shop.svc.cluster.local}
---
apiVersion: v1
kind: Service
metadata: {name: out, namespace: shop}
spec: {type: ExternalName, externalName: www.example.org}
---
apiVersion: v1
kind: Service
metadata: {name: to-secret, namespace: shop}
spec: {type: ExternalName, externalName: secret.bank.svc.cluster.local}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: None, clusterIPs: [None], ports: [{name: sql, port: 5432, protocol: TCP}]}
"#;

/// The manifests, and a headless service of 300 endpoints in two slices.
fn manifests() -> String {
    let mut text = MANIFESTS.to_owned();
    for (slice, family, count) in [("v4", "IPv4", 300), ("v6", "IPv6", 90)] {
        let endpoints: Vec<String> = (0..count)
            .map(|n| {
                let (high, low) = (1 + n / 250, n % 250);
                let address = if family == "IPv4" {
                    format!("10.244.{high}.{low}")
                } else {
                    format!("fd00:1::{n:x}")
                };
                let hostname = if n % 3 == 0 {
                    format!(", hostname: db-{}", n / 6)
                } else {
                    String::new()
                };
                format!("{{addresses: [\"{address}\"]{hostname}}}")
            })
            .collect();
        text.push_str(&format!(
            "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: db-{slice}, namespace: shop, \
             labels: {{kubernetes.io/service-name: db}}}}\naddressType: {family}\nendpoints: [{}]\n\
             ports: [{{name: sql, port: 5432, protocol: TCP}}, {{name: {slice}, port: 9{count}, protocol: UDP}}]\n",
            endpoints.join(", ")
        ));
    }
    text
}

const CONFIGS: [&str; 9] = [
    "[kubernetes]\npods = \"verified\"\n",
    "[tenancy]\nmode = \"off\"\nwildcard = \"filtered\"\n[kubernetes]\npods = \"insecure\"\nendpoint_pod_names = true\n",
    "[tenancy]\nmode = \"audit\"\nwildcard = \"filtered\"\n[kubernetes]\npods = \"verified\"\nfallthrough = [\".\"]\n",
    "[tenancy]\nunknown = \"strict\"\nnode = \"unknown\"\n[kubernetes]\nzones = [\"cluster.local\", \"10.244.0.0/16\", \"clusterset.local\"]\nmulticluster = [\"clusterset.local\"]\n",
    "[tenancy]\nunknown = \"refused\"\nuntenanted = \"open\"\nwildcard = \"off\"\nnode = \"deny\"\n[kubernetes]\nnoendpoints = true\n",
    "[tenancy]\nunknown = \"allow\"\nnode = \"platform\"\nuntenanted = \"platform\"\n[kubernetes]\nttl = 0\nignore_empty_service = true\nnamespaces = [\"shop\"]\n",
    "[kubernetes]\nzones = [\".\"]\npods = \"verified\"\n",
    r#"
[kubernetes]
pods = "verified"
[nsid]
id = "replica"
[local]
[any]
[chaos]
authors = ["A", "B"]
[minimal]
[bufsize]
size = 600
[dns64]
allow_ipv4 = true
[autopath]
[[acl]]
rules = [{ action = "drop", types = ["MX"] }, { action = "filter", types = ["TXT"], nets = ["10.244.0.7"] }]
[hosts]
inline = ["192.0.2.1 www.example.org out.example", "10.96.0.1 name.example"]
fallthrough = ["."]
"#,
    r#"
[tenancy]
wildcard = "filtered"
[[header]]
action = "set"
flags = ["ra"]
[[rewrite]]
mode = "continue"
match = "suffix"
from = ".example.org"
to = ".shop.svc.cluster.local"
answer = [{ kind = "auto" }]
[[rewrite]]
match = "regex"
from = '^(.*)\.h\.cluster\.local\.$'
to = "{1}.{1}.{1}.{1}.{1}.{1}.{1}.{1}.{1}.{1}.{1}.{1}.{1}.{1}.{1}.{1}.{1}.{1}.{1}.{1}.{1}.{1}.{1}.{1}.{1}.{1}"
answer = [{ kind = "value", from = '(.*)', to = "a.{1}" }]
[[rewrite]]
match = "substring"
from = "db"
to = "dbdb"
[[rewrite]]
field = "rcode"
match = "regex"
from = ".*"
old = "NXDOMAIN"
to = "NOERROR"
[[template]]
type = "ANY"
zones = ["cluster.local"]
match = ['^10-(.*)\.cluster\.local\.$', '^alias\.']
answer = ["{{ .Name }} 60 IN CNAME {{ .Name }}", "{{ .Name }} 60 IN CNAME www.example.org.", "{{ index .Match 1 }} TXT \"x\""]
additional = ["x. 5 MX 1 y."]
fallthrough = ["."]
"#,
];

/// Each configuration with and without an upstream, and one that has not read everything yet.
fn snapshots() -> Vec<Snapshot> {
    let manifests = manifests();
    let own: IpAddr = "10.244.0.2".parse().unwrap();
    let mut all = Vec::new();
    for config in CONFIGS {
        let mut cluster = Cluster::new(&manifests, config).own_addresses(&[own]);
        all.push(cluster.snapshot());
        cluster.config.blocks[0].forward = vec![ForwardOptions::new(Name::root(), UpstreamId(0))];
        cluster
            .objects
            .retain(|o| o.kind() != Kind::Pod || config.contains("verified"));
        cluster.synced = all.len() != 2;
        all.push(cluster.snapshot());
    }
    all
}

/// Numbers that repeat (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

const NAMES: [&str; 44] = [
    "web.shop.svc.cluster.local",
    "WEB.Shop.sVc.Cluster.LOCAL",
    "_http._tcp.web.shop.svc.cluster.local",
    "_*._tcp.web.shop.svc.cluster.local",
    "any.shop.svc.cluster.local",
    "*.shop.svc.cluster.local",
    "any.any.svc.cluster.local",
    "*.*.svc.cluster.local",
    "*.db.shop.svc.cluster.local",
    "_any._any.*.*.svc.cluster.local",
    "db.shop.svc.cluster.local",
    "_sql._tcp.db.shop.svc.cluster.local",
    "_v6._udp.db.shop.svc.cluster.local",
    "db-0.db.shop.svc.cluster.local",
    "10-244-1-1.db.shop.svc.cluster.local",
    "alias.shop.svc.cluster.local",
    "loop-a.shop.svc.cluster.local",
    "out.shop.svc.cluster.local",
    "to-secret.shop.svc.cluster.local",
    "secret.bank.svc.cluster.local",
    "absent.bank.svc.cluster.local",
    "absent.nowhere.svc.cluster.local",
    "shop.svc.cluster.local",
    "svc.svc.cluster.local",
    "svc.cluster.local",
    "pod.cluster.local",
    "cluster.local",
    "10-244-0-7.shop.pod.cluster.local",
    "10-244-0-7.bank.pod.cluster.local",
    "x.10-244-0-7.shop.pod.cluster.local",
    "*.shop.pod.cluster.local",
    "fd00--7.shop.pod.cluster.local",
    "ns.dns.cluster.local",
    "dns-version.cluster.local",
    "whoami.tenantdns.cluster.local",
    "kube-dns.kube-system.svc.cluster.local",
    "1.0.96.10.in-addr.arpa",
    "1.1.244.10.in-addr.arpa",
    "7.0.244.10.in-addr.arpa",
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa",
    "web.shop.svc.clusterset.local",
    "www.example.org",
    "a.b.c.d.e.f.g.h.cluster.local",
    ".",
];

const TYPES: [u16; 19] = [
    1, 1, 1, 1, 28, 28, 33, 33, 12, 5, 6, 2, 16, 15, 255, 65, 0, 252, 41,
];
const SIZES: [u16; 6] = [0, 100, 512, 700, 1232, 65_535];
const CLIENTS: [&str; 6] = [
    "10.244.0.7",
    "::ffff:10.244.0.7",
    "10.244.0.2",
    "192.0.2.1",
    "203.0.113.9",
    "fd00::7",
];

fn valid(random: &mut Random) -> Vec<u8> {
    let name = random.pick(&NAMES);
    let rtype = RType(TYPES[random.below(TYPES.len())]);
    if random.one_in(2) {
        query_edns(name, rtype, SIZES[random.below(SIZES.len())])
    } else {
        query(name, rtype)
    }
}

/// Breaks a message in up to three ways.
fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        match random.below(9) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => bytes.truncate(at),
            3 => {
                let count = 4 + 2 * random.below(4);
                let value = [0u16, 1, 2, 255, 65_535][random.below(5)].to_be_bytes();
                bytes
                    .iter_mut()
                    .skip(count)
                    .zip(value)
                    .for_each(|(to, from)| *to = from);
            }
            4 => {
                let other = valid(random);
                let from = random.below(other.len());
                bytes.truncate(at);
                bytes.extend(&other[from..]);
            }
            5 => {
                let junk: Vec<u8> = (0..random.below(40)).map(|_| random.next() as u8).collect();
                bytes.splice(at..at, junk);
            }
            6 => {
                // A label of any octets in front of the name.
                let len = 1 + random.below(63);
                let label = std::iter::once(len as u8).chain((0..len).map(|_| random.next() as u8));
                let at = 12.min(bytes.len());
                bytes.splice(at..at, label.collect::<Vec<_>>());
            }
            7 => {
                let rest = bytes[at..].to_vec();
                bytes.extend(rest);
            }
            _ => {
                let options = [3u16, 8, 10, 11, 12, 15, 65_001][random.below(7)].to_be_bytes();
                let len = random.below(50);
                let mut opt = vec![0, 0, 41, 4, 0xd0, 0, 0, 0x80, 0, 0, (len + 4) as u8];
                opt.extend(options);
                opt.extend([0, (len + random.below(2)) as u8]);
                opt.extend((0..len).map(|_| random.next() as u8));
                bytes.extend(opt);
                if let Some(count) = bytes.get_mut(11) {
                    *count = 1;
                }
            }
        }
        if bytes.is_empty() {
            return;
        }
    }
}

/// What an upstream might say: an alias, addresses, a type that we don't know.
fn upstream_reply(random: &mut Random, plan: &Plan) -> Vec<u8> {
    let mut bytes = vec![0, 7, 0x81, 0x80, 0, 1, 0, 3, 0, 0, 0, 0];
    bytes.extend(plan.qname.as_wire());
    bytes.extend(plan.qtype.0.to_be_bytes());
    bytes.extend([0, 1]);
    bytes.extend(b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x06\x03cdn\xc0\x0c");
    bytes.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc6\x33\x64\x01");
    bytes.extend(b"\xc0\x0c\0\x63\0\x01\0\0\0\x3c\0\x05abcde");
    if random.one_in(4) {
        let more = random.below(5000);
        for n in 0..more {
            bytes.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc6\x33");
            bytes.extend((n as u16).to_be_bytes());
        }
        bytes[6..8].copy_from_slice(&(more as u16 + 3).to_be_bytes());
    }
    bytes
}

/// What a run was about: messages with a reply, those that hickory-proto had to read, those with
/// records, those that were cut, questions for an upstream, and queries to hold.
#[derive(Default)]
struct Tally {
    replies: usize,
    parsed: usize,
    answers: usize,
    cut: usize,
    asks: usize,
    holds: usize,
    drops: usize,
}

fn check(snapshot: &Snapshot, random: &mut Random, bytes: &[u8], tally: &mut Tally) {
    let source: IpAddr = random.pick(&CLIENTS).parse().unwrap();
    let transport = if random.one_in(4) {
        Transport::Tcp
    } else {
        Transport::Udp
    };
    let mut request = request(source, transport, bytes);
    request.peer = SocketAddr::new(source, random.next() as u16);
    request.entropy = random.next();
    request.may_wait = random.one_in(8);
    let size = [512, 512, 700, 1232, 4096, 65_535][random.below(6)];
    let mut out = vec![0xaa; size];
    let mut outcome = respond(snapshot, &request, &mut out);
    let mut said: Vec<(Plan, Option<Vec<u8>>)> = Vec::new();
    while let Outcome::Ask(plan) = outcome {
        assert!(said.len() < MAX_ASKS, "asks without end");
        tally.asks += 1;
        let mut reply = upstream_reply(random, &plan);
        if random.one_in(2) {
            mutate(random, &mut reply);
        }
        said.push((*plan, (!random.one_in(5)).then_some(reply)));
        let replies: Vec<_> = said
            .iter()
            .map(|(plan, reply)| Replied {
                plan,
                reply: reply.as_deref(),
            })
            .collect();
        request.entropy = random.next();
        outcome = resume(snapshot, &request, &replies, &mut out);
        if let Outcome::Reply(len, _) = outcome {
            assert!(
                len <= size && (transport == Transport::Tcp || len <= 1232),
                "{len} octets"
            );
            assert_eq!((&out[..2], out[2] & 0x80), (&bytes[..2], 0x80));
            return;
        }
    }
    match outcome {
        Outcome::Reply(len, verdict) => {
            tally.replies += 1;
            let limit = if transport == Transport::Udp {
                size.min(1232)
            } else {
                size
            };
            assert!(len <= limit, "{len} octets of {limit}");
            let reply = &out[..len];
            assert_eq!(reply[..2], bytes[..2], "ID");
            assert_ne!(reply[2] & 0x80, 0, "QR");
            assert_eq!(reply[2] & 0x78, bytes[2] & 0x78, "opcode");
            let rcode = verdict.rcode.0;
            if rcode == 0 || rcode == 3 {
                let message =
                    Message::from_vec(reply).unwrap_or_else(|e| panic!("{e}: {reply:02x?}"));
                let question = &bytes[12..];
                assert!(
                    question.starts_with(&reply[12..question_end(reply)]),
                    "question"
                );
                tally.parsed += 1;
                tally.answers += usize::from(!message.answers.is_empty());
                tally.cut += usize::from(message.truncation);
            }
        }
        Outcome::Drop(DropReason::Policy | DropReason::NoClient) => tally.drops += 1,
        Outcome::Drop(_) => assert!(bytes.len() < 12 || bytes[2] & 0x80 != 0, "dropped"),
        Outcome::Hold => {
            assert!(request.may_wait);
            tally.holds += 1;
        }
        Outcome::Ask(_) => unreachable!("asked until it answered"),
        Outcome::Transfer(_) => unreachable!("no transfer is configured"),
    }
}

fn question_end(reply: &[u8]) -> usize {
    let mut at = 12;
    while reply[at] != 0 {
        at += 1 + usize::from(reply[at]);
    }
    at + 5
}

fn run(seed: u64, snapshots: &[Snapshot], count: usize, break_them: bool) -> Tally {
    let mut tally = Tally::default();
    for case in 0..count as u64 {
        let mut random = Random(seed ^ case << 20);
        let mut bytes = valid(&mut random);
        if break_them {
            mutate(&mut random, &mut bytes);
        }
        let snapshot = &snapshots[random.below(snapshots.len())];
        let checked = catch_unwind(AssertUnwindSafe(|| {
            check(snapshot, &mut random, &bytes, &mut tally);
        }));
        assert!(checked.is_ok(), "seed {seed:#x}, case {case}: {bytes:02x?}");
    }
    tally
}

#[test]
fn i7_respond_never_panics_and_never_exceeds_its_limit() {
    let snapshots = snapshots();
    let tally = run(0x7e4a, &snapshots, 120_000, true);
    // So that the run is about something: most are answered, many are read to the end.
    assert!(tally.replies > 80_000, "{} replies", tally.replies);
    assert!(tally.parsed > 12_000, "{} read", tally.parsed);
    let tally = run(0x7e4b, &snapshots, 40_000, false);
    assert!(tally.replies > 28_000, "{} replies", tally.replies);
    assert!(tally.parsed > 20_000, "{} read", tally.parsed);
    assert!(
        tally.answers > 3_000 && tally.cut > 500,
        "{} answers, {} cut",
        tally.answers,
        tally.cut
    );
    assert!(
        tally.asks > 1_000 && tally.holds > 200 && tally.drops > 100,
        "{} asks, {} holds, {} dropped",
        tally.asks,
        tally.holds,
        tally.drops
    );
}

#[test]
fn i7_octets_that_are_no_message_are_survived() {
    let snapshots = snapshots();
    let mut random = Random(0x0c7e);
    for case in 0..10_000 {
        let mut bytes: Vec<u8> = (0..random.below(300))
            .map(|_| random.next() as u8)
            .collect();
        if let Some(flags) = bytes.get_mut(2)
            && random.one_in(2)
        {
            *flags &= 0x07;
        }
        let snapshot = &snapshots[case % snapshots.len()];
        check(snapshot, &mut random, &bytes, &mut Tally::default());
    }
}
