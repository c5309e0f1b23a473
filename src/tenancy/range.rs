//! Clients that are neither pods nor nodes: the ranges that `[[tenancy.client]]` and the rules name.

use super::AddressKey;
use super::decide::ExternalFacts;
use super::options::Options;
use ipnet::IpNet;

/// The number of a configured range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangeId(u16);

impl RangeId {
    pub(super) fn place(self) -> usize {
        usize::from(self.0)
    }
}

/// Every range, the longest prefix first, with what is said of its clients.
#[derive(Debug, Clone, Default)]
pub(super) struct Ranges {
    list: Vec<(IpNet, ExternalFacts)>,
    /// The same ranges, to be compared with addresses.
    keys: Vec<Key>,
}

/// The addresses of one range: of its family, and alike where the mask has bits.
#[derive(Debug, Clone, Copy)]
struct Key {
    v4: bool,
    mask: u128,
    first: u128,
}

impl Key {
    fn of(cidr: &IpNet) -> Self {
        let v4 = matches!(cidr, IpNet::V4(_));
        let len = u32::from(cidr.prefix_len()) + if v4 { 96 } else { 0 };
        let mask = u128::MAX.checked_shl(128 - len).unwrap_or(0);
        Self {
            v4,
            mask,
            first: AddressKey::from(cidr.network()).0 & mask,
        }
    }

    fn has(&self, address: u128, v4: bool) -> bool {
        self.v4 == v4 && address & self.mask == self.first
    }
}

impl Ranges {
    /// Returns the ranges of these settings. What is said of a range is said of the narrower ones in
    /// it, but for the tenant, which the longest one that has one gives.
    pub(super) fn new(options: &Options) -> Self {
        let named = options.clients.iter().map(|client| client.cidr);
        let rules = options
            .rules
            .list()
            .iter()
            .flat_map(|rule| &rule.from.cidrs);
        let mut cidrs: Vec<IpNet> = named
            .chain(rules.copied())
            .map(|cidr| cidr.trunc())
            .collect();
        cidrs.sort_by_key(|cidr| (std::cmp::Reverse(cidr.prefix_len()), *cidr));
        cidrs.dedup();
        let facts = |cidr: &IpNet| {
            let around = options.clients.iter().filter(|c| c.cidr.contains(cidr));
            let longest = around.max_by_key(|client| client.cidr.prefix_len());
            let tenant = longest.map(|client| client.tenant.clone());
            ExternalFacts {
                from: options.rules.of_range(cidr, tenant.as_deref()),
                tenant,
            }
        };
        Self {
            list: cidrs.iter().map(|cidr| (*cidr, facts(cidr))).collect(),
            keys: cidrs.iter().map(Key::of).collect(),
        }
    }

    /// Returns the range of an address.
    #[inline]
    pub(super) fn find(&self, AddressKey(address): AddressKey) -> Option<RangeId> {
        let v4 = address >> 32 == 0xffff;
        let place = self.keys.iter().position(|key| key.has(address, v4));
        place.and_then(|place| Some(RangeId(place.try_into().ok()?)))
    }

    pub(super) fn of(&self, range: RangeId) -> Option<&ExternalFacts> {
        self.list.get(range.place()).map(|(_, facts)| facts)
    }

    /// Returns each range with its number and its tenant, where it has one.
    pub(super) fn iter(&self) -> impl Iterator<Item = (RangeId, IpNet, Option<&str>)> {
        let numbered = (0..).zip(&self.list);
        numbered.map(|(number, (cidr, facts))| (RangeId(number), *cidr, facts.tenant.as_deref()))
    }

    /// Returns what is said of the clients of each range, by number.
    pub(super) fn facts(&self) -> impl Iterator<Item = &ExternalFacts> {
        self.list.iter().map(|(_, facts)| facts)
    }
}
