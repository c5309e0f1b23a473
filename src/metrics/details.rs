//! The series that name tenants and networks, for the administrator alone.

use super::page::Page;
use super::series;

/// One moment's values.
#[derive(Debug, Clone, Default)]
pub struct Details {
    /// Answers by kind of client and result.
    pub clients: Vec<(&'static str, &'static str, u64)>,
    /// Answers to a tenant's pods, by result.
    pub tenants: Vec<(Box<str>, &'static str, u64)>,
    /// Pods of a tenant suspected of a sweep, by the sort of names.
    pub sweeps: Vec<(Box<str>, &'static str, u64)>,
    /// Answers to unknown clients, by network.
    pub networks: Vec<(Box<str>, u64)>,
    /// Answers to nodes that hid something.
    pub node_hidden: u64,
    /// Pairs of namespaces of which one sees the other, by how much of it.
    pub visible_pairs: Vec<(&'static str, u64)>,
    /// Objects, by what is wrong with them.
    pub conditions: Vec<(&'static str, &'static str, u64)>,
}

impl Details {
    pub(super) fn write(&self, page: &mut Page) {
        for (class, result, count) in &self.clients {
            page.count(&series::CLIENT_ANSWERS, &[class, result], *count);
        }
        for (tenant, result, count) in &self.tenants {
            page.count(&series::TENANT_ANSWERS, &[tenant, result], *count);
        }
        for (tenant, kind, count) in &self.sweeps {
            page.count(&series::TENANT_SWEEPS, &[tenant, kind], *count);
        }
        for (network, count) in &self.networks {
            page.count(&series::UNKNOWN_ANSWERS, &[network], *count);
        }
        page.count(&series::NODE_HIDDEN, &[], self.node_hidden);
        for (sight, count) in &self.visible_pairs {
            page.count(&series::VISIBLE_PAIRS, &[sight], *count);
        }
        for (kind, reason, count) in &self.conditions {
            page.count(&series::CONDITION, &[kind, reason], *count);
        }
    }
}
