//! The `[tenancy]` table as values. Reading it from a file is [`crate::config`]'s.

use super::ForwarderOptions;
use crate::model::Selector;
use regex::Regex;
use std::time::Duration;

/// How visibility is decided, and what a client sees that must not see.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// `mode`.
    pub mode: Mode,
    /// `tenant_from`: where a namespace's tenant is read from, first match first.
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
    /// `reserved_namespaces`: names that tenants must not answer for. The groups `tlds` and
    /// `special-use` are not expanded here.
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
            mode: Mode::Enforce,
            tenant_from: Vec::new(),
            conflict: Conflict::Isolate,
            untenanted: Untenanted::Isolated,
            platform: Platform::default(),
            shared: Shared::default(),
            unknown: Unknown::Servfail,
            unknown_wait: Duration::from_secs(2),
            node: NodeView::Shared,
            reserved_namespaces: ["svc", "pod", "cluster", "local"].map(Into::into).to_vec(),
            forwarders: Vec::new(),
            wildcard: Wildcard::Auto,
            soa_serial: SoaSerial::Auto,
        }
    }
}

impl Options {
    /// Returns whether `*` and `any` are wildcards, with `auto` resolved.
    pub fn wildcards(&self) -> bool {
        match self.wildcard {
            Wildcard::Off => false,
            Wildcard::Filtered => true,
            Wildcard::Auto => self.mode == Mode::Enforce,
        }
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

/// One entry of `tenant_from`.
#[derive(Debug, Clone)]
pub enum TenantSource {
    /// The value of this label of the namespace.
    Label(Box<str>),
    /// The value of this annotation of the namespace.
    Annotation(Box<str>),
    /// The group `tenant` of this expression in the namespace's name.
    Name(Regex),
}

impl PartialEq for TenantSource {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Label(a), Self::Label(b)) | (Self::Annotation(a), Self::Annotation(b)) => a == b,
            (Self::Name(a), Self::Name(b)) => a.as_str() == b.as_str(),
            _ => false,
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
}

impl Default for Platform {
    fn default() -> Self {
        Self {
            namespaces: vec![NamePattern::Exact("kube-system".into())],
            tenants: Vec::new(),
            selector: default_selector("tenantdns.io/role=platform"),
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
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
