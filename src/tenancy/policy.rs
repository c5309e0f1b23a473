//! What a snapshot holds of the policy: the rows, and who has which.

use super::decide::{Asker, Decision, Step, Target, decide};
use super::options::{Mode, Options, Unknown};
use super::row::{ClassRow, Row};
use super::tenant::{NamespaceFacts, ServiceFacts};
use super::{Client, NsId, ServiceId};
use crate::cow::CowVec;
use std::sync::Arc;

/// The number of a class: the clients that see the same, their own namespaces aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClassId(pub(super) u32);

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
    /// The class of a namespace's pods.
    pub(super) classes: CowVec<Option<ClassId>>,
    pub(super) rows: CowVec<Option<Arc<ClassRow>>>,
    pub(super) node: Arc<ClassRow>,
    pub(super) unknown: Arc<ClassRow>,
    pub(super) facts: CowVec<Option<Arc<NamespaceFacts>>>,
    pub(super) services: CowVec<ServiceFacts>,
    nothing: Arc<ClassRow>,
    everything: Arc<ClassRow>,
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
            classes: CowVec::default(),
            rows: CowVec::default(),
            node: Arc::default(),
            unknown: Arc::default(),
            facts: CowVec::default(),
            services: CowVec::default(),
            nothing: Arc::default(),
            everything: Arc::new(ClassRow::everything()),
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
    pub fn row(&self, client: Client) -> Row<'_> {
        let shared = |class| Row { class, own: None };
        if !self.is_enforced() {
            return shared(&self.everything);
        }
        match client {
            Client::Pod(ns) => match self.class_of(ns).and_then(|class| self.class_row(class)) {
                Some(class) => Row {
                    class,
                    own: Some(ns),
                },
                None => shared(&self.nothing),
            },
            Client::Node => shared(&self.node),
            Client::Unknown if self.options.unknown == Unknown::Allow => shared(&self.everything),
            Client::Unknown => shared(&self.unknown),
        }
    }

    pub(super) fn class_of(&self, ns: NsId) -> Option<ClassId> {
        self.classes.get(ns.0).copied().flatten()
    }

    pub(super) fn class_row(&self, class: ClassId) -> Option<&Arc<ClassRow>> {
        self.rows.get(class.0)?.as_ref()
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
