//! What an EDNS option may say of the client that a query is forwarded for. Not whom to believe.

use super::edns::Edns;
use super::name::MAX_LABEL;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Option code of the client subnet (RFC 7871).
pub const OPTION_ECS: u16 = 8;

/// A value that can't be what it should be, or more than one of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadClaim;

/// Returns the address that the option `code` names, IPv4-mapped ones as IPv4; `None` where the
/// option is absent.
///
/// Its value is 4 or 16 octets, as CoreDNS's `rewrite edns0 local` writes `{client_ip}`, or the
/// address as text, as it writes metadata. Sixteen octets that spell an IPv6 address are that text:
/// read as octets they would be an address in a block that nobody has been given.
///
/// # Errors
/// The option is there twice, or its value is none of these.
pub fn claimed_address(edns: &Edns<'_>, code: u16) -> Result<Option<IpAddr>, BadClaim> {
    let Some(value) = edns.sole(code)? else {
        return Ok(None);
    };
    let address = match value.len() {
        4 => octets(value),
        16 => spelled(value).or_else(|| octets(value)),
        _ => spelled(value),
    };
    Ok(Some(address.ok_or(BadClaim)?.to_canonical()))
}

/// Returns the namespace that the option `code` names, as CoreDNS's `rewrite edns0 local` writes
/// `{kubernetes/client-namespace}`; `None` where the option is absent.
///
/// # Errors
/// The option is there twice, or its value is no name of a namespace.
pub fn claimed_namespace<'a>(edns: &Edns<'a>, code: u16) -> Result<Option<&'a [u8]>, BadClaim> {
    let Some(value) = edns.sole(code)? else {
        return Ok(None);
    };
    let legal = |octet: &u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || *octet == b'-';
    let is_name = (1..=MAX_LABEL).contains(&value.len()) && value.iter().all(legal);
    if is_name && !value.starts_with(b"-") && !value.ends_with(b"-") {
        Ok(Some(value))
    } else {
        Err(BadClaim)
    }
}

/// Returns the address that the client subnet names; `None` where there is none, or where it is a
/// range of addresses, which is nobody.
///
/// # Errors
/// The option is there twice, or is malformed by RFC 7871 section 6.
pub fn claimed_subnet(edns: &Edns<'_>) -> Result<Option<IpAddr>, BadClaim> {
    let Some(value) = edns.sole(OPTION_ECS)? else {
        return Ok(None);
    };
    let (head, octets) = value.split_first_chunk::<4>().ok_or(BadClaim)?;
    let [f0, f1, source, scope] = *head;
    let source = usize::from(source);
    let width = match u16::from_be_bytes([f0, f1]) {
        1 => 32,
        2 => 128,
        // The form of those who want to tell nothing.
        0 => 0,
        _ => return Err(BadClaim),
    };
    let spare = octets.len() * 8 - source.min(octets.len() * 8);
    let padding = octets
        .last()
        .is_some_and(|last| last & low_bits(spare) != 0);
    // SCOPE is a server's to set.
    if source > width || octets.len() != source.div_ceil(8) || scope != 0 || padding {
        return Err(BadClaim);
    }
    if source < width || width == 0 {
        return Ok(None);
    }
    let address = self::octets(octets).ok_or(BadClaim)?;
    Ok(Some(address.to_canonical()))
}

/// Returns a mask of the lowest `count` bits of an octet, of which there are at most seven.
fn low_bits(count: usize) -> u8 {
    (1u8 << count.min(7)) - 1
}

fn octets(value: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(value).map(|o| IpAddr::V4(Ipv4Addr::from(o)));
    let v6 = <[u8; 16]>::try_from(value).map(|o| IpAddr::V6(Ipv6Addr::from(o)));
    v4.or(v6).ok()
}

fn spelled(value: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::{QNameBuffer, Query};
    use super::*;

    /// Reads options of a query with `read`.
    fn with<T>(options: &[(u16, &[u8])], read: impl Fn(&Edns<'_>) -> T) -> T {
        let mut rdata = Vec::new();
        for (code, value) in options {
            rdata.extend(code.to_be_bytes());
            rdata.extend((value.len() as u16).to_be_bytes());
            rdata.extend(*value);
        }
        let mut query =
            b"\0\x01\x01\0\0\x01\0\0\0\0\0\x01\0\0\x01\0\x01\0\0\x29\x10\0\0\0\0\0".to_vec();
        query.extend((rdata.len() as u16).to_be_bytes());
        query.extend(rdata);
        let mut buffer = QNameBuffer::default();
        read(&Query::parse(&query, &mut buffer).unwrap().edns.unwrap())
    }

    const CODE: u16 = 65_001;

    fn ok(address: &str) -> Result<Option<IpAddr>, BadClaim> {
        Ok(Some(address.parse().unwrap()))
    }

    #[test]
    fn an_address_is_its_octets_or_its_text() {
        let mapped = b"\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\xf4\x01\x07";
        let v6 = b"\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05";
        for (value, expected) in [
            (&b"\x0a\xf4\x01\x07"[..], ok("10.244.1.7")),
            (v6, ok("fd00::5")),
            (mapped, ok("10.244.1.7")),
            (b"10.244.1.7", ok("10.244.1.7")),
            (b"1.1.1.1", ok("1.1.1.1")),
            (b"255.255.255.255", ok("255.255.255.255")),
            (b"fd00::5", ok("fd00::5")),
            (b"::ffff:10.244.1.7", ok("10.244.1.7")),
            // Sixteen characters.
            (b"fd00:10:244::1:5", ok("fd00:10:244::1:5")),
            // Four of them are octets, whatever they spell.
            (b"fd::", ok("102.100.58.58")),
            (b"", Err(BadClaim)),
            (b"\x0a", Err(BadClaim)),
            (b"\x0a\xf4\x01", Err(BadClaim)),
            (b"\x0a\xf4\x01\x07\x00", Err(BadClaim)),
            (b"10.244.1.7\0", Err(BadClaim)),
            (b" 10.244.1.7", Err(BadClaim)),
            (b"10.244.1.7:53", Err(BadClaim)),
            (b"10.244.1.0/24", Err(BadClaim)),
            (b"fe80::1%eth0", Err(BadClaim)),
            (b"0x0af40107", Err(BadClaim)),
            (b"kube-system", Err(BadClaim)),
        ] {
            let read = with(&[(CODE, value)], |edns| claimed_address(edns, CODE));
            assert_eq!(read, expected, "{value:02x?}");
        }
    }

    #[test]
    fn an_option_is_read_once_or_not_at_all() {
        let one = (CODE, &b"\x0a\xf4\x01\x07"[..]);
        let other = (12, &b"\0\0"[..]);
        let read = |options: &[_]| with(options, |edns| claimed_address(edns, CODE));
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[other]), Ok(None));
        assert_eq!(read(&[other, one, other]), ok("10.244.1.7"));
        assert_eq!(read(&[one, one]), Err(BadClaim));
        assert_eq!(read(&[one, other, (CODE, b"")]), Err(BadClaim));
        // Options behind the 64th count as well: a forwarder appends its own behind its client's.
        let mut many = vec![other; 100];
        many.push(one);
        assert_eq!(read(&many), ok("10.244.1.7"));
        many.insert(0, one);
        assert_eq!(read(&many), Err(BadClaim));
    }

    #[test]
    fn a_namespace_is_its_name() {
        let long = [b'a'; 64];
        for (value, expected) in [
            (&b"shop"[..], Ok(Some(&b"shop"[..]))),
            (b"team-1", Ok(Some(b"team-1"))),
            (&long[..63], Ok(Some(&long[..63]))),
            (&long, Err(BadClaim)),
            (b"", Err(BadClaim)),
            (b"-a", Err(BadClaim)),
            (b"a-", Err(BadClaim)),
            (b"Shop", Err(BadClaim)),
            (b"a.b", Err(BadClaim)),
            (b"\x0a\xf4\x01\x07", Err(BadClaim)),
        ] {
            let options = [(CODE, value)];
            with(&options, |edns| {
                assert_eq!(claimed_namespace(edns, CODE), expected, "{value:02x?}");
            });
        }
        let twice = [(CODE, &b"shop"[..]); 2];
        with(&twice, |edns| {
            assert_eq!(claimed_namespace(edns, CODE), Err(BadClaim));
        });
    }

    #[test]
    fn a_subnet_names_an_address_where_it_is_one() {
        let v6 = b"\0\x02\x80\0\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05";
        let mapped = b"\0\x02\x80\0\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\xf4\x01\x07";
        for (value, expected) in [
            (&b"\0\x01\x20\0\x0a\xf4\x01\x07"[..], ok("10.244.1.7")),
            (v6, ok("fd00::5")),
            (mapped, ok("10.244.1.7")),
            (b"\0\x01\x18\0\x0a\xf4\x01", Ok(None)),
            (b"\0\x01\x1f\0\x0a\xf4\x01\x06", Ok(None)),
            (b"\0\x01\0\0", Ok(None)),
            (b"\0\x02\x38\0\xfd\0\0\0\0\0\0", Ok(None)),
            (b"\0\0\0\0", Ok(None)),
            // Malformed: cut, too long, odd family, prefix, scope or padding.
            (b"", Err(BadClaim)),
            (b"\0\x01\x20", Err(BadClaim)),
            (b"\0\x01\x20\0\x0a\xf4\x01", Err(BadClaim)),
            (b"\0\x01\x20\0\x0a\xf4\x01\x07\0", Err(BadClaim)),
            (b"\0\x01\x21\0\x0a\xf4\x01\x07\0", Err(BadClaim)),
            (b"\0\x01\x18\0\x0a\xf4\x01\x07", Err(BadClaim)),
            (b"\0\x01\x1f\0\x0a\xf4\x01\x07", Err(BadClaim)),
            (b"\0\x01\x20\x20\x0a\xf4\x01\x07", Err(BadClaim)),
            (b"\0\x03\x20\0\x0a\xf4\x01\x07", Err(BadClaim)),
            (b"\0\0\x08\0\x0a", Err(BadClaim)),
            (b"\0\x02\x20\0\x0a\xf4\x01\x07", Ok(None)),
        ] {
            let read = with(&[(OPTION_ECS, value)], claimed_subnet);
            assert_eq!(read, expected, "{value:02x?}");
        }
        let twice = [(OPTION_ECS, &b"\0\x01\x20\0\x0a\xf4\x01\x07"[..]); 2];
        assert_eq!(with(&twice, claimed_subnet), Err(BadClaim));
        assert_eq!(with(&[], claimed_subnet), Ok(None));
    }
}
