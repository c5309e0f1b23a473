//! What the index's thread follows, and by which settings. Not how it follows it.

use crate::index::Event;
use crate::model::{Kind, PolicyStatus};
use crate::tenancy;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;

/// What the configuration says of the start, and of the API's absence.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    /// The kinds that are watched.
    pub(super) kinds: BTreeSet<Kind>,
    /// The node whose pods alone are.
    pub(super) node: Option<Box<str>>,
    /// Whether nothing is answered before everything has been read.
    pub(super) strict: bool,
    /// How long the API has for that.
    pub(super) startup_timeout: Duration,
    /// How old identities may get.
    pub(super) identity_max_age: Option<Duration>,
    /// The file to start from.
    pub(super) checkpoint: Option<PathBuf>,
    /// Who may see what, for what is doubtful about it.
    pub(super) tenancy: tenancy::Options,
}

/// Where events come from.
pub(super) trait Source {
    /// Returns the events.
    fn events(&mut self) -> &mut mpsc::Receiver<Event>;

    /// Has a kind listed again, because what is known of it is not what there is. One that is not
    /// watched is from now on.
    fn list(&mut self, kind: Kind);

    /// Watches a kind no more.
    fn stop(&mut self, kind: Kind);

    /// Says how objects of our own kinds fare.
    fn tell(&self, statuses: Vec<PolicyStatus>);
}
