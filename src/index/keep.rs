//! What of an object is worth keeping: the rest would be most of the memory, and its changes would
//! look like changes of answers.

use crate::chain::BlockOptions;
use crate::model::{EndpointSlice, Labels, Node, Object, Pod, Service, ServiceImport};

/// What some zone reads.
pub(super) struct Keep {
    /// Labels of Services, slices and Pods: some zone selects by them.
    labels: bool,
    /// The pods that endpoints name: some zone names endpoints after them.
    targets: bool,
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
        }
    }

    pub(super) fn kept(&self) -> Kept {
        Kept {
            labels: self.labels,
            targets: self.targets,
        }
    }

    /// Takes out what nothing reads.
    pub(super) fn trim(&self, object: &mut Object) {
        match object {
            Object::Namespace(_) => {}
            Object::Service(Service {
                labels,
                annotations,
                ..
            }) => {
                *labels = labels.filter(|key| self.labels || key == DNS_LABEL);
                *annotations = Labels::new();
            }
            Object::ServiceImport(ServiceImport { labels, .. }) => {
                *labels = self.selected(labels);
            }
            Object::EndpointSlice(slice) => self.trim_slice(slice),
            Object::Pod(Pod { labels, .. }) => *labels = self.selected(labels),
            Object::Node(Node { annotations, .. }) => {
                *annotations = annotations.filter(super::objects::is_address_annotation);
            }
        }
    }

    fn trim_slice(&self, slice: &mut EndpointSlice) {
        slice.labels = self.selected(&slice.labels);
        slice.endpoints = slice.endpoints.trimmed(self.targets, false);
    }

    fn selected(&self, labels: &Labels) -> Labels {
        labels.filter(|_| self.labels)
    }
}
