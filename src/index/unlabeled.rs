//! Labels of Services on demand: no rule of most configurations reads them, and they are much of what a
//! Service takes. Where a source can list again, they are left out until a DnsGrant selects by them.
//! From then until the list has come, they are not known: whoever denies by them denies all.

use super::Index;
use crate::model::{DnsGrant, Kind};
use crate::tenancy::Mode;
use std::collections::BTreeMap;

/// The kinds whose labels rules select by.
const LABELED: [Kind; 2] = [Kind::Service, Kind::ServiceImport];

/// The kinds of which some objects are known without their labels.
#[derive(Default)]
pub(super) struct Unlabeled {
    /// Whether a list has begun since they are wanted.
    kinds: BTreeMap<Kind, bool>,
    /// Lists to ask for.
    lists: Vec<Kind>,
}

impl Unlabeled {
    /// Returns whether all labels are known that are read.
    pub(super) fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// Notes that a list begins.
    pub(super) fn begin(&mut self, kind: Kind) {
        if let Some(begun) = self.kinds.get_mut(&kind) {
            *begun = true;
        }
    }

    /// Notes that a list has ended, and returns whether labels are known by it that were not.
    fn end(&mut self, kind: Kind) -> bool {
        self.kinds.get(&kind) == Some(&true) && self.kinds.remove(&kind).is_some()
    }
}

impl Index {
    /// Leaves labels of Services out until something reads them; [`Index::take_lists`] says then which
    /// kinds have to be listed again.
    #[must_use]
    pub fn with_labels_on_demand(mut self) -> Self {
        self.on_demand = true;
        let options = self.compiler.policy().options();
        let reads = options.mode != Mode::Off && options.selects_services();
        let labels = self.keep.kept().labels;
        self.keep.keep_service_labels(labels || reads);
        self
    }

    /// Returns the kinds that have to be listed again because something is read of them that was left
    /// out, since the last call.
    pub fn take_lists(&mut self) -> Vec<Kind> {
        std::mem::take(&mut self.unlabeled.lists)
    }

    /// Returns whether some grant reads labels of Services.
    pub(super) fn grants_select(&self) -> bool {
        self.objects.policies.grants().any(selects)
    }

    /// Notes that a grant is about to come, which may read labels that were left out.
    pub(super) fn want_labels(&mut self, grant: Option<&DnsGrant>) {
        let off = self.compiler.policy().options().mode == Mode::Off;
        // Kept is not known where the next configuration has them listed.
        let known = self.keep.kept().service_labels && !self.wanted.has_any(&LABELED);
        if off || known || !grant.is_some_and(selects) {
            return;
        }
        self.keep.keep_service_labels(true);
        for kind in LABELED {
            if self.objects.count(kind) > 0 {
                self.unlabeled.kinds.insert(kind, false);
                self.unlabeled.lists.push(kind);
            }
        }
        // Its header says that it has none.
        self.copy = None;
    }

    pub(super) fn labels_listed(&mut self, kind: Kind) {
        self.dirty.labels |= self.unlabeled.end(kind);
    }
}

fn selects(grant: &DnsGrant) -> bool {
    grant.to.iter().any(|to| to.service_selector.is_some())
}
