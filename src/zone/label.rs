//! Labels that spell addresses, dashes for dots and colons: the names of endpoints that have no
//! other, and of pods.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The label of an endpoint that is named after its address, in wire form, on the stack: names are
/// spelled when they are asked for, not kept.
#[derive(Clone, Copy)]
pub struct AddressLabel {
    /// Octets of the label, its length in front not counted.
    len: u8,
    octets: [u8; ROOM],
}

impl Default for AddressLabel {
    fn default() -> Self {
        Self {
            len: 0,
            octets: [0; ROOM],
        }
    }
}

/// Octets of a label at most, which are 39 characters of an IPv6 address, a `0` behind it, and the
/// length in front; and some that text is written into that does not stay.
const ROOM: usize = AddressLabel::MAX + 3;

/// Of each octet: the length of its decimal text with a dash behind it, and that text.
static DECIMAL: [[u8; 5]; 256] = {
    let mut table = [[0; 5]; 256];
    let mut n = 0;
    while n < 256 {
        let [a, b, c] = [
            b'0' + (n / 100) as u8,
            b'0' + (n / 10 % 10) as u8,
            b'0' + (n % 10) as u8,
        ];
        table[n] = match n {
            0..10 => [2, c, b'-', 0, 0],
            10..100 => [3, b, c, b'-', 0],
            _ => [4, a, b, c, b'-'],
        };
        n += 1;
    }
    table
};

impl AddressLabel {
    /// Octets of a label in wire form at most.
    pub const MAX: usize = 41;

    /// Returns the label of an address.
    pub fn of(address: IpAddr) -> Self {
        let mut label = Self::default();
        label.spell(address);
        label
    }

    /// Makes this the label of an address, and returns it in wire form. CoreDNS puts a `0` behind a
    /// dash at the end, because a label may not end in one.
    pub fn spell(&mut self, address: IpAddr) -> &[u8] {
        self.push_text(address);
        if self.text().last() == Some(&b'-') {
            self.push(b'0');
        }
        if let Some(first) = self.octets.first_mut() {
            *first = self.len;
        }
        self.as_wire()
    }

    /// Returns how many octets the label of an address has in wire form.
    pub fn len_of(address: IpAddr) -> usize {
        match address {
            IpAddr::V4(v4) => {
                let octets = v4.octets().into_iter();
                octets
                    .map(|octet| usize::from(DECIMAL[usize::from(octet)][0]))
                    .sum()
            }
            IpAddr::V6(_) => Self::of(address).as_wire().len(),
        }
    }

    /// Returns the label in wire form.
    pub fn as_wire(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len) + 1).unwrap_or(&[])
    }

    /// Makes this the text of an address, dashes for dots and colons.
    fn push_text(&mut self, address: IpAddr) {
        self.len = 0;
        match address {
            IpAddr::V4(v4) => self.push_v4(v4),
            IpAddr::V6(v6) => self.push_v6(v6),
        }
    }

    fn text(&self) -> &[u8] {
        self.as_wire().get(1..).unwrap_or(&[])
    }

    fn push(&mut self, octet: u8) {
        self.len += 1;
        if let Some(place) = self.octets.get_mut(usize::from(self.len)) {
            *place = octet;
        }
    }

    fn push_v4(&mut self, address: Ipv4Addr) {
        for octet in address.octets() {
            let [len, digits @ ..] = DECIMAL[usize::from(octet)];
            let at = usize::from(self.len) + 1;
            if let Some(room) = self.octets.get_mut(at..at + 4) {
                // What is behind the dash is written over by the next.
                room.copy_from_slice(&digits);
            }
            self.len += len;
        }
        self.len -= 1;
    }

    /// As RFC 5952 says: lower case, no leading zeros, the first of the longest runs of zeros cut.
    fn push_v6(&mut self, address: Ipv6Addr) {
        if let Some(v4) = address.to_ipv4_mapped() {
            b"--ffff-".iter().for_each(|octet| self.push(*octet));
            return self.push_v4(v4);
        }
        let segments = address.segments();
        let (mut start, mut run, mut zeros) = (0, 0, 0);
        for (n, segment) in segments.iter().enumerate() {
            zeros = if *segment == 0 { zeros + 1 } else { 0 };
            if zeros > run {
                (start, run) = (n + 1 - zeros, zeros);
            }
        }
        if run < 2 {
            return self.push_segments(&segments);
        }
        self.push_segments(segments.get(..start).unwrap_or(&[]));
        b"--".iter().for_each(|octet| self.push(*octet));
        self.push_segments(segments.get(start + run..).unwrap_or(&[]));
    }

    fn push_segments(&mut self, segments: &[u16]) {
        for (n, segment) in segments.iter().enumerate() {
            if n > 0 {
                self.push(b'-');
            }
            self.push_hex(*segment);
        }
    }

    fn push_hex(&mut self, segment: u16) {
        let digits = (16 - segment.leading_zeros()).div_ceil(4).max(1);
        for n in (0..digits).rev() {
            let digit = (segment >> (4 * n) & 15) as u8;
            self.push(if digit < 10 {
                b'0' + digit
            } else {
                b'a' + digit - 10
            });
        }
    }
}

/// Returns the address whose endpoint has this label (lower case).
pub(super) fn named_address(label: &[u8]) -> Option<IpAddr> {
    // What four decimal numbers spell, they spell as the label would.
    if let Some(v4) = spelled_v4(label) {
        return Some(v4.into());
    }
    // `1--` ends in a dash, so its label is `1--0`, which spells the same address.
    let address = spelled_v6(label)?.into();
    (AddressLabel::of(address).text() == label).then_some(address)
}

/// Returns the address that a pod's label spells: with three dashes and no two in a row they stand
/// for dots, else for colons.
pub(super) fn spelled_address(label: &[u8]) -> Option<IpAddr> {
    let dashes = label.iter().filter(|&&b| b == b'-').count();
    let doubled = label.windows(2).any(|pair| pair == b"--");
    if dashes == 3 && !doubled {
        spelled_v4(label).map(IpAddr::V4)
    } else {
        spelled_v6(label).map(IpAddr::V6)
    }
}

fn spelled_v4(label: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0u8; 4];
    let mut parts = label.split(|octet| *octet == b'-');
    for octet in &mut octets {
        let part = parts.next()?;
        let canonical = part.len() == 1 || part.first() != Some(&b'0');
        let digits = (1..=3).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
        (canonical && digits).then_some(())?;
        let digit = |value: u16, digit: &u8| value * 10 + u16::from(digit - b'0');
        *octet = u8::try_from(part.iter().fold(0, digit)).ok()?;
    }
    parts.next().is_none().then_some(octets.into())
}

fn spelled_v6(label: &[u8]) -> Option<Ipv6Addr> {
    // Dots are not dashes, though an IPv6 address may have some.
    if label.contains(&b'.') {
        return None;
    }
    let mut text = [0u8; 63];
    let text = text.get_mut(..label.len())?;
    for (to, &from) in text.iter_mut().zip(label) {
        *to = if from == b'-' { b':' } else { from };
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Returns whether the label is the canonical text of the address: CoreDNS compares text.
pub(super) fn spells_canonically(label: &[u8], address: IpAddr) -> bool {
    let mut spelled = AddressLabel::default();
    spelled.push_text(address);
    spelled.text() == label
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of addresses, as the standard library and so Go write them.
    const ADDRESSES: &str = "0.0.0.0 1.2.3.4 10.244.1.7 100.20.3.255 255.255.255.255 :: ::1 1:: \
        fd00:96::1 fd00::96:0:0:1 fd00:0:0:96:0:0:0:1 1:2:3:4:5:6:7:8 0:2:3:4:5:6:7:8 \
        1:2:3:4:5:6:7:0 1:0:3:4:5:6:7:8 ::2:3:4:5:6:7 2:3:4:5:6:7:: ::ffff:1.2.3.4 \
        ::ffff:1:2:3:4 64:ff9b::a00:1 abcd:ef01:2345:6789:abcd:ef01:2345:6789";

    #[test]
    fn labels_are_the_text_of_the_address() {
        let mut random = 1u64;
        let mut next = || {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            random >> 33
        };
        let listed = ADDRESSES
            .split_whitespace()
            .map(|text| text.parse().unwrap());
        let mut all: Vec<IpAddr> = listed.collect();
        for _ in 0..2_000 {
            all.push(Ipv4Addr::from(next() as u32).into());
            let sparse = |_| if next() % 2 == 0 { 0 } else { next() as u16 };
            all.push(IpAddr::from([0; 8].map(sparse)));
        }
        for address in all {
            let text = address.to_string().replace(['.', ':'], "-");
            let label = AddressLabel::of(address);
            let end = if text.ends_with('-') { "0" } else { "" };
            assert_eq!(label.text(), format!("{text}{end}").as_bytes());
            assert_eq!(usize::from(label.as_wire()[0]), label.as_wire().len() - 1);
            assert_eq!(AddressLabel::len_of(address), label.as_wire().len());
            assert!(spells_canonically(text.as_bytes(), address), "{address}");
            let mapped = matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
            // `::ffff:1.2.3.4` and `::ffff:1:2:3:4` have one label.
            let named = named_address(label.text());
            assert_eq!(named == Some(address), !mapped, "{address}");
        }
    }

    #[test]
    fn other_spellings_name_no_endpoint() {
        for label in [
            "",
            "-",
            "--",
            "1-2-3",
            "1-2-3-4-5",
            "01-2-3-4",
            "1-2-3-256",
            "1-2-3-",
            "1.2.3.4",
            "1-0-0--1",
            "1-0--1--0",
            "1--",
            "--ffff-1.2.3.4",
            "00--1",
            "fd00--A",
            "a-b-c-d",
            "x--1",
        ] {
            assert_eq!(named_address(label.as_bytes()), None, "{label}");
        }
    }
}
