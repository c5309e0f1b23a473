//! Another configuration while the API is followed: what it reads beside what is known is listed, and
//! only then it is exchanged for the one in force, so that nothing is answered from half of it.

use super::follow::Follower;
use super::freshness::Freshness;
use super::restore::Restore;
use super::source::Source;
use crate::app::changes::{Change, Next};
use crate::commands::findings;
use crate::tenancy::Mode;
use tokio::sync::oneshot;

/// A configuration on its way.
pub(super) struct Preparing {
    next: Box<Next>,
    /// Who is told when everything is known.
    prepared: Option<oneshot::Sender<()>>,
    /// Who is told when it is in force, once that is wanted.
    exchanged: Option<oneshot::Sender<()>>,
}

impl Follower {
    /// Takes a step of a change.
    pub(super) fn change(&mut self, change: Change) {
        match change {
            Change::Prepare(next, done) => {
                self.next = Some(Preparing {
                    next,
                    prepared: Some(done),
                    exchanged: None,
                });
            }
            Change::Exchange(done) => {
                if let Some(preparing) = &mut self.next {
                    preparing.exchanged = Some(done);
                }
            }
        }
    }

    /// Goes on with what is being prepared.
    pub(super) fn advance(&mut self, source: &mut impl Source) {
        let Some(preparing) = &mut self.next else {
            return;
        };
        let waits = preparing.prepared.is_some() || preparing.exchanged.is_some();
        // Before the first sync nobody is answered by the one in force: there is nothing to keep.
        if waits && self.index.is_synced() {
            let lists = self.index.prepare(&preparing.next.configuration);
            for kind in lists {
                tracing::info!(
                    kind = kind.as_str(),
                    "the next configuration reads more: listing"
                );
                source.list(kind);
            }
            if !self.index.is_prepared() {
                return;
            }
        }
        // Whoever waits may have been told to stop instead.
        if let Some(done) = preparing.prepared.take() {
            let _ = done.send(());
        }
        if let Some(done) = preparing.exchanged.take() {
            self.exchange(source);
            self.exchanged = Some(done);
        }
    }

    /// Says that a configuration is in force, once its first snapshot is published.
    pub(super) fn announce(&mut self) {
        if let Some(done) = self.exchanged.take() {
            let _ = done.send(());
        }
    }

    fn exchange(&mut self, source: &mut impl Source) {
        let Some(Preparing { next, .. }) = self.next.take() else {
            return;
        };
        let (kinds, tenancy) = (
            next.configuration.kinds.clone(),
            next.configuration.tenancy.clone(),
        );
        let exchanged = self.index.exchange(next.configuration);
        for kind in exchanged.lists {
            source.list(kind);
        }
        for kind in exchanged.idle {
            source.stop(kind);
            self.progress.update(|state| {
                state.restored.remove(&kind);
            });
        }
        let settings = &mut self.settings;
        if settings.identity_max_age != next.identity_max_age {
            self.freshness = Freshness::new(next.identity_max_age);
        }
        settings.strict = tenancy.mode == Mode::Enforce;
        settings.startup_timeout = next.startup_timeout;
        settings.identity_max_age = next.identity_max_age;
        (settings.kinds, settings.tenancy) = (kinds, tenancy);
        let path = settings.checkpoint.as_deref();
        self.restore = path.map(|path| {
            let node = settings.node.as_deref();
            Restore::new(path, &settings.kinds, node, &self.index)
        });
        if let Some(saver) = &mut self.saver {
            saver.changed();
        }
        // At the end of this turn, with whatever else belongs into it.
        (self.dirty, self.published) = (true, None);
        if self.index.is_synced() {
            for finding in findings(&self.settings.tenancy, self.index.objects()) {
                tracing::warn!("{finding}");
            }
        }
    }
}
