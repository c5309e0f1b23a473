//! The files behind the paths: which there are, whether one changed, and its text. Not their
//! meaning.

use super::document::Format;
use super::{Diagnostic, Error};
use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The largest file that is read. Three times what 150,000 Pods need when written out with the
/// fields that are read; an export with all fields belongs into several files.
pub(super) const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;

/// A file written this recently may be written again without its stamp showing it: file systems
/// round the time of the change, and a writer may not be done.
const UNSETTLED: Duration = Duration::from_secs(2);

/// How deep folders are followed: more than any tree of manifests, less than a loop of links.
const MAX_DEPTH: usize = 32;

/// What the folders hold at one moment.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// The files, sorted.
    pub(super) files: BTreeSet<Arc<Path>>,
    /// Paths of which it can't be said what they hold; what was read there stays.
    pub(super) unreadable: Vec<(PathBuf, io::Error)>,
    /// The same file under a second path would contradict itself; the first path counts.
    seen: HashSet<PathBuf>,
}

/// Lists the manifests of these files and folders.
pub(super) fn list(roots: &[PathBuf]) -> Listing {
    let mut listing = Listing::default();
    for root in roots {
        listing.visit(root, 0);
    }
    listing
}

/// Checks the paths that the administrator wrote, which unlike what is in a folder must exist.
pub(super) fn check_roots(roots: &[PathBuf]) -> Result<(), Error> {
    if roots.is_empty() {
        return Err(Error::NoPath);
    }
    for root in roots {
        let path = root.clone();
        match fs::metadata(root) {
            Ok(found) if found.is_file() || found.is_dir() => {}
            Ok(_) => return Err(Error::NotAFile { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::Missing { path });
            }
            Err(source) => return Err(Error::Unreadable { path, source }),
        }
        if let Err(source) = fs::File::open(root) {
            return Err(Error::Unreadable {
                path: root.clone(),
                source,
            });
        }
    }
    Ok(())
}

impl Listing {
    fn visit(&mut self, path: &Path, depth: usize) {
        let found = fs::metadata(path).and_then(|found| {
            if found.is_dir() {
                return self.visit_folder(path, depth);
            }
            // Pipes and devices can't be read twice, or never end.
            if found.is_file()
                && (depth == 0 || is_manifest(path))
                && self.seen.insert(fs::canonicalize(path)?)
            {
                self.files.insert(path.into());
            }
            Ok(())
        });
        match found {
            Ok(()) => {}
            // Gone between two looks, or a link to nothing: there is no such file.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.unreadable.push((path.to_owned(), error)),
        }
    }

    fn visit_folder(&mut self, folder: &Path, depth: usize) -> io::Result<()> {
        // A link to a folder above would be followed for ever.
        if depth >= MAX_DEPTH || !self.seen.insert(fs::canonicalize(folder)?) {
            return Ok(());
        }
        let mut entries = fs::read_dir(folder)?
            .map(|entry| entry.map(|e| e.path()))
            .collect::<io::Result<Vec<_>>>()?;
        entries.sort();
        for path in entries {
            // A mounted ConfigMap keeps its versions in `..data` and links to them.
            let hidden = path
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if !hidden {
                self.visit(&path, depth + 1);
            }
        }
        Ok(())
    }
}

fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        ["yaml", "yml", "json"]
            .iter()
            .any(|e| extension.eq_ignore_ascii_case(e))
    })
}

/// What tells two versions of a file apart without reading them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    device: u64,
    inode: u64,
}

impl Stamp {
    /// Returns the stamp of a file, through links.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|found| Self::new(&found))
    }

    fn new(found: &fs::Metadata) -> Self {
        Self {
            modified: found.modified().ok(),
            length: found.len(),
            device: found.dev(),
            inode: found.ino(),
        }
    }

    /// Returns whether a later change would show in the stamp.
    pub(super) fn is_settled(&self, now: SystemTime) -> bool {
        self.modified
            .and_then(|modified| now.duration_since(modified).ok())
            .is_some_and(|age| age >= UNSETTLED)
    }
}

/// The content of a file.
#[derive(Debug)]
pub(super) struct Content {
    /// Its stamp, taken before the first byte was read, so that a change meanwhile shows later.
    pub(super) stamp: Stamp,
    /// A hash of the bytes.
    pub(super) digest: u64,
    bytes: Vec<u8>,
}

impl Content {
    /// Reads a file.
    ///
    /// # Errors
    /// The file can't be read or is larger than [`MAX_FILE_BYTES`].
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let file = fs::File::open(path)?;
        let found = file.metadata()?;
        let mut bytes = Vec::new();
        // The length is only what it was at the moment; a file may grow while it is read.
        if found.len() <= MAX_FILE_BYTES {
            file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        }
        if found.len().max(bytes.len() as u64) > MAX_FILE_BYTES {
            let limit = MAX_FILE_BYTES / (1024 * 1024);
            let message = format!("larger than {limit} MiB: split it into several files");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        let mut hasher = DefaultHasher::new();
        hasher.write(&bytes);
        Ok(Self {
            stamp: Stamp::new(&found),
            digest: hasher.finish(),
            bytes,
        })
    }

    /// Returns the content as text.
    ///
    /// # Errors
    /// It is not UTF-8; the diagnostic says in which line.
    pub(super) fn text(&self) -> Result<&str, Box<Diagnostic>> {
        std::str::from_utf8(&self.bytes).map_err(|error| {
            let good = &self.bytes[..error.valid_up_to()];
            let lines = good.iter().filter(|b| **b == b'\n').count() as u64;
            Box::new(Diagnostic {
                line: Some(lines + 1),
                ..Diagnostic::error("not UTF-8 text")
            })
        })
    }

    /// Returns the notation of the text in this file.
    pub(super) fn format(path: &Path, text: &str) -> Format {
        match path.extension() {
            Some(extension) if extension.eq_ignore_ascii_case("json") => Format::Json,
            _ => Format::of_text(text),
        }
    }
}
