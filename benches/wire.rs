//! Octets alone: reading a query by both readers, and writing an answer by both writers. What is looked up in
//! between is view.rs's, and all of it respond.rs's. See benches/README.md.
#![allow(clippy::unwrap_used, reason = "a benchmark ends where it is wrong")]

use divan::{Bencher, black_box};
use std::sync::LazyLock;
use tenantdns::testing::{query, query_edns};
use tenantdns::wire::{
    Front, NameParts, Owner, PlainQuery, PlainReply, PlainSoa, QNameBuffer, Query, RType, Rcode,
    ResponseBuilder, Section,
};

const NAME: &str = "service-1.team-0.svc.cluster.local";
/// The zone, and its labels.
const ZONE: (&[u8], usize) = (b"\x07cluster\x05local\0", 2);

fn main() {
    divan::main();
}

// === reading ===

/// What is sent.
#[derive(Debug, Clone, Copy)]
enum Sent {
    WithEdns,
    WithoutEdns,
}

const SENT: [Sent; 2] = [Sent::WithEdns, Sent::WithoutEdns];

impl Sent {
    fn message(self) -> Vec<u8> {
        match self {
            Self::WithEdns => query_edns(NAME, RType::A, 1232),
            Self::WithoutEdns => query(NAME, RType::A),
        }
    }
}

/// Type, labels in front of the zone, and the most octets of an answer.
type Asked = (RType, usize, usize);

#[inline(always)]
fn read_plainly(message: &[u8]) -> Option<Asked> {
    let query = PlainQuery::parse(message)?;
    let front = Front::of(query.qname, ZONE.0)??;
    Some((query.qtype, front.count(), query.udp_limit))
}

#[inline(always)]
fn read_at_length(message: &[u8]) -> Option<Asked> {
    let mut buffer = QNameBuffer::default();
    let query = Query::parse(message, &mut buffer).ok()?;
    let start = query.qname.suffix_offset(ZONE.1)?;
    let labels = query.qname.label_count().checked_sub(ZONE.1)?;
    let is_ours = query.qname.lower().get(start..)? == ZONE.0;
    is_ours.then(|| (query.qtype, labels, ResponseBuilder::udp_limit(&query)))
}

fn read(bencher: Bencher<'_, '_>, sent: Sent, read: impl Fn(&[u8]) -> Option<Asked>) {
    let message = sent.message();
    assert!(read(&message).is_some());
    assert_eq!(read_plainly(&message), read_at_length(&message), "{sent:?}");
    bencher.bench_local(|| read(black_box(&message)));
}

#[divan::bench(args = SENT)]
fn plain_query(bencher: Bencher<'_, '_>, sent: Sent) {
    read(bencher, sent, read_plainly);
}

#[divan::bench(args = SENT)]
fn any_query(bencher: Bencher<'_, '_>, sent: Sent) {
    read(bencher, sent, read_at_length);
}

// === writing ===

/// What is answered.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Address,
    EightAddresses,
    Service,
    Absent,
}

const ANSWERS: [Answer; 4] = [
    Answer::Address,
    Answer::EightAddresses,
    Answer::Service,
    Answer::Absent,
];

const TTL: u32 = 5;
const ADDRESS: [u8; 4] = [10, 96, 0, 1];
const ADDRESSES: [u8; 8 * 4] = [
    10, 96, 0, 1, 10, 96, 0, 2, 10, 96, 0, 3, 10, 96, 0, 4, //
    10, 96, 0, 5, 10, 96, 0, 6, 10, 96, 0, 7, 10, 96, 0, 8,
];
/// The address of eight that comes first.
const FIRST: usize = 3;
const WEIGHT_AND_PORT: (u16, u16) = (100, 80);
const TARGET: &[u8] = b"\x09service-1\x06team-0\x03svc";
/// Serial, refresh, retry, expire and minimum.
const SOA: [u32; 5] = [1_700_000_000, 7_200, 1_800, 86_400, TTL];
static PLAIN_SOA: LazyLock<PlainSoa> = LazyLock::new(|| PlainSoa::new(TTL, SOA));

fn write_plainly(query: &PlainQuery<'_>, answer: Answer, out: &mut [u8]) -> Option<usize> {
    let mut reply = PlainReply::start(query, query.udp_limit, out)?;
    match answer {
        Answer::Address => reply.push_addresses((RType::A, TTL), &ADDRESS, || 0)?,
        Answer::EightAddresses => {
            reply.push_addresses((RType::A, TTL), &ADDRESSES, || FIRST as u64)?;
        }
        Answer::Service => {
            let address = Some((RType::A, &ADDRESS[..]));
            reply.push_service(TTL, WEIGHT_AND_PORT, (TARGET, ZONE.0), address)?;
        }
        Answer::Absent => {
            reply.push_soa(ZONE.0.len(), &PLAIN_SOA)?;
            return reply.finish(Rcode::NXDOMAIN);
        }
    }
    reply.finish(Rcode::NOERROR)
}

fn write_at_length(query: &Query<'_>, answer: Answer, out: &mut [u8]) -> Option<usize> {
    let mut reply = ResponseBuilder::new(query, ResponseBuilder::udp_limit(query), out);
    reply.set_authoritative();
    match answer {
        Answer::Address => reply.push_addresses(RType::A, TTL, &ADDRESS, 0).ok()?,
        Answer::EightAddresses => {
            let all = reply.push_addresses(RType::A, TTL, &ADDRESSES, FIRST);
            all.ok()?;
        }
        Answer::Service => {
            let (weight, port) = WEIGHT_AND_PORT;
            let target = NameParts(&[TARGET, ZONE.0]);
            let target = reply.push_srv(TTL, weight, port, target).ok()?;
            reply.section(Section::Additional);
            let owner = Owner::Position(target);
            reply.push_record(owner, RType::A, TTL, &[&ADDRESS]).ok()?;
        }
        Answer::Absent => {
            reply.set_rcode(Rcode::NXDOMAIN);
            reply.section(Section::Authority);
            let zone = query.qname.suffix_offset(ZONE.1)?;
            reply.push_soa(zone, TTL, SOA).ok()?;
        }
    }
    Some(reply.finish())
}

/// Hands both readings of a query to `measure`, once both writers have written the same.
fn write(answer: Answer, measure: impl FnOnce(&PlainQuery<'_>, &Query<'_>, &mut [u8])) {
    let message = Sent::WithEdns.message();
    let mut buffer = QNameBuffer::default();
    let plain = PlainQuery::parse(&message).unwrap();
    let query = Query::parse(&message, &mut buffer).unwrap();
    let (mut one, mut other) = ([0; 1232], [0; 1232]);
    let length = write_plainly(&plain, answer, &mut one);
    assert!(length.is_some(), "{answer:?}");
    assert_eq!(write_at_length(&query, answer, &mut other), length);
    assert_eq!(one, other, "{answer:?}");
    measure(&plain, &query, &mut one);
}

#[divan::bench(args = ANSWERS)]
fn plain_reply(bencher: Bencher<'_, '_>, answer: Answer) {
    write(answer, |query, _, out| {
        bencher.bench_local(|| write_plainly(black_box(query), answer, black_box(&mut *out)));
    });
}

#[divan::bench(args = ANSWERS)]
fn any_reply(bencher: Bencher<'_, '_>, answer: Answer) {
    write(answer, |_, query, out| {
        bencher.bench_local(|| write_at_length(black_box(query), answer, black_box(&mut *out)));
    });
}
