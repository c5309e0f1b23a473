//! Reading a file: all of it is looked at before anything of it is used.

use super::line::{Checksum, End, Header, VERSION, Versioned};
use super::object::{Line, Said};
use crate::index::Kept;
use crate::model::{Kind, Object, ObjectKey};
use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a line may have: the API takes no object larger than a third of it.
const LONGEST: u64 = 4 << 20;
/// How far in the future a file may come from: clocks of two hosts differ a little.
const SKEW: u64 = 60;

/// What a server needs of a file.
#[derive(Debug, Clone)]
pub struct Needs {
    /// The kinds that must be in it.
    pub kinds: BTreeSet<Kind>,
    /// The node whose pods alone it has; `None` for those of all.
    pub node: Option<Box<str>>,
    /// What it must have of objects.
    pub kept: Kept,
}

/// Why a file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It can't be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It is of another version.
    #[error("it has format {0}, and this version of tenantdns reads {VERSION}")]
    Format(u32),
    /// A line is none of a checkpoint.
    #[error("line {number}: {message}")]
    Line {
        /// The line, from 1.
        number: u64,
        /// What is wrong.
        message: String,
    },
    /// It ends too early.
    #[error("it was cut short: its last line is missing")]
    Cut,
    /// It is not as it was written.
    #[error("it was changed after it was written: its checksum is another")]
    Changed,
    /// It comes from the future, so that its age can't be told.
    #[error("it is {0} s ahead of this host's clock")]
    Future(u64),
    /// It has the pods of another node, or of one node alone.
    #[error("it holds the pods of {found}, and those of {needed} are needed")]
    Node {
        /// Whose pods it has.
        found: String,
        /// Whose are needed.
        needed: String,
    },
    /// It has no objects of a kind.
    #[error("it holds nothing of the kind {}: it is of another configuration", .0.as_str())]
    Kind(Kind),
    /// Something of its objects is missing.
    #[error("it has no {0}, which this configuration reads: it is of another one")]
    Kept(&'static str),
}

/// A file that is whole and of use.
#[derive(Debug)]
pub struct Saved {
    header: Header,
    now: u64,
    lines: Lines,
    /// Objects that come again, or no more, among the changes.
    changed: HashSet<(Kind, ObjectKey)>,
}

/// Opens a file and looks at all of it. `now` is in seconds since 1970.
///
/// # Errors
/// It is not there, not whole, or not what is needed.
pub fn open(path: &Path, needs: &Needs, now: u64) -> Result<Saved, Refusal> {
    let unreadable = |error| Refusal::Unreadable {
        path: path.to_owned(),
        error,
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut lines = Lines::new(file);
    let header = lines.header()?;
    check(&header, needs, now)?;
    let mut changed = HashSet::new();
    let mut changes = None;
    loop {
        let (said, sum) = lines.next()?;
        let id = match said {
            Said::Object(object) => (object.kind(), object.key()),
            Said::Gone(gone) => match gone.id() {
                Some(id) if changes.is_some() => id,
                _ => return Err(lines.wrong("it takes away what is not there")),
            },
            Said::Changes(count) if changes.is_none() => {
                changes = Some(count);
                continue;
            }
            Said::Changes(_) => return Err(lines.wrong("the changes begin twice")),
            Said::End(end) => {
                lines.end(&end, sum)?;
                break;
            }
        };
        if changes.is_some() {
            changed.insert(id);
        }
    }
    if changes != Some(changed.len() as u64) {
        return Err(Refusal::Changed);
    }
    lines.rewind().map_err(unreadable)?;
    Ok(Saved {
        header,
        now,
        lines,
        changed,
    })
}

fn check(header: &Header, needs: &Needs, now: u64) -> Result<(), Refusal> {
    if header.node != needs.node {
        let whose = |node: &Option<Box<str>>| match node {
            Some(node) => format!("node {node}"),
            None => "every node".to_owned(),
        };
        return Err(Refusal::Node {
            found: whose(&header.node),
            needed: whose(&needs.node),
        });
    }
    for (has, needed, what) in [
        (
            header.kept.labels,
            needs.kept.labels,
            "labels of services and pods",
        ),
        (
            header.kept.service_labels,
            needs.kept.service_labels,
            "labels of services",
        ),
        (
            header.kept.exports,
            needs.kept.exports,
            "annotations of services that say who may see them",
        ),
        (
            header.kept.targets,
            needs.kept.targets,
            "names of endpoints' pods",
        ),
        (
            header.kept.zones,
            needs.kept.zones,
            "topology zones of endpoints",
        ),
        (
            header.kept.external,
            needs.kept.external,
            "addresses of services outside the cluster",
        ),
    ] {
        if needed && !has {
            return Err(Refusal::Kept(what));
        }
    }
    for kind in &needs.kinds {
        let heard = header.heard.get(kind).ok_or(Refusal::Kind(*kind))?;
        let ahead = heard.saturating_sub(now);
        if ahead > SKEW {
            return Err(Refusal::Future(ahead));
        }
    }
    Ok(())
}

impl Saved {
    /// Returns how old what the file says of a kind is.
    pub fn age(&self, kind: Kind) -> Option<Duration> {
        let heard = self.header.heard.get(&kind)?;
        Some(Duration::from_secs(self.now.saturating_sub(*heard)))
    }

    /// Returns every object, each once.
    pub fn objects(mut self) -> impl Iterator<Item = Object> {
        // Looked at already.
        let mut open = self.lines.header().is_ok();
        let mut changes = false;
        std::iter::from_fn(move || {
            while open {
                match self.lines.next() {
                    Ok((Said::Object(object), _)) => {
                        let id = (object.kind(), object.key());
                        if changes || !self.changed.contains(&id) {
                            return Some(object);
                        }
                    }
                    Ok((Said::Changes(_), _)) => changes = true,
                    Ok((Said::Gone(_), _)) => {}
                    Ok((Said::End(_), _)) | Err(_) => open = false,
                }
            }
            None
        })
    }
}

// === lines ===

/// The lines of a file, one after the other.
#[derive(Debug)]
struct Lines {
    file: BufReader<File>,
    number: u64,
    sum: Checksum,
    line: Vec<u8>,
}

impl Lines {
    fn new(file: File) -> Self {
        Self {
            file: BufReader::new(file),
            number: 0,
            sum: Checksum::new(),
            line: Vec::new(),
        }
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.file.rewind()?;
        (self.number, self.sum) = (0, Checksum::new());
        Ok(())
    }

    /// Reads the first line.
    fn header(&mut self) -> Result<Header, Refusal> {
        self.read()?;
        let versioned: Versioned = serde_json::from_slice(&self.line)
            .map_err(|_| self.wrong("it is not the first line of a checkpoint"))?;
        if versioned.tenantdns_checkpoint != VERSION {
            return Err(Refusal::Format(versioned.tenantdns_checkpoint));
        }
        Header::of_json(&self.line).map_err(|error| self.wrong(&error))
    }

    /// Reads the next line; returns it with the checksum of those before it.
    fn next(&mut self) -> Result<(Said, Checksum), Refusal> {
        let sum = self.sum;
        self.read()?;
        let line: Line = serde_json::from_slice(&self.line).map_err(|error| self.wrong(&error))?;
        let said = line.read().map_err(|message| self.wrong(&message))?;
        Ok((said, sum))
    }

    fn read(&mut self) -> Result<(), Refusal> {
        self.number += 1;
        self.line.clear();
        let mut limited = self.file.by_ref().take(LONGEST);
        let read = limited.read_until(b'\n', &mut self.line);
        read.map_err(|error| self.wrong(&error))?;
        if self.line.last() != Some(&b'\n') {
            let long = self.line.len() as u64 == LONGEST;
            return Err(if long {
                self.wrong("it is too long")
            } else {
                Refusal::Cut
            });
        }
        self.sum.add(&self.line);
        Ok(())
    }

    /// Checks the last line against those before it, and that it is the last.
    fn end(&mut self, end: &End, sum: Checksum) -> Result<(), Refusal> {
        if end.lines != self.number - 1 || end.checksum != sum.text() {
            return Err(Refusal::Changed);
        }
        match self.file.fill_buf() {
            Ok([]) => Ok(()),
            Ok(_) => Err(Refusal::Changed),
            Err(error) => Err(self.wrong(&error)),
        }
    }

    fn wrong(&self, message: &(impl ToString + ?Sized)) -> Refusal {
        Refusal::Line {
            number: self.number,
            message: message.to_string(),
        }
    }
}
