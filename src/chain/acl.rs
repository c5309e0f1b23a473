//! The `acl` step: which addresses get which answer instead of one. Not who may see which of the
//! cluster's names: that is tenancy's, which no rule here can widen.

use super::longest;
use crate::wire::{Name, QName, RType};
use ipnet::IpNet;
use std::net::IpAddr;

/// One `acl` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclOptions {
    /// `zones`, in lower case: the names that it is for.
    pub zones: Vec<Name>,
    /// `rules`: the first that matches decides.
    pub rules: Vec<AclRule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclRule {
    /// `action`.
    pub action: AclAction,
    /// `types`: questions for these; for all where it is empty.
    pub types: Vec<RType>,
    /// `nets`: from these; from everywhere where it is empty.
    pub nets: Vec<IpNet>,
}

/// What becomes of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AclAction {
    /// It is answered, whatever later tables say.
    Allow,
    /// REFUSED.
    Block,
    /// NOERROR without records.
    Filter,
    /// Nothing is sent.
    Drop,
}

/// Returns what the tables say of a question; nothing where it may go on. An asker without an address
/// is blocked by the first table that is for the name.
pub fn judge(
    tables: &[AclOptions],
    qname: &QName<'_>,
    qtype: RType,
    asker: Option<IpAddr>,
) -> Option<AclAction> {
    for table in tables {
        if longest(&table.zones, qname).is_none() {
            continue;
        }
        let Some(asker) = asker else {
            return Some(AclAction::Block);
        };
        let matches = |rule: &&AclRule| {
            (rule.types.is_empty() || rule.types.contains(&qtype))
                && (rule.nets.is_empty() || rule.nets.iter().any(|net| net.contains(&asker)))
        };
        match table.rules.iter().find(matches).map(|rule| rule.action) {
            Some(AclAction::Allow) => return None,
            Some(action) => return Some(action),
            None => {}
        }
    }
    None
}
