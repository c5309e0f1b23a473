//! One question, with everything about it that an answer may depend on, and its octets: written
//! here, not by the code under test.

use std::fmt;

/// The types that are asked, by their numbers.
pub(crate) const TYPES: [(&str, u16); 15] = [
    ("A", 1),
    ("AAAA", 28),
    ("SRV", 33),
    ("TXT", 16),
    ("PTR", 12),
    ("CNAME", 5),
    ("NS", 2),
    ("SOA", 6),
    ("MX", 15),
    ("ANY", 255),
    ("HTTPS", 65),
    ("SVCB", 64),
    ("DS", 43),
    ("AXFR", 252),
    ("TYPE65280", 65_280),
];

/// What stands in an OPT record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edns {
    pub(crate) size: u16,
    pub(crate) dnssec_ok: bool,
    pub(crate) options: &'static [u8],
}

/// How questions are dressed.
pub(crate) const EDNS: [Option<Edns>; 9] = [
    None,
    None,
    edns(512, false, &[]),
    edns(1232, false, &[]),
    edns(4096, false, &[]),
    edns(1232, true, &[]),
    // A client's cookie, and a code that nobody knows.
    edns(
        1232,
        false,
        &[0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0xfd, 0xe9, 0, 1, 7],
    ),
    // A request for the server's name, and padding.
    edns(900, true, &[0, 3, 0, 0, 0, 12, 0, 3, 0, 0, 0]),
    // A client's network (192.0.2.0/24).
    edns(1400, false, &[0, 8, 0, 7, 0, 1, 24, 0, 192, 0, 2]),
];

const fn edns(size: u16, dnssec_ok: bool, options: &'static [u8]) -> Option<Edns> {
    Some(Edns {
        size,
        dnssec_ok,
        options,
    })
}

/// A question and how it is put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    /// With a dot at the end.
    pub(crate) name: String,
    pub(crate) rtype: (&'static str, u16),
    pub(crate) tcp: bool,
    pub(crate) edns: Option<Edns>,
    /// Recursion desired, authentic data, checking disabled.
    pub(crate) flags: (bool, bool, bool),
}

impl Question {
    /// Returns whether the name can be put on the wire at all.
    pub(crate) fn is_possible(name: &str) -> bool {
        let labels = || name.trim_end_matches('.').split('.');
        name == "." || (name.len() < 255 && labels().all(|l| (1..64).contains(&l.len())))
    }

    pub(crate) fn bytes(&self, id: u16) -> Vec<u8> {
        let (rd, ad, cd) = self.flags;
        let bit = |set: bool, bit: u16| if set { bit } else { 0 };
        let flags = bit(rd, 0x0100) | bit(ad, 0x0020) | bit(cd, 0x0010);
        let mut bytes = Vec::new();
        let extra = u16::from(self.edns.is_some());
        for field in [id, flags, 1, 0, 0, extra] {
            bytes.extend(field.to_be_bytes());
        }
        for label in self.name.split('.').filter(|label| !label.is_empty()) {
            bytes.push(u8::try_from(label.len()).unwrap());
            bytes.extend(label.bytes());
        }
        bytes.push(0);
        bytes.extend(self.rtype.1.to_be_bytes());
        bytes.extend([0, 1]);
        if let Some(edns) = self.edns {
            bytes.extend([0, 0, 41]);
            bytes.extend(edns.size.to_be_bytes());
            bytes.extend([0, 0, if edns.dnssec_ok { 0x80 } else { 0 }, 0]);
            bytes.extend(u16::try_from(edns.options.len()).unwrap().to_be_bytes());
            bytes.extend(edns.options);
        }
        bytes
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = if self.tcp { "tcp" } else { "udp" };
        let (rd, ad, cd) = self.flags;
        write!(f, "{} {} over {transport}", self.name, self.rtype.0)?;
        for (_, flag) in [(rd, "rd"), (ad, "ad"), (cd, "cd")]
            .iter()
            .filter(|(set, _)| *set)
        {
            write!(f, " {flag}")?;
        }
        match self.edns {
            Some(edns) => write!(f, " {edns:?}"),
            None => Ok(()),
        }
    }
}
