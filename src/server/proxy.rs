//! The header of the PROXY protocol, version 2, in front of a datagram's message or a connection's
//! first (haproxy.org, proxy-protocol.txt section 2.2). Not who may send one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What every header begins with. As a message these octets have an opcode other than QUERY, so that
/// none that can be answered is taken for a header.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Octets in front of the addresses.
const FIXED: usize = 16;
/// Octets of a header at most. Addresses have 36, or 216 of local sockets; the rest is for what a
/// proxy adds.
const LONGEST: usize = 4096;

/// What the octets of a peer that sends headers begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Header {
    /// No header.
    Absent,
    /// The start of one.
    Incomplete,
    /// One whose end can't be told.
    Broken,
    /// One of so many octets.
    Whole(usize, Named),
}

/// Whom a header names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// Nobody: the proxy asks for itself, or can't say.
    Nobody,
    /// This client; IPv4-mapped addresses are IPv4.
    Client(IpAddr),
    /// It can't be read.
    Malformed,
}

/// Reads the header that `bytes` begin with, if they do.
pub(super) fn read(bytes: &[u8]) -> Header {
    let known = bytes.len().min(SIGNATURE.len());
    if bytes.get(..known) != SIGNATURE.get(..known) {
        return Header::Absent;
    }
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED>() else {
        return Header::Incomplete;
    };
    let [.., version_command, family, l0, l1] = *fixed;
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    if version_command >> 4 != 2 || FIXED + length > LONGEST {
        return Header::Broken;
    }
    let Some(block) = rest.get(..length) else {
        return Header::Incomplete;
    };
    let named = match version_command & 0xf {
        0 => Named::Nobody,
        1 => source(family, block),
        _ => Named::Malformed,
    };
    Header::Whole(FIXED + length, named)
}

/// Reads the source of the addresses, and checks that they are whole. Streams and datagrams alike: a
/// proxy may have been asked over the one and ask over the other.
fn source(family: u8, block: &[u8]) -> Named {
    let client = match family {
        // Two addresses and two ports.
        0x11 | 0x12 => block
            .first_chunk::<12>()
            .and_then(|b| b.first_chunk::<4>())
            .map(|octets| IpAddr::V4(Ipv4Addr::from(*octets))),
        0x21 | 0x22 => block
            .first_chunk::<36>()
            .and_then(|b| b.first_chunk::<16>())
            .map(|octets| IpAddr::V6(Ipv6Addr::from(*octets))),
        // Not said, and local sockets.
        0x00 | 0x31 | 0x32 => return Named::Nobody,
        _ => None,
    };
    client.map_or(Named::Malformed, |address| {
        Named::Client(address.to_canonical())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(version_command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let length = (block.len() as u16).to_be_bytes();
        [&SIGNATURE[..], &[version_command, family], &length, block].concat()
    }

    const V4: &[u8] = b"\x0a\xf4\x01\x07\x7f\0\0\x01\x10\0\0\x35";

    #[test]
    fn a_header_names_its_source() {
        let v6 = [&[0xfd, 0][..], &[0; 13], &[5], &[0; 20]].concat();
        let mapped = [&[0; 10][..], &[0xff, 0xff, 10, 244, 1, 7], &[0; 20]].concat();
        let client = |text: &str| Named::Client(text.parse().unwrap());
        for (fact, bytes, named) in [
            ("TCP4", header(0x21, 0x11, V4), client("10.244.1.7")),
            ("UDP4", header(0x21, 0x12, V4), client("10.244.1.7")),
            ("TCP6", header(0x21, 0x21, &v6), client("fd00::5")),
            ("UDP6", header(0x21, 0x22, &v6), client("fd00::5")),
            ("mapped", header(0x21, 0x22, &mapped), client("10.244.1.7")),
            (
                "extensions",
                header(0x21, 0x12, &[V4, &[4, 0, 1, 9]].concat()),
                client("10.244.1.7"),
            ),
            ("LOCAL", header(0x20, 0x12, V4), Named::Nobody),
            ("LOCAL, bare", header(0x20, 0, b""), Named::Nobody),
            ("no family", header(0x21, 0, b""), Named::Nobody),
            (
                "a local socket",
                header(0x21, 0x31, &[0; 216]),
                Named::Nobody,
            ),
            ("a command", header(0x22, 0x12, V4), Named::Malformed),
            ("a family", header(0x21, 0x42, V4), Named::Malformed),
            ("a transport", header(0x21, 0x13, V4), Named::Malformed),
            ("cut IPv4", header(0x21, 0x12, &V4[..11]), Named::Malformed),
            ("IPv4 as IPv6", header(0x21, 0x22, V4), Named::Malformed),
        ] {
            let with_query = [&bytes[..], b"query"].concat();
            assert_eq!(
                read(&with_query),
                Header::Whole(bytes.len(), named),
                "{fact}"
            );
            for end in 0..bytes.len() {
                assert_eq!(
                    read(&bytes[..end]),
                    Header::Incomplete,
                    "{fact}, {end} octets"
                );
            }
        }
    }

    #[test]
    fn what_is_no_header_is_told_at_its_first_wrong_octet() {
        let whole = header(0x21, 0x12, V4);
        for at in 0..SIGNATURE.len() {
            let mut wrong = whole.clone();
            wrong[at] ^= 0x20;
            assert_eq!(read(&wrong), Header::Absent, "octet {at}");
            assert_eq!(read(&wrong[..=at]), Header::Absent, "up to octet {at}");
        }
        assert_eq!(read(&header(0x11, 0x12, V4)), Header::Broken, "version 1");
        let long = header(0x21, 0x12, &[0; LONGEST]);
        assert_eq!(read(&long[..FIXED]), Header::Broken);
        let longest = header(0x20, 0, &[0; LONGEST - FIXED]);
        assert_eq!(read(&longest), Header::Whole(LONGEST, Named::Nobody));
    }
}
