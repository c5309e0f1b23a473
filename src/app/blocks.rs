//! What server blocks take from the host: its name, and the search list of its resolv.conf.

use crate::chain::{BlockOptions, SearchList};
use crate::wire::Name;

/// Where a host says what it searches, and whom it asks.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Where Linux says what the host is called.
const HOSTNAME: &str = "/proc/sys/kernel/hostname";

/// Fills in what the configuration leaves to the host.
pub(super) fn complete(blocks: &mut [BlockOptions]) {
    for block in blocks {
        if let Some(id) = block.nsid.as_mut().filter(|id| id.is_empty()) {
            *id = hostname();
        }
        if let Some(chaos) = &mut block.chaos {
            chaos.hostname = hostname();
        }
        if let Some(autopath) = &mut block.autopath {
            let path = match &autopath.from {
                SearchList::Kubernetes => RESOLV_CONF,
                SearchList::File(path) => path,
            };
            match std::fs::read_to_string(path) {
                Ok(text) => autopath.search = searched(&text),
                Err(error) => tracing::warn!(path, %error, "the search list can't be read"),
            }
        }
    }
}

fn hostname() -> Box<str> {
    let read = std::fs::read_to_string(HOSTNAME).ok();
    let name = read.or_else(|| std::env::var("HOSTNAME").ok());
    name.as_deref().unwrap_or("localhost").trim().into()
}

/// Returns what the text of a resolv.conf searches: the last `search` or `domain` counts.
fn searched(text: &str) -> Vec<Name> {
    let mut list = Vec::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let key = words.next();
        if let Some("search" | "domain") = key {
            let names = words.filter_map(|word| word.parse::<Name>().ok());
            list = names.map(|name| name.to_lowercase()).collect();
            if key == Some("domain") {
                list.truncate(1);
            }
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_search_list_counts() {
        let text = "nameserver 192.0.2.1\ndomain one.example two.example\n# search no.example\n";
        let shown = |text: &str| {
            let names: Vec<String> = searched(text).iter().map(ToString::to_string).collect();
            names.join(" ")
        };
        assert_eq!(shown(text), "one.example.");
        let text = format!("{text}search A.example b.example\noptions ndots:5\n");
        assert_eq!(shown(&text), "a.example. b.example.");
        assert_eq!(shown(""), "");
    }
}
