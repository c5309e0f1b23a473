//! The files of `hosts` tables: read when a server starts, and again when they change. Not what their
//! lines mean, which is [`crate::chain`]'s.

use crate::chain::{Chain, HostsId, HostsOptions};
use crate::index::Index;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tracing::{info, warn};

/// Octets of a file at most: a list of hosts that is longer is none.
const MAX_FILE: u64 = 64 << 20;

/// The files of the server blocks that are in force.
#[derive(Default)]
pub(super) struct HostsFiles {
    chain: Arc<Chain>,
    files: Vec<File>,
}

struct File {
    id: HostsId,
    options: HostsOptions,
    path: PathBuf,
    /// Time of its last change, and its length, when it was read.
    stamp: Option<(SystemTime, u64)>,
    /// Why it could not be read the last time.
    failed: Option<String>,
    /// When to look again; never where it is read once.
    due: Option<Instant>,
}

impl HostsFiles {
    /// Reads what is due and has changed into the index, and returns whether anything has. Server
    /// blocks that are new to it have all their files read.
    pub(super) fn poll(&mut self, index: &mut Index, now: Instant) -> bool {
        if !Arc::ptr_eq(&self.chain, index.chain()) {
            self.chain = index.chain().clone();
            let files = self.chain.hosts_files();
            self.files = files
                .map(|(id, options)| File::new(id, options, now))
                .collect();
        }
        let due = self.files.iter_mut().filter(|file| file.is_due(now));
        due.fold(false, |changed, file| file.read(index, now) | changed)
    }
}

impl File {
    fn new(id: HostsId, options: &HostsOptions, now: Instant) -> Self {
        Self {
            id,
            options: options.clone(),
            path: PathBuf::from(&*options.file),
            stamp: None,
            failed: None,
            due: Some(now),
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// Reads the file if it has changed. What can't be read stays as it was, and is told once.
    fn read(&mut self, index: &mut Index, now: Instant) -> bool {
        let reload = self.options.reload;
        self.due = (reload > Duration::ZERO).then(|| now + reload);
        let read = std::fs::metadata(&self.path).and_then(|found| {
            let stamp = (found.modified()?, found.len());
            if self.stamp == Some(stamp) {
                return Ok(None);
            }
            if found.is_dir() || found.len() > MAX_FILE {
                let kind = std::io::ErrorKind::InvalidInput;
                return Err(std::io::Error::new(kind, "is no list of hosts"));
            }
            let text = String::from_utf8_lossy(&std::fs::read(&self.path)?).into_owned();
            Ok(Some((stamp, text)))
        });
        match read {
            Ok(None) => false,
            Ok(Some((stamp, text))) => {
                let table = self.options.table(&text);
                let (path, entries) = (self.path.display(), table.len());
                info!(%path, entries, "hosts file read");
                index.set_hosts(self.id, Arc::new(table));
                (self.stamp, self.failed) = (Some(stamp), None);
                true
            }
            Err(error) => {
                let failed = Some(error.to_string());
                if self.failed != failed {
                    let path = self.path.display();
                    warn!(%path, %error, "hosts file can't be read");
                    self.failed = failed;
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Cluster, ask, query};
    use crate::wire::RType;

    /// Returns where a file may be that this run of this test alone has.
    fn temporary(name: &str) -> PathBuf {
        let name = format!("tenantdns-hosts-{}-{name}", std::process::id());
        std::env::temp_dir().join(name)
    }

    fn addresses(index: &mut Index, name: &str) -> usize {
        let bytes = query(name, RType::A);
        let source = "198.51.100.1".parse().unwrap();
        let transport = crate::answer::Transport::Tcp;
        let reply = ask(&index.snapshot(1), source, transport, &bytes).unwrap();
        usize::from(reply[7])
    }

    #[test]
    fn a_file_is_read_again_when_it_has_changed_and_kept_when_it_is_gone() {
        let path = temporary("changes");
        let config = format!(
            "[hosts]\nfile = {:?}\nreload = \"2s\"\n",
            path.to_str().unwrap()
        );
        let mut index = Cluster::new("", &config).index();
        let mut files = HostsFiles::default();
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(!files.poll(&mut index, start), "there is no file yet");
        std::fs::write(&path, "192.0.2.1 a.example\n").unwrap();
        assert!(
            !files.poll(&mut index, after(1)),
            "it is not looked for yet"
        );
        assert!(files.poll(&mut index, after(2)));
        assert_eq!(addresses(&mut index, "a.example"), 1);
        assert!(!files.poll(&mut index, after(4)), "it has not changed");
        std::fs::write(&path, "192.0.2.1 a.example\n192.0.2.2 a.example\n").unwrap();
        assert!(files.poll(&mut index, after(6)));
        assert_eq!(addresses(&mut index, "a.example"), 2);
        std::fs::remove_file(&path).unwrap();
        assert!(!files.poll(&mut index, after(8)));
        assert_eq!(addresses(&mut index, "a.example"), 2);
    }

    #[test]
    fn new_blocks_have_their_files_read_at_once() {
        let path = temporary("at-once");
        std::fs::write(&path, "192.0.2.1 a.example\n").unwrap();
        let config = format!(
            "[hosts]\nfile = {:?}\nreload = \"0\"\n",
            path.to_str().unwrap()
        );
        let mut files = HostsFiles::default();
        let now = Instant::now();
        for _ in 0..2 {
            let mut index = Cluster::new("", &config).index();
            assert!(files.poll(&mut index, now));
            assert_eq!(addresses(&mut index, "a.example"), 1);
            assert!(!files.poll(&mut index, now + Duration::from_secs(60)));
        }
        std::fs::remove_file(&path).unwrap();
    }
}
