//! A snapshot as text, by names instead of numbers: what two snapshots are compared by.

use crate::snapshot::Snapshot;
use crate::tenancy::{Client, NsId, Owner, ServiceId, Sight};
use std::collections::BTreeSet;

/// Returns everything that a snapshot holds, one fact a line, sorted. Numbers of namespaces and
/// services, the generation and the hash seed leave no trace.
pub fn dump(snapshot: &Snapshot) -> Vec<String> {
    let ns = |id: NsId| text(snapshot.directory.namespace(id));
    let service = |id: ServiceId| {
        let key = snapshot.directory.service(id);
        key.map_or_else(
            || "?".to_owned(),
            |(n, label)| format!("{}/{}", ns(n), text(Some(label))),
        )
    };
    let mut lines = BTreeSet::new();
    lines.insert(format!("synced {}", snapshot.synced));
    let namespaces: Vec<NsId> = snapshot.directory.namespaces().collect();
    for &id in &namespaces {
        lines.insert(format!(
            "namespace {} {:?}",
            ns(id),
            snapshot.policy.facts(id)
        ));
    }
    let clients = namespaces.iter().map(|&id| (ns(id), Client::Pod(id)));
    let others = [
        ("node".to_owned(), Client::Node),
        ("unknown".to_owned(), Client::Unknown),
    ];
    for (name, client) in clients.chain(others) {
        let row = snapshot.policy.row(client);
        let judged = snapshot.policy.judged_row(client);
        for &target in &namespaces {
            if row.namespace(target) != Sight::Hidden {
                lines.insert(format!(
                    "{name} sees {:?} of {}",
                    row.namespace(target),
                    ns(target)
                ));
            }
            if judged.namespace(target) != row.namespace(target) {
                let would = judged.namespace(target);
                lines.insert(format!("{name} would see {would:?} of {}", ns(target)));
            }
        }
        let mut single: Vec<String> = row
            .single_services()
            .iter()
            .map(|&id| service(id))
            .collect();
        single.sort();
        lines.insert(format!("{name} sees {single:?}"));
    }
    for (address, owner) in snapshot.clients.iter() {
        let owner = match owner {
            Owner::Pod(id) => format!("pod of {}", ns(id)),
            Owner::Node | Owner::Conflict => format!("{owner:?}"),
        };
        lines.insert(format!("{address} is {owner}"));
    }
    for peer in snapshot.forwarders.peers() {
        lines.insert(format!("forwarder {peer:?}"));
    }
    for (at, zone) in snapshot.zones.iter().enumerate() {
        zone.describe(&ns, &service, &namespaces, &mut |line| {
            lines.insert(format!("zone {at}: {line}"));
        });
    }
    lines.into_iter().collect()
}

fn text(label: Option<&[u8]>) -> String {
    label.map_or_else(
        || "?".to_owned(),
        |label| String::from_utf8_lossy(label).into_owned(),
    )
}
