//! The file that CoreDNS's log is written to, read from its start and followed as `tail -F` does:
//! through its being moved away and made anew, and its being emptied. Or the standard input, to its
//! end.

use super::Heard;
use crate::tap::{Lines, Said, read_line};
use anyhow::Context;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
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
                Err(_) if self.heard.is_closed() => return,
                Err(error) => {
                    tracing::warn!(%error, "the log can't be read to its end");
                    break;
                }
            }
        }
        self.end_line();
    }

    /// Reads a file, and those that come to be in its place, while anybody listens.
    fn follow(&mut self, path: &Path, mut file: File) {
        let mut in_trouble = false;
        while !self.heard.is_closed() {
            let turn = self.turn(path, &mut file);
            let was_in_trouble = std::mem::replace(&mut in_trouble, turn.is_err());
            match turn {
                Ok(true) => continue,
                Ok(false) => {}
                // Nobody listens any longer, or it has been said.
                Err(_) if was_in_trouble || self.heard.is_closed() => {}
                Err(error) => {
                    tracing::warn!(%error, path = %path.display(), "the log can't be read; trying again");
                }
            }
            thread::park_timeout(POLL);
        }
    }

    /// Reads on, and returns whether there was anything to be read.
    fn turn(&mut self, path: &Path, file: &mut File) -> io::Result<bool> {
        if self.read(file)? > 0 {
            return Ok(true);
        }
        let Some(next) = next(path, file)? else {
            return Ok(false);
        };
        // What was written to the old one between the last reading and its being moved away.
        while self.read(file)? > 0 {}
        self.end_line();
        *file = next;
        Ok(true)
    }

    /// Passes on a line that has no end.
    fn end_line(&mut self) {
        let mut last = Heard::default();
        if let Some(line) = self.lines.end() {
            last.take(line);
            // Nobody may listen any longer.
            let _ = self.heard.blocking_send(last);
        }
    }

    /// Reads a piece and passes it on; returns how many octets there were.
    fn read(&mut self, input: &mut impl Read) -> io::Result<usize> {
        let size = loop {
            match input.read(&mut self.piece) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.lines.feed(self.piece.get(..size).unwrap_or_default());
        let mut heard = Heard::default();
        while let Some(line) = self.lines.next_line() {
            heard.take(line);
        }
        let too_long = self.lines.too_long();
        heard.garbled += too_long - std::mem::replace(&mut self.too_long, too_long);
        let is_empty = heard.queries.is_empty() && heard.garbled == 0;
        if !is_empty && self.heard.blocking_send(heard).is_err() {
            return Err(ErrorKind::BrokenPipe.into());
        }
        Ok(size)
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
