//! Who sees what, by name: the rows of a snapshot, each class of clients read once. Nothing is
//! decided here, and nothing is said to anybody: `visibility` and `policy diff` do that.

use crate::index::Index;
use crate::model::{Namespace, ObjectKey};
use crate::snapshot::Snapshot;
use crate::tenancy::{Client, NsId, Row, ServiceId, Sight, Tenant};
use crate::zone;
use ipnet::IpNet;
use std::collections::{BTreeMap, HashMap};

/// Who sees what of one snapshot.
pub(super) struct Relation<'a> {
    /// Every client once: namespaces' pods by name, then those that are no pods.
    pub(super) clients: Vec<Seer<'a>>,
    /// What a client's class sees, each extent once.
    pub(super) extents: Vec<Extent<'a>>,
    /// Every name that somebody could see.
    pub(super) targets: Targets<'a>,
    /// How many tests of a namespace or a service this took.
    pub(super) tests: usize,
}

/// One client, or all pods of one namespace.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seer<'a> {
    pub(super) who: Who<'a>,
    /// The place of what its class sees in [`Relation::extents`].
    pub(super) extent: usize,
}

/// Who a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who<'a> {
    /// The pods of a namespace.
    Pods {
        /// Whose they are; the namespace's own name where it has no tenant.
        tenant: &'a str,
        /// Whether a tenant was assigned: a namespace without one may be called like a tenant.
        assigned: bool,
        namespace: &'a str,
    },
    /// Nodes, and pods on their network.
    Node,
    /// Addresses that are nobody's.
    Unknown,
    /// Addresses of a configured range that are no pod's and no node's.
    Range {
        /// Whose they are, where the configuration says it.
        tenant: Option<&'a str>,
        cidr: IpNet,
    },
}

impl<'a> Who<'a> {
    /// Returns the namespace of pods.
    pub(super) fn namespace(self) -> Option<&'a str> {
        match self {
            Self::Pods { namespace, .. } => Some(namespace),
            Self::Node | Self::Unknown | Self::Range { .. } => None,
        }
    }

    /// Returns the word for clients that are neither pods nor of a range.
    pub(super) fn word(self) -> Option<&'static str> {
        match self {
            Self::Pods { .. } | Self::Range { .. } => None,
            Self::Node => Some("node"),
            Self::Unknown => Some("unknown"),
        }
    }
}

/// A service's namespace and name.
pub(super) type Path<'a> = (&'a str, &'a str);

/// What clients see; each list is sorted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Extent<'a> {
    /// Namespaces that are seen whole, but for `hides`.
    pub(super) namespaces: Vec<&'a str>,
    /// Single services of other namespaces.
    pub(super) services: Vec<Path<'a>>,
    /// Services of `namespaces` that are not seen.
    pub(super) hides: Vec<Path<'a>>,
}

impl<'a> Extent<'a> {
    /// Returns whether all of a namespace is seen.
    pub(super) fn has_all_of(&self, namespace: &str) -> bool {
        self.namespaces.binary_search(&namespace).is_ok()
            && of_namespace(&self.hides, namespace).is_empty()
    }

    /// Returns the extent of a client of this class whose own namespace is `own`, which it sees all
    /// of.
    pub(super) fn with(&self, own: Option<&'a str>) -> Self {
        let mut extent = self.clone();
        let Some(own) = own else {
            return extent;
        };
        extent.services.retain(|(namespace, _)| *namespace != own);
        extent.hides.retain(|(namespace, _)| *namespace != own);
        if let Err(place) = extent.namespaces.binary_search(&own) {
            extent.namespaces.insert(place, own);
        }
        extent
    }
}

/// Returns the part of a sorted list that is of one namespace.
pub(super) fn of_namespace<'l, 'a>(list: &'l [Path<'a>], namespace: &str) -> &'l [Path<'a>] {
    let start = list.partition_point(|(other, _)| *other < namespace);
    let end = list.partition_point(|(other, _)| *other <= namespace);
    &list[start..end]
}

/// The namespaces and services that exist and that some zone answers for.
#[derive(Default)]
pub(super) struct Targets<'a> {
    namespaces: BTreeMap<&'a str, (NsId, BTreeMap<&'a str, ServiceId>)>,
}

impl<'a> Targets<'a> {
    fn of(index: &'a Index, snapshot: &'a Snapshot) -> Self {
        let objects = index.objects();
        let zones: Vec<&zone::Options> = snapshot.zones.iter().map(zone::Zone::options).collect();
        let mut targets = Self::default();
        for (name, namespace) in &objects.namespaces {
            let answered = zones.iter().any(|zone| answers(zone, namespace));
            if let Some(ns) = index.namespace_id(name).filter(|_| answered) {
                targets.namespaces.insert(name, (ns, BTreeMap::new()));
            }
        }
        for service in objects.services.iter() {
            if zones
                .iter()
                .any(|zone| zone.labels.matches(&service.labels))
            {
                targets.add(index, &service.key);
            }
        }
        if zones.iter().any(|zone| !zone.multicluster.is_empty()) {
            for import in objects.imports.iter() {
                targets.add(index, &import.key);
            }
        }
        targets
    }

    fn add(&mut self, index: &Index, key: &'a ObjectKey) {
        if let Some((ns, services)) = self.namespaces.get_mut(&*key.namespace)
            && let Some(id) = index.service_id(*ns, &key.name)
        {
            services.insert(&key.name, id);
        }
    }

    /// Returns targets of these names, for tests of what is made of them.
    #[cfg(test)]
    pub(super) fn named(paths: &[Path<'a>]) -> Self {
        let mut targets = Self::default();
        for (number, (namespace, service)) in (0..).zip(paths) {
            let entry = targets.namespaces.entry(namespace);
            let (_, services) = entry.or_insert((NsId(number), BTreeMap::new()));
            services.insert(service, ServiceId(number));
        }
        targets
    }

    /// Returns the namespaces, by name.
    pub(super) fn namespaces(&self) -> impl ExactSizeIterator<Item = &'a str> {
        self.namespaces.keys().copied()
    }

    /// Returns whether a service exists.
    pub(super) fn has(&self, (namespace, service): Path<'_>) -> bool {
        let found = self.namespaces.get(namespace);
        found.is_some_and(|(_, services)| services.contains_key(service))
    }
}

fn answers(zone: &zone::Options, namespace: &Namespace) -> bool {
    let mut listed = zone.namespaces.iter();
    let selected = zone.namespace_labels.as_ref();
    (zone.namespaces.is_empty() || listed.any(|name| name.eq_ignore_ascii_case(&namespace.name)))
        && selected.is_none_or(|selector| selector.matches(&namespace.labels))
}

impl<'a> Relation<'a> {
    /// Reads who sees what. Costs a test for each class of clients and namespace, and one for each
    /// service of the namespaces that a class sees.
    pub(super) fn of(index: &'a Index, snapshot: &'a Snapshot) -> Self {
        let mut relation = Self {
            clients: Vec::new(),
            extents: Vec::new(),
            targets: Targets::of(index, snapshot),
            tests: 0,
        };
        let policy = &snapshot.policy;
        let pods = index.objects().namespaces.keys().filter_map(|name| {
            let ns = index.namespace_id(name)?;
            let facts = policy.facts(ns)?;
            let (tenant, assigned) = match &facts.tenant {
                Tenant::Assigned(tenant) => (&**tenant, true),
                Tenant::Untenanted | Tenant::Conflict => (&**name, false),
            };
            let who = Who::Pods {
                tenant,
                assigned,
                namespace: name,
            };
            Some((who, Client::Pod(ns)))
        });
        let others = [(Who::Node, Client::Node), (Who::Unknown, Client::Unknown)];
        let ranges = policy.externals().map(|(range, cidr, tenant)| {
            let who = Who::Range { tenant, cidr };
            (who, Client::External(range))
        });
        let mut classes: HashMap<usize, usize> = HashMap::new();
        let mut known: BTreeMap<Extent<'a>, usize> = BTreeMap::new();
        let clients: Vec<_> = pods.chain(others).chain(ranges).collect();
        for (who, client) in clients {
            let row = policy.row(client);
            let number = row.class_number();
            let strict = snapshot.view(client).is_strict();
            let class = classes.get(&number).copied().filter(|_| !strict);
            let extent = class.unwrap_or_else(|| {
                let extent = match strict {
                    // Whatever its row says, it is answered nothing.
                    true => Extent::default(),
                    false => relation.extent(row.of_class()),
                };
                let next = known.len();
                let place = *known.entry(extent).or_insert(next);
                if !strict {
                    classes.insert(number, place);
                }
                place
            });
            relation.clients.push(Seer { who, extent });
        }
        let mut extents: Vec<_> = known.into_iter().collect();
        extents.sort_by_key(|(_, place)| *place);
        relation.extents = extents.into_iter().map(|(extent, _)| extent).collect();
        relation
    }

    /// Returns what the addresses of a range are taken for where no pod and no node has them: clients
    /// of the longest range that holds it, or unknown.
    pub(super) fn client_of(&self, range: &IpNet) -> Option<&Seer<'a>> {
        let holds = |client: &&Seer<'a>| match client.who {
            Who::Range { cidr, .. } => cidr.contains(range),
            _ => false,
        };
        // The longest stand first.
        let mut clients = self.clients.iter();
        let found = clients.find(holds);
        found.or_else(|| {
            self.clients
                .iter()
                .find(|client| client.who == Who::Unknown)
        })
    }

    fn extent(&mut self, row: Row<'_>) -> Extent<'a> {
        let mut extent = Extent::default();
        for (name, (ns, services)) in &self.targets.namespaces {
            self.tests += 1;
            let sight = row.namespace(*ns);
            if sight == Sight::Hidden {
                continue;
            }
            self.tests += services.len();
            let some = sight == Sight::Some;
            if !some {
                extent.namespaces.push(name);
            }
            // Of a namespace that is seen those that are not, and the other way round.
            let differing = services
                .iter()
                .filter(|(_, id)| row.permits(*ns, **id) == some);
            let differing = differing.map(|(service, _)| (*name, *service));
            match some {
                true => extent.services.extend(differing),
                false => extent.hides.extend(differing),
            }
        }
        extent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_sees_all_of_its_own_namespace() {
        let class = Extent {
            namespaces: vec!["a", "c"],
            services: vec![("b", "x"), ("d", "x")],
            hides: vec![("a", "x"), ("c", "x")],
        };
        assert!(!class.has_all_of("a") && !class.has_all_of("b") && !class.has_all_of("e"));
        assert_eq!(class.with(None), class);
        for (own, namespaces, services, hides) in [
            ("a", "a c", "b d", "c"),
            ("b", "a b c", "d", "a c"),
            ("e", "a c e", "b d", "a c"),
        ] {
            let extent = class.with(Some(own));
            let of = |list: &[Path<'_>]| list.iter().map(|p| p.0).collect::<Vec<_>>().join(" ");
            let got = [
                extent.namespaces.join(" "),
                of(&extent.services),
                of(&extent.hides),
            ];
            assert_eq!(
                got,
                [namespaces, services, hides].map(str::to_owned),
                "{own}"
            );
            assert!(extent.has_all_of(own));
        }
    }
}
