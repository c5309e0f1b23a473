//! The `hosts` step: names and addresses as `/etc/hosts` lists them. Not reading the file, which is
//! the rim's: it hands in a [`HostsTable`] of what the file says now.

use crate::wire::{MAX_NAME, Name, QName};
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// Which of a server's hosts files: the position of its `hosts` table among those of all blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HostsId(pub u16);

/// One `hosts` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostsOptions {
    /// `file`: what to read; nothing where it is empty.
    pub file: Box<str>,
    /// `inline`: lines beside those of the file.
    pub inline: Vec<Box<str>>,
    /// `zones`, in lower case: names outside of them are not listed.
    pub zones: Vec<Name>,
    /// `ttl` in seconds.
    pub ttl: u32,
    /// `no_reverse`: no reverse names of the addresses.
    pub no_reverse: bool,
    /// `reload`: how often the file is looked at; never where it is zero.
    pub reload: Duration,
    /// `fallthrough`, in lower case: the next step decides on names there that are not listed.
    pub fallthrough: Vec<Name>,
}

impl Default for HostsOptions {
    fn default() -> Self {
        Self {
            file: "".into(),
            inline: Vec::new(),
            zones: Vec::new(),
            ttl: 3600,
            no_reverse: false,
            reload: Duration::from_secs(5),
            fallthrough: Vec::new(),
        }
    }
}

impl HostsOptions {
    /// Returns what lines of this table's file list, or those of `inline`.
    pub fn table(&self, text: &str) -> HostsTable {
        HostsTable::parse(text, &self.zones, !self.no_reverse)
    }

    pub(super) fn inline_table(&self) -> HostsTable {
        self.table(&self.inline.join("\n"))
    }
}

/// What a hosts file lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostsTable {
    /// By name in lower case and wire form.
    names: HashMap<Box<[u8]>, Vec<IpAddr>>,
    /// By what follows the asterisk.
    wildcards: HashMap<Box<[u8]>, Vec<IpAddr>>,
    addresses: HashMap<IpAddr, Vec<Name>>,
}

impl HostsTable {
    /// Reads lines of an address and names each. What is none, and names outside of `zones`, are left
    /// out, as CoreDNS does.
    pub fn parse(text: &str, zones: &[Name], reverse: bool) -> Self {
        let mut table = Self::default();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or("");
            let mut words = line.split_ascii_whitespace();
            let address = words.next().and_then(address);
            for (address, word) in words.filter_map(|word| Some((address?, word))) {
                table.add(address, word, zones, reverse);
            }
        }
        table
    }

    fn add(&mut self, address: IpAddr, word: &str, zones: &[Name], reverse: bool) {
        let Ok(name) = word.parse::<Name>() else {
            return;
        };
        let name = name.to_lowercase();
        if !zones.iter().any(|zone| name.is_at_or_below(zone)) {
            return;
        }
        if let Some(below) = name.as_wire().strip_prefix(b"\x01*") {
            self.wildcards
                .entry(below.into())
                .or_default()
                .push(address);
            return;
        }
        let listed = self.names.entry(name.as_wire().into()).or_default();
        listed.push(address);
        if reverse {
            self.addresses.entry(address).or_default().push(name);
        }
    }

    /// Returns how many addresses of names and names of addresses it lists.
    pub fn len(&self) -> usize {
        let of = |lists: &HashMap<Box<[u8]>, Vec<IpAddr>>| -> usize {
            lists.values().map(Vec::len).sum()
        };
        of(&self.names) + of(&self.wildcards) + self.addresses.values().map(Vec::len).sum::<usize>()
    }

    /// Returns whether it lists nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the addresses of a family that a name has. A name that is listed with that family has
    /// none of a wildcard.
    pub fn addresses(&self, qname: &QName<'_>, v4: bool) -> impl Iterator<Item = IpAddr> + Clone {
        let of_family = move |address: &&IpAddr| address.is_ipv4() == v4;
        let lower = qname.lower();
        let own = self.names.get(lower).map_or(&[][..], Vec::as_slice);
        let listed = match own.iter().any(|address| of_family(&address)) {
            true => own,
            // A name of one label is below no asterisk.
            false if qname.label_count() < 2 => &[],
            false => {
                let parent = qname.suffix_offset(qname.label_count() - 1);
                let below = parent.and_then(|start| lower.get(start..));
                let below = below.and_then(|below| self.wildcards.get(below));
                below.map_or(&[][..], Vec::as_slice)
            }
        };
        listed.iter().filter(of_family).copied()
    }

    /// Returns the names of an address.
    pub fn names(&self, address: IpAddr) -> &[Name] {
        self.addresses.get(&address).map_or(&[], Vec::as_slice)
    }
}

const _: () = assert!(MAX_NAME == 255, "keys are whole names");

/// Reads an address; what follows a `%` says through which interface, and counts for nothing.
fn address(text: &str) -> Option<IpAddr> {
    let address = text.split('%').next()?.parse::<IpAddr>().ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::QNameBuffer;

    #[test]
    fn lines_are_read_as_in_etc_hosts() {
        let text = "# comment\n192.0.2.1 web.example www.example # more\n::ffff:192.0.2.2 Web.Example.\n\
                    fe80::1%eth0 web.example\nnonsense a.example\n192.0.2.9\n192.0.2.3 *.wild.example\n\
                    ::1 here.wild.example\n192.0.2.4 other.test\n192.0.2.01 zero.example\n";
        let zones = ["example".parse().unwrap()];
        let table = HostsTable::parse(text, &zones, true);
        let addresses = |name: &str, v4| {
            let name: Name = name.parse().unwrap();
            let mut buffer = QNameBuffer::default();
            let (qname, _) = QName::parse(name.as_wire(), &mut buffer).unwrap();
            let found: Vec<_> = table.addresses(&qname, v4).map(|a| a.to_string()).collect();
            found.join(" ")
        };
        for (name, v4, expected) in [
            ("web.example", true, "192.0.2.1 192.0.2.2"),
            ("WEB.example", false, "fe80::1"),
            ("www.example", true, "192.0.2.1"),
            ("x.wild.example", true, "192.0.2.3"),
            ("a.x.wild.example", true, ""),
            ("wild.example", true, ""),
            ("here.wild.example", false, "::1"),
            ("here.wild.example", true, "192.0.2.3"),
            ("other.test", true, ""),
            ("zero.example", true, ""),
            ("example", true, ""),
        ] {
            assert_eq!(addresses(name, v4), expected, "{name}");
        }
        let names = table.names("192.0.2.2".parse().unwrap());
        assert_eq!(names, ["web.example".parse().unwrap()]);
        assert_eq!(
            HostsTable::parse(text, &zones, false).names("::1".parse().unwrap()),
            []
        );
    }
}
