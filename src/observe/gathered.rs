//! What has been gathered so far, as values. Labels are bounded: what finds no place counts as
//! `other`.

use super::record::CLASSES;
use super::sweep::{SORTS, Sort};
use super::tally::{Counts, RESULTS};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Networks of unknown clients that have a label of their own.
const NETWORKS: usize = 100;
/// What everything else is counted as.
pub(super) const OTHER: &str = "other";

/// Counts since the start.
#[derive(Debug, Clone)]
pub struct Gathered {
    /// Set anew in each round, from the workers' counts.
    pub(super) classes: [Counts; CLASSES.len()],
    pub(super) tenants: BTreeMap<Box<str>, TenantCounts>,
    pub(super) other: TenantCounts,
    most_tenants: usize,
    pub(super) networks: BTreeMap<Box<str>, u64>,
    pub(super) sweeps: [u64; SORTS],
    /// Queries of nodes for names that are there, and that nodes don't see.
    pub node_hidden: u64,
    /// Records that found no room in a ring.
    pub lost: u64,
    /// Names that were not looked at because too many clients were.
    pub overlooked: u64,
}

/// What one tenant's pods asked.
#[derive(Debug, Clone, Default)]
pub struct TenantCounts {
    pub(super) answers: Counts,
    pub(super) sweeps: [u64; SORTS],
}

impl Gathered {
    /// Returns counts of nothing, with labels for so many tenants.
    pub(super) fn new(most_tenants: usize) -> Self {
        Self {
            classes: [Counts::default(); CLASSES.len()],
            tenants: BTreeMap::new(),
            other: TenantCounts::default(),
            most_tenants,
            networks: BTreeMap::new(),
            sweeps: [0; SORTS],
            node_hidden: 0,
            lost: 0,
            overlooked: 0,
        }
    }

    /// Returns answers by kind of client and result.
    pub fn classes(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let each = CLASSES.iter().zip(self.classes);
        each.flat_map(|(class, counts)| {
            let class = class.as_str();
            results(counts).map(move |(result, count)| (class, result, count))
        })
    }

    /// Returns each tenant with a label, and last what all others did together.
    pub fn tenants(&self) -> impl Iterator<Item = (&str, &TenantCounts)> {
        let named = self.tenants.iter().map(|(name, counts)| (&**name, counts));
        named.chain([(OTHER, &self.other)])
    }

    /// Returns the queries of unknown clients by network, those without a label last.
    pub fn networks(&self) -> impl Iterator<Item = (&str, u64)> {
        self.networks.iter().map(|(name, count)| (&**name, *count))
    }

    /// Returns clients suspected, once a window each, by the sort of names that they asked for.
    pub fn sweeps(&self) -> impl Iterator<Item = (&'static str, u64)> {
        by_sort(self.sweeps)
    }

    /// Returns the counts of a tenant: its own, or those of all that have none.
    pub(super) fn tenant(&mut self, tenant: Option<&str>) -> &mut TenantCounts {
        let Some(tenant) = tenant.filter(|tenant| *tenant != OTHER) else {
            return &mut self.other;
        };
        if !self.tenants.contains_key(tenant) {
            if self.tenants.len() >= self.most_tenants {
                return &mut self.other;
            }
            self.tenants.insert(tenant.into(), TenantCounts::default());
        }
        self.tenants.get_mut(tenant).unwrap_or(&mut self.other)
    }

    /// Counts a query of a client that nobody knows.
    pub(super) fn unknown(&mut self, network: IpAddr) {
        let name = match network {
            IpAddr::V4(_) => format!("{network}/24"),
            IpAddr::V6(_) => format!("{network}/48"),
        };
        let known = self.networks.contains_key(&*name);
        let room = self.networks.len() < NETWORKS;
        let name = if known || room { &*name } else { OTHER };
        *self.networks.entry(name.into()).or_default() += 1;
    }
}

impl TenantCounts {
    /// Returns answers by result.
    pub fn answers(&self) -> impl Iterator<Item = (&'static str, u64)> {
        results(self.answers)
    }

    /// Returns pods suspected, once a window each, by the sort of names that they asked for.
    pub fn sweeps(&self) -> impl Iterator<Item = (&'static str, u64)> {
        by_sort(self.sweeps)
    }
}

fn results(counts: Counts) -> impl Iterator<Item = (&'static str, u64)> {
    RESULTS.into_iter().zip(counts)
}

fn by_sort(counts: [u64; SORTS]) -> impl Iterator<Item = (&'static str, u64)> {
    let sorts = [Sort::Reverse, Sort::Absent];
    sorts.into_iter().map(Sort::as_str).zip(counts)
}
