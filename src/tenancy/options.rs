//! The `[tenancy]` table as values. Reading it from a file is [`crate::config`]'s.

mod rule;
mod source;

pub use rule::{ClientRange, Effect, From, Rule, Rules, Tenants, To};
pub use source::{Parentage, Preset, TenantSource};

use super::ForwarderOptions;
use crate::model::Selector;
use std::time::Duration;

/// How visibility is decided, and what a client sees that must not see.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// `profile`: the bundle of keys that the others began from.
    pub profile: Option<Profile>,
    /// `mode`.
    pub mode: Mode,
    /// `tenant_from` and the places that `presets` stand for: where a namespace's tenant is read
    /// from, first match first.
    pub tenant_from: Vec<TenantSource>,
    /// `conflict`: what two sources that disagree mean.
    pub conflict: Conflict,
    /// `untenanted`: what a namespace without a tenant sees.
    pub untenanted: Untenanted,
    /// `platform`: whose pods see everything.
    pub platform: Platform,
    /// `shared`: what everybody sees.
    pub shared: Shared,
    /// `unknown`: what an address that is nobody's is answered.
    pub unknown: Unknown,
    /// `unknown_wait`: how long a query from an address not known yet waits for its pod to be seen.
    pub unknown_wait: Duration,
    /// `node`: what node addresses and hostNetwork pods see.
    pub node: NodeView,
    /// `exports`: what owners may show to others.
    pub exports: Exporting,
    /// `[[tenancy.rule]]`.
    pub rules: Rules,
    /// `[[tenancy.client]]`.
    pub clients: Vec<ClientRange>,
    /// `audit`: clients that are left in audit while the rest is enforced.
    pub audit: Audit,
    /// The namespace that the server itself runs in, where that is known.
    pub own_namespace: Option<Box<str>>,
    /// `reserved_namespaces`: names that tenants must not answer for, sorted.
    pub reserved_namespaces: Vec<Box<str>>,
    /// `[[tenancy.forwarder]]`: who may speak for others.
    pub forwarders: Vec<ForwarderOptions>,
    /// `wildcard`: whether `*` and `any` are wildcards.
    pub wildcard: Wildcard,
    /// `soa_serial`: what the SOA serial says.
    pub soa_serial: SoaSerial,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            profile: None,
            mode: Mode::Enforce,
            tenant_from: Vec::new(),
            conflict: Conflict::Isolate,
            untenanted: Untenanted::Isolated,
            platform: Platform::default(),
            shared: Shared::default(),
            unknown: Unknown::Servfail,
            unknown_wait: Duration::from_secs(2),
            node: NodeView::Shared,
            exports: Exporting::Named,
            rules: Rules::default(),
            clients: Vec::new(),
            audit: Audit::default(),
            own_namespace: None,
            reserved_namespaces: ["cluster", "local", "pod", "svc"].map(Into::into).to_vec(),
            forwarders: Vec::new(),
            wildcard: Wildcard::Auto,
            soa_serial: SoaSerial::Auto,
        }
    }
}

impl Options {
    /// Returns what a profile stands for. `reserved_namespaces` of [`Profile::Kaas`] has the lists
    /// `tlds` and `special-use` beside, which the configuration knows.
    pub fn of(profile: Profile) -> Self {
        let (mut platform, mut shared) = (Platform::default(), Shared::default());
        let options = match profile {
            Profile::Enterprise => Self {
                mode: Mode::Audit,
                untenanted: Untenanted::Open,
                exports: Exporting::Named,
                ..Self::default()
            },
            Profile::Kaas => {
                platform.selector = Selector::default();
                shared.selector = Selector::default();
                Self {
                    mode: Mode::Enforce,
                    untenanted: Untenanted::Isolated,
                    conflict: Conflict::Isolate,
                    exports: Exporting::Mutual,
                    platform,
                    shared,
                    ..Self::default()
                }
            }
            Profile::Saas => {
                shared.selector = Selector::default();
                Self {
                    mode: Mode::Enforce,
                    untenanted: Untenanted::Isolated,
                    exports: Exporting::Off,
                    shared,
                    ..Self::default()
                }
            }
        };
        Self {
            profile: Some(profile),
            ..options
        }
    }

    /// Returns whether `*` and `any` are wildcards, with `auto` resolved.
    pub fn wildcards(&self) -> bool {
        match self.wildcard {
            Wildcard::Off => false,
            Wildcard::Filtered => true,
            Wildcard::Auto => self.mode == Mode::Enforce,
        }
    }

    /// Returns whether some rule reads the labels of services.
    pub fn selects_services(&self) -> bool {
        let mut rules = self.rules.list().iter();
        rules.any(|rule| rule.to.service_selector.is_some())
    }

    /// Returns whether tenants must not answer for a namespace's name.
    pub(super) fn reserves(&self, name: &str) -> bool {
        let reserved = &self.reserved_namespaces;
        reserved.binary_search_by(|r| (**r).cmp(name)).is_ok()
    }

    /// Returns whether the SOA serial tells when the cluster changed, with `auto` resolved.
    pub fn serial_follows_changes(&self) -> bool {
        match self.soa_serial {
            SoaSerial::Static => false,
            SoaSerial::Coredns => true,
            SoaSerial::Auto => self.mode != Mode::Enforce,
        }
    }
}

/// A bundle of keys; those that are written win.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Teams that trust each other half: audit, open among untenanted namespaces.
    Enterprise,
    /// Customers with access to the API: everything that they could write themselves counts less.
    Kaas,
    /// Customers without access to the API: each namespace by itself.
    Saas,
}

impl Profile {
    /// Returns `identity_max_age` of `[source.kubernetes]`, where the profile has another.
    pub fn identity_max_age(self) -> Option<Duration> {
        (self == Self::Kaas).then_some(Duration::from_secs(24 * 60 * 60))
    }
}

/// Whether the policy is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Answers are CoreDNS's.
    Off,
    /// Answers are CoreDNS's; what enforcing would hide is counted.
    Audit,
    /// Hidden is absent.
    Enforce,
}

impl Mode {
    /// Returns the mode's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Audit => "audit",
            Self::Enforce => "enforce",
        }
    }
}

/// What two sources of a tenant that disagree mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// The namespace sees and is seen by itself alone.
    Isolate,
    /// The first source in `tenant_from` wins.
    First,
}

/// What a namespace without a tenant sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untenanted {
    /// Itself and what is shared.
    Isolated,
    /// The other untenanted namespaces too, but not the platform's.
    Open,
    /// Everything; its own services are not thereby visible.
    Platform,
}

/// What owners may show to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exporting {
    /// Nothing.
    Off,
    /// What their Services' annotations name, to whom they name.
    Named,
    /// The same, to those who agreed.
    Mutual,
}

/// `audit`: clients that are left in audit while the rest is enforced.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Audit {
    /// `namespaces`, exact or `prefix-*`.
    pub namespaces: Vec<NamePattern>,
    /// `selector` over namespaces' labels; never counts for one that `tenant_from` assigned. An
    /// empty one selects no namespace.
    pub selector: Selector,
}

/// `platform`: the namespaces whose pods see everything.
#[derive(Debug, Clone, PartialEq)]
pub struct Platform {
    /// `namespaces`, exact or `prefix-*`.
    pub namespaces: Vec<NamePattern>,
    /// `tenants` whose namespaces count.
    pub tenants: Vec<Box<str>>,
    /// `selector` over namespaces' labels; never counts for one that `tenant_from` assigned. An
    /// empty one selects no namespace, although an empty [`Selector`] matches everything.
    pub selector: Selector,
    /// `except` and those of `presets`: pods, by their labels, that see only what nodes see. An empty
    /// selector selects none.
    pub except: Vec<Selector>,
}

impl Default for Platform {
    fn default() -> Self {
        Self {
            namespaces: vec![NamePattern::Exact("kube-system".into())],
            tenants: Vec::new(),
            selector: default_selector("tenantdns.io/role=platform"),
            except: Vec::new(),
        }
    }
}

/// `shared`: what everybody sees.
#[derive(Debug, Clone, PartialEq)]
pub struct Shared {
    /// `namespaces`, exact or `prefix-*`.
    pub namespaces: Vec<NamePattern>,
    /// `services`, as `namespace/name`.
    pub services: Vec<ServiceRef>,
    /// `selector` over namespaces' labels; never counts for one that `tenant_from` assigned. An
    /// empty one selects no namespace, although an empty [`Selector`] matches everything.
    pub selector: Selector,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            namespaces: Vec::new(),
            services: vec![ServiceRef {
                namespace: "default".into(),
                name: "kubernetes".into(),
            }],
            selector: default_selector("tenantdns.io/visibility=shared"),
        }
    }
}

fn default_selector(text: &str) -> Selector {
    text.parse().unwrap_or_default()
}

/// A service named in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceRef {
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
}

/// A namespace's name in a list of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NamePattern {
    /// This name.
    Exact(Box<str>),
    /// `prefix-*`: every name that starts so.
    Prefix(Box<str>),
}

impl NamePattern {
    /// Returns whether the pattern covers `name`.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => **exact == *name,
            Self::Prefix(prefix) => name.starts_with(&**prefix),
        }
    }
}

/// What a client is answered whose address is nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// What everybody sees; SERVFAIL for every other name that a cluster could hold.
    Servfail,
    /// SERVFAIL for every name of the zone.
    Strict,
    /// As `Servfail`, with REFUSED.
    Refused,
    /// Everything.
    Allow,
}

/// What node addresses and hostNetwork pods see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeView {
    /// What is shared.
    Shared,
    /// What an unknown client sees.
    Unknown,
    /// Everything.
    Platform,
    /// The public and mandatory names.
    Deny,
}

/// Whether `*` and `any` are wildcards, as in CoreDNS before 1.9.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wildcard {
    /// `Filtered` where enforced, else `Off`.
    Auto,
    /// They are ordinary labels.
    Off,
    /// They match what the client may see.
    Filtered,
}

/// What the SOA serial says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SoaSerial {
    /// `Static` where enforced, else `Coredns`.
    Auto,
    /// A constant.
    Static,
    /// The Unix time of the last change, as CoreDNS; it tells every client when some service changed.
    Coredns,
}
