//! The files that tables of server blocks name, lists of hosts and weights: read when a server starts, and
//! again when they change. Not what their lines mean, which is [`crate::chain`]'s.

use crate::chain::{Chain, HostsId, HostsOptions, WeightTable, WeightsId};
use crate::index::Index;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tracing::{info, warn};

/// Octets of a file at most: a list that is longer is none.
const MAX_FILE: u64 = 64 << 20;

/// The files of the server blocks that are in force.
#[derive(Default)]
pub(super) struct TableFiles {
    chain: Arc<Chain>,
    files: Vec<File>,
}

/// Whose a file is.
enum Table {
    Hosts(HostsId, HostsOptions),
    Weights(WeightsId),
}

struct File {
    table: Table,
    reload: Duration,
    path: PathBuf,
    /// Time of its last change, and its length, when it was read.
    stamp: Option<(SystemTime, u64)>,
    /// Why it could not be read the last time.
    failed: Option<String>,
    /// When to look again; never where it is read once.
    due: Option<Instant>,
}

impl TableFiles {
    /// Reads what is due and has changed into the index, and returns whether anything has. Server
    /// blocks that are new to it have all their files read.
    pub(super) fn poll(&mut self, index: &mut Index, now: Instant) -> bool {
        if !Arc::ptr_eq(&self.chain, index.chain()) {
            self.chain = index.chain().clone();
            let hosts = self.chain.hosts_files().map(|(id, options)| {
                let table = Table::Hosts(id, options.clone());
                File::new(table, &options.file, options.reload, now)
            });
            let weights = self.chain.weight_files().map(|(id, options)| {
                File::new(Table::Weights(id), &options.file, options.reload, now)
            });
            self.files = hosts.chain(weights).collect();
        }
        let due = self.files.iter_mut().filter(|file| file.is_due(now));
        due.fold(false, |changed, file| file.read(index, now) | changed)
    }
}

impl File {
    fn new(table: Table, path: &str, reload: Duration, now: Instant) -> Self {
        Self {
            table,
            reload,
            path: PathBuf::from(path),
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
        self.due = (self.reload > Duration::ZERO).then(|| now + self.reload);
        let read = std::fs::metadata(&self.path).and_then(|found| {
            let stamp = (found.modified()?, found.len());
            if self.stamp == Some(stamp) {
                return Ok(None);
            }
            if found.is_dir() || found.len() > MAX_FILE {
                let kind = std::io::ErrorKind::InvalidInput;
                return Err(std::io::Error::new(kind, "is too long, or no file"));
            }
            let text = String::from_utf8_lossy(&std::fs::read(&self.path)?).into_owned();
            Ok(Some((stamp, text)))
        });
        let taken = match read {
            Ok(None) => return false,
            Ok(Some((stamp, text))) => {
                // What is wrong with it now may be mended, and then has another stamp.
                self.stamp = Some(stamp);
                self.take(index, &text)
            }
            Err(error) => Err(error.to_string()),
        };
        let path = self.path.display();
        match &taken {
            Ok(entries) => info!(%path, entries, "{} read", self.table.name()),
            Err(error) if self.failed.as_ref() != Some(error) => {
                warn!(%path, %error, "{} can't be read", self.table.name());
            }
            Err(_) => {}
        }
        let is_taken = taken.is_ok();
        self.failed = taken.err();
        is_taken
    }

    /// Puts what a file says into the index, and returns how many entries that is, or what is wrong.
    fn take(&self, index: &mut Index, text: &str) -> Result<usize, String> {
        match &self.table {
            Table::Hosts(id, options) => {
                let table = options.table(text);
                let entries = table.len();
                index.set_hosts(*id, Arc::new(table));
                Ok(entries)
            }
            Table::Weights(id) => {
                let table = WeightTable::parse(text).map_err(|error| error.to_string())?;
                let entries = table.len();
                index.set_weights(*id, Arc::new(table));
                Ok(entries)
            }
        }
    }
}

impl Table {
    fn name(&self) -> &'static str {
        match self {
            Self::Hosts(..) => "hosts file",
            Self::Weights(_) => "file of weights",
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
        let mut files = TableFiles::default();
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

    /// Which of two addresses of a name stands first.
    fn first(index: &mut Index, name: &str) -> u8 {
        let bytes = query(name, RType::A);
        let source = "198.51.100.1".parse().unwrap();
        let transport = crate::answer::Transport::Tcp;
        let reply = ask(&index.snapshot(1), source, transport, &bytes).unwrap();
        reply[12 + name.len() + 2 + 4 + 15]
    }

    #[test]
    fn weights_are_those_of_the_last_file_without_a_fault() {
        let path = temporary("weights");
        let config = format!(
            "[hosts]\ninline = [\"192.0.2.1 a.example\", \"192.0.2.2 a.example\"]\n\
             [loadbalance]\npolicy = \"weighted\"\nfile = {:?}\nreload = \"2s\"\n",
            path.to_str().unwrap()
        );
        let mut index = Cluster::new("", &config).index();
        let mut files = TableFiles::default();
        let start = Instant::now();
        // What is drawn is the same each time: whichever has nearly all the weight is it.
        for (number, (text, is_read, expected)) in [
            ("a.example\n192.0.2.1 255\n", true, 1),
            ("a.example\n192.0.2.2 255 \n", true, 2),
            ("a.example\n192.0.2.1 256\n192.0.2.2\n", false, 2),
            ("A.Example.\n192.0.2.1 255\n# back\n", true, 1),
        ]
        .into_iter()
        .enumerate()
        {
            std::fs::write(&path, text).unwrap();
            let now = start + Duration::from_secs(2 * number as u64);
            assert_eq!(files.poll(&mut index, now), is_read, "{text}");
            assert_eq!(first(&mut index, "a.example"), expected, "{text}");
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn new_blocks_have_their_files_read_at_once() {
        let path = temporary("at-once");
        std::fs::write(&path, "192.0.2.1 a.example\n").unwrap();
        let config = format!(
            "[hosts]\nfile = {:?}\nreload = \"0\"\n",
            path.to_str().unwrap()
        );
        let mut files = TableFiles::default();
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
