//! The start without the API: a checkpoint's objects into the index.

use crate::checkpoint::{Needs, Refusal, open};
use crate::index::{Event, Index};
use crate::model::Kind;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where a checkpoint may be, and what it must have.
#[derive(Debug)]
pub(super) struct Restore {
    path: PathBuf,
    needs: Needs,
}

impl Restore {
    /// Returns what reads `path` for these kinds.
    pub(super) fn new(
        path: &Path,
        kinds: &BTreeSet<Kind>,
        node: Option<&str>,
        index: &Index,
    ) -> Self {
        let mut kinds = kinds.clone();
        // A cluster may have none. Of grants the file has to say that there are none: what they hide
        // would be shown.
        for optional in [Kind::ServiceImport, Kind::DnsExport, Kind::DnsImport] {
            kinds.remove(&optional);
        }
        Self {
            path: path.to_owned(),
            needs: Needs {
                kinds,
                node: node.map(Into::into),
                kept: index.kept(),
            },
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the index what the file holds, and returns how old that is, by kind.
    ///
    /// # Errors
    /// The file is of no use; the index is as it was.
    pub(super) fn read(&self, index: &mut Index) -> Result<BTreeMap<Kind, Duration>, Refusal> {
        let saved = open(&self.path, &self.needs, crate::app::now().into())?;
        let ages = Kind::ALL
            .into_iter()
            .filter_map(|kind| Some((kind, saved.age(kind)?)));
        let ages = ages.collect();
        saved
            .objects()
            .for_each(|object| index.apply(Event::Restore(object)));
        Kind::ALL
            .into_iter()
            .for_each(|kind| index.apply(Event::Restored(kind)));
        Ok(ages)
    }
}
