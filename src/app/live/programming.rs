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

    /// Counts what has been published just now.
    pub(super) fn published(&mut self, objects: &Objects, progress: &Progress) {
        if self.waiting.is_empty() {
            return;
        }
        let now = Timestamp::now();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Version;
    use crate::testing::{Cluster, objects};

    fn slice(service: &str, triggered: Option<&str>) -> Event {
        let address = "10.244.1.7".parse().unwrap();
        let mut object = objects::slice("shop", service, [address]);
        if let Object::EndpointSlice(slice) = &mut object {
            slice.triggered = triggered.map(Into::into);
        }
        Event::ApplyAt(object, Version(7))
    }

    #[test]
    fn changes_after_the_first_lists_are_counted_by_the_kind_of_service() {
        let objects = vec![
            objects::service("shop", "web", &["10.96.0.1".parse().unwrap()]),
            objects::headless("shop", "db"),
        ];
        let index = Cluster::of(objects, "").index();
        let (mut programming, progress) = (Programming::default(), Progress::default());
        let now = Timestamp::now().to_string();
        for (service, triggered, synced) in [
            ("web", Some(&*now), false),
            ("web", Some(&*now), true),
            ("db", Some("2020-01-02T03:04:05.678Z"), true),
            ("db", Some("2199-01-02T03:04:05Z"), true),
            ("gone", Some(&*now), true),
            ("db", Some("yesterday"), true),
            ("db", None, true),
        ] {
            let mut event = slice(service, triggered);
            programming.note(&mut event, synced);
            // Nothing else is to see it.
            assert_eq!(format!("{event:?}"), format!("{:?}", slice(service, None)));
        }
        programming.published(index.objects(), &progress);
        programming.published(index.objects(), &progress);
        let counted = progress.state().programming;
        let of = |kind| {
            counted
                .get(kind)
                .map(|times: &ProgrammingTimes| times.places.to_vec())
        };
        let web = of("cluster_ip").unwrap();
        assert_eq!(web.iter().sum::<u64>(), 1);
        let db = of("headless_with_selector").unwrap();
        // One years ago, and one that a clock which is ahead says.
        assert_eq!(
            (db[0], db[ProgrammingTimes::BOUNDS], db.iter().sum()),
            (1, 1, 2)
        );
    }
}
