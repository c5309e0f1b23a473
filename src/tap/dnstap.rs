//! A dnstap message (github.com/dnstap/dnstap.pb): who asked a server what. Not the frames that it
//! comes in.

use super::Tapped;
use crate::protobuf::{Malformed, fields};
use crate::wire::{Name, NameBuf, QClass, QNameBuffer, Query, RType};
use std::net::IpAddr;

/// `Message.Type`: what a server was asked, by a stub or as the authority. What it answered is told
/// again, and what it asks others is not asked by its clients.
const QUERIES: [i64; 2] = [1, 5];
/// `Dnstap.Type.MESSAGE`.
const MESSAGE: i64 = 1;

/// What a message tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Somebody asked.
    Query(Tapped),
    /// Somebody asked, and it is not said what: the server sends no DNS messages. CoreDNS does where
    /// its `dnstap` says `full`.
    Wordless,
    /// Something else: an answer, a question of another class, or a message that asks nothing.
    Other,
}

/// Reads a message.
///
/// # Errors
/// The bytes are no Protocol Buffers, or not such ones.
pub fn read_message(bytes: &[u8]) -> Result<Told, Malformed> {
    let (mut message, mut kind) = (None, None);
    for field in fields(bytes) {
        let field = field?;
        match field.number {
            14 => message = Some(field.bytes()?),
            15 => kind = Some(field.number()?),
            _ => {}
        }
    }
    let Some(message) = message.filter(|_| kind == Some(MESSAGE)) else {
        return Ok(Told::Other);
    };
    let (mut kind, mut address, mut asked) = (0, &[][..], None);
    for field in fields(message) {
        let field = field?;
        match field.number {
            1 => kind = field.number()?,
            4 => address = field.bytes()?,
            10 => asked = Some(field.bytes()?).filter(|asked| !asked.is_empty()),
            _ => {}
        }
    }
    if !QUERIES.contains(&kind) {
        return Ok(Told::Other);
    }
    let Some(asked) = asked else {
        return Ok(Told::Wordless);
    };
    let tapped = client(address).zip(question(asked));
    Ok(tapped.map_or(Told::Other, |(client, (name, rtype))| {
        Told::Query(Tapped {
            client,
            name,
            rtype,
        })
    }))
}

fn client(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    let any = v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from));
    any.ok().map(|address| address.to_canonical())
}

fn question(message: &[u8]) -> Option<(Name, RType)> {
    let mut buffer = QNameBuffer::default();
    let query = Query::parse(message, &mut buffer).ok()?;
    let mut name = NameBuf::new();
    name.push_wire(query.qname.as_wire()).ok()?;
    (query.qclass == QClass::IN).then(|| (name.to_name(), query.qtype))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::query;

    /// Writes a field: a number, or bytes.
    fn number(field: u8, value: u8) -> Vec<u8> {
        vec![field << 3, value]
    }

    fn bytes(field: u8, value: &[u8]) -> Vec<u8> {
        let length = [value.len() as u8 | 0x80, (value.len() >> 7) as u8];
        [&[field << 3 | 2], &length[..], value].concat()
    }

    fn tap(kind: u8, address: &[u8], asked: Option<&[u8]>) -> Vec<u8> {
        let mut message = [number(1, kind), number(2, 1), bytes(4, address)].concat();
        // A time: eight bytes, and four.
        message.extend([8 << 3, 0x85, 1, 9 << 3 | 5, 0, 0, 0, 0]);
        message.extend(asked.map(|asked| bytes(10, asked)).unwrap_or_default());
        [bytes(1, b"host"), bytes(14, &message), number(15, 1)].concat()
    }

    #[test]
    fn queries_are_told_from_everything_else() {
        let web = query("Web.shop.svc.cluster.local.", RType::SRV);
        let chaos = [&web[..web.len() - 1], &[3]].concat();
        let response = [&web[..2], &[0x80], &web[3..]].concat();
        let asked = |client: &str| {
            Told::Query(Tapped {
                client: client.parse().unwrap(),
                name: "Web.shop.svc.cluster.local.".parse().unwrap(),
                rtype: RType::SRV,
            })
        };
        let v4 = [10, 0, 0, 1];
        let v6 = [&[0xfd][..], &[0; 14], &[7]].concat();
        let mapped = [&[0; 10][..], &[0xff, 0xff], &v4].concat();
        for (what, message, expected) in [
            ("a client's", tap(5, &v4, Some(&web)), asked("10.0.0.1")),
            ("an authority's", tap(1, &v6, Some(&web)), asked("fd00::7")),
            (
                "IPv4 as IPv6",
                tap(5, &mapped, Some(&web)),
                asked("10.0.0.1"),
            ),
            ("without the message", tap(5, &v4, None), Told::Wordless),
            ("with an empty one", tap(5, &v4, Some(b"")), Told::Wordless),
            ("an answer", tap(6, &v4, Some(&web)), Told::Other),
            ("what it asks others", tap(7, &v4, None), Told::Other),
            ("from nobody", tap(5, b"", Some(&web)), Told::Other),
            ("from no address", tap(5, b"12345", Some(&web)), Told::Other),
            ("another class", tap(5, &v4, Some(&chaos)), Told::Other),
            ("a response", tap(5, &v4, Some(&response)), Told::Other),
            ("no message", tap(5, &v4, Some(&web[..20])), Told::Other),
            ("nothing", Vec::new(), Told::Other),
            ("no type", bytes(14, b""), Told::Other),
        ] {
            assert_eq!(read_message(&message), Ok(expected), "{what}");
        }
    }

    #[test]
    fn a_message_that_is_cut_off_is_none() {
        let web = query("web.shop.svc.cluster.local.", RType::A);
        let whole = tap(5, &[10, 0, 0, 1], Some(&web));
        for end in 0..whole.len() {
            let told = read_message(&whole[..end]);
            assert!(!matches!(told, Ok(Told::Query(_))), "{end}");
        }
        // A length that is longer than any memory, a group, a string where a number should be.
        for wrong in [
            &b"\x72\xff\xff\xff\xff\xff\xff\xff\xff\x7f"[..],
            b"\x73",
            b"\x7a\x01\x01",
            b"\x72\x02\x0a\x00\x78\x01",
        ] {
            assert!(read_message(wrong).is_err(), "{wrong:?}");
        }
    }
}
