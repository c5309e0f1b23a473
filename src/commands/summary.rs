//! What is served at one moment, in numbers: what the administrator looks at first. Names of tenants
//! are not in it.

use crate::snapshot::{Identities, Snapshot};
use crate::tenancy::{Client, Mode, NsId, Sight, Tenant};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A snapshot in numbers; its JSON form is the page's contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Counts the snapshots of this process.
    pub generation: u64,
    /// Whether every kind of object has been read once.
    pub synced: bool,
    /// Whether addresses are trusted to tell who asks.
    pub identities_trusted: bool,
    /// `off`, `audit` or `enforce`.
    pub mode: &'static str,
    /// Namespaces that exist.
    pub namespaces: u64,
    /// Tenants that have one; one without a tenant counts as its own.
    pub tenants: u64,
    /// Who sees whom.
    pub visible_pairs: Pairs,
    /// What is wrong with objects so that less is shown.
    pub conditions: Vec<Condition>,
}

/// Pairs of a namespace and another one that its pods see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Pairs {
    /// All of it.
    pub whole: u64,
    /// Single services.
    pub some: u64,
}

/// How many objects are in a state that costs them something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// The kind of object.
    pub kind: &'static str,
    /// What is wrong.
    pub reason: &'static str,
    /// How many.
    pub count: u64,
}

/// Returns a snapshot in numbers. The work is that of looking once for each class of clients at each
/// namespace, and at every address.
pub fn summary(snapshot: &Snapshot) -> Summary {
    let mut namespaces: Vec<NsId> = snapshot.directory.namespaces().collect();
    namespaces.sort_unstable();
    let (mut tenants, mut conflicts) = (BTreeSet::new(), 0);
    for ns in &namespaces {
        let view = snapshot.view(Client::Pod(*ns));
        tenants.extend(view.own_tenant());
        let facts = snapshot.policy.facts(*ns);
        conflicts += u64::from(facts.is_some_and(|facts| facts.tenant == Tenant::Conflict));
    }
    let condition = |kind, reason, count| Condition {
        kind,
        reason,
        count,
    };
    Summary {
        generation: snapshot.generation,
        synced: snapshot.synced,
        identities_trusted: snapshot.identities == Identities::Trusted,
        mode: match snapshot.policy.options().mode {
            Mode::Off => "off",
            Mode::Audit => "audit",
            Mode::Enforce => "enforce",
        },
        namespaces: namespaces.len() as u64,
        tenants: tenants.len() as u64,
        visible_pairs: visible_pairs(snapshot, &namespaces),
        conditions: vec![
            condition("Namespace", "TenantConflict", conflicts),
            condition(
                "Pod",
                "AddressConflict",
                snapshot.clients.conflicts() as u64,
            ),
        ],
    }
}

/// Counts the pairs of different namespaces, which ascend. Clients of one class see the same, their own namespaces
/// aside: the class is looked at once, and each member's own namespace is taken out again.
fn visible_pairs(snapshot: &Snapshot, namespaces: &[NsId]) -> Pairs {
    let mut classes: BTreeMap<usize, Vec<NsId>> = BTreeMap::new();
    for ns in namespaces {
        let class = snapshot.view(Client::Pod(*ns)).class_key();
        classes.entry(class).or_default().push(*ns);
    }
    let mut pairs = Pairs::default();
    for members in classes.values() {
        for target in namespaces {
            // Seen by a member that it is not the own namespace of, where there is one.
            let Some(other) = members.iter().find(|member| *member != target) else {
                continue;
            };
            let of_others = members.len() - usize::from(members.binary_search(target).is_ok());
            match snapshot.view(Client::Pod(*other)).see(*target).sight {
                Sight::Whole | Sight::Most => pairs.whole += of_others as u64,
                Sight::Some => pairs.some += of_others as u64,
                Sight::Hidden => {}
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Cluster, objects};

    fn of(objects: Vec<crate::model::Object>, config: &str) -> Summary {
        summary(&Cluster::of(objects, config).snapshot())
    }

    fn ip(last: u8) -> std::net::IpAddr {
        [10, 244, 0, last].into()
    }

    fn tenant(name: &str, tenant: &str) -> crate::model::Object {
        objects::labeled_namespace(name, &[("team", tenant)])
    }

    const BY_TEAM: &str = "[tenancy]\ntenant_from = [{ label = \"team\" }, { label = \"also\" }]\n";

    #[test]
    fn pairs_are_those_of_different_namespaces() {
        for (case, objects, whole, some) in [
            ("alone", vec![tenant("a", "x")], 0, 0),
            (
                "two tenants",
                vec![tenant("a", "x"), tenant("b", "y")],
                0,
                0,
            ),
            ("one tenant", vec![tenant("a", "x"), tenant("b", "x")], 2, 0),
            (
                "three of one, one of another",
                vec![
                    tenant("a", "x"),
                    tenant("b", "x"),
                    tenant("c", "x"),
                    tenant("d", "y"),
                ],
                6,
                0,
            ),
            (
                "a service for everybody",
                vec![
                    tenant("a", "x"),
                    tenant("b", "y"),
                    objects::namespace("default"),
                    objects::service("default", "kubernetes", &[[10, 96, 0, 1].into()]),
                ],
                0,
                2,
            ),
            (
                "the platform sees all",
                vec![
                    tenant("a", "x"),
                    tenant("b", "y"),
                    objects::namespace("kube-system"),
                ],
                2,
                0,
            ),
        ] {
            let summary = of(objects, BY_TEAM);
            assert_eq!(summary.visible_pairs, Pairs { whole, some }, "{case}");
        }
    }

    #[test]
    fn with_tenancy_off_everybody_sees_everybody() {
        let names = ["a", "b", "c"].map(objects::namespace).to_vec();
        let summary = of(names, "[tenancy]\nmode = \"off\"\n");
        assert_eq!(summary.visible_pairs, Pairs { whole: 6, some: 0 });
        assert_eq!((summary.mode, summary.namespaces), ("off", 3));
    }

    #[test]
    fn conflicts_are_conditions() {
        let torn = objects::labeled_namespace("a", &[("team", "x"), ("also", "y")]);
        let objects = vec![
            torn,
            tenant("b", "x"),
            objects::pod("a", "one", ip(7)),
            objects::pod("b", "other", ip(7)),
            objects::pod("b", "more", ip(8)),
        ];
        let summary = of(objects, BY_TEAM);
        let counts: Vec<_> = summary
            .conditions
            .iter()
            .map(|each| (each.kind, each.reason, each.count))
            .collect();
        assert_eq!(
            counts,
            [
                ("Namespace", "TenantConflict", 1),
                ("Pod", "AddressConflict", 1)
            ]
        );
        assert_eq!((summary.tenants, summary.synced), (2, true));
    }
}
