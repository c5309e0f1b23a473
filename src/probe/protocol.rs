//! What the protocol offers beside questions: transfers, other classes and opcodes, options.

use super::message::{Form, Reply, of_class, query, with_options};
use super::{Found, Prober, Row};
use crate::wire::{RType, Rcode};

/// Class CH.
const CHAOS: u16 = 3;
/// Options that a server might send back or tell itself by: NSID, a cookie, padding, and a local one.
const OPTIONS: [(u16, &[u8]); 4] = [
    (3, &[]),
    (10, &[1, 2, 3, 4, 5, 6, 7, 8]),
    (12, &[0; 8]),
    (65_001, b"probe"),
];

pub(super) fn rows(prober: &Prober<'_>) -> Vec<Row> {
    vec![
        Row::new("E05", "transfers of the zone", transfers(prober)),
        Row::new("O06", "NSID, cookies and other options", options(prober)),
        Row::new("O10", "updates, notifications, status", opcodes(prober)),
        Row::new("P01", "two questions in one message", two_questions(prober)),
        Row::new("P02", "version.bind and its like", chaos(prober)),
        Row::new("P03", "dns-version", version(prober)),
    ]
}

fn transfers(prober: &Prober<'_>) -> Found {
    let zone = &prober.options.zone;
    let zones = [
        format!("{zone}."),
        format!("svc.{zone}."),
        "in-addr.arpa.".into(),
        "10.in-addr.arpa.".into(),
    ];
    for name in &zones {
        for rtype in [RType::AXFR, RType::IXFR] {
            let bytes = query(name, rtype, Form::Plain);
            for reply in [prober.asker.tcp(&bytes), prober.asker.udp(&bytes)] {
                let reply = reply.as_deref().and_then(Reply::read);
                if let Some(reply) = reply.filter(|reply| !reply.answers.is_empty()) {
                    return Err(format!(
                        "{rtype} of {name} has {} records",
                        reply.answers.len()
                    ));
                }
            }
        }
    }
    Ok("no records".into())
}

fn options(prober: &Prober<'_>) -> Found {
    let name = prober.name("kubernetes.default.svc");
    let bytes = with_options(&name, RType::A, &OPTIONS);
    let reply = prober
        .asker
        .udp(&bytes)
        .ok_or_else(|| format!("{name} with options: no answer"))?;
    match Reply::read(&reply) {
        Some(reply) if reply.options == 0 => Ok("none comes back".into()),
        Some(reply) => Err(format!("{} options come back", reply.options)),
        None => Err(format!("{name} with options: an answer that can't be read")),
    }
}

fn opcodes(prober: &Prober<'_>) -> Found {
    for (opcode, what) in [(2u8, "STATUS"), (4, "NOTIFY"), (5, "UPDATE")] {
        let mut bytes = query(
            &format!("{}.", prober.options.zone),
            RType::SOA,
            Form::Plain,
        );
        if let Some(flags) = bytes.get_mut(2) {
            *flags = opcode << 3;
        }
        let reply = prober
            .asker
            .tcp(&bytes)
            .and_then(|reply| Reply::read(&reply));
        if let Some(reply) = reply.filter(|reply| reply.rcode == Rcode::NOERROR) {
            return Err(format!("{what} is taken: {}", reply.said()));
        }
    }
    Ok("none is taken".into())
}

fn two_questions(prober: &Prober<'_>) -> Found {
    let visible = query(
        &prober.name("kubernetes.default.svc"),
        RType::A,
        Form::Plain,
    );
    let hidden = prober.subjects.first().map_or_else(
        || "x.kube-public".into(),
        |subject| format!("{}.{}", subject.service, subject.namespace),
    );
    let hidden = query(
        &prober.name(&format!("{hidden}.svc")),
        RType::A,
        Form::Plain,
    );
    let mut bytes = visible;
    if let Some(count) = bytes.get_mut(5) {
        *count = 2;
    }
    bytes.extend(hidden.get(12..).unwrap_or_default());
    let id = bytes.get(..2).unwrap_or_default();
    match prober
        .asker
        .udp_briefly(&bytes, id)
        .and_then(|reply| Reply::read(&reply))
    {
        Some(reply) if !reply.answers.is_empty() => Err(format!("answered with {}", reply.said())),
        Some(reply) => Ok(reply.said()),
        None => Ok("no answer".into()),
    }
}

fn chaos(prober: &Prober<'_>) -> Found {
    for name in [
        "version.bind.",
        "hostname.bind.",
        "id.server.",
        "version.server.",
        "authors.bind.",
    ] {
        let bytes = of_class(name, RType::TXT, CHAOS);
        let reply = prober
            .asker
            .udp(&bytes)
            .and_then(|reply| Reply::read(&reply));
        if let Some(reply) = reply.filter(|reply| !reply.answers.is_empty()) {
            return Err(format!("{name} is {}", reply.said()));
        }
    }
    Ok("nothing is told".into())
}

fn version(prober: &Prober<'_>) -> Found {
    let name = prober.name("dns-version");
    let reply = prober
        .ask(&name, RType::TXT)
        .ok_or_else(|| format!("{name}: no answer"))?;
    match &reply.answers[..] {
        [only] => Ok(only.data.clone()),
        _ => Err(format!(
            "{name} is {}, and is one text by the specification",
            reply.said()
        )),
    }
}
