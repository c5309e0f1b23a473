//! Denials of a span of time, each once with its count. Bounded: an audit must not take the memory
//! of the server that it watches.

use super::judge::{Denial, Reason, Target};
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Different denials that a window holds at most.
const CAPACITY: usize = 10_000;

/// The denials since the last lines.
#[derive(Debug, Default)]
pub struct Window {
    denials: BTreeMap<Key, (Asker, u64)>,
    /// Denials that found no room.
    more: u64,
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
        denial: Denial,
    ) {
        let key = (ip, denial.target, qtype, denial.reason);
        if self.denials.len() >= CAPACITY && !self.denials.contains_key(&key) {
            self.more += 1;
            return;
        }
        let asker = || Asker {
            namespace: namespace.map(Into::into),
            tenant: tenant.map(Into::into),
        };
        self.denials.entry(key).or_insert_with(|| (asker(), 0)).1 += 1;
    }

    /// Gives each line, and returns how many denials have none because there were too many different
    /// ones. The window is empty then.
    pub fn close(
        &mut self,
        (ts, window_s): (&str, u64),
        mode: &str,
        mut say: impl FnMut(&Line<'_>),
    ) -> u64 {
        for ((ip, target, qtype, reason), (asker, count)) in &self.denials {
            say(&Line {
                ts,
                window_s,
                mode,
                client: Client {
                    ip: *ip,
                    namespace: asker.namespace.as_deref(),
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
        std::mem::take(&mut self.more)
    }
}
