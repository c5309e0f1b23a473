//! Zones as they are written: names, or CIDRs that stand for reverse zones.

use super::text::shown;
use crate::wire::Name;
use ipnet::IpNet;
use std::net::IpAddr;

const REVERSE_V4: &str = "in-addr.arpa";
const REVERSE_V6: &str = "ip6.arpa";

/// Parses a zone: a name, or a CIDR, which becomes the reverse zones that cover it exactly.
pub(super) fn zone(text: &str) -> Result<Vec<Name>, String> {
    if text.parse::<IpAddr>().is_ok() {
        return Err(format!(
            "`{text}` is an address; a reverse zone needs a prefix, as in `10.0.0.0/8`"
        ));
    }
    if text.contains('/') && !text.contains("://") {
        return match text.parse::<IpNet>() {
            Ok(net) => reverse_zones(&net),
            Err(_) => Err(format!(
                "`{}` is neither a name nor a CIDR, as in `10.0.0.0/8`",
                shown(text)
            )),
        };
    }
    if text.contains(':') {
        return Err(format!(
            "`{}` is not a zone; a scheme or port belongs in `listen`",
            shown(text)
        ));
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if text.is_empty() || !text.chars().all(legal) {
        return Err(format!(
            "`{}` is not a zone: letters, digits, `-`, `_` and dots; the root is `.`",
            shown(text)
        ));
    }
    name(text).map(|zone| vec![zone])
}

/// Returns whether `zone` holds reverse names only.
pub(super) fn is_reverse(zone: &Name) -> bool {
    [REVERSE_V4, REVERSE_V6]
        .iter()
        .any(|apex| name(apex).is_ok_and(|apex| zone.is_at_or_below(&apex)))
}

/// Octets have a label in IPv4, nibbles in IPv6: a prefix between two labels becomes the zones of
/// the next longer whole label, at most 128 or 8 of them.
fn reverse_zones(net: &IpNet) -> Result<Vec<Name>, String> {
    let bits = if net.addr().is_ipv4() { 8 } else { 4 };
    let whole = net.prefix_len().div_ceil(bits) * bits;
    let subnets = net.subnets(whole).map_err(|error| error.to_string())?;
    subnets
        .map(|subnet| {
            let count = usize::from(whole / bits);
            let (labels, apex): (Vec<String>, _) = match subnet.addr() {
                IpAddr::V4(v4) => (v4.octets().iter().map(u8::to_string).collect(), REVERSE_V4),
                IpAddr::V6(v6) => (
                    v6.octets()
                        .iter()
                        .flat_map(|octet| [octet >> 4, octet & 15])
                        .map(|nibble| format!("{nibble:x}"))
                        .collect(),
                    REVERSE_V6,
                ),
            };
            let labels = labels.iter().take(count).rev().map(String::as_bytes);
            name(apex)?
                .prefixed(labels)
                .map_err(|error| error.to_string())
        })
        .collect()
}

fn name(text: &str) -> Result<Name, String> {
    let parsed = text.parse::<Name>();
    parsed
        .map(|name| name.to_lowercase())
        .map_err(|error| format!("`{}`: {error}", shown(text)))
}
