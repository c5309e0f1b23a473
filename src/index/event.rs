//! What a source tells the index. Manifests give bare objects; the API gives each with its version,
//! in lists that say what is there and watches that say what changes.

use crate::model::{Kind, Object, ObjectKey};

/// One change of the cluster, from either source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The object exists and looks like this.
    Apply(Object),
    /// The object is gone.
    Delete(Kind, ObjectKey),
    /// Every object of this kind has been given once. Where a [`Event::Listing`] came before, what
    /// has not been named since is gone.
    Synced(Kind),

    /// A list of this kind begins: each object that is there will be named. One that is broken off
    /// is begun again with another `Listing`.
    Listing(Kind, Trust),
    /// The object looked like this at a version. Older than what is known, it changes nothing.
    ApplyAt(Object, Version),
    /// The object exists and answers for nothing: it is malformed, or of a sort that is not used.
    Void(Kind, ObjectKey, Version),
    /// The object was gone at a version. Older than what is known, it changes nothing.
    DeleteAt(Kind, ObjectKey, Version),
    /// The object looked like this when a checkpoint was written. Whatever the API says or has said
    /// of it counts more; once the kind has been listed it changes nothing.
    Restore(Object),
    /// Every object that the checkpoint has of this kind has been given: it can be served from until
    /// a list replaces it.
    Restored(Kind),
    /// What exists of a kind, to be compared with what is known of it; see
    /// [`Index::take_repairs`](super::Index::take_repairs).
    Audit(Box<Audit>),
}

impl Event {
    /// Returns the kind that it is about.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Apply(object) | Self::ApplyAt(object, _) | Self::Restore(object) => object.kind(),
            Self::Audit(audit) => audit.kind,
            Self::Delete(kind, _)
            | Self::Synced(kind)
            | Self::Listing(kind, _)
            | Self::Void(kind, ..)
            | Self::DeleteAt(kind, ..)
            | Self::Restored(kind) => *kind,
        }
    }
}

/// A `resourceVersion`, which orders what happened to the objects of one kind; 0 where it is not
/// known. Numbers by the API's conventions since Kubernetes 1.35, and in practice before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Version(pub u64);

impl Version {
    /// No version: what comes with it is always taken, and never in the way of what follows.
    pub const UNKNOWN: Self = Self(0);

    /// Returns whether this is older than `known`. What has no version is never older.
    pub(super) fn is_before(self, known: Self) -> bool {
        self != Self::UNKNOWN && self < known
    }
}

/// Whether a list goes on from what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Nothing in it that is older than what is known replaces it: the list may come from a cache.
    Newer,
    /// It is the truth, whatever its versions: the server's history has been replaced (etcd was
    /// restored from a backup).
    Anew,
}

/// What exists of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// The kind.
    pub kind: Kind,
    /// The version of the list. Everything up to it has been given in events before this one.
    pub at: Version,
    /// Each object: [`ObjectKey::digest`], and its version.
    pub listed: Vec<(u64, Version)>,
}
