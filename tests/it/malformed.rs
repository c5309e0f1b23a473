//! Messages that are malformed or unusual, each with every octet of the reply it must get. What is
//! wrong is said before any name is looked at, and never with more octets than were sent.

use std::net::IpAddr;
use tenantdns::answer::{DropReason, Outcome, Transport, respond};
use tenantdns::testing::{Cluster, ask, objects, query, request};
use tenantdns::wire::{RType, Rcode};

const ID: u16 = 0x1234;
const QR: u16 = 0x8000;
const AA: u16 = 0x0400;
const RD: u16 = 0x0100;
const CD: u16 = 0x0010;

/// The pod that asks.
const CLIENT: &str = "10.244.0.7";

/// What a message must be answered.
enum Expected {
    Dropped(DropReason),
    /// NOTIMP: a header with ID, QR and the opcode, nothing else.
    NotImp,
    /// FORMERR: a header with ID and QR, nothing else.
    Bare,
    /// FORMERR with this question.
    Question(Vec<u8>),
    /// FORMERR with this question and OPT.
    QuestionAndOpt(Vec<u8>),
    /// This response code and question, no flag but QR; OPT where the query has it.
    Error(Rcode, Vec<u8>),
    /// The address of the service, with this question.
    Address(Vec<u8>),
    /// As `Address`, with these flags of the query kept.
    AddressKeeping(Vec<u8>, u16),
    /// NOERROR or NXDOMAIN, and the SOA of the zone that starts at this offset of the question.
    Negative(Rcode, Vec<u8>, usize),
}

struct Vector {
    name: &'static str,
    bytes: Vec<u8>,
    expected: Expected,
}

// === building messages ===

fn header(flags: u16, counts: [u16; 4]) -> Vec<u8> {
    let words = [[ID, flags].as_slice(), &counts].concat();
    words.into_iter().flat_map(u16::to_be_bytes).collect()
}

fn name(text: &str) -> Vec<u8> {
    text.parse::<tenantdns::wire::Name>()
        .unwrap()
        .as_wire()
        .to_vec()
}

fn question(name: &[u8], rtype: u16, class: u16) -> Vec<u8> {
    [name, &rtype.to_be_bytes(), &class.to_be_bytes()].concat()
}

fn record(owner: &[u8], rtype: u16, class: u16, ttl: u32, rdata: &[u8]) -> Vec<u8> {
    let mut bytes = question(owner, rtype, class);
    bytes.extend(ttl.to_be_bytes());
    bytes.extend((rdata.len() as u16).to_be_bytes());
    bytes.extend(rdata);
    bytes
}

fn opt(size: u16, version: u8, options: &[u8]) -> Vec<u8> {
    record(&[0], 41, size, u32::from(version) << 16, options)
}

fn option(code: u16, value: &[u8]) -> Vec<u8> {
    [
        &code.to_be_bytes(),
        &(value.len() as u16).to_be_bytes(),
        value,
    ]
    .concat()
}

fn tsig(rdata: &[u8]) -> Vec<u8> {
    record(&name("k"), 250, 255, 0, rdata)
}

/// The 76 vectors.
fn vectors() -> Vec<Vector> {
    use Expected::*;
    let hit = name("a.default.svc.cluster.local");
    let q = question(&hit, 1, 1);
    let one = [1, 0, 0, 0];
    let with = |flags, counts, parts: &[&[u8]]| [header(flags, counts), parts.concat()].concat();
    let asked = |question: &[u8]| with(0, one, &[question]);
    let edns = |parts: &[u8]| with(0, [1, 0, 0, 1], &[&q, parts]);
    let options = |options: &[u8]| edns(&opt(1232, 0, options));
    let long = |last: usize| {
        let label = |len: usize| [vec![len as u8], vec![b'a'; len]].concat();
        [label(63).repeat(3), label(last), vec![0]].concat()
    };
    let many = |labels: usize| [b"\x01a".repeat(labels), vec![0]].concat();
    let hmac = [name("hmac-sha256"), vec![0; 6]].concat();
    let signature = [&[1, 44, 0, 32], &[0u8; 32][..], &[0x12, 0x34, 0, 0, 0, 0]].concat();
    let underflow = [name("a"), vec![0; 6], vec![1, 44, 0xff, 0xff], vec![0; 7]].concat();
    let dso = [0, 1, 0, 8, 0, 0, 0x3a, 0x98, 0, 0, 0x3a, 0x98];
    let apex = name("cluster.local");
    let a_record = record(b"\xc0\x0c", 1, 1, 1, &[1, 2, 3, 4]);
    let nodata = |rtype: u16| {
        let question = question(&hit, rtype, 1);
        (asked(&question), Negative(Rcode::NOERROR, question, 14))
    };
    let answered = || Address(q.clone());
    let refused = |question: Vec<u8>| (asked(&question), Error(Rcode::REFUSED, question));
    let bare = |body: &[u8]| (asked(body), Bare);
    let escape = question(b"\x05a\n\x1b[m\x07cluster\x05local\0", 1, 1);
    let spelled = question(&name("A.dEfAuLt.SvC.cLuStEr.LoCaL"), 1, 1);
    let nowhere = question(&name("nope.cluster.local"), 1, 1);
    let zone_soa = question(&apex, 6, 1);
    let mut cut_rdata = opt(1232, 0, b"");
    cut_rdata.truncate(9);
    cut_rdata.extend([0, 0x40]);
    let ext = |text| question(&name(text), 1, 1);
    let list: Vec<(&'static str, (Vec<u8>, Expected))> = vec![
        ("baseline A", (asked(&q), answered())),
        // Framing.
        ("empty datagram", (vec![], Dropped(DropReason::Short))),
        ("1 octet", (vec![0], Dropped(DropReason::Short))),
        (
            "11 octets",
            (header(0, one)[..11].to_vec(), Dropped(DropReason::Short)),
        ),
        // Responses.
        (
            "QR with question",
            (with(QR, one, &[&q]), Dropped(DropReason::Response)),
        ),
        (
            "QR, garbage",
            (
                with(0x8180, one, &[&[0xff; 20]]),
                Dropped(DropReason::Response),
            ),
        ),
        // Opcodes.
        ("opcode 15", (with(0x7800, one, &[&q]), NotImp)),
        ("opcode IQUERY", (with(0x0800, one, &[&q]), NotImp)),
        ("opcode STATUS", (with(0x1000, [0; 4], &[&q]), NotImp)),
        ("opcode NOTIFY", (with(0x2000, one, &[&zone_soa]), NotImp)),
        ("opcode UPDATE", (with(0x2800, one, &[&zone_soa]), NotImp)),
        ("opcode DSO", (with(0x3000, [0; 4], &[&dso]), NotImp)),
        // Counts.
        ("no question", (header(0, [0; 4]), Bare)),
        ("a question counted, none there", (header(0, one), Bare)),
        (
            "two questions, the same",
            (with(0, [2, 0, 0, 0], &[&q, &q]), Bare),
        ),
        (
            "two questions",
            (with(0, [2, 0, 0, 0], &[&q, &question(&hit, 28, 1)]), Bare),
        ),
        (
            "65535 questions counted",
            (with(0, [65535, 0, 0, 0], &[&q]), Bare),
        ),
        (
            "65535 answers counted",
            (with(0, [1, 65535, 0, 0], &[&q]), Question(q.clone())),
        ),
        (
            "65535 authorities counted",
            (with(0, [1, 0, 65535, 0], &[&q]), Question(q.clone())),
        ),
        (
            "65535 additionals counted",
            (with(0, [1, 0, 0, 65535], &[&q]), Question(q.clone())),
        ),
        // Records that a query has no use for.
        (
            "A in the answer section",
            (with(0, [1, 1, 0, 0], &[&q, &a_record]), answered()),
        ),
        (
            "malformed SVCB in the additional section",
            (
                edns(&record(&name("x"), 64, 1, 1, &[0, 1, 0, 0, 4, 0])),
                answered(),
            ),
        ),
        (
            "TSIG of an unknown key",
            (edns(&tsig(&[hmac, signature].concat())), answered()),
        ),
        (
            "TSIG, sizes past its end",
            (edns(&tsig(&underflow)), Question(q.clone())),
        ),
        // Names that are none. Compression has nothing to point at in a question.
        ("question without class", bare(&q[..q.len() - 2])),
        ("label past the end", bare(b"\x3fabc")),
        ("pointer to itself", bare(b"\xc0\x0c\0\x01\0\x01")),
        (
            "pointer forward",
            bare(&[&b"\xc0\x20\0\x01\0\x01"[..], &[0; 20]].concat()),
        ),
        ("pointer into the header", bare(b"\xc0\0\0\x01\0\x01")),
        (
            "two pointers in a loop",
            bare(b"\xc0\x0e\xc0\x0c\0\x01\0\x01"),
        ),
        ("label type 0x40", bare(b"\x41a\0\0\x01\0\x01")),
        ("label type 0x80", bare(b"\x81a\0\0\x01\0\x01")),
        ("name of 256 octets", bare(&question(&long(62), 1, 1))),
        ("name of 128 labels", bare(&question(&many(128), 1, 1))),
        // Names that are odd.
        ("name of 255 octets", refused(question(&long(61), 1, 1))),
        ("name of 127 labels", refused(question(&many(127), 1, 1))),
        (
            "zero octet in a label",
            refused(question(b"\x03a\0b\x05local\0", 1, 1)),
        ),
        (
            "line feed and escape",
            (asked(&escape), Negative(Rcode::NXDOMAIN, escape, 6)),
        ),
        ("the root", refused(question(&[0], 2, 1))),
        // EDNS.
        (
            "two OPT",
            (
                with(
                    0,
                    [1, 0, 0, 2],
                    &[&q, &opt(1232, 0, b""), &opt(1232, 0, b"")],
                ),
                Question(q.clone()),
            ),
        ),
        (
            "OPT below the root",
            (
                edns(&record(&name("a"), 41, 1232, 0, b"")),
                Question(q.clone()),
            ),
        ),
        (
            "OPT as answer",
            (
                with(0, [1, 1, 0, 0], &[&q, &opt(1232, 0, b"")]),
                Question(q.clone()),
            ),
        ),
        (
            "OPT data past the end",
            (edns(&cut_rdata), Question(q.clone())),
        ),
        // The record itself can be read, so that the reply has one too (RFC 6891 section 7).
        (
            "option past the end",
            (
                options(&[0, 10, 0, 50, b'a', b'b', b'c']),
                QuestionAndOpt(q.clone()),
            ),
        ),
        (
            "version 1",
            (edns(&opt(1232, 1, b"")), Error(Rcode::BADVERS, q.clone())),
        ),
        (
            "version 1, absent name",
            (
                with(0, [1, 0, 0, 1], &[&nowhere, &opt(1232, 1, b"")]),
                Error(Rcode::BADVERS, nowhere.clone()),
            ),
        ),
        ("size 0", (edns(&opt(0, 0, b"")), answered())),
        (
            "300 unknown options",
            (options(&option(65001, b"").repeat(300)), answered()),
        ),
        ("padding", (options(&option(12, &[0; 100])), answered())),
        (
            "60,000 octets of padding",
            (options(&option(12, &[0; 60_000])), answered()),
        ),
        (
            "keepalive over UDP",
            (options(&option(11, b"")), answered()),
        ),
        (
            "cookie of 7",
            (options(&option(10, b"1234567")), QuestionAndOpt(q.clone())),
        ),
        (
            "cookie of 8",
            (options(&option(10, b"12345678")), answered()),
        ),
        (
            "cookie of 12",
            (
                options(&option(10, b"12345678abcd")),
                QuestionAndOpt(q.clone()),
            ),
        ),
        (
            "cookie of 41",
            (options(&option(10, &[b'1'; 41])), QuestionAndOpt(q.clone())),
        ),
        (
            "a cookie and no question",
            (
                with(0, [0, 0, 0, 1], &[&opt(1232, 0, &option(10, b"12345678"))]),
                Bare,
            ),
        ),
        (
            "client subnet, family 3",
            (options(&option(8, b"\0\x03\x18\0\x01\x02\x03")), answered()),
        ),
        (
            "client subnet, 33 bits",
            (
                options(&option(8, b"\0\x01\x21\0\x01\x02\x03\x04\x05")),
                answered(),
            ),
        ),
        // Classes.
        (
            "version.bind",
            refused(question(&name("version.bind"), 16, 3)),
        ),
        ("class HS", refused(question(&hit, 1, 4))),
        ("class ANY", refused(question(&hit, 1, 255))),
        ("class 0", refused(question(&hit, 1, 0))),
        // Types.
        ("type 0", nodata(0)),
        ("type ANY", nodata(255)),
        ("type AXFR", refused(question(&apex, 252, 1))),
        ("type IXFR", refused(question(&apex, 251, 1))),
        ("type MAILB", nodata(253)),
        ("type OPT", nodata(41)),
        ("type TSIG", nodata(250)),
        ("type RRSIG", nodata(46)),
        ("type 65535", nodata(65535)),
        // The rest.
        (
            "octets behind the question",
            (with(0, one, &[&q, &[0xde, 0xad, 0xbe, 0xef]]), answered()),
        ),
        (
            "every flag",
            (with(0x07f0, one, &[&q]), AddressKeeping(q.clone(), RD | CD)),
        ),
        ("TC", (with(0x0200, one, &[&q]), answered())),
        ("letter case", (asked(&spelled), Address(spelled))),
        ("out of every zone", refused(ext("example.com"))),
    ];
    list.into_iter()
        .map(|(name, (bytes, expected))| Vector {
            name,
            bytes,
            expected,
        })
        .collect()
}

// === the reply ===

/// Puts a reply together. `rcode` over 15 takes OPT's eight bits.
fn reply(
    flags: u16,
    rcode: Rcode,
    question: &[u8],
    sections: [&[Vec<u8>]; 2],
    opt: bool,
) -> Vec<u8> {
    let flags = QR | flags | (rcode.0 & 0xf);
    let count = |n: usize| n as u16;
    let questions = u16::from(!question.is_empty());
    let counts = [
        questions,
        count(sections[0].len()),
        count(sections[1].len()),
        u16::from(opt),
    ];
    let mut bytes = header(flags, counts);
    bytes.extend(question);
    sections
        .iter()
        .for_each(|records| bytes.extend(records.concat()));
    if opt {
        bytes.extend(record(&[0], 41, 1232, u32::from(rcode.0 >> 4) << 24, b""));
    }
    bytes
}

fn soa(zone_at: usize, serial: u32) -> Vec<u8> {
    let zone = [0xc0, 12 + zone_at as u8];
    let numbers = [serial, 7200, 1800, 86_400, 5];
    let mut rdata = [b"\x02ns\x03dns", &zone[..], b"\x0ahostmaster", &zone].concat();
    rdata.extend(numbers.into_iter().flat_map(u32::to_be_bytes));
    record(&zone, 6, 1, 5, &rdata)
}

impl Vector {
    /// Returns the reply, or why there is none.
    fn reply(&self, serial: u32) -> Result<Vec<u8>, DropReason> {
        let opt = self.bytes.get(10..12) == Some(&[0, 1]) && has_opt(&self.bytes);
        let address = || vec![record(b"\xc0\x0c", 1, 1, 5, &[10, 96, 1, 1])];
        let opcode = || u16::from(self.bytes[2] & 0x78) << 8;
        Ok(match &self.expected {
            Expected::Dropped(reason) => return Err(*reason),
            Expected::NotImp => reply(opcode(), Rcode::NOTIMP, &[], [&[], &[]], false),
            Expected::Bare => reply(0, Rcode::FORMERR, &[], [&[], &[]], false),
            Expected::Question(q) => reply(0, Rcode::FORMERR, q, [&[], &[]], false),
            Expected::QuestionAndOpt(q) => reply(0, Rcode::FORMERR, q, [&[], &[]], true),
            Expected::Error(rcode, q) => reply(0, *rcode, q, [&[], &[]], opt),
            Expected::Address(q) => reply(AA, Rcode::NOERROR, q, [&address(), &[]], opt),
            Expected::AddressKeeping(q, flags) => {
                reply(AA | flags, Rcode::NOERROR, q, [&address(), &[]], opt)
            }
            Expected::Negative(rcode, q, zone_at) => {
                reply(AA, *rcode, q, [&[], &[soa(*zone_at, serial)]], opt)
            }
        })
    }

    fn is_error(&self) -> bool {
        use Expected::{Address, AddressKeeping, Negative};
        !matches!(
            self.expected,
            Address(_) | AddressKeeping(..) | Negative(..)
        )
    }
}

/// Whether the record behind the question `a.default.svc.cluster.local` (or another one) is OPT.
fn has_opt(bytes: &[u8]) -> bool {
    let end = 12 + bytes[12..].iter().position(|&b| b == 0).unwrap() + 5;
    bytes[end..].starts_with(&[0, 0, 41])
}

/// Both modes, with what the SOA serial says in each.
fn clusters() -> [(&'static str, Cluster, u32); 2] {
    let client: IpAddr = CLIENT.parse().unwrap();
    let make = |mode: &str| {
        let objects = vec![
            objects::service("default", "a", &["10.96.1.1".parse().unwrap()]),
            objects::service("other", "secret", &["10.96.1.2".parse().unwrap()]),
            objects::pod("default", "client", client),
        ];
        Cluster::of(objects, &format!("[tenancy]\nmode = {mode:?}\n"))
    };
    [
        ("off", make("off"), 1_700_000_000),
        ("enforce", make("enforce"), 1),
    ]
}

#[test]
fn malformed_messages_get_exactly_these_octets() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 76);
    let mut wrong = Vec::new();
    for (mode, cluster, serial) in clusters() {
        let snapshot = cluster.snapshot();
        for vector in &vectors {
            for transport in [Transport::Udp, Transport::Tcp] {
                let request = request(CLIENT.parse().unwrap(), transport, &vector.bytes);
                let mut out = vec![0xaa; 65_535];
                let got = match respond(&snapshot, &request, &mut out) {
                    Outcome::Reply(len, verdict) => Ok((out[..len].to_vec(), verdict.rcode)),
                    Outcome::Drop(reason) => Err(reason),
                    other => panic!("{}: {other:?}", vector.name),
                };
                let expected = vector.reply(serial);
                if got.as_ref().map(|(bytes, _)| bytes) != expected.as_ref() {
                    let name = vector.name;
                    wrong.push(format!(
                        "{name}, {mode}, {transport:?}:\n  got      {got:02x?}\n  expected {expected:02x?}"
                    ));
                } else if let Ok((bytes, rcode)) = got {
                    let high = if rcode.0 > 15 {
                        bytes[bytes.len() - 6]
                    } else {
                        0
                    };
                    let sent = u16::from(high) << 4 | u16::from(bytes[3] & 0xf);
                    assert_eq!(
                        rcode.0, sent,
                        "{}: the verdict is what was sent",
                        vector.name
                    );
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn no_error_is_longer_than_what_it_answers() {
    for vector in vectors().iter().filter(|vector| vector.is_error()) {
        if let Ok(reply) = vector.reply(1) {
            assert!(reply.len() <= vector.bytes.len(), "{}", vector.name);
        }
    }
}

/// Types that answer nothing where the name is seen tell nothing where it is hidden.
#[test]
fn an_unusual_type_of_a_hidden_name_is_nxdomain() {
    let [_, (_, cluster, serial)] = clusters();
    let snapshot = cluster.snapshot();
    let client = CLIENT.parse().unwrap();
    for rtype in [0, 41, 46, 250, 253, 255, 65535] {
        let bytes = query("secret.other.svc.cluster.local", RType(rtype));
        let got = ask(&snapshot, client, Transport::Udp, &bytes).expect("a reply");
        let question = &bytes[12..];
        let expected = reply(
            AA | RD,
            Rcode::NXDOMAIN,
            question,
            [&[], &[soa(17, serial)]],
            false,
        );
        assert_eq!(got, expected, "type {rtype}");
    }
}
