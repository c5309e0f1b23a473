//! The source: what all files say together, and what changed since it was last asked. Not a watcher;
//! the caller decides when files are looked at.

mod note;
#[cfg(test)]
mod tests;

use self::note::{LOGGED_PER_FILE, Note};
use super::document::{self, Parsed};
use super::files::{self, Content, Stamp};
use super::{Diagnostic, Error};
use crate::index::Event;
use crate::model::{Kind, Namespace, Object, ObjectKey};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Kubernetes objects read from files and folders.
///
/// An object in two files is taken from the file whose path sorts last. A namespace that objects are
/// in exists, with no labels, also when no Namespace object says so.
#[derive(Debug)]
pub struct Source {
    roots: Vec<PathBuf>,
    files: BTreeMap<Arc<Path>, File>,
    /// The files that have an object, the one in force last.
    holders: HashMap<ObjectId, BTreeSet<Arc<Path>>>,
    /// How many objects are in a namespace.
    members: HashMap<Box<str>, usize>,
    /// Objects that may have changed since the last events, as those events left them.
    before: BTreeMap<ObjectId, Option<Object>>,
    /// Folders that can't be listed, for one log line a change.
    unreadable: Vec<Diagnostic>,
    notes: Vec<Note>,
    started: bool,
}

/// A file and what it said when it was last good.
#[derive(Debug, Default)]
struct File {
    /// `None` after an error of the operating system, which no stamp shows the end of.
    stamp: Option<Stamp>,
    settled: bool,
    digest: u64,
    objects: HashMap<ObjectId, Object>,
    /// The lines of objects of our own kinds.
    lines: HashMap<(Kind, ObjectKey), u64>,
    /// What is wrong with some of its objects.
    warnings: Vec<Diagnostic>,
    /// Why the file as it is now can't be used.
    broken: Option<Diagnostic>,
    /// It was good once, so that its objects are in force while it is broken.
    was_good: bool,
}

/// Kind and key, ordered as kinds are read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct ObjectId {
    rank: usize,
    key: ObjectKey,
}

impl ObjectId {
    fn new(kind: Kind, key: ObjectKey) -> Self {
        let rank = Kind::ALL.iter().position(|k| *k == kind);
        Self {
            rank: rank.unwrap_or(Kind::ALL.len()),
            key,
        }
    }

    fn of(object: &Object) -> Self {
        Self::new(object.kind(), object.key())
    }

    fn kind(&self) -> Kind {
        Kind::ALL[self.rank]
    }

    /// Returns the Namespace that must exist for this object.
    fn namespace(&self) -> Option<Self> {
        let name = &self.key.namespace;
        (!name.is_empty()).then(|| Self::new(Kind::Namespace, ObjectKey::cluster(name.clone())))
    }
}

impl Source {
    /// Returns the source of a server that needs no objects.
    pub fn of_nothing() -> Self {
        Self {
            roots: Vec::new(),
            files: BTreeMap::new(),
            holders: HashMap::new(),
            members: HashMap::new(),
            before: BTreeMap::new(),
            unreadable: Vec::new(),
            notes: Vec::new(),
            started: false,
        }
    }

    /// Reads all manifests below these paths. The first [`Source::poll`] gives what was read here.
    ///
    /// # Errors
    /// A path does not exist or can't be read, or not a single manifest can be used.
    pub fn open<P: Into<PathBuf>>(paths: impl IntoIterator<Item = P>) -> Result<Self, Error> {
        let roots: Vec<PathBuf> = paths.into_iter().map(Into::into).collect();
        files::check_roots(&roots)?;
        let mut source = Self {
            roots,
            ..Self::of_nothing()
        };
        source.refresh();
        if source.files.values().any(|file| file.was_good) {
            return Ok(source);
        }
        let broken = source.files.values().find_map(|file| file.broken.clone());
        Err(match broken.or_else(|| source.unreadable.pop()) {
            Some(first) => Error::NothingUsable {
                first: Box::new(first),
            },
            None => {
                let paths = source.roots.iter().map(|root| root.display().to_string());
                Error::NothingFound {
                    paths: paths.collect::<Vec<_>>().join(", "),
                }
            }
        })
    }

    /// Returns what changed: at first everything, followed by `Synced` for every kind; from then on
    /// what the files say differently. Deletes come before applies; applies are in the order of
    /// [`Kind::ALL`] and then of names, deletes in the reverse.
    ///
    /// Problems go to the log, once for every change of a file.
    pub fn poll(&mut self) -> Vec<Event> {
        let first = !self.started;
        if !first {
            self.refresh();
        }
        self.started = true;
        self.notes.drain(..).for_each(Note::log);
        let mut events = self.take_events();
        if first {
            events.extend(Kind::ALL.map(Event::Synced));
        }
        events
    }

    /// Returns every object that is in force, as the last [`Source::poll`] left them, in its order: for
    /// whoever reads more of them than before.
    pub fn everything(&self) -> Vec<Event> {
        let named = self.holders.keys().cloned();
        let implied = self.members.keys();
        let implied =
            implied.map(|name| ObjectId::new(Kind::Namespace, ObjectKey::cluster(name.clone())));
        let all: BTreeSet<ObjectId> = named.chain(implied).collect();
        let objects = all.iter().filter_map(|id| self.in_force(id));
        objects.map(Event::Apply).collect()
    }

    /// Returns everything that is wrong with the files as they are now.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        let mut twice: Vec<&ObjectId> = Vec::new();
        twice.extend(self.holders.iter().filter(|h| h.1.len() > 1).map(|h| h.0));
        twice.sort();
        let twice = twice.into_iter().filter_map(|id| self.duplicate(id));
        let of_files = self.files.values();
        let of_files = of_files.flat_map(|file| file.broken.iter().chain(&file.warnings));
        let all = self.unreadable.iter().chain(of_files).cloned();
        all.chain(twice).collect()
    }

    /// Returns where an object of our own kinds is that is in force: its file, and the line at which
    /// its document begins.
    pub fn place(&self, kind: Kind, key: &ObjectKey) -> Option<(&Path, u64)> {
        let id = ObjectId::new(kind, key.clone());
        let path = self.holders.get(&id).and_then(BTreeSet::last)?;
        let lines = &self.files.get(path)?.lines;
        Some((path, lines.get(&(kind, key.clone())).copied()?))
    }

    /// Looks at the files and takes in what changed.
    fn refresh(&mut self) {
        let listing = files::list(&self.roots);
        let unreadable = listing.unreadable.iter().map(|(path, error)| Diagnostic {
            file: Some(path.clone()),
            ..Diagnostic::error(error.to_string())
        });
        let unreadable: Vec<Diagnostic> = unreadable.collect();
        for diagnostic in &unreadable {
            if !self.unreadable.contains(diagnostic) {
                self.notes.push(Note::Problem(diagnostic.clone(), true));
            }
        }
        self.unreadable = unreadable;

        let gone = self.files.keys().filter(|path| {
            let hidden = listing.unreadable.iter().any(|(p, _)| path.starts_with(p));
            !listing.files.contains(*path) && !hidden
        });
        for path in gone.cloned().collect::<Vec<_>>() {
            self.replace(&path, HashMap::new());
            self.files.remove(&path);
        }
        for path in listing.files {
            self.refresh_file(&path);
        }
    }

    fn refresh_file(&mut self, path: &Arc<Path>) {
        let known = self.files.get(path);
        if let Some(file) = known
            && file.settled
            && Stamp::of(path).ok() == file.stamp
        {
            return;
        }
        let content = match Content::read(path) {
            Ok(content) => content,
            // Gone since it was listed: the next look takes it away.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => {
                let file = self.files.entry(path.clone()).or_default();
                file.stamp = None;
                file.settled = false;
                // Whatever is there when it can be read again is to be looked at.
                file.digest = 0;
                self.set_broken(path, Diagnostic::error(error.to_string()));
                return;
            }
        };
        let file = self.files.entry(path.clone()).or_default();
        let same = file.stamp.is_some() && file.digest == content.digest;
        file.stamp = Some(content.stamp);
        file.settled = content.stamp.is_settled(SystemTime::now());
        file.digest = content.digest;
        if !same {
            self.take_content(path, &content);
        }
    }

    fn take_content(&mut self, path: &Arc<Path>, content: &Content) {
        let mut parsed = Parsed::default();
        let done = content.text().and_then(|text| {
            let format = Content::format(path, text);
            document::parse(text, format, &mut parsed)
        });
        if let Err(error) = done {
            self.set_broken(path, *error);
            return;
        }
        let mut warnings = parsed.diagnostics;
        let mut objects = HashMap::with_capacity(parsed.objects.len());
        for object in parsed.objects {
            match objects.entry(ObjectId::of(&object)) {
                Entry::Vacant(vacant) => {
                    vacant.insert(object);
                }
                Entry::Occupied(mut occupied) => {
                    let message = "given twice in this file; the last one is used";
                    warnings.push(Diagnostic {
                        object: Some(title(occupied.key())),
                        ..Diagnostic::warning(message)
                    });
                    occupied.insert(object);
                }
            }
        }
        for warning in &mut warnings {
            warning.file = Some(path.to_path_buf());
        }
        let notes = warnings.iter().take(LOGGED_PER_FILE);
        let notes = notes.map(|warning| Note::Problem(warning.clone(), true));
        self.notes.extend(notes);
        if warnings.len() > LOGGED_PER_FILE {
            let more = warnings.len() - LOGGED_PER_FILE;
            self.notes.push(Note::Suppressed(path.clone(), more));
        }
        self.replace(path, objects);
        if let Some(file) = self.files.get_mut(path) {
            file.warnings = warnings;
            file.lines = parsed.lines;
            file.was_good = true;
            if file.broken.take().is_some() {
                self.notes.push(Note::Recovered(path.clone()));
            }
        }
    }

    fn set_broken(&mut self, path: &Arc<Path>, error: Diagnostic) {
        let error = Diagnostic {
            file: Some(path.to_path_buf()),
            ..error
        };
        let file = self.files.entry(path.clone()).or_default();
        // A file that can't be read is tried at every look, and says the same every time; one that
        // was changed and is still wrong says so again.
        if file.stamp.is_some() || file.broken.as_ref() != Some(&error) {
            self.notes.push(Note::Problem(error.clone(), file.was_good));
        }
        file.broken = Some(error);
    }

    /// Puts a file's new objects in the place of its old ones.
    fn replace(&mut self, path: &Arc<Path>, new: HashMap<ObjectId, Object>) {
        let none = HashMap::new();
        let old = self.files.get(path).map_or(&none, |file| &file.objects);
        let gone = old.keys().filter(|id| !new.contains_key(*id)).cloned();
        let gone: Vec<ObjectId> = gone.collect();
        let changed = new
            .iter()
            .filter(|(id, object)| old.get(id) != Some(object));
        let changed: Vec<ObjectId> = changed.map(|(id, _)| id.clone()).collect();
        for id in gone.iter().chain(&changed) {
            self.remember(id);
        }

        let mut twice = Vec::new();
        for id in gone {
            if let Some(paths) = self.holders.get_mut(&id) {
                paths.remove(path);
                if paths.is_empty() {
                    self.holders.remove(&id);
                    self.leave(&id.key.namespace);
                }
            }
        }
        for id in changed {
            let paths = self.holders.entry(id.clone()).or_default();
            if paths.is_empty() && !id.key.namespace.is_empty() {
                *self.members.entry(id.key.namespace.clone()).or_default() += 1;
            }
            if paths.insert(path.clone()) && paths.len() > 1 {
                twice.push(id);
            }
        }
        if let Some(file) = self.files.get_mut(path) {
            file.objects = new;
        }

        twice.sort();
        if twice.len() > LOGGED_PER_FILE {
            let more = twice.len() - LOGGED_PER_FILE;
            self.notes.push(Note::Suppressed(path.clone(), more));
        }
        for id in twice.iter().take(LOGGED_PER_FILE) {
            let note = self.duplicate(id).map(|d| Note::Problem(d, true));
            self.notes.extend(note);
        }
    }

    fn leave(&mut self, namespace: &str) {
        if let Some(count) = self.members.get_mut(namespace) {
            *count -= 1;
            if *count == 0 {
                self.members.remove(namespace);
            }
        }
    }

    /// Returns the object that is in force.
    fn in_force(&self, id: &ObjectId) -> Option<Object> {
        if let Some(path) = self.holders.get(id).and_then(BTreeSet::last) {
            return self.files.get(path)?.objects.get(id).cloned();
        }
        let implied = id.kind() == Kind::Namespace && self.members.contains_key(&id.key.name);
        implied.then(|| {
            Object::Namespace(Namespace {
                name: id.key.name.clone(),
                ..Namespace::default()
            })
        })
    }

    /// Keeps an object, and its namespace, as the last events left them.
    fn remember(&mut self, id: &ObjectId) {
        for id in std::iter::once(id.clone()).chain(id.namespace()) {
            if !self.before.contains_key(&id) {
                let object = self.in_force(&id);
                self.before.insert(id, object);
            }
        }
    }

    fn take_events(&mut self) -> Vec<Event> {
        let mut deletes = Vec::new();
        let mut applies = Vec::new();
        for (id, before) in std::mem::take(&mut self.before) {
            match self.in_force(&id) {
                Some(after) if before.as_ref() == Some(&after) => {}
                Some(after) => applies.push(Event::Apply(after)),
                None if before.is_some() => deletes.push(Event::Delete(id.kind(), id.key)),
                None => {}
            }
        }
        // A namespace goes after what was in it.
        deletes.reverse();
        deletes.extend(applies);
        deletes
    }

    fn duplicate(&self, id: &ObjectId) -> Option<Diagnostic> {
        let mut paths = self.holders.get(id)?.iter().rev();
        let (last, other) = (paths.next()?, paths.next()?);
        let message = format!("also in {}; this one is used", other.display());
        Some(Diagnostic {
            file: Some(last.to_path_buf()),
            object: Some(title(id)),
            ..Diagnostic::warning(message)
        })
    }
}

fn title(id: &ObjectId) -> String {
    format!("{} {}", id.kind().as_str(), id.key)
}
