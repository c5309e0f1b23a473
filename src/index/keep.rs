//! What of an object is worth keeping: the rest would be most of the memory, and its changes would
//! look like changes of answers.

use super::pool::Pool;
use crate::chain::BlockOptions;
use crate::model::{
    EndpointPort, EndpointSlice, Labels, Node, Object, Pod, Port, Service, ServiceImport,
};
use crate::tenancy::{EXPORT_TO, ISTIO_EXPORT_TO, Mode, Options};

/// What some zone or the policy reads.
pub(super) struct Keep {
    kept: Kept,
    ports: Pool<Port>,
    endpoint_ports: Pool<EndpointPort>,
}

/// What is kept of objects for the sake of some configuration alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// All labels of Services, slices and Pods: some zone, or `platform.except`, selects by them.
    pub labels: bool,
    /// All labels of Services: some rule selects by them, or a DnsGrant may come that does.
    pub service_labels: bool,
    /// The annotations of Services that say who may see them.
    pub exports: bool,
    /// The pods that endpoints name: some zone names endpoints after them.
    pub targets: bool,
    /// The topology zones of endpoints: some zone has `zonal`.
    pub zones: bool,
    /// Where Services are reached from outside: some block has `k8s_external`.
    pub external: bool,
}

/// The label by which the cluster's DNS service is found.
const DNS_LABEL: &str = "k8s-app";
const EXPORTS: [&str; 2] = [EXPORT_TO, ISTIO_EXPORT_TO];

impl Keep {
    pub(super) fn new(blocks: &[BlockOptions], tenancy: &Options) -> Self {
        let zones = || blocks.iter().filter_map(|block| block.kubernetes.as_ref());
        let counts = tenancy.mode != Mode::Off;
        let except = counts && !tenancy.platform.except.is_empty();
        let labels = except || zones().any(|zone| !zone.labels.is_empty());
        Self {
            kept: Kept {
                labels,
                // Some grant may come that selects by them.
                service_labels: labels || counts,
                exports: counts,
                targets: zones().any(|zone| zone.endpoint_pod_names),
                zones: zones().any(|zone| zone.zonal),
                external: blocks.iter().any(|block| block.external.is_some()),
            },
            ports: Pool::default(),
            endpoint_ports: Pool::default(),
        }
    }

    pub(super) fn kept(&self) -> Kept {
        self.kept
    }

    /// Keeps what either needs.
    pub(super) fn widen(&mut self, needs: Kept) {
        self.kept = Kept {
            labels: self.kept.labels | needs.labels,
            service_labels: self.kept.service_labels | needs.service_labels,
            exports: self.kept.exports | needs.exports,
            targets: self.kept.targets | needs.targets,
            zones: self.kept.zones | needs.zones,
            external: self.kept.external | needs.external,
        };
    }

    /// Keeps what is needed and no more. Of objects that are there, more may stay.
    pub(super) fn replace(&mut self, needs: Kept) {
        self.kept = needs;
    }

    /// Says whether labels of Services are kept.
    pub(super) fn keep_service_labels(&mut self, keep: bool) {
        self.kept.service_labels = keep;
    }

    /// Takes out what nothing reads, and shares what others have as well.
    pub(super) fn trim(&mut self, object: &mut Object) {
        match object {
            Object::Namespace(_)
            | Object::DnsGrant(_)
            | Object::DnsExport(_)
            | Object::DnsImport(_) => {}
            Object::Service(Service {
                labels,
                annotations,
                ports,
                external,
                ..
            }) => {
                self.ports.share(ports);
                external.take_if(|_| !self.kept.external);
                *labels = labels.filter(|key| self.kept.service_labels || key == DNS_LABEL);
                *annotations =
                    annotations.filter(|key| self.kept.exports && EXPORTS.contains(&key));
            }
            Object::ServiceImport(ServiceImport { labels, ports, .. }) => {
                self.ports.share(ports);
                *labels = labels.filter(|_| self.kept.service_labels);
            }
            Object::EndpointSlice(slice) => self.trim_slice(slice),
            Object::Pod(Pod { labels, .. }) => *labels = self.selected(labels),
            Object::Node(Node { annotations, .. }) => {
                *annotations = annotations.filter(super::objects::is_address_annotation);
            }
        }
    }

    fn trim_slice(&mut self, slice: &mut EndpointSlice) {
        slice.labels = self.selected(&slice.labels);
        slice.endpoints = slice.endpoints.trimmed(self.kept.targets, self.kept.zones);
        self.endpoint_ports.share(&mut slice.ports);
    }

    fn selected(&self, labels: &Labels) -> Labels {
        labels.filter(|_| self.kept.labels)
    }
}
