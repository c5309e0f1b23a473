//! Lists of ports in one run of octets, and the choice that a question makes among them.

use std::fmt;

/// A choice among a service's ports: an empty name or protocol matches every one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selector<'q> {
    /// The port's name, lower case.
    pub port: &'q [u8],
    /// The protocol, lower case.
    pub protocol: &'q [u8],
}

impl Selector<'_> {
    /// Every port.
    pub const ANY: Self = Self {
        port: b"",
        protocol: b"",
    };

    /// Returns whether every port is selected.
    pub fn is_any(&self) -> bool {
        self.port.is_empty() && self.protocol.is_empty()
    }

    /// Returns whether a port is selected.
    pub fn matches(&self, port: &Port<'_>) -> bool {
        (self.port.is_empty() || *self.port == *port.name)
            && (self.protocol.is_empty() || *self.protocol == *port.protocol)
    }
}

/// A port, for SRV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Port<'s> {
    /// Its name in lower case; may be empty.
    pub name: &'s [u8],
    /// Its protocol in lower case; may be empty.
    pub protocol: &'s [u8],
    /// Its number; `None` answers addresses but no SRV.
    pub number: Option<u16>,
}

/// A list of ports.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ports<'s>(pub(super) &'s [u8]);

/// What a selector selects of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Only {
    Nothing,
    /// One port, and its number where it has one.
    One(Option<u16>),
    Several,
}

/// Returns whether a text is the one that is asked for; an empty one asks for any.
#[inline(always)]
fn is_text(text: &[u8], asked: &[u8]) -> bool {
    asked.is_empty() || text == asked
}

/// The list of what declares no port: one without number, so that its addresses are answered.
pub(super) const NO_PORTS: &[u8] = &[0, 0, 0, 0, 0];
/// Octets in front of a port's name: how long it is, how long the protocol is, whether there is a
/// number, and the number.
const HEAD: usize = 5;
/// Octets of a name or protocol that are kept: no label that is asked for has more.
const MAX_TEXT: usize = u8::MAX as usize;

impl<'s> Ports<'s> {
    /// Returns the ports of the list.
    pub fn iter(self) -> impl Iterator<Item = Port<'s>> {
        let mut rest = self;
        std::iter::from_fn(move || rest.next())
    }

    /// Returns whether a selector selects any.
    pub fn any(self, selector: &Selector<'_>) -> bool {
        selector.is_any() || self.iter().any(|port| selector.matches(&port))
    }

    /// Returns how many ports a selector selects.
    pub fn count(self, selector: &Selector<'_>) -> usize {
        self.iter().filter(|port| selector.matches(port)).count()
    }

    /// Returns the one port that a selector with a name and a protocol selects.
    #[inline(always)]
    pub(super) fn only(mut self, selector: &Selector<'_>) -> Only {
        let mut only = Only::Nothing;
        while let Some(port) = self.next() {
            let same =
                is_text(port.name, selector.port) && is_text(port.protocol, selector.protocol);
            only = match (same, only) {
                (false, before) => before,
                (true, Only::Nothing) => Only::One(port.number),
                (true, _) => Only::Several,
            };
        }
        only
    }

    /// Returns the numbers of the ports that a selector selects, each once.
    pub fn numbers<'q>(self, selector: &Selector<'q>) -> Numbers<'s, 'q> {
        Numbers {
            all: self,
            rest: self,
            selector: *selector,
        }
    }

    #[inline(always)]
    fn next(&mut self) -> Option<Port<'s>> {
        let (&[name, protocol, has_number, low, high], tail) =
            self.0.split_first_chunk::<HEAD>()?;
        let (name, tail) = tail.split_at_checked(usize::from(name))?;
        let (protocol, tail) = tail.split_at_checked(usize::from(protocol))?;
        self.0 = tail;
        Some(Port {
            name,
            protocol,
            number: (has_number != 0).then(|| u16::from_le_bytes([low, high])),
        })
    }
}

/// The numbers of ports, each once.
#[derive(Clone, Copy)]
pub struct Numbers<'s, 'q> {
    all: Ports<'s>,
    rest: Ports<'s>,
    selector: Selector<'q>,
}

impl Iterator for Numbers<'_, '_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        loop {
            let before = self.rest.0.len();
            let port = self.rest.next()?;
            let Some(number) = port.number.filter(|_| self.selector.matches(&port)) else {
                continue;
            };
            let mut earlier = self.all;
            let is_new = loop {
                if earlier.0.len() <= before {
                    break true;
                }
                match earlier.next() {
                    Some(other) if other.number == port.number && self.selector.matches(&other) => {
                        break false;
                    }
                    _ => {}
                }
            };
            if is_new {
                return Some(number);
            }
        }
    }
}

impl fmt::Debug for Ports<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Appends a port to a list.
pub(super) fn push_port(list: &mut Vec<u8>, name: &str, protocol: &str, number: Option<u16>) {
    let cut = |text: &str| text.len().min(MAX_TEXT);
    let [low, high] = number.unwrap_or_default().to_le_bytes();
    let has_number = u8::from(number.is_some());
    let lengths = [cut(name) as u8, cut(protocol) as u8];
    list.extend([lengths[0], lengths[1], has_number, low, high]);
    for text in [name, protocol] {
        let kept = text.bytes().take(MAX_TEXT);
        list.extend(kept.map(|octet| octet.to_ascii_lowercase()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_holds_what_was_put_in() {
        let long = "x".repeat(300);
        let mut list = Vec::new();
        push_port(&mut list, "HTTP", "TCP", Some(80));
        push_port(&mut list, "", "", None);
        push_port(&mut list, &long, "UDP", Some(u16::MAX));
        push_port(&mut list, "http", "udp", Some(80));
        let ports: Vec<_> = Ports(&list).iter().collect();
        let texts: Vec<_> = ports
            .iter()
            .map(|p| (p.name.len(), p.protocol, p.number))
            .collect();
        assert_eq!(
            texts,
            [
                (4, &b"tcp"[..], Some(80)),
                (0, b"", None),
                (255, b"udp", Some(u16::MAX)),
                (4, b"udp", Some(80)),
            ]
        );
        let numbers = |port, protocol| {
            let selector = Selector { port, protocol };
            Ports(&list).numbers(&selector).collect::<Vec<_>>()
        };
        assert_eq!(numbers(b"", b""), [80, u16::MAX]);
        assert_eq!(numbers(b"http", b""), [80]);
        assert_eq!(numbers(b"", b"udp"), [u16::MAX, 80]);
        assert_eq!(numbers(b"ftp", b""), [0u16; 0]);
        assert!(Ports(NO_PORTS).iter().eq([Port::default()]));
        assert!(Ports(NO_PORTS).any(&Selector::ANY));
    }
}
