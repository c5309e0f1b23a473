//! Denials of a span of time, each once with its count, and how many questions were judged. Bounded:
//! an audit must not take the memory of the server that it watches.

use super::judge::{Denial, Reason, Target};
use crate::tenancy::Mode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Different denials that a window holds at most.
const CAPACITY: usize = 10_000;

/// The denials since the last lines.
#[derive(Debug, Default)]
pub struct Window {
    denials: BTreeMap<Key, (Asker, u64)>,
    counts: Counts,
}

/// How many questions were judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Questions for names of the zones, all of them.
    pub judged: u64,
    /// Those whose client's address is nobody's, or several pods'.
    pub unknown: u64,
    /// Those of nodes that are denied something.
    pub node_hidden: u64,
    /// Denials that found no room in the window, and have no line.
    pub unlisted: u64,
    /// Questions that came faster than they could be judged, and were not.
    pub lost: u64,
}

/// The last line of a window in the audit log: one JSON object, told from the others by `queries`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Closing<'a> {
    /// When the window ended, in RFC 3339.
    pub ts: &'a str,
    /// How long it was, in seconds.
    pub window_s: u64,
    /// `audit` or `enforce`.
    pub mode: &'a str,
    /// How many questions were judged.
    pub queries: Counts,
}

type Key = (IpAddr, Target, u16, Reason);

/// Who was denied something, by names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Asker {
    namespace: Option<Box<str>>,
    tenant: Option<Box<str>>,
}

/// A line of the audit log: one JSON object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line<'a> {
    /// When the window ended, in RFC 3339.
    pub ts: &'a str,
    /// How long it was, in seconds.
    pub window_s: u64,
    /// `audit` or `enforce`.
    pub mode: &'a str,
    /// Who asked.
    pub client: Client<'a>,
    /// What for.
    pub target: TargetPart<'a>,
    /// The type, as in zone files.
    pub qtype: String,
    /// [`Reason::as_str`].
    pub reason: &'static str,
    /// How often.
    pub count: u64,
}

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Client<'a> {
    /// Its address.
    pub ip: IpAddr,
    /// Its namespace, where it is a pod.
    pub namespace: Option<&'a str>,
    /// Its name, where it is a pod that still has the address.
    pub pod: Option<&'a str>,
    /// Its tenant, where it has one.
    pub tenant: Option<&'a str>,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TargetPart<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// The Service; null for the name of a pod.
    pub service: Option<&'a str>,
}

impl Window {
    /// Counts a denial.
    pub fn add(
        &mut self,
        ip: IpAddr,
        namespace: Option<&str>,
        tenant: Option<&str>,
        qtype: u16,
        denial: &Denial,
    ) {
        let key = (ip, denial.target.clone(), qtype, denial.reason);
        if self.denials.len() >= CAPACITY && !self.denials.contains_key(&key) {
            self.counts.unlisted += 1;
            return;
        }
        let asker = || Asker {
            namespace: namespace.map(Into::into),
            tenant: tenant.map(Into::into),
        };
        self.denials.entry(key).or_insert_with(|| (asker(), 0)).1 += 1;
    }

    /// Returns how many questions were judged, to be added to.
    pub fn counts_mut(&mut self) -> &mut Counts {
        &mut self.counts
    }

    /// Returns the pods that have lines, by address and namespace, each once.
    pub fn pods(&self) -> Vec<(IpAddr, Box<str>)> {
        let pods = self.denials.iter().filter_map(|((ip, ..), (asker, _))| {
            let namespace = asker.namespace.clone()?;
            Some((*ip, namespace))
        });
        let mut pods: Vec<_> = pods.collect();
        pods.dedup();
        pods
    }

    /// Gives each line, and returns the one that closes the window; `None` where nothing was judged.
    /// `pod` says which pod of a namespace has an address. The window is empty then.
    pub fn close<'a>(
        &mut self,
        (ts, window_s): (&'a str, u64),
        mode: Mode,
        pod: impl Fn(IpAddr, &str) -> Option<&'a str>,
        mut say: impl FnMut(&Line<'_>),
    ) -> Option<Closing<'a>> {
        let mode = mode.as_str();
        for ((ip, target, qtype, reason), (asker, count)) in &self.denials {
            let namespace = asker.namespace.as_deref();
            say(&Line {
                ts,
                window_s,
                mode,
                client: Client {
                    ip: *ip,
                    namespace,
                    pod: namespace.and_then(|namespace| pod(*ip, namespace)),
                    tenant: asker.tenant.as_deref(),
                },
                target: TargetPart {
                    namespace: &target.namespace,
                    service: target.service.as_deref(),
                },
                qtype: hickory_proto::rr::RecordType::from(*qtype).to_string(),
                reason: reason.as_str(),
                count: *count,
            });
        }
        self.denials.clear();
        let queries = std::mem::take(&mut self.counts);
        (queries != Counts::default()).then_some(Closing {
            ts,
            window_s,
            mode,
            queries,
        })
    }
}
