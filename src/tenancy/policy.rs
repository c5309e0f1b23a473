//! What a snapshot holds of the policy: the rows, and who has which.

use super::class::ClassId;
use super::decide::{Asker, Decision, Step, Target, decide};
use super::options::{Mode, NodeView, Options, Rules, Unknown};
use super::range::{RangeId, Ranges};
use super::row::{ClassRow, Row};
use super::tenant::{NamespaceFacts, ServiceFacts};
use super::{AddressKey, Client, NsId, ServiceId};
use crate::cow::CowVec;
use ipnet::IpNet;
use std::sync::Arc;

/// The kind of client, as `whoami`, `explain` and metrics name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientClass {
    /// A pod.
    Pod,
    /// A pod that sees everything.
    Platform,
    /// A node, or a pod on its network.
    Node,
    /// A client of a configured range that is no pod.
    External,
    /// Nobody that we know.
    Unknown,
}

impl ClientClass {
    /// Returns the class's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pod => "pod",
            Self::Platform => "platform",
            Self::Node => "node",
            Self::External => "external",
            Self::Unknown => "unknown",
        }
    }
}

/// What the clients of a class are shown, and what they would be if the policy were enforced.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Rows {
    pub(super) shown: Arc<ClassRow>,
    pub(super) judged: Arc<ClassRow>,
    /// Whether they are pods of the platform's namespaces.
    pub(super) platform: bool,
}

/// What a snapshot holds of the policy.
#[derive(Clone)]
pub struct Policy {
    options: Arc<Options>,
    /// The class of a namespace's pods.
    pub(super) classes: CowVec<Option<ClassId>>,
    pub(super) rows: CowVec<Option<Rows>>,
    pub(super) node: Rows,
    pub(super) unknown: Rows,
    /// By number of the range.
    pub(super) externals: Arc<[Rows]>,
    pub(super) ranges: Arc<Ranges>,
    pub(super) facts: CowVec<Option<Arc<NamespaceFacts>>>,
    /// How many namespaces are left in audit.
    pub(super) audited: u32,
    services: CowVec<Option<Arc<ServiceFacts>>>,
    ordinary: Arc<ServiceFacts>,
    nothing: Arc<ClassRow>,
    everything: Arc<ClassRow>,
    /// The server's own namespace, where its owner has put all replicas into audit.
    braked: Option<NsId>,
    /// How the policy is applied whatever else is said.
    forced: Option<Mode>,
    /// What comes of options, brake and force.
    mode: Mode,
    /// Sorted.
    pub(super) reserved: Arc<[Box<[u8]>]>,
}

impl Policy {
    /// Returns the policy of these settings, before any namespace is known.
    pub fn new(options: Options) -> Self {
        let reserved = options.reserved_namespaces.iter();
        let lower = reserved.map(|name| name.to_ascii_lowercase().into_bytes().into());
        let mut reserved: Vec<Box<[u8]>> = lower.collect();
        reserved.sort_unstable();
        let ranges = Ranges::new(&options);
        let mut policy = Self {
            options: Arc::new(options),
            classes: CowVec::default(),
            rows: CowVec::default(),
            node: Rows::default(),
            unknown: Rows::default(),
            externals: ranges.facts().map(|_| Rows::default()).collect(),
            ranges: Arc::new(ranges),
            facts: CowVec::default(),
            audited: 0,
            services: CowVec::default(),
            ordinary: Arc::default(),
            nothing: Arc::default(),
            everything: Arc::new(ClassRow::everything()),
            braked: None,
            forced: None,
            mode: Mode::Enforce,
            reserved: reserved.into(),
        };
        policy.settle();
        policy
    }

    /// Works out how the policy is applied now: as configured, unless the brake is on.
    fn settle(&mut self) {
        self.mode = match (self.forced, self.options.mode, self.braked) {
            (Some(mode), ..) => mode,
            (None, Mode::Enforce, Some(_)) => Mode::Audit,
            (None, mode, _) => mode,
        };
    }

    /// Replaces the rules. What they say of namespaces and services is as it was.
    pub(super) fn set_rules(&mut self, rules: Rules) {
        Arc::make_mut(&mut self.options).rules = rules;
        self.ranges = Arc::new(Ranges::new(&self.options));
        self.externals = self.ranges.facts().map(|_| Rows::default()).collect();
    }

    /// Returns the settings.
    #[inline]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Returns how the policy is applied now: as configured, unless the brake is on.
    #[inline]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Returns the same policy applied to everybody and everything, or to nobody, whatever labels
    /// and lists say of single namespaces.
    #[must_use]
    pub fn applied(&self, mode: Mode) -> Self {
        let mut policy = self.clone();
        policy.forced = Some(mode);
        policy.settle();
        policy
    }

    /// Returns whether what a client must not see is hidden from it, where nothing else is said of
    /// the client.
    pub fn is_enforced(&self) -> bool {
        self.mode() == Mode::Enforce
    }

    /// Returns whether a namespace's owner has put all replicas into audit.
    pub fn is_braked(&self) -> bool {
        self.braked.is_some()
    }

    /// Puts the brake on or off, and returns whether that changed anything.
    pub(super) fn brake(&mut self, ns: NsId, on: bool) -> bool {
        let next = match (self.braked, on) {
            (_, true) => Some(ns),
            (Some(before), false) if before == ns => None,
            (before, false) => before,
        };
        let changed = next.is_some() != self.braked.is_some();
        self.braked = next;
        self.settle();
        changed
    }

    /// Returns whether the policy is applied to a client and a namespace.
    pub(super) fn enforces(&self, asker: Asker<'_>, target: &NamespaceFacts) -> bool {
        self.enforces_on(asker)
            || (self.mode() == Mode::Audit && target.enforce && !self.audits(asker))
    }

    /// Returns whether the policy is applied to a client, whatever it asks for.
    #[inline]
    fn enforces_on(&self, asker: Asker<'_>) -> bool {
        match self.mode() {
            Mode::Off => false,
            Mode::Audit => matches!(asker, Asker::Pod(own) if own.enforce && !own.audited),
            Mode::Enforce => !self.audits(asker),
        }
    }

    /// Returns whether what a client must not see is hidden from it, whatever it is.
    #[inline]
    pub(super) fn is_enforced_on(&self, client: Client) -> bool {
        match (client, self.own_facts(client)) {
            (Client::Pod(_), Some(own)) => self.enforces_on(Asker::Pod(own)),
            // Nothing is known of its namespace.
            (Client::Pod(_), None) => true,
            // What is asked of these is the mode alone.
            (Client::Node | Client::External(_) | Client::Unknown, _) => {
                self.enforces_on(Asker::Node)
            }
        }
    }

    /// Returns whether a client sees what it would not if the policy were enforced on it: it is in
    /// audit, or all of the server is.
    #[inline]
    pub fn is_open_to(&self, client: Client) -> bool {
        self.mode() != Mode::Off && !self.is_enforced_on(client)
    }

    /// Returns whether there may be such a client.
    pub fn may_be_open(&self) -> bool {
        match self.mode() {
            Mode::Off => false,
            Mode::Audit => true,
            Mode::Enforce => self.audited > 0 && self.forced.is_none(),
        }
    }

    /// Returns whether what a client must not see of a namespace is hidden from it.
    pub(super) fn is_enforced_between(&self, client: Client, ns: NsId) -> bool {
        match (self.asker(client), self.facts(ns)) {
            (Some(asker), Some(target)) => self.enforces(asker, target),
            _ => self.is_enforced(),
        }
    }

    /// Returns what a client is shown, its kind, and whether it counts as somebody that we don't know.
    /// A client without a row is shown nothing.
    #[inline(always)]
    pub(super) fn standing(&self, client: Client) -> (Row<'_>, ClientClass, bool) {
        let mut own = None;
        let (rows, class, unknown) = match client {
            Client::Pod(ns) => {
                own = Some(ns);
                match self.class_of(ns).and_then(|class| self.class_rows(class)) {
                    Some(rows) if rows.platform => (Some(rows), ClientClass::Platform, false),
                    rows => (rows, ClientClass::Pod, false),
                }
            }
            Client::External(range) => {
                let rows = self.externals.get(range.place());
                (rows, ClientClass::External, false)
            }
            Client::Node => {
                let unknown = self.options.node == NodeView::Unknown;
                (Some(&self.node), ClientClass::Node, unknown)
            }
            Client::Unknown => (Some(&self.unknown), ClientClass::Unknown, true),
        };
        let row = match rows {
            _ if self.is_open(client) => Row::of(&self.everything, None),
            Some(rows) if self.forced.is_some() => Row::of(&rows.judged, own),
            Some(rows) => Row::of(&rows.shown, own),
            None => Row::of(&self.nothing, None),
        };
        (row, class, unknown)
    }

    /// Returns what a client is shown.
    pub fn row(&self, client: Client) -> Row<'_> {
        self.standing(client).0
    }

    /// Returns what a client would be shown if the policy were enforced everywhere.
    pub fn judged_row(&self, client: Client) -> Row<'_> {
        match self.rows(client) {
            _ if client == Client::Unknown && self.options.unknown == Unknown::Allow => {
                Row::of(&self.everything, None)
            }
            Some((rows, own)) => Row::of(&rows.judged, own),
            None => Row::of(&self.nothing, None),
        }
    }

    /// Returns whether a client sees everything without anybody deciding it.
    #[inline]
    fn is_open(&self, client: Client) -> bool {
        match self.mode() {
            Mode::Off => true,
            _ => client == Client::Unknown && self.options.unknown == Unknown::Allow,
        }
    }

    #[inline(always)]
    fn rows(&self, client: Client) -> Option<(&Rows, Option<NsId>)> {
        match client {
            Client::Pod(ns) => Some((self.class_rows(self.class_of(ns)?)?, Some(ns))),
            Client::External(range) => Some((self.externals.get(range.place())?, None)),
            Client::Node => Some((&self.node, None)),
            Client::Unknown => Some((&self.unknown, None)),
        }
    }

    #[inline]
    pub(super) fn class_of(&self, ns: NsId) -> Option<ClassId> {
        self.classes.get(ns.0).copied().flatten()
    }

    #[inline]
    pub(super) fn class_rows(&self, class: ClassId) -> Option<&Rows> {
        self.rows.get(class.0)?.as_ref()
    }

    /// Returns whether a client is one of those that are left in audit.
    #[inline]
    fn audits(&self, asker: Asker<'_>) -> bool {
        self.forced.is_none() && matches!(asker, Asker::Pod(own) if own.audited)
    }

    fn asker(&self, client: Client) -> Option<Asker<'_>> {
        Some(match client {
            Client::Pod(own) => Asker::Pod(self.facts(own)?),
            Client::External(range) => Asker::External(self.ranges.of(range)?),
            Client::Node => Asker::Node,
            Client::Unknown => Asker::Unknown,
        })
    }

    /// Says whether a client sees a namespace (`service` is `None`) or a service of it, and why.
    pub fn decide(&self, client: Client, ns: NsId, service: Option<ServiceId>) -> Decision {
        if self.is_open(client) || !self.is_enforced_between(client, ns) {
            return Decision::of(true, Step::Open);
        }
        self.judge(client, ns, service)
    }

    /// Says the same as if the policy were enforced everywhere.
    pub fn judge(&self, client: Client, ns: NsId, service: Option<ServiceId>) -> Decision {
        if client == Client::Unknown && self.options.unknown == Unknown::Allow {
            return Decision::of(true, Step::Open);
        }
        let (Some(namespace), Some(asker)) = (self.facts(ns), self.asker(client)) else {
            return Decision::of(false, Step::Hidden);
        };
        let service = service.map_or(&*self.ordinary, |id| self.service(id));
        decide(&self.options, asker, Target { namespace, service })
    }

    /// Returns what is known of a namespace that exists.
    #[inline(always)]
    pub fn facts(&self, ns: NsId) -> Option<&NamespaceFacts> {
        self.facts.get(ns.0)?.as_deref()
    }

    /// Returns what makes a service an exception.
    pub fn service(&self, service: ServiceId) -> &ServiceFacts {
        let facts = self.services.get(service.0).and_then(Option::as_ref);
        facts.unwrap_or(&self.ordinary)
    }

    pub(super) fn set_service(&mut self, service: ServiceId, facts: ServiceFacts) {
        let facts = (!facts.is_ordinary()).then(|| Arc::new(facts));
        self.services.set(service.0, facts);
    }

    /// Returns the configured range that an address which is nobody's belongs to.
    #[inline]
    pub fn external(&self, address: impl Into<AddressKey>) -> Option<RangeId> {
        self.ranges.find(address.into())
    }

    /// Returns every range that the configuration names, the longest prefix first, with the tenant of
    /// its clients.
    pub fn externals(&self) -> impl Iterator<Item = (RangeId, IpNet, Option<&str>)> {
        self.ranges.iter()
    }

    /// Returns the kind of a client.
    pub fn class(&self, client: Client) -> ClientClass {
        self.standing(client).1
    }

    /// Returns whether a namespace exists: only then can be told what its pods may see.
    #[inline(always)]
    pub fn knows(&self, ns: NsId) -> bool {
        self.class_of(ns).is_some()
    }

    /// Returns what is known of a client's own namespace, where it is a pod.
    #[inline(always)]
    pub(super) fn own_facts(&self, client: Client) -> Option<&NamespaceFacts> {
        match client {
            Client::Pod(ns) => self.facts(ns),
            Client::Node | Client::External(_) | Client::Unknown => None,
        }
    }
}
