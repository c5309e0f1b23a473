//! A `kubernetes` table as values: the words of CoreDNS's `kubernetes` block, with its meanings
//! and defaults. Reading it from a file is [`crate::config`]'s.

use crate::model::Selector;
use crate::wire::Name;
use std::net::IpAddr;
use std::time::Duration;

/// The settings of one [`super::Zone`].
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// `zones`: the origins, lower-case; at least one is not a reverse zone.
    pub origins: Vec<Name>,
    /// `ttl`, 0 to 3600 seconds.
    pub ttl: u32,
    /// What `cache` makes of the SOA's numbers; `None` where there is none, and they follow from `ttl`.
    pub soa: Option<SoaTtls>,
    /// `pods`.
    pub pods: PodMode,
    /// `endpoint_pod_names`: endpoints without hostname are named after their pod.
    pub endpoint_pod_names: bool,
    /// `namespaces`: the only ones that are answered; empty for all. Lower-case.
    pub namespaces: Vec<Box<str>>,
    /// `namespace_labels`: the only namespaces that are answered, by label.
    pub namespace_labels: Option<Selector>,
    /// `labels`: the only Services, EndpointSlices and Pods that are read.
    pub labels: Selector,
    /// `noendpoints`: no headless services, endpoint names or endpoints' reverse names.
    pub noendpoints: bool,
    /// `ignore_empty_service`: a service without ready endpoints is absent.
    pub ignore_empty_service: bool,
    /// `multicluster`: those of the origins that hold ServiceImports.
    pub multicluster: Vec<Name>,
    /// `zonal`: headless services have names for the endpoints of a topology zone.
    pub zonal: bool,
    /// `startup_timeout`.
    pub startup_timeout: Duration,
    /// `fallthrough`: names below these go to the next step when they are absent.
    pub fallthrough: Vec<Name>,
    /// The `k8s_external` table of the same block.
    pub external: Option<ExternalOptions>,
    /// The server's own addresses, for NS and `ns.dns`: the explicit listen addresses, else the
    /// interfaces'.
    pub own_addresses: Vec<IpAddr>,
}

/// The TTLs of a SOA record where answers may have others than `ttl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoaTtls {
    /// Its minimum: `ttl` as it is written.
    pub minimum: u32,
    /// Its own in denials.
    pub denial: u32,
}

impl Default for Options {
    fn default() -> Self {
        let name = |text: &str| text.parse().unwrap_or_else(|_| Name::root());
        Self {
            origins: ["cluster.local", "in-addr.arpa", "ip6.arpa"]
                .map(name)
                .to_vec(),
            ttl: 5,
            soa: None,
            pods: PodMode::Disabled,
            endpoint_pod_names: false,
            namespaces: Vec::new(),
            namespace_labels: None,
            labels: Selector::default(),
            noendpoints: false,
            ignore_empty_service: false,
            multicluster: Vec::new(),
            zonal: false,
            startup_timeout: Duration::from_secs(5),
            fallthrough: Vec::new(),
            external: None,
            own_addresses: Vec::new(),
        }
    }
}

/// A `k8s_external` table: the words of that plugin, with its meanings and defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct ExternalOptions {
    /// `zones`, lower-case, at least one; reverse records' targets end in the first.
    pub origins: Vec<Name>,
    /// `apex`: the label below which the name server is, lower-case.
    pub apex: Box<str>,
    /// `ttl`, 0 to 3600 seconds.
    pub ttl: u32,
    /// `headless`: services that are not reached from outside answer with their endpoints.
    pub headless: bool,
    /// `fallthrough`: names below these go to the next step when they are absent.
    pub fallthrough: Vec<Name>,
}

impl Default for ExternalOptions {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            apex: "dns".into(),
            ttl: 5,
            headless: false,
            fallthrough: Vec::new(),
        }
    }
}

/// What names under `pod` answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodMode {
    /// Nothing.
    Disabled,
    /// Any address in any namespace, without looking at pods.
    Insecure,
    /// Pods that exist.
    Verified,
}
