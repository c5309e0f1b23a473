//! What the small steps are told: `nsid`, `dns64`, `chaos`, `autopath`, `header`.

use crate::wire::{HeaderFlags, Name};
use std::net::{Ipv4Addr, Ipv6Addr};

/// `chaos`: what the server says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChaosOptions {
    /// `version`: the text of `version.bind` and `version.server`.
    pub version: Box<str>,
    /// `authors`: the texts of `authors.bind`.
    pub authors: Vec<Box<str>>,
    /// The text of `hostname.bind` and `id.server`.
    pub hostname: Box<str>,
}

/// `dns64`: IPv6 addresses for what has none (RFC 6147).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns64Options {
    /// `prefix`: its address, and its length, which is 32, 40, 48, 56, 64 or 96.
    pub prefix: (Ipv6Addr, u8),
    /// `translate_all`: also for names that have an IPv6 address.
    pub translate_all: bool,
    /// `allow_ipv4`: also for clients that ask over IPv4.
    pub allow_ipv4: bool,
}

impl Dns64Options {
    /// Returns the address that stands for an IPv4 one (RFC 6052 section 2.2).
    pub fn translate(&self, address: Ipv4Addr) -> Ipv6Addr {
        let (prefix, length) = (self.prefix.0.octets(), usize::from(self.prefix.1 / 8));
        let mut octets = [0; 16];
        let mut embedded = address.octets().into_iter();
        for (at, octet) in octets.iter_mut().enumerate() {
            *octet = match at {
                _ if at < length => prefix.get(at).copied().unwrap_or(0),
                // Bits 64 to 71 are zero.
                8 => 0,
                _ => embedded.next().unwrap_or(0),
            };
        }
        octets.into()
    }
}

/// `autopath`: the client's search list, gone through for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutopathOptions {
    /// `zones`, in lower case: names that are searched.
    pub zones: Vec<Name>,
    /// Where the search list is from.
    pub from: SearchList,
    /// What a resolv.conf lists to be searched: all there is, or what follows the cluster's zones.
    pub search: Vec<Name>,
}

/// Where a search list is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchList {
    /// The cluster: that of the pod that asks.
    Kubernetes,
    /// A file of resolv.conf's kind, for every client.
    File(Box<str>),
}

/// `header`: flags of questions and answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HeaderOptions {
    /// Of questions, for the steps behind and for upstreams.
    pub query: FlagRules,
    /// Of answers.
    pub response: FlagRules,
}

/// What becomes of flags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FlagRules {
    /// These are set.
    pub set: HeaderFlags,
    /// These are not.
    pub clear: HeaderFlags,
}

impl FlagRules {
    /// Returns flags as the rules leave them.
    pub fn applied(self, flags: HeaderFlags) -> HeaderFlags {
        flags.without(self.clear).or(self.set)
    }

    /// Adds a rule behind those before it.
    pub fn add(&mut self, flag: HeaderFlags, is_set: bool) {
        let (into, from) = match is_set {
            true => (&mut self.set, &mut self.clear),
            false => (&mut self.clear, &mut self.set),
        };
        *into = into.or(flag);
        *from = from.without(flag);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_embedded_as_in_rfc_6052() {
        for (prefix, length, expected) in [
            ("2001:db8::", 32, "2001:db8:c000:221::"),
            ("2001:db8:100::", 40, "2001:db8:1c0:2:21::"),
            ("2001:db8:122::", 48, "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::", 56, "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::", 64, "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::", 96, "2001:db8:122:344::192.0.2.33"),
        ] {
            let options = Dns64Options {
                prefix: (prefix.parse().unwrap(), length),
                translate_all: false,
                allow_ipv4: false,
            };
            let expected: Ipv6Addr = expected.parse().unwrap();
            assert_eq!(
                options.translate(Ipv4Addr::new(192, 0, 2, 33)),
                expected,
                "/{length}"
            );
        }
    }
}
