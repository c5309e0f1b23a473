//! Who asked: looked up when it is written down, not when the query was answered.

use crate::app::questions::Asking;
use crate::observe::Exchange;
use crate::querylog::Asker;
use crate::snapshot::{Snapshot, SnapshotReader};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Pods whose names are asked for at once.
const AT_ONCE: usize = 512;

/// Knows the clients.
pub(super) struct Askers {
    reader: SnapshotReader,
    asking: Asking,
}

impl Askers {
    pub(super) fn new(reader: &SnapshotReader, asking: &Asking) -> Self {
        Self {
            reader: reader.clone(),
            asking: asking.clone(),
        }
    }

    /// Returns the names of the pods that asked.
    pub(super) fn pods<'e>(
        &self,
        found: impl IntoIterator<Item = &'e Exchange>,
    ) -> BTreeMap<IpAddr, Box<str>> {
        let snapshot = self.reader.load();
        let mut asked = BTreeMap::new();
        for exchange in found {
            let address = client(exchange);
            if let Some(namespace) = asker(&snapshot, address).namespace {
                asked.insert(address, namespace);
            }
        }
        drop(snapshot);
        let asked: Vec<_> = asked.into_iter().collect();
        let mut known = BTreeMap::new();
        for some in asked.chunks(AT_ONCE) {
            let names = self.asking.pods(some.to_vec()).unwrap_or_default();
            let pairs = some.iter().zip(names);
            known.extend(pairs.filter_map(|((address, _), name)| Some((*address, name?))));
        }
        known
    }

    /// Returns who asked, whose name, if it is a pod, is among these.
    pub(super) fn asker(&self, exchange: &Exchange, pods: &BTreeMap<IpAddr, Box<str>>) -> Asker {
        let client = client(exchange);
        let mut asker = asker(&self.reader.load(), client);
        asker.pod = pods.get(&client).cloned();
        asker
    }
}

fn client(exchange: &Exchange) -> IpAddr {
    let client = exchange.named.unwrap_or_else(|| exchange.peer.ip());
    client.to_canonical()
}

/// Returns who an address is, but for the pod's name.
fn asker(snapshot: &Snapshot, address: IpAddr) -> Asker {
    let view = snapshot.view(snapshot.identify(address));
    let text = |label: &[u8]| String::from_utf8_lossy(label).into();
    Asker {
        class: view.class().as_str(),
        namespace: view.own_namespace().map(text),
        pod: None,
        tenant: view.own_tenant().map(Into::into),
    }
}
