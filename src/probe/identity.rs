//! Who the server takes us for, whether it can be told to take us for somebody else, and whether it is
//! the one that answers at all: a mesh's DNS proxy may answer in its stead.

use super::ask::Asker;
use super::message::{Form, Reply, query, random, with_options};
use super::{Found, Prober, Row};
use crate::wire::{RType, Rcode};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where Istio's agent answers, and ztunnel.
const MESH: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 15_053);

pub(super) fn rows(prober: &Prober<'_>) -> Vec<Row> {
    vec![
        Row::new("I01", "who we are taken for", whoami(prober)),
        Row::new(
            "I12",
            "a client subnet of somebody else's",
            forged(prober, &subnets(prober)),
        ),
        Row::new("I13", "a PROXY header of somebody else's", proxy(prober)),
        Row::new(
            "I14",
            "local options that name somebody else",
            forged(prober, &local_options(prober)),
        ),
        mesh(prober),
    ]
}

fn whoami_name(prober: &Prober<'_>) -> String {
    prober.name("whoami.tenantdns")
}

/// Returns what `whoami` says of us, as pairs.
fn said_of_us(prober: &Prober<'_>) -> Option<Vec<(String, String)>> {
    let reply = prober.ask(&whoami_name(prober), RType::TXT)?;
    let [answer] = &reply.answers[..] else {
        return None;
    };
    let pairs = answer
        .data
        .split(' ')
        .filter_map(|pair| pair.split_once('='));
    Some(
        pairs
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
    )
}

fn of<'p>(pairs: &'p [(String, String)], key: &str) -> &'p str {
    pairs
        .iter()
        .find(|(k, _)| k == key)
        .map_or("", |(_, value)| value)
}

fn whoami(prober: &Prober<'_>) -> Found {
    let Some(pairs) = said_of_us(prober) else {
        return Err("whoami is not answered: this is not tenantdns, or tenancy is off".into());
    };
    let [class, namespace, ip] = ["class", "namespace", "ip"].map(|key| of(&pairs, key));
    let expected = prober.options.namespace.as_deref();
    match class {
        "pod" if expected.is_none_or(|own| own == namespace) => {
            Ok(format!("a pod of {namespace} at {ip}"))
        }
        "pod" => Err(format!(
            "a pod of {namespace}, and not of {}",
            expected.unwrap_or_default()
        )),
        "platform" => Err(format!(
            "a pod of the platform ({namespace}), which sees everything: probe from a tenant's"
        )),
        "node" => Err(format!(
            "the node at {ip}: something rewrites our address, or we use the host's network"
        )),
        _ => Err(format!(
            "{class}, from {ip}: no pod is known to have this address"
        )),
    }
}

/// Addresses of those who see more than we do, perhaps.
fn others(prober: &Prober<'_>) -> Vec<Ipv4Addr> {
    let mut others = vec![Ipv4Addr::new(10, 96, 0, 1), Ipv4Addr::LOCALHOST];
    if let IpAddr::V4(server) = prober.options.server.ip() {
        others.push(server);
    }
    others
}

type Forgery = (u16, Vec<u8>);

fn subnets(prober: &Prober<'_>) -> Vec<Forgery> {
    let subnet = |other: Ipv4Addr| (8, [&[0, 1, 32, 0][..], &other.octets()].concat());
    others(prober).into_iter().map(subnet).collect()
}

fn local_options(prober: &Prober<'_>) -> Vec<Forgery> {
    let mut forgeries = Vec::new();
    for code in [65_001, 65_280, 65_534] {
        for other in others(prober) {
            forgeries.push((code, other.octets().to_vec()));
            forgeries.push((code, other.to_string().into_bytes()));
        }
        forgeries.push((code, b"kube-system".to_vec()));
    }
    forgeries
}

/// Says to be somebody else, and looks whether it changes anything. To be refused is well.
fn forged(prober: &Prober<'_>, forgeries: &[Forgery]) -> Found {
    let (whoami, plain) = (whoami_name(prober), said_of_us(prober));
    for (code, value) in forgeries {
        let options = [(*code, value.as_slice())];
        let ask = |name: &str, rtype, options: &[_]| {
            let reply = prober.asker.udp(&with_options(name, rtype, options))?;
            Reply::read(&reply)
        };
        let reply = ask(&whoami, RType::TXT, &options);
        let said = reply.filter(|reply| reply.rcode != Rcode::REFUSED);
        let now = said.and_then(|reply| reply.answers.first().map(|answer| answer.data.clone()));
        if let (Some(now), Some(plain)) = (now, &plain) {
            let before = |key: &str| now.contains(&format!("{key}={}", of(plain, key)));
            if !["ip", "class", "namespace"].into_iter().all(before) {
                return Err(format!("option {code} made us {now}"));
            }
        }
        for subject in prober.subjects.iter().filter(|subject| subject.exists) {
            let hidden = prober.name(&format!("{}.{}.svc", subject.service, subject.namespace));
            let (with, without) = (
                ask(&hidden, RType::A, &options),
                ask(&hidden, RType::A, &[]),
            );
            if with != without && with.as_ref().is_none_or(|it| it.rcode != Rcode::REFUSED) {
                let said = with.map_or_else(|| "without an answer".into(), |reply| reply.said());
                return Err(format!("option {code} makes {hidden} {said}"));
            }
        }
    }
    Ok(format!("{} forgeries", forgeries.len()))
}

/// A PROXY header (version 2) in front of a query must not be taken for one.
fn proxy(prober: &Prober<'_>) -> Found {
    let question = query(&whoami_name(prober), RType::TXT, Form::Plain);
    for other in others(prober) {
        // PROXY over UDP and IPv4: source, destination, ports.
        let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x12\x00\x0c".to_vec();
        header.extend(other.octets());
        header.extend([127, 0, 0, 1, 0x10, 0x92, 0, 53]);
        let bytes = [&header[..], &question].concat();
        // An answer to the question behind the header has its ID.
        let id = question.get(..2).unwrap_or_default();
        let reply = prober.asker.udp_briefly(&bytes, id);
        if let Some(reply) = reply.as_deref().and_then(Reply::read)
            && !reply.answers.is_empty()
        {
            return Err(format!("a header for {other} is taken: {}", reply.said()));
        }
    }
    Ok("none is taken".into())
}

/// Looks for what shows that another program answers.
fn mesh(prober: &Prober<'_>) -> Row {
    const ATTACK: &str = "something that answers in the server's stead";
    let mut signs = Vec::new();
    let name = prober.name("kubernetes.default.svc");
    match prober.ask(&name, RType::A) {
        None => signs.push(format!("{name} has no answer")),
        Some(reply) => {
            if !reply.authoritative {
                signs.push("answers in the zone are not authoritative (AA)".into());
            }
            if reply.recursion_available {
                signs.push("answers in the zone offer recursion (RA)".into());
            }
            let tcp = prober.asker.tcp(&query(&name, RType::A, Form::Plain));
            let ttl = |reply: &Reply| reply.answers.first().map(|answer| answer.ttl);
            let over_tcp = tcp.as_deref().and_then(Reply::read);
            if over_tcp.is_some_and(|other| ttl(&other) != ttl(&reply)) {
                signs.push("UDP and TCP give different lifetimes: a cache, or two servers".into());
            }
        }
    }
    // Nobody but a server of the zone itself knows that there is no such name.
    let unheard = prober.name(&format!("x{:x}", random()));
    let bytes = query(&unheard, RType::A, Form::Plain);
    match (prober.asker.udp(&bytes), prober.asker.tcp(&bytes)) {
        (Some(udp), Some(tcp)) if udp == tcp => {}
        _ => signs.push("UDP and TCP deny a name differently: two servers".into()),
    }
    let agent = Asker::new(MESH, prober.options.patience / 8);
    if prober.options.server != MESH && agent.udp(&bytes).is_some() {
        signs.push(format!(
            "a mesh's agent answers on {MESH}, and may take questions to others"
        ));
    }
    let source = prober.asker.source();
    match said_of_us(prober) {
        None if signs.is_empty() => {
            return Row::untried(
                "mesh",
                ATTACK,
                "whoami is not answered: nothing to compare with",
            );
        }
        None => signs.push("whoami is not answered".into()),
        Some(pairs) => {
            let seen = of(&pairs, "ip");
            let is_ours = source.is_some_and(|source| source.to_string() == seen);
            if !is_ours {
                let own = source.map_or_else(|| "unknown".into(), |source| source.to_string());
                signs.push(format!("the server sees {seen}, our address is {own}"));
            }
        }
    }
    let found = match signs.is_empty() {
        true => Ok("nothing".into()),
        false => Err(signs.join("; ")),
    };
    Row::new("mesh", ATTACK, found)
}
