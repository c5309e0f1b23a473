//! The file that CoreDNS's log is written to, read from its start and followed as `tail -F` does:
//! through its being moved away and made anew, and its being emptied. Or the standard input, to its
//! end.

use super::Heard;
use crate::tap::{Lines, Said, read_line};
use anyhow::Context;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use tokio::sync::mpsc::Sender;

/// How often it is looked whether the file has grown.
const POLL: Duration = Duration::from_millis(200);
/// Octets that are read at a time.
const PIECE: usize = 64 * 1024;

/// Starts a thread that reads, and returns what it reads.
///
/// # Errors
/// There is no such file, or no thread to be had.
pub(super) fn start(path: &Path, heard: Sender<Heard>) -> anyhow::Result<String> {
    let thread = thread::Builder::new().name("log".into());
    if path == Path::new("-") {
        let body = move || Reader::new(heard).read_to_end(&mut io::stdin().lock());
        thread.spawn(body).context("starting a thread")?;
        return Ok("the standard input".to_owned());
    }
    let what = || format!("reading {}", path.display());
    let file = File::open(path).with_context(what)?;
    let name = path.display().to_string();
    let path = path.to_owned();
    thread
        .spawn(move || Reader::new(heard).follow(&path, file))
        .context("starting a thread")?;
    Ok(name)
}

/// Reads lines, and passes on what they say.
struct Reader {
    lines: Lines,
    too_long: u64,
    heard: Sender<Heard>,
    piece: Vec<u8>,
}

/// Nobody wants to hear more.
struct Done;

impl Reader {
    fn new(heard: Sender<Heard>) -> Self {
        Self {
            lines: Lines::default(),
            too_long: 0,
            heard,
            piece: vec![0; PIECE],
        }
    }

    /// Reads until there is no more.
    fn read_to_end(&mut self, input: &mut impl Read) {
        loop {
            match self.read(input) {
                Ok(0) => break,
                Ok(_) => {}
                Err(_) => return,
            }
        }
        let mut last = Heard::default();
        if let Some(line) = self.lines.end() {
            last.take(line);
        }
        let _ = self.heard.blocking_send(last);
    }

    /// Reads a file, and those that come to be in its place.
    fn follow(&mut self, path: &PathBuf, mut file: File) {
        loop {
            match self.read(&mut file) {
                Ok(0) => {}
                Ok(_) => continue,
                Err(Done) => return,
            }
            if self.heard.is_closed() {
                return;
            }
            match next(path, &mut file) {
                Ok(Some(next)) => {
                    // What was written before it was moved away has been read above, but for what
                    // came between that and this.
                    if self.drain(&mut file).is_err() {
                        return;
                    }
                    file = next;
                }
                Ok(None) => thread::park_timeout(POLL),
                Err(error) => {
                    tracing::warn!(%error, path = %path.display(), "the log can't be read; trying again");
                    thread::park_timeout(POLL * 5);
                }
            }
        }
    }

    /// Reads what is left of a file, and ends its last line.
    fn drain(&mut self, file: &mut File) -> Result<(), Done> {
        while self.read(file)? > 0 {}
        let mut last = Heard::default();
        if let Some(line) = self.lines.end() {
            last.take(line);
        }
        self.heard.blocking_send(last).map_err(|_| Done)
    }

    /// Reads a piece and passes it on; returns how many octets there were.
    fn read(&mut self, input: &mut impl Read) -> Result<usize, Done> {
        let size = loop {
            match input.read(&mut self.piece) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::warn!(%error, "the log can't be read");
                    break 0;
                }
                Ok(size) => break size,
            }
        };
        self.lines.feed(self.piece.get(..size).unwrap_or_default());
        let mut heard = Heard::default();
        while let Some(line) = self.lines.next_line() {
            heard.take(line);
        }
        let too_long = self.lines.too_long();
        heard.garbled += too_long - std::mem::replace(&mut self.too_long, too_long);
        if heard.queries.is_empty() && heard.garbled == 0 {
            return Ok(size);
        }
        let sent = self.heard.blocking_send(heard);
        sent.map(|()| size).map_err(|_| Done)
    }
}

impl Heard {
    fn take(&mut self, line: &[u8]) {
        match read_line(line) {
            Said::Query(query) => self.queries.push(query),
            Said::Garbled => self.garbled += 1,
            Said::Other => {}
        }
    }
}

/// Returns the file that has taken the place of one that has been read to its end, where one has; goes
/// back to the start of one that has been emptied.
fn next(path: &Path, file: &mut File) -> io::Result<Option<File>> {
    let here = file.metadata()?;
    let there = match std::fs::metadata(path) {
        Ok(there) => there,
        // Moved away, and not made anew yet.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if (here.dev(), here.ino()) != (there.dev(), there.ino()) {
        return File::open(path).map(Some);
    }
    if here.len() < file.stream_position()? {
        file.rewind()?;
    }
    Ok(None)
}
