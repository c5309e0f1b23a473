//! `platform.presets` and `shared.presets`: lists of exact names, so that nobody has to look them up
//! and none covers more than it says.
//!
//! A distribution's namespaces are those that its own installer makes and its users can't; those in
//! which users install things (`openshift-operators`) or that carry users' traffic
//! (`openshift-ingress`) are left out, and proxies that act for tenants excepted by their labels.

use crate::model::Selector;
use crate::tenancy::{NamePattern, ServiceRef};

/// A distribution's own namespaces.
pub(super) struct Distribution {
    namespaces: &'static [&'static str],
    /// Pods there that act for tenants, as a selector.
    except: &'static str,
}

impl Distribution {
    pub(super) fn patterns(&self) -> impl Iterator<Item = NamePattern> {
        let names = self.namespaces.iter();
        names.map(|name| NamePattern::Exact((*name).into()))
    }

    pub(super) fn except(&self) -> Option<Selector> {
        let selector = self.except.parse::<Selector>().ok()?;
        (!selector.is_empty()).then_some(selector)
    }
}

/// The Services of a common system that pods of every tenant talk to.
pub(super) struct System(&'static [(&'static str, &'static str)]);

impl System {
    pub(super) fn services(&self) -> impl Iterator<Item = ServiceRef> {
        self.0.iter().map(|(namespace, name)| ServiceRef {
            namespace: (*namespace).into(),
            name: (*name).into(),
        })
    }
}

pub(super) const PLATFORM: &[(&str, Distribution)] = &[
    (
        "openshift",
        Distribution {
            namespaces: &[
                "openshift-apiserver",
                "openshift-apiserver-operator",
                "openshift-authentication",
                "openshift-authentication-operator",
                "openshift-cloud-controller-manager",
                "openshift-cloud-controller-manager-operator",
                "openshift-cloud-credential-operator",
                "openshift-cloud-network-config-controller",
                "openshift-cluster-csi-drivers",
                "openshift-cluster-machine-approver",
                "openshift-cluster-node-tuning-operator",
                "openshift-cluster-samples-operator",
                "openshift-cluster-storage-operator",
                "openshift-cluster-version",
                "openshift-config-operator",
                "openshift-console",
                "openshift-console-operator",
                "openshift-controller-manager",
                "openshift-controller-manager-operator",
                "openshift-dns",
                "openshift-dns-operator",
                "openshift-etcd",
                "openshift-etcd-operator",
                "openshift-image-registry",
                "openshift-ingress-canary",
                "openshift-ingress-operator",
                "openshift-insights",
                "openshift-kube-apiserver",
                "openshift-kube-apiserver-operator",
                "openshift-kube-controller-manager",
                "openshift-kube-controller-manager-operator",
                "openshift-kube-scheduler",
                "openshift-kube-scheduler-operator",
                "openshift-kube-storage-version-migrator",
                "openshift-kube-storage-version-migrator-operator",
                "openshift-machine-api",
                "openshift-machine-config-operator",
                "openshift-marketplace",
                "openshift-monitoring",
                "openshift-multus",
                "openshift-network-diagnostics",
                "openshift-network-node-identity",
                "openshift-network-operator",
                "openshift-oauth-apiserver",
                "openshift-operator-lifecycle-manager",
                "openshift-ovn-kubernetes",
                "openshift-service-ca",
                "openshift-service-ca-operator",
                "openshift-user-workload-monitoring",
            ],
            except: "",
        },
    ),
    (
        "rke2",
        Distribution {
            namespaces: &["kube-system", "calico-system", "tigera-operator"],
            except: "app.kubernetes.io/name in (rke2-ingress-nginx, rke2-traefik)",
        },
    ),
    (
        "k3s",
        Distribution {
            namespaces: &["kube-system"],
            except: "app.kubernetes.io/name=traefik",
        },
    ),
    (
        "rancher",
        Distribution {
            namespaces: &[
                "cattle-fleet-local-system",
                "cattle-fleet-system",
                "cattle-impersonation-system",
                "cattle-monitoring-system",
                "cattle-provisioning-capi-system",
                "cattle-resources-system",
                "cattle-system",
                "cattle-turtles-system",
                "cattle-ui-plugin-system",
            ],
            except: "",
        },
    ),
    (
        "eks",
        Distribution {
            namespaces: &["kube-system", "amazon-cloudwatch", "amazon-guardduty"],
            except: "",
        },
    ),
    (
        "gke",
        Distribution {
            namespaces: &[
                "kube-system",
                "gke-gmp-system",
                "gke-managed-cim",
                "gke-managed-networking-dra-driver",
                "gke-managed-parallelstorecsi",
                "gke-managed-system",
                "gke-managed-volumepopulator",
                "gmp-system",
            ],
            except: "",
        },
    ),
    (
        "aks",
        Distribution {
            namespaces: &[
                "kube-system",
                "aks-command",
                "calico-system",
                "gatekeeper-system",
                "tigera-operator",
            ],
            except: "",
        },
    ),
];

pub(super) const SHARED: &[(&str, System)] = &[
    (
        "istio",
        System(&[
            ("istio-system", "istiod"),
            ("istio-system", "istio-egressgateway"),
        ]),
    ),
    (
        "linkerd",
        System(&[
            ("linkerd", "linkerd-dst-headless"),
            ("linkerd", "linkerd-identity-headless"),
            ("linkerd", "linkerd-policy"),
        ]),
    ),
    (
        "vault",
        System(&[("vault", "vault"), ("vault", "vault-active")]),
    ),
    (
        "cert-manager",
        System(&[("cert-manager", "cert-manager-webhook")]),
    ),
    (
        "otel",
        System(&[
            ("observability", "otel-collector"),
            ("opentelemetry", "opentelemetry-collector"),
            ("opentelemetry", "otel-collector"),
        ]),
    ),
];
