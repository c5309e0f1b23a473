//! How long changes of endpoints take until they are served: from the moment that the cluster's
//! controller says it saw, to the snapshot that shows it. As in CoreDNS's series of that name, but that
//! what the first lists bring does not count: it may have changed long ago.

use crate::app::progress::{ProgrammingTimes, Progress};
use crate::index::{Event, Objects};
use crate::model::{Object, ObjectKey, SliceOwner};
use jiff::Timestamp;
use std::time::Duration;

/// Changes that wait for their snapshot at most; each snapshot takes all of them.
const WAITING: usize = 4096;

/// The changes that are not served yet.
#[derive(Default)]
pub(super) struct Programming {
    waiting: Vec<(ObjectKey, Timestamp)>,
}

impl Programming {
    /// Takes note of what an event changes, and the moment out of it: nothing else needs that.
    pub(super) fn note(&mut self, event: &mut Event, synced: bool) {
        let (Event::Apply(object) | Event::ApplyAt(object, _)) = event else {
            return;
        };
        let Object::EndpointSlice(slice) = object else {
            return;
        };
        let Some(triggered) = slice.triggered.take().filter(|_| synced) else {
            return;
        };
        let SliceOwner::Service(service) = &slice.owner else {
            return;
        };
        // What is no moment measures nothing.
        if let Ok(triggered) = triggered.parse()
            && self.waiting.len() < WAITING
        {
            let key = ObjectKey::new(&*slice.key.namespace, &**service);
            self.waiting.push((key, triggered));
        }
    }

    /// Counts what has been published now.
    pub(super) fn published(&mut self, objects: &Objects, progress: &Progress, now: Timestamp) {
        if self.waiting.is_empty() {
            return;
        }
        progress.update(|state| {
            for (service, triggered) in self.waiting.drain(..) {
                // As in CoreDNS: a slice whose Service is not known is not counted.
                let Some(headless) = objects.is_headless(&service) else {
                    continue;
                };
                let took = Duration::try_from(now.duration_since(triggered));
                // A clock that is behind the controller's.
                let took = took.unwrap_or_default();
                let kind = match headless {
                    true => "headless_with_selector",
                    false => "cluster_ip",
                };
                let times = state.programming.entry(kind);
                times.or_insert_with(ProgrammingTimes::default).add(took);
            }
        });
    }
}
