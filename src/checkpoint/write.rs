//! Writing a file: beside its place first, and into it only when it is whole.

use super::line::{Checksum, End, Gone, Header, Mark};
use super::shape::to_json;
use crate::index::Copied;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The end of the names of files that are not whole yet.
const UNFINISHED: &str = ".unfinished";
/// Such a file that nobody has written to for so long is left over from a process that was killed.
const LEFT_OVER: Duration = Duration::from_secs(600);

/// A file that is being written. Dropped before [`Writer::finish`] it leaves nothing behind.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    unfinished: PathBuf,
    file: BufWriter<File>,
    sum: Checksum,
    lines: u64,
}

impl Writer {
    /// Begins a file that is to stand at `path`. Only its owner may read it.
    ///
    /// # Errors
    /// The folder is not there or can't be written to.
    pub fn create(path: &Path, header: &Header) -> io::Result<Self> {
        sweep(path);
        let unfinished = unfinished(path)?;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unfinished)?;
        let mut writer = Self {
            path: path.to_owned(),
            unfinished,
            file: BufWriter::new(file),
            sum: Checksum::new(),
            lines: 0,
        };
        writer.line(header.to_json()?)?;
        Ok(writer)
    }

    /// Writes a step of a copy; [`Copied::Changes`] has to be the last.
    ///
    /// # Errors
    /// The file can't be written: the disk is full, for example.
    pub fn copied(&mut self, step: &Copied) -> io::Result<()> {
        match step {
            Copied::Objects(objects) => {
                for object in objects {
                    self.line(to_json(object)?)?;
                }
            }
            Copied::Changes(changes) => {
                let count = changes.len() as u64;
                self.line(serde_json::to_vec(&Mark::Changes(count))?)?;
                for (kind, key, object) in changes {
                    self.line(match object {
                        Some(object) => to_json(object)?,
                        None => serde_json::to_vec(&Mark::Gone(Gone::new(*kind, key)))?,
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Ends the file, and puts it in its place once it is on the disk.
    ///
    /// # Errors
    /// As [`Writer::copied`]; the file before it stays.
    pub fn finish(mut self) -> io::Result<()> {
        let end = Mark::End(End {
            lines: self.lines,
            checksum: self.sum.text(),
        });
        self.line(serde_json::to_vec(&end)?)?;
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        fs::rename(&self.unfinished, &self.path)?;
        // The name is on the disk when its folder is.
        folder(&self.path).and_then(File::open)?.sync_all()
    }

    fn line(&mut self, mut json: Vec<u8>) -> io::Result<()> {
        json.push(b'\n');
        self.sum.add(&json);
        self.lines += 1;
        self.file.write_all(&json)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Not there any more after `finish`.
        let _ = fs::remove_file(&self.unfinished);
    }
}

fn folder(path: &Path) -> io::Result<&Path> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => Ok(folder),
        Some(_) => Ok(Path::new(".")),
        None => Err(io::ErrorKind::IsADirectory.into()),
    }
}

/// Returns a name that no other process uses: replicas may share a folder, and in containers all have
/// the same process number.
fn unfinished(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    let mut name = name.to_owned();
    let chance = RandomState::new().hash_one(std::process::id());
    name.push(format!(".{chance:016x}{UNFINISHED}"));
    Ok(folder(path)?.join(name))
}

/// Removes what processes that were killed have left of this file.
fn sweep(path: &Path) {
    let Some((name, entries)) = path
        .file_name()
        .zip(folder(path).and_then(fs::read_dir).ok())
    else {
        return;
    };
    let (start, name) = (name.as_encoded_bytes(), |entry: &fs::DirEntry| {
        entry.file_name().into_encoded_bytes()
    });
    for entry in entries.flatten() {
        let of_this = name(&entry)
            .strip_prefix(start)
            .is_some_and(|rest| rest.starts_with(b".") && rest.ends_with(UNFINISHED.as_bytes()));
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        let old = |written: SystemTime| written.elapsed().is_ok_and(|age| age > LEFT_OVER);
        if of_this && written.is_ok_and(old) {
            // Another may have been first.
            let _ = fs::remove_file(entry.path());
        }
    }
}
