//! Which names a prober expects to see, and which not.

use super::Options;

/// Services that many clusters have and that tenants have no business with.
const WELL_KNOWN: [(&str, &str); 8] = [
    ("metrics-server", "kube-system"),
    ("kubelet", "kube-system"),
    ("kubernetes-dashboard", "kubernetes-dashboard"),
    ("argocd-server", "argocd"),
    ("prometheus-operated", "monitoring"),
    ("cert-manager-webhook", "cert-manager"),
    ("ingress-nginx-controller", "ingress-nginx"),
    ("vault", "vault"),
];

/// A service that must not be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) service: String,
    pub(super) namespace: String,
    /// Whether somebody said that it exists.
    pub(super) exists: bool,
}

/// What the prober expects to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    namespaces: Vec<String>,
    services: Vec<(String, String)>,
}

impl Known {
    pub(super) fn new(options: &Options) -> Self {
        let pair = |(service, namespace): (&str, &str)| (service.to_owned(), namespace.to_owned());
        let mut known = Self {
            namespaces: options.namespace.iter().cloned().collect(),
            services: [("kubernetes", "default"), ("kube-dns", "kube-system")]
                .map(pair)
                .to_vec(),
        };
        for name in &options.visible {
            match relative(name, &options.zone).split_once('.') {
                Some(service) => known.services.push(pair(service)),
                None => known.namespaces.push(name.to_lowercase()),
            }
        }
        known
    }

    /// Returns whether a service is one that is expected.
    pub(super) fn has(&self, service: &str, namespace: &str) -> bool {
        self.namespaces.iter().any(|known| known == namespace)
            || self
                .services
                .iter()
                .any(|(s, n)| (&**s, &**n) == (service, namespace))
    }

    /// Returns whether anything of a namespace is expected.
    pub(super) fn has_of(&self, namespace: &str) -> bool {
        self.namespaces.iter().any(|known| known == namespace)
            || self.services.iter().any(|(_, known)| known == namespace)
    }

    /// Returns whether a name, in full and in lower case, is one of a service that is expected.
    pub(super) fn is_name(&self, name: &str, zone: &str) -> bool {
        let relative = relative(name, zone);
        let mut labels = relative.rsplit('.');
        match (labels.next(), labels.next()) {
            (Some(namespace), Some(service)) => self.has(service, namespace),
            _ => false,
        }
    }

    /// Returns the single services that are expected.
    pub(super) fn services(&self) -> impl Iterator<Item = &(String, String)> {
        self.services.iter()
    }
}

/// Returns the labels in front of `svc` and the zone, in lower case.
fn relative(name: &str, zone: &str) -> String {
    let name = name.trim_end_matches('.').to_lowercase();
    let suffix = format!(".svc.{}", zone.to_lowercase());
    name.strip_suffix(&suffix).unwrap_or(&name).to_owned()
}

/// Returns the services that must not be seen: those that were named, and well-known ones.
pub(super) fn subjects(options: &Options, known: &Known) -> Vec<Subject> {
    let named = options
        .hidden
        .iter()
        .map(|name| relative(name, &options.zone));
    let named = named.filter_map(|name| {
        let (service, namespace) = name.split_once('.')?;
        Some((service.to_owned(), namespace.to_owned(), true))
    });
    let well_known = WELL_KNOWN.map(|(service, ns)| (service.to_owned(), ns.to_owned(), false));
    let all = named.chain(well_known);
    all.filter(|(service, namespace, _)| !known.has(service, namespace))
        .map(|(service, namespace, exists)| Subject {
            service,
            namespace,
            exists,
        })
        .collect()
}
