//! `[[tenancy.forwarder]]`: who may speak for others. A mistake here lets somebody ask as anybody, so
//! that whatever is doubtful is refused.

use super::document::{Placed, Section};
use super::text::{service, shown};
use crate::tenancy::{ForwarderOptions, Identity, ServiceRef};
use crate::wire::{MIN_PAYLOAD, PAYLOAD_SIZE};
use ipnet::IpNet;

/// The option code where none is written: the first of those for local use (RFC 6891 section 9).
const DEFAULT_OPTION: u16 = 65_001;

/// A word of `identity`.
#[derive(Clone, Copy, PartialEq)]
enum Word {
    EdnsLocal,
    EdnsNamespace,
    Ecs,
    ProxyV2,
}

/// Reads every table.
pub(super) fn read(tenancy: &mut Section<'_>) -> Vec<ForwarderOptions> {
    let want = "tables [[tenancy.forwarder]]";
    let field = tenancy.field("forwarder");
    let items = field.and_then(|field| field.items(want));
    let mut done = Vec::new();
    for item in items.into_iter().flatten() {
        if let Some(table) = item.table(want) {
            let forwarder = read_one(table, &done);
            done.push(forwarder);
        }
    }
    done
}

fn read_one(mut table: Section<'_>, before: &[ForwarderOptions]) -> ForwarderOptions {
    let mut peers = table.table("peers");
    let cidrs = peers.field("cidrs");
    let cidrs = cidrs.map(|field| field.placed("ranges, as in \"10.244.0.0/16\"", range));
    let services = peers.field("services");
    let services =
        services.map(|field| field.placed("services, as in \"kube-system/kube-dns\"", service));
    peers.finish(&[]);
    // A list that can't be read has its own error.
    let unread = matches!(cidrs, Some(None)) || matches!(services, Some(None));
    let cidrs = cidrs.flatten().unwrap_or_default();
    let services = services.flatten().unwrap_or_default();
    if cidrs.is_empty() && services.is_empty() && !unread {
        table.problem(
            "names no peers: `cidrs` or `services` in `peers` say who may speak for others",
        );
    }
    report_overlaps(&cidrs, before);
    report_repeated(&services, before);

    let mut word = Word::EdnsLocal;
    table.choice(
        "identity",
        &mut word,
        &[
            ("edns_local", Word::EdnsLocal),
            ("edns_namespace", Word::EdnsNamespace),
            ("ecs", Word::Ecs),
            ("proxy_v2", Word::ProxyV2),
        ],
    );
    let mut option = DEFAULT_OPTION;
    let in_option = matches!(word, Word::EdnsLocal | Word::EdnsNamespace);
    if !in_option && table.has("option") {
        table.problem("has an `option`, which is read with edns_local and edns_namespace alone");
    }
    table.number(
        "option",
        &mut option,
        65_001..=65_534,
        "codes for local use are 65001 to 65534",
    );
    let mut udp_size = PAYLOAD_SIZE;
    table.number(
        "udp_size",
        &mut udp_size,
        u64::from(MIN_PAYLOAD)..=u64::from(PAYLOAD_SIZE),
        "it is 512 to 1232 octets",
    );
    table.finish(&[]);
    ForwarderOptions {
        cidrs: cidrs.into_iter().map(|placed| placed.value).collect(),
        services: services.into_iter().map(|placed| placed.value).collect(),
        identity: match word {
            Word::EdnsLocal => Identity::EdnsLocal(option),
            Word::EdnsNamespace => Identity::EdnsNamespace(option),
            Word::Ecs => Identity::Ecs,
            Word::ProxyV2 => Identity::ProxyV2,
        },
        udp_size,
    }
}

/// Parses a range of peers.
fn range(text: &str) -> Result<IpNet, String> {
    if text.parse::<std::net::IpAddr>().is_ok() {
        return Err(format!(
            "`{text}` has no prefix; one address is `{}`",
            single(text)
        ));
    }
    let Ok(net) = text.parse::<IpNet>() else {
        return Err(format!(
            "`{}` is not a range, as in `10.244.0.0/16`",
            shown(text)
        ));
    };
    if net.prefix_len() == 0 {
        return Err(format!(
            "`{net}` is everybody: then everybody may ask as anybody"
        ));
    }
    if net.addr() != net.network() {
        return Err(format!(
            "`{net}` has bits behind its prefix; the range is `{}`, one address `{}`",
            net.trunc(),
            single(&net.addr().to_string())
        ));
    }
    let mapped = matches!(net, IpNet::V6(v6) if v6.addr().to_ipv4_mapped().is_some());
    if mapped {
        return Err(format!(
            "`{net}` is IPv4 written as IPv6; peers' addresses are compared as IPv4"
        ));
    }
    Ok(net)
}

fn single(address: &str) -> String {
    let width = if address.contains(':') { 128 } else { 32 };
    format!("{address}/{width}")
}

/// An address in two tables would have two ways to name its clients.
fn report_overlaps(cidrs: &[Placed<'_, IpNet>], before: &[ForwarderOptions]) {
    for (at, Placed { value, field }) in cidrs.iter().enumerate() {
        let others = before.iter().flat_map(|table| &table.cidrs);
        let earlier = cidrs.iter().take(at).map(|placed| &placed.value);
        let meets = |other: &&IpNet| other.contains(value) || value.contains(*other);
        if let Some(other) = others.chain(earlier).find(meets) {
            field.problem(format_args!("`{value}` and `{other}` share addresses"));
        }
    }
}

fn report_repeated(services: &[Placed<'_, ServiceRef>], before: &[ForwarderOptions]) {
    for (at, Placed { value, field }) in services.iter().enumerate() {
        let mut others = before.iter().flat_map(|table| &table.services);
        let mut earlier = services.iter().take(at).map(|placed| &placed.value);
        if others.any(|other| other == value) || earlier.any(|other| other == value) {
            field.problem(format_args!(
                "`{}/{}` is named already",
                value.namespace, value.name
            ));
        }
    }
}
