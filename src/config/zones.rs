//! Zones as they are written: names, or CIDRs that stand for reverse zones.

use super::text::shown;
use crate::wire::Name;
use crate::zone::{Origin, reverse_origins};
use ipnet::IpNet;
use std::net::IpAddr;

/// Parses a zone: a name, or a CIDR, which becomes the reverse zones that cover it exactly.
pub(super) fn zone(text: &str) -> Result<Vec<Name>, String> {
    if text.parse::<IpAddr>().is_ok() {
        return Err(format!(
            "`{text}` is an address; a reverse zone needs a prefix, as in `10.0.0.0/8`"
        ));
    }
    if text.contains('/') && !text.contains("://") {
        return match text.parse::<IpNet>() {
            Ok(net) => Ok(reverse_origins(net)),
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
    Origin::new(zone, false).reverse
}

fn name(text: &str) -> Result<Name, String> {
    let parsed = text.parse::<Name>();
    parsed
        .map(|name| name.to_lowercase())
        .map_err(|error| format!("`{}`: {error}", shown(text)))
}
