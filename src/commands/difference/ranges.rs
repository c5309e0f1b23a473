//! The part of `policy diff` that is about clients of configured ranges.

use super::super::plain::plain;
use super::super::relation::{Relation, Who};
use super::{Both, FEW};
use ipnet::IpNet;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};

/// Ranges of one tenant, or of none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Ranges {
    tenant: Option<String>,
    cidrs: Vec<String>,
}

impl Ranges {
    /// Returns those of some clients, by tenant.
    pub(super) fn of(who: &[Who<'_>]) -> Vec<Self> {
        let mut ranges: BTreeMap<Option<&str>, Vec<String>> = BTreeMap::new();
        for client in who {
            if let Who::Range { tenant, cidr } = *client {
                ranges.entry(tenant).or_default().push(cidr.to_string());
            }
        }
        let ranges = ranges.into_iter().map(|(tenant, cidrs)| Self {
            tenant: tenant.map(str::to_owned),
            cidrs,
        });
        ranges.collect()
    }
}

impl Display for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cidrs = self.cidrs.iter().take(FEW).map(String::as_str);
        write!(f, "clients in {}", cidrs.collect::<Vec<_>>().join(", "))?;
        match self.cidrs.len().saturating_sub(FEW) {
            0 => {}
            more => write!(f, " and {more} more")?,
        }
        match &self.tenant {
            Some(tenant) => write!(f, " (tenant {})", plain(tenant)),
            None => Ok(()),
        }
    }
}

/// Returns each range that one of both names. Where the other does not, its clients are those of a
/// wider one, or unknown.
pub(super) fn ranges_of<'a>(
    old: &Relation<'a>,
    new: &Relation<'a>,
) -> impl Iterator<Item = Both<'a>> {
    let named = old.clients.iter().chain(&new.clients);
    let named = named.filter_map(|client| match client.who {
        Who::Range { cidr, .. } => Some(cidr),
        _ => None,
    });
    let named: BTreeSet<IpNet> = named.collect();
    let tenant_in = |relation: &Relation<'a>, cidr: &IpNet| match relation.client_of(cidr)?.who {
        Who::Range { tenant, .. } => tenant,
        _ => None,
    };
    let both = named.into_iter().map(|cidr| Both {
        who: Who::Range {
            // Whose it is now, where it is somebody's.
            tenant: tenant_in(new, &cidr).or_else(|| tenant_in(old, &cidr)),
            cidr,
        },
        old: old.client_of(&cidr).map(|client| client.extent),
        new: new.client_of(&cidr).map(|client| client.extent),
    });
    both.collect::<Vec<_>>().into_iter()
}
