//! What a QNAME denotes: the name grammar of CoreDNS's kubernetes plugin, read from the right. No
//! look-up happens here.

use super::{ExternalOptions, Options, Origin};
use crate::wire::QName;

/// What the labels to the left of a zone's origin say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target<'q> {
    /// None: the apex.
    Apex,
    /// `svc` or `pod` alone.
    Root,
    /// `NS.svc`.
    Namespace(&'q [u8]),
    /// `NS.pod`.
    PodNamespace(&'q [u8]),
    /// A service, or a part of one.
    Service(ServiceTarget<'q>),
    /// The endpoints of a headless service in one topology zone.
    Zonal(ZonalTarget<'q>),
    /// A pod's name: namespace, and the label that spells an address.
    Pod(&'q [u8], &'q [u8]),
    /// A name of a shape that no cluster holds.
    Impossible,
}

/// `S.NS.svc`, and what stands in front of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ServiceTarget<'q> {
    pub(super) namespace: &'q [u8],
    pub(super) service: &'q [u8],
    pub(super) part: Part<'q>,
}

/// `ZONE.pin._zone.S.NS.svc`, or `prefer` for `pin`. No port or endpoint stands in front of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ZonalTarget<'q> {
    pub(super) namespace: &'q [u8],
    pub(super) service: &'q [u8],
    /// The topology zone's labels in wire form, lower case: its name may have dots.
    pub(super) zone: &'q [u8],
    /// Whether a zone without endpoints stands for all of them.
    pub(super) prefers: bool,
}

/// The labels in front of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'q> {
    /// Port and protocol without their underscores; an empty one matches every one.
    Ports(&'q [u8], &'q [u8]),
    /// One label, whatever it looks like: an endpoint.
    Endpoint(&'q [u8]),
    /// In a multicluster zone: endpoint and cluster.
    ClusterEndpoint(&'q [u8], &'q [u8]),
}

impl Part<'_> {
    /// No labels: the service itself.
    pub(super) const NONE: Self = Self::Ports(b"", b"");
}

impl<'q> Target<'q> {
    /// Reads the labels of `qname` in front of an origin's; `zonal` says whether there are names for
    /// topology zones.
    pub(super) fn parse(qname: &'q QName<'_>, origin: &Origin, zonal: bool) -> Self {
        let (origin_labels, multicluster) = (origin.labels, origin.multicluster);
        let Some(count) = qname.label_count().checked_sub(origin_labels) else {
            return Self::Impossible;
        };
        // From the right: 1 is the label next to the origin.
        let label = |from_right: usize| {
            count
                .checked_sub(from_right)
                .and_then(|index| qname.label(index))
                .unwrap_or(b"")
        };
        if count == 0 {
            return Self::Apex;
        }
        let pod = match label(1) {
            b"svc" => false,
            b"pod" => true,
            _ => return Self::Impossible,
        };
        let namespace = label(2);
        match (count, pod) {
            (1, _) => Self::Root,
            (2, false) => Self::Namespace(namespace),
            (2, true) => Self::PodNamespace(namespace),
            (6.., false) if zonal && !multicluster && label(4) == b"_zone" => {
                let prefers = match label(5) {
                    b"pin" => false,
                    b"prefer" => true,
                    _ => return Self::Impossible,
                };
                let end = qname.suffix_offset(origin_labels + 5);
                Self::Zonal(ZonalTarget {
                    namespace,
                    service: label(3),
                    zone: end.and_then(|end| qname.lower().get(..end)).unwrap_or(b""),
                    prefers,
                })
            }
            (6.., _) => Self::Impossible,
            // One or two labels in front of a pod's name are read and then ignored.
            (_, true) => Self::Pod(namespace, label(3)),
            (3, false) => Self::Service(ServiceTarget {
                namespace,
                service: label(3),
                part: Part::NONE,
            }),
            (_, false) => {
                let (near, far) = (label(4), label(5));
                let part = match count {
                    4 => Part::Endpoint(near),
                    _ if multicluster && !near.starts_with(b"_") && !far.starts_with(b"_") => {
                        Part::ClusterEndpoint(far, near)
                    }
                    _ => Part::Ports(without_underscore(far), without_underscore(near)),
                };
                Self::Service(ServiceTarget {
                    namespace,
                    service: label(3),
                    part,
                })
            }
        }
    }
}

/// What kind of thing a name denotes, as `explain` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DenotedKind {
    /// The apex, `svc`, `pod`, `dns-version`, `ns.dns`, `whoami.tenantdns`.
    Public,
    /// A namespace.
    Namespace,
    /// A service, its ports, or its endpoints in a topology zone.
    Service,
    /// An endpoint of a service.
    Endpoint,
    /// A pod.
    Pod,
    /// No shape that a cluster holds.
    Nothing,
}

impl DenotedKind {
    /// Returns the kind's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Namespace => "namespace",
            Self::Service => "service",
            Self::Endpoint => "endpoint",
            Self::Pod => "pod",
            Self::Nothing => "nothing",
        }
    }
}

/// What a name denotes by its grammar, whether or not that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denoted {
    /// The kind.
    pub kind: DenotedKind,
    /// The namespace's label; empty where there is none.
    pub namespace: Box<str>,
    /// The service's label; empty where there is none.
    pub service: Box<str>,
}

impl Denoted {
    /// Reads a name below an origin of a zone with these options.
    pub fn parse(qname: &QName<'_>, origin: &Origin, options: &Options) -> Self {
        if is_public(qname, origin.labels) {
            let (namespace, service) = Default::default();
            return Self {
                kind: DenotedKind::Public,
                namespace,
                service,
            };
        }
        let text = |label: &[u8]| String::from_utf8_lossy(label).into();
        let (kind, namespace, service): (_, &[u8], &[u8]) =
            match Target::parse(qname, origin, options.zonal) {
                Target::Apex | Target::Root => (DenotedKind::Public, b"", b""),
                Target::Namespace(ns) | Target::PodNamespace(ns) => {
                    (DenotedKind::Namespace, ns, b"")
                }
                Target::Pod(ns, _) => (DenotedKind::Pod, ns, b""),
                Target::Zonal(s) => (DenotedKind::Service, s.namespace, s.service),
                Target::Service(s) => match s.part {
                    Part::Ports(..) => (DenotedKind::Service, s.namespace, s.service),
                    _ => (DenotedKind::Endpoint, s.namespace, s.service),
                },
                Target::Impossible => (DenotedKind::Nothing, b"", b""),
            };
        Self {
            kind,
            namespace: text(namespace),
            service: text(service),
        }
    }
}

impl Denoted {
    /// Reads a name below a zone of `k8s_external`.
    pub fn outside(qname: &QName<'_>, origin: &Origin, options: &ExternalOptions) -> Self {
        let own = qname.label_count().saturating_sub(origin.labels);
        let label = |n: usize| own.checked_sub(n).and_then(|at| qname.label(at));
        let text = |n| String::from_utf8_lossy(label(n).unwrap_or(&[])).into();
        let is_public = own == 0 || label(1) == Some(options.apex.as_bytes());
        let kind = match own {
            _ if is_public => DenotedKind::Public,
            1 => DenotedKind::Namespace,
            2 | 4 => DenotedKind::Service,
            3 => DenotedKind::Endpoint,
            _ => DenotedKind::Nothing,
        };
        let names = matches!(kind, DenotedKind::Public | DenotedKind::Nothing);
        Self {
            kind,
            namespace: if names { "".into() } else { text(1) },
            service: if names { "".into() } else { text(2) },
        }
    }
}

/// Returns whether a name is one of the few that every zone has beside its apex.
fn is_public(qname: &QName<'_>, origin_labels: usize) -> bool {
    let own = qname.label_count().saturating_sub(origin_labels);
    matches!(
        (own, qname.label(0), qname.label(1)),
        (1, Some(b"dns-version"), _)
            | (2, Some(b"ns"), Some(b"dns"))
            | (2, Some(b"whoami"), Some(b"tenantdns"))
    )
}

pub(super) fn without_underscore(label: &[u8]) -> &[u8] {
    label.strip_prefix(b"_").unwrap_or(label)
}
