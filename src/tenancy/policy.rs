//! What each client sees, as rows over the numbers of namespaces.

use super::decide::{Asker, Decision, Step, Target, decide};
use super::options::{Mode, Options, Unknown};
use super::tenant::{NamespaceFacts, ServiceFacts};
use super::{Client, NsId, ServiceId};
use crate::cow::CowVec;
use std::sync::Arc;

/// How much of a namespace a client sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Nothing.
    Hidden,
    /// Single services.
    Some,
    /// All of it.
    Whole,
}

/// What one client sees: two bits a namespace, and the single services that differ from theirs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    everything: bool,
    whole: Vec<u64>,
    some: Vec<u64>,
    services: Vec<ServiceId>,
}

impl Row {
    /// Returns the row of a client that sees everything.
    pub fn everything() -> Self {
        Self {
            everything: true,
            ..Self::default()
        }
    }

    /// Returns how much of a namespace is seen.
    pub fn namespace(&self, ns: NsId) -> Sight {
        let bit = |words: &[u64]| {
            words
                .get(ns.0 as usize / 64)
                .is_some_and(|word| word & (1 << (ns.0 % 64)) != 0)
        };
        if self.everything || bit(&self.whole) {
            Sight::Whole
        } else if bit(&self.some) {
            Sight::Some
        } else {
            Sight::Hidden
        }
    }

    /// Returns whether a service is seen.
    pub fn permits(&self, ns: NsId, service: ServiceId) -> bool {
        match self.namespace(ns) {
            Sight::Whole => true,
            Sight::Some => self.services.binary_search(&service).is_ok(),
            Sight::Hidden => false,
        }
    }

    /// Returns the single services that are seen, for dumps.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn single_services(&self) -> &[ServiceId] {
        &self.services
    }

    pub(super) fn set_namespace(&mut self, ns: NsId, whole: bool) {
        set_bit(&mut self.whole, ns, whole);
    }

    pub(super) fn set_services(&mut self, mut services: Vec<(NsId, ServiceId)>) {
        self.some.clear();
        services
            .iter()
            .for_each(|(ns, _)| set_bit(&mut self.some, *ns, true));
        services.sort_by_key(|(_, service)| *service);
        self.services = services.into_iter().map(|(_, service)| service).collect();
    }
}

fn set_bit(words: &mut Vec<u64>, ns: NsId, value: bool) {
    let at = ns.0 as usize / 64;
    if words.len() <= at {
        if !value {
            return;
        }
        words.resize(at + 1, 0);
    }
    if let Some(word) = words.get_mut(at) {
        let bit = 1 << (ns.0 % 64);
        if value { *word |= bit } else { *word &= !bit }
    }
}

/// The kind of client, as `whoami`, `explain` and metrics name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientClass {
    /// A pod.
    Pod,
    /// A pod that sees everything.
    Platform,
    /// A node, or a pod on its network.
    Node,
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
            Self::Unknown => "unknown",
        }
    }
}

/// What a snapshot holds of the policy.
#[derive(Clone)]
pub struct Policy {
    pub(super) options: Arc<Options>,
    pub(super) pods: CowVec<Option<Arc<Row>>>,
    pub(super) node: Arc<Row>,
    pub(super) unknown: Arc<Row>,
    pub(super) facts: CowVec<Option<Arc<NamespaceFacts>>>,
    pub(super) services: CowVec<ServiceFacts>,
    pub(super) nothing: Arc<Row>,
    pub(super) everything: Arc<Row>,
    pub(super) reserved: Arc<[Box<[u8]>]>,
}

impl Policy {
    /// Returns the policy of these settings, before any namespace is known.
    pub fn new(options: Options) -> Self {
        let reserved = options
            .reserved_namespaces
            .iter()
            .map(|name| name.bytes().map(|b| b.to_ascii_lowercase()).collect())
            .collect();
        Self {
            options: Arc::new(options),
            pods: CowVec::default(),
            node: Arc::default(),
            unknown: Arc::default(),
            facts: CowVec::default(),
            services: CowVec::default(),
            nothing: Arc::default(),
            everything: Arc::new(Row::everything()),
            reserved,
        }
    }

    /// Returns the settings.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Returns whether what a client must not see is hidden from it.
    pub fn is_enforced(&self) -> bool {
        self.options.mode == Mode::Enforce
    }

    /// Returns what a client sees. A client without a row sees nothing.
    pub fn row(&self, client: Client) -> &Row {
        if !self.is_enforced() {
            return &self.everything;
        }
        match client {
            Client::Pod(ns) => self
                .pods
                .get(ns.0)
                .and_then(Option::as_ref)
                .unwrap_or(&self.nothing),
            Client::Node => &self.node,
            Client::Unknown if self.options.unknown == Unknown::Allow => &self.everything,
            Client::Unknown => &self.unknown,
        }
    }

    /// Says whether a client sees a namespace (`service` is `None`) or a service of it, and why.
    pub fn decide(&self, client: Client, ns: NsId, service: Option<ServiceId>) -> Decision {
        let open = !self.is_enforced()
            || (client == Client::Unknown && self.options.unknown == Unknown::Allow);
        if open {
            return Decision {
                visible: true,
                step: Step::Open,
            };
        }
        let hidden = Decision {
            visible: false,
            step: Step::Hidden,
        };
        let Some(namespace) = self.facts(ns) else {
            return hidden;
        };
        let asker = match client {
            Client::Pod(own) => match self.facts(own) {
                Some(facts) => Asker::Pod(facts),
                None => return hidden,
            },
            Client::Node => Asker::Node,
            Client::Unknown => Asker::Unknown,
        };
        let service = service
            .and_then(|id| self.services.get(id.0))
            .copied()
            .unwrap_or_default();
        decide(&self.options, asker, Target { namespace, service })
    }

    /// Returns what is known of a namespace that exists.
    pub fn facts(&self, ns: NsId) -> Option<&NamespaceFacts> {
        self.facts.get(ns.0)?.as_deref()
    }

    /// Returns the kind of a client.
    pub fn class(&self, client: Client) -> ClientClass {
        match client {
            Client::Pod(ns) if self.facts(ns).is_some_and(|f| f.platform) => ClientClass::Platform,
            Client::Pod(_) => ClientClass::Pod,
            Client::Node => ClientClass::Node,
            Client::Unknown => ClientClass::Unknown,
        }
    }
}
