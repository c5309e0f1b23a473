//! `visibility`: who can resolve what. Here as values and as JSON; as a table and as a page in the
//! files below.

mod page;
mod table;

use super::relation::{Extent, Path, Relation, Who};
use crate::index::Index;
use crate::snapshot::Snapshot;
use crate::tenancy::Mode;
use ipnet::IpNet;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// Who can resolve what. Its JSON form is the command's contract: [`Visibility::to_json`].
pub struct Visibility<'a> {
    relation: Relation<'a>,
    entries: Vec<Entry<'a>>,
    mode: Mode,
}

/// Clients that are alike: of one tenant, and see the same.
struct Entry<'a> {
    who: Group<'a>,
    /// Of pods, by name. They see all of each of these.
    namespaces: Vec<&'a str>,
    /// The place of what their class sees.
    extent: usize,
    /// Their namespace, where the class does not see all of it.
    own: Option<&'a str>,
    /// Of clients that are no pods, their ranges.
    cidrs: Vec<IpNet>,
}

/// Whose the clients of an entry are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Group<'a> {
    /// Pods of a tenant.
    Tenant(&'a str),
    /// Pods of a namespace without a tenant.
    Alone(&'a str),
    /// Clients that are no pods: `node` or `unknown`.
    Others(&'static str),
    /// Clients of configured ranges, which may be a tenant's.
    Ranges(Option<&'a str>),
}

impl<'a> Visibility<'a> {
    /// Returns who sees what under the policy of a snapshot.
    pub fn of(index: &'a Index, snapshot: &'a Snapshot) -> Self {
        let relation = Relation::of(index, snapshot);
        let mut entries: BTreeMap<(Group<'a>, usize, Option<&'a str>), Entry<'a>> = BTreeMap::new();
        for client in &relation.clients {
            let who = match client.who {
                Who::Pods {
                    tenant,
                    assigned: true,
                    ..
                } => Group::Tenant(tenant),
                Who::Pods { namespace, .. } => Group::Alone(namespace),
                Who::Node | Who::Unknown => Group::Others(client.who.word().unwrap_or_default()),
                Who::Range { tenant, .. } => Group::Ranges(tenant),
            };
            let own = client.who.namespace().filter(|own| {
                let extent = relation.extents.get(client.extent);
                !extent.is_some_and(|extent| extent.has_all_of(own))
            });
            let entry = entries.entry((who, client.extent, own)).or_insert(Entry {
                who,
                namespaces: Vec::new(),
                extent: client.extent,
                own,
                cidrs: Vec::new(),
            });
            entry.namespaces.extend(client.who.namespace());
            if let Who::Range { cidr, .. } = client.who {
                entry.cidrs.push(cidr);
            }
        }
        let mut entries: Vec<Entry<'a>> = entries.into_values().collect();
        for entry in &mut entries {
            entry.cidrs.sort_unstable();
        }
        // By the names that are read, whatever kind of name it is.
        entries.sort_by(|a, b| a.order().cmp(&b.order()));
        Self {
            relation,
            entries,
            mode: snapshot.policy.options().mode,
        }
    }

    /// Returns how many tests of a namespace or a service reading the policy took.
    pub fn tests(&self) -> usize {
        self.relation.tests
    }

    /// Returns `tenants [{tenant, namespaces [], sees}]`, and in `clients [{client, sees}]` those
    /// that are no pods, where no tenant's name can be taken for theirs: `node`, `unknown`, and
    /// `external` with `tenant` and `cidrs []`. `sees` is `{namespaces [],
    /// services []}`: what is seen whole, and single services besides; `hides []` are services of
    /// those namespaces that are not seen, where there are any.
    ///
    /// A tenant whose namespaces see different things has an entry for each; a namespace without a
    /// tenant is one of its own.
    pub fn to_json(&self) -> impl Serialize {
        Json(self)
    }

    fn extent(&self, entry: &Entry<'a>) -> Option<&Extent<'a>> {
        self.relation.extents.get(entry.extent)
    }

    fn sees(&self, entry: &Entry<'a>) -> Extent<'a> {
        self.extent(entry)
            .map_or_else(Extent::default, |extent| extent.with(entry.own))
    }
}

impl<'a> Entry<'a> {
    fn order(&self) -> (u8, &'a str, Group<'a>, &[&'a str]) {
        let kind = match self.who {
            Group::Tenant(_) | Group::Alone(_) => 0,
            Group::Others(_) => 1,
            Group::Ranges(_) => 2,
        };
        (kind, self.who.name(), self.who, &self.namespaces)
    }
}

impl<'a> Group<'a> {
    fn name(self) -> &'a str {
        match self {
            Self::Tenant(name) | Self::Alone(name) => name,
            Self::Others(word) => word,
            Self::Ranges(tenant) => tenant.unwrap_or_default(),
        }
    }

    fn is_no_pod(self) -> bool {
        matches!(self, Self::Others(_) | Self::Ranges(_))
    }
}

// === as JSON, an entry at a time: all of them may be large together ===

struct Json<'v, 'a>(&'v Visibility<'a>);

struct Listed<'v, 'a> {
    of: &'v Visibility<'a>,
    others: bool,
}

struct One<'v, 'a> {
    of: &'v Visibility<'a>,
    entry: &'v Entry<'a>,
}

impl Serialize for Json<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        for (key, others) in [("tenants", false), ("clients", true)] {
            map.serialize_entry(key, &Listed { of: self.0, others })?;
        }
        map.end()
    }
}

impl Serialize for Listed<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for entry in &self.of.entries {
            if entry.who.is_no_pod() == self.others {
                let of = self.of;
                list.serialize_element(&One { of, entry })?;
            }
        }
        list.end()
    }
}

impl Serialize for One<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.entry.who {
            Group::Others(word) => map.serialize_entry("client", word)?,
            Group::Ranges(tenant) => {
                map.serialize_entry("client", "external")?;
                map.serialize_entry("tenant", &tenant)?;
                map.serialize_entry("cidrs", &self.entry.cidrs)?;
            }
            Group::Tenant(name) | Group::Alone(name) => {
                map.serialize_entry("tenant", name)?;
                map.serialize_entry("namespaces", &self.entry.namespaces)?;
            }
        }
        map.serialize_entry("sees", &Sees::of(&self.of.sees(self.entry)))?;
        map.end()
    }
}

/// An extent in JSON, here and in `policy diff`.
#[derive(Debug, Serialize)]
struct Sees<'e> {
    namespaces: &'e [&'e str],
    services: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hides: Vec<String>,
}

impl<'e> Sees<'e> {
    fn of(extent: &'e Extent<'e>) -> Self {
        Self {
            namespaces: &extent.namespaces,
            services: paths(&extent.services),
            hides: paths(&extent.hides),
        }
    }
}

/// Returns services as `namespace/name`.
pub(super) fn paths(list: &[Path<'_>]) -> Vec<String> {
    list.iter()
        .map(|(namespace, service)| format!("{namespace}/{service}"))
        .collect()
}
