//! What has the usual form, and what has not. That both ways write the same is a property of
//! tests/it/noninterference.rs.

use super::*;
use crate::testing;
use crate::wire::{QNameBuffer, Query, ResponseBuilder};

fn plain(message: &[u8]) -> Option<(RType, usize, bool)> {
    let query = PlainQuery::parse(message)?;
    Some((query.qtype, query.udp_limit, query.dnssec_ok))
}

#[test]
fn a_query_of_the_usual_form_is_read_as_the_other_reader_reads_it() {
    for (payload, dnssec_ok) in [
        (None, false),
        (Some(4096), false),
        (Some(0), true),
        (Some(700), true),
    ] {
        let mut message = match payload {
            None => testing::query("web.shop.svc.cluster.local", RType::SRV),
            Some(size) => testing::query_edns("web.shop.svc.cluster.local", RType::SRV, size),
        };
        if dnssec_ok {
            let flags = message.len() - 4;
            message[flags] = 0x80;
        }
        let mut buffer = QNameBuffer::default();
        let query = Query::parse(&message, &mut buffer).unwrap();
        let limit = ResponseBuilder::udp_limit(&query);
        assert_eq!(query.edns.is_some_and(|edns| edns.dnssec_ok), dnssec_ok);
        let expected = Some((RType::SRV, limit, dnssec_ok));
        assert_eq!(plain(&message), expected, "{payload:?}");
    }
}

#[test]
fn what_is_unusual_is_left() {
    let usual = testing::query_edns("web.shop", RType::A, 1232);
    assert!(plain(&usual).is_some());
    let with = |at: usize, octet: u8| {
        let mut message = usual.clone();
        message[at] = octet;
        message
    };
    let end = usual.len();
    for (fact, message) in [
        ("a response", with(2, 0x80)),
        ("another opcode", with(2, 0x28)),
        ("two questions", with(5, 2)),
        ("an answer", with(7, 1)),
        ("an authority", with(9, 1)),
        ("two additional records", with(11, 2)),
        ("an OPT that is not counted", with(11, 0)),
        ("class CH", with(end - 12, 3)),
        ("an OPT below a name", with(end - 11, 1)),
        ("another additional record", with(end - 9, 1)),
        ("an extended code", with(end - 6, 1)),
        ("an EDNS version", with(end - 5, 1)),
        ("unknown EDNS flags", with(end - 4, 0x40)),
        ("options", with(end - 1, 4)),
        ("an octet too many", [&usual[..], &[0]].concat()),
        ("an octet too few", usual[..end - 1].to_vec()),
        ("a header alone", usual[..12].to_vec()),
        ("less", usual[..11].to_vec()),
    ] {
        let left = PlainQuery::parse(&message).is_none_or(|query| {
            // What looks like a question but isn't has no row of labels in front of its end.
            !matches!(Front::of(query.qname, b"\0"), Some(Some(_)))
        });
        assert!(left, "{fact}");
    }
}

#[test]
fn labels_in_front_of_a_suffix() {
    let suffix = b"\x03svc\x05local\0";
    for (name, expected) in [
        (
            &b"\x03web\x04shop\x03svc\x05local\0"[..],
            Some(Some((2, Some([["web", "shop"]; 2]), Some("shop"), Some(0)))),
        ),
        (b"\x03svc\x05local\0", Some(Some((0, None, None, None)))),
        (
            b"\x01a\x03svc\x05local\0",
            Some(Some((1, None, Some("a"), None))),
        ),
        (b"\x05local\0", None),
        (b"\x03svc\x05locaL\0", None),
        // The suffix is the end of a label.
        (b"\x0b\x03svc\x05local\0", Some(None)),
        (b"\x02a\x03svc\x05local\0", Some(None)),
        (b"\x00\x03svc\x05local\0", Some(None)),
        (b"\xc0\x0c\x03svc\x05local\0", Some(None)),
        (
            b"\x01a\x02bc\x01d\x03efg\x01h\x03svc\x05local\0",
            Some(Some((
                5,
                Some([["a", "bc"], ["efg", "h"]]),
                Some("h"),
                Some(7),
            ))),
        ),
    ] {
        let front = Front::of(name, suffix).map(|front| {
            front.map(|front| {
                let text = |label| str::from_utf8(label).unwrap();
                let both = front.first_labels().zip(front.last_labels());
                let both = both.map(|(first, last)| [first.map(text), last.map(text)]);
                if let Some((two, at)) = front.last_two() {
                    assert_eq!([&front.as_wire()[..at], two].concat(), front.as_wire());
                }
                let at = front.last_two().map(|(_, at)| at);
                (front.count(), both, front.last_label().map(text), at)
            })
        });
        assert_eq!(front, expected, "{}", name.escape_ascii());
    }
}

#[test]
fn octets_are_the_same_where_each_of_them_is() {
    let octets: Vec<u8> = (0..40).collect();
    for len in 0..octets.len() {
        let same = &octets[..len];
        let copy = same.to_vec();
        assert!(is_equal(same, &copy), "{len}");
        for at in 0..len {
            let mut other = same.to_vec();
            other[at] ^= 1;
            assert!(!is_equal(same, &other), "{len} {at}");
        }
        assert!(!is_equal(same, &octets[..len + 1]), "{len}");
    }
}
