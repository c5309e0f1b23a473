//! `tenant_from` and `presets`: where a namespace's tenant is written.

use crate::model::Namespace;
use regex::Regex;
use std::fmt;

/// One place where a namespace's tenant may be written.
#[derive(Debug, Clone)]
pub enum TenantSource {
    /// The value of this label of the namespace.
    Label(Box<str>),
    /// The value of this annotation of the namespace.
    Annotation(Box<str>),
    /// What follows the first colon in the value of this annotation, as in Rancher's
    /// `<cluster>:<project>`; the whole value where there is none.
    AnnotationAfterColon(Box<str>),
    /// A label `<ancestor><suffix>` for each ancestor of a tree and for the namespace itself, whose
    /// value is how far up it is (HNC).
    LabelSuffix {
        /// What the keys end with.
        suffix: Box<str>,
        /// How far below the root of the tree the tenant is; 0 for the root itself.
        level: u32,
    },
    /// The value of this label is the parent namespace; the root of the tree is the tenant.
    ParentLabel(Parentage),
    /// The group `tenant` of this expression in the namespace's name.
    Name(Regex),
    /// Namespaces with this label are each a tenant of their own.
    OwnName {
        /// The label.
        label: Box<str>,
        /// Its value.
        value: Box<str>,
    },
}

impl TenantSource {
    /// Returns whether a namespace has what is read, whatever it says.
    pub fn is_written_on(&self, namespace: &Namespace) -> bool {
        let labels = &namespace.labels;
        match self {
            Self::Label(key) => labels.contains_key(key),
            Self::Annotation(key) | Self::AnnotationAfterColon(key) => {
                namespace.annotations.contains_key(key)
            }
            Self::LabelSuffix { suffix, .. } => {
                labels.iter().any(|(key, _)| key.ends_with(&**suffix))
            }
            Self::ParentLabel(parentage) => labels.contains_key(&parentage.label),
            Self::Name(regex) => regex.is_match(&namespace.name),
            Self::OwnName { label, value } => labels.get(label) == Some(value),
        }
    }
}

impl fmt::Display for TenantSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(key) => write!(f, "label {key}"),
            Self::Annotation(key) | Self::AnnotationAfterColon(key) => {
                write!(f, "annotation {key}")
            }
            Self::LabelSuffix { suffix, .. } => write!(f, "labels that end with {suffix}"),
            Self::ParentLabel(parentage) => write!(f, "label {}", parentage.label),
            Self::Name(regex) => write!(f, "name {}", regex.as_str()),
            Self::OwnName { label, value } => write!(f, "label {label}={value}"),
        }
    }
}

/// How a tree of namespaces is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parentage {
    /// The label that names the parent.
    pub label: Box<str>,
    /// The label, its value on roots, and its value on namespaces that stand alone, where there is
    /// one. Without it a root is what has children and no parent.
    pub kind: Option<(Box<str>, Box<str>, Box<str>)>,
}

impl Parentage {
    /// Returns how trees are written with this label: Accurate's has a kind of namespace beside.
    pub fn of(label: Box<str>) -> Self {
        let accurate = &*label == "accurate.cybozu.com/parent";
        let kind = accurate.then(|| {
            (
                "accurate.cybozu.com/type".into(),
                "root".into(),
                "template".into(),
            )
        });
        Self { label, kind }
    }
}

impl PartialEq for TenantSource {
    fn eq(&self, other: &Self) -> bool {
        use TenantSource::{
            Annotation, AnnotationAfterColon, Label, LabelSuffix, Name, OwnName, ParentLabel,
        };
        match (self, other) {
            (Label(a), Label(b))
            | (Annotation(a), Annotation(b))
            | (AnnotationAfterColon(a), AnnotationAfterColon(b)) => a == b,
            (
                LabelSuffix { suffix, level },
                LabelSuffix {
                    suffix: s,
                    level: l,
                },
            ) => (suffix, level) == (s, l),
            (ParentLabel(a), ParentLabel(b)) => a == b,
            (Name(a), Name(b)) => a.as_str() == b.as_str(),
            (OwnName { label, value }, OwnName { label: l, value: v }) => (label, value) == (l, v),
            _ => false,
        }
    }
}

/// A system that writes tenants on namespaces, by the keys that it uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Capsule: both of the labels that its versions write.
    Capsule,
    /// Rancher: projects.
    Rancher,
    /// The Hierarchical Namespace Controller: the root of the tree.
    Hnc,
    /// Accurate: the root of the tree; templates and rings stand alone.
    Accurate,
    /// KubeSphere: workspaces.
    Kubesphere,
    /// GKE fleet team scopes.
    GkeFleet,
    /// Stakater's Multi Tenant Operator.
    Mto,
    /// Flux: tenants by convention.
    Flux,
    /// kiosk: accounts.
    Kiosk,
    /// Kubeflow: each profile's namespace.
    Kubeflow,
}

impl Preset {
    /// Every preset with its name in the configuration.
    pub const ALL: [(&'static str, Self); 10] = [
        ("capsule", Self::Capsule),
        ("rancher", Self::Rancher),
        ("hnc", Self::Hnc),
        ("accurate", Self::Accurate),
        ("kubesphere", Self::Kubesphere),
        ("gke-fleet", Self::GkeFleet),
        ("mto", Self::Mto),
        ("flux", Self::Flux),
        ("kiosk", Self::Kiosk),
        ("kubeflow", Self::Kubeflow),
    ];

    /// Returns the places where this system writes a namespace's tenant.
    pub fn sources(self) -> Vec<TenantSource> {
        let label = |key: &str| TenantSource::Label(key.into());
        match self {
            Self::Capsule => vec![
                label("capsule.clastix.io/tenant"),
                label("projectcapsule.dev/tenant"),
            ],
            Self::Rancher => vec![
                TenantSource::AnnotationAfterColon("field.cattle.io/projectId".into()),
                label("field.cattle.io/projectId"),
            ],
            Self::Hnc => vec![TenantSource::LabelSuffix {
                suffix: ".tree.hnc.x-k8s.io/depth".into(),
                level: 0,
            }],
            Self::Accurate => vec![TenantSource::ParentLabel(Parentage::of(
                "accurate.cybozu.com/parent".into(),
            ))],
            Self::Kubesphere => vec![label("kubesphere.io/workspace")],
            Self::GkeFleet => vec![label("fleet.gke.io/fleet-scope")],
            Self::Mto => vec![label("stakater.com/tenant")],
            Self::Flux => vec![label("toolkit.fluxcd.io/tenant")],
            Self::Kiosk => vec![label("kiosk.sh/account")],
            Self::Kubeflow => vec![TenantSource::OwnName {
                label: "app.kubernetes.io/part-of".into(),
                value: "kubeflow-profile".into(),
            }],
        }
    }
}
