//! The lines of an audit's log, read again. Not what is made of them: `policy suggest` and the gate of
//! `check` do that.

use crate::audit::Counts;
use serde::Deserialize;
use std::io::{self, BufRead};
use std::net::IpAddr;

/// The longest line that an audit writes: names are names of DNS.
const LONGEST: u64 = 64 * 1024;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// Somebody would be denied something.
    Denial(Denial),
    /// A window ended: when, and how many questions were judged.
    Closing(String, Counts),
}

/// A client's record sets of one service and one type that enforcing would drop.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Denial {
    /// When its window ended.
    pub(super) ts: String,
    pub(super) client: Client,
    pub(super) target: Target,
    pub(super) qtype: String,
    pub(super) reason: String,
    pub(super) count: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Client {
    pub(super) ip: IpAddr,
    #[serde(default)]
    pub(super) namespace: Option<String>,
    #[serde(default)]
    pub(super) pod: Option<String>,
    #[serde(default)]
    pub(super) tenant: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) struct Target {
    pub(super) namespace: String,
    #[serde(default)]
    pub(super) service: Option<String>,
}

#[derive(Deserialize)]
struct Closing {
    ts: String,
    queries: Counts,
}

/// What is read of a log, beside its entries.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Read {
    /// Lines that are entries.
    pub(super) entries: u64,
    /// Lines that begin as an entry does, and are none: cut off, or of something else.
    pub(super) unread: u64,
}

/// Reads a log, and gives each entry. Lines of other things, as a server's that says where it listens,
/// are passed over.
pub(super) fn read(mut log: impl BufRead, mut each: impl FnMut(Entry)) -> io::Result<Read> {
    let mut read = Read::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut bounded = io::Read::take(&mut log, LONGEST);
        if bounded.read_until(b'\n', &mut line)? == 0 {
            return Ok(read);
        }
        if line.first() != Some(&b'{') {
            continue;
        }
        match entry(&line) {
            Some(entry) => {
                read.entries += 1;
                each(entry);
            }
            None => read.unread += 1,
        }
    }
}

fn entry(line: &[u8]) -> Option<Entry> {
    let denial = serde_json::from_slice(line).map(Entry::Denial);
    let closing = || serde_json::from_slice(line);
    let entry = denial.or_else(|_| closing().map(|c: Closing| Entry::Closing(c.ts, c.queries)));
    entry.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let denial = r#"{"ts":"2026-01-01T00:00:10Z","window_s":10,"mode":"audit","client":{"ip":"10.244.0.1","namespace":"shop","pod":null,"tenant":"red"},"target":{"namespace":"bank","service":"web"},"qtype":"A","reason":"hidden","count":2}"#;
        let without_pod = denial.replace(r#""pod":null,"#, "");
        let closing = r#"{"ts":"2026-01-01T00:00:10Z","window_s":10,"mode":"audit","queries":{"judged":6,"unknown":2,"node_hidden":1,"unlisted":0,"lost":0}}"#;
        let later = closing.replace("\"lost\":0", "\"lost\":0,\"more\":1");
        let long = format!("{{{}", "x".repeat(2 * LONGEST as usize));
        for (text, entries, unread) in [
            (denial, 1, 0),
            (&without_pod, 1, 0),
            (closing, 1, 0),
            (&later, 1, 0),
            ("listening on 127.0.0.1:53 (udp, tcp)\n\n", 0, 0),
            (&denial[..100], 0, 1),
            ("{}\n{\"ts\":1}", 0, 2),
            (&long, 0, 1),
        ] {
            let mut seen = 0;
            let read = read(text.as_bytes(), |_| seen += 1).unwrap();
            assert_eq!(
                (read, seen),
                (Read { entries, unread }, entries),
                "{text:.80}"
            );
        }
        read(
            format!("{denial}\n{closing}").as_bytes(),
            |entry| match entry {
                Entry::Denial(denial) => {
                    assert_eq!(
                        (denial.count, denial.target.service.as_deref()),
                        (2, Some("web"))
                    );
                    assert_eq!(denial.client.tenant.as_deref(), Some("red"));
                }
                Entry::Closing(_, counts) => assert_eq!((counts.judged, counts.unknown), (6, 2)),
            },
        )
        .unwrap();
    }
}
