//! Pods, packed: a cluster has ten times more of them than of anything else.

use super::names::{NameId, Names};
use super::slab::{ByHash, Slab};
use super::stamp::Stamp;
use crate::cow::Seed;
use crate::model::{Labels, ObjectKey, Phase, Pod};
use crate::tenancy::NsId;
use std::net::{IpAddr, Ipv4Addr};

/// The number of a node's name; [`NodeId::NONE`] for a pod that has not been scheduled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::index) struct NodeId(pub(in crate::index) u32);

impl NodeId {
    /// No node.
    pub(in crate::index) const NONE: Self = Self(u32::MAX);
}

/// What the index keeps of a Pod. 40 octets, its name, and for the few that need more a box of the
/// rest: 150,000 of them decide how large the process is.
#[derive(Debug)]
pub struct PodRow {
    extra: Option<Box<Extra>>,
    stamp: Stamp,
    name: NameId,
    ns: NsId,
    node: NodeId,
    v4: Ipv4Addr,
    flags: u16,
    uid: u16,
}

/// What only few pods have: other addresses than one of IPv4, and labels that a selector reads.
#[derive(Debug, PartialEq, Eq)]
struct Extra {
    pod_ip: Option<IpAddr>,
    pod_ips: Box<[IpAddr]>,
    labels: Labels,
}

const ALIVE: u16 = 1;
const HOST_NETWORK: u16 = 2;
const TERMINATING: u16 = 4;
const CONTAINERS_ENDED: u16 = 8;
const SANDBOX_GONE: u16 = 16;
const HAS_V4: u16 = 32;
/// Its node has started again since the object was written: its addresses may be another's.
const STALE: u16 = 64;

impl PodRow {
    /// Packs a pod, but for its name, which [`Pods::put`] keeps. Its labels are kept as they are: whoever
    /// needs none has taken them out.
    pub(in crate::index) fn new(pod: Pod, ns: NsId, node: NodeId) -> Self {
        let alive = match pod.phase {
            Phase::Pending | Phase::Running | Phase::Unknown => true,
            Phase::Succeeded | Phase::Failed => false,
        };
        let mut flags = 0;
        for (flag, set) in [
            (ALIVE, alive),
            (HOST_NETWORK, pod.host_network),
            (TERMINATING, pod.terminating),
            (CONTAINERS_ENDED, pod.containers_ended),
            (SANDBOX_GONE, pod.sandbox_gone),
        ] {
            flags |= if set { flag } else { 0 };
        }
        let lone = match (pod.pod_ip, &*pod.pod_ips) {
            (Some(IpAddr::V4(ip)), [IpAddr::V4(only)]) if ip == *only => Some(ip),
            _ => None,
        };
        let none = pod.pod_ip.is_none() && pod.pod_ips.is_empty();
        let plain = (lone.is_some() || none) && pod.labels.is_empty();
        let extra = (!plain).then(|| {
            Box::new(Extra {
                pod_ip: pod.pod_ip,
                pod_ips: pod.pod_ips.into(),
                labels: pod.labels,
            })
        });
        if let (true, Some(_)) = (plain, lone) {
            flags |= HAS_V4;
        }
        Self {
            uid: tag(&pod.uid),
            extra,
            stamp: Stamp::default(),
            name: NameId::NONE,
            ns,
            node,
            v4: lone.filter(|_| plain).unwrap_or(Ipv4Addr::UNSPECIFIED),
            flags,
        }
    }

    /// Returns the pod as far as it is kept, with the name and namespace of `key` and its node's name.
    /// One whose addresses may be another's is told as one whose sandbox is gone: both own nothing
    /// until the API tells of them again.
    pub(in crate::index) fn unpack(&self, key: ObjectKey, node: &str) -> Pod {
        Pod {
            key,
            uid: format!("{:04x}", self.uid).into(),
            labels: self.labels(),
            phase: match self.is(ALIVE) {
                true => Phase::Running,
                false => Phase::Failed,
            },
            host_network: self.is(HOST_NETWORK),
            node: node.into(),
            pod_ip: self.pod_ip(),
            pod_ips: self.pod_ips().collect(),
            terminating: self.is(TERMINATING),
            containers_ended: self.is(CONTAINERS_ENDED),
            sandbox_gone: self.is(SANDBOX_GONE) || self.is(STALE),
        }
    }

    /// Returns its namespace's number.
    pub fn ns(&self) -> NsId {
        self.ns
    }

    /// Returns `status.podIPs`, or `podIP` alone where the list is absent.
    pub fn pod_ips(&self) -> impl Iterator<Item = IpAddr> {
        let extra = self.extra.iter().flat_map(|extra| extra.pod_ips.iter());
        self.v4().into_iter().chain(extra.copied())
    }

    /// Returns `status.podIP`, of which names under `pod` are made.
    pub fn pod_ip(&self) -> Option<IpAddr> {
        match &self.extra {
            Some(extra) => extra.pod_ip,
            None => self.v4(),
        }
    }

    /// Returns whether the pod has the addresses that its status names, as a function of state
    /// alone (design section 8, "Identity").
    pub fn owns_addresses(&self) -> bool {
        let ended = self.is(TERMINATING) && self.is(CONTAINERS_ENDED);
        self.is(ALIVE) && !ended && !self.is(SANDBOX_GONE) && !self.is(STALE)
    }

    /// Returns whether its address is its node's.
    pub fn host_network(&self) -> bool {
        self.is(HOST_NETWORK)
    }

    /// Returns whether it is being deleted.
    pub fn terminating(&self) -> bool {
        self.is(TERMINATING)
    }

    /// Returns those of its labels that some selector reads.
    pub(in crate::index) fn labels(&self) -> Labels {
        let extra = self.extra.as_ref();
        extra.map_or_else(Labels::new, |extra| extra.labels.clone())
    }

    pub(super) fn stamp(&self) -> Stamp {
        self.stamp
    }

    pub(in crate::index) fn node(&self) -> NodeId {
        self.node
    }

    /// Returns each address that its status names, in the list or beside it, as a source is
    /// written, each once.
    pub(in crate::index) fn addresses(&self) -> Vec<IpAddr> {
        let all = self.pod_ips().chain(self.pod_ip());
        let mut all: Vec<IpAddr> = all.map(|ip| ip.to_canonical()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn has(&self, address: IpAddr) -> bool {
        let mut all = self.pod_ips().chain(self.pod_ip());
        all.any(|ip| ip.to_canonical() == address)
    }

    fn v4(&self) -> Option<IpAddr> {
        self.is(HAS_V4).then_some(self.v4.into())
    }

    fn is(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// Returns whether nothing has been written of the pod of this name in between.
    pub(in crate::index) fn is_same(&self, other: &Self) -> bool {
        let told = |row: &Self| (row.flags & !STALE, row.uid, row.v4, row.ns, row.node);
        told(self) == told(other) && self.extra == other.extra
    }
}

/// Returns what is kept of a uid, which is only told apart from another, and only where all else is
/// equal: the number that four hexadecimal digits say ([`PodRow::unpack`] has no more to give), or
/// one made of the text.
fn tag(uid: &str) -> u16 {
    let made = || {
        uid.bytes().fold(0, |sum: u16, byte| {
            sum.wrapping_mul(31).wrapping_add(byte.into())
        })
    };
    let said = u16::from_str_radix(uid, 16).ok();
    said.filter(|_| uid.len() == 4).unwrap_or_else(made)
}

/// Every Pod.
pub struct Pods {
    seed: Seed,
    rows: Slab<PodRow>,
    names: Names,
    by_key: ByHash,
    by_address: ByHash,
    by_node: Vec<Vec<u32>>,
    len: usize,
}

impl Pods {
    pub(super) fn new(seed: Seed) -> Self {
        Self {
            seed,
            rows: Slab::default(),
            names: Names::default(),
            by_key: ByHash::default(),
            by_address: ByHash::default(),
            by_node: Vec::new(),
            len: 0,
        }
    }

    /// Returns a pod.
    pub fn get(&self, ns: NsId, name: &str) -> Option<&PodRow> {
        self.rows.get(self.find(ns, name)?)
    }

    /// Returns every pod, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &PodRow> {
        self.rows.iter().map(|(_, row)| row)
    }

    pub(in crate::index) fn from(&self, row: u32) -> impl Iterator<Item = (u32, &PodRow)> {
        self.rows.from(row)
    }

    /// Returns the name of a pod that is one of these.
    pub fn name(&self, row: &PodRow) -> &str {
        self.names.get(row.name)
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the pods whose status names an address.
    pub(in crate::index) fn with_address(&self, address: IpAddr) -> impl Iterator<Item = &PodRow> {
        let numbers = self.by_address.get(self.seed.hash(&address));
        let rows = numbers.filter_map(|number| self.rows.get(number));
        rows.filter(move |row| row.has(address))
    }

    /// Returns the pods that were bound to a node.
    pub(in crate::index) fn on_node(&self, node: NodeId) -> impl Iterator<Item = &PodRow> {
        let numbers = self.by_node.get(node.0 as usize).into_iter().flatten();
        numbers.filter_map(|&number| self.rows.get(number))
    }

    /// Puts a pod in the place of the one with its name, if there is one, which is returned.
    pub(in crate::index) fn put(&mut self, name: &str, mut row: PodRow) -> Option<PodRow> {
        let before = self.take(row.ns, name);
        (row.name, row.stamp) = match &before {
            Some(before) => (before.name, before.stamp),
            None => (self.names.add(name), Stamp::default()),
        };
        let key = self.seed.hash(&(row.ns, name));
        let (node, addresses) = (row.node, row.addresses());
        let number = self.rows.add(row);
        self.len += 1;
        self.by_key.insert(key, number);
        for address in addresses {
            self.by_address.insert(self.seed.hash(&address), number);
        }
        if node != NodeId::NONE {
            let node = node.0 as usize;
            if self.by_node.len() <= node {
                self.by_node.resize_with(node + 1, Vec::new);
            }
            if let Some(list) = self.by_node.get_mut(node) {
                list.push(number);
            }
        }
        before
    }

    /// Takes a pod out.
    pub(in crate::index) fn remove(&mut self, ns: NsId, name: &str) -> Option<PodRow> {
        let row = self.take(ns, name)?;
        self.names.remove(row.name);
        Some(row)
    }

    /// Takes a row out, and leaves its name.
    fn take(&mut self, ns: NsId, name: &str) -> Option<PodRow> {
        let number = self.find(ns, name)?;
        let row = self.rows.remove(number)?;
        self.len -= 1;
        self.by_key.remove(self.seed.hash(&(ns, name)), number);
        for address in row.addresses() {
            self.by_address.remove(self.seed.hash(&address), number);
        }
        if let Some(list) = self.by_node.get_mut(row.node.0 as usize)
            && let Some(at) = list.iter().position(|&other| other == number)
        {
            list.swap_remove(at);
        }
        Some(row)
    }

    /// Marks the pods of a node that has started again.
    pub(in crate::index) fn mark_stale(&mut self, node: NodeId) {
        for &number in self.by_node.get(node.0 as usize).into_iter().flatten() {
            if let Some(row) = self.rows.get_mut(number) {
                row.flags |= STALE;
            }
        }
    }

    pub(super) fn stamp_mut(&mut self, ns: NsId, name: &str) -> Option<&mut Stamp> {
        let number = self.find(ns, name)?;
        self.rows.get_mut(number).map(|row| &mut row.stamp)
    }

    pub(super) fn stamps_mut(&mut self) -> impl Iterator<Item = &mut Stamp> {
        self.rows.iter_mut().map(|row| &mut row.stamp)
    }

    fn find(&self, ns: NsId, name: &str) -> Option<u32> {
        let mut numbers = self.by_key.get(self.seed.hash(&(ns, name)));
        let is_it = |row: &PodRow| row.ns == ns && self.name(row) == name;
        numbers.find(|&number| self.rows.get(number).is_some_and(is_it))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_40_octets() {
        assert_eq!(size_of::<PodRow>(), 40);
        assert_eq!(size_of::<Option<PodRow>>(), 40);
    }

    #[test]
    fn a_pod_that_is_gone_leaves_no_name() {
        let mut pods = Pods::new(Seed::fixed(1));
        let row = || PodRow::new(Pod::default(), NsId(0), NodeId::NONE);
        pods.put("a", row());
        let one = pods.names.octets();
        pods.put("a", row());
        assert_eq!((pods.len(), pods.names.octets()), (1, one));
        pods.put("bc", row());
        assert!(pods.remove(NsId(0), "a").is_some());
        assert_eq!(
            pods.get(NsId(0), "bc").map(|row| pods.name(row)),
            Some("bc")
        );
        assert!(pods.remove(NsId(0), "bc").is_some());
        assert_eq!(pods.names.octets(), 0);
    }
}
