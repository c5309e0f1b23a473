//! What a Corefile refers to outside of itself: files, variables, interfaces. Not what it makes of them.

use crate::config::FileRead;
use crate::server::addresses_of_interface;
use std::cell::RefCell;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::Path;

/// Octets of a file at most.
const MOST_OCTETS: u64 = 64 << 20;

/// Where a Corefile is.
pub trait Surroundings {
    /// Returns an environment variable, or nothing.
    fn variable(&self, name: &str) -> String;

    /// Returns a file's content.
    ///
    /// # Errors
    /// It can't be read.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Returns whether there is something of that name.
    fn exists(&self, path: &Path) -> bool;

    /// Returns the names in a folder, in any order; none where it can't be read.
    fn names(&self, folder: &Path) -> Vec<String>;

    /// Returns the addresses of an interface; `None` where there is none of that name.
    fn addresses(&self, interface: &str) -> Option<Vec<IpAddr>>;
}

/// This process' own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Host;

impl Surroundings for Host {
    fn variable(&self, name: &str) -> String {
        // `var_os` panics at these.
        if name.contains(['=', '\0']) {
            return String::new();
        }
        let value = std::env::var_os(name).unwrap_or_default();
        value.to_string_lossy().into_owned()
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = std::fs::File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let mut octets = Vec::new();
        file.take(MOST_OCTETS + 1).read_to_end(&mut octets)?;
        Ok(octets)
    }

    fn exists(&self, path: &Path) -> bool {
        path.symlink_metadata().is_ok()
    }

    fn names(&self, folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name());
        names.filter_map(|name| name.into_string().ok()).collect()
    }

    fn addresses(&self, interface: &str) -> Option<Vec<IpAddr>> {
        addresses_of_interface(interface).ok().flatten()
    }
}

/// This process' own, and what was read of it.
#[derive(Debug, Default)]
pub(in crate::config) struct Recorded(RefCell<Vec<FileRead>>);

impl Recorded {
    /// Returns the files that were read, each once, in the order of the first time.
    pub(in crate::config) fn files(self) -> Vec<FileRead> {
        self.0.into_inner()
    }
}

impl Surroundings for Recorded {
    fn variable(&self, name: &str) -> String {
        Host.variable(name)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let octets = Host.read(path)?;
        let mut files = self.0.borrow_mut();
        if !files.iter().any(|file| file.path == path) {
            files.push(FileRead {
                path: path.into(),
                text: String::from_utf8_lossy(&octets).into(),
            });
        }
        Ok(octets)
    }

    fn exists(&self, path: &Path) -> bool {
        Host.exists(path)
    }

    fn names(&self, folder: &Path) -> Vec<String> {
        Host.names(folder)
    }

    fn addresses(&self, interface: &str) -> Option<Vec<IpAddr>> {
        Host.addresses(interface)
    }
}

/// Returns all of the standard input.
///
/// # Errors
/// It can't be read.
pub(in crate::config) fn standard_input() -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    let input = io::stdin().lock();
    input.take(MOST_OCTETS + 1).read_to_end(&mut octets)?;
    Ok(octets)
}
