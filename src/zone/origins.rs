//! The names that zones start at, and the reverse zones that an address range stands for.

use crate::wire::Name;
use ipnet::IpNet;
use std::net::IpAddr;

/// One of a zone's origins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Its name, lower case.
    pub name: Name,
    /// The number of its labels.
    pub labels: usize,
    /// Whether it lies under in-addr.arpa or ip6.arpa: no service has a name there.
    pub reverse: bool,
    /// Whether it holds ServiceImports instead of Services.
    pub multicluster: bool,
}

impl Origin {
    /// Returns the origin of this name.
    pub fn new(name: &Name, multicluster: bool) -> Self {
        let name = name.to_lowercase();
        let reverse = ["in-addr.arpa", "ip6.arpa"].iter().any(|arpa| {
            arpa.parse::<Name>()
                .is_ok_and(|arpa| name.is_at_or_below(&arpa))
        });
        Self {
            labels: name.label_count(),
            reverse,
            multicluster,
            name,
        }
    }
}

/// Returns the reverse zones that cover an address range, as CoreDNS splits it: at octets for IPv4,
/// at nibbles for IPv6 (`10.0.0.0/15` is two zones, `10.0.0.0/17` is 128).
pub fn reverse_origins(range: IpNet) -> Vec<Name> {
    let step = if range.addr().is_ipv4() { 8 } else { 4 };
    let prefix = range.prefix_len().div_ceil(step) * step;
    let Ok(subnets) = range.subnets(prefix) else {
        return Vec::new();
    };
    subnets
        .filter_map(|net| reverse_prefix(net.addr(), usize::from(prefix / step)))
        .collect()
}

/// Returns the reverse name of an address: what `dig -x` asks.
pub fn reverse_name(address: IpAddr) -> Option<Name> {
    reverse_origins(IpNet::from(address)).pop()
}

fn reverse_prefix(address: IpAddr, labels: usize) -> Option<Name> {
    let (parts, arpa): (Vec<String>, &str) = match address {
        IpAddr::V4(v4) => (
            v4.octets().iter().map(u8::to_string).collect(),
            "in-addr.arpa",
        ),
        IpAddr::V6(v6) => {
            let nibbles = v6.octets().into_iter().flat_map(|o| [o >> 4, o & 15]);
            (
                nibbles
                    .map(|n| char::from_digit(u32::from(n), 16).into_iter().collect())
                    .collect(),
                "ip6.arpa",
            )
        }
    };
    let arpa: Name = arpa.parse().ok()?;
    arpa.prefixed(parts.iter().take(labels).rev().map(String::as_bytes))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_split_at_octets_and_nibbles() {
        for (range, count, first) in [
            ("10.0.0.0/8", 1, "10.in-addr.arpa."),
            ("10.0.0.0/15", 2, "0.10.in-addr.arpa."),
            ("10.0.0.0/17", 128, "0.0.10.in-addr.arpa."),
            ("10.96.1.1/32", 1, "1.1.96.10.in-addr.arpa."),
            ("0.0.0.0/0", 1, "in-addr.arpa."),
            ("fd00::/8", 1, "d.f.ip6.arpa."),
            ("fd00::/9", 8, "0.d.f.ip6.arpa."),
        ] {
            let names = reverse_origins(range.parse().unwrap());
            assert_eq!(names.len(), count, "{range}");
            assert_eq!(
                names.first().map(ToString::to_string).as_deref(),
                Some(first),
                "{range}"
            );
        }
    }
}
