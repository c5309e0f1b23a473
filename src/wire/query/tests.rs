//! Messages that are read, and messages that are refused, by the reply they lead to.

use super::*;

const QUESTION: &[u8] = b"\x03Web\x04shop\0\0\x01\0\x01";

fn message(flags: u16, counts: [u16; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34];
    bytes.extend(flags.to_be_bytes());
    counts.iter().for_each(|c| bytes.extend(c.to_be_bytes()));
    bytes.extend(body);
    bytes
}

/// Returns how many labels a name has, where it is one.
fn count(name: &[u8]) -> Option<usize> {
    let mut buffer = QNameBuffer::default();
    QName::parse(name, &mut buffer).map(|(qname, _)| qname.label_count())
}

fn opt(owner: &[u8], options: &[u8]) -> Vec<u8> {
    let mut bytes = owner.to_vec();
    bytes.extend([0, 41, 4, 0xd0, 0, 0, 0x80, 0]);
    bytes.extend((options.len() as u16).to_be_bytes());
    bytes.extend(options);
    bytes
}

#[test]
fn a_query_is_read_with_its_spelling_and_in_lower_case() {
    let bytes = message(0x0110, [1, 0, 0, 1], &[QUESTION, &opt(b"\0", b"")].concat());
    let mut buffer = QNameBuffer::default();
    let query = Query::parse(&bytes, &mut buffer).expect("well-formed");
    assert_eq!(query.qname.as_wire(), b"\x03Web\x04shop\0");
    assert_eq!(query.qname.lower(), b"\x03web\x04shop\0");
    assert_eq!(query.qname.label(0), Some(&b"web"[..]));
    assert_eq!(query.qname.label(1), Some(&b"shop"[..]));
    assert_eq!(query.qname.label(2), None);
    assert_eq!(query.qname.suffix_offset(1), Some(4));
    assert_eq!((query.qtype, query.qclass), (RType::A, QClass::IN));
    let edns = query.edns.expect("OPT");
    assert_eq!(
        (edns.payload_size, edns.version, edns.dnssec_ok),
        (1232, 0, true)
    );
}

#[test]
fn names_end_where_rfc_1035_says() {
    let label63 = [&[63u8][..], &[b'a'; 63]].concat();
    let long = |last: usize| {
        let mut name = label63.repeat(3);
        name.push(last as u8);
        name.extend(vec![b'a'; last]);
        name.push(0);
        name
    };
    assert!(count(&long(61)).is_some(), "255 octets");
    assert!(count(&long(62)).is_none(), "256 octets");
    let labels = |n: usize| [b"\x01a".repeat(n), vec![0]].concat();
    assert_eq!(count(&labels(127)), Some(127));
    assert!(count(&labels(128)).is_none(), "128 labels");
    for bad in [
        &b"\xc0\x0c"[..],
        b"\x41a\0",
        b"\x81a\0",
        b"\x3fabc",
        b"\x03web",
        b"",
    ] {
        assert!(count(bad).is_none(), "{bad:?}");
    }
}

#[test]
fn malformed_messages_say_how_to_reply() {
    #[derive(Debug, PartialEq)]
    enum Reply {
        None,
        NotImp,
        Bare,
        WithQuestion { opt: bool },
        Answer,
    }
    let check = |name: &str, bytes: Vec<u8>, expected: Reply| {
        let mut buffer = QNameBuffer::default();
        let reply = match Query::parse(&bytes, &mut buffer) {
            Ok(_) => Reply::Answer,
            Err(QueryError::Short | QueryError::Response) => Reply::None,
            Err(QueryError::Opcode(_)) => Reply::NotImp,
            Err(QueryError::Question(_)) => Reply::Bare,
            Err(QueryError::Records { opt, .. }) => Reply::WithQuestion { opt },
        };
        assert_eq!(reply, expected, "{name}");
    };
    let q = |counts, tail: &[u8]| message(0, counts, &[QUESTION, tail].concat());
    let a_record = b"\xc0\x0c\0\x01\0\x01\0\0\0\x01\0\x04\x01\x02\x03\x04";
    check("empty", vec![], Reply::None);
    check("11 octets", vec![0; 11], Reply::None);
    check(
        "response",
        message(0x8000, [1, 0, 0, 0], QUESTION),
        Reply::None,
    );
    check(
        "response, unreadable",
        message(0x8180, [1, 0, 0, 0], &[0xff; 20]),
        Reply::None,
    );
    check(
        "NOTIFY",
        message(0x2000, [1, 0, 0, 0], QUESTION),
        Reply::NotImp,
    );
    check(
        "opcode 15, unreadable",
        message(0x7800, [9, 9, 9, 9], b""),
        Reply::NotImp,
    );
    check("no question", message(0, [0; 4], b""), Reply::Bare);
    check("two questions", q([2, 0, 0, 0], QUESTION), Reply::Bare);
    check(
        "a question less than counted",
        message(0, [1, 0, 0, 0], b""),
        Reply::Bare,
    );
    check(
        "class missing",
        message(0, [1, 0, 0, 0], b"\x01a\0\0\x01\0"),
        Reply::Bare,
    );
    check(
        "pointer in the question",
        message(0, [1, 0, 0, 0], b"\xc0\x0c\0\x01\0\x01"),
        Reply::Bare,
    );
    check(
        "answers missing",
        q([1, 65535, 0, 0], b""),
        Reply::WithQuestion { opt: false },
    );
    check(
        "additionals missing",
        q([1, 0, 0, 65535], b""),
        Reply::WithQuestion { opt: false },
    );
    check(
        "an answer in the query",
        q([1, 1, 0, 0], a_record),
        Reply::Answer,
    );
    check(
        "octets behind the message",
        q([1, 0, 0, 0], b"\xde\xad"),
        Reply::Answer,
    );
    let two = [opt(b"\0", b""), opt(b"\0", b"")].concat();
    check(
        "two OPT",
        q([1, 0, 0, 2], &two),
        Reply::WithQuestion { opt: false },
    );
    let owned = opt(b"\x01a\0", b"");
    check(
        "OPT below the root",
        q([1, 0, 0, 1], &owned),
        Reply::WithQuestion { opt: false },
    );
    check(
        "OPT as answer",
        q([1, 1, 0, 0], &opt(b"\0", b"")),
        Reply::WithQuestion { opt: false },
    );
    let cut = opt(b"\0", b"\0\x0a\0\x32abc");
    check(
        "option past the end",
        q([1, 0, 0, 1], &cut),
        Reply::WithQuestion { opt: true },
    );
    for (len, expected) in [
        (7usize, Reply::WithQuestion { opt: true }),
        (8, Reply::Answer),
        (12, Reply::WithQuestion { opt: true }),
        (16, Reply::Answer),
        (40, Reply::Answer),
        (41, Reply::WithQuestion { opt: true }),
    ] {
        let mut cookie = vec![0, 10, 0, len as u8];
        cookie.extend(vec![b'c'; len]);
        check(
            &format!("cookie of {len}"),
            q([1, 0, 0, 1], &opt(b"\0", &cookie)),
            expected,
        );
    }
    let many = opt(b"\0", &[0xfd, 0xe9, 0, 0].repeat(300));
    check("300 options", q([1, 0, 0, 1], &many), Reply::Answer);
    let tsig = |other_len: u16| {
        let mut rdata = b"\x01a\0".to_vec();
        rdata.extend([0; 6]);
        rdata.extend([0, 1, 0, 2, 9, 9, 0x12, 0x34, 0, 0]);
        rdata.extend(other_len.to_be_bytes());
        let mut record = b"\x01k\0\0\xfa\0\xff\0\0\0\0".to_vec();
        record.extend((rdata.len() as u16).to_be_bytes());
        record.extend(rdata);
        record
    };
    check("TSIG", q([1, 0, 0, 1], &tsig(0)), Reply::Answer);
    let short = tsig(65535);
    check(
        "TSIG past the end",
        q([1, 0, 0, 1], &short),
        Reply::WithQuestion { opt: false },
    );
}
