//! What of an object is worth keeping: the rest would be most of the memory, and its changes would
//! look like changes of answers.

use super::pool::Pool;
use crate::chain::BlockOptions;
use crate::model::{
    EndpointPort, EndpointSlice, Labels, Node, Object, Pod, Port, Service, ServiceImport,
};

/// What some zone reads.
pub(super) struct Keep {
    /// Labels of Services, slices and Pods: some zone selects by them.
    labels: bool,
    /// The pods that endpoints name: some zone names endpoints after them.
    targets: bool,
    ports: Pool<Port>,
    endpoint_ports: Pool<EndpointPort>,
}

/// What is kept of objects for the sake of some configuration alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// All labels of Services, slices and Pods.
    pub labels: bool,
    /// The pods that endpoints name.
    pub targets: bool,
}

/// The label by which the cluster's DNS service is found.
const DNS_LABEL: &str = "k8s-app";

impl Keep {
    pub(super) fn new(blocks: &[BlockOptions]) -> Self {
        let zones = || blocks.iter().filter_map(|block| block.kubernetes.as_ref());
        Self {
            labels: zones().any(|zone| !zone.labels.is_empty()),
            targets: zones().any(|zone| zone.endpoint_pod_names),
            ports: Pool::default(),
            endpoint_ports: Pool::default(),
        }
    }

    pub(super) fn kept(&self) -> Kept {
        Kept {
            labels: self.labels,
            targets: self.targets,
        }
    }

    /// Takes out what nothing reads, and shares what others have as well.
    pub(super) fn trim(&mut self, object: &mut Object) {
        match object {
            Object::Namespace(_) => {}
            Object::Service(Service {
                labels,
                annotations,
                ports,
                ..
            }) => {
                self.ports.share(ports);
                *labels = labels.filter(|key| self.labels || key == DNS_LABEL);
                *annotations = Labels::new();
            }
            Object::ServiceImport(ServiceImport { labels, ports, .. }) => {
                self.ports.share(ports);
                *labels = self.selected(labels);
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
        slice.endpoints = slice.endpoints.trimmed(self.targets, false);
        self.endpoint_ports.share(&mut slice.ports);
    }

    fn selected(&self, labels: &Labels) -> Labels {
        labels.filter(|_| self.labels)
    }
}
