//! The versions of what is known: what is older changes nothing, what a list has not named is gone,
//! and what an audit finds missing is counted.

use super::event::{Audit, Trust, Version};
use crate::model::{Kind, ObjectKey};
use std::collections::{HashMap, VecDeque};

/// Deleted objects whose version is remembered, so that an older version that comes late brings
/// none back. Lists ask for nothing older than what was seen: this is for events out of order.
const GRAVES: usize = 4096;

/// The versions of one kind's objects.
#[derive(Default)]
pub(super) struct Versions {
    rows: HashMap<ObjectKey, Row>,
    graves: HashMap<ObjectKey, Version>,
    buried: VecDeque<ObjectKey>,
    round: u32,
    listing: bool,
}

#[derive(Clone, Copy)]
struct Row {
    version: Version,
    round: u32,
}

impl Versions {
    /// Begins a list.
    pub(super) fn begin(&mut self, trust: Trust) {
        self.round = self.round.wrapping_add(1);
        self.listing = true;
        if trust == Trust::Anew {
            self.rows
                .values_mut()
                .for_each(|row| row.version = Version::UNKNOWN);
            self.graves.clear();
            self.buried.clear();
        }
    }

    /// Notes that an object exists at a version, and returns whether that is news.
    pub(super) fn apply(&mut self, key: &ObjectKey, version: Version) -> bool {
        let old = |known: Version| version != Version::UNKNOWN && version < known;
        if self.graves.get(key).is_some_and(|grave| old(*grave)) {
            return false;
        }
        let round = self.round;
        let row = self.rows.entry(key.clone()).or_insert(Row {
            version: Version::UNKNOWN,
            round,
        });
        row.round = round;
        let news = !old(row.version);
        if news {
            row.version = version;
        }
        news
    }

    /// Notes that an object was gone at a version, and returns whether that is news.
    pub(super) fn delete(&mut self, key: &ObjectKey, version: Version) -> bool {
        if let Some(row) = self.rows.get(key) {
            if version != Version::UNKNOWN && version < row.version {
                return false;
            }
            self.rows.remove(key);
        }
        self.bury(key, version);
        true
    }

    fn bury(&mut self, key: &ObjectKey, version: Version) {
        if version == Version::UNKNOWN {
            return;
        }
        if self.graves.insert(key.clone(), version).is_none() {
            self.buried.push_back(key.clone());
        }
        if self.buried.len() > GRAVES
            && let Some(oldest) = self.buried.pop_front()
        {
            self.graves.remove(&oldest);
        }
    }

    /// Ends a list, and returns what it has not named: it is gone.
    pub(super) fn sweep(&mut self) -> Vec<ObjectKey> {
        if !std::mem::take(&mut self.listing) {
            return Vec::new();
        }
        let round = self.round;
        let gone = self.rows.extract_if(|_, row| row.round != round);
        gone.map(|(key, _)| key).collect()
    }

    /// Returns how many objects are missing, older than they exist, or should be gone.
    pub(super) fn differing(&self, audit: &Audit) -> usize {
        let mut listed: Vec<(u64, Version, bool)> = audit
            .listed
            .iter()
            .map(|&(digest, version)| (digest, version, false))
            .collect();
        listed.sort_unstable_by_key(|entry| entry.0);
        let mut differing = 0;
        let at = |listed: &[(u64, Version, bool)], digest| {
            listed.binary_search_by_key(&digest, |entry| entry.0).ok()
        };
        for (key, row) in &self.rows {
            match at(&listed, key.digest()).and_then(|at| listed.get_mut(at)) {
                Some(entry) => {
                    entry.2 = true;
                    differing += usize::from(row.version < entry.1);
                }
                None => differing += usize::from(row.version <= audit.at),
            }
        }
        for (key, version) in &self.graves {
            if let Some(entry) = at(&listed, key.digest()).and_then(|at| listed.get_mut(at)) {
                entry.2 |= entry.1 <= *version;
            }
        }
        differing + listed.iter().filter(|entry| !entry.2).count()
    }
}

/// The versions of every kind.
#[derive(Default)]
pub(super) struct Ledger {
    kinds: HashMap<Kind, Versions>,
    repairs: Vec<(Kind, usize)>,
}

impl Ledger {
    pub(super) fn of(&mut self, kind: Kind) -> &mut Versions {
        self.kinds.entry(kind).or_default()
    }

    pub(super) fn audit(&mut self, audit: &Audit) {
        let differing = self.of(audit.kind).differing(audit);
        if differing > 0 {
            self.repairs.push((audit.kind, differing));
        }
    }

    pub(super) fn take_repairs(&mut self) -> Vec<(Kind, usize)> {
        std::mem::take(&mut self.repairs)
    }
}
