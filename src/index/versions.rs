//! The versions of what is known: what is older changes nothing, what a list has not named is gone,
//! and what an audit finds missing is counted. Stamps are kept in the objects' rows.

use super::event::{Audit, Trust, Version};
use super::objects::{Objects, Stamp};
use crate::model::{Kind, ObjectKey};
use std::collections::{HashMap, VecDeque};

/// Deleted objects of a kind whose version is remembered, so that an older version that comes late
/// brings none back. Lists ask for nothing older than what was seen: this is for events out of
/// order.
const GRAVES: usize = 4096;

/// What lists and deletions have left behind, by kind.
#[derive(Default)]
pub(super) struct Ledger {
    kinds: HashMap<Kind, Rounds>,
    repairs: Vec<(Kind, usize)>,
}

#[derive(Default)]
struct Rounds {
    /// The last list that began; rows that it has named carry its number.
    round: u8,
    listing: bool,
    graves: HashMap<ObjectKey, Version>,
    buried: VecDeque<ObjectKey>,
}

impl Ledger {
    /// Begins a list.
    pub(super) fn begin(&mut self, objects: &mut Objects, kind: Kind, trust: Trust) {
        let rounds = self.kinds.entry(kind).or_default();
        // What a broken-off list has named must not pass for named by the next one.
        if rounds.listing || rounds.round == u8::MAX {
            objects.restamp(kind, |stamp| Stamp::new(stamp.version(), 0));
            rounds.round = 0;
        }
        rounds.round += 1;
        rounds.listing = true;
        if trust == Trust::Anew {
            objects.restamp(kind, |stamp| Stamp::new(Version::UNKNOWN, stamp.round()));
            rounds.graves.clear();
            rounds.buried.clear();
        }
    }

    /// Notes that an object exists at a version. Returns the stamp for its row, or `None` where
    /// this is no news, after which the row that is there counts as named.
    pub(super) fn admit(
        &mut self,
        objects: &mut Objects,
        kind: Kind,
        key: &ObjectKey,
        version: Version,
    ) -> Option<Stamp> {
        let rounds = self.kinds.entry(kind).or_default();
        let known = objects.stamp(kind, key);
        if let Some(known) = known
            && version.is_before(known.version())
        {
            objects.set_stamp(kind, key, Stamp::new(known.version(), rounds.round));
            return None;
        }
        let grave = rounds.graves.get(key);
        if known.is_none() && grave.is_some_and(|grave| version.is_before(*grave)) {
            return None;
        }
        Some(Stamp::new(version, rounds.round))
    }

    /// Notes that an object was there when a checkpoint was written. Returns the stamp for its row, or
    /// `None` where something newer is known. It has no version, so that whatever the API says of it
    /// counts, also after its history was replaced; and it is of no list, so that one that does not
    /// name it removes it.
    pub(super) fn restore(
        &mut self,
        objects: &mut Objects,
        kind: Kind,
        key: &ObjectKey,
    ) -> Option<Stamp> {
        let rounds = self.kinds.entry(kind).or_default();
        let known = objects.stamp(kind, key).is_some() || rounds.graves.contains_key(key);
        (!known).then(|| Stamp::new(Version::UNKNOWN, 0))
    }

    /// Notes that an object was gone at a version, and returns whether that is news.
    pub(super) fn bury(
        &mut self,
        objects: &mut Objects,
        kind: Kind,
        key: &ObjectKey,
        version: Version,
    ) -> bool {
        let known = objects.stamp(kind, key);
        if known.is_some_and(|known| version.is_before(known.version())) {
            return false;
        }
        objects.drop_stamp(kind, key);
        if version == Version::UNKNOWN {
            return true;
        }
        let rounds = self.kinds.entry(kind).or_default();
        match rounds.graves.get_mut(key) {
            Some(grave) => *grave = version.max(*grave),
            None => {
                rounds.graves.insert(key.clone(), version);
                rounds.buried.push_back(key.clone());
            }
        }
        if rounds.buried.len() > GRAVES
            && let Some(oldest) = rounds.buried.pop_front()
        {
            rounds.graves.remove(&oldest);
        }
        true
    }

    /// Ends a list, and returns what it has not named: it is gone.
    pub(super) fn sweep(&mut self, objects: &mut Objects, kind: Kind) -> Vec<ObjectKey> {
        let rounds = self.kinds.entry(kind).or_default();
        if !std::mem::take(&mut rounds.listing) {
            return Vec::new();
        }
        let mut gone = Vec::new();
        objects.for_each_stamp(kind, |namespace, name, stamp| {
            if stamp.round() != rounds.round {
                gone.push(ObjectKey::new(namespace, name));
            }
        });
        gone.iter().for_each(|key| objects.drop_stamp(kind, key));
        gone
    }

    /// Counts what is missing, older than it exists, or should be gone.
    pub(super) fn audit(&mut self, objects: &Objects, audit: &Audit) {
        let mut listed: Vec<Listed> = audit
            .listed
            .iter()
            .map(|&(digest, version)| (digest, version, false))
            .collect();
        listed.sort_unstable_by_key(|entry| entry.0);
        let mut differing = 0;
        objects.for_each_stamp(audit.kind, |namespace, name, stamp| {
            let digest = ObjectKey::digest_of(namespace, name);
            differing += usize::from(match find(&mut listed, digest) {
                Some(entry) => {
                    entry.2 = true;
                    stamp.version().is_before(entry.1)
                }
                None => stamp.version() <= audit.at,
            });
        });
        // Listed, and deleted since.
        let graves = self.kinds.get(&audit.kind).map(|rounds| &rounds.graves);
        for (key, version) in graves.into_iter().flatten() {
            if let Some(entry) = find(&mut listed, key.digest()) {
                entry.2 |= entry.1 <= *version;
            }
        }
        differing += listed.iter().filter(|entry| !entry.2).count();
        if differing > 0 {
            self.repairs.push((audit.kind, differing));
        }
    }

    /// Forgets a kind, and returns its objects: all of them are gone.
    pub(super) fn forget(&mut self, objects: &mut Objects, kind: Kind) -> Vec<ObjectKey> {
        self.kinds.remove(&kind);
        self.repairs.retain(|(repaired, _)| *repaired != kind);
        let mut all = Vec::new();
        objects.for_each_stamp(kind, |namespace, name, _| {
            all.push(ObjectKey::new(namespace, name));
        });
        all.iter().for_each(|key| objects.drop_stamp(kind, key));
        all
    }

    pub(super) fn take_repairs(&mut self) -> Vec<(Kind, usize)> {
        std::mem::take(&mut self.repairs)
    }
}

/// The digest of an object's key, its version, and whether it is accounted for.
type Listed = (u64, Version, bool);

fn find(listed: &mut [Listed], digest: u64) -> Option<&mut Listed> {
    let at = listed.binary_search_by_key(&digest, |entry| entry.0);
    at.ok().and_then(|at| listed.get_mut(at))
}
