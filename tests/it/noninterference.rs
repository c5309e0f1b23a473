//! What a client cannot see is not there for it: properties over random clusters, compared byte by
//! byte.

use crate::decode::decode;
use crate::random::{
    EXCEPTIONS, NAMESPACES, OWN, Picker, SERVICES, TENANCY, TYPES, check, cluster, names, names_of,
    object, objects, pod_address, pod_of, questions, reverse,
};
use crate::sampling::{Tally, sampled};
use proptest::prelude::*;
use proptest::sample::select;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::IpAddr;
use tenantdns::answer::{Outcome, Request, Transport, respond_both_ways};
use tenantdns::model::{Kind, Labels, Object, SliceOwner};
use tenantdns::snapshot::Snapshot;
use tenantdns::tenancy::{Client, ServiceId, Sight, View};
use tenantdns::testing::{Cluster, ask, request};
use tenantdns::wire::RType;

/// Tables of a block that change questions or answers. `short` is another name of the cluster's zone,
/// names below `alias.test` are aliases of the cluster's, and `lb.test` says where services are outside.
const STEPS: [&str; 21] = [
    "[any]\n[local]\n[minimal]\n[loadbalance]\n",
    "[minimal]\n",
    "[k8s_external]\nzones = [\"lb.test\", \"198.51.100.0/24\", \"2001:db8::/32\", \"10.244.0.0/24\"]\nheadless = true\n",
    "[k8s_external]\nzones = [\"lb.test\", \"198.51.100.0/24\"]\nttl = 30\nfallthrough = [\".\"]\n",
    "[nsid]\nid = \"x\"\n[chaos]\n",
    "[bufsize]\nsize = 512\n",
    "[dns64]\nallow_ipv4 = true\n",
    "[dns64]\nallow_ipv4 = true\ntranslate_all = true\n",
    "[[header]]\naction = \"set\"\nflags = [\"ra\", \"aa\"]\n",
    "[[acl]]\nrules = [{ action = \"filter\", types = [\"SRV\"], nets = [\"10.244.0.0/24\"] }, \
     { action = \"block\", nets = [\"203.0.113.0/24\"] }]\n",
    "[autopath]\n",
    "[hosts]\ninline = [\"192.0.2.1 nope.a1.svc.cluster.local www.example\", \"192.0.2.77 a.example\"]\n\
     fallthrough = [\".\"]\n",
    "[[template]]\ntype = \"ANY\"\nzones = [\"alias.test\"]\nmatch = ['^(.*)\\.alias\\.test\\.$']\n\
     answer = [\"{{ .Name }} 5 IN CNAME {{ index .Match 1 }}.svc.cluster.local.\"]\n",
    "[[rewrite]]\nmode = \"continue\"\nmatch = \"suffix\"\nfrom = \".short\"\nto = \".cluster.local\"\n\
     answer = [{ kind = \"auto\" }]\n[[rewrite]]\nmode = \"continue\"\nfield = \"ttl\"\nmatch = \"substring\"\nfrom = \"cluster.local\"\nto = \"-3\"\n",
    "[cache]\nsuccess = { ttl = 4, min_ttl = 2 }\ndenial = { ttl = 3 }\n",
    "[cache]\nzones = [\"svc.cluster.local\"]\nsuccess = { ttl = 4 }\n",
    "[loadbalance]\nprefer = [\"10.244.0.0/25\", \"10.96.0.0/16\"]\n",
    "[loadbalance]\npolicy = \"weighted\"\nfile = \"-\"\n",
    "[[rewrite]]\nmode = \"continue\"\nfield = \"cname\"\nmatch = \"suffix\"\n\
     from = \".svc.cluster.local.\"\nto = \".svc.clusterset.local.\"\n",
    "[[rewrite]]\nmode = \"continue\"\nfield = \"edns0\"\noption = \"local\"\naction = \"set\"\ncode = 65001\n\
     value = \"{client_ip}\"\n",
    "[[header]]\nof = \"query\"\naction = \"clear\"\nflags = [\"rd\"]\n",
];

fn steps() -> impl Strategy<Value = String> {
    let tables = prop::sample::subsequence(STEPS.to_vec(), 0..=STEPS.len());
    let is_there = prop::bool::weighted(0.4);
    (tables, is_there).prop_map(|(tables, is_there)| {
        let mut text = String::new();
        let mut written = BTreeSet::new();
        for table in tables.into_iter().filter(|_| is_there) {
            // A table that is no list stands once.
            let names: Vec<&str> = table.lines().filter(|l| l.starts_with('[')).collect();
            if names
                .iter()
                .all(|name| name.starts_with("[[") || !written.contains(name))
            {
                written.extend(names);
                text.push_str(table);
            }
        }
        text
    })
}

pub(crate) fn settings() -> impl Strategy<Value = String> {
    let of = |key: &'static str, values: &[&'static str]| {
        select(values.to_vec()).prop_map(move |value| format!("{key} = {value:?}\n"))
    };
    let tenancy = (
        of("wildcard", &["filtered", "filtered", "off"]),
        of("untenanted", &["isolated", "open", "platform"]),
        of("node", &["shared", "unknown", "platform", "deny"]),
        of("unknown", &["servfail", "strict", "refused"]),
        of("conflict", &["isolate", "first"]),
        of("exports", &["off", "named", "named", "mutual"]),
    );
    let pods = of("pods", &["disabled", "verified"]);
    let zonal = select(vec!["", "zonal = true\n"]);
    (tenancy, (pods, zonal), select(&EXCEPTIONS), steps()).prop_map(|((a, b, c, d, e, f), (pods, zonal), exceptions, steps)| {
        format!(
            "[tenancy]\nmode = \"enforce\"\n{a}{b}{c}{d}{e}{f}{TENANCY}{exceptions}[kubernetes]\n{pods}{zonal}\
             zones = [\"cluster.local\", \"clusterset.local\", \"in-addr.arpa\", \"ip6.arpa\"]\n\
             multicluster = [\"clusterset.local\"]\n{steps}"
        )
    })
}

pub(crate) fn serve(objects: Vec<Object>, config: &str) -> Snapshot {
    Cluster::of(objects, config)
        .own_addresses(&[OWN])
        .snapshot()
}

fn nobody() -> IpAddr {
    "203.0.113.1".parse().unwrap()
}

/// Addresses of clients of every kind: pods of two tenants and of the platform, those that may be a
/// node's or nobody's, and one that is surely nobody's.
pub(crate) fn clients() -> Vec<IpAddr> {
    let pods = ["a1", "b1", "kube-system"].map(pod_of);
    let mut clients = pods.to_vec();
    clients.extend([pod_address(1), pod_address(9), pod_address(13), nobody()]);
    clients
}

// === what is visible ===

/// Returns whether the client sees the service that an object is, or is a part of.
fn sees(view: &View<'_>, namespace: &str, service: &str) -> bool {
    let seen = view.namespace(namespace.as_bytes());
    view.service(seen, service.as_bytes()) != ServiceId::NONE
}

/// Addresses that must not be claimed anew or given up: the client's, and those of pods that it
/// sees. Whose a visible pod's address is, is a fact of that pod.
fn settled(objects: &[Object], snapshot: &Snapshot, client: IpAddr) -> BTreeSet<IpAddr> {
    let view = snapshot.view(snapshot.identify(client));
    let pods = objects.iter().filter_map(|object| match object {
        Object::Pod(pod) => Some(pod),
        _ => None,
    });
    let visible = pods
        .filter(|pod| view.namespace(pod.key.namespace.as_bytes()).sight != Sight::Hidden)
        .flat_map(|pod| pod.pod_ips.iter().chain(&pod.pod_ip).copied());
    visible.chain([client]).collect()
}

/// Returns whether an object may change without the client noticing.
fn is_invisible(
    object: &Object,
    view: &View<'_>,
    settled: &BTreeSet<IpAddr>,
    nodes_settled: bool,
) -> bool {
    let key = object.key();
    let sight = view.namespace(key.namespace.as_bytes()).sight;
    match object {
        Object::Namespace(ns) => view.namespace(ns.name.as_bytes()).sight == Sight::Hidden,
        Object::Service(_) | Object::ServiceImport(_) => !sees(view, &key.namespace, &key.name),
        Object::EndpointSlice(slice) => match &slice.owner {
            SliceOwner::Service(name) | SliceOwner::Import(name, _) => {
                !sees(view, &key.namespace, name)
            }
            SliceOwner::Nobody => true,
        },
        Object::Pod(pod) => {
            sight == Sight::Hidden
                && !pod
                    .pod_ips
                    .iter()
                    .chain(&pod.pod_ip)
                    .any(|a| settled.contains(a))
                // A hostNetwork pod says of its node's address that it is no pod's.
                && !(pod.host_network && nodes_settled)
        }
        Object::DnsExport(export) => {
            let mut services = export.services.iter();
            !services.any(|name| sees(view, &key.namespace, name))
        }
        Object::DnsImport(_) => sight == Sight::Hidden,
        Object::Node(_) | Object::DnsGrant(_) => false,
    }
}

/// Returns `base` with everything that the client doesn't see replaced by what it doesn't see of
/// `other`.
pub(crate) fn change(
    base: &[Object],
    other: &[Object],
    config: &str,
    client: IpAddr,
) -> Vec<Object> {
    let snapshot = serve(base.to_vec(), config);
    let view = snapshot.view(snapshot.identify(client));
    let settled = settled(base, &snapshot, client);
    let nodes_settled = base.iter().any(|object| match object {
        Object::Node(node) => node.addresses.iter().any(|a| settled.contains(a)),
        _ => false,
    });
    let stays = |object: &&Object| !is_invisible(object, &view, &settled, nodes_settled);
    // What stays keeps its namespace.
    let homes: BTreeSet<_> = base
        .iter()
        .filter(stays)
        .map(|o| o.key().namespace)
        .collect();
    let visible: Vec<Object> = base
        .iter()
        .filter(|o| stays(o) || matches!(o, Object::Namespace(n) if homes.contains(&n.name)))
        .cloned()
        .collect();
    let taken: BTreeSet<_> = visible.iter().map(|o| (o.kind(), o.key())).collect();
    // A slice shows the name of a service that is not there. The service may keep it back when it
    // comes: that is a change of something that was seen.
    let was_seen = |object: &Object| {
        let key = object.key();
        let is_service = matches!(object, Object::Service(_) | Object::ServiceImport(_));
        is_service && sees(&view, &key.namespace, &key.name)
    };
    let mut added: Vec<Object> = other
        .iter()
        .filter(|o| !taken.contains(&(o.kind(), o.key())) && !was_seen(o))
        .cloned()
        .collect();
    loop {
        let all: Vec<Object> = visible.iter().chain(&added).cloned().collect();
        let snapshot = serve(all.clone(), config);
        let view = snapshot.view(snapshot.identify(client));
        let before = added.len();
        added.retain(|object| is_invisible(object, &view, &settled, nodes_settled));
        // A namespace that only its objects mention exists in a cluster of the tests.
        added.retain(|object| {
            let namespace = object.key().namespace;
            let exists = |o: &Object| matches!(o, Object::Namespace(n) if n.name == namespace);
            namespace.is_empty() || all.iter().any(exists)
        });
        if added.len() == before {
            return all;
        }
    }
}

/// Returns what is left of a cluster without what the client doesn't see.
pub(crate) fn visible_objects(objects: &[Object], config: &str, client: IpAddr) -> Vec<Object> {
    change(objects, &[], config, client)
}

fn answers(snapshot: &Snapshot, client: IpAddr, name: &str, rtype: RType) -> Vec<Option<Vec<u8>>> {
    questions(name, rtype)
        .iter()
        .map(|(transport, bytes)| ask(snapshot, client, *transport, bytes))
        .collect()
}

/// Who an address is, by names instead of numbers.
fn is(snapshot: &Snapshot, client: IpAddr) -> String {
    let view = snapshot.view(snapshot.identify(client));
    let namespace = String::from_utf8_lossy(view.own_namespace().unwrap_or(&[]));
    format!("{} {namespace}", view.class().as_str())
}

/// Returns a name that steps may make of this one, now and then.
fn by_another_way(
    picker: &mut Picker,
    name: &str,
    snapshot: &Snapshot,
    client: IpAddr,
) -> Option<String> {
    let view = snapshot.view(snapshot.identify(client));
    let own = String::from_utf8_lossy(view.own_namespace().unwrap_or(b"a1"));
    let front = name.strip_suffix("cluster.local.")?;
    match *picker.pick(&[
        "as it is", "as it is", "short", "alias", "outside", "searched",
    ]) {
        "short" => Some(format!("{front}short.")),
        "alias" => Some(format!("{}alias.test.", front.strip_suffix("svc.")?)),
        "outside" => Some(format!("{}lb.test.", front.strip_suffix("svc.")?)),
        "searched" => {
            let front = front.strip_suffix("svc.").unwrap_or(front);
            Some(format!("{front}{own}.svc.cluster.local."))
        }
        _ => None,
    }
}

#[test]
fn i11_what_a_client_cannot_see_changes_no_byte() {
    let names = names();
    let strategy = || {
        (
            objects(),
            prop::collection::vec(object(), 0..40),
            settings(),
            select(clients()),
            any::<u64>(),
        )
    };
    let tally = sampled(
        "i11",
        96,
        strategy,
        |(base, other, config, client, seed)| {
            let mut tally = Tally::default();
            let other = change(&base, &cluster(other), &config, client);
            tally.pairs = u64::from(other != base);
            let near: Vec<String> = names_of(&base)
                .into_iter()
                .chain(names_of(&other))
                .collect();
            let (g, h) = (serve(base, &config), serve(other, &config));
            prop_assert_eq!(is(&g, client), is(&h, client));
            let mut picker = Picker::new(seed);
            for turn in 0..80 {
                let name = picker.pick(if turn % 2 == 0 { &names } else { &near });
                let other = by_another_way(&mut picker, name, &g, client);
                let name = other.as_ref().unwrap_or(name);
                for rtype in TYPES {
                    let (before, after) = (
                        answers(&g, client, name, rtype),
                        answers(&h, client, name, rtype),
                    );
                    tally.samples += before.len() as u64;
                    let counts = |reply: &&Vec<u8>| reply[6..8] != [0, 0];
                    tally.telling += before.iter().flatten().filter(counts).count() as u64;
                    prop_assert_eq!(
                        &before,
                        &after,
                        "{} {} from {}: {:?} or {:?}\n{}",
                        name,
                        rtype,
                        client,
                        before[2].as_deref().map(decode),
                        after[2].as_deref().map(decode),
                        config
                    );
                }
            }
            Ok(tally)
        },
    );
    assert!(tally.samples >= 20_000, "{tally:?}");
    assert!(tally.pairs >= 48, "few clusters changed: {tally:?}");
    assert!(tally.telling >= 500, "few answers had records: {tally:?}");
}

// === hidden and absent ===

/// Replaces what tells one name from the other, which is a label or two side by side, wherever it
/// stands.
fn replaced(mut reply: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    let labels = |name: &str| name.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (from, to) = (labels(from), labels(to));
    let Some(at) = (0..from.len()).find(|&at| from.get(at) != to.get(at)) else {
        return reply;
    };
    let wire = |labels: &[String]| -> Vec<u8> {
        let labels = labels.iter().skip(at).take(2);
        labels
            .flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat())
            .collect()
    };
    let (from, to) = (wire(&from), wire(&to));
    assert_eq!(from.len(), to.len(), "equally long names");
    for at in 12..=reply.len().saturating_sub(from.len()) {
        if reply[at..].starts_with(&from) {
            reply[at..at + from.len()].copy_from_slice(&to);
        }
    }
    reply
}

/// Replaces what the question says by zeros: beside it, equally long names make equal messages.
pub(crate) fn without_question(mut reply: Vec<u8>, name: &str) -> Vec<u8> {
    let name: tenantdns::wire::Name = name.parse().unwrap();
    reply[..2].fill(0);
    if reply.len() >= 12 + name.as_wire().len() {
        reply[12..12 + name.as_wire().len()].fill(0);
    }
    reply
}

#[test]
fn i3_hidden_equals_absent_byte_for_byte() {
    let strategy = || (objects(), settings(), select(clients()), any::<u64>());
    let tally = sampled("i3", 64, strategy, |(objects, config, client, seed)| {
        let snapshot = serve(objects, &config);
        let view = snapshot.view(snapshot.identify(client));
        let mut picker = Picker::new(seed);
        let mut tally = Tally::default();
        let mut compare = |hidden: &str, absent: &str, rtype: RType| -> Result<(), TestCaseError> {
            tally.pairs += 1;
            for ((transport, a), (_, b)) in questions(hidden, rtype)
                .iter()
                .zip(questions(absent, rtype))
            {
                tally.samples += 1;
                let a = ask(&snapshot, client, *transport, a).unwrap();
                let b = ask(&snapshot, client, *transport, &b).unwrap();
                let shown = || (decode(&a), decode(&b));
                // An alias says where it leads.
                let b = replaced(b.clone(), absent, hidden);
                let same =
                    without_question(a.clone(), hidden) == without_question(b.clone(), hidden);
                prop_assert!(
                    same,
                    "{hidden} {rtype} from {client} and {absent} are {:?}\n{config}",
                    shown()
                );
            }
            Ok(())
        };
        for ns in NAMESPACES {
            // A client that is nobody's is told that reserved names are nobody's.
            if ns == "svc" && view.is_unknown() {
                continue;
            }
            let sight = view.namespace(ns.as_bytes()).sight;
            let gone = &"qqqqqqqqqqqq"[..ns.len()];
            // A label that is a wildcard has no absent twin of its kind.
            let wild = config.contains("filtered") && ns == "any";
            if sight == Sight::Hidden && !wild {
                for zone in ["cluster.local", "clusterset.local"] {
                    for front in ["svc", "pod"] {
                        let rtype = *picker.pick(&TYPES);
                        compare(
                            &format!("{ns}.{front}.{zone}."),
                            &format!("{gone}.{front}.{zone}."),
                            rtype,
                        )?;
                    }
                    for front in [
                        "*",
                        "10-244-9-2.x",
                        "any.any.any",
                        "10-244-0-1",
                        "fd00-10--9",
                    ] {
                        let rtype = *picker.pick(&TYPES);
                        let root = picker.pick(&["svc", "pod"]);
                        compare(
                            &format!("{front}.{ns}.{root}.{zone}."),
                            &format!("{front}.{gone}.{root}.{zone}."),
                            rtype,
                        )?;
                    }
                }
            }
            for service in SERVICES {
                let filtered = config.contains("filtered");
                if sees(&view, ns, service) || filtered && (service == "any" || ns == "any") {
                    continue;
                }
                // A search list leads on to the namespace of that name, which the client sees.
                let is_searched = config.contains("[autopath]");
                if is_searched && view.namespace(service.as_bytes()).sight != Sight::Hidden {
                    continue;
                }
                let other = &"zzzzzzzzzzzz"[..service.len()];
                for front in [
                    "",
                    "pod-0.",
                    "_http._tcp.",
                    "nope.",
                    "10-244-0-1.",
                    "x.y.z.",
                ] {
                    let rtype = *picker.pick(&TYPES);
                    let zone = picker.pick(&["cluster.local", "clusterset.local"]);
                    compare(
                        &format!("{front}{service}.{ns}.svc.{zone}."),
                        &format!("{front}{other}.{ns}.svc.{zone}."),
                        rtype,
                    )?;
                    let own = String::from_utf8_lossy(view.own_namespace().unwrap_or(b"a1"));
                    let end = match *picker.pick(&["short", "alias", "searched"]) {
                        "short" => "svc.short.".to_owned(),
                        "alias" => "alias.test.".to_owned(),
                        _ => format!("{own}.svc.cluster.local."),
                    };
                    compare(
                        &format!("{front}{service}.{ns}.{end}"),
                        &format!("{front}{other}.{ns}.{end}"),
                        rtype,
                    )?;
                    if sight == Sight::Hidden && !wild {
                        compare(
                            &format!("{front}{service}.{ns}.svc.{zone}."),
                            &format!("{front}{other}.{gone}.svc.{zone}."),
                            rtype,
                        )?;
                    }
                }
            }
        }
        Ok(tally)
    });
    assert!(tally.samples >= 20_000, "{tally:?}");
    assert!(tally.pairs >= 5_000, "few hidden names: {tally:?}");
}

// === one tenant ===

#[test]
fn one_tenant_that_owns_everything_is_answered_as_if_there_were_none() {
    let names = names();
    let (samples, telling) = (Cell::new(0usize), Cell::new(0usize));
    let strategy = (
        objects(),
        select(vec!["filtered", "off"]),
        select(vec!["disabled", "verified"]),
        any::<u64>(),
    );
    check(
        48,
        file!(),
        &strategy,
        |(mut objects, wildcard, pods, seed)| {
            // An administrator may hide something from everybody.
            objects.retain(|object| object.kind() != Kind::DnsGrant);
            for object in &mut objects {
                if let Object::Namespace(ns) = object {
                    ns.labels = Labels::from([("tenant".into(), "a".into())]);
                }
                // An owner may keep a service from its own tenant.
                if let Object::Service(service) = object {
                    service.annotations = Labels::new();
                }
            }
            let config = |mode: &str| {
                format!(
                    "[tenancy]\nmode = {mode:?}\nwildcard = {wildcard:?}\nsoa_serial = \"static\"\n\
                 {TENANCY}[kubernetes]\npods = {pods:?}\n"
                )
            };
            let near = names_of(&objects);
            let enforced = serve(objects.clone(), &config("enforce"));
            let off = serve(objects, &config("off"));
            let client = pod_of("a1");
            if !matches!(enforced.identify(client), Client::Pod(_)) {
                return Ok(());
            }
            let mut picker = Picker::new(seed);
            for turn in 0..80 {
                let name = picker.pick(if turn % 2 == 0 { &names } else { &near });
                if name.starts_with("whoami.") {
                    continue;
                }
                for rtype in TYPES {
                    let (a, b) = (
                        answers(&enforced, client, name, rtype),
                        answers(&off, client, name, rtype),
                    );
                    samples.set(samples.get() + a.len());
                    telling.set(
                        telling.get() + a.iter().flatten().filter(|r| r[6..8] != [0, 0]).count(),
                    );
                    prop_assert_eq!(
                        &a,
                        &b,
                        "{} {}: enforced {:?}, off {:?}",
                        name,
                        rtype,
                        a[2].as_deref().map(decode),
                        b[2].as_deref().map(decode)
                    );
                }
            }
            Ok(())
        },
    );
    assert!(samples.get() >= 20_000, "{samples:?} samples");
    assert!(telling.get() >= 500, "only {telling:?} answers had records");
}

// === the short way ===

#[test]
fn the_short_way_and_the_long_one_answer_alike() {
    // Names from outside have no short way.
    let inside = |mut names: Vec<String>| {
        names.retain(|name| !name.ends_with("lb.test."));
        names
    };
    let names = inside(names());
    let (short_ones, telling) = (Cell::new(0usize), Cell::new(0usize));
    let modes = select(&["\"enforce\"", "\"enforce\"", "\"audit\"", "\"off\""]);
    let strategy = (
        objects(),
        settings(),
        modes,
        select(clients()),
        any::<u64>(),
    );
    check(
        // Grants hide much: enough clusters that much is left to be compared.
        320,
        file!(),
        &strategy,
        |(objects, config, mode, client, seed)| {
            let config = config.replace("\"enforce\"", mode);
            let near = inside(names_of(&objects));
            let snapshot = serve(objects, &config);
            let mut picker = Picker::new(seed);
            for turn in 0..90 {
                let name = picker.pick(if turn % 4 == 0 { &names } else { &near });
                for rtype in TYPES {
                    for (transport, bytes) in questions(name, rtype) {
                        let request = Request {
                            entropy: seed,
                            ..request(client, transport, &bytes)
                        };
                        let mut buffers = [vec![0x55; 65_535], vec![0xaa; 65_535]];
                        let [a, b] = &mut buffers;
                        let both = respond_both_ways(&snapshot, &request, [a, b]);
                        let (short, long) = both.expect("a query");
                        let Some(short) = short else { continue };
                        let Outcome::Reply(len, _) = short else {
                            panic!("the short way replies: {short:?}")
                        };
                        short_ones.set(short_ones.get() + 1);
                        telling.set(telling.get() + usize::from(buffers[0][6..8] != [0, 0]));
                        let told = format!("{name} {rtype} from {client}\n{config}");
                        prop_assert_eq!(format!("{short:?}"), format!("{:?}", long), "{}", told);
                        prop_assert_eq!(&buffers[0][..len], &buffers[1][..len], "{}", told);
                    }
                }
            }
            Ok(())
        },
    );
    assert!(short_ones.get() >= 20_000, "{short_ones:?} answers");
    assert!(telling.get() >= 400, "only {telling:?} answers had records");
}

// === a property that could fail ===

#[test]
fn without_tenancy_what_changes_shows() {
    let names = names();
    let shows = Cell::new(0usize);
    let strategy = (
        objects(),
        prop::collection::vec(object(), 10..40),
        settings(),
    );
    check(32, file!(), &strategy, |(base, other, config)| {
        let client = pod_of("a1");
        let other = change(&base, &cluster(other), &config, client);
        let off = config
            .replace("\"enforce\"", "\"off\"")
            .replace("[tenancy]\n", "[tenancy]\nsoa_serial = \"static\"\n");
        let (g, h) = (serve(base, &off), serve(other, &off));
        let differs = names.iter().any(|name| {
            [RType::A, RType::SRV, RType::PTR].iter().any(|&rtype| {
                let [_, _, (transport, bytes)] = questions(name, rtype);
                assert_eq!(transport, Transport::Tcp);
                ask(&g, client, transport, &bytes) != ask(&h, client, transport, &bytes)
            })
        });
        shows.set(shows.get() + usize::from(differs));
        Ok(())
    });
    assert!(shows.get() >= 16, "only {shows:?} of 32 changes show");
}

#[test]
fn addresses_that_nobody_sees_answer_like_unused_ones() {
    let (samples, strategy) = (
        Cell::new(0usize),
        (objects(), settings(), select(clients())),
    );
    check(64, file!(), &strategy, |(objects, config, client)| {
        let snapshot = serve(objects, &config);
        let unused = reverse("10.96.9.9".parse().unwrap());
        for last in 0..6u8 {
            let used = reverse(IpAddr::from([10, 96, 0, last]));
            for ((transport, a), (_, b)) in questions(&used, RType::PTR)
                .iter()
                .zip(questions(&unused, RType::PTR))
            {
                samples.set(samples.get() + 1);
                let a = ask(&snapshot, client, *transport, a).unwrap();
                let b = ask(&snapshot, client, *transport, &b).unwrap();
                let pointed = decode(&a).answer;
                if pointed.is_empty() {
                    prop_assert_eq!(without_question(a, &used), without_question(b, &unused));
                    continue;
                }
                let view = snapshot.view(snapshot.identify(client));
                for line in &pointed {
                    let target = line.rsplit(' ').next().unwrap();
                    let labels: Vec<&str> = target.split('.').collect();
                    let svc = labels.iter().position(|l| *l == "svc").unwrap();
                    // The rightmost: a namespace is called `svc` too.
                    let svc = labels.iter().rposition(|l| *l == "svc").unwrap_or(svc);
                    let visible = sees(&view, labels[svc - 1], labels[svc - 2]);
                    prop_assert!(visible, "{} shows {}", client, line);
                }
            }
        }
        Ok(())
    });
    assert!(samples.get() >= 1_000, "{samples:?} samples");
}
