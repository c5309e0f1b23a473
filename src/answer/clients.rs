//! For whom upstreams are asked: `clients` and `tenants` of a `forward` table.

use super::Asked;
use crate::chain::ForwardOptions;
use crate::tenancy::Client;
use std::net::IpAddr;

/// Returns whether a table is there for the tenant that asks.
pub(super) fn is_for_tenant(asked: &Asked<'_>, table: &ForwardOptions) -> bool {
    if table.tenants.is_empty() {
        return true;
    }
    let tenant = asked.snapshot.view(asked.client).own_tenant();
    tenant.is_some_and(|tenant| table.tenants.iter().any(|listed| **listed == *tenant))
}

/// Returns whether a table lists who asks: for others the server would be an open resolver.
pub(super) fn is_listed(asked: &Asked<'_>, table: &ForwardOptions) -> bool {
    let clients = table.clients;
    clients.any
        || (clients.cluster && asked.client != Client::Unknown)
        || (clients.private && asked.address().is_some_and(is_private))
}

/// Returns whether an address is of a range that is not routed on the Internet: RFC 1918, RFC 6598,
/// RFC 4193, link-local and loopback.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let is_shared = a == 100 && b & 0xc0 == 64;
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || is_shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_those_that_the_internet_does_not_route() {
        for (address, expected) in [
            ("10.0.0.1", true),
            ("172.15.0.1", false),
            ("172.16.0.1", true),
            ("172.32.0.1", false),
            ("192.168.255.1", true),
            ("192.169.0.1", false),
            ("100.63.0.1", false),
            ("100.64.0.1", true),
            ("100.127.255.1", true),
            ("100.128.0.1", false),
            ("127.9.0.1", true),
            ("169.254.20.10", true),
            ("8.8.8.8", false),
            ("0.0.0.0", false),
            ("::1", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("fec0::1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_private(address.parse().unwrap()), expected, "{address}");
        }
    }
}
